/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance_types - promises of the subscription types that a broker may lack: failover and key
 * sharing (broker_consumer.h, BROKER_CAN_FAILOVER and BROKER_CAN_KEY_SHARED).
 */
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"
#include "tests/unit/daemon/broker/conformance.h"

#include <stdio.h>

enum { COUNT = 10, KEYS = 20, PER_KEY = 5 };

/* A topic with two consumers of a subscription and a publisher. */
struct crowd {
    char topic[128];
    struct bed_pub pub;
    struct bed_sub subs[2];
};

static void gather(struct crowd *c,
                   struct bed *bed,
                   const struct conformance_place *place,
                   enum broker_subscription type)
{
    *c = (struct crowd){.pub = {.id = 1}};
    hulse_bed_topic(bed, place->owner, "crowd", c->topic, sizeof(c->topic));
    const uint32_t workers[2] = {place->sub, place->pub};
    for (uint32_t i = 0; i < 2; i++) {
        const struct bed_where where = {
            .worker = workers[i], .topic = c->topic, .subscription = "s", .type = type};
        assert_int_equal(hulse_sub_open(bed, &c->subs[i], &where), HULSE_OK);
        hulse_sub_permit(&c->subs[i], KEYS * PER_KEY);
    }
    assert_int_equal(hulse_pub_open(bed, &c->pub, place->pub, c->topic), HULSE_OK);
}

static void part(struct crowd *c)
{
    hulse_sub_close(&c->subs[0], false);
    hulse_sub_close(&c->subs[1], false);
    hulse_pub_close(&c->pub);
}

static void await_total(struct crowd *c, uint32_t wanted)
{
    while (hulse_sub_count(&c->subs[0]) + hulse_sub_count(&c->subs[1]) < wanted) {
    }
}

/* One gets all; when it goes, the other gets what that one had not acknowledged, in order. */
static void one_after_another(struct bed *bed, const struct conformance_place *place)
{
    struct crowd c;
    gather(&c, bed, place, BROKER_FAILOVER);
    hulse_pub_send(&c.pub, COUNT, 8);
    hulse_pub_wait(&c.pub);
    await_total(&c, COUNT);
    const uint32_t on = hulse_sub_count(&c.subs[0]) != 0 ? 0 : 1;
    struct bed_sub *active = &c.subs[on];
    struct bed_sub *waiting = &c.subs[1 - on];
    assert_int_equal(hulse_sub_count(waiting), 0);
    assert_int_equal(active->active, active->inactive + 1);
    assert_int_equal(waiting->active, waiting->inactive);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(active->messages[i].number, i);
    }
    hulse_sub_ack(active, 0);
    hulse_sub_ack(active, 4);
    hulse_sub_wait_settled(active, 2);
    hulse_sub_close(active, false);
    hulse_sub_wait(waiting, COUNT - 2);
    for (uint32_t i = 0, number = 0; i < COUNT - 2; i++, number++) {
        number += number == 0 || number == 4;
        assert_int_equal(waiting->messages[i].number, number);
    }
    assert_int_equal(waiting->active, waiting->inactive + 1);
    part(&c);
}

/* Which of the two got the key of a message; each key has one, and its messages are in order. */
static void check_keys(const struct crowd *c)
{
    uint32_t owner[KEYS] = {0};
    uint32_t seen[KEYS] = {0};
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t i = 0; i < c->subs[s].count; i++) {
            const uint32_t number = c->subs[s].messages[i].number;
            const uint32_t key = number % KEYS;
            assert_true(seen[key] == 0 || owner[key] == s);
            assert_int_equal(number / KEYS, seen[key]);
            owner[key] = s;
            seen[key]++;
        }
    }
    for (uint32_t k = 0; k < KEYS; k++) {
        assert_int_equal(seen[k], PER_KEY);
    }
}

static void keys_stay_together(struct bed *bed, const struct conformance_place *place)
{
    struct crowd c;
    gather(&c, bed, place, BROKER_KEY_SHARED);
    for (uint32_t i = 0; i < KEYS * PER_KEY; i++) {
        char key[16];
        const int bytes = snprintf(key, sizeof(key), "key-%u", i % KEYS);
        const struct broker_meta meta = {
            .key = {(const uint8_t *)key, (uint32_t)bytes}, .partition = -1, .has_key = true};
        hulse_pub_send_meta(&c.pub, &meta);
    }
    hulse_pub_wait(&c.pub);
    await_total(&c, KEYS * PER_KEY);
    /* With so many keys each of the two has some. */
    assert_true(c.subs[0].count > 0 && c.subs[1].count > 0);
    check_keys(&c);
    hulse_sub_ack_all(&c.subs[0]);
    hulse_sub_ack_all(&c.subs[1]);
    part(&c);
}

const struct conformance_case hulse_conformance_types[] = {
    {"failover: one gets all, then the other goes on",
     BROKER_CAN_CONSUME | BROKER_CAN_FAILOVER,
     0,
     one_after_another},
    {"key sharing: a key has one consumer and its order",
     BROKER_CAN_CONSUME | BROKER_CAN_KEY_SHARED,
     0,
     keys_stay_together},
    {0}};
