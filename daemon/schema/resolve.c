/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve - see the header.
 */
#include "daemon/schema/resolve.h"

#include "daemon/core/assert.h"
#include "daemon/schema/resolution.h"

/* One byte a pair. */
#define PAIRS_MAX (UINT64_C(64) << 20U)

static bool can_read(struct resolution *r, uint32_t w, uint32_t v);

static bool has_aliases(const struct schema *s)
{
    for (uint32_t i = 0; i < s->nodes.count; i++) {
        if (schema_node(s, i)->aliases.count > 0) {
            return true;
        }
    }
    for (uint32_t i = 0; i < s->fields.count; i++) {
        if (schema_field(s, i)->aliases.count > 0) {
            return true;
        }
    }
    return false;
}

/* Java's Avro makes the writer's fields anew when the reader has aliases, and looks at defaults then. */
static bool can_rename(struct resolution *r)
{
    if (!r->renames || !has_aliases(r->reader)) {
        return true;
    }
    for (uint32_t i = 0; i < r->writer->fields.count; i++) {
        const struct schema_field *field = schema_field(r->writer, i);
        const enum schema_kind kind = schema_node(r->writer, field->node)->kind;
        /* Of these two it takes more. */
        if (field->has_default && !field->default_good && kind != KIND_UNION && kind != KIND_ENUM) {
            hulse_schema_path_name(
                &r->answer->path, schema_text(r->writer, field->name), field->name.bytes);
            return hulse_resolution_fail(
                r, "its default is none of its type, so that aliases cannot be followed");
        }
    }
    return true;
}

/* ---- all of it ---- */

/* All that the writer's union may hold has to be readable. */
static bool can_read_union(struct resolution *r, uint32_t w, uint32_t v)
{
    const struct schema_run branches = schema_node(r->writer, w)->parts;
    const bool same = hulse_resolution_equivalent(r, w, v);

    for (uint32_t i = 0; i < branches.count; i++) {
        const uint32_t branch = schema_link(r->writer, branches.first + i);
        const uint32_t target =
            same ? schema_link(r->reader, schema_node(r->reader, v)->parts.first + i) : v;
        if (!can_read(r, branch, target)) {
            return false;
        }
    }
    return true;
}

static bool can_read_record(struct resolution *r, uint32_t w, uint32_t v)
{
    uint8_t *state = &r->readable[hulse_resolution_pair(r, w, v)];

    /* The first one that is bad ends all. */
    if (*state == PAIR_NEW) {
        *state = PAIR_GOOD;
        if (!hulse_resolution_fields(r, w, v, can_read)) {
            *state = PAIR_BAD;
        }
    }
    return *state == PAIR_GOOD;
}

static bool can_read_same_kind(struct resolution *r, uint32_t w, uint32_t v)
{
    const struct schema_node *writer = schema_node(r->writer, w);
    const struct schema_node *reader = schema_node(r->reader, v);

    switch (writer->kind) {
    case KIND_RECORD:
        return can_read_record(r, w, v);
    case KIND_ARRAY:
    case KIND_MAP:
        return can_read(r, writer->item, reader->item);
    case KIND_FIXED:
        if (writer->size != reader->size) {
            return hulse_resolution_fail(r, "a fixed of another size");
        }
        return hulse_resolution_same_name(r, w, v) ||
               hulse_resolution_fail(r, "a fixed of another name");
    case KIND_ENUM:
        return hulse_resolution_same_name(r, w, v) ||
               hulse_resolution_fail(r, "an enum of another name");
    default:
        return true;
    }
}

static bool can_read(struct resolution *r, uint32_t w, uint32_t v)
{
    const struct schema_node *writer = schema_node(r->writer, w);
    const struct schema_node *reader = schema_node(r->reader, v);
    bool good = false;

    if (r->depth >= RESOLVE_DEPTH_MAX) {
        return hulse_resolution_fail(r, "nested too deeply");
    }
    r->depth++;
    if (writer->kind == KIND_UNION) {
        good = can_read_union(r, w, v);
    } else if (writer->kind == reader->kind) {
        good = can_read_same_kind(r, w, v);
    } else if (reader->kind == KIND_UNION) {
        const uint32_t branch = hulse_resolution_choose(r, w, v);
        good = branch == SCHEMA_NONE
                   ? hulse_resolution_fail(r, "a type that the reader's union does not have")
                   : can_read(r, w, branch);
    } else {
        good = hulse_resolution_promotes(writer->kind, reader->kind) ||
               hulse_resolution_fail(r, "a type that cannot be read as the reader's");
    }
    r->depth--;
    return good;
}

void hulse_schema_resolve(const struct schema *writer,
                          const struct schema *reader,
                          struct resolve_answer *out)
{
    struct resolution r;

    HULSE_ASSERT(writer->root != SCHEMA_NONE && reader->root != SCHEMA_NONE);
    if (hulse_resolution_begin(&r, writer, reader, PAIRS_MAX, out)) {
        out->readable = can_rename(&r) && can_read(&r, writer->root, reader->root);
    }
    hulse_resolution_end(&r);
}
