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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- calls that fail --------------------------------------------------------------------- */

static _Atomic(int) write_error;
static _Atomic(int) sync_error;
static _Atomic(int) read_error;
static _Atomic(uint64_t) bad_block; /* 0: any */
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

static int bad_allocate(int fd, uint64_t bytes)
{
    const int error = atomic_load_explicit(&allocate_error, memory_order_relaxed);

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
    set_read_error(EIO, 50 * BLOCK_BYTES);
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

enum { OPENERS = 4 };

struct opener {
    pthread_t thread;
    struct store_params params;
    struct store *store;
    struct error err;
};

static void *open_one(void *arg)
{
    struct opener *o = arg;

    o->store = hulse_store_open(&o->params, NULL, &o->err);
    return NULL;
}

/* Of those that open one directory at the same time one has it; the others are told so. */
static void test_of_many_openers_one_has_it(void **state)
{
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    for (unsigned round = 0; round < 20; round++) {
        struct opener all[OPENERS];
        unsigned opened = 0;
        for (unsigned i = 0; i < OPENERS; i++) {
            all[i] = (struct opener){.params = bed.params};
            assert_int_equal(pthread_create(&all[i].thread, NULL, open_one, &all[i]), 0);
        }
        for (unsigned i = 0; i < OPENERS; i++) {
            assert_int_equal(pthread_join(all[i].thread, NULL), 0);
        }
        for (unsigned i = 0; i < OPENERS; i++) {
            opened += all[i].store != NULL;
            if (all[i].store == NULL) {
                assert_int_equal(all[i].err.status, HULSE_BUSY);
            }
            hulse_store_close(&all[i].store);
        }
        assert_int_equal(opened, 1);
    }
    hulse_bed_open(&bed, true);
    assert_int_equal(bed.report.damaged_records, 0);
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
        cmocka_unit_test(test_a_read_that_fails_says_nothing_of_what_is_there),
        cmocka_unit_test(test_no_descriptor_for_a_read_is_no_damage),
        cmocka_unit_test(test_a_full_disk_makes_messages_wait),
        cmocka_unit_test(test_a_write_without_space_is_repeated),
        cmocka_unit_test(test_a_directory_in_use_is_refused),
        cmocka_unit_test(test_of_many_openers_one_has_it),
        cmocka_unit_test(test_the_lock_of_the_dead_is_waited_for),
        cmocka_unit_test(test_a_newer_directory_is_refused_and_left_alone),
        cmocka_unit_test(test_a_parent_that_is_missing_is_named),
        cmocka_unit_test(test_a_directory_of_somebody_else_is_refused),
        cmocka_unit_test(test_a_lost_format_is_found_again),
        cmocka_unit_test(test_any_file_may_be_gone),
    };

    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
