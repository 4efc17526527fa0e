/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   segments that nobody needs are used again and the files stay below size_max; a full store keeps
 *         messages waiting in order and goes on storing control records; what is acknowledged makes room.
 * Method: stores of eight to twelve segments of 1 MiB, filled many times over.
 */
#include "daemon/store/block.h"
#include "daemon/store/frame.h"
#include "daemon/store/look.h"
#include "daemon/store/segment.h"
#include "daemon/store/space.h"
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/store_bed.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BODY = 10000, FILL_STEP = 20, FILL_MAX = 3000 };
#define PER_SEGMENT UINT64_C(100)

static uint64_t files(const struct bed *bed)
{
    char path[256];
    uint64_t count = 0;

    hulse_bed_file(bed, "log", path, sizeof(path));
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(dir);
    return count;
}

static struct store_figures figures(const struct bed *bed)
{
    struct store_figures out;

    hulse_store_figures(bed->store, &out);
    return out;
}

static void begin(struct bed *bed, uint64_t segments)
{
    hulse_bed_init(bed);
    bed->params.size_max = segments * BED_SEGMENT_BYTES;
    hulse_bed_open(bed, true);
}

/* Publishes and acknowledges ten times what the store holds. */
static void test_segments_are_used_again(void **state)
{
    struct bed bed;
    uint64_t next = 0;

    (void)state;
    begin(&bed, 8);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    while (next < 80 * PER_SEGMENT) {
        hulse_bed_publish(&bed, topic, next, next + 50, BODY);
        next += 50;
        assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, next - 10), HULSE_OK);
        assert_int_equal(hulse_bed_count(&bed, topic, next - 10, next), 10);
        assert_true(files(&bed) <= 8);
    }
    assert_true(figures(&bed).checkpoints > 0);
    hulse_bed_crash(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_bed_count(&bed, topic, next - 10, next), 10);
    assert_int_equal(bed.report.missing_segments, 0);
    assert_int_equal(bed.report.lost_messages, 0);
    assert_true(files(&bed) <= 8);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static bool has_segment(const struct bed *bed, uint64_t number)
{
    char name[64];
    char path[256];

    (void)snprintf(name, sizeof(name), "log/%010llu.segment", (unsigned long long)number);
    hulse_bed_file(bed, name, path, sizeof(path));
    return access(path, F_OK) == 0;
}

static void go_back(struct bed *bed, uint64_t topic, uint64_t sub)
{
    struct bed_request *r = hulse_bed_request_new(bed, STORE_SUBSCRIPTION_SEEK);

    r->rq.topic = topic;
    r->rq.subscription = sub;
    r->rq.position = 0;
    assert_int_equal(hulse_bed_do(bed, r), HULSE_OK);
}

/* From `from` on, until the file of segment `number` is used for another: which is first depends on what was prepared. */
static uint64_t publish_until_gone(struct bed *bed, uint64_t topic, uint64_t from, uint64_t number)
{
    uint64_t end = from;

    while (has_segment(bed, number)) {
        assert_true(end < from + 6 * PER_SEGMENT);
        hulse_bed_publish(bed, topic, end, end + PER_SEGMENT, BODY);
        end += PER_SEGMENT;
    }
    return end;
}

/*
 * Behind the last checkpoint: all is acknowledged, its segments are used again, and then somebody wants it back. A start
 * that reads this knows that it was given up, and is not lost.
 */
static void test_who_comes_late_misses_nothing_that_was_used_again(void **state)
{
    (void)state;
    for (unsigned seeks = 0; seeks < 2; seeks++) {
        struct bed bed;
        begin(&bed, 12);
        const uint64_t topic = hulse_bed_topic(&bed, "t");
        const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
        const uint64_t first = bed.store->writer.end.seg.number;
        hulse_bed_publish(&bed, topic, 0, 3 * PER_SEGMENT, BODY);
        hulse_bed_stop(&bed);
        hulse_bed_open(&bed, true);
        assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, 3 * PER_SEGMENT), HULSE_OK);
        const uint64_t end = publish_until_gone(&bed, topic, 3 * PER_SEGMENT, first);
        if (seeks != 0) {
            go_back(&bed, topic, sub);
        } else {
            assert_int_not_equal(hulse_bed_subscription(&bed, topic, "late", 0), sub);
        }
        assert_int_equal(figures(&bed).checkpoints, 0);
        hulse_bed_crash(&bed);
        hulse_bed_open(&bed, true);
        assert_int_equal(bed.report.missing_segments, 0);
        assert_int_equal(bed.report.lost_messages, 0);
        assert_int_equal(hulse_bed_count(&bed, topic, 3 * PER_SEGMENT, end), end - 3 * PER_SEGMENT);
        hulse_bed_stop(&bed);
        hulse_bed_fini(&bed);
    }
}

/* Locked. May one more message stand in the segment in use? The writer may not have looked yet. */
static bool has_room_here(const struct store *s)
{
    const struct space *sp = &s->space;
    const uint64_t begin_at = sp->used[sp->used_count - 1] * BED_SEGMENT_BYTES;
    const uint64_t offset = s->synced > begin_at ? s->synced - begin_at : BLOCK_BYTES;

    return hulse_space_takes(sp, SPACE_MESSAGE) &&
           hulse_block_behind(hulse_block_place((uint32_t)offset), FRAME_HEADER_BYTES + BODY) <=
               BED_SEGMENT_BYTES;
}

/* Will there be room though nothing more is acknowledged? `covers`: checkpoints and copies are made. */
static bool room_is_coming(const struct bed *bed, bool covers)
{
    struct store *s = bed->store;
    const struct space *sp = &s->space;

    (void)pthread_mutex_lock(&s->lock);
    size_t there = sp->used_count + sp->spare_count + (sp->next.fd >= 0 ? 1 : 0);
    for (size_t i = 0; i < SPACE_RESERVE; i++) {
        there += sp->reserve[i] ? 1 : 0;
    }
    bool coming = sp->preparing || sp->spare_count > 0 || there < sp->files_max ||
                  hulse_space_may_grow(sp, SPACE_MESSAGE) ||
                  hulse_space_may_move_on(sp, s->state) || has_room_here(s);
    for (size_t i = 0; covers && i + 1 < sp->used_count; i++) {
        coming = coming || !hulse_state_needs(s->state, sp->used[i]);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return coming;
}

/* Is it full for good? Waits as long as that is not yet known. */
static bool stays_full(struct bed *bed, bool covers)
{
    while (figures(bed).full && figures(bed).parked != 0) {
        if (bed->client.under_way == figures(bed).parked && !room_is_coming(bed, covers)) {
            return true;
        }
        hulse_bed_turn(bed);
    }
    return false;
}

/* Fills the store until messages wait, and no more than one step of them. Returns how many were submitted. */
static uint64_t fill_while(struct bed *bed, uint64_t topic, struct bed_request **all, bool covers)
{
    const uint64_t before = bed->done;
    uint64_t count = 0;

    while (!stays_full(bed, covers)) {
        if (figures(bed).parked != 0) {
            hulse_bed_turn(bed);
            continue;
        }
        assert_true(count + FILL_STEP <= FILL_MAX);
        for (unsigned i = 0; i < FILL_STEP; i++) {
            all[count] = hulse_bed_message(bed, topic, count, BODY);
            count++;
        }
        hulse_store_flush(&bed->client);
        while (bed->client.under_way > figures(bed).parked) {
            hulse_bed_turn(bed);
        }
    }
    assert_true(bed->done > before);
    return count;
}

static uint64_t fill(struct bed *bed, uint64_t topic, struct bed_request **all)
{
    return fill_while(bed, topic, all, true);
}

static void test_a_full_store_keeps_messages_and_takes_control_records(void **state)
{
    struct bed bed;
    struct bed_request *all[FILL_MAX];

    (void)state;
    begin(&bed, 8);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    const uint64_t before = bed.done;
    const uint64_t count = fill(&bed, topic, all);
    const uint64_t stored = bed.done - before;

    /* The reserve is not theirs. */
    assert_int_equal(figures(&bed).log_bytes, (8 - SPACE_RESERVE) * (uint64_t)BED_SEGMENT_BYTES);
    assert_int_equal(figures(&bed).parked, count - stored);
    assert_true(hulse_store_healthy(bed.store));

    /* A barrier waits behind them, others do not. */
    struct bed_request *barrier = hulse_bed_request_new(&bed, STORE_BARRIER);
    hulse_store_submit(&bed.client, &barrier->rq);
    for (uint64_t i = 0; i < 500; i++) {
        assert_int_equal(hulse_bed_ack(&bed, topic, sub, 2 * i, 2 * i + 1), HULSE_OK);
    }
    assert_int_equal(barrier->order, 0);
    for (uint64_t i = stored; i < count; i++) {
        assert_int_equal(all[i]->order, 0);
    }
    /* Room comes: they are stored in their order, then the barrier. */
    assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, stored), HULSE_OK);
    while (barrier->order == 0) {
        hulse_bed_wait(&bed, bed.done + 1);
    }
    uint64_t order = 0;
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(all[i]->rq.status, HULSE_OK);
        assert_true(all[i]->order != 0 && all[i]->order < barrier->order);
        assert_true(all[i]->order > order);
        order = all[i]->order;
        hulse_bed_request_free(all[i]);
    }
    assert_int_equal(barrier->rq.status, HULSE_OK);
    hulse_bed_request_free(barrier);
    assert_int_equal(hulse_bed_count(&bed, topic, stored, count), count - stored);
    assert_int_equal(figures(&bed).parked, 0);
    assert_true(files(&bed) <= 8);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* More than the whole store, and nothing that is there: it frees no segment of messages. */
static void acknowledge_much(struct bed *bed, uint64_t topic, uint64_t sub)
{
    enum { RANGES = 2000, RANGE_BYTES = 16, SEGMENTS = 12 };
    struct ranges ranges = {0};

    for (uint64_t i = 0; i < RANGES; i++) {
        assert_true(hulse_ranges_add(&ranges, 100000 + 2 * i, 100000 + 2 * i + 1));
    }
    for (uint64_t bytes = 0; bytes < SEGMENTS * (uint64_t)BED_SEGMENT_BYTES;
         bytes += RANGES * (uint64_t)RANGE_BYTES) {
        struct bed_request *r = hulse_bed_request_new(bed, STORE_ACK);
        r->rq.topic = topic;
        r->rq.subscription = sub;
        r->rq.ranges = &ranges;
        assert_int_equal(hulse_bed_do(bed, r), HULSE_OK);
    }
    hulse_ranges_clear(&ranges);
}

/* Acknowledgements alone, more than the whole store: they make their own room, with the store full of messages. */
static void test_control_records_never_wait_for_messages(void **state)
{
    struct bed bed;
    struct bed_request *all[FILL_MAX];

    (void)state;
    begin(&bed, 8);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    const uint64_t count = fill(&bed, topic, all);
    acknowledge_much(&bed, topic, sub);
    assert_true(figures(&bed).parked > 0);
    assert_true(files(&bed) <= 8);
    /* The end: what waits is refused. */
    const uint64_t parked = figures(&bed).parked;
    hulse_store_stop(bed.store);
    hulse_bed_wait(&bed, bed.done + bed.client.under_way);
    uint64_t refused = 0;
    for (uint64_t i = 0; i < count; i++) {
        refused += all[i]->rq.status == HULSE_CLOSED;
        hulse_bed_request_free(all[i]);
    }
    assert_int_equal(refused, parked);
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    assert_true(bed.report.clean);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, count), count - parked);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* A new store begins in a segment that was not filled before, and leaves it for one that was. */
static void test_a_raw_segment_is_left_for_a_filled_one(void **state)
{
    struct bed bed;

    (void)state;
    begin(&bed, 8);
    assert_true(bed.store->writer.end.seg.raw);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    assert_int_equal(bed.store->writer.end.seg.number, 2);
    assert_false(bed.store->writer.end.seg.raw);
    hulse_bed_wait_prepared(&bed);
    hulse_bed_publish(&bed, topic, 0, 10, 100);
    assert_int_equal(bed.store->writer.end.seg.number, 2);
    hulse_bed_crash(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 10), 10);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* One that is read is not used again under the reader's eyes; the largest message fits; a larger one is refused. */
static void test_the_largest_message(void **state)
{
    struct bed bed;

    (void)state;
    begin(&bed, 8);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    assert_int_not_equal(hulse_bed_subscription(&bed, topic, "s", 0), 0);
    const uint32_t max = hulse_store_body_max(bed.store);
    hulse_bed_publish(&bed, topic, 0, 1, 100);
    hulse_bed_publish(&bed, topic, 1, 3, max);
    struct bed_request *r = hulse_bed_message(&bed, topic, 3, max + 1);
    hulse_store_flush(&bed.client);
    while (r->order == 0) {
        hulse_bed_wait(&bed, bed.done + 1);
    }
    assert_int_equal(r->rq.status, HULSE_TOOBIG);
    hulse_bed_request_free(r);
    hulse_bed_publish(&bed, topic, 4, 5, 100);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 5), 4);
    hulse_bed_crash(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 5), 4);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* A smaller size_max at the next start removes what is spare. */
static void test_a_smaller_store_gives_files_back(void **state)
{
    struct bed bed;
    uint64_t next = 0;

    (void)state;
    begin(&bed, 16);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    /* A segment may be left before it is full, so it is the files that count. */
    while (files(&bed) <= 10) {
        hulse_bed_publish(&bed, topic, next, next + PER_SEGMENT, BODY);
        next += PER_SEGMENT;
    }
    assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, next), HULSE_OK);
    hulse_bed_stop(&bed);
    bed.params.size_max = UINT64_C(8) * BED_SEGMENT_BYTES;
    hulse_bed_open(&bed, false);
    assert_true(files(&bed) <= 8);
    hulse_bed_start(&bed);
    hulse_bed_publish(&bed, topic, next, next + PER_SEGMENT, BODY);
    assert_true(files(&bed) <= 8);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* Fills it and ends it at once: what waited is refused. Returns how many were stored. */
static uint64_t fill_and_crash(struct bed *bed, uint64_t topic)
{
    struct bed_request *all[FILL_MAX];
    const uint64_t before = bed->done;
    const uint64_t count = fill(bed, topic, all);
    const uint64_t stored = bed->done - before;

    hulse_bed_crash(bed);
    for (uint64_t i = 0; i < count; i++) {
        hulse_bed_request_free(all[i]);
    }
    return stored;
}

/* More files than it may have now, the end of the log in a file that is lost, and control records go into the reserve. */
static void test_a_smaller_store_that_is_full(void **state)
{
    struct bed bed;
    char name[64];
    char path[256];
    const uint8_t zeros[BLOCK_BYTES] = {0};

    (void)state;
    begin(&bed, 16);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    const uint64_t stored = fill_and_crash(&bed, topic);
    hulse_bed_open(&bed, false);
    const uint64_t last = bed.store->writer.end.seg.number;
    hulse_bed_crash(&bed);
    (void)snprintf(name, sizeof(name), "log/%010llu.segment", (unsigned long long)last);
    hulse_bed_file(&bed, name, path, sizeof(path));
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, zeros, sizeof(zeros)), sizeof(zeros));
    (void)close(fd);
    bed.params.size_max = UINT64_C(8) * BED_SEGMENT_BYTES;
    hulse_bed_open(&bed, true);
    acknowledge_much(&bed, topic, sub);
    assert_true(hulse_bed_count(&bed, topic, 0, stored) >= stored - PER_SEGMENT - 10);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static size_t spares(const struct bed *bed)
{
    (void)pthread_mutex_lock(&bed->store->lock);
    const size_t count = bed->store->space.spare_count;
    (void)pthread_mutex_unlock(&bed->store->lock);
    return count;
}

static void take_spares_away(const struct bed *bed)
{
    char name[64];
    char path[256];

    (void)pthread_mutex_lock(&bed->store->lock);
    for (size_t i = 0; i < bed->store->space.spare_count; i++) {
        (void)snprintf(name,
                       sizeof(name),
                       "log/%010llu.segment",
                       (unsigned long long)bed->store->space.spare[i]);
        hulse_bed_file(bed, name, path, sizeof(path));
        (void)unlink(path);
    }
    (void)pthread_mutex_unlock(&bed->store->lock);
}

/* Somebody has taken away a file that was to be used again: the log goes on in another one. */
static void test_a_spare_that_was_taken_away(void **state)
{
    struct bed bed;

    (void)state;
    begin(&bed, 12);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    uint64_t next = 0;
    for (unsigned round = 0; spares(&bed) < 2 && round < 100; round++) {
        hulse_bed_publish(&bed, topic, next, next + PER_SEGMENT, BODY);
        next += PER_SEGMENT;
        assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, next), HULSE_OK);
    }
    hulse_bed_wait_prepared(&bed);
    take_spares_away(&bed);
    hulse_bed_publish(&bed, topic, next, next + 4 * PER_SEGMENT, BODY);
    assert_int_equal(hulse_bed_count(&bed, topic, next, next + 4 * PER_SEGMENT), 4 * PER_SEGMENT);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* The last good copy is lost while the store is full: it is made again, and what is acknowledged makes room. */
static void test_a_full_store_without_its_copy_goes_on(void **state)
{
    struct bed bed;
    char path[256];

    (void)state;
    begin(&bed, 8);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    uint64_t next = fill_and_crash(&bed, topic);
    hulse_bed_file(&bed, "state.good", path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    hulse_bed_open(&bed, true);
    assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, next), HULSE_OK);
    for (unsigned round = 0; round < 20; round++) {
        hulse_bed_publish(&bed, topic, next, next + PER_SEGMENT, BODY);
        next += PER_SEGMENT;
        assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, next), HULSE_OK);
    }
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* What is in the way of a file of the state goes: it is written without anybody asking again. */
static void goes_on_without(const char *name)
{
    struct bed bed;
    char path[256];

    begin(&bed, 8);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    hulse_bed_file(&bed, name, path, sizeof(path));
    assert_int_equal(mkdir(path, 0700), 0);
    struct bed_request *all[FILL_MAX];
    const uint64_t before = bed.done;
    const uint64_t count = fill_while(&bed, topic, all, false);
    const uint64_t stored = bed.done - before;
    assert_int_equal(hulse_bed_ack(&bed, topic, sub, 0, stored), HULSE_OK);
    for (unsigned i = 0; i < 50; i++) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(bed.done, before + stored + 1);
    assert_int_equal(rmdir(path), 0);
    hulse_bed_wait(&bed, before + count + 1);
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(all[i]->rq.status, HULSE_OK);
        hulse_bed_request_free(all[i]);
    }
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static bool is_kept(struct store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    const bool kept = s->space.kept;
    (void)pthread_mutex_unlock(&s->lock);
    return kept;
}

/* A full store in which one segment could be used again, but for a backup or a read. */
static uint64_t fill_and_keep(struct bed *bed, struct bed_request **all, bool backup)
{
    struct store *s = NULL;

    begin(bed, 8);
    s = bed->store;
    const uint64_t topic = hulse_bed_topic(bed, "t");
    const uint64_t sub = hulse_bed_subscription(bed, topic, "s", 0);
    const uint64_t count = fill(bed, topic, all);
    (void)pthread_mutex_lock(&s->lock);
    s->space.held = backup;
    s->space.reading = backup ? 0 : s->space.used[0];
    (void)pthread_mutex_unlock(&s->lock);
    assert_int_equal(hulse_bed_ack(bed, topic, sub, 0, PER_SEGMENT * 3 / 2), HULSE_OK);
    while (!is_kept(s)) {
        hulse_bed_turn(bed);
    }
    assert_true(bed->client.under_way > 0);
    return count;
}

/* Nothing else may come that would have the writer look again. */
static void expect_room(struct bed *bed, struct bed_request **all, uint64_t count)
{
    hulse_bed_wait(bed, bed->done + bed->client.under_way);
    hulse_bed_stop(bed);
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(all[i]->rq.status, HULSE_OK);
        hulse_bed_request_free(all[i]);
    }
    hulse_bed_fini(bed);
}

static void test_the_end_of_a_backup_makes_room(void **state)
{
    struct bed bed;
    struct bed copy;
    struct store_backup b;
    struct error err = {0};
    struct bed_request *all[FILL_MAX];

    (void)state;
    const uint64_t count = fill_and_keep(&bed, all, true);
    hulse_bed_init(&copy);
    assert_int_equal(hulse_store_backup_running(bed.store, copy.path, NULL, &b, &err), HULSE_OK);
    expect_room(&bed, all, count);
    hulse_bed_fini(&copy);
}

static void test_the_end_of_a_read_makes_room(void **state)
{
    struct bed bed;
    struct store_read rd;
    struct bed_request *all[FILL_MAX];

    (void)state;
    const uint64_t count = fill_and_keep(&bed, all, false);
    const uint64_t last = count - figures(&bed).parked - 1;
    hulse_bed_read(&bed, &rd, all[last]->rq.topic, last, last + 1);
    hulse_store_read_free(&rd);
    expect_room(&bed, all, count);
}

static void test_a_failed_copy_is_made_again(void **state)
{
    (void)state;
    goes_on_without("state.good.new");
}

static void test_a_failed_commit_is_made_again(void **state)
{
    (void)state;
    goes_on_without("state.mdb.new");
}

/*
 * What waits is larger than what is left of the segment in use, for which there is room for smaller ones. News of the reader
 * come all the time, and no checkpoint is due but for the room that it makes.
 */
static void fill_and_acknowledge(void)
{
    enum { ALL = 600, ACKED = 400, QUIET = 300, NEWS = 200000, PATIENCE = 10000 };
    static struct bed_request *requests[ALL];
    struct bed bed;

    begin(&bed, 8);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    for (uint64_t i = 0; i < ALL; i++) {
        requests[i] = hulse_bed_message(&bed, topic, i, BODY);
    }
    hulse_store_flush(&bed.client);
    for (unsigned i = 0; i < QUIET || figures(&bed).parked == 0; i++) {
        hulse_bed_turn(&bed);
    }
    struct bed_request *ack = hulse_bed_request_new(&bed, STORE_ACK);
    ack->rq.topic = topic;
    ack->rq.subscription = sub;
    struct ranges ranges = {0};
    assert_true(hulse_ranges_add(&ranges, 0, ACKED));
    ack->rq.ranges = &ranges;
    hulse_store_submit(&bed.client, &ack->rq);
    hulse_store_flush(&bed.client);
    for (unsigned i = 0; i < NEWS; i++) {
        hulse_store_call_writer(bed.store);
    }
    for (unsigned i = 0; i < PATIENCE && requests[ALL - 1]->order == 0; i++) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(hulse_bed_finish(&bed, ack), HULSE_OK);
    hulse_bed_request_free(ack);
    hulse_ranges_clear(&ranges);
    for (uint64_t i = 0; i < ALL; i++) {
        assert_int_not_equal(requests[i]->order, 0);
        assert_int_equal(requests[i]->rq.status, HULSE_OK);
        hulse_bed_request_free(requests[i]);
    }
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void test_who_does_not_fit_waits_in_a_full_store(void **state)
{
    enum { ROUNDS = 4 };

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        fill_and_acknowledge();
    }
}

/* ---- what is moved ------------------------------------------------------------------------- */

/* A store that has all its files, `used` of them in use. */
static void fill_space(struct space *sp, uint64_t used)
{
    assert_true(
        hulse_space_init(sp, (used + SPACE_RESERVE) * BED_SEGMENT_BYTES, BED_SEGMENT_BYTES, 0));
    for (uint64_t number = 1; number <= used; number++) {
        hulse_space_add_used(sp, number);
    }
    for (size_t i = 0; i < SPACE_RESERVE; i++) {
        sp->reserve[i] = true;
    }
}

static void test_in_a_small_store_what_is_moved_has_the_room_of_messages(void **state)
{
    struct space sp;

    (void)state;
    fill_space(&sp, SPACE_FILES_MIN - SPACE_RESERVE);
    assert_true(hulse_space_takes(&sp, SPACE_COPY));
    assert_false(hulse_space_may_grow(&sp, SPACE_MESSAGE));
    assert_false(hulse_space_may_grow(&sp, SPACE_COPY));
    assert_true(hulse_space_may_grow(&sp, SPACE_CONTROL));
    /* Control records have gone on. */
    sp.reserve[SPACE_RESERVE - 1] = false;
    hulse_space_add_used(&sp, SPACE_FILES_MIN);
    assert_false(hulse_space_takes(&sp, SPACE_MESSAGE));
    assert_false(hulse_space_takes(&sp, SPACE_COPY));
    assert_false(hulse_space_may_grow(&sp, SPACE_COPY));
    assert_true(hulse_space_takes(&sp, SPACE_CONTROL));
    hulse_space_fini(&sp);
}

static void test_in_a_large_store_what_is_moved_has_one_file(void **state)
{
    struct space sp;

    (void)state;
    fill_space(&sp, SPACE_FILES_MANY - SPACE_RESERVE - 1);
    sp.files_max = SPACE_FILES_MANY;
    sp.reserve[SPACE_NAMES - 1] = true;
    assert_false(hulse_space_may_grow(&sp, SPACE_MESSAGE));
    assert_true(hulse_space_may_grow(&sp, SPACE_COPY));
    /* It is used. */
    sp.reserve[SPACE_NAMES - 1] = false;
    hulse_space_add_used(&sp, SPACE_FILES_MANY);
    assert_false(hulse_space_takes(&sp, SPACE_MESSAGE));
    assert_true(hulse_space_takes(&sp, SPACE_COPY));
    /* By control records, and what is moved is not through: one more, or nothing would go on. */
    assert_true(hulse_space_may_grow(&sp, SPACE_COPY));
    sp.reserve[SPACE_RESERVE - 1] = false;
    hulse_space_add_used(&sp, SPACE_FILES_MANY + 1);
    assert_true(hulse_space_takes(&sp, SPACE_COPY));
    assert_false(hulse_space_may_grow(&sp, SPACE_COPY));
    assert_true(hulse_space_may_grow(&sp, SPACE_CONTROL));
    hulse_space_fini(&sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_a_small_store_what_is_moved_has_the_room_of_messages),
        cmocka_unit_test(test_in_a_large_store_what_is_moved_has_one_file),
        cmocka_unit_test(test_who_does_not_fit_waits_in_a_full_store),
        cmocka_unit_test(test_segments_are_used_again),
        cmocka_unit_test(test_who_comes_late_misses_nothing_that_was_used_again),
        cmocka_unit_test(test_a_full_store_keeps_messages_and_takes_control_records),
        cmocka_unit_test(test_control_records_never_wait_for_messages),
        cmocka_unit_test(test_a_raw_segment_is_left_for_a_filled_one),
        cmocka_unit_test(test_the_largest_message),
        cmocka_unit_test(test_a_full_store_without_its_copy_goes_on),
        cmocka_unit_test(test_the_end_of_a_backup_makes_room),
        cmocka_unit_test(test_the_end_of_a_read_makes_room),
        cmocka_unit_test(test_a_failed_copy_is_made_again),
        cmocka_unit_test(test_a_failed_commit_is_made_again),
        cmocka_unit_test(test_a_smaller_store_gives_files_back),
        cmocka_unit_test(test_a_smaller_store_that_is_full),
        cmocka_unit_test(test_a_spare_that_was_taken_away),
    };

    return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
