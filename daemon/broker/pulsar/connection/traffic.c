/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traffic - the bytes of a connection: frames in, pieces and commands out.
 */
#include "daemon/broker/pulsar/connection/pool_state.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define NS_PER_US UINT64_C(1000)
#define SMOOTH UINT64_C(8) /* the newest counts for an eighth */

enum {
    PARTS_MAX = 64,
    READ_BYTES_MAX = 1U << 20U, /* in one go: others wait */
    WRITE_BYTES_MAX = 1U << 23U,
    PAUSE_MS = 10
};

/* ---- in ---- */

static void watch_for(struct pulsar_connection *c)
{
    const uint32_t events = (c->paused ? 0U : (uint32_t)EPOLLIN) | (c->blocked ? EPOLLOUT : 0U);

    if (!hulse_loop_modify(c->pool->loop, &c->watch, events)) {
        hulse_connection_break(c, HULSE_IO, strerrordesc_np(errno));
    }
}

static void set_blocked(struct pulsar_connection *c, bool blocked)
{
    if (c->blocked != blocked) {
        c->blocked = blocked;
        watch_for(c);
    }
}

/* What is held stays until there is memory for it; the broker waits as for any slow reader. */
static void pause_reading(struct pulsar_connection *c)
{
    c->paused = true;
    watch_for(c);
    hulse_timer_start(
        &c->pool->loop->timers, &c->turn, hulse_loop_now_ms(c->pool->loop) + PAUSE_MS);
}

/* False: it has ended. */
static bool take_frame(struct pulsar_connection *c, const struct wire_frame *frame)
{
    const Pulsar__BaseCommand *command = NULL;
    const char *why = NULL;

    switch (hulse_wire_command_read(&c->pool->arena, frame->command, &command, &why)) {
    case WIRE_COMMAND_OK:
        break;
    case WIRE_COMMAND_NO_MEMORY:
        pause_reading(c);
        return true;
    default:
        c->pool->figures.broken_frames++;
        hulse_connection_end(c, HULSE_PROTOCOL, why);
        return false;
    }
    if (c->state == CONNECTION_READY) {
        hulse_dispatch_command(c, command, frame->rest);
    } else {
        hulse_handshake_command(c, command);
    }
    hulse_inflow_take(&c->in, frame->bytes);
    return true;
}

/* Every frame that is whole. False: it has ended. */
static bool understand(struct pulsar_connection *c)
{
    struct wire_frame frame;
    const char *why = NULL;

    if (c->in.data == NULL) {
        c->wanted = WIRE_FRAME_HEADER_BYTES;
        return true;
    }
    while (c->broken == HULSE_OK && !c->paused) {
        const size_t held = c->in.end - c->in.begin;
        switch (hulse_wire_frame_read(
            c->in.data + c->in.begin, held, c->peer.message_bytes_max, &frame, &why)) {
        case WIRE_FRAME_NEED_MORE:
            c->wanted = frame.bytes;
            return true;
        case WIRE_FRAME_OK:
            if (!take_frame(c, &frame)) {
                return false;
            }
            break;
        default:
            c->pool->figures.broken_frames++;
            hulse_connection_end(c, HULSE_PROTOCOL, why);
            return false;
        }
    }
    return true;
}

/* 0: it has ended, or there is nothing, or no memory. */
static size_t fetch(struct pulsar_connection *c, bool *ended)
{
    size_t got = 0;

    *ended = false;
    if (!hulse_inflow_reserve(&c->in, c->wanted)) {
        pause_reading(c);
        return 0;
    }
    switch (hulse_stream_read(&c->stream, c->in.data + c->in.end, c->in.room - c->in.end, &got)) {
    case STREAM_OK:
        c->in.end += got;
        c->heard = true;
        return got;
    case STREAM_AGAIN:
        return 0;
    case STREAM_ENDED:
        *ended = true;
        hulse_connection_end(c,
                             HULSE_IO,
                             c->in.begin == c->in.end
                                 ? "the broker has closed the connection"
                                 : "the broker has closed the connection within a frame");
        return 0;
    default:
        *ended = true;
        hulse_connection_end(c, HULSE_IO, hulse_stream_why(&c->stream));
        return 0;
    }
}

bool hulse_connection_read(struct pulsar_connection *c)
{
    size_t budget = READ_BYTES_MAX;
    bool ended = false;
    bool drained = false; /* what comes from now on the watch tells */

    if (c->paused) {
        c->paused = false;
        watch_for(c);
    }
    while (understand(c)) {
        if (drained) {
            return true;
        }
        if (c->broken != HULSE_OK || c->paused) {
            return true;
        }
        if (budget == 0) {
            if (hulse_stream_holds(&c->stream)) {
                hulse_connection_turn(c);
            }
            return true;
        }
        const size_t got = fetch(c, &ended);
        if (ended) {
            return false;
        }
        if (got == 0) {
            if (hulse_stream_owes(&c->stream)) {
                set_blocked(c, true);
            }
            return true;
        }
        drained = c->stream.tls == NULL && c->in.end < c->in.room;
        budget -= got < budget ? got : budget;
    }
    return false;
}

/* ---- out ---- */

void hulse_connection_dirty(struct pulsar_connection *c)
{
    if (!c->dirty && !c->blocked && c->stream.fd >= 0) {
        c->dirty = true;
        TAILQ_INSERT_TAIL(&c->pool->dirty, c, in_dirty);
    }
}

bool hulse_connection_write(struct pulsar_connection *c)
{
    struct iovec parts[PARTS_MAX];
    size_t budget = WRITE_BYTES_MAX;
    size_t taken = 0;

    while (c->broken == HULSE_OK &&
           (!hulse_outflow_empty(&c->out) || hulse_stream_owes(&c->stream))) {
        const bool ping = c->out.ping;
        const size_t count = hulse_outflow_gather(&c->out, parts, PARTS_MAX);
        if (ping && !c->out.ping && c->ping_ns == 0) {
            c->ping_ns = hulse_clock_ns();
        }
        switch (hulse_stream_write(&c->stream, parts, count, &taken)) {
        case STREAM_OK:
            hulse_outflow_written(&c->out, taken);
            budget -= taken < budget ? taken : budget;
            if (budget == 0) {
                /* The watch fires at once, in the next round. */
                set_blocked(c, true);
                return true;
            }
            break;
        case STREAM_AGAIN:
            set_blocked(c, true);
            return true;
        default:
            hulse_connection_end(c, HULSE_IO, hulse_stream_why(&c->stream));
            return false;
        }
    }
    set_blocked(c, false);
    return true;
}

/* Smoothed as RFC 6298, 2.3, does. A PONG that was not asked for says nothing. */
void hulse_connection_ponged(struct pulsar_connection *c)
{
    if (c->ping_ns == 0) {
        return;
    }
    const uint64_t ns = hulse_clock_ns() - c->ping_ns;
    const uint64_t us = ns < NS_PER_US ? 1 : ns / NS_PER_US;
    c->ping_ns = 0;
    c->round_trip_us =
        c->round_trip_us == 0 ? us : (c->round_trip_us * (SMOOTH - 1) + us + SMOOTH / 2) / SMOOTH;
}

static void happened(struct watch *watch, uint32_t events)
{
    struct pulsar_connection *c = HULSE_CONTAINER(watch, struct pulsar_connection, watch);

    if ((events & ~(uint32_t)EPOLLOUT) != 0 && !hulse_connection_read(c)) {
        return;
    }
    if ((events & (uint32_t)EPOLLOUT) != 0 &&
        (!hulse_stream_owes(&c->stream) || hulse_connection_read(c))) {
        (void)hulse_connection_write(c);
    }
}

bool hulse_connection_listen(struct pulsar_connection *c)
{
    c->watch = (struct watch){.fd = c->stream.fd, .fire = happened};
    return hulse_loop_add(c->pool->loop, &c->watch, EPOLLIN);
}

void hulse_pulsar_send(struct pulsar_connection *c, struct pulsar_piece *piece)
{
    hulse_outflow_piece(&c->out, piece);
    hulse_connection_dirty(c);
}

bool hulse_pulsar_command(struct pulsar_connection *c, const Pulsar__BaseCommand *command)
{
    if (c->state != CONNECTION_READY || !hulse_outflow_command(&c->out, command, OUTFLOW_PLAIN)) {
        return false;
    }
    hulse_connection_dirty(c);
    return true;
}

uint64_t hulse_pulsar_unwritten(const struct pulsar_connection *c)
{
    return c->out.unwritten;
}
