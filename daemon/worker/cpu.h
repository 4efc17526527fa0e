/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu - how many CPUs this process may use: affinity mask and cgroup quota.
 *
 * Threads: any; reads files, no state.
 * Trust:   a limit that cannot be read or does not parse is no limit.
 */
#ifndef HULSE_WORKER_CPU_H
#define HULSE_WORKER_CPU_H

#include <stdint.h>

/* CPUs by affinity mask and by cgroup quota (v2 cpu.max, v1 cfs), at least one of each. */
struct cpu_limits {
    uint32_t affinity;    /* CPUs in the mask */
    uint32_t quota_milli; /* CPU quota x 1000; UINT32_MAX = none */
};

void hulse_cpu_limits(struct cpu_limits *out);
/* The smallest quota of the process's cgroups and their parents, below `root` ("" = the host). */
uint32_t hulse_cpu_quota_milli(const char *root);
/* Whole CPUs that may run at once: the quota rounded down, cut by the mask, at least 1. */
uint32_t hulse_cpu_usable(const struct cpu_limits *limits);
/* max(1, min(8, usable CPUs / 2)). */
uint32_t hulse_cpu_workers_auto(const struct cpu_limits *limits);

#endif
