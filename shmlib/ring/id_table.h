/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id_table - messages by their ids: a hash table of a fixed number of nodes, in memory of the caller's.
 *
 * Both sides of a resumed session look messages up by id: the application those it holds, the daemon
 * those that were judged before they came again. What is known of a message lies in an array of the
 * caller's beside the table, under the number of its node.
 *
 * Threads: whoever owns it.
 * Trust:   ids may be anybody's; a bad hash costs time, bounded by the number of nodes.
 */
#ifndef HULSE_RING_ID_TABLE_H
#define HULSE_RING_ID_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HULSE_ID_NONE UINT32_MAX

struct hulse_id_key {
    uint64_t ledger;
    uint64_t entry;
    int32_t batch;
    uint32_t source;
    uint16_t partition;
};

struct hulse_id_node {
    struct hulse_id_key key;
    bool used;
    uint32_t next; /* in its bucket, or of the free ones */
};

struct hulse_id_table {
    struct hulse_id_node *nodes;
    uint32_t *buckets; /* behind them */
    uint32_t mask;
    uint32_t capacity;
    uint32_t used;
    uint32_t high; /* no node from here on was ever used */
    uint32_t free;
};

static inline uint32_t hulse_id_buckets(uint32_t capacity)
{
    uint32_t count = 1;

    while (count < capacity) {
        count *= 2;
    }
    return count;
}

static inline size_t hulse_id_table_bytes(uint32_t capacity)
{
    return (capacity * sizeof(struct hulse_id_node)) +
           (hulse_id_buckets(capacity) * sizeof(uint32_t));
}

/* Takes memory of hulse_id_table_bytes(), aligned as by malloc. */
static inline void hulse_id_table_init(struct hulse_id_table *t, void *memory, uint32_t capacity)
{
    const uint32_t buckets = hulse_id_buckets(capacity);

    *t = (struct hulse_id_table){
        .nodes = memory, .mask = buckets - 1, .capacity = capacity, .free = HULSE_ID_NONE};
    t->buckets = (uint32_t *)(void *)(t->nodes + capacity);
    for (uint32_t i = 0; i < buckets; i++) {
        t->buckets[i] = HULSE_ID_NONE;
    }
}

static inline bool hulse_id_same(const struct hulse_id_key *a, const struct hulse_id_key *b)
{
    return a->entry == b->entry && a->ledger == b->ledger && a->batch == b->batch &&
           a->partition == b->partition && a->source == b->source;
}

/* a comes before b, or is b, in the order of its partition. */
static inline bool hulse_id_up_to(const struct hulse_id_key *a, const struct hulse_id_key *b)
{
    if (a->partition != b->partition || a->source != b->source) {
        return false;
    }
    if (a->ledger != b->ledger) {
        return a->ledger < b->ledger;
    }
    return a->entry != b->entry ? a->entry < b->entry : a->batch <= b->batch;
}

static inline uint32_t hulse_id_hash(const struct hulse_id_key *key)
{
    uint64_t x = (key->entry * UINT64_C(0x9e3779b97f4a7c15)) ^ key->ledger;

    x = (x ^ ((uint64_t)(uint32_t)key->batch << 16U) ^ key->partition) *
        UINT64_C(0xff51afd7ed558ccd);
    return (uint32_t)(x >> 32U);
}

static inline uint32_t *hulse_id_bucket(const struct hulse_id_table *t,
                                        const struct hulse_id_key *key)
{
    return &t->buckets[hulse_id_hash(key) & t->mask];
}

/* The node of a message, or NONE. */
static inline uint32_t hulse_id_find(const struct hulse_id_table *t, const struct hulse_id_key *key)
{
    uint32_t at = *hulse_id_bucket(t, key);

    while (at != HULSE_ID_NONE && !hulse_id_same(&t->nodes[at].key, key)) {
        at = t->nodes[at].next;
    }
    return at;
}

/* A node for a message that has none; NONE when all are used. */
static inline uint32_t hulse_id_add(struct hulse_id_table *t, const struct hulse_id_key *key)
{
    uint32_t at = t->free;

    if (at != HULSE_ID_NONE) {
        t->free = t->nodes[at].next;
    } else if (t->high < t->capacity) {
        at = t->high++;
    } else {
        return HULSE_ID_NONE;
    }
    uint32_t *bucket = hulse_id_bucket(t, key);
    t->nodes[at] = (struct hulse_id_node){.key = *key, .used = true, .next = *bucket};
    *bucket = at;
    t->used += 1;
    return at;
}

static inline void hulse_id_remove(struct hulse_id_table *t, uint32_t node)
{
    uint32_t *at = hulse_id_bucket(t, &t->nodes[node].key);

    while (*at != node) {
        at = &t->nodes[*at].next;
    }
    *at = t->nodes[node].next;
    t->nodes[node].used = false;
    t->nodes[node].next = t->free;
    t->free = node;
    t->used -= 1;
    if (t->used == 0) {
        /* A walk over the nodes is short again. */
        t->high = 0;
        t->free = HULSE_ID_NONE;
    }
}

#endif
