/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff - how long to wait before the next attempt: exponential, with full jitter.
 *
 * The n-th delay is uniform between the first step and min(max, first * 2^n); equal clients that lost the same broker
 * come back spread out (Brooker, "Exponential Backoff And Jitter").
 *
 * Threads: the owner's.
 */
#ifndef HULSE_PULSAR_BACKOFF_H
#define HULSE_PULSAR_BACKOFF_H

#include <stdint.h>

#define PULSAR_BACKOFF_FIRST_MS 100U
/* Official clients wait up to 60 s, each of them; here it is one attempt for all applications of a host. */
#define PULSAR_BACKOFF_MAX_MS 10000U

/* All zero: none has failed. */
struct backoff {
    uint32_t failures;
};

/* Of one thread. */
struct jitter {
    uint64_t state; /* not 0 */
};

/* From the system's randomness. */
void hulse_jitter_init(struct jitter *j);
uint64_t hulse_jitter_next(struct jitter *j);
/* Another failure: how long to wait. */
uint32_t hulse_backoff_ms(struct backoff *b, struct jitter *j);
static inline void hulse_backoff_reset(struct backoff *b)
{
    b->failures = 0;
}

#endif
