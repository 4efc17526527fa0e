/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publisher - a crew member that publishes through the library and verifies its receipts.
 *
 * Without --window it sends what fits. A message is settled by its receipt, with --wait accepted
 * by the daemon's counters, and in mode local when a consumer has verified it: a publisher waits
 * for settled ones, so that a topic that may drop has no reason to.
 *
 * Latency is timed from the claim, with --rate from the moment at which the message was due.
 */
#ifndef HULSE_BENCH_PUBLISHER_H
#define HULSE_BENCH_PUBLISHER_H

#include "bench/crew.h"

struct worker_job {
    const struct bench_options *options;
    const char *socket;
    uint32_t patience; /* looks before a wait becomes a sleep */
};

/* crew_work; `arg` is a struct worker_job. */
int hulse_bench_publisher_work(struct crew *crew, struct crew_member *me, const void *arg);
/* Name of topic number `n`. */
void hulse_bench_publisher_topic(char *out,
                                 size_t bytes,
                                 const struct bench_options *o,
                                 uint32_t n);
/* Messages in flight per publisher, by option or by what the consumers' rings hold. */
uint64_t hulse_bench_publisher_window(const struct bench_options *o);
/* Share of publisher `index` in `total`: the first ones take the rest. */
uint64_t hulse_bench_publisher_share(uint64_t total, uint32_t publishers, uint32_t index);

#endif
