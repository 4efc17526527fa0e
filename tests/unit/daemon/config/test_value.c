/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a value is one whole text that fits its type; what is printed is read back as the same.
 * Method: tables of good and bad texts around every edge; random numbers there and back.
 */
#include "daemon/config/cpu_list.h"
#include "daemon/config/value.h"
#include "tests/support/check.h"

#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define DAY_NS (86400ULL * 1000000000)

typedef bool parse(const char *text, uint64_t *out, const char **why);

struct good {
    const char *text;
    uint64_t value;
};

static void check_good(parse *read, const struct good *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 77;
        const char *why = NULL;
        if (!read(cases[i].text, &value, &why)) {
            fail_msg("'%s' was refused: %s", cases[i].text, why);
        }
        assert_int_equal(value, cases[i].value);
    }
}

static void check_bad(parse *read, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 77;
        const char *why = NULL;
        if (read(texts[i], &value, &why)) {
            fail_msg("'%s' was accepted", texts[i]);
        }
        assert_int_equal(value, 77);
        assert_non_null(why);
    }
}

static void test_counts(void **state)
{
    static const struct good good[] = {{"0", 0},
                                       {"1", 1},
                                       {"007", 7},
                                       {"4294967296", 4294967296},
                                       {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {"",
                                      " ",
                                      "-1",
                                      "+1",
                                      "1 ",
                                      " 1",
                                      "1.0",
                                      "0x10",
                                      "1k",
                                      "1KiB",
                                      "18446744073709551616",
                                      "99999999999999999999999",
                                      "\xd9\xa1"};

    (void)state;
    check_good(hulse_value_count, good, COUNT_OF(good));
    check_bad(hulse_value_count, bad, COUNT_OF(bad));
}

static void test_sizes(void **state)
{
    static const struct good good[] = {{"0", 0},
                                       {"1", 1},
                                       {"64KiB", 65536},
                                       {"5MiB", 5U << 20},
                                       {"1GiB", 1U << 30},
                                       {"18446744073709551615", UINT64_MAX},
                                       {"17179869183GiB", 17179869183ULL << 30},
                                       {"18014398509481983KiB", 18014398509481983ULL << 10}};
    static const char *const bad[] = {"",
                                      "KiB",
                                      "-1KiB",
                                      "1.5MiB",
                                      "1 KiB",
                                      "1KiB ",
                                      "1kib",
                                      "1KB",
                                      "1K",
                                      "1TiB",
                                      "1MiBx",
                                      "1MiB1",
                                      "17179869184GiB",
                                      "18014398509481984KiB",
                                      "18446744073709551616",
                                      "0x1KiB"};

    (void)state;
    check_good(hulse_value_size, good, COUNT_OF(good));
    check_bad(hulse_value_size, bad, COUNT_OF(bad));
}

static void test_durations(void **state)
{
    static const struct good good[] = {
        {"0", 0},
        {"0s", 0},
        {"250", 250000000},
        {"250ms", 250000000},
        {"2us", 2000},
        {"30s", 30000000000},
        {"5m", 300000000000},
        {"2h", 7200000000000},
        {"7d", 7 * DAY_NS},
        {"213503d", 213503 * DAY_NS}, /* the last whole day in 64 bits */
        {"18446744073709ms", 18446744073709000000ULL}};
    static const char *const bad[] = {"",
                                      "s",
                                      "-1s",
                                      "1.5s",
                                      "1 s",
                                      "1s ",
                                      "1S",
                                      "1min",
                                      "1w",
                                      "1ns",
                                      "1m30s",
                                      "213504d",
                                      "18446744073710ms",
                                      "18446744073710",
                                      "18446744073709551616us"};

    (void)state;
    check_good(hulse_value_duration, good, COUNT_OF(good));
    check_bad(hulse_value_duration, bad, COUNT_OF(bad));
}

static void test_milliseconds(void **state)
{
    static const struct good good[] = {
        {"0", 0}, {"7", 7}, {"2000us", 2}, {"30s", 30000}, {"7d", 7ULL * 86400000}};
    static const char *const bad[] = {"", "1us", "1500us", "-1ms", "213504d"};

    (void)state;
    check_good(hulse_value_duration_ms, good, COUNT_OF(good));
    check_bad(hulse_value_duration_ms, bad, COUNT_OF(bad));
}

static void test_ratios(void **state)
{
    static const struct good good[] = {{"0", 0},
                                       {"2", 2000},
                                       {"1.5", 1500},
                                       {"1.25", 1250},
                                       {"0.001", 1},
                                       {"1.050", 1050},
                                       {"18446744073709551.615", UINT64_MAX}};
    static const char *const bad[] = {"",
                                      ".",
                                      "1.",
                                      ".5",
                                      "-1",
                                      "1.2345",
                                      "1,5",
                                      "1.5x",
                                      "1.5.5",
                                      "1e3",
                                      "18446744073709551.616",
                                      "18446744073709552",
                                      "1.99999999999999999999"};

    (void)state;
    check_good(hulse_value_ratio, good, COUNT_OF(good));
    check_bad(hulse_value_ratio, bad, COUNT_OF(bad));
}

static void test_booleans(void **state)
{
    static const char *const bad[] = {"", "True", "yes", "1", "on", "true ", "falsey"};
    bool value = false;
    const char *why = NULL;

    (void)state;
    assert_true(hulse_value_bool("true", &value, &why));
    assert_true(value);
    assert_true(hulse_value_bool("false", &value, &why));
    assert_false(value);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(hulse_value_bool(bad[i], &value, &why));
        assert_non_null(why);
    }
}

static void test_modes(void **state)
{
    static const char *const bad[] = {
        "", "66", "00660", "0668", "-660", "1777", "4755", "rw-rw----", "0o660"};
    uint32_t mode = 0;
    const char *why = NULL;

    (void)state;
    assert_true(hulse_value_mode("0660", &mode, &why));
    assert_int_equal(mode, 0660);
    assert_true(hulse_value_mode("777", &mode, &why));
    assert_int_equal(mode, 0777);
    assert_true(hulse_value_mode("0000", &mode, &why));
    assert_int_equal(mode, 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        mode = 1;
        if (hulse_value_mode(bad[i], &mode, &why)) {
            fail_msg("'%s' was accepted", bad[i]);
        }
        assert_int_equal(mode, 1);
    }
}

static void check_there_and_back(uint64_t value)
{
    char text[64];
    uint64_t back = 0;
    const char *why = NULL;

    hulse_value_print_size(text, sizeof(text), value);
    assert_true(hulse_value_size(text, &back, &why));
    assert_int_equal(back, value);
    hulse_value_print_ratio(text, sizeof(text), value);
    assert_true(hulse_value_ratio(text, &back, &why));
    assert_int_equal(back, value);
    value -= value % 1000;
    hulse_value_print_duration(text, sizeof(text), value);
    assert_true(hulse_value_duration(text, &back, &why));
    assert_int_equal(back, value);
}

static void test_print_is_read_back(void **state)
{
    uint64_t x = 88172645463325252ULL;
    char text[64];

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        /* Few bits at any height: many round numbers. */
        check_there_and_back((x >> 58) << (x & 63));
        check_there_and_back(x >> (i & 63));
    }
    check_there_and_back(0);
    check_there_and_back(UINT64_MAX);
    hulse_value_print_size(text, sizeof(text), 5U << 20);
    assert_string_equal(text, "5MiB");
    hulse_value_print_size(text, sizeof(text), 0);
    assert_string_equal(text, "0");
    hulse_value_print_duration(text, sizeof(text), 25000000000);
    assert_string_equal(text, "25s");
    hulse_value_print_duration(text, sizeof(text), 90000000000);
    assert_string_equal(text, "90s");
}

static void test_cpu_lists(void **state)
{
    static const char *const bad[] = {
        "", ",", "1,", ",1", "-1", "3-1", "1-", "a", "1 ", "1024", "0-1024", "99999999999", "1--2"};
    cpu_set_t set;
    const char *why = NULL;

    (void)state;
    assert_true(hulse_cpu_list_parse("0-3,6", &set, &why));
    assert_int_equal(CPU_COUNT(&set), 5);
    assert_true(CPU_ISSET(0, &set) && CPU_ISSET(3, &set) && CPU_ISSET(6, &set));
    assert_false(CPU_ISSET(4, &set));
    assert_true(hulse_cpu_list_parse("1023", &set, &why));
    assert_int_equal(CPU_COUNT(&set), 1);
    assert_true(hulse_cpu_list_parse("2,2,1-2", &set, &why));
    assert_int_equal(CPU_COUNT(&set), 2);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (hulse_cpu_list_parse(bad[i], &set, &why)) {
            fail_msg("'%s' was accepted", bad[i]);
        }
        assert_non_null(why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_milliseconds),
        cmocka_unit_test(test_ratios),
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_print_is_read_back),
        cmocka_unit_test(test_cpu_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
