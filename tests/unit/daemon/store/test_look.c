/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   check finds what is wrong and nothing else, in a stopped store and in one that runs; a backup is a store with
 *         all that was stored when it was asked for.
 * Method: stores of several segments; bytes flipped, segments removed; check and backup on a thread
 *         of their own while messages are published and acknowledged.
 */
#include "daemon/store/block.h"
#include "daemon/store/look.h"
#include "tests/support/folder.h"
#include "tests/unit/daemon/store/store_bed.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MESSAGES = 3000, STEP = 100, ACKED = 500, BYTES = 1000 };

static struct bed bed;
static uint64_t topic;
static uint64_t sub;

static void begin(void)
{
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    topic = hulse_bed_topic(&bed, "t");
    sub = hulse_bed_subscription(&bed, topic, "s", 0);
}

static void fill(void)
{
    begin();
    for (uint64_t next = 0; next < MESSAGES; next += STEP) {
        /* A segment that the writer had to wait for is left early: then nobody knows where what lies. */
        hulse_bed_wait_prepared(&bed);
        hulse_bed_publish(&bed, topic, next, next + STEP, BYTES);
    }
    assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, ACKED), HULSE_OK);
    assert_int_equal(hulse_bed_ack(&bed, topic, sub, ACKED + 1, ACKED + 2), HULSE_OK);
}

static struct store_findings check_stopped(const char *path)
{
    struct store_findings f;
    struct error err = {0};

    if (hulse_store_check(path, &f, &err) != HULSE_OK) {
        fail_msg("%s", err.text);
    }
    return f;
}

static void flip(const char *segment, off_t at)
{
    char path[BED_PATH_BYTES + 64];
    uint8_t byte = 0;

    hulse_bed_file(&bed, segment, path, sizeof(path));
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10U;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    assert_int_equal(close(fd), 0);
}

/* That has messages: the very first one is left for one that was filled. */
static void first_segment(char *out, size_t room)
{
    char path[BED_PATH_BYTES + 64];

    for (unsigned n = 2; n < 10; n++) {
        (void)snprintf(out, room, "log/%010u.segment", n);
        hulse_bed_file(&bed, out, path, sizeof(path));
        if (access(path, F_OK) == 0) {
            return;
        }
    }
    fail_msg("no segment");
}

static void test_a_whole_store_is_good(void **state)
{
    (void)state;
    fill();
    hulse_bed_stop(&bed);
    const struct store_findings f = check_stopped(bed.path);
    assert_true(hulse_store_findings_good(&f));
    assert_int_equal(f.topics, 1);
    assert_int_equal(f.subscriptions, 1);
    assert_int_equal(f.messages, MESSAGES);
    assert_int_equal(f.waiting_messages, MESSAGES - ACKED - 1);
    assert_true(f.segments >= 3 && f.records > MESSAGES);
    hulse_bed_fini(&bed);
}

static void test_a_flipped_byte_is_found_and_what_it_cost(void **state)
{
    char segment[64];
    struct error err = {0};

    (void)state;
    fill();
    hulse_bed_stop(&bed);
    first_segment(segment, sizeof(segment));
    flip(segment, 30000); /* of a message that is acknowledged */
    struct store_findings f = check_stopped(bed.path);
    assert_false(hulse_store_findings_good(&f));
    assert_int_equal(f.damaged_records, 1);
    assert_int_equal(f.messages, MESSAGES - 1);
    assert_int_equal(f.lost_messages, 0);
    /* A second time: it has changed nothing. */
    f = check_stopped(bed.path);
    assert_int_equal(f.damaged_records, 1);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_bed_count(&bed, topic, ACKED, MESSAGES), MESSAGES - ACKED);
    assert_int_equal(hulse_store_check_running(bed.store, NULL, &f, &err), HULSE_OK);
    assert_int_equal(f.damaged_records, 1);
    assert_int_equal(f.lost_messages, 0);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void test_messages_that_somebody_waits_for_are_missed(void **state)
{
    char segment[64];
    char path[BED_PATH_BYTES + 64];
    unsigned number = 0;

    (void)state;
    fill();
    hulse_bed_stop(&bed);
    first_segment(segment, sizeof(segment));
    assert_int_equal(sscanf(segment, "log/%u", &number), 1); /* NOLINT(cert-err34-c) */
    (void)snprintf(segment, sizeof(segment), "log/%010u.segment", number + 1);
    flip(segment, 500000);
    struct store_findings f = check_stopped(bed.path);
    assert_int_equal(f.damaged_records, 1);
    assert_int_equal(f.lost_messages, 1);
    assert_int_equal(f.waiting_messages, MESSAGES - ACKED - 2);
    hulse_bed_file(&bed, segment, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    f = check_stopped(bed.path);
    assert_false(hulse_store_findings_good(&f));
    assert_true(f.lost_messages > 500);
    hulse_bed_fini(&bed);
}

/* Flips the last byte that is not zero in the newest segment. */
static void tear_the_end(void)
{
    static uint8_t bytes[BED_SEGMENT_BYTES];
    char segment[64] = "";
    char path[BED_PATH_BYTES + 64];

    for (unsigned n = 64; n > 0; n--) {
        (void)snprintf(segment, sizeof(segment), "log/%010u.segment", n);
        hulse_bed_file(&bed, segment, path, sizeof(path));
        const int fd = open(path, O_RDONLY);
        if (fd < 0) {
            continue;
        }
        const ssize_t got = read(fd, bytes, sizeof(bytes));
        assert_int_equal(close(fd), 0);
        for (ssize_t at = got - 1; at >= (ssize_t)BLOCK_BYTES; at--) { /* block 0: the header */
            if (bytes[at] != 0) {
                flip(segment, at);
                return;
            }
        }
    }
    fail_msg("nothing is written");
}

static void test_an_unfinished_end_is_no_damage_and_stays(void **state)
{
    (void)state;
    fill();
    hulse_bed_crash(&bed);
    /* The last group, as if it had not been written to its end. */
    struct store_findings f = check_stopped(bed.path);
    assert_int_equal(f.unfinished_bytes, 0);
    const uint64_t records = f.records;
    tear_the_end();
    for (unsigned i = 0; i < 2; i++) {
        f = check_stopped(bed.path);
        assert_true(f.unfinished_bytes > 0);
        assert_int_equal(f.records, records - 1);
        assert_int_equal(f.damaged_records, 0);
        assert_true(hulse_store_findings_good(&f));
    }
    hulse_bed_fini(&bed);
}

static void test_what_is_no_store_or_is_in_use_is_refused(void **state)
{
    struct store_findings f;
    struct store_backup b;
    struct error err = {0};

    (void)state;
    fill();
    assert_int_equal(hulse_store_check("/proc", &f, &err), HULSE_INVAL);
    assert_int_equal(hulse_store_check("/tmp/hulse-not-there", &f, &err), HULSE_INVAL);
    assert_int_equal(hulse_store_check(bed.path, &f, &err), HULSE_BUSY);
    assert_int_equal(hulse_store_backup(bed.path, "/tmp/hulse-not-made", &b, &err), HULSE_BUSY);
    assert_int_equal(access("/tmp/hulse-not-made", F_OK), -1);
    assert_int_equal(hulse_store_backup_running(bed.store, "/tmp", NULL, &b, &err), HULSE_IO);
    assert_non_null(strstr(err.text, "not empty"));
    assert_int_equal(hulse_store_backup_running(bed.store, "/proc/none/of", NULL, &b, &err),
                     HULSE_IO);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* ---- while it runs ----------------------------------------------------------------------- */

static char copy_path[BED_PATH_BYTES + 16];
static _Atomic(int) finished;

static void *check_it(void *unused)
{
    struct store_findings f;
    struct error err = {0};

    (void)unused;
    for (unsigned i = 0; i < 5; i++) {
        if (hulse_store_check_running(bed.store, NULL, &f, &err) != HULSE_OK ||
            !hulse_store_findings_good(&f) || f.messages < ACKED) {
            (void)fprintf(stderr,
                          "messages %lu damaged %lu lost %lu %s\n",
                          (unsigned long)f.messages,
                          (unsigned long)f.damaged_records,
                          (unsigned long)f.lost_messages,
                          err.text);
            atomic_store_explicit(&finished, -1, memory_order_release);
            return NULL;
        }
    }
    atomic_store_explicit(&finished, 1, memory_order_release);
    return NULL;
}

static void *copy_it(void *out)
{
    struct error err = {0};
    const hulse_status st = hulse_store_backup_running(bed.store, copy_path, NULL, out, &err);

    if (st != HULSE_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
    }
    atomic_store_explicit(&finished, st == HULSE_OK ? 1 : -1, memory_order_release);
    return NULL;
}

/* Publishes and acknowledges until the thread has ended; returns the next position. */
static uint64_t go_on_meanwhile(void *(*run)(void *), void *argument, uint64_t from)
{
    pthread_t thread;

    atomic_store_explicit(&finished, 0, memory_order_relaxed);
    assert_int_equal(pthread_create(&thread, NULL, run, argument), 0);
    do {
        hulse_bed_publish(&bed, topic, from, from + 100, BYTES);
        from += 100;
        assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, from - 50), HULSE_OK);
    } while (atomic_load_explicit(&finished, memory_order_acquire) == 0 && from < 9000);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load_explicit(&finished, memory_order_acquire), 1);
    return from;
}

static void test_a_check_while_messages_come_and_go(void **state)
{
    (void)state;
    begin();
    hulse_bed_publish(&bed, topic, 0, MESSAGES, BYTES);
    assert_true(go_on_meanwhile(check_it, NULL, MESSAGES) > MESSAGES);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

struct expected {
    uint64_t next;
    uint32_t topics;
};

static bool look_at_topic(void *ctx, const struct store_topic_info *info)
{
    struct expected *e = ctx;

    e->topics++;
    e->next = info->next_position;
    assert_string_equal(info->name, "t");
    assert_int_equal(info->subscription_count, 1);
    return true;
}

static void test_a_backup_while_messages_come_and_go(void **state)
{
    struct store_backup b;
    struct expected e = {0};
    struct bed copy;

    (void)state;
    begin();
    hulse_bed_publish(&bed, topic, 0, MESSAGES, BYTES);
    (void)snprintf(copy_path, sizeof(copy_path), "%s-copy", bed.path);
    const uint64_t end = go_on_meanwhile(copy_it, &b, MESSAGES);
    assert_true(b.segments >= 1 && b.bytes > 0);
    hulse_bed_stop(&bed);

    struct store_findings f = check_stopped(copy_path);
    assert_true(hulse_store_findings_good(&f));
    copy = bed;
    hulse_bed_init(&bed);
    (void)hulse_test_folder_remove(bed.path);
    assert_int_equal(rename(copy_path, bed.path), 0);
    hulse_bed_open(&bed, false);
    assert_false(bed.report.state_lost);
    assert_int_equal(bed.report.damaged_records + bed.report.lost_messages, 0);
    hulse_store_each_topic(bed.store, look_at_topic, &e);
    assert_int_equal(e.topics, 1);
    assert_true(e.next >= MESSAGES && e.next <= end);
    hulse_bed_start(&bed);
    const uint64_t first = e.next - 40; /* not acknowledged when it was the end */
    assert_int_equal(hulse_bed_count(&bed, topic, first, e.next), 40);
    hulse_bed_publish(&bed, topic, e.next, e.next + 10, BYTES);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
    hulse_bed_fini(&copy);
}

static void test_a_backup_of_a_stopped_store_is_the_same(void **state)
{
    struct store_backup b;
    struct error err = {0};

    (void)state;
    fill();
    hulse_bed_stop(&bed);
    const struct store_findings before = check_stopped(bed.path);
    (void)snprintf(copy_path, sizeof(copy_path), "%s-copy", bed.path);
    assert_int_equal(mkdir(copy_path, 0700), 0);
    assert_int_equal(hulse_store_backup(bed.path, copy_path, &b, &err), HULSE_OK);
    const struct store_findings after = check_stopped(copy_path);
    assert_true(hulse_store_findings_good(&after));
    assert_int_equal(after.messages, before.messages);
    assert_int_equal(after.waiting_messages, before.waiting_messages);
    assert_int_equal(after.subscriptions, before.subscriptions);
    (void)hulse_test_folder_remove(copy_path);
    hulse_bed_fini(&bed);
}

static void refuses_target(const char *to, bool running)
{
    struct store_backup b;
    struct error err = {0};
    const hulse_status status = running ? hulse_store_backup_running(bed.store, to, NULL, &b, &err)
                                        : hulse_store_backup(bed.path, to, &b, &err);

    if (status != HULSE_IO || strstr(err.text, "is in the store itself") == NULL) {
        fail_msg("%s: %d %s", to, status, err.text);
    }
}

/* A start would take it for the store's own files, or remove it with them. */
static void test_a_backup_goes_elsewhere(void **state)
{
    static const char *const inside[] = {"copy", "log/copy", "log/../log/copy"};
    char path[BED_PATH_BYTES + 64];
    char link[BED_PATH_BYTES + 16];

    (void)state;
    fill();
    (void)snprintf(link, sizeof(link), "%s-link", bed.path);
    assert_int_equal(symlink(bed.path, link), 0);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
            hulse_bed_file(&bed, inside[i], path, sizeof(path));
            refuses_target(path, round == 0);
            assert_int_equal(access(path, F_OK), -1);
        }
        (void)snprintf(path, sizeof(path), "%s/copy", link);
        refuses_target(path, round == 0);
        hulse_bed_file(&bed, "own", path, sizeof(path));
        assert_int_equal(mkdir(path, 0700), 0);
        refuses_target(path, round == 0);
        assert_int_equal(rmdir(path), 0);
        if (round == 0) {
            hulse_bed_stop(&bed);
        }
    }
    assert_int_equal(unlink(link), 0);
    hulse_bed_fini(&bed);
}

/* What an interrupted one has left is no store. */
static void test_an_unfinished_backup_is_none(void **state)
{
    const _Atomic(uint32_t) stop = 1;
    struct store_findings f;
    struct store_backup b;
    struct error err = {0};
    struct bed copy;

    (void)state;
    fill();
    hulse_bed_init(&copy);
    assert_int_equal(hulse_store_backup_running(bed.store, copy.path, &stop, &b, &err),
                     HULSE_CLOSED);
    assert_int_equal(hulse_store_check(copy.path, &f, &err), HULSE_IO);
    assert_non_null(strstr(err.text, "a backup that was not finished"));
    assert_false(hulse_bed_try_open(&copy, &err));
    assert_int_equal(err.status, HULSE_IO);
    assert_non_null(strstr(err.text, "a backup that was not finished"));
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
    hulse_bed_fini(&copy);
}

/* The checkpoint in the copy knows all segments; one may have been used again since. */
static void test_a_segment_that_nobody_needs_is_not_missed(void **state)
{
    struct store_backup b;
    struct error err = {0};
    char segment[64];
    char path[BED_PATH_BYTES + 128];

    (void)state;
    begin();
    hulse_bed_publish(&bed, topic, 0, MESSAGES, BYTES);
    assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, MESSAGES - 10), HULSE_OK);
    hulse_bed_stop(&bed);
    (void)snprintf(copy_path, sizeof(copy_path), "%s-copy", bed.path);
    assert_int_equal(hulse_store_backup(bed.path, copy_path, &b, &err), HULSE_OK);
    first_segment(segment, sizeof(segment));
    (void)snprintf(path, sizeof(path), "%s/%s", copy_path, segment);
    assert_int_equal(unlink(path), 0);
    struct store_findings f = check_stopped(copy_path);
    assert_true(hulse_store_findings_good(&f));
    assert_int_equal(f.segments, b.segments - 1);
    /* One that somebody needs is. */
    (void)snprintf(path, sizeof(path), "%s/log", copy_path);
    (void)hulse_test_folder_remove(path);
    assert_int_equal(mkdir(path, 0700), 0);
    f = check_stopped(copy_path);
    assert_true(f.missing_segments >= 1);
    assert_int_equal(f.lost_messages, 10);
    (void)hulse_test_folder_remove(copy_path);
    hulse_bed_fini(&bed);
}

/* ---- format ------------------------------------------------------------------------------ */

static size_t read_format(char out[256])
{
    char path[BED_PATH_BYTES + 64];

    hulse_bed_file(&bed, "format", path, sizeof(path));
    const int fd = open(path, O_RDONLY);
    if (fd < 0) {
        return 0;
    }
    const ssize_t got = read(fd, out, 255);
    assert_int_equal(close(fd), 0);
    assert_true(got >= 0);
    return (size_t)got;
}

static void damage_format(bool gone)
{
    char path[BED_PATH_BYTES + 64];

    if (gone) {
        hulse_bed_file(&bed, "format", path, sizeof(path));
        assert_int_equal(unlink(path), 0);
    } else {
        flip("format", 30);
    }
}

/* Missing or damaged: it is found, and stays as it is; the next start makes it again. */
static void test_a_damaged_format_is_a_finding_and_stays(void **state)
{
    char before[256];
    char after[256];
    struct error err = {0};
    struct store_findings f;

    (void)state;
    for (unsigned gone = 0; gone < 2; gone++) {
        fill();
        assert_int_equal(hulse_store_check_running(bed.store, NULL, &f, &err), HULSE_OK);
        assert_true(hulse_store_findings_good(&f) && !f.format_damaged);
        damage_format(gone != 0);
        assert_int_equal(hulse_store_check_running(bed.store, NULL, &f, &err), HULSE_OK);
        assert_true(!hulse_store_findings_good(&f) && f.format_damaged);
        hulse_bed_stop(&bed);
        const size_t bytes = read_format(before);
        for (unsigned i = 0; i < 2; i++) {
            f = check_stopped(bed.path);
            assert_true(f.format_damaged);
            assert_false(hulse_store_findings_good(&f));
            assert_int_equal(f.messages, MESSAGES);
            assert_int_equal(read_format(after), bytes);
            assert_memory_equal(after, before, bytes);
        }
        hulse_bed_open(&bed, true);
        hulse_bed_stop(&bed);
        f = check_stopped(bed.path);
        assert_true(hulse_store_findings_good(&f) && !f.format_damaged);
        hulse_bed_fini(&bed);
    }
}

/* A copy has one that is whole, whatever became of the store's own. */
static void test_a_backup_has_a_format_of_its_own(void **state)
{
    struct store_backup b;
    struct error err = {0};

    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        fill();
        damage_format(round % 2 != 0);
        (void)snprintf(copy_path, sizeof(copy_path), "%s-copy", bed.path);
        if (round < 2) {
            hulse_status st = hulse_store_backup_running(bed.store, copy_path, NULL, &b, &err);
            assert_int_equal(st, HULSE_OK);
        }
        hulse_bed_stop(&bed);
        if (round >= 2) {
            assert_int_equal(hulse_store_backup(bed.path, copy_path, &b, &err), HULSE_OK);
        }
        const struct store_findings f = check_stopped(copy_path);
        assert_true(hulse_store_findings_good(&f) && !f.format_damaged);
        assert_int_equal(f.messages, MESSAGES);
        (void)hulse_test_folder_remove(copy_path);
        hulse_bed_fini(&bed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_store_is_good),
        cmocka_unit_test(test_a_flipped_byte_is_found_and_what_it_cost),
        cmocka_unit_test(test_messages_that_somebody_waits_for_are_missed),
        cmocka_unit_test(test_an_unfinished_end_is_no_damage_and_stays),
        cmocka_unit_test(test_what_is_no_store_or_is_in_use_is_refused),
        cmocka_unit_test(test_a_check_while_messages_come_and_go),
        cmocka_unit_test(test_a_backup_while_messages_come_and_go),
        cmocka_unit_test(test_a_segment_that_nobody_needs_is_not_missed),
        cmocka_unit_test(test_a_backup_goes_elsewhere),
        cmocka_unit_test(test_an_unfinished_backup_is_none),
        cmocka_unit_test(test_a_backup_of_a_stopped_store_is_the_same),
        cmocka_unit_test(test_a_damaged_format_is_a_finding_and_stays),
        cmocka_unit_test(test_a_backup_has_a_format_of_its_own),
    };

    return cmocka_run_group_tests_name("look", tests, NULL, NULL);
}
