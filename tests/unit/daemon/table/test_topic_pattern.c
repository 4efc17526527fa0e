/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a pattern is of one namespace and one kind of topics, and a broker is asked for the same as is judged here.
 * Method: pure calls.
 */
#include "daemon/table/topic_pattern.h"
#include "tests/support/check.h"

static struct topic_pattern parse(const char *text, enum topic_pattern_mode mode)
{
    struct topic_pattern p;
    const char *why = "";
    if (!hulse_topic_pattern_parse(&p, text, mode, "public/default", &why)) {
        fail_msg("%s: %s", text, why);
    }
    return p;
}

static bool matches(const char *text, enum topic_pattern_mode mode, const char *topic)
{
    struct topic_pattern p = parse(text, mode);
    const bool found = hulse_topic_pattern_match(&p, topic);
    hulse_topic_pattern_free(&p);
    return found;
}

static void test_namespace_and_kind(void **state)
{
    (void)state;
    assert_true(matches("a.*", TOPIC_PATTERN_PERSISTENT, "persistent://public/default/ab"));
    assert_false(matches("a.*", TOPIC_PATTERN_PERSISTENT, "persistent://public/default/b"));
    assert_false(matches("a.*", TOPIC_PATTERN_PERSISTENT, "persistent://public/other/ab"));
    assert_false(matches("a.*", TOPIC_PATTERN_PERSISTENT, "non-persistent://public/default/ab"));
    assert_true(matches("t/n/a|b", TOPIC_PATTERN_PERSISTENT, "persistent://t/n/b"));
    assert_false(matches("t/n/.*", TOPIC_PATTERN_PERSISTENT, "persistent://t/nn/b"));
    assert_false(matches("t/n.n/.*", TOPIC_PATTERN_PERSISTENT, "persistent://t/nxn/b"));
    assert_true(
        matches("non-persistent://t/n/.*", TOPIC_PATTERN_PERSISTENT, "non-persistent://t/n/b"));
    assert_false(
        matches("non-persistent://t/n/.*", TOPIC_PATTERN_PERSISTENT, "persistent://t/n/b"));
    assert_true(matches("t/n/.*", TOPIC_PATTERN_ALL, "persistent://t/n/b"));
    assert_true(matches("persistent://t/n/.*", TOPIC_PATTERN_ALL, "non-persistent://t/n/b"));
    assert_true(matches(".*", TOPIC_PATTERN_NON_PERSISTENT, "non-persistent://public/default/b"));
    /* A broker's own. */
    assert_false(
        matches(".*", TOPIC_PATTERN_PERSISTENT, "persistent://public/default/__change_events"));
}

static void test_what_a_broker_is_asked_for(void **state)
{
    struct topic_pattern p = parse("persistent://t/n/a.*", TOPIC_PATTERN_PERSISTENT);
    (void)state;
    assert_string_equal(p.space, "t/n");
    assert_string_equal(p.remote, "t/n/a.*");
    hulse_topic_pattern_free(&p);
    p = parse("a|b", TOPIC_PATTERN_ALL);
    assert_string_equal(p.space, "public/default");
    assert_string_equal(p.remote, "public/default/(?:a|b)");
    hulse_topic_pattern_free(&p);
}

static void test_what_is_refused(void **state)
{
    static const char *const refused[] = {"",
                                          "t/n/",
                                          "t/.*",
                                          "t*/n/a",
                                          "/n/a",
                                          "t//a",
                                          "http://t/n/a",
                                          "persistent://a",
                                          "t/n/(",
                                          "persistent://t/n/"};
    struct topic_pattern p;
    const char *why = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_false(hulse_topic_pattern_parse(
            &p, refused[i], TOPIC_PATTERN_PERSISTENT, "public/default", &why));
    }
    assert_false(hulse_topic_pattern_parse(
        &p, "persistent://t/n/a", TOPIC_PATTERN_NON_PERSISTENT, "public/default", &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_namespace_and_kind),
        cmocka_unit_test(test_what_a_broker_is_asked_for),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
