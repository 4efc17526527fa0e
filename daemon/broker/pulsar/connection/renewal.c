/* SPDX-License-Identifier: Apache-2.0 */
/*
 * renewal - files of certificates that have changed: what comes uses them, and if it is wanted what is there is made anew.
 */
#include "daemon/broker/pulsar/connection/pool_state.h"
#include "daemon/core/assert.h"

/* NULL: there is none. */
static struct pulsar_connection *find_old(const struct pulsar_pool *p)
{
    struct pulsar_connection *c = NULL;

    LIST_FOREACH(c, &p->connections, link)
    {
        if (c->state == CONNECTION_READY && c->broken == HULSE_OK && c->endpoint.tls &&
            c->tls_generation != p->tls.generation) {
            return c;
        }
    }
    return NULL;
}

static void start_timer(struct pulsar_pool *p, uint64_t delay_ms)
{
    hulse_timer_start(&p->loop->timers, &p->renewal, hulse_loop_now_ms(p->loop) + delay_ms);
}

/* One of them. Its users come back at once, as after any loss. */
static void renew(struct timer *timer)
{
    struct pulsar_pool *p = HULSE_CONTAINER(timer, struct pulsar_pool, renewal);
    struct pulsar_connection *c = find_old(p);

    if (c == NULL) {
        return;
    }
    c->renewed = true;
    hulse_connection_break(c, HULSE_IO, "its certificates have changed");
    start_timer(p, p->params->tls.reconnect_every_ms);
}

void hulse_pool_renewal_init(struct pulsar_pool *p)
{
    p->renewal.fire = renew;
    p->tls.news = &p->worker->broker->tls_news;
}

hulse_status hulse_pool_update_tls(struct pulsar_pool *p, struct error *err)
{
    const uint32_t every_ms = p->params->tls.reconnect_every_ms;
    const uint32_t before = p->tls.generation;
    const hulse_status st = hulse_tls_context_update(&p->tls, &p->params->tls, err);

    if (p->tls.generation != before && before != 0 && every_ms != 0 &&
        !hulse_timer_pending(&p->renewal)) {
        /* Workers and hosts that got the files at the same time do not come back at the same time. */
        start_timer(p, hulse_jitter_next(&p->worker->jitter) % every_ms);
    }
    return st;
}

void hulse_pulsar_pool_refresh(struct pulsar_pool *p)
{
    struct error err = {0};

    /* Those that cannot be used are an attempt's to complain of. */
    if (p->worker->broker->service.tls) {
        (void)hulse_pool_update_tls(p, &err);
    }
}
