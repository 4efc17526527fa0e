/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode - see the header. What was checked is read without another look at its bounds, but for the end.
 */
#include "daemon/schema/decode.h"

#include "daemon/core/bytes.h"
#include "daemon/schema/node.h"
#include "daemon/schema/pair.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOT_LOOKED_INTO "payloads of its type are not looked into"

struct decoder {
    const struct schema *schema;
    const uint8_t *at;
    const uint8_t *end;
};

static json_t *value_of(struct decoder *d, uint32_t node);

static int64_t get_long(struct decoder *d)
{
    uint64_t n = 0;

    for (unsigned shift = 0; d->at < d->end && shift < 64; shift += 7) {
        const uint8_t byte = *d->at++;
        n |= (uint64_t)(byte & 0x7fU) << shift;
        if (byte < 0x80) {
            break;
        }
    }
    return (int64_t)(n >> 1U) ^ -(int64_t)(n & 1U);
}

static struct schema_bytes take(struct decoder *d, uint64_t bytes)
{
    const uint64_t left = (uint64_t)(d->end - d->at);
    const struct schema_bytes out = {d->at, bytes < left ? bytes : left};

    d->at += out.bytes;
    return out;
}

static json_t *text_json(struct schema_bytes b)
{
    return json_stringn(b.bytes == 0 ? "" : (const char *)b.data, b.bytes);
}

/* A character for each byte. */
static json_t *latin_json(struct schema_bytes b)
{
    char *text = malloc(2 * b.bytes + 1);
    size_t n = 0;

    if (text == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < b.bytes; i++) {
        const uint8_t byte = b.data[i];
        if (byte < 0x80) {
            text[n++] = (char)byte;
        } else {
            text[n++] = (char)(0xc0U | (byte >> 6U));
            text[n++] = (char)(0x80U | (byte & 0x3fU));
        }
    }
    json_t *json = json_stringn_nocheck(text, n);
    free(text);
    return json;
}

static json_t *real_json(double value)
{
    if (isnan(value)) {
        return json_string("NaN");
    }
    return isinf(value) ? json_string(value > 0 ? "Infinity" : "-Infinity") : json_real(value);
}

static json_t *float_json(uint32_t bits)
{
    float value = 0;

    memcpy(&value, &bits, sizeof(value));
    return real_json((double)value);
}

static json_t *double_json(uint64_t bits)
{
    double value = 0;

    memcpy(&value, &bits, sizeof(value));
    return real_json(value);
}

static json_t *word_json(const struct schema *s, struct schema_word word)
{
    return json_stringn(schema_text(s, word), word.bytes);
}

static json_t *record_json(struct decoder *d, const struct schema_node *n)
{
    json_t *object = json_object();

    for (uint32_t i = n->parts.first; object != NULL && i < n->parts.first + n->parts.count; i++) {
        const struct schema_field *field = schema_field(d->schema, i);
        json_t *value = value_of(d, field->node);
        if (value == NULL ||
            json_object_setn_new(
                object, schema_text(d->schema, field->name), field->name.bytes, value) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* Behind its key, of a map. */
static bool add_item(struct decoder *d, const struct schema_node *n, json_t *to)
{
    struct schema_bytes key = {0};

    if (n->kind == KIND_MAP) {
        key = take(d, (uint64_t)get_long(d));
    }
    json_t *value = value_of(d, n->item);
    if (value == NULL) {
        return false;
    }
    return (n->kind == KIND_MAP
                ? json_object_setn_new(
                      to, key.bytes == 0 ? "" : (const char *)key.data, key.bytes, value)
                : json_array_append_new(to, value)) == 0;
}

static json_t *items_json(struct decoder *d, const struct schema_node *n)
{
    json_t *items = n->kind == KIND_MAP ? json_object() : json_array();
    int64_t count = items == NULL ? 0 : get_long(d);

    while (count != 0) {
        if (count < 0) {
            count = -count;
            (void)get_long(d); /* bytes of the block */
        }
        for (; count > 0; count--) {
            if (!add_item(d, n, items)) {
                json_decref(items);
                return NULL;
            }
        }
        count = get_long(d);
    }
    return items;
}

static json_t *fixed_width_json(struct decoder *d, enum schema_kind kind)
{
    if (kind == KIND_BOOLEAN) {
        return json_boolean(*take(d, 1).data);
    }
    if (kind == KIND_FLOAT) {
        return float_json(hulse_get32(take(d, sizeof(float)).data));
    }
    return double_json(hulse_get64(take(d, sizeof(double)).data));
}

static json_t *value_of(struct decoder *d, uint32_t node)
{
    const struct schema_node *n = schema_node(d->schema, node);

    switch (n->kind) {
    case KIND_NULL:
        return json_null();
    case KIND_BOOLEAN:
    case KIND_FLOAT:
    case KIND_DOUBLE:
        return fixed_width_json(d, n->kind);
    case KIND_INT:
    case KIND_LONG:
        return json_integer(get_long(d));
    case KIND_BYTES:
        return latin_json(take(d, (uint64_t)get_long(d)));
    case KIND_STRING:
        return text_json(take(d, (uint64_t)get_long(d)));
    case KIND_FIXED:
        return latin_json(take(d, n->size));
    case KIND_ENUM:
        return word_json(d->schema, schema_word(d->schema, n->parts.first + (uint32_t)get_long(d)));
    case KIND_RECORD:
        return record_json(d, n);
    case KIND_ARRAY:
    case KIND_MAP:
        return items_json(d, n);
    case KIND_UNION:
        return value_of(d, schema_link(d->schema, n->parts.first + (uint32_t)get_long(d)));
    }
    return NULL;
}

/* ---- primitive types, big endian ---- */

static json_t *two_json(const char *first, int64_t a, const char *second, int64_t b)
{
    return json_pack("{s:I, s:I}", first, (json_int_t)a, second, (json_int_t)b);
}

static json_t *primitive_json(enum schema_type type, struct schema_bytes p)
{
    switch (type) {
    case SCHEMA_STRING:
        return text_json(p);
    case SCHEMA_BOOLEAN:
        return json_boolean(p.data[0]);
    case SCHEMA_INT8:
        return json_integer((int8_t)p.data[0]);
    case SCHEMA_INT16:
        return json_integer((int16_t)hulse_get16_big(p.data));
    case SCHEMA_INT32:
        return json_integer((int32_t)hulse_get32_big(p.data));
    case SCHEMA_FLOAT:
        return float_json(hulse_get32_big(p.data));
    case SCHEMA_DOUBLE:
        return double_json(hulse_get64_big(p.data));
    case SCHEMA_INSTANT:
        return two_json("seconds",
                        (int64_t)hulse_get64_big(p.data),
                        "nanos",
                        (int32_t)hulse_get32_big(p.data + 8));
    case SCHEMA_LOCAL_DATE_TIME:
        return two_json("days",
                        (int64_t)hulse_get64_big(p.data),
                        "nanos",
                        (int64_t)hulse_get64_big(p.data + 8));
    default: /* INT64 and the times of eight bytes */
        return json_integer((json_int_t)hulse_get64_big(p.data));
    }
}

static json_t *pair_json(const struct schema *s,
                         struct schema_bytes payload,
                         struct schema_bytes key,
                         struct schema_fault *fault)
{
    struct schema_bytes value = payload;
    const struct schema_bytes nothing = {0};

    if (s->key == NULL || s->value == NULL) {
        fault->why = NOT_LOOKED_INTO;
        return NULL;
    }
    if (!s->separated) {
        (void)hulse_pair_split(payload.data, payload.bytes, &key, &value);
    }
    json_t *first =
        key.data == NULL ? json_null() : hulse_schema_decode(s->key, key, nothing, fault);
    json_t *second = first == NULL        ? NULL
                     : value.data == NULL ? json_null()
                                          : hulse_schema_decode(s->value, value, nothing, fault);
    if (second == NULL) {
        json_decref(first);
        return NULL;
    }
    return json_pack("{s:o, s:o}", "key", first, "value", second);
}

json_t *hulse_schema_decode(const struct schema *s,
                            struct schema_bytes payload,
                            struct schema_bytes key,
                            struct schema_fault *fault)
{
    struct decoder d = {s, payload.data, payload.data + payload.bytes};

    fault->path[0] = '\0';
    fault->why = NULL;
    if (!hulse_schema_check(s, payload.data, payload.bytes, fault)) {
        return NULL;
    }
    switch (s->type) {
    case SCHEMA_BYTES:
    case SCHEMA_PROTOBUF:
    case SCHEMA_PROTOBUF_NATIVE:
        fault->why = NOT_LOOKED_INTO;
        return NULL;
    case SCHEMA_AVRO:
        return value_of(&d, s->root);
    case SCHEMA_JSON:
        return json_loadb(
            (const char *)payload.data, payload.bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    case SCHEMA_KEY_VALUE:
        return pair_json(s, payload, key, fault);
    default:
        return primitive_json(s->type, payload);
    }
}
