/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meter - how large groups are and how long their syncs take, since the start.
 *
 * Threads: any; under a lock of its own.
 */
#ifndef HULSE_STORE_METER_H
#define HULSE_STORE_METER_H

#include "daemon/core/histogram.h"

#include <pthread.h>

struct store_meter {
    pthread_mutex_t lock;
    struct histogram records; /* of a group */
    struct histogram sync_us;
};

/* Of what was measured; zeros while nothing was. */
struct store_quantiles {
    uint64_t p50;
    uint64_t p99;
    uint64_t max;
};

void hulse_meter_init(struct store_meter *m);
void hulse_meter_fini(struct store_meter *m);
/* A group of so many records was written and synced. */
void hulse_meter_group(struct store_meter *m, uint64_t records, uint64_t sync_us);
void hulse_meter_read(struct store_meter *m,
                      struct store_quantiles *records,
                      struct store_quantiles *sync_us);

#endif
