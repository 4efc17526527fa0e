/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counts - how often each of some positions was redelivered; a hash table without order.
 *
 * Threads: one owner.
 * Limits:  memory is counted as HULSE_MEM_TOPIC, 16 to 48 bytes a position.
 */
#ifndef HULSE_BROKER_LOCAL_COUNTS_H
#define HULSE_BROKER_LOCAL_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

struct counts_slot {
    uint64_t position;
    uint32_t count; /* 0 = empty */
};

/* All zeros is an empty table. */
struct counts {
    struct counts_slot *slots;
    uint32_t room; /* a power of two */
    uint32_t used;
};

void hulse_counts_clear(struct counts *c);
/* 0 when it has none. */
uint32_t hulse_counts_get(const struct counts *c, uint64_t position);
/* `count` is not 0. False: no memory, nothing has changed. */
bool hulse_counts_set(struct counts *c, uint64_t position, uint32_t count);
void hulse_counts_remove(struct counts *c, uint64_t position);
/* All of [first, end); the cheaper of walking the table and walking the positions. */
void hulse_counts_remove_range(struct counts *c, uint64_t first, uint64_t end);

#endif
