/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_avro - see check.h.
 */
#include "daemon/core/utf8.h"
#include "daemon/schema/check.h"

/* A varint of 64 bits. */
#define VARINT_BYTES_MAX 10U

static bool check(struct schema_walk *w, uint32_t node);

static bool read_long_rest(struct schema_walk *w, uint64_t *out)
{
    const uint8_t *at = w->at;
    uint64_t n = 0;

    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        if (at == w->end) {
            return schema_walk_fail(w, "the payload ends within it");
        }
        const uint8_t byte = *at++;
        if (i == VARINT_BYTES_MAX - 1 && byte > 1) {
            break;
        }
        n |= (uint64_t)(byte & 0x7fU) << (7 * i);
        if (byte < 0x80) {
            *out = n;
            w->at = at;
            return true;
        }
    }
    return schema_walk_fail(w, "a number of more than 64 bits");
}

/* Before the sign is folded back. */
static inline bool read_raw(struct schema_walk *w, uint64_t *out)
{
    if (w->at < w->end && *w->at < 0x80) {
        *out = *w->at++;
        return true;
    }
    return read_long_rest(w, out);
}

static inline bool read_long(struct schema_walk *w, int64_t *out)
{
    uint64_t raw = 0;

    if (!read_raw(w, &raw)) {
        return false;
    }
    *out = (int64_t)(raw >> 1U) ^ -(int64_t)(raw & 1U);
    return true;
}

static inline bool skip(struct schema_walk *w, uint64_t bytes)
{
    if (bytes > (uint64_t)(w->end - w->at)) {
        return schema_walk_fail(w, "the payload ends within it");
    }
    w->at += bytes;
    return true;
}

static bool check_int(struct schema_walk *w)
{
    uint64_t raw = 0;

    if (!read_raw(w, &raw)) {
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

/* For what takes no bytes: a few of them can stand for any number of it. */
static inline bool take_step(struct schema_walk *w)
{
    if (w->steps == 0) {
        return schema_walk_fail(w, "too many values that take no bytes");
    }
    w->steps--;
    return true;
}

/* Of bytes and strings. */
static inline bool read_span(struct schema_walk *w, const uint8_t **text, uint64_t *bytes)
{
    int64_t length = 0;

    if (!read_long(w, &length)) {
        return false;
    }
    if (length < 0) {
        return schema_walk_fail(w, "a negative length");
    }
    *text = w->at;
    *bytes = (uint64_t)length;
    return skip(w, *bytes);
}

static bool check_string(struct schema_walk *w)
{
    const uint8_t *text = NULL;
    uint64_t bytes = 0;

    return read_span(w, &text, &bytes) &&
           (hulse_utf8_good(text, bytes) || schema_walk_fail(w, "not UTF-8"));
}

static bool check_bytes(struct schema_walk *w)
{
    const uint8_t *text = NULL;
    uint64_t bytes = 0;

    return read_span(w, &text, &bytes);
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

    if (!read_long(w, &symbol)) {
        return false;
    }
    return (symbol >= 0 && symbol < (int64_t)n->parts.count) ||
           schema_walk_fail(w, "a symbol that the enum does not have");
}

static bool check_union(struct schema_walk *w, const struct schema_node *n)
{
    int64_t branch = 0;

    if (!read_long(w, &branch)) {
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
        if (!read_span(w, &key, &key_bytes)) {
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
    return w->at != before || take_step(w);
}

static bool check_items(struct schema_walk *w, const struct schema_node *n)
{
    uint64_t index = 0;

    for (;;) {
        const uint8_t *block_end = NULL;
        int64_t count = 0;
        int64_t bytes = 0;
        if (!read_long(w, &count)) {
            return false;
        }
        if (count == 0) {
            return true;
        }
        if (count < 0) {
            if (count == INT64_MIN || !read_long(w, &bytes) || bytes < 0 ||
                bytes > w->end - w->at) {
                return schema_walk_fail(w, "a block without a good length");
            }
            count = -count;
            block_end = w->at + bytes;
        }
        for (; count > 0; count--, index++) {
            if (!check_item(w, n, index)) {
                return false;
            }
        }
        if (block_end != NULL && w->at != block_end) {
            return schema_walk_fail(w, "a block of another length than it says");
        }
    }
}

static bool check_nested(struct schema_walk *w, const struct schema_node *n)
{
    if (w->depth >= SCHEMA_VALUE_DEPTH_MAX) {
        return schema_walk_fail(w, "nested too deeply");
    }
    if (!take_step(w)) {
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
        return take_step(w);
    case KIND_BOOLEAN:
        return check_boolean(w);
    case KIND_INT:
        return check_int(w);
    case KIND_LONG:
        return read_raw(w, &raw);
    case KIND_FLOAT:
        return skip(w, sizeof(float));
    case KIND_DOUBLE:
        return skip(w, sizeof(double));
    case KIND_BYTES:
        return check_bytes(w);
    case KIND_STRING:
        return check_string(w);
    case KIND_ENUM:
        return check_enum(w, n);
    case KIND_FIXED:
        return skip(w, n->size);
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
