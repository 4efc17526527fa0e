/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver - a crew member that consumes, verifies every byte, and reports its progress.
 *
 * Alone on its topic it is an Exclusive consumer that acknowledges cumulatively, each message where a
 * log is; with others a Shared one that acknowledges each message.
 */
#ifndef HULSE_BENCH_RECEIVER_H
#define HULSE_BENCH_RECEIVER_H

#include "bench/crew.h"

/* crew_work; `arg` is a struct worker_job. */
int hulse_bench_receiver_work(struct crew *crew, struct crew_member *me, const void *arg);

#endif
