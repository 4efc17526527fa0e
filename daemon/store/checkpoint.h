/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - rows of keys and values on their way from the state to its database.
 *
 * Threads: pure data; handed from the writer to the reader as a whole.
 */
#ifndef HULSE_STORE_CHECKPOINT_H
#define HULSE_STORE_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_table {
    VALUE_META = 0,     /* key: one byte */
    VALUE_TOPIC,        /* topic */
    VALUE_SUBSCRIPTION, /* topic, subscription */
    VALUE_HANDLE,       /* topic, handle */
    VALUE_INDEX,        /* segment, topic, run; in older ones without a run */
    VALUE_TABLES
};

#define VALUE_KEY_BYTES_MAX 24U

/* Numbers in keys are big endian: rows of one topic, of one segment, are neighbours. */
struct value_key {
    uint8_t table; /* enum value_table */
    uint8_t bytes;
    uint8_t data[VALUE_KEY_BYTES_MAX];
};

/* Rows in one buffer. All zeros is empty. */
struct value_list {
    uint8_t *data;
    size_t bytes;
    size_t room;
};

struct value_row {
    struct value_key key;
    bool prefix; /* of a removal: every key that begins so */
    const uint8_t *value;
    size_t value_bytes;
};

/* Adds a row and gives the place for its value; NULL: no memory, nothing has changed. */
uint8_t *hulse_value_list_add(struct value_list *list,
                              const struct value_key *key,
                              bool prefix,
                              size_t value_bytes);
/* Walks: *at begins as 0. */
bool hulse_value_list_next(const struct value_list *list, size_t *at, struct value_row *out);
void hulse_value_list_clear(struct value_list *list);

/* What is said of the whole. */
struct value_meta {
    uint64_t covered; /* topics and cursors say what the log says below */
    uint64_t indexed; /* so do index and handles: where a start begins to read */
    uint64_t epoch;
    uint64_t topic_next;
    uint64_t subscription_next;
    uint64_t age_ms;
    uint64_t digest; /* of all rows: the database's, see hulse_value_digest() */
    uint32_t segment_bytes;
};

struct checkpoint {
    struct value_meta meta;
    bool all;                  /* replaces everything that is there */
    struct value_list removed; /* before `values`: a key may be in both */
    struct value_list values;
};

#endif
