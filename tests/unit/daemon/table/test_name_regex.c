/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   an expression matches the names that RE2 says it does, as a whole; what it cannot be judged by is refused with a
 *         reason; none costs more than name times program.
 * Method: tables; a thousand-step expression of the kind that others take for ever for, on the longest names.
 */
#include "daemon/core/clock.h"
#include "daemon/table/name_regex.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

static bool matches(const char *text, const char *name)
{
    const char *why = NULL;
    struct name_regex *r = hulse_name_regex_create(text, &why);
    if (r == NULL) {
        fail_msg("%s: %s", text, why);
    }
    const bool found = hulse_name_regex_match(r, name);
    /* Nothing stays from one name to the next. */
    assert_int_equal(hulse_name_regex_match(r, name), found);
    hulse_name_regex_destroy(&r);
    return found;
}

static const struct {
    const char *regex;
    const char *yes; /* names, divided by blanks */
    const char *no;
} cases[] = {
    {"a", "a", "b aa ba"},
    {"a.c",
     "abc a-c a\xc3\xa9"
     "c",
     "ac abbc"},
    {".*", "a abc", NULL},
    {"a*b", "b ab aaab", "a ba aba"},
    {"a+b", "ab aaab", "b a"},
    {"a?b", "b ab", "aab"},
    {"a*?b+?", "b aab abb", "a"},
    {"a|b|cd", "a b cd", "c d abcd ab"},
    {"(a|b)*c", "c abc bbac", "ab cc"},
    {"(?:ab)+", "ab abab", "aba a"},
    {"(?P<x>ab)(?<y>c)", "abc", "ab"},
    {"a{3}", "aaa", "aa aaaa"},
    {"a{2,}", "aa aaaaa", "a"},
    {"a{1,3}", "a aa aaa", "aaaa b"},
    {"a{0,2}b", "b ab aab", "aaab"},
    {"a{0}b", "b", "ab"},
    {"(ab|c){2,3}", "abc abab ccab", "ab c abcabc"},
    {"a{,2}", "a{,2}", "a aa"},
    {"a{", "a{", "a"},
    {"[abc]-[0-9]+", "a-1 c-42", "d-1 a- a-x"},
    {"[^a-c]", "d -", "a b c dd"},
    {"[]a]", "] a", "b"},
    {"[a-]", "a -", "b"},
    {"[\\d.]+", "1.2 7", "a 1a"},
    {"[[:alpha:]_]+", "ab_C", "a1 1"},
    {"\\d\\w\\S", "1ab", "aab 1-b"},
    {"\\D\\W", "a-", "1- ab"},
    {"a\\.b", "a.b", "axb"},
    {"\\Qa.b*\\Ec", "a.b*c", "axbc a.bc"},
    {"\\Qab\\E*", "a ab abbb", "abab b"},
    {"\\Qa.\\E{2}", "a..", "a. a.a. ab."},
    {"\\Qa\\E\\Qb\\E+", "ab abb", "abab aab"},
    {"\\Qa\\Q\\E?", "a\\Q a\\", "a a\\QQ"},
    {"a\\Q\\E*b", "b aab", "a"},
    {"a\\Q*\\E", "a*", "a aa"},
    {"(b|\\Qa*\\E+)c", "bc a*c a**c", "a*a*c"},
    {"\\x41\\x{42}", "AB", "ab"},
    {"^a$", "a", "aa"},
    {"a^b|a$b", NULL, "ab a^b"},
    {"\\Aa\\z", "a", "ab"},
    {"(a*)*b", "b aab", "a"},
    {"(a|a)*", "a aaaa", "ab"},
    {"(|a)b", "b ab", "aab"},
    {"\xc3\xa9+", "\xc3\xa9 \xc3\xa9\xc3\xa9", "e"},
    {"[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", "e"},
    {"((((a{2}){2}){2}){2})", "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaa aaaaaaaaaaaaaaaaa"},
};

static void each(const char *regex, const char *names, bool expected)
{
    char copy[256];
    char *rest = NULL;
    if (names == NULL) {
        return;
    }
    (void)snprintf(copy, sizeof(copy), "%s", names);
    for (char *name = strtok_r(copy, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest)) {
        if (matches(regex, name) != expected) {
            fail_msg("%s %s %s", regex, expected ? "does not match" : "matches", name);
        }
    }
}

static void test_what_matches(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        each(cases[i].regex, cases[i].yes, true);
        each(cases[i].regex, cases[i].no, false);
    }
    assert_true(matches("a*", ""));
    assert_false(matches("a+", ""));
}

static void test_what_is_refused(void **state)
{
    static const char *const refused[] = {
        "(",       ")",        "[",        "[a",          "*",       "a**",       "a{2}{3}",
        "a{1001}", "a{3,1}",   "\\",       "(a)\\1",      "\\b",     "\\pL",      "(?i)a",
        "(?=a)",   "(?<=a)b",  "(?!a)",    "[z-a]",       "\\x4g",   "\\x{",      "a|*b",
        "(?P<x)",  "[[:no:]]", "a{1000}b", "(a{99}){99}", "\\Q\\E*", "a|\\Q\\E*", "\\Qa\\E**"};
    const char *why = NULL;
    char deep[256];
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        why = NULL;
        struct name_regex *r = hulse_name_regex_create(refused[i], &why);
        if (r != NULL || why == NULL) {
            fail_msg("%s is not refused", refused[i]);
        }
    }
    memset(deep, '(', 100);
    deep[100] = '\0';
    assert_null(hulse_name_regex_create(deep, &why));
}

/* A matcher that tries one alternative after the other would not come back. */
static void test_none_costs_more_than_name_times_program(void **state)
{
    static const char *const greedy[] = {"(a+)+$",
                                         "(a|a)*b",
                                         "(a*)*b",
                                         "(a|aa)+$",
                                         "(.*)(.*)(.*)(.*)(.*)(.*)(.*)b",
                                         "(a?){300}a{300}"};
    char name[1024];
    (void)state;
    memset(name, 'a', sizeof(name) - 2);
    name[sizeof(name) - 2] = '!';
    name[sizeof(name) - 1] = '\0';
    for (size_t i = 0; i < sizeof(greedy) / sizeof(greedy[0]); i++) {
        assert_false(matches(greedy[i], name));
    }
}

/* Ranges that are out of order, overlap, touch, and are there twice. */
static void test_ranges_of_a_class(void **state)
{
    (void)state;
    assert_true(matches("[z5-7a-cb-f6m]{10}", "zabcdef567"));
    assert_false(matches("[z5-7a-cb-f6m]", "g"));
    assert_false(matches("[z5-7a-cb-f6m]", "4"));
    assert_false(matches("[z5-7a-cb-f6m]", "8"));
    assert_false(matches("[^z5-7a-cb-f6m]", "m"));
    assert_true(matches("[^z5-7a-cb-f6m]", "y"));
    assert_true(matches("[\\W\\w]", "-"));
    assert_true(matches("[\\D5]+", "a5"));
    assert_false(matches("[\\D5]", "6"));
}

static uint64_t cost_us(const char *text, const char *name)
{
    const char *why = NULL;
    struct name_regex *r = hulse_name_regex_create(text, &why);
    uint64_t least = UINT64_MAX;
    assert_non_null(r);
    for (unsigned i = 0; i < 10; i++) {
        const uint64_t began = hulse_clock_ns();
        assert_false(hulse_name_regex_match(r, name));
        const uint64_t took = (hulse_clock_ns() - began) / 1000;
        least = took < least ? took : least;
    }
    hulse_name_regex_destroy(&r);
    return least;
}

/* A namespace may have 100,000 names, all of which a worker judges in one go. */
static void test_a_long_class_costs_little_more_than_any_character(void **state)
{
    char marks[481];
    char text[NAME_REGEX_BYTES_MAX + 1];
    char name[201];
    (void)state;
    memset(marks, '!', sizeof(marks) - 1);
    marks[sizeof(marks) - 1] = '\0';
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(text, sizeof(text), "([^%s]?){0,330}!", marks);
    /* It was forty times as much, range by range. */
    assert_true(cost_us(text, name) < 10 * cost_us("(.?){0,330}!", name) + 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_matches),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_ranges_of_a_class),
        cmocka_unit_test(test_a_long_class_costs_little_more_than_any_character),
        cmocka_unit_test(test_none_costs_more_than_name_times_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
