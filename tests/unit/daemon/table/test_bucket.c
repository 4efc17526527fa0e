/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a bucket holds one second's worth, gives no more than its rate, takes debts, and returns
 *         exactly what was taken.
 * Method: a clock of the test's own, span_s of it; threads that take at one simulated instant.
 */
#include "daemon/table/bucket.h"
#include "tests/unit/daemon/core/check.h"

#include <pthread.h>

#define SECOND UINT64_C(1000000000)
/* Any machine has been up for a while. */
#define BEGIN (UINT64_C(86400) * SECOND)

static bool take(struct bucket *b, uint64_t per_second, uint64_t now_ns, uint64_t amount)
{
    const struct bucket_rates rates = hulse_bucket_rates(per_second, 0);

    return hulse_bucket_take(b, now_ns, hulse_bucket_cost(rates.message_ticks, amount));
}

/* How many single ones at one instant. */
static uint64_t drain(struct bucket *b, uint64_t per_second, uint64_t now_ns, uint64_t bound)
{
    uint64_t count = 0;

    while (count < bound && take(b, per_second, now_ns, 1)) {
        count++;
    }
    return count;
}

static void test_one_seconds_worth(void **state)
{
    static const uint64_t rates[] = {1, 2, 7, 1000, 99999};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rates); i++) {
        struct bucket b = {0};
        assert_int_equal(drain(&b, rates[i], BEGIN, 1000000), rates[i]);
        assert_false(take(&b, rates[i], BEGIN, 1));
        assert_int_equal(drain(&b, rates[i], BEGIN + 10 * SECOND, 1000000), rates[i]);
    }
}

static void test_no_drift_over_hours(void **state)
{
    struct bucket b = {0};
    uint64_t taken = 0;
    const uint64_t rate = 999;
    const uint64_t span_s = UINT64_C(4) * 3600; /* in seconds */

    (void)state;
    for (uint64_t ms = 0; ms < span_s * 1000; ms += 50) {
        taken += drain(&b, rate, BEGIN + ms * 1000000, 1000000);
    }
    assert_in_range(taken, rate * (span_s - 1), rate * (span_s + 1));
}

static void test_a_large_one_is_paid_for_afterwards(void **state)
{
    struct bucket b = {0};

    (void)state;
    assert_true(take(&b, 1000, BEGIN, 5000)); /* five seconds' worth */
    assert_false(take(&b, 1000, BEGIN + 4 * SECOND, 1));
    assert_true(take(&b, 1000, BEGIN + 4 * SECOND + 1, 1));
}

static void test_extreme_rates(void **state)
{
    struct bucket b = {0};
    const struct bucket_rates slow = hulse_bucket_rates(0, 1);
    const struct bucket_rates fast = hulse_bucket_rates(10000000000U, 0);

    (void)state;
    assert_int_equal(hulse_bucket_cost(fast.message_ticks, 10), 16);
    assert_int_equal(hulse_bucket_cost(fast.message_ticks, 1), 2); /* rounded up */
    assert_int_equal(hulse_bucket_cost(hulse_bucket_rates(0, UINT64_C(1) << 40U).byte_ticks, 1), 1);
    assert_int_equal(hulse_bucket_cost(fast.message_ticks, 0), 0);
    assert_int_equal(hulse_bucket_cost(slow.byte_ticks, UINT32_MAX), HULSE_BUCKET_COST_MAX);
    assert_true(hulse_bucket_take(&b, BEGIN, HULSE_BUCKET_COST_MAX));
    assert_false(hulse_bucket_take(&b, BEGIN + 3600 * SECOND, 1));
    assert_true(slow.message_ticks <= 0 && fast.byte_ticks <= 0);
}

/* The debt of days at the old rate is at most a second at the new one. */
static void test_debts_are_forgiven(void **state)
{
    struct bucket b = {0};

    (void)state;
    assert_true(take(&b, 1, BEGIN, 1000000));
    assert_false(take(&b, 1000, BEGIN + 3600 * SECOND, 1));
    hulse_bucket_forgive(&b, BEGIN + 3600 * SECOND);
    assert_false(take(&b, 1000, BEGIN + 3600 * SECOND, 1));
    assert_int_equal(drain(&b, 1000, BEGIN + 3601 * SECOND, 100000), 1000);
    /* What is within a second stays as it is. */
    const uint64_t before = atomic_load(&b.paid_until);
    hulse_bucket_forgive(&b, BEGIN + 3601 * SECOND);
    assert_int_equal(atomic_load(&b.paid_until), before);
}

static void test_a_pair_takes_both_or_neither(void **state)
{
    struct bucket_pair pair = {0};
    const struct bucket_rates rates = hulse_bucket_rates(1000, 100);
    const struct bucket_rates none = {0};

    (void)state;
    assert_true(hulse_bucket_pair_take(&pair, &none, BEGIN, 1000000));
    assert_int_equal(atomic_load(&pair.messages.paid_until), 0);
    assert_true(hulse_bucket_pair_take(&pair, &rates, BEGIN, 1000));
    const uint64_t messages = atomic_load(&pair.messages.paid_until);
    assert_false(hulse_bucket_pair_take(&pair, &rates, BEGIN, 1));
    assert_int_equal(atomic_load(&pair.messages.paid_until), messages);
    hulse_bucket_pair_give(&pair, &rates, 1000);
    assert_int_equal(atomic_load(&pair.messages.paid_until), BEGIN * 16);
    assert_int_equal(atomic_load(&pair.bytes.paid_until), BEGIN * 16);
}

enum { THREADS = 4, RATE = 100000 };
static struct bucket shared;

static void *taker(void *argument)
{
    *(uint64_t *)argument = drain(&shared, RATE, BEGIN, UINT64_MAX);
    return NULL;
}

static void test_threads_share_what_there_is(void **state)
{
    pthread_t threads[THREADS];
    uint64_t taken[THREADS] = {0};
    uint64_t sum = 0;

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, taker, &taken[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        sum += taken[i];
    }
    assert_int_equal(sum, RATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_seconds_worth),
        cmocka_unit_test(test_no_drift_over_hours),
        cmocka_unit_test(test_a_large_one_is_paid_for_afterwards),
        cmocka_unit_test(test_extreme_rates),
        cmocka_unit_test(test_debts_are_forgiven),
        cmocka_unit_test(test_a_pair_takes_both_or_neither),
        cmocka_unit_test(test_threads_share_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
