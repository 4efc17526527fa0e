/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read_default - whether the default of a field is a value of its type, as Java's Avro sees it: a
 *                number of any form for every numeric type, the first branch of a union.
 *
 * Limits: the defaults of a definition may use each other; together they take STEPS_MAX steps.
 */
#include "daemon/schema/reader.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 1000000U
#define DEPTH_MAX 64U

static bool fits(struct schema_reader *r, uint32_t node, json_t *value, unsigned depth);

static json_t *default_of(const struct schema_reader *r, uint32_t field)
{
    return ((json_t *const *)r->defaults.items)[field];
}

/* What the value does not have is taken from the defaults of the fields. */
static bool
record_fits(struct schema_reader *r, const struct schema_node *n, json_t *value, unsigned depth)
{
    const struct schema_run fields = n->parts;

    for (uint32_t i = fields.first; i < fields.first + fields.count; i++) {
        const struct schema_field *field = schema_field(r->schema, i);
        const struct schema_word name = field->name;
        json_t *of = json_object_getn(value, schema_text(r->schema, name), name.bytes);
        if (of == NULL) {
            of = default_of(r, i);
        }
        if (of == NULL || !fits(r, field->node, of, depth)) {
            return false;
        }
    }
    return true;
}

static bool items_fit(struct schema_reader *r, uint32_t item, json_t *value, unsigned depth)
{
    const char *name = NULL;
    json_t *of = NULL;
    size_t i = 0;

    json_array_foreach(value, i, of)
    {
        if (!fits(r, item, of, depth)) {
            return false;
        }
    }
    json_object_foreach(value, name, of)
    {
        if (!fits(r, item, of, depth)) {
            return false;
        }
    }
    return true;
}

static bool symbol_fits(const struct schema *s, uint32_t node, const json_t *value)
{
    const struct schema_key key = {.scope = schema_scope(node),
                                   .name = json_string_value(value),
                                   .bytes = json_string_length(value)};

    return json_is_string(value) &&
           hulse_schema_names_find(&s->names, s->texts.items, &key) != SCHEMA_NONE;
}

static bool fits(struct schema_reader *r, uint32_t node, json_t *value, unsigned depth)
{
    const struct schema *s = r->schema;
    const struct schema_node *n = schema_node(s, node);

    if (r->steps == 0 || depth >= DEPTH_MAX) {
        return false;
    }
    r->steps--;
    switch (n->kind) {
    case KIND_NULL:
        return json_is_null(value);
    case KIND_BOOLEAN:
        return json_is_boolean(value);
    case KIND_INT:
    case KIND_LONG:
    case KIND_FLOAT:
    case KIND_DOUBLE:
        return json_is_number(value);
    case KIND_BYTES:
    case KIND_STRING:
    case KIND_FIXED: /* of any length: Java's Avro cuts it or fills it up */
        return json_is_string(value);
    case KIND_ENUM:
        return symbol_fits(s, node, value);
    case KIND_ARRAY:
    case KIND_MAP:
        return items_fit(r, n->item, value, depth + 1);
    case KIND_UNION:
        return n->parts.count > 0 && fits(r, schema_link(s, n->parts.first), value, depth + 1);
    case KIND_RECORD:
        return record_fits(r, n, value, depth + 1);
    }
    return false;
}

/* "NaN" and numbers as text, of a field that is a float itself; any other text is a mistake. */
static bool is_number(const char *text)
{
    char *end = NULL;

    (void)strtod(text, &end);
    return end != text && *end == '\0';
}

bool hulse_read_defaults(struct schema_reader *r)
{
    struct schema_field *fields = r->schema->fields.items;

    r->steps = STEPS_MAX;
    for (uint32_t i = 0; i < r->schema->fields.count; i++) {
        json_t *value = default_of(r, i);
        const enum schema_kind kind = schema_node(r->schema, fields[i].node)->kind;
        if (value == NULL) {
            continue;
        }
        if ((kind == KIND_FLOAT || kind == KIND_DOUBLE) && json_is_string(value)) {
            if (!is_number(json_string_value(value))) {
                const struct schema_word name = fields[i].name;
                hulse_schema_path_name(&r->path, schema_text(r->schema, name), name.bytes);
                return hulse_reader_fail(r, HULSE_INVAL, "the default is no number");
            }
            fields[i].default_good = true;
            continue;
        }
        fields[i].default_good = fits(r, fields[i].node, value, 0);
    }
    return true;
}
