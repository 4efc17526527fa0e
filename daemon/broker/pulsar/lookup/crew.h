/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crew - what the workers have of a broker's lookups, by their index.
 *
 * Threads: each of `lookups` is its worker's; control, which waits for a worker's start and end, takes the worker from it,
 *          and other workers look whether it is there. `quiet` as lookups.h says.
 */
#ifndef HULSE_PULSAR_LOOKUP_CREW_H
#define HULSE_PULSAR_LOOKUP_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PULSAR_WORKERS_MAX 64U

struct pulsar_lookups;

/* All zero: no worker has started. */
struct pulsar_crew {
    _Atomic(uint32_t) count; /* of the workers there will be */
    _Atomic(struct pulsar_lookups *) lookups[PULSAR_WORKERS_MAX];
    /* [a][b]: a has done to b's inbox all it ever will. */
    _Atomic(bool) quiet[PULSAR_WORKERS_MAX][PULSAR_WORKERS_MAX];
};

#endif
