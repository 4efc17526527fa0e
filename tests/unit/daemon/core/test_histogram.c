/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   every value falls into a bucket whose end is less than a 32nd above it; percentiles are the
 *         exact ones up to that error; merging is the same as recording all in one.
 * Method: buckets at every power of two; random values of all sizes beside a sorted array.
 */
#include "daemon/core/histogram.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

enum { VALUES = 20000 };

static struct histogram one;
static struct histogram two;

static void check_bucket(uint64_t value)
{
    const size_t bucket = hulse_histogram_bucket(value);

    assert_true(bucket < HULSE_HISTOGRAM_BUCKETS);
    const uint64_t end = hulse_histogram_bucket_end(bucket);
    assert_true(end >= value);
    assert_true(end - value <= value / 32);
    assert_true(bucket == 0 || hulse_histogram_bucket_end(bucket - 1) < value);
}

static void test_buckets_are_narrow_and_without_gaps(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 5000; value++) {
        check_bucket(value);
    }
    for (unsigned bit = 5; bit < 64; bit++) {
        for (uint64_t near = 0; near < 5; near++) {
            check_bucket((1ULL << bit) - 2 + near);
        }
    }
    check_bucket(UINT64_MAX);
    assert_int_equal(hulse_histogram_bucket(UINT64_MAX), HULSE_HISTOGRAM_BUCKETS - 1);
    assert_int_equal(hulse_histogram_bucket_end(63), 63);
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The exact percentile: the value of rank ceil(percent of count). */
static uint64_t exact(const uint64_t *sorted, size_t count, double percent)
{
    size_t rank = 1;

    while ((double)rank < percent / 100.0 * (double)count && rank < count) {
        rank++;
    }
    return sorted[rank - 1];
}

static void test_percentiles_are_the_exact_ones_up_to_a_bucket(void **state)
{
    static const double percents[] = {0, 0.1, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99, 100, 200};
    static uint64_t values[VALUES];
    uint64_t random = test_seed();

    (void)state;
    hulse_histogram_init(&one);
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = test_random(&random) >> test_below(&random, 63);
        hulse_histogram_record(&one, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare);
    for (size_t i = 0; i < COUNT_OF(percents); i++) {
        const uint64_t want = exact(values, VALUES, percents[i]);
        const uint64_t got = hulse_histogram_percentile(&one, percents[i]);
        assert_true(got >= want);
        assert_true(got - want <= want / 32);
    }
    assert_true(hulse_histogram_percentile(&one, 100) == values[VALUES - 1]);
    assert_true(one.min == values[0] && one.max == values[VALUES - 1]);
    assert_int_equal(one.count, VALUES);
}

static void test_merging_is_recording_in_one(void **state)
{
    static struct histogram both;
    uint64_t random = test_seed();

    (void)state;
    hulse_histogram_init(&one);
    hulse_histogram_init(&two);
    hulse_histogram_init(&both);
    for (size_t i = 0; i < VALUES; i++) {
        const uint64_t value = test_random(&random) >> test_below(&random, 63);
        hulse_histogram_record(i % 3 == 0 ? &one : &two, value);
        hulse_histogram_record(&both, value);
    }
    hulse_histogram_merge(&one, &two);
    assert_memory_equal(&one, &both, sizeof(both));
}

static void test_an_empty_one_and_a_mean(void **state)
{
    (void)state;
    hulse_histogram_init(&one);
    assert_int_equal(hulse_histogram_percentile(&one, 50), 0);
    assert_true(hulse_histogram_mean(&one) == 0.0);
    hulse_histogram_init(&two);
    hulse_histogram_record(&two, 10);
    hulse_histogram_record(&two, 30);
    assert_true(hulse_histogram_mean(&two) == 20.0);
    hulse_histogram_merge(&one, &two);
    assert_memory_equal(&one, &two, sizeof(two));
    assert_int_equal(hulse_histogram_percentile(&two, 50), 10);
    assert_int_equal(hulse_histogram_percentile(&two, 50.1), 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets_are_narrow_and_without_gaps),
        cmocka_unit_test(test_percentiles_are_the_exact_ones_up_to_a_bucket),
        cmocka_unit_test(test_merging_is_recording_in_one),
        cmocka_unit_test(test_an_empty_one_and_a_mean),
    };

    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
