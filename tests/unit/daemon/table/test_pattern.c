/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   which names a glob matches.
 * Method: a table of edges; then random globs over a tiny alphabet against a matcher that tries
 *         everything.
 */
#include "daemon/table/pattern.h"
#include "tests/support/naive_pattern.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

static void test_edges(void **state)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"*", "", true},
        {"**", "", true},
        {"?", "", false},
        {"?", "/", false},
        {"?", "a", true},
        {"*", "a/b", false},
        {"**", "a/b", true},
        {"***", "a/b/c", true},
        {"*/*", "a/b", true},
        {"*/*", "a/b/c", false},
        {"a*c", "abbc", true},
        {"a*c", "ab/c", false},
        {"a**c", "ab/bc", true},
        {"a**/c", "a/c", true},
        {"**x*y", "a/xb/y", false},
        {"**x*y", "a/xb/xy", true},
        {"*ab", "aab", true},
        {"*a*b", "aXaYb", true},
        {"persistent://hexa/orders/*", "persistent://hexa/orders/eu", true},
        {"persistent://hexa/orders/*", "persistent://hexa/orders/", true},
        {"persistent://hexa/*/*", "persistent://hexa/a/b", true},
        {"persistent://hexa/*/*", "non-persistent://hexa/a/b", false},
        {"**://hexa/**", "non-persistent://hexa/a/b", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (hulse_pattern_match(rows[i].pattern, rows[i].text) != rows[i].matches) {
            fail_msg("'%s' on '%s'", rows[i].pattern, rows[i].text);
        }
    }
}

static void test_against_a_naive_matcher(void **state)
{
    static const char pattern_letters[] = "ab/**?*";
    static const char text_letters[] = "ab/";
    uint64_t random = test_seed();
    unsigned matched = 0;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        char pattern[11] = "";
        char text[15] = "";
        const uint64_t pattern_bytes = test_below(&random, sizeof(pattern));
        const uint64_t text_bytes = test_below(&random, sizeof(text));
        for (uint64_t i = 0; i < pattern_bytes; i++) {
            pattern[i] = pattern_letters[test_below(&random, sizeof(pattern_letters) - 1)];
        }
        for (uint64_t i = 0; i < text_bytes; i++) {
            text[i] = text_letters[test_below(&random, sizeof(text_letters) - 1)];
        }
        const bool expected = naive_pattern_match(pattern, text);
        matched += expected;
        if (hulse_pattern_match(pattern, text) != expected) {
            fail_msg("'%s' on '%s' should be %d", pattern, text, expected);
        }
    }
    assert_true(matched > 1000);
}

/* It comes to an end: tried place by place, each of these would take days. */
static void test_a_name_cannot_make_it_slow(void **state)
{
    static const char *const patterns[] = {"**a*b", "**aa*ab/", "**?*b", "**a*b/c"};
    enum { BYTES = 1 << 21 };
    char *text = malloc(BYTES + 1);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        memset(text, 'a', BYTES);
        text[BYTES] = '\0';
        assert_false(hulse_pattern_match(patterns[i], text));
        text[BYTES - 1] = '/';
        assert_false(hulse_pattern_match(patterns[i], text));
        text[BYTES / 2] = '/';
        assert_false(hulse_pattern_match(patterns[i], text));
    }
    free(text);
}

static void test_literal_ends(void **state)
{
    (void)state;
    assert_int_equal(hulse_pattern_prefix_bytes(""), 0);
    assert_int_equal(hulse_pattern_prefix_bytes("*a"), 0);
    assert_int_equal(hulse_pattern_prefix_bytes("ab?"), 2);
    assert_int_equal(hulse_pattern_prefix_bytes("abc"), 3);
    assert_int_equal(hulse_pattern_suffix_bytes(""), 0);
    assert_int_equal(hulse_pattern_suffix_bytes("*"), 0);
    assert_int_equal(hulse_pattern_suffix_bytes("*a"), 1);
    assert_int_equal(hulse_pattern_suffix_bytes("a?bc"), 2);
    assert_int_equal(hulse_pattern_suffix_bytes("abc"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_against_a_naive_matcher),
        cmocka_unit_test(test_a_name_cannot_make_it_slow),
        cmocka_unit_test(test_literal_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
