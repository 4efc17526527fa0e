/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection - see the header: its life, and its users.
 *
 * It ends in one place, at the top of an event of its own, of its gate or of the flush, so that nothing that is in
 * the middle of its work finds it freed.
 */
#include "daemon/broker/pulsar/connection/connection_state.h"
#include "daemon/broker/pulsar/connection/pool_state.h"
#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct timer_wheel *timers(const struct pulsar_connection *c)
{
    return &c->pool->loop->timers;
}

static uint64_t now_ms(const struct pulsar_connection *c)
{
    return hulse_loop_now_ms(c->pool->loop);
}

/* ---- its end ---- */

static const char *purpose_text(const struct pulsar_connection *c)
{
    return c->purpose == PULSAR_FOR_CONSUMING ? "consume" : "publish";
}

static bool has_failed(const struct pulsar_connection *c, hulse_status status)
{
    return status != HULSE_OK && status != HULSE_CLOSED && !c->renewed;
}

/* One that was ready. */
static void count_reason(const struct pulsar_connection *c, hulse_status status)
{
    struct pulsar_pool_figures *f = &c->pool->figures;

    if (c->renewed) {
        f->closed_renewed++;
        return;
    }
    switch (status) {
    case HULSE_CLOSED: /* the daemon stops */
        break;
    case HULSE_OK:
        f->closed_idle++;
        break;
    case HULSE_TIMED_OUT:
        f->closed_silent++;
        break;
    case HULSE_PROTOCOL:
        f->closed_protocol++;
        break;
    case HULSE_DENIED:
        f->closed_denied++;
        break;
    default:
        f->closed_lost++;
        break;
    }
}

static void count_end(struct pulsar_connection *c, enum connection_state was, hulse_status status)
{
    struct pulsar_pool *p = c->pool;
    struct pulsar_broker *b = p->worker->broker;
    const bool failed = has_failed(c, status);

    if (failed && was != CONNECTION_WAITING) {
        hulse_pulsar_trouble_note(&b->trouble, c->name, c->text);
    }
    if (was == CONNECTION_READY) {
        p->figures.connections--;
        count_reason(c, status);
        /* Relaxed because they are figures. */
        (void)atomic_fetch_sub_explicit(&b->connections_ready, 1, memory_order_relaxed);
    } else if (was != CONNECTION_WAITING && failed) {
        p->figures.failed_attempts++;
        atomic_store_explicit(&b->failed_ms, now_ms(c), memory_order_relaxed);
    }
    p->figures.failures += failed && was != CONNECTION_WAITING ? 1 : 0;
    p->figures.protocol_errors += status == HULSE_PROTOCOL && was != CONNECTION_WAITING ? 1 : 0;
}

/* What is behind "ADDRESS: ", so that a host's many addresses are not as many kinds. */
static uint64_t kind_of(const char *why)
{
    const char *behind = strstr(why, ": ");

    return hulse_hash_text(behind == NULL ? why : behind);
}

static void log_end(struct pulsar_connection *c,
                    enum connection_state was,
                    hulse_status status,
                    const char *why)
{
    if (was == CONNECTION_READY && !has_failed(c, status)) {
        HULSE_LOG_INFOF("pulsar.closed",
                        hulse_log_str("broker", c->name),
                        hulse_log_str("for", purpose_text(c)),
                        hulse_log_str("why", status == HULSE_OK ? "idle" : why));
    } else if (was == CONNECTION_READY) {
        HULSE_LOG_WARNF("pulsar.lost",
                        hulse_log_str("broker", c->name),
                        hulse_log_str("for", purpose_text(c)),
                        hulse_log_str("why", why));
    } else if (was != CONNECTION_WAITING && has_failed(c, status) &&
               kind_of(why) != c->gate->told) {
        c->gate->told = kind_of(why);
        HULSE_LOG_WARNF(
            "pulsar.unreachable", hulse_log_str("broker", c->name), hulse_log_str("why", why));
    }
}

/* Nothing of it happens any more. */
static void hush(struct pulsar_connection *c, enum connection_state was)
{
    c->state = CONNECTION_GONE;
    LIST_REMOVE(c, link);
    if (c->dirty) {
        TAILQ_REMOVE(&c->pool->dirty, c, in_dirty);
        c->dirty = false;
    }
    hulse_timer_stop(timers(c), &c->turn);
    hulse_timer_stop(timers(c), &c->tick);
    hulse_timer_stop(timers(c), &c->idle);
    if (was == CONNECTION_WAITING) {
        hulse_gate_leave(c->gate, c);
    }
    hulse_dial_cancel(&c->dial);
    hulse_handshake_forget(c);
    if (c->stream.fd >= 0) {
        hulse_loop_remove(c->pool->loop, &c->watch);
        hulse_stream_close(&c->stream);
    }
}

static void forget_user(struct pulsar_connection *c, struct pulsar_user *u)
{
    LIST_REMOVE(u, link);
    hulse_user_table_remove(&c->pool->users, u);
    u->connection = NULL;
    c->user_count--;
}

static void lose_users(struct pulsar_connection *c, hulse_status status)
{
    char why[PULSAR_HOST_TEXT_BYTES + PULSAR_CONNECTION_TEXT_BYTES + 2];
    struct pulsar_user *u = NULL;

    (void)snprintf(why, sizeof(why), "%s: %s", c->name, c->text);

    while ((u = LIST_FIRST(&c->users)) != NULL || (u = LIST_FIRST(&c->untold)) != NULL) {
        forget_user(c, u);
        u->events->lost(u, status, why);
    }
}

/* What the address has to do with it; how many are lost with it. */
static uint32_t
settle_gate(const struct pulsar_connection *c, enum connection_state was, hulse_status status)
{
    struct pulsar_gate *g = c->gate;
    const bool failed = has_failed(c, status);

    if (was == CONNECTION_READY && now_ms(c) - c->ready_ms >= PULSAR_STEADY_MS) {
        hulse_backoff_reset(&g->backoff);
    }
    if (was == CONNECTION_READY && failed) {
        hulse_gate_delay(g, status, c->text);
    } else if (was == CONNECTION_DIALLING || was == CONNECTION_HANDSHAKE) {
        /* What a proxy says of one broker is not about the proxy, but for who we are. */
        if (failed &&
            (was == CONNECTION_DIALLING || !c->endpoint.proxied || status == HULSE_DENIED)) {
            return hulse_gate_failed(g, status, c->text);
        }
        hulse_gate_passed(g);
    }
    return 0;
}

void hulse_connection_end(struct pulsar_connection *c, hulse_status status, const char *text)
{
    const enum connection_state was = c->state;

    HULSE_ASSERT(was != CONNECTION_GONE);

    if (text != c->text) {
        (void)snprintf(c->text, sizeof(c->text), "%s", text);
    }
    hush(c, was);
    count_end(c, was, status);
    log_end(c, was, status, c->text);
    const uint32_t victims = settle_gate(c, was, status);
    hulse_outflow_fini(&c->out);
    hulse_request_lose_all(c);
    lose_users(c, status);
    /* What was sent meanwhile by those who did not know yet. */
    hulse_outflow_fini(&c->out);
    HULSE_ASSERT(c->user_count == 0 && c->request_count == 0);
    if (victims > 0) {
        hulse_gate_lose(c->gate, victims, status, c->text);
    }
    hulse_gate_release(c->gate);
    hulse_inflow_fini(&c->in);
    hulse_mem_free(HULSE_MEM_BROKER, c, sizeof(*c));
}

void hulse_connection_break(struct pulsar_connection *c, hulse_status status, const char *text)
{
    if (c->state != CONNECTION_GONE && c->broken == HULSE_OK) {
        c->broken = status;
        (void)snprintf(c->text, sizeof(c->text), "%s", text);
        hulse_connection_turn(c);
    }
}

void hulse_pulsar_break(struct pulsar_connection *c, const char *text)
{
    hulse_connection_break(c, HULSE_PROTOCOL, text);
}

/* ---- time ---- */

void hulse_connection_turn(struct pulsar_connection *c)
{
    hulse_timer_start(timers(c), &c->turn, now_ms(c));
}

static void take_turn(struct timer *timer)
{
    struct pulsar_connection *c = HULSE_CONTAINER(timer, struct pulsar_connection, turn);
    struct pulsar_user *u = NULL;

    while (c->broken == HULSE_OK && c->state == CONNECTION_READY &&
           (u = LIST_FIRST(&c->untold)) != NULL) {
        LIST_REMOVE(u, link);
        LIST_INSERT_HEAD(&c->users, u, link);
        u->told = true;
        u->events->ready(u);
    }
    if (c->broken != HULSE_OK) {
        hulse_connection_end(c, c->broken, c->text);
        return;
    }
    if (c->paused || (c->stream.fd >= 0 && hulse_stream_holds(&c->stream))) {
        (void)hulse_connection_read(c);
    }
}

static void ticked(struct timer *timer)
{
    struct pulsar_connection *c = HULSE_CONTAINER(timer, struct pulsar_connection, tick);

    if (c->state == CONNECTION_HANDSHAKE) {
        hulse_connection_end(c, HULSE_TIMED_OUT, hulse_handshake_lateness(c));
        return;
    }
    if (c->pinged && !c->heard && !c->paused) {
        hulse_connection_end(c, HULSE_TIMED_OUT, "no sign of life: a PING was not answered");
        return;
    }
    c->pinged = true;
    c->heard = false;
    c->challenges = 0;
    c->out.ping = true;
    hulse_connection_dirty(c);
    hulse_inflow_shrink(&c->in);
    hulse_timer_start(timers(c), &c->tick, now_ms(c) + c->pool->params->keep_alive_ms);
}

static bool unused(const struct pulsar_connection *c)
{
    return c->user_count == 0 && c->request_count == 0 && hulse_outflow_empty(&c->out);
}

static void idled(struct timer *timer)
{
    struct pulsar_connection *c = HULSE_CONTAINER(timer, struct pulsar_connection, idle);

    if (unused(c)) {
        hulse_connection_end(c, HULSE_OK, "");
        return;
    }
    hulse_connection_less_used(c);
}

void hulse_connection_less_used(struct pulsar_connection *c)
{
    if (c->state == CONNECTION_READY && c->user_count == 0 && c->request_count == 0) {
        hulse_timer_start(timers(c), &c->idle, now_ms(c) + PULSAR_IDLE_MS);
    }
}

/* ---- its beginning ---- */

struct pulsar_connection *hulse_connection_create(struct pulsar_pool *p,
                                                  const struct pulsar_endpoint *to,
                                                  enum pulsar_purpose purpose)
{
    struct pulsar_connection *c = hulse_mem_zalloc(HULSE_MEM_BROKER, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    c->gate = hulse_gate_hold(p, &to->physical, to->tls);
    if (c->gate == NULL) {
        hulse_mem_free(HULSE_MEM_BROKER, c, sizeof(*c));
        return NULL;
    }
    c->pool = p;
    c->endpoint = *to;
    c->purpose = purpose;
    hulse_pulsar_host_print(&to->logical, c->name);
    c->stream.fd = -1;
    c->turn.fire = take_turn;
    c->tick.fire = ticked;
    c->idle.fire = idled;
    c->peer.message_bytes_max = WIRE_MESSAGE_BYTES_DEFAULT;
    hulse_outflow_init(&c->out);
    LIST_INSERT_HEAD(&p->connections, c, link);
    hulse_gate_wait(c->gate, c);
    return c;
}

static void dialled(struct dial *d, hulse_status status)
{
    struct pulsar_connection *c = HULSE_CONTAINER(d, struct pulsar_connection, dial);

    if (status != HULSE_OK) {
        hulse_connection_end(c, status, d->text);
        return;
    }
    c->stream = d->stream;
    d->stream = (struct stream){.fd = -1};
    if (!hulse_connection_listen(c)) {
        const int error = errno;
        hulse_stream_close(&c->stream);
        hulse_connection_end(c, HULSE_IO, strerrordesc_np(error));
        return;
    }
    const struct pulsar_params *params = c->pool->params;
    const uint32_t limit = params->keep_alive_ms < params->operation_timeout_ms
                               ? params->keep_alive_ms
                               : params->operation_timeout_ms;
    c->state = CONNECTION_HANDSHAKE;
    hulse_timer_start(timers(c), &c->tick, now_ms(c) + limit);
    hulse_handshake_begin(c);
}

void hulse_connection_begin(struct pulsar_connection *c)
{
    struct pulsar_pool *p = c->pool;
    struct dial_params params = {.loop = p->loop,
                                 .resolver = &p->resolver,
                                 .timeout_ms = p->params->connect_timeout_ms,
                                 .any_host = p->params->tls.any_host};
    struct error err = {0};

    c->state = CONNECTION_DIALLING;
    p->figures.attempts++;
    if (c->endpoint.tls) {
        if (hulse_pool_update_tls(p, &err) != HULSE_OK) {
            hulse_connection_end(c, err.status, err.text);
            return;
        }
        params.tls = p->tls.ctx;
        c->tls_generation = p->tls.generation;
    }
    c->dial.done = dialled;
    const hulse_status st = hulse_dial_begin(&c->dial, &params, &c->endpoint.physical);
    if (st != HULSE_OK) {
        hulse_connection_end(c, st, c->dial.text);
    }
}

void hulse_connection_became_ready(struct pulsar_connection *c)
{
    struct pulsar_broker *b = c->pool->worker->broker;

    c->state = CONNECTION_READY;
    c->challenges = 0;
    hulse_handshake_forget(c);
    c->ready_ms = now_ms(c);
    c->pool->figures.connections++;
    /* Relaxed because they are figures. */
    (void)atomic_fetch_add_explicit(&b->connections_ready, 1, memory_order_relaxed);
    atomic_store_explicit(&b->failed_ms, 0, memory_order_relaxed);
    hulse_pulsar_reach_tell(&b->reach, &c->gate->host);
    c->gate->told = 0;
    HULSE_LOG_INFOF("pulsar.connected",
                    hulse_log_str("broker", c->name),
                    hulse_log_str("for", purpose_text(c)),
                    hulse_log_u64("failures_before", c->gate->backoff.failures));
    if (c->gate->backoff.failures > PULSAR_FAILURES_READY) {
        c->gate->backoff.failures = PULSAR_FAILURES_READY;
    }
    hulse_timer_start(timers(c), &c->tick, now_ms(c) + c->pool->params->keep_alive_ms);
    hulse_connection_less_used(c);
    hulse_connection_turn(c);
    hulse_gate_passed(c->gate);
}

/* ---- users ---- */

void hulse_connection_add_user(struct pulsar_connection *c, struct pulsar_user *u)
{
    u->connection = c;
    u->told = false;
    LIST_INSERT_HEAD(&c->untold, u, link);
    c->user_count++;
    hulse_timer_stop(timers(c), &c->idle);
    if (c->state == CONNECTION_READY) {
        hulse_connection_turn(c);
    }
}

void hulse_pulsar_detach(struct pulsar_user *u)
{
    struct pulsar_connection *c = u->connection;

    if (c != NULL) {
        forget_user(c, u);
        hulse_connection_less_used(c);
    }
}

bool hulse_pulsar_ready(const struct pulsar_connection *c)
{
    return c->state == CONNECTION_READY && c->broken == HULSE_OK;
}

const struct pulsar_peer *hulse_pulsar_peer(const struct pulsar_connection *c)
{
    return &c->peer;
}

const char *hulse_pulsar_connection_name(const struct pulsar_connection *c)
{
    return c->name;
}
