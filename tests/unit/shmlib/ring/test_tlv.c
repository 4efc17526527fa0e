/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   V12: metadata is accepted only when whole, known, within its limits and UTF-8 where told.
 * Method: one element at a time around each limit; every truncation of a good block.
 */
#include "shmlib/ring/tlv.h"
#include "tests/unit/shmlib/ring/check.h"

#include <string.h>

#define BLOCK_MAX (HULSE_META_BYTES_MAX + 8U)

struct block {
    uint8_t bytes[BLOCK_MAX];
    size_t len;
};

static struct block block;

static void put(unsigned tag, const void *value, size_t bytes)
{
    const struct hulse_tlv t = {.tag = (uint8_t)tag, .bytes = (uint16_t)bytes, .value = value};

    assert_true(hulse_tlv_put(block.bytes, sizeof(block.bytes), &block.len, &t));
}

static bool good(enum hulse_tlv_place place)
{
    const char *why = "unset";
    const bool ok = hulse_tlv_check(block.bytes, block.len, place, &why);

    assert_true(ok == (why == NULL));
    return ok;
}

static bool good_alone(unsigned tag, size_t bytes, enum hulse_tlv_place place)
{
    static const uint8_t zeros[HULSE_META_BYTES_MAX];

    block.len = 0;
    put(tag, zeros, bytes);
    return good(place);
}

static void test_sizes_of_fixed_values(void **state)
{
    static const struct {
        unsigned tag;
        size_t bytes;
    } fixed[] = {{HULSE_TAG_EVENT_TIME, 8},
                 {HULSE_TAG_DELIVER_AFTER, 8},
                 {HULSE_TAG_PARTITION, 4},
                 {HULSE_TAG_TTL, 8},
                 {HULSE_TAG_TOMBSTONE, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        for (size_t n = 0; n < 12; n++) {
            assert_true(good_alone(fixed[i].tag, n, HULSE_TLV_PUBLISH) == (n == fixed[i].bytes));
        }
    }
}

static void test_tags_and_places(void **state)
{
    static const uint8_t values[][11] = {
        [HULSE_TAG_PROPERTY] = {1, 0, 'n'},
    };
    static const uint8_t sizes[16] = {[HULSE_TAG_EVENT_TIME] = 8,
                                      [HULSE_TAG_PROPERTY] = 3,
                                      [HULSE_TAG_DELIVER_AFTER] = 8,
                                      [HULSE_TAG_PARTITION] = 4,
                                      [HULSE_TAG_TTL] = 8,
                                      [HULSE_TAG_SCHEMA_VERSION] = 8,
                                      [HULSE_TAG_BROKER_TIME] = 8,
                                      [HULSE_TAG_INDEX] = 8};
    static const char places[16][4] = {"--?",
                                       "P-D",
                                       "P-D",
                                       "P-D",
                                       "P-D",
                                       "P--",
                                       "P--",
                                       "P--",
                                       "P-D",
                                       "--D",
                                       "-V-",
                                       "P--",
                                       "--D",
                                       "--D",
                                       "--D",
                                       "--D"};
    static const uint8_t nothing[11];

    (void)state;
    for (unsigned tag = 0; tag < 256; tag++) {
        const char *at = tag < 16 ? places[tag] : "--?";
        block.len = 0;
        put(tag, tag == HULSE_TAG_PROPERTY ? values[tag] : nothing, tag < 16 ? sizes[tag] : 0);
        assert_true(good(HULSE_TLV_PUBLISH) == (at[0] != '-'));
        assert_true(good(HULSE_TLV_VERDICT) == (at[1] != '-'));
        assert_true(good(HULSE_TLV_DELIVERY) == (at[2] != '-'));
    }
}

static void test_keys_fill_the_block(void **state)
{
    (void)state;
    assert_true(good_alone(HULSE_TAG_KEY, 0, HULSE_TLV_PUBLISH));
    assert_true(good_alone(HULSE_TAG_KEY, 65524, HULSE_TLV_PUBLISH));
    assert_true(good_alone(HULSE_TAG_ORDERING_KEY, 65524, HULSE_TLV_PUBLISH));
    assert_false(good_alone(HULSE_TAG_KEY, 65525, HULSE_TLV_PUBLISH));
}

static void test_whole_block_bound(void **state)
{
    static const uint8_t zeros[65520];

    (void)state;
    block.len = 0;
    put(HULSE_TAG_KEY, zeros, 65520);
    put(HULSE_TAG_TOMBSTONE, zeros, 0);
    assert_int_equal(block.len, HULSE_META_BYTES_MAX);
    assert_true(good(HULSE_TLV_PUBLISH));
    block.len = 0;
    put(HULSE_TAG_KEY, zeros, 65517);
    put(HULSE_TAG_ORDERING_KEY, zeros, 0);
    put(HULSE_TAG_TOMBSTONE, zeros, 0);
    assert_int_equal(block.len, HULSE_META_BYTES_MAX + 1);
    assert_false(good(HULSE_TLV_PUBLISH));
}

static void test_reason_bound(void **state)
{
    (void)state;
    assert_true(good_alone(HULSE_TAG_REASON, 0, HULSE_TLV_VERDICT));
    assert_true(good_alone(HULSE_TAG_REASON, HULSE_REASON_BYTES_MAX, HULSE_TLV_VERDICT));
    assert_false(good_alone(HULSE_TAG_REASON, HULSE_REASON_BYTES_MAX + 1, HULSE_TLV_VERDICT));
}

static void test_once_means_once(void **state)
{
    static const uint8_t property[] = {1, 0, 'n', 'v'};

    (void)state;
    block.len = 0;
    put(HULSE_TAG_KEY, "a", 1);
    put(HULSE_TAG_ORDERING_KEY, "a", 1);
    put(HULSE_TAG_PROPERTY, property, sizeof(property));
    put(HULSE_TAG_PROPERTY, property, sizeof(property));
    assert_true(good(HULSE_TLV_PUBLISH));
    put(HULSE_TAG_KEY, "a", 1);
    assert_false(good(HULSE_TLV_PUBLISH));
}

static bool property_good(const void *value, size_t bytes)
{
    block.len = 0;
    put(HULSE_TAG_PROPERTY, value, bytes);
    return good(HULSE_TLV_PUBLISH);
}

static void test_property_form(void **state)
{
    (void)state;
    assert_true(property_good("\x01\x00n", 3));
    assert_true(property_good("\x01\x00nvalue", 8));
    assert_true(property_good("\x06\x00nvalue", 8));
    assert_false(property_good("\x07\x00nvalue", 8));
    assert_false(property_good("\x00\x00value", 7));
    assert_false(property_good("\x01\x00", 2));
    assert_false(property_good("\x01", 1));
    assert_false(property_good("", 0));
    assert_false(property_good("\x01\x00\xffv", 4));
    assert_false(property_good("\x01\x00n\xff", 4));
    /* One sequence over the border between name and value is in neither. */
    assert_false(property_good("\x01\x00\xc3\xa9", 4));
    assert_true(property_good("\x02\x00\xc3\xa9", 4));
}

static void test_property_round_trip(void **state)
{
    const struct hulse_tlv_pair pair = {
        .name = "colour", .name_bytes = 6, .value = "blue", .value_bytes = 4};
    const uint8_t *name = NULL;
    const uint8_t *value = NULL;
    size_t name_bytes = 0;
    size_t value_bytes = 0;
    struct hulse_tlv t;

    (void)state;
    block.len = 0;
    put(HULSE_TAG_KEY, "k", 1);
    assert_false(hulse_tlv_put_property(block.bytes, block.len + 15, &block.len, &pair));
    assert_int_equal(block.len, 5);
    assert_true(hulse_tlv_put_property(block.bytes, block.len + 16, &block.len, &pair));
    assert_int_equal(block.len, 21);
    assert_true(good(HULSE_TLV_PUBLISH));
    assert_true(hulse_tlv_find(block.bytes, block.len, HULSE_TAG_PROPERTY, &t));
    hulse_tlv_property(&t, &name, &name_bytes, &value, &value_bytes);
    assert_int_equal(name_bytes, 6);
    assert_memory_equal(name, "colour", 6);
    assert_int_equal(value_bytes, 4);
    assert_memory_equal(value, "blue", 4);
}

static void test_property_that_cannot_be_written(void **state)
{
    static const char text[HULSE_META_BYTES_MAX];
    struct hulse_tlv_pair pair = {.name = text, .value = text};

    (void)state;
    block.len = 0;
    assert_false(hulse_tlv_put_property(block.bytes, BLOCK_MAX, &block.len, &pair));
    pair.name_bytes = 65522;
    assert_true(hulse_tlv_put_property(block.bytes, BLOCK_MAX, &block.len, &pair));
    assert_true(good(HULSE_TLV_PUBLISH));
    block.len = 0;
    pair.value_bytes = 1;
    assert_false(hulse_tlv_put_property(block.bytes, BLOCK_MAX, &block.len, &pair));
    pair.name_bytes = SIZE_MAX;
    pair.value_bytes = SIZE_MAX;
    assert_false(hulse_tlv_put_property(block.bytes, BLOCK_MAX, &block.len, &pair));
    pair.name_bytes = 1;
    assert_false(hulse_tlv_put_property(block.bytes, BLOCK_MAX, &block.len, &pair));
    assert_int_equal(block.len, 0);
}

static void test_every_truncation_is_refused(void **state)
{
    const uint64_t time = 0x0102030405060708ULL;

    (void)state;
    block.len = 0;
    put(HULSE_TAG_KEY, "key", 3);
    const size_t first = block.len;
    put(HULSE_TAG_EVENT_TIME, &time, sizeof(time));
    const size_t whole = block.len;
    for (size_t n = 0; n <= whole; n++) {
        block.len = n;
        assert_true(good(HULSE_TLV_PUBLISH) == (n == 0 || n == first || n == whole));
    }
    block.len = whole;
    block.bytes[1] = 1; /* the byte that must be 0 */
    assert_false(good(HULSE_TLV_PUBLISH));
}

static void test_walk_never_passes_the_end(void **state)
{
    struct hulse_tlv t;
    size_t at = 9;
    const uint8_t in[8] = {HULSE_TAG_KEY, 0, 5, 0};

    (void)state;
    assert_int_equal(hulse_tlv_next(in, 8, &at, &t), -1);
    at = 0;
    assert_int_equal(hulse_tlv_next(in, 8, &at, &t), -1);
    assert_int_equal(hulse_tlv_next(in, 0, &at, &t), 0);
    assert_int_equal(at, 0);
}

static void test_put_needs_its_room(void **state)
{
    uint8_t out[8];
    size_t at = 0;
    const struct hulse_tlv t = {.tag = HULSE_TAG_KEY, .bytes = 4, .value = (const uint8_t *)"abcd"};

    (void)state;
    assert_false(hulse_tlv_put(out, 7, &at, &t));
    assert_int_equal(at, 0);
    assert_true(hulse_tlv_put(out, 8, &at, &t));
    assert_int_equal(at, 8);
    assert_false(hulse_tlv_put(out, 8, &at, &t));
    assert_false(hulse_tlv_put(out, 7, &at, &t));
}

static void test_numbers_are_little_endian(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 0x88};
    const struct hulse_tlv eight = {.tag = HULSE_TAG_TTL, .bytes = 8, .value = bytes};
    const struct hulse_tlv four = {.tag = HULSE_TAG_PARTITION, .bytes = 4, .value = bytes};

    (void)state;
    assert_true(hulse_tlv_number(&eight) == 0x8807060504030201ULL);
    assert_true(hulse_tlv_number(&four) == 0x04030201ULL);
}

static void test_find_gives_the_first(void **state)
{
    struct hulse_tlv t;

    (void)state;
    block.len = 0;
    put(HULSE_TAG_PROPERTY, "\x01\x00n1", 4);
    put(HULSE_TAG_PROPERTY, "\x01\x00n2", 4);
    assert_true(hulse_tlv_find(block.bytes, block.len, HULSE_TAG_PROPERTY, &t));
    assert_int_equal(t.value[3], '1');
    assert_false(hulse_tlv_find(block.bytes, block.len, HULSE_TAG_KEY, &t));
}

static bool utf8(const char *text)
{
    return hulse_utf8_valid((const uint8_t *)text, strlen(text));
}

static void test_utf8_edges(void **state)
{
    static const char *const valid[] = {"",
                                        "plain ASCII of some length",
                                        "\x7f",
                                        "\xc2\x80",
                                        "\xdf\xbf",
                                        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "seven..\xc3\xa9 over a word's border"};
    static const char *const invalid[] = {"\x80",
                                          "\xbf",
                                          "\xc0\x80",
                                          "\xc1\xbf",
                                          "\xc2",
                                          "\xc2\x7f",
                                          "\xc2\xc0",
                                          "\xe0\x9f\xbf",
                                          "\xe0\xa0",
                                          "\xed\xa0\x80",
                                          "\xed\xbf\xbf",
                                          "\xf0\x8f\xbf\xbf",
                                          "\xf0\x90\x80",
                                          "\xf4\x90\x80\x80",
                                          "\xf5\x80\x80\x80",
                                          "\xff",
                                          "\xe1\x80\x7f",
                                          "\xf1\x80\x80\x7f",
                                          "seven..\xc3",
                                          "0123456789abcdef\xfe"};

    (void)state;
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        assert_true(utf8(valid[i]));
    }
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        assert_false(utf8(invalid[i]));
    }
    assert_true(hulse_utf8_valid((const uint8_t *)"\0", 1));
    /* Cut inside a sequence whose rest lies behind the end. */
    for (size_t n = 1; n <= 4; n++) {
        assert_true(hulse_utf8_valid((const uint8_t *)"\xf0\x90\x80\x80", n) == (n == 4));
    }
}

/* Every code point, encoded here by arithmetic, must pass; every surrogate must not. */
static void test_utf8_every_code_point(void **state)
{
    (void)state;
    for (uint32_t c = 0x800; c <= 0x10FFFF; c++) {
        uint8_t out[4];
        size_t n = 3;
        if (c < 0x10000) {
            out[0] = (uint8_t)(0xE0 | (c >> 12));
        } else {
            n = 4;
            out[0] = (uint8_t)(0xF0 | (c >> 18));
            out[1] = (uint8_t)(0x80 | ((c >> 12) & 0x3F));
        }
        out[n - 2] = (uint8_t)(0x80 | ((c >> 6) & 0x3F));
        out[n - 1] = (uint8_t)(0x80 | (c & 0x3F));
        const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        if (hulse_utf8_valid(out, n) == surrogate) {
            fail_msg("code point %x", (unsigned)c);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_of_fixed_values),
        cmocka_unit_test(test_tags_and_places),
        cmocka_unit_test(test_keys_fill_the_block),
        cmocka_unit_test(test_whole_block_bound),
        cmocka_unit_test(test_reason_bound),
        cmocka_unit_test(test_once_means_once),
        cmocka_unit_test(test_property_form),
        cmocka_unit_test(test_property_round_trip),
        cmocka_unit_test(test_property_that_cannot_be_written),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_walk_never_passes_the_end),
        cmocka_unit_test(test_put_needs_its_room),
        cmocka_unit_test(test_numbers_are_little_endian),
        cmocka_unit_test(test_find_gives_the_first),
        cmocka_unit_test(test_utf8_edges),
        cmocka_unit_test(test_utf8_every_code_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
