/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multi_out - messages of the topics to the front end, in turns, one for each permit of the whole.
 */
#include "daemon/flow/multi_state.h"

/* One after the other of a topic before it is another's turn. */
#define TURN_MESSAGES 16U
#define TURN_BYTES 65536U
/* Used up twice in less: it is too little. */
#define QUICK_MS 100U
#define TOP_SHIFT 4U

/* ---- ahead of permits ---- */

static void set_ahead(struct member *b, uint32_t ahead)
{
    struct multi *m = b->multi;
    m->ahead = m->ahead + ahead - b->ahead;
    b->ahead = ahead;
}

/* Is what may come ahead enough, or more than that? */
static void judge(struct member *b)
{
    struct multi *m = b->multi;
    const uint64_t most = 2 * m->pool_top;
    if (b->used < 2 * b->ahead) {
        return;
    }
    const uint64_t now_ms = hulse_multi_now_ms(m);
    const bool quick = now_ms - b->since_ms < QUICK_MS;
    b->used = 0;
    b->since_ms = now_ms;
    if (quick && b->ahead < m->pool_top && m->ahead < most) {
        uint64_t more = m->pool_top - b->ahead;
        more = b->ahead < more ? b->ahead : more;
        more = more < most - m->ahead ? more : most - m->ahead;
        set_ahead(b, b->ahead + (uint32_t)more);
    } else if (b->ahead > 1 && (!quick || b->ahead > m->pool_top)) {
        set_ahead(b, b->ahead / 2);
    }
}

void hulse_member_top_up(struct member *b)
{
    if (b->state != MEMBER_OPEN || b->failed || !b->multi->asked || b->multi->over) {
        return;
    }
    const uint64_t has = hulse_subscriber_coming(b->subscriber) + b->waiting;
    /* Half of it at a time, so that many small grants become few. */
    if (has < b->ahead && (b->ahead - has) * 2 >= b->ahead) {
        const uint32_t more = (uint32_t)(b->ahead - has);
        hulse_subscriber_permit(b->subscriber, more);
    }
}

/* ---- those that wait ---- */

static struct broker_delivery *next_of(const struct broker_delivery *d)
{
    return (struct broker_delivery *)(uintptr_t)d->slot;
}

static void wait(struct member *b, struct broker_delivery *d)
{
    struct multi *m = b->multi;
    d->source |= MULTI_WAITS;
    d->slot = 0;
    if (b->first == NULL) {
        b->first = d;
    } else {
        b->last->slot = (uint64_t)(uintptr_t)d;
    }
    b->last = d;
    b->waiting += 1;
    if (!b->ready) {
        b->ready = true;
        TAILQ_INSERT_TAIL(&m->ready, b, link);
    }
}

static void not_ready(struct member *b)
{
    if (b->ready) {
        b->ready = false;
        TAILQ_REMOVE(&b->multi->ready, b, link);
    }
}

void hulse_member_unlink(struct member *b, struct broker_delivery *d)
{
    struct broker_delivery *before = NULL;
    for (struct broker_delivery *at = b->first; at != d; at = next_of(at)) {
        before = at;
    }
    if (before == NULL) {
        b->first = next_of(d);
    } else {
        before->slot = d->slot;
    }
    b->last = b->last == d ? before : b->last;
    b->waiting -= 1;
    d->source &= ~MULTI_WAITS;
    if (b->first == NULL) {
        not_ready(b);
    }
}

void hulse_member_give_back_waiting(struct member *b)
{
    while (b->first != NULL) {
        struct broker_delivery *d = b->first;
        hulse_member_unlink(b, d);
        hulse_subscriber_give_back(b->subscriber, d);
    }
}

/* ---- turns ---- */

static void hand_out_one(struct member *b)
{
    struct multi *m = b->multi;
    struct broker_delivery *d = b->first;
    hulse_member_unlink(b, d);
    m->pool -= 1;
    b->held += 1;
    b->used += 1;
    m->base.events->message(m->base.ctx, d);
}

/* May close everything. */
static void serve(struct member *b)
{
    const struct multi *m = b->multi;
    uint64_t bytes = 0;
    for (unsigned i = 0;
         i < TURN_MESSAGES && bytes < TURN_BYTES && m->pool > 0 && b->first != NULL && !m->closed;
         i++) {
        bytes += b->first->payload.bytes;
        hand_out_one(b);
    }
    if (m->closed) {
        return;
    }
    if (b->first != NULL) {
        TAILQ_REMOVE(&b->multi->ready, b, link);
        TAILQ_INSERT_TAIL(&b->multi->ready, b, link);
    }
    judge(b);
    hulse_member_top_up(b);
}

void hulse_multi_hand_out(struct multi *m)
{
    if (m->handing || m->ending) {
        return;
    }
    hulse_multi_enter(m);
    m->handing = true;
    while (!m->closed && !m->over && m->pool > 0 && !TAILQ_EMPTY(&m->ready)) {
        serve(TAILQ_FIRST(&m->ready));
    }
    m->handing = false;
    hulse_multi_leave(m);
}

void hulse_multi_message(void *ctx, struct broker_delivery *d)
{
    struct member *b = ctx;
    d->source = b->source;
    if (b->state != MEMBER_OPEN) {
        hulse_subscriber_give_back(b->subscriber, d); /* its topic has gone */
        return;
    }
    wait(b, d);
    hulse_multi_hand_out(b->multi);
}

/* ---- permits ---- */

void hulse_multi_permit(struct broker_consumer *c, uint32_t count)
{
    struct multi *m = (struct multi *)(void *)c;
    const bool first = !m->asked;
    m->pool += count;
    m->pool_top -= m->pool_top >> TOP_SHIFT;
    m->pool_top = m->pool > m->pool_top ? m->pool : m->pool_top;
    m->asked = true;
    hulse_multi_enter(m);
    for (uint32_t i = 0; first && i < m->count && !m->closed; i++) {
        if (m->members[i] != NULL) {
            hulse_member_top_up(m->members[i]);
        }
    }
    if (!m->closed) {
        hulse_multi_hand_out(m);
    }
    hulse_multi_leave(m);
}
