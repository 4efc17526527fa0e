/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publisher - a crew member that publishes through the library and verifies its receipts.
 *
 * Without --window it sends what fits. A message is settled by its receipt, with --wait accepted
 * by the daemon's counters, and where consumers are when one has verified it: a publisher waits
 * for settled ones, so that a topic that may drop has no reason to, and none has to be read back.
 *
 * Latency is timed from the claim, with --rate from the moment at which the message was due.
 */
#ifndef HULSE_BENCH_PUBLISHER_H
#define HULSE_BENCH_PUBLISHER_H

#include "bench/crew.h"

/* crew_work; `arg` is a struct worker_job. */
int hulse_bench_publisher_work(struct crew *crew, struct crew_member *me, const void *arg);

#endif
