/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: libs=hulse_cli_parts */
/*
 * Goal:   payloads survive base64 byte for byte, and only RFC 4648 text is decoded.
 * Method: the RFC's vectors, every length and byte value both ways, one flaw at a time.
 */
#include "shmlib/cli/base64.h"
#include "tests/unit/shmlib/cli/check.h"

#include <string.h>

#define BYTES_MAX 258U

static void test_vectors(void **state)
{
    static const char *const encoded[] = {
        "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    char out[16];

    (void)state;
    for (size_t n = 0; n <= 6; n++) {
        assert_int_equal(hulse_cli_base64_encoded(n), strlen(encoded[n]));
        hulse_cli_base64_encode("foobar", n, out);
        assert_memory_equal(out, encoded[n], strlen(encoded[n]));
    }
}

static void test_round_trip(void **state)
{
    uint8_t in[BYTES_MAX];
    char text[BYTES_MAX / 3 * 4 + 8];
    uint8_t back[BYTES_MAX + 3];

    (void)state;
    for (size_t i = 0; i < BYTES_MAX; i++) {
        in[i] = (uint8_t)(i * 7 + 3);
    }
    for (size_t n = 0; n <= BYTES_MAX; n++) {
        size_t got = BYTES_MAX + 1;
        hulse_cli_base64_encode(in, n, text);
        assert_true(hulse_cli_base64_decode(text, hulse_cli_base64_encoded(n), back, &got));
        assert_int_equal(got, n);
        assert_memory_equal(back, in, n);
    }
}

static void test_flaws(void **state)
{
    static const char *const bad[] = {"Z",
                                      "Zg",
                                      "Zg=",
                                      "Zg===",
                                      "=Zg=",
                                      "Z=g=",
                                      "Zg=v",
                                      "Zm 9",
                                      "Zm9-",
                                      "Zm9_",
                                      "Zg==Zg==",
                                      "====",
                                      "Zh==",
                                      "Zm9="};
    char out[16];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t got = 0;
        assert_false(hulse_cli_base64_decode(bad[i], strlen(bad[i]), out, &got));
    }
    size_t got = 0;
    assert_false(hulse_cli_base64_decode("Zm\0v", 4, out, &got));
    /* A length within a longer text: what is behind it does not count. */
    for (size_t length = 0; length <= 8; length++) {
        assert_true(hulse_cli_base64_decode("Zm9vZm9v", length, out, &got) == (length % 4 == 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_flaws),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
