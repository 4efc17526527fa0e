/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair - see the header.
 */
#include "daemon/schema/pair.h"

#include "daemon/core/bytes.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 4U
#define PROPERTY_HEADER_BYTES 4U
#define TYPE_BYTES 32U

/* The next part of *left; a negative length is none. False: there is no such part. */
static bool next_part(struct schema_bytes *left, struct schema_bytes *out)
{
    if (left->bytes < LENGTH_BYTES) {
        return false;
    }
    const int32_t length = (int32_t)hulse_get32_big(left->data);
    left->data += LENGTH_BYTES;
    left->bytes -= LENGTH_BYTES;
    if (length < 0) {
        *out = (struct schema_bytes){0};
        return length == -1;
    }
    if ((uint32_t)length > left->bytes) {
        return false;
    }
    *out = (struct schema_bytes){left->data, (size_t)length};
    left->data += length;
    left->bytes -= (size_t)length;
    return true;
}

bool hulse_pair_split(const uint8_t *payload,
                      size_t bytes,
                      struct schema_bytes *key,
                      struct schema_bytes *value)
{
    struct schema_bytes left = {payload, bytes};

    return next_part(&left, key) && next_part(&left, value) && left.bytes == 0;
}

/* Copies the value of a property, terminated. False: there is none, or it is longer. */
static bool property(const struct schema *s, const char *name, char out[TYPE_BYTES])
{
    const uint8_t *at = (const uint8_t *)s->properties;
    const uint8_t *end = at + s->properties_bytes;

    while ((size_t)(end - at) >= PROPERTY_HEADER_BYTES) {
        const size_t name_bytes = hulse_get16(at);
        const size_t value_bytes = hulse_get16(at + 2);
        at += PROPERTY_HEADER_BYTES;
        if (name_bytes + value_bytes > (size_t)(end - at)) {
            return false;
        }
        if (name_bytes == strlen(name) && memcmp(at, name, name_bytes) == 0) {
            if (value_bytes >= TYPE_BYTES) {
                return false;
            }
            memcpy(out, at + name_bytes, value_bytes);
            out[value_bytes] = '\0';
            return true;
        }
        at += name_bytes + value_bytes;
    }
    return false;
}

static hulse_status read_half(const struct schema *s,
                              const char *name,
                              struct schema_bytes definition,
                              struct schema **out,
                              struct error *err)
{
    struct schema_definition d = {.text = (const char *)definition.data, .bytes = definition.bytes};
    char type[TYPE_BYTES];
    struct error why = {0};

    if (!property(s, name, type)) {
        return HULSE_OK;
    }
    if (!hulse_schema_type_find(type, &d.type) || d.type == SCHEMA_KEY_VALUE) {
        return hulse_fail(err, HULSE_INVAL, "%s: no type of a schema of its own", name);
    }
    const hulse_status st = hulse_schema_create(out, &d, &why);
    return st == HULSE_OK ? st : hulse_fail(err, st, "%s: %.180s", name, why.text);
}

hulse_status hulse_pair_read(struct schema *s, struct error *err)
{
    struct schema_bytes key;
    struct schema_bytes value;
    char encoding[TYPE_BYTES];

    if (s->definition_bytes == 0) {
        return HULSE_OK;
    }
    if (!hulse_pair_split((const uint8_t *)s->definition, s->definition_bytes, &key, &value)) {
        return hulse_fail(err, HULSE_INVAL, "not the two definitions of a pair");
    }
    s->separated = property(s, "kv.encoding.type", encoding) && strcmp(encoding, "SEPARATED") == 0;
    const hulse_status st = read_half(s, "key.schema.type", key, &s->key, err);
    return st == HULSE_OK ? read_half(s, "value.schema.type", value, &s->value, err) : st;
}

/* ---- of the form of Pulsar's tools ---- */

char *hulse_json_text(const json_t *tree)
{
    const size_t bytes = json_dumpb(tree, NULL, 0, JSON_COMPACT);
    char *text = bytes == 0 ? NULL : malloc(bytes + 1);

    if (text != NULL && json_dumpb(tree, text, bytes, JSON_COMPACT) != bytes) {
        free(text);
        return NULL;
    }
    if (text != NULL) {
        text[bytes] = '\0';
    }
    return text;
}

/* A definition as text; free() it. NULL: no memory, or it is none. */
static char *text_of(json_t *definition)
{
    if (definition == NULL || json_is_null(definition)) {
        return strdup("");
    }
    return json_is_string(definition) ? strdup(json_string_value(definition))
                                      : hulse_json_text(definition);
}

static char *put_part(char *at, const char *text, size_t bytes)
{
    hulse_put32_big((uint8_t *)at, (uint32_t)bytes);
    memcpy(at + LENGTH_BYTES, text, bytes);
    return at + LENGTH_BYTES + bytes;
}

bool hulse_pair_pack(const json_t *tree, char **text, size_t *bytes)
{
    json_t *key_tree = json_object_get(tree, "key");
    json_t *value_tree = json_object_get(tree, "value");
    char *key = key_tree == NULL ? NULL : text_of(key_tree);
    char *value = value_tree == NULL ? NULL : text_of(value_tree);

    *text = NULL;
    if (key != NULL && value != NULL) {
        const size_t key_bytes = strlen(key);
        const size_t value_bytes = strlen(value);
        *bytes = ((size_t)2 * LENGTH_BYTES) + key_bytes + value_bytes;
        *text = malloc(*bytes);
        if (*text != NULL) {
            (void)put_part(put_part(*text, key, key_bytes), value, value_bytes);
        }
    }
    free(key);
    free(value);
    return *text != NULL;
}
