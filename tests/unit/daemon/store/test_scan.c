/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: not=tsan */
/*
 * Goal:   what the appender puts is read back; a broken byte costs the frame it is in and no other; nothing that is
 *         no frame of this place is taken for one.
 * Method: a segment in memory; naive arithmetic beside the real one; every byte of a small log flipped, one at
 *         a time; then random damage of all sizes by seed.
 */
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/memory_log.h"
#include "tests/unit/daemon/store/store_bed.h"

#include <stdlib.h>
#include <string.h>

static struct memory_log log_made;
static uint8_t copy[MEMORY_LOG_BYTES];

/* ---- frames and blocks ------------------------------------------------------------------- */

static void test_a_header_comes_back_and_every_bit_of_it_counts(void **state)
{
    uint8_t bytes[FRAME_HEADER_BYTES] = {0};
    const struct frame f = {.length = 1234,
                            .generation = 9,
                            .epoch = 8,
                            .topic = UINT64_C(0x1122334455667788),
                            .position = 7,
                            .handle = "0123456789abcde",
                            .seq = 6,
                            .time_ms = 5,
                            .group = 4,
                            .kind = STORE_ACK,
                            .flags = FRAME_FIRST_OF_GROUP};
    struct frame back;
    uint32_t crc = 0;

    (void)state;
    const uint32_t sum = hulse_frame_encode(&f, 77, bytes);
    hulse_frame_seal(bytes, sum);
    assert_true(hulse_frame_decode(bytes, 9, 77, &back, &crc));
    assert_int_equal(crc, sum);
    assert_int_equal(hulse_frame_sum(bytes), sum);
    assert_memory_equal(&back, &f, sizeof(f));
    assert_false(hulse_frame_decode(bytes, 10, 77, &back, &crc));
    assert_false(hulse_frame_decode(bytes, 9, 78, &back, &crc));
    for (size_t bit = 32; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_false(hulse_frame_decode(bytes, 9, 77, &back, &crc));
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
}

static void test_places_are_those_of_a_naive_walk(void **state)
{
    (void)state;
    for (uint32_t offset = BLOCK_BYTES; offset < 2 * BLOCK_BYTES; offset += FRAME_ALIGNMENT) {
        uint64_t place = offset;
        while (place % BLOCK_BYTES < BLOCK_HEADER_BYTES ||
               place % BLOCK_BYTES > BLOCK_BYTES - FRAME_HEADER_BYTES) {
            place++;
        }
        assert_int_equal(hulse_block_place(offset), place);
        for (uint32_t length = FRAME_HEADER_BYTES; length < 3 * BLOCK_BYTES; length += 61) {
            uint64_t at = place;
            for (uint32_t i = 0; i < length; i++) {
                at += at % BLOCK_BYTES == 0 ? BLOCK_HEADER_BYTES + 1 : 1;
            }
            at = (at + FRAME_ALIGNMENT - 1) / FRAME_ALIGNMENT * FRAME_ALIGNMENT;
            assert_int_equal(hulse_block_behind(place, length), at);
        }
    }
}

static void test_a_block_header_is_good_in_its_place_only(void **state)
{
    uint8_t block[BLOCK_BYTES] = {0};
    const struct block_id id = {.offset = 8192, .generation = 5, .salt = 99};
    const struct block_id elsewhere = {.offset = 4096, .generation = 5, .salt = 99};
    const struct block_id later = {.offset = 8192, .generation = 6, .salt = 99};
    uint16_t first = 0;

    (void)state;
    hulse_block_put(block, &id, 808);
    assert_true(hulse_block_valid(block, &id, &first));
    assert_int_equal(first, 808);
    assert_false(hulse_block_valid(block, &elsewhere, &first));
    assert_false(hulse_block_valid(block, &later, &first));
    for (size_t bit = 0; bit < 64; bit++) {
        block[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_false(hulse_block_valid(block, &id, &first));
        block[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    hulse_block_put(block, &id, 4090);
    assert_false(hulse_block_valid(block, &id, &first));
}

/* ---- a log ------------------------------------------------------------------------------- */

/* Checks a frame that was read against what was put. */
static void same(const struct scan *s, const struct scan_item *item)
{
    static uint8_t body[MEMORY_LOG_BYTES];
    static uint8_t expected[MEMORY_LOG_BYTES];
    const struct memory_frame *made = &log_made.frames[item->frame.position];

    assert_int_equal(item->from, made->from);
    assert_int_equal(item->to, made->to);
    assert_int_equal(item->frame.length, FRAME_HEADER_BYTES + made->body_bytes);
    assert_int_equal(item->frame.group, made->group);
    assert_int_equal(item->frame.flags, made->first ? FRAME_FIRST_OF_GROUP : 0);
    hulse_scan_body(s, item, body);
    hulse_bed_fill(expected, made->body_bytes, 1, item->frame.position);
    assert_memory_equal(body, expected, made->body_bytes);
}

static void make_log(uint64_t *random, uint32_t bytes)
{
    hulse_memory_log_init(&log_made, 11);
    hulse_memory_log_fill(&log_made, random, bytes);
    memcpy(copy, log_made.bytes, sizeof(copy));
}

static void test_a_full_log_is_read_back(void **state)
{
    uint64_t random = test_seed();
    struct scan_item item;
    enum scan_rc rc = SCAN_END;
    uint32_t next = 0;

    (void)state;
    make_log(&random, MEMORY_LOG_BYTES - 40000);
    struct scan s = hulse_memory_log_scan(&log_made, copy);
    while ((rc = hulse_scan_next(&s, &item)) == SCAN_FRAME) {
        assert_int_equal(item.frame.position, next);
        same(&s, &item);
        next++;
    }
    assert_int_equal(rc, SCAN_END);
    assert_int_equal(next, log_made.count);
    hulse_memory_log_fini(&log_made);
}

/* What a scan asks for is enough, and it never looks behind what is loaded. */
static void test_a_log_is_read_as_it_is_loaded(void **state)
{
    uint64_t random = test_seed();
    struct scan_item item;
    enum scan_rc rc = SCAN_END;
    uint32_t next = 0;

    (void)state;
    make_log(&random, 300000);
    uint8_t *part = malloc(MEMORY_LOG_BYTES);
    assert_non_null(part);
    struct scan s = hulse_memory_log_scan(&log_made, part);
    s.loaded = BLOCK_BYTES;
    while ((rc = hulse_scan_next(&s, &item)) != SCAN_END) {
        if (rc == SCAN_MORE) {
            assert_true(s.need > s.loaded && s.need <= s.end);
            memcpy(part + s.loaded, copy + s.loaded, s.need - s.loaded);
            s.loaded = s.need;
            continue;
        }
        assert_int_equal(rc, SCAN_FRAME);
        assert_int_equal(item.frame.position, next);
        same(&s, &item);
        next++;
    }
    assert_int_equal(next, log_made.count);
    free(part);
    hulse_memory_log_fini(&log_made);
}

/* Reads `copy`; every frame that `hurt` does not name is there, in order; the others are not. */
static void check_damaged(const bool *hurt)
{
    struct scan s = hulse_memory_log_scan(&log_made, copy);
    struct scan_item item;
    enum scan_rc rc = SCAN_END;
    uint32_t next = 0;
    uint32_t at = BLOCK_BYTES;

    while ((rc = hulse_scan_next(&s, &item)) != SCAN_END) {
        assert_int_not_equal(rc, SCAN_MORE);
        assert_true(item.from >= at && item.to > item.from && item.to <= MEMORY_LOG_BYTES);
        at = item.to;
        if (rc == SCAN_GAP) {
            continue;
        }
        assert_true(item.frame.position < log_made.count);
        while (next < item.frame.position) {
            assert_true(hurt[next]);
            next++;
        }
        if (rc == SCAN_FRAME) {
            assert_false(hurt[next]);
            same(&s, &item);
        } else {
            assert_true(hurt[next]);
        }
        next++;
    }
    while (next < log_made.count) {
        assert_true(hurt[next]);
        next++;
    }
}

/* Is this byte of the file one of the frame's? */
static bool in_frame(uint32_t index, uint32_t byte)
{
    const struct memory_frame *made = &log_made.frames[index];
    uint32_t at = made->from;

    if (byte < made->from || byte >= made->to || byte % BLOCK_BYTES < BLOCK_HEADER_BYTES) {
        return false;
    }
    /* The padding behind the last byte is nobody's. */
    int64_t left = (int64_t)FRAME_HEADER_BYTES + made->body_bytes;
    while (at < byte) {
        at++;
        left--;
        if (at % BLOCK_BYTES == 0) {
            at += BLOCK_HEADER_BYTES;
        }
    }
    return at == byte && left > 0;
}

static void test_a_flipped_byte_costs_the_frame_that_it_is_in(void **state)
{
    uint64_t random = test_seed();
    static bool hurt[MEMORY_LOG_FRAMES];

    (void)state;
    make_log(&random, 60000);
    for (uint32_t byte = BLOCK_BYTES; byte < log_made.end.offset; byte++) {
        memset(hurt, 0, sizeof(hurt));
        for (uint32_t i = 0; i < log_made.count; i++) {
            if (log_made.frames[i].from <= byte && byte < log_made.frames[i].to) {
                hurt[i] = in_frame(i, byte);
            }
        }
        const uint8_t before = copy[byte];
        copy[byte] = (uint8_t)(before ^ (1 + test_below(&random, 255)));
        check_damaged(hurt);
        copy[byte] = before;
    }
    hulse_memory_log_fini(&log_made);
}

/* Random runs of junk, zeros, or bytes from elsewhere in the log. */
static void test_what_is_not_damaged_is_read_behind_any_damage(void **state)
{
    enum { LOGS = 10, TRIALS = 40 };
    uint64_t random = test_seed();
    static bool hurt[MEMORY_LOG_FRAMES];

    (void)state;
    for (unsigned trial = 0; trial < LOGS * TRIALS; trial++) {
        if (trial % TRIALS == 0) {
            make_log(&random, 200000);
        }
        memset(hurt, 0, sizeof(hurt));
        memcpy(copy, log_made.bytes, sizeof(copy));
        for (uint64_t left = 1 + test_below(&random, 5); left > 0; left--) {
            const uint32_t at =
                BLOCK_BYTES + (uint32_t)test_below(&random, log_made.end.offset - BLOCK_BYTES);
            uint32_t bytes = 1 + (uint32_t)test_below(&random, test_below(&random, 2) ? 64 : 30000);
            if (bytes > log_made.end.offset - at) {
                bytes = log_made.end.offset - at;
            }
            const uint64_t how = test_below(&random, 3);
            const uint32_t from = (uint32_t)test_below(&random, 100000) / 8 * 8 + at % 8;
            for (uint32_t i = 0; i < bytes; i++) {
                copy[at + i] = how == 0   ? (uint8_t)test_random(&random)
                               : how == 1 ? 0
                                          : log_made.bytes[from + i];
            }
        }
        for (uint32_t i = 0; i < log_made.count; i++) {
            const struct memory_frame *made = &log_made.frames[i];
            for (uint32_t byte = made->from; byte < made->to && !hurt[i]; byte++) {
                hurt[i] = copy[byte] != log_made.bytes[byte] && in_frame(i, byte);
            }
        }
        check_damaged(hurt);
        if (trial % TRIALS == TRIALS - 1) {
            hulse_memory_log_fini(&log_made);
        }
    }
}

/* Somebody publishes a piece of the log: behind damage it is not taken for the log. */
static void test_a_copy_of_a_frame_in_a_body_is_no_frame(void **state)
{
    const struct store_span empty = {.data = "", .bytes = 0};
    struct scan_item item;
    struct frame f = {
        .length = FRAME_HEADER_BYTES, .topic = 1, .position = 0, .kind = STORE_MESSAGE};
    uint64_t lsn = 0;

    (void)state;
    hulse_memory_log_init(&log_made, 11);
    assert_int_equal(hulse_appender_put(&log_made.end, &f, &empty, 1, &lsn), 0);
    hulse_memory_log_sync(&log_made);
    uint8_t stolen[512];
    memcpy(stolen, log_made.bytes + lsn % MEMORY_LOG_BYTES, sizeof(stolen));
    const struct store_span loot = {.data = stolen, .bytes = sizeof(stolen)};
    f.length = FRAME_HEADER_BYTES + sizeof(stolen);
    f.position = 1;
    assert_int_equal(hulse_appender_put(&log_made.end, &f, &loot, 1, &lsn), 0);
    hulse_memory_log_sync(&log_made);
    /* The second one's header is lost: its body is looked through byte by byte. */
    log_made.bytes[lsn % MEMORY_LOG_BYTES + 20] ^= 1;
    struct scan s = hulse_memory_log_scan(&log_made, log_made.bytes);
    assert_int_equal(hulse_scan_next(&s, &item), SCAN_FRAME);
    assert_int_equal(hulse_scan_next(&s, &item), SCAN_GAP);
    assert_int_equal(hulse_scan_next(&s, &item), SCAN_END);
    hulse_memory_log_fini(&log_made);
}

/* The file held another use of the segment: its blocks and frames end the log, they are not read. */
static void test_an_earlier_use_of_the_file_ends_the_log(void **state)
{
    uint64_t random = test_seed();
    static uint8_t old[MEMORY_LOG_BYTES];
    struct scan_item item;
    enum scan_rc rc = SCAN_END;
    uint32_t next = 0;

    (void)state;
    make_log(&random, 500000);
    memcpy(old, copy, sizeof(old));
    hulse_memory_log_fini(&log_made);
    hulse_memory_log_init(&log_made, 12);
    memcpy(log_made.bytes + BLOCK_BYTES, old + BLOCK_BYTES, sizeof(old) - BLOCK_BYTES);
    hulse_memory_log_fill(&log_made, &random, 100000);
    struct scan s = hulse_memory_log_scan(&log_made, log_made.bytes);
    while ((rc = hulse_scan_next(&s, &item)) == SCAN_FRAME) {
        assert_int_equal(item.frame.generation, 12);
        next++;
    }
    assert_int_equal(rc, SCAN_END);
    assert_int_equal(next, log_made.count);
    hulse_memory_log_fini(&log_made);
}

/* A frame as large as the segment, in several writes; and the largest that fits is exact. */
static void test_the_largest_frame_fills_the_segment(void **state)
{
    const uint32_t blocks = MEMORY_LOG_BYTES / BLOCK_BYTES - 1;
    const uint32_t max = blocks * (BLOCK_BYTES - BLOCK_HEADER_BYTES);
    struct scan_item item;

    (void)state;
    hulse_memory_log_init(&log_made, 11);
    assert_true(hulse_appender_fits(&log_made.end, max));
    assert_false(hulse_appender_fits(&log_made.end, max + 1));
    hulse_memory_log_put(&log_made, max - FRAME_HEADER_BYTES);
    hulse_memory_log_sync(&log_made);
    assert_false(hulse_appender_fits(&log_made.end, FRAME_HEADER_BYTES));
    struct scan s = hulse_memory_log_scan(&log_made, log_made.bytes);
    assert_int_equal(hulse_scan_next(&s, &item), SCAN_FRAME);
    same(&s, &item);
    assert_int_equal(hulse_scan_next(&s, &item), SCAN_END);
    hulse_memory_log_fini(&log_made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_header_comes_back_and_every_bit_of_it_counts),
        cmocka_unit_test(test_places_are_those_of_a_naive_walk),
        cmocka_unit_test(test_a_block_header_is_good_in_its_place_only),
        cmocka_unit_test(test_a_full_log_is_read_back),
        cmocka_unit_test(test_a_log_is_read_as_it_is_loaded),
        cmocka_unit_test(test_a_flipped_byte_costs_the_frame_that_it_is_in),
        cmocka_unit_test(test_what_is_not_damaged_is_read_behind_any_damage),
        cmocka_unit_test(test_a_copy_of_a_frame_in_a_body_is_no_frame),
        cmocka_unit_test(test_an_earlier_use_of_the_file_ends_the_log),
        cmocka_unit_test(test_the_largest_frame_fills_the_segment),
    };

    return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
