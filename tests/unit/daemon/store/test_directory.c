/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a directory that is not ours to have, or not of our format: a clear answer, and it is left alone or mended.
 * Method: directories are made as they should not be; the format file is lost, of other versions, flipped.
 */
#include "daemon/store/directory.h"
#include "daemon/store/frame.h"
#include "daemon/store/look.h"
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
    hulse_bed_put_file(&bed, STORE_LOCK_NAME, text);
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
    hulse_bed_refuses(&other, HULSE_BUSY, pid);
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
    hulse_bed_refuses(&other, HULSE_BUSY, "another process has it");
    hulse_bed_put_file(&bed, STORE_LOCK_NAME, "");
    hulse_bed_refuses(&other, HULSE_BUSY, "another process has it");
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    hulse_bed_publish(&bed, topic, 0, 10, 100);
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 10), 10);
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

/* In all copies of their headers. */
static void put_segment_versions(const struct bed *bed, uint8_t version)
{
    enum { COPY_BYTES = 512, COPIES = 8, OFF_VERSION = 8 };
    char name[64];
    char path[256];

    for (unsigned n = 1;; n++) {
        (void)snprintf(name, sizeof(name), "log/%010u.segment", n);
        hulse_bed_file(bed, name, path, sizeof(path));
        const int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0) {
            assert_true(n > 1);
            return;
        }
        for (off_t i = 0; i < COPIES; i++) {
            assert_int_equal(pwrite(fd, &version, 1, i * COPY_BYTES + OFF_VERSION), 1);
        }
        (void)close(fd);
    }
}

static void test_a_newer_directory_is_refused_and_left_alone(void **state)
{
    static const char newer[] = "hulse store\nversion 3\nsegment_bytes 1048576\nshards 1\n";
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, false);
    hulse_store_client_fini(&bed.client);
    hulse_store_close(&bed.store);
    hulse_bed_put_format(&bed, newer);
    hulse_bed_refuses(&bed, HULSE_UNSUPPORTED, "newer version");
    put_segment_versions(&bed, 3);
    hulse_bed_put_file(&bed, "format", newer);
    hulse_bed_refuses(&bed, HULSE_UNSUPPORTED, "newer version");
    hulse_bed_fini(&bed);
}

/* A full disk: files have the blocks that they have. */
static int full_write(int fd, const void *bytes, size_t count, uint64_t offset)
{
    struct stat st;
    const uint64_t block = 4096;

    assert_int_equal(fstat(fd, &st), 0);
    return offset + count > ((uint64_t)st.st_size + block - 1) / block * block
               ? ENOSPC
               : hulse_file_io.write(fd, bytes, count, offset);
}

/* A store of the first version is opened as it is, looked at without a change, and refused by older ones from then on. */
static void test_an_older_directory_is_raised(void **state)
{
    static const char first[] = "hulse store\nversion 1\nsegment_bytes 1048576\nshards 1\n";
    struct bed bed;
    struct store_findings found;
    struct error err = {0};
    char text[256];
    struct file_io full_io = hulse_file_io;

    (void)state;
    full_io.write = full_write;
    for (unsigned round = 0; round < 4; round++) {
        const bool sealed = round % 2 != 0;
        const bool full = round >= 2;
        hulse_bed_init(&bed);
        hulse_bed_open(&bed, true);
        const uint64_t topic = hulse_bed_topic(&bed, "t");
        (void)hulse_bed_subscription(&bed, topic, "s", 0);
        hulse_bed_publish(&bed, topic, 0, 10, 100);
        hulse_bed_stop(&bed);
        if (sealed) {
            hulse_bed_put_format(&bed, first);
        } else {
            hulse_bed_put_file(&bed, "format", first);
        }
        assert_int_equal(hulse_store_check(bed.path, &found, &err), HULSE_OK);
        assert_true(hulse_store_findings_good(&found));
        hulse_bed_get_file(&bed, "format", text, sizeof(text));
        assert_non_null(strstr(text, "version 1\n"));
        bed.params.io = full ? &full_io : NULL;
        hulse_bed_open(&bed, true);
        assert_true(bed.store->directory.older);
        assert_false(bed.store->directory.restored);
        hulse_bed_get_file(&bed, "format", text, sizeof(text));
        assert_non_null(strstr(text, "version 2\n"));
        hulse_bed_file(&bed, "format.new", text, sizeof(text));
        assert_int_not_equal(access(text, F_OK), 0);
        assert_int_equal(hulse_bed_count(&bed, topic, 0, 10), 10);
        hulse_bed_stop(&bed);
        bed.params.io = NULL;
        hulse_bed_open(&bed, true);
        assert_false(bed.store->directory.older);
        hulse_bed_stop(&bed);
        hulse_bed_fini(&bed);
    }
}

static void test_a_parent_that_is_missing_is_named(void **state)
{
    struct bed bed;
    char path[256];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_file(&bed, "not/there", path, sizeof(path));
    bed.params.directory = path;
    hulse_bed_refuses(&bed, HULSE_IO, "parent directory does not exist");
    hulse_bed_file(&bed, "file", path, sizeof(path));
    hulse_bed_put_file(&bed, "file", "x");
    hulse_bed_refuses(&bed, HULSE_IO, path);
    hulse_bed_fini(&bed);
}

/* What open() would refuse is known beforehand, while somebody has it. */
static void test_a_look_at_a_directory(void **state)
{
    struct bed bed;
    struct error err = {0};
    char path[256];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_directory_look(bed.path, &err), HULSE_OK);
    hulse_bed_put_file(&bed, STORE_UNFINISHED_NAME, "");
    assert_int_equal(hulse_directory_look(bed.path, &err), HULSE_IO);
    hulse_bed_file(&bed, STORE_UNFINISHED_NAME, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    hulse_bed_put_format(&bed, "hulse store\nversion 3\n");
    assert_int_equal(hulse_directory_look(bed.path, &err), HULSE_UNSUPPORTED);
    hulse_bed_put_file(&bed, "format", "hulse store\nversion 3\n");
    assert_int_equal(hulse_directory_look(bed.path, &err), HULSE_OK);
    hulse_bed_put_file(&bed, "format", "junk");
    assert_int_equal(hulse_directory_look(bed.path, &err), HULSE_OK);
    hulse_bed_file(&bed, "none", path, sizeof(path));
    assert_int_equal(hulse_directory_look(path, &err), HULSE_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* It says nothing then; the log is read. */
static void test_a_clean_mark_that_is_no_file(void **state)
{
    struct bed bed;
    char path[256];
    char inner[256];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    hulse_bed_publish(&bed, topic, 0, 10, 100);
    hulse_bed_stop(&bed);
    hulse_bed_file(&bed, "clean", path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    hulse_bed_file(&bed, "clean/x", inner, sizeof(inner));
    hulse_bed_put_file(&bed, "clean/x", "");
    for (unsigned i = 0; i < 2; i++) {
        hulse_bed_open(&bed, true);
        assert_int_equal(hulse_bed_count(&bed, topic, 0, 10), 10);
        hulse_bed_stop(&bed);
    }
    assert_int_equal(unlink(inner), 0);
    assert_int_equal(rmdir(path), 0);
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
        "",
        "version",
        "hulse store\nversion 1\nsegment_bytes 12345\n",
        "\xff\xfe\0\1",
        /* One that could be right, and is not. */
        "hulse store\nversion 1\nsegment_bytes 33554432\nshards 1\n",
        "hulse store\nversion 3\nsegment_bytes 1048576\nshards 1\n",
        "hulse store\nversion -1\nsegment_bytes 1048576\nshards 1\n",
        "hulse store\nversion 99999999999999999999999\nsegment_bytes 1048576\nshards 1\n"};
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
            hulse_bed_put_file(&bed, "format", texts[i]);
        } else {
            hulse_bed_file(&bed, "format", path, sizeof(path));
            assert_int_equal(unlink(path), 0);
        }
        hulse_bed_open(&bed, true);
        assert_false(bed.report.state_lost || bed.report.copy_lost);
        assert_true(bed.store->directory.restored);
        assert_int_equal(bed.store->place.segment_bytes, BED_SEGMENT_BYTES);
        assert_int_equal(hulse_bed_count(&bed, topic, 0, 100), 100);
        hulse_bed_stop(&bed);
        hulse_bed_open(&bed, true);
        assert_false(bed.store->directory.restored);
        hulse_bed_stop(&bed);
    }
    hulse_bed_fini(&bed);
}

/* Whichever bit of it has changed. */
static void test_a_format_with_a_flipped_bit(void **state)
{
    struct bed bed;
    char path[256];
    char text[256];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    hulse_bed_stop(&bed);
    hulse_bed_file(&bed, "format", path, sizeof(path));
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    const ssize_t bytes = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    assert_in_range(bytes, 40, sizeof(text) - 1);
    text[bytes] = '\0';
    for (ssize_t bit = 0; bit < 8 * bytes; bit++) {
        struct directory d = {.io = &hulse_file_io};
        struct error err = {0};
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        hulse_bed_put_file(&bed, "format", text);
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(hulse_directory_look(bed.path, &err), HULSE_OK);
        assert_int_equal(hulse_directory_open(&d, bed.path, 4 * BED_SEGMENT_BYTES, &err), HULSE_OK);
        assert_int_equal(d.segment_bytes, BED_SEGMENT_BYTES);
        hulse_directory_close(&d);
    }
    hulse_bed_fini(&bed);
}

/* Without a format and without a segment that says one, open() refuses: so does the look. */
static void test_a_store_without_any_format_is_refused_beforehand(void **state)
{
    struct bed bed;
    struct error err = {0};
    char path[256];
    static const uint8_t none[BLOCK_BYTES] = {0};
    uint64_t *numbers = NULL;
    size_t count = 0;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_directory_segments(&bed.store->directory, &numbers, &count, &err),
                     HULSE_OK);
    hulse_bed_stop(&bed);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "log/%010u.segment", (unsigned)numbers[i]);
        hulse_bed_file(&bed, name, path, sizeof(path));
        const int fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, none, sizeof(none), 0), sizeof(none));
        (void)close(fd);
    }
    free(numbers);
    assert_int_equal(hulse_directory_look(bed.path, &err), HULSE_OK);
    hulse_bed_put_file(&bed, "format", "junk");
    assert_int_equal(hulse_directory_look(bed.path, &err), HULSE_IO);
    assert_non_null(strstr(err.text, "all segments are unreadable"));
    hulse_bed_refuses(&bed, HULSE_IO, "all segments are unreadable");
    hulse_bed_fini(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_directory_in_use_is_refused),
        cmocka_unit_test(test_of_many_openers_one_has_it),
        cmocka_unit_test(test_the_lock_of_the_dead_is_waited_for),
        cmocka_unit_test(test_a_directory_without_its_lock_is_in_use),
        cmocka_unit_test(test_a_newer_directory_is_refused_and_left_alone),
        cmocka_unit_test(test_an_older_directory_is_raised),
        cmocka_unit_test(test_a_parent_that_is_missing_is_named),
        cmocka_unit_test(test_a_look_at_a_directory),
        cmocka_unit_test(test_a_clean_mark_that_is_no_file),
        cmocka_unit_test(test_a_directory_of_somebody_else_is_refused),
        cmocka_unit_test(test_a_lost_format_is_found_again),
        cmocka_unit_test(test_a_format_with_a_flipped_bit),
        cmocka_unit_test(test_a_store_without_any_format_is_refused_beforehand),
    };

    return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}
