/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=300 not=tsan */
/*
 * Goal:   a start ends the log before what was not finished, and never sees that again.
 * Method: a real store writes; then its last segment is cut back at every byte of the last group, and in any order of
 *         sectors, and read by hulse_recover() alone. A few of each are opened for good and used.
 */
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/store_files.h"

#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

/* A log whose last group is known: the segment before it and behind it. */
struct torn {
    struct bed bed;
    uint64_t topic;
    uint64_t number;  /* of the segment */
    uint64_t whole;   /* messages before the last group */
    uint32_t count;   /* in the last group */
    uint32_t ends[8]; /* where each of them ends */
    uint32_t from;    /* the bytes that the last group wrote, whole blocks */
    uint32_t to;
    uint8_t *before;
    uint8_t *after;
    uint8_t *now;
};

static void find_ends(struct torn *t)
{
    struct image im;
    struct scan_item item;
    enum scan_rc rc = SCAN_END;
    struct directory d = {.io = t->bed.params.io};
    struct error err = {0};

    assert_int_equal(hulse_directory_open(&d, t->bed.path, BED_SEGMENT_BYTES, &err), HULSE_OK);
    const struct segment_place at = {
        .directory = d.log_fd, .segment_bytes = BED_SEGMENT_BYTES, .io = d.io};
    assert_int_equal(hulse_image_init(&im, BED_SEGMENT_BYTES, BED_SEGMENT_BYTES), 0);
    assert_int_equal(hulse_image_open(&im, &at, t->number), 0);
    hulse_image_begin(&im, BLOCK_BYTES, 0);
    uint32_t group = 0;
    while ((rc = hulse_image_next(&im, &item)) == SCAN_FRAME) {
        if (item.frame.kind != STORE_MESSAGE || item.frame.position < t->whole) {
            continue;
        }
        if (item.frame.position == t->whole) {
            t->from = item.from - item.from % BLOCK_BYTES;
            group = item.frame.group;
            assert_true((item.frame.flags & FRAME_FIRST_OF_GROUP) != 0);
        }
        assert_int_equal(item.frame.group, group); /* one group, as the test wants it */
        t->ends[item.frame.position - t->whole] = item.to;
        t->to = item.to + hulse_block_left(item.to) % BLOCK_BYTES;
    }
    assert_int_equal(rc, SCAN_END);
    hulse_image_fini(&im);
    hulse_directory_close(&d);
}

static void make_torn(struct torn *t, unsigned singles)
{
    static const size_t sizes[] = {1500, 10, 0, 4200, 200, 77};
    struct bed_request *last[COUNT_OF(sizes)];

    *t = (struct torn){.whole = singles, .count = COUNT_OF(sizes)};
    t->before = malloc(BED_SEGMENT_BYTES);
    t->after = malloc(BED_SEGMENT_BYTES);
    t->now = malloc(BED_SEGMENT_BYTES);
    assert_true(t->before != NULL && t->after != NULL && t->now != NULL);
    hulse_bed_init(&t->bed);
    hulse_bed_use_fast_io(&t->bed);
    hulse_bed_open(&t->bed, true);
    t->topic = hulse_bed_topic(&t->bed, "t");
    t->number = t->bed.store->writer.end.seg.number;
    for (unsigned i = 0; i < singles; i++) {
        hulse_bed_publish(&t->bed, t->topic, i, i + 1, 100);
    }
    hulse_bed_read_segment(&t->bed, t->number, t->before);
    const uint64_t done = t->bed.done;
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        last[i] = hulse_bed_message(&t->bed, t->topic, singles + i, sizes[i]);
    }
    hulse_store_flush(&t->bed.client);
    hulse_bed_wait(&t->bed, done + COUNT_OF(sizes));
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        hulse_bed_request_free(last[i]);
    }
    hulse_bed_crash(&t->bed);
    hulse_bed_read_segment(&t->bed, t->number, t->after);
    find_ends(t);
}

static void drop_torn(struct torn *t)
{
    hulse_bed_fini(&t->bed);
    free(t->before);
    free(t->after);
    free(t->now);
}

/* How many of the last group are whole in t->now, from its beginning. */
static uint32_t whole_of_last(const struct torn *t)
{
    uint32_t from = t->from;
    uint32_t count = 0;

    /* What the group wrote before its first frame is as it was. */
    while (count < t->count && memcmp(t->now + from, t->after + from, t->ends[count] - from) == 0) {
        from = t->ends[count++];
    }
    return count;
}

static void check_torn(const struct torn *t)
{
    struct looked found;
    const uint32_t whole = whole_of_last(t);

    hulse_bed_write_segment(&t->bed, t->number, t->now, t->from, t->to);
    hulse_bed_look(&t->bed, &found);
    /* Block headers differ without harm: then more may be whole than the bytes say. */
    assert_true(found.next_position >= t->whole + whole);
    assert_true(found.next_position <= t->whole + t->count);
    assert_int_equal(found.report.damaged_records, 0);
    assert_int_equal(found.report.damaged_bytes, 0);
    assert_int_equal(found.report.lost_messages, 0);
}

/* The last group was written up to any byte: nothing before it is hurt, nothing behind it is there. */
static void test_a_tail_torn_at_any_byte_is_cut(void **state)
{
    struct torn t;

    (void)state;
    make_torn(&t, 30);
    for (uint32_t byte = t.from; byte < t.to; byte++) {
        struct looked found;
        uint32_t whole = 0;
        memcpy(t.now, t.before, BED_SEGMENT_BYTES);
        memcpy(t.now + t.from, t.after + t.from, byte - t.from);
        hulse_bed_write_segment(&t.bed, t.number, t.now, t.from, t.to);
        hulse_bed_look(&t.bed, &found);
        while (whole < t.count && t.ends[whole] <= byte) {
            whole++;
        }
        /* The padding of the last one may be missing. */
        assert_true(found.next_position == t.whole + whole ||
                    (whole < t.count && t.ends[whole] < byte + FRAME_ALIGNMENT &&
                     found.next_position == t.whole + whole + 1));
        assert_int_equal(found.report.damaged_bytes, 0);
        if (found.next_position > t.whole) {
            assert_int_equal(found.r.end_offset, t.ends[found.next_position - t.whole - 1]);
        }
    }
    drop_torn(&t);
}

/* Any sectors of it reached the disk. */
static void test_a_tail_of_any_sectors_is_cut(void **state)
{
    uint64_t random = test_seed();
    struct torn t;

    (void)state;
    make_torn(&t, 30);
    for (unsigned trial = 0; trial < 1000; trial++) {
        memcpy(t.now, t.before, BED_SEGMENT_BYTES);
        for (uint32_t at = t.from; at < t.to; at += SECTOR) {
            if (test_below(&random, 4) != 0) {
                memcpy(t.now + at, t.after + at, SECTOR);
            }
        }
        check_torn(&t);
    }
    drop_torn(&t);
}

/* Opened for good: what was cut does not come back, whatever is stored and torn in its place. */
static void test_what_was_cut_stays_away(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (unsigned trial = 0; trial < 40; trial++) {
        struct torn t;
        struct looked found;
        make_torn(&t, 5);
        memcpy(t.now, t.before, BED_SEGMENT_BYTES);
        for (uint32_t at = t.from; at < t.to; at += SECTOR) {
            if (test_below(&random, 3) != 0) {
                memcpy(t.now + at, t.after + at, SECTOR);
            }
        }
        hulse_bed_write_segment(&t.bed, t.number, t.now, t.from, t.to);
        hulse_bed_look(&t.bed, &found);
        hulse_bed_open(&t.bed, true);
        assert_int_equal(hulse_bed_count(&t.bed, t.topic, 0, 100), found.next_position);
        /* Smaller than what was cut, so that its rest would lie behind. */
        hulse_bed_publish(&t.bed, t.topic, found.next_position, found.next_position + 1, 20);
        hulse_bed_crash(&t.bed);
        hulse_bed_open(&t.bed, true);
        assert_int_equal(t.bed.report.cut_bytes, 0);
        assert_int_equal(hulse_bed_count(&t.bed, t.topic, 0, 100), found.next_position + 1);
        hulse_bed_stop(&t.bed);
        drop_torn(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tail_torn_at_any_byte_is_cut),
        cmocka_unit_test(test_a_tail_of_any_sectors_is_cut),
        cmocka_unit_test(test_what_was_cut_stays_away),
    };

    return cmocka_run_group_tests_name("torn tail", tests, NULL, NULL);
}
