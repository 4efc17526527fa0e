/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=300 */
/*
 * Goal:   what is in the way of moving messages out of a segment that is mostly dead costs none of them, and ends.
 * Method: stores in which a slow subscription pins every segment; reads, memory, descriptors and the disk fail meanwhile,
 *         topics go, cursors go back, the index is made anew from the log.
 */
#include "daemon/core/mem.h"
#include "daemon/store/copy.h"
#include "daemon/store/look.h"
#include "daemon/store/recovery.h"
#include "daemon/store/state_load.h"
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/slow_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MANY (UINT64_C(3) * SEGMENTS * PER_SEGMENT)

static _Atomic(int) read_error;
static _Atomic(int) allocate_error;

static int bad_read(int fd, void *bytes, size_t count, uint64_t offset, size_t *got)
{
    const int error = atomic_load_explicit(&read_error, memory_order_relaxed);

    *got = 0;
    return error != 0 ? error : hulse_file_io.read(fd, bytes, count, offset, got);
}

/* What has its blocks keeps them. */
static int bad_allocate(int fd, uint64_t bytes)
{
    const int error = atomic_load_explicit(&allocate_error, memory_order_relaxed);
    struct stat st;

    return error != 0 && (fstat(fd, &st) != 0 || (uint64_t)st.st_size < bytes)
               ? error
               : hulse_file_io.allocate(fd, bytes);
}

static struct file_io bad_io;

struct slow {
    struct bed bed;
    uint64_t topic;
    uint64_t sub;
    uint64_t end;
};

static void begin(struct slow *w, uint64_t segments)
{
    *w = (struct slow){.end = 0};
    atomic_store_explicit(&read_error, 0, memory_order_relaxed);
    atomic_store_explicit(&allocate_error, 0, memory_order_relaxed);
    hulse_bed_init(&w->bed);
    bad_io = hulse_file_io;
    bad_io.read = bad_read;
    bad_io.allocate = bad_allocate;
    w->bed.params.io = &bad_io;
    w->bed.params.size_max = segments * BED_SEGMENT_BYTES;
    hulse_bed_open(&w->bed, true);
    w->topic = hulse_bed_topic(&w->bed, "t");
    w->sub = hulse_bed_subscription(&w->bed, w->topic, "s", 0);
}

static void fill_to(struct slow *w, uint64_t end)
{
    w->end = hulse_slow_fill(&w->bed, w->topic, w->sub, w->end, end);
}

/* As far as nothing is moved yet. */
static void fill_until_tight(struct slow *w)
{
    bool tight = false;

    while (!tight) {
        fill_to(w, w->end + BATCH);
        (void)pthread_mutex_lock(&w->bed.store->lock);
        tight = hulse_space_is_tight(&w->bed.store->space);
        (void)pthread_mutex_unlock(&w->bed.store->lock);
    }
}

/* Nothing is lost, before and after a crash. */
static void end_well(struct slow *w)
{
    assert_true(hulse_slow_figures(&w->bed).moved_messages > 0);
    hulse_slow_check_kept(&w->bed, w->topic, w->end);
    hulse_bed_crash(&w->bed);
    hulse_bed_open(&w->bed, true);
    assert_int_equal(w->bed.report.damaged_records, 0);
    assert_int_equal(w->bed.report.lost_messages, 0);
    assert_int_equal(w->bed.report.missing_segments, 0);
    assert_int_equal(w->bed.report.homeless_records, 0);
    hulse_slow_check_kept(&w->bed, w->topic, w->end);
    hulse_bed_stop(&w->bed);
    hulse_bed_fini(&w->bed);
}

static uint64_t segment_of(const struct slow *w, uint64_t position)
{
    struct state_place at;

    (void)pthread_mutex_lock(&w->bed.store->lock);
    assert_true(hulse_state_find(w->bed.store->state, w->topic, position, &at));
    (void)pthread_mutex_unlock(&w->bed.store->lock);
    return at.lsn / BED_SEGMENT_BYTES;
}

/* ---- what fails --------------------------------------------------------------------------- */

static void test_a_disk_that_cannot_be_read_is_tried_again(void **state)
{
    struct slow w;

    (void)state;
    begin(&w, SEGMENTS);
    atomic_store_explicit(&read_error, EIO, memory_order_relaxed);
    fill_until_tight(&w);
    while (hulse_slow_figures(&w.bed).moves_given_up < 5) {
        hulse_bed_turn(&w.bed);
    }
    assert_int_equal(hulse_slow_figures(&w.bed).moved_messages, 0);
    const uint64_t first = segment_of(&w, PER_SEGMENT / 2);
    atomic_store_explicit(&read_error, 0, memory_order_relaxed);
    fill_to(&w, MANY);
    for (unsigned i = 0; i < 30000 && segment_of(&w, PER_SEGMENT / 2) == first; i++) {
        hulse_bed_turn(&w.bed);
    }
    assert_int_not_equal(segment_of(&w, PER_SEGMENT / 2), first);
    end_well(&w);
}

static void test_without_memory_it_waits(void **state)
{
    const size_t cap = hulse_mem_cap();
    struct slow w;

    (void)state;
    begin(&w, SEGMENTS);
    fill_until_tight(&w);
    hulse_mem_init(1);
    for (unsigned i = 0; i < 200; i++) {
        hulse_bed_turn(&w.bed);
    }
    /* What it had memory for is counted when a slow disk has it. */
    while (atomic_load_explicit(&w.bed.store->copies.offered, memory_order_acquire) != 0) {
        hulse_bed_turn(&w.bed);
    }
    const uint64_t moved = hulse_slow_figures(&w.bed).moved_messages;
    for (unsigned i = 0; i < 1200; i++) {
        hulse_bed_turn(&w.bed);
    }
    assert_int_equal(hulse_slow_figures(&w.bed).moved_messages, moved);
    assert_true(hulse_store_healthy(w.bed.store));
    hulse_mem_init(cap);
    fill_to(&w, MANY);
    assert_true(hulse_slow_figures(&w.bed).moved_messages > moved);
    assert_int_equal(hulse_slow_figures(&w.bed).moves_given_up, 0);
    end_well(&w);
}

static void test_without_descriptors_it_waits(void **state)
{
    struct rlimit limit;
    struct slow w;

    (void)state;
    begin(&w, SEGMENTS);
    fill_until_tight(&w);
    hulse_bed_wait_prepared(&w.bed);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (unsigned i = 0; i < 300; i++) {
        hulse_bed_turn(&w.bed);
    }
    assert_true(hulse_store_healthy(w.bed.store));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    fill_to(&w, MANY);
    assert_int_equal(hulse_slow_figures(&w.bed).moves_given_up, 0);
    end_well(&w);
}

static bool has_own_file(struct store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    const bool has = s->space.reserve[SPACE_NAMES - 1];
    (void)pthread_mutex_unlock(&s->lock);
    return has;
}

/* The disk is smaller than size_max: the file that was made for it is used. */
static void test_a_full_disk_does_not_end_it(void **state)
{
    struct slow w;

    (void)state;
    begin(&w, 40);
    fill_until_tight(&w);
    for (unsigned i = 0; i < 1000 && !has_own_file(w.bed.store); i++) {
        hulse_bed_turn(&w.bed);
    }
    assert_true(has_own_file(w.bed.store));
    atomic_store_explicit(&allocate_error, ENOSPC, memory_order_relaxed);
    fill_to(&w, 2 * MANY);
    assert_true(hulse_slow_figures(&w.bed).log_bytes <= UINT64_C(24) * BED_SEGMENT_BYTES);
    end_well(&w);
    atomic_store_explicit(&allocate_error, 0, memory_order_relaxed);
}

/* So few files that none is for this: it is full for good, and takes what comes when the slow one has acknowledged. */
static void test_a_small_store_goes_on_when_it_is_read(void **state)
{
    enum { MORE = 8 };
    struct slow w;
    struct bed_request *all[MORE * BATCH];

    (void)state;
    begin(&w, SPACE_FILES_MIN);
    for (unsigned round = 0; round < 5; round++) {
        const uint64_t from = w.end;
        for (uint64_t i = 0; i < (uint64_t)MORE * BATCH; i++) {
            all[i] = hulse_bed_message(&w.bed, w.topic, from + i, BODY);
        }
        hulse_store_flush(&w.bed.client);
        /* It may or may not have room for them, and move something, before this. */
        hulse_slow_ack_others(&w.bed, w.topic, w.sub, 0, from);
        for (unsigned i = 0; i < 300; i++) {
            hulse_bed_turn(&w.bed);
        }
        assert_int_equal(hulse_bed_ack(&w.bed, w.topic, w.sub, 0, from), HULSE_OK);
        w.end = from + (uint64_t)MORE * BATCH;
        for (uint64_t i = 0; i < (uint64_t)MORE * BATCH; i++) {
            for (unsigned turns = 0; all[i]->order == 0; turns++) {
                assert_true(turns < TURNS_MAX);
                hulse_bed_turn(&w.bed);
            }
            assert_int_equal(all[i]->rq.status, HULSE_OK);
            hulse_bed_request_free(all[i]);
        }
        assert_int_equal(hulse_bed_count(&w.bed, w.topic, from, w.end), MORE * BATCH);
    }
    hulse_bed_stop(&w.bed);
    hulse_bed_fini(&w.bed);
}

/* ---- what goes meanwhile ------------------------------------------------------------------- */

enum { VICTIMS = 30 };

/* Deletions meet all that can be under way: what was moved behind one has no topic. */
static void test_topics_that_go_while_they_are_moved(void **state)
{
    struct slow w;
    uint64_t victims[VICTIMS];
    char name[16];

    (void)state;
    begin(&w, SEGMENTS);
    for (unsigned i = 0; i < VICTIMS; i++) {
        (void)snprintf(name, sizeof(name), "victim%u", i);
        victims[i] = hulse_bed_topic(&w.bed, name);
        (void)hulse_bed_subscription(&w.bed, victims[i], "s", 0);
        for (uint64_t n = 0; n < 4; n++) {
            hulse_bed_publish(&w.bed, victims[i], n, n + 1, 5000);
        }
        fill_to(&w, w.end + BATCH);
    }
    for (unsigned i = 0; i < VICTIMS; i++) {
        const uint64_t moved = hulse_slow_figures(&w.bed).moved_messages;
        struct bed_request *r = hulse_bed_request_new(&w.bed, STORE_TOPIC_DELETE);
        r->rq.topic = victims[i];
        assert_int_equal(hulse_bed_do(&w.bed, r), HULSE_OK);
        for (unsigned n = 0; n < 100 && hulse_slow_figures(&w.bed).moved_messages == moved; n++) {
            fill_to(&w, w.end + BATCH);
        }
    }
    fill_to(&w, (w.end / PER_SEGMENT + 1) * PER_SEGMENT);
    end_well(&w);
}

/* The same for sure: the offer is there, and the deletion is in the group that it would go into. */
static void test_nothing_is_moved_behind_the_end_of_its_topic(void **state)
{
    struct slow w;

    (void)state;
    begin(&w, SEGMENTS);
    const uint64_t victim = hulse_bed_topic(&w.bed, "victim");
    (void)hulse_bed_subscription(&w.bed, victim, "s", 0);
    hulse_bed_publish(&w.bed, victim, 0, 1, 1000);
    hulse_bed_stop(&w.bed);
    hulse_bed_open(&w.bed, false);
    struct store *s = w.bed.store;
    struct copy_item *item = &s->copies.items[0];
    struct state_place at;
    assert_true(hulse_state_find(s->state, victim, 0, &at));
    *item = (struct copy_item){
        .rq = {.kind = STORE_MESSAGE, .topic = victim, .position = 0, .time_ms = 1}, .epoch = 1};
    s->copies.count = 1;
    s->copies.segment = at.lsn / BED_SEGMENT_BYTES;
    s->copies.widened = hulse_state_moving(s->state, s->copies.segment);
    atomic_store_explicit(&s->copies.offered, 1, memory_order_relaxed);
    struct bed_request *r = hulse_bed_request_new(&w.bed, STORE_TOPIC_DELETE);
    r->rq.topic = victim;
    hulse_store_submit(&w.bed.client, &r->rq);
    hulse_store_flush(&w.bed.client);
    hulse_bed_start(&w.bed);
    hulse_bed_wait(&w.bed, w.bed.done + 1);
    assert_int_equal(r->rq.status, HULSE_OK);
    hulse_bed_request_free(r);
    fill_to(&w, BATCH);
    assert_int_equal(atomic_load_explicit(&s->copies.offered, memory_order_relaxed), 0);
    assert_int_equal(hulse_slow_figures(&w.bed).moved_messages, 0);
    hulse_bed_crash(&w.bed);
    hulse_bed_open(&w.bed, true);
    assert_int_equal(w.bed.report.homeless_records, 0);
    assert_int_equal(w.bed.report.damaged_records, 0);
    hulse_bed_stop(&w.bed);
    hulse_bed_fini(&w.bed);
}

/* What others ask for goes first, and fills so many groups at most. */
static void test_what_is_moved_is_put_behind_what_others_ask_for(void **state)
{
    enum { BUSY = 20, WAITS = 8 };
    struct slow w;

    (void)state;
    begin(&w, SEGMENTS);
    hulse_bed_stop(&w.bed);
    hulse_bed_open(&w.bed, false);
    struct store *s = w.bed.store;
    for (unsigned i = 0; i < BUSY; i++) {
        hulse_copy_stored(s);
    }
    s->copies.count = 1;
    s->copies.items[0] = (struct copy_item){.rq = {.kind = STORE_MESSAGE, .topic = w.topic}};
    atomic_store_explicit(&s->copies.offered, 1, memory_order_relaxed);
    for (unsigned i = 0; i < WAITS; i++) {
        assert_false(hulse_copy_is_due(s));
        hulse_copy_stored(s);
    }
    assert_true(hulse_copy_is_due(s));
    hulse_store_close(&w.bed.store);
    hulse_bed_fini(&w.bed);
}

/* Of [from, end): the newest ones, if not all. */
static uint64_t newest_of(struct bed *bed, uint64_t topic, uint64_t from, uint64_t end)
{
    const uint64_t there = hulse_bed_count(bed, topic, from, end);

    assert_true(there > 0);
    assert_int_equal(hulse_bed_count(bed, topic, end - there, end), there);
    return there;
}

/* Its newest segment is kept for whoever comes, and moves as well: when it is divided, the last part of it stays. */
static void test_topics_without_subscriptions_keep_their_newest(void **state)
{
    enum { QUIET = 5, FEW = 7 };
    struct slow w;
    uint64_t quiet[QUIET];
    char name[16];

    (void)state;
    begin(&w, SEGMENTS);
    for (unsigned i = 0; i < QUIET; i++) {
        (void)snprintf(name, sizeof(name), "quiet%u", i);
        quiet[i] = hulse_bed_topic(&w.bed, name);
        hulse_bed_publish(&w.bed, quiet[i], 0, FEW, 3000);
        fill_to(&w, w.end + 2 * PER_SEGMENT);
    }
    fill_to(&w, MANY);
    for (unsigned round = 0; round < 2; round++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < QUIET; i++) {
            sum += newest_of(&w.bed, quiet[i], 0, FEW);
        }
        assert_true(sum > 2 * (uint64_t)QUIET);
        hulse_bed_crash(&w.bed);
        hulse_bed_open(&w.bed, true);
    }
    for (unsigned i = 0; i < QUIET; i++) {
        hulse_bed_publish(&w.bed, quiet[i], FEW, (uint64_t)2 * FEW, 3000);
        (void)newest_of(
            &w.bed, quiet[i], FEW, (uint64_t)2 * FEW); /* they may lie in two segments */
    }
    fill_to(&w, w.end + MANY);
    end_well(&w);
}

static void check(const struct slow *w, uint64_t waiting)
{
    struct store_findings found;
    struct error err = {0};

    assert_int_equal(hulse_store_check(w->bed.path, &found, &err), HULSE_OK);
    assert_int_equal(found.lost_messages, 0);
    assert_true(hulse_store_findings_good(&found));
    assert_true(found.waiting_messages >= waiting);
}

/* What nobody waited for when it was left behind is not there, and is no loss. */
static void test_a_cursor_that_goes_back_has_lost_nothing(void **state)
{
    struct slow w;
    struct store_findings found;
    struct error err = {0};

    (void)state;
    begin(&w, SEGMENTS);
    fill_to(&w, MANY);
    assert_true(hulse_slow_figures(&w.bed).moved_messages > 0);
    struct bed_request *r = hulse_bed_request_new(&w.bed, STORE_SUBSCRIPTION_SEEK);
    r->rq.topic = w.topic;
    r->rq.subscription = w.sub;
    assert_int_equal(hulse_bed_do(&w.bed, r), HULSE_OK);
    assert_int_equal(hulse_store_check_running(w.bed.store, NULL, &found, &err), HULSE_OK);
    assert_int_equal(found.lost_messages, 0);
    hulse_slow_check_kept(&w.bed, w.topic, w.end);
    hulse_bed_crash(&w.bed);
    check(&w, MANY / PER_SEGMENT);
    hulse_bed_open(&w.bed, true);
    assert_int_equal(w.bed.report.lost_messages, 0);
    hulse_slow_check_kept(&w.bed, w.topic, w.end);
    hulse_bed_stop(&w.bed);
    check(&w, MANY / PER_SEGMENT);
    hulse_bed_fini(&w.bed);
}

/* ---- without a checkpoint of the index ----------------------------------------------------- */

/* The state as a start makes it when no row of the index can be read: of the log alone. */
static void make_index_anew(struct store *s)
{
    struct checkpoint *cp = hulse_state_snapshot(s->state, s->synced);
    struct store_report report = {.state_lost = true};
    struct error err = {0};
    struct value_row row;
    uint64_t *numbers = NULL;
    size_t count = 0;

    assert_non_null(cp);
    struct state *made = hulse_state_create(BED_SEGMENT_BYTES, s->params.handle_ttl_ms);
    hulse_state_load_meta(made, &cp->meta);
    for (unsigned table = VALUE_TOPIC; table < VALUE_INDEX; table++) {
        size_t at = 0;
        while (hulse_value_list_next(&cp->values, &at, &row)) {
            if (row.key.table == table) {
                assert_int_equal(hulse_state_load_row(made, &row), LOAD_OK);
            }
        }
    }
    hulse_state_load_end(made, false);
    assert_int_equal(hulse_directory_segments(&s->directory, &numbers, &count, &err), HULSE_OK);
    struct recovery r = {.at = s->place,
                         .numbers = numbers,
                         .count = count,
                         .state = made,
                         .look_only = true,
                         .report = &report};
    assert_int_equal(hulse_recover(&r, &err), HULSE_OK);
    assert_int_equal(report.damaged_records, 0);
    hulse_state_recovered(made);
    /* The open has made these spare. */
    for (size_t i = 0; i < count; i++) {
        bool used = false;
        for (size_t n = 0; n < s->space.used_count && !used; n++) {
            used = s->space.used[n] == numbers[i];
        }
        if (!used) {
            hulse_state_forget_segment(made, numbers[i]);
        }
    }
    hulse_checkpoint_free(&cp);
    hulse_state_destroy(&s->state);
    s->state = made;
    free(numbers);
}

static void test_an_index_made_of_the_log_knows_what_was_moved(void **state)
{
    struct slow w;

    (void)state;
    begin(&w, SEGMENTS);
    fill_to(&w, MANY);
    assert_true(hulse_slow_figures(&w.bed).moved_messages > 0);
    for (unsigned round = 0; round < 3; round++) {
        hulse_bed_stop(&w.bed);
        hulse_bed_open(&w.bed, false);
        make_index_anew(w.bed.store);
        hulse_bed_start(&w.bed);
        hulse_slow_check_kept(&w.bed, w.topic, w.end);
        /* What was found so is moved again. */
        fill_to(&w, w.end + MANY / 2);
        hulse_slow_check_kept(&w.bed, w.topic, w.end);
    }
    end_well(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_disk_that_cannot_be_read_is_tried_again),
        cmocka_unit_test(test_without_memory_it_waits),
        cmocka_unit_test(test_without_descriptors_it_waits),
        cmocka_unit_test(test_a_full_disk_does_not_end_it),
        cmocka_unit_test(test_a_small_store_goes_on_when_it_is_read),
        cmocka_unit_test(test_topics_that_go_while_they_are_moved),
        cmocka_unit_test(test_nothing_is_moved_behind_the_end_of_its_topic),
        cmocka_unit_test(test_what_is_moved_is_put_behind_what_others_ask_for),
        cmocka_unit_test(test_topics_without_subscriptions_keep_their_newest),
        cmocka_unit_test(test_a_cursor_that_goes_back_has_lost_nothing),
        cmocka_unit_test(test_an_index_made_of_the_log_knows_what_was_moved),
    };

    return cmocka_run_group_tests_name("copy_faults", tests, NULL, NULL);
}
