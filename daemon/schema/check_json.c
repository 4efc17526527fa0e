/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_json - see check.h.
 *
 * As Pulsar's clients write JSON: a union is the value of one of its types; bytes and fixed are
 * texts; a field that may be null or has a default may be missing; fields that the schema does not
 * have are skipped, as all readers skip them. A logical type's value is a number, a text or an array.
 */
#include "daemon/schema/json_scan.h"

#include <string.h>

/* Fields of a record that were seen; one bit each. */
struct seen_fields {
    uint64_t bits[SCHEMA_RECORD_FIELDS_MAX / 64];
};

static bool check(struct schema_walk *w, uint32_t node);

static bool check_integer(struct schema_walk *w, uint64_t max)
{
    const uint8_t first = hulse_json_peek(w);
    struct json_number n;

    if (first != '-' && (first < '0' || first > '9')) {
        return schema_walk_fail(w, "no number");
    }
    if (!hulse_json_number(w, &n)) {
        return false;
    }
    if (!n.integer) {
        return schema_walk_fail(w, "no whole number");
    }
    /* One more below zero. */
    return (!n.large && n.magnitude <= max + (n.negative ? 1 : 0)) ||
           schema_walk_fail(w,
                            max == INT32_MAX ? "a number of more than 32 bits"
                                             : "a number of more than 64 bits");
}

static bool same(const struct json_string *s, const char *word)
{
    return s->bytes == strlen(word) && memcmp(s->text, word, s->bytes) == 0;
}

/* What is no number has a name in quotes. */
static bool check_float(struct schema_walk *w)
{
    struct json_number n;
    struct json_string s;

    if (hulse_json_peek(w) != '"') {
        return hulse_json_number(w, &n);
    }
    return hulse_json_string(w, &s) && (same(&s, "NaN") || same(&s, "Infinity") ||
                                        same(&s, "-Infinity") || schema_walk_fail(w, "no number"));
}

static bool check_text(struct schema_walk *w)
{
    struct json_string s;

    return hulse_json_string(w, &s);
}

static bool check_word(struct schema_walk *w, const char *first, const char *why)
{
    const uint8_t byte = hulse_json_peek(w);

    if (byte == 0 || strchr(first, byte) == NULL) {
        return schema_walk_fail(w, why);
    }
    return hulse_json_word(w);
}

/* The place of a field or a symbol within a type; SCHEMA_NONE: it has none of that name. */
static uint32_t find(const struct schema_walk *w, uint32_t node, const struct json_string *name)
{
    char buffer[SCHEMA_NAME_BYTES_MAX];
    struct schema_key key = {.scope = schema_scope(node), .name = name->text, .bytes = name->bytes};

    if (name->escaped) {
        key.name = buffer;
        key.bytes = hulse_json_unescape(name, buffer, sizeof(buffer));
    }
    if (key.bytes > SCHEMA_NAME_BYTES_MAX) {
        return SCHEMA_NONE;
    }
    return hulse_schema_names_find(&w->schema->names, w->schema->texts.items, &key);
}

static bool check_symbol(struct schema_walk *w, uint32_t node)
{
    struct json_string s;

    return hulse_json_string(w, &s) &&
           (find(w, node, &s) != SCHEMA_NONE ||
            schema_walk_fail(w, "a symbol that the enum does not have"));
}

static bool is_field(const struct schema *s, uint32_t field, const struct json_string *name)
{
    const struct schema_word word = schema_field(s, field)->name;

    return word.bytes == name->bytes && memcmp(schema_text(s, word), name->text, word.bytes) == 0;
}

/* One member of a record behind its colon. `index` of its field, or SCHEMA_NONE. */
static bool check_member(struct schema_walk *w,
                         const struct schema_node *n,
                         uint32_t index,
                         struct seen_fields *seen)
{
    if (index == SCHEMA_NONE) {
        return hulse_json_skip(w);
    }
    uint64_t *bits = &seen->bits[index / 64];
    const uint64_t bit = UINT64_C(1) << (index % 64);
    const bool twice = (*bits & bit) != 0;
    *bits |= bit;
    if (!twice && check(w, schema_field(w->schema, n->parts.first + index)->node)) {
        return true;
    }
    const struct schema_word word = schema_field(w->schema, n->parts.first + index)->name;
    hulse_schema_path_name(&w->path, schema_text(w->schema, word), word.bytes);
    return twice ? schema_walk_fail(w, "it is there twice") : false;
}

static bool
nothing_missing(struct schema_walk *w, const struct schema_node *n, const struct seen_fields *seen)
{
    for (uint32_t i = 0; i < n->parts.count; i++) {
        const struct schema_field *field = schema_field(w->schema, n->parts.first + i);
        if ((seen->bits[i / 64] >> (i % 64) & 1U) == 0 && !field->has_default &&
            !schema_node(w->schema, field->node)->nullable) {
            hulse_schema_path_name(
                &w->path, schema_text(w->schema, field->name), field->name.bytes);
            return schema_walk_fail(w, "it is missing");
        }
    }
    return true;
}

static bool check_record(struct schema_walk *w, uint32_t node)
{
    const struct schema_node *n = schema_node(w->schema, node);
    struct seen_fields seen;
    struct json_string name;
    uint32_t next = 0; /* writers keep the order of the schema, mostly */

    memset(&seen, 0, (n->parts.count + 63) / 64 * sizeof(seen.bits[0]));
    if (!hulse_json_take(w, '{')) {
        return schema_walk_fail(w, "no object");
    }
    if (hulse_json_take(w, '}')) {
        return nothing_missing(w, n, &seen);
    }
    do {
        if (!hulse_json_string(w, &name) || !hulse_json_take(w, ':')) {
            return schema_walk_fail(w, "not JSON");
        }
        uint32_t index = next;
        if (next >= n->parts.count || !is_field(w->schema, n->parts.first + next, &name)) {
            index = find(w, node, &name);
        }
        if (!check_member(w, n, index, &seen)) {
            return false;
        }
        next = index == SCHEMA_NONE ? next : index + 1;
    } while (hulse_json_take(w, ','));
    return hulse_json_take(w, '}') ? nothing_missing(w, n, &seen) : schema_walk_fail(w, "not JSON");
}

static bool check_map(struct schema_walk *w, const struct schema_node *n)
{
    struct json_string key;

    if (!hulse_json_take(w, '{')) {
        return schema_walk_fail(w, "no object");
    }
    if (hulse_json_take(w, '}')) {
        return true;
    }
    do {
        if (!hulse_json_string(w, &key) || !hulse_json_take(w, ':')) {
            return schema_walk_fail(w, "not JSON");
        }
        if (!check(w, n->item)) {
            hulse_schema_path_name(&w->path, key.text, key.bytes);
            return false;
        }
    } while (hulse_json_take(w, ','));
    return hulse_json_take(w, '}') || schema_walk_fail(w, "not JSON");
}

static bool check_array(struct schema_walk *w, const struct schema_node *n)
{
    uint64_t index = 0;

    if (!hulse_json_take(w, '[')) {
        return schema_walk_fail(w, "no array");
    }
    if (hulse_json_take(w, ']')) {
        return true;
    }
    do {
        if (!check(w, n->item)) {
            hulse_schema_path_index(&w->path, index);
            return false;
        }
        index++;
    } while (hulse_json_take(w, ','));
    return hulse_json_take(w, ']') || schema_walk_fail(w, "not JSON");
}

/* Whether a value that begins so can be of that type. */
static bool may_begin(const struct schema_node *n, uint8_t first)
{
    const bool number = first == '-' || (first >= '0' && first <= '9');

    if (n->logical && (number || first == '"' || first == '[')) {
        return true;
    }
    switch (n->kind) {
    case KIND_NULL:
        return first == 'n';
    case KIND_BOOLEAN:
        return first == 't' || first == 'f';
    case KIND_INT:
    case KIND_LONG:
        return number;
    case KIND_FLOAT:
    case KIND_DOUBLE:
        return number || first == '"';
    case KIND_BYTES:
    case KIND_STRING:
    case KIND_ENUM:
    case KIND_FIXED:
        return first == '"';
    case KIND_ARRAY:
        return first == '[';
    case KIND_RECORD:
    case KIND_MAP:
        return first == '{';
    case KIND_UNION: /* stands in no union */
        break;
    }
    return false;
}

/* Types of which only one can be meant are told as if the union were not there. */
static bool check_union(struct schema_walk *w, const struct schema_node *n)
{
    const uint8_t first = hulse_json_peek(w);
    const uint8_t *begin = w->at;
    const unsigned depth = w->depth;
    uint32_t candidate = SCHEMA_NONE;
    uint32_t candidates = 0;

    for (uint32_t i = n->parts.first; i < n->parts.first + n->parts.count; i++) {
        const uint32_t branch = schema_link(w->schema, i);
        if (may_begin(schema_node(w->schema, branch), first)) {
            candidate = candidate == SCHEMA_NONE ? branch : candidate;
            candidates++;
        }
    }
    if (candidates == 0) {
        return schema_walk_fail(w, "a type that the union does not have");
    }
    if (candidates == 1) {
        return check(w, candidate);
    }
    for (uint32_t i = n->parts.first; i < n->parts.first + n->parts.count; i++) {
        const uint32_t branch = schema_link(w->schema, i);
        if (may_begin(schema_node(w->schema, branch), first) && check(w, branch)) {
            return true;
        }
        const uint64_t bytes = (uint64_t)(w->at - begin);
        if (w->steps <= bytes) {
            w->steps = 0;
            return schema_walk_fail(w, "too many types have to be tried");
        }
        /* They are read again. What the attempt has said is not what is wrong. */
        w->steps -= bytes;
        w->at = begin;
        w->depth = depth;
        hulse_schema_path_start(&w->path);
    }
    return schema_walk_fail(w, "it fits none of the union's types");
}

static bool check_nested(struct schema_walk *w, uint32_t node)
{
    const struct schema_node *n = schema_node(w->schema, node);
    bool good = false;

    if (w->depth >= SCHEMA_VALUE_DEPTH_MAX) {
        return schema_walk_fail(w, "nested too deeply");
    }
    w->depth++;
    switch (n->kind) {
    case KIND_RECORD:
        good = check_record(w, node);
        break;
    case KIND_UNION:
        good = check_union(w, n);
        break;
    case KIND_MAP:
        good = check_map(w, n);
        break;
    default:
        good = check_array(w, n);
        break;
    }
    w->depth--;
    return good;
}

static bool check_logical(struct schema_walk *w, const struct schema_node *n)
{
    return may_begin(n, hulse_json_peek(w)) ? hulse_json_skip(w)
                                            : schema_walk_fail(w, "no number, text or array");
}

static bool check(struct schema_walk *w, uint32_t node)
{
    const struct schema_node *n = schema_node(w->schema, node);

    /* Types of a union are tried one after the other, at every level. */
    if (w->steps == 0) {
        return schema_walk_fail(w, "too many types have to be tried");
    }
    w->steps--;
    if (n->logical) {
        return check_logical(w, n);
    }
    switch (n->kind) {
    case KIND_NULL:
        return check_word(w, "n", "not null");
    case KIND_BOOLEAN:
        return check_word(w, "tf", "neither false nor true");
    case KIND_INT:
        return check_integer(w, INT32_MAX);
    case KIND_LONG:
        return check_integer(w, INT64_MAX);
    case KIND_FLOAT:
    case KIND_DOUBLE:
        return check_float(w);
    case KIND_BYTES:
    case KIND_FIXED:
    case KIND_STRING:
        return check_text(w);
    case KIND_ENUM:
        return check_symbol(w, node);
    case KIND_RECORD:
    case KIND_ARRAY:
    case KIND_MAP:
    case KIND_UNION:
        break;
    }
    return check_nested(w, node);
}

bool hulse_schema_check_json(struct schema_walk *w)
{
    if (!check(w, w->schema->root)) {
        return false;
    }
    (void)hulse_json_peek(w);
    return w->at == w->end || schema_walk_fail(w, "text is left behind the value");
}
