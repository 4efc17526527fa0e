/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lag - see the header.
 */
#include "daemon/broker/pulsar/consumer/lag.h"

#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/core/mem.h"

#include <string.h>

struct lag {
    LIST_ENTRY(lag) link;
    size_t object_bytes;
    size_t whole_bytes;
    uint64_t due_ms;
    uint64_t entries;
    uint32_t refs;
    bool asked; /* by somebody, who has not heard yet */
    bool known;
    const char *subscription; /* behind the topic */
    char topic[];
};

void hulse_lag_table_init(struct lag_table *t)
{
    (void)pthread_mutex_init(&t->lock, NULL);
    for (size_t i = 0; i < LAG_BUCKETS; i++) {
        LIST_INIT(&t->buckets[i]);
    }
}

void hulse_lag_table_fini(struct lag_table *t)
{
    for (size_t i = 0; i < LAG_BUCKETS; i++) {
        HULSE_ASSERT(LIST_EMPTY(&t->buckets[i]));
    }
    (void)pthread_mutex_destroy(&t->lock);
}

static struct lag_list *bucket_of(struct lag_table *t, const char *topic, const char *subscription)
{
    const uint64_t hash = hulse_hash_text(topic) ^ (hulse_hash_text(subscription) << 1U);
    return &t->buckets[(hash ^ hash >> 32U) % LAG_BUCKETS];
}

static struct lag *create(const char *topic, size_t whole_bytes, const char *subscription)
{
    const size_t topic_bytes = strlen(topic) + 1;
    const size_t subscription_bytes = strlen(subscription) + 1;
    const size_t bytes = sizeof(struct lag) + topic_bytes + subscription_bytes;
    struct lag *lag = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (lag != NULL) {
        lag->object_bytes = bytes;
        lag->whole_bytes = whole_bytes;
        lag->subscription = memcpy(lag->topic + topic_bytes, subscription, subscription_bytes);
        memcpy(lag->topic, topic, topic_bytes);
    }
    return lag;
}

struct lag *
hulse_lag_join(struct lag_table *t, const char *topic, size_t whole_bytes, const char *subscription)
{
    struct lag_list *bucket = bucket_of(t, topic, subscription);
    struct lag *lag = NULL;

    (void)pthread_mutex_lock(&t->lock);
    LIST_FOREACH(lag, bucket, link)
    {
        if (strcmp(lag->topic, topic) == 0 && strcmp(lag->subscription, subscription) == 0) {
            break;
        }
    }
    if (lag == NULL) {
        lag = create(topic, whole_bytes, subscription);
        if (lag != NULL) {
            LIST_INSERT_HEAD(bucket, lag, link);
        }
    }
    if (lag != NULL) {
        lag->refs += 1;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return lag;
}

void hulse_lag_leave(struct lag_table *t, struct lag **lag)
{
    struct lag *left = *lag;
    bool gone = false;

    *lag = NULL;
    if (left == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&t->lock);
    left->refs -= 1;
    gone = left->refs == 0;
    if (gone) {
        LIST_REMOVE(left, link);
    }
    (void)pthread_mutex_unlock(&t->lock);
    if (gone) {
        hulse_mem_free(HULSE_MEM_TOPIC, left, left->object_bytes);
    }
}

bool hulse_lag_claim(struct lag_table *t, struct lag *lag, uint64_t now_ms)
{
    (void)pthread_mutex_lock(&t->lock);
    const bool claimed = !lag->asked && now_ms >= lag->due_ms;
    lag->asked = lag->asked || claimed;
    (void)pthread_mutex_unlock(&t->lock);
    return claimed;
}

void hulse_lag_end(struct lag_table *t, struct lag *lag, const uint64_t *entries, uint64_t due_ms)
{
    (void)pthread_mutex_lock(&t->lock);
    HULSE_DASSERT(lag->asked);
    lag->asked = false;
    lag->due_ms = due_ms;
    if (entries != NULL) {
        lag->known = true;
        lag->entries = *entries;
    }
    (void)pthread_mutex_unlock(&t->lock);
}

static void report(const struct lag *lag, struct worker_report *out)
{
    struct subscription_report *r = lag->known ? hulse_report_subscription(out) : NULL;
    if (r == NULL || lag->whole_bytes >= sizeof(r->topic) ||
        strlen(lag->subscription) >= sizeof(r->subscription)) {
        return;
    }
    memcpy(r->topic, lag->topic, lag->whole_bytes);
    memcpy(r->subscription, lag->subscription, strlen(lag->subscription));
    r->lag = lag->entries;
}

void hulse_lag_report(struct lag_table *t, struct worker_report *out)
{
    const struct lag *lag = NULL;

    (void)pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < LAG_BUCKETS; i++) {
        LIST_FOREACH(lag, &t->buckets[i], link)
        {
            report(lag, out);
        }
    }
    (void)pthread_mutex_unlock(&t->lock);
}
