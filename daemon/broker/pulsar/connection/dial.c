/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial - see the header.
 */
#include "daemon/broker/pulsar/connection/dial.h"

#include "daemon/core/assert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

static void try_next(struct dial *d, hulse_status before);

static void start_timer(struct dial *d)
{
    hulse_timer_start(&d->params.loop->timers,
                      &d->timer,
                      hulse_loop_now_ms(d->params.loop) + d->params.timeout_ms);
}

static void end_attempt(struct dial *d)
{
    hulse_timer_stop(&d->params.loop->timers, &d->timer);
    if (d->trying) {
        hulse_loop_remove(d->params.loop, &d->watch);
        hulse_stream_close(&d->stream);
        d->trying = false;
    }
}

/* A context that was made anew meanwhile lives as long as this needs it. */
static void let_context_go(struct dial *d)
{
    SSL_CTX_free(d->params.tls);
    d->params.tls = NULL;
}

/* "ADDRESS: what" */
static void note(struct dial *d, const char *what)
{
    const union resolver_address *to = &d->lookup.result.addresses[d->at];
    char address[INET6_ADDRSTRLEN] = "";
    const void *from =
        to->any.sa_family == AF_INET6 ? (const void *)&to->v6.sin6_addr : &to->v4.sin_addr;

    (void)inet_ntop(to->any.sa_family, from, address, sizeof(address));
    (void)snprintf(d->text, sizeof(d->text), "%s: %s", address, what);
}

static void failed(struct dial *d, hulse_status status, const char *what)
{
    note(d, what);
    end_attempt(d);
    d->at++;
    try_next(d, status);
}

static void timed_out(struct timer *timer)
{
    struct dial *d = HULSE_CONTAINER(timer, struct dial, timer);

    if (d->trying) {
        failed(d, HULSE_TIMED_OUT, "no connection within its time");
        return;
    }
    hulse_resolver_cancel(&d->lookup);
    (void)snprintf(d->text, sizeof(d->text), "%.200s: no address within its time", d->host);
    d->done(d, HULSE_TIMED_OUT);
}

static void finished(struct dial *d)
{
    hulse_loop_remove(d->params.loop, &d->watch);
    hulse_timer_stop(&d->params.loop->timers, &d->timer);
    let_context_go(d);
    d->trying = false;
    d->done(d, HULSE_OK);
}

static void shake(struct dial *d)
{
    switch (hulse_tls_stream_shake(d->stream.tls)) {
    case STREAM_OK:
        finished(d);
        break;
    case STREAM_AGAIN:
        (void)hulse_loop_modify(
            d->params.loop, &d->watch, hulse_stream_owes(&d->stream) ? EPOLLOUT : EPOLLIN);
        break;
    default:
        failed(d, HULSE_IO, hulse_stream_why(&d->stream));
        break;
    }
}

static void happened(struct watch *watch, uint32_t events)
{
    struct dial *d = HULSE_CONTAINER(watch, struct dial, watch);

    (void)events;
    if (d->shaking) {
        shake(d);
        return;
    }
    const int error = hulse_stream_connected(&d->stream);
    if (error != 0) {
        failed(d, HULSE_IO, strerrordesc_np(error));
    } else if (d->params.tls == NULL) {
        finished(d);
    } else if (!hulse_stream_secure(&d->stream, d->params.tls, d->host, d->params.any_host)) {
        failed(d, HULSE_NO_MEMORY, "no memory for TLS");
    } else {
        d->shaking = true;
        shake(d);
    }
}

static bool try_one(struct dial *d)
{
    const int error = hulse_stream_open(&d->stream, &d->lookup.result.addresses[d->at]);

    if (error != 0) {
        note(d, strerrordesc_np(error));
        return false;
    }
    d->watch = (struct watch){.fd = d->stream.fd, .fire = happened};
    if (!hulse_loop_add(d->params.loop, &d->watch, EPOLLOUT)) {
        note(d, strerrordesc_np(errno));
        hulse_stream_close(&d->stream);
        return false;
    }
    d->trying = true;
    d->shaking = false;
    start_timer(d);
    return true;
}

static void try_next(struct dial *d, hulse_status before)
{
    hulse_status status = before;

    for (; d->at < d->lookup.result.address_count; d->at++) {
        if (try_one(d)) {
            return;
        }
        status = HULSE_IO;
    }
    d->done(d, status);
}

static void resolved(struct resolver_lookup *lookup, const struct resolver_result *result)
{
    struct dial *d = HULSE_CONTAINER(lookup, struct dial, lookup);

    hulse_timer_stop(&d->params.loop->timers, &d->timer);
    if (result->status != HULSE_OK) {
        (void)snprintf(d->text, sizeof(d->text), "%.*s", (int)sizeof(d->text) - 1, result->why);
        d->done(d,
                result->status == HULSE_TIMED_OUT || result->status == HULSE_NO_MEMORY
                    ? result->status
                    : HULSE_IO);
        return;
    }
    d->at = 0;
    try_next(d, HULSE_IO);
}

hulse_status
hulse_dial_begin(struct dial *d, const struct dial_params *params, const struct pulsar_host *to)
{
    struct error err = {0};

    HULSE_ASSERT(!d->trying);

    d->params = *params;
    if (params->tls != NULL) {
        (void)SSL_CTX_up_ref(params->tls);
    }
    d->stream.fd = -1;
    memcpy(d->host, to->name, sizeof(d->host));
    d->lookup.done = resolved;
    const hulse_status st =
        hulse_resolver_start(params->resolver, &d->lookup, to->name, to->port, &err);
    if (st != HULSE_OK) {
        (void)snprintf(d->text, sizeof(d->text), "%s", err.text);
        return st == HULSE_NO_MEMORY ? st : HULSE_IO;
    }
    d->timer.fire = timed_out;
    start_timer(d);
    return HULSE_OK;
}

void hulse_dial_cancel(struct dial *d)
{
    if (d->params.resolver == NULL) {
        return; /* it has never begun */
    }
    hulse_resolver_cancel(&d->lookup);
    end_attempt(d);
    let_context_go(d);
}
