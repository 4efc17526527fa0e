/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:      M14, M15: a daemon asleep for down_head (no receipt slot) is rung.
 * Method:    a full down ring; the application releases twice; the daemon wants one slot.
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

/* The application: reads two receipts that were there from the beginning. */
static void *waker(void *arg)
{
    struct hulse_ring_rx rx = down_rx();

    (void)arg;
    assert(hulse_ring_rx_refresh(&rx) == HULSE_RING_OK);
    for (uint64_t n = 1; n <= 2; n++) {
        const uint64_t before = rx.released;
        assert(take_word(&rx) == n);
        hulse_ring_rx_release(&rx, rx.read);
        WAKER_FENCE();
        if (hulse_doorbell_crossed(&b.down_want, before, rx.released)) {
            atomic_fetch_add_explicit(&woken, 1, memory_order_relaxed);
        }
    }
    return NULL;
}

/* The daemon, blocked. */
static void *waiter(void *arg)
{
    struct hulse_ring_tx tx = down_tx();

    (void)arg;
    tx.tail = CAPACITY;
    tx.published = CAPACITY;
    hulse_doorbell_announce(&b.down_want, tx.head_seen + WORD);
    WAITER_FENCE();
    const enum hulse_ring_rc rc = hulse_ring_tx_reserve(&tx, WORD);
    assert(rc != HULSE_RING_CORRUPT);
    slept = rc == HULSE_RING_FULL;
    if (rc == HULSE_RING_OK) {
        put_word(&tx, 3);
    }
    return NULL;
}

int main(void)
{
    down_words[0] = 1;
    down_words[1] = 2;
    atomic_init(&b.down_tail, CAPACITY);
    run_both(waker, waiter);
    assert(!(slept && atomic_load_explicit(&woken, memory_order_relaxed) == 0));
    return 0;
}
