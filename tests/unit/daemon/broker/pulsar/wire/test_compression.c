/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is compressed comes back with each type; nothing that is larger than allowed or than it says is
 *         decompressed; damage is found or gives as many bytes as were said, and never one more.
 * Method: payloads of many sizes, compressible and not; sizes one off; every prefix; flipped bits; output in
 *         memory of exactly its size.
 */
#include "daemon/broker/pulsar/wire/compression.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/core/check.h"

#include <limits.h>
#include <pulsar_api.pb-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

static const int32_t types[] = {PULSAR__COMPRESSION_TYPE__LZ4,
                                PULSAR__COMPRESSION_TYPE__ZLIB,
                                PULSAR__COMPRESSION_TYPE__ZSTD,
                                PULSAR__COMPRESSION_TYPE__SNAPPY};
static struct wire_contexts *contexts;

static enum wire_compression_rc
back(int32_t type, const uint8_t *in, uint32_t in_bytes, uint8_t **out, uint32_t out_bytes)
{
    uint8_t *copy = malloc(in_bytes == 0 ? 1 : in_bytes);

    *out = malloc(out_bytes == 0 ? 1 : out_bytes);
    assert_non_null(copy);
    assert_non_null(*out);
    if (in_bytes > 0) {
        memcpy(copy, in, in_bytes);
    }
    const enum wire_compression_rc rc = hulse_wire_decompress(
        contexts, type, (struct broker_span){.data = copy, .bytes = in_bytes}, *out, out_bytes);
    free(copy);
    return rc;
}

static enum wire_compression_rc
back_to_nowhere(int32_t type, const uint8_t *in, uint32_t in_bytes, uint32_t out_bytes)
{
    uint8_t *out = NULL;
    const enum wire_compression_rc rc = back(type, in, in_bytes, &out, out_bytes);

    free(out);
    return rc;
}

/* To be freed. */
static uint8_t *compressed(int32_t type, const uint8_t *data, uint32_t bytes, uint32_t *made)
{
    const uint64_t bound = hulse_wire_compress_bound(type, bytes);
    uint8_t *out = malloc(bound);

    assert_non_null(out);
    assert_int_equal(
        hulse_wire_compress(contexts,
                            type,
                            (struct broker_span){.data = bytes == 0 ? NULL : data, .bytes = bytes},
                            out,
                            bound,
                            made),
        WIRE_COMPRESSION_OK);
    assert_in_range(*made, 1, bound);
    return out;
}

static void fill(uint8_t *data, uint32_t bytes, bool plain, uint64_t *seed)
{
    for (uint32_t i = 0; i < bytes; i++) {
        data[i] = plain ? (uint8_t) "message number "[i % 15] : (uint8_t)test_random(seed);
    }
}

static void test_every_type_gives_back_what_it_took(void **state)
{
    static const uint32_t sizes[] = {0, 1, 2, 100, 1024, 70000, 1000000};
    static uint8_t data[1000000];
    uint64_t seed = test_seed();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(types) * COUNT_OF(sizes) * 2; i++) {
        const int32_t type = types[i % COUNT_OF(types)];
        const uint32_t bytes = sizes[i / COUNT_OF(types) % COUNT_OF(sizes)];
        uint32_t made = 0;
        uint8_t *out = NULL;
        fill(data, bytes, i < COUNT_OF(types) * COUNT_OF(sizes), &seed);
        uint8_t *in = compressed(type, data, bytes, &made);
        const struct broker_span span = {.data = in, .bytes = made};
        assert_int_equal(hulse_wire_decompress_check(type, span, bytes, 1000000),
                         WIRE_COMPRESSION_OK);
        assert_int_equal(back(type, in, made, &out, bytes), WIRE_COMPRESSION_OK);
        assert_memory_equal(out, data, bytes);
        free(out);
        free(in);
    }
}

static void test_sizes_are_judged_before_a_buffer_is_there(void **state)
{
    uint8_t data[100];
    uint64_t seed = test_seed();

    (void)state;
    fill(data, sizeof(data), true, &seed);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        uint32_t made = 0;
        uint8_t *in = compressed(types[i], data, sizeof(data), &made);
        const struct broker_span span = {.data = in, .bytes = made};
        assert_int_equal(hulse_wire_decompress_check(types[i], span, 100, 100),
                         WIRE_COMPRESSION_OK);
        assert_int_equal(hulse_wire_decompress_check(types[i], span, 100, 99),
                         WIRE_COMPRESSION_TOO_LARGE);
        if (types[i] == PULSAR__COMPRESSION_TYPE__SNAPPY ||
            types[i] == PULSAR__COMPRESSION_TYPE__ZSTD) {
            assert_int_equal(hulse_wire_decompress_check(types[i], span, 99, 100),
                             WIRE_COMPRESSION_BAD);
        }
        assert_int_equal(hulse_wire_decompress_check(types[i], span, UINT32_MAX, INT_MAX),
                         WIRE_COMPRESSION_TOO_LARGE);
        assert_int_equal(
            hulse_wire_decompress_check(types[i], (struct broker_span){.data = in}, 1, 100),
            WIRE_COMPRESSION_BAD);
        free(in);
    }
    const struct broker_span any = {.data = data, .bytes = sizeof(data)};
    static const int32_t unknown[] = {PULSAR__COMPRESSION_TYPE__NONE, -1, 5, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        uint32_t made = 0;
        assert_int_equal(hulse_wire_compress_bound(unknown[i], 100), 0);
        assert_int_equal(hulse_wire_decompress_check(unknown[i], any, 100, 100),
                         WIRE_COMPRESSION_UNKNOWN);
        assert_int_equal(back_to_nowhere(unknown[i], data, sizeof(data), 100),
                         WIRE_COMPRESSION_UNKNOWN);
        assert_int_equal(hulse_wire_compress(contexts, unknown[i], any, data, sizeof(data), &made),
                         WIRE_COMPRESSION_UNKNOWN);
    }
}

static void test_another_size_than_said_is_refused(void **state)
{
    static uint8_t data[5000];
    static const uint32_t sizes[] = {0, 1, 4999, 5001, 10000, 1000000};
    uint64_t seed = test_seed();

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(types); i++) {
        const int32_t type = types[i % COUNT_OF(types)];
        uint32_t made = 0;
        fill(data, sizeof(data), i < COUNT_OF(types), &seed);
        uint8_t *in = compressed(type, data, sizeof(data), &made);
        for (size_t k = 0; k < COUNT_OF(sizes); k++) {
            assert_int_equal(back_to_nowhere(type, in, made, sizes[k]), WIRE_COMPRESSION_BAD);
        }
        free(in);
        in = compressed(type, data, 0, &made);
        assert_int_equal(back_to_nowhere(type, in, made, 1), WIRE_COMPRESSION_BAD);
        free(in);
    }
}

/* A bomb says that it is small. */
static void test_much_in_little_stops_at_what_was_said(void **state)
{
    const uint32_t bytes = 4U << 20U;
    uint8_t *zeros = calloc(1, bytes);

    (void)state;
    assert_non_null(zeros);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        uint32_t made = 0;
        uint8_t *in = compressed(types[i], zeros, bytes, &made);
        assert_int_equal(back_to_nowhere(types[i], in, made, 1000), WIRE_COMPRESSION_BAD);
        free(in);
    }
    free(zeros);
}

static void test_damage_is_found_or_has_the_size_that_was_said(void **state)
{
    static uint8_t data[700];
    uint64_t seed = test_seed();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        uint32_t made = 0;
        fill(data, sizeof(data), true, &seed);
        uint8_t *in = compressed(types[i], data, sizeof(data), &made);
        if (made == 0) {
            fail();
            return; /* for who does not know that fail() is the end */
        }
        for (uint32_t n = 0; n < made; n++) {
            const enum wire_compression_rc rc = back_to_nowhere(types[i], in, n, sizeof(data));
            assert_true(rc == WIRE_COMPRESSION_BAD ||
                        (rc == WIRE_COMPRESSION_OK && types[i] == PULSAR__COMPRESSION_TYPE__ZLIB));
        }
        for (unsigned round = 0; round < 3000; round++) {
            const uint64_t bit = test_below(&seed, 8 * (uint64_t)made);
            in[bit / 8] ^= (uint8_t)(1U << (bit % 8));
            (void)back_to_nowhere(types[i], in, made, sizeof(data));
            if (round % 3 != 0) {
                in[bit / 8] ^= (uint8_t)(1U << (bit % 8));
            }
        }
        free(in);
    }
}

/* As Java ends them: a flush instead of a last block and its sum. */
static void test_a_zlib_stream_without_an_end_is_read(void **state)
{
    static const uint32_t sizes[] = {0, 1, 300, 66000};
    static uint8_t data[66000];
    static uint8_t out[70000];
    uint64_t seed = test_seed();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        z_stream z = {0};
        uint8_t *plain = NULL;
        fill(data, sizes[i], i % 2 == 0, &seed);
        assert_int_equal(deflateInit(&z, Z_DEFAULT_COMPRESSION), Z_OK);
        z.next_in = data;
        z.avail_in = sizes[i];
        z.next_out = out;
        z.avail_out = sizeof(out);
        assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
        const uint32_t made = (uint32_t)z.total_out;
        (void)deflateEnd(&z);
        assert_int_equal(back(PULSAR__COMPRESSION_TYPE__ZLIB, out, made, &plain, sizes[i]),
                         WIRE_COMPRESSION_OK);
        assert_memory_equal(plain, data, sizes[i]);
        free(plain);
        assert_int_equal(back_to_nowhere(PULSAR__COMPRESSION_TYPE__ZLIB, out, made, sizes[i] + 1),
                         WIRE_COMPRESSION_BAD);
    }
}

/* As Java's ZLIB leaves an empty payload and a tombstone; a size makes the same bytes bad. */
static void test_nothing_is_made_of_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        assert_int_equal(back_to_nowhere(types[i], NULL, 0, 0), WIRE_COMPRESSION_OK);
        assert_int_equal(back_to_nowhere(types[i], NULL, 0, 1), WIRE_COMPRESSION_BAD);
    }
}

/* The content size is optional in a zstd frame, and a checksum is allowed. */
static void test_zstd_frames_of_other_makers_are_read(void **state)
{
    uint8_t data[1000];
    uint8_t out[2000];
    uint8_t *plain = NULL;
    uint64_t seed = test_seed();

    (void)state;
    fill(data, sizeof(data), true, &seed);
    ZSTD_CCtx *c = ZSTD_createCCtx();
    assert_non_null(c);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    const size_t made = ZSTD_compress2(c, out, sizeof(out), data, sizeof(data));
    (void)ZSTD_freeCCtx(c);
    assert_false(ZSTD_isError(made));
    assert_int_equal(
        back(PULSAR__COMPRESSION_TYPE__ZSTD, out, (uint32_t)made, &plain, sizeof(data)),
        WIRE_COMPRESSION_OK);
    assert_memory_equal(plain, data, sizeof(data));
    free(plain);
    assert_int_equal(
        back_to_nowhere(PULSAR__COMPRESSION_TYPE__ZSTD, out, (uint32_t)made, sizeof(data) - 1),
        WIRE_COMPRESSION_BAD);
}

static int begin(void **state)
{
    (void)state;
    contexts = hulse_wire_contexts_create();
    return contexts == NULL;
}

static int end(void **state)
{
    (void)state;
    hulse_wire_contexts_destroy(&contexts);
    hulse_wire_contexts_destroy(&contexts);
    return hulse_mem_used(HULSE_MEM_BROKER) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_gives_back_what_it_took),
        cmocka_unit_test(test_sizes_are_judged_before_a_buffer_is_there),
        cmocka_unit_test(test_another_size_than_said_is_refused),
        cmocka_unit_test(test_much_in_little_stops_at_what_was_said),
        cmocka_unit_test(test_damage_is_found_or_has_the_size_that_was_said),
        cmocka_unit_test(test_a_zlib_stream_without_an_end_is_read),
        cmocka_unit_test(test_nothing_is_made_of_nothing),
        cmocka_unit_test(test_zstd_frames_of_other_makers_are_read),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
