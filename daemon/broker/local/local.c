/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local - the broker, and its module on every worker.
 */
#include "daemon/broker/local/local.h"

#include "daemon/broker/common/unsupported.h"
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"
#include "daemon/core/clock.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Subscriptions served in one turn. */
#define TURN_SUBSCRIPTIONS 64U
#define POOL_SLAB 256U
/* Messages freed in one turn, beside those that consumers end. */
#define WASTE_MAX 1024U

/* ---- the module ---- */

static void retry_fire(struct timer *timer)
{
    hulse_lanes_flush(HULSE_CONTAINER(timer, struct local_worker, retry));
}

static void free_worker(struct local_worker *lw)
{
    hulse_pool_fini(&lw->deliveries);
    hulse_pool_fini(&lw->publications);
    hulse_table_fini(lw);
    free(lw);
}

/*
 * Its topics from the store. The last worker that has them starts the store's threads: what was on
 * disk is read by then.
 */
static bool start_store(struct local_worker *lw, struct error *err)
{
    struct local_broker *b = lw->broker;
    if (b->store == NULL) {
        return true;
    }
    hulse_store_client_init(&lw->store, b->store, &lw->worker->loop.inbox);
    if (!hulse_durable_load(lw, err)) {
        return false;
    }
    hulse_handles_start(lw);
    /* Relaxed because workers start one after another, each waited for. */
    const uint32_t loaded = atomic_fetch_add_explicit(&b->loaded, 1, memory_order_relaxed) + 1;
    return loaded != lw->worker_count || hulse_store_start(b->store, err) == HULSE_OK;
}

/* Apps of other workers may still have it open; those of this one have closed. */
static void end_subscriptions(struct link *subscriptions)
{
    while (!hulse_link_empty(subscriptions)) {
        struct subscription *sub = HULSE_CONTAINER(subscriptions->next, struct subscription, link);
        if (hulse_link_empty(&sub->seats)) {
            hulse_subscription_remove(sub);
            continue;
        }
        struct seat *seat = HULSE_CONTAINER(sub->seats.next, struct seat, link);
        HULSE_ASSERT(seat->remote && seat->in_transit == 0);
        hulse_seat_close(seat, true);
    }
}

static void end_topic(struct topic *topic)
{
    end_subscriptions(&topic->subscriptions);
    topic->producers = 0;
    hulse_topic_destroy(topic);
}

static void stop_timer(struct local_worker *lw, struct timer *timer)
{
    if (hulse_timer_pending(timer)) {
        hulse_timer_stop(&lw->worker->loop.timers, timer);
    }
}

static void free_topics(struct local_worker *lw)
{
    lw->stopping = true;
    lw->ending = true;
    for (uint32_t i = 0; i < lw->bucket_count; i++) {
        while (lw->buckets[i] != NULL) {
            end_topic(lw->buckets[i]);
        }
    }
    while (!hulse_link_empty(&lw->deleted)) {
        end_topic(HULSE_CONTAINER(lw->deleted.next, struct topic, gone));
    }
    while (hulse_waste_free(lw, WASTE_MAX) != 0) {
    }
    stop_timer(lw, &lw->retry);
    stop_timer(lw, &lw->handles);
}

/* Its lines are written by other threads too. */
static struct local_worker *allocate(uint32_t workers)
{
    const size_t line = alignof(struct local_worker);
    const size_t bytes = sizeof(struct local_worker) + workers * sizeof(struct lane);
    const size_t rounded = (bytes + line - 1) / line * line;
    struct local_worker *lw = aligned_alloc(line, rounded);
    if (lw != NULL) {
        memset(lw, 0, rounded);
    }
    return lw;
}

static void *start(struct worker *w, void *shared, struct error *err)
{
    const uint32_t count = w->params.worker_count;
    if (count > LOCAL_WORKERS_MAX) {
        (void)hulse_fail(err, HULSE_LIMIT, "at most %u workers", LOCAL_WORKERS_MAX);
        return NULL;
    }
    struct local_worker *lw = allocate(count);
    if (lw == NULL || !hulse_table_init(lw)) {
        free(lw);
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for the topics of a worker");
        return NULL;
    }
    lw->broker = shared;
    lw->worker = w;
    lw->index = w->params.index;
    lw->worker_count = count;
    lw->retry.fire = retry_fire;
    hulse_link_init(&lw->dirty);
    hulse_link_init(&lw->waste);
    hulse_link_init(&lw->deleted);
    hulse_link_init(&lw->producers);
    hulse_link_init(&lw->consumers);
    hulse_link_init(&lw->changed);
    hulse_link_init(&lw->windowed);
    hulse_link_init(&lw->starved);
    hulse_link_init(&lw->woken);
    hulse_pool_init(
        &lw->deliveries, HULSE_MEM_MESSAGE, sizeof(struct delivery), POOL_SLAB, LOCAL_POOL_MAX);
    hulse_pool_init(&lw->publications,
                    HULSE_MEM_MESSAGE,
                    sizeof(struct publication),
                    POOL_SLAB,
                    LOCAL_PUBLICATIONS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        hulse_lane_init(&lw->lanes[i], lw, i);
    }
    if (!start_store(lw, err)) {
        free_topics(lw);
        if (lw->broker->store != NULL) {
            hulse_store_client_fini(&lw->store);
        }
        free_worker(lw);
        return NULL;
    }
    atomic_store_explicit(&lw->broker->started[lw->index], true, memory_order_relaxed);
    /* Relaxed because control, which reads them, waits for the start and for the end. */
    atomic_store_explicit(&lw->broker->worker_count, count, memory_order_relaxed);
    atomic_store_explicit(&lw->broker->workers[lw->index], w, memory_order_relaxed);
    return lw;
}

static void stop(void *state)
{
    struct local_worker *lw = state;
    lw->stopping = true;
    if (lw->broker->store != NULL) {
        hulse_store_leave(lw->broker->store); /* what waits for room would be waited for */
    }
    hulse_lanes_close(lw);
    if (lw->broker->store != NULL) {
        hulse_lanes_settle(lw);
    }
    free_topics(lw);
    if (lw->broker->store != NULL) {
        hulse_store_client_fini(&lw->store);
    }
    HULSE_ASSERT(hulse_link_empty(&lw->producers));
    HULSE_ASSERT(hulse_link_empty(&lw->consumers));
    HULSE_ASSERT(hulse_link_empty(&lw->dirty));
    atomic_store_explicit(&lw->broker->workers[lw->index], NULL, memory_order_relaxed);
    free_worker(lw);
}

static unsigned turn(void *state)
{
    struct local_worker *lw = state;
    unsigned done = 0;
    for (unsigned i = 0; i < TURN_SUBSCRIPTIONS && !hulse_link_empty(&lw->dirty); i++) {
        struct link *l = lw->dirty.next;
        struct subscription *sub = HULSE_CONTAINER(l, struct subscription, dirty);
        hulse_link_remove(l);
        done += 1;
        if (sub->doomed) {
            hulse_subscription_bury(sub);
            continue;
        }
        hulse_subscription_purge(sub);
        done += hulse_subscription_dispatch(sub);
        hulse_subscription_tell_caught_up(sub);
        hulse_subscription_tell_end(sub);
    }
    done += hulse_windows_turn(lw);
    return done + hulse_waste_free(lw, WASTE_MAX);
}

static void flush(void *state)
{
    hulse_store_flush_here(state);
    hulse_lanes_flush(state);
}

static bool park(void *state)
{
    const struct local_worker *lw = state;
    return !hulse_link_empty(&lw->dirty) || hulse_waste_left(lw) || hulse_windows_wait(lw);
}

static void report(void *state, struct worker_report *out)
{
    const struct local_worker *lw = state;
    for (uint32_t i = 0; i < lw->bucket_count; i++) {
        for (const struct topic *topic = lw->buckets[i]; topic != NULL; topic = topic->next) {
            hulse_topic_report(topic, out);
        }
    }
}

const struct worker_module hulse_local_module = {.name = "local",
                                                 .start = start,
                                                 .stop = stop,
                                                 .turn = turn,
                                                 .flush = flush,
                                                 .park = park,
                                                 .report = report};

/* ---- the broker ---- */

static bool healthy(const struct broker *b)
{
    const struct local_broker *broker = (const struct local_broker *)(const void *)b;
    return broker->store == NULL ||
           (hulse_store_healthy(broker->store) && !hulse_store_full(broker->store));
}

/* Only what is so now: the store keeps no past. */
static bool trouble(struct broker *b, struct broker_trouble *out)
{
    const struct local_broker *broker = (const struct local_broker *)(void *)b;

    if (healthy(b)) {
        return false;
    }
    (void)snprintf(out->text,
                   sizeof(out->text),
                   "%s",
                   hulse_store_healthy(broker->store)
                       ? "the store is full (size_max): publishing waits for acknowledgements"
                       : "a write to the store has failed: nothing is stored until a restart");
    out->at_ms = hulse_clock_ns() / 1000000U;
    return true;
}

static const struct broker_ops ops = {.type = "local",
                                      .capabilities =
                                          BROKER_CAN_CONSUME | BROKER_CAN_STATS | BROKER_CAN_ADMIN,
                                      .module = &hulse_local_module,
                                      .producer_open = hulse_local_producer_open,
                                      .send = hulse_local_send,
                                      .flush = hulse_local_flush,
                                      .producer_close = hulse_local_producer_close,
                                      .consumer_open = hulse_local_consumer_open,
                                      .permit = hulse_local_permit,
                                      .ack = hulse_local_ack,
                                      .ack_cumulative = hulse_local_ack_cumulative,
                                      .nack = hulse_local_nack,
                                      .give_back = hulse_local_give_back,
                                      .ack_id = hulse_local_ack_id,
                                      .redeliver_all = hulse_local_redeliver_all,
                                      .seek = hulse_local_seek,
                                      .last_message_id = hulse_local_last_message_id,
                                      .unsubscribe = hulse_local_unsubscribe,
                                      .consumer_close = hulse_local_consumer_close,
                                      .topics_watch = hulse_local_topics_watch,
                                      .topics_again = hulse_local_topics_again,
                                      .topics_close = hulse_local_topics_close,
                                      .topic_lookup = hulse_local_lookup,
                                      .stats = hulse_local_stats,
                                      .schema_get = hulse_unsupported_schema,
                                      .schema_put = hulse_unsupported_schema,
                                      .admin = hulse_local_admin,
                                      .store_figures = hulse_local_store_figures,
                                      .healthy = healthy,
                                      .trouble = trouble};

void hulse_local_params_default(struct local_params *out)
{
    *out = (struct local_params){.message_bytes_max = 5U * 1024U * 1024U,
                                 .subscription_bytes_max = UINT64_C(64) << 20U,
                                 .subscription_messages_max = 1000000,
                                 .topics_max = 100000,
                                 .subscriptions_max = 1000,
                                 .consumers_max = 1000,
                                 .producer_pending_bytes_max = UINT64_C(64) << 20U,
                                 .unused_ms = 60000};
}

static bool open_store(struct local_broker *b, struct error *err)
{
    struct store_params params;
    hulse_store_params_default(&params);
    params.directory = b->params.directory;
    if (b->params.size_max != 0) {
        params.size_max = b->params.size_max;
    }
    if (b->params.segment_bytes != 0) {
        params.segment_bytes = b->params.segment_bytes;
    }
    b->store = hulse_store_open(&params, NULL, err);
    b->params.directory = NULL; /* the caller's */
    b->ops.capabilities |=
        BROKER_CAN_DURABLE | BROKER_CAN_DEDUP | BROKER_CAN_START_ID | BROKER_CAN_INITIAL;
    return b->store != NULL;
}

struct broker *
hulse_local_create(const char *name, const struct local_params *params, struct error *err)
{
    struct local_broker *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for the local broker");
        return NULL;
    }
    b->ops = ops;
    b->base = (struct broker){.ops = &b->ops, .name = name};
    b->params = *params;
    b->epoch_ms = hulse_clock_wall_ms();
    if (params->directory != NULL && !open_store(b, err)) {
        free(b);
        return NULL;
    }
    return &b->base;
}

void hulse_local_destroy(struct broker **b)
{
    struct local_broker *broker = (struct local_broker *)(void *)*b;
    if (broker->store != NULL) {
        hulse_store_stop(broker->store);
        hulse_store_close(&broker->store);
    }
    free(broker);
    *b = NULL;
}

struct store *hulse_local_store(const struct broker *b)
{
    return ((const struct local_broker *)(const void *)b)->store;
}
