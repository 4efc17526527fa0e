/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance_consume - promises to one consumer of a subscription (broker_consumer.h).
 */
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"
#include "tests/unit/daemon/broker/conformance.h"

#include <string.h>

/* A topic with a publisher and an exclusive consumer. */
struct pair {
    char topic[128];
    struct bed_where where;
    struct bed_pub pub;
    struct bed_sub sub;
};

static void
open_pair(struct pair *p, struct bed *bed, const struct conformance_place *place, const char *stem)
{
    *p = (struct pair){.pub = {.id = 1}};
    hulse_bed_topic(bed, place->owner, stem, p->topic, sizeof(p->topic));
    p->where = (struct bed_where){
        .worker = place->sub, .topic = p->topic, .subscription = "s", .type = BROKER_EXCLUSIVE};
    assert_int_equal(hulse_sub_open(bed, &p->sub, &p->where), HULSE_OK);
    assert_int_equal(hulse_pub_open(bed, &p->pub, place->pub, p->topic), HULSE_OK);
}

static void close_pair(struct pair *p)
{
    hulse_sub_close(&p->sub, false);
    hulse_pub_close(&p->pub);
}

static void publish(struct pair *p, uint32_t count)
{
    hulse_pub_send(&p->pub, count, 8);
    hulse_pub_wait(&p->pub);
}

static void assert_span(struct broker_span is, const void *bytes, size_t count)
{
    assert_int_equal(is.bytes, count);
    assert_memory_equal(is.data, bytes, count);
}

static void delivers_what_was_sent(struct bed *bed, const struct conformance_place *place)
{
    static const uint8_t payload[] = {1, 0, 0, 0, 9, 0, 0, 0, 0, 255, 128, 7};
    static const uint8_t properties[] = {1, 0, 2, 0, 'k', 'v', 'w'};
    struct pair p;
    open_pair(&p, bed, place, "whole");
    const struct broker_meta meta = {.key = {(const uint8_t *)"key", 3},
                                     .ordering_key = {(const uint8_t *)"o\0k", 3},
                                     .properties = {properties, sizeof(properties)},
                                     .event_time_ms = 1234567,
                                     .partition = -1,
                                     .has_key = true,
                                     .has_ordering_key = true};
    const struct broker_meta empty_key = {.partition = -1, .has_key = true, .tombstone = true};
    hulse_sub_permit(&p.sub, 3);
    hulse_pub_send_record(&p.pub, (struct broker_span){payload, sizeof(payload)}, &meta);
    hulse_pub_send_record(&p.pub, (struct broker_span){payload, 0}, &empty_key);
    hulse_pub_send_record(&p.pub, (struct broker_span){payload, 1}, NULL);
    hulse_pub_wait(&p.pub);
    hulse_sub_wait(&p.sub, 3);
    const struct broker_delivery *d = p.sub.messages[0].d;
    assert_span(d->payload, payload, sizeof(payload));
    assert_span(d->meta.key, "key", 3);
    assert_span(d->meta.ordering_key, "o\0k", 3);
    assert_span(d->meta.properties, properties, sizeof(properties));
    if (!bed->house->elsewhere) {
        assert_span(d->producer, "p1", 2);
    }
    assert_int_equal(d->meta.event_time_ms, 1234567);
    assert_true(d->meta.has_key && d->meta.has_ordering_key && !d->meta.tombstone);
    assert_true(d->publish_time_ms != 0);
    assert_int_equal(d->redelivery, 0);
    d = p.sub.messages[1].d;
    assert_int_equal(d->payload.bytes, 0);
    assert_true(d->meta.has_key && !d->meta.has_ordering_key && d->meta.tombstone);
    assert_int_equal(d->meta.key.bytes, 0);
    d = p.sub.messages[2].d;
    assert_false(d->meta.has_key || d->meta.has_ordering_key || d->meta.tombstone);
    assert_int_equal(hulse_bed_compare(&d->id, &p.pub.last_id), 0);
    close_pair(&p);
}

static void keeps_order_and_permits(struct bed *bed, const struct conformance_place *place)
{
    struct pair p;
    open_pair(&p, bed, place, "order");
    publish(&p, 100);
    hulse_sub_permit(&p.sub, 30);
    hulse_sub_wait(&p.sub, 30); /* asserts that no more came than permits */
    hulse_sub_permit(&p.sub, 70);
    hulse_sub_wait(&p.sub, 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(p.sub.messages[i].number, i);
        assert_true(i == 0 ||
                    hulse_bed_compare(&p.sub.messages[i].at, &p.sub.messages[i - 1].at) > 0);
    }
    hulse_sub_ack_all(&p.sub);
    publish(&p, 5);
    (void)hulse_sub_count(&p.sub);
    assert_int_equal(hulse_sub_count(&p.sub), 100);
    close_pair(&p);
}

/* Ack and permit from inside the event. */
static void may_be_called_in_the_event(struct bed *bed, const struct conformance_place *place)
{
    struct pair p;
    open_pair(&p, bed, place, "inside");
    p.sub.ack_at_once = true;
    hulse_sub_permit(&p.sub, 2);
    publish(&p, 500);
    hulse_sub_wait(&p.sub, 500);
    assert_int_equal(p.sub.held, 0);
    close_pair(&p);
}

static void counts_nacks(struct bed *bed, const struct conformance_place *place)
{
    struct pair p;
    open_pair(&p, bed, place, "nack");
    publish(&p, 2);
    hulse_sub_permit(&p.sub, 2);
    hulse_sub_wait(&p.sub, 2);
    hulse_sub_ack(&p.sub, 1);
    for (uint32_t round = 1; round <= 3; round++) {
        hulse_sub_nack(&p.sub, round == 1 ? 0 : round, 0); /* the one that came last */
        hulse_sub_permit(&p.sub, 1);
        hulse_sub_wait(&p.sub, 2 + round);
        assert_int_equal(p.sub.messages[1 + round].number, 0);
        assert_int_equal(p.sub.messages[1 + round].redelivery, round);
    }
    close_pair(&p);
}

static void counts_no_give_back(struct bed *bed, const struct conformance_place *place)
{
    struct pair p;
    open_pair(&p, bed, place, "give-back");
    publish(&p, 1);
    hulse_sub_permit(&p.sub, 1);
    hulse_sub_wait(&p.sub, 1);
    hulse_sub_give_back(&p.sub, 0);
    hulse_sub_permit(&p.sub, 1);
    hulse_sub_wait(&p.sub, 2);
    assert_int_equal(p.sub.messages[1].number, 0);
    assert_int_equal(p.sub.messages[1].redelivery, 0);
    close_pair(&p);
}

/* The delay is looked at through the order: the first is overtaken by all others. */
static void delays_nacks(struct bed *bed, const struct conformance_place *place)
{
    struct pair p;
    open_pair(&p, bed, place, "delay");
    publish(&p, 3);
    hulse_sub_permit(&p.sub, 3);
    hulse_sub_wait(&p.sub, 3);
    hulse_sub_nack(&p.sub, 0, 50);
    hulse_sub_nack(&p.sub, 1, 0);
    hulse_sub_nack(&p.sub, 2, 1);
    hulse_sub_permit(&p.sub, 3);
    hulse_sub_wait(&p.sub, 6);
    assert_int_equal(p.sub.messages[3].number, 1);
    assert_int_equal(p.sub.messages[4].number, 2);
    assert_int_equal(p.sub.messages[5].number, 0);
    close_pair(&p);
}

static void tells_cumulative_ends(struct bed *bed, const struct conformance_place *place)
{
    struct pair p;
    open_pair(&p, bed, place, "cumulative");
    publish(&p, 10);
    hulse_sub_permit(&p.sub, 10);
    hulse_sub_wait(&p.sub, 10);
    hulse_sub_ack(&p.sub, 2);
    const struct broker_delivery *last = p.sub.messages[6].d;
    hulse_sub_ack_cumulative(&p.sub, 6);
    assert_int_equal(p.sub.ended, 6);
    assert_ptr_equal(p.sub.last_ended, last);
    assert_int_equal(p.sub.held, 3);
    for (uint32_t i = 0; i < 10; i++) {
        assert_true((p.sub.messages[i].d == NULL) == (i <= 6));
    }
    hulse_sub_close(&p.sub, false);
    assert_int_equal(hulse_sub_open(bed, &p.sub, &p.where), HULSE_OK);
    hulse_sub_permit(&p.sub, 10);
    hulse_sub_wait(&p.sub, 3);
    assert_int_equal(p.sub.messages[0].number, 7);
    close_pair(&p);
}

static void redelivers_all(struct bed *bed, const struct conformance_place *place)
{
    struct pair p;
    open_pair(&p, bed, place, "redeliver");
    publish(&p, 5);
    hulse_sub_permit(&p.sub, 5);
    hulse_sub_wait(&p.sub, 5);
    hulse_sub_ack(&p.sub, 3);
    hulse_sub_redeliver_all(&p.sub);
    assert_int_equal(p.sub.ended, 4);
    assert_int_equal(p.sub.held, 0);
    hulse_sub_permit(&p.sub, 4);
    hulse_sub_wait(&p.sub, 9);
    for (uint32_t i = 5; i < 9; i++) {
        assert_int_equal(p.sub.messages[i].redelivery, 1);
        assert_int_not_equal(p.sub.messages[i].number, 3);
    }
    close_pair(&p);
}

static void close_gives_back(struct bed *bed, const struct conformance_place *place)
{
    struct pair p;
    open_pair(&p, bed, place, "close");
    publish(&p, 4);
    hulse_sub_permit(&p.sub, 4);
    hulse_sub_wait(&p.sub, 4);
    hulse_sub_ack(&p.sub, 1);
    hulse_sub_close(&p.sub, false);
    assert_int_equal(hulse_sub_open(bed, &p.sub, &p.where), HULSE_OK);
    hulse_sub_permit(&p.sub, 4);
    hulse_sub_wait(&p.sub, 3);
    assert_int_equal(p.sub.messages[0].number, 0);
    assert_int_equal(p.sub.messages[1].number, 2);
    assert_int_equal(p.sub.messages[2].number, 3);
    assert_int_equal(p.sub.messages[0].redelivery, 0);
    publish(&p, 1);
    hulse_sub_wait(&p.sub, 4);
    assert_int_equal(p.sub.messages[3].number, 4);
    close_pair(&p);
}

static void knows_the_last_id(struct bed *bed, const struct conformance_place *place)
{
    struct pair p;
    open_pair(&p, bed, place, "last");
    assert_int_equal(hulse_sub_last_message_id(&p.sub), HULSE_OK);
    assert_false(p.sub.errand_has_id);
    publish(&p, 7);
    assert_int_equal(hulse_sub_last_message_id(&p.sub), HULSE_OK);
    assert_true(p.sub.errand_has_id);
    assert_int_equal(hulse_bed_compare(&p.sub.errand_id, &p.pub.last_id), 0);
    close_pair(&p);
}

static void refuses_to_seek(struct bed *bed, const struct conformance_place *place)
{
    static const struct broker_position earliest = {.kind = BROKER_EARLIEST};
    struct pair p;
    open_pair(&p, bed, place, "seek");
    publish(&p, 1);
    hulse_sub_permit(&p.sub, 1);
    hulse_sub_wait(&p.sub, 1);
    assert_int_equal(hulse_sub_seek(&p.sub, &earliest), HULSE_UNSUPPORTED);
    assert_int_equal(p.sub.ended, 0); /* what it holds is not touched */
    hulse_sub_ack(&p.sub, 0);
    struct bed_sub at = {0};
    struct bed_where where = p.where;
    where.subscription = "at";
    const bool by_id = (bed->broker->ops->capabilities & BROKER_CAN_START_ID) != 0;
    for (int kind = by_id ? BROKER_AT_PUBLISHED : BROKER_AT_ID; kind <= BROKER_AT_PUBLISHED;
         kind++) {
        where.start = (enum broker_position_kind)kind;
        assert_int_equal(hulse_sub_open(bed, &at, &where), HULSE_UNSUPPORTED);
    }
    close_pair(&p);
}

#define CAN BROKER_CAN_CONSUME

const struct conformance_case hulse_conformance_consume[] = {
    {"what was sent arrives, byte by byte", CAN, 0, delivers_what_was_sent},
    {"order is kept, and never more than permitted", CAN, 0, keeps_order_and_permits},
    {"ack and permit inside the event", CAN, 0, may_be_called_in_the_event},
    {"a nack counts a redelivery", CAN, 0, counts_nacks},
    {"giving back counts none", CAN, 0, counts_no_give_back},
    {"a nack's delay is kept", CAN, 0, delays_nacks},
    {"a cumulative ack tells all it ends, the last one last", CAN, 0, tells_cumulative_ends},
    {"redeliver_all tells all and counts", CAN, 0, redelivers_all},
    {"closing gives back what has no verdict", CAN, 0, close_gives_back},
    {"the last message id", CAN, 0, knows_the_last_id},
    {"seeking is refused", CAN, BROKER_CAN_SEEK, refuses_to_seek},
    {0}};
