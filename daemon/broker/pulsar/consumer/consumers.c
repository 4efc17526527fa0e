/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumers - all consumers of a worker, and the life of each.
 */
#include "daemon/broker/pulsar/consumer/fan_in.h"
#include "daemon/table/topic_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLAB_OBJECTS 256U
#define OBJECTS_MAX (1U << 24U) /* the memory cap is less */

struct pulsar_consumers *hulse_pulsar_consumers_create(struct pulsar_worker *w, struct error *err)
{
    struct pulsar_consumers *set = calloc(1, sizeof(*set));
    if (set == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for consumers");
        return NULL;
    }
    set->worker = w;
    TAILQ_INIT(&set->all);
    TAILQ_INIT(&set->dirty);
    LIST_INIT(&set->schemas);
    LIST_INIT(&set->endpoints);
    const uint32_t workers = w->worker->params.worker_count;
    set->held_bytes_max = hulse_mem_cap() / PULSAR_HELD_PART / (workers > 0 ? workers : 1);
    set->chunk_bytes_max = set->held_bytes_max;
    const enum mem_purpose purpose = HULSE_MEM_BROKER;
    hulse_pool_init(&set->deliveries, purpose, sizeof(struct delivery), SLAB_OBJECTS, OBJECTS_MAX);
    hulse_pool_init(&set->entries, purpose, sizeof(struct entry), SLAB_OBJECTS, OBJECTS_MAX);
    hulse_pool_init(&set->rounds, purpose, sizeof(struct round), SLAB_OBJECTS, OBJECTS_MAX);
    for (uint32_t i = 0; i < PULSAR_IDS_MAX; i++) {
        set->id_pointers[i] = &set->ids[i];
    }
    return set;
}

void hulse_pulsar_consumers_destroy(struct pulsar_consumers **consumers)
{
    struct pulsar_consumers *set = *consumers;
    struct pulsar_consumer *c = NULL;
    *consumers = NULL;
    if (set == NULL) {
        return;
    }
    while ((c = TAILQ_FIRST(&set->all)) != NULL) {
        HULSE_ASSERT(c->depth == 0);
        c->closed = true;
        hulse_pulsar_consumer_gone(c);
    }
    hulse_pool_fini(&set->deliveries);
    hulse_pool_fini(&set->entries);
    hulse_pool_fini(&set->rounds);
    free(set);
}

void hulse_pulsar_consumers_flush(struct pulsar_consumers *set)
{
    struct pulsar_consumer *c = NULL;
    while ((c = TAILQ_FIRST(&set->dirty)) != NULL) {
        TAILQ_REMOVE(&set->dirty, c, dirty_link);
        c->dirty = false;
        hulse_pulsar_consumer_flush(c);
    }
}

void hulse_pulsar_consumers_figures(const struct pulsar_consumers *set,
                                    struct pulsar_consumer_figures *out)
{
    const struct pulsar_consumer *c = NULL;
    const struct round *r = NULL;

    *out = set->figures;
    TAILQ_FOREACH(c, &set->all, link)
    {
        out->consumers += c->fan == NULL ? 1 : 0;
        TAILQ_FOREACH(r, &c->hands->rounds, link)
        {
            out->acks_pending += r->state != ROUND_ANSWERED ? r->count : 0;
        }
    }
}

/* ---- one ---- */

void hulse_pulsar_consumer_dirty(struct pulsar_consumer *c)
{
    if (!c->dirty) {
        c->dirty = true;
        TAILQ_INSERT_TAIL(&c->set->dirty, c, dirty_link);
    }
}

void hulse_pulsar_consumer_renew(struct pulsar_consumer *c, const char *why)
{
    c->renew = why;
    hulse_pulsar_consumer_dirty(c);
}

static void destroy(struct pulsar_consumer *c)
{
    if (c->dirty) {
        TAILQ_REMOVE(&c->set->dirty, c, dirty_link);
    }
    TAILQ_REMOVE(&c->set->all, c, link);
    HULSE_ASSERT(c->first == NULL);
    hulse_lag_quit(c);
    hulse_stall_quit(c);
    hulse_question_end(&c->asked);
    hulse_pulsar_endpoint_unshare(&c->endpoint);
    hulse_hands_fini(c);
    hulse_wishes_destroy(&c->wishes);
    hulse_payload_schema_give(&c->schema);
    hulse_fan_in_free(&c->fan);
    c->magic = 0;
    hulse_mem_free(HULSE_MEM_TOPIC, c, c->object_bytes);
}

void hulse_pulsar_consumer_enter(struct pulsar_consumer *c)
{
    c->depth += 1;
}

void hulse_pulsar_consumer_leave(struct pulsar_consumer *c)
{
    c->depth -= 1;
    if (c->depth == 0 && c->gone) {
        destroy(c);
    }
}

void hulse_pulsar_consumer_gone(struct pulsar_consumer *c)
{
    HULSE_ASSERT(c->closed);
    hulse_pulsar_consumer_enter(c);
    hulse_pulsar_session_abandon(c);
    if (c->fan != NULL) {
        hulse_fan_in_close(c->fan, false);
    }
    hulse_errand_cancel(c);
    hulse_acks_drop(c);
    hulse_verdicts_release_all(c);
    c->gone = true;
    hulse_pulsar_consumer_leave(c);
}

/* ---- the end of a turn ---- */

static void refused(struct pulsar_consumer *c)
{
    hulse_timer_start(
        &c->worker->loop->timers, &c->pause, hulse_pulsar_consumer_now_ms(c) + PULSAR_REFUSED_MS);
}

static void send_flow(struct pulsar_consumer *c)
{
    Pulsar__BaseCommand command = PULSAR__BASE_COMMAND__INIT;
    Pulsar__CommandFlow flow = PULSAR__COMMAND_FLOW__INIT;
    c->permits.chunks = hulse_chunks_expected(c);
    const uint32_t wanted = hulse_permits_wanted(&c->permits);

    if (wanted == 0 || c->hands->kept_count >= PULSAR_KEPT_MAX) {
        return;
    }
    command.type = PULSAR__BASE_COMMAND__TYPE__FLOW;
    command.flow = &flow;
    flow.consumer_id = c->user.id;
    flow.messagepermits = wanted;
    if (hulse_pulsar_command(c->user.connection, &command)) {
        hulse_permits_asked(&c->permits, wanted);
        c->set->figures.permits_granted += wanted;
    } else {
        refused(c);
    }
}

void hulse_pulsar_consumer_flush(struct pulsar_consumer *c)
{
    if (c->closed) {
        return;
    }
    hulse_pulsar_consumer_enter(c);
    if (c->unsorted) {
        hulse_hand_out(c); /* what has come due in this turn */
    }
    if (c->closed || (c->state != SESSION_READY && c->state != SESSION_SEEKING)) {
        hulse_pulsar_consumer_leave(c);
        return;
    }
    if (c->renew != NULL) {
        hulse_pulsar_session_renew(c);
    } else if (c->state == SESSION_READY) {
        hulse_acks_send(c);
        hulse_again_send(c);
        hulse_errand_ready(c);
        if (c->state == SESSION_READY) {
            send_flow(c);
        }
    }
    hulse_pulsar_consumer_leave(c);
}

/* ---- open, close ---- */

static struct pulsar_consumer *
create(struct pulsar_worker *w, struct broker *b, const struct broker_consumer_params *params)
{
    const size_t topic = strlen(params->topic) + 1;
    const size_t subscription =
        params->type == BROKER_READER ? PULSAR_READER_BYTES : strlen(params->subscription) + 1;
    const size_t name = params->name[0] == '\0' ? PULSAR_READER_BYTES : strlen(params->name) + 1;
    const size_t bytes = sizeof(struct pulsar_consumer) + topic + subscription + name;
    struct pulsar_consumer *c = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (c == NULL) {
        return NULL;
    }
    if (params->schema != NULL) {
        c->schema = hulse_payload_schema_take(&w->consumers->schemas, params->schema);
    }
    c->worker = w;
    c->type = params->type;
    hulse_hands_init(c);
    /* A reader knows where it is from the beginning on. */
    if ((params->schema != NULL && c->schema == NULL) ||
        (c->type == BROKER_READER && !hulse_hands_take(c))) {
        hulse_payload_schema_give(&c->schema);
        hulse_mem_free(HULSE_MEM_TOPIC, c, bytes);
        return NULL;
    }
    c->base = (struct broker_consumer){.ops = b->ops, .events = params->events, .ctx = params->ctx};
    c->magic = PULSAR_CONSUMER_MAGIC;
    c->set = w->consumers;
    c->object_bytes = bytes;
    memcpy(c->topic, params->topic, topic);
    c->subscription = c->topic + topic;
    c->name = c->subscription + subscription;
    return c;
}

/* "reader-" and ten hexadecimal digits. */
static void make_name(struct pulsar_consumer *c, const char *at)
{
    (void)snprintf((char *)(uintptr_t)at,
                   PULSAR_READER_BYTES,
                   "reader-%010llx",
                   (unsigned long long)(hulse_jitter_next(&c->worker->jitter) >> 24U));
}

static void init(struct pulsar_consumer *c, const struct broker_consumer_params *params)
{
    if (params->type == BROKER_READER) {
        make_name(c, c->subscription);
    } else {
        memcpy((char *)(uintptr_t)c->subscription,
               params->subscription,
               strlen(params->subscription) + 1);
    }
    if (params->name[0] == '\0') {
        make_name(c, c->name);
    } else {
        memcpy((char *)(uintptr_t)c->name, params->name, strlen(params->name) + 1);
    }
    c->create = params->create;
    c->resumed = params->resumed;
    c->transient = params->transient;
    c->non_persistent = !hulse_topic_keeps(c->topic);
    hulse_hands_start(c, &params->start);
    if (params->marks != NULL) {
        HULSE_ASSERT(c->type == BROKER_READER);
        c->hands->marks = hulse_broker_marks_hold(params->marks);
    }
    c->held_bytes.all = &c->set->held_bytes;
    c->chunking = hulse_chunks_rule(&params->chunking);
    TAILQ_INSERT_TAIL(&c->set->all, c, link);
}

hulse_status hulse_pulsar_consumer_open(struct broker *b,
                                        struct worker *w,
                                        const struct broker_consumer_params *params,
                                        struct broker_consumer **out,
                                        struct error *err)
{
    if (params->type != BROKER_READER && params->start.kind != BROKER_EARLIEST &&
        params->start.kind != BROKER_LATEST) {
        return hulse_fail(err,
                          HULSE_UNSUPPORTED,
                          "a subscription starts at its topic's earliest or latest message; seek "
                          "moves it elsewhere");
    }
    struct consumer_wishes *wishes = NULL;
    const hulse_status st = hulse_wishes_create(&wishes, params, err);
    if (st != HULSE_OK) {
        return st;
    }
    struct pulsar_consumer *c = create(hulse_pulsar_worker(b, w), b, params);
    if (c == NULL) {
        hulse_wishes_destroy(&wishes);
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a consumer");
    }
    init(c, params);
    c->wishes = wishes;
    *out = &c->base;
    if (!hulse_pulsar_session_start(c)) {
        *out = NULL;
        c->closed = true;
        hulse_pulsar_consumer_gone(c);
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a lookup");
    }
    return HULSE_OK;
}

struct pulsar_consumer *hulse_pulsar_consumer_open_part(struct pulsar_consumer *whole,
                                                        struct part *part,
                                                        const struct broker_consumer_params *p)
{
    struct pulsar_consumer *c = create(whole->worker, &whole->worker->broker->base, p);
    if (c == NULL) {
        return NULL;
    }
    init(c, p);
    c->part = part;
    c->wishes = whole->wishes;
    if (!hulse_pulsar_session_start(c)) {
        c->wishes = NULL;
        c->part = NULL;
        c->closed = true;
        hulse_pulsar_consumer_gone(c);
        return NULL;
    }
    return c;
}

void hulse_pulsar_consumer_permit(struct broker_consumer *consumer, uint32_t count)
{
    struct pulsar_consumer *c = (struct pulsar_consumer *)(void *)consumer;
    HULSE_ASSERT(c->magic == PULSAR_CONSUMER_MAGIC && !c->closed);
    hulse_permits_give(&c->permits, count);
    hulse_pulsar_consumer_dirty(c);
    hulse_hand_out(c);
}

void hulse_pulsar_consumer_close(struct broker_consumer *consumer, bool unsubscribe)
{
    struct pulsar_consumer *c = (struct pulsar_consumer *)(void *)consumer;
    HULSE_ASSERT(c->magic == PULSAR_CONSUMER_MAGIC && !c->closed && !c->ending);
    hulse_pulsar_consumer_enter(c);
    if (c->state == SESSION_READY) {
        hulse_acks_send(c);
    }
    c->closed = true;
    hulse_errand_cancel(c);
    hulse_acks_drop(c);
    hulse_verdicts_release_all(c);
    hulse_pulsar_session_close(c, (unsubscribe || c->transient) && c->type != BROKER_READER);
    hulse_pulsar_consumer_leave(c);
}
