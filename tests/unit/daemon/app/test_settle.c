/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   up_head passes a verdict when its broker calls it final and not before, whatever else lies
 *         between; a handle closes behind its last verdict; every handle has an id of its own.
 * Method: the plane turned by hand, with a broker that settles when the test says so.
 */
#include "tests/unit/daemon/app/check.h"

#define COUNT 5U

static const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_CONSUMER};

struct scene {
    struct hand_app app;
    struct hand_channel ch;
    struct hulse_delivery_header d[COUNT];
};

static void set(struct hand *h, struct scene *s)
{
    h->broker.settle_later = true;
    hand_app_open(h, &s->app);
    hand_channel_open(&s->app, &s->ch, &ask);
    assert_int_equal(hand_consumer(&s->app, &s->ch, BROKER_SHARED, 0, 0), HULSE_OK);
    for (uint64_t i = 0; i < COUNT; i++) {
        (void)hand_deliver(h, i, 10, NULL);
        hand_settle(h);
        assert_non_null(hand_next(&s->ch, &s->d[i]));
    }
}

static void strike(struct scene *s)
{
    hand_app_close(&s->app);
    hand_channel_close(&s->ch);
}

static void give(struct hand *h, struct scene *s, uint32_t index, unsigned verdict)
{
    hand_verdict(&s->ch, &s->d[index], verdict, 0);
    hand_publish(&s->app, &s->ch);
    hand_settle(h);
}

/* Records that up_head has passed. */
static uint64_t passed(const struct scene *s)
{
    return atomic_load(&hulse_region_b(&s->ch.b)->up_head) / HULSE_VERDICT_HEADER_BYTES;
}

static void settle(struct hand *h, uint32_t count)
{
    hand_settled(h, count);
    hand_settle(h);
}

static void test_up_head_waits_for_the_broker(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    give(h, &s, 0, HULSE_VERDICT_ACK);
    give(h, &s, 1, HULSE_VERDICT_NACK);
    give(h, &s, 2, HULSE_VERDICT_DROP);
    assert_int_equal(h->broker.note_count, 3); /* the broker has them */
    assert_int_equal(passed(&s), 0);
    settle(h, 1);
    assert_int_equal(passed(&s), 1);
    settle(h, 2);
    assert_int_equal(passed(&s), 3);
    strike(&s);
}

/* A verdict that needs no call goes with what lies before it. */
static void test_what_is_ignored_waits_in_line(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    give(h, &s, 0, HULSE_VERDICT_ACK);
    give(h, &s, 0, HULSE_VERDICT_ACK); /* ignored */
    give(h, &s, 1, HULSE_VERDICT_ACK);
    give(h, &s, 1, HULSE_VERDICT_ACK); /* ignored */
    assert_int_equal(passed(&s), 0);
    settle(h, 1);
    assert_int_equal(passed(&s), 2);
    settle(h, 1);
    assert_int_equal(passed(&s), 4);
    give(h, &s, 1, HULSE_VERDICT_ACK); /* ignored, with nothing before it */
    assert_int_equal(passed(&s), 5);
    strike(&s);
}

/* The record-keeping holds as many as the ring: it is full before that is. */
static void test_a_ring_full_of_verdicts(void **state)
{
    struct hand *h = *state;
    struct scene s;
    const uint64_t room = 64 * 1024 / HULSE_VERDICT_HEADER_BYTES;
    set(h, &s);
    give(h, &s, 0, HULSE_VERDICT_ACK);
    uint64_t given = 1;
    for (uint64_t entry = COUNT; given < room; entry++) {
        struct hulse_delivery_header d = {0};
        (void)hand_deliver(h, entry, 10, NULL);
        hand_settle(h);
        if (hand_next(&s.ch, &d) == NULL) {
            hand_release(&s.app, &s.ch);
            hand_settle(h);
            assert_non_null(hand_next(&s.ch, &d));
        }
        assert_int_equal(hulse_ring_tx_reserve(&s.ch.up, HULSE_VERDICT_HEADER_BYTES),
                         HULSE_RING_OK);
        hand_verdict(&s.ch, &d, HULSE_VERDICT_ACK, 0);
        hand_publish(&s.app, &s.ch);
        hand_settle(h);
        given += 1;
    }
    assert_int_equal(passed(&s), 0);
    assert_int_equal(hulse_ring_tx_reserve(&s.ch.up, HULSE_VERDICT_HEADER_BYTES), HULSE_RING_FULL);
    settle(h, (uint32_t)room - 1);
    assert_int_equal(passed(&s), room - 1);
    settle(h, 1);
    assert_int_equal(passed(&s), room);
    strike(&s);
}

static void test_a_close_waits_for_its_verdicts(void **state)
{
    struct hand *h = *state;
    struct scene s;
    struct hulse_packet p;
    struct hulse_ctl_head head;
    set(h, &s);
    give(h, &s, 0, HULSE_VERDICT_ACK);
    const struct hulse_ctl_close_handle m = {.handle = s.ch.handle};
    hulse_packet_begin(&p, HULSE_CTL_CLOSE_HANDLE, 0, &m);
    assert_int_equal(hand_call(&s.app, &p, &p), 0);
    hand_settle(h);
    assert_false(hand_receive(&s.app, &p));
    settle(h, 1);
    assert_true(hand_receive(&s.app, &p));
    memcpy(&head, p.bytes, sizeof(head));
    assert_int_equal(head.type, HULSE_CTL_OK);
    assert_int_equal(passed(&s), 1);
    strike(&s);
}

static void test_every_handle_has_an_id(void **state)
{
    static const uint8_t none[BROKER_HANDLE_ID_BYTES];
    struct hand *h = *state;
    struct scene s;
    struct hand_channel up;
    uint8_t first[BROKER_HANDLE_ID_BYTES];
    static const struct hulse_ctl_open_channel producer = {.kind = HULSE_CHANNEL_PRODUCER};
    set(h, &s);
    memcpy(first, h->broker.handle_id, sizeof(first));
    assert_memory_not_equal(first, none, sizeof(first));
    hand_channel_open(&s.app, &up, &producer);
    assert_int_equal(hand_producer(&s.app, &up), HULSE_OK);
    assert_memory_not_equal(h->broker.handle_id, none, sizeof(first));
    assert_memory_not_equal(h->broker.handle_id, first, sizeof(first));
    hand_channel_close(&up);
    strike(&s);
}

static int group(struct worker *w, void *ctx)
{
    const struct CMUnitTest tests[] = {
        HAND_TEST(test_up_head_waits_for_the_broker),
        HAND_TEST(test_what_is_ignored_waits_in_line),
        HAND_TEST(test_a_ring_full_of_verdicts),
        HAND_TEST(test_a_close_waits_for_its_verdicts),
        HAND_TEST(test_every_handle_has_an_id),
    };
    (void)w;
    (void)ctx;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return hand_main(group);
}
