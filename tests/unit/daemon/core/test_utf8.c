/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   strict UTF-8 is told from everything else, without a look behind the end.
 * Method: the edges of each length; every text also behind eight and more bytes of ASCII, which are
 *         looked at together; copies of exact length, so that AddressSanitizer sees a step too far.
 */
#include "daemon/core/utf8.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

static bool good_behind(const char *text, size_t bytes, size_t before)
{
    uint8_t *copy = malloc(before + bytes + 1);

    assert_non_null(copy);
    memset(copy, 'a', before);
    memcpy(copy + before, text, bytes);
    const bool good = hulse_utf8_good(copy, before + bytes);
    free(copy);
    return good;
}

static const struct {
    const char *text;
    bool good;
} rows[] = {
    {"", true},
    {"abc", true},
    {"\xc2\x80", true},
    {"\xdf\xbf", true},
    {"\xe0\xa0\x80", true},
    {"\xed\x9f\xbf", true},
    {"\xee\x80\x80", true},
    {"\xf0\x90\x80\x80", true},
    {"\xf4\x8f\xbf\xbf", true},
    {"\x80", false},
    {"\xc0\x80", false},
    {"\xc1\xbf", false},
    {"\xc2", false},
    {"\xc2x", false},
    {"\xe0\x9f\xbf", false},
    {"\xe1\x80", false},
    {"\xed\xa0\x80", false},
    {"\xf0\x8f\xbf\xbf", false},
    {"\xf4\x90\x80\x80", false},
    {"\xf5\x80\x80\x80", false},
    {"\xf1\x80\x80", false},
    {"\xff", false},
};

static void test_edges(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const size_t bytes = strlen(rows[i].text);
        for (size_t before = 0; before < 20; before++) {
            assert_int_equal(good_behind(rows[i].text, bytes, before), rows[i].good);
        }
    }
}

static void test_no_byte_behind_the_end(void **state)
{
    (void)state;
    assert_true(hulse_utf8_good("a\xc3\xa9", 1));
    assert_false(hulse_utf8_good("a\xc3\xa9", 2));
    assert_true(hulse_utf8_good("a\xc3\xa9", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_no_byte_behind_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
