/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   of a name that a template gives, the topic that it gives it for, whatever the words are; of another name none; and
 *         whether a name could be a template's at all.
 * Method: names made, and asked back; cases by hand.
 */
#include "daemon/config/letter_name.h"
#include "tests/support/check.h"

#include <string.h>

static const struct letter_words words = {
    .topic = "persistent://a/b/c", .subscription = "s", .service = "pod"};

static void test_back_and_forth(void **state)
{
    static const char *const templates[] = {"{topic}-{subscription}-RETRY",
                                            "{topic}",
                                            "x{topic}y",
                                            "{topic}{topic}",
                                            "{service}{topic}-{subscription}{topic}",
                                            "{subscription}{topic}"};
    char name[200];
    char topic[200];

    (void)state;
    for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
        assert_true(hulse_letter_name(name, sizeof(name), templates[i], &words));
        assert_true(hulse_letter_topic(topic, sizeof(topic), templates[i], &words, name));
        assert_string_equal(topic, words.topic);
        assert_false(hulse_letter_topic(topic, strlen(words.topic), templates[i], &words, name));
    }
}

static void test_of_no_topic(void **state)
{
    static const struct {
        const char *template;
        const char *name;
    } cases[] = {
        {"", "x"},
        {"retries", "retries"}, /* of any */
        {"{subscription}", "s"},
        {"{topic}-{subscription}-RETRY", "persistent://a/b/c-t-RETRY"},
        {"{topic}-{subscription}-RETRY", "persistent://a/b/c-s-RETRY-"},
        {"{topic}-{subscription}-RETRY", "-s-RETRY"},
        {"{topic}-{subscription}-RETRY", "RETRY"},
        {"{topic}-{subscription}-RETRY", ""},
        {"{topic}{topic}", "aba"},
        {"{topic}{topic}", "abac"},
    };
    char topic[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_false(
            hulse_letter_topic(topic, sizeof(topic), cases[i].template, &words, cases[i].name));
    }
}

static void test_alike(void **state)
{
    (void)state;
    assert_true(hulse_letter_like("{topic}-{subscription}-RETRY", "persistent://a/b/c-t-RETRY"));
    assert_true(hulse_letter_like("{topic}-{subscription}-RETRY", "-RETRY"));
    assert_false(hulse_letter_like("{topic}-{subscription}-RETRY", "RETRY"));
    assert_false(hulse_letter_like("{topic}-{subscription}-RETRY", "persistent://a/b/c-t-RETRYx"));
    assert_true(hulse_letter_like("persistent://a/r/{subscription}", "persistent://a/r/x"));
    assert_false(hulse_letter_like("persistent://a/r/{subscription}", "persistent://a/b/x"));
    assert_true(hulse_letter_like("retries", "retries"));
    assert_false(hulse_letter_like("retries", "retries2"));
    assert_false(
        hulse_letter_like("{topic}{subscription}", "persistent://a/b/c")); /* it says nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back_and_forth),
        cmocka_unit_test(test_of_no_topic),
        cmocka_unit_test(test_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
