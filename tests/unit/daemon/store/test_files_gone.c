/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a directory in which files are gone or short: a start that says what is lost, and goes on.
 * Method: files of a real store are removed, cut short, replaced by what is none.
 */
#include "daemon/store/directory.h"
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void remove_state(const struct bed *bed)
{
    static const char *const names[] = {"state.mdb", "state.good"};
    char path[256];

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        hulse_bed_file(bed, names[i], path, sizeof(path));
        (void)unlink(path);
    }
}

/* A store that never had one has lost none; who was stopped as asked, or used segments again, had one. */
static void test_a_state_that_is_gone_is_said(void **state)
{
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    hulse_bed_publish(&bed, topic, 0, 10, 100);
    hulse_bed_crash(&bed);
    remove_state(&bed);
    hulse_bed_open(&bed, true);
    assert_false(bed.report.state_lost || bed.report.copy_lost);
    hulse_bed_stop(&bed);
    remove_state(&bed);
    hulse_bed_open(&bed, true);
    assert_true(bed.report.state_lost && bed.report.copy_lost);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 10), 10);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void remove_first_segment(const struct bed *bed)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    char name[64];
    char path[256];
    struct error err = {0};

    assert_int_equal(hulse_directory_segments(&bed->store->directory, &numbers, &count, &err),
                     HULSE_OK);
    assert_true(count > 1);
    (void)snprintf(name, sizeof(name), "log/%010llu.segment", (unsigned long long)numbers[0]);
    free(numbers);
    hulse_bed_file(bed, name, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
}

static void test_a_state_that_a_log_without_its_beginning_had_is_said(void **state)
{
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    hulse_bed_publish(&bed, topic, 0, 200, 10000);
    hulse_bed_crash(&bed);
    hulse_bed_open(&bed, true);
    remove_first_segment(&bed);
    hulse_bed_crash(&bed);
    remove_state(&bed);
    hulse_bed_open(&bed, true);
    assert_true(bed.report.state_lost && bed.report.copy_lost);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* The end of the log may be anywhere in the file that was cut short: the log goes on in another one. */
static void test_a_last_segment_that_is_cut_short(void **state)
{
    static const off_t sizes[] = {0, 100, 4096, 5000, 100000, 500000};

    (void)state;
    for (unsigned i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct bed bed;
        char name[64];
        char path[256];
        hulse_bed_init(&bed);
        hulse_bed_open(&bed, true);
        const uint64_t topic = hulse_bed_topic(&bed, "t");
        const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
        hulse_bed_publish(&bed, topic, 0, 150, 10000);
        (void)snprintf(name,
                       sizeof(name),
                       "log/%010llu.segment",
                       (unsigned long long)bed.store->writer.end.seg.number);
        if (i % 2 == 0) {
            hulse_bed_stop(&bed);
        } else {
            hulse_bed_crash(&bed);
        }
        hulse_bed_file(&bed, name, path, sizeof(path));
        assert_int_equal(truncate(path, sizes[i / 2]), 0);
        hulse_bed_open(&bed, true);
        const uint64_t before = hulse_bed_count(&bed, topic, 0, 150);
        assert_in_range(before, 90, 150);
        /* After a crash a file without a header is one that was just being made. */
        const bool unknowable = i % 2 == 1 && sizes[i / 2] < BLOCK_BYTES;
        assert_true(before == 150 || unknowable ||
                    bed.report.missing_segments + bed.report.damaged_bytes > 0);
        hulse_bed_publish(&bed, topic, 150, 300, 10000);
        assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, 10), HULSE_OK);
        hulse_bed_crash(&bed);
        hulse_bed_open(&bed, true);
        assert_int_equal(hulse_bed_count(&bed, topic, 0, 300), before + 150);
        hulse_bed_stop(&bed);
        hulse_bed_fini(&bed);
    }
}

/* A stop leaves a checkpoint, which knows what was there, to within a region; the start does not hide it by a cut. */
static void test_what_a_short_file_has_lost(void **state)
{
    struct bed bed;
    char name[64];
    char path[256];

    (void)state;
    hulse_bed_init(&bed);
    bed.params.segment_bytes = 4 * BED_SEGMENT_BYTES;
    bed.params.size_max = UINT64_C(64) * BED_SEGMENT_BYTES;
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    (void)hulse_bed_subscription(&bed, topic, "s", 0);
    hulse_bed_publish(&bed, topic, 0, 300, 10000);
    (void)snprintf(name,
                   sizeof(name),
                   "log/%010llu.segment",
                   (unsigned long long)bed.store->writer.end.seg.number);
    hulse_bed_stop(&bed);
    hulse_bed_file(&bed, name, path, sizeof(path));
    assert_int_equal(truncate(path, 900000), 0);
    hulse_bed_open(&bed, true);
    const uint64_t lost = 300 - hulse_bed_count(&bed, topic, 0, 300);
    assert_in_range(lost, 50, 250);
    assert_in_range(bed.report.lost_messages, lost - 20, lost);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* What is no file is not waited for, and not written over. */
static void test_a_segment_that_is_no_file(void **state)
{
    struct bed bed;
    char path[256];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    hulse_bed_stop(&bed);
    hulse_bed_file(&bed, "log/0000000009.segment", path, sizeof(path));
    assert_int_equal(mkfifo(path, 0600), 0);
    hulse_bed_refuses(&bed, HULSE_IO, "0000000009.segment is not a file; move it away");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    hulse_bed_refuses(&bed, HULSE_IO, "0000000009.segment is not a file; move it away");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    hulse_bed_refuses(&bed, HULSE_IO, "0000000009.segment is not a file; move it away");
    assert_int_equal(unlink(path), 0);
    hulse_bed_open(&bed, true);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* Every other file of the directory is gone or junk: it opens. */
static void test_any_file_may_be_gone(void **state)
{
    static const char *const names[] = {
        "lock", "clean", "state.mdb", "state.good", "log/junk", "log/0000000099.segment"};
    struct bed bed;

    (void)state;
    for (unsigned junk = 0; junk < 2; junk++) {
        hulse_bed_init(&bed);
        hulse_bed_open(&bed, true);
        const uint64_t topic = hulse_bed_topic(&bed, "t");
        hulse_bed_stop(&bed);
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            char path[256];
            hulse_bed_file(&bed, names[i], path, sizeof(path));
            if (junk != 0) {
                hulse_bed_put_file(&bed, names[i], "junk junk junk junk");
            } else {
                (void)unlink(path);
            }
            hulse_bed_open(&bed, true);
            assert_int_equal(hulse_store_epoch(bed.store), i + 2);
            hulse_bed_publish(&bed, topic, 10 * i, 10 * i + 10, 100);
            assert_int_equal(hulse_bed_count(&bed, topic, 0, 10 * i + 10), 10 * i + 10);
            hulse_bed_stop(&bed);
        }
        hulse_bed_fini(&bed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_state_that_is_gone_is_said),
        cmocka_unit_test(test_a_state_that_a_log_without_its_beginning_had_is_said),
        cmocka_unit_test(test_a_last_segment_that_is_cut_short),
        cmocka_unit_test(test_what_a_short_file_has_lost),
        cmocka_unit_test(test_a_segment_that_is_no_file),
        cmocka_unit_test(test_any_file_may_be_gone),
    };

    return cmocka_run_group_tests_name("files gone", tests, NULL, NULL);
}
