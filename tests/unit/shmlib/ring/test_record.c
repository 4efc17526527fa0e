/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   V9 and V10: a record header is accepted exactly within its bounds.
 * Method: from one good header of each type, move one member to each bound and one past it.
 */
#include "shmlib/ring/record.h"
#include "tests/unit/shmlib/ring/check.h"

#define AVAIL 65536U
#define MAX_RECORD 32768U

static struct hulse_publish_header message(uint32_t payload, uint16_t meta)
{
    const uint32_t body = meta == 0 ? payload : (uint32_t)hulse_record_stride(payload) + meta;

    return (struct hulse_publish_header){.len = HULSE_PUBLISH_HEADER_BYTES + body,
                                         .type = HULSE_RECORD_MESSAGE,
                                         .flags = meta == 0 ? 0 : HULSE_RECORD_HAS_META,
                                         .meta_len = meta,
                                         .payload_len = payload};
}

static struct hulse_verdict_record verdict(uint16_t meta)
{
    return (struct hulse_verdict_record){.len = HULSE_VERDICT_HEADER_BYTES + meta,
                                         .type = HULSE_RECORD_VERDICT,
                                         .meta_len = meta,
                                         .verdict = HULSE_VERDICT_ACK};
}

#define PUBLISH(h) hulse_publish_check(&(h), AVAIL, MAX_RECORD)
#define VERDICT(v) hulse_verdict_check(&(v), AVAIL)

static void test_good_publish_headers(void **state)
{
    static const uint32_t payloads[] = {0, 1, 7, 8, 9, 4096, MAX_RECORD - 40};
    static const uint16_t metas[] = {0, 1, 4, 8, 4096};

    (void)state;
    for (size_t p = 0; p < sizeof(payloads) / sizeof(payloads[0]); p++) {
        for (size_t m = 0; m < sizeof(metas) / sizeof(metas[0]); m++) {
            const struct hulse_publish_header h = message(payloads[p], metas[m]);
            assert_int_equal(PUBLISH(h), h.len <= MAX_RECORD ? HULSE_RULE_NONE : HULSE_RULE_V9);
        }
    }
}

static void test_publish_length_bounds(void **state)
{
    struct hulse_publish_header h = message(0, 0);

    (void)state;
    h.len = HULSE_PUBLISH_HEADER_BYTES - 1;
    assert_int_equal(PUBLISH(h), HULSE_RULE_V9);
    h.len = 0;
    assert_int_equal(PUBLISH(h), HULSE_RULE_V9);
    h = message(MAX_RECORD - HULSE_PUBLISH_HEADER_BYTES + 1, 0);
    assert_int_equal(PUBLISH(h), HULSE_RULE_V9);
    h.len = UINT32_MAX;
    h.payload_len = UINT32_MAX - HULSE_PUBLISH_HEADER_BYTES;
    assert_int_equal(PUBLISH(h), HULSE_RULE_V9);
}

static void test_publish_stride_within_what_is_there(void **state)
{
    const struct hulse_publish_header h = message(1, 0); /* 41 bytes, 48 in the ring */

    (void)state;
    assert_int_equal(hulse_publish_check(&h, 48, MAX_RECORD), HULSE_RULE_NONE);
    assert_int_equal(hulse_publish_check(&h, 47, MAX_RECORD), HULSE_RULE_V9);
    assert_int_equal(hulse_publish_check(&h, 41, MAX_RECORD), HULSE_RULE_V9);
    assert_int_equal(hulse_publish_check(&h, 48, 41), HULSE_RULE_NONE);
    assert_int_equal(hulse_publish_check(&h, 48, 40), HULSE_RULE_V9);
}

static void test_publish_types_and_flags(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        struct hulse_publish_header h = message(HULSE_FRAGMENT_HEADER_BYTES, 0);
        h.type = (uint8_t)type;
        assert_int_equal(PUBLISH(h), type <= HULSE_RECORD_FRAGMENT ? 0 : HULSE_RULE_V9);
    }
    for (unsigned bit = 0; bit < 8; bit++) {
        struct hulse_publish_header h = message(HULSE_FRAGMENT_HEADER_BYTES, 0);
        h.flags = (uint8_t)(1U << bit);
        const unsigned flag = 1U << bit;
        unsigned want = HULSE_RULE_V9;
        if (flag == HULSE_RECORD_NO_BATCH) {
            want = HULSE_RULE_NONE;
        } else if (flag == HULSE_RECORD_HAS_META) {
            want = HULSE_RULE_V10;
        }
        assert_int_equal(PUBLISH(h), want);
        h.type = HULSE_RECORD_FRAGMENT;
        if (flag == HULSE_RECORD_FIRST || flag == HULSE_RECORD_LAST) {
            want = HULSE_RULE_NONE;
        }
        assert_int_equal(PUBLISH(h), want);
    }
}

static void test_publish_lengths_agree(void **state)
{
    (void)state;
    for (int off = -1; off <= 1; off++) {
        struct hulse_publish_header h = message(100, 12);
        h.payload_len = (uint32_t)(97 + off); /* 96 + 1 .. 104 give the same padded length */
        assert_int_equal(PUBLISH(h), off < 0 ? HULSE_RULE_V10 : HULSE_RULE_NONE);
        h.payload_len = (uint32_t)(104 + off);
        assert_int_equal(PUBLISH(h), off > 0 ? HULSE_RULE_V10 : HULSE_RULE_NONE);
        h = message(100, 12);
        h.meta_len = (uint16_t)(12 + off);
        assert_int_equal(PUBLISH(h), off != 0 ? HULSE_RULE_V10 : HULSE_RULE_NONE);
        h = message(100, 0);
        h.payload_len = (uint32_t)(100 + off);
        assert_int_equal(PUBLISH(h), off != 0 ? HULSE_RULE_V10 : HULSE_RULE_NONE);
    }
    /* Sums that would agree in 32 bits. */
    struct hulse_publish_header h = message(64, 0);
    h.payload_len = UINT32_MAX - 7;
    h.meta_len = 72;
    h.flags = HULSE_RECORD_HAS_META;
    assert_int_equal(PUBLISH(h), HULSE_RULE_V10);
    h = message(64, 8);
    h.flags = 0;
    assert_int_equal(PUBLISH(h), HULSE_RULE_V10);
}

static void test_publish_metadata_bound(void **state)
{
    const uint64_t large = 1U << 20;
    struct hulse_publish_header h = message(0, HULSE_META_BYTES_MAX);

    (void)state;
    assert_int_equal(hulse_publish_check(&h, large, large), HULSE_RULE_NONE);
    h = message(0, HULSE_META_BYTES_MAX + 1);
    assert_int_equal(hulse_publish_check(&h, large, large), HULSE_RULE_V10);
}

static void test_fragment_holds_its_header(void **state)
{
    struct hulse_publish_header h = message(HULSE_FRAGMENT_HEADER_BYTES, 0);

    (void)state;
    h.type = HULSE_RECORD_FRAGMENT;
    assert_int_equal(PUBLISH(h), HULSE_RULE_NONE);
    h = message(HULSE_FRAGMENT_HEADER_BYTES - 1, 0);
    h.type = HULSE_RECORD_FRAGMENT;
    assert_int_equal(PUBLISH(h), HULSE_RULE_V10);
}

static void test_skip_makes_progress(void **state)
{
    struct hulse_publish_header h = {.type = HULSE_RECORD_SKIP};

    (void)state;
    for (uint32_t len = 0; len < HULSE_PUBLISH_HEADER_BYTES; len++) {
        h.len = len;
        assert_int_equal(PUBLISH(h), HULSE_RULE_V9);
    }
    h.len = HULSE_PUBLISH_HEADER_BYTES;
    assert_int_equal(PUBLISH(h), HULSE_RULE_NONE);
    h.len = MAX_RECORD;
    assert_int_equal(PUBLISH(h), HULSE_RULE_NONE);
}

static void test_verdict_length_bounds(void **state)
{
    const uint16_t reason_max = HULSE_TLV_HEADER_BYTES + HULSE_REASON_BYTES_MAX;
    struct hulse_verdict_record v = verdict(0);

    (void)state;
    assert_int_equal(VERDICT(v), HULSE_RULE_NONE);
    v.len--;
    assert_int_equal(VERDICT(v), HULSE_RULE_V9);
    v = verdict(reason_max);
    assert_int_equal(VERDICT(v), HULSE_RULE_NONE);
    v = verdict((uint16_t)(reason_max + 1));
    assert_int_equal(VERDICT(v), HULSE_RULE_V9);
    v = verdict(5); /* 61 bytes, 64 in the ring */
    assert_int_equal(hulse_verdict_check(&v, 64), HULSE_RULE_NONE);
    assert_int_equal(hulse_verdict_check(&v, 63), HULSE_RULE_V9);
    v.meta_len = 4;
    assert_int_equal(VERDICT(v), HULSE_RULE_V10);
    v.meta_len = 6;
    assert_int_equal(VERDICT(v), HULSE_RULE_V10);
}

static void test_verdict_members(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        struct hulse_verdict_record v = verdict(0);
        v.verdict = (uint8_t)i;
        assert_int_equal(VERDICT(v), i >= 1 && i <= 5 ? 0 : HULSE_RULE_V9);
        v = verdict(0);
        v.type = (uint8_t)i;
        assert_int_equal(VERDICT(v), i == HULSE_RECORD_VERDICT ? 0 : HULSE_RULE_V9);
        v = verdict(0);
        v.how = (uint8_t)i;
        assert_int_equal(VERDICT(v), i <= HULSE_HOW_FLAGS ? 0 : HULSE_RULE_V9);
        v = verdict(0);
        v.flags = (uint8_t)i;
        assert_int_equal(VERDICT(v), i == 0 ? 0 : HULSE_RULE_V9);
    }
    struct hulse_verdict_record v = verdict(0);
    v.reserved = 1U << 31;
    assert_int_equal(VERDICT(v), HULSE_RULE_V9);
}

static void test_foreign_copy_is_whole(void **state)
{
    struct hulse_verdict_record from = verdict(3);
    struct hulse_verdict_record to = {0};

    (void)state;
    from.ref = 0x0123456789abcdefULL;
    hulse_foreign_copy(&to, &from, sizeof(to));
    assert_memory_equal(&to, &from, sizeof(to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_publish_headers),
        cmocka_unit_test(test_publish_length_bounds),
        cmocka_unit_test(test_publish_stride_within_what_is_there),
        cmocka_unit_test(test_publish_types_and_flags),
        cmocka_unit_test(test_publish_lengths_agree),
        cmocka_unit_test(test_publish_metadata_bound),
        cmocka_unit_test(test_fragment_holds_its_header),
        cmocka_unit_test(test_skip_makes_progress),
        cmocka_unit_test(test_verdict_length_bounds),
        cmocka_unit_test(test_verdict_members),
        cmocka_unit_test(test_foreign_copy_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
