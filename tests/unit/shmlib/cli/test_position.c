/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: libs=hulse_cli_parts */
/*
 * Goal:   words, ids and times are what they say; anything else is refused and changes nothing.
 * Method: a table of each, at the edges.
 */
#include "shmlib/cli/position.h"
#include "tests/unit/shmlib/cli/check.h"

#include <time.h>

static struct hulse_cli_position parse(const char *text)
{
    struct hulse_cli_position p = {.unix_ms = 77};

    assert_true(hulse_cli_position_parse(text, &p));
    return p;
}

static void test_words(void **state)
{
    (void)state;
    assert_int_equal(parse("earliest").start, HULSE_EARLIEST);
    assert_int_equal(parse("latest").start, HULSE_LATEST);
}

static void test_ids(void **state)
{
    struct hulse_cli_position p;

    (void)state;
    p = parse("12:34");
    assert_int_equal(p.start, HULSE_AT_ID);
    assert_int_equal(p.id.size, sizeof(p.id));
    assert_int_equal(p.id.ledger, 12);
    assert_int_equal(p.id.entry, 34);
    assert_int_equal(p.id.partition, 0);
    assert_int_equal(p.id.batch, -1);
    p = parse("1:0:65535:2147483647");
    assert_int_equal(p.id.partition, 65535);
    assert_int_equal(p.id.batch, INT32_MAX);
    assert_int_equal(parse("1:0:0:-1").id.batch, -1);
    assert_int_equal(parse("1:0:-1:-1").id.partition, 0); /* as Java's client prints it */
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        uint64_t unix_ms;
    } cases[] = {{"1970-01-01T00:00:00Z", 0},
                 {"2026-11-30T09:30:00Z", 1796031000000},
                 {"2026-11-30T10:30:00+01:00", 1796031000000},
                 {"2026-11-30T06:00:00-03:30", 1796031000000},
                 {"2026-11-30T09:30:00.25Z", 1796031000250},
                 {"2026-11-30T09:30:00.0019999Z", 1796031000001}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct hulse_cli_position p = parse(cases[i].text);
        assert_int_equal(p.start, HULSE_AT_TIME);
        assert_int_equal(p.unix_ms, cases[i].unix_ms);
    }
    const uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    const struct hulse_cli_position ago = parse("-15m");
    assert_int_equal(ago.start, HULSE_AT_TIME);
    assert_in_range(
        now_ms - ago.unix_ms, 0, (15 * 60 + 60) * 1000); /* the clock goes on meanwhile */
    assert_true(ago.unix_ms < now_ms);
}

static void test_anything_else_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "early",
                                      "12",
                                      "12:",
                                      ":3",
                                      "1:2:",
                                      "1:2:65536",
                                      "1:2:3:4:5",
                                      "1:2:3:-2",
                                      "1:-1",
                                      "-1:1",
                                      "18446744073709551616:1",
                                      "18446744073709551615:1",
                                      "9223372036854775808:1",
                                      "1:2 ",
                                      "2026-11-30",
                                      "2026-11-30T09:30:00",
                                      "2026-11-30T09:30:00.Z",
                                      "2026-11-30T09:30:00+01",
                                      "2026-11-30T09:30:00Zx",
                                      "1969-12-31T23:59:59Z",
                                      "-15x",
                                      "15m",
                                      "-"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct hulse_cli_position p = {.unix_ms = 77};
        assert_false(hulse_cli_position_parse(bad[i], &p));
        assert_int_equal(p.unix_ms, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_anything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
