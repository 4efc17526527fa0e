/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance_admin - promises to control's orders (broker_request.h).
 */
#include "tests/unit/daemon/broker/bed_ask.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"
#include "tests/unit/daemon/broker/conformance.h"

static hulse_status order(struct bed *bed, enum broker_admin_command command, const char *topic)
{
    struct broker_admin q = {.command = command, .topic = topic};
    return hulse_bed_admin(bed, &q, NULL);
}

static void creates_and_lists(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct broker_topic_info info;
    hulse_bed_topic(bed, place->owner, "made", topic, sizeof(topic));
    assert_false(hulse_bed_is_listed(bed, "", topic));
    assert_int_equal(hulse_bed_create(bed, topic), HULSE_OK);
    assert_int_equal(hulse_bed_create(bed, topic), HULSE_BUSY);
    assert_int_equal(hulse_bed_lookup(bed, place->pub, topic, false, &info), HULSE_OK);
    assert_true(hulse_bed_is_listed(bed, "", topic));
    assert_true(hulse_bed_is_listed(bed, "public/default", topic));
    assert_false(hulse_bed_is_listed(bed, "public/defaul", topic));
    assert_false(hulse_bed_is_listed(bed, "public/other", topic));
    assert_int_equal(hulse_bed_delete(bed, topic, false), HULSE_OK);
    assert_false(hulse_bed_is_listed(bed, "", topic));
    assert_int_equal(hulse_bed_delete(bed, topic, false), HULSE_NO_TOPIC);
    assert_int_equal(hulse_bed_lookup(bed, place->pub, topic, false, &info), HULSE_NO_TOPIC);
}

static void judges_orders(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    hulse_bed_topic(bed, place->owner, "not-there", topic, sizeof(topic));
    assert_int_equal(order(bed, BROKER_ADMIN_TERMINATE, topic), HULSE_NO_TOPIC);
    assert_int_equal(order(bed, BROKER_ADMIN_TRUNCATE, topic), HULSE_NO_TOPIC);
    assert_int_equal(order(bed, BROKER_ADMIN_SUBSCRIPTIONS, topic), HULSE_NO_TOPIC);
    assert_int_not_equal(order(bed, BROKER_ADMIN_CREATE, "no name"), HULSE_OK);
    assert_int_not_equal(order(bed, BROKER_ADMIN_DELETE, ""), HULSE_OK);
    assert_false(hulse_bed_is_listed(bed, "", topic));
}

static void refuses_partitions(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    hulse_bed_topic(bed, place->owner, "partitions", topic, sizeof(topic));
    struct broker_admin q = {.command = BROKER_ADMIN_CREATE, .topic = topic, .partitions = 4};
    assert_int_equal(hulse_bed_admin(bed, &q, NULL), HULSE_UNSUPPORTED);
    assert_false(hulse_bed_is_listed(bed, "", topic));
}

static void refuses_policies(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    hulse_bed_topic(bed, place->owner, "policy", topic, sizeof(topic));
    assert_int_equal(hulse_bed_create(bed, topic), HULSE_OK);
    assert_int_equal(order(bed, BROKER_ADMIN_SET_POLICY, topic), HULSE_UNSUPPORTED);
}

/* Used: refused. Forced: everybody hears of it once, keeps what it has, and the name is free. */
static void deletes(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_pub idle = {.id = 2};
    struct bed_sub sub;
    hulse_bed_topic(bed, place->owner, "deleted", topic, sizeof(topic));
    struct bed_where where = {
        .worker = place->sub, .topic = topic, .subscription = "s", .type = BROKER_EXCLUSIVE};
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    assert_int_equal(hulse_bed_delete(bed, topic, false), HULSE_BUSY);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    assert_int_equal(hulse_pub_open(bed, &idle, place->sub, topic), HULSE_OK);
    hulse_sub_permit(&sub, 2);
    hulse_pub_send(&pub, 4, 8);
    hulse_sub_wait(&sub, 2);
    hulse_pub_wait(&pub);
    assert_int_equal(hulse_bed_delete(bed, topic, true), HULSE_OK);
    hulse_pub_wait_failed(&pub);
    hulse_pub_wait_failed(&idle);
    hulse_sub_wait_failed(&sub);
    assert_int_equal(pub.failed_with, HULSE_NO_TOPIC);
    assert_int_equal(sub.failed_with, HULSE_NO_TOPIC);
    hulse_pub_send(&pub, 3, 8);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.outcomes[HULSE_OUTCOME_NO_TOPIC], 3);
    assert_int_equal(sub.messages[1].number, 1);
    assert_int_equal(sub.messages[1].d->payload.bytes, 8);
    hulse_sub_ack(&sub, 0);
    hulse_sub_nack(&sub, 1, 0);
    hulse_sub_permit(&sub, 5);
    assert_false(hulse_bed_is_listed(bed, "", topic));
    assert_int_equal(hulse_bed_create(bed, topic), HULSE_OK);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
    hulse_pub_close(&idle);
    /* Nothing of the old one is in the new one. */
    struct bed_names names;
    struct broker_admin q = {.command = BROKER_ADMIN_SUBSCRIPTIONS, .topic = topic};
    assert_int_equal(hulse_bed_admin(bed, &q, &names), HULSE_OK);
    assert_int_equal(names.count, 0);
}

static void terminates(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_pub late = {.id = 2};
    struct bed_sub sub;
    struct broker_topic_info info;
    hulse_bed_topic(bed, place->owner, "terminated", topic, sizeof(topic));
    const struct bed_where where = {
        .worker = place->sub, .topic = topic, .subscription = "s", .type = BROKER_SHARED};
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    hulse_sub_permit(&sub, 1);
    hulse_pub_send(&pub, 2, 8);
    hulse_pub_wait(&pub);
    hulse_sub_wait(&sub, 1);
    struct broker_admin q = {.command = BROKER_ADMIN_TERMINATE, .topic = topic};
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(hulse_bed_admin(bed, &q, NULL), HULSE_OK);
        assert_true(q.has_last);
        assert_int_equal(q.last.ledger, pub.last_id.ledger);
        assert_int_equal(q.last.entry, pub.last_id.entry);
    }
    hulse_pub_wait_failed(&pub);
    assert_int_equal(pub.failed_with, HULSE_CLOSED);
    hulse_pub_send(&pub, 1, 8);
    hulse_pub_wait(&pub);
    assert_int_equal(pub.outcomes[HULSE_OUTCOME_TOPIC_TERMINATED], 1);
    assert_int_equal(hulse_pub_open(bed, &late, place->sub, topic), HULSE_CLOSED);
    assert_int_equal(hulse_bed_lookup(bed, place->pub, topic, false, &info), HULSE_OK);
    assert_true(info.terminated);
    assert_int_equal(sub.ends_of_topic, 0);
    hulse_sub_ack(&sub, 0);
    hulse_sub_permit(&sub, 2);
    hulse_sub_wait(&sub, 2);
    assert_int_equal(hulse_bed_lookup(bed, place->sub, topic, false, &info), HULSE_OK);
    assert_int_equal(sub.ends_of_topic, 0);
    hulse_sub_ack(&sub, 1);
    hulse_sub_wait_end_of_topic(&sub);
    assert_false(sub.failed);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
}

/* A consumer that comes later hears of the end too. */
static void ends_for_latecomers(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_sub sub;
    hulse_bed_topic(bed, place->owner, "late", topic, sizeof(topic));
    const struct bed_where where = {
        .worker = place->sub, .topic = topic, .subscription = "s", .type = BROKER_EXCLUSIVE};
    assert_int_equal(hulse_bed_create(bed, topic), HULSE_OK);
    struct broker_admin q = {.command = BROKER_ADMIN_TERMINATE, .topic = topic};
    assert_int_equal(hulse_bed_admin(bed, &q, NULL), HULSE_OK);
    assert_false(q.has_last);
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    hulse_sub_wait_end_of_topic(&sub);
    hulse_sub_close(&sub, false);
}

static void truncates(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_sub sub;
    hulse_bed_topic(bed, place->owner, "truncated", topic, sizeof(topic));
    const struct bed_where where = {
        .worker = place->sub, .topic = topic, .subscription = "s", .type = BROKER_SHARED};
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    hulse_sub_permit(&sub, 2);
    hulse_pub_send(&pub, 6, 8);
    hulse_pub_wait(&pub);
    hulse_sub_wait(&sub, 2);
    assert_int_equal(order(bed, BROKER_ADMIN_TRUNCATE, topic), HULSE_OK);
    hulse_sub_ack(&sub, 0);
    hulse_sub_nack(&sub, 1, 0);
    hulse_pub_send(&pub, 1, 8);
    hulse_pub_wait(&pub);
    hulse_sub_permit(&sub, 5);
    hulse_sub_wait(&sub, 4);
    assert_int_equal(sub.messages[2].number, 1);
    assert_int_equal(sub.messages[3].number, 6);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
}

static hulse_status order_about(struct bed *bed,
                                enum broker_admin_command command,
                                const struct bed_where *where,
                                bool force)
{
    struct broker_admin q = {.command = command,
                             .topic = where->topic,
                             .subscription = where->subscription,
                             .force = force};
    return hulse_bed_admin(bed, &q, NULL);
}

/* What waits is passed over, what a consumer holds is its own, and what comes later comes. */
static void skips(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_sub sub;
    struct bed_sub other;
    hulse_bed_topic(bed, place->owner, "skipped", topic, sizeof(topic));
    struct bed_where where = {
        .worker = place->sub, .topic = topic, .subscription = "s", .type = BROKER_SHARED};
    assert_int_equal(order_about(bed, BROKER_ADMIN_SKIP, &where, false), HULSE_NO_TOPIC);
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    where.subscription = "other";
    assert_int_equal(hulse_sub_open(bed, &other, &where), HULSE_OK);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    hulse_sub_permit(&sub, 2);
    hulse_pub_send(&pub, 6, 8);
    hulse_pub_wait(&pub);
    hulse_sub_wait(&sub, 2);
    where.subscription = "s";
    assert_int_equal(order_about(bed, BROKER_ADMIN_SKIP, &where, false), HULSE_OK);
    hulse_sub_ack(&sub, 0);
    hulse_sub_nack(&sub, 1, 0);
    hulse_pub_send(&pub, 1, 8);
    hulse_pub_wait(&pub);
    hulse_sub_permit(&sub, 5);
    hulse_sub_wait(&sub, 4);
    assert_int_equal(sub.messages[2].number, 1);
    assert_int_equal(sub.messages[3].number, 6);
    hulse_sub_permit(&other, 7);
    hulse_sub_wait(&other, 7);
    where.subscription = "nobody";
    assert_int_equal(order_about(bed, BROKER_ADMIN_SKIP, &where, false), HULSE_NO_TOPIC);
    hulse_sub_close(&sub, false);
    hulse_sub_close(&other, false);
    hulse_pub_close(&pub);
}

/* With a consumer by force alone; who comes afterwards has a new subscription. */
static void unsubscribes(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_sub sub;
    struct bed_sub later;
    struct bed_names names;
    hulse_bed_topic(bed, place->owner, "unsubscribed", topic, sizeof(topic));
    const struct bed_where where = {
        .worker = place->sub, .topic = topic, .subscription = "s", .type = BROKER_SHARED};
    struct broker_admin q = {.command = BROKER_ADMIN_SUBSCRIPTIONS, .topic = topic};
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    hulse_pub_send(&pub, 3, 8);
    hulse_pub_wait(&pub);
    assert_int_equal(order_about(bed, BROKER_ADMIN_UNSUBSCRIBE, &where, false), HULSE_BUSY);
    hulse_sub_close(&sub, false);
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    hulse_sub_permit(&sub, 1);
    hulse_sub_wait(&sub, 1);
    assert_int_equal(order_about(bed, BROKER_ADMIN_UNSUBSCRIBE, &where, true), HULSE_OK);
    assert_int_equal(hulse_bed_admin(bed, &q, &names), HULSE_OK);
    assert_int_equal(names.count, 0);
    assert_int_equal(order_about(bed, BROKER_ADMIN_UNSUBSCRIBE, &where, true), HULSE_NO_TOPIC);
    hulse_sub_ack(&sub, 0);
    hulse_sub_close(&sub, false);
    assert_int_equal(hulse_sub_open(bed, &later, &where), HULSE_OK);
    hulse_sub_permit(&later, 9);
    hulse_pub_send(&pub, 1, 8);
    hulse_pub_wait(&pub);
    hulse_sub_wait(&later, 1);
    assert_int_equal(later.messages[0].number, 3);
    hulse_sub_close(&later, false);
    /* Nobody has it open: it may take a moment until the daemon knows that. */
    while (order_about(bed, BROKER_ADMIN_UNSUBSCRIBE, &where, false) == HULSE_BUSY) {
    }
    assert_int_equal(order_about(bed, BROKER_ADMIN_UNSUBSCRIBE, &where, false), HULSE_NO_TOPIC);
    hulse_pub_close(&pub);
}

#define CAN BROKER_CAN_ADMIN
#define FULL (BROKER_CAN_ADMIN | BROKER_CAN_CONSUME)

const struct conformance_case hulse_conformance_admin[] = {
    {"topics are created, listed by namespace and deleted", CAN, 0, creates_and_lists},
    {"orders about what is not there are refused", CAN, 0, judges_orders},
    {"partitions are refused", CAN, BROKER_CAN_PARTITIONS, refuses_partitions},
    {"policies are refused", CAN, BROKER_CAN_POLICY, refuses_policies},
    {"a topic in use is deleted by force only, and everybody hears of it", FULL, 0, deletes},
    {"a terminated topic takes nothing and is read to its end", FULL, 0, terminates},
    {"who comes after the end hears of it", FULL, 0, ends_for_latecomers},
    {"truncating drops what nobody holds", FULL, 0, truncates},
    {"a subscription passes over what nobody holds", FULL, 0, skips},
    {"a subscription in use is deleted by force only", FULL, 0, unsubscribes},
    {0}};
