/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backlog - the messages that a subscription keeps in the log, and their way back.
 */
#ifndef HULSE_BENCH_BACKLOG_H
#define HULSE_BENCH_BACKLOG_H

#include "bench/figures.h"
#include "bench/workload.h"

/* Makes the subscription that keeps them. False: said why on stderr. */
bool hulse_bench_backlog_keep(const struct worker_job *job);
/*
 * Consumes all that `sent` counts, verifies and acknowledges it; fills received, lost, duplicates,
 * out_of_order and backlog_rate. Gives BENCH_OK, or an exit code after having said why.
 */
int hulse_bench_backlog_read(const struct worker_job *job, struct figures *f);

#endif
