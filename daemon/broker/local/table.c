/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table - the topics of one worker by name; looked up when something is opened.
 */
#include "daemon/broker/local/internal.h"
#include "daemon/core/hash.h"

#include <string.h>

#define BUCKETS_MIN 64U

/* With a finaliser, because the low bits choose the worker and the bucket. */
uint64_t hulse_topic_hash(const char *name)
{
    uint64_t hash = hulse_hash_text(name);
    hash ^= hash >> 33U;
    hash *= 0xff51afd7ed558ccdU;
    return hash ^ (hash >> 33U);
}

/* The high half: the low one is the same for many topics of one worker. */
static struct topic **bucket_of(struct topic **buckets, uint32_t count, uint64_t hash)
{
    return &buckets[(hash >> 32U) & (count - 1)];
}

static size_t table_bytes(uint32_t count)
{
    return (size_t)count * sizeof(struct topic *);
}

bool hulse_table_init(struct local_worker *lw)
{
    lw->buckets = hulse_mem_zalloc(HULSE_MEM_TOPIC, table_bytes(BUCKETS_MIN));
    lw->bucket_count = BUCKETS_MIN;
    return lw->buckets != NULL;
}

void hulse_table_fini(struct local_worker *lw)
{
    HULSE_ASSERT(lw->topic_count == 0);
    hulse_mem_free(HULSE_MEM_TOPIC, lw->buckets, table_bytes(lw->bucket_count));
    lw->buckets = NULL;
}

struct topic *hulse_table_find(const struct local_worker *lw, const char *name, uint64_t hash)
{
    struct topic *topic = *bucket_of(lw->buckets, lw->bucket_count, hash);
    while (topic != NULL && (topic->hash != hash || strcmp(topic->name, name) != 0)) {
        topic = topic->next;
    }
    return topic;
}

/* Doubles it; stays as it is over the memory cap. */
static void grow(struct local_worker *lw)
{
    const uint32_t count = lw->bucket_count * 2;
    struct topic **buckets = hulse_mem_zalloc(HULSE_MEM_TOPIC, table_bytes(count));
    if (buckets == NULL) {
        return;
    }
    for (uint32_t i = 0; i < lw->bucket_count; i++) {
        while (lw->buckets[i] != NULL) {
            struct topic *topic = lw->buckets[i];
            lw->buckets[i] = topic->next;
            struct topic **to = bucket_of(buckets, count, topic->hash);
            topic->next = *to;
            *to = topic;
        }
    }
    hulse_mem_free(HULSE_MEM_TOPIC, lw->buckets, table_bytes(lw->bucket_count));
    lw->buckets = buckets;
    lw->bucket_count = count;
}

void hulse_table_add(struct local_worker *lw, struct topic *topic)
{
    if (lw->topic_count >= lw->bucket_count && lw->bucket_count <= UINT32_MAX / 4) {
        grow(lw);
    }
    struct topic **bucket = bucket_of(lw->buckets, lw->bucket_count, topic->hash);
    topic->next = *bucket;
    *bucket = topic;
    lw->topic_count += 1;
    hulse_watch_changed(lw);
}

void hulse_table_remove(struct local_worker *lw, struct topic *topic)
{
    struct topic **at = bucket_of(lw->buckets, lw->bucket_count, topic->hash);
    while (*at != topic) {
        at = &(*at)->next;
    }
    *at = topic->next;
    lw->topic_count -= 1;
    hulse_watch_changed(lw);
}
