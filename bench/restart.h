/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restart - how soon a daemon with many messages in its log is ready again.
 */
#ifndef HULSE_BENCH_RESTART_H
#define HULSE_BENCH_RESTART_H

#include "bench/disk.h"
#include "bench/run.h"

/*
 * Fills a log, ends the daemon, starts the next one, and reads everything back. Gives BENCH_OK, or
 * an exit code after having said why.
 */
int hulse_bench_restart(const struct run *run, const struct disk *disk, struct figures *f);

#endif
