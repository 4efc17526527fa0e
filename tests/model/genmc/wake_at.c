/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:      M11, M12 for receipts: an application asleep for down_tail is woken.
 * Method:    two receipts in two flushes; the application wants the second, seen from either side.
 * Mutations: NO_WAKER_FENCE, NO_WAITER_FENCE (the shipped fence out, the other one back in).
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

/* The daemon: two flushes of one receipt each. */
static void *waker(void *arg)
{
    struct hulse_ring_tx tx = down_tx();

    (void)arg;
    for (uint64_t n = 1; n <= 2; n++) {
        const uint64_t before = tx.published;
        put_word(&tx, n);
        hulse_ring_tx_publish(&tx);
        WAKER_FENCE();
        if (hulse_doorbell_crossed(&a.wake_at, before, tx.published)) {
            atomic_fetch_add_explicit(&woken, 1, memory_order_relaxed);
        }
    }
    return NULL;
}

/* The application: wants everything after the first receipt. */
static void *waiter(void *arg)
{
    struct hulse_ring_rx rx = down_rx();

    (void)arg;
    hulse_doorbell_announce(&a.wake_at, WORD + 1);
    WAITER_FENCE();
    assert(hulse_ring_rx_refresh(&rx) == HULSE_RING_OK);
    slept = hulse_ring_rx_ready(&rx) < 2 * WORD;
    return NULL;
}

int main(void)
{
    run_both(waker, waiter);
    assert(!(slept && atomic_load_explicit(&woken, memory_order_relaxed) == 0));
    return 0;
}
