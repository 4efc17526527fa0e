/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance_durable - promises of brokers whose topics survive the daemon, and of those that
 * store each record of a handle once (broker.h, BROKER_CAN_DURABLE and BROKER_CAN_DEDUP).
 */
#include "tests/unit/daemon/broker/bed_ask.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"
#include "tests/unit/daemon/broker/conformance.h"

#include <string.h>

enum { COUNT = 10 };

static void
open_pub(struct bed *bed, struct bed_pub *pub, uint32_t worker, const char *topic, uint64_t seq)
{
    struct broker_producer_params params = {
        .topic = topic, .name = "own", .create = true, .own = true};
    memset(params.handle_id, 0x5a, sizeof(params.handle_id));
    *pub = (struct bed_pub){.id = 1};
    assert_int_equal(hulse_pub_open_with(bed, pub, worker, &params), HULSE_OK);
    pub->first_seq = seq;
    pub->copies_expected = true;
}

static void send(struct bed_pub *pub, uint32_t count)
{
    hulse_pub_send(pub, count, 8);
    hulse_pub_wait(pub);
    assert_int_equal(pub->stored, count);
}

/* Two of ten are acknowledged, one was refused: eight come again, that one with its count. */
static void comes_again_until_acknowledged(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub;
    struct bed_sub sub;
    hulse_bed_topic(bed, place->owner, "again", topic, sizeof(topic));
    const struct bed_where where = {
        .worker = place->sub, .topic = topic, .subscription = "s", .type = BROKER_EXCLUSIVE};
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    open_pub(bed, &pub, place->pub, topic, 0);
    send(&pub, COUNT);
    hulse_pub_close(&pub);
    hulse_sub_permit(&sub, COUNT);
    hulse_sub_wait(&sub, COUNT);
    hulse_sub_ack(&sub, 0);
    hulse_sub_ack(&sub, 5);
    hulse_sub_nack(&sub, 7, 0);
    hulse_sub_wait_settled(&sub, 3);
    hulse_sub_close(&sub, false);
    hulse_bed_restart(bed);
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    hulse_sub_permit(&sub, COUNT);
    hulse_sub_wait(&sub, COUNT - 2);
    open_pub(bed, &pub, place->pub, topic, COUNT);
    send(&pub, 1);
    hulse_pub_close(&pub);
    hulse_sub_wait(&sub, COUNT - 1); /* nothing more between */
    for (uint32_t i = 0, number = 0; i < COUNT - 2; i++, number++) {
        number += number == 0 || number == 5;
        assert_int_equal(sub.messages[i].number, number);
        /* A cluster counts for shared subscriptions alone; before the restart it was counted here. */
        assert_int_equal(sub.messages[i].redelivery, number == 7 && !bed->house->elsewhere);
    }
    hulse_sub_close(&sub, false);
}

static void keeps_what_was_made(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_sub sub;
    hulse_bed_topic(bed, place->owner, "made", topic, sizeof(topic));
    struct bed_where where = {
        .worker = place->sub, .topic = topic, .subscription = "s", .type = BROKER_SHARED};
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    hulse_sub_close(&sub, false);
    hulse_bed_restart(bed);
    where.never_create = true;
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    assert_int_equal(hulse_sub_unsubscribe(&sub), HULSE_OK);
    hulse_sub_close(&sub, false);
    hulse_bed_restart(bed);
    if ((bed->broker->ops->capabilities & BROKER_CAN_ADMIN) != 0) {
        assert_true(hulse_bed_is_listed(bed, "", topic));
        assert_false(hulse_bed_has_subscription(bed, topic, "s"));
        assert_int_equal(hulse_bed_delete(bed, topic, false), HULSE_OK);
        hulse_bed_restart(bed);
        assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_NO_TOPIC);
    }
}

static void copies_have_no_id(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub;
    hulse_bed_topic(bed, place->owner, "copies", topic, sizeof(topic));
    open_pub(bed, &pub, place->pub, topic, 0);
    send(&pub, COUNT);
    assert_int_equal(pub.copies, 0);
    hulse_pub_close(&pub);
    open_pub(bed, &pub, place->pub, topic, COUNT / 2);
    send(&pub, COUNT);
    assert_int_equal(pub.copies, COUNT / 2);
    hulse_pub_close(&pub);
}

static void copies_after_a_restart(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub;
    hulse_bed_topic(bed, place->owner, "copies", topic, sizeof(topic));
    open_pub(bed, &pub, place->pub, topic, 0);
    send(&pub, COUNT);
    hulse_pub_close(&pub);
    hulse_bed_restart(bed);
    open_pub(bed, &pub, place->pub, topic, 0);
    send(&pub, COUNT + 1);
    assert_int_equal(pub.copies, COUNT);
    hulse_pub_close(&pub);
}

#define DURABLE (BROKER_CAN_DURABLE | BROKER_CAN_CONSUME)

const struct conformance_case hulse_conformance_durable[] = {
    {"after a restart: what has no verdict comes again",
     DURABLE,
     0,
     comes_again_until_acknowledged},
    {"after a restart: topics and subscriptions are there", DURABLE, 0, keeps_what_was_made},
    {"a copy is stored once", BROKER_CAN_DEDUP, 0, copies_have_no_id},
    {"after a restart: a copy is stored once",
     BROKER_CAN_DEDUP | BROKER_CAN_DURABLE,
     0,
     copies_after_a_restart},
    {0}};
