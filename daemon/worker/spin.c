/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spin - see the header.
 */
#include "daemon/worker/spin.h"

#include "daemon/core/clock.h"
#include "daemon/core/thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    WARM_UP = 5, /* the first rounds pay for page faults and a cold scheduler */
    ROUNDS = 15  /* a start waits for them */
};

struct pair {
    int there;
    int back;
    int echo_cpu; /* -1 = anywhere */
};

/* Waits for a signal; false when the descriptor is broken. */
static bool wait_for(int fd)
{
    uint64_t value = 0;
    ssize_t got = 0;

    do {
        got = read(fd, &value, sizeof(value));
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(value);
}

static bool signal_to(int fd)
{
    const uint64_t one = 1;

    return write(fd, &one, sizeof(one)) == (ssize_t)sizeof(one);
}

/* Where it cannot be had the figure is a little off; nothing else depends on it. */
static void run_on(int cpu)
{
    cpu_set_t set;

    if (cpu >= 0) {
        CPU_ZERO(&set);
        CPU_SET((size_t)cpu, &set);
        (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    }
}

/* The first CPU of the mask behind `after`, or -1. */
static int next_cpu(const cpu_set_t *mask, int after)
{
    for (int cpu = after + 1; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, mask)) {
            return cpu;
        }
    }
    return -1;
}

static void *echo(void *argument)
{
    const struct pair *pair = argument;

    run_on(pair->echo_cpu);
    for (int i = 0; i < WARM_UP + ROUNDS; i++) {
        if (!wait_for(pair->there) || !signal_to(pair->back)) {
            break;
        }
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* A round is two wake-ups, one of each thread, each of which slept. */
static uint64_t median_ns(const struct pair *pair)
{
    uint64_t samples[ROUNDS];

    for (int i = 0; i < WARM_UP + ROUNDS; i++) {
        const uint64_t begun = hulse_clock_ns();
        if (!signal_to(pair->there) || !wait_for(pair->back)) {
            return 0;
        }
        if (i >= WARM_UP) {
            samples[i - WARM_UP] = (hulse_clock_ns() - begun) / 2;
        }
    }
    qsort(samples, ROUNDS, sizeof(samples[0]), compare);
    return samples[ROUNDS / 2];
}

uint64_t hulse_spin_measure_ns(void)
{
    struct pair pair = {
        .there = eventfd(0, EFD_CLOEXEC), .back = eventfd(0, EFD_CLOEXEC), .echo_cpu = -1};
    uint64_t result = 0;
    pthread_t thread;
    cpu_set_t mask;

    /* On one CPU a wake-up is a mere switch; what spinning saves is waking another one. */
    const bool known = pthread_getaffinity_np(pthread_self(), sizeof(mask), &mask) == 0;
    const int here = known ? next_cpu(&mask, -1) : -1;
    if (here >= 0) {
        pair.echo_cpu = next_cpu(&mask, here);
        run_on(pair.echo_cpu >= 0 ? here : -1);
    }
    if (pair.there >= 0 && pair.back >= 0 &&
        hulse_thread_start(&thread, "hulse-measure", echo, &pair) == 0) {
        result = median_ns(&pair);
        (void)pthread_join(thread, NULL);
    }
    if (known) {
        (void)pthread_setaffinity_np(pthread_self(), sizeof(mask), &mask);
    }
    if (pair.there >= 0) {
        (void)close(pair.there);
    }
    if (pair.back >= 0) {
        (void)close(pair.back);
    }
    return result;
}

uint64_t hulse_spin_window_ns(const struct cpu_limits *limits, uint64_t min_ns, uint64_t max_ns)
{
    /* Spinning on a quota earns throttling; on a single CPU it keeps the peer from running. */
    if (hulse_cpu_usable(limits) < 2) {
        return 0;
    }
    const uint64_t measured = hulse_spin_measure_ns();
    return measured < min_ns ? min_ns : measured > max_ns ? max_ns : measured;
}
