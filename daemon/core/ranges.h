/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ranges - a set of 64-bit numbers kept as sorted, disjoint, non-adjacent half-open ranges.
 *
 * Made for cursors: almost everything below some number, and a few islands above. Adding at the end
 * or to the first range costs O(1), elsewhere a binary search and a move of what follows.
 *
 * Threads: one owner.
 * Limits:  memory is plain heap, grown by doubling, 16 bytes a range; who bounds it looks at `count`.
 */
#ifndef HULSE_CORE_RANGES_H
#define HULSE_CORE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
    uint64_t first;
    uint64_t end; /* exclusive, > first */
};

/* All zeros is an empty set. */
struct ranges {
    struct range *list;
    uint32_t count;
    uint32_t room;
};

/* Frees; empty afterwards. */
void hulse_ranges_clear(struct ranges *r);
/* [first, end) is in the set afterwards; an empty range changes nothing. False: no memory, nothing has changed. */
bool hulse_ranges_add(struct ranges *r, uint64_t first, uint64_t end);
/* All of another set. False: no memory; some may have been added. */
bool hulse_ranges_add_all(struct ranges *r, const struct ranges *other);
bool hulse_ranges_has(const struct ranges *r, uint64_t n);
/* The smallest number >= n that is not in the set. */
uint64_t hulse_ranges_next_gap(const struct ranges *r, uint64_t n);
/* How many numbers of [first, end) are in the set. */
uint64_t hulse_ranges_count(const struct ranges *r, uint64_t first, uint64_t end);
/* A copy into an empty set. False: no memory. */
bool hulse_ranges_copy(struct ranges *to, const struct ranges *from);

#endif
