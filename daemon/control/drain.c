/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain - see drain.h.
 */
#include "daemon/control/drain.h"

bool hulse_drain_begin(struct drain *d, uint64_t now_ms, uint64_t timeout_ms)
{
    if (d->step != DRAIN_SERVING) {
        return false;
    }
    d->step = DRAIN_WAITING;
    d->wait_until_ms =
        now_ms + (timeout_ms > HULSE_DRAIN_RESERVE_MS ? timeout_ms - HULSE_DRAIN_RESERVE_MS : 0);
    return true;
}

void hulse_drain_hasten(struct drain *d, uint64_t now_ms)
{
    if (d->step == DRAIN_WAITING && now_ms < d->wait_until_ms) {
        d->wait_until_ms = now_ms;
    }
}

enum drain_step
hulse_drain_advance(struct drain *d, uint64_t now_ms, uint32_t sessions, bool all_drained)
{
    switch (d->step) {
    case DRAIN_WAITING:
        if (sessions == 0 || now_ms >= d->wait_until_ms) {
            d->step = DRAIN_FINISHING;
            d->finish_until_ms = now_ms + HULSE_DRAIN_FINISH_MS;
        }
        break;
    case DRAIN_FINISHING:
        if (all_drained || now_ms >= d->finish_until_ms) {
            d->step = DRAIN_DONE;
        }
        break;
    default:
        break;
    }
    return d->step;
}
