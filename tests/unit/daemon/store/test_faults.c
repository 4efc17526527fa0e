/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a disk that fails or is full, a directory that is not ours to have: a clear answer, nothing answered OK that is
 *         not stored, nothing stored after a failed sync.
 * Method: the table of calls is replaced; directories are made as they should not be.
 */
#include "daemon/store/directory.h"
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/store_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- calls that fail --------------------------------------------------------------------- */

static _Atomic(int) write_error;
static _Atomic(int) sync_error;
static _Atomic(int) allocate_error;
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

static int bad_allocate(int fd, uint64_t bytes)
{
    const int error =
        has_space(fd, bytes) ? 0 : atomic_load_explicit(&allocate_error, memory_order_relaxed);

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
    bad_io.sync = bad_sync;
    bad_io.allocate = bad_allocate;
    atomic_store_explicit(&write_error, 0, memory_order_relaxed);
    atomic_store_explicit(&sync_error, 0, memory_order_relaxed);
    atomic_store_explicit(&allocate_error, 0, memory_order_relaxed);
    atomic_store_explicit(&refused, 0, memory_order_relaxed);
    hulse_bed_init(bed);
    bed->params.io = &bad_io;
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

static void test_a_store_without_room_is_not_made(void **state)
{
    struct bed bed;
    struct error err = {0};

    (void)state;
    begin(&bed);
    atomic_store_explicit(&allocate_error, ENOSPC, memory_order_relaxed);
    assert_false(hulse_bed_try_open(&bed, &err));
    assert_int_equal(err.status, HULSE_IO);
    assert_non_null(strstr(err.text, "cannot be made: its first 4 files of 1 MiB"));
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

/* ---- directories ------------------------------------------------------------------------- */

static void refuses(struct bed *bed, hulse_status status, const char *word)
{
    struct error err = {0};

    assert_false(hulse_bed_try_open(bed, &err));
    if (err.status != status || strstr(err.text, word) == NULL) {
        fail_msg("%d: %s", err.status, err.text);
    }
}

static void put_file(const struct bed *bed, const char *name, const char *text)
{
    char path[256];

    hulse_bed_file(bed, name, path, sizeof(path));
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

/* A child of it may have the lock for a moment longer than the daemon that was killed. */
static void test_the_lock_of_the_dead_is_waited_for(void **state)
{
    struct bed bed;
    char path[256];
    char text[64];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    hulse_bed_stop(&bed);
    hulse_bed_file(&bed, STORE_LOCK_NAME, path, sizeof(path));
    const pid_t dead = fork();
    if (dead == 0) {
        _exit(0);
    }
    assert_int_equal(waitpid(dead, NULL, 0), dead);
    (void)snprintf(text, sizeof(text), "process %d epoch 1\n", (int)dead);
    put_file(&bed, STORE_LOCK_NAME, text);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    const pid_t heir = fork();
    if (heir == 0) {
        (void)usleep(50000);
        _exit(0);
    }
    (void)close(fd);
    hulse_bed_open(&bed, true);
    hulse_bed_stop(&bed);
    assert_int_equal(waitpid(heir, NULL, 0), heir);
    hulse_bed_fini(&bed);
}

static void test_a_directory_in_use_is_refused(void **state)
{
    struct bed bed;
    struct bed other;
    char pid[32];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    other = bed;
    (void)snprintf(pid, sizeof(pid), "process %d ", (int)getpid());
    refuses(&other, HULSE_BUSY, pid);
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* Who has the directory has it without the file that says so. */
static void test_a_directory_without_its_lock_is_in_use(void **state)
{
    struct bed bed;
    struct bed other;
    char path[256];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    other = bed;
    hulse_bed_file(&bed, STORE_LOCK_NAME, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    refuses(&other, HULSE_BUSY, "another process has it");
    put_file(&bed, STORE_LOCK_NAME, "");
    refuses(&other, HULSE_BUSY, "another process has it");
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    hulse_bed_publish(&bed, topic, 0, 10, 100);
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 10), 10);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void test_a_newer_directory_is_refused_and_left_alone(void **state)
{
    static const char newer[] = "hulse store\nversion 2\nsegment_bytes 1048576\nshards 1\n";
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, false);
    hulse_store_client_fini(&bed.client);
    hulse_store_close(&bed.store);
    put_file(&bed, "format", newer);
    refuses(&bed, HULSE_UNSUPPORTED, "newer version");
    hulse_bed_fini(&bed);
}

static void test_a_parent_that_is_missing_is_named(void **state)
{
    struct bed bed;
    char path[256];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_file(&bed, "not/there", path, sizeof(path));
    bed.params.directory = path;
    refuses(&bed, HULSE_IO, "parent directory does not exist");
    hulse_bed_file(&bed, "file", path, sizeof(path));
    put_file(&bed, "file", "x");
    refuses(&bed, HULSE_IO, path);
    hulse_bed_fini(&bed);
}

/* As somebody who may not write. */
static void test_a_directory_of_somebody_else_is_refused(void **state)
{
    struct bed bed;
    int status = 0;

    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    hulse_bed_stop(&bed);
    assert_int_equal(chmod(bed.path, 0755), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct error err = {0};
        if (setresuid(65534, 65534, 65534) != 0) {
            _exit(2);
        }
        struct store *s = hulse_store_open(&bed.params, NULL, &err);
        _exit(s == NULL && err.status == HULSE_DENIED && strstr(err.text, bed.path) != NULL ? 0
                                                                                            : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    hulse_bed_fini(&bed);
}

/* The format file is lost or holds anything: the segments know it. */
static void test_a_lost_format_is_found_again(void **state)
{
    static const char *const texts[] = {
        "", "version", "hulse store\nversion 1\nsegment_bytes 12345\n", "\xff\xfe\0\1"};
    struct bed bed;
    char path[256];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    hulse_bed_publish(&bed, topic, 0, 100, 100);
    hulse_bed_stop(&bed);
    bed.params.segment_bytes = 4 * BED_SEGMENT_BYTES;
    for (size_t i = 0; i <= COUNT_OF(texts); i++) {
        if (i < COUNT_OF(texts)) {
            put_file(&bed, "format", texts[i]);
        } else {
            hulse_bed_file(&bed, "format", path, sizeof(path));
            assert_int_equal(unlink(path), 0);
        }
        hulse_bed_open(&bed, true);
        assert_int_equal(hulse_bed_count(&bed, topic, 0, 100), 100);
        hulse_bed_stop(&bed);
    }
    hulse_bed_fini(&bed);
}

/* Every other file of the directory is gone or junk: it opens. */
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
        assert_true(bed.report.missing_segments + bed.report.damaged_bytes > 0 || unknowable);
        hulse_bed_publish(&bed, topic, 150, 300, 10000);
        assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, 10), HULSE_OK);
        hulse_bed_crash(&bed);
        hulse_bed_open(&bed, true);
        assert_int_equal(hulse_bed_count(&bed, topic, 0, 300), before + 150);
        hulse_bed_stop(&bed);
        hulse_bed_fini(&bed);
    }
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
    refuses(&bed, HULSE_IO, "0000000009.segment is not a file; move it away");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    refuses(&bed, HULSE_IO, "0000000009.segment is not a file; move it away");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    refuses(&bed, HULSE_IO, "0000000009.segment is not a file; move it away");
    assert_int_equal(unlink(path), 0);
    hulse_bed_open(&bed, true);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

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
                put_file(&bed, names[i], "junk junk junk junk");
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
        cmocka_unit_test(test_after_a_failed_sync_nothing_is_stored),
        cmocka_unit_test(test_after_a_failed_write_nothing_is_stored),
        cmocka_unit_test(test_a_full_disk_makes_messages_wait),
        cmocka_unit_test(test_a_full_disk_takes_acknowledgements),
        cmocka_unit_test(test_a_store_without_room_is_not_made),
        cmocka_unit_test(test_a_write_without_space_is_repeated),
        cmocka_unit_test(test_a_directory_in_use_is_refused),
        cmocka_unit_test(test_the_lock_of_the_dead_is_waited_for),
        cmocka_unit_test(test_a_directory_without_its_lock_is_in_use),
        cmocka_unit_test(test_a_newer_directory_is_refused_and_left_alone),
        cmocka_unit_test(test_a_parent_that_is_missing_is_named),
        cmocka_unit_test(test_a_directory_of_somebody_else_is_refused),
        cmocka_unit_test(test_a_lost_format_is_found_again),
        cmocka_unit_test(test_a_last_segment_that_is_cut_short),
        cmocka_unit_test(test_a_segment_that_is_no_file),
        cmocka_unit_test(test_any_file_may_be_gone),
    };

    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
