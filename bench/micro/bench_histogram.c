/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_histogram - recording latencies, asking for a percentile, merging.
 *
 * Conservation: the buckets hold as many values as were recorded.
 */
#include "bench/micro/micro.h"
#include "daemon/core/histogram.h"

enum { VALUES = 4096 };

struct scene {
    struct histogram h;
    struct histogram sum;
    uint64_t values[VALUES];
};

static uint64_t in_buckets(const struct histogram *h)
{
    uint64_t count = 0;

    for (size_t i = 0; i < HULSE_HISTOGRAM_BUCKETS; i++) {
        count += h->buckets[i];
    }
    return count;
}

static void record(void *argument, uint64_t ops)
{
    struct scene *s = argument;

    hulse_histogram_init(&s->h);
    for (uint64_t i = 0; i < ops; i++) {
        hulse_histogram_record(&s->h, s->values[i % VALUES]);
    }
    micro_require(s->h.count == ops && in_buckets(&s->h) == ops, "as many in as out");
}

static void percentile(void *argument, uint64_t ops)
{
    struct scene *s = argument;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ops; i++) {
        sum += hulse_histogram_percentile(&s->h, 99.9);
    }
    micro_require(sum >= ops * s->h.min && sum <= ops * s->h.max, "within the values");
}

static void merge(void *argument, uint64_t ops)
{
    struct scene *s = argument;

    hulse_histogram_init(&s->sum);
    for (uint64_t i = 0; i < ops; i++) {
        hulse_histogram_merge(&s->sum, &s->h);
    }
    micro_require(in_buckets(&s->sum) == ops * s->h.count, "as many in as out");
}

int main(int argc, char **argv)
{
    static struct scene s;
    struct micro m;
    uint64_t random = 88172645463325252U;

    micro_begin(&m, "histogram", argc, argv);
    printf("  %u buckets, %zu bytes, values of 2^8 to 2^24\n",
           HULSE_HISTOGRAM_BUCKETS,
           sizeof(struct histogram));
    for (size_t i = 0; i < VALUES; i++) {
        s.values[i] = (micro_random(&random) >> 40) >> (i % 16);
    }
    micro_run(&m, "record", micro_ops(&m, 50000000, 100000), record, &s);
    micro_run(&m, "percentile", micro_ops(&m, 20000, 100), percentile, &s);
    micro_run(&m, "merge", micro_ops(&m, 20000, 100), merge, &s);
    return micro_end(&m);
}
