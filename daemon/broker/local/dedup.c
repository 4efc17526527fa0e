/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dedup - see the header.
 */
#include "daemon/broker/local/dedup.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <string.h>

#define BUCKETS_MIN 8U

static size_t table_bytes(uint32_t count)
{
    return (size_t)count * sizeof(struct handle *);
}

/* The ids of honest clients are random; those of others fill their own topics' tables. */
static struct handle **
bucket_of(struct handle **buckets, uint32_t count, const uint8_t id[BROKER_HANDLE_ID_BYTES])
{
    uint64_t half[2];
    memcpy(half, id, sizeof(half));
    const uint64_t mixed = (half[0] ^ half[1]) * UINT64_C(0x9e3779b97f4a7c15);
    return &buckets[(mixed >> 32U) & (count - 1)];
}

bool hulse_handle_is_none(const uint8_t id[BROKER_HANDLE_ID_BYTES])
{
    static const uint8_t none[BROKER_HANDLE_ID_BYTES] = {0};
    return memcmp(id, none, sizeof(none)) == 0;
}

struct handle *hulse_dedup_find(const struct dedup *d, const uint8_t id[BROKER_HANDLE_ID_BYTES])
{
    if (d->count == 0) {
        return NULL;
    }
    struct handle *h = *bucket_of(d->buckets, d->bucket_count, id);
    while (h != NULL && memcmp(h->id, id, BROKER_HANDLE_ID_BYTES) != 0) {
        h = h->next;
    }
    return h;
}

/* Doubles it. False: over the memory cap, it stays as it is. */
static bool grow(struct dedup *d)
{
    const uint32_t count = d->bucket_count == 0 ? BUCKETS_MIN : d->bucket_count * 2;
    struct handle **buckets = hulse_mem_zalloc(HULSE_MEM_TOPIC, table_bytes(count));
    if (buckets == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < d->bucket_count; i++) {
        while (d->buckets[i] != NULL) {
            struct handle *h = d->buckets[i];
            d->buckets[i] = h->next;
            struct handle **bucket = bucket_of(buckets, count, h->id);
            h->next = *bucket;
            *bucket = h;
        }
    }
    hulse_mem_free(HULSE_MEM_TOPIC, d->buckets, table_bytes(d->bucket_count));
    d->buckets = buckets;
    d->bucket_count = count;
    return true;
}

struct handle *hulse_dedup_get(struct dedup *d, const uint8_t id[BROKER_HANDLE_ID_BYTES])
{
    struct handle *h = hulse_dedup_find(d, id);
    if (h != NULL) {
        return h;
    }
    const bool full = d->count >= d->bucket_count && d->bucket_count <= UINT32_MAX / 4;
    if (full && !grow(d) && d->bucket_count == 0) {
        return NULL;
    }
    h = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*h));
    if (h == NULL) {
        return NULL;
    }
    memcpy(h->id, id, sizeof(h->id));
    struct handle **bucket = bucket_of(d->buckets, d->bucket_count, id);
    h->next = *bucket;
    *bucket = h;
    d->count += 1;
    return h;
}

static void unlink_and_free(struct dedup *d, struct handle **at)
{
    struct handle *h = *at;
    *at = h->next;
    hulse_mem_free(HULSE_MEM_TOPIC, h, sizeof(*h));
    d->count -= 1;
}

/* Without handles it has no memory. */
static void free_buckets(struct dedup *d)
{
    if (d->count == 0) {
        hulse_mem_free(HULSE_MEM_TOPIC, d->buckets, table_bytes(d->bucket_count));
        *d = (struct dedup){0};
    }
}

void hulse_dedup_remove(struct dedup *d, struct handle *h)
{
    struct handle **at = bucket_of(d->buckets, d->bucket_count, h->id);
    HULSE_ASSERT(h->users == 0);
    while (*at != h) {
        at = &(*at)->next;
    }
    unlink_and_free(d, at);
    free_buckets(d);
}

static uint32_t remove_ended(struct dedup *d, uint64_t now_ms)
{
    uint32_t removed = 0;
    for (uint32_t i = 0; i < d->bucket_count; i++) {
        struct handle **at = &d->buckets[i];
        while (*at != NULL) {
            if ((*at)->users == 0 && (*at)->ends_ms <= now_ms) {
                unlink_and_free(d, at);
                removed += 1;
            } else {
                at = &(*at)->next;
            }
        }
    }
    free_buckets(d);
    return removed;
}

uint32_t hulse_dedup_expire(struct dedup *d, uint64_t now_ms)
{
    return d->count == 0 ? 0 : remove_ended(d, now_ms);
}

void hulse_dedup_clear(struct dedup *d)
{
    for (uint32_t i = 0; i < d->bucket_count; i++) {
        while (d->buckets[i] != NULL) {
            unlink_and_free(d, &d->buckets[i]);
        }
    }
    free_buckets(d);
}

bool hulse_handle_take(struct handle *h, uint64_t seq)
{
    /* The last id of all cannot be told from none: it is a copy of everything. */
    if (seq < h->taken || seq == UINT64_MAX) {
        return false;
    }
    h->taken = seq + 1;
    return true;
}

void hulse_handle_stored(struct handle *h, uint64_t seq)
{
    if (seq >= h->stored) {
        h->stored_from = h->stored == 0 || seq != h->stored ? seq : h->stored_from;
        h->stored = seq + 1;
    }
}

void hulse_handle_restore(struct handle *h, uint64_t from, uint64_t seq)
{
    (void)hulse_handle_take(h, seq);
    h->stored = seq == UINT64_MAX ? seq : seq + 1;
    h->stored_from = from;
}

bool hulse_handle_has_stored(const struct handle *h, uint64_t seq)
{
    return seq >= h->stored_from && seq < h->stored;
}
