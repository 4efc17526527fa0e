/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - one run of a mode from an empty machine to its figures.
 */
#ifndef HULSE_BENCH_RUN_H
#define HULSE_BENCH_RUN_H

#include "bench/figures.h"
#include "bench/machine.h"

struct run {
    const struct bench_options *options;
    const struct machine *machine;
    struct histograms *histograms; /* added to; NULL = not wanted */
    bool idle;                     /* measure the idle daemon first */
    bool traced;                   /* count system calls; nothing else of it is to be believed */
};

/* Runs; *out becomes its figures. Gives BENCH_OK, or an exit code after having said why. */
int hulse_bench_run_once(const struct run *run, struct figures *out);

#endif
