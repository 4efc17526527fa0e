/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is answered OK is there again after a stop and after a crash, in order, with its ids; the end of a
 *         request comes once, on its client's thread, in the order submitted.
 * Method: one client against the real threads and files.
 */
#include "daemon/store/segment.h"
#include "tests/unit/daemon/store/store_bed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_an_empty_directory_opens_and_ends(void **state)
{
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_store_epoch(bed.store), 1);
    assert_true(bed.report.clean);
    assert_true(hulse_store_healthy(bed.store));
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_store_epoch(bed.store), 2);
    assert_true(bed.report.clean);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void test_what_is_stored_is_read_back(void **state)
{
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "persistent://a/b/c");
    hulse_bed_publish(&bed, topic, 0, 500, 1000);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 500), 500);
    assert_int_equal(hulse_bed_count(&bed, topic, 250, 300), 50);
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    assert_true(bed.report.clean);
    assert_int_equal(bed.report.topics, 1);
    assert_int_equal(hulse_bed_topic(&bed, "persistent://a/b/c"), topic);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 500), 500);
    hulse_bed_publish(&bed, topic, 500, 600, 10);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 600), 600);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void test_what_is_stored_survives_a_crash(void **state)
{
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    uint64_t next = 0;
    for (unsigned round = 0; round < 5; round++) {
        hulse_bed_publish(&bed, topic, next, next + 100, 100 + 50 * round);
        next += 100;
        hulse_bed_crash(&bed);
        hulse_bed_open(&bed, true);
        assert_false(bed.report.clean);
        assert_int_equal(bed.report.cut_bytes, 0);
        assert_int_equal(bed.report.damaged_bytes, 0);
        assert_int_equal(hulse_store_epoch(bed.store), round + 2);
        assert_int_equal(hulse_bed_count(&bed, topic, 0, next), next);
    }
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* Nothing is behind what the header says; gives that. */
static uint32_t reach_of_used(const struct bed *bed)
{
    struct segment seg = {.number = 2, .fd = -1}; /* the first one was left */
    char path[256];
    uint8_t *bytes = calloc(1, BED_SEGMENT_BYTES);
    size_t got = 0;

    hulse_bed_file(bed, "log", path, sizeof(path));
    const struct segment_place at = {.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                                     .segment_bytes = BED_SEGMENT_BYTES,
                                     .io = &hulse_file_io};
    assert_int_equal(hulse_segment_open(&at, &seg, false), 0);
    assert_int_equal(hulse_file_read(seg.fd, bytes, BED_SEGMENT_BYTES, 0, &got), 0);
    assert_int_equal(got, BED_SEGMENT_BYTES);
    assert_true(seg.reach > BLOCK_BYTES && seg.reach <= BED_SEGMENT_BYTES);
    for (uint32_t i = seg.reach; i < BED_SEGMENT_BYTES; i++) {
        assert_int_equal(bytes[i], 0);
    }
    hulse_segment_close(&seg);
    (void)close(at.directory);
    free(bytes);
    return seg.reach;
}

static void test_the_header_says_how_far_the_log_may_go(void **state)
{
    static const uint32_t bodies[] = {100, 30000, 150000, 10, 400000, 60000};
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    assert_true(reach_of_used(&bed) < BED_SEGMENT_BYTES / 2);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    for (uint64_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        const uint32_t before = reach_of_used(&bed);
        hulse_bed_publish(&bed, topic, i, i + 1, bodies[i]);
        assert_true(reach_of_used(&bed) >= before);
        hulse_bed_crash(&bed);
        hulse_bed_open(&bed, true);
        assert_int_equal(hulse_bed_count(&bed, topic, 0, i + 1), i + 1);
    }
    assert_true(reach_of_used(&bed) > BED_SEGMENT_BYTES / 2);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* Some of its copies may be those of before, or damaged. */
static void test_copies_of_a_header(void **state)
{
    _Alignas(8) uint8_t block[BLOCK_BYTES];
    _Alignas(8) uint8_t older[BLOCK_BYTES];
    struct segment seg = {.number = 7, .salt = 1234, .reach = 64 * BLOCK_BYTES};
    struct segment out = {0};
    uint32_t segment_bytes = 0;

    (void)state;
    hulse_segment_header_put(&seg, BED_SEGMENT_BYTES, older);
    seg.reach = 128 * BLOCK_BYTES;
    hulse_segment_header_put(&seg, BED_SEGMENT_BYTES, block);
    memcpy(block, older, BLOCK_BYTES / 2);
    assert_true(hulse_segment_header_get(block, &segment_bytes, &out));
    assert_int_equal(out.reach, 128 * BLOCK_BYTES);
    for (uint32_t at = 0; at < BLOCK_BYTES; at += 512) {
        block[at + 41] ^= 1; /* of the reach alone */
    }
    assert_true(hulse_segment_header_get(block, &segment_bytes, &out));
    assert_int_equal(out.number, 7);
    assert_int_equal(out.reach, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_directory_opens_and_ends),
        cmocka_unit_test(test_what_is_stored_is_read_back),
        cmocka_unit_test(test_what_is_stored_survives_a_crash),
        cmocka_unit_test(test_the_header_says_how_far_the_log_may_go),
        cmocka_unit_test(test_copies_of_a_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
