/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro - what the benchmarks of single modules share.
 *
 *     int main(int argc, char **argv)
 *     {
 *         struct micro m;
 *         micro_begin(&m, "timer", argc, argv);
 *         const uint64_t ops = micro_ops(&m, 1000000, 1000);
 *         micro_run(&m, "start_stop", ops, body, &argument);
 *         return micro_end(&m);
 *     }
 *
 * With --smoke everything is tiny and runs once: CTest shows that it works. Otherwise a case runs
 * MICRO_RUNS times and the median counts. A body checks that what went in came out
 * (micro_require). The last line is JSON; "ns_per_op" is that of the first case.
 *
 * Threads: one.
 */
#ifndef HULSE_BENCH_MICRO_H
#define HULSE_BENCH_MICRO_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MICRO_CASES_MAX 16U
#define MICRO_RUNS 5U

struct micro_case {
    const char *name;
    uint64_t ops;
    double ns_per_op;
};

struct micro {
    const char *name;
    bool smoke;
    unsigned runs;
    unsigned count;
    struct micro_case cases[MICRO_CASES_MAX];
};

static inline uint64_t micro_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Ends the program with 1 when something was lost, doubled or wrong. */
static inline void micro_require(bool condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "failed: %s\n", what);
        exit(1); /* NOLINT(concurrency-mt-unsafe) */
    }
}

static inline void micro_begin(struct micro *m, const char *name, int argc, char **argv)
{
    *m = (struct micro){.name = name, .runs = MICRO_RUNS};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--smoke") != 0) {
            (void)fprintf(stderr, "usage: bench_%s [--smoke]\n", name);
            exit(64); /* NOLINT(concurrency-mt-unsafe) */
        }
        m->smoke = true;
        m->runs = 1;
    }
    printf("%s: median of %u, %ld CPUs, compiler %s%s\n",
           name,
           m->runs,
           sysconf(_SC_NPROCESSORS_ONLN),
           __VERSION__,
#if defined(HULSE_SANITIZED) || !defined(__OPTIMIZE__)
           ", NOT an optimised build"
#else
           ""
#endif
    );
}

static inline uint64_t micro_ops(const struct micro *m, uint64_t full, uint64_t smoke)
{
    return m->smoke ? smoke : full;
}

static inline int micro_compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Takes a figure that was measured otherwise. */
static inline void micro_add(struct micro *m, const char *name, uint64_t ops, double ns_per_op)
{
    micro_require(m->count < MICRO_CASES_MAX, "too many cases");
    m->cases[m->count++] = (struct micro_case){.name = name, .ops = ops, .ns_per_op = ns_per_op};
    printf("  %-24s %10.2f ns/op  %12" PRIu64 " ops\n", name, ns_per_op, ops);
}

/* Runs the body, which does `ops` operations, and takes its time per operation. */
static inline void micro_run(struct micro *m,
                             const char *name,
                             uint64_t ops,
                             void (*body)(void *argument, uint64_t ops),
                             void *argument)
{
    uint64_t samples[MICRO_RUNS];

    for (unsigned i = 0; i < m->runs; i++) {
        const uint64_t begun_ns = micro_now_ns();
        body(argument, ops);
        samples[i] = micro_now_ns() - begun_ns;
    }
    qsort(samples, m->runs, sizeof(samples[0]), micro_compare);
    const uint64_t median_ns = samples[m->runs / 2];
    micro_add(m, name, ops, (double)median_ns / (double)ops);
}

/* Prints the JSON line; gives what main() returns. */
static inline int micro_end(const struct micro *m)
{
    printf("{\"name\":\"%s\",\"ns_per_op\":%.3f,\"smoke\":%s,\"runs\":%u,\"cases\":[",
           m->name,
           m->count == 0 ? 0.0 : m->cases[0].ns_per_op,
           m->smoke ? "true" : "false",
           m->runs);
    for (unsigned i = 0; i < m->count; i++) {
        printf("%s{\"name\":\"%s\",\"ns_per_op\":%.3f,\"ops\":%" PRIu64 "}",
               i == 0 ? "" : ",",
               m->cases[i].name,
               m->cases[i].ns_per_op,
               m->cases[i].ops);
    }
    printf("]}\n");
    return fflush(stdout) == 0 ? 0 : 1;
}

/* xorshift64*: the same sequence in every run. */
static inline uint64_t micro_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1DU;
}

#endif
