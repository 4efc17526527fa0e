/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inflow - what was read of a connection and not yet understood.
 *
 * Grows with what comes, up to the frame that has begun; a size that was only announced takes no memory.
 *
 * Threads: the worker's. Counted as HULSE_MEM_BROKER.
 */
#ifndef HULSE_PULSAR_CONNECTION_INFLOW_H
#define HULSE_PULSAR_CONNECTION_INFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PULSAR_INFLOW_BYTES 65536U

/* All zero: nothing is held. */
struct inflow {
    uint8_t *data;
    size_t room;
    size_t begin; /* what is not understood yet: [begin, end) */
    size_t end;
};

/* Makes room behind `end` towards what is there being `wanted` bytes. False: no memory. */
bool hulse_inflow_reserve(struct inflow *in, size_t wanted);
/* `bytes` of it are done with. */
void hulse_inflow_take(struct inflow *in, size_t bytes);
/* Gives back what large frames have left. */
void hulse_inflow_shrink(struct inflow *in);
void hulse_inflow_fini(struct inflow *in);

#endif
