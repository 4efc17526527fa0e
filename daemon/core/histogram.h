/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram - counts of values in log-linear buckets: 32 per octave, so an error below 1 in 32.
 *
 * Values below 64 are exact. Any 64-bit value fits.
 *
 * Threads: one owner; to add up those of several threads, merge copies.
 * Limits:  fixed size, 15 KiB; recording costs about 2 ns.
 */
#ifndef HULSE_CORE_HISTOGRAM_H
#define HULSE_CORE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HULSE_HISTOGRAM_SUB_BITS 5U
#define HULSE_HISTOGRAM_BUCKETS ((64U - HULSE_HISTOGRAM_SUB_BITS + 1U) << HULSE_HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t sum; /* wraps with the values' sum */
    uint64_t min; /* UINT64_MAX while empty */
    uint64_t max;
    uint64_t buckets[HULSE_HISTOGRAM_BUCKETS];
};

void hulse_histogram_init(struct histogram *h);
void hulse_histogram_merge(struct histogram *into, const struct histogram *from);
/*
 * The smallest value such that `percent` of the recorded ones are not larger, rounded up to its
 * bucket's end and never above max. 0 while empty.
 */
uint64_t hulse_histogram_percentile(const struct histogram *h, double percent);
double hulse_histogram_mean(const struct histogram *h);
/* The largest value that the bucket counts. */
uint64_t hulse_histogram_bucket_end(size_t bucket);

static inline size_t hulse_histogram_bucket(uint64_t value)
{
    /* The bit set here makes every value below 64 a bucket of its own. */
    const unsigned top_bit =
        63U - (unsigned)__builtin_clzll(value | (1ULL << HULSE_HISTOGRAM_SUB_BITS));
    const unsigned width = top_bit - HULSE_HISTOGRAM_SUB_BITS;
    return ((size_t)width << HULSE_HISTOGRAM_SUB_BITS) + (size_t)(value >> width);
}

static inline void hulse_histogram_record(struct histogram *h, uint64_t value)
{
    h->count++;
    h->sum += value;
    h->min = value < h->min ? value : h->min;
    h->max = value > h->max ? value : h->max;
    h->buckets[hulse_histogram_bucket(value)]++;
}

#endif
