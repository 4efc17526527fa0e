/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry - see the header.
 */
#include "daemon/broker/pulsar/consumer/entry.h"

#include "daemon/core/assert.h"

#include <string.h>

#define BUCKETS_FIRST 64U
#define BUCKETS_MAX (1U << 20U)

static size_t words_of(uint32_t count)
{
    return ((size_t)count + 63) / 64;
}

struct entry *hulse_entry_create(struct pool *pool, uint32_t count)
{
    struct entry *e = hulse_pool_take(pool);
    if (e == NULL) {
        return NULL;
    }
    memset(e, 0, sizeof(*e));
    e->count = count;
    e->acked_set = &e->small[0];
    e->out_set = &e->small[1];
    const size_t words = words_of(count);
    if (words > 1) {
        e->acked_set = hulse_mem_zalloc(HULSE_MEM_BROKER, 2 * words * sizeof(uint64_t));
        if (e->acked_set == NULL) {
            hulse_pool_give(pool, e);
            return NULL;
        }
        e->out_set = e->acked_set + words;
    }
    return e;
}

void hulse_entry_free(struct pool *pool, struct entry *e)
{
    HULSE_ASSERT(!e->linked && e->refs == 0);
    const size_t words = words_of(e->count);
    if (words > 1) {
        hulse_mem_free(HULSE_MEM_BROKER, e->acked_set, 2 * words * sizeof(uint64_t));
    }
    hulse_pool_give(pool, e);
}

bool hulse_entry_ack(struct entry *e, uint32_t index)
{
    const uint64_t bit = UINT64_C(1) << (index % 64);
    uint64_t *word = &e->acked_set[index / 64];
    if ((*word & bit) != 0) {
        return false;
    }
    *word |= bit;
    e->acked += 1;
    return true;
}

uint32_t hulse_entry_waiting(const struct entry *e)
{
    uint32_t busy = 0;
    for (size_t i = 0; i < words_of(e->count); i++) {
        busy += (uint32_t)__builtin_popcountll(e->acked_set[i] | e->out_set[i]);
    }
    return e->count - busy;
}

uint32_t hulse_entry_prefix(const struct entry *e)
{
    uint32_t i = 0;
    while (i < e->count && hulse_entry_is_acked(e, i)) {
        i += 1;
    }
    return i;
}

/* ---- the table ---- */

static uint32_t slot_of(uint64_t ledger, uint64_t entry, uint32_t buckets)
{
    /* Entries count up from 0 in each ledger, so they fill the buckets evenly. */
    return (uint32_t)((entry + ledger * UINT64_C(0x9e3779b97f4a7c15)) & (buckets - 1));
}

static struct entry_bucket *buckets_create(uint32_t count)
{
    return hulse_mem_zalloc(HULSE_MEM_BROKER, count * sizeof(struct entry_bucket));
}

bool hulse_entry_table_init(struct entry_table *t)
{
    *t = (struct entry_table){.bucket_count = BUCKETS_FIRST};
    TAILQ_INIT(&t->all);
    t->buckets = buckets_create(BUCKETS_FIRST);
    return t->buckets != NULL;
}

void hulse_entry_table_fini(struct entry_table *t)
{
    HULSE_ASSERT(t->count == 0);
    hulse_mem_free(HULSE_MEM_BROKER, t->buckets, t->bucket_count * sizeof(struct entry_bucket));
    t->buckets = NULL;
}

/* Without memory it stays as it is, and is slower. */
static void grow(struct entry_table *t)
{
    const uint32_t count = t->bucket_count * 2;
    struct entry_bucket *buckets = buckets_create(count);
    if (buckets == NULL) {
        return;
    }
    for (uint32_t i = 0; i < t->bucket_count; i++) {
        struct entry *e = NULL;
        while ((e = LIST_FIRST(&t->buckets[i])) != NULL) {
            LIST_REMOVE(e, by_id);
            LIST_INSERT_HEAD(&buckets[slot_of(e->ledger, e->entry, count)], e, by_id);
        }
    }
    hulse_mem_free(HULSE_MEM_BROKER, t->buckets, t->bucket_count * sizeof(struct entry_bucket));
    t->buckets = buckets;
    t->bucket_count = count;
}

struct entry *hulse_entry_find(const struct entry_table *t, uint64_t ledger, uint64_t entry)
{
    struct entry *e = NULL;
    LIST_FOREACH(e, &t->buckets[slot_of(ledger, entry, t->bucket_count)], by_id)
    {
        if (e->entry == entry && e->ledger == ledger) {
            return e;
        }
    }
    return NULL;
}

void hulse_entry_link(struct entry_table *t, struct entry *e)
{
    HULSE_ASSERT(!e->linked);
    if (t->count >= t->bucket_count && t->bucket_count < BUCKETS_MAX) {
        grow(t);
    }
    LIST_INSERT_HEAD(&t->buckets[slot_of(e->ledger, e->entry, t->bucket_count)], e, by_id);
    const struct entry *before = TAILQ_LAST(&t->all, entry_list);
    t->unordered =
        before != NULL &&
        (t->unordered || hulse_entry_below(e->ledger, e->entry, before->ledger, before->entry));
    TAILQ_INSERT_TAIL(&t->all, e, link);
    t->count += 1;
    e->linked = true;
    e->ordered = true;
}

void hulse_entry_take_out(struct entry_table *t, struct entry *e)
{
    if (e->ordered) {
        TAILQ_REMOVE(&t->all, e, link);
        e->ordered = false;
    }
}

void hulse_entry_unlink(struct entry_table *t, struct entry *e)
{
    if (e->linked) {
        hulse_entry_take_out(t, e);
        LIST_REMOVE(e, by_id);
        t->count -= 1;
        e->linked = false;
    }
}
