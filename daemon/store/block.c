/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block - see the header.
 */
#include "daemon/store/block.h"

#include "daemon/core/bytes.h"

enum { OFF_GENERATION = 0, OFF_FIRST = 4, OFF_CHECK = 6 };

static_assert(BLOCK_BYTES % FRAME_ALIGNMENT == 0 && BLOCK_HEADER_BYTES % FRAME_ALIGNMENT == 0,
              "what is left of a block is a multiple of the alignment");

static uint16_t check_of(const uint8_t *block, const struct block_id *id)
{
    return (uint16_t)hulse_crc32c(hulse_frame_seed(id->salt, id->offset), block, OFF_CHECK);
}

void hulse_block_put(uint8_t *block, const struct block_id *id, uint16_t first)
{
    hulse_put32(block + OFF_GENERATION, id->generation);
    hulse_put16(block + OFF_FIRST, first);
    hulse_put16(block + OFF_CHECK, check_of(block, id));
}

bool hulse_block_valid(const uint8_t *block, const struct block_id *id, uint16_t *first)
{
    if (hulse_get32(block + OFF_GENERATION) != id->generation ||
        hulse_get16(block + OFF_CHECK) != check_of(block, id)) {
        return false;
    }
    *first = hulse_get16(block + OFF_FIRST);
    return *first == 0 || (*first >= BLOCK_HEADER_BYTES && *first % FRAME_ALIGNMENT == 0 &&
                           *first <= BLOCK_BYTES - FRAME_HEADER_BYTES);
}
