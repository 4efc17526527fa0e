/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_default - what a reader gets for a field that was not written: the field's default in Avro's binary encoding, as
 *                  Java's Avro makes it. Numbers are cut to their type, bytes are characters up to U+00FF, a fixed is cut or
 *                  filled up, a union is its first type, and fields that a record's default lacks have theirs.
 *
 * Limits: SCHEMA_DEFAULTS_BYTES_MAX for a definition, and STEPS_MAX values; a field beyond them has a default all the same,
 *         but nobody can be given it.
 */
#include "daemon/core/bytes.h"
#include "daemon/schema/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 1000000U
#define VARINT_BYTES_MAX 10U

static bool encode(struct schema_reader *r, uint32_t node, json_t *value);

/* False: the bound is reached, or no memory. */
static bool put(struct schema_reader *r, const void *bytes, size_t count)
{
    struct schema_table *values = &r->schema->values;

    if (count > SCHEMA_DEFAULTS_BYTES_MAX - values->count ||
        !hulse_reader_reserve(r, values, (uint32_t)count, 1)) {
        return false;
    }
    if (count > 0) {
        memcpy((char *)values->items + values->count, bytes, count);
        values->count += (uint32_t)count;
    }
    return true;
}

static bool put_long(struct schema_reader *r, int64_t value)
{
    uint64_t n = ((uint64_t)value << 1U) ^ (uint64_t)(value >> 63U);
    uint8_t out[VARINT_BYTES_MAX];
    size_t count = 0;

    while (n >= 0x80) {
        out[count++] = (uint8_t)(n | 0x80U);
        n >>= 7U;
    }
    out[count++] = (uint8_t)n;
    return put(r, out, count);
}

/* As Java narrows. */
static int64_t integer_of(json_t *value, double min, double max)
{
    if (json_is_integer(value)) {
        return json_integer_value(value);
    }
    const double real = json_real_value(value);
    if (isnan(real)) {
        return 0;
    }
    if (real <= min) {
        return (int64_t)min;
    }
    return real >= max ? (max > 0x1p62 ? INT64_MAX : (int64_t)max) : (int64_t)real;
}

static bool put_int(struct schema_reader *r, json_t *value)
{
    const int64_t n = integer_of(value, (double)INT32_MIN, (double)INT32_MAX);

    return put_long(r, (int32_t)(uint32_t)(uint64_t)n);
}

static double real_of(json_t *value)
{
    return json_is_string(value) ? strtod(json_string_value(value), NULL)
                                 : json_number_value(value);
}

static bool put_float(struct schema_reader *r, json_t *value)
{
    const float real = (float)real_of(value);
    uint8_t out[sizeof(real)];
    uint32_t bits = 0;

    memcpy(&bits, &real, sizeof(bits));
    hulse_put32(out, bits);
    return put(r, out, sizeof(out));
}

static bool put_double(struct schema_reader *r, json_t *value)
{
    const double real = real_of(value);
    uint8_t out[sizeof(real)];
    uint64_t bits = 0;

    memcpy(&bits, &real, sizeof(bits));
    hulse_put64(out, bits);
    return put(r, out, sizeof(out));
}

/* A byte for each character; those above U+00FF are '?', as Java has it. Gives how many; `out` may be NULL. */
static size_t to_latin(const char *text, size_t bytes, uint8_t *out)
{
    size_t count = 0;

    for (size_t i = 0; i < bytes;) {
        const uint8_t lead = (uint8_t)text[i];
        const size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        if (out != NULL && length == 1) {
            out[count] = lead;
        } else if (out != NULL) {
            const unsigned low = (unsigned)lead << 6U | ((unsigned)(uint8_t)text[i + 1] & 0x3fU);
            out[count] = lead < 0xc4 ? (uint8_t)(low & 0xffU) : (uint8_t)'?';
        }
        count += 1;
        i += length;
    }
    return count;
}

/* Of bytes with their length, of a fixed cut or filled up. */
static bool put_latin(struct schema_reader *r, const struct schema_node *n, json_t *value)
{
    const char *text = json_string_value(value);
    const size_t bytes = json_string_length(value);
    const size_t count = to_latin(text, bytes, NULL);
    const size_t size = n->kind == KIND_FIXED ? n->size : count;

    if (size > SCHEMA_DEFAULTS_BYTES_MAX) {
        return false;
    }
    uint8_t *out = calloc(1, (size > count ? size : count) + 1);
    if (out == NULL) {
        return hulse_reader_fail(r, HULSE_NO_MEMORY, "no memory");
    }
    (void)to_latin(text, bytes, out);
    const bool good = (n->kind == KIND_FIXED || put_long(r, (int64_t)count)) && put(r, out, size);
    free(out);
    return good;
}

static bool put_text(struct schema_reader *r, const char *text, size_t bytes)
{
    return put_long(r, (int64_t)bytes) && put(r, text, bytes);
}

static bool put_symbol(struct schema_reader *r, uint32_t node, json_t *value)
{
    const struct schema_key key = {.scope = schema_scope(node),
                                   .name = json_string_value(value),
                                   .bytes = json_string_length(value)};

    return put_long(r, hulse_schema_names_find(&r->schema->names, r->schema->texts.items, &key));
}

static bool put_items(struct schema_reader *r, const struct schema_node *n, json_t *value)
{
    const size_t count = json_is_array(value) ? json_array_size(value) : json_object_size(value);
    const char *name = NULL;
    size_t bytes = 0;
    json_t *of = NULL;
    size_t i = 0;

    if (count == 0) {
        return put_long(r, 0);
    }
    if (n->kind == KIND_MAP && !json_is_object(value)) {
        return false; /* there are no names */
    }
    if (!put_long(r, (int64_t)count)) {
        return false;
    }
    json_array_foreach(value, i, of)
    {
        if (!encode(r, n->item, of)) {
            return false;
        }
    }
    json_object_keylen_foreach(value, name, bytes, of)
    {
        if ((n->kind == KIND_MAP && !put_text(r, name, bytes)) || !encode(r, n->item, of)) {
            return false;
        }
    }
    return put_long(r, 0);
}

static bool put_record(struct schema_reader *r, const struct schema_node *n, json_t *value)
{
    for (uint32_t i = n->parts.first; i < n->parts.first + n->parts.count; i++) {
        const struct schema_field *field = schema_field(r->schema, i);
        json_t *of =
            json_object_getn(value, schema_text(r->schema, field->name), field->name.bytes);
        if (of == NULL) {
            of = ((json_t *const *)r->defaults.items)[i];
        }
        if (of == NULL || !encode(r, field->node, of)) {
            return false;
        }
    }
    return true;
}

/* A value that fits its type (read_default.c). */
static bool encode(struct schema_reader *r, uint32_t node, json_t *value)
{
    const struct schema_node *n = schema_node(r->schema, node);
    const uint8_t truth = json_is_true(value) ? 1 : 0;

    if (r->steps == 0) {
        return false;
    }
    r->steps--;
    switch (n->kind) {
    case KIND_NULL:
        return true;
    case KIND_BOOLEAN:
        return put(r, &truth, 1);
    case KIND_INT:
        return put_int(r, value);
    case KIND_LONG:
        return put_long(r, integer_of(value, -0x1p63, 0x1p63));
    case KIND_FLOAT:
        return put_float(r, value);
    case KIND_DOUBLE:
        return put_double(r, value);
    case KIND_STRING:
        return put_text(r, json_string_value(value), json_string_length(value));
    case KIND_BYTES:
    case KIND_FIXED:
        return put_latin(r, n, value);
    case KIND_ENUM:
        return put_symbol(r, node, value);
    case KIND_ARRAY:
    case KIND_MAP:
        return put_items(r, n, value);
    case KIND_UNION:
        return put_long(r, 0) && encode(r, schema_link(r->schema, n->parts.first), value);
    case KIND_RECORD:
        return put_record(r, n, value);
    }
    return false;
}

bool hulse_encode_defaults(struct schema_reader *r)
{
    struct schema_field *fields = r->schema->fields.items;

    r->steps = r->schema->type == SCHEMA_AVRO ? STEPS_MAX : 0;
    for (uint32_t i = 0; r->steps > 0 && i < r->schema->fields.count; i++) {
        const uint32_t before = r->schema->values.count;
        if (!fields[i].default_good) {
            continue;
        }
        if (encode(r, fields[i].node, ((json_t *const *)r->defaults.items)[i])) {
            fields[i].encoded = true;
            fields[i].value =
                (struct schema_word){.at = before, .bytes = r->schema->values.count - before};
        } else if (r->status != HULSE_OK) {
            return false;
        } else {
            r->schema->values.count = before;
        }
    }
    return true;
}
