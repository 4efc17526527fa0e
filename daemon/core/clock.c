/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock - see the header.
 */
#include "daemon/core/clock.h"

#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec now;

    /* Fails only for a clock that does not exist; these three do. */
    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t hulse_clock_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t hulse_clock_coarse_ns(void)
{
    return read_ns(CLOCK_MONOTONIC_COARSE);
}

uint64_t hulse_clock_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

uint64_t hulse_clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000U;
}
