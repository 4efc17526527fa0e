/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a change of the tables reaches handles that are open: a consumer that may not consume any
 *         more is closed and gives back, a producer is refused and later allowed again; a producer
 *         that drops the oldest never blocks its ring.
 * Method: the plane turned by hand over tables of the test's own; roles for the test's own uid.
 */
#include "daemon/app/recheck.h"
#include "tests/unit/daemon/app/check.h"

static const char *const everything[] = {"**"};
static const char *const elsewhere[] = {"non-persistent://public/default/elsewhere"};

/* The test's own uid gets a role that may do this. */
static void allow(struct hand *h, const char *const *produce, const char *const *consume)
{
    static uid_t uid;
    static struct config_role role;

    uid = geteuid();
    role = (struct config_role){.name = "tester",
                                .uids = &uid,
                                .uid_count = 1,
                                .produce = produce,
                                .produce_count = 1,
                                .consume = consume,
                                .consume_count = 1};
    h->tables.config.roles = &role;
    h->tables.config.role_count = 1;
    assert_int_equal(hulse_own_tables_apply(&h->tables), HULSE_OK);
    hulse_plane_recheck(h->plane);
    hand_settle(h);
}

static void test_a_consumer_that_may_not_go_on_is_closed(void **state)
{
    struct hand *h = *state;
    static const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_CONSUMER};
    struct hand_app app;
    struct hand_channel ch;
    struct hulse_delivery_header started = {0};
    struct hulse_packet p;

    allow(h, everything, everything);
    hand_app_open(h, &app);
    hand_channel_open(&app, &ch, &ask);
    assert_int_equal(hand_consumer(&app, &ch, BROKER_SHARED, 0, 0), HULSE_OK);
    (void)hand_deliver(h, 1, 10, NULL);
    hand_settle(h);
    (void)hand_deliver(h, 2, 10, NULL);
    hand_settle(h);
    assert_non_null(hand_next(&ch, &started));
    atomic_store(&hulse_region_a(&ch.a)->down_started, ch.down.read);

    allow(h, everything, everything); /* a change that changes nothing for it */
    assert_int_equal(h->broker.consumers, 1);
    assert_false(hand_receive(&app, &p));
    assert_int_equal(app.event[0], '\0');

    allow(h, everything, elsewhere);
    assert_int_equal(h->broker.consumers, 0);
    assert_int_equal(h->broker.note_count, 2);
    assert_int_equal(h->broker.notes[0].verdict, HAND_NACK); /* it was started */
    assert_int_equal(h->broker.notes[1].verdict, HAND_GIVE_BACK);
    assert_false(hand_receive(&app, &p));
    assert_int_equal(app.status, HULSE_DENIED);
    assert_string_equal(app.event, "the permission to consume was taken away");

    /* A verdict that comes late says nothing any more; the session goes on. */
    hand_verdict(&ch, &started, HULSE_VERDICT_ACK, 0);
    hand_publish(&app, &ch);
    hand_settle(h);
    assert_true(hand_session_alive(&app));
    assert_int_equal(h->broker.note_count, 2);
    assert_int_equal(h->plane->verdicts_ignored, 1);
    allow(h, everything, elsewhere); /* and again: it is closed already */
    assert_true(hand_close_handle(&app, &ch));
    assert_int_equal(hand_consumer(&app, &ch, BROKER_SHARED, 0, 0), HULSE_DENIED);
    allow(h, everything, everything);
    assert_int_equal(hand_consumer(&app, &ch, BROKER_SHARED, 0, 0), HULSE_OK);
    hand_app_close(&app);
    hand_channel_close(&ch);
}

static void
publish_one(struct hand *h, struct hand_app *app, struct hand_channel *ch, uint64_t token)
{
    hand_put_message(ch, "x", 1, token);
    hand_publish(app, ch);
    hand_settle(h);
}

static unsigned outcome_of(struct hand_channel *ch, uint64_t token)
{
    struct hulse_receipt_record r = {0};

    assert_true(hand_receipt(ch, &r));
    assert_int_equal(r.token, token);
    return r.status;
}

static void test_a_producer_is_refused_and_allowed_again(void **state)
{
    struct hand *h = *state;
    static const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER,
                                                      .receipts = HULSE_RECEIPT_MODE_FULL};
    struct hand_app app;
    struct hand_channel ch;

    h->broker.answer_at_once = true;
    allow(h, everything, everything);
    hand_app_open(h, &app);
    hand_channel_open(&app, &ch, &ask);
    assert_int_equal(hand_producer(&app, &ch), HULSE_OK);
    publish_one(h, &app, &ch, 1);
    assert_int_equal(outcome_of(&ch, 1), HULSE_OUTCOME_STORED);
    allow(h, elsewhere, everything);
    publish_one(h, &app, &ch, 2);
    assert_int_equal(outcome_of(&ch, 2), HULSE_OUTCOME_DENIED);
    allow(h, everything, everything);
    publish_one(h, &app, &ch, 3);
    assert_int_equal(outcome_of(&ch, 3), HULSE_OUTCOME_STORED);
    hand_app_close(&app);
    hand_channel_close(&ch);
}

/* The broker answers nothing, then the newest first. */
static void test_the_oldest_is_dropped_and_the_ring_goes_on(void **state)
{
    struct hand *h = *state;
    static const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER,
                                                      .receipts = HULSE_RECEIPT_MODE_FULL,
                                                      .release = HULSE_RELEASE_ON_READ};
    enum { RECORDS = 5000, WITH_BROKER = 1024, HELD = 512 };
    struct hand_app app;
    struct hand_channel ch;
    struct hulse_receipt_record r = {0};
    uint64_t next = WITH_BROKER;

    hand_app_open(h, &app);
    hand_channel_open(&app, &ch, &ask);
    assert_int_equal(hand_producer(&app, &ch), HULSE_OK);
    for (uint64_t token = 0; token < RECORDS; token++) {
        assert_int_equal(hulse_ring_tx_reserve(&ch.up, 48), HULSE_RING_OK); /* never full */
        publish_one(h, &app, &ch, token);
        while (hand_receipt(&ch, &r)) {
            assert_int_equal(r.status, HULSE_OUTCOME_DROPPED);
            assert_int_equal(r.token, next++); /* the oldest that the broker has not got */
        }
    }
    assert_int_equal(next, RECORDS - HELD);
    assert_int_equal(h->broker.send_count, WITH_BROKER);
    unsigned stored = 0;
    for (size_t i = h->broker.send_count; i > 0; i--) {
        hand_answer(h, i - 1, HULSE_OUTCOME_STORED); /* each makes room for one that waits */
    }
    for (size_t i = WITH_BROKER; i < h->broker.send_count; i++) {
        hand_answer(h, i, HULSE_OUTCOME_STORED);
    }
    hand_settle(h);
    while (hand_receipt(&ch, &r)) {
        assert_int_equal(r.status, HULSE_OUTCOME_STORED);
        stored += 1;
    }
    assert_int_equal(stored, WITH_BROKER + HELD);
    assert_int_equal(h->plane->in_flight, 0);
    hand_app_close(&app);
    hand_channel_close(&ch);
}

static int group(struct worker *w, void *ctx)
{
    const struct CMUnitTest tests[] = {
        HAND_TEST(test_a_consumer_that_may_not_go_on_is_closed),
        HAND_TEST(test_a_producer_is_refused_and_allowed_again),
        HAND_TEST(test_the_oldest_is_dropped_and_the_ring_goes_on),
    };
    (void)w;
    (void)ctx;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return hand_main(group);
}
