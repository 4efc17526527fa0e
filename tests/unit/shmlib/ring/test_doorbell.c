/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the arithmetic of the doorbells: one ring per arming, a wish is met by crossing it.
 * Method: walk the epochs; every position around a wish. The orders are tested in tests/model and
 *         tests/stress.
 */
#include "shmlib/ring/doorbell.h"
#include "tests/unit/shmlib/ring/check.h"

static void test_each_arming_is_rung_once(void **state)
{
    _Atomic(uint64_t) armed = 0;
    uint64_t epoch = 0;
    uint64_t rung = 0;

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_false(hulse_doorbell_publisher(&armed, &rung));
        hulse_doorbell_arm(&armed, &epoch);
        assert_true(hulse_doorbell_publisher(&armed, &rung));
        assert_false(hulse_doorbell_publisher(&armed, &rung));
        hulse_doorbell_disarm(&armed, &epoch);
        assert_false(hulse_doorbell_publisher(&armed, &rung));
    }
}

static void test_arming_again_is_a_new_epoch(void **state)
{
    _Atomic(uint64_t) armed = 0;
    uint64_t epoch = 0;
    uint64_t rung = 0;

    (void)state;
    hulse_doorbell_arm(&armed, &epoch);
    assert_int_equal(epoch, 1);
    assert_true(hulse_doorbell_publisher(&armed, &rung));
    hulse_doorbell_arm(&armed, &epoch);
    assert_int_equal(epoch, 3);
    assert_int_equal(atomic_load_explicit(&armed, memory_order_relaxed), 3);
    assert_true(hulse_doorbell_publisher(&armed, &rung));
}

static void test_disarming_twice_changes_nothing(void **state)
{
    _Atomic(uint64_t) armed = 0;
    uint64_t epoch = 0;

    (void)state;
    hulse_doorbell_disarm(&armed, &epoch);
    assert_int_equal(epoch, 0);
    hulse_doorbell_arm(&armed, &epoch);
    hulse_doorbell_disarm(&armed, &epoch);
    hulse_doorbell_disarm(&armed, &epoch);
    assert_int_equal(epoch, 2);
    assert_int_equal(atomic_load_explicit(&armed, memory_order_relaxed), 2);
}

static void test_a_wish_is_met_exactly_when_crossed(void **state)
{
    static const uint64_t bases[] = {64, (1ULL << 32) - 8, (1ULL << 63) - 8};

    (void)state;
    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        const uint64_t at = bases[i];
        _Atomic(uint64_t) want = 0;
        hulse_doorbell_announce(&want, at);
        assert_int_equal(atomic_load_explicit(&want, memory_order_relaxed), at);
        assert_true(hulse_doorbell_crossed(&want, at - 8, at));
        assert_true(hulse_doorbell_crossed(&want, at - 1, at));
        assert_true(hulse_doorbell_crossed(&want, at - 64, at + 64));
        assert_false(hulse_doorbell_crossed(&want, at - 16, at - 8));
        assert_false(hulse_doorbell_crossed(&want, at, at + 8));
        assert_false(hulse_doorbell_crossed(&want, at, at));
        assert_false(hulse_doorbell_crossed(&want, at - 8, at - 8));
    }
}

static void test_no_wish_means_no_wake(void **state)
{
    _Atomic(uint64_t) want = 0;

    (void)state;
    assert_false(hulse_doorbell_crossed(&want, 0, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_arming_is_rung_once),
        cmocka_unit_test(test_arming_again_is_a_new_epoch),
        cmocka_unit_test(test_disarming_twice_changes_nothing),
        cmocka_unit_test(test_a_wish_is_met_exactly_when_crossed),
        cmocka_unit_test(test_no_wish_means_no_wake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
