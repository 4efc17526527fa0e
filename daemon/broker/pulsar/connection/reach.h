/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach - what the workers tell each other of addresses: that one has been reached. Whoever is in a backoff for it need
 * not wait for its end.
 *
 * Addresses share counters by their hash: one too many is told, none too few.
 *
 * Threads: any; relaxed atomics that guard nothing.
 */
#ifndef HULSE_PULSAR_CONNECTION_REACH_H
#define HULSE_PULSAR_CONNECTION_REACH_H

#include "daemon/broker/pulsar/connection/service_url.h"

#include <stdatomic.h>

#define PULSAR_REACH_SLOTS 64U

/* All zero: none has been. */
struct pulsar_reach {
    _Atomic(uint32_t) times[PULSAR_REACH_SLOTS];
};

void hulse_pulsar_reach_tell(struct pulsar_reach *r, const struct pulsar_host *host);
/* Another number than before: it has been reached since. */
uint32_t hulse_pulsar_reach_times(const struct pulsar_reach *r, const struct pulsar_host *host);

#endif
