/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_avro - see check.h.
 */
#include "daemon/core/utf8.h"
#include "daemon/schema/avro_read.h"

static bool check(struct schema_walk *w, uint32_t node);

static bool check_int(struct schema_walk *w)
{
    uint64_t raw = 0;

    if (!avro_read_raw(w, &raw)) {
        return false;
    }
    return raw <= UINT32_MAX || schema_walk_fail(w, "a number of more than 32 bits");
}

static bool check_boolean(struct schema_walk *w)
{
    if (w->at == w->end) {
        return schema_walk_fail(w, "the payload ends before it");
    }
    return *w->at++ <= 1 || schema_walk_fail(w, "neither false nor true");
}

static bool check_string(struct schema_walk *w)
{
    const uint8_t *text = NULL;
    uint64_t bytes = 0;

    return avro_read_span(w, &text, &bytes) &&
           (hulse_utf8_good(text, bytes) || schema_walk_fail(w, "not UTF-8"));
}

static bool check_bytes(struct schema_walk *w)
{
    const uint8_t *text = NULL;
    uint64_t bytes = 0;

    return avro_read_span(w, &text, &bytes);
}

static bool check_record(struct schema_walk *w, const struct schema_node *n)
{
    const uint32_t end = n->parts.first + n->parts.count;

    for (uint32_t i = n->parts.first; i < end; i++) {
        const struct schema_field *field = schema_field(w->schema, i);
        if (!check(w, field->node)) {
            hulse_schema_path_name(
                &w->path, schema_text(w->schema, field->name), field->name.bytes);
            return false;
        }
    }
    return true;
}

static bool check_enum(struct schema_walk *w, const struct schema_node *n)
{
    int64_t symbol = 0;

    if (!avro_read_long(w, &symbol)) {
        return false;
    }
    return (symbol >= 0 && symbol < (int64_t)n->parts.count) ||
           schema_walk_fail(w, "a symbol that the enum does not have");
}

static bool check_union(struct schema_walk *w, const struct schema_node *n)
{
    int64_t branch = 0;

    if (!avro_read_long(w, &branch)) {
        return false;
    }
    if (branch < 0 || branch >= (int64_t)n->parts.count) {
        return schema_walk_fail(w, "a type that the union does not have");
    }
    return check(w, schema_link(w->schema, n->parts.first + (uint32_t)branch));
}

/* One item of an array or, behind its key, of a map. `index`: among all of them. */
static bool check_item(struct schema_walk *w, const struct schema_node *n, uint64_t index)
{
    const uint8_t *before = w->at;
    const uint8_t *key = NULL;
    uint64_t key_bytes = 0;

    if (n->kind == KIND_MAP) {
        if (!avro_read_span(w, &key, &key_bytes)) {
            return false;
        }
        if (!hulse_utf8_good(key, key_bytes)) {
            return schema_walk_fail(w, "a key that is not UTF-8");
        }
    }
    if (!check(w, n->item)) {
        if (key != NULL) {
            hulse_schema_path_name(&w->path, key, key_bytes);
        } else {
            hulse_schema_path_index(&w->path, index);
        }
        return false;
    }
    return w->at != before || avro_take_step(w);
}

static bool check_items(struct schema_walk *w, const struct schema_node *n)
{
    uint64_t index = 0;

    for (;;) {
        const uint8_t *block_end = NULL;
        int64_t count = 0;
        if (!avro_read_block(w, &count, &block_end)) {
            return false;
        }
        if (count == 0) {
            return true;
        }
        for (; count > 0; count--, index++) {
            if (!check_item(w, n, index)) {
                return false;
            }
        }
        if (!avro_block_ended(w, block_end)) {
            return false;
        }
    }
}

static bool check_nested(struct schema_walk *w, const struct schema_node *n)
{
    if (w->depth >= SCHEMA_VALUE_DEPTH_MAX) {
        return schema_walk_fail(w, "nested too deeply");
    }
    if (!avro_take_step(w)) {
        return false;
    }
    w->depth++;
    const bool good = n->kind == KIND_RECORD  ? check_record(w, n)
                      : n->kind == KIND_UNION ? check_union(w, n)
                                              : check_items(w, n);
    w->depth--;
    return good;
}

static bool check(struct schema_walk *w, uint32_t node)
{
    const struct schema_node *n = schema_node(w->schema, node);
    uint64_t raw = 0;

    switch (n->kind) {
    case KIND_NULL:
        return avro_take_step(w);
    case KIND_BOOLEAN:
        return check_boolean(w);
    case KIND_INT:
        return check_int(w);
    case KIND_LONG:
        return avro_read_raw(w, &raw);
    case KIND_FLOAT:
        return avro_skip(w, sizeof(float));
    case KIND_DOUBLE:
        return avro_skip(w, sizeof(double));
    case KIND_BYTES:
        return check_bytes(w);
    case KIND_STRING:
        return check_string(w);
    case KIND_ENUM:
        return check_enum(w, n);
    case KIND_FIXED:
        return avro_skip(w, n->size);
    case KIND_RECORD:
    case KIND_ARRAY:
    case KIND_MAP:
    case KIND_UNION:
        break;
    }
    return check_nested(w, n);
}

bool hulse_schema_check_avro(struct schema_walk *w)
{
    return check(w, w->schema->root) &&
           (w->at == w->end || schema_walk_fail(w, "bytes are left behind the value"));
}

bool hulse_schema_skip_avro(struct schema_walk *w, uint32_t node)
{
    return check(w, node);
}
