/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watchdog - notices a worker that does not turn any more, and tells the service manager that all do.
 *
 * A worker beats every 500 ms. One whose last beat is older than the timeout is stuck: the process
 * ends, because its sessions can go on only with another one (ipc C2). When the watchdog itself comes
 * late, the whole process was stopped, and the workers get their time anew.
 *
 * Threads: control; what judges is pure.
 * See:     sd_watchdog_enabled(3) for WATCHDOG_USEC.
 */
#ifndef HULSE_CONTROL_WATCHDOG_H
#define HULSE_CONTROL_WATCHDOG_H

#include "daemon/control/crew.h"
#include "daemon/worker/loop.h"

#include <stdbool.h>
#include <stdint.h>

#define HULSE_WATCHDOG_TICK_MS 1000U

struct watchdog_params {
    struct loop *loop;
    const struct crew *crew;
    uint64_t timeout_ms;       /* 0 = a stuck worker is nobody's business */
    const char *notify_socket; /* $NOTIFY_SOCKET, or NULL */
    uint64_t notify_every_ms;  /* 0 = the service manager does not watch */
    /* A worker is stuck; called once for each tick that finds one. */
    void (*stuck)(void *ctx, uint32_t worker, uint64_t late_ms);
    void *ctx;
};

struct watchdog {
    struct watchdog_params params;
    struct timer timer;
    uint64_t ticked_ms;   /* the last tick */
    uint64_t forgiven_ms; /* beats before this do not count */
};

/* Between notifications, from WATCHDOG_USEC and WATCHDOG_PID; 0 = none are wanted. */
uint64_t hulse_watchdog_notify_ms(const char *usec, const char *pid);

/* Starts to look; harmless with neither timeout nor notifications. */
void hulse_watchdog_start(struct watchdog *w, const struct watchdog_params *params);
/* Harmless when it was not started. */
void hulse_watchdog_stop(struct watchdog *w);

/* How late a beat is at `now_ms`, seen by a watchdog that forgave everything until `forgiven_ms`. */
uint64_t hulse_watchdog_late_ms(uint64_t now_ms, uint64_t beat_ms, uint64_t forgiven_ms);
/* Was the watchdog itself held up, so that old beats prove nothing? */
bool hulse_watchdog_held_up(uint64_t now_ms, uint64_t ticked_ms, uint64_t tick_ms);

#endif
