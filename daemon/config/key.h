/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - the table of all configuration keys: the one source of types, defaults, ranges and help.
 *
 * Threads: constant.
 */
#ifndef HULSE_CONFIG_KEY_H
#define HULSE_CONFIG_KEY_H

#include "daemon/config/config.h"

enum key_type {
    KEY_COUNT,    /* uint32_t */
    KEY_SIZE,     /* uint64_t bytes */
    KEY_DURATION, /* uint64_t nanoseconds */
    KEY_BOOL,     /* bool */
    KEY_ENUM,     /* uint32_t, index into names */
    KEY_MODE,     /* uint32_t, octal */
    KEY_STRING    /* char[bytes] */
};

/* The value `auto` is stored as 0 and allowed beside the range. */
#define KEY_AUTO 1U
/* The value `null` is stored as an empty text. */
#define KEY_NULL 2U
/* A power of two. */
#define KEY_POWER2 4U
/* Changes apply at the next start only. */
#define KEY_RESTART 8U

struct key {
    const char *path;
    enum key_type type;
    unsigned flags; /* KEY_… */
    size_t offset;  /* in struct config */
    size_t bytes;   /* KEY_STRING: room, with the zero */
    uint64_t min;
    uint64_t max;
    const char *const *names;                          /* KEY_ENUM: ends with NULL */
    bool (*valid)(const char *text, const char **why); /* KEY_STRING, or NULL */
    const char *fallback; /* default as text; NULL = made by hulse_config_init() */
    const char *help;
};

size_t hulse_key_count(void);
const struct key *hulse_key_at(size_t index);
/* By path, `workers` standing for workers.count; NULL when unknown. */
const struct key *hulse_key_find(const char *path);
/* The path (or `workers`) with the smallest edit distance; "" when none can be meant. */
const char *hulse_key_nearest(const char *path);

/* Parses and stores; *err names key and range on failure, and *c is unchanged. */
hulse_status
hulse_key_store(const struct key *key, struct config *c, const char *text, struct error *err);
/* The value as text that hulse_key_store() reads back. */
void hulse_key_print(const struct key *key, const struct config *c, char *out, size_t out_bytes);
/* "1 to 64", "64KiB to 64MiB, a power of two", "auto, off or busy". */
void hulse_key_range(const struct key *key, char *out, size_t out_bytes);

#endif
