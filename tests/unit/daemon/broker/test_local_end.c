/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   consumers that close, workers that stop, unused topics: nothing is lost or doubled, and
 *         everything is freed.
 * Method: conservation: each message is acknowledged exactly once, or counted as dropped. The bed
 *         checks at its end that no memory is left.
 */
#include "daemon/broker/local/internal.h"
#include "tests/unit/daemon/broker/bed.h"
#include "tests/unit/daemon/broker/bed_ask.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct bed bed;
static char topic[128];

static hulse_status
open_sub(struct bed_sub *sub, uint32_t worker, const char *name, enum broker_subscription type)
{
    const struct bed_where where = {
        .worker = worker, .topic = topic, .subscription = name, .type = type};
    return hulse_sub_open(&bed, sub, &where);
}

static struct topic_report report(void)
{
    struct topic_report r;
    memset(&r, 0, sizeof(r));
    (void)hulse_bed_report(&bed, topic, &r);
    return r;
}

struct half {
    struct bed_sub *sub;
    uint32_t acked;
    bool in_order;
};

/* The first half of what it has, so that the next consumer goes on where this one stopped. */
static void ack_half(void *arg)
{
    struct half *h = arg;
    struct bed_sub *sub = h->sub;
    const uint32_t part = sub->count == 1 ? 1 : sub->count / 2;
    for (uint32_t i = 0; i < part; i++) {
        struct bed_message *m = &sub->messages[i];
        h->in_order &= m->at.entry == h->acked && m->redelivery == 0;
        bed.broker->ops->ack(sub->consumer, m->d);
        m->d = NULL;
        h->acked += 1;
    }
}

/* A consumer closes with messages in its hands and on the way; the next one gets them in order. */
static void closes_midway(uint32_t workers)
{
    struct bed_pub pub = {.id = 0};
    struct bed_sub sub;
    struct half half = {.sub = &sub, .in_order = true};
    hulse_bed_start(&bed, workers, NULL);
    hulse_bed_topic(&bed, 0, "midway", topic, sizeof(topic));
    assert_int_equal(open_sub(&sub, workers - 1, "s", BROKER_EXCLUSIVE), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, workers > 1 ? 1 : 0, topic), HULSE_OK);
    hulse_pub_send(&pub, 2000, 16);
    hulse_pub_wait(&pub);
    for (uint32_t round = 0; half.acked < 2000; round++) {
        hulse_sub_permit(&sub, 1 + round * 7 % 400);
        if (round % 3 != 0) {
            hulse_sub_wait(&sub, 1);
        }
        hulse_bed_on(&bed, workers - 1, ack_half, &half);
        assert_true(half.in_order);
        hulse_sub_close(&sub, false);
        assert_int_equal(open_sub(&sub, workers - 1, "s", BROKER_EXCLUSIVE), HULSE_OK);
    }
    while (report().acknowledged != 2000) {
    }
    assert_int_equal(report().backlog, 0);
    assert_int_equal(report().dropped, 0);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
    hulse_bed_stop(&bed);
}

static void test_close_gives_back_in_order(void **state)
{
    (void)state;
    closes_midway(1);
    closes_midway(2);
    closes_midway(3);
}

static bool gone(void *arg)
{
    (void)arg;
    return report().published == 0 && report().subscriptions == 0;
}

static void test_unused_topics_are_removed(void **state)
{
    (void)state;
    struct local_params params;
    struct bed_pub pub = {.id = 0};
    struct bed_sub sub;
    struct topic_report r;
    hulse_local_params_default(&params);
    params.unused_ms = 20;
    for (uint32_t workers = 1; workers <= 3; workers += 2) {
        hulse_bed_start(&bed, workers, &params);
        hulse_bed_topic(&bed, 0, "unused", topic, sizeof(topic));
        assert_int_equal(hulse_pub_open(&bed, &pub, workers - 1, topic), HULSE_OK);
        assert_int_equal(open_sub(&sub, workers - 1, "s", BROKER_SHARED), HULSE_OK);
        hulse_pub_send(&pub, 3, 8);
        hulse_pub_wait(&pub);
        hulse_sub_close(&sub, false);
        assert_int_equal(open_sub(&sub, workers - 1, "empty", BROKER_SHARED), HULSE_OK);
        hulse_sub_close(&sub, false);
        /* The subscription without messages goes; the one with messages and the topic stay. */
        do {
            assert_true(hulse_bed_report(&bed, topic, &r));
        } while (r.subscriptions != 1);
        assert_int_equal(r.backlog, 3);
        hulse_pub_close(&pub);
        const struct timespec longer = {.tv_nsec = 60000000};
        nanosleep(&longer, NULL);
        assert_int_equal(report().backlog, 3); /* kept by what waits in it */
        assert_int_equal(open_sub(&sub, workers - 1, "s", BROKER_SHARED), HULSE_OK);
        hulse_sub_permit(&sub, 3);
        hulse_sub_wait(&sub, 3);
        hulse_sub_ack_all(&sub);
        hulse_sub_close(&sub, false);
        while (!gone(NULL)) {
        }
        /* A new one of that name begins anew. */
        assert_int_equal(hulse_pub_open(&bed, &pub, workers - 1, topic), HULSE_OK);
        hulse_pub_send(&pub, 1, 8);
        hulse_pub_wait(&pub);
        assert_int_equal(pub.last_id.entry, 0);
        hulse_pub_close(&pub);
        hulse_bed_stop(&bed);
    }
}

struct crossing {
    struct bed_sub *sub;
    bool overtakes; /* the close is posted before the deliveries are run */
    sem_t standing;
    sem_t delivered; /* the topic's worker has posted what this one has not yet run */
    sem_t closed;
    sem_t reopened;
};

static void stand(sem_t *sem)
{
    while (sem_wait(sem) != 0) {
    }
}

/* On the consumer's worker: all in one turn, with deliveries for it in the inbox. */
static void close_over_delivery(void *arg)
{
    struct crossing *x = arg;
    sem_post(&x->standing);
    stand(&x->delivered);
    bed.broker->ops->consumer_close(x->sub->consumer, false);
    x->sub->consumer = NULL;
    if (x->overtakes) {
        hulse_lanes_flush(hulse_worker_state(bed.workers[1], &hulse_local_module, NULL));
        sem_post(&x->closed);
        stand(&x->reopened);
    } else {
        sem_post(&x->closed);
    }
}

/* On the topic's worker: the turn that handed out has ended, and posted. */
static bool is_posted(void *arg)
{
    (void)arg;
    const struct local_worker *lw = hulse_worker_state(bed.workers[0], &hulse_local_module, NULL);
    return lw->lanes[1].in_flight == 1 && hulse_link_empty(&lw->lanes[1].ops);
}

static void *carry(void *arg)
{
    hulse_bed_on(&bed, 1, close_over_delivery, arg);
    return NULL;
}

/* A close meets messages on their way; who comes next has them first, waiting for them if need be. */
static void reopened_over_a_delivery(bool overtakes)
{
    struct bed_pub pub = {.id = 0};
    struct bed_sub old;
    struct bed_sub young;
    struct crossing x = {.sub = &old, .overtakes = overtakes};
    sem_t *const sems[] = {&x.standing, &x.delivered, &x.closed, &x.reopened};
    pthread_t thread;
    hulse_bed_start(&bed, 3, NULL);
    hulse_bed_topic(&bed, 0, "crossing", topic, sizeof(topic));
    assert_int_equal(open_sub(&old, 1, "s", BROKER_EXCLUSIVE), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    hulse_sub_permit(&old, 100);
    hulse_pub_send(&pub, 1, 8);
    hulse_sub_wait(&old, 1); /* the permits have arrived */
    for (size_t i = 0; i < 4; i++) {
        sem_init(sems[i], 0, 0);
    }
    assert_int_equal(pthread_create(&thread, NULL, carry, &x), 0);
    stand(&x.standing);
    hulse_pub_send(&pub, 10, 8);
    hulse_bed_until(&bed, 0, is_posted, NULL);
    assert_int_equal(report().delivered, 1); /* nobody has looked at the others */
    sem_post(&x.delivered);
    stand(&x.closed);
    while (report().consumers != 0) {
    }
    assert_int_equal(open_sub(&young, 2, "s", BROKER_EXCLUSIVE), HULSE_OK);
    hulse_sub_permit(&young, 100);
    hulse_sub_ack_all(&young); /* the turn of the permits has ended */
    hulse_pub_send(&pub, 1, 8);
    const struct timespec nap = {.tv_nsec = 10000000};
    nanosleep(&nap, NULL);
    assert_true(!overtakes || hulse_sub_count(&young) == 0);
    sem_post(&x.reopened);
    pthread_join(thread, NULL);
    hulse_sub_wait(&young, 12);
    for (uint32_t i = 0; i < 12; i++) {
        assert_int_equal(young.messages[i].at.entry, i);
        assert_int_equal(young.messages[i].redelivery, 0);
    }
    hulse_sub_close(&old, false);
    hulse_sub_close(&young, true);
    hulse_pub_close(&pub);
    for (size_t i = 0; i < 4; i++) {
        sem_destroy(sems[i]);
    }
    hulse_bed_stop(&bed);
}

static void test_reopened_over_a_delivery(void **state)
{
    (void)state;
    reopened_over_a_delivery(true);
    reopened_over_a_delivery(false);
}

/* Front ends that close right after they began to open, or with records under way. */
static void close_early(void *arg)
{
    struct bed_pub *pub = arg;
    struct error err = {0};
    static const struct broker_producer_events silent = {0};
    static const struct broker_consumer_events mute = {0};
    const struct broker_ops *ops = bed.broker->ops;
    const struct broker_producer_params pp = {
        .topic = topic, .name = "", .events = &silent, .create = true};
    const struct broker_consumer_params cp = {.topic = topic,
                                              .subscription = "early",
                                              .name = "",
                                              .type = BROKER_EXCLUSIVE,
                                              .events = &mute,
                                              .create = true};
    struct broker_producer *p = NULL;
    struct broker_consumer *c = NULL;
    assert_int_equal(ops->producer_open(bed.broker, bed.workers[1], &pp, &p, &err), HULSE_OK);
    ops->producer_close(p, false);
    for (unsigned i = 0; i < 2; i++) { /* the second is refused and hears nothing of it */
        assert_int_equal(ops->consumer_open(bed.broker, bed.workers[1], &cp, &c, &err), HULSE_OK);
        ops->consumer_close(c, true);
    }
    uint64_t payload = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        const struct broker_record r = {.payload = {(const uint8_t *)&payload, 8}};
        ops->send(pub->producer, &r);
    }
    ops->producer_close(pub->producer, false);
}

static void test_close_before_the_answer(void **state)
{
    (void)state;
    struct bed_pub pub = {.id = 0};
    hulse_bed_start(&bed, 2, NULL);
    hulse_bed_topic(&bed, 0, "early", topic, sizeof(topic));
    assert_int_equal(hulse_pub_open(&bed, &pub, 1, topic), HULSE_OK);
    hulse_bed_on(&bed, 1, close_early, &pub);
    while (report().published != 1000 || report().producers != 0 || report().consumers != 0) {
    }
    assert_int_equal(pub.answered, 0); /* no event after close */
    assert_int_equal(report().subscriptions, 0);
    hulse_bed_stop(&bed);
}

/* The topic's worker stops while others hold messages of it. */
static void test_owner_stops_first(void **state)
{
    (void)state;
    struct bed_pub pub = {.id = 0};
    struct bed_sub sub;
    hulse_bed_start(&bed, 3, NULL);
    hulse_bed_topic(&bed, 0, "owner", topic, sizeof(topic));
    assert_int_equal(hulse_pub_open(&bed, &pub, 1, topic), HULSE_OK);
    assert_int_equal(open_sub(&sub, 2, "s", BROKER_SHARED), HULSE_OK);
    hulse_sub_permit(&sub, 50);
    hulse_pub_send(&pub, 100, 64);
    hulse_pub_wait(&pub);
    hulse_sub_wait(&sub, 50);
    hulse_pub_send(&pub, 1000, 64); /* some of it under way */
    hulse_bed_stop_one(&bed, 0);
    hulse_pub_wait_failed(&pub);
    hulse_sub_wait_failed(&sub);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.stored + pub.outcomes[HULSE_OUTCOME_FAILED_NOT_SENT], 1100);
    hulse_pub_send(&pub, 1, 64);
    assert_int_equal(pub.answered, 1101);
    assert_int_equal(pub.stored + pub.outcomes[HULSE_OUTCOME_FAILED_NOT_SENT], 1101);
    /* What it holds is still there to be read. */
    for (uint32_t i = 0; i < 50; i++) {
        uint32_t head[2];
        memcpy(head, sub.messages[i].d->payload.data, sizeof(head));
        assert_int_equal(head[1], i);
    }
    hulse_sub_ack(&sub, 3);
    hulse_sub_nack(&sub, 4, 100);
    hulse_sub_permit(&sub, 1);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
    /* Opening it again says so. */
    assert_int_equal(hulse_pub_open(&bed, &pub, 1, topic), HULSE_CLOSED);
    assert_int_equal(open_sub(&sub, 2, "s", BROKER_SHARED), HULSE_CLOSED);
    hulse_bed_stop(&bed);
}

/* Front ends close in the same breath as the topic's worker stops. */
static void test_close_races_stop(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        struct bed_pub pub = {.id = 0};
        struct bed_sub sub;
        hulse_bed_start(&bed, 3, NULL);
        hulse_bed_topic(&bed, 1, "race", topic, sizeof(topic));
        assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
        assert_int_equal(open_sub(&sub, 2, "s", BROKER_SHARED), HULSE_OK);
        hulse_sub_permit(&sub, 500);
        hulse_pub_send(&pub, 1000, 64);
        if (round % 2 == 0) {
            hulse_pub_close(&pub);
            hulse_sub_close(&sub, round % 4 == 0);
            hulse_bed_stop_one(&bed, 1);
        } else {
            hulse_bed_stop_one(&bed, 1);
            hulse_pub_close(&pub);
            hulse_sub_close(&sub, false);
        }
        hulse_bed_stop(&bed);
    }
}

/* Who asks is answered whatever becomes of the worker that would know. */
static void test_requests_at_the_end(void **state)
{
    struct broker_topic_info info;
    struct bed_stats stats;
    struct bed_names names;
    struct bed_sub sub;
    struct broker_admin all = {.command = BROKER_ADMIN_TOPICS, .namespace_name = ""};
    (void)state;
    hulse_bed_start(&bed, 2, NULL);
    hulse_bed_topic(&bed, 0, "asked", topic, sizeof(topic));
    assert_int_equal(hulse_bed_create(&bed, topic), HULSE_OK);
    assert_int_equal(open_sub(&sub, 1, "s", BROKER_SHARED), HULSE_OK);
    hulse_bed_stop_one(&bed, 0);
    assert_int_equal(hulse_bed_lookup(&bed, 1, topic, false, &info), HULSE_CLOSED);
    assert_int_equal(hulse_bed_lookup(&bed, BED_CONTROL, topic, false, &info), HULSE_CLOSED);
    assert_int_equal(hulse_bed_stats(&bed, BED_CONTROL, topic, &stats), HULSE_CLOSED);
    assert_int_equal(hulse_bed_delete(&bed, topic, true), HULSE_CLOSED);
    assert_int_equal(hulse_bed_admin(&bed, &all, &names), HULSE_CLOSED);
    hulse_sub_wait_failed(&sub);
    assert_int_equal(hulse_sub_last_message_id(&sub), HULSE_CLOSED);
    assert_int_equal(hulse_sub_unsubscribe(&sub), HULSE_CLOSED);
    hulse_sub_close(&sub, false);
    hulse_bed_stop(&bed);
}

/* A deleted topic, somebody still has it open, when the daemon ends. */
static void test_deleted_at_the_end(void **state)
{
    (void)state;
    for (uint32_t first = 0; first < 2; first++) {
        struct bed_pub pub = {.id = 0};
        struct bed_sub sub;
        hulse_bed_start(&bed, 2, NULL);
        hulse_bed_topic(&bed, 0, "deleted", topic, sizeof(topic));
        assert_int_equal(hulse_pub_open(&bed, &pub, 1, topic), HULSE_OK);
        assert_int_equal(open_sub(&sub, 1, "s", BROKER_SHARED), HULSE_OK);
        hulse_sub_permit(&sub, 2);
        hulse_pub_send(&pub, 5, 64);
        hulse_sub_wait(&sub, 2);
        assert_int_equal(hulse_bed_delete(&bed, topic, true), HULSE_OK);
        hulse_pub_wait_failed(&pub);
        hulse_sub_wait_failed(&sub);
        if (first == 0) {
            hulse_bed_stop_one(&bed, 0); /* heard once is enough */
        }
        hulse_sub_ack(&sub, 0);
        hulse_sub_close(&sub, false);
        hulse_pub_close(&pub);
        hulse_bed_stop(&bed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_gives_back_in_order),
        cmocka_unit_test(test_reopened_over_a_delivery),
        cmocka_unit_test(test_unused_topics_are_removed),
        cmocka_unit_test(test_close_before_the_answer),
        cmocka_unit_test(test_owner_stops_first),
        cmocka_unit_test(test_close_races_stop),
        cmocka_unit_test(test_requests_at_the_end),
        cmocka_unit_test(test_deleted_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
