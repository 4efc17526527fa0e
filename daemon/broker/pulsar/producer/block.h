/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block - the memory that entries lie in, of a few sizes, kept for the next one.
 *
 * Threads: the worker's.
 * Limits:  of each size at most PULSAR_BLOCK_KEPT_BYTES are kept; all of it counts as HULSE_MEM_BROKER.
 */
#ifndef HULSE_PULSAR_PRODUCER_BLOCK_H
#define HULSE_PULSAR_PRODUCER_BLOCK_H

#include <stdint.h>

#define PULSAR_BLOCK_CLASSES 6U
#define PULSAR_BLOCK_SMALLEST 256U /* each class has four times the one before */
#define PULSAR_BLOCK_KEPT_BYTES (2U << 20U)

struct pulsar_block; /* a free one */

/* All zero: empty. */
struct pulsar_blocks {
    struct pulsar_block *free[PULSAR_BLOCK_CLASSES];
    uint32_t kept[PULSAR_BLOCK_CLASSES];
};

/*
 * At least `bytes`, of which *room says how many there are. NULL: no memory now, but for what is left to others
 * (hulse_mem_alloc_sparing).
 */
void *hulse_pulsar_block_take(struct pulsar_blocks *b, uint32_t bytes, uint32_t *room);
/* NULL is harmless. */
void hulse_pulsar_block_give(struct pulsar_blocks *b, void *block, uint32_t room);
/* To the system, where there are no blocks any more. */
void hulse_pulsar_block_free(void *block, uint32_t room);
/* Of what is kept. */
void hulse_pulsar_blocks_fini(struct pulsar_blocks *b);

#endif
