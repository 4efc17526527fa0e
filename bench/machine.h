/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine - the host of a measurement: CPUs, pinning, clock and cache-line cost, who it is.
 */
#ifndef HULSE_BENCH_MACHINE_H
#define HULSE_BENCH_MACHINE_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct machine {
    int cpus[CPU_SETSIZE]; /* those this process may use */
    int cpu_count;
    char kernel[128];
    char cpu_model[128];
    double ping_pong_ns; /* round trip of a cache line between the first two CPUs; 0 = one CPU */
    double clock_ns;     /* cost of one reading of the clock */
};

/* Fills *m; takes about 50 ms for the ping-pong. */
void hulse_bench_machine_look(struct machine *m);
/* The n-th CPU, taken round and round. */
int hulse_bench_machine_cpu(const struct machine *m, unsigned n);
/* Pins the calling thread. */
void hulse_bench_machine_pin_self(int cpu);
/* Pins every thread of another process. */
void hulse_bench_machine_pin_process(pid_t pid, int cpu);
/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t hulse_bench_machine_now_ns(void);

static inline void hulse_bench_machine_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
