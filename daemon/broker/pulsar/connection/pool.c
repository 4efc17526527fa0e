/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool - see the header.
 */
#include "daemon/broker/pulsar/connection/pool.h"

#include "daemon/broker/pulsar/connection/pool_state.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <stdlib.h>

struct pulsar_pool *hulse_pulsar_pool_create(struct pulsar_worker *w, struct error *err)
{
    static const struct resolver_params system = {0};
    struct pulsar_pool *p = calloc(1, sizeof(*p));

    if (p == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for connections to brokers");
        return NULL;
    }
    p->worker = w;
    p->loop = w->loop;
    p->params = &w->broker->params;
    TAILQ_INIT(&p->dirty);
    hulse_resolver_init(&p->resolver, p->loop, &system);
    hulse_wire_arena_init(&p->arena, WIRE_COMMAND_MEMORY_MAX);
    hulse_pool_renewal_init(p);
    return p;
}

void hulse_pulsar_pool_destroy(struct pulsar_pool **pool)
{
    struct pulsar_pool *p = *pool;

    if (p == NULL) {
        return;
    }
    p->closing = true;
    /* The last words of those who have closed. */
    hulse_pulsar_pool_flush(p);
    while (!LIST_EMPTY(&p->connections)) {
        hulse_connection_end(LIST_FIRST(&p->connections), HULSE_CLOSED, "the worker stops");
    }
    hulse_gate_drop_all(p);
    hulse_timer_stop(&p->loop->timers, &p->renewal);
    hulse_resolver_fini(&p->resolver);
    hulse_tls_context_fini(&p->tls);
    hulse_user_table_fini(&p->users);
    hulse_wire_arena_fini(&p->arena);
    free(p);
    *pool = NULL;
}

uint64_t hulse_pulsar_user_id(struct pulsar_pool *p)
{
    return ++p->user_id;
}

/* NULL: a new one is to be made. */
static struct pulsar_connection *
find(struct pulsar_pool *p, const struct pulsar_endpoint *to, enum pulsar_purpose purpose)
{
    struct pulsar_connection *c = NULL;
    struct pulsar_connection *least = NULL;
    uint32_t count = 0;

    LIST_FOREACH(c, &p->connections, link)
    {
        if (c->purpose == purpose && c->broken == HULSE_OK &&
            hulse_pulsar_endpoint_same(&c->endpoint, to)) {
            count++;
            least = least == NULL || c->user_count < least->user_count ? c : least;
        }
    }
    if (purpose == PULSAR_FOR_ONE && count < PULSAR_OWN_MAX &&
        (least == NULL || least->user_count > 0)) {
        return NULL;
    }
    return least;
}

bool hulse_pulsar_attach(struct pulsar_pool *p,
                         struct pulsar_user *u,
                         const struct pulsar_endpoint *to,
                         enum pulsar_purpose purpose)
{
    HULSE_ASSERT(u->connection == NULL);

    if (p->closing || !hulse_user_table_add(&p->users, u)) {
        return false;
    }
    struct pulsar_connection *c = find(p, to, purpose);
    if (c == NULL) {
        c = hulse_connection_create(p, to, purpose);
    }
    if (c == NULL) {
        hulse_user_table_remove(&p->users, u);
        return false;
    }
    hulse_connection_add_user(c, u);
    return true;
}

/* Where a connection would have to be made. NULL: there is one, or nothing is known of the address. */
static const struct pulsar_gate *way_to(struct pulsar_pool *p, const struct pulsar_endpoint *to)
{
    const struct pulsar_connection *c = find(p, to, PULSAR_FOR_PUBLISHING);

    return c != NULL && c->state == CONNECTION_READY ? NULL
                                                     : hulse_gate_find(p, &to->physical, to->tls);
}

uint64_t hulse_pulsar_pool_rests_until_ms(struct pulsar_pool *p, const struct pulsar_endpoint *to)
{
    const struct pulsar_gate *g = way_to(p, to);

    return g == NULL ? 0 : hulse_gate_closed_until_ms(g);
}

bool hulse_pulsar_pool_last_failure(struct pulsar_pool *p,
                                    const struct pulsar_endpoint *to,
                                    struct pulsar_failure *out)
{
    const struct pulsar_gate *g = way_to(p, to);

    if (g == NULL || !hulse_gate_failing(g)) {
        return false;
    }
    hulse_pulsar_failure_status(out, g->status, g->why);
    return true;
}

void hulse_pulsar_pool_flush(struct pulsar_pool *p)
{
    struct pulsar_connection *c = NULL;

    while ((c = TAILQ_FIRST(&p->dirty)) != NULL) {
        TAILQ_REMOVE(&p->dirty, c, in_dirty);
        c->dirty = false;
        (void)hulse_connection_write(c);
    }
}

void hulse_pulsar_pool_figures(struct pulsar_pool *p, struct pulsar_pool_figures *out)
{
    const struct pulsar_connection *c = NULL;

    /* Renewed files count at once. */
    hulse_pulsar_pool_refresh(p);
    *out = p->figures;
    LIST_FOREACH(c, &p->connections, link)
    {
        out->connecting += c->state != CONNECTION_READY ? 1U : 0U;
        out->round_trip_us =
            c->round_trip_us > out->round_trip_us ? c->round_trip_us : out->round_trip_us;
    }
    out->tls_files_refused = p->tls.failures;
    out->certificate_expires_wall_ms = p->tls.own_expires_wall_ms;
    out->ca_expires_wall_ms = p->tls.ca_expires_wall_ms;
}
