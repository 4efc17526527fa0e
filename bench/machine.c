/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine - see machine.h.
 */
#include "bench/machine.h"

#include <dirent.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#define PING_PONG_ROUNDS 20000U
#define PING_PONG_TURNS 7U
#define CLOCK_READS 10000U

uint64_t hulse_bench_machine_now_ns(void)
{
    struct timespec t = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return ((uint64_t)t.tv_sec * 1000000000ULL) + (uint64_t)t.tv_nsec;
}

int hulse_bench_machine_cpu(const struct machine *m, unsigned n)
{
    return m->cpus[n % (unsigned)m->cpu_count];
}

static void pin(pid_t tid, int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    (void)sched_setaffinity(tid, sizeof set, &set);
}

void hulse_bench_machine_pin_self(int cpu)
{
    pin(0, cpu);
}

void hulse_bench_machine_pin_process(pid_t pid, int cpu)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return;
    }
    const struct dirent *e = NULL;
    while ((e = readdir(dir)) != NULL) {
        const long tid = strtol(e->d_name, NULL, 10);
        if (tid > 0) {
            pin((pid_t)tid, cpu);
        }
    }
    (void)closedir(dir);
}

struct court {
    alignas(128) _Atomic(uint32_t) ball;
    int cpu;
};

static void *play(void *arg)
{
    struct court *c = arg;

    hulse_bench_machine_pin_self(c->cpu);
    for (uint32_t i = 1; i < 2 * PING_PONG_ROUNDS; i += 2) {
        /* SYNC(bench.ball) acquire: alternates with the other player's release. */
        while (atomic_load_explicit(&c->ball, memory_order_acquire) != i) {
        }
        /* SYNC(bench.ball) release: hands the line over. */
        atomic_store_explicit(&c->ball, i + 1, memory_order_release);
    }
    return NULL;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double ping_pong(int cpu_a, int cpu_b)
{
    double turns[PING_PONG_TURNS];
    cpu_set_t before;

    (void)sched_getaffinity(0, sizeof before, &before);
    for (unsigned turn = 0; turn < PING_PONG_TURNS; turn++) {
        struct court c = {.cpu = cpu_b};
        pthread_t other;
        hulse_bench_machine_pin_self(cpu_a);
        if (pthread_create(&other, NULL, play, &c) != 0) {
            (void)sched_setaffinity(0, sizeof before, &before);
            return 0;
        }
        uint64_t from_ns = 0;
        for (uint32_t i = 0; i < 2 * PING_PONG_ROUNDS; i += 2) {
            if (i == PING_PONG_ROUNDS / 5 * 2) {
                from_ns = hulse_bench_machine_now_ns();
            }
            atomic_store_explicit(&c.ball, i + 1, memory_order_release);
            while (atomic_load_explicit(&c.ball, memory_order_acquire) != i + 2) {
            }
        }
        turns[turn] = (double)(hulse_bench_machine_now_ns() - from_ns) / (PING_PONG_ROUNDS * 0.8);
        (void)pthread_join(other, NULL);
    }
    (void)sched_setaffinity(0, sizeof before, &before);
    qsort(turns, PING_PONG_TURNS, sizeof turns[0], ascending);
    return turns[PING_PONG_TURNS / 2];
}

static double clock_cost(void)
{
    const uint64_t from_ns = hulse_bench_machine_now_ns();
    for (unsigned i = 0; i < CLOCK_READS; i++) {
        (void)hulse_bench_machine_now_ns();
    }
    return (double)(hulse_bench_machine_now_ns() - from_ns) / CLOCK_READS;
}

static void cpu_model(char *out, size_t bytes)
{
    char line[512];

    (void)snprintf(out, bytes, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (f == NULL) {
        return;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            line[strcspn(line, "\n")] = '\0';
            (void)snprintf(out, bytes, "%s", colon + 2);
            break;
        }
    }
    (void)fclose(f);
}

void hulse_bench_machine_look(struct machine *m)
{
    cpu_set_t set;
    struct utsname name;

    memset(m, 0, sizeof *m);
    CPU_ZERO(&set);
    (void)sched_getaffinity(0, sizeof set, &set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, &set)) {
            m->cpus[m->cpu_count++] = cpu;
        }
    }
    if (m->cpu_count == 0) {
        m->cpu_count = 1;
    }
    if (uname(&name) == 0) {
        (void)snprintf(m->kernel, sizeof m->kernel, "%s", name.release);
    }
    cpu_model(m->cpu_model, sizeof m->cpu_model);
    m->clock_ns = clock_cost();
    if (m->cpu_count > 1) {
        m->ping_pong_ns = ping_pong(m->cpus[0], m->cpus[1]);
    }
}
