/* SPDX-License-Identifier: Apache-2.0 */
/*
 * survivor - a crew member that keeps its window full while its daemon is killed again and again.
 *
 * Each message has exactly one receipt, in order, whichever daemon gave it.
 *
 * Threads: one per process; the board is in memory that leader and survivor share.
 */
#ifndef HULSE_BENCH_SURVIVOR_H
#define HULSE_BENCH_SURVIVOR_H

#include "bench/crew.h"
#include "bench/workload.h"

struct survivor_board {
    /* Written by: leader. Read by: survivor. */
    _Atomic(uint32_t) killed; /* daemons that are dead for certain */
    uint64_t kill_ns;         /* when the last one was killed */

    /* Written by: survivor. Read by: leader. */
    alignas(128) _Atomic(uint32_t) resumed; /* kills after which a receipt came */
    struct histogram resume_ns;             /* from the hang-up seen */
    struct histogram outage_ns;             /* from the kill */
};

struct survivor_job {
    struct worker_job worker;
    struct survivor_board *board;
};

/* Shared memory; NULL without. */
struct survivor_board *hulse_bench_survivor_board_create(void);
void hulse_bench_survivor_board_destroy(struct survivor_board **board);

/* crew_work; `arg` is a struct survivor_job. Starts with CREW_WARM, ends with CREW_END. */
int hulse_bench_survivor_work(struct crew *crew, struct crew_member *me, const void *arg);

#endif
