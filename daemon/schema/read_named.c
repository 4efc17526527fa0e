/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read_named - types that have a name: record, enum, fixed; with the fields and the symbols in them.
 */
#include "daemon/schema/reader.h"

#include <stdlib.h>
#include <string.h>

/* As a record or enum is noted among the names. */
struct named_entry {
    uint32_t scope;
    uint32_t value;
    const char *what; /* for messages */
};

static bool good_name(const char *name)
{
    for (const char *at = name; *at != '\0'; at++) {
        const bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
        if (!letter && (at == name || *at < '0' || *at > '9')) {
            return false;
        }
    }
    return *name != '\0';
}

/* The part behind the last dot is what has to look like a name. */
static bool good_full_name(const char *full)
{
    const char *dot = strrchr(full, '.');

    return good_name(dot == NULL ? full : dot + 1);
}

/* Copies a name and notes where it leads to; false when it is there. */
static bool note_name(struct schema_reader *r,
                      const char *name,
                      struct named_entry entry,
                      struct schema_word *word)
{
    struct schema *s = r->schema;
    const struct schema_key key = {.scope = entry.scope, .name = name, .bytes = strlen(name)};

    if (hulse_schema_names_find(&s->names, s->texts.items, &key) != SCHEMA_NONE) {
        return hulse_reader_fail(r, HULSE_INVAL, "%s \"%.64s\" is there twice", entry.what, name);
    }
    if (!hulse_reader_word(r, name, key.bytes, word)) {
        return false;
    }
    return hulse_schema_names_add(&s->names, &key, word->at, entry.value) ||
           hulse_reader_fail(r, HULSE_NO_MEMORY, "no memory");
}

/* Aliases stand in a row behind the words. With `space` they are names of types. */
static bool read_aliases(struct schema_reader *r,
                         json_t *t,
                         const struct schema_word *space,
                         struct schema_run *out)
{
    json_t *aliases = json_object_get(t, "aliases");
    const struct schema_run run = {.first = r->schema->words.count,
                                   .count = (uint32_t)json_array_size(aliases)};

    for (uint32_t i = 0; i < run.count; i++) {
        const char *alias = json_string_value(json_array_get(aliases, i));
        char full[SCHEMA_NAME_BYTES_MAX];
        struct schema_word word = {0};
        if (alias == NULL) {
            return hulse_reader_fail(r, HULSE_INVAL, "an alias is no text");
        }
        if (space != NULL) {
            if (!hulse_read_full_name(r, alias, *space, full)) {
                return false;
            }
            alias = full;
        }
        if (!hulse_reader_word(r, alias, strlen(alias), &word) ||
            !hulse_reader_append(r, &r->schema->words, &word, sizeof(word))) {
            return false;
        }
    }
    *out = run;
    return aliases == NULL || json_is_array(aliases) ||
           hulse_reader_fail(r, HULSE_INVAL, "\"aliases\" is no array");
}

static bool read_field(struct schema_reader *r, uint32_t node, json_t *t, struct schema_place place)
{
    const char *name = json_string_value(json_object_get(t, "name"));
    struct schema_field field = {.has_default = json_object_get(t, "default") != NULL};
    const uint32_t index = schema_node(r->schema, node)->parts.count;
    json_t *type = json_object_get(t, "type");

    if (name == NULL || !good_name(name)) {
        return hulse_reader_fail(
            r, HULSE_INVAL, "a field has no name, or not one of A-Z a-z 0-9 _");
    }
    const struct named_entry entry = {schema_scope(node), index, "field"};
    bool good = note_name(r, name, entry, &field.name) && read_aliases(r, t, NULL, &field.aliases);
    if (good && type == NULL) {
        good = hulse_reader_fail(r, HULSE_INVAL, "\"type\" is missing");
    }
    if (good) {
        field.node = hulse_read_type(r, type, place);
        good = field.node != SCHEMA_NONE;
    }
    if (!good) {
        hulse_schema_path_name(&r->path, name, strlen(name));
        return false;
    }
    struct schema_field *fields = r->schema->fields.items;
    fields[hulse_reader_at(r, node)->parts.first + index] = field;
    hulse_reader_at(r, node)->parts.count = index + 1;
    return true;
}

/* Fields stand in a row, so their places are taken before the types in them are read. */
static bool
read_fields(struct schema_reader *r, uint32_t node, json_t *t, struct schema_place place)
{
    json_t *fields = json_object_get(t, "fields");
    const size_t count = json_array_size(fields);
    const struct schema_field empty = {.node = SCHEMA_NONE};

    if (!json_is_array(fields)) {
        return hulse_reader_fail(r, HULSE_INVAL, "\"fields\" is missing, or is no array");
    }
    if (count > SCHEMA_RECORD_FIELDS_MAX) {
        return hulse_reader_fail(
            r, HULSE_TOOBIG, "a record of more than %u fields", SCHEMA_RECORD_FIELDS_MAX);
    }
    hulse_reader_at(r, node)->parts.first = r->schema->fields.count;
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_object_get(json_array_get(fields, i), "default");
        if (!hulse_reader_append(r, &r->schema->fields, &empty, sizeof(empty)) ||
            !hulse_reader_append(r, &r->defaults, &value, sizeof(json_t *))) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_field(r, node, json_array_get(fields, i), place)) {
            return false;
        }
    }
    return true;
}

static bool read_symbols(struct schema_reader *r, uint32_t node, json_t *t)
{
    json_t *symbols = json_object_get(t, "symbols");
    json_t *fallback = json_object_get(t, "default");
    struct schema_run run = {.first = r->schema->words.count,
                             .count = (uint32_t)json_array_size(symbols)};

    if (!json_is_array(symbols)) {
        return hulse_reader_fail(r, HULSE_INVAL, "\"symbols\" is missing, or is no array");
    }
    for (uint32_t i = 0; i < run.count; i++) {
        const char *symbol = json_string_value(json_array_get(symbols, i));
        const struct named_entry entry = {schema_scope(node), i, "symbol"};
        struct schema_word word = {0};
        if (symbol == NULL || !good_name(symbol)) {
            return hulse_reader_fail(
                r, HULSE_INVAL, "symbol %u is not one of A-Z a-z 0-9 _", (unsigned)i);
        }
        if (!note_name(r, symbol, entry, &word) ||
            !hulse_reader_append(r, &r->schema->words, &word, sizeof(word))) {
            return false;
        }
    }
    hulse_reader_at(r, node)->parts = run;
    hulse_reader_at(r, node)->fallback = SCHEMA_NONE;
    if (fallback == NULL) {
        return true;
    }
    const struct schema_key key = {.scope = schema_scope(node),
                                   .name = json_string_value(fallback),
                                   .bytes = json_string_length(fallback)};
    const uint32_t symbol =
        json_is_string(fallback)
            ? hulse_schema_names_find(&r->schema->names, r->schema->texts.items, &key)
            : SCHEMA_NONE;
    hulse_reader_at(r, node)->fallback = symbol;
    return symbol != SCHEMA_NONE ||
           hulse_reader_fail(r, HULSE_INVAL, "the default is none of the symbols");
}

static bool read_size(struct schema_reader *r, uint32_t node, json_t *t)
{
    const json_t *size = json_object_get(t, "size");
    const json_int_t bytes = json_integer_value(size);

    if (!json_is_integer(size) || bytes < 0 || bytes > INT32_MAX) {
        return hulse_reader_fail(r, HULSE_INVAL, "\"size\" is missing, or is no number of bytes");
    }
    hulse_reader_at(r, node)->size = (uint32_t)bytes;
    return true;
}

/* The name of a type, its namespace, its aliases; noted before what is in it, which may use it. */
static bool
read_names(struct schema_reader *r, uint32_t node, json_t *t, struct schema_place *place)
{
    static const char *const primitives[] = {
        "null", "boolean", "int", "long", "float", "double", "bytes", "string"};
    const char *name = json_string_value(json_object_get(t, "name"));
    json_t *space = json_object_get(t, "namespace");
    char full[SCHEMA_NAME_BYTES_MAX];

    if (name == NULL) {
        return hulse_reader_fail(r, HULSE_INVAL, "\"name\" is missing, or is no text");
    }
    if (json_is_string(space) &&
        !hulse_reader_word(r, json_string_value(space), json_string_length(space), &place->space)) {
        return false;
    }
    if (!hulse_read_full_name(r, name, place->space, full)) {
        return false;
    }
    if (!good_full_name(full)) {
        return hulse_reader_fail(r, HULSE_INVAL, "\"%.64s\" is not a name of A-Z a-z 0-9 _", name);
    }
    for (size_t i = 0; i < sizeof(primitives) / sizeof(primitives[0]); i++) {
        if (strcmp(primitives[i], full) == 0) {
            return hulse_reader_fail(r, HULSE_INVAL, "\"%s\" is a type of Avro's own", full);
        }
    }
    struct schema_word word = {0};
    if (!note_name(r, full, (struct named_entry){0, node, "type"}, &word)) {
        return false;
    }
    const char *dot = strrchr(full, '.');
    place->space = (struct schema_word){word.at, dot == NULL ? 0 : (uint32_t)(dot - full)};
    hulse_reader_at(r, node)->name = word;
    struct schema_run aliases = {0};
    const bool good = read_aliases(r, t, &place->space, &aliases);
    hulse_reader_at(r, node)->aliases = aliases;
    return good;
}

uint32_t hulse_read_named(struct schema_reader *r,
                          json_t *t,
                          enum schema_kind kind,
                          struct schema_place place)
{
    const uint32_t node = hulse_reader_node(r, kind);

    if (node == SCHEMA_NONE) {
        return SCHEMA_NONE;
    }
    bool good = read_names(r, node, t, &place);
    if (good) {
        good = kind == KIND_RECORD ? read_fields(r, node, t, place)
               : kind == KIND_ENUM ? read_symbols(r, node, t)
                                   : read_size(r, node, t);
    }
    if (!good) {
        const char *name = json_string_value(json_object_get(t, "name"));
        if (name != NULL) {
            hulse_schema_path_name(&r->path, name, strlen(name));
        }
        return SCHEMA_NONE;
    }
    return node;
}

/* Follows the fields of a record that are records themselves; `marks`: one byte a node. */
enum { UNSEEN = 0, UNDER_WAY, DONE };

static bool ends(struct schema_reader *r, uint32_t node, uint8_t *marks, unsigned depth)
{
    const struct schema_node *n = schema_node(r->schema, node);

    if (n->kind != KIND_RECORD || marks[node] == DONE) {
        return true;
    }
    if (marks[node] == UNDER_WAY) {
        return hulse_reader_fail(r,
                                 HULSE_INVAL,
                                 "record \"%.*s\" always has itself within it, so it has no end",
                                 (int)n->name.bytes,
                                 schema_text(r->schema, n->name));
    }
    if (depth >= SCHEMA_RECORDS_DEPTH_MAX) {
        return hulse_reader_fail(
            r, HULSE_TOOBIG, "more than %u records within each other", SCHEMA_RECORDS_DEPTH_MAX);
    }
    marks[node] = UNDER_WAY;
    for (uint32_t i = n->parts.first; i < n->parts.first + n->parts.count; i++) {
        if (!ends(r, schema_field(r->schema, i)->node, marks, depth + 1)) {
            return false;
        }
    }
    marks[node] = DONE;
    return true;
}

bool hulse_read_ends(struct schema_reader *r)
{
    uint8_t *marks = calloc(r->schema->nodes.count, 1);
    bool good = true;

    if (marks == NULL) {
        return hulse_reader_fail(r, HULSE_NO_MEMORY, "no memory");
    }
    for (uint32_t node = 0; good && node < r->schema->nodes.count; node++) {
        good = ends(r, node, marks, 0);
    }
    free(marks);
    return good;
}
