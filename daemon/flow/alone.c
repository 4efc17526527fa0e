/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alone - see the header.
 */
#include "daemon/flow/alone.h"

#include "daemon/core/assert.h"
#include "daemon/flow/letters.h"

static struct broker_delivery *behind(const struct broker_delivery *d)
{
    return (struct broker_delivery *)(uintptr_t)d->slot;
}

static void fire(struct timer *timer)
{
    struct alone *a = HULSE_CONTAINER(timer, struct alone, timer);

    a->over = true;
    a->retry(a->ctx);
}

void hulse_alone_init(struct alone *a, struct worker *w, void (*retry)(void *ctx), void *ctx)
{
    *a = (struct alone){.worker = w, .retry = retry, .ctx = ctx, .timer = {.fire = fire}};
}

static void calm(struct alone *a)
{
    if (a->patient && a->worker != NULL) {
        hulse_timer_stop(&a->worker->loop.timers, &a->timer);
    }
    a->patient = false;
    a->over = false;
}

void hulse_alone_fini(struct alone *a)
{
    if (a != NULL) {
        calm(a);
    }
}

static bool is_last(const struct broker_delivery *d)
{
    return (d->marks & HULSE_MARK_LAST) != 0;
}

static bool may_go(const struct alone *a, const struct broker_delivery *d)
{
    return a->out == NULL && (!is_last(d) || a->held == 0 || a->over);
}

/* The first one waits for others of its consumer: not for ever. */
static void be_patient(struct alone *a)
{
    if (a->out == NULL && !a->patient && a->worker != NULL) {
        a->patient = true;
        hulse_timer_start(&a->worker->loop.timers,
                          &a->timer,
                          hulse_loop_now_ms(&a->worker->loop) + HULSE_ALONE_WAIT_MS);
    }
}

bool hulse_alone_wait(struct alone *a, struct broker_delivery *d)
{
    if (a == NULL || (a->first == NULL && may_go(a, d))) {
        return false;
    }
    d->marks |= HULSE_MARK_LINE;
    d->slot = 0;
    if (a->first == NULL) {
        a->first = d;
    } else {
        a->last->slot = (uint64_t)(uintptr_t)d;
    }
    a->last = d;
    a->waiting += 1;
    if (a->first == d) {
        be_patient(a);
    }
    return true;
}

struct broker_delivery *hulse_alone_take(struct alone *a)
{
    struct broker_delivery *d = a == NULL ? NULL : a->first;

    if (d == NULL) {
        return NULL;
    }
    if (!may_go(a, d)) {
        be_patient(a);
        return NULL;
    }
    hulse_alone_remove(a, d);
    return d;
}

void hulse_alone_hand_out(struct alone *a, struct broker_delivery *d)
{
    if (a == NULL) {
        return;
    }
    a->held += 1;
    if (is_last(d) && a->held == 1) {
        d->marks |= HULSE_MARK_ALONE;
        a->out = d;
    }
}

void hulse_alone_remove(struct alone *a, struct broker_delivery *d)
{
    struct broker_delivery *before = NULL;
    struct broker_delivery *at = a->first;

    while (at != d) {
        HULSE_ASSERT(at != NULL);
        before = at;
        at = behind(at);
    }
    if (before == NULL) {
        a->first = behind(d);
        calm(a); /* the patience was for this one */
    } else {
        before->slot = d->slot;
    }
    if (a->last == d) {
        a->last = before;
    }
    d->marks &= (uint8_t)~HULSE_MARK_LINE;
    a->waiting -= 1;
}
