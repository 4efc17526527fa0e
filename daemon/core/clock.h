/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock - the three clocks the daemon uses.
 *
 * Threads: any; no state.
 */
#ifndef HULSE_CORE_CLOCK_H
#define HULSE_CORE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC, nanoseconds; about 20 ns. */
uint64_t hulse_clock_ns(void);
/* CLOCK_MONOTONIC_COARSE, nanoseconds, resolution about 4 ms; about 5 ns. */
uint64_t hulse_clock_coarse_ns(void);
/* CLOCK_REALTIME, nanoseconds and milliseconds since the Unix epoch. */
uint64_t hulse_clock_wall_ns(void);
uint64_t hulse_clock_wall_ms(void);

#endif
