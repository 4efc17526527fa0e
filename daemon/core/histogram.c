/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram - see the header.
 */
#include "daemon/core/histogram.h"

#include "daemon/core/assert.h"

#include <string.h>

void hulse_histogram_init(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
    h->min = UINT64_MAX;
}

void hulse_histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    into->sum += from->sum;
    into->min = from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
    for (size_t i = 0; i < HULSE_HISTOGRAM_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
}

uint64_t hulse_histogram_bucket_end(size_t bucket)
{
    HULSE_ASSERT(bucket < HULSE_HISTOGRAM_BUCKETS);

    const size_t subs = (size_t)1 << HULSE_HISTOGRAM_SUB_BITS;
    if (bucket < 2 * subs) {
        return bucket;
    }
    /* The value's top bits are subs … 2 x subs - 1, as from hulse_histogram_bucket(). */
    const size_t width = bucket / subs - 1;
    const uint64_t top = subs + bucket % subs;
    return ((top + 1) << width) - 1;
}

/* How many values must be passed: at least one, and not more than there are. */
static uint64_t rank_of(const struct histogram *h, double percent)
{
    const double exact = percent / 100.0 * (double)h->count;
    if (!(exact > 1.0)) {
        return 1;
    }
    if (exact >= (double)h->count) {
        return h->count;
    }
    const uint64_t whole = (uint64_t)exact;
    return (double)whole < exact ? whole + 1 : whole;
}

uint64_t hulse_histogram_percentile(const struct histogram *h, double percent)
{
    if (h->count == 0) {
        return 0;
    }
    const uint64_t rank = rank_of(h, percent);
    uint64_t passed = 0;
    for (size_t i = 0; i < HULSE_HISTOGRAM_BUCKETS; i++) {
        passed += h->buckets[i];
        if (passed >= rank) {
            const uint64_t end = hulse_histogram_bucket_end(i);
            return end < h->max ? end : h->max;
        }
    }
    return h->max;
}

double hulse_histogram_mean(const struct histogram *h)
{
    return h->count == 0 ? 0.0 : (double)h->sum / (double)h->count;
}
