/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_state - see topic_state.h.
 *
 * `holders` counts, and its top bit says that the state was ended: a number that only falls.
 */
#include "daemon/table/topic_state.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <string.h>

#define ENDED (1U << 31U)

struct topic_state *hulse_topic_state_create(void)
{
    struct topic_state *s =
        hulse_mem_alloc_aligned(HULSE_MEM_TABLE, alignof(struct topic_state), sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    memset(s, 0, sizeof(*s));
    atomic_init(&s->holders, 1);
    return s;
}

bool hulse_topic_state_hold(struct topic_state *s)
{
    /* Relaxed because the holder found the state through its entry, which ordered its bytes. */
    uint32_t holders = atomic_load_explicit(&s->holders, memory_order_relaxed);

    do {
        if ((holders & ENDED) != 0) {
            return false;
        }
        HULSE_ASSERT(holders > 0 && holders < ENDED - 1);
    } while (!atomic_compare_exchange_weak_explicit(
        &s->holders, &holders, holders + 1, memory_order_relaxed, memory_order_relaxed));
    /* Relaxed because a sweep that misses it sees the holder. */
    atomic_store_explicit(&s->touched, true, memory_order_relaxed);
    return true;
}

void hulse_topic_state_release(struct topic_state **state)
{
    struct topic_state *s = *state;

    *state = NULL;
    /* SYNC(topic_state.holders) release: what this holder did is done. */
    const uint32_t before = atomic_fetch_sub_explicit(&s->holders, 1, memory_order_release);
    HULSE_ASSERT((before & ~ENDED) > 0);
    if ((before & ~ENDED) == 1) {
        /* SYNC(topic_state.holders) acquire: the last to leave sees what the others did. */
        (void)atomic_load_explicit(&s->holders, memory_order_acquire);
        /* Relaxed because its last holder alone has it. */
        hulse_mem_free(HULSE_MEM_TABLE,
                       atomic_load_explicit(&s->refused, memory_order_relaxed),
                       sizeof(struct topic_refused));
        hulse_mem_free(HULSE_MEM_TABLE, s, sizeof(*s));
    }
}

bool hulse_topic_state_in_use(struct topic_state *s)
{
    /* Relaxed because a wrong answer only delays what hulse_topic_state_end() decides. */
    const bool touched = atomic_exchange_explicit(&s->touched, false, memory_order_relaxed);
    const uint32_t holders = atomic_load_explicit(&s->holders, memory_order_relaxed) & ~ENDED;

    return touched || holders > 1;
}

bool hulse_topic_state_end(struct topic_state *s)
{
    uint32_t one = 1;

    /* Relaxed because the entry goes through the table, which orders what follows. */
    return atomic_compare_exchange_strong_explicit(
        &s->holders, &one, 1 | ENDED, memory_order_relaxed, memory_order_relaxed);
}

/* The counters of one that had none; NULL: no memory. */
static struct topic_refused *begin_counting(struct topic_state *s)
{
    struct topic_refused *there = NULL;
    struct topic_refused *made = hulse_mem_zalloc(HULSE_MEM_TABLE, sizeof(*made));

    /* SYNC(topic_state.refused) release: the counters are zero before others find them. */
    if (made == NULL ||
        atomic_compare_exchange_strong_explicit(
            &s->refused, &there, made, memory_order_acq_rel, memory_order_acquire)) {
        return made;
    }
    hulse_mem_free(HULSE_MEM_TABLE, made, sizeof(*made));
    return there;
}

void hulse_topic_state_count(struct topic_state *s, enum topic_refusal why)
{
    /* SYNC(topic_state.refused) acquire: the counters are zero at first. */
    struct topic_refused *r = atomic_load_explicit(&s->refused, memory_order_acquire);

    r = r != NULL ? r : begin_counting(s);
    if (r != NULL) {
        /* Relaxed because it is a figure. */
        (void)atomic_fetch_add_explicit(&r->counts[why], 1, memory_order_relaxed);
    }
}

uint64_t hulse_topic_state_refused(const struct topic_state *s, enum topic_refusal why)
{
    /* SYNC(topic_state.refused) acquire: the counters are zero at first. */
    struct topic_refused *r = atomic_load_explicit(&s->refused, memory_order_acquire);

    /* Relaxed because it is a figure. */
    return r == NULL ? 0 : atomic_load_explicit(&r->counts[why], memory_order_relaxed);
}
