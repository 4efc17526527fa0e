/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a consumer begins where its app says, and moves: verdicts given before the wish count, deliveries of before end and
 *         are named in the answer, those that follow are good; nonsense, a second wish and one in vain are refused.
 * Method: the plane turned by hand between a scripted broker and a scripted app.
 */
#include "tests/unit/daemon/app/check.h"

static const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_CONSUMER};

struct pair {
    struct hand_app app;
    struct hand_channel ch;
};

static void open_pair(struct hand *h, struct pair *p)
{
    hand_app_open(h, &p->app);
    hand_channel_open(&p->app, &p->ch, &ask);
}

static void open_consumer(struct hand *h, struct pair *p)
{
    open_pair(h, p);
    assert_int_equal(hand_consumer(&p->app, &p->ch, BROKER_SHARED, 0, 0), HULSE_OK);
}

static void close_pair(struct pair *p)
{
    hand_app_close(&p->app);
    hand_channel_close(&p->ch);
}

/* The answer's type; 0: none yet. */
static unsigned wish(struct pair *p, struct hulse_ctl_seek m, struct hulse_packet *answer)
{
    m.handle = m.handle != 0 ? m.handle : p->ch.handle;
    hulse_packet_begin(answer, HULSE_CTL_SEEK, 0, &m);
    return hand_call(&p->app, answer, answer);
}

/* The position that it says, once the broker is done. */
static uint64_t moved(struct hand *h, struct pair *p)
{
    struct hulse_packet in;
    struct hulse_ctl_ok ok;
    hand_sought(h, HULSE_OK);
    assert_true(hand_receive(&p->app, &in));
    memcpy(&ok, in.bytes, sizeof(ok));
    assert_int_equal(ok.head.type, HULSE_CTL_OK);
    return ok.value;
}

/* Published, and nobody has been told. */
static void judge(struct pair *p, const struct hulse_delivery_header *d)
{
    hand_verdict(&p->ch, d, HULSE_VERDICT_ACK, 0);
    hulse_ring_tx_publish(&p->ch.up);
}

static void test_it_moves(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_packet in;
    struct hulse_delivery_header d[3] = {0};
    open_consumer(h, &p);
    for (uint64_t entry = 0; entry < 3; entry++) {
        (void)hand_deliver(h, entry, 100, NULL);
        hand_settle(h);
    }
    assert_non_null(hand_next(&p.ch, &d[0]));
    assert_non_null(hand_next(&p.ch, &d[1]));
    judge(&p, &d[0]);
    /* The verdict is in the ring and not taken; what follows it is too late. */
    const struct hulse_ctl_seek to = {.start = HULSE_START_AFTER_ID,
                                      .at = {.ledger = 7, .entry = 1, .batch = 3, .batch_size = 9}};
    assert_int_equal(wish(&p, to, &in), 0);
    hand_settle(h);
    assert_int_equal(h->broker.note_count, 1);
    assert_int_equal(h->broker.notes[0].verdict, HAND_ACK);
    assert_int_equal(h->broker.seeks, 1);
    assert_int_equal(h->broker.sought.kind, BROKER_AFTER_ID);
    assert_int_equal(h->broker.sought.id.batch, 3);
    assert_int_equal(h->broker.sought.id.batch_size, 9);
    judge(&p, &d[1]);
    (void)hand_deliver(h, 1, 100, NULL); /* of after, though the answer has not come */
    hand_settle(h);
    assert_int_equal(h->broker.note_count, 1);
    const uint64_t stale_to = moved(h, &p);
    assert_non_null(hand_next(&p.ch, &d[2]));
    assert_int_equal(d[2].entry, 2);
    assert_int_equal(p.ch.down.read, stale_to);
    assert_non_null(hand_next(&p.ch, &d[1]));
    assert_int_equal(d[1].entry, 1);
    judge(&p, &d[2]); /* on nothing */
    judge(&p, &d[1]);
    hand_settle(h);
    assert_int_equal(h->broker.note_count, 2);
    assert_int_equal(h->broker.notes[1].entry, 1);
    assert_true(hand_session_alive(&p.app));
    close_pair(&p);
}

/* More of them than are taken in one visit: those on nothing, then a good one. */
static void test_all_verdicts_given_before_count(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_packet in;
    struct hulse_delivery_header d = {0};
    open_consumer(h, &p);
    (void)hand_deliver(h, 1, 100, NULL);
    hand_settle(h);
    assert_non_null(hand_next(&p.ch, &d));
    const uint64_t ref = d.ref;
    d.ref += UINT64_C(1) << 32U;
    for (unsigned i = 0; i < HULSE_VISIT_RECORDS; i++) {
        hand_verdict(&p.ch, &d, HULSE_VERDICT_ACK, 0);
    }
    d.ref = ref;
    judge(&p, &d);
    assert_int_equal(wish(&p, (struct hulse_ctl_seek){.start = HULSE_START_EARLIEST}, &in), 0);
    hand_settle(h);
    assert_int_equal(h->broker.note_count, 1);
    assert_int_equal(h->broker.seeks, 1);
    (void)moved(h, &p);
    close_pair(&p);
}

/* What waits for room has gone as well, the begun fragments of one among it. */
static void test_what_waits_has_gone(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_packet in;
    struct hulse_delivery_header d = {0};
    open_pair(h, &p);
    assert_int_equal(hand_consumer(&p.app, &p.ch, BROKER_SHARED, 0, 256 * 1024), HULSE_OK);
    (void)hand_deliver(h, 1, 100 * 1024, NULL);
    hand_settle(h);
    assert_int_equal(wish(&p, (struct hulse_ctl_seek){.start = HULSE_START_EARLIEST}, &in), 0);
    hand_settle(h);
    assert_int_equal(h->broker.sought.kind, BROKER_EARLIEST);
    const uint64_t stale_to = moved(h, &p);
    while (p.ch.down.read < stale_to) {
        assert_non_null(hand_next(&p.ch, &d));
    }
    assert_null(hand_next(&p.ch, &d));
    hand_release(&p.app, &p.ch);
    hand_settle(h);
    (void)hand_deliver(h, 2, 10, NULL);
    hand_settle(h);
    assert_non_null(hand_next(&p.ch, &d));
    assert_int_equal(d.type, HULSE_RECORD_MESSAGE);
    assert_int_equal(d.entry, 2);
    close_pair(&p);
}

static void test_refusals(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_packet in;
    const struct hulse_ctl_seek good = {.start = HULSE_START_AT_TIME, .at = {.ledger = 5}};
    struct hulse_ctl_seek bad = good;
    open_consumer(h, &p);
    bad.handle = p.ch.handle + 1;
    assert_int_equal(wish(&p, bad, &in), HULSE_CTL_ERR);
    assert_int_equal(p.app.status, HULSE_INVAL);
    bad = good;
    bad.at.entry = 1; /* a time has none */
    assert_int_equal(wish(&p, bad, &in), HULSE_CTL_ERR);
    assert_int_equal(p.app.status, HULSE_INVAL);
    bad = (struct hulse_ctl_seek){.start = HULSE_START_AT_TIME + 1};
    assert_int_equal(wish(&p, bad, &in), HULSE_CTL_ERR);
    bad = (struct hulse_ctl_seek){.start = HULSE_START_LATEST, .at = {.ledger = 1}};
    assert_int_equal(wish(&p, bad, &in), HULSE_CTL_ERR);
    assert_int_equal(wish(&p, good, &in), 0);
    assert_int_equal(wish(&p, good, &in), HULSE_CTL_ERR);
    assert_int_equal(p.app.status, HULSE_BUSY);
    hand_settle(h);
    assert_int_equal(h->broker.sought.kind, BROKER_AT_PUBLISHED);
    assert_int_equal(h->broker.sought.time_ms, 5);
    hand_sought(h, HULSE_TIMED_OUT);
    assert_true(hand_receive(&p.app, &in));
    assert_int_equal(p.app.status, HULSE_TIMED_OUT);
    h->broker.seek_status = HULSE_BUSY;
    assert_int_equal(wish(&p, good, &in), 0);
    hand_settle(h);
    assert_true(hand_receive(&p.app, &in));
    assert_int_equal(p.app.status, HULSE_BUSY);
    h->broker.seek_status = HULSE_OK;
    h->broker.ops.capabilities = 0;
    assert_int_equal(wish(&p, good, &in), 0);
    hand_settle(h);
    assert_true(hand_receive(&p.app, &in));
    assert_int_equal(p.app.status, HULSE_UNSUPPORTED);
    assert_true(hand_session_alive(&p.app));
    close_pair(&p);
}

/* The consumer goes, or its app, while it is on its way. */
static void test_nobody_is_answered_any_more(void **state)
{
    struct hand *h = *state;
    struct hulse_packet in;
    for (unsigned asked = 0; asked < 2; asked++) {
        struct pair p;
        open_consumer(h, &p);
        assert_int_equal(wish(&p, (struct hulse_ctl_seek){.start = HULSE_START_LATEST}, &in), 0);
        if (asked != 0) {
            hand_settle(h);
        }
        close_pair(&p);
        hand_settle(h);
    }
}

static hulse_status open_at(struct pair *p, uint8_t start, const struct hulse_ctl_position *at)
{
    static const char topic[] = "non-persistent://public/default/hand";
    const struct hulse_ctl_open_consumer_at m = {.open = {.channel = p->ch.id,
                                                          .type = BROKER_SHARED,
                                                          .start = start,
                                                          .topic_len = sizeof(topic) - 1,
                                                          .subscription_len = 1},
                                                 .at = *at};
    struct hulse_packet in;
    hulse_packet_begin(&in, HULSE_CTL_OPEN_CONSUMER_AT, 0, &m);
    hulse_packet_append(&in, topic, sizeof(topic) - 1);
    hulse_packet_append(&in, "s", 1);
    in.fd_count = 0;
    return hand_call(&p->app, &in, &in) == HULSE_CTL_CONSUMER ? HULSE_OK : p->app.status;
}

static void test_it_begins_where_it_is_told(void **state)
{
    struct hand *h = *state;
    const struct hulse_ctl_position id = {.ledger = 3, .entry = 4, .batch = -1};
    const struct hulse_ctl_position at_time = {.ledger = 99};
    struct pair p;
    open_pair(h, &p);
    assert_int_equal(open_at(&p, HULSE_START_AT_TIME, &id), HULSE_INVAL);
    assert_int_equal(open_at(&p, HULSE_START_AT_TIME, &at_time), HULSE_OK);
    assert_int_equal(h->broker.start.kind, BROKER_AT_PUBLISHED);
    assert_int_equal(h->broker.start.time_ms, 99);
    close_pair(&p);
    open_pair(h, &p);
    assert_int_equal(open_at(&p, HULSE_START_AT_ID, &id), HULSE_OK);
    assert_int_equal(h->broker.start.kind, BROKER_AT_ID);
    assert_int_equal(h->broker.start.id.entry, 4);
    assert_int_equal(h->broker.start.id.batch, -1);
    close_pair(&p);
    h->broker.ops.capabilities = BROKER_CAN_START_ID;
    open_pair(h, &p);
    assert_int_equal(open_at(&p, HULSE_START_AT_TIME, &at_time), HULSE_UNSUPPORTED);
    close_pair(&p);
}

static int group(struct worker *w, void *ctx)
{
    const struct CMUnitTest tests[] = {
        HAND_TEST(test_it_moves),
        HAND_TEST(test_all_verdicts_given_before_count),
        HAND_TEST(test_what_waits_has_gone),
        HAND_TEST(test_refusals),
        HAND_TEST(test_nobody_is_answered_any_more),
        HAND_TEST(test_it_begins_where_it_is_told),
    };
    (void)w;
    (void)ctx;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return hand_main(group);
}
