/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:      M11, M12 for room: an application asleep for up_head is woken.
 * Method:    a full ring; the daemon releases one record, then the other; the application wants one.
 * Mutations: NO_WAKER_FENCE, NO_WAITER_FENCE (the shipped fence out, the other one back in),
 *            WEAK_HEAD (the bytes are reused while they are read).
 */
#if defined(NO_WAKER_FENCE)
#define HULSE_DOORBELL_WITHOUT_FENCES 1
#define WAKER_FENCE() ((void)0)
#define WAITER_FENCE() real_fence()
#elif defined(NO_WAITER_FENCE)
#define HULSE_DOORBELL_WITHOUT_FENCES 1
#define WAKER_FENCE() real_fence()
#define WAITER_FENCE() ((void)0)
#else
#define WAKER_FENCE() hulse_doorbell_fence()
#define WAITER_FENCE() ((void)0) /* inside hulse_doorbell_announce() */
#endif
#include "tests/model/genmc/model.h"

static _Atomic(int) woken;
static int slept;

/* The daemon: releases two records that were in the ring from the beginning. */
static void *waker(void *arg)
{
    struct hulse_ring_rx rx = up_rx();

    (void)arg;
    assert(hulse_ring_rx_refresh(&rx) == HULSE_RING_OK);
    for (uint64_t n = 1; n <= 2; n++) {
        const uint64_t before = rx.released;
        assert(take_word(&rx) == n);
        hulse_ring_rx_release(&rx, rx.read);
        WAKER_FENCE();
        if (hulse_doorbell_crossed(&a.space_at, before, rx.released)) {
            atomic_fetch_add_explicit(&woken, 1, memory_order_relaxed);
        }
    }
    return NULL;
}

/* The application, whose ring is full. */
static void *waiter(void *arg)
{
    struct hulse_ring_tx tx = up_tx();

    (void)arg;
    tx.tail = CAPACITY;
    tx.published = CAPACITY;
    hulse_doorbell_announce(&a.space_at, tx.head_seen + WORD);
    WAITER_FENCE();
    const enum hulse_ring_rc rc = hulse_ring_tx_reserve(&tx, WORD);
    assert(rc != HULSE_RING_CORRUPT);
    slept = rc == HULSE_RING_FULL;
    if (rc == HULSE_RING_OK) {
        put_word(&tx, 3); /* a race with the daemon, had it not finished with these bytes */
    }
    return NULL;
}

int main(void)
{
    up_words[0] = 1;
    up_words[1] = 2;
    atomic_init(&a.up_tail, CAPACITY);
    run_both(waker, waiter);
    assert(!(slept && atomic_load_explicit(&woken, memory_order_relaxed) == 0));
    return 0;
}
