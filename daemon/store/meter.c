/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/meter.h"

void hulse_meter_init(struct store_meter *m)
{
    (void)pthread_mutex_init(&m->lock, NULL);
    hulse_histogram_init(&m->records);
    hulse_histogram_init(&m->sync_us);
}

void hulse_meter_fini(struct store_meter *m)
{
    (void)pthread_mutex_destroy(&m->lock);
}

void hulse_meter_group(struct store_meter *m, uint64_t records, uint64_t sync_us)
{
    (void)pthread_mutex_lock(&m->lock);
    hulse_histogram_record(&m->records, records);
    hulse_histogram_record(&m->sync_us, sync_us);
    (void)pthread_mutex_unlock(&m->lock);
}

static struct store_quantiles quantiles(const struct histogram *h)
{
    return (struct store_quantiles){.p50 = hulse_histogram_percentile(h, 50.0),
                                    .p99 = hulse_histogram_percentile(h, 99.0),
                                    .max = h->max};
}

void hulse_meter_read(struct store_meter *m,
                      struct store_quantiles *records,
                      struct store_quantiles *sync_us)
{
    (void)pthread_mutex_lock(&m->lock);
    *records = quantiles(&m->records);
    *sync_us = quantiles(&m->sync_us);
    (void)pthread_mutex_unlock(&m->lock);
}
