/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: libs=hulse_cli_parts */
/*
 * Goal:   a pattern matches whole names in its own namespace; what names none, or could cost more than its length, is
 *         refused.
 * Method: tables; hostile expressions against a name of the greatest length.
 */
#include "shmlib/cli/topic_pattern.h"
#include "tests/unit/shmlib/cli/check.h"

#include <string.h>

static bool matches(const char *pattern, const char *topic)
{
    struct hulse_cli_topic_pattern p;
    const char *why = NULL;

    if (!hulse_cli_topic_pattern_parse(pattern, &p, &why)) {
        fail_msg("%s: %s", pattern, why);
    }
    const bool yes = hulse_cli_topic_pattern_match(&p, topic);
    hulse_cli_topic_pattern_free(&p);
    return yes;
}

static void test_whole_names_of_one_namespace(void **state)
{
    static const struct {
        const char *pattern;
        const char *topic;
        bool yes;
    } cases[] = {
        {"orders-.*", "persistent://public/default/orders-1", true},
        {"orders-.*", "persistent://public/default/my-orders-1", false},
        {"orders-.*", "persistent://public/other/orders-1", false},
        {"orders-.*", "non-persistent://public/default/orders-1", false},
        {"orders", "persistent://public/default/orders-1", false},
        {"a|b", "persistent://public/default/b", true},
        {"a|b", "persistent://public/default/ab", false},
        {"t/n/[a-c]+", "persistent://t/n/abc", true},
        {"t/n/[a-c]+", "persistent://t/n/abd", false},
        {"non-persistent://t/n.1/.*", "non-persistent://t/n.1/x", true},
        {"non-persistent://t/n.1/.*", "non-persistent://t/nx1/x", false},
        {"persistent://t/n/x\\{1}", "persistent://t/n/x{1}", true},
        {".*", "persistent://public/default/__change_events", false},
        {"_.*", "persistent://public/default/_a", true},
        {".*", "persistent://public/default/\xd1\x8f", true},
        {".*", "", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (matches(cases[i].pattern, cases[i].topic) != cases[i].yes) {
            fail_msg("%s and %s", cases[i].pattern, cases[i].topic);
        }
    }
}

static void test_what_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "a/b",
                                      "a/b/",
                                      "t*/n/x",
                                      "t/n?/x",
                                      "/n/x",
                                      "t//x",
                                      "file://t/n/x",
                                      "persistent://t/x",
                                      "(",
                                      "[a",
                                      "a/b/*(",
                                      "(a)\\1",
                                      "\\\\\\1",
                                      "a{2}",
                                      "((a{1,255}){1,255}){1,255}"};
    char long_one[2 * HULSE_CLI_PATTERN_BYTES_MAX];
    struct hulse_cli_topic_pattern p;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = NULL;
        if (hulse_cli_topic_pattern_parse(bad[i], &p, &why)) {
            fail_msg("%s was taken", bad[i]);
        }
        assert_true(why[0] != '\0');
    }
    memset(long_one, 'a', sizeof(long_one) - 1);
    long_one[sizeof(long_one) - 1] = '\0';
    const char *why = NULL;
    assert_false(hulse_cli_topic_pattern_parse(long_one, &p, &why));
}

/* Where a matcher that tries one way after the other would not come back. */
static void test_no_name_costs_for_ever(void **state)
{
    static const char *const evil[] = {"(a+)+b", "(a|a)*b", "(a|aa)+b", "(a*)*b", "((a*)*)*b"};
    char name[1024] = "persistent://public/default/";
    const size_t at = strlen(name);

    (void)state;
    memset(name + at, 'a', sizeof(name) - at - 1);
    for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
        assert_false(matches(evil[i], name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole_names_of_one_namespace),
                                       cmocka_unit_test(test_what_is_refused),
                                       cmocka_unit_test(test_no_name_costs_for_ever)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
