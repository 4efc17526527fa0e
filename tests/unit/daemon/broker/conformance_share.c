/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance_share - promises about several consumers, and about subscriptions themselves.
 */
#include "tests/unit/daemon/broker/bed_ask.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"
#include "tests/unit/daemon/broker/conformance.h"

#include <string.h>

static struct bed_where
at(const char *topic, uint32_t worker, const char *subscription, enum broker_subscription type)
{
    return (struct bed_where){
        .worker = worker, .topic = topic, .subscription = subscription, .type = type};
}

/* Two consumers on two workers, if there are so many. */
static void shared_gets_each_once(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    bool seen[200] = {false};
    struct bed_pub pub = {.id = 1};
    struct bed_sub subs[2];
    hulse_bed_topic(bed, place->owner, "shared", topic, sizeof(topic));
    const struct bed_where where[2] = {at(topic, place->sub, "s", BROKER_SHARED),
                                       at(topic, place->pub, "s", BROKER_SHARED)};
    assert_int_equal(hulse_sub_open(bed, &subs[0], &where[0]), HULSE_OK);
    assert_int_equal(hulse_sub_open(bed, &subs[1], &where[1]), HULSE_OK);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    hulse_sub_permit(&subs[0], 100);
    hulse_sub_permit(&subs[1], 100);
    hulse_pub_send(&pub, 200, 8);
    hulse_sub_wait(&subs[0], 100);
    hulse_sub_wait(&subs[1], 100);
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t i = 0; i < 100; i++) {
            assert_false(seen[subs[s].messages[i].number]);
            seen[subs[s].messages[i].number] = true;
        }
        hulse_sub_close(&subs[s], false);
    }
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
}

static void each_subscription_gets_all(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_sub subs[2];
    hulse_bed_topic(bed, place->owner, "all", topic, sizeof(topic));
    const struct bed_where where[2] = {at(topic, place->sub, "a", BROKER_EXCLUSIVE),
                                       at(topic, place->pub, "b", BROKER_SHARED)};
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    for (uint32_t s = 0; s < 2; s++) {
        assert_int_equal(hulse_sub_open(bed, &subs[s], &where[s]), HULSE_OK);
        hulse_sub_permit(&subs[s], 50);
    }
    hulse_pub_send(&pub, 50, 8);
    for (uint32_t s = 0; s < 2; s++) {
        hulse_sub_wait(&subs[s], 50);
        assert_int_equal(subs[s].messages[49].number, 49);
        hulse_sub_close(&subs[s], false);
    }
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
}

static void exclusive_is_exclusive(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_sub first;
    struct bed_sub second;
    hulse_bed_topic(bed, place->owner, "exclusive", topic, sizeof(topic));
    struct bed_where where = at(topic, place->sub, "s", BROKER_EXCLUSIVE);
    assert_int_equal(hulse_sub_open(bed, &first, &where), HULSE_OK);
    where.worker = place->pub;
    assert_int_equal(hulse_sub_open(bed, &second, &where), HULSE_BUSY);
    where.type = BROKER_SHARED;
    assert_int_equal(hulse_sub_open(bed, &second, &where), HULSE_BUSY);
    hulse_sub_close(&first, false);
    where.worker = place->sub; /* another worker may still find it busy */
    assert_int_equal(hulse_sub_open(bed, &second, &where), HULSE_OK);
    hulse_sub_close(&second, false);
}

static void readers_have_no_subscription(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_sub readers[2];
    hulse_bed_topic(bed, place->owner, "readers", topic, sizeof(topic));
    const struct bed_where where = at(topic, place->sub, "", BROKER_READER);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(hulse_sub_open(bed, &readers[i], &where), HULSE_OK);
        hulse_sub_permit(&readers[i], 3);
    }
    hulse_pub_send(&pub, 3, 8);
    for (uint32_t i = 0; i < 2; i++) {
        hulse_sub_wait(&readers[i], 3);
        assert_int_equal(hulse_sub_unsubscribe(&readers[i]), HULSE_INVAL);
    }
    if ((bed->broker->ops->capabilities & BROKER_CAN_ADMIN) != 0) {
        struct bed_names names;
        struct broker_admin q = {.command = BROKER_ADMIN_SUBSCRIPTIONS, .topic = topic};
        assert_int_equal(hulse_bed_admin(bed, &q, &names), HULSE_OK);
        assert_int_equal(names.count, 0);
    }
    hulse_sub_close(&readers[0], false);
    hulse_sub_close(&readers[1], false);
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
}

static void a_reader_catches_up(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_sub reader;
    hulse_bed_topic(bed, place->owner, "catches-up", topic, sizeof(topic));
    struct bed_where where = at(topic, place->sub, "", BROKER_READER);
    assert_int_equal(hulse_sub_open(bed, &reader, &where), HULSE_OK);
    hulse_sub_wait_caught_up(&reader); /* with nothing */
    assert_int_equal(reader.count, 0);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    hulse_pub_send(&pub, 3, 8);
    hulse_pub_wait(&pub);
    struct bed_sub again;
    where.start = BROKER_EARLIEST;
    assert_int_equal(hulse_sub_open(bed, &again, &where), HULSE_OK);
    if (again.has_reach) {
        /* It keeps them, so they come first, and it is told when they have their verdict. */
        assert_true(again.reach.has_last);
        assert_int_equal(hulse_bed_compare(&again.reach.last, &pub.last_id), 0);
        hulse_sub_permit(&again, 3);
        hulse_sub_wait(&again, 3);
        assert_int_equal(again.caught_up, 0);
        hulse_sub_ack_all(&again);
    }
    hulse_sub_wait_caught_up(&again);
    hulse_pub_close(&pub);
    hulse_sub_close(&again, false);
    hulse_sub_close(&reader, false);
}

static void begins_behind_an_id(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_sub first;
    struct bed_sub second;
    hulse_bed_topic(bed, place->owner, "begins-behind", topic, sizeof(topic));
    struct bed_where where = at(topic, place->sub, "", BROKER_READER);
    assert_int_equal(hulse_sub_open(bed, &first, &where), HULSE_OK);
    hulse_sub_permit(&first, 3);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    hulse_pub_send(&pub, 3, 8);
    hulse_pub_wait(&pub);
    hulse_sub_wait(&first, 3);
    where.start = BROKER_AFTER_ID;
    where.id = first.messages[0].d->id;
    assert_int_equal(hulse_sub_open(bed, &second, &where), HULSE_OK);
    hulse_sub_permit(&second, 3);
    hulse_sub_wait(&second, 2);
    assert_int_equal(second.messages[0].number, 1);
    hulse_sub_close(&second, false);
    where.id = first.reach.behind;
    assert_int_equal(hulse_sub_open(bed, &second, &where), HULSE_OK);
    hulse_sub_permit(&second, 3);
    hulse_sub_wait(&second, 3);
    assert_int_equal(second.messages[0].number, 0);
    hulse_pub_close(&pub);
    hulse_sub_close(&second, false);
    hulse_sub_close(&first, false);
}

static void unsubscribing_forgets(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_sub subs[2];
    hulse_bed_topic(bed, place->owner, "unsubscribe", topic, sizeof(topic));
    const struct bed_where where = at(topic, place->sub, "s", BROKER_SHARED);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    assert_int_equal(hulse_sub_open(bed, &subs[0], &where), HULSE_OK);
    assert_int_equal(hulse_sub_open(bed, &subs[1], &where), HULSE_OK);
    hulse_sub_permit(&subs[0], 2);
    hulse_pub_send(&pub, 5, 8);
    hulse_sub_wait(&subs[0], 2);
    assert_int_equal(hulse_sub_unsubscribe(&subs[0]), HULSE_BUSY);
    hulse_sub_close(&subs[1], false); /* from the same worker, so it comes first */
    assert_int_equal(hulse_sub_unsubscribe(&subs[0]), HULSE_OK);
    assert_int_equal(subs[0].messages[1].d->payload.bytes, 8); /* stays valid */
    if ((bed->broker->ops->capabilities & BROKER_CAN_ADMIN) != 0) {
        assert_false(hulse_bed_has_subscription(bed, topic, "s"));
    }
    /* Another one of that name is a new one. */
    assert_int_equal(hulse_sub_open(bed, &subs[1], &where), HULSE_OK);
    hulse_sub_permit(&subs[1], 10);
    hulse_sub_ack(&subs[0], 0);
    hulse_sub_nack(&subs[0], 1, 0);
    hulse_sub_close(&subs[0], false);
    hulse_pub_send(&pub, 1, 8);
    hulse_sub_wait(&subs[1], 1);
    assert_int_equal(subs[1].messages[0].number, 5);
    hulse_sub_close(&subs[1], false);
    hulse_pub_wait(&pub);
    hulse_pub_close(&pub);
}

/* By close, and with the last consumer of a transient one. */
static void subscriptions_go_with_close(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_sub stays;
    struct bed_sub goes;
    hulse_bed_topic(bed, place->owner, "goes", topic, sizeof(topic));
    struct bed_where where = at(topic, place->sub, "stays", BROKER_EXCLUSIVE);
    assert_int_equal(hulse_sub_open(bed, &stays, &where), HULSE_OK);
    hulse_sub_close(&stays, false);
    struct bed_stats stats;
    assert_int_equal(hulse_bed_stats(bed, place->sub, topic, &stats), HULSE_OK);
    assert_int_equal(stats.total.consumers, 0);
    assert_true(hulse_bed_has_subscription(bed, topic, "stays"));
    assert_int_equal(hulse_sub_open(bed, &stays, &where), HULSE_OK);
    hulse_sub_close(&stays, true);
    where.subscription = "goes";
    where.transient = true;
    assert_int_equal(hulse_sub_open(bed, &goes, &where), HULSE_OK);
    assert_false(hulse_bed_has_subscription(bed, topic, "stays"));
    assert_true(hulse_bed_has_subscription(bed, topic, "goes"));
    hulse_sub_close(&goes, false);
    /* A question from the same worker comes behind the close. */
    assert_int_equal(hulse_bed_stats(bed, place->sub, topic, &stats), HULSE_OK);
    assert_int_equal(stats.subscription_count, 0);
}

static void creates_only_if_told(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_sub sub;
    hulse_bed_topic(bed, place->owner, "consumer-creates", topic, sizeof(topic));
    struct bed_where where = at(topic, place->sub, "s", BROKER_EXCLUSIVE);
    where.never_create = true;
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_NO_TOPIC);
    where.never_create = false;
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    hulse_sub_close(&sub, false);
}

static void refuses_type(struct bed *bed, uint32_t worker, enum broker_subscription type)
{
    char topic[128];
    struct bed_sub sub;
    hulse_bed_topic(bed, 0, "type", topic, sizeof(topic));
    const struct bed_where where = at(topic, worker, "s", type);
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_UNSUPPORTED);
}

static void refuses_failover(struct bed *bed, const struct conformance_place *place)
{
    refuses_type(bed, place->sub, BROKER_FAILOVER);
}

static void refuses_key_shared(struct bed *bed, const struct conformance_place *place)
{
    refuses_type(bed, place->sub, BROKER_KEY_SHARED);
}

#define CAN BROKER_CAN_CONSUME
#define LOOK (BROKER_CAN_CONSUME | BROKER_CAN_ADMIN | BROKER_CAN_STATS)

const struct conformance_case hulse_conformance_share[] = {
    {"consumers of a shared subscription get each message once", CAN, 0, shared_gets_each_once},
    {"each subscription gets all", CAN, 0, each_subscription_gets_all},
    {"exclusive is exclusive, and types do not mix", CAN, 0, exclusive_is_exclusive},
    {"readers have no subscription", CAN, 0, readers_have_no_subscription},
    {"a reader is told when it has caught up", CAN, 0, a_reader_catches_up},
    {"a reader begins behind an id", CAN | BROKER_CAN_START_ID, 0, begins_behind_an_id},
    {"unsubscribing forgets the subscription", CAN, 0, unsubscribing_forgets},
    {"subscriptions go with close and with the last consumer",
     LOOK,
     0,
     subscriptions_go_with_close},
    {"a consumer creates a topic only if told so", CAN, 0, creates_only_if_told},
    {"failover is refused", CAN, BROKER_CAN_FAILOVER, refuses_failover},
    {"key sharing is refused", CAN, BROKER_CAN_KEY_SHARED, refuses_key_shared},
    {0}};
