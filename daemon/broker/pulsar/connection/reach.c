/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach - see the header.
 */
#include "daemon/broker/pulsar/connection/reach.h"

#include <ctype.h>

/* FNV-1a, names without regard to case. */
static uint32_t slot_of(const struct pulsar_host *host)
{
    uint32_t hash = UINT32_C(2166136261) ^ host->port;

    for (const char *at = host->name; *at != '\0'; at++) {
        hash = (hash ^ (uint32_t)tolower((unsigned char)*at)) * UINT32_C(16777619);
    }
    return (hash ^ hash >> 16U) % PULSAR_REACH_SLOTS;
}

void hulse_pulsar_reach_tell(struct pulsar_reach *r, const struct pulsar_host *host)
{
    (void)atomic_fetch_add_explicit(&r->times[slot_of(host)], 1, memory_order_relaxed);
}

uint32_t hulse_pulsar_reach_times(const struct pulsar_reach *r, const struct pulsar_host *host)
{
    return atomic_load_explicit(&r->times[slot_of(host)], memory_order_relaxed);
}
