/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faulty_consume - consumers of the faulty broker.
 */
#include "tests/unit/daemon/broker/faulty_objects.h"

#define HELD_MAX 1024U

struct faulty_consumer {
    struct broker_consumer base;
    struct broker_consumer *inner;
    enum fault fault;
    enum broker_subscription type;
    bool told_end;
    bool settled;
    uint32_t messages;
    struct broker_delivery *kept; /* FAULT_ORDER: comes after the next one */
    struct broker_delivery *held[HELD_MAX];
    uint32_t held_count;
    void (*ended)(void *ctx, struct broker_delivery *d); /* of the call under way */
    struct broker_delivery *last;
};

static struct faulty_consumer *of(struct broker_consumer *c)
{
    return (struct faulty_consumer *)(void *)c;
}

static void forget(struct faulty_consumer *c, const struct broker_delivery *d)
{
    for (uint32_t i = 0; i < c->held_count; i++) {
        if (c->held[i] == d) {
            c->held[i] = c->held[--c->held_count];
            return;
        }
    }
}

/* ---- events of the inner one ---- */

static void
opened(void *ctx, hulse_status status, const char *text, const struct broker_reach *reach)
{
    struct faulty_consumer *c = ctx;
    c->base.events->opened(c->base.ctx, status, text, reach);
    if (status != HULSE_OK) {
        free(c);
    }
}

static void tell(struct faulty_consumer *c, struct broker_delivery *d)
{
    static const uint8_t other[] = "otherwise";
    if (c->fault == FAULT_PAYLOAD && d->payload.bytes > 8) {
        d->payload.data = other;
    } else if (c->fault == FAULT_KEY) {
        d->meta.has_key = false;
    } else if (c->fault == FAULT_PROPERTIES) {
        d->meta.properties.bytes = 0;
    } else if (c->fault == FAULT_PRODUCER_NAME) {
        d->producer.bytes = 0;
    }
    if (c->held_count < HELD_MAX) {
        c->held[c->held_count++] = d;
    }
    c->base.events->message(c->base.ctx, d);
    if (c->fault == FAULT_END_EARLY && !c->told_end) {
        c->told_end = true;
        c->base.events->end_of_topic(c->base.ctx);
    }
}

static void message(void *ctx, struct broker_delivery *d)
{
    struct faulty_consumer *c = ctx;
    c->messages += 1;
    if (c->fault == FAULT_ORDER && c->messages == 5) {
        c->kept = d;
        return;
    }
    tell(c, d);
    if (c->kept != NULL) {
        struct broker_delivery *kept = c->kept;
        c->kept = NULL;
        tell(c, kept);
    }
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    struct faulty_consumer *c = ctx;
    if (c->fault != FAULT_CONSUMER_UNTOLD) {
        c->base.events->failed(c->base.ctx, status, text);
    }
    if (c->fault == FAULT_CONSUMER_TOLD_TWICE) {
        c->base.events->failed(c->base.ctx, status, text);
    }
}

static void settled(void *ctx, uint32_t count)
{
    struct faulty_consumer *c = ctx;
    if (c->fault == FAULT_SETTLED_LOST && c->settled) {
        return;
    }
    c->settled = true;
    c->base.events->settled(c->base.ctx, c->fault == FAULT_SETTLED_TWICE ? 2 * count : count);
}

static void caught_up(void *ctx)
{
    struct faulty_consumer *c = ctx;
    if (c->fault != FAULT_CAUGHT_UP_UNTOLD) {
        c->base.events->caught_up(c->base.ctx);
    }
}

static void lost(void *ctx, uint64_t count)
{
    struct faulty_consumer *c = ctx;
    if (c->base.events->lost != NULL) {
        c->base.events->lost(c->base.ctx, count);
    }
}

static void end_of_topic(void *ctx)
{
    struct faulty_consumer *c = ctx;
    if (c->fault != FAULT_END_UNTOLD && c->fault != FAULT_END_EARLY) {
        c->base.events->end_of_topic(c->base.ctx);
    }
}

static void done(void *ctx,
                 enum broker_errand errand,
                 hulse_status status,
                 const char *text,
                 const struct broker_id *id)
{
    struct faulty_consumer *c = ctx;
    struct broker_id told;
    if (c->fault == FAULT_ERRAND_LOST) {
        return;
    }
    if (c->fault == FAULT_LAST_ID && id != NULL) {
        told = *id;
        told.entry += 1;
        id = &told;
    }
    c->base.events->done(c->base.ctx, errand, status, text, id);
}

static const struct broker_consumer_events events = {.opened = opened,
                                                     .message = message,
                                                     .failed = failed,
                                                     .settled = settled,
                                                     .caught_up = caught_up,
                                                     .lost = lost,
                                                     .end_of_topic = end_of_topic,
                                                     .done = done};

/* ---- calls ---- */

static void spoil(enum fault fault, struct broker_consumer_params *params)
{
    if (fault == FAULT_CREATE_ALWAYS) {
        params->create = true;
    } else if ((fault == FAULT_TYPE_TAKEN && params->type != BROKER_READER) ||
               (fault == FAULT_EXCLUSIVE_SHARED && params->type == BROKER_EXCLUSIVE)) {
        params->type = BROKER_SHARED;
    } else if (fault == FAULT_TRANSIENT_STAYS) {
        params->transient = false;
    } else if (fault == FAULT_READER_SUBSCRIBES && params->type == BROKER_READER) {
        params->type = BROKER_SHARED;
        params->subscription = "of-a-reader";
    } else if (fault == FAULT_SEEK_TAKEN) {
        params->start.kind = BROKER_LATEST;
    }
}

hulse_status hulse_faulty_consumer_open(struct broker *b,
                                        struct worker *w,
                                        const struct broker_consumer_params *params,
                                        struct broker_consumer **out,
                                        struct error *err)
{
    const struct faulty *f = hulse_faulty_of(b);
    struct faulty_consumer *c = calloc(1, sizeof(*c));
    struct broker_consumer_params below = *params;
    HULSE_ASSERT(c != NULL);
    c->base = (struct broker_consumer){.ops = b->ops, .events = params->events, .ctx = params->ctx};
    c->fault = f->fault;
    c->type = params->type;
    below.events = &events;
    below.ctx = c;
    spoil(f->fault, &below);
    *out = &c->base;
    const hulse_status st = f->inner->ops->consumer_open(f->inner, w, &below, &c->inner, err);
    if (st != HULSE_OK) {
        free(c);
    }
    return st;
}

void hulse_faulty_permit(struct broker_consumer *consumer, uint32_t count)
{
    struct faulty_consumer *c = of(consumer);
    c->inner->ops->permit(c->inner, c->fault == FAULT_OVER_PERMIT ? count + 1 : count);
}

void hulse_faulty_ack(struct broker_consumer *consumer, struct broker_delivery *d)
{
    struct faulty_consumer *c = of(consumer);
    forget(c, d);
    if (c->fault == FAULT_ACK_UNSTORED) {
        c->base.events->settled(c->base.ctx, 1); /* the inner one hears nothing */
        return;
    }
    c->inner->ops->ack(c->inner, d);
}

static void ended(void *ctx, struct broker_delivery *d)
{
    struct faulty_consumer *c = ctx;
    forget(c, d);
    if (c->fault == FAULT_REDELIVER_UNTOLD || (c->fault == FAULT_CUMULATIVE_ONE && d != c->last) ||
        (c->fault == FAULT_CUMULATIVE_FIRST && d == c->last)) {
        return;
    }
    c->ended(c->base.ctx, d);
}

void hulse_faulty_ack_cumulative(struct broker_consumer *consumer,
                                 struct broker_delivery *d,
                                 void (*told)(void *ctx, struct broker_delivery *d))
{
    struct faulty_consumer *c = of(consumer);
    c->ended = told;
    c->last = d;
    if (c->fault == FAULT_CUMULATIVE_FIRST) {
        told(c->base.ctx, d);
    }
    c->inner->ops->ack_cumulative(c->inner, d, ended);
}

void hulse_faulty_nack(struct broker_consumer *consumer,
                       struct broker_delivery *d,
                       uint32_t delay_ms)
{
    struct faulty_consumer *c = of(consumer);
    forget(c, d);
    if (c->fault == FAULT_NACK_UNCOUNTED) {
        c->inner->ops->give_back(c->inner, d);
    } else {
        c->inner->ops->nack(c->inner, d, c->fault == FAULT_DELAY_IGNORED ? 0 : delay_ms);
    }
}

void hulse_faulty_give_back(struct broker_consumer *consumer, struct broker_delivery *d)
{
    struct faulty_consumer *c = of(consumer);
    forget(c, d);
    if (c->fault == FAULT_GIVE_BACK_COUNTED) {
        c->inner->ops->nack(c->inner, d, 0);
    } else {
        c->inner->ops->give_back(c->inner, d);
        if (c->fault == FAULT_SETTLED_GIVE_BACK) {
            c->base.events->settled(c->base.ctx, 1);
        }
    }
}

void hulse_faulty_ack_id(struct broker_consumer *consumer,
                         const struct broker_id *id,
                         bool cumulative)
{
    struct faulty_consumer *c = of(consumer);
    if (c->fault == FAULT_ACK_ID_IGNORED) {
        c->base.events->settled(c->base.ctx, 1);
        return;
    }
    c->inner->ops->ack_id(c->inner,
                          id,
                          (cumulative && c->fault != FAULT_ACK_ID_ONE) ||
                              c->fault == FAULT_ACK_ID_MANY);
}

void hulse_faulty_redeliver_all(struct broker_consumer *consumer,
                                void (*told)(void *ctx, struct broker_delivery *d))
{
    struct faulty_consumer *c = of(consumer);
    c->ended = told;
    c->last = NULL;
    c->inner->ops->redeliver_all(c->inner, ended);
}

hulse_status hulse_faulty_seek(struct broker_consumer *consumer,
                               const struct broker_position *to,
                               void (*told)(void *ctx, struct broker_delivery *d),
                               struct error *err)
{
    struct faulty_consumer *c = of(consumer);
    if (c->fault == FAULT_SEEK_TAKEN) {
        c->base.events->done(c->base.ctx, BROKER_SEEK, HULSE_OK, "", NULL);
        return HULSE_OK;
    }
    return c->inner->ops->seek(c->inner, to, told, err);
}

hulse_status hulse_faulty_last_message_id(struct broker_consumer *consumer, struct error *err)
{
    struct faulty_consumer *c = of(consumer);
    return c->inner->ops->last_message_id(c->inner, err);
}

hulse_status hulse_faulty_unsubscribe(struct broker_consumer *consumer, struct error *err)
{
    struct faulty_consumer *c = of(consumer);
    if (c->fault == FAULT_UNSUBSCRIBE_NOTHING && c->type != BROKER_READER) {
        c->base.events->done(c->base.ctx, BROKER_UNSUBSCRIBE, HULSE_OK, "", NULL);
        return HULSE_OK;
    }
    return c->inner->ops->unsubscribe(c->inner, err);
}

void hulse_faulty_consumer_close(struct broker_consumer *consumer, bool unsubscribe)
{
    struct faulty_consumer *c = of(consumer);
    for (uint32_t i = 0; c->fault == FAULT_CLOSE_ACKS && i < c->held_count; i++) {
        c->inner->ops->ack(c->inner, c->held[i]);
    }
    c->inner->ops->consumer_close(c->inner, unsubscribe);
    free(c);
}
