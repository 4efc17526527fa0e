/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   every number of status.h has a text of its own, and no other number has one.
 * Method: walk past both ends of both number spaces; compare all pairs.
 */
#include "include/hulse/status.h"
#include "tests/unit/shmlib/ring/check.h"

#include <string.h>

#define UNKNOWN "unknown status"

static void check_text(const char *text)
{
    assert_non_null(text);
    assert_true(strlen(text) > 0);
    assert_int_not_equal(text[strlen(text) - 1], '.');
}

static void test_every_status_has_its_own_text(void **state)
{
    (void)state;
    for (int a = HULSE_OK; a >= HULSE_PROTOCOL; a--) {
        check_text(hulse_status_text(a));
        assert_string_not_equal(hulse_status_text(a), UNKNOWN);
        for (int b = HULSE_OK; b > a; b--) {
            assert_string_not_equal(hulse_status_text(a), hulse_status_text(b));
        }
    }
}

static void test_every_outcome_has_its_own_text(void **state)
{
    (void)state;
    for (unsigned a = HULSE_OUTCOME_STORED; a <= HULSE_OUTCOME_UNSUPPORTED; a++) {
        check_text(hulse_outcome_text(a));
        assert_string_not_equal(hulse_outcome_text(a), UNKNOWN);
        for (unsigned b = HULSE_OUTCOME_STORED; b < a; b++) {
            assert_string_not_equal(hulse_outcome_text(a), hulse_outcome_text(b));
        }
    }
}

static void test_other_numbers_are_unknown(void **state)
{
    static const int statuses[] = {1, HULSE_PROTOCOL - 1, 255, INT32_MIN, INT32_MAX};
    static const unsigned outcomes[] = {0, HULSE_OUTCOME_UNSUPPORTED + 1, 255, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        assert_string_equal(hulse_status_text(statuses[i]), UNKNOWN);
    }
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        assert_string_equal(hulse_outcome_text(outcomes[i]), UNKNOWN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_status_has_its_own_text),
        cmocka_unit_test(test_every_outcome_has_its_own_text),
        cmocka_unit_test(test_other_numbers_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
