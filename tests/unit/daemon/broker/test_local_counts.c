/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what the local broker says of its messages is so at once: delivered, acknowledged, dropped,
 *         expired; and ending many of them does not stop the worker.
 * Method: figures right after the call, where memory and time make the case.
 */
#include "daemon/broker/local/internal.h"
#include "tests/unit/daemon/broker/bed.h"
#include "tests/unit/daemon/broker/bed_ask.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"

#include <string.h>
#include <time.h>

static struct bed bed;
static struct bed_pub pub;
static struct bed_sub sub;
static char topic[128];

static void nap_ms(unsigned ms)
{
    const struct timespec nap = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&nap, NULL);
}

static struct topic_report report(void)
{
    struct topic_report r;
    memset(&r, 0, sizeof(r));
    (void)hulse_bed_report(&bed, topic, &r);
    return r;
}

/* The topic and the producer are on worker 0. */
static void start(const struct bed_where *where, const struct local_params *params)
{
    struct bed_where there = *where;
    hulse_bed_start(&bed, 2, params);
    hulse_bed_topic(&bed, 0, "counts", topic, sizeof(topic));
    there.topic = topic;
    there.subscription = where->type == BROKER_READER ? "" : "s";
    assert_int_equal(hulse_sub_open(&bed, &sub, &there), HULSE_OK);
    pub = (struct bed_pub){.id = 0};
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
}

static void finish(void)
{
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
    hulse_bed_stop(&bed);
}

static void send_ttl(uint32_t count, uint64_t ttl_ms)
{
    const struct broker_meta meta = {.partition = -1, .ttl_ms = ttl_ms};
    for (uint32_t i = 0; i < count; i++) {
        hulse_pub_send_meta(&pub, &meta);
    }
}

/* ---- permits ---- */

static void permit_too_many(void *arg)
{
    (void)arg;
    /* The first travels at once, the others gather while it is on its way. */
    bed.broker->ops->permit(sub.consumer, UINT32_MAX);
    bed.broker->ops->permit(sub.consumer, 1);
}

static void test_permits_end_at_their_maximum(void **state)
{
    (void)state;
    for (uint32_t worker = 0; worker < 2; worker++) {
        struct bed_blocker blocker;
        start(&(struct bed_where){.worker = worker, .type = BROKER_EXCLUSIVE}, NULL);
        sub.permits = UINT64_MAX;
        hulse_bed_on(&bed, worker, permit_too_many, NULL);
        if (worker != 0) {
            hulse_bed_block(&bed, 0, &blocker);
            hulse_bed_on(&bed, worker, permit_too_many, NULL);
            hulse_bed_on(&bed, worker, permit_too_many, NULL);
            hulse_bed_release(&blocker);
        }
        hulse_pub_send(&pub, 5, 8);
        hulse_sub_wait(&sub, 5);
        finish();
    }
}

/* ---- time to live ---- */

static void test_the_expired_make_room(void **state)
{
    (void)state;
    struct local_params params;
    hulse_local_params_default(&params);
    params.subscription_messages_max = 10;
    start(&(struct bed_where){.type = BROKER_SHARED}, &params);
    hulse_sub_permit(&sub, 2);
    send_ttl(10, 20);
    hulse_sub_nack(&sub, 0, 0);
    hulse_sub_nack(&sub, 1, 600000);
    nap_ms(50);
    hulse_pub_send(&pub, 10, 8);
    assert_int_equal(report().dropped, 10);
    assert_int_equal(report().backlog, 10);
    hulse_sub_permit(&sub, 20);
    hulse_sub_wait(&sub, 12);
    assert_int_equal(sub.messages[2].number, 10);
    finish();
}

static bool backlog_is_gone(void *arg)
{
    return report().backlog == *(const uint64_t *)arg;
}

/* Nobody asks for them, and they go all the same; then so does the topic. */
static void test_the_expired_go_by_themselves(void **state)
{
    (void)state;
    struct local_params params;
    struct bed_stats stats;
    uint64_t rest = 0;
    hulse_local_params_default(&params);
    params.unused_ms = 20;
    start(&(struct bed_where){.type = BROKER_SHARED}, &params);
    hulse_sub_permit(&sub, 3);
    send_ttl(3, 20);
    hulse_sub_nack(&sub, 0, 0);
    hulse_sub_nack(&sub, 1, 600000);
    send_ttl(2000, 30); /* more than one portion */
    hulse_sub_close(&sub, false);
    while (!backlog_is_gone(&rest)) {
        nap_ms(20);
    }
    assert_int_equal(report().dropped, 2003);
    hulse_pub_close(&pub);
    while (hulse_bed_stats(&bed, 0, topic, &stats) != HULSE_NO_TOPIC) {
        nap_ms(20);
    }
    hulse_bed_stop(&bed);
}

/* ---- figures ---- */

static void test_cumulative_ends_what_is_delayed(void **state)
{
    (void)state;
    for (uint32_t worker = 0; worker < 2; worker++) {
        struct bed_stats stats;
        start(&(struct bed_where){.worker = worker, .type = BROKER_EXCLUSIVE}, NULL);
        hulse_sub_permit(&sub, 6);
        hulse_pub_send(&pub, 6, 8);
        hulse_sub_wait(&sub, 6);
        hulse_sub_nack(&sub, 0, 600000);
        hulse_sub_nack(&sub, 2, 500000);
        hulse_sub_nack(&sub, 5, 700000);
        hulse_sub_ack_cumulative(&sub, 4);
        assert_int_equal(hulse_bed_stats(&bed, worker, topic, &stats), HULSE_OK);
        assert_int_equal(stats.total.acknowledged, 5);
        assert_int_equal(stats.total.backlog, 1);
        assert_int_equal(stats.subscriptions[0].delayed, 1);
        struct broker_admin q = {.command = BROKER_ADMIN_TRUNCATE, .topic = topic};
        assert_int_equal(hulse_bed_admin(&bed, &q, NULL), HULSE_OK);
        q.command = BROKER_ADMIN_TERMINATE;
        assert_int_equal(hulse_bed_admin(&bed, &q, NULL), HULSE_OK);
        hulse_sub_wait_end_of_topic(&sub);
        finish();
    }
}

/* What never reached an app was not delivered, and comes for the first time when it does. */
static void test_delivered_is_what_somebody_saw(void **state)
{
    (void)state;
    struct bed_stats stats;
    start(&(struct bed_where){.worker = 1, .type = BROKER_EXCLUSIVE}, NULL);
    hulse_pub_send(&pub, 5, 64);
    hulse_mem_init(hulse_mem_total());
    const uint64_t before = hulse_mem_refused();
    hulse_sub_permit(&sub, 20);
    while (hulse_mem_refused() < before + 30) {
    }
    hulse_mem_init(SIZE_MAX);
    hulse_sub_wait(&sub, 5);
    hulse_sub_nack(&sub, 0, 0);
    hulse_sub_wait(&sub, 6);
    assert_int_equal(hulse_bed_stats(&bed, 1, topic, &stats), HULSE_OK);
    assert_int_equal(stats.total.delivered, 6);
    assert_int_equal(stats.total.redelivered, 1);
    finish();
}

static struct inbox_node closing;

static void close_there(struct inbox_node *node)
{
    (void)node;
    sub.closed = true;
    bed.broker->ops->consumer_close(sub.consumer, false);
    sub.consumer = NULL;
}

/* On the way to a consumer that closes before it looks. */
static void test_what_a_close_overtakes_is_not_delivered(void **state)
{
    (void)state;
    struct bed_blocker blocker;
    start(&(struct bed_where){.worker = 1, .type = BROKER_EXCLUSIVE}, NULL);
    hulse_sub_permit(&sub, 5);
    struct bed_stats stats;
    assert_int_equal(hulse_bed_stats(&bed, 1, topic, &stats), HULSE_OK); /* they have arrived */
    hulse_bed_block(&bed, 1, &blocker);
    closing = (struct inbox_node){.run = close_there};
    hulse_worker_answer(bed.workers[1], &closing);
    hulse_pub_send(&pub, 1, 8); /* its delivery is behind the close in the inbox */
    hulse_bed_release(&blocker);
    while (report().consumers != 0) {
    }
    assert_int_equal(report().delivered, 0);
    const struct bed_where again = {.topic = topic, .subscription = "s", .type = BROKER_EXCLUSIVE};
    assert_int_equal(hulse_sub_open(&bed, &sub, &again), HULSE_OK);
    hulse_sub_permit(&sub, 5);
    hulse_sub_wait(&sub, 1);
    assert_int_equal(report().delivered, 1);
    assert_int_equal(report().redelivered, 0);
    finish();
}

/* ---- results of orders ---- */

static void test_a_failed_order_has_no_results(void **state)
{
    (void)state;
    char here[128];
    hulse_bed_start(&bed, 2, NULL);
    hulse_bed_topic(&bed, 0, "names", here, sizeof(here));
    assert_int_equal(hulse_bed_create(&bed, here), HULSE_OK);
    struct broker_admin q = {.command = BROKER_ADMIN_TOPICS,
                             .namespace_name = "",
                             .has_last = true,
                             .last = {.entry = 7}};
    hulse_bed_stop_one(&bed, 1);
    assert_int_equal(hulse_bed_admin(&bed, &q, NULL), HULSE_CLOSED);
    assert_int_equal(q.name_count, 0);
    assert_null(q.names);
    assert_false(q.has_last);
    q.command = BROKER_ADMIN_SET_POLICY;
    q.has_last = true;
    q.name_count = 1;
    assert_int_equal(hulse_bed_admin(&bed, &q, NULL), HULSE_UNSUPPORTED);
    assert_false(q.has_last);
    assert_int_equal(q.name_count, 0);
    hulse_bed_stop(&bed);
}

static void test_a_failed_terminate_has_no_last(void **state)
{
    (void)state;
    start(&(struct bed_where){.type = BROKER_SHARED}, NULL);
    hulse_pub_send(&pub, 3, 8);
    struct broker_admin q = {.command = BROKER_ADMIN_TERMINATE, .topic = topic};
    /* Room for the order itself, none for telling the other worker. */
    for (size_t room = 0; room < 4096; room += 8) {
        q.has_last = true;
        hulse_mem_init(hulse_mem_total() + room);
        const hulse_status st = hulse_bed_admin(&bed, &q, NULL);
        hulse_mem_init(SIZE_MAX);
        if (st == HULSE_OK) {
            break;
        }
        assert_int_equal(st, HULSE_NO_MEMORY);
        assert_false(q.has_last);
    }
    assert_true(q.has_last);
    assert_int_equal(q.last.entry, 2);
    finish();
}

/* ---- portions ---- */

#define MANY 20000U

struct ending {
    bool unsubscribe;
    uint64_t backlog;
    size_t bytes;
};

static uint64_t backlog_here(void)
{
    struct worker_report r;
    memset(&r, 0, sizeof(r));
    hulse_worker_report(bed.workers[0], &r);
    const uint64_t backlog = r.topics[0].backlog;
    hulse_report_fini(&r);
    return backlog;
}

static void close_and_look(void *arg)
{
    struct ending *e = arg;
    sub.closed = true;
    bed.broker->ops->consumer_close(sub.consumer, e->unsubscribe);
    sub.consumer = NULL;
    e->backlog = backlog_here();
    e->bytes = hulse_mem_used(HULSE_MEM_MESSAGE);
}

/* A reader's or a subscription's messages are out of the figures at once, and freed in portions. */
static void test_many_are_dropped_in_portions(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        struct ending e = {.unsubscribe = round == 1};
        start(&(struct bed_where){.type = round == 0 ? BROKER_READER : BROKER_SHARED}, NULL);
        hulse_sub_permit(&sub, MANY / 2);
        hulse_pub_send(&pub, MANY, 8);
        for (uint32_t i = 0; i < 1000; i++) {
            hulse_sub_nack(&sub, i, i % 2 * 600000);
        }
        hulse_bed_on(&bed, 0, close_and_look, &e);
        assert_int_equal(e.backlog, 0);
        assert_true(e.bytes > (size_t)MANY / 4 * sizeof(struct message));
        assert_int_equal(report().dropped, MANY);
        while (hulse_mem_used(HULSE_MEM_MESSAGE) > 1000 * sizeof(struct message)) {
        }
        finish();
    }
}

static void permit_and_look(void *arg)
{
    uint64_t *backlog = arg;
    sub.permits += 1;
    bed.broker->ops->permit(sub.consumer, 1);
    *backlog = backlog_here();
}

static void test_expired_are_passed_in_portions(void **state)
{
    (void)state;
    uint64_t backlog = 0;
    start(&(struct bed_where){.type = BROKER_SHARED}, NULL);
    send_ttl(2000, 1);
    nap_ms(5);
    hulse_pub_send(&pub, 1, 8);
    hulse_bed_on(&bed, 0, permit_and_look, &backlog);
    assert_true(backlog > 2001 - 2 * LOCAL_DISPATCH_MAX);
    hulse_sub_wait(&sub, 1);
    assert_int_equal(report().dropped, 2000);
    finish();
}

/* ---- subscriptions ---- */

static void test_unsubscribing_close_beside_others(void **state)
{
    (void)state;
    for (uint32_t worker = 0; worker < 2; worker++) {
        struct bed_sub other;
        start(&(struct bed_where){.worker = worker, .type = BROKER_SHARED}, NULL);
        const struct bed_where there = {
            .worker = worker, .topic = topic, .subscription = "s", .type = BROKER_SHARED};
        assert_int_equal(hulse_sub_open(&bed, &other, &there), HULSE_OK);
        hulse_pub_send(&pub, 5, 8);
        hulse_sub_close(&sub, true);
        hulse_sub_permit(&other, 5);
        hulse_sub_wait(&other, 5);
        assert_true(hulse_bed_has_subscription(&bed, topic, "s"));
        hulse_sub_ack_all(&other);
        hulse_sub_close(&other, true);
        while (report().subscriptions != 0) {
        }
        assert_int_equal(report().acknowledged, 5);
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_permits_end_at_their_maximum),
        cmocka_unit_test(test_the_expired_make_room),
        cmocka_unit_test(test_the_expired_go_by_themselves),
        cmocka_unit_test(test_cumulative_ends_what_is_delayed),
        cmocka_unit_test(test_delivered_is_what_somebody_saw),
        cmocka_unit_test(test_what_a_close_overtakes_is_not_delivered),
        cmocka_unit_test(test_a_failed_order_has_no_results),
        cmocka_unit_test(test_a_failed_terminate_has_no_last),
        cmocka_unit_test(test_many_are_dropped_in_portions),
        cmocka_unit_test(test_expired_are_passed_in_portions),
        cmocka_unit_test(test_unsubscribing_close_beside_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
