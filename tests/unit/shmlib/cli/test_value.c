/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: libs=hulse_cli_parts */
/*
 * Goal:   option values are taken as documented and everything near them is refused.
 * Method: tables of good and bad spellings, limits from both sides.
 */
#include "shmlib/cli/value.h"
#include "tests/unit/shmlib/cli/check.h"

#include <limits.h>

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int ms;
    } good[] = {{"0", 0},
                {"250", 250},
                {"250ms", 250},
                {"30s", 30000},
                {"5m", 300000},
                {"2h", 7200000},
                {"7d", 604800000},
                {"2147483647", INT_MAX}};
    static const char *const bad[] = {
        "", "s", "-1s", " 1s", "1 s", "1.5s", "1S", "1sm", "0x10", "2147483648", "25d", "1us"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int ms = -7;
        assert_true(hulse_cli_value_duration(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int ms = -7;
        assert_false(hulse_cli_value_duration(bad[i], &ms));
        assert_int_equal(ms, -7);
    }
}

static void test_counts(void **state)
{
    uint64_t n = 77;

    (void)state;
    assert_true(hulse_cli_value_count("1", 1, 3, &n));
    assert_int_equal(n, 1);
    assert_true(hulse_cli_value_count("18446744073709551615", 1, UINT64_MAX, &n));
    assert_true(n == UINT64_MAX);
    n = 77;
    assert_false(hulse_cli_value_count("0", 1, 3, &n));
    assert_false(hulse_cli_value_count("4", 1, 3, &n));
    assert_false(hulse_cli_value_count("18446744073709551616", 1, UINT64_MAX, &n));
    assert_false(hulse_cli_value_count("-1", 0, 3, &n));
    assert_false(hulse_cli_value_count("1x", 0, 3, &n));
    assert_false(hulse_cli_value_count("", 0, 3, &n));
    assert_int_equal(n, 77);
}

static void test_rates(void **state)
{
    static const struct {
        const char *text;
        double per_second;
    } good[] = {{"100", 100}, {"0.5", 0.5}, {"100/s", 100}, {"30/m", 0.5}, {"36/h", 0.01}};
    static const char *const bad[] = {
        "", "0", "-1", "/s", "1/d", "1 /s", "nan", "inf", "0x10", "2e9", "1e400"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        double rate = -1;
        assert_true(hulse_cli_value_rate(good[i].text, &rate));
        assert_true(rate > good[i].per_second * 0.999 && rate < good[i].per_second * 1.001);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        double rate = -1;
        assert_false(hulse_cli_value_rate(bad[i], &rate));
        assert_true(rate < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_rates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
