/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fan_calls - verdicts, each to the part that its delivery is of.
 */
#include "daemon/broker/pulsar/consumer/fan_in.h"

static struct fan_in *fan_of(struct broker_consumer *base)
{
    struct pulsar_consumer *whole = (struct pulsar_consumer *)(void *)base;
    HULSE_ASSERT(whole->magic == PULSAR_CONSUMER_MAGIC && !whole->closed);
    return whole->fan;
}

static struct pulsar_consumer *owner_of(struct broker_delivery *d)
{
    return ((struct delivery *)(void *)d)->consumer;
}

/* A call that will be settled. */
static struct broker_consumer *call(struct fan_in *f, struct pulsar_consumer *c)
{
    HULSE_DASSERT(c->part->fan == f);
    hulse_call_order_add(&f->calls, &c->part->credit);
    return &c->base;
}

void hulse_fan_calls_ended(void *ctx, struct broker_delivery *d)
{
    const struct part *p = ctx;
    struct fan_in *f = p->fan;
    f->told(f->whole->base.ctx, d);
}

static void copied(struct broker_consumer *base, struct broker_delivery *d)
{
    (void)base;
    hulse_pulsar_consumer_copied(&owner_of(d)->base, d);
}

static void ack(struct broker_consumer *base, struct broker_delivery *d)
{
    hulse_pulsar_consumer_ack(call(fan_of(base), owner_of(d)), d);
}

static void nack(struct broker_consumer *base, struct broker_delivery *d, uint32_t delay_ms)
{
    hulse_pulsar_consumer_nack(call(fan_of(base), owner_of(d)), d, delay_ms);
}

static void give_back(struct broker_consumer *base, struct broker_delivery *d)
{
    (void)base;
    hulse_pulsar_consumer_give_back(&owner_of(d)->base, d);
}

/* Nothing is handed out while `ended` is told; afterwards what may be. */
static void begin_ending(struct fan_in *f, void (*ended)(void *ctx, struct broker_delivery *d))
{
    hulse_pulsar_consumer_enter(f->whole);
    f->ending = true;
    f->told = ended;
}

static void finish_ending(struct fan_in *f)
{
    f->ending = false;
    if (!f->whole->closed) {
        hulse_fan_out(f);
    }
    hulse_pulsar_consumer_leave(f->whole);
}

/* Up to d of its own partition. */
static void ack_cumulative(struct broker_consumer *base,
                           struct broker_delivery *d,
                           void (*ended)(void *ctx, struct broker_delivery *d))
{
    struct fan_in *f = fan_of(base);
    struct pulsar_consumer *c = owner_of(d);
    begin_ending(f, ended);
    hulse_pulsar_consumer_ack_cumulative(call(f, c), d, hulse_fan_calls_ended);
    finish_ending(f);
}

static void redeliver_all(struct broker_consumer *base,
                          void (*ended)(void *ctx, struct broker_delivery *d))
{
    struct fan_in *f = fan_of(base);
    begin_ending(f, ended);
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->parts[i]->consumer != NULL) {
            hulse_pulsar_consumer_redeliver_all(&f->parts[i]->consumer->base,
                                                hulse_fan_calls_ended);
        }
    }
    finish_ending(f);
}

/* Of a partition that is not consumed here it has no effect: it comes again. */
static void ack_id(struct broker_consumer *base, const struct broker_id *id, bool cumulative)
{
    struct fan_in *f = fan_of(base);
    const struct part *p = id->partition < f->count ? f->parts[id->partition] : NULL;
    if (p == NULL || !p->opened || p->consumer == NULL) {
        hulse_call_order_add(&f->calls, NULL);
        hulse_fan_in_tell_settled(f);
        return;
    }
    hulse_pulsar_consumer_ack_id(call(f, p->consumer), id, cumulative);
}

void hulse_fan_calls_use(struct broker_ops *ops)
{
    ops->copied = copied;
    ops->ack = ack;
    ops->ack_cumulative = ack_cumulative;
    ops->nack = nack;
    ops->ack_id = ack_id;
    ops->give_back = give_back;
    ops->redeliver_all = redeliver_all;
}
