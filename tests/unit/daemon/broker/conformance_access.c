/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance_access - promises to producers that want a topic for themselves, or a subscription with it
 * (broker_producer.h, enum broker_access; BROKER_CAN_EXCLUSIVE, BROKER_CAN_INITIAL).
 */
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"
#include "tests/unit/daemon/broker/conformance.h"

static hulse_status open_as(struct bed *bed,
                            struct bed_pub *pub,
                            uint32_t worker,
                            const char *topic,
                            enum broker_access access)
{
    const struct broker_producer_params params = {
        .topic = topic, .name = "", .create = true, .access = access};
    return hulse_pub_open_with(bed, pub, worker, &params);
}

static void has_it_alone(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub first = {.id = 1};
    struct bed_pub other = {.id = 2};
    hulse_bed_topic(bed, place->owner, "alone", topic, sizeof(topic));
    assert_int_equal(open_as(bed, &first, place->pub, topic, BROKER_ACCESS_EXCLUSIVE), HULSE_OK);
    assert_int_equal(open_as(bed, &other, place->sub, topic, BROKER_ACCESS_EXCLUSIVE), HULSE_BUSY);
    assert_int_equal(open_as(bed, &other, place->sub, topic, BROKER_ACCESS_SHARED), HULSE_BUSY);
    hulse_pub_send(&first, 3, 8);
    hulse_pub_wait(&first);
    assert_int_equal(first.stored, 3);
    hulse_pub_close(&first);
    hulse_status st = HULSE_BUSY;
    while (st == HULSE_BUSY) { /* a close may reach the others a little later */
        st = open_as(bed, &other, place->pub, topic, BROKER_ACCESS_SHARED);
    }
    assert_int_equal(st, HULSE_OK);
    hulse_pub_close(&other);
}

/* Who had it hears of it once, at the latest with what it sends next, and nothing of that is stored. */
static void is_taken(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub first = {.id = 1};
    struct bed_pub taker = {.id = 2};
    hulse_bed_topic(bed, place->owner, "taken", topic, sizeof(topic));
    assert_int_equal(open_as(bed, &first, place->pub, topic, BROKER_ACCESS_EXCLUSIVE), HULSE_OK);
    hulse_pub_send(&first, 3, 8);
    hulse_pub_wait(&first);
    assert_int_equal(open_as(bed, &taker, place->sub, topic, BROKER_ACCESS_TAKE), HULSE_OK);
    hulse_pub_send(&first, 1, 8);
    hulse_pub_wait_fenced(&first);
    hulse_pub_send(&first, 1, 8);
    hulse_pub_wait(&first);
    assert_int_equal(first.stored, 3);
    assert_true(first.fenced_answers >= 1);
    hulse_pub_send(&taker, 2, 8);
    hulse_pub_wait(&taker);
    assert_int_equal(taker.stored, 2);
    hulse_pub_close(&first);
    hulse_pub_close(&taker);
}

/* Whoever comes first under its name gets what was sent before; the same name again makes no other one. */
static void brings_a_subscription(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pubs[2] = {{.id = 1}, {.id = 2}};
    struct bed_sub sub = {0};
    hulse_bed_topic(bed, place->owner, "initial", topic, sizeof(topic));
    const struct broker_producer_params params = {
        .topic = topic, .name = "", .create = true, .initial_subscription = "first"};
    const struct bed_where where = {
        .worker = place->sub, .topic = topic, .subscription = "first", .type = BROKER_EXCLUSIVE};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(hulse_pub_open_with(bed, &pubs[i], place->pub, &params), HULSE_OK);
        hulse_pub_send(&pubs[i], 3, 8);
        hulse_pub_wait(&pubs[i]);
        hulse_pub_close(&pubs[i]);
    }
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    hulse_sub_permit(&sub, 7);
    hulse_sub_wait(&sub, 6);
    hulse_sub_close(&sub, true);
}

const struct conformance_case hulse_conformance_access[] = {
    {"a subscription that comes with a producer", BROKER_CAN_INITIAL, 0, brings_a_subscription},
    {"exclusive access: nobody beside it", BROKER_CAN_EXCLUSIVE, 0, has_it_alone},
    {"exclusive access: taken, and who had it is fenced", BROKER_CAN_EXCLUSIVE, 0, is_taken},
    {0}};
