/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fan_out - messages of the parts to the front end, in turns, one for each permit.
 *
 * Flow's permits are kept here and given to a part one by one when it has a message, so none lies where nothing comes. That
 * a part has one, the broker is asked for some ahead: one of each part, more of those that use them up quickly, over all
 * of them no more than one for each part and twice what flow permits.
 */
#include "daemon/broker/pulsar/consumer/fan_in.h"

/* Used up twice in less: it is too little. */
#define QUICK_MS 100U
#define TOP_SHIFT 4U

static bool has_something(const struct pulsar_consumer *c)
{
    return c->state != SESSION_OVER &&
           (!STAILQ_EMPTY(&c->hands->queue) || !TAILQ_EMPTY(&c->hands->waiting));
}

/* ---- ahead of permits ---- */

static void set_ahead(struct part *p, int64_t ahead)
{
    p->fan->ahead = (uint64_t)((int64_t)p->fan->ahead + ahead - p->consumer->permits.ahead);
    p->consumer->permits.ahead = ahead;
    hulse_pulsar_consumer_dirty(p->consumer);
}

static void set_first_ahead(struct part *p)
{
    p->consumer->permits.ahead = 1;
    hulse_pulsar_consumer_dirty(p->consumer);
}

/* Is what may come ahead enough, or more than that? */
static void judge(struct part *p)
{
    const struct fan_in *f = p->fan;
    const uint64_t now_ms = hulse_pulsar_consumer_now_ms(p->consumer);
    const uint64_t ahead = (uint64_t)p->consumer->permits.ahead;
    if (p->used < 2 * ahead) {
        return;
    }
    const bool quick = now_ms - p->since_ms < QUICK_MS;
    const uint64_t most = 2 * f->pool_top;
    p->used = 0;
    p->since_ms = now_ms;
    if (quick && ahead < f->pool_top && f->ahead < most) {
        uint64_t more = ahead < f->pool_top - ahead ? ahead : f->pool_top - ahead;
        more = more < most - f->ahead ? more : most - f->ahead;
        set_ahead(p, (int64_t)(ahead + more));
    } else if (ahead > 1 && (!quick || ahead > f->pool_top)) {
        set_ahead(p, (int64_t)(ahead / 2));
    }
}

void hulse_fan_out_opened(struct part *p)
{
    if (p->fan->asked) {
        set_first_ahead(p);
    }
}

/* ---- turns ---- */

/* Behind the others that have something, if it has. */
static void queue(struct part *p)
{
    struct fan_in *f = p->fan;
    if (!p->ready && f->turn != p && has_something(p->consumer)) {
        p->ready = true;
        TAILQ_INSERT_TAIL(&f->ready, p, ready_link);
    }
}

/* May close everything. */
static void serve(struct fan_in *f, struct part *p)
{
    struct pulsar_consumer *c = p->consumer;
    uint32_t left = 0;
    f->turn = p;
    f->turn_bytes = 0;
    do {
        f->pool -= 1;
        hulse_pulsar_consumer_permit(&c->base, 1);
        if (f->whole->closed) {
            return;
        }
        left = hulse_permits_take_back(&c->permits);
        f->pool += left;
    } while (left == 0 && !f->over && f->pool > 0 && has_something(c) &&
             f->turn_bytes < PULSAR_TURN_BYTES);
    f->turn = NULL;
    judge(p);
    if (left == 0) {
        queue(p);
    }
}

void hulse_fan_out(struct fan_in *f)
{
    struct pulsar_consumer *whole = f->whole;
    struct part *p = NULL;
    if (f->handing || f->ending) {
        return;
    }
    hulse_pulsar_consumer_enter(whole);
    f->handing = true;
    while (!whole->closed && !f->over && f->pool > 0 && (p = TAILQ_FIRST(&f->ready)) != NULL) {
        hulse_fan_out_not_ready(p);
        serve(f, p);
    }
    f->handing = false;
    hulse_pulsar_consumer_leave(whole);
}

void hulse_fan_out_ready(struct part *p)
{
    queue(p);
    hulse_fan_out(p->fan);
}

void hulse_fan_out_not_ready(struct part *p)
{
    if (p->ready) {
        p->ready = false;
        TAILQ_REMOVE(&p->fan->ready, p, ready_link);
    }
}

/* ---- permits ---- */

void hulse_fan_out_permit(struct broker_consumer *consumer, uint32_t count)
{
    struct pulsar_consumer *whole = (struct pulsar_consumer *)(void *)consumer;
    HULSE_ASSERT(whole->magic == PULSAR_CONSUMER_MAGIC && !whole->closed);
    struct fan_in *f = whole->fan;
    f->pool += count;
    f->pool_top -= f->pool_top >> TOP_SHIFT;
    f->pool_top = f->pool > f->pool_top ? f->pool : f->pool_top;
    f->pool_top = f->pool_top < PULSAR_PERMITS_MAX ? f->pool_top : PULSAR_PERMITS_MAX;
    for (uint32_t i = 0; !f->asked && i < f->count; i++) {
        if (f->parts[i]->consumer != NULL) {
            set_first_ahead(f->parts[i]);
        }
    }
    f->asked = true;
    hulse_fan_out(f);
}
