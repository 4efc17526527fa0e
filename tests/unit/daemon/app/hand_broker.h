/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hand_broker - the scripted broker of by_hand.h: it keeps what it is sent until the test answers, hands
 * out what the test says, and notes every verdict.
 */
#ifndef HULSE_TESTS_UNIT_APP_HAND_BROKER_H
#define HULSE_TESTS_UNIT_APP_HAND_BROKER_H

#include "daemon/app/admit.h"
#include "daemon/app/handle.h"
#include "daemon/app/plane.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "shmlib/ring/control.h"
#include "shmlib/ring/doorbell.h"
#include "tests/support/own_tables.h"
#include "tests/unit/daemon/app/by_hand_thread.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define HAND_MESSAGE_MAX (1024U * 1024)
/* Records that the broker keeps; beyond it answers at once. */
#ifndef HAND_SENDS_MAX
#define HAND_SENDS_MAX 70000U
#endif
#define HAND_NOTES_MAX 4096U

/* What the broker was sent and has not answered. */
struct hand_send {
    struct broker_producer *producer;
    uint64_t token;
    uint64_t seq;
    uint32_t bytes;
    uint8_t first[64]; /* of the payload */
    uint64_t sum;      /* of all of it */
    bool has_meta;
    bool answered;
};

enum hand_verdict {
    HAND_ACK,
    HAND_CUMULATIVE,
    HAND_NACK,
    HAND_GIVE_BACK,
    HAND_ACK_ID,
    HAND_ACK_ID_ALL
};
struct hand_note {
    enum hand_verdict verdict;
    uint64_t entry;
    uint32_t delay_ms;
};

struct hand_delivery {
    struct broker_delivery d;
    bool out; /* handed over and not ended */
};

struct hand_broker {
    struct broker base;
    struct broker_ops ops;
    hulse_status open_status;                  /* what an open comes to */
    bool open_later;                           /* the test calls hand_opened() */
    bool answer_at_once;                       /* STORED, from within send */
    bool settle_later;                         /* the test calls hand_settled() */
    struct broker_reach reach;                 /* a reader's, when its ledger is not 0 */
    uint8_t handle_id[BROKER_HANDLE_ID_BYTES]; /* of the last opened */
    struct broker_routing routing;             /* that was wished */
    enum broker_access access;                 /* the same */
    char initial_subscription[256];
    struct broker_routing routed;     /* that it says */
    struct broker_producer *producer; /* the last opened */
    struct broker_consumer *consumer;
    uint64_t producers;
    uint64_t consumers;
    struct hand_send *sends;
    size_t send_count;
    bool no_memory; /* nothing is taken */
    size_t busy_at; /* sends that make a producer busy; 0 = none do */
    uint64_t permits;
    size_t copied;
    struct broker_position start; /* of the consumer opened last */
    struct broker_mark marks[4];  /* its, as many as fit */
    uint32_t mark_count;
    bool marks_all;
    struct broker_wishes
        wishes; /* its own, too; what they point to is below, one behind the other */
    uint8_t wished[256];
    struct broker_position sought;
    hulse_status seek_status; /* what a seek returns */
    unsigned seeks;           /* the test calls hand_sought() for each */
    struct hand_delivery *deliveries[HAND_NOTES_MAX];
    size_t delivery_count;
    struct hand_note notes[HAND_NOTES_MAX];
    size_t note_count;
};

struct hand {
    struct worker *worker;
    struct plane_shared *shared;
    struct flow flow;
    struct hand_broker broker;
    struct own_tables tables;
    struct plane *plane;
};

static inline struct hand_broker *hand_broker_of(struct broker *b)
{
    return (struct hand_broker *)(void *)b;
}

struct hand_producer {
    struct broker_producer base;
    struct hand_broker *broker;
};
struct hand_consumer {
    struct broker_consumer base;
    struct hand_broker *broker;
};

static inline hulse_status hand_producer_open(struct broker *b,
                                              struct worker *w,
                                              const struct broker_producer_params *params,
                                              struct broker_producer **out,
                                              struct error *err)
{
    struct hand_broker *hb = hand_broker_of(b);
    (void)w;
    if (hb->open_status != HULSE_OK) {
        return hulse_fail(err, hb->open_status, "scripted");
    }
    struct hand_producer *p = calloc(1, sizeof(*p));
    HAND_NEED(p != NULL);
    p->base = (struct broker_producer){.ops = b->ops, .events = params->events, .ctx = params->ctx};
    p->broker = hb;
    memcpy(hb->handle_id, params->handle_id, sizeof(hb->handle_id));
    hb->routing = params->routing;
    hb->access = params->access;
    (void)snprintf(hb->initial_subscription,
                   sizeof(hb->initial_subscription),
                   "%s",
                   params->initial_subscription);
    hb->producer = &p->base;
    hb->producers += 1;
    *out = &p->base;
    if (!hb->open_later) {
        const struct broker_limits limits = {.message_bytes_max = HAND_MESSAGE_MAX,
                                             .routing = hb->routed};
        params->events->opened(params->ctx, HULSE_OK, "", &limits);
    }
    return HULSE_OK;
}

static inline void hand_answer(struct hand *h, size_t index, uint8_t outcome)
{
    struct hand_send *s = &h->broker.sends[index];
    HAND_NEED(index < h->broker.send_count && !s->answered);
    s->answered = true;
    const struct broker_answer a = {.class = BROKER_DONE,
                                    .outcome = outcome,
                                    .has_id = outcome == HULSE_OUTCOME_STORED,
                                    .id = {.ledger = 7, .entry = index, .batch = -1}};
    s->producer->events->answered(s->producer->ctx, s->token, &a);
}

static inline bool hand_send(struct broker_producer *producer, const struct broker_record *r)
{
    struct hand_broker *hb = ((struct hand_producer *)(void *)producer)->broker;
    if (hb->answer_at_once || hb->send_count == HAND_SENDS_MAX) {
        const struct broker_answer a = {.class = BROKER_DONE,
                                        .outcome = HULSE_OUTCOME_STORED,
                                        .has_id = true,
                                        .id = {.batch = -1}};
        producer->events->answered(producer->ctx, r->token, &a);
        return true;
    }
    if (hb->no_memory) {
        producer->busy = true;
        return false;
    }
    struct hand_send *s = &hb->sends[hb->send_count++];
    *s = (struct hand_send){.producer = producer,
                            .token = r->token,
                            .seq = r->seq,
                            .bytes = r->payload.bytes,
                            .has_meta = r->meta != NULL};
    memcpy(s->first,
           r->payload.data,
           r->payload.bytes < sizeof(s->first) ? r->payload.bytes : sizeof(s->first));
    for (uint32_t i = 0; i < r->payload.bytes; i++) {
        s->sum = s->sum * 31 + r->payload.data[i];
    }
    producer->busy = hb->busy_at != 0 && hb->send_count >= hb->busy_at;
    return true;
}

/* The producer takes records until there are so many. */
static inline void hand_freed(struct hand *h, size_t busy_at)
{
    struct broker_producer *p = h->broker.producer;
    h->broker.busy_at = busy_at;
    p->busy = false;
    p->events->freed(p->ctx);
}

static inline void hand_producer_close(struct broker_producer *producer, bool forget)
{
    (void)forget;
    struct hand_broker *hb = ((struct hand_producer *)(void *)producer)->broker;
    for (size_t i = 0; i < hb->send_count; i++) {
        if (hb->sends[i].producer == producer) {
            hb->sends[i].answered = true;
        }
    }
    hb->producers -= 1;
    if (hb->producer == producer) {
        hb->producer = NULL;
    }
    free(producer);
}

static inline void hand_note_wishes(struct hand_broker *hb, const struct broker_wishes *w)
{
    const size_t ranges = w->key_range_count * sizeof(*w->key_ranges);
    const size_t own = w->properties.bytes;
    const size_t rest = w->subscription_properties.bytes;
    HAND_NEED(ranges + own + rest <= sizeof(hb->wished));
    hb->wishes = *w;
    if (ranges > 0) {
        memcpy(hb->wished, w->key_ranges, ranges);
    }
    if (own > 0) {
        memcpy(hb->wished + ranges, w->properties.data, own);
    }
    if (rest > 0) {
        memcpy(hb->wished + ranges + own, w->subscription_properties.data, rest);
    }
}

static inline hulse_status hand_consumer_open(struct broker *b,
                                              struct worker *w,
                                              const struct broker_consumer_params *params,
                                              struct broker_consumer **out,
                                              struct error *err)
{
    struct hand_broker *hb = hand_broker_of(b);
    (void)w;
    if (hb->open_status != HULSE_OK) {
        return hulse_fail(err, hb->open_status, "scripted");
    }
    struct hand_consumer *c = calloc(1, sizeof(*c));
    HAND_NEED(c != NULL);
    c->base = (struct broker_consumer){.ops = b->ops, .events = params->events, .ctx = params->ctx};
    c->broker = hb;
    memcpy(hb->handle_id, params->handle_id, sizeof(hb->handle_id));
    hb->start = params->start;
    hb->mark_count = params->marks == NULL ? 0 : params->marks->count;
    hb->marks_all = params->marks != NULL && params->marks->all;
    for (uint32_t i = 0; i < hb->mark_count && i < 4; i++) {
        hb->marks[i] = params->marks->at[i];
    }
    hand_note_wishes(hb, &params->wishes);
    hb->consumer = &c->base;
    hb->consumers += 1;
    hb->permits = 0;
    *out = &c->base;
    if (!hb->open_later) {
        const bool keeps = params->type == BROKER_READER && hb->reach.behind.ledger != 0;
        params->events->opened(params->ctx, HULSE_OK, "", keeps ? &hb->reach : NULL);
    }
    return HULSE_OK;
}

static inline void hand_permit(struct broker_consumer *c, uint32_t count)
{
    ((struct hand_consumer *)(void *)c)->broker->permits += count;
}

static inline void hand_note(struct broker_consumer *c,
                             enum hand_verdict verdict,
                             struct broker_delivery *d,
                             uint32_t ms)
{
    struct hand_broker *hb = ((struct hand_consumer *)(void *)c)->broker;
    struct hand_delivery *hd = (struct hand_delivery *)(void *)d;
    HAND_NEED(hd->out);
    hd->out = false;
    if (hb->note_count < HAND_NOTES_MAX) {
        hb->notes[hb->note_count++] =
            (struct hand_note){.verdict = verdict, .entry = d->id.entry, .delay_ms = ms};
    }
}

/* Of a call that has returned, when the broker settles later. */
static inline void hand_settled(struct hand *h, uint32_t count)
{
    h->broker.consumer->events->settled(h->broker.consumer->ctx, count);
}

/* The last touch of a call. */
static inline void hand_settle_call(struct broker_consumer *c)
{
    if (!((struct hand_consumer *)(void *)c)->broker->settle_later) {
        c->events->settled(c->ctx, 1);
    }
}

/* Its bytes are gone, as a broker lets them go: a later look at them is a use after free. */
static inline void hand_copied(struct broker_consumer *c, struct broker_delivery *d)
{
    struct hand_broker *hb = ((struct hand_consumer *)(void *)c)->broker;
    free((void *)(uintptr_t)d->payload.data);
    d->payload = (struct broker_span){0};
    d->meta = (struct broker_meta){.partition = -1};
    hb->copied += 1;
}

static inline void hand_ack(struct broker_consumer *c, struct broker_delivery *d)
{
    hand_note(c, HAND_ACK, d, 0);
    hand_settle_call(c);
}
static inline void hand_nack(struct broker_consumer *c, struct broker_delivery *d, uint32_t ms)
{
    hand_note(c, HAND_NACK, d, ms);
    hand_settle_call(c);
}
static inline void
hand_ack_id(struct broker_consumer *c, const struct broker_id *id, bool cumulative)
{
    struct hand_broker *hb = ((struct hand_consumer *)(void *)c)->broker;
    if (hb->note_count < HAND_NOTES_MAX) {
        hb->notes[hb->note_count++] = (struct hand_note){
            .verdict = cumulative ? HAND_ACK_ID_ALL : HAND_ACK_ID, .entry = id->entry};
    }
    hand_settle_call(c);
}
static inline void hand_give_back(struct broker_consumer *c, struct broker_delivery *d)
{
    hand_note(c, HAND_GIVE_BACK, d, 0);
}

/* As local does: everything up to the entry that this consumer has, in any order of the list. */
static inline void hand_ack_cumulative(struct broker_consumer *c,
                                       struct broker_delivery *d,
                                       void (*ended)(void *ctx, struct broker_delivery *d))
{
    struct hand_broker *hb = ((struct hand_consumer *)(void *)c)->broker;
    const uint64_t entry = d->id.entry;
    for (size_t i = 0; i < hb->delivery_count; i++) {
        struct hand_delivery *each = hb->deliveries[i];
        if (each->out && each->d.id.entry <= entry) {
            ended(c->ctx, &each->d);
            hand_note(c, HAND_CUMULATIVE, &each->d, 0);
        }
    }
    hand_settle_call(c);
}

/* Every delivery ends before it returns; the rest is hand_sought()'s. */
static inline hulse_status hand_seek(struct broker_consumer *c,
                                     const struct broker_position *to,
                                     void (*ended)(void *ctx, struct broker_delivery *d),
                                     struct error *err)
{
    struct hand_broker *hb = ((struct hand_consumer *)(void *)c)->broker;
    if (hb->seek_status != HULSE_OK) {
        return hulse_fail(err, hb->seek_status, "scripted");
    }
    for (size_t i = 0; i < hb->delivery_count; i++) {
        if (hb->deliveries[i]->out) {
            hb->deliveries[i]->out = false;
            ended(c->ctx, &hb->deliveries[i]->d);
        }
    }
    hb->sought = *to;
    hb->seeks += 1;
    return HULSE_OK;
}

static inline void hand_sought(struct hand *h, hulse_status status)
{
    struct broker_consumer *c = h->broker.consumer;
    c->events->done(c->ctx, BROKER_SEEK, status, "scripted", NULL);
}

/* Frees what was delivered, as a broker does: a later look at it is a use after free. */
static inline void hand_forget_deliveries(struct hand_broker *hb)
{
    for (size_t i = 0; i < hb->delivery_count; i++) {
        free((void *)(uintptr_t)hb->deliveries[i]->d.payload.data);
        free(hb->deliveries[i]);
    }
    hb->delivery_count = 0;
}

static inline void hand_consumer_close(struct broker_consumer *c, bool unsubscribe)
{
    struct hand_broker *hb = ((struct hand_consumer *)(void *)c)->broker;
    (void)unsubscribe;
    hand_forget_deliveries(hb);
    hb->consumers -= 1;
    if (hb->consumer == c) {
        hb->consumer = NULL;
    }
    free(c);
}

static inline bool hand_healthy(const struct broker *b)
{
    (void)b;
    return true;
}

/* A delivery of `bytes` payload bytes, each of value `entry`; needs a permit. */
static inline struct broker_delivery *
hand_deliver(struct hand *h, uint64_t entry, uint32_t bytes, const struct broker_meta *meta)
{
    struct hand_broker *hb = &h->broker;
    struct hand_delivery *hd = calloc(1, sizeof(*hd));
    uint8_t *data = malloc(bytes + 1);
    HAND_NEED(hd != NULL && data != NULL && hb->permits > 0 && hb->consumer != NULL);
    HAND_NEED(hb->delivery_count < HAND_NOTES_MAX);
    hb->permits -= 1;
    memset(data, (int)(entry & 0xff), bytes);
    hd->d.id = (struct broker_id){.ledger = 7, .entry = entry, .batch = -1};
    hd->d.payload = (struct broker_span){.data = data, .bytes = bytes};
    if (meta != NULL) {
        hd->d.meta = *meta;
    }
    hd->out = true;
    hb->deliveries[hb->delivery_count++] = hd;
    hb->consumer->events->message(hb->consumer->ctx, &hd->d);
    return &hd->d;
}

#endif
