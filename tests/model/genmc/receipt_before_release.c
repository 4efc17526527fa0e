/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:      M5 before M3: who sees a record released finds its receipt in the down ring. Resume
 *            rests on it (ipc B8 step 1).
 * Method:    two records with a flush each; the application looks at up_head, then at down_tail.
 * Mutations: M3_BEFORE_M5, WEAK_HEAD, WEAK_TAIL.
 */
#include "tests/model/genmc/model.h"

#define RECORDS 2U

static void *app(void *arg)
{
    struct hulse_ring_tx up = up_tx();
    struct hulse_ring_rx down = down_rx();

    (void)arg;
    for (uint64_t n = 1; n <= RECORDS; n++) {
        put_word(&up, n);
        hulse_ring_tx_publish(&up);
    }
    assert(hulse_ring_tx_refresh(&up) == HULSE_RING_OK);
    assert(hulse_ring_rx_refresh(&down) == HULSE_RING_OK);
    assert(hulse_ring_rx_ready(&down) >= up.head_seen);
    for (uint64_t n = 1; hulse_ring_rx_ready(&down) != 0; n++) {
        assert(take_word(&down) == n);
    }
    return NULL;
}

static void *service(void *arg)
{
    struct hulse_ring_rx up = up_rx();
    struct hulse_ring_tx down = down_tx();

    (void)arg;
    for (unsigned n = 0; n < RECORDS; n++) {
        assert(hulse_ring_rx_refresh(&up) == HULSE_RING_OK);
        __VERIFIER_assume(hulse_ring_rx_ready(&up) != 0);
        put_word(&down, take_word(&up));
#ifdef M3_BEFORE_M5
        hulse_ring_rx_release(&up, up.read);
        hulse_ring_tx_publish(&down);
#else
        hulse_ring_tx_publish(&down);
        hulse_ring_rx_release(&up, up.read);
#endif
    }
    return NULL;
}

int main(void)
{
    run_both(app, service);
    return 0;
}
