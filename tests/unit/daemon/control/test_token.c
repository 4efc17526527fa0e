/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a token is found in what surrounds it, its end is known when it says so, everything else
 *         is refused without a word of it.
 * Method: texts and files, each bound from both sides.
 */
#include "daemon/control/token.h"
#include "tests/support/check.h"
#include "tests/unit/daemon/control/jwt.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static hulse_status parse(struct token *token, const char *text, struct error *err)
{
    /* Exact and on the heap, for AddressSanitizer. */
    static char *copy;
    const size_t bytes = strlen(text);

    copy = realloc(copy, bytes == 0 ? 1 : bytes);
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    return hulse_token_parse(token, copy, bytes, err);
}

static void check_token(const char *text, const char *expected)
{
    struct token token;

    assert_int_equal(parse(&token, text, NULL), HULSE_OK);
    assert_int_equal(token.bytes, strlen(expected));
    assert_memory_equal(token.data, expected, token.bytes);
}

static void test_white_space_around_it(void **state)
{
    (void)state;
    check_token("abc", "abc");
    check_token("abc\n", "abc");
    check_token(" \t\r\nabc=~!\r\n\n ", "abc=~!");
}

static void check_client(const char *text, const char *expected)
{
    struct token token = {0};
    struct error err = {0};
    const size_t bytes = strlen(text);
    char *copy = malloc(bytes == 0 ? 1 : bytes); /* exact, for AddressSanitizer */

    assert_non_null(copy);
    /* Not a text. NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    memcpy(copy, text, bytes);
    const hulse_status st = hulse_token_parse_client(&token, copy, bytes, &err);
    assert_int_equal(st, expected == NULL ? HULSE_INVAL : HULSE_OK);
    if (expected == NULL) {
        assert_null(strstr(err.text, "secr-t"));
    } else {
        assert_int_equal(token.bytes, strlen(expected));
        assert_memory_equal(token.data, expected, token.bytes);
    }
    free(copy);
}

static void test_a_clients_secret(void **state)
{
    (void)state;
    check_client(" word{} \n", "word{}");
    check_client("{\"client_secret\":\"a\"}", "a");
    check_client("\n {\"type\": \"client_credentials\", \"client_id\": \"i\",\n"
                 "\"client_secret\": \"a\\u0062\\/\", \"issuer_url\": \"https://i\"}\n",
                 "ab/");
    check_client("", NULL);
    check_client("{", NULL);
    check_client("{}", NULL);
    check_client("{\"client_secret\":\"secr-t\"", NULL);
    check_client("{\"client_secret\":\"secr-t\"} secr-t", NULL);
    check_client("{\"client_secret\":[\"secr-t\"]}", NULL);
    check_client("{\"client_secret\":\"\"}", NULL);
    check_client("{\"client_secret\":\"two words\"}", NULL);
    check_client("{\"client_secret\":\"nul\\u0000\"}", NULL);
}

static void check_password(const char *text, size_t bytes, const char *expected)
{
    struct token token = {0};
    struct error err = {0};
    char *copy = malloc(bytes == 0 ? 1 : bytes); /* exact, for AddressSanitizer */

    assert_non_null(copy);
    memcpy(copy, text, bytes);
    assert_int_equal(hulse_token_parse_password(&token, copy, bytes, &err),
                     expected == NULL ? HULSE_INVAL : HULSE_OK);
    if (expected == NULL) {
        assert_null(strstr(err.text, "secr"));
    } else {
        assert_int_equal(token.bytes, strlen(expected));
        assert_memory_equal(token.data, expected, token.bytes);
        assert_int_equal(token.expires_wall_ms, 0);
    }
    free(copy);
}

/* Only the end of the line is not the password's. */
static void test_passwords(void **state)
{
    static char large[HULSE_TOKEN_BYTES_MAX + 1];
    struct token token;

    (void)state;
    check_password("abc", 3, "abc");
    check_password(" a b:\xc3\xa9 \r\n\n", 11, " a b:\xc3\xa9 ");
    check_password("a.eyJleHAiOjF9.b", 16, "a.eyJleHAiOjF9.b");
    check_password("", 0, NULL);
    check_password("\r\n", 2, NULL);
    check_password("secr\nmore", 9, NULL);
    check_password("secr\0more", 9, NULL);
    check_password("secr\x7f", 5, NULL);
    memset(large, 'x', sizeof(large));
    assert_int_equal(hulse_token_parse_password(&token, large, sizeof(large), NULL), HULSE_TOOBIG);
    assert_int_equal(hulse_token_parse_password(&token, large, sizeof(large) - 1, NULL), HULSE_OK);
}

static void test_only_one_word(void **state)
{
    static const char *const texts[] = {
        "", " \n", "one two", "one\ntwo", "secr\x7ft", "secr\xc3\xa9t", "secr\033t"};
    struct token token;
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(parse(&token, texts[i], &err), HULSE_INVAL);
        assert_null(strstr(err.text, "secr"));
        assert_null(strstr(err.text, "two"));
    }
}

static void test_length(void **state)
{
    static char text[HULSE_TOKEN_BYTES_MAX + 2];
    struct token token;

    (void)state;
    memset(text, 'x', HULSE_TOKEN_BYTES_MAX + 1);
    assert_int_equal(parse(&token, text, NULL), HULSE_TOOBIG);
    text[HULSE_TOKEN_BYTES_MAX] = '\n';
    assert_int_equal(parse(&token, text, NULL), HULSE_OK);
    assert_int_equal(token.bytes, HULSE_TOKEN_BYTES_MAX);
}

static uint64_t expiry(const char *text)
{
    struct token token;

    assert_int_equal(parse(&token, text, NULL), HULSE_OK);
    return token.expires_wall_ms;
}

static void test_the_end_of_a_jwt(void **state)
{
    (void)state;
    assert_int_equal(expiry(hulse_test_jwt("{\"sub\":\"a\",\"exp\":1893456000}")), 1893456000000);
    assert_int_equal(expiry(hulse_test_jwt("{\"exp\":1893456000.5,\"x\":1}")), 1893456000500);
    /* Every remainder of the length. */
    assert_int_equal(expiry(hulse_test_jwt("{\"exp\":1893456000,\"x\":12}")), 1893456000000);
    assert_int_equal(expiry(hulse_test_jwt("{\"exp\":1893456000,\"x\":123}")), 1893456000000);
    assert_int_equal(expiry(hulse_test_jwt("{\"exp\":1893456000,\"x\":1234}")), 1893456000000);
}

static void test_texts_without_an_end(void **state)
{
    static const char *const texts[] = {"opaque",
                                        "a.b",
                                        "..",
                                        "a.!!.c",
                                        "a.e30=.c",
                                        "a.e30.c",
                                        "a.e.c",
                                        "a..c",
                                        "a.bm90anNvbg.c",
                                        "a.bnVsbA.c",
                                        ".e30A1.",
                                        "a.W10.c",
                                        /* A good one with a digit too many. */
                                        "a.eyJleHAiOjE4OTM0NTYwMDB9A.c"};
    static const char *const claims[] = {"{\"exp\":\"1893456000\"}",
                                         "{\"exp\":0}",
                                         "{\"exp\":-5}",
                                         "{\"exp\":1e11}",
                                         "{\"exp\":1e300}",
                                         "{\"exp\":null}",
                                         "{\"exp\":[1]}",
                                         "{\"exp\":1893456000"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(expiry(texts[i]), 0);
    }
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        assert_int_equal(expiry(hulse_test_jwt(claims[i])), 0);
    }
}

static void test_files(void **state)
{
    char dir[] = "/tmp/hulse-token-XXXXXX";
    char path[64];
    char buffer[8];
    size_t bytes = 0;
    struct error err = {0};

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/file", dir);
    assert_int_equal(hulse_token_read(path, buffer, sizeof(buffer), &bytes, &err), HULSE_IO);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "No such file"));
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    (void)fputs("1234567", f);
    (void)fclose(f);
    assert_int_equal(hulse_token_read(path, buffer, sizeof(buffer), &bytes, &err), HULSE_OK);
    assert_int_equal(bytes, 7);
    assert_memory_equal(buffer, "1234567", 7);
    assert_int_equal(hulse_token_read(path, buffer, 7, &bytes, &err), HULSE_TOOBIG);
    assert_int_equal(unlink(path), 0);
    /* Nobody writes into it. */
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(hulse_token_read(path, buffer, sizeof(buffer), &bytes, &err), HULSE_INVAL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(hulse_token_read(dir, buffer, sizeof(buffer), &bytes, &err), HULSE_INVAL);
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_white_space_around_it),
        cmocka_unit_test(test_a_clients_secret),
        cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_only_one_word),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_the_end_of_a_jwt),
        cmocka_unit_test(test_texts_without_an_end),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
