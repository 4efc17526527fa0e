/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a disk that fails or is full: a clear answer, nothing answered OK that is not stored, nothing stored after a
 *         failed sync.
 * Method: the table of calls is replaced.
 */
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/store_bed.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- calls that fail --------------------------------------------------------------------- */

static _Atomic(int) write_error;
static _Atomic(int) sync_error;
static _Atomic(int) read_error;
static _Atomic(uint64_t) bad_block; /* 0: any */
static _Atomic(int) allocate_error;
static uint32_t segment_bytes;
static _Atomic(unsigned)
    segments_left; /* 0: as many as there may be; else one more than may be made yet */
static _Atomic(unsigned) syncs;
static _Atomic(unsigned) refused;

static int bad_write(int fd, const void *bytes, size_t count, uint64_t offset)
{
    const int error = atomic_load_explicit(&write_error, memory_order_relaxed);

    if (error != 0) {
        atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    }
    return error != 0 ? error : hulse_file_io.write(fd, bytes, count, offset);
}

/* Refused while it is set; with a block, only what touches that. */
static int bad_read(int fd, void *bytes, size_t count, uint64_t offset, size_t *got)
{
    const int error = atomic_load_explicit(&read_error, memory_order_relaxed);
    const uint64_t block = atomic_load_explicit(&bad_block, memory_order_relaxed);
    const bool touched = block == 0 || (offset < block + BLOCK_BYTES && block < offset + count);

    *got = 0;
    return error != 0 && touched ? error : hulse_file_io.read(fd, bytes, count, offset, got);
}

static int bad_sync(int fd)
{
    const int error = atomic_load_explicit(&sync_error, memory_order_relaxed);

    atomic_fetch_add_explicit(&syncs, 1, memory_order_relaxed);
    return error != 0 ? error : hulse_file_io.sync(fd);
}

/* A file that has its space needs none. */
static bool has_space(int fd, uint64_t bytes)
{
    struct stat info;

    assert_int_equal(fstat(fd, &info), 0);
    return (uint64_t)info.st_size >= bytes && (uint64_t)info.st_blocks * 512 >= bytes;
}

/* One segment more: false, there is no room for it. */
static bool takes_segment(void)
{
    unsigned left = atomic_load_explicit(&segments_left, memory_order_relaxed);

    while (left > 1 &&
           !atomic_compare_exchange_weak_explicit(
               &segments_left, &left, left - 1, memory_order_relaxed, memory_order_relaxed)) {
    }
    return left != 1;
}

static int bad_allocate(int fd, uint64_t bytes)
{
    int error =
        has_space(fd, bytes) ? 0 : atomic_load_explicit(&allocate_error, memory_order_relaxed);

    if (error == 0 && bytes == segment_bytes && !has_space(fd, bytes) && !takes_segment()) {
        error = ENOSPC;
    }
    if (error != 0) {
        atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    }
    return error != 0 ? error : hulse_file_io.allocate(fd, bytes);
}

static struct file_io bad_io;

static void begin(struct bed *bed)
{
    bad_io = hulse_file_io;
    bad_io.write = bad_write;
    bad_io.read = bad_read;
    bad_io.sync = bad_sync;
    bad_io.allocate = bad_allocate;
    atomic_store_explicit(&write_error, 0, memory_order_relaxed);
    atomic_store_explicit(&sync_error, 0, memory_order_relaxed);
    atomic_store_explicit(&read_error, 0, memory_order_relaxed);
    atomic_store_explicit(&bad_block, 0, memory_order_relaxed);
    atomic_store_explicit(&allocate_error, 0, memory_order_relaxed);
    atomic_store_explicit(&refused, 0, memory_order_relaxed);
    atomic_store_explicit(&segments_left, 0, memory_order_relaxed);
    hulse_bed_init(bed);
    bed->params.io = &bad_io;
    segment_bytes = bed->params.segment_bytes;
}

static hulse_status publish_one(struct bed *bed, uint64_t topic, uint64_t position)
{
    struct bed_request *r = hulse_bed_message(bed, topic, position, 100);

    const hulse_status status = hulse_bed_finish(bed, r);
    hulse_bed_request_free(r);
    return status;
}

static void fails_once(_Atomic(int) *which)
{
    struct bed bed;

    begin(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    hulse_bed_publish(&bed, topic, 0, 10, 100);
    hulse_bed_wait_prepared(&bed); /* which syncs, too */
    atomic_store_explicit(which, EIO, memory_order_relaxed);
    assert_int_equal(publish_one(&bed, topic, 10), HULSE_IO);
    assert_false(hulse_store_healthy(bed.store));
    /* The disk says that all is well again: it is not believed. */
    atomic_store_explicit(which, 0, memory_order_relaxed);
    const unsigned before = atomic_load_explicit(&syncs, memory_order_relaxed);
    assert_int_equal(publish_one(&bed, topic, 11), HULSE_IO);
    assert_int_equal(hulse_bed_ack(&bed, topic, 1, 0, 1), HULSE_IO);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 10), 10);
    hulse_bed_stop(&bed);
    assert_int_equal(atomic_load_explicit(&syncs, memory_order_relaxed), before);
    hulse_bed_open(&bed, true);
    assert_false(bed.report.clean);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 10), 10);
    assert_int_equal(hulse_bed_count(&bed, topic, 11, 20), 0);
    hulse_bed_publish(&bed, topic, 20, 30, 100);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void test_after_a_failed_sync_nothing_is_stored(void **state)
{
    (void)state;
    fails_once(&sync_error);
}

static void test_after_a_failed_write_nothing_is_stored(void **state)
{
    (void)state;
    fails_once(&write_error);
}

static void set_read_error(int error, uint64_t block)
{
    atomic_store_explicit(&bad_block, block, memory_order_relaxed);
    atomic_store_explicit(&read_error, error, memory_order_relaxed);
}

static hulse_status read_all(struct bed *bed, uint64_t topic, uint64_t end, bool give_up)
{
    struct store_read rd;

    hulse_bed_read_on(bed, &rd, topic, 0, end, give_up);
    const hulse_status status = rd.status;
    if (status != HULSE_OK) {
        assert_int_equal(rd.next, 0);
        assert_int_equal(rd.count + rd.damaged, 0);
    } else if (give_up) {
        assert_true(rd.damaged > 0 && rd.damaged + rd.count == rd.next);
    }
    hulse_store_read_free(&rd);
    return status;
}

/* What cannot be read now is there all the same: it is said, and nothing is passed over. */
static void test_a_read_that_fails_says_nothing_of_what_is_there(void **state)
{
    static const int errors[] = {EIO, ENOMEM, EMFILE};
    struct bed bed;

    (void)state;
    begin(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    hulse_bed_publish(&bed, topic, 0, 50, 10000);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        const hulse_status expected = errors[i] == EIO ? HULSE_IO : HULSE_BUSY;
        set_read_error(errors[i], 0);
        assert_int_equal(read_all(&bed, topic, 50, false), expected);
        set_read_error(0, 0);
        assert_int_equal(hulse_bed_count(&bed, topic, 0, 50), 50);
    }
    /* One block of the disk is gone for good. */
    set_read_error(EIO, UINT64_C(50) * BLOCK_BYTES);
    assert_int_equal(read_all(&bed, topic, 50, true), HULSE_OK);
    set_read_error(0, 0);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 50), 50);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* The descriptors are used up for a moment when the next segment is to be read. */
static void test_no_descriptor_for_a_read_is_no_damage(void **state)
{
    enum { COUNT = 400 };
    struct bed bed;
    struct store_read rd;
    struct rlimit limit;

    (void)state;
    begin(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    hulse_bed_publish(&bed, topic, 0, COUNT, 10000);
    hulse_bed_wait_prepared(&bed);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    hulse_bed_read(&bed, &rd, topic, 0, COUNT);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(rd.status, HULSE_BUSY);
    assert_int_equal(rd.next + rd.damaged, 0);
    hulse_store_read_free(&rd);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, COUNT), COUNT);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void wait_for_refusal(struct bed *bed)
{
    const unsigned before = atomic_load_explicit(&refused, memory_order_relaxed);

    while (atomic_load_explicit(&refused, memory_order_relaxed) == before) {
        hulse_bed_turn(bed);
    }
}

/* There is no room for the next segment: messages wait for the disk, not for ever. */
static void test_a_full_disk_makes_messages_wait(void **state)
{
    enum { COUNT = 400 };
    struct bed bed;
    struct bed_request *all[COUNT];

    (void)state;
    begin(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    assert_int_not_equal(hulse_bed_subscription(&bed, topic, "s", 0), 0);
    atomic_store_explicit(&allocate_error, ENOSPC, memory_order_relaxed);
    const uint64_t before = bed.done;
    for (uint64_t i = 0; i < COUNT; i++) {
        all[i] = hulse_bed_message(&bed, topic, i, 10000);
    }
    hulse_store_flush(&bed.client);
    wait_for_refusal(&bed);
    wait_for_refusal(&bed);
    assert_true(bed.done < before + COUNT);
    assert_true(hulse_store_healthy(bed.store));
    atomic_store_explicit(&allocate_error, 0, memory_order_relaxed);
    hulse_bed_wait(&bed, before + COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        assert_int_equal(all[i]->rq.status, HULSE_OK);
        assert_int_equal(all[i]->order, before + i + 1);
        hulse_bed_request_free(all[i]);
    }
    assert_int_equal(hulse_bed_count(&bed, topic, 0, COUNT), COUNT);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* More of them than a segment holds; none of what they name is there. */
static void acknowledge_much(struct bed *bed, uint64_t topic, uint64_t sub)
{
    enum { RANGES = 2000, RECORDS = 40 };
    struct ranges ranges = {0};

    for (uint64_t i = 0; i < RANGES; i++) {
        assert_true(hulse_ranges_add(&ranges, 100000 + 2 * i, 100000 + 2 * i + 1));
    }
    for (unsigned i = 0; i < RECORDS; i++) {
        struct bed_request *r = hulse_bed_request_new(bed, STORE_ACK);
        r->rq.topic = topic;
        r->rq.subscription = sub;
        r->rq.ranges = &ranges;
        assert_int_equal(hulse_bed_do(bed, r), HULSE_OK);
    }
    hulse_ranges_clear(&ranges);
}

static bool is_full(const struct bed *bed)
{
    struct store_figures figures;

    hulse_store_figures(bed->store, &figures);
    return figures.full;
}

/* Acknowledgements and starts have their room from before; what is acknowledged makes more, without any of the disk's. */
static void test_a_full_disk_takes_acknowledgements(void **state)
{
    enum { COUNT = 400, STARTS = 5 };
    struct bed bed;
    struct bed_request *all[COUNT];
    uint64_t stored = 0;

    (void)state;
    begin(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    atomic_store_explicit(&allocate_error, ENOSPC, memory_order_relaxed);
    assert_false(is_full(&bed));
    for (uint64_t i = 0; i < COUNT; i++) {
        all[i] = hulse_bed_message(&bed, topic, i, 10000);
    }
    hulse_store_flush(&bed.client);
    while (!is_full(&bed)) {
        hulse_bed_turn(&bed);
    }
    acknowledge_much(&bed, topic, sub);
    assert_true(is_full(&bed));
    for (unsigned i = 0; i < STARTS; i++) {
        hulse_bed_crash(&bed);
        hulse_bed_open(&bed, true);
        acknowledge_much(&bed, topic, sub);
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        stored += all[i]->rq.status == HULSE_OK;
        hulse_bed_request_free(all[i]);
    }
    assert_in_range(stored, 1, COUNT - 1);
    assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, stored), HULSE_OK);
    while (is_full(&bed)) {
        hulse_bed_turn(&bed);
    }
    hulse_bed_publish(&bed, topic, COUNT, COUNT + 50, 10000);
    assert_int_equal(hulse_bed_count(&bed, topic, COUNT, COUNT + 50), 50);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* Of what is there one file is used, one is the next, two are in reserve: what is acknowledged makes room all the same. */
static void test_a_disk_with_room_for_four_files_goes_on(void **state)
{
    enum { COUNT = 1000 };
    struct bed bed;
    struct bed_request *all[COUNT];
    uint64_t stored = 0;

    (void)state;
    begin(&bed);
    atomic_store_explicit(&segments_left, 4 + 1, memory_order_relaxed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    for (uint64_t i = 0; i < COUNT; i++) {
        all[i] = hulse_bed_message(&bed, topic, i, 10000);
    }
    hulse_store_flush(&bed.client);
    while (stored < COUNT) {
        const uint64_t before = stored;
        while (stored < COUNT && all[stored]->order != 0) {
            assert_int_equal(all[stored]->rq.status, HULSE_OK);
            stored++;
        }
        if (stored > before) {
            assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, stored), HULSE_OK);
        }
        hulse_bed_turn(&bed);
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        hulse_bed_request_free(all[i]);
    }
    hulse_bed_crash(&bed);
    hulse_bed_open(&bed, true);
    while (is_full(&bed)) {
        hulse_bed_turn(&bed);
    }
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void test_a_store_without_room_is_not_made(void **state)
{
    struct bed bed;
    struct error err = {0};

    (void)state;
    begin(&bed);
    atomic_store_explicit(&allocate_error, ENOSPC, memory_order_relaxed);
    for (unsigned i = 0; i < 2; i++) {
        err = (struct error){0};
        assert_false(hulse_bed_try_open(&bed, &err));
        assert_int_equal(err.status, HULSE_IO);
        assert_non_null(strstr(err.text, "cannot be made: its first 4 files of 1 MiB"));
    }
    atomic_store_explicit(&allocate_error, 0, memory_order_relaxed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    hulse_bed_publish(&bed, topic, 0, 10, 100);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void test_a_write_without_space_is_repeated(void **state)
{
    struct bed bed;

    (void)state;
    begin(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    atomic_store_explicit(&write_error, ENOSPC, memory_order_relaxed);
    struct bed_request *r = hulse_bed_message(&bed, topic, 0, 100);
    hulse_store_flush(&bed.client);
    wait_for_refusal(&bed);
    wait_for_refusal(&bed);
    assert_int_equal(r->order, 0);
    atomic_store_explicit(&write_error, 0, memory_order_relaxed);
    while (r->order == 0) {
        hulse_bed_wait(&bed, bed.done + 1);
    }
    assert_int_equal(r->rq.status, HULSE_OK);
    hulse_bed_request_free(r);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 1), 1);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_after_a_failed_sync_nothing_is_stored),
        cmocka_unit_test(test_after_a_failed_write_nothing_is_stored),
        cmocka_unit_test(test_a_read_that_fails_says_nothing_of_what_is_there),
        cmocka_unit_test(test_no_descriptor_for_a_read_is_no_damage),
        cmocka_unit_test(test_a_full_disk_makes_messages_wait),
        cmocka_unit_test(test_a_full_disk_takes_acknowledgements),
        cmocka_unit_test(test_a_disk_with_room_for_four_files_goes_on),
        cmocka_unit_test(test_a_store_without_room_is_not_made),
        cmocka_unit_test(test_a_write_without_space_is_repeated),
    };

    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
