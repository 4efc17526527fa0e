/* SPDX-License-Identifier: Apache-2.0 */
/*
 * neighbour - a crew member that uses the daemon beside the measured publisher, well or badly.
 *
 * The hostile kinds speak the control protocol themselves and come back when they are thrown out.
 */
#ifndef HULSE_BENCH_NEIGHBOUR_H
#define HULSE_BENCH_NEIGHBOUR_H

#include "bench/crew.h"

/*
 * crew_work; `arg` is a struct worker_job. Sets me->sent to what it did and me->stalls to the
 * number of times it was thrown out.
 */
int hulse_bench_neighbour_work(struct crew *crew, struct crew_member *me, const void *arg);

#endif
