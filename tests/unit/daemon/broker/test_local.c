/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what a publisher and a consumer see of a topic in memory: order, types, verdicts.
 * Method: each test runs three times: everything on one worker; topic, publisher and consumer on
 *         three; publisher and consumer together, away from the topic.
 */
#include "daemon/core/clock.h"
#include "tests/unit/daemon/broker/bed.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"

#include <string.h>
#include <time.h>

enum { DELAY_MS = 50, TICK_MS = 10 };
#define NS_PER_MS UINT64_C(1000000)

struct layout {
    uint32_t workers;
    uint32_t owner;
    uint32_t pub;
    uint32_t sub;
    uint32_t other;
};

static const struct layout layouts[] = {{1, 0, 0, 0, 0}, {3, 0, 1, 2, 1}, {2, 0, 1, 1, 0}};

static struct bed bed;
static struct layout at;
static char topic[128];

static void begin(const struct layout *layout)
{
    at = *layout;
    hulse_bed_start(&bed, at.workers, NULL);
    hulse_bed_topic(&bed, at.owner, "t", topic, sizeof(topic));
}

#define FOR_LAYOUTS(body)                                                                          \
    (void)state;                                                                                   \
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {                            \
        begin(&layouts[i]);                                                                        \
        body();                                                                                    \
        hulse_bed_stop(&bed);                                                                      \
    }

static struct topic_report report(void)
{
    struct topic_report r;
    memset(&r, 0, sizeof(r));
    (void)hulse_bed_report(&bed, topic, &r);
    return r;
}

static bool settled(void *arg)
{
    struct topic_report *want = arg;
    const struct topic_report r = report();
    return r.acknowledged == want->acknowledged && r.dropped == want->dropped &&
           r.backlog == want->backlog;
}

/* Verdicts of another worker arrive when they arrive. */
static void expect(uint64_t acknowledged, uint64_t dropped, uint64_t backlog)
{
    struct topic_report want = {
        .acknowledged = acknowledged, .dropped = dropped, .backlog = backlog};
    /* From this thread, because a report is an errand itself. */
    while (!settled(&want)) {
    }
}

static hulse_status
open_sub(struct bed_sub *sub, uint32_t worker, const char *name, enum broker_subscription type)
{
    const struct bed_where where = {
        .worker = worker, .topic = topic, .subscription = name, .type = type};
    return hulse_sub_open(&bed, sub, &where);
}

static void in_order(void)
{
    struct bed_pub pubs[2] = {{.id = 0}, {.id = 1}};
    struct bed_sub sub;
    uint32_t next[2] = {0, 0};
    assert_int_equal(open_sub(&sub, at.sub, "s", BROKER_EXCLUSIVE), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pubs[0], at.pub, topic), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pubs[1], at.other, topic), HULSE_OK);
    hulse_sub_permit(&sub, 3000);
    for (unsigned i = 0; i < 10; i++) {
        hulse_pub_send(&pubs[0], 100, 64);
        hulse_pub_send(&pubs[1], 100, 8);
    }
    hulse_pub_wait(&pubs[0]);
    hulse_pub_wait(&pubs[1]);
    hulse_sub_wait(&sub, 2000);
    for (uint32_t i = 0; i < sub.count; i++) {
        const struct bed_message *m = &sub.messages[i];
        assert_int_equal(m->at.entry, i);
        assert_int_equal(m->number, next[m->id]);
        assert_int_equal(m->redelivery, 0);
        next[m->id] += 1;
    }
    assert_int_equal(sub.count, 2000);
    assert_int_equal(pubs[0].stored, 1000);
    assert_int_equal(pubs[1].stored, 1000);
    expect(0, 0, 2000);
    hulse_sub_ack_all(&sub);
    expect(2000, 0, 0);
    const struct topic_report r = report();
    assert_int_equal(r.published, 2000);
    assert_int_equal(r.published_bytes, 72000);
    assert_int_equal(r.delivered, 2000);
    assert_int_equal(r.producers, 2);
    assert_int_equal(r.consumers, 1);
    assert_int_equal(r.subscriptions, 1);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pubs[0]);
    hulse_pub_close(&pubs[1]);
}

static void test_order_per_producer(void **state)
{
    FOR_LAYOUTS(in_order)
}

static void metadata(void)
{
    struct bed_pub pub = {.id = 7};
    struct bed_sub sub;
    assert_int_equal(open_sub(&sub, at.sub, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, at.pub, topic), HULSE_OK);
    hulse_sub_permit(&sub, 1);
    const struct broker_meta meta = {.key = {(const uint8_t *)"key", 3},
                                     .ordering_key = {(const uint8_t *)"ok", 2},
                                     .properties = {(const uint8_t *)"\1\0\1\0ab", 6},
                                     .event_time_ms = 99,
                                     .deliver_after_ms = 3600000, /* ignored, as Pulsar does */
                                     .partition = -1,
                                     .has_key = true,
                                     .has_ordering_key = true,
                                     .tombstone = true};
    hulse_pub_send_meta(&pub, &meta);
    hulse_sub_wait(&sub, 1);
    const struct broker_delivery *d = sub.messages[0].d;
    assert_int_equal(d->meta.key.bytes, 3);
    assert_memory_equal(d->meta.key.data, "key", 3);
    assert_memory_equal(d->meta.ordering_key.data, "ok", 2);
    assert_int_equal(d->meta.properties.bytes, 6);
    assert_memory_equal(d->meta.properties.data, "\1\0\1\0ab", 6);
    assert_int_equal(d->meta.event_time_ms, 99);
    assert_true(d->meta.has_key && d->meta.has_ordering_key && d->meta.tombstone);
    assert_int_equal(d->producer.bytes, 2);
    assert_memory_equal(d->producer.data, "p7", 2);
    assert_int_equal(d->payload.bytes, 8);
    assert_int_equal(d->id.batch, -1);
    assert_true(d->id.ledger > 1600000000U);
    assert_true(d->publish_time_ms > 1600000000000U);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
}

static void test_metadata_arrives(void **state)
{
    FOR_LAYOUTS(metadata)
}

static void exclusive(void)
{
    struct bed_sub first;
    struct bed_sub second;
    assert_int_equal(open_sub(&first, at.sub, "s", BROKER_EXCLUSIVE), HULSE_OK);
    assert_int_equal(open_sub(&second, at.other, "s", BROKER_EXCLUSIVE), HULSE_BUSY);
    assert_int_equal(open_sub(&second, at.other, "s", BROKER_SHARED), HULSE_BUSY);
    assert_int_equal(open_sub(&second, at.other, "other", BROKER_EXCLUSIVE), HULSE_OK);
    hulse_sub_close(&second, false);
    hulse_sub_close(&first, false);
    /* At once after the close, and of another type because nobody is connected. */
    assert_int_equal(open_sub(&first, at.sub, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(open_sub(&second, at.other, "s", BROKER_SHARED), HULSE_OK);
    hulse_sub_close(&second, false);
    hulse_sub_close(&first, false);
    assert_int_equal(open_sub(&first, at.sub, "f", BROKER_FAILOVER), HULSE_UNSUPPORTED);
    assert_true(strlen(first.text) > 0);
    assert_int_equal(open_sub(&first, at.sub, "k", BROKER_KEY_SHARED), HULSE_UNSUPPORTED);
}

static void test_exclusive_and_types(void **state)
{
    FOR_LAYOUTS(exclusive)
}

static void shared(void)
{
    struct bed_pub pub = {.id = 0};
    struct bed_sub subs[2];
    assert_int_equal(open_sub(&subs[0], at.sub, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(open_sub(&subs[1], at.other, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, at.pub, topic), HULSE_OK);
    hulse_pub_send(&pub, 10, 8);
    hulse_pub_wait(&pub);
    expect(0, 0, 10);
    /* Who has permits gets messages, and only as many. */
    hulse_sub_permit(&subs[0], 4);
    hulse_sub_wait(&subs[0], 4);
    hulse_sub_permit(&subs[1], 100);
    hulse_sub_wait(&subs[1], 6);
    hulse_sub_permit(&subs[0], 100);
    hulse_sub_ack_all(&subs[0]); /* a round trip: the permits have arrived */
    hulse_sub_ack_all(&subs[1]);
    expect(10, 0, 0);
    /* In turns while both have permits. */
    hulse_pub_send(&pub, 20, 8);
    hulse_sub_wait(&subs[0], 14);
    hulse_sub_wait(&subs[1], 16);
    assert_int_equal(subs[0].count, 14);
    assert_int_equal(subs[1].count, 16);
    hulse_sub_close(&subs[0], false);
    hulse_sub_close(&subs[1], false);
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
    expect(10, 0, 20);
}

static void test_shared_in_turns(void **state)
{
    FOR_LAYOUTS(shared)
}

static void nobody_connected(void)
{
    struct bed_pub pub = {.id = 0};
    struct bed_sub sub;
    assert_int_equal(hulse_pub_open(&bed, &pub, at.pub, topic), HULSE_OK);
    hulse_pub_send(&pub, 5, 8);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.stored, 5);
    expect(0, 0, 0); /* no subscription yet */
    assert_int_equal(open_sub(&sub, at.sub, "s", BROKER_EXCLUSIVE), HULSE_OK);
    hulse_sub_permit(&sub, 10);
    hulse_sub_close(&sub, false);
    /* The close is a step of its own worker: the next open of the same worker comes behind it. */
    assert_int_equal(open_sub(&sub, at.sub, "behind", BROKER_SHARED), HULSE_OK);
    hulse_pub_send(&pub, 5, 8);
    hulse_pub_wait(&pub);
    expect(0, 5, 5); /* not kept for s; waits for `behind` */
    hulse_sub_close(&sub, true);
    expect(0, 10, 0); /* forgotten with what waited */
    hulse_pub_close(&pub);
}

static void test_nothing_is_kept_without_consumer(void **state)
{
    FOR_LAYOUTS(nobody_connected)
}

static void nack(void)
{
    struct bed_pub pub = {.id = 0};
    struct bed_sub sub;
    assert_int_equal(open_sub(&sub, at.sub, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, at.pub, topic), HULSE_OK);
    hulse_sub_permit(&sub, 3);
    hulse_pub_send(&pub, 6, 8);
    hulse_pub_wait(&pub);
    hulse_sub_wait(&sub, 3);
    hulse_sub_nack(&sub, 2, 0);
    hulse_sub_give_back(&sub, 1);
    hulse_sub_permit(&sub, 5);
    hulse_sub_wait(&sub, 8);
    const uint64_t begun_ns = hulse_clock_ns();
    hulse_sub_nack(&sub, 0, DELAY_MS);
    hulse_sub_permit(&sub, 1);
    hulse_sub_wait(&sub, 9);
    /* Redelivery first, lowest position first; the delayed one when its time has come. */
    assert_true(hulse_clock_ns() - begun_ns >= (DELAY_MS - TICK_MS) * NS_PER_MS);
    static const uint64_t entries[] = {1, 2, 3, 4, 5, 0};
    static const uint32_t redelivery[] = {0, 1, 0, 0, 0, 1};
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(sub.messages[3 + i].at.entry, entries[i]);
        assert_int_equal(sub.messages[3 + i].redelivery, redelivery[i]);
    }
    hulse_sub_nack(&sub, 8, 1);
    hulse_sub_permit(&sub, 1);
    hulse_sub_wait(&sub, 10);
    assert_int_equal(sub.messages[9].redelivery, 2);
    hulse_sub_ack_all(&sub);
    expect(6, 0, 0);
    assert_int_equal(report().redelivered, 4);
    assert_int_equal(report().delivered, 10);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
}

static void test_nack_delay_and_give_back(void **state)
{
    FOR_LAYOUTS(nack)
}

/* Each has come to one or the other. */
static void wait_for_both(struct bed_sub subs[2], uint32_t count)
{
    while (hulse_sub_count(&subs[0]) + hulse_sub_count(&subs[1]) < count) {
    }
}

static void elsewhere(void)
{
    struct bed_pub pub = {.id = 0};
    struct bed_sub subs[2];
    assert_int_equal(open_sub(&subs[0], at.sub, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(open_sub(&subs[1], at.other, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, at.pub, topic), HULSE_OK);
    hulse_pub_send(&pub, 1, 8);
    hulse_pub_wait(&pub);
    hulse_sub_permit(&subs[0], 9); /* first in line, for it alone has permits */
    hulse_sub_wait(&subs[0], 1);
    hulse_sub_permit(&subs[1], 9);
    do {
        hulse_pub_send(&pub, 1, 8);
        wait_for_both(subs, pub.sent);
    } while (hulse_sub_count(&subs[1]) == 0);
    hulse_pub_wait(&pub);
    /* Whoever had the message before the last is next in line, and gives it back. */
    const uint32_t before = hulse_sub_count(&subs[1]);
    hulse_sub_give_back(&subs[0], hulse_sub_count(&subs[0]) - 1);
    hulse_sub_wait(&subs[1], before + 1);
    assert_int_equal(subs[1].messages[before].at.entry, pub.sent - 2);
    assert_int_equal(subs[1].messages[before].redelivery, 0);
    hulse_sub_close(&subs[0], false);
    hulse_sub_close(&subs[1], false);
    hulse_pub_close(&pub);
}

static void test_given_back_goes_elsewhere(void **state)
{
    FOR_LAYOUTS(elsewhere)
}

static void cumulative(void)
{
    struct bed_pub pub = {.id = 0};
    struct bed_sub sub;
    assert_int_equal(open_sub(&sub, at.sub, "s", BROKER_EXCLUSIVE), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, at.pub, topic), HULSE_OK);
    hulse_sub_permit(&sub, 10);
    hulse_pub_send(&pub, 20, 8);
    hulse_sub_wait(&sub, 10);
    hulse_sub_nack(&sub, 1, 3600000); /* below the position: ended with it, though not due */
    hulse_sub_nack(&sub, 2, 0);       /* waits, having no permit */
    hulse_sub_nack(&sub, 7, 0);
    hulse_sub_ack_cumulative(&sub, 5);
    assert_int_equal(sub.ended, 4); /* 0, 3, 4, 5 */
    assert_int_equal(sub.held, 3);  /* 6, 8, 9 */
    expect(6, 0, 14);
    hulse_sub_permit(&sub, 20);
    hulse_sub_wait(&sub, 21);
    assert_int_equal(sub.messages[10].at.entry, 7);
    assert_int_equal(sub.messages[11].at.entry, 10);
    hulse_sub_ack_cumulative(&sub, 20); /* out of order by now */
    assert_int_equal(sub.held, 0);
    expect(20, 0, 0);
    hulse_sub_close(&sub, true);
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
}

static void test_cumulative(void **state)
{
    FOR_LAYOUTS(cumulative)
}

/* The position is passed while one below it waits for its delay, and others came out of order. */
static void cumulative_again(void)
{
    struct bed_pub pub = {.id = 0};
    struct bed_sub sub;
    assert_int_equal(open_sub(&sub, at.sub, "s", BROKER_EXCLUSIVE), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, at.pub, topic), HULSE_OK);
    hulse_sub_permit(&sub, 10);
    hulse_pub_send(&pub, 10, 8);
    hulse_sub_wait(&sub, 10);
    hulse_sub_nack(&sub, 6, 0);
    hulse_sub_nack(&sub, 7, 0);
    hulse_sub_permit(&sub, 2);
    hulse_sub_wait(&sub, 12);
    assert_int_equal(sub.messages[11].at.entry, 7);
    hulse_sub_nack(&sub, 0, DELAY_MS); /* when it is due there is no permit for it */
    for (uint32_t i = 1; i < 6; i++) {
        hulse_sub_ack(&sub, i);
    }
    /* It holds 8, 9, 6, 7. */
    hulse_sub_ack_cumulative(&sub, 11);
    assert_int_equal(sub.ended, 2);
    assert_int_equal(sub.held, 2);
    expect(8, 0, 2);
    const struct timespec delay = {.tv_nsec = (long)((DELAY_MS + TICK_MS) * NS_PER_MS)};
    (void)nanosleep(&delay, NULL);
    hulse_sub_permit(&sub, 8);
    hulse_pub_send(&pub, 1, 8);
    hulse_sub_wait(&sub, 13);
    assert_int_equal(sub.messages[12].at.entry, 10); /* 0 came due and was not delivered again */
    assert_int_equal(hulse_sub_count(&sub), 13);
    hulse_sub_close(&sub, true);
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
}

static void test_cumulative_out_of_order(void **state)
{
    FOR_LAYOUTS(cumulative_again)
}

/* More permits while the first are on their way to a topic's worker that stands still. */
static void permits_under_way(void)
{
    struct bed_pub pub = {.id = 0};
    struct bed_sub sub;
    struct bed_blocker blocker;
    assert_int_equal(open_sub(&sub, at.sub, "s", BROKER_EXCLUSIVE), HULSE_OK);
    assert_int_equal(hulse_pub_open(&bed, &pub, at.pub, topic), HULSE_OK);
    hulse_pub_send(&pub, 10, 8);
    hulse_pub_wait(&pub);
    const bool apart = at.sub != at.owner;
    if (apart) {
        hulse_bed_block(&bed, at.owner, &blocker);
    }
    for (uint32_t i = 1; i <= 3; i++) {
        hulse_sub_permit(&sub, i);
        (void)hulse_sub_count(&sub); /* the turn of the permit has ended */
    }
    if (apart) {
        hulse_bed_release(&blocker);
    }
    hulse_sub_wait(&sub, 6);
    hulse_sub_ack_all(&sub);
    expect(6, 0, 4);
    assert_int_equal(hulse_sub_count(&sub), 6);
    hulse_sub_close(&sub, true);
    hulse_pub_close(&pub);
}

static void test_permits_add_up(void **state)
{
    FOR_LAYOUTS(permits_under_way)
}

static void readers(void)
{
    struct bed_pub pub = {.id = 0};
    struct bed_sub readers[2];
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(open_sub(&readers[i], i == 0 ? at.sub : at.other, "", BROKER_READER),
                         HULSE_OK);
        readers[i].ack_at_once = true;
        hulse_sub_permit(&readers[i], 1);
    }
    assert_int_equal(hulse_pub_open(&bed, &pub, at.pub, topic), HULSE_OK);
    hulse_pub_send(&pub, 1000, 100);
    hulse_sub_wait(&readers[0], 1000);
    hulse_sub_wait(&readers[1], 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(readers[0].messages[i].number, i);
        assert_int_equal(readers[1].messages[i].number, i);
    }
    expect(2000, 0, 0);
    hulse_sub_close(&readers[0], false);
    hulse_sub_close(&readers[1], false);
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
    while (report().subscriptions != 0) {
    }
}

static void test_readers_have_their_own(void **state)
{
    FOR_LAYOUTS(readers)
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_per_producer),
        cmocka_unit_test(test_metadata_arrives),
        cmocka_unit_test(test_exclusive_and_types),
        cmocka_unit_test(test_shared_in_turns),
        cmocka_unit_test(test_nothing_is_kept_without_consumer),
        cmocka_unit_test(test_nack_delay_and_give_back),
        cmocka_unit_test(test_given_back_goes_elsewhere),
        cmocka_unit_test(test_cumulative),
        cmocka_unit_test(test_cumulative_out_of_order),
        cmocka_unit_test(test_permits_add_up),
        cmocka_unit_test(test_readers_have_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
