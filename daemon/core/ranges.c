/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/ranges.h"

#include "daemon/core/assert.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 4 };

void hulse_ranges_clear(struct ranges *r)
{
    free(r->list);
    *r = (struct ranges){0};
}

/* The first range that ends at n or later: the only one that can hold n or end where n begins. */
static uint32_t reaching(const struct ranges *r, uint64_t n)
{
    uint32_t low = 0;
    uint32_t high = r->count;

    if (r->count > 0 && r->list[0].end >= n) {
        return 0;
    }
    if (r->count > 0 && r->list[r->count - 1].end < n) {
        return r->count;
    }
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (r->list[middle].end >= n) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* How many ranges from `at` on begin at `end` or before: what a range that ends there swallows. */
static uint32_t swallowed(const struct ranges *r, uint32_t at, uint64_t end)
{
    uint32_t low = at;
    uint32_t high = r->count;

    while (low < high && r->list[low].first <= end) {
        /* Nearly always none or one, so look at the next before the middle. */
        if (low + 1 < high && r->list[low + 1].first > end) {
            return low + 1 - at;
        }
        const uint32_t middle = low + (high - low) / 2;
        if (r->list[middle].first <= end) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low - at;
}

static bool grow(struct ranges *r)
{
    if (r->room > UINT32_MAX / 2) {
        return false;
    }
    const uint32_t room = r->room == 0 ? ROOM_FIRST : r->room * 2;
    struct range *list = realloc(r->list, room * sizeof(*list));
    if (list == NULL) {
        return false;
    }
    r->list = list;
    r->room = room;
    return true;
}

bool hulse_ranges_add(struct ranges *r, uint64_t first, uint64_t end)
{
    HULSE_ASSERT(r->count <= r->room);
    if (first >= end) {
        return true;
    }

    const uint32_t at = reaching(r, first);
    const uint32_t taken = swallowed(r, at, end);
    if (taken == 0) {
        if (r->count == r->room && !grow(r)) {
            return false;
        }
        memmove(r->list + at + 1, r->list + at, (r->count - at) * sizeof(*r->list));
        r->list[at] = (struct range){.first = first, .end = end};
        r->count++;
        return true;
    }

    struct range *into = &r->list[at];
    const uint64_t last_end = r->list[at + taken - 1].end;
    into->first = first < into->first ? first : into->first;
    into->end = end > last_end ? end : last_end;
    if (taken > 1) {
        memmove(into + 1, into + taken, (r->count - at - taken) * sizeof(*r->list));
        r->count -= taken - 1;
    }
    return true;
}

bool hulse_ranges_add_all(struct ranges *r, const struct ranges *other)
{
    for (uint32_t i = 0; i < other->count; i++) {
        if (!hulse_ranges_add(r, other->list[i].first, other->list[i].end)) {
            return false;
        }
    }
    return true;
}

bool hulse_ranges_has(const struct ranges *r, uint64_t n)
{
    return hulse_ranges_next_gap(r, n) != n;
}

uint64_t hulse_ranges_next_gap(const struct ranges *r, uint64_t n)
{
    /* Nothing is beyond the greatest number, and no range can hold it: its end is exclusive. */
    if (n == UINT64_MAX) {
        return n;
    }
    const uint32_t at = reaching(r, n + 1);
    return at < r->count && r->list[at].first <= n ? r->list[at].end : n;
}

uint64_t hulse_ranges_count(const struct ranges *r, uint64_t first, uint64_t end)
{
    uint64_t count = 0;

    for (uint32_t i = reaching(r, first); i < r->count && r->list[i].first < end; i++) {
        const uint64_t from = r->list[i].first > first ? r->list[i].first : first;
        const uint64_t to = r->list[i].end < end ? r->list[i].end : end;
        count += to > from ? to - from : 0;
    }
    return count;
}

bool hulse_ranges_copy(struct ranges *to, const struct ranges *from)
{
    HULSE_ASSERT(to->count == 0);

    if (from->count == 0) {
        return true;
    }
    struct range *list = malloc(from->count * sizeof(*list));
    if (list == NULL) {
        return false;
    }
    memcpy(list, from->list, from->count * sizeof(*list));
    free(to->list);
    *to = (struct ranges){.list = list, .count = from->count, .room = from->count};
    return true;
}
