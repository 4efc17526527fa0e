/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance_settle - promises about verdicts that have to survive: which are final, and those that
 * name a message by its id (broker.h ack_id, broker_consumer.h settled).
 */
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"
#include "tests/unit/daemon/broker/conformance.h"

#define COUNT 6U

/* A topic with messages whose ids are known, and a consumer that has let all of them go again. */
struct scene {
    char topic[128];
    struct bed_where where;
    struct bed_pub pub;
    struct bed_sub sub;
    struct broker_id ids[COUNT];
};

static void set(struct scene *s,
                struct bed *bed,
                const struct conformance_place *place,
                enum broker_subscription type)
{
    *s = (struct scene){.pub = {.id = 1}};
    hulse_bed_topic(bed, place->owner, "settle", s->topic, sizeof(s->topic));
    s->where = (struct bed_where){
        .worker = place->sub, .topic = s->topic, .subscription = "s", .type = type};
    assert_int_equal(hulse_sub_open(bed, &s->sub, &s->where), HULSE_OK);
    assert_int_equal(hulse_pub_open(bed, &s->pub, place->pub, s->topic), HULSE_OK);
    hulse_pub_send(&s->pub, COUNT, 8);
    hulse_pub_wait(&s->pub);
    hulse_sub_permit(&s->sub, COUNT);
    hulse_sub_wait(&s->sub, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        s->ids[i] = s->sub.messages[i].d->id;
    }
}

/* Gives everything back and opens anew. */
static void let_go(struct scene *s, struct bed *bed)
{
    hulse_sub_close(&s->sub, false);
    assert_int_equal(hulse_sub_open(bed, &s->sub, &s->where), HULSE_OK);
}

static void strike(struct scene *s)
{
    hulse_sub_close(&s->sub, false);
    hulse_pub_close(&s->pub);
}

/* Exactly these come to `sub`, in this order, and nothing between. */
static void expect(struct scene *s, struct bed_sub *sub, const uint32_t *numbers, uint32_t count)
{
    const uint32_t before = sub->count;
    hulse_sub_permit(sub, COUNT + 1);
    hulse_pub_send(&s->pub, 1, 8); /* is the last */
    hulse_pub_wait(&s->pub);
    hulse_sub_wait(sub, before + count + 1);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(sub->messages[before + i].number, numbers[i]);
    }
    assert_int_equal(sub->messages[before + count].number, COUNT);
}

static void settles_every_verdict(struct bed *bed, const struct conformance_place *place)
{
    struct scene s;
    const struct broker_id unknown = {.ledger = 1, .entry = 99, .batch = -1};
    set(&s, bed, place, BROKER_EXCLUSIVE);
    hulse_sub_ack(&s.sub, 0);
    hulse_sub_wait_settled(&s.sub, 1);
    hulse_sub_ack_cumulative(&s.sub, 2); /* one call, two messages */
    hulse_sub_wait_settled(&s.sub, 2);
    hulse_sub_ack_id(&s.sub, &unknown, false);
    hulse_sub_nack(&s.sub, 3, 0);
    hulse_sub_wait_settled(&s.sub, 4);
    hulse_sub_give_back(&s.sub, 4);
    hulse_sub_redeliver_all(&s.sub);
    hulse_sub_permit(&s.sub, 3);
    hulse_sub_wait(&s.sub, COUNT + 3);
    assert_int_equal(s.sub.settled, 4); /* what the consumer says of itself counts for nothing */
    strike(&s);
}

static void ends_by_id_what_waits(struct bed *bed, const struct conformance_place *place)
{
    static const uint32_t left[] = {0, 2, 4};
    struct scene s;
    set(&s, bed, place, BROKER_EXCLUSIVE);
    let_go(&s, bed);
    hulse_sub_ack_id(&s.sub, &s.ids[3], false);
    hulse_sub_ack_id(&s.sub, &s.ids[1], false);
    hulse_sub_ack_id(&s.sub, &s.ids[5], false);
    hulse_sub_ack_id(&s.sub, &s.ids[1], false); /* no effect */
    hulse_sub_wait_settled(&s.sub, 4);
    expect(&s, &s.sub, left, 3);
    strike(&s);
}

/* One that was never handed out. */
static void ends_by_id_what_is_new(struct bed *bed, const struct conformance_place *place)
{
    struct scene s;
    set(&s, bed, place, BROKER_EXCLUSIVE);
    hulse_sub_ack_all(&s.sub);
    hulse_pub_send(&s.pub, 1, 8);
    hulse_pub_wait(&s.pub);
    const struct broker_id first = s.pub.last_id;
    hulse_pub_send(&s.pub, 1, 8);
    hulse_pub_wait(&s.pub);
    hulse_sub_ack_id(&s.sub, &first, false);
    hulse_sub_wait_settled(&s.sub, COUNT + 1);
    hulse_sub_permit(&s.sub, 1);
    hulse_sub_wait(&s.sub, COUNT + 1);
    assert_int_equal(s.sub.messages[COUNT].number, COUNT + 1);
    strike(&s);
}

static void ends_by_id_what_is_delayed(struct bed *bed, const struct conformance_place *place)
{
    static const uint32_t left[] = {1};
    struct scene s;
    set(&s, bed, place, BROKER_EXCLUSIVE);
    hulse_sub_nack(&s.sub, 0, 20);
    hulse_sub_nack(&s.sub, 1, 40); /* comes after the other would have */
    for (uint32_t i = 2; i < COUNT; i++) {
        hulse_sub_ack(&s.sub, i);
    }
    hulse_sub_ack_id(&s.sub, &s.ids[0], false);
    hulse_sub_permit(&s.sub, 2);
    hulse_sub_wait(&s.sub, COUNT + 1);
    assert_int_equal(s.sub.messages[COUNT].number, left[0]);
    strike(&s);
}

static void ends_by_id_all_before(struct bed *bed, const struct conformance_place *place)
{
    static const uint32_t left[] = {4, 5};
    struct scene s;
    set(&s, bed, place, BROKER_EXCLUSIVE);
    let_go(&s, bed);
    hulse_sub_ack_id(&s.sub, &s.ids[3], true);
    hulse_sub_wait_settled(&s.sub, 1);
    expect(&s, &s.sub, left, 2);
    strike(&s);
}

/* It ends when that one lets it go. */
static void ends_by_id_what_another_holds(struct bed *bed, const struct conformance_place *place)
{
    static const uint32_t left[] = {0, 1, 3, 4, 5};
    struct scene s;
    struct bed_sub other;
    set(&s, bed, place, BROKER_SHARED);
    assert_int_equal(hulse_sub_open(bed, &other, &s.where), HULSE_OK);
    hulse_sub_ack_id(&other, &s.ids[2], false);
    hulse_sub_wait_settled(&other, 1);
    (void)hulse_sub_last_message_id(&other); /* behind it on the same way */
    hulse_sub_close(&s.sub, false);
    expect(&s, &other, left, 5);
    hulse_sub_close(&other, false);
    strike(&s);
}

#define CAN BROKER_CAN_CONSUME

const struct conformance_case hulse_conformance_settle[] = {
    {"every verdict is settled, one for each call", CAN, 0, settles_every_verdict},
    {"by id: what was given back", CAN, 0, ends_by_id_what_waits},
    {"by id: what was never handed out", CAN, 0, ends_by_id_what_is_new},
    {"by id: what is delayed", CAN, 0, ends_by_id_what_is_delayed},
    {"by id, cumulative: all before it", CAN, 0, ends_by_id_all_before},
    {"by id: what another consumer holds", CAN, 0, ends_by_id_what_another_holds},
    {0}};
