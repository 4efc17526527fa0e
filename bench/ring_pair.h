/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring_pair - two crew members with one ring between them and nothing else: mode ring.
 *
 * Regions, records, publishing batches, doorbell fence and the reader's checks are those of the
 * product (shmlib/ring); receipts, copying and the daemon are left out. The reader compares every
 * byte instead of copying it.
 */
#ifndef HULSE_BENCH_RING_PAIR_H
#define HULSE_BENCH_RING_PAIR_H

#include "bench/crew.h"
#include "shmlib/ring/region.h"

struct ring_pair {
    const struct bench_options *options;
    uint32_t patience; /* looks before a wait yields the CPU */
    uint32_t ring_bytes;
    int fd_a;
    int fd_b;
};

/* Creates both memfds. False: said why. */
bool hulse_bench_ring_pair_open(struct ring_pair *pair, const struct bench_options *o);
void hulse_bench_ring_pair_close(struct ring_pair *pair);
/* crew_work of both ends; `arg` is the struct ring_pair. */
int hulse_bench_ring_pair_writer(struct crew *crew, struct crew_member *me, const void *arg);
int hulse_bench_ring_pair_reader(struct crew *crew, struct crew_member *me, const void *arg);

#endif
