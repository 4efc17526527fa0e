/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=300 not=tsan */
/*
 * Goal:   a start finds everything that was synced and undamaged, and counts what is damaged.
 * Method: a real store writes; then its segments are flipped anywhere, lost or replaced, and read by hulse_recover() alone. A few of each are opened for good and used.
 */
#include "daemon/store/directory.h"
#include "daemon/store/image.h"
#include "daemon/store/recovery.h"
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEGMENTS_MAX = 8, RECORDS_MAX = 20000 };

struct place {
    uint64_t number;
    uint32_t from;
    uint32_t to;
    uint32_t group;
    bool hurt;
};

/* Three segments of many groups, and where each record is. */
struct wide {
    struct bed bed;
    uint64_t topic;
    uint64_t segments;
    uint32_t last_group;
    uint32_t count;
    struct place places[RECORDS_MAX];
    uint8_t *good[SEGMENTS_MAX]; /* by number */
    uint8_t *now;
};

static struct wide wide;

static void find_places(struct wide *w)
{
    struct image im;
    struct scan_item item;
    struct directory d = {.io = w->bed.params.io};
    struct error err = {0};

    assert_int_equal(hulse_directory_open(&d, w->bed.path, BED_SEGMENT_BYTES, &err), HULSE_OK);
    const struct segment_place at = {
        .directory = d.log_fd, .segment_bytes = BED_SEGMENT_BYTES, .io = d.io};
    assert_int_equal(hulse_image_init(&im, BED_SEGMENT_BYTES, BED_SEGMENT_BYTES), 0);
    for (uint64_t number = 1; number <= w->segments; number++) {
        assert_int_equal(hulse_image_open(&im, &at, number), 0);
        hulse_image_begin(&im, BLOCK_BYTES, 0);
        while (hulse_image_next(&im, &item) == SCAN_FRAME) {
            assert_true(w->count < RECORDS_MAX);
            w->places[w->count++] = (struct place){
                .number = number, .from = item.from, .to = item.to, .group = item.frame.group};
            w->last_group = item.frame.group;
        }
    }
    hulse_image_fini(&im);
    hulse_directory_close(&d);
}

static void make_wide(struct wide *w, uint64_t *random)
{
    uint64_t next = 0;

    memset(w, 0, sizeof(*w));
    hulse_bed_init(&w->bed);
    hulse_bed_use_fast_io(&w->bed);
    hulse_bed_open(&w->bed, true);
    w->topic = hulse_bed_topic(&w->bed, "t");
    while (next < 3000) {
        const uint64_t count = 1 + test_below(random, 40);
        /* One that the writer had to wait for is left early, and may have next to nothing in it. */
        hulse_bed_wait_prepared(&w->bed);
        hulse_bed_publish(&w->bed, w->topic, next, next + count, test_below(random, 2000));
        next += count;
    }
    hulse_bed_publish(&w->bed, w->topic, next, next + 1, 100); /* the last group */
    struct store_figures figures;
    hulse_store_figures(w->bed.store, &figures);
    w->segments = figures.log_bytes / BED_SEGMENT_BYTES;
    hulse_bed_crash(&w->bed);
    assert_true(w->segments >= 3 && w->segments < SEGMENTS_MAX);
    find_places(w);
    w->now = malloc(BED_SEGMENT_BYTES);
    assert_non_null(w->now);
    for (uint64_t number = 1; number <= w->segments; number++) {
        w->good[number] = malloc(BED_SEGMENT_BYTES);
        assert_non_null(w->good[number]);
        hulse_bed_read_segment(&w->bed, number, w->good[number]);
    }
}

static void drop_wide(struct wide *w)
{
    for (uint64_t number = 1; number <= w->segments; number++) {
        free(w->good[number]);
    }
    free(w->now);
    hulse_bed_fini(&w->bed);
}

/* Flips some bytes of one segment; which records may be hurt by it. Returns how many flips are in none. */
static uint64_t hurt(struct wide *w, uint64_t *random, uint64_t number)
{
    uint64_t stray = 0;

    memcpy(w->now, w->good[number], BED_SEGMENT_BYTES);
    for (uint64_t left = 1 + test_below(random, 20); left > 0; left--) {
        const uint32_t at = (uint32_t)test_below(random, BED_SEGMENT_BYTES);
        w->now[at] ^= (uint8_t)(1 + test_below(random, 255));
        stray++;
        if (at < BLOCK_BYTES || at % BLOCK_BYTES < BLOCK_HEADER_BYTES) {
            continue;
        }
        for (uint32_t i = 0; i < w->count; i++) {
            struct place *p = &w->places[i];
            if (p->number == number && p->from <= at && at < p->to) {
                p->hurt = true;
                stray--;
            }
        }
    }
    hulse_bed_write_segment(&w->bed, number, w->now, 0, BED_SEGMENT_BYTES);
    return stray;
}

static void test_flips_cost_the_records_they_are_in(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    make_wide(&wide, &random);
    for (unsigned trial = 0; trial < 300; trial++) {
        const uint64_t number = 1 + test_below(&random, wide.segments);
        struct looked found;
        uint64_t whole = 0;
        uint64_t broken = 0;
        bool last_hurt = false;
        for (uint32_t i = 0; i < wide.count; i++) {
            wide.places[i].hurt = false;
        }
        const uint64_t stray = hurt(&wide, &random, number);
        hulse_bed_look(&wide.bed, &found);
        for (uint32_t i = 0; i < wide.count; i++) {
            whole += !wide.places[i].hurt;
            broken += wide.places[i].hurt;
            last_hurt |= wide.places[i].hurt && wide.places[i].group == wide.last_group;
        }
        /* A flip in padding hurts nothing, though it is counted here. */
        /* Without the last group the one before it is the last, and is cut where it is broken. */
        assert_true(found.report.records >= whole || last_hurt);
        assert_true(found.report.records <= wide.count);
        assert_true(found.report.damaged_records <= broken + stray);
        assert_true(found.report.records + broken >= wide.count || last_hurt);
        if (found.report.records < wide.count && !last_hurt) {
            assert_true(found.report.damaged_records > 0);
            assert_true(found.report.damaged_bytes > 0);
        }
        /* Behind the last record there is nothing to lose, but something to cut. */
        if (!last_hurt && (number < wide.segments || stray == 0)) {
            assert_int_equal(found.report.cut_bytes, 0);
        }
        hulse_bed_write_segment(&wide.bed, number, wide.good[number], 0, BED_SEGMENT_BYTES);
    }
    drop_wide(&wide);
}

static uint64_t unreadable_from;

static int read_but_one_block(int fd, void *bytes, size_t count, uint64_t offset, size_t *got)
{
    *got = 0;
    return offset < unreadable_from + BLOCK_BYTES && unreadable_from < offset + count
               ? EIO
               : hulse_file_io.read(fd, bytes, count, offset, got);
}

/*
 * Goal:   an image finds the same however little of a file it reads at once, and needs memory for that only.
 * Method: one that reads all and one that reads little go through a damaged segment of which a block cannot be read; the
 *         latter has been used before, so its memory is full of another segment's frames.
 */
static void test_an_image_finds_the_same_in_little_memory(void **state)
{
    enum { LITTLE = 3 * BLOCK_BYTES };
    static struct image all;
    static struct image little;
    struct directory d = {.io = &hulse_file_io};
    struct error err = {0};
    uint64_t random = test_seed();

    (void)state;
    make_wide(&wide, &random);
    assert_int_equal(hulse_directory_open(&d, wide.bed.path, BED_SEGMENT_BYTES, &err), HULSE_OK);
    struct file_io failing = hulse_file_io;
    failing.read = read_but_one_block;
    const struct segment_place at = {
        .directory = d.log_fd, .segment_bytes = BED_SEGMENT_BYTES, .io = &failing};
    assert_int_equal(hulse_image_init(&all, BED_SEGMENT_BYTES, BED_SEGMENT_BYTES), 0);
    assert_int_equal(hulse_image_init(&little, BED_SEGMENT_BYTES, LITTLE), 0);
    all.lenient = true;
    little.lenient = true;
    for (unsigned trial = 0; trial < 200; trial++) {
        const uint64_t number = 1 + test_below(&random, wide.segments);
        struct scan_item expected;
        struct scan_item item;
        enum scan_rc rc = SCAN_END;
        const bool damage = trial % 4 != 0;
        if (damage) {
            (void)hurt(&wide, &random, number);
        }
        unreadable_from = BED_SEGMENT_BYTES;
        assert_int_equal(hulse_image_open(&all, &at, number), 0);
        assert_int_equal(hulse_image_open(&little, &at, number), 0);
        if (damage) {
            unreadable_from =
                (1 + test_below(&random, BED_SEGMENT_BYTES / BLOCK_BYTES - 1)) * BLOCK_BYTES;
        }
        hulse_image_begin(&all, BLOCK_BYTES, 0);
        hulse_image_begin(&little, BLOCK_BYTES, 0);
        assert_true(little.used <= LITTLE);
        do {
            rc = hulse_image_next(&all, &expected);
            assert_int_equal(hulse_image_next(&little, &item), rc);
            if (rc != SCAN_END) {
                assert_int_equal(item.from, expected.from);
                assert_int_equal(item.to, expected.to);
            }
        } while (rc != SCAN_END);
        assert_int_equal(all.failed, 0);
        assert_int_equal(little.failed, 0);
        /* What it reads at once, the largest record, and what is behind the last one. */
        assert_true(damage || little.used <= LITTLE + 2 * BLOCK_BYTES + 2 * SCAN_MARGIN);
        hulse_bed_write_segment(&wide.bed, number, wide.good[number], 0, BED_SEGMENT_BYTES);
    }
    hulse_image_fini(&all);
    hulse_image_fini(&little);
    hulse_directory_close(&d);
    drop_wide(&wide);
}

/* A few, for good: what is not hurt is read, what is hurt is counted, and life goes on. */
static void test_a_damaged_store_goes_on(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (unsigned trial = 0; trial < 10; trial++) {
        make_wide(&wide, &random);
        (void)hurt(&wide, &random, 1);
        (void)hurt(&wide, &random, 2);
        hulse_bed_open(&wide.bed, true);
        uint64_t broken = 0;
        for (uint32_t i = 0; i < wide.count; i++) {
            broken += wide.places[i].hurt;
        }
        /* The topic's own record may be among them: then it has no name any more, and says so. */
        if (wide.bed.report.topics == 1) {
            const uint64_t there = hulse_bed_count(&wide.bed, wide.topic, 0, 5000);
            assert_true(there + broken + 2 >= wide.count);
            hulse_bed_publish(&wide.bed, wide.topic, 5000, 5100, 100);
            assert_int_equal(hulse_bed_count(&wide.bed, wide.topic, 5000, 5100), 100);
        } else {
            assert_true(wide.bed.report.homeless_records > 2000);
        }
        hulse_bed_stop(&wide.bed);
        hulse_bed_open(&wide.bed, true);
        hulse_bed_stop(&wide.bed);
        drop_wide(&wide);
    }
}

static void remove_segment(const struct bed *bed, uint64_t number)
{
    char path[256];

    hulse_bed_segment_path(bed, number, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
}

static void test_missing_segments_end_no_start(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (uint64_t which = 0; which <= 4; which++) {
        make_wide(&wide, &random);
        for (uint64_t number = 1; number <= wide.segments; number++) {
            if (which == 0 || which == number || (which == 4 && number == wide.segments)) {
                remove_segment(&wide.bed, number);
            }
        }
        hulse_bed_open(&wide.bed, true);
        assert_int_equal(hulse_store_epoch(wide.bed.store), 2);
        const uint64_t topic = hulse_bed_topic(&wide.bed, "t");
        hulse_bed_publish(&wide.bed, topic, 10000, 10100, 100);
        assert_int_equal(hulse_bed_count(&wide.bed, topic, 10000, 10100), 100);
        hulse_bed_stop(&wide.bed);
        drop_wide(&wide);
    }
}

/* The checkpoint has seen more than is left of the log: nothing is stored where the next start does not look. */
static void test_a_log_shorter_than_its_checkpoint_goes_on_behind_it(void **state)
{
    uint64_t random = test_seed();
    char path[256];

    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        make_wide(&wide, &random);
        hulse_bed_open(&wide.bed, true);
        hulse_bed_stop(&wide.bed);
        /* The prepared one goes as well: its number may not be given again. */
        hulse_bed_segment_path(&wide.bed, wide.segments + 1, path, sizeof(path));
        (void)unlink(path);
        memset(wide.now, 0xA5, BLOCK_BYTES);
        for (uint64_t number = wide.segments; number > 0; number--) {
            hulse_bed_segment_path(&wide.bed, number, path, sizeof(path));
            if (how == 3 && number == wide.segments) {
                hulse_bed_write_segment(&wide.bed, number, wide.now, 0, BLOCK_BYTES);
            } else if (how == 0 || number == wide.segments) {
                assert_int_equal(how == 2 ? truncate(path, 0) : unlink(path), 0);
            }
        }
        hulse_bed_open(&wide.bed, true);
        assert_int_equal(wide.bed.report.topics, 1);
        assert_true(wide.bed.report.missing_segments > 0 || how >= 2);
        assert_true(wide.bed.report.damaged_records > 0); /* it was stopped as asked */
        hulse_bed_publish(&wide.bed, wide.topic, 5000, 5100, 100);
        hulse_bed_crash(&wide.bed);
        hulse_bed_open(&wide.bed, true);
        assert_int_equal(hulse_bed_count(&wide.bed, wide.topic, 5000, 5100), 100);
        hulse_bed_stop(&wide.bed);
        drop_wide(&wide);
    }
}

/*
 * The start and each read say how many messages are lost, no more and no less; but for a start that finds a part of
 * a segment gone below the checkpoint, which it does not read.
 */
static void check_loss(uint64_t lost, bool part)
{
    const struct store_report *report = &wide.bed.report;
    struct store_read rd;
    uint64_t damaged = 0;

    assert_true(report->damaged_records + report->missing_segments > 0);
    assert_true(report->lost_messages == lost || (part && report->lost_messages < lost));
    for (uint64_t from = 0; from < 5000; from = rd.next) {
        struct store_message m;
        size_t at = 0;
        hulse_bed_read(&wide.bed, &rd, wide.topic, from, 5000);
        assert_int_equal(rd.status, HULSE_OK);
        uint64_t each = rd.damaged_behind;
        while (hulse_store_read_next(&rd, &at, &m)) {
            each += m.damaged;
        }
        assert_int_equal(each, rd.damaged);
        damaged += rd.damaged;
        hulse_store_read_free(&rd);
    }
    assert_int_equal(damaged, lost);
}

/* Makes something else of segment 3, in the middle of the log. */
static void spoil(unsigned how)
{
    char path[256];
    char other[256];

    hulse_bed_segment_path(&wide.bed, 3, path, sizeof(path));
    hulse_bed_segment_path(&wide.bed, 2, other, sizeof(other));
    memset(wide.now, how == 0 ? 0xA5 : 0, BLOCK_BYTES);
    switch (how) {
    case 0: /* all copies of its header are lost */
    case 1: /* the same, by zeros */
        hulse_bed_write_segment(&wide.bed, 3, wide.now, 0, BLOCK_BYTES);
        break;
    case 2: /* it holds the bytes of another one */
        hulse_bed_read_segment(&wide.bed, 2, wide.now);
        hulse_bed_write_segment(&wide.bed, 3, wide.now, 0, BED_SEGMENT_BYTES);
        break;
    case 3: /* of a later one */
        hulse_bed_read_segment(&wide.bed, 4, wide.now);
        hulse_bed_write_segment(&wide.bed, 3, wide.now, 0, BED_SEGMENT_BYTES);
        break;
    case 4:
        assert_int_equal(unlink(path), 0);
        break;
    default:
        assert_int_equal(truncate(path, how == 5 ? 100000 : how == 6 ? 100 : 0), 0);
    }
}

enum { SHAPES = 8 };

/* A segment in the middle of the log that is no longer what it was, behind the checkpoint and below it. */
static void test_a_segment_of_any_shape_is_lost_and_said(void **state)
{
    uint64_t random = test_seed();

    (void)state;
    for (unsigned how = 0; how < 2 * SHAPES; how++) {
        make_wide(&wide, &random);
        hulse_bed_open(&wide.bed, true);
        (void)hulse_bed_subscription(&wide.bed, wide.topic, "s", 0);
        const uint64_t whole = hulse_bed_count(&wide.bed, wide.topic, 0, 5000);
        if (how < SHAPES) {
            hulse_bed_crash(&wide.bed);
        } else {
            hulse_bed_stop(&wide.bed);
        }
        spoil(how % SHAPES);
        hulse_bed_open(&wide.bed, true);
        assert_int_equal(wide.bed.report.topics, 1);
        const uint64_t there = hulse_bed_count(&wide.bed, wide.topic, 0, 5000);
        assert_true(there > 500 && there < whole);
        check_loss(whole - there, how == SHAPES + 5);
        hulse_bed_publish(&wide.bed, wide.topic, 5000, 5100, 100);
        hulse_bed_stop(&wide.bed);
        drop_wide(&wide);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flips_cost_the_records_they_are_in),
        cmocka_unit_test(test_an_image_finds_the_same_in_little_memory),
        cmocka_unit_test(test_a_damaged_store_goes_on),
        cmocka_unit_test(test_missing_segments_end_no_start),
        cmocka_unit_test(test_a_log_shorter_than_its_checkpoint_goes_on_behind_it),
        cmocka_unit_test(test_a_segment_of_any_shape_is_lost_and_said),
    };

    return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
