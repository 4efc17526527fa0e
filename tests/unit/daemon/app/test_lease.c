/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a message with which the application began goes back when it has had no verdict for the rule's
 *         ack_timeout, once, and counted; one that it did not begin with stays its own; a verdict that is late
 *         speaks of nothing.
 * Method: the plane turned by hand over tables of the test's own; the test says what time it is.
 */
#include "daemon/app/lease.h"
#include "daemon/app/recheck.h"
#include "tests/unit/daemon/app/check.h"

#define TIMEOUT_MS 5000U
#define BEGIN_MS 1000000U

static const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_CONSUMER};

struct scene {
    struct hand_app app;
    struct hand_channel ch;
    struct hulse_delivery_header d[3];
};

static void rule(struct hand *h, uint64_t timeout_ms)
{
    static struct config_topic_rule r;
    r = (struct config_topic_rule){
        .match = "**", .publish = {.auto_create = true}, .consume = {.ack_timeout_ms = timeout_ms}};
    h->tables.config.topics = &r;
    h->tables.config.topic_count = 1;
    assert_int_equal(hulse_own_tables_apply(&h->tables), HULSE_OK);
}

/* Three are delivered, and the first two begun with. */
static void set(struct hand *h, struct scene *s, uint64_t timeout_ms)
{
    *s = (struct scene){0};
    rule(h, timeout_ms);
    hand_app_open(h, &s->app);
    hand_channel_open(&s->app, &s->ch, &ask);
    assert_int_equal(hand_consumer(&s->app, &s->ch, BROKER_SHARED, 0, 0), HULSE_OK);
    for (uint64_t i = 0; i < 3; i++) {
        (void)hand_deliver(h, i, 10, NULL);
        hand_settle(h);
        assert_non_null(hand_next(&s->ch, &s->d[i]));
        if (i < 2) {
            atomic_store(&hulse_region_a(&s->ch.a)->down_started, s->ch.down.read);
        }
    }
}

static void strike(struct hand *h, struct scene *s)
{
    hand_app_close(&s->app);
    hand_channel_close(&s->ch);
    h->tables.config.topics = NULL;
    h->tables.config.topic_count = 0;
}

static void look(struct hand *h, struct scene *s, uint32_t at_ms)
{
    hulse_lease_expire(s->ch.ch, BEGIN_MS + at_ms);
    hand_settle(h);
}

static unsigned nacks(const struct hand *h, uint64_t entry)
{
    unsigned count = 0;
    for (size_t i = 0; i < h->broker.note_count; i++) {
        count += h->broker.notes[i].entry == entry && h->broker.notes[i].verdict == HAND_NACK;
    }
    return count;
}

static void verdict(struct hand *h, struct scene *s, uint32_t index)
{
    hand_verdict(&s->ch, &s->d[index], HULSE_VERDICT_ACK, 0);
    hand_publish(&s->app, &s->ch);
    hand_settle(h);
}

static void test_what_was_begun_goes_back(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s, TIMEOUT_MS);
    look(h, &s, 0);
    verdict(h, &s, 1);
    look(h, &s, TIMEOUT_MS - 1);
    assert_int_equal(nacks(h, 0), 0);
    look(h, &s, TIMEOUT_MS);
    look(h, &s, 2 * TIMEOUT_MS);
    assert_int_equal(nacks(h, 0), 1);
    assert_int_equal(nacks(h, 1), 0);
    assert_int_equal(s.ch.ch->slots_used, 1);
    assert_int_equal(hulse_subscriber_counters(s.ch.ch->consumer->subscriber)->timed_out, 1);
    /* Too late. */
    const uint64_t before = h->plane->verdicts_ignored;
    verdict(h, &s, 0);
    assert_int_equal(h->plane->verdicts_ignored - before, 1);
    strike(h, &s);
}

static void test_what_was_not_begun_has_its_time_before_it(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s, TIMEOUT_MS);
    for (uint32_t at = 0; at <= 10; at++) {
        look(h, &s, at * TIMEOUT_MS);
    }
    assert_int_equal(nacks(h, 2), 0);
    atomic_store(&hulse_region_a(&s.ch.a)->down_started, s.ch.down.read);
    look(h, &s, 11 * TIMEOUT_MS);
    look(h, &s, 12 * TIMEOUT_MS - 1);
    assert_int_equal(nacks(h, 2), 0);
    look(h, &s, 12 * TIMEOUT_MS);
    assert_int_equal(nacks(h, 2), 1);
    strike(h, &s);
}

static void test_without_a_rule_it_takes_as_long_as_it_takes(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s, 0);
    look(h, &s, 0);
    look(h, &s, UINT32_MAX);
    assert_int_equal(h->broker.note_count, 0);
    /* The rule may come while messages are held, and go again. */
    rule(h, TIMEOUT_MS);
    hulse_plane_recheck(h->plane);
    look(h, &s, 1);
    look(h, &s, 1 + TIMEOUT_MS);
    assert_int_equal(nacks(h, 0), 1);
    strike(h, &s);
}

static int group(struct worker *w, void *ctx)
{
    const struct CMUnitTest tests[] = {
        HAND_TEST(test_what_was_begun_goes_back),
        HAND_TEST(test_what_was_not_begun_has_its_time_before_it),
        HAND_TEST(test_without_a_rule_it_takes_as_long_as_it_takes),
    };
    (void)w;
    (void)ctx;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return hand_main(group);
}
