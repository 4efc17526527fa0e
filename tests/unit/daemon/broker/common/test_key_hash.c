/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   hashes of keys are those of the official clients, for every key, and of any bytes there is one.
 * Method: values of Java's client 4.0.7 (JavaStringHash and Murmur3Hash32 of its jar, makeHash of each text). For Boost's
 *         the partitions that the client for Python 3.13.0, whose default it is, has sent to: of topics with 97, 89 and 64.
 */
#include "daemon/broker/common/key_hash.h"
#include "tests/unit/daemon/core/check.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *key;
    uint32_t java;
    uint32_t murmur3;
    uint32_t boost_97; /* 97: no value, as that client sends an empty key like none */
    uint32_t boost_89;
    uint32_t boost_64;
} cases[] = {
    {"", 0, 0, 97, 0, 0},
    {"a", 97, 1009084850, 6, 65, 28},
    {"ab", 3105, 465557343, 86, 2, 54},
    {"abc", 96354, 870159354, 39, 7, 61},
    {"abcd", 2987074, 1139631978, 49, 83, 34},
    {"abcde", 92599395, 1755028214, 94, 50, 5},
    {"key-1", 101943363, 414258592, 93, 33, 25},
    {"key-2", 101943364, 1945654540, 53, 48, 52},
    {"order-12345", 478832884, 1785094598, 39, 21, 30},
    {"abcdefghijklmnopqrstuvwxyz0123456789", 1478768498, 1531718678, 36, 54, 63},
    /* The first whose hash is INT_MIN, without its sign. */
    {"polygenelubricants", 0, 1101602400, 97, 0, 0},
    /* Two, three and four bytes; in Java's text one unit, one, and two. */
    {"h\xc3\xa9llo", 103094734, 1017094248, 30, 66, 59},
    {"\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87", 33309882, 442048578, 58, 35, 61},
    {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 25921943, 631534231, 57, 78, 9},
    {"\xf0\x9f\x9a\x80", 1773027, 2137479269, 87, 4, 35},
    {"x\xf0\x9f\x9a\x80y\xf0\x9d\x84\x9e", 423059304, 1506821507, 60, 46, 29},
    {"\xc2\x80", 128, 1268126344, 97, 0, 0},
    {"\xef\xbf\xbf", 65535, 1061879644, 97, 0, 0},
};

static struct broker_span span(const char *text)
{
    return (struct broker_span){.data = (const uint8_t *)text, .bytes = (uint32_t)strlen(text)};
}

static void test_they_are_those_of_the_official_clients(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct broker_span key = span(cases[i].key);
        const uint32_t boost = hulse_key_hash(BROKER_HASH_BOOST, key);
        assert_int_equal(hulse_key_hash(BROKER_HASH_JAVA, key), cases[i].java);
        assert_int_equal(hulse_key_hash(BROKER_HASH_MURMUR3, key), cases[i].murmur3);
        if (cases[i].boost_97 != 97) {
            assert_int_equal(boost % 97, cases[i].boost_97);
            assert_int_equal(boost % 89, cases[i].boost_89);
            assert_int_equal(boost % 64, cases[i].boost_64);
        }
    }
}

/* No byte behind the key is looked at, and the sign is gone. */
static void test_any_bytes_have_one(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (uint32_t n = 0; n < 4000; n++) {
        const uint32_t bytes = n % 40;
        uint8_t *key = malloc(bytes + 1U);
        assert_non_null(key);
        for (uint32_t i = 0; i < bytes; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            key[i] = (uint8_t)(seed >> 56U) | (n % 3 == 0 ? 0xc0U : 0U);
        }
        key = realloc(key, bytes > 0 ? bytes : 1);
        for (enum broker_hashing kind = BROKER_HASH_JAVA; kind <= BROKER_HASH_BOOST; kind++) {
            const struct broker_span s = {.data = key, .bytes = bytes};
            assert_true(hulse_key_hash(kind, s) <= INT32_MAX);
            assert_int_equal(hulse_key_hash(kind, s), hulse_key_hash(kind, s));
        }
        free(key);
    }
}

/* Bytes that begin no character count one unit each: the text that is cut off in the middle of one too. */
static void test_what_is_no_text_counts_byte_by_byte(void **state)
{
    (void)state;
    assert_int_equal(hulse_key_hash(BROKER_HASH_JAVA, span("\xff")), 255);
    assert_int_equal(hulse_key_hash(BROKER_HASH_JAVA, span("\xc3")), 195);
    assert_int_equal(hulse_key_hash(BROKER_HASH_JAVA, span("\xe6\x97")), 230 * 31 + 151);
    assert_int_equal(hulse_key_hash(BROKER_HASH_JAVA,
                                    span("\xc3"
                                         "a")),
                     195 * 31 + 97);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_are_those_of_the_official_clients),
        cmocka_unit_test(test_any_bytes_have_one),
        cmocka_unit_test(test_what_is_no_text_counts_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
