/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   TERM serves until the last session closes or the time is nearly up, then finishes for at
 *         most 2 s; the wait can be cut short; a second TERM is told apart from the first.
 * Method: the state machine with invented clocks, sessions and workers.
 */
#include "daemon/control/drain.h"
#include "tests/support/check.h"

#define T0 1000000U

static void test_nothing_happens_before_the_request(void **state)
{
    struct drain d = {0};

    (void)state;
    assert_int_equal(hulse_drain_advance(&d, T0, 0, true), DRAIN_SERVING);
    assert_int_equal(hulse_drain_advance(&d, UINT64_MAX, 0, true), DRAIN_SERVING);
}

static void test_without_sessions_it_finishes_at_once(void **state)
{
    struct drain d = {0};

    (void)state;
    assert_true(hulse_drain_begin(&d, T0, 25000));
    assert_int_equal(hulse_drain_advance(&d, T0, 0, false), DRAIN_FINISHING);
    assert_int_equal(hulse_drain_advance(&d, T0, 0, false), DRAIN_FINISHING);
    assert_int_equal(hulse_drain_advance(&d, T0 + 1, 0, true), DRAIN_DONE);
    assert_int_equal(hulse_drain_advance(&d, T0 + 2, 9, false), DRAIN_DONE);
}

static void test_sessions_are_served_to_the_last(void **state)
{
    struct drain d = {0};

    (void)state;
    assert_true(hulse_drain_begin(&d, T0, 25000));
    assert_int_equal(hulse_drain_advance(&d, T0, 2, false), DRAIN_WAITING);
    /* Drained workers mean nothing while nobody told them to finish. */
    assert_int_equal(hulse_drain_advance(&d, T0 + 21000, 1, true), DRAIN_WAITING);
    assert_int_equal(hulse_drain_advance(&d, T0 + 21001, 0, true), DRAIN_FINISHING);
    assert_int_equal(hulse_drain_advance(&d, T0 + 21002, 0, true), DRAIN_DONE);
}

static void test_the_wait_ends_three_seconds_early(void **state)
{
    struct drain d = {0};

    (void)state;
    assert_true(hulse_drain_begin(&d, T0, 25000));
    assert_int_equal(hulse_drain_advance(&d, T0 + 21999, 1, false), DRAIN_WAITING);
    assert_int_equal(hulse_drain_advance(&d, T0 + 22000, 1, false), DRAIN_FINISHING);
}

static void test_a_short_timeout_does_not_wait(void **state)
{
    static const uint64_t timeouts_ms[] = {0, 1, 2999, 3000};

    (void)state;
    for (size_t i = 0; i < sizeof(timeouts_ms) / sizeof(timeouts_ms[0]); i++) {
        struct drain d = {0};
        assert_true(hulse_drain_begin(&d, T0, timeouts_ms[i]));
        assert_int_equal(hulse_drain_advance(&d, T0, 5, false), DRAIN_FINISHING);
    }
}

static void test_finishing_is_bounded(void **state)
{
    struct drain d = {0};

    (void)state;
    assert_true(hulse_drain_begin(&d, T0, 0));
    assert_int_equal(hulse_drain_advance(&d, T0 + 10, 5, false), DRAIN_FINISHING);
    assert_int_equal(hulse_drain_advance(&d, T0 + 10 + 1999, 5, false), DRAIN_FINISHING);
    assert_int_equal(hulse_drain_advance(&d, T0 + 10 + 2000, 5, false), DRAIN_DONE);
}

static void test_a_wait_can_be_cut_short(void **state)
{
    struct drain d = {0};

    (void)state;
    hulse_drain_hasten(&d, T0);
    assert_int_equal(hulse_drain_advance(&d, T0, 1, false), DRAIN_SERVING);
    assert_true(hulse_drain_begin(&d, T0, 25000));
    assert_int_equal(hulse_drain_advance(&d, T0 + 10, 1, false), DRAIN_WAITING);
    hulse_drain_hasten(&d, T0 + 10);
    assert_int_equal(hulse_drain_advance(&d, T0 + 10, 1, false), DRAIN_FINISHING);
    /* Answers have their whole time, and are not asked to hurry. */
    hulse_drain_hasten(&d, T0 + 20);
    assert_int_equal(hulse_drain_advance(&d, T0 + 10 + 1999, 1, false), DRAIN_FINISHING);
    assert_int_equal(hulse_drain_advance(&d, T0 + 10 + 2000, 1, false), DRAIN_DONE);
}

static void test_a_second_request_is_told_apart(void **state)
{
    struct drain d = {0};

    (void)state;
    assert_true(hulse_drain_begin(&d, T0, 25000));
    assert_false(hulse_drain_begin(&d, T0, 25000));
    (void)hulse_drain_advance(&d, T0, 0, false);
    assert_false(hulse_drain_begin(&d, T0, 25000));
    assert_int_equal(d.step, DRAIN_FINISHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_happens_before_the_request),
        cmocka_unit_test(test_without_sessions_it_finishes_at_once),
        cmocka_unit_test(test_sessions_are_served_to_the_last),
        cmocka_unit_test(test_the_wait_ends_three_seconds_early),
        cmocka_unit_test(test_a_short_timeout_does_not_wait),
        cmocka_unit_test(test_finishing_is_bounded),
        cmocka_unit_test(test_a_wait_can_be_cut_short),
        cmocka_unit_test(test_a_second_request_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
