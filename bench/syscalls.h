/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscalls - counts the system calls of running processes, by attaching strace -c.
 *
 * The counted processes are slowed where they make calls, so the pass is never a timed one.
 */
#ifndef HULSE_BENCH_SYSCALLS_H
#define HULSE_BENCH_SYSCALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct syscalls {
    pid_t tracer; /* 0 = not attached */
    char file[64];
};

/* Attaches to all threads of `count` processes. False: no strace, or it may not attach. */
bool hulse_bench_syscalls_begin(struct syscalls *s, const pid_t *pids, unsigned count);
/* Detaches; gives the calls made meanwhile, or -1. */
double hulse_bench_syscalls_end(struct syscalls *s);

#endif
