/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures - what a topic and its subscriptions have counted, for who asks.
 */
#include "daemon/broker/local/figures.h"

#include "daemon/broker/local/ask.h"
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <stddef.h>
#include <string.h>

#define MS_PER_S 1000U

double hulse_rate_read(struct rate *r, uint64_t now_ms, uint64_t count)
{
    const uint64_t elapsed_ms = now_ms - r->since_ms;
    if (elapsed_ms >= MS_PER_S) {
        r->per_second = (double)(count - r->count) * MS_PER_S / (double)elapsed_ms;
        r->since_ms = now_ms;
        r->count = count;
    }
    return r->per_second;
}

static void fill_total(struct topic *topic, struct broker_topic_stats *out)
{
    const uint64_t now_ms = hulse_local_now_ms(topic->worker);
    const struct topic_counters *counters = &topic->counters;
    *out = (struct broker_topic_stats){
        .producers = topic->producers,
        .consumers = topic->seats,
        .subscriptions = topic->subscription_count,
        .terminated = topic->end == TOPIC_TERMINATED,
        .backlog = topic->durable == NULL ? topic->held : hulse_durable_backlog(topic),
        .acknowledged = counters->acknowledged,
        .dropped = counters->dropped,
        .lost = counters->lost,
        .published = counters->published,
        .published_bytes = counters->published_bytes,
        .delivered = counters->delivered,
        .redelivered = counters->redelivered,
        .publish_rate = hulse_rate_read(&topic->publish_rate, now_ms, counters->published),
        .delivery_rate = hulse_rate_read(&topic->delivery_rate, now_ms, counters->delivered),
    };
}

static void
fill_subscription(struct subscription *sub, struct broker_subscription_stats *out, char **name)
{
    const size_t bytes = strlen(sub->name) + 1;
    memcpy(*name, sub->name, bytes);
    *out = (struct broker_subscription_stats){
        .name = *name,
        .type = sub->type,
        .consumers = sub->seat_count,
        .backlog = sub->cursor == NULL ? sub->held : hulse_cursor_backlog(sub),
        .unacked = sub->handed_out,
        .delayed = sub->delayed_count,
        .delivery_rate = hulse_rate_read(
            &sub->delivery_rate, hulse_local_now_ms(sub->topic->worker), sub->delivered),
    };
    *name += bytes;
}

/* Figures first, then the names they point to. */
static size_t block_bytes(const struct topic *topic)
{
    size_t bytes = topic->subscription_count * sizeof(struct broker_subscription_stats);
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        const struct subscription *sub = HULSE_CONTAINER(l, struct subscription, link);
        bytes += sub->over ? 0 : strlen(sub->name) + 1;
    }
    return bytes;
}

void hulse_ask_stats(struct local_worker *lw, struct ask *a)
{
    struct broker_stats *q = a->stats;
    struct topic *topic = hulse_table_find(lw, q->topic, a->hash);
    if (topic == NULL) {
        hulse_ask_refuse(a, HULSE_NO_TOPIC, "the topic does not exist");
        return;
    }
    const size_t bytes = block_bytes(topic);
    a->block = bytes == 0 ? NULL : hulse_mem_alloc(HULSE_MEM_TOPIC, bytes);
    if (a->block == NULL && bytes != 0) {
        hulse_ask_refuse(a, HULSE_NO_MEMORY, "no memory for the figures");
        return;
    }
    a->block_bytes = bytes;
    fill_total(topic, &q->total);
    struct broker_subscription_stats *out = a->block;
    q->subscriptions = out;
    q->subscription_count = topic->subscription_count;
    if (out == NULL) {
        return;
    }
    char *name = (char *)(out + topic->subscription_count);
    for (struct link *l = topic->subscriptions.next; l != &topic->subscriptions; l = l->next) {
        struct subscription *sub = HULSE_CONTAINER(l, struct subscription, link);
        if (!sub->over) {
            fill_subscription(sub, out, &name);
            out += 1;
        }
    }
}
