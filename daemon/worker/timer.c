/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer - see the header.
 *
 * A timer's level is that of the highest group of six bits in which its time differs from now, its
 * slot is that group of its time. So every occupied slot of a level lies after now's own slot of
 * that level (or on it, on level 0), never wraps, and precedes everything on the levels above: the
 * lowest bit of the lowest occupied level is the next thing to happen.
 *
 *     time:  … | level 5 | level 4 | level 3 | level 2 | level 1 | level 0     (6 bits each)
 *
 * Advancing first collects all that is due and moves now, then fires: a callback finds a wheel that
 * is whole, whatever it starts, stops or frees.
 */
#include "daemon/worker/timer.h"

#include "daemon/core/assert.h"

#include <stddef.h>

enum {
    LEVEL_BITS = 6,
    SLOT_MASK = (1 << LEVEL_BITS) - 1,
    SPAN_BITS = LEVEL_BITS * (int)HULSE_TIMER_LEVELS
};

_Static_assert(HULSE_TIMER_SLOTS == 1U << LEVEL_BITS, "a bitmap is one word");
_Static_assert(HULSE_TIMER_SLOTS == 64, "a bitmap is one word");

void hulse_timer_wheel_init(struct timer_wheel *w, uint64_t now_ms)
{
    *w = (struct timer_wheel){.now_ms = now_ms};
}

static void link_at(struct timer **head, struct timer *t)
{
    t->next = *head;
    t->link = head;
    if (t->next != NULL) {
        t->next->link = &t->next;
    }
    *head = t;
}

static void unlink_timer(struct timer *t)
{
    *t->link = t->next;
    if (t->next != NULL) {
        t->next->link = t->link;
    }
    t->next = NULL;
    t->link = NULL;
}

/* Into the slot of its time, seen from now. */
static void place(struct timer_wheel *w, struct timer *t)
{
    const uint64_t time = t->due_ms > w->now_ms ? t->due_ms : w->now_ms;
    const uint64_t differs = time ^ w->now_ms;
    if (differs >> SPAN_BITS != 0) {
        link_at(&w->beyond, t);
        return;
    }
    const unsigned top_bit = 63U - (unsigned)__builtin_clzll(differs | 1);
    const unsigned level = top_bit / LEVEL_BITS;
    const unsigned slot = (unsigned)(time >> (level * LEVEL_BITS)) & SLOT_MASK;
    link_at(&w->slots[level][slot], t);
    w->occupied[level] |= 1ULL << slot;
}

/* Clears the slot's bit when its list has become empty. */
static void note_slot(struct timer_wheel *w, struct timer *const *head)
{
    /* As numbers: the head may as well be in another timer, where pointers do not compare. */
    const uintptr_t offset = (uintptr_t)head - (uintptr_t)&w->slots[0][0];
    if (offset < sizeof(w->slots) && *head == NULL) {
        const size_t slot_bytes = sizeof(w->slots[0]) / HULSE_TIMER_SLOTS;
        const size_t index = offset / slot_bytes;
        w->occupied[index / HULSE_TIMER_SLOTS] &= ~(1ULL << (index % HULSE_TIMER_SLOTS));
    }
}

void hulse_timer_stop(struct timer_wheel *w, struct timer *t)
{
    struct timer **head = t->link;

    if (head != NULL) {
        HULSE_ASSERT(w->count > 0);
        unlink_timer(t);
        note_slot(w, head);
        w->count--;
    }
}

void hulse_timer_start(struct timer_wheel *w, struct timer *t, uint64_t due_ms)
{
    HULSE_ASSERT(t->fire != NULL);

    hulse_timer_stop(w, t);
    t->due_ms = due_ms;
    place(w, t);
    w->count++;
}

/* Empties a list; gives its first timer. */
static struct timer *take_list(struct timer_wheel *w, struct timer **head)
{
    struct timer *first = *head;

    *head = NULL;
    note_slot(w, head);
    return first;
}

/* Every timer of the list goes where it belongs now. */
static void replace_all(struct timer_wheel *w, struct timer *list)
{
    while (list != NULL) {
        struct timer *t = list;
        list = t->next;
        place(w, t);
    }
}

/* Appends a list to what is due; gives the new end. */
static struct timer **append_due(struct timer **end, struct timer *list)
{
    *end = list;
    if (list != NULL) {
        list->link = end;
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    return end;
}

/* Level 0 from now's slot on, up to `until` or the end of the 64 ms that now is in. */
static struct timer **collect_block(struct timer_wheel *w, uint64_t until, struct timer **end)
{
    const uint64_t block = w->now_ms & ~(uint64_t)SLOT_MASK;
    while (w->occupied[0] != 0) {
        const unsigned slot = (unsigned)__builtin_ctzll(w->occupied[0]);
        if (block + slot > until) {
            break;
        }
        end = append_due(end, take_list(w, &w->slots[0][slot]));
    }
    return end;
}

/* The time at which the next slot of levels 1 and up opens; *head is its list. */
static uint64_t next_cascade(const struct timer_wheel *w, struct timer *const **head)
{
    for (unsigned level = 1; level < HULSE_TIMER_LEVELS; level++) {
        if (w->occupied[level] != 0) {
            const unsigned slot = (unsigned)__builtin_ctzll(w->occupied[level]);
            const unsigned shift = level * LEVEL_BITS;
            *head = &w->slots[level][slot];
            return (w->now_ms >> (shift + LEVEL_BITS) << (shift + LEVEL_BITS)) | (uint64_t)slot
                                                                                     << shift;
        }
    }
    *head = &w->beyond;
    return w->beyond == NULL ? HULSE_TIMER_NEVER : ((w->now_ms >> SPAN_BITS) + 1) << SPAN_BITS;
}

static void collect(struct timer_wheel *w, uint64_t until)
{
    struct timer **end = &w->due;

    for (;;) {
        struct timer *const *opens = NULL;
        end = collect_block(w, until, end);
        const uint64_t at = next_cascade(w, &opens);
        if (at > until) {
            break;
        }
        w->now_ms = at;
        /* The lists are the wheel's own; next_cascade() only reads. */
        replace_all(w, take_list(w, (struct timer **)(uintptr_t)opens));
    }
    w->now_ms = until;
}

unsigned hulse_timer_advance(struct timer_wheel *w, uint64_t now_ms)
{
    unsigned fired = 0;

    HULSE_ASSERT(w->due == NULL);
    collect(w, now_ms > w->now_ms ? now_ms : w->now_ms);
    while (w->due != NULL) {
        struct timer *t = w->due;
        unlink_timer(t);
        w->count--;
        fired++;
        t->fire(t);
    }
    return fired;
}

uint64_t hulse_timer_next(const struct timer_wheel *w)
{
    struct timer *const *opens = NULL;

    if (w->due != NULL) {
        return w->now_ms;
    }
    if (w->occupied[0] != 0) {
        return (w->now_ms & ~(uint64_t)SLOT_MASK) + (unsigned)__builtin_ctzll(w->occupied[0]);
    }
    return next_cascade(w, &opens);
}
