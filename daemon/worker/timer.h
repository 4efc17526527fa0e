/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer - a hierarchical wheel of one thread; start, stop and expiry are O(1).
 *
 * Threads: the loop's. Times are CLOCK_MONOTONIC milliseconds.
 * Limits:  resolution 1 ms, never early. The levels span the 2^36 ms around now; a later time waits
 *          in a list of its own.
 */
#ifndef HULSE_WORKER_TIMER_H
#define HULSE_WORKER_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct timer {
    struct timer *next;
    struct timer **link; /* NULL while stopped */
    uint64_t due_ms;
    /* Called once, stopped; it may start, stop or free any timer. */
    void (*fire)(struct timer *timer);
};

#define HULSE_TIMER_LEVELS 6U
#define HULSE_TIMER_SLOTS 64U

struct timer_wheel {
    uint64_t now_ms;
    uint64_t occupied[HULSE_TIMER_LEVELS]; /* bit per slot */
    struct timer *slots[HULSE_TIMER_LEVELS][HULSE_TIMER_SLOTS];
    struct timer *beyond; /* due after the levels' span */
    struct timer *due;    /* expired and about to fire, in the order of their times */
    uint64_t count;
};

#define HULSE_TIMER_NEVER UINT64_MAX

void hulse_timer_wheel_init(struct timer_wheel *w, uint64_t now_ms);
/* Starts or restarts. A time that has passed fires at the next advance. */
void hulse_timer_start(struct timer_wheel *w, struct timer *t, uint64_t due_ms);
void hulse_timer_stop(struct timer_wheel *w, struct timer *t);
static inline bool hulse_timer_pending(const struct timer *t)
{
    return t->link != (struct timer **)0;
}
/* Fires everything due, earlier times first; returns how many. Not from within a fire(). */
unsigned hulse_timer_advance(struct timer_wheel *w, uint64_t now_ms);
/* A time not later than the next expiry, HULSE_TIMER_NEVER without timers. */
uint64_t hulse_timer_next(const struct timer_wheel *w);

#endif
