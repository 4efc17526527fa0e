/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolution - see the header.
 */
#include "daemon/schema/resolution.h"

#include <stdlib.h>
#include <string.h>

static bool fails_here(struct resolution *r, uint32_t w, uint32_t v);

bool hulse_resolution_fail(struct resolution *r, const char *why)
{
    if (r->answer->why == NULL) {
        r->answer->why = why;
    }
    return false;
}

static bool same_text(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    return a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
}

bool hulse_resolution_same_word(const struct resolution *r,
                                struct schema_word w,
                                struct schema_word v)
{
    return same_text(schema_text(r->writer, w), w.bytes, schema_text(r->reader, v), v.bytes);
}

/* ---- names: the reader's aliases rename what the writer has ---- */

static struct resolution_name short_of(struct resolution_name n)
{
    const char *dot = n.bytes == 0 ? NULL : memrchr(n.text, '.', n.bytes);

    if (dot == NULL) {
        return n;
    }
    return (struct resolution_name){dot + 1, n.bytes - (size_t)(dot + 1 - n.text)};
}

static bool
has_alias(const struct schema *s, struct schema_run aliases, struct resolution_name name)
{
    for (uint32_t i = aliases.first; i < aliases.first + aliases.count; i++) {
        const struct schema_word word = schema_word(s, i);
        if (same_text(schema_text(s, word), word.bytes, name.text, name.bytes)) {
            return true;
        }
    }
    return false;
}

/* What a type of the reader is called. */
static struct resolution_name reader_name(const struct resolution *r, uint32_t v)
{
    const struct schema_word word = schema_node(r->reader, v)->name;

    return (struct resolution_name){schema_text(r->reader, word), word.bytes};
}

/* What a type of the writer is called for the reader. The last alias that was written counts. */
static struct resolution_name writer_name(const struct resolution *r, uint32_t w)
{
    const struct schema_word word = schema_node(r->writer, w)->name;
    struct resolution_name name = {schema_text(r->writer, word), word.bytes};
    const struct resolution_name own = name;

    for (uint32_t v = 0; r->renames && v < r->reader->nodes.count; v++) {
        const struct schema_node *n = schema_node(r->reader, v);
        if (n->aliases.count > 0 && has_alias(r->reader, n->aliases, own)) {
            name = reader_name(r, v);
        }
    }
    return name;
}

bool hulse_resolution_same_name(const struct resolution *r, uint32_t w, uint32_t v)
{
    const struct resolution_name a = short_of(writer_name(r, w));
    const struct resolution_name b = short_of(reader_name(r, v));

    return same_text(a.text, a.bytes, b.text, b.bytes);
}

static bool same_full_name(const struct resolution *r, uint32_t w, uint32_t v)
{
    const struct resolution_name a = writer_name(r, w);
    const struct resolution_name b = reader_name(r, v);

    return same_text(a.text, a.bytes, b.text, b.bytes);
}

uint32_t
hulse_resolution_find(const struct schema *s, uint32_t scope, const char *name, size_t bytes)
{
    const struct schema_key key = {.scope = scope, .name = name, .bytes = bytes};

    return hulse_schema_names_find(&s->names, s->texts.items, &key);
}

/* The record of the reader whose fields' aliases hold for a record of the writer's. */
uint32_t hulse_resolution_renaming(const struct resolution *r, uint32_t w)
{
    const struct resolution_name name = writer_name(r, w);
    const uint32_t v = hulse_resolution_find(r->reader, 0, name.text, name.bytes);

    return v != SCHEMA_NONE && schema_node(r->reader, v)->kind == KIND_RECORD ? v : SCHEMA_NONE;
}

/* What a field of the writer is called for the reader; its own name, or one in the reader's texts. */
struct resolution_name hulse_resolution_field(const struct resolution *r,
                                              uint32_t renaming,
                                              const struct schema_field *field)
{
    struct resolution_name name = {schema_text(r->writer, field->name), field->name.bytes};
    const struct resolution_name own = name;

    if (renaming == SCHEMA_NONE || !r->renames) {
        return name;
    }
    const struct schema_run fields = schema_node(r->reader, renaming)->parts;
    for (uint32_t i = fields.first; i < fields.first + fields.count; i++) {
        const struct schema_field *of = schema_field(r->reader, i);
        if (of->aliases.count > 0 && has_alias(r->reader, of->aliases, own)) {
            name = (struct resolution_name){schema_text(r->reader, of->name), of->name.bytes};
        }
    }
    return name;
}

/* ---- what stands at one place ---- */

/* Numbers that are read as wider ones, bytes as text and back. */
bool hulse_resolution_promotes(enum schema_kind w, enum schema_kind v)
{
    switch (w) {
    case KIND_INT:
        return v == KIND_LONG || v == KIND_FLOAT || v == KIND_DOUBLE;
    case KIND_LONG:
        return v == KIND_FLOAT || v == KIND_DOUBLE;
    case KIND_FLOAT:
        return v == KIND_DOUBLE;
    case KIND_BYTES:
        return v == KIND_STRING;
    case KIND_STRING:
        return v == KIND_BYTES;
    default:
        return false;
    }
}

/*
 * Walks the fields of two records: each of the writer's that the reader has, then what the reader
 * has alone. `each` judges a pair of types.
 */
bool hulse_resolution_fields(struct resolution *r,
                             uint32_t w,
                             uint32_t v,
                             bool (*each)(struct resolution *r, uint32_t w, uint32_t v))
{
    const struct schema_run written = schema_node(r->writer, w)->parts;
    const struct schema_run wanted = schema_node(r->reader, v)->parts;
    const uint32_t renaming = hulse_resolution_renaming(r, w);
    uint64_t seen[SCHEMA_RECORD_FIELDS_MAX / 64] = {0};

    for (uint32_t i = written.first; i < written.first + written.count; i++) {
        const struct schema_field *field = schema_field(r->writer, i);
        const struct resolution_name name = hulse_resolution_field(r, renaming, field);
        const uint32_t index =
            hulse_resolution_find(r->reader, schema_scope(v), name.text, name.bytes);
        if (index == SCHEMA_NONE) {
            continue;
        }
        if ((seen[index / 64] >> (index % 64) & 1U) != 0) {
            hulse_schema_path_name(&r->answer->path, name.text, name.bytes);
            return hulse_resolution_fail(r, "two fields are read as this one");
        }
        seen[index / 64] |= UINT64_C(1) << (index % 64);
        if (!each(r, field->node, schema_field(r->reader, wanted.first + index)->node)) {
            hulse_schema_path_name(&r->answer->path, name.text, name.bytes);
            return false;
        }
    }
    for (uint32_t i = 0; i < wanted.count; i++) {
        const struct schema_field *field = schema_field(r->reader, wanted.first + i);
        if ((seen[i / 64] >> (i % 64) & 1U) != 0 || field->default_good) {
            continue;
        }
        hulse_schema_path_name(
            &r->answer->path, schema_text(r->reader, field->name), field->name.bytes);
        return hulse_resolution_fail(r,
                                     field->has_default
                                         ? "it is not written, and its default is none of its type"
                                         : "it is not written and has no default");
    }
    return true;
}

/* For the choice of a union, where only what is wrong with the fields themselves counts. */
static bool field_matches(struct resolution *r, uint32_t w, uint32_t v)
{
    return !fails_here(r, w, v);
}

/* An attempt: what it says is not what is wrong. */
static bool records_match(struct resolution *r, uint32_t w, uint32_t v)
{
    uint8_t *state = &r->matching[hulse_resolution_pair(r, w, v)];

    if (*state == PAIR_NEW) {
        struct resolve_answer *told = r->answer;
        struct resolve_answer untold = {.why = ""};
        hulse_schema_path_start(&untold.path);
        r->answer = &untold;
        *state = PAIR_GOOD; /* as far as it is known, for records within themselves */
        *state = hulse_resolution_fields(r, w, v, field_matches) ? PAIR_GOOD : PAIR_BAD;
        r->answer = told;
    }
    return *state == PAIR_GOOD;
}

static bool by_name(enum schema_kind kind)
{
    return kind == KIND_RECORD || kind == KIND_ENUM || kind == KIND_FIXED;
}

/* The type of a reader's union that takes what the writer has: its place among them. */
uint32_t hulse_resolution_choose(struct resolution *r, uint32_t w, uint32_t v)
{
    const enum schema_kind kind = schema_node(r->writer, w)->kind;
    const struct schema_run branches = schema_node(r->reader, v)->parts;
    uint32_t alike = SCHEMA_NONE;

    for (uint32_t i = branches.first; i < branches.first + branches.count; i++) {
        const uint32_t branch = schema_link(r->reader, i);
        if (schema_node(r->reader, branch)->kind != kind) {
            continue;
        }
        if (!by_name(kind) || same_full_name(r, w, branch)) {
            return branch;
        }
        if (kind == KIND_RECORD &&
            (alike == SCHEMA_NONE || hulse_resolution_same_name(r, w, branch)) &&
            records_match(r, w, branch)) {
            alike = branch;
        }
    }
    if (alike != SCHEMA_NONE) {
        return alike;
    }
    for (uint32_t i = branches.first; i < branches.first + branches.count; i++) {
        if (hulse_resolution_promotes(kind,
                                      schema_node(r->reader, schema_link(r->reader, i))->kind)) {
            return schema_link(r->reader, i);
        }
    }
    return SCHEMA_NONE;
}

/* Whether the reader has a field that is not written and has no default. */
static bool lacks_field(const struct resolution *r, uint32_t w, uint32_t v)
{
    const struct schema_run written = schema_node(r->writer, w)->parts;
    const struct schema_run wanted = schema_node(r->reader, v)->parts;
    const uint32_t renaming = hulse_resolution_renaming(r, w);
    uint64_t seen[SCHEMA_RECORD_FIELDS_MAX / 64] = {0};

    for (uint32_t i = written.first; i < written.first + written.count; i++) {
        const struct resolution_name name =
            hulse_resolution_field(r, renaming, schema_field(r->writer, i));
        const uint32_t index =
            hulse_resolution_find(r->reader, schema_scope(v), name.text, name.bytes);
        if (index != SCHEMA_NONE) {
            seen[index / 64] |= UINT64_C(1) << (index % 64);
        }
    }
    for (uint32_t i = 0; i < wanted.count; i++) {
        if ((seen[i / 64] >> (i % 64) & 1U) == 0 &&
            !schema_field(r->reader, wanted.first + i)->has_default) {
            return true;
        }
    }
    return false;
}

/* Whether two types do not fit as they stand, whatever is below them. */
static bool fails_here(struct resolution *r, uint32_t w, uint32_t v)
{
    const struct schema_node *writer = schema_node(r->writer, w);
    const struct schema_node *reader = schema_node(r->reader, v);

    if (r->depth >= RESOLVE_DEPTH_MAX) {
        return true;
    }
    if (writer->kind == KIND_UNION) {
        return false;
    }
    r->depth++;
    bool fails = false;
    if (writer->kind != reader->kind) {
        fails = reader->kind == KIND_UNION ? hulse_resolution_choose(r, w, v) == SCHEMA_NONE
                                           : !hulse_resolution_promotes(writer->kind, reader->kind);
    } else if (writer->kind == KIND_FIXED) {
        fails = !hulse_resolution_same_name(r, w, v) || writer->size != reader->size;
    } else if (writer->kind == KIND_ENUM) {
        fails = !hulse_resolution_same_name(r, w, v);
    } else if (writer->kind == KIND_RECORD) {
        fails = lacks_field(r, w, v);
    }
    r->depth--;
    return fails;
}

/* ---- whether two unions are one ---- */

static bool fields_equivalent(struct resolution *r, uint32_t w, uint32_t v)
{
    const struct schema_run written = schema_node(r->writer, w)->parts;
    const struct schema_run wanted = schema_node(r->reader, v)->parts;
    const uint32_t renaming = hulse_resolution_renaming(r, w);

    if (written.count != wanted.count) {
        return false;
    }
    for (uint32_t i = 0; i < written.count; i++) {
        const struct schema_field *a = schema_field(r->writer, written.first + i);
        const struct schema_field *b = schema_field(r->reader, wanted.first + i);
        const struct resolution_name name = hulse_resolution_field(r, renaming, a);
        if (!same_text(name.text, name.bytes, schema_text(r->reader, b->name), b->name.bytes) ||
            !hulse_resolution_equivalent(r, a->node, b->node)) {
            return false;
        }
    }
    return true;
}

static bool records_equivalent(struct resolution *r, uint32_t w, uint32_t v)
{
    uint8_t *state = &r->equivalent[hulse_resolution_pair(r, w, v)];

    if (*state == PAIR_NEW) {
        *state = PAIR_GOOD; /* as far as it is known */
        *state = fields_equivalent(r, w, v) ? PAIR_GOOD : PAIR_BAD;
    }
    return *state == PAIR_GOOD;
}

static bool same_symbols(const struct resolution *r, struct schema_run w, struct schema_run v)
{
    if (w.count != v.count) {
        return false;
    }
    for (uint32_t i = 0; i < w.count; i++) {
        if (!hulse_resolution_same_word(
                r, schema_word(r->writer, w.first + i), schema_word(r->reader, v.first + i))) {
            return false;
        }
    }
    return true;
}

static bool branches_equivalent(struct resolution *r, struct schema_run w, struct schema_run v)
{
    if (w.count != v.count) {
        return false;
    }
    for (uint32_t i = 0; i < w.count; i++) {
        if (!hulse_resolution_equivalent(
                r, schema_link(r->writer, w.first + i), schema_link(r->reader, v.first + i))) {
            return false;
        }
    }
    return true;
}

bool hulse_resolution_equivalent(struct resolution *r, uint32_t w, uint32_t v)
{
    const struct schema_node *writer = schema_node(r->writer, w);
    const struct schema_node *reader = schema_node(r->reader, v);
    bool good = false;

    if (writer->kind != reader->kind || r->depth >= RESOLVE_DEPTH_MAX ||
        (by_name(writer->kind) && !hulse_resolution_same_name(r, w, v))) {
        return false;
    }
    r->depth++;
    switch (writer->kind) {
    case KIND_RECORD:
        good = records_equivalent(r, w, v);
        break;
    case KIND_ENUM:
        good = same_symbols(r, writer->parts, reader->parts);
        break;
    case KIND_FIXED:
        good = writer->size == reader->size;
        break;
    case KIND_ARRAY:
    case KIND_MAP:
        good = hulse_resolution_equivalent(r, writer->item, reader->item);
        break;
    case KIND_UNION:
        good = branches_equivalent(r, writer->parts, reader->parts);
        break;
    default:
        good = true;
        break;
    }
    r->depth--;
    return good;
}

/*
 * Whether both are one schema but for aliases, which Java's Avro does not compare, and the values of
 * defaults. What is read from one text in one order has the same places in the tables.
 */
static bool same_node(const struct resolution *r, uint32_t node)
{
    const struct schema_node *w = schema_node(r->writer, node);
    const struct schema_node *v = schema_node(r->reader, node);

    if (w->kind != v->kind || w->item != v->item || w->size != v->size ||
        w->parts.count != v->parts.count || !hulse_resolution_same_word(r, w->name, v->name)) {
        return false;
    }
    if (w->kind == KIND_ENUM) {
        return same_symbols(r, w->parts, v->parts);
    }
    for (uint32_t i = 0; i < w->parts.count; i++) {
        const uint32_t a = w->parts.first + i;
        const uint32_t b = v->parts.first + i;
        if (w->kind == KIND_UNION && schema_link(r->writer, a) != schema_link(r->reader, b)) {
            return false;
        }
        if (w->kind == KIND_RECORD &&
            (schema_field(r->writer, a)->node != schema_field(r->reader, b)->node ||
             !hulse_resolution_same_word(
                 r, schema_field(r->writer, a)->name, schema_field(r->reader, b)->name))) {
            return false;
        }
    }
    return true;
}

static bool same_schema(const struct resolution *r)
{
    if (r->writer->nodes.count != r->reader->nodes.count || r->writer->root != r->reader->root) {
        return false;
    }
    for (uint32_t node = 0; node < r->writer->nodes.count; node++) {
        if (!same_node(r, node)) {
            return false;
        }
    }
    return true;
}

/* ---- life ---- */

bool hulse_resolution_begin(struct resolution *r,
                            const struct schema *writer,
                            const struct schema *reader,
                            uint64_t pairs_max,
                            struct resolve_answer *answer)
{
    const uint64_t pairs = (uint64_t)writer->nodes.count * reader->nodes.count;

    *answer = (struct resolve_answer){0};
    hulse_schema_path_start(&answer->path);
    uint8_t *states = pairs > pairs_max ? NULL : calloc(3, pairs);
    *r = (struct resolution){.writer = writer, .reader = reader, .answer = answer};
    if (states == NULL) {
        answer->no_memory = true;
        answer->why = "no memory for so many types";
        return false;
    }
    r->readable = states;
    r->matching = states + pairs;
    r->equivalent = states + 2 * pairs;
    r->renames = !same_schema(r);
    return true;
}

void hulse_resolution_end(struct resolution *r)
{
    free(r->readable);
    r->readable = NULL;
}
