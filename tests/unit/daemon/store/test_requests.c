/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   each kind of request does what its header says: who is refused and how, what waits for whom, what is written
 *         nowhere, how two clients are answered, what a stopped store says; a start with a million messages.
 * Method: real stores; the restart prints what it took.
 */
#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/store_bed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct store_figures figures(const struct bed *bed)
{
    struct store_figures out;

    hulse_store_figures(bed->store, &out);
    return out;
}

static void test_unknown_topics_and_bad_records_are_refused(void **state)
{
    struct bed bed;
    struct bed_request *r = NULL;
    static char name[STORE_NAME_MAX + 2];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    r = hulse_bed_message(&bed, topic + 1, 0, 10);
    hulse_store_flush(&bed.client);
    hulse_bed_wait(&bed, bed.done + 1);
    assert_int_equal(r->rq.status, HULSE_NO_TOPIC);
    hulse_bed_request_free(r);
    assert_int_equal(hulse_bed_ack(&bed, topic + 1, 1, 0, 1), HULSE_NO_TOPIC);
    memset(name, 'n', sizeof(name) - 1);
    r = hulse_bed_request_new(&bed, STORE_TOPIC_CREATE);
    r->rq.name = name;
    assert_int_equal(hulse_bed_do(&bed, r), HULSE_TOOBIG);
    r = hulse_bed_request_new(&bed, STORE_TOPIC_DELETE);
    r->rq.topic = topic;
    assert_int_equal(hulse_bed_do(&bed, r), HULSE_OK);
    r = hulse_bed_request_new(&bed, STORE_TOPIC_TRIM);
    r->rq.topic = topic;
    assert_int_equal(hulse_bed_do(&bed, r), HULSE_NO_TOPIC);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* Asked for twice at once: one topic, one subscription. */
static void test_what_is_created_twice_is_one(void **state)
{
    enum { COUNT = 6 };
    struct bed bed;
    struct bed_request *all[COUNT];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t before = bed.done;
    for (size_t i = 0; i < COUNT; i++) {
        all[i] = hulse_bed_request_new(&bed, STORE_TOPIC_CREATE);
        all[i]->rq.name = i % 2 == 0 ? "even" : "odd";
        hulse_store_submit(&bed.client, &all[i]->rq);
    }
    hulse_store_flush(&bed.client);
    hulse_bed_wait(&bed, before + COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(all[i]->rq.status, HULSE_OK);
        assert_int_equal(all[i]->rq.topic, all[i % 2]->rq.topic);
    }
    assert_int_not_equal(all[0]->rq.topic, all[1]->rq.topic);
    for (size_t i = 0; i < COUNT; i++) {
        hulse_bed_request_free(all[i]);
    }
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, false);
    assert_int_equal(bed.report.topics, 2);
    hulse_store_client_fini(&bed.client);
    hulse_store_close(&bed.store);
    hulse_bed_fini(&bed);
}

/* Ended and made anew at once, many times over: each is there, under an id of its own. */
static void test_a_name_is_free_for_who_comes_behind_its_end(void **state)
{
    enum { ROUNDS = 20 };
    struct bed bed;
    struct bed_request *gone[ROUNDS];
    struct bed_request *made[ROUNDS];

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    uint64_t topic = hulse_bed_topic(&bed, "t");
    uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        const bool whole = i % 2 == 0;
        gone[i] =
            hulse_bed_request_new(&bed, whole ? STORE_TOPIC_DELETE : STORE_SUBSCRIPTION_DELETE);
        made[i] =
            hulse_bed_request_new(&bed, whole ? STORE_TOPIC_CREATE : STORE_SUBSCRIPTION_CREATE);
        gone[i]->rq.topic = topic;
        gone[i]->rq.subscription = sub;
        made[i]->rq.topic = topic;
        made[i]->rq.name = whole ? "t" : "s";
        hulse_store_submit(&bed.client, &gone[i]->rq);
        hulse_store_submit(&bed.client, &made[i]->rq);
        assert_int_equal(hulse_bed_finish(&bed, made[i]), HULSE_OK);
        assert_int_equal(gone[i]->rq.status, HULSE_OK);
        if (whole) {
            assert_int_not_equal(made[i]->rq.topic, topic);
            topic = made[i]->rq.topic;
            sub = hulse_bed_subscription(&bed, topic, "s", 0);
        } else {
            assert_int_not_equal(made[i]->rq.subscription, sub);
            sub = made[i]->rq.subscription;
        }
        hulse_bed_publish(&bed, topic, i, i + 1, 100);
        hulse_bed_request_free(gone[i]);
        hulse_bed_request_free(made[i]);
    }
    hulse_bed_crash(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(bed.report.topics, 1);
    assert_int_equal(bed.report.subscriptions, 1);
    assert_int_equal(hulse_bed_count(&bed, topic, ROUNDS - 2, ROUNDS), 2);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static bool has_subscription(void *ctx, const struct store_topic_info *topic)
{
    *(uint32_t *)ctx += topic->subscription_count == 1 && topic->next_position == 1 ? 1 : 0;
    return true;
}

/* Made at once, each with a subscription and a message: all are there after a stop, and after a crash. */
static void test_many_topics(void **state)
{
    enum { COUNT = 20000, STEPS = 3, NAME_BYTES = 64 };
    static const enum store_kind kinds[STEPS] = {
        STORE_TOPIC_CREATE, STORE_SUBSCRIPTION_CREATE, STORE_MESSAGE};
    static struct bed_request *all[COUNT];
    static char names[COUNT][NAME_BYTES];
    static uint64_t topics[COUNT];
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    for (unsigned step = 0; step < STEPS; step++) {
        const uint64_t before = bed.done;
        for (uint32_t i = 0; i < COUNT; i++) {
            (void)snprintf(names[i], NAME_BYTES, "persistent://public/default/topic-%06u", i);
            all[i] = hulse_bed_request_new(&bed, kinds[step]);
            all[i]->rq.topic = topics[i];
            if (kinds[step] != STORE_MESSAGE) {
                all[i]->rq.name = kinds[step] == STORE_TOPIC_CREATE ? names[i] : "s";
            }
            hulse_store_submit(&bed.client, &all[i]->rq);
        }
        hulse_store_flush(&bed.client);
        hulse_bed_wait(&bed, before + COUNT);
        for (uint32_t i = 0; i < COUNT; i++) {
            assert_int_equal(all[i]->rq.status, HULSE_OK);
            topics[i] = all[i]->rq.topic;
            hulse_bed_request_free(all[i]);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        uint32_t count = 0;
        if (i == 0) {
            hulse_bed_crash(&bed);
        } else {
            hulse_bed_stop(&bed);
        }
        hulse_bed_open(&bed, true);
        assert_int_equal(bed.report.topics, COUNT);
        hulse_store_each_topic(bed.store, has_subscription, &count);
        assert_int_equal(count, COUNT);
    }
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void test_a_transient_subscription_is_written_nowhere(void **state)
{
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t records = figures(&bed).records;
    const uint64_t groups = figures(&bed).groups;
    struct bed_request *r = hulse_bed_request_new(&bed, STORE_SUBSCRIPTION_CREATE);
    r->rq.topic = topic;
    r->rq.name = "reader";
    r->rq.transient = true;
    assert_int_equal(hulse_bed_do(&bed, r), HULSE_OK);
    assert_int_equal(figures(&bed).records, records);
    assert_int_equal(figures(&bed).groups, groups);
    hulse_bed_crash(&bed);
    hulse_bed_open(&bed, true);
    assert_int_equal(bed.report.topics, 1);
    assert_int_equal(bed.report.subscriptions, 0);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* Lazy ones go with the first that is not; alone they go when their time is over. */
static void test_lazy_requests_wait_for_company(void **state)
{
    struct bed bed;
    struct ranges ranges = {0};

    (void)state;
    hulse_bed_init(&bed);
    bed.params.lazy_ms = 60000;
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    const uint64_t sub = hulse_bed_subscription(&bed, topic, "s", 0);
    const uint64_t groups = figures(&bed).groups;
    struct bed_request *lazy[2];
    assert_true(hulse_ranges_add(&ranges, 0, 5));
    for (size_t i = 0; i < 2; i++) {
        lazy[i] = hulse_bed_request_new(&bed, STORE_ACK);
        lazy[i]->rq.topic = topic;
        lazy[i]->rq.subscription = sub;
        lazy[i]->rq.ranges = &ranges;
        lazy[i]->rq.lazy = true;
        hulse_store_submit(&bed.client, &lazy[i]->rq);
        hulse_store_flush(&bed.client);
        for (unsigned turns = 0; turns < 20; turns++) {
            hulse_bed_turn(&bed);
        }
        assert_int_equal(lazy[i]->order, 0);
    }
    const uint64_t before = bed.done;
    struct bed_request *eager = hulse_bed_message(&bed, topic, 0, 10);
    hulse_store_flush(&bed.client);
    hulse_bed_wait(&bed, before + 3);
    assert_true(lazy[0]->order < lazy[1]->order && lazy[1]->order < eager->order);
    assert_int_equal(figures(&bed).groups, groups + 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(lazy[i]->rq.status, HULSE_OK);
        hulse_bed_request_free(lazy[i]);
    }
    hulse_bed_request_free(eager);
    hulse_bed_stop(&bed);
    /* Alone. */
    bed.params.lazy_ms = 20;
    hulse_bed_open(&bed, true);
    struct bed_request *alone = hulse_bed_request_new(&bed, STORE_ACK);
    alone->rq.topic = topic;
    alone->rq.subscription = sub;
    alone->rq.ranges = &ranges;
    alone->rq.lazy = true;
    assert_int_equal(hulse_bed_do(&bed, alone), HULSE_OK);
    hulse_ranges_clear(&ranges);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* A clock that jumps: the time of a message is data. */
static void test_times_may_be_anything(void **state)
{
    static const uint64_t times[] = {0, UINT64_MAX, 5, UINT64_MAX / 2, 1};
    struct bed bed;
    struct store_read rd;
    struct store_message m;
    size_t at = 0;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        struct bed_request *r = hulse_bed_request_new(&bed, STORE_MESSAGE);
        r->rq.topic = topic;
        r->rq.position = i;
        r->rq.time_ms = times[i];
        assert_int_equal(hulse_bed_do(&bed, r), HULSE_OK);
    }
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    hulse_bed_read(&bed, &rd, topic, 0, COUNT_OF(times));
    assert_int_equal(rd.count, COUNT_OF(times));
    for (size_t i = 0; hulse_store_read_next(&rd, &at, &m); i++) {
        assert_int_equal(m.time_ms, times[i]);
        assert_int_equal(m.epoch, 1);
    }
    hulse_store_read_free(&rd);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* ---- reads ------------------------------------------------------------------------------- */

static void test_reads_keep_their_bounds(void **state)
{
    struct bed bed;
    struct store_read rd = {0};

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t one = hulse_bed_topic(&bed, "one");
    const uint64_t other = hulse_bed_topic(&bed, "other");
    /* Far apart: another topic lies between. */
    hulse_bed_publish(&bed, one, 0, 3, 1000);
    hulse_bed_publish(&bed, other, 0, 300, 10000);
    hulse_bed_publish(&bed, one, 3, 6, 1000);
    hulse_bed_read(&bed, &rd, one, 0, 6);
    assert_int_equal(rd.count, 6);
    assert_int_equal(rd.next, 6);
    hulse_store_read_free(&rd);
    hulse_bed_read(&bed, &rd, one, 4, 5);
    assert_int_equal(rd.count, 1);
    assert_int_equal(rd.next, 5);
    hulse_store_read_free(&rd);
    hulse_bed_read(&bed, &rd, one, 6, 100);
    assert_int_equal(rd.count, 0);
    assert_int_equal(rd.next, 100);
    assert_int_equal(rd.damaged, 0);
    hulse_store_read_free(&rd);
    hulse_bed_read(&bed, &rd, other + 10, 0, 100);
    assert_int_equal(rd.status, HULSE_OK);
    assert_int_equal(rd.count, 0);
    assert_int_equal(rd.next, 100);
    hulse_store_read_free(&rd);
    assert_int_equal(hulse_bed_count(&bed, other, 0, 300), 300);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* ---- two threads ------------------------------------------------------------------------- */

enum { EACH = 3000 };

struct second {
    struct bed bed; /* store and path are the first one's */
    uint64_t topic;
};

static void *publish_beside(void *argument)
{
    struct second *two = argument;

    for (uint64_t i = 0; i < EACH; i += 100) {
        hulse_bed_publish(&two->bed, two->topic, i, i + 100, 200);
        assert_int_equal(hulse_bed_count(&two->bed, two->topic, i, i + 100), 100);
    }
    hulse_store_client_fini(&two->bed.client);
    return NULL;
}

static void test_two_clients_are_answered_each_on_its_thread(void **state)
{
    struct bed bed;
    struct second two = {0};
    pthread_t thread;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "mine");
    two.topic = hulse_bed_topic(&bed, "yours");
    assert_true(hulse_inbox_init(&two.bed.inbox, 64));
    hulse_store_client_init(&two.bed.client, bed.store, &two.bed.inbox);
    assert_int_equal(pthread_create(&thread, NULL, publish_beside, &two), 0);
    for (uint64_t i = 0; i < EACH; i += 50) {
        hulse_bed_publish(&bed, topic, i, i + 50, 200);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    hulse_inbox_fini(&two.bed.inbox);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, EACH), EACH);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

static void test_a_stopped_store_answers_closed(void **state)
{
    struct bed bed;
    struct store_read rd;

    (void)state;
    hulse_bed_init(&bed);
    hulse_bed_open(&bed, false);
    /* What was submitted before the start is served. */
    struct bed_request *early = hulse_bed_request_new(&bed, STORE_TOPIC_CREATE);
    early->rq.name = "early";
    hulse_store_submit(&bed.client, &early->rq);
    hulse_store_flush(&bed.client);
    hulse_bed_start(&bed);
    hulse_bed_wait(&bed, 1);
    assert_int_equal(early->rq.status, HULSE_OK);
    const uint64_t topic = early->rq.topic;
    hulse_bed_request_free(early);
    hulse_store_stop(bed.store);
    struct bed_request *late = hulse_bed_message(&bed, topic, 0, 10);
    hulse_store_flush(&bed.client);
    hulse_bed_wait(&bed, 2);
    assert_int_equal(late->rq.status, HULSE_CLOSED);
    hulse_bed_request_free(late);
    hulse_bed_read(&bed, &rd, topic, 0, 1);
    assert_int_equal(rd.status, HULSE_CLOSED);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

/* ---- a start ----------------------------------------------------------------------------- */

static void test_a_start_with_a_million_messages(void **state)
{
    struct bed bed;

    (void)state;
    hulse_bed_init(&bed);
    bed.params.segment_bytes = UINT32_C(64) << 20;
    bed.params.size_max = UINT64_C(1) << 30;
    hulse_bed_open(&bed, true);
    const uint64_t topic = hulse_bed_topic(&bed, "t");
    assert_int_not_equal(hulse_bed_subscription(&bed, topic, "s", 0), 0);
    for (uint64_t i = 0; i < 1000000; i += 20000) {
        hulse_bed_publish(&bed, topic, i, i + 20000, 100);
    }
    hulse_bed_crash(&bed);
    hulse_bed_open(&bed, true);
    print_message("after a crash: %llu us, %llu records behind the checkpoint\n",
                  (unsigned long long)bed.report.ready_us,
                  (unsigned long long)bed.report.records);
    assert_true(bed.report.records < 1000000);
    assert_int_equal(hulse_bed_count(&bed, topic, 999000, 1000000), 1000);
    hulse_bed_stop(&bed);
    hulse_bed_open(&bed, true);
    print_message("after a stop: %llu us\n", (unsigned long long)bed.report.ready_us);
    assert_true(bed.report.clean);
    assert_int_equal(hulse_bed_count(&bed, topic, 0, 1000), 1000);
    hulse_bed_stop(&bed);
    hulse_bed_fini(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_topics_and_bad_records_are_refused),
        cmocka_unit_test(test_what_is_created_twice_is_one),
        cmocka_unit_test(test_a_name_is_free_for_who_comes_behind_its_end),
        cmocka_unit_test(test_many_topics),
        cmocka_unit_test(test_a_transient_subscription_is_written_nowhere),
        cmocka_unit_test(test_lazy_requests_wait_for_company),
        cmocka_unit_test(test_times_may_be_anything),
        cmocka_unit_test(test_reads_keep_their_bounds),
        cmocka_unit_test(test_two_clients_are_answered_each_on_its_thread),
        cmocka_unit_test(test_a_stopped_store_answers_closed),
        cmocka_unit_test(test_a_start_with_a_million_messages),
    };

    return cmocka_run_group_tests_name("requests", tests, NULL, NULL);
}
