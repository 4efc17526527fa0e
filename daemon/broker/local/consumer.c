/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer - the subscriber's end. On the topic's worker it is a name for its seat; elsewhere it
 * has deliveries of its own, whose verdicts travel back.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <stddef.h>

static struct consumer *consumer_of(struct broker_consumer *base)
{
    struct consumer *c = (struct consumer *)(void *)base;
    HULSE_ASSERT(c->magic == LOCAL_CONSUMER_MAGIC && !c->closed);
    return c;
}

static struct delivery *delivery_of(struct broker_delivery *d)
{
    return (struct delivery *)(void *)d;
}

static void destroy(struct consumer *c)
{
    HULSE_ASSERT(hulse_link_empty(&c->held) && !c->permit_under_way && !c->errand.under_way);
    hulse_link_remove(&c->link);
    c->magic = 0;
    hulse_mem_free(HULSE_MEM_TOPIC, c, sizeof(*c));
}

static struct consumer *
create(struct broker *b, struct local_worker *lw, const struct broker_consumer_params *params)
{
    struct consumer *c = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    c->base = (struct broker_consumer){.ops = b->ops, .events = params->events, .ctx = params->ctx};
    c->magic = LOCAL_CONSUMER_MAGIC;
    c->state = END_OPENING;
    c->worker = lw;
    hulse_link_init(&c->link);
    hulse_link_init(&c->held);
    return c;
}

static bool may_start(const struct broker *b, enum broker_position_kind kind)
{
    return kind == BROKER_LATEST || kind == BROKER_EARLIEST ||
           ((kind == BROKER_AT_ID || kind == BROKER_AFTER_ID) &&
            (b->ops->capabilities & BROKER_CAN_START_ID) != 0);
}

hulse_status hulse_local_consumer_open(struct broker *b,
                                       struct worker *w,
                                       const struct broker_consumer_params *params,
                                       struct broker_consumer **out,
                                       struct error *err)
{
    struct local_worker *lw = hulse_worker_state(w, &hulse_local_module, b);
    uint64_t hash = 0;
    const hulse_status st = hulse_open_check(b, params->topic, &hash, err);
    if (st != HULSE_OK) {
        return st;
    }
    if (!may_start(b, params->start.kind)) {
        return hulse_fail(err, HULSE_UNSUPPORTED, "the local broker cannot start there");
    }
    struct consumer *c = create(b, lw, params);
    if (c == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a consumer");
    }
    c->owner = (uint32_t)(hash % lw->worker_count);
    c->remote = c->owner != lw->index;
    c->durable = hulse_topic_is_persistent(params->topic);
    struct open_request rq = {.consumer = c,
                              .hash = hash,
                              .topic = params->topic,
                              .subscription = params->subscription,
                              .type = params->type,
                              .start = params->start,
                              .create = params->create,
                              .transient = params->transient,
                              .worker = lw->index};
    if (!c->remote) {
        hulse_link_append(&lw->consumers, &c->link);
        hulse_topic_attach_consumer(lw, &rq);
        *out = &c->base;
        if (rq.later == NULL) {
            hulse_consumer_opened(&rq);
        }
        return HULSE_OK;
    }
    struct open_request *travelling = hulse_open_copy(&rq);
    if (travelling == NULL) {
        destroy(c);
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a consumer");
    }
    hulse_link_append(&lw->consumers, &c->link);
    *out = &c->base;
    hulse_lane_add(lw, c->owner, &travelling->op, OP_OPEN_CONSUMER);
    return HULSE_OK;
}

/* Closed by the front end, and open. */
static void close_open(struct consumer *c)
{
    if (c->remote) {
        hulse_lane_add(c->worker, c->owner, &c->close_op, OP_CLOSE_CONSUMER);
        return;
    }
    hulse_seat_close(c->seat, c->unsubscribe);
    c->state = END_GONE;
    c->seat = NULL;
    hulse_consumer_release(c);
}

void hulse_consumer_opened(struct open_request *rq)
{
    struct consumer *c = rq->consumer;
    HULSE_ASSERT(c->magic == LOCAL_CONSUMER_MAGIC && c->state == END_OPENING);
    if (rq->status != HULSE_OK) {
        if (!c->closed) {
            c->base.events->opened(c->base.ctx, rq->status, rq->text, NULL);
        }
        destroy(c);
        return;
    }
    c->state = END_OPEN;
    c->seat = rq->opened_seat;
    c->topic = rq->opened_topic;
    if (c->closed) {
        close_open(c);
        return;
    }
    c->base.events->opened(c->base.ctx, HULSE_OK, rq->text, rq->has_reach ? &rq->reach : NULL);
}

void hulse_local_permit(struct broker_consumer *consumer, uint32_t count)
{
    struct consumer *c = consumer_of(consumer);
    if (c->state != END_OPEN || count == 0) {
        return;
    }
    if (!c->remote) {
        hulse_seat_permit(c->seat, count);
    } else if (!c->permit_under_way) {
        c->permit_under_way = true;
        c->permit_count = count;
        hulse_lane_add(c->worker, c->owner, &c->permit_op, OP_PERMIT);
    } else if (!c->permit_op.posted) {
        c->permit_count = hulse_local_add_permits(c->permit_count, count);
    } else {
        c->permit_more = hulse_local_add_permits(c->permit_more, count);
    }
}

void hulse_consumer_permitted(struct consumer *c)
{
    HULSE_ASSERT(c->magic == LOCAL_CONSUMER_MAGIC && c->permit_under_way);
    c->permit_under_way = false;
    if (c->state == END_GONE) {
        hulse_consumer_release(c);
    } else if (c->permit_more != 0 && !c->closed) {
        const uint32_t more = c->permit_more;
        c->permit_more = 0;
        hulse_local_permit(&c->base, more);
    }
}

void hulse_consumer_receive(struct local_worker *lw, struct delivery *origin)
{
    struct consumer *c = origin->consumer;
    hulse_consumer_lost_by_then(c, origin->lost);
    if (c->closed) {
        origin->arrival = ARRIVAL_CLOSING;
        return;
    }
    struct delivery *dl = hulse_delivery_take(lw);
    if (dl == NULL) {
        origin->arrival = ARRIVAL_NO_MEMORY;
        return;
    }
    origin->arrival = ARRIVAL_TAKEN;
    dl->d = origin->d;
    dl->message = origin->message;
    dl->sub = NULL;
    dl->seat = NULL;
    dl->consumer = c;
    dl->origin = origin;
    if (dl->d.id.entry < c->last_entry) {
        c->unordered = true;
    }
    c->last_entry = dl->d.id.entry;
    hulse_link_append(&c->held, &dl->link);
    lw->dispatching += 1;
    c->base.events->message(c->base.ctx, &dl->d);
    lw->dispatching -= 1;
}

/* The front end has done with a delivery of another worker's topic. */
static void take_out(struct consumer *c, struct delivery *dl)
{
    HULSE_DASSERT(dl->consumer == c);
    hulse_link_remove(&dl->link);
    if (hulse_link_empty(&c->held)) {
        c->unordered = false;
        c->last_entry = 0;
    }
    hulse_message_let_go(dl->message);
    dl->message = NULL;
    dl->consumer = NULL;
}

static void
verdict(struct consumer *c, struct delivery *dl, enum verdict verdict, uint32_t delay_ms)
{
    if (!c->remote) {
        HULSE_DASSERT(dl->seat == c->seat);
        hulse_seat_verdict(dl, verdict, delay_ms);
        return;
    }
    take_out(c, dl);
    if (c->state == END_GONE) {
        hulse_delivery_free(c->worker, dl);
        return;
    }
    dl->verdict = (uint8_t)verdict;
    dl->delay_ms = delay_ms;
    /* A call that ends many is one: its last. */
    dl->call = verdict == VERDICT_ACK_CUMULATIVE || (verdict != VERDICT_GIVE_BACK && !c->in_ended);
    hulse_lane_add(c->worker, c->owner, &dl->op, OP_VERDICT);
}

void hulse_consumer_settled(struct consumer *c, uint32_t count)
{
    HULSE_ASSERT(c->magic == LOCAL_CONSUMER_MAGIC);
    if (c->remote && c->durable) {
        count += c->uncarried;
        c->uncarried = 0;
        c->calls -= count;
    }
    if (!c->closed && c->base.events->settled != NULL) {
        c->base.events->settled(c->base.ctx, count);
    }
}

/*
 * A call with a verdict. Nothing of a non-persistent topic survives the daemon, so it is final at once;
 * of a persistent one its seat says when, elsewhere when the verdict arrives. Last touch.
 */
static void called(struct consumer *c)
{
    if (!c->durable) {
        hulse_consumer_settled(c, 1);
    } else if (c->remote) {
        c->calls += 1;
    } else {
        hulse_seat_called(c->seat);
    }
}

void hulse_local_ack(struct broker_consumer *consumer, struct broker_delivery *d)
{
    struct consumer *c = consumer_of(consumer);
    verdict(c, delivery_of(d), VERDICT_ACK, 0);
    called(c);
}

void hulse_local_nack(struct broker_consumer *consumer,
                      struct broker_delivery *d,
                      uint32_t delay_ms)
{
    struct consumer *c = consumer_of(consumer);
    verdict(c, delivery_of(d), VERDICT_NACK, delay_ms);
    called(c);
}

/* False: no memory, and the message comes again. */
static bool send_ack_id(struct consumer *c, const struct broker_id *id, bool cumulative)
{
    struct ack_id *a = hulse_mem_alloc(HULSE_MEM_TOPIC, sizeof(*a));
    if (a == NULL) {
        return false;
    }
    *a = (struct ack_id){.seat = c->seat, .id = *id, .cumulative = cumulative};
    hulse_lane_add(c->worker, c->owner, &a->op, OP_ACK_ID);
    return true;
}

/* A call that nobody will answer: told with the next one that is, at once if there is none. */
static void called_in_vain(struct consumer *c)
{
    c->uncarried += 1;
    if (c->uncarried == c->calls) {
        hulse_consumer_settled(c, 0);
    }
}

void hulse_local_ack_id(struct broker_consumer *consumer,
                        const struct broker_id *id,
                        bool cumulative)
{
    struct consumer *c = consumer_of(consumer);
    bool carried = true;
    if (c->state == END_OPEN && c->remote) {
        carried = send_ack_id(c, id, cumulative);
    } else if (c->state == END_OPEN) {
        const struct ack_id a = {.seat = c->seat, .id = *id, .cumulative = cumulative};
        hulse_ack_id_serve(&a);
    }
    called(c);
    if (!carried && c->durable) {
        called_in_vain(c);
    }
}

void hulse_local_give_back(struct broker_consumer *consumer, struct broker_delivery *d)
{
    verdict(consumer_of(consumer), delivery_of(d), VERDICT_GIVE_BACK, 0);
}

static void end_up_to(struct consumer *c,
                      struct delivery *dl,
                      void (*ended)(void *ctx, struct broker_delivery *d))
{
    const bool unordered = c->unordered;
    struct link *next = NULL;
    for (struct link *l = c->held.next; l != &c->held; l = next) {
        struct delivery *each = HULSE_CONTAINER(l, struct delivery, link);
        next = l->next;
        if (each->d.id.entry > dl->d.id.entry && !unordered) {
            break;
        }
        if (each->d.id.entry <= dl->d.id.entry && each != dl) {
            ended(c->base.ctx, &each->d);
            verdict(c, each, VERDICT_ACK, 0);
        }
    }
    ended(c->base.ctx, &dl->d);
    verdict(c, dl, VERDICT_ACK_CUMULATIVE, 0);
}

void hulse_local_ack_cumulative(struct broker_consumer *consumer,
                                struct broker_delivery *d,
                                void (*ended)(void *ctx, struct broker_delivery *d))
{
    struct consumer *c = consumer_of(consumer);
    c->in_ended = true;
    if (c->remote) {
        end_up_to(c, delivery_of(d), ended);
    } else {
        hulse_seat_ack_cumulative(c->seat, delivery_of(d), ended);
    }
    c->in_ended = false;
    called(c);
}

void hulse_local_redeliver_all(struct broker_consumer *consumer,
                               void (*ended)(void *ctx, struct broker_delivery *d))
{
    struct consumer *c = consumer_of(consumer);
    c->in_ended = true;
    if (!c->remote) {
        hulse_seat_redeliver_all(c->seat, ended);
    }
    while (!hulse_link_empty(&c->held)) {
        struct delivery *dl = HULSE_CONTAINER(c->held.next, struct delivery, link);
        ended(c->base.ctx, &dl->d);
        verdict(c, dl, VERDICT_NACK, 0);
    }
    c->in_ended = false;
}

static void let_go_all(struct consumer *c)
{
    while (!hulse_link_empty(&c->held)) {
        struct delivery *dl = HULSE_CONTAINER(c->held.next, struct delivery, link);
        take_out(c, dl);
        hulse_delivery_free(c->worker, dl);
    }
}

void hulse_local_consumer_close(struct broker_consumer *consumer, bool unsubscribe)
{
    struct consumer *c = consumer_of(consumer);
    HULSE_ASSERT(!c->in_ended);
    c->closed = true;
    c->unsubscribe = unsubscribe;
    if (c->state == END_OPENING) {
        return; /* its request is under way; see opened */
    }
    let_go_all(c);
    if (c->state == END_OPEN) {
        close_open(c);
    } else {
        hulse_consumer_release(c);
    }
}

void hulse_consumer_release(struct consumer *c)
{
    if (c->closed && !c->permit_under_way && !c->errand.under_way) {
        destroy(c);
    }
}

void hulse_consumer_closed(struct consumer *c)
{
    HULSE_ASSERT(c->closed);
    c->state = END_GONE; /* the close may never have left, what is under way comes back then */
    hulse_consumer_release(c);
}

void hulse_consumer_caught_up(struct consumer *c)
{
    HULSE_ASSERT(c->magic == LOCAL_CONSUMER_MAGIC);
    if (!c->closed && !c->failed && c->base.events->caught_up != NULL) {
        c->base.events->caught_up(c->base.ctx);
    }
}

void hulse_consumer_lost(struct consumer *c, uint64_t count)
{
    HULSE_ASSERT(c->magic == LOCAL_CONSUMER_MAGIC);
    if (!c->closed && !c->failed && c->base.events->lost != NULL) {
        c->base.events->lost(c->base.ctx, count);
    }
}

void hulse_consumer_lost_by_then(struct consumer *c, uint64_t total)
{
    HULSE_ASSERT(c->magic == LOCAL_CONSUMER_MAGIC && c->remote && total >= c->lost);
    const uint64_t count = total - c->lost;
    c->lost = total;
    if (count != 0) {
        hulse_consumer_lost(c, count);
    }
}

void hulse_consumer_end_of_topic(struct consumer *c)
{
    HULSE_ASSERT(c->magic == LOCAL_CONSUMER_MAGIC);
    if (!c->closed && !c->failed && c->base.events->end_of_topic != NULL) {
        c->base.events->end_of_topic(c->base.ctx);
    }
}
