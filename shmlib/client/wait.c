/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait - look, announce, look again, sleep.
 *
 * Threads: the group's.
 */
#include "shmlib/client/wait.h"

#include "shmlib/client/clock.h"

#include <poll.h>

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

/* Sleeps once. Gives true when nothing happened in `slice_ms`. */
static bool sleep_once(struct hulse_group *g, int slice_ms, bool *socket_busy)
{
    struct pollfd at[2] = {
        {.fd = g->wake, .events = POLLIN},
        {.fd = *socket_busy ? -1 : g->session->sock, .events = POLLIN | POLLRDHUP},
    };
    const int most_ms = *socket_busy && slice_ms > SOCKET_BUSY_MS ? SOCKET_BUSY_MS : slice_ms;
    const int rc = poll(at, 2, most_ms);
    const bool was_busy = *socket_busy;

    *socket_busy = false;
    if (rc <= 0) {
        return rc == 0 && !was_busy;
    }
    if (at[0].revents != 0) {
        hulse_group_drain(g);
    }
    if (at[1].revents != 0) {
        *socket_busy = hulse_session_tend(g->session) == HULSE_AGAIN;
    }
    return false;
}

static bool wake_up_missing(const struct hulse_group *g)
{
    struct pollfd at = {.fd = g->wake, .events = POLLIN};

    return poll(&at, 1, LATE_MS) == 0;
}

hulse_status hulse_waiter_run(const struct hulse_waiter *w, int timeout_ms)
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
        if (st != HULSE_OK) {
            return st;
        }
        const int slice_ms = hulse_deadline_left(deadline, SLICE_MS);
        if (slice_ms == 0) {
            return HULSE_TIMED_OUT;
        }
        idle = sleep_once(w->group, slice_ms, &socket_busy) && slice_ms == SLICE_MS;
    }
}
