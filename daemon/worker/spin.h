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

#include <stdint.h>

/* CPUs by affinity mask and by cgroup quota (v2 cpu.max, v1 cfs), rounded up to at least 1. */
struct cpu_limits {
    uint32_t affinity;   /* CPUs in the mask */
    uint32_t quota_milli; /* CPU quota x 1000; UINT32_MAX = none */
};

void hulse_cpu_limits(struct cpu_limits *out);
/* max(1, min(8, usable CPUs / 2)). */
uint32_t hulse_cpu_workers_auto(const struct cpu_limits *limits);
/* Median nanoseconds of one park and unpark between two threads (50 rounds). */
uint64_t hulse_spin_measure_ns(void);
/* The window: measured, clamped to [min, max]; 0 with fewer than 2 CPUs by quota or mask. */
uint64_t hulse_spin_window_ns(const struct cpu_limits *limits, uint64_t min_ns, uint64_t max_ns);

#endif
