/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counts - see the header. Open addressing; removing closes the gap, so there are no marks of what
 * was there.
 */
#include "daemon/broker/local/counts.h"

#include "daemon/core/mem.h"

#include <string.h>

#define ROOM_MIN 16U

static size_t table_bytes(uint32_t room)
{
    return (size_t)room * sizeof(struct counts_slot);
}

/* Neighbours in position lie apart. */
static uint32_t home_of(const struct counts *c, uint64_t position)
{
    return (uint32_t)((position * UINT64_C(0x9e3779b97f4a7c15)) >> 32U) & (c->room - 1);
}

/* Where it is, or the empty slot where it belongs. There is always an empty one. */
static uint32_t find(const struct counts *c, uint64_t position)
{
    uint32_t at = home_of(c, position);
    while (c->slots[at].count != 0 && c->slots[at].position != position) {
        at = (at + 1) & (c->room - 1);
    }
    return at;
}

void hulse_counts_clear(struct counts *c)
{
    hulse_mem_free(HULSE_MEM_TOPIC, c->slots, table_bytes(c->room));
    *c = (struct counts){0};
}

uint32_t hulse_counts_get(const struct counts *c, uint64_t position)
{
    return c->used == 0 ? 0 : c->slots[find(c, position)].count;
}

static bool grow(struct counts *c)
{
    struct counts wider = {.room = c->room == 0 ? ROOM_MIN : c->room * 2};
    if (wider.room == 0) {
        return false;
    }
    wider.slots = hulse_mem_zalloc(HULSE_MEM_TOPIC, table_bytes(wider.room));
    if (wider.slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < c->room; i++) {
        if (c->slots[i].count != 0) {
            wider.slots[find(&wider, c->slots[i].position)] = c->slots[i];
        }
    }
    wider.used = c->used;
    hulse_mem_free(HULSE_MEM_TOPIC, c->slots, table_bytes(c->room));
    *c = wider;
    return true;
}

bool hulse_counts_set(struct counts *c, uint64_t position, uint32_t count)
{
    uint32_t at = 0;
    if (c->room != 0) {
        at = find(c, position);
        if (c->slots[at].count != 0) {
            c->slots[at].count = count;
            return true;
        }
    }
    /* At most two thirds full. */
    if ((uint64_t)(c->used + 1) * 3 > (uint64_t)c->room * 2) {
        if (!grow(c)) {
            return false;
        }
        at = find(c, position);
    }
    c->slots[at] = (struct counts_slot){.position = position, .count = count};
    c->used += 1;
    return true;
}

/* Empties a slot and moves what would not be found behind the gap. */
static void empty(struct counts *c, uint32_t gap)
{
    const uint32_t mask = c->room - 1;
    uint32_t at = gap;
    for (;;) {
        at = (at + 1) & mask;
        if (c->slots[at].count == 0) {
            break;
        }
        const uint32_t home = home_of(c, c->slots[at].position);
        /* From its home it is found up to here; is the gap on that way? */
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            c->slots[gap] = c->slots[at];
            gap = at;
        }
    }
    c->slots[gap] = (struct counts_slot){0};
    c->used -= 1;
    if (c->used == 0) {
        hulse_counts_clear(c);
    }
}

void hulse_counts_remove(struct counts *c, uint64_t position)
{
    if (c->used != 0) {
        const uint32_t at = find(c, position);
        if (c->slots[at].count != 0) {
            empty(c, at);
        }
    }
}

/* Emptying a slot may move into it what is behind it, and around the end what was looked at before. */
static void walk_table(struct counts *c, uint64_t first, uint64_t end)
{
    for (uint32_t i = 0; i < c->room;) {
        const struct counts_slot *slot = &c->slots[i];
        if (slot->count != 0 && slot->position >= first && slot->position < end) {
            empty(c, i);
        } else {
            i++;
        }
    }
}

void hulse_counts_remove_range(struct counts *c, uint64_t first, uint64_t end)
{
    if (c->used == 0 || first >= end) {
        return;
    }
    if (end - first > c->room) {
        walk_table(c, first, end);
        return;
    }
    for (uint64_t position = first; position < end && c->used != 0; position++) {
        hulse_counts_remove(c, position);
    }
}
