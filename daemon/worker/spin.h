/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spin - how long it pays to spin before sleeping, measured on this host at start.
 *
 * Waking a sleeper costs its waker far more than a short spin; spinning as long as one park and
 * unpark cost is at most twice the optimum (2-competitive).
 *
 * Threads: any; blocks a few milliseconds.
 */
#ifndef HULSE_WORKER_SPIN_H
#define HULSE_WORKER_SPIN_H

#include "daemon/worker/cpu.h"

#include <stdint.h>

/* Median nanoseconds of one park and unpark between two threads (15 rounds); 0 if it failed. */
uint64_t hulse_spin_measure_ns(void);
/* The window: measured, clamped to [min, max]; 0 with fewer than 2 CPUs by quota or mask. */
uint64_t hulse_spin_window_ns(const struct cpu_limits *limits, uint64_t min_ns, uint64_t max_ns);

#endif
