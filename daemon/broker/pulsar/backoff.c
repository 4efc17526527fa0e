/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff - see the header.
 */
#include "daemon/broker/pulsar/backoff.h"

#include <sys/random.h>
#include <time.h>

/* 100 ms doubled so often is above the maximum. */
#define DOUBLINGS_MAX 10U

void hulse_jitter_init(struct jitter *j)
{
    j->state = 0;
    if (getrandom(&j->state, sizeof(j->state), 0) != (ssize_t)sizeof(j->state)) {
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        j->state = (uint64_t)now.tv_nsec;
    }
    j->state |= 1;
}

/* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled"). */
uint64_t hulse_jitter_next(struct jitter *j)
{
    uint64_t x = j->state;
    x ^= x >> 12U;
    x ^= x << 25U;
    x ^= x >> 27U;
    j->state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

uint32_t hulse_backoff_ms(struct backoff *b, struct jitter *j)
{
    b->failures += b->failures < DOUBLINGS_MAX ? 1U : 0U;
    uint32_t bound = PULSAR_BACKOFF_FIRST_MS << b->failures;
    if (bound > PULSAR_BACKOFF_MAX_MS) {
        bound = PULSAR_BACKOFF_MAX_MS;
    }
    const uint32_t span = bound - PULSAR_BACKOFF_FIRST_MS + 1U;
    return PULSAR_BACKOFF_FIRST_MS + (uint32_t)((hulse_jitter_next(j) >> 32U) * span >> 32U);
}
