/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collect - see collect.h.
 */
#include "daemon/control/collect.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <stddef.h>

void hulse_collector_init(struct collector *c, struct loop *loop, const struct crew *crew)
{
    *c = (struct collector){.loop = loop, .crew = crew};
    LIST_INIT(&c->open);
}

static void destroy(struct collection *c)
{
    hulse_timer_stop(&c->collector->loop->timers, &c->timer);
    LIST_REMOVE(c, link);
    c->collector->open_count--;
    for (uint32_t i = 0; i < c->count; i++) {
        hulse_report_fini(&c->inquiries[i].report);
    }
    hulse_mem_free(HULSE_MEM_ADMIN, c, sizeof(*c) + c->count * sizeof(c->inquiries[0]));
}

void hulse_collector_fini(struct collector *c)
{
    struct collection *next = NULL;

    for (struct collection *open = LIST_FIRST(&c->open); open != NULL; open = next) {
        next = LIST_NEXT(open, link);
        destroy(open);
    }
}

/* Tells who waits, then frees unless answers are still on their way. */
static void finish(struct collection *c)
{
    void (*done)(void *ctx, struct collection *c) = c->done;

    c->done = NULL;
    c->gave_up = c->owed > 0;
    hulse_timer_stop(&c->collector->loop->timers, &c->timer);
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->inquiries[i].state == INQUIRY_ASKED) {
            c->collector->overdue[c->inquiries[i].worker]++;
        }
    }
    if (done != NULL) {
        done(c->ctx, c);
    }
    if (!c->gave_up) {
        destroy(c);
    }
}

static void time_out(struct timer *timer)
{
    finish(HULSE_CONTAINER(timer, struct collection, timer));
}

/* Back on control. */
static void take_answer(struct inbox_node *node)
{
    struct inquiry *q = HULSE_CONTAINER(node, struct inquiry, node);
    struct collection *c = q->collection;

    HULSE_ASSERT_ROLE(HULSE_ROLE_CONTROL);
    HULSE_ASSERT(c->owed > 0);
    q->state = INQUIRY_ANSWERED;
    c->owed--;
    if (c->gave_up) {
        c->collector->overdue[q->worker]--;
    }
    if (c->owed > 0) {
        return;
    }
    if (c->gave_up) {
        destroy(c);
    } else {
        finish(c);
    }
}

/* On the worker. */
static void answer(struct inbox_node *node)
{
    struct inquiry *q = HULSE_CONTAINER(node, struct inquiry, node);

    HULSE_ASSERT_ROLE(HULSE_ROLE_WORKER);
    hulse_worker_report(hulse_worker_self(), &q->report);
    node->run = take_answer;
    hulse_inbox_answer(&q->collection->collector->loop->inbox, node);
}

struct collection *hulse_collect_start(struct collector *collector,
                                       void (*done)(void *ctx, struct collection *c),
                                       void *ctx)
{
    const uint32_t count = collector->crew->count;
    struct collection *c = NULL;

    HULSE_ASSERT_ROLE(HULSE_ROLE_CONTROL);
    HULSE_ASSERT(done != NULL);
    if (collector->open_count < HULSE_COLLECT_OPEN_MAX) {
        c = hulse_mem_zalloc(HULSE_MEM_ADMIN, sizeof(*c) + count * sizeof(c->inquiries[0]));
    }
    if (c == NULL) {
        return NULL;
    }
    collector->open_count++;
    c->collector = collector;
    c->done = done;
    c->ctx = ctx;
    c->count = count;
    c->timer.fire = time_out;
    LIST_INSERT_HEAD(&collector->open, c, link);
    for (uint32_t i = 0; i < count; i++) {
        struct inquiry *q = &c->inquiries[i];
        q->collection = c;
        q->worker = i;
        q->node.run = answer;
        if (collector->overdue[i] != 0 ||
            !hulse_worker_post(collector->crew->workers[i], &q->node)) {
            q->state = INQUIRY_REFUSED;
        } else {
            c->owed++;
        }
    }
    /* Without anybody to wait for it ends with the next round, not inside this call. */
    const uint64_t wait_ms = c->owed == 0 ? 0 : HULSE_COLLECT_TIMEOUT_MS;
    hulse_timer_start(
        &collector->loop->timers, &c->timer, hulse_loop_now_ms(collector->loop) + wait_ms);
    return c;
}

void hulse_collect_forget(struct collection **collection)
{
    struct collection *c = *collection;

    *collection = NULL;
    if (c != NULL) {
        c->done = NULL;
    }
}
