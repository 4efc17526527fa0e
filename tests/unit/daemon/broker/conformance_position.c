/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance_position - promises about where reading goes on and when (broker.h, BROKER_CAN_SEEK,
 * BROKER_CAN_DELAY; broker_consumer.h, struct broker_position).
 */
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"
#include "tests/unit/daemon/broker/conformance.h"

#include <time.h>

enum { HALF = 5, COUNT = 2 * HALF };

/* A topic of ten messages, between whose halves the clock has gone on, all of them held. */
struct shelf {
    char topic[128];
    struct bed_where where;
    struct bed_pub pub;
    struct bed_sub sub;
    struct broker_position at[COUNT]; /* by number */
};

static void send_half(struct shelf *s)
{
    const struct timespec nap = {.tv_nsec = 20000000L};
    hulse_pub_send(&s->pub, HALF, 8);
    hulse_pub_wait(&s->pub);
    (void)nanosleep(&nap, NULL);
}

static void
fill(struct shelf *s, struct bed *bed, const struct conformance_place *place, const char *stem)
{
    *s = (struct shelf){.pub = {.id = 1}};
    hulse_bed_topic(bed, place->owner, stem, s->topic, sizeof(s->topic));
    s->where = (struct bed_where){
        .worker = place->sub, .topic = s->topic, .subscription = "s", .type = BROKER_EXCLUSIVE};
    assert_int_equal(hulse_sub_open(bed, &s->sub, &s->where), HULSE_OK);
    assert_int_equal(hulse_pub_open(bed, &s->pub, place->pub, s->topic), HULSE_OK);
    send_half(s);
    send_half(s);
    hulse_sub_permit(&s->sub, COUNT);
    hulse_sub_wait(&s->sub, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        const struct broker_delivery *d = s->sub.messages[i].d;
        s->at[i] = (struct broker_position){
            .kind = BROKER_AT_ID, .id = d->id, .time_ms = d->publish_time_ms};
    }
}

static void empty(struct shelf *s)
{
    hulse_sub_close(&s->sub, false);
    hulse_pub_close(&s->pub);
}

/* Seeks, and gets exactly those from `first` on; they have no verdict afterwards. */
static void expect_from(struct shelf *s, const struct broker_position *to, uint32_t first)
{
    const uint32_t before = s->sub.count;
    const uint32_t held = s->sub.held;
    const uint32_t ended = s->sub.ended;
    assert_int_equal(hulse_sub_seek(&s->sub, to), HULSE_OK);
    assert_int_equal(s->sub.errand, BROKER_SEEK);
    assert_int_equal(s->sub.errand_status, HULSE_OK);
    assert_int_equal(s->sub.ended, ended + held);
    assert_int_equal(s->sub.held, 0);
    hulse_sub_permit(&s->sub, COUNT - first);
    hulse_sub_wait(&s->sub, before + COUNT - first);
    for (uint32_t number = first; number < COUNT; number++) {
        assert_int_equal(s->sub.messages[before + number - first].number, number);
    }
}

static void seeks(struct bed *bed, const struct conformance_place *place)
{
    static const struct broker_position earliest = {.kind = BROKER_EARLIEST};
    struct shelf s;
    fill(&s, bed, place, "seek");
    hulse_sub_ack(&s.sub, 0);
    hulse_sub_ack(&s.sub, 7);
    expect_from(&s, &earliest, 0); /* the acknowledged ones, too */
    struct broker_position to = s.at[7];
    expect_from(&s, &to, 7);
    to = s.at[2];
    to.kind = BROKER_AFTER_ID;
    expect_from(&s, &to, 3);
    to = s.at[HALF];
    to.kind = BROKER_AT_PUBLISHED;
    expect_from(&s, &to, HALF);
    hulse_sub_ack_all(&s.sub);
    empty(&s);
}

/* Nothing of before, and all from then on. */
static void seeks_the_end(struct bed *bed, const struct conformance_place *place)
{
    static const struct broker_position latest = {.kind = BROKER_LATEST};
    struct shelf s;
    fill(&s, bed, place, "seek-end");
    assert_int_equal(hulse_sub_seek(&s.sub, &latest), HULSE_OK);
    assert_int_equal(s.sub.ended, COUNT);
    hulse_sub_permit(&s.sub, COUNT);
    hulse_pub_send(&s.pub, 1, 8);
    hulse_sub_wait(&s.sub, COUNT + 1);
    assert_int_equal(s.sub.messages[COUNT].number, COUNT);
    hulse_pub_wait(&s.pub);
    empty(&s);
}

static void begins_where_told(struct bed *bed, const struct conformance_place *place)
{
    static const struct {
        enum broker_position_kind kind;
        uint32_t number;
        uint32_t first;
    } starts[] = {{BROKER_EARLIEST, 0, 0},
                  {BROKER_AT_ID, 3, 3},
                  {BROKER_AFTER_ID, 3, 4},
                  {BROKER_AT_PUBLISHED, HALF, HALF}};
    struct shelf s;
    fill(&s, bed, place, "begin");
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct bed_sub reader;
        struct bed_where where = s.where;
        where.type = BROKER_READER;
        where.subscription = "";
        where.start = starts[i].kind;
        where.id = s.at[starts[i].number].id;
        where.time_ms = s.at[starts[i].number].time_ms;
        assert_int_equal(hulse_sub_open(bed, &reader, &where), HULSE_OK);
        hulse_sub_permit(&reader, COUNT);
        hulse_sub_wait(&reader, COUNT - starts[i].first);
        for (uint32_t k = 0; k < reader.count; k++) {
            assert_int_equal(reader.messages[k].number, starts[i].first + k);
        }
        hulse_sub_close(&reader, false);
    }
    empty(&s);
}

/*
 * Looked at through the order: one that is sent first comes last. Pulsar lets out early what is due
 * within the tick of its timer, 1 s.
 */
static void delays(struct bed *bed, const struct conformance_place *place)
{
    char topic[128];
    struct bed_pub pub = {.id = 1};
    struct bed_sub sub;
    hulse_bed_topic(bed, place->owner, "delayed", topic, sizeof(topic));
    const struct bed_where where = {
        .worker = place->sub, .topic = topic, .subscription = "s", .type = BROKER_SHARED};
    const struct broker_meta meta = {.partition = -1, .deliver_after_ms = 1500};
    assert_int_equal(hulse_sub_open(bed, &sub, &where), HULSE_OK);
    assert_int_equal(hulse_pub_open(bed, &pub, place->pub, topic), HULSE_OK);
    hulse_sub_permit(&sub, 3);
    hulse_pub_send_meta(&pub, &meta);
    hulse_pub_send(&pub, 2, 8);
    hulse_pub_wait(&pub);
    hulse_sub_wait(&sub, 3);
    assert_int_equal(sub.messages[0].number, 1);
    assert_int_equal(sub.messages[1].number, 2);
    assert_int_equal(sub.messages[2].number, 0);
    assert_int_equal(sub.messages[2].redelivery, 0);
    hulse_sub_ack_all(&sub);
    hulse_sub_close(&sub, false);
    hulse_pub_close(&pub);
}

#define SEEK (BROKER_CAN_CONSUME | BROKER_CAN_SEEK)

const struct conformance_case hulse_conformance_position[] = {
    {"seeking: backwards, forwards, by id and by time", SEEK, 0, seeks},
    {"seeking the end: only what comes", SEEK, 0, seeks_the_end},
    {"a reader begins where it was told", SEEK | BROKER_CAN_START_ID, 0, begins_where_told},
    {"a delayed message comes when its time has come",
     BROKER_CAN_CONSUME | BROKER_CAN_DELAY,
     0,
     delays},
    {0}};
