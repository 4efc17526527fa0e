/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:      M1..M4: records arrive whole and in order, and no byte is reused while it is read.
 * Method:    three records through a ring of two, so that the third reuses the first's bytes; the
 *            record bytes are plain, so a missing order is reported as a race.
 * Mutations: WEAK_TAIL, WEAK_HEAD.
 */
#include "tests/model/genmc/model.h"

#define RECORDS 3U

static void *writer(void *arg)
{
    struct hulse_ring_tx tx = up_tx();

    (void)arg;
    for (uint64_t n = 1; n <= RECORDS; n++) {
        const enum hulse_ring_rc rc = hulse_ring_tx_reserve(&tx, WORD);
        assert(rc != HULSE_RING_CORRUPT);
        __VERIFIER_assume(rc == HULSE_RING_OK);
        put_word(&tx, n);
        hulse_ring_tx_publish(&tx);
    }
    return NULL;
}

static void *reader(void *arg)
{
    struct hulse_ring_rx rx = up_rx();

    (void)arg;
    for (uint64_t n = 1; n <= RECORDS; n++) {
        if (hulse_ring_rx_ready(&rx) == 0) {
            assert(hulse_ring_rx_refresh(&rx) == HULSE_RING_OK);
            __VERIFIER_assume(hulse_ring_rx_ready(&rx) != 0);
        }
        assert(take_word(&rx) == n);
        hulse_ring_rx_release(&rx, rx.read);
    }
    return NULL;
}

int main(void)
{
    run_both(writer, reader);
    return 0;
}
