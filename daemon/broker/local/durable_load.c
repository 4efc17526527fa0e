/* SPDX-License-Identifier: Apache-2.0 */
/*
 * durable_load - what a store has of a worker's topics, when the worker starts; and the clock of
 * handles.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <string.h>

#define HANDLES_EVERY_MS (UINT64_C(10) * 60U * 1000U)

struct loading {
    struct local_worker *lw;
    struct error *err;
    bool failed;
};

/* By the store's own count of time: the clock on the wall may have been set since. */
static bool load_handles(struct topic *topic, const struct store_topic_info *info)
{
    const uint64_t now_ms = hulse_local_now_ms(topic->worker);
    for (uint32_t i = 0; i < info->handle_count; i++) {
        const struct store_handle_info *from = &info->handles[i];
        struct handle *h = hulse_dedup_get(&topic->durable->dedup, from->handle);
        if (h == NULL) {
            return false;
        }
        hulse_handle_restore(h, from->seq_from, from->seq);
        h->ends_ms = now_ms + (from->idle_ms < HANDLE_TTL_MS ? HANDLE_TTL_MS - from->idle_ms : 0);
    }
    return true;
}

static bool load_subscription(struct topic *topic, const struct store_subscription_info *info)
{
    struct subscription *sub = hulse_subscription_create(topic, info->name, BROKER_SHARED);
    if (sub == NULL || !hulse_cursor_create(sub, 0)) {
        return false; /* the worker does not start, and frees what there is */
    }
    struct cursor *c = sub->cursor;
    c->id = info->id;
    if (!hulse_ranges_copy(&c->acknowledged, info->acknowledged)) {
        return false;
    }
    for (uint32_t i = 0; i < info->redelivered_count; i++) {
        const struct store_cursor_count *from = &info->redelivered[i];
        if (from->count != 0 && !hulse_counts_set(&c->redelivered, from->position, from->count)) {
            return false;
        }
    }
    c->next_read = hulse_ranges_next_gap(&c->acknowledged, 0);
    return true;
}

static bool load_topic(struct local_worker *lw, const struct store_topic_info *info)
{
    struct topic *topic = hulse_topic_restore(lw, info->name);
    if (topic == NULL) {
        return false;
    }
    topic->durable->id = info->id;
    topic->durable->first_position = info->first_position;
    topic->durable->committed = info->next_position;
    topic->durable->found_next = info->next_position;
    topic->durable->last_known = info->next_position == 0;
    topic->next_entry = info->next_position;
    topic->end = info->terminated ? TOPIC_TERMINATED : TOPIC_LIVE;
    topic->kept = info->kept;
    for (uint32_t i = 0; i < info->subscription_count; i++) {
        if (!load_subscription(topic, &info->subscriptions[i])) {
            return false;
        }
    }
    return load_handles(topic, info);
}

static bool each(void *ctx, const struct store_topic_info *info)
{
    struct loading *l = ctx;
    const uint64_t hash = hulse_topic_hash(info->name);
    if (!hulse_topic_is_persistent(info->name) || hash % l->lw->worker_count != l->lw->index) {
        return true;
    }
    l->failed = !load_topic(l->lw, info);
    return !l->failed;
}

bool hulse_durable_load(struct local_worker *lw, struct error *err)
{
    struct loading l = {.lw = lw, .err = err};
    hulse_store_each_topic(lw->broker->store, each, &l);
    if (l.failed) {
        (void)hulse_fail(
            err, HULSE_NO_MEMORY, "no memory for the topics of the store: memory_max is too small");
    }
    return !l.failed;
}

static void start_handles(struct local_worker *lw)
{
    hulse_timer_start(
        &lw->worker->loop.timers, &lw->handles, hulse_local_now_ms(lw) + HANDLES_EVERY_MS);
}

static void handles_fire(struct timer *timer)
{
    struct local_worker *lw = HULSE_CONTAINER(timer, struct local_worker, handles);
    const uint64_t now_ms = hulse_local_now_ms(lw);
    for (uint32_t i = 0; i < lw->bucket_count; i++) {
        for (struct topic *topic = lw->buckets[i]; topic != NULL; topic = topic->next) {
            if (topic->durable != NULL) {
                (void)hulse_dedup_expire(&topic->durable->dedup, now_ms);
            }
        }
    }
    start_handles(lw);
}

void hulse_handles_start(struct local_worker *lw)
{
    lw->handles.fire = handles_fire;
    start_handles(lw);
}
