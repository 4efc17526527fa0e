/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block - see the header.
 */
#include "daemon/broker/pulsar/producer/block.h"

#include "daemon/core/mem.h"

struct pulsar_block {
    struct pulsar_block *next;
};

/* PULSAR_BLOCK_CLASSES: it is larger than they are. */
static uint32_t class_of(uint32_t bytes, uint32_t *room)
{
    uint32_t size = PULSAR_BLOCK_SMALLEST;
    uint32_t class = 0;

    while (class < PULSAR_BLOCK_CLASSES && size < bytes) {
        size *= 4;
        class += 1;
    }
    *room = class < PULSAR_BLOCK_CLASSES ? size : bytes;
    return class;
}

void *hulse_pulsar_block_take(struct pulsar_blocks *b, uint32_t bytes, uint32_t *room)
{
    const uint32_t class = class_of(bytes, room);

    if (class < PULSAR_BLOCK_CLASSES && b->free[class] != NULL) {
        struct pulsar_block *block = b->free[class];
        b->free[class] = block->next;
        b->kept[class] -= 1;
        return block;
    }
    void *block = hulse_mem_alloc_sparing(HULSE_MEM_BROKER, *room);
    if (block == NULL) {
        /* What is kept is of other sizes. */
        hulse_pulsar_blocks_fini(b);
        block = hulse_mem_alloc_sparing(HULSE_MEM_BROKER, *room);
    }
    return block;
}

void hulse_pulsar_block_give(struct pulsar_blocks *b, void *block, uint32_t room)
{
    uint32_t size = 0;
    const uint32_t class = class_of(room, &size);

    if (block != NULL && class < PULSAR_BLOCK_CLASSES && size == room &&
        (uint64_t)b->kept[class] * room < PULSAR_BLOCK_KEPT_BYTES) {
        struct pulsar_block *freed = block;
        freed->next = b->free[class];
        b->free[class] = freed;
        b->kept[class] += 1;
        return;
    }
    hulse_pulsar_block_free(block, room);
}

void hulse_pulsar_block_free(void *block, uint32_t room)
{
    hulse_mem_free(HULSE_MEM_BROKER, block, room);
}

void hulse_pulsar_blocks_fini(struct pulsar_blocks *b)
{
    uint32_t size = PULSAR_BLOCK_SMALLEST;

    for (uint32_t class = 0; class < PULSAR_BLOCK_CLASSES; class ++, size *= 4) {
        while (b->free[class] != NULL) {
            struct pulsar_block *block = b->free[class];
            b->free[class] = block->next;
            hulse_pulsar_block_free(block, size);
        }
        b->kept[class] = 0;
    }
}
