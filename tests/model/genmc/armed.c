/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:      M9, M10: a daemon that goes to sleep after its re-check is rung.
 * Method:    two flushes against two parks. A park that ends in sleep waits for the bell; it is lost
 *            when a record is there for a sleeper whom nobody rang.
 * Mutations: NO_PUBLISHER_FENCE, NO_WAITER_FENCE (the shipped fence out, the other one back in).
 */
#if defined(NO_PUBLISHER_FENCE)
#define HULSE_DOORBELL_WITHOUT_FENCES 1
#define WAITER_FENCE() real_fence()
#elif defined(NO_WAITER_FENCE)
#define WAITER_FENCE() ((void)0)
#else
#define WAITER_FENCE() hulse_doorbell_fence()
#endif
#include "tests/model/genmc/model.h"

#define RECORDS 2U

static _Atomic(int) bell;
static int slept;
static int left;

static void *publisher(void *arg)
{
    struct hulse_ring_tx tx = up_tx();
    uint64_t rung = 0;

    (void)arg;
    for (uint64_t n = 1; n <= RECORDS; n++) {
        put_word(&tx, n);
        hulse_ring_tx_publish(&tx);
        if (hulse_doorbell_publisher(&b.armed, &rung)) {
            atomic_fetch_add_explicit(&bell, 1, memory_order_relaxed);
        }
    }
    return NULL;
}

/* Parks until RECORDS were taken; sleeping for ever is noted, not waited for. */
static void *waiter(void *arg)
{
    struct hulse_ring_rx rx = up_rx();
    uint64_t epoch = 0;
    int heard = 0;
    int rings = 0;

    (void)arg;
    for (unsigned park = 0; park <= RECORDS && rx.read != RECORDS * WORD; park++) {
        hulse_doorbell_arm(&b.armed, &epoch);
        WAITER_FENCE();
        assert(hulse_ring_rx_refresh(&rx) == HULSE_RING_OK);
        if (hulse_ring_rx_ready(&rx) == 0) {
            rings = atomic_load_explicit(&bell, memory_order_relaxed);
            if (rings == heard) {
                slept = 1 + heard;
                break;
            }
            heard = rings;
            assert(hulse_ring_rx_refresh(&rx) == HULSE_RING_OK);
        }
        hulse_doorbell_disarm(&b.armed, &epoch);
        while (hulse_ring_rx_ready(&rx) != 0) {
            (void)take_word(&rx);
        }
        hulse_ring_rx_release(&rx, rx.read);
    }
    left = (int)(RECORDS - rx.read / WORD);
    return NULL;
}

int main(void)
{
    run_both(publisher, waiter);
    /* Asleep, everything is published, and no ring came after the last one heard. */
    assert(!(slept != 0 && left != 0 &&
             atomic_load_explicit(&bell, memory_order_relaxed) == slept - 1));
    return 0;
}
