/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source - see the header.
 */
#include "daemon/schema/source.h"

#include "daemon/core/bytes.h"
#include "daemon/schema/pair.h"

#include <stdlib.h>
#include <string.h>

#define PROPERTY_HEADER_BYTES 4U

/* Encodes the members that are texts. *out is malloc's. False: too many, no text, no memory. */
static bool encode_properties(json_t *object, char **out, size_t *bytes)
{
    const char *name = NULL;
    json_t *value = NULL;

    *bytes = 0;
    *out = malloc(SCHEMA_PROPERTIES_BYTES_MAX);
    if (*out == NULL) {
        return false;
    }
    json_object_foreach(object, name, value)
    {
        const size_t name_bytes = strlen(name);
        const size_t value_bytes = json_string_length(value);
        uint8_t *at = (uint8_t *)*out + *bytes;
        if (!json_is_string(value) || name_bytes > UINT16_MAX || value_bytes > UINT16_MAX ||
            PROPERTY_HEADER_BYTES + name_bytes + value_bytes >
                SCHEMA_PROPERTIES_BYTES_MAX - *bytes) {
            return false;
        }
        hulse_put16(at, (uint16_t)name_bytes);
        hulse_put16(at + 2, (uint16_t)value_bytes);
        /* Their lengths are said before. NOLINTBEGIN(bugprone-not-null-terminated-result) */
        memcpy(at + PROPERTY_HEADER_BYTES, name, name_bytes);
        memcpy(at + PROPERTY_HEADER_BYTES + name_bytes, json_string_value(value), value_bytes);
        /* NOLINTEND(bugprone-not-null-terminated-result) */
        *bytes += PROPERTY_HEADER_BYTES + name_bytes + value_bytes;
    }
    return true;
}

/* Of a pair the definition is packed. */
static hulse_status
create_pair(struct schema **out, const struct schema_definition *d, struct error *err)
{
    json_t *tree = json_loadb(d->text, d->bytes, 0, NULL);
    struct schema_definition packed = *d;
    char *text = NULL;

    if (!hulse_pair_pack(tree, &text, &packed.bytes)) {
        json_decref(tree);
        return hulse_fail(
            err,
            HULSE_INVAL,
            "the definition of a KEY_VALUE is an object with the members key and value");
    }
    packed.text = text;
    const hulse_status st = hulse_schema_create(out, &packed, err);
    free(text);
    json_decref(tree);
    return st;
}

/* An object as Pulsar's tools keep it. */
static hulse_status create_from_form(struct schema **out,
                                     const json_t *form,
                                     struct schema_definition *d,
                                     struct error *err)
{
    const json_t *text = json_object_get(form, "schema");
    char *properties = NULL;
    hulse_status st = HULSE_OK;

    d->text = json_string_value(text);
    d->bytes = json_string_length(text);
    if (!encode_properties(
            json_object_get(form, "properties"), &properties, &d->properties_bytes)) {
        st = hulse_fail(err, HULSE_INVAL, "properties: too many of them, or one that is no text");
    }
    d->properties = properties;
    if (st == HULSE_OK) {
        st = d->type == SCHEMA_KEY_VALUE ? create_pair(out, d, err)
                                         : hulse_schema_create(out, d, err);
    }
    free(properties);
    return st;
}

hulse_status
hulse_schema_create_from(struct schema **out, const struct schema_definition *d, struct error *err)
{
    struct schema_definition inner = *d;
    json_t *tree =
        d->bytes > SCHEMA_SOURCE_BYTES_MAX ? NULL : json_loadb(d->text, d->bytes, 0, NULL);
    const char *name = json_string_value(json_object_get(tree, "type"));
    hulse_status status = HULSE_OK;

    if (name != NULL && json_is_string(json_object_get(tree, "schema")) &&
        hulse_schema_type_find(name, &inner.type)) {
        status = create_from_form(out, tree, &inner, err);
    } else if (inner.type == SCHEMA_KEY_VALUE) {
        status =
            hulse_fail(err,
                       HULSE_INVAL,
                       "a schema of KEY_VALUE needs the form of Pulsar's tools, whose properties "
                       "have the types");
    } else {
        status = hulse_schema_create(out, &inner, err);
    }
    json_decref(tree);
    return status;
}

/* ---- the other way ---- */

static json_t *properties_json(const struct schema_definition *d)
{
    const uint8_t *at = (const uint8_t *)d->properties;
    size_t left = d->properties_bytes;
    json_t *object = json_object();

    while (object != NULL && left >= PROPERTY_HEADER_BYTES) {
        const size_t name_bytes = hulse_get16(at);
        const size_t value_bytes = hulse_get16(at + 2);
        const char *name = (const char *)at + PROPERTY_HEADER_BYTES;
        if (name_bytes + value_bytes > left - PROPERTY_HEADER_BYTES) {
            break;
        }
        /* What is no UTF-8 is left out. */
        (void)json_object_setn_new(
            object, name, name_bytes, json_stringn(name + name_bytes, value_bytes));
        at += PROPERTY_HEADER_BYTES + name_bytes + value_bytes;
        left -= PROPERTY_HEADER_BYTES + name_bytes + value_bytes;
    }
    return object;
}

static json_t *text_json(const void *text, size_t bytes)
{
    return json_stringn(bytes == 0 ? "" : text, bytes);
}

/* As Pulsar's REST API has a pair: each half as it is, text where it is no JSON. */
static json_t *half_json(struct schema_bytes half)
{
    json_t *tree =
        half.bytes == 0 ? NULL : json_loadb((const char *)half.data, half.bytes, 0, NULL);

    return tree != NULL ? tree : text_json(half.data, half.bytes);
}

static json_t *pair_json(const struct schema_definition *d)
{
    struct schema_bytes key = {0};
    struct schema_bytes value = {0};

    if (d->bytes > 0 && !hulse_pair_split((const uint8_t *)d->text, d->bytes, &key, &value)) {
        return NULL;
    }
    json_t *tree = json_pack("{s:o, s:o}", "key", half_json(key), "value", half_json(value));
    char *text = tree == NULL ? NULL : hulse_json_text(tree);
    json_t *json = text == NULL ? NULL : json_string(text);
    free(text);
    json_decref(tree);
    return json;
}

bool hulse_schema_form(const struct schema_definition *d, json_t **definition, json_t **properties)
{
    const bool pair = d->type == SCHEMA_KEY_VALUE;
    const bool zeros = d->bytes > 0 && memchr(d->text, '\0', d->bytes) != NULL;

    *definition = pair ? pair_json(d) : zeros ? NULL : text_json(d->text, d->bytes);
    *properties = *definition == NULL ? NULL : properties_json(d);
    if (*properties == NULL) {
        json_decref(*definition);
        *definition = NULL;
    }
    return *definition != NULL;
}
