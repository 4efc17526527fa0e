/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload - what the options mean for each process: topic, share, window, ring.
 *
 * Threads: pure functions.
 */
#ifndef HULSE_BENCH_WORKLOAD_H
#define HULSE_BENCH_WORKLOAD_H

#include "bench/options.h"

#include <stddef.h>

#define BENCH_RECEIPTS_MAX 65536U

/* What a crew member that uses the daemon is given. */
struct worker_job {
    const struct bench_options *options;
    const char *socket;
    uint32_t patience; /* looks before a wait becomes a sleep */
};

/* Ring bytes of a publisher or consumer: by option, else what size and window need. */
uint32_t hulse_bench_ring_bytes(const struct bench_options *o);
/* Receipt slots that a publisher is to ask for; 0 = the daemon's default. */
uint32_t hulse_bench_receipts(const struct bench_options *o);
/* Messages in flight per publisher: by option, else what the consumers' rings hold. */
uint64_t hulse_bench_window(const struct bench_options *o);
/* Share of publisher `index` in `total`: the first ones take the rest. */
uint64_t hulse_bench_share(uint64_t total, uint32_t publishers, uint32_t index);
/* Name of topic number `n`. */
void hulse_bench_topic(char *out, size_t bytes, const struct bench_options *o, uint32_t n);
/* Do consumers get every message, and tell their publisher? */
bool hulse_bench_receives(const struct bench_options *o);
/* Does any consumer share its topic with another one? */
bool hulse_bench_shared(const struct bench_options *o);

#endif
