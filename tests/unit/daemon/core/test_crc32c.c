/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the checksum is CRC32C, and going on is the same as going through at once.
 * Method: the check value that everybody has; a bitwise one beside it, over cuts at every place.
 */
#include "daemon/core/crc32c.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

/* Castagnoli's polynomial, reflected. */
static uint32_t bitwise(uint32_t crc, const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc & 1U) != 0 ? crc >> 1U ^ 0x82F63B78U : crc >> 1U;
        }
    }
    return crc;
}

static void test_it_is_castagnolis(void **state)
{
    (void)state;
    assert_int_equal(~hulse_crc32c(UINT32_MAX, "123456789", 9), 0xe3069283U);
    assert_int_equal(hulse_crc32c(77, "", 0), 77);
}

static void test_cuts_make_no_difference(void **state)
{
    uint64_t seed = test_seed();
    uint8_t data[300];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)test_random(&seed);
    }
    const uint32_t whole = bitwise(UINT32_MAX, data, sizeof(data));
    for (size_t cut = 0; cut <= sizeof(data); cut++) {
        const uint32_t crc = hulse_crc32c(UINT32_MAX, data, cut);
        assert_int_equal(hulse_crc32c(crc, data + cut, sizeof(data) - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_castagnolis),
        cmocka_unit_test(test_cuts_make_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
