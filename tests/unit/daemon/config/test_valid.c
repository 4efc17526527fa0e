/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   texts are judged as a whole and up to their edges; memory of a configuration is aligned,
 *         zeroed and given back at once.
 * Method: tables of good and bad texts; allocations of every size around a chunk's.
 */
#include "daemon/config/arena.h"
#include "daemon/config/valid.h"
#include "tests/support/check.h"

#include <string.h>

typedef bool judge(const char *text, const char **why);

static void check(judge *valid, const char *const *good, const char *const *bad)
{
    const char *why = NULL;

    for (; *good != NULL; good++) {
        if (!valid(*good, &why)) {
            fail_msg("'%s' was refused: %s", *good, why);
        }
    }
    for (; *bad != NULL; bad++) {
        why = NULL;
        if (valid(*bad, &why)) {
            fail_msg("'%s' was accepted", *bad);
        }
        assert_non_null(why);
    }
}

static void test_utf8(void **state)
{
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       NULL};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2x",
                                      "\xe0\x9f\xbf",
                                      "\xe1\x80",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xf1\x80\x80",
                                      "\xff",
                                      "a\x7f",
                                      "a\tb",
                                      "a\nb",
                                      NULL};

    (void)state;
    check(hulse_valid_text, good, bad);
}

static void test_names(void **state)
{
    static const char sixty_four[] =
        "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789_-_-AZ";
    static const char *const good[] = {"a", "A-b_9", "null", sixty_four, NULL};
    static const char *const bad[] = {
        "",
        "a.b",
        "a b",
        "a/b",
        "\xc3\xa9",
        "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789_-_-AZx",
        NULL};

    (void)state;
    assert_int_equal(strlen(sixty_four), 64);
    check(hulse_valid_name, good, bad);
}

static void test_expressions(void **state)
{
    static const char *const good[] = {"x",
                                       "^(a|b)[^/]*$",
                                       "a{10000}",
                                       "(a{100}){100}",
                                       "a{2,}",
                                       "a{0,1}",
                                       "\\{",
                                       "((a+)+b)+-[a-z]+-.+",
                                       NULL};
    static const char *const bad[] = {"(",
                                      "[",
                                      "a{10001}",
                                      "(a{100}){101}",
                                      "a+++++++++++++++++++++++++++",
                                      "a{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}{1,}",
                                      "((((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)",
                                      "((a{30}){30}){30}",
                                      "a{99999999999999999999}",
                                      "a{2,1}",
                                      "\xff",
                                      NULL};

    (void)state;
    check(hulse_valid_regex, good, bad);
}

static void test_paths(void **state)
{
    static const char *const good[] = {"/x", "/a b/c.yaml", NULL};
    static const char *const bad[] = {"x", "./x", "/", "/x/", "/x\n", NULL};

    (void)state;
    check(hulse_valid_path, good, bad);
}

static void test_arena(void **state)
{
    struct config_arena arena = {0};

    (void)state;
    for (size_t bytes = 1; bytes < 100000; bytes = bytes * 3 / 2 + 1) {
        unsigned char *memory = hulse_arena_alloc(&arena, bytes);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < bytes; i++) {
            assert_int_equal(memory[i], 0);
        }
        memset(memory, 0xff, bytes);
    }
    assert_null(hulse_arena_alloc(&arena, SIZE_MAX));
    assert_string_equal(hulse_arena_text(&arena, "abcdef", 3), "abc");
    hulse_arena_fini(&arena);
    assert_null(arena.chunks);
    hulse_arena_fini(&arena);
}

static void test_issuers(void **state)
{
    static const char *const good[] = {
        "https://a", "HTTPS://a:1/b/c", "http://[::1]:8080", "https://a/b/", NULL};
    static const char *const bad[] = {"",
                                      "a",
                                      "ftp://a",
                                      "https:/a",
                                      "https://",
                                      "https:///a",
                                      "https://:80",
                                      "https://u:p@a",
                                      "https://a?b",
                                      "https://a#b",
                                      "https://a b",
                                      "https://a\n",
                                      NULL};

    (void)state;
    check(hulse_valid_issuer, good, bad);
}

static void test_users(void **state)
{
    static const char *const good[] = {"a", "a b", "\xc3\xa9@b", NULL};
    static const char *const bad[] = {"a:b", ":", "a\tb", "\xc3", NULL};

    (void)state;
    check(hulse_valid_user, good, bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_issuers),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
