/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait - look, announce, look again, sleep.
 *
 * Threads: the group's.
 */
#include "shmlib/client/wait.h"

#include "shmlib/client/channel.h"

#include <poll.h>
#include <unistd.h>

#define LOOKS 200
#define SLICE_MS 1000
/* A wake-up may be on its way when a timeout finds the work; then it was not missed. */
#define LATE_MS 10
/* Another thread has the socket; it will have read it before this has passed. */
#define SOCKET_BUSY_MS 10

static inline void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* Session and channels: reads the socket, or goes on towards the next daemon. True: another has it. */
static bool tend(const struct hulse_waiter *w)
{
    struct hulse_session *s = w->group->session;

    if (w->channel == NULL) {
        hulse_group_tend(w->group);
        return false;
    }
    uint64_t fired = 0;
    const ssize_t got = read(w->group->timer, &fired, sizeof(fired));
    (void)got;
    const bool busy = hulse_session_tend(s) == HULSE_AGAIN;
    hulse_channel_drive(w->channel);
    return busy;
}

/* Sleeps once. Gives true when nothing happened in `slice_ms`. */
static bool sleep_once(const struct hulse_waiter *w, int slice_ms, bool *socket_busy)
{
    struct hulse_group *g = w->group;
    /* Relaxed because a dead descriptor wakes at once. */
    const bool mute = *socket_busy || atomic_load_explicit(&g->session->deaf, memory_order_relaxed);
    struct pollfd at[3] = {
        {.fd = atomic_load_explicit(&g->deaf, memory_order_relaxed) ? -1 : g->wake,
         .events = POLLIN},
        {.fd = mute ? -1 : g->session->sock, .events = POLLIN | POLLRDHUP},
        {.fd = g->timer, .events = POLLIN},
    };
    const int most_ms = *socket_busy && slice_ms > SOCKET_BUSY_MS ? SOCKET_BUSY_MS : slice_ms;
    const int rc = poll(at, 3, most_ms);
    const bool was_busy = *socket_busy;

    *socket_busy = false;
    if (rc <= 0) {
        return rc == 0 && !was_busy;
    }
    if (at[0].revents != 0) {
        hulse_group_drain(g);
    }
    if (at[1].revents != 0 || at[2].revents != 0) {
        *socket_busy = tend(w);
    }
    return false;
}

static bool attached(const struct hulse_waiter *w)
{
    return w->channel != NULL ? hulse_channel_attached(w->channel) : hulse_group_attached(w->group);
}

static bool wake_up_missing(const struct hulse_group *g)
{
    struct pollfd at = {.fd = g->wake, .events = POLLIN};

    return poll(&at, 1, LATE_MS) == 0;
}

static hulse_status run(const struct hulse_waiter *w, int timeout_ms)
{
    const struct hulse_deadline deadline = hulse_deadline_in(timeout_ms);
    const int looks = timeout_ms == 0 ? 1 : LOOKS;
    const char *why = NULL;
    bool socket_busy = false;
    bool idle = false;

    for (int i = 0; i < looks; i++) {
        const hulse_status st = w->ready(w->of);
        if (st != HULSE_AGAIN) {
            return st;
        }
        pause_cpu();
    }
    for (;;) {
        hulse_status st = idle ? w->ready(w->of) : HULSE_AGAIN;
        if (st != HULSE_AGAIN) {
            w->group->rechecks += st == HULSE_OK && wake_up_missing(w->group) ? 1 : 0;
            return st;
        }
        w->announce(w->of);
        st = w->ready(w->of);
        if (st != HULSE_AGAIN) {
            return st;
        }
        st = hulse_session_status(w->group->session, &why);
        if (st != HULSE_OK && st != HULSE_ORPHAN) {
            return st;
        }
        if (!attached(w)) {
            (void)tend(w);
        }
        const int slice_ms = hulse_deadline_left(deadline, SLICE_MS);
        if (slice_ms == 0) {
            return HULSE_TIMED_OUT;
        }
        idle = sleep_once(w, slice_ms, &socket_busy) && slice_ms == SLICE_MS;
    }
}

hulse_status hulse_waiter_run(const struct hulse_waiter *w, int timeout_ms)
{
    const hulse_status st = run(w, timeout_ms);

    if (w->channel != NULL && !hulse_group_attached(w->group)) {
        hulse_group_alarm(w->group, 1); /* which this wait may have taken from the group's thread */
    }
    return st;
}
