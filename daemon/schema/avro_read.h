/* SPDX-License-Identifier: Apache-2.0 */
/*
 * avro_read - what every value of Avro's binary encoding is made of, read within the bounds of a walk.
 *
 * Threads: any.
 * Trust:   the bytes may be anything.
 */
#ifndef HULSE_SCHEMA_AVRO_READ_H
#define HULSE_SCHEMA_AVRO_READ_H

#include "daemon/schema/check.h"

/* A varint of 64 bits. */
#define AVRO_VARINT_BYTES_MAX 10U

static inline bool avro_read_raw_rest(struct schema_walk *w, uint64_t *out)
{
    const uint8_t *at = w->at;
    uint64_t n = 0;

    for (unsigned i = 0; i < AVRO_VARINT_BYTES_MAX; i++) {
        if (at == w->end) {
            return schema_walk_fail(w, "the payload ends within it");
        }
        const uint8_t byte = *at++;
        if (i == AVRO_VARINT_BYTES_MAX - 1 && byte > 1) {
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
static inline bool avro_read_raw(struct schema_walk *w, uint64_t *out)
{
    if (w->at < w->end && *w->at < 0x80) {
        *out = *w->at++;
        return true;
    }
    return avro_read_raw_rest(w, out);
}

static inline bool avro_read_long(struct schema_walk *w, int64_t *out)
{
    uint64_t raw = 0;

    if (!avro_read_raw(w, &raw)) {
        return false;
    }
    *out = (int64_t)(raw >> 1U) ^ -(int64_t)(raw & 1U);
    return true;
}

static inline bool avro_skip(struct schema_walk *w, uint64_t bytes)
{
    if (bytes > (uint64_t)(w->end - w->at)) {
        return schema_walk_fail(w, "the payload ends within it");
    }
    w->at += bytes;
    return true;
}

/* Of bytes and strings. */
static inline bool avro_read_span(struct schema_walk *w, const uint8_t **text, uint64_t *bytes)
{
    int64_t length = 0;

    if (!avro_read_long(w, &length)) {
        return false;
    }
    if (length < 0) {
        return schema_walk_fail(w, "a negative length");
    }
    *text = w->at;
    *bytes = (uint64_t)length;
    return avro_skip(w, *bytes);
}

/*
 * The next block of an array or a map: *count items, 0 at the end. *block_end: where they end, if the block says so, else
 * NULL.
 */
static inline bool avro_read_block(struct schema_walk *w, int64_t *count, const uint8_t **block_end)
{
    int64_t bytes = 0;

    *block_end = NULL;
    if (!avro_read_long(w, count)) {
        return false;
    }
    if (*count < 0) {
        if (*count == INT64_MIN || !avro_read_long(w, &bytes) || bytes < 0 ||
            bytes > w->end - w->at) {
            return schema_walk_fail(w, "a block without a good length");
        }
        *count = -*count;
        *block_end = w->at + bytes;
    }
    return true;
}

static inline bool avro_block_ended(struct schema_walk *w, const uint8_t *block_end)
{
    return block_end == NULL || w->at == block_end ||
           schema_walk_fail(w, "a block of another length than it says");
}

/* For what takes no bytes: a few of them can stand for any number of it. */
static inline bool avro_take_step(struct schema_walk *w)
{
    if (w->steps == 0) {
        return schema_walk_fail(w, "too many values that take no bytes");
    }
    w->steps--;
    return true;
}

#endif
