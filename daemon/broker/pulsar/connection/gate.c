/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate - see the header.
 */
#include "daemon/broker/pulsar/connection/gate.h"

#include "daemon/broker/pulsar/connection/pool_state.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <stdio.h>

/* How often those who wait look whether another worker has reached the address. */
#define LOOK_MS 200U

static uint64_t now_ms(const struct pulsar_gate *g)
{
    return hulse_loop_now_ms(g->pool->loop);
}

static uint32_t times_reached(const struct pulsar_gate *g)
{
    return hulse_pulsar_reach_times(&g->pool->worker->broker->reach, &g->host);
}

static void plan(struct pulsar_gate *g)
{
    if (g->busy == NULL && !TAILQ_EMPTY(&g->waiting)) {
        const uint64_t now = now_ms(g);
        const uint64_t until = hulse_gate_closed_until_ms(g);
        const uint64_t wait = until > now ? until - now : 0;
        hulse_timer_start(
            &g->pool->loop->timers, &g->timer, now + (wait < LOOK_MS ? wait : LOOK_MS));
    }
}

bool hulse_gate_closed(const struct pulsar_gate *g)
{
    return now_ms(g) < g->not_before_ms && g->reached == times_reached(g);
}

uint64_t hulse_gate_closed_until_ms(const struct pulsar_gate *g)
{
    return hulse_gate_closed(g) ? g->not_before_ms : 0;
}

/* The next that somebody still wants. */
static void open_gate(struct timer *timer)
{
    struct pulsar_gate *g = HULSE_CONTAINER(timer, struct pulsar_gate, timer);
    struct pulsar_connection *c = NULL;

    g->holders++;
    while (g->busy == NULL && !hulse_gate_closed(g) && (c = TAILQ_FIRST(&g->waiting)) != NULL) {
        if (c->user_count == 0 && c->request_count == 0) {
            hulse_connection_end(c, HULSE_OK, "");
            continue;
        }
        TAILQ_REMOVE(&g->waiting, c, at_gate);
        g->busy = c;
        hulse_connection_begin(c);
    }
    plan(g);
    g->holders--;
}

/* ---- which there are ---- */

static void drop(struct pulsar_gate *g)
{
    HULSE_ASSERT(g->holders == 0 && TAILQ_EMPTY(&g->waiting) && g->busy == NULL);

    hulse_timer_stop(&g->pool->loop->timers, &g->timer);
    LIST_REMOVE(g, link);
    hulse_mem_free(HULSE_MEM_BROKER, g, sizeof(*g));
}

static bool means_something(const struct pulsar_gate *g)
{
    return g->backoff.failures > 0 && now_ms(g) < g->not_before_ms + PULSAR_BACKOFF_MAX_MS;
}

bool hulse_gate_failing(const struct pulsar_gate *g)
{
    return means_something(g) && g->reached == times_reached(g);
}

/* Those whose failures no longer mean anything. */
static void sweep(struct pulsar_pool *p)
{
    struct pulsar_gate *g = LIST_FIRST(&p->gates);

    while (g != NULL) {
        struct pulsar_gate *next = LIST_NEXT(g, link);
        if (g->holders == 0 && !means_something(g)) {
            drop(g);
        }
        g = next;
    }
}

const struct pulsar_gate *
hulse_gate_find(const struct pulsar_pool *p, const struct pulsar_host *host, bool tls)
{
    const struct pulsar_gate *g = NULL;

    LIST_FOREACH(g, &p->gates, link)
    {
        if (g->tls == tls && hulse_pulsar_host_same(&g->host, host)) {
            return g;
        }
    }
    return NULL;
}

struct pulsar_gate *hulse_gate_hold(struct pulsar_pool *p, const struct pulsar_host *host, bool tls)
{
    struct pulsar_gate *g = (struct pulsar_gate *)(uintptr_t)hulse_gate_find(p, host, tls);

    if (g == NULL) {
        sweep(p);
        g = hulse_mem_zalloc(HULSE_MEM_BROKER, sizeof(*g));
        if (g == NULL) {
            return NULL;
        }
        g->pool = p;
        g->host = *host;
        g->tls = tls;
        g->timer.fire = open_gate;
        TAILQ_INIT(&g->waiting);
        LIST_INSERT_HEAD(&p->gates, g, link);
    }
    g->holders++;
    return g;
}

void hulse_gate_release(struct pulsar_gate *g)
{
    HULSE_ASSERT(g->holders > 0);
    g->holders--;
}

void hulse_gate_drop_all(struct pulsar_pool *p)
{
    while (!LIST_EMPTY(&p->gates)) {
        drop(LIST_FIRST(&p->gates));
    }
}

/* ---- what happens there ---- */

void hulse_gate_wait(struct pulsar_gate *g, struct pulsar_connection *c)
{
    TAILQ_INSERT_TAIL(&g->waiting, c, at_gate);
    plan(g);
}

void hulse_gate_leave(struct pulsar_gate *g, struct pulsar_connection *c)
{
    TAILQ_REMOVE(&g->waiting, c, at_gate);
}

void hulse_gate_passed(struct pulsar_gate *g)
{
    g->busy = NULL;
    plan(g);
}

void hulse_gate_delay(struct pulsar_gate *g, hulse_status status, const char *why)
{
    const uint64_t until = now_ms(g) + hulse_backoff_ms(&g->backoff, &g->pool->worker->jitter);

    g->not_before_ms = until > g->not_before_ms ? until : g->not_before_ms;
    g->reached = times_reached(g);
    g->status = status;
    (void)snprintf(g->why, sizeof(g->why), "%s", why);
}

uint32_t hulse_gate_failed(struct pulsar_gate *g, hulse_status status, const char *why)
{
    const struct pulsar_connection *c = NULL;
    uint32_t victims = 0;

    g->busy = NULL;
    hulse_gate_delay(g, status, why);
    TAILQ_FOREACH(c, &g->waiting, at_gate)
    {
        victims++;
    }
    return victims;
}

void hulse_gate_lose(struct pulsar_gate *g, uint32_t victims, hulse_status status, const char *text)
{
    g->holders++;
    for (; victims > 0; victims--) {
        hulse_connection_end(TAILQ_FIRST(&g->waiting), status, text);
    }
    g->holders--;
    plan(g);
}
