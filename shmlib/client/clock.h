/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock - the two monotonic clocks of the library, and deadlines.
 *
 * Threads: pure functions.
 */
#ifndef HULSE_CLIENT_CLOCK_H
#define HULSE_CLIENT_CLOCK_H

#include <stdint.h>
#include <time.h>

#define HULSE_NS_PER_MS UINT64_C(1000000)
#define HULSE_NS_PER_S UINT64_C(1000000000)

static inline uint64_t hulse_clock_ns(clockid_t clock)
{
    struct timespec t = {0};

    (void)clock_gettime(clock, &t);
    return ((uint64_t)t.tv_sec * HULSE_NS_PER_S) + (uint64_t)t.tv_nsec;
}

/* A point in time that a wait must not pass. */
struct hulse_deadline {
    uint64_t at_ms; /* UINT64_MAX = never */
};

static inline struct hulse_deadline hulse_deadline_in(int timeout_ms)
{
    if (timeout_ms < 0) {
        return (struct hulse_deadline){UINT64_MAX};
    }
    const uint64_t now_ms = hulse_clock_ns(CLOCK_MONOTONIC) / HULSE_NS_PER_MS;
    return (struct hulse_deadline){now_ms + (uint64_t)timeout_ms};
}

/* Milliseconds left, at most `most_ms`; 0 when it has passed. */
static inline int hulse_deadline_left(struct hulse_deadline d, int most_ms)
{
    if (d.at_ms == UINT64_MAX) {
        return most_ms;
    }
    const uint64_t now_ms = hulse_clock_ns(CLOCK_MONOTONIC) / HULSE_NS_PER_MS;
    if (now_ms >= d.at_ms) {
        return 0;
    }
    return d.at_ms - now_ms < (uint64_t)most_ms ? (int)(d.at_ms - now_ms) : most_ms;
}

#endif
