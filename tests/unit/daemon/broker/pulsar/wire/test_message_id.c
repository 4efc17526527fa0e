/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   an id and its text are the same thing; ids are in the order of the topic.
 * Method: random ids by seed with the extremes among them; texts that are nearly ids; all pairs of a sorted list.
 */
#include "daemon/broker/pulsar/wire/message_id.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

static int64_t any_number(uint64_t *seed, int64_t max)
{
    switch (test_below(seed, 8)) {
    case 0:
        return -1;
    case 1:
        return 0;
    case 2:
        return max;
    default:
        return (int64_t)(test_random(seed) >> (1 + test_below(seed, 63))) % max;
    }
}

static void test_text_and_back(void **state)
{
    uint64_t seed = test_seed();

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        const struct wire_message_id id = {.ledger = any_number(&seed, INT64_MAX),
                                           .entry = any_number(&seed, INT64_MAX),
                                           .partition = (int32_t)any_number(&seed, INT32_MAX),
                                           .batch = (int32_t)any_number(&seed, INT32_MAX)};
        struct wire_message_id again = {0};
        char text[WIRE_ID_TEXT_BYTES];
        const char *why = NULL;
        hulse_wire_id_print(&id, text);
        assert_true(strlen(text) < WIRE_ID_TEXT_BYTES);
        assert_true(hulse_wire_id_parse(text, &again, &why));
        assert_int_equal(hulse_wire_id_compare(&id, &again), 0);
        assert_memory_equal(&id, &again, sizeof(id));
    }
}

static void test_texts_are_those_of_other_clients(void **state)
{
    static const struct {
        struct wire_message_id id;
        const char *text;
    } known[] = {{{12, 34, -1, -1}, "12:34:-1"},
                 {{12, 34, 5, -1}, "12:34:5"},
                 {{12, 34, 5, 6}, "12:34:5:6"},
                 {{12, 34, -1, 0}, "12:34:-1:0"},
                 {WIRE_ID_EARLIEST, "-1:-1:-1"},
                 {WIRE_ID_LATEST, "9223372036854775807:9223372036854775807:-1"},
                 {{INT64_MIN, INT64_MIN, INT32_MIN, INT32_MIN},
                  "-9223372036854775808:-9223372036854775808:-2147483648:-2147483648"}};
    char text[WIRE_ID_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        hulse_wire_id_print(&known[i].id, text);
        assert_string_equal(text, known[i].text);
    }
}

static void test_what_is_no_id_is_refused_with_a_reason(void **state)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "1:2",
                                      "1:2:",
                                      "1:2:3:",
                                      "1:2:3:4:5",
                                      "1:2:3:4:",
                                      "a:2:3",
                                      "1:2:3x",
                                      " 1:2:3",
                                      "1: 2:3",
                                      "+1:2:3",
                                      "-2:2:3",
                                      "--1:2:3",
                                      "-:2:3",
                                      "1::3",
                                      "1:2:-12",
                                      "9223372036854775808:2:3",
                                      "1:99999999999999999999999999:3",
                                      "1:2:2147483648",
                                      "1:2:3:2147483648"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct wire_message_id id = {.ledger = 77};
        const char *why = NULL;
        print_message("'%s'\n", bad[i]);
        assert_false(hulse_wire_id_parse(bad[i], &id, &why));
        assert_non_null(why);
        assert_int_equal(id.ledger, 77);
    }
}

static void test_order_is_that_of_the_topic(void **state)
{
    static const struct wire_message_id sorted[] = {WIRE_ID_EARLIEST,
                                                    {0, -1, -1, -1},
                                                    {0, 0, -1, -1},
                                                    {0, 0, 0, -1},
                                                    {0, 0, 0, 0},
                                                    {0, 0, 0, 5},
                                                    {0, 0, 1, 0},
                                                    {0, 1, 0, 0},
                                                    {7, 0, 0, 0},
                                                    {7, INT64_MAX, 0, 0},
                                                    WIRE_ID_LATEST};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sorted); i++) {
        for (size_t k = 0; k < COUNT_OF(sorted); k++) {
            const int order = hulse_wire_id_compare(&sorted[i], &sorted[k]);
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_and_back),
        cmocka_unit_test(test_texts_are_those_of_other_clients),
        cmocka_unit_test(test_what_is_no_id_is_refused_with_a_reason),
        cmocka_unit_test(test_order_is_that_of_the_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
