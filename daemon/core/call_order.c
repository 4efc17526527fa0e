/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_order - see the header.
 */
#include "daemon/core/call_order.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <string.h>

#define ROOM_MIN 16U
#define ROOM_MAX (1U << 24U)

struct call_run {
    struct call_credit *credit; /* of its part; NULL: settled */
    uint64_t count;
};

void hulse_call_order_fini(struct call_order *o)
{
    if (o->runs != NULL) {
        hulse_mem_free(HULSE_MEM_BROKER, o->runs, o->room * sizeof(*o->runs));
    }
    *o = (struct call_order){0};
}

static struct call_run *run_at(const struct call_order *o, uint32_t i)
{
    return &o->runs[(o->first + i) & (o->room - 1)];
}

/* False: no memory. */
static bool grow(struct call_order *o)
{
    const uint32_t room = o->room == 0 ? ROOM_MIN : 2 * o->room;
    if (room > ROOM_MAX) {
        return false;
    }
    struct call_run *runs = hulse_mem_alloc(HULSE_MEM_BROKER, room * sizeof(*runs));
    if (runs == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < o->count; i++) {
        runs[i] = *run_at(o, i);
    }
    if (o->runs != NULL) {
        hulse_mem_free(HULSE_MEM_BROKER, o->runs, o->room * sizeof(*runs));
    }
    o->runs = runs;
    o->first = 0;
    o->room = room;
    return true;
}

void hulse_call_order_add(struct call_order *o, struct call_credit *credit)
{
    o->unsettled += credit != NULL ? 1 : 0;
    if (o->behind > 0) {
        o->behind += 1;
        return;
    }
    struct call_run *last = o->count > 0 ? run_at(o, o->count - 1) : NULL;
    if (last != NULL && last->credit == credit) {
        last->count += 1;
    } else if (o->count < o->room || grow(o)) {
        *run_at(o, o->count) = (struct call_run){.credit = credit, .count = 1};
        o->count += 1;
    } else {
        o->behind = 1;
    }
}

void hulse_call_order_settle(struct call_order *o, struct call_credit *credit, uint32_t count)
{
    HULSE_DASSERT(o->unsettled >= count);
    o->unsettled -= count;
    if (credit->era != o->era) {
        *credit = (struct call_credit){.era = o->era};
    }
    credit->settled += count;
}

/* Of the first run, at most `room`; 0: none of it. */
static uint64_t take_run(struct call_order *o, uint64_t room)
{
    struct call_run *r = run_at(o, 0);
    uint64_t n = r->count < room ? r->count : room;
    if (r->credit != NULL) {
        const uint64_t settled = r->credit->era == o->era ? r->credit->settled : 0;
        n = settled < n ? settled : n;
        r->credit->settled = settled - n;
        r->credit->era = o->era;
    }
    r->count -= n;
    if (r->count == 0) {
        o->first = (o->first + 1) & (o->room - 1);
        o->count -= 1;
    }
    return n;
}

uint32_t hulse_call_order_take(struct call_order *o)
{
    uint64_t taken = 0;
    while (o->count > 0 && taken < UINT32_MAX) {
        const uint64_t n = take_run(o, UINT32_MAX - taken);
        if (n == 0) {
            return (uint32_t)taken;
        }
        taken += n;
    }
    if (o->count == 0 && o->unsettled == 0 && taken < UINT32_MAX) {
        const uint64_t n = o->behind < UINT32_MAX - taken ? o->behind : UINT32_MAX - taken;
        o->era += n > 0 ? 1 : 0;
        o->behind -= n;
        taken += n;
    }
    return (uint32_t)taken;
}
