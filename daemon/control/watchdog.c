/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watchdog - see watchdog.h.
 */
#include "daemon/control/watchdog.h"

#include "daemon/control/notify.h"
#include "daemon/core/assert.h"

#include <stdlib.h>
#include <unistd.h>

uint64_t hulse_watchdog_notify_ms(const char *usec, const char *pid)
{
    char *end = NULL;

    if (usec == NULL || usec[0] < '0' || usec[0] > '9') {
        return 0;
    }
    if (pid != NULL && strtoull(pid, NULL, 10) != (unsigned long long)getpid()) {
        return 0; /* meant for somebody else in this process tree */
    }
    const unsigned long long interval = strtoull(usec, &end, 10);
    /* Half of it, as sd_watchdog_enabled(3) advises; an interval of a day is none. */
    return *end != '\0' || interval > 86400000000ULL ? 0 : interval / 2000U;
}

uint64_t hulse_watchdog_late_ms(uint64_t now_ms, uint64_t beat_ms, uint64_t forgiven_ms)
{
    const uint64_t since = beat_ms > forgiven_ms ? beat_ms : forgiven_ms;

    return now_ms > since ? now_ms - since : 0;
}

bool hulse_watchdog_held_up(uint64_t now_ms, uint64_t ticked_ms, uint64_t tick_ms)
{
    return now_ms - ticked_ms > 2 * tick_ms;
}

static uint64_t tick_ms(const struct watchdog_params *p)
{
    return p->notify_every_ms != 0 && p->notify_every_ms < HULSE_WATCHDOG_TICK_MS
               ? p->notify_every_ms
               : HULSE_WATCHDOG_TICK_MS;
}

/* The worker that is latest. */
static uint32_t latest(const struct watchdog *w, uint64_t now_ms, uint64_t *late_ms)
{
    const struct crew *crew = w->params.crew;
    uint32_t worst = 0;

    *late_ms = 0;
    for (uint32_t i = 0; i < crew->count; i++) {
        /* Relaxed because only the number matters. */
        const uint64_t beat_ms =
            atomic_load_explicit(&crew->workers[i]->beat_ms, memory_order_relaxed);
        const uint64_t late = hulse_watchdog_late_ms(now_ms, beat_ms, w->forgiven_ms);
        if (late > *late_ms) {
            *late_ms = late;
            worst = i;
        }
    }
    return worst;
}

static void look(struct timer *timer)
{
    struct watchdog *w = HULSE_CONTAINER(timer, struct watchdog, timer);
    const struct watchdog_params *p = &w->params;
    const uint64_t now_ms = hulse_loop_now_ms(p->loop);
    uint64_t late_ms = 0;

    if (hulse_watchdog_held_up(now_ms, w->ticked_ms, tick_ms(p))) {
        w->forgiven_ms = now_ms;
    }
    w->ticked_ms = now_ms;
    const uint32_t worker = latest(w, now_ms, &late_ms);
    if (p->timeout_ms != 0 && late_ms > p->timeout_ms) {
        p->stuck(p->ctx, worker, late_ms);
    } else if (p->notify_every_ms != 0) {
        (void)hulse_notify(p->notify_socket, "WATCHDOG=1");
    }
    hulse_timer_start(&p->loop->timers, timer, now_ms + tick_ms(p));
}

void hulse_watchdog_start(struct watchdog *w, const struct watchdog_params *params)
{
    const uint64_t now_ms = hulse_loop_now_ms(params->loop);

    *w = (struct watchdog){.params = *params, .ticked_ms = now_ms, .forgiven_ms = now_ms};
    w->timer.fire = look;
    if (params->timeout_ms != 0 || params->notify_every_ms != 0) {
        hulse_timer_start(&params->loop->timers, &w->timer, now_ms + tick_ms(params));
    }
}

void hulse_watchdog_stop(struct watchdog *w)
{
    if (w->params.loop != NULL) {
        hulse_timer_stop(&w->params.loop->timers, &w->timer);
    }
}
