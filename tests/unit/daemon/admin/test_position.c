/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a place in a topic is read as it is written, and nothing else is taken for one.
 * Method: both, side by side.
 */
#include "daemon/admin/position.h"
#include "tests/support/check.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void test_ends(void **state)
{
    struct broker_position p = {.kind = BROKER_AT_ID};

    (void)state;
    assert_true(hulse_admin_position_parse("earliest", &p));
    assert_int_equal(p.kind, BROKER_EARLIEST);
    assert_true(hulse_admin_position_parse("latest", &p));
    assert_int_equal(p.kind, BROKER_LATEST);
}

static void test_ids(void **state)
{
    static const struct {
        const char *text;
        struct broker_id id;
    } cases[] = {
        {"0:0", {.batch = -1}},
        {"12:7", {.ledger = 12, .entry = 7, .batch = -1}},
        {"12:7:3", {.ledger = 12, .entry = 7, .partition = 3, .batch = -1}},
        {"12:7:-1", {.ledger = 12, .entry = 7, .batch = -1}},
        {"12:7:-1:-1", {.ledger = 12, .entry = 7, .batch = -1}},
        {"9223372036854775807:1:65535:2147483647",
         {.ledger = INT64_MAX, .entry = 1, .partition = 65535, .batch = INT32_MAX}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct broker_position p;
        assert_true(hulse_admin_position_parse(cases[i].text, &p));
        assert_int_equal(p.kind, BROKER_AT_ID);
        assert_true(p.id.ledger == cases[i].id.ledger && p.id.entry == cases[i].id.entry);
        assert_int_equal(p.id.partition, cases[i].id.partition);
        assert_int_equal(p.id.batch, cases[i].id.batch);
    }
}

static void test_what_is_none(void **state)
{
    static const char *const cases[] = {"",
                                        "Latest",
                                        "1",
                                        "1:",
                                        ":1",
                                        "1:2:",
                                        "1:2:3:4:",
                                        "1:2:3:4:5",
                                        "-1:2",
                                        "1:-1",
                                        "1:2:-2",
                                        "1:2:65536",
                                        "1:2:3:2147483648",
                                        "9223372036854775808:1",
                                        "18446744073709551616:1",
                                        "1:2 ",
                                        " 1:2",
                                        "+1:2",
                                        "0x1:2",
                                        "1;2"};
    struct broker_position p = {.time_ms = 7};

    (void)state;
    assert_false(hulse_admin_position_parse(NULL, &p));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(hulse_admin_position_parse(cases[i], &p));
    }
    assert_int_equal(p.time_ms, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
