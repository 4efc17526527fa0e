/* SPDX-License-Identifier: Apache-2.0 */
/*
 * goal - what one durable message at a time may cost on this machine, measured in the same run.
 *
 * A bare fdatasync, and four times a thread that sleeps and is woken: application to worker, worker
 * to writer, and back.
 */
#ifndef HULSE_BENCH_GOAL_H
#define HULSE_BENCH_GOAL_H

#include "bench/disk.h"
#include "bench/figures.h"

struct goal {
    struct histogram bare_ns;
    struct histogram park_ns;
};

void hulse_bench_goal_init(struct goal *g);
/* Adds a turn; the daemon is idle meanwhile. False: said why on stderr. */
bool hulse_bench_goal_measure(struct goal *g, const struct disk *disk, uint64_t duration_ns);
/* Fills what is known of it; the ratio is that of f->receipt_us. */
void hulse_bench_goal_figures(const struct goal *g, struct figures *f);

#endif
