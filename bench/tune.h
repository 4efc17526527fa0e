/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tune - mode tune: ring sizes by flush batches through the daemon's null broker.
 */
#ifndef HULSE_BENCH_TUNE_H
#define HULSE_BENCH_TUNE_H

#include "bench/machine.h"
#include "bench/options.h"

/* Sweeps, prints the table and what it recommends; gives the exit code. */
int hulse_bench_tune(const struct bench_options *o, const struct machine *m);

#endif
