/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance_ask - promises to who asks about a topic (broker_request.h).
 */
#include "tests/unit/daemon/broker/bed_ask.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"
#include "tests/unit/daemon/broker/conformance.h"

#include <string.h>

static void looks_up(struct bed *bed, const struct conformance_place *place)
{
    const uint32_t from[] = {place->pub, BED_CONTROL};
    for (uint32_t i = 0; i < 2; i++) {
        char topic[128];
        struct broker_topic_info info;
        struct bed_pub pub = {.id = 1};
        hulse_bed_topic(bed, place->owner, i == 0 ? "look-a" : "look-b", topic, sizeof(topic));
        if (!bed->house->every_topic) {
            assert_int_equal(hulse_bed_lookup(bed, from[i], topic, false, &info), HULSE_NO_TOPIC);
            assert_int_equal(hulse_bed_lookup(bed, from[i], topic, true, &info), HULSE_OK);
        }
        if (bed->house->elsewhere) {
            assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
        }
        assert_int_equal(hulse_bed_lookup(bed, from[i], topic, false, &info), HULSE_OK);
        assert_int_equal(info.partitions, 0);
        assert_false(info.terminated);
        if (!bed->house->elsewhere) {
            assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
        }
        assert_int_equal(info.limits.message_bytes_max, pub.message_bytes_max);
        hulse_pub_close(&pub);
    }
}

static void refuses_schemas(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    hulse_bed_topic(bed, place->owner, "schema", topic, sizeof(topic));
    assert_int_equal(hulse_bed_schema(bed, place->pub, topic, true), HULSE_UNSUPPORTED);
    assert_int_equal(hulse_bed_schema(bed, BED_CONTROL, topic, false), HULSE_UNSUPPORTED);
}

static void refuses_stats(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_stats stats;
    hulse_bed_topic(bed, place->owner, "stats", topic, sizeof(topic));
    assert_int_equal(hulse_bed_stats(bed, place->pub, topic, &stats), HULSE_UNSUPPORTED);
}

static void refuses_admin(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    hulse_bed_topic(bed, place->owner, "admin", topic, sizeof(topic));
    for (int command = BROKER_ADMIN_CREATE; command <= BROKER_ADMIN_SET_POLICY; command++) {
        struct broker_admin q = {
            .command = (enum broker_admin_command)command, .topic = topic, .namespace_name = ""};
        assert_int_equal(hulse_bed_admin(bed, &q, NULL), HULSE_UNSUPPORTED);
    }
}

static const struct broker_subscription_stats *find(const struct bed_stats *stats, const char *name)
{
    for (uint32_t i = 0; i < stats->subscription_count; i++) {
        if (strcmp(stats->subscriptions[i].name, name) == 0) {
            return &stats->subscriptions[i];
        }
    }
    fail_msg("no subscription %s", name);
    return NULL;
}

static void check_figures(const struct bed_stats *stats)
{
    const struct broker_subscription_stats *a = find(stats, "a");
    const struct broker_subscription_stats *b = find(stats, "b");
    assert_int_equal(stats->subscription_count, 2);
    assert_int_equal(stats->total.producers, 1);
    assert_int_equal(stats->total.consumers, 2);
    assert_int_equal(stats->total.subscriptions, 2);
    assert_int_equal(stats->total.published, 10);
    assert_int_equal(stats->total.published_bytes, 80);
    assert_int_equal(stats->total.delivered, 5);
    assert_int_equal(stats->total.redelivered, 0);
    assert_int_equal(stats->total.acknowledged, 2);
    assert_int_equal(stats->total.backlog, 18);
    assert_int_equal(a->consumers, 1);
    assert_int_equal(a->type, BROKER_SHARED);
    assert_int_equal(a->backlog, 8);
    assert_int_equal(a->unacked, 2);
    assert_int_equal(a->delayed, 1);
    assert_int_equal(b->type, BROKER_EXCLUSIVE);
    assert_int_equal(b->backlog, 10);
    assert_int_equal(b->unacked, 0);
}

static void counts(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_stats stats;
    struct bed_pub pub = {.id = 1};
    struct bed_sub a;
    struct bed_sub b;
    hulse_bed_topic(bed, place->owner, "counted", topic, sizeof(topic));
    assert_int_equal(hulse_bed_stats(bed, place->pub, topic, &stats), HULSE_NO_TOPIC);
    struct bed_where where = {
        .worker = place->sub, .topic = topic, .subscription = "a", .type = BROKER_SHARED};
    assert_int_equal(hulse_sub_open(bed, &a, &where), HULSE_OK);
    where.subscription = "b";
    where.type = BROKER_EXCLUSIVE;
    assert_int_equal(hulse_sub_open(bed, &b, &where), HULSE_OK);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    hulse_pub_send(&pub, 10, 8);
    hulse_pub_wait(&pub);
    hulse_sub_permit(&a, 5);
    hulse_sub_wait(&a, 5);
    hulse_sub_ack(&a, 0);
    hulse_sub_ack(&a, 3);
    hulse_sub_nack(&a, 1, 600000);
    /* From where the verdicts came: behind them. */
    assert_int_equal(hulse_bed_stats(bed, place->sub, topic, &stats), HULSE_OK);
    check_figures(&stats);
    assert_int_equal(hulse_bed_stats(bed, BED_CONTROL, topic, &stats), HULSE_OK);
    check_figures(&stats);
    hulse_sub_close(&a, false);
    hulse_sub_close(&b, false);
    hulse_pub_close(&pub);
}

/* Published x subscriptions = acknowledged + dropped + backlog. */
static void conserves(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_stats stats;
    struct bed_pub pub = {.id = 1};
    struct bed_sub sub;
    hulse_bed_topic(bed, place->owner, "conserved", topic, sizeof(topic));
    const struct bed_where where = {
        .worker = place->sub, .topic = topic, .subscription = "s", .type = BROKER_SHARED};
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    sub.ack_at_once = true;
    hulse_pub_send(&pub, 50, 8);
    hulse_sub_permit(&sub, 20);
    hulse_sub_wait(&sub, 50);
    hulse_pub_wait(&pub);
    assert_int_equal(hulse_sub_unsubscribe(&sub), HULSE_OK);
    assert_int_equal(hulse_bed_stats(bed, place->sub, topic, &stats), HULSE_OK);
    assert_int_equal(stats.total.acknowledged + stats.total.dropped + stats.total.backlog, 50);
    assert_int_equal(stats.total.acknowledged, 50);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
}

#define LOOK (BROKER_CAN_CONSUME | BROKER_CAN_STATS)

const struct conformance_case hulse_conformance_ask[] = {
    {"lookup, from a worker and from control", 0, 0, looks_up},
    {"schemas are refused", 0, BROKER_CAN_SCHEMA, refuses_schemas},
    {"figures are refused", 0, BROKER_CAN_STATS, refuses_stats},
    {"orders are refused", 0, BROKER_CAN_ADMIN, refuses_admin},
    {"figures are right, from a worker and from control", LOOK, 0, counts},
    {"no message is lost between the figures", LOOK, 0, conserves},
    {0}};
