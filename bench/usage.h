/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage - what a process has used: CPU time and memory, from the kernel's own books.
 */
#ifndef HULSE_BENCH_USAGE_H
#define HULSE_BENCH_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct usage {
    double pss_mb;        /* proportional: shared pages are split between those who map them */
    double rss_mb;        /* the double mapping of a ring counts twice */
    double anon_shmem_mb; /* RssAnon + RssShmem */
};

/* False when the process is gone. Files that cannot be read leave -1. */
bool hulse_bench_usage_memory(pid_t pid, struct usage *out);
/* CPU time of all threads that ever ran in it, nanoseconds; 0 when it is gone. */
uint64_t hulse_bench_usage_cpu_ns(pid_t pid);
/* Bytes that it has caused to be written to disks; -1 when the kernel does not say. */
double hulse_bench_usage_written(pid_t pid);

#endif
