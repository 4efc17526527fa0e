/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   every bound of the local broker is reached as a status, an outcome or a counted drop.
 * Method: small bounds; each with one below, at and above it.
 */
#include "daemon/broker/local/internal.h"
#include "tests/unit/daemon/broker/bed.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"

#include <stdio.h>
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

static void test_messages_of_a_subscription(void **state)
{
    (void)state;
    struct local_params params;
    struct bed_pub pub = {.id = 0};
    struct bed_sub slow;
    struct bed_sub quick;
    hulse_local_params_default(&params);
    params.subscription_messages_max = 10;
    hulse_bed_start(&bed, 1, &params);
    hulse_bed_topic(&bed, 0, "count", topic, sizeof(topic));
    assert_int_equal(open_sub(&slow, 0, "slow", BROKER_SHARED), HULSE_OK);
    assert_int_equal(open_sub(&quick, 0, "quick", BROKER_SHARED), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    quick.ack_at_once = true;
    hulse_sub_permit(&quick, 1);
    hulse_sub_permit(&slow, 5);
    hulse_pub_send(&pub, 10, 8);
    assert_int_equal(report().dropped, 0);
    hulse_pub_send(&pub, 3, 8);
    hulse_sub_wait(&quick, 13);
    assert_int_equal(pub.stored, 13); /* somebody else's slowness is no failure to publish */
    assert_int_equal(report().dropped, 3);
    assert_int_equal(report().backlog, 10);
    hulse_sub_ack(&slow, 0);
    hulse_pub_send(&pub, 2, 8);
    assert_int_equal(report().dropped, 4);
    assert_int_equal(report().backlog, 10);
    hulse_sub_close(&slow, false);
    hulse_sub_close(&quick, false);
    hulse_pub_close(&pub);
    hulse_bed_stop(&bed);
}

static void test_bytes_of_a_subscription(void **state)
{
    (void)state;
    struct local_params params;
    struct bed_pub pub = {.id = 12};
    struct bed_sub sub;
    hulse_local_params_default(&params);
    /* Three messages of 1000 bytes of a producer "p12", to the byte. */
    params.subscription_bytes_max = 3 * (sizeof(struct message) + 1000 + 3);
    hulse_bed_start(&bed, 1, &params);
    hulse_bed_topic(&bed, 0, "bytes", topic, sizeof(topic));
    assert_int_equal(open_sub(&sub, 0, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    hulse_pub_send(&pub, 3, 1000);
    assert_int_equal(report().dropped, 0);
    hulse_pub_send(&pub, 1, 8);
    assert_int_equal(report().dropped, 1);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
    hulse_bed_stop(&bed);
}

static void test_counts_of_objects(void **state)
{
    (void)state;
    struct local_params params;
    struct bed_pub pubs[4] = {{.id = 0}};
    struct bed_sub subs[4];
    char names[3][128];
    hulse_local_params_default(&params);
    params.topics_max = 2;
    params.subscriptions_max = 2;
    params.consumers_max = 2;
    for (uint32_t workers = 1; workers <= 3; workers += 2) {
        hulse_bed_start(&bed, workers, &params);
        for (unsigned i = 0; i < 3; i++) {
            char stem[8];
            (void)snprintf(stem, sizeof(stem), "n%u", i);
            hulse_bed_topic(&bed, i % workers, stem, names[i], sizeof(names[i]));
        }
        assert_int_equal(hulse_pub_open(&bed, &pubs[0], 0, names[0]), HULSE_OK);
        assert_int_equal(hulse_pub_open(&bed, &pubs[1], 0, names[1]), HULSE_OK);
        assert_int_equal(hulse_pub_open(&bed, &pubs[2], 0, names[2]), HULSE_LIMIT);
        assert_int_equal(hulse_pub_open(&bed, &pubs[2], 0, names[1]), HULSE_OK);
        memcpy(topic, names[0], sizeof(topic));
        assert_int_equal(open_sub(&subs[0], 0, "a", BROKER_SHARED), HULSE_OK);
        assert_int_equal(open_sub(&subs[1], 0, "a", BROKER_SHARED), HULSE_OK);
        assert_int_equal(open_sub(&subs[2], 0, "a", BROKER_SHARED), HULSE_LIMIT);
        assert_int_equal(open_sub(&subs[2], 0, "", BROKER_READER), HULSE_OK);
        assert_int_equal(open_sub(&subs[3], 0, "c", BROKER_SHARED), HULSE_LIMIT);
        hulse_sub_close(&subs[2], false);
        assert_int_equal(open_sub(&subs[3], 0, "c", BROKER_SHARED), HULSE_OK);
        hulse_sub_close(&subs[0], false);
        hulse_sub_close(&subs[1], false);
        hulse_sub_close(&subs[3], false);
        for (unsigned i = 0; i < 3; i++) {
            hulse_pub_close(&pubs[i]);
        }
        hulse_bed_stop(&bed);
    }
}

/* The cap refuses a publish, a subscription and a topic; what was there goes on. */
static void memory_cap(uint32_t workers)
{
    struct bed_pub pub = {.id = 0};
    struct bed_pub other = {.id = 1};
    struct bed_sub sub;
    struct bed_sub second;
    hulse_bed_start(&bed, workers, NULL);
    hulse_bed_topic(&bed, 0, "cap", topic, sizeof(topic));
    assert_int_equal(open_sub(&sub, workers - 1, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, workers - 1, topic), HULSE_OK);
    hulse_sub_permit(&sub, 1);
    hulse_pub_send(&pub, 1, 64); /* whatever is made on first use */
    hulse_pub_wait(&pub);
    hulse_sub_wait(&sub, 1);
    hulse_mem_init(hulse_mem_total() + 100000);
    hulse_pub_send(&pub, 30, 10000);
    hulse_pub_wait(&pub);
    const uint32_t refused = pub.outcomes[HULSE_OUTCOME_NO_MEMORY];
    assert_in_range(refused, 20, 25);
    assert_int_equal(pub.stored + refused, 31);
    hulse_mem_init(hulse_mem_total());
    assert_int_equal(open_sub(&second, workers - 1, "t", BROKER_SHARED), HULSE_NO_MEMORY);
    assert_int_equal(hulse_pub_open(&bed, &other, workers - 1, topic), HULSE_NO_MEMORY);
    hulse_mem_init(SIZE_MAX);
    hulse_sub_permit(&sub, 30);
    hulse_sub_wait(&sub, pub.stored);
    hulse_sub_ack_all(&sub);
    hulse_pub_send(&pub, 5, 10000);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.stored + refused, 36);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
    hulse_bed_stop(&bed);
}

static void test_memory_cap(void **state)
{
    (void)state;
    memory_cap(1);
    memory_cap(2);
}

/* A delivery that finds no memory on the consumer's worker comes again. */
static void test_no_memory_on_the_other_side(void **state)
{
    (void)state;
    struct bed_pub pub = {.id = 0};
    struct bed_sub sub;
    hulse_bed_start(&bed, 2, NULL);
    hulse_bed_topic(&bed, 0, "other-side", topic, sizeof(topic));
    assert_int_equal(open_sub(&sub, 1, "s", BROKER_EXCLUSIVE), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
    hulse_pub_send(&pub, 20, 64);
    hulse_mem_init(hulse_mem_total());
    const uint64_t before = hulse_mem_refused();
    hulse_sub_permit(&sub, 20);
    while (hulse_mem_refused() < before + 30) {
    }
    assert_int_equal(hulse_sub_count(&sub), 0);
    hulse_mem_init(SIZE_MAX);
    hulse_sub_wait(&sub, 20); /* and none of the permits is lost */
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(sub.messages[i].redelivery, 0);
    }
    hulse_sub_ack_all(&sub);
    while (report().acknowledged != 20) {
    }
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
    hulse_bed_stop(&bed);
}

static void run_nothing(struct inbox_node *node)
{
    (void)node;
}

/* Posts until the inbox takes no more. */
static void fill_inbox(struct worker *w)
{
    static struct inbox_node fill[65536];
    size_t filled = 0;
    do {
        assert_true(filled < sizeof(fill) / sizeof(fill[0]));
        fill[filled].run = run_nothing;
    } while (hulse_worker_post(w, &fill[filled++]));
}

/* The topic's worker stands still and its inbox is full: publishes are held, then go, in order. */
static void test_full_inbox(void **state)
{
    (void)state;
    struct bed_pub pub = {.id = 0};
    struct bed_sub sub;
    struct local_params params;
    struct bed_blocker blocker;
    hulse_local_params_default(&params);
    params.producer_pending_bytes_max = 2000 * (sizeof(struct message) + 1000 + 2);
    hulse_bed_start(&bed, 2, &params);
    hulse_bed_topic(&bed, 0, "full", topic, sizeof(topic));
    assert_int_equal(open_sub(&sub, 0, "s", BROKER_EXCLUSIVE), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, 1, topic), HULSE_OK);
    hulse_sub_permit(&sub, 10000);
    hulse_bed_block(&bed, 0, &blocker);
    fill_inbox(bed.workers[0]);
    for (unsigned i = 0; i < 30; i++) {
        hulse_pub_send(&pub, 70, 1000);
    }
    /* Up to the bound they are held, beyond it refused with a reason. */
    assert_int_equal(pub.answered, 100);
    assert_int_equal(pub.outcomes[HULSE_OUTCOME_QUOTA_EXCEEDED], 100);
    hulse_bed_release(&blocker);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.stored, 2000);
    hulse_sub_wait(&sub, 2000);
    for (uint32_t i = 0; i < 2000; i++) {
        assert_int_equal(sub.messages[i].at.entry, i);
        assert_int_equal(sub.messages[i].number, i);
    }
    hulse_pub_send(&pub, 1, 1000); /* and there is room again */
    hulse_pub_wait(&pub);
    assert_int_equal(pub.stored, 2001);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
    hulse_bed_stop(&bed);
}

static void test_time_to_live(void **state)
{
    (void)state;
    const struct broker_meta soon = {.partition = -1, .ttl_ms = 20};
    const struct broker_meta late = {.partition = -1, .ttl_ms = UINT64_MAX};
    for (uint32_t workers = 1; workers <= 3; workers += 2) {
        struct bed_pub pub = {.id = 0};
        struct bed_sub sub;
        hulse_bed_start(&bed, workers, NULL);
        hulse_bed_topic(&bed, 0, "ttl", topic, sizeof(topic));
        assert_int_equal(open_sub(&sub, workers - 1, "s", BROKER_SHARED), HULSE_OK);
        assert_int_equal(hulse_pub_open(&bed, &pub, 0, topic), HULSE_OK);
        hulse_pub_send_meta(&pub, &late);
        hulse_pub_send_meta(&pub, &soon);
        hulse_pub_send_meta(&pub, &late);
        hulse_pub_send_meta(&pub, &soon);
        const struct timespec longer = {.tv_nsec = 40000000};
        nanosleep(&longer, NULL);
        hulse_sub_permit(&sub, 4);
        hulse_sub_wait(&sub, 2);
        while (report().dropped != 2) {
        }
        assert_int_equal(sub.messages[0].number, 0);
        assert_int_equal(sub.messages[1].number, 2);
        assert_int_equal(sub.count, 2);
        hulse_sub_close(&sub, false);
        hulse_pub_close(&pub);
        hulse_bed_stop(&bed);
    }
}

struct open_errand {
    const char *topic;
    const char *name;
    hulse_status status;
    struct error err;
};

static void open_there(void *arg)
{
    struct open_errand *e = arg;
    struct broker_producer *p = NULL;
    struct broker_consumer *c = NULL;
    const struct broker_producer_params pp = {.topic = e->topic, .name = e->name, .create = true};
    const struct broker_consumer_params cp = {
        .topic = e->topic, .subscription = "s", .create = true};
    const struct broker_ops *ops = bed.broker->ops;
    e->status = ops->producer_open(bed.broker, bed.workers[0], &pp, &p, &e->err);
    if (e->name[0] == '\0') {
        assert_int_equal(e->status,
                         ops->consumer_open(bed.broker, bed.workers[0], &cp, &c, &e->err));
    }
}

static void test_names_that_are_refused(void **state)
{
    (void)state;
    hulse_bed_start(&bed, 1, NULL);
    struct open_errand e = {.topic = "persistent://acme/shop/orders", .name = ""};
    hulse_bed_on(&bed, 0, open_there, &e);
    assert_int_equal(e.status, HULSE_NO_TOPIC);
    assert_string_equal(e.err.text,
                        "persistent topics need a store (brokers.local.durability: disk); "
                        "use non-persistent://acme/shop/orders");
    e.topic = "non-persistent://acme/orders";
    hulse_bed_on(&bed, 0, open_there, &e);
    assert_int_equal(e.status, HULSE_INVAL);
    char *name = calloc(1, 65537);
    memset(name, 'n', 65536);
    e.topic = "non-persistent://acme/shop/orders";
    e.name = name;
    hulse_bed_on(&bed, 0, open_there, &e);
    assert_int_equal(e.status, HULSE_INVAL);
    free(name);
    hulse_bed_stop(&bed);
}

/* The table grows, and every topic is found again. */
static void test_many_topics(void **state)
{
    (void)state;
    enum { MANY = 500 };
    struct bed_pub *pubs = calloc(MANY, sizeof(*pubs));
    char name[64];
    hulse_bed_start(&bed, 1, NULL);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < MANY; i++) {
            struct bed_pub again = {.id = i};
            (void)snprintf(name, sizeof(name), "non-persistent://a/b/topic-%u", i);
            struct bed_pub *pub = round == 0 ? &pubs[i] : &again;
            assert_int_equal(hulse_pub_open(&bed, pub, 0, name), HULSE_OK);
            hulse_pub_send(pub, 1, 8);
            assert_int_equal(pub->last_id.entry, round);
            if (round == 1) {
                hulse_pub_close(&again);
            }
        }
    }
    for (uint32_t i = 0; i < MANY; i++) {
        hulse_pub_close(&pubs[i]);
    }
    free(pubs);
    hulse_bed_stop(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_of_a_subscription),
        cmocka_unit_test(test_bytes_of_a_subscription),
        cmocka_unit_test(test_counts_of_objects),
        cmocka_unit_test(test_memory_cap),
        cmocka_unit_test(test_no_memory_on_the_other_side),
        cmocka_unit_test(test_full_inbox),
        cmocka_unit_test(test_time_to_live),
        cmocka_unit_test(test_names_that_are_refused),
        cmocka_unit_test(test_many_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
