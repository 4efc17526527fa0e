/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block - how frames lie in a segment: a row of 4 KiB blocks, each with a header of 8 bytes.
 *
 *   0 u32 generation   4 u16 offset of the first frame that begins in this block, 0: none   6 u16 check
 *
 * Block 0 is the segment's own header (segment.h). A frame begins at a multiple of 8 where its whole header
 * fits into the block; its body runs on behind the headers of the blocks that follow.
 *
 * Threads: pure.
 * Trust:   hulse_block_valid() judges bytes that may be anything.
 */
#ifndef HULSE_STORE_BLOCK_H
#define HULSE_STORE_BLOCK_H

#include "daemon/store/frame.h"

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_BYTES 4096U
#define BLOCK_HEADER_BYTES 8U

/* What is left of the block that `offset` is in; a whole one at its beginning. */
static inline uint32_t hulse_block_left(uint64_t offset)
{
    return BLOCK_BYTES - (uint32_t)(offset % BLOCK_BYTES);
}

/* Where a frame begins that is appended at `offset`. */
static inline uint64_t hulse_block_place(uint64_t offset)
{
    const uint32_t in_block = (uint32_t)(offset % BLOCK_BYTES);

    if (in_block == 0) {
        return offset + BLOCK_HEADER_BYTES;
    }
    if (BLOCK_BYTES - in_block < FRAME_HEADER_BYTES) {
        return offset - in_block + BLOCK_BYTES + BLOCK_HEADER_BYTES;
    }
    return offset;
}

/* Where what follows is appended behind a frame of `length` bytes that begins at `start`. */
static inline uint64_t hulse_block_behind(uint64_t start, uint32_t length)
{
    const uint32_t here = BLOCK_BYTES - (uint32_t)(start % BLOCK_BYTES);
    const uint32_t padded = (length + FRAME_ALIGNMENT - 1) / FRAME_ALIGNMENT * FRAME_ALIGNMENT;

    if (padded <= here) {
        return start + padded;
    }
    const uint32_t rest = padded - here;
    const uint32_t full = rest / (BLOCK_BYTES - BLOCK_HEADER_BYTES);
    const uint32_t part = rest % (BLOCK_BYTES - BLOCK_HEADER_BYTES);
    return start + here + (uint64_t)full * BLOCK_BYTES +
           (part == 0 ? 0 : BLOCK_HEADER_BYTES + part);
}

/* Which block header is meant: where it is, and in which use of which file. */
struct block_id {
    uint32_t offset; /* of the block in the segment */
    uint32_t generation;
    uint32_t salt;
};

void hulse_block_put(uint8_t *block, const struct block_id *id, uint16_t first);
/* False: not written in this use of the segment, or damaged. */
bool hulse_block_valid(const uint8_t *block, const struct block_id *id, uint16_t *first);

#endif
