/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_memory - how the windows of a worker divide their part of memory_max.
 *
 * Each that has something may have its share: the part divided by how many these are. Alone it has
 * all, so when another one comes and is refused, those above their share give back the tail of what
 * they never handed out, which is read again later. What consumers hold cannot be taken back; that
 * is why a small window is allowed whatever the others have.
 *
 * Who is refused waits in `starved` and is looked at again when memory is free. Both are done in
 * turns, in portions.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <stddef.h>

#define WINDOWS_PART 2U /* memory_max / this */
/* Allowed whatever the others have: what an app acknowledges in batches must fit. */
#define SMALL_MESSAGES 16U
#define SMALL_BYTES (64U << 10U)
/* Less is not worth a read: this part of a share, and no more than so much. */
#define STEP_PART 16U
#define STEP_BYTES (256U << 10U)
/* In one turn. */
#define LOOKED_AT_MAX 64U
#define GIVEN_BACK_MAX 1024U

static struct local_worker *worker_of(const struct subscription *sub)
{
    return sub->topic->worker;
}

/* Of memory_max, for the windows of this worker. */
static uint64_t budget(const struct local_worker *lw)
{
    return hulse_mem_cap() / WINDOWS_PART / lw->worker_count;
}

static uint64_t budget_left(const struct local_worker *lw)
{
    const uint64_t used = lw->window_bytes + lw->window_reads_bytes;
    const uint64_t all = budget(lw);
    return all > used ? all - used : 0;
}

static uint64_t step_of(uint64_t bytes)
{
    return bytes / STEP_PART < STEP_BYTES ? bytes / STEP_PART : STEP_BYTES;
}

static uint64_t at_most(const struct subscription *sub, uint64_t bytes)
{
    const uint64_t bound = worker_of(sub)->broker->params.subscription_bytes_max;
    return bytes < bound ? bytes : bound;
}

uint64_t hulse_window_share(const struct subscription *sub)
{
    const struct local_worker *lw = worker_of(sub);
    return at_most(sub, budget(lw) / (lw->windows + (sub->held == 0 ? 1U : 0U)));
}

static uint64_t room_in_share(const struct subscription *sub)
{
    const uint64_t share = hulse_window_share(sub);
    return share > sub->held_bytes ? share - sub->held_bytes : 0;
}

/* Of the window that is allowed whatever the others have. */
static uint64_t room_in_small(const struct subscription *sub)
{
    const uint64_t small = at_most(sub, SMALL_BYTES);
    return sub->held < SMALL_MESSAGES && small > sub->held_bytes ? small - sub->held_bytes : 0;
}

uint64_t hulse_window_room(const struct subscription *sub)
{
    const uint64_t left = budget_left(worker_of(sub));
    const uint64_t share = room_in_share(sub);
    const uint64_t small = room_in_small(sub);
    const uint64_t room = share < left ? share : left;
    return room > small ? room : small;
}

bool hulse_window_fits(const struct subscription *sub, uint64_t bytes)
{
    return bytes <= hulse_window_room(sub);
}

/* ---- in and out ---- */

/* Those who wait are looked at when there is something for them. */
static void freed(struct local_worker *lw)
{
    if (!lw->window_freed && !hulse_link_empty(&lw->starved) &&
        budget_left(lw) >= step_of(budget(lw))) {
        lw->window_freed = true;
    }
}

void hulse_window_charge(struct subscription *sub, uint64_t bytes)
{
    struct local_worker *lw = worker_of(sub);
    if (sub->held == 0) {
        lw->windows += 1;
        lw->shares_fell = true;
        hulse_link_append(&lw->windowed, &sub->cursor->windowed);
    }
    lw->window_bytes += bytes;
}

void hulse_window_discharge(struct subscription *sub, uint64_t bytes)
{
    struct local_worker *lw = worker_of(sub);
    HULSE_ASSERT(lw->window_bytes >= bytes && lw->windows > 0);
    if (sub->held == 0) {
        lw->windows -= 1;
        hulse_link_remove(&sub->cursor->windowed);
    }
    lw->window_bytes -= bytes;
    freed(lw);
}

void hulse_window_reserve(struct subscription *sub, uint64_t bytes)
{
    sub->cursor->reserved = bytes;
    worker_of(sub)->window_reads_bytes += bytes;
}

void hulse_window_unreserve(struct subscription *sub)
{
    struct local_worker *lw = worker_of(sub);
    HULSE_ASSERT(lw->window_reads_bytes >= sub->cursor->reserved);
    lw->window_reads_bytes -= sub->cursor->reserved;
    sub->cursor->reserved = 0;
    freed(lw);
}

/* ---- who waits ---- */

bool hulse_window_worth_reading(const struct subscription *sub)
{
    const uint64_t room = hulse_window_room(sub);
    const uint64_t step = step_of(hulse_window_share(sub));
    const uint64_t small = at_most(sub, SMALL_BYTES);
    if (room < sub->cursor->needs) {
        return false;
    }
    /* Half of the small one, so that one read is not for one message. */
    return (room >= step && room > room_in_small(sub)) ||
           (sub->held <= SMALL_MESSAGES / 2 && sub->held_bytes <= small / 2);
}

void hulse_window_starve(struct subscription *sub)
{
    struct local_worker *lw = worker_of(sub);
    if (hulse_link_empty(&sub->cursor->starved)) {
        hulse_link_append(&lw->starved, &sub->cursor->starved);
    }
    if (lw->shares_fell && room_in_share(sub) > budget_left(lw)) {
        lw->shares_fell = false;
        lw->windows_to_cut = lw->windows;
    }
}

/* Up to `max` of what is above the share; the first of the queue stays. Returns how many. */
static unsigned give_back(struct subscription *sub, unsigned max)
{
    const uint64_t share = hulse_window_share(sub);
    const uint64_t small = at_most(sub, SMALL_BYTES);
    const uint64_t keep = share > small ? share : small;
    unsigned done = 0;
    while (done < max && sub->held_bytes > keep && sub->queue.next != sub->queue.prev) {
        struct delivery *dl = HULSE_CONTAINER(sub->queue.prev, struct delivery, link);
        sub->cursor->next_read = dl->d.id.entry;
        hulse_subscription_unkeep(sub, dl);
        done += 1;
    }
    if (done != 0) {
        sub->cursor->needs = 0;
        sub->cursor->generation += 1; /* what is being read lies behind it */
    }
    return done;
}

static unsigned cut_windows(struct local_worker *lw)
{
    unsigned done = 0;
    for (unsigned i = 0; i < LOOKED_AT_MAX && done < GIVEN_BACK_MAX; i++) {
        if (lw->windows_to_cut == 0 || hulse_link_empty(&lw->windowed)) {
            lw->windows_to_cut = 0;
            break;
        }
        struct link *l = lw->windowed.next;
        done += give_back(HULSE_CONTAINER(l, struct cursor, windowed)->sub, GIVEN_BACK_MAX - done);
        if (done < GIVEN_BACK_MAX) {
            hulse_link_remove(l);
            hulse_link_append(&lw->windowed, l);
            lw->windows_to_cut -= 1;
        }
    }
    return done;
}

static unsigned wake(struct local_worker *lw)
{
    unsigned done = 0;
    if (hulse_link_empty(&lw->woken) && lw->window_freed) {
        lw->window_freed = false;
        hulse_link_prepend_all(&lw->woken, &lw->starved);
    }
    while (done < LOOKED_AT_MAX && !hulse_link_empty(&lw->woken)) {
        struct link *l = lw->woken.next;
        hulse_link_remove(l);
        hulse_window_refill(HULSE_CONTAINER(l, struct cursor, starved)->sub);
        done += 1;
    }
    return done;
}

unsigned hulse_windows_turn(struct local_worker *lw)
{
    const unsigned done = cut_windows(lw);
    return done + wake(lw);
}

bool hulse_windows_wait(const struct local_worker *lw)
{
    return lw->windows_to_cut != 0 || !hulse_link_empty(&lw->woken) ||
           (lw->window_freed && !hulse_link_empty(&lw->starved));
}
