/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read_type - types of a definition: names, unions, arrays, maps; what has a name is read_named.c's.
 */
#include "daemon/schema/reader.h"

#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *name;
    enum schema_kind kind;
} kinds[] = {
    {"null", KIND_NULL},
    {"boolean", KIND_BOOLEAN},
    {"int", KIND_INT},
    {"long", KIND_LONG},
    {"float", KIND_FLOAT},
    {"double", KIND_DOUBLE},
    {"bytes", KIND_BYTES},
    {"string", KIND_STRING},
    {"record", KIND_RECORD},
    {"error", KIND_RECORD},
    {"enum", KIND_ENUM},
    {"fixed", KIND_FIXED},
    {"array", KIND_ARRAY},
    {"map", KIND_MAP},
};

/* Those whose values have another form in JSON than the type below them. */
static const char *const logical_types[] = {
    "decimal",
    "date",
    "time-millis",
    "time-micros",
    "timestamp-millis",
    "timestamp-micros",
    "local-timestamp-millis",
    "local-timestamp-micros",
    "duration",
};

/* False: the name is of none. */
static bool kind_of(const char *name, enum schema_kind *out)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            *out = kinds[i].kind;
            return true;
        }
    }
    return false;
}

/* One node for each primitive type. */
static uint32_t primitive(struct schema_reader *r, enum schema_kind kind)
{
    if (r->primitives[kind] == SCHEMA_NONE) {
        r->primitives[kind] = hulse_reader_node(r, kind);
    }
    return r->primitives[kind];
}

static uint32_t find(const struct schema_reader *r, const char *name)
{
    const struct schema_key key = {.name = name, .bytes = strlen(name)};

    return hulse_schema_names_find(&r->schema->names, r->schema->texts.items, &key);
}

bool hulse_read_full_name(struct schema_reader *r,
                          const char *name,
                          struct schema_word space,
                          char out[SCHEMA_NAME_BYTES_MAX])
{
    const bool none = name[0] == '.' && strchr(name + 1, '.') == NULL; /* no namespace, said so */
    const size_t before = none || strchr(name, '.') != NULL ? 0 : space.bytes;

    name += none ? 1 : 0;
    if (before + 1 + strlen(name) >= SCHEMA_NAME_BYTES_MAX) {
        return hulse_reader_fail(r, HULSE_TOOBIG, "a name is too long");
    }
    if (before > 0) {
        memcpy(out, schema_text(r->schema, space), before);
        out[before] = '.';
        out += before + 1;
    }
    memcpy(out, name, strlen(name) + 1);
    return true;
}

/* A type that was defined before, here or in no namespace. */
static uint32_t named(struct schema_reader *r, const char *name, struct schema_place place)
{
    char full[SCHEMA_NAME_BYTES_MAX];

    if (!hulse_read_full_name(r, name, place.space, full)) {
        return SCHEMA_NONE;
    }
    uint32_t node = find(r, full);
    if (node == SCHEMA_NONE && strchr(name, '.') == NULL) {
        node = find(r, name);
    }
    if (node == SCHEMA_NONE) {
        (void)hulse_reader_fail(r, HULSE_INVAL, "type \"%.64s\" is not known", name);
    }
    return node;
}

/* Notes a branch; false when one of the same kind, or name, is there. */
static bool note_branch(struct schema_reader *r, uint32_t node, uint32_t branch)
{
    struct schema *s = r->schema;
    const enum schema_kind kind = schema_node(s, branch)->kind;
    struct schema_word word = schema_node(s, branch)->name;

    if (word.bytes == 0) {
        /* A name has no parentheses. */
        char text[16];
        const int bytes = snprintf(text, sizeof(text), "(%u)", (unsigned)kind);
        if (bytes < 0 || !hulse_reader_word(r, text, (size_t)bytes, &word)) {
            return false;
        }
    }
    const struct schema_key key = {
        .scope = schema_scope(node), .name = schema_text(s, word), .bytes = word.bytes};
    if (hulse_schema_names_find(&s->names, s->texts.items, &key) != SCHEMA_NONE) {
        return hulse_reader_fail(r, HULSE_INVAL, "the union has this type twice");
    }
    return hulse_schema_names_add(&s->names, &key, word.at, branch) ||
           hulse_reader_fail(r, HULSE_NO_MEMORY, "no memory");
}

static uint32_t
read_branch(struct schema_reader *r, uint32_t node, json_t *t, struct schema_place place)
{
    const uint32_t branch = hulse_read_type(r, t, place);

    if (branch == SCHEMA_NONE) {
        return SCHEMA_NONE;
    }
    if (schema_node(r->schema, branch)->kind == KIND_UNION) {
        (void)hulse_reader_fail(r, HULSE_INVAL, "a union stands directly in a union");
        return SCHEMA_NONE;
    }
    if (schema_node(r->schema, branch)->kind == KIND_NULL) {
        hulse_reader_at(r, node)->nullable = true;
    }
    return note_branch(r, node, branch) ? branch : SCHEMA_NONE;
}

/* Links of a union stand in a row, so all of it is read before they are written. */
static uint32_t read_union(struct schema_reader *r, json_t *t, struct schema_place place)
{
    uint32_t branches[SCHEMA_UNION_TYPES_MAX];
    const uint32_t node = hulse_reader_node(r, KIND_UNION);
    const size_t count = json_array_size(t);

    if (node == SCHEMA_NONE) {
        return SCHEMA_NONE;
    }
    if (count > SCHEMA_UNION_TYPES_MAX) {
        (void)hulse_reader_fail(
            r, HULSE_TOOBIG, "a union of more than %u types", SCHEMA_UNION_TYPES_MAX);
        return SCHEMA_NONE;
    }
    for (size_t i = 0; i < count; i++) {
        branches[i] = read_branch(r, node, json_array_get(t, i), place);
        if (branches[i] == SCHEMA_NONE) {
            hulse_schema_path_index(&r->path, i);
            return SCHEMA_NONE;
        }
    }
    const struct schema_run links = {.first = r->schema->links.count, .count = (uint32_t)count};
    for (size_t i = 0; i < count; i++) {
        if (!hulse_reader_append(r, &r->schema->links, &branches[i], sizeof(branches[i]))) {
            return SCHEMA_NONE;
        }
    }
    hulse_reader_at(r, node)->parts = links;
    return node;
}

static uint32_t
read_container(struct schema_reader *r, json_t *t, enum schema_kind kind, struct schema_place place)
{
    const char *member = kind == KIND_ARRAY ? "items" : "values";
    json_t *of = json_object_get(t, member);
    const uint32_t node = hulse_reader_node(r, kind);

    if (node == SCHEMA_NONE) {
        return SCHEMA_NONE;
    }
    if (of == NULL) {
        (void)hulse_reader_fail(r, HULSE_INVAL, "\"%s\" is missing", member);
        return SCHEMA_NONE;
    }
    const uint32_t item = hulse_read_type(r, of, place);
    if (item == SCHEMA_NONE) {
        hulse_schema_path_name(&r->path, member, strlen(member));
        return SCHEMA_NONE;
    }
    hulse_reader_at(r, node)->item = item;
    return node;
}

/* A primitive type with attributes. */
static uint32_t annotated(struct schema_reader *r, json_t *t, enum schema_kind kind)
{
    const char *logical = json_string_value(json_object_get(t, "logicalType"));

    for (size_t i = 0; logical != NULL && i < COUNT_OF(logical_types); i++) {
        if (strcmp(logical_types[i], logical) == 0) {
            const uint32_t node = hulse_reader_node(r, kind);
            if (node != SCHEMA_NONE) {
                hulse_reader_at(r, node)->logical = true;
            }
            return node;
        }
    }
    return primitive(r, kind);
}

static uint32_t read_object(struct schema_reader *r, json_t *t, struct schema_place place)
{
    const char *type = json_string_value(json_object_get(t, "type"));
    enum schema_kind kind = KIND_NULL;

    if (type == NULL) {
        (void)hulse_reader_fail(r, HULSE_INVAL, "\"type\" is missing, or is no name");
        return SCHEMA_NONE;
    }
    if (!kind_of(type, &kind)) {
        return named(r, type, place);
    }
    if (kind < KIND_PRIMITIVES) {
        return annotated(r, t, kind);
    }
    if (kind == KIND_ARRAY || kind == KIND_MAP) {
        return read_container(r, t, kind, place);
    }
    const uint32_t node = hulse_read_named(r, t, kind, place);
    if (node != SCHEMA_NONE && kind == KIND_FIXED) {
        hulse_reader_at(r, node)->logical = json_object_get(t, "logicalType") != NULL;
    }
    return node;
}

uint32_t hulse_read_type(struct schema_reader *r, json_t *t, struct schema_place place)
{
    enum schema_kind kind = KIND_NULL;

    if (++place.depth > SCHEMA_DEPTH_MAX) {
        (void)hulse_reader_fail(r, HULSE_TOOBIG, "deeper than %u types", SCHEMA_DEPTH_MAX);
        return SCHEMA_NONE;
    }
    if (json_is_object(t)) {
        return read_object(r, t, place);
    }
    if (json_is_array(t)) {
        return read_union(r, t, place);
    }
    if (!json_is_string(t)) {
        (void)hulse_reader_fail(r, HULSE_INVAL, "a type is a name, an object or an array");
        return SCHEMA_NONE;
    }
    if (kind_of(json_string_value(t), &kind) && kind < KIND_PRIMITIVES) {
        return primitive(r, kind);
    }
    return named(r, json_string_value(t), place);
}
