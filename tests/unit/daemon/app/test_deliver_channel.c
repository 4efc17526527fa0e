/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a consumer channel: what the ring has no room for waits and keeps its order; large messages
 *         go as fragments; verdicts reach the broker; a gone or closed consumer gives everything back,
 *         as an attempt only what was started; nothing of it survives in the channel.
 * Method: the plane turned by hand between a scripted broker, whose deliveries are freed when it
 *         closes, and a scripted app.
 */
#include "daemon/app/deliver_channel.h"
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

static void open_consumer(struct hand *h, struct pair *p, uint32_t reassembly)
{
    open_pair(h, p);
    assert_int_equal(hand_consumer(&p->app, &p->ch, BROKER_SHARED, 0, reassembly), HULSE_OK);
}

static void close_pair(struct pair *p)
{
    hand_app_close(&p->app);
    hand_channel_close(&p->ch);
    assert_false(hand_session_alive(&p->app));
}

/* Broker deliveries of `bytes` each from `entry` on, as many as there are permits, up to `count`. */
static uint64_t deliver_many(struct hand *h, uint64_t entry, uint64_t count, uint32_t bytes)
{
    uint64_t done = 0;
    while (done < count && h->broker.permits > 0) {
        (void)hand_deliver(h, entry + done, bytes, NULL);
        done += 1;
        if (h->broker.permits == 0) {
            hand_settle(h); /* tells the room */
        }
    }
    hand_settle(h);
    return done;
}

static unsigned count_notes(const struct hand *h, enum hand_verdict verdict)
{
    unsigned count = 0;
    for (size_t i = 0; i < h->broker.note_count; i++) {
        count += h->broker.notes[i].verdict == verdict;
    }
    return count;
}

static void test_a_message_arrives_with_its_metadata(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    const struct broker_meta meta = {
        .key = {.data = (const uint8_t *)"key", .bytes = 3}, .has_key = true, .partition = -1};
    open_consumer(h, &p, 0);
    assert_int_equal(h->broker.permits, 1); /* of an unknown size one at a time */
    (void)hand_deliver(h, 5, 100, &meta);
    hand_settle(h);
    const uint8_t *at = hand_next(&p.ch, &d);
    assert_non_null(at);
    assert_int_equal(d.type, HULSE_RECORD_MESSAGE);
    assert_int_equal(d.handle, p.ch.handle);
    assert_int_equal(d.entry, 5);
    assert_int_equal(d.payload_len, 100);
    assert_int_equal(d.meta_len, 7);
    assert_int_equal(d.len, 64 + 104 + 7);
    assert_int_equal(at[64 + 99], 5);
    assert_memory_equal(at + 64 + 104, "\x01\x00\x03\x00key", 7);
    hand_verdict(&p.ch, &d, HULSE_VERDICT_ACK, 0);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(h->broker.note_count, 1);
    assert_int_equal(h->broker.notes[0].verdict, HAND_ACK);
    assert_int_equal(h->broker.notes[0].entry, 5);
    close_pair(&p);
}

static void test_waiting_messages_keep_their_order_and_the_budget(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    open_consumer(h, &p, 0);
    /* Ring 64 KiB and 256 KiB behind it: 1 KiB each. */
    const uint64_t out = deliver_many(h, 0, 10000, 1000);
    const struct channel *ch = p.ch.ch;
    assert_true(out == ch->slot_count); /* unacked_max ends it here */
    assert_true(ch->waiting_bytes > 0);
    assert_true(ch->waiting_bytes <= h->shared->limits.deliver_overflow_bytes + 1100);
    assert_int_equal(h->broker.permits, 0);
    for (uint64_t entry = 0; entry < out; entry++) {
        if (hand_next(&p.ch, &d) == NULL) {
            hand_release(&p.app, &p.ch);
            hand_settle(h);
            assert_non_null(hand_next(&p.ch, &d));
        }
        assert_int_equal(d.entry, entry);
        hand_verdict(&p.ch, &d, HULSE_VERDICT_ACK, 0);
    }
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(count_notes(h, HAND_ACK), out);
    assert_int_equal(ch->waiting_bytes, 0);
    assert_int_equal(ch->slots_used, 0);
    close_pair(&p);
}

static void test_a_sleeping_daemon_is_rung_for_room(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    open_consumer(h, &p, 0);
    (void)deliver_many(h, 0, 200, 1000);
    assert_true(p.ch.ch->waiting_bytes > 0);
    assert_false(hulse_plane_module.park(h->plane));
    const uint64_t want = atomic_load(&hulse_region_b(&p.ch.b)->down_want);
    assert_true(want > 0);
    while (p.ch.down.read < want && hand_next(&p.ch, &d) != NULL) {
    }
    hulse_ring_rx_release(&p.ch.down, p.ch.down.read);
    assert_true(p.ch.down.released >= want);
    assert_int_equal(hulse_session_answer_bell(p.app.session), 1);
    hand_settle(h);
    assert_non_null(hand_next(&p.ch, &d));
    close_pair(&p);
}

static void test_a_large_message_trickles_through_a_small_ring(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    enum { BYTES = 300000 };
    static uint8_t whole[BYTES];
    uint64_t have = 0;
    uint32_t index = 0;
    open_consumer(h, &p, BYTES);
    (void)hand_deliver(h, 0xab, BYTES, NULL);
    hand_settle(h);
    for (bool last = false; !last; index++) {
        struct hulse_fragment_header f;
        const uint8_t *at = hand_next(&p.ch, &d);
        if (at == NULL) {
            hand_release(&p.app, &p.ch);
            hand_settle(h);
            at = hand_next(&p.ch, &d);
        }
        assert_non_null(at);
        memcpy(&f, at + sizeof(d), sizeof(f));
        assert_int_equal(d.type, HULSE_RECORD_FRAGMENT);
        assert_int_equal(f.index, index);
        assert_int_equal(f.total_len, BYTES);
        assert_int_equal((d.flags & HULSE_RECORD_FIRST) != 0, index == 0);
        last = (d.flags & HULSE_RECORD_LAST) != 0;
        assert_true(last || index > 0 || h->broker.copied == 0);
        assert_int_equal(last, index + 1 == f.count);
        const uint64_t part = d.payload_len - sizeof(f);
        assert_true(part <= BYTES - have);
        memcpy(whole + have, at + sizeof(d) + sizeof(f), part);
        have += part;
    }
    assert_int_equal(h->broker.copied, 1);
    assert_int_equal(have, BYTES);
    for (size_t i = 0; i < BYTES; i++) {
        assert_int_equal(whole[i], 0xab);
    }
    hand_verdict(&p.ch, &d, HULSE_VERDICT_ACK, 0);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(count_notes(h, HAND_ACK), 1);
    close_pair(&p);
}

enum { LARGE = 300000 }; /* more than the ring and what may wait behind it */

/* The app takes what there is of a message in fragments: everything, or so many of them. */
static unsigned take_fragments(struct hand *h, struct pair *p, uint64_t entry, unsigned max)
{
    struct hulse_delivery_header d = {0};
    unsigned count = 0;
    for (bool last = false; !last && count < max; count++) {
        if (hand_next(&p->ch, &d) == NULL) {
            hand_release(&p->app, &p->ch);
            hand_settle(h);
            assert_non_null(hand_next(&p->ch, &d));
        }
        assert_int_equal(d.type, HULSE_RECORD_FRAGMENT);
        assert_int_equal(d.entry, entry);
        last = (d.flags & HULSE_RECORD_LAST) != 0;
    }
    hand_release(&p->app, &p->ch);
    hand_settle(h);
    return count;
}

/* Of two that are here only the first goes: a third one is not asked for before it has gone. */
static void test_the_next_large_message_comes_while_one_goes(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_consumer(h, &p, LARGE);
    (void)hand_deliver(h, 1, LARGE, NULL);
    hand_settle(h);
    assert_int_equal(h->broker.copied, 0);
    assert_int_equal(h->broker.permits, 1);
    (void)hand_deliver(h, 2, LARGE, NULL);
    hand_settle(h);
    assert_int_equal(h->broker.permits, 0);
    /* Whatever the app does meanwhile, or does not. */
    assert_int_equal(take_fragments(h, &p, 1, 8), 8);
    assert_int_equal(h->broker.copied, 0);
    assert_int_equal(h->broker.permits, 0);
    (void)take_fragments(h, &p, 1, UINT32_MAX);
    assert_int_equal(h->broker.copied, 1);
    assert_int_equal(h->broker.permits, 1);
    (void)take_fragments(h, &p, 2, UINT32_MAX);
    assert_int_equal(h->broker.copied, 2);
    assert_int_equal(h->broker.permits, 1);
    close_pair(&p);
}

/* Half of the memory cap is for others: then it comes when the last one has gone. */
static void test_without_memory_one_large_message_comes_at_a_time(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_consumer(h, &p, LARGE);
    (void)hand_deliver(h, 1, LARGE, NULL);
    const size_t cap = hulse_mem_cap();
    hulse_mem_init(2 * (hulse_mem_total() + LARGE));
    hand_settle(h);
    assert_int_equal(h->broker.permits, 0);
    (void)take_fragments(h, &p, 1, UINT32_MAX);
    assert_int_equal(h->broker.copied, 1);
    assert_int_equal(h->broker.permits, 1);
    (void)hand_deliver(h, 2, LARGE, NULL);
    hulse_mem_init(cap);
    hand_settle(h);
    assert_int_equal(h->broker.permits, 1);
    close_pair(&p);
}

static void test_beyond_the_apps_limit_is_kept_and_told(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    struct hulse_packet in;
    open_consumer(h, &p, 1000);
    (void)hand_deliver(h, 1, 100, NULL);
    hand_settle(h);
    (void)hand_deliver(h, 2, 100000, NULL);
    hand_settle(h);
    /* What stands before it comes first, and its verdict counts. */
    assert_false(hand_receive(&p.app, &in));
    assert_int_equal(p.app.event[0], '\0');
    assert_non_null(hand_next(&p.ch, &d));
    assert_int_equal(d.entry, 1);
    assert_null(hand_next(&p.ch, &d));
    hand_verdict(&p.ch, &d, HULSE_VERDICT_ACK, 0);
    hand_publish(&p.app, &p.ch);
    hand_release(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(h->broker.consumers, 0);
    assert_int_equal(h->broker.note_count, 2);
    assert_int_equal(h->broker.notes[0].verdict, HAND_ACK);
    assert_int_equal(h->broker.notes[0].entry, 1);
    assert_int_equal(h->broker.notes[1].verdict, HAND_GIVE_BACK);
    assert_int_equal(h->broker.notes[1].entry, 2);
    assert_false(hand_receive(&p.app, &in));
    assert_int_equal(p.app.status, HULSE_TOOBIG);
    assert_non_null(strstr(p.app.event, "a message of 100000 bytes"));
    assert_int_equal(h->plane->verdicts_dropped, 0);
    /* One with room for it gets it. */
    assert_true(hand_close_handle(&p.app, &p.ch));
    assert_int_equal(hand_consumer(&p.app, &p.ch, BROKER_SHARED, 0, 100000), HULSE_OK);
    (void)hand_deliver(h, 2, 100000, NULL);
    hand_settle(h);
    assert_non_null(hand_next(&p.ch, &d));
    assert_int_equal(d.type, HULSE_RECORD_FRAGMENT);
    close_pair(&p);
}

static void test_a_gone_app_gives_back_and_only_started_ones_count(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d[3] = {{0}};
    open_consumer(h, &p, 0);
    (void)deliver_many(h, 0, 6, 100);
    for (int i = 0; i < 3; i++) {
        assert_non_null(hand_next(&p.ch, &d[i]));
        atomic_store(&hulse_region_a(&p.ch.a)->down_started, p.ch.down.read);
    }
    /* A verdict that was published before the end counts; 1 and 2 were begun, 3 to 5 not. */
    hand_verdict(&p.ch, &d[0], HULSE_VERDICT_ACK, 0);
    hulse_ring_tx_publish(&p.ch.up);
    hand_app_close(&p.app);
    assert_false(hand_session_alive(&p.app));
    assert_int_equal(h->broker.note_count, 6);
    for (size_t i = 0; i < 6; i++) {
        const struct hand_note *n = &h->broker.notes[i];
        assert_int_equal(n->verdict,
                         n->entry == 0   ? HAND_ACK
                         : n->entry <= 2 ? HAND_NACK
                                         : HAND_GIVE_BACK);
    }
    hand_channel_close(&p.ch);
}

static void test_started_is_a_hint_that_is_clamped(void **state)
{
    struct hand *h = *state;
    static const uint64_t lies[] = {UINT64_MAX, 7};
    for (size_t i = 0; i < 2; i++) {
        struct pair p;
        h->broker.note_count = 0;
        open_consumer(h, &p, 0);
        (void)deliver_many(h, 0, 3, 100);
        atomic_store(&hulse_region_a(&p.ch.a)->down_started, lies[i]);
        hand_app_close(&p.app);
        assert_int_equal(count_notes(h, i == 0 ? HAND_NACK : HAND_GIVE_BACK), 3);
        hand_channel_close(&p.ch);
    }
}

/* Verdicts without end from who has hung up. */
static void test_who_hung_up_is_not_read_for_ever(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    open_consumer(h, &p, 0);
    assert_int_equal(shutdown(p.app.sock, SHUT_WR), 0);
    hand_verdict(&p.ch, &d, HULSE_VERDICT_ACK, 0);
    hulse_ring_tx_publish(&p.ch.up);
    hulse_session_read_control(p.app.session);
    hand_verdict(&p.ch, &d, HULSE_VERDICT_ACK, 0);
    hulse_ring_tx_publish(&p.ch.up);
    const uint64_t before = h->plane->verdicts_ignored;
    hand_settle(h);
    assert_false(hand_session_alive(&p.app));
    assert_int_equal(h->plane->verdicts_ignored - before, 1);
    hand_app_close(&p.app);
    hand_channel_close(&p.ch);
}

static void test_verdicts_without_a_consumer_do_not_keep_the_worker_awake(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    open_pair(h, &p);
    hand_verdict(&p.ch, &d, HULSE_VERDICT_ACK, 0);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_false(hulse_plane_module.park(h->plane));
    assert_int_equal(h->plane->verdicts_ignored, 1);
    assert_true(hand_session_alive(&p.app));
    close_pair(&p);
}

static void test_cumulative_ends_what_still_waits_for_room(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    struct hulse_delivery_header last = {0};
    open_consumer(h, &p, 0);
    /* 1000 first; then lower ones that come again behind it and find no room. */
    const uint64_t out = deliver_many(h, 1000, 1, 1000) + deliver_many(h, 1, 150, 1000);
    assert_int_equal(out, 151);
    assert_true(p.ch.ch->waiting_first != SLOT_NONE);
    assert_non_null(hand_next(&p.ch, &last));
    assert_int_equal(last.entry, 1000);
    hand_verdict(&p.ch, &last, HULSE_VERDICT_ACK, HULSE_HOW_CUMULATIVE);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(count_notes(h, HAND_CUMULATIVE), out);
    assert_int_equal(p.ch.ch->slots_used, 0);
    assert_int_equal(p.ch.ch->waiting_bytes, 0);
    assert_true(p.ch.ch->waiting_first == SLOT_NONE);
    /* Everything goes on. */
    while (hand_next(&p.ch, &d) != NULL) {
    }
    hand_release(&p.app, &p.ch);
    hand_settle(h);
    (void)deliver_many(h, 2000, 1, 10);
    assert_non_null(hand_next(&p.ch, &d));
    assert_int_equal(d.entry, 2000);
    close_pair(&p);
}

static void test_cumulative_may_end_one_out_of_the_middle_of_the_list(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header first = {0};
    struct hulse_delivery_header d = {0};
    open_consumer(h, &p, 0);
    (void)deliver_many(h, 10, 1, 1000);
    (void)deliver_many(h, 100, 80, 1000);
    (void)deliver_many(h, 3, 1, 1000); /* waits between higher ones */
    (void)deliver_many(h, 200, 5, 1000);
    assert_non_null(hand_next(&p.ch, &first));
    hand_verdict(&p.ch, &first, HULSE_VERDICT_ACK, HULSE_HOW_CUMULATIVE);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(count_notes(h, HAND_CUMULATIVE), 2);
    unsigned seen = 0;
    for (uint64_t entry = 100; seen < 85; seen++) {
        if (hand_next(&p.ch, &d) == NULL) {
            hand_release(&p.app, &p.ch);
            hand_settle(h);
            assert_non_null(hand_next(&p.ch, &d));
        }
        assert_int_equal(d.entry, entry);
        entry = entry == 179 ? 200 : entry + 1;
    }
    assert_null(hand_next(&p.ch, &d));
    close_pair(&p);
}

static void test_a_second_consumer_of_a_channel_begins_anew(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d[8] = {{0}};
    open_consumer(h, &p, 0);
    (void)deliver_many(h, 0, 8, 100);
    for (int i = 0; i < 8; i++) {
        assert_non_null(hand_next(&p.ch, &d[i]));
        hand_verdict(&p.ch, &d[i], HULSE_VERDICT_ACK, 0);
    }
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    (void)deliver_many(h, 8, 3, 100);
    assert_true(hand_close_handle(&p.app, &p.ch)); /* three without a verdict */
    assert_int_equal(count_notes(h, HAND_GIVE_BACK), 3);
    assert_int_equal(p.ch.ch->slots_used, 0);
    /* Refs of the first one mean nothing, although their slots are free or used again. */
    assert_int_equal(hand_consumer(&p.app, &p.ch, BROKER_SHARED, 4, 0), HULSE_OK);
    hand_verdict(&p.ch, &d[3], HULSE_VERDICT_ACK, 0);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(h->plane->verdicts_ignored, 1);
    assert_int_equal(deliver_many(h, 100, 50, 100), 4);
    while (hand_next(&p.ch, &d[0]) != NULL && d[0].entry < 100) {
    }
    for (uint64_t entry = 100; entry < 104; entry++) {
        assert_int_equal(d[0].entry, entry);
        hand_verdict(&p.ch, &d[0], HULSE_VERDICT_ACK, 0);
        (void)hand_next(&p.ch, &d[0]);
    }
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(count_notes(h, HAND_ACK), 12);
    /* And the third has all slots again. */
    assert_true(hand_close_handle(&p.app, &p.ch));
    assert_int_equal(hand_consumer(&p.app, &p.ch, BROKER_SHARED, 0, 0), HULSE_OK);
    assert_int_equal(p.ch.ch->slot_count, h->shared->limits.unacked_max);
    close_pair(&p);
}

static void test_what_returns_while_being_given_back_leaves_no_trace(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    open_consumer(h, &p, 0);
    (void)deliver_many(h, 0, 2, 100);
    assert_non_null(hand_next(&p.ch, &d));
    struct channel *ch = p.ch.ch;
    hulse_deliver_give_back_all(ch);
    /* The broker had a permit left and hands one out again before it hears of the close. */
    assert_true(h->broker.permits > 0);
    (void)hand_deliver(h, 0, 100, NULL);
    assert_int_equal(ch->slots_used, 1);
    hulse_handle_destroy(&p.app.session->handles[p.ch.handle & 0xffffU]);
    assert_int_equal(ch->slots_used, 0);
    for (uint32_t i = 0; i < ch->slot_count; i++) {
        assert_null(ch->slot_table[i].delivery);
    }
    /* A verdict on it finds nothing; under ASan a look at the freed message would be seen. */
    hand_verdict(&p.ch, &d, HULSE_VERDICT_ACK, 0);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(h->plane->verdicts_ignored, 1);
    close_pair(&p);
}

static void test_a_reader_has_nothing_to_say(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    open_pair(h, &p);
    assert_int_equal(hand_consumer(&p.app, &p.ch, BROKER_READER, 0, 0), HULSE_OK);
    const uint64_t out = deliver_many(h, 0, 600, 100); /* more than there are slots */
    assert_int_equal(out, 600);
    assert_true(count_notes(h, HAND_ACK) > 300);
    assert_non_null(hand_next(&p.ch, &d));
    hand_verdict(&p.ch, &d, HULSE_VERDICT_ACK, 0);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(h->plane->verdicts_ignored, 1);
    close_pair(&p);
}

static void test_a_reader_is_told_where_it_begins(void **state)
{
    struct hand *h = *state;
    struct pair p;
    h->broker.reach = (struct broker_reach){.behind = {.ledger = 3, .entry = 4, .batch = -1},
                                            .last = {.ledger = 5, .entry = 6, .batch = 7},
                                            .has_last = true};
    open_pair(h, &p);
    assert_int_equal(hand_consumer(&p.app, &p.ch, BROKER_READER, 0, 0), HULSE_OK);
    assert_int_equal(p.ch.reader.flags, HULSE_READER_BEHIND | HULSE_READER_END);
    assert_int_equal(p.ch.reader.behind_ledger, 3);
    assert_int_equal(p.ch.reader.behind_entry, 4);
    assert_int_equal(p.ch.reader.behind_batch, -1);
    assert_int_equal(p.ch.reader.end_ledger, 5);
    assert_int_equal(p.ch.reader.end_entry, 6);
    assert_int_equal(p.ch.reader.end_batch, 7);
    assert_memory_equal(p.ch.reader.handle_id, h->broker.handle_id, BROKER_HANDLE_ID_BYTES);
    close_pair(&p);
}

/* Behind all that was delivered before, also when the ring had no room for that. */
static void test_that_a_reader_has_caught_up_comes_in_its_place(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    open_pair(h, &p);
    assert_int_equal(hand_consumer(&p.app, &p.ch, BROKER_READER, 0, 0), HULSE_OK);
    assert_int_equal(p.ch.reader.flags, 0);
    const uint64_t out = deliver_many(h, 0, 100, 1000);
    assert_int_equal(out, 100);
    assert_true(p.ch.ch->waiting_bytes > 0);
    h->broker.consumer->events->caught_up(h->broker.consumer->ctx);
    hand_settle(h);
    for (uint64_t entry = 0; entry <= out; entry++) {
        if (hand_next(&p.ch, &d) == NULL) {
            hand_release(&p.app, &p.ch);
            hand_settle(h);
            assert_non_null(hand_next(&p.ch, &d));
        }
        assert_int_equal(d.type, entry < out ? HULSE_RECORD_MESSAGE : HULSE_RECORD_SKIP);
        assert_int_equal(d.flags & HULSE_RECORD_CAUGHT_UP, entry < out ? 0 : 0x40);
    }
    assert_int_equal(d.len, HULSE_DELIVERY_HEADER_BYTES);
    hand_settle(h);
    assert_null(hand_next(&p.ch, &d));
    close_pair(&p);
}

static void test_the_end_of_a_topic_comes_in_its_place(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    open_pair(h, &p);
    assert_int_equal(hand_consumer(&p.app, &p.ch, BROKER_SHARED, 0, 0), HULSE_OK);
    assert_int_equal(deliver_many(h, 0, 2, 10), 2);
    h->broker.consumer->events->end_of_topic(h->broker.consumer->ctx);
    hand_settle(h);
    for (unsigned i = 0; i < 3; i++) {
        assert_non_null(hand_next(&p.ch, &d));
        assert_int_equal(d.type, i < 2 ? HULSE_RECORD_MESSAGE : HULSE_RECORD_SKIP);
    }
    assert_int_equal(d.flags, HULSE_RECORD_END_OF_TOPIC);
    close_pair(&p);
}

static void check_active(struct pair *p, uint32_t arg)
{
    struct hulse_packet in;
    struct hulse_ctl_event e;
    const char *why = "";
    assert_int_equal(hulse_packet_receive(p->app.sock, &in, &why), HULSE_PACKET_OK);
    memcpy(&e, in.bytes, sizeof(e));
    assert_int_equal(e.head.type, HULSE_CTL_EVENT);
    assert_int_equal(e.event, HULSE_EVENT_ACTIVE);
    assert_int_equal(e.handle, p->ch.handle);
    assert_int_equal(e.arg, arg);
}

static void test_it_is_told_whether_it_is_active(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p);
    assert_int_equal(hand_consumer(&p.app, &p.ch, BROKER_FAILOVER, 0, 0), HULSE_OK);
    h->broker.consumer->events->active(h->broker.consumer->ctx);
    hand_settle(h);
    check_active(&p, 1);
    h->broker.consumer->events->inactive(h->broker.consumer->ctx);
    hand_settle(h);
    check_active(&p, 0);
    close_pair(&p);
}

/* It is counted before what comes behind it can be seen. */
static void test_what_a_reader_has_lost_is_counted(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p);
    assert_int_equal(hand_consumer(&p.app, &p.ch, BROKER_READER, 0, 0), HULSE_OK);
    _Atomic(uint64_t) *lost = &hulse_region_b(&p.ch.ch->b)->lost;
    assert_int_equal(atomic_load(lost), 0);
    h->broker.consumer->events->lost(h->broker.consumer->ctx, 2);
    h->broker.consumer->events->lost(h->broker.consumer->ctx, 3);
    hand_settle(h);
    assert_int_equal(atomic_load(lost), 5);
    close_pair(&p);
}

static void test_verdicts_reach_the_broker(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_delivery_header d = {0};
    static const struct {
        unsigned verdict;
        enum hand_verdict comes;
        uint32_t delay_ms;
    } cases[] = {{HULSE_VERDICT_ACK, HAND_ACK, 0},
                 {HULSE_VERDICT_NACK, HAND_NACK, 1000}, /* none of its own: the rule's */
                 {HULSE_VERDICT_DROP, HAND_ACK, 0},
                 {HULSE_VERDICT_RETRY, HAND_NACK, 1000}, /* not configured: a pause */
                 {HULSE_VERDICT_REJECT, HAND_NACK, 1000}};
    open_consumer(h, &p, 0);
    for (size_t i = 0; i < 5; i++) {
        (void)deliver_many(h, i, 1, 10);
        assert_non_null(hand_next(&p.ch, &d));
        hand_verdict(&p.ch, &d, cases[i].verdict, 0);
        hand_publish(&p.app, &p.ch);
        hand_settle(h);
        assert_int_equal(h->broker.note_count, i + 1);
        assert_int_equal(h->broker.notes[i].verdict, cases[i].comes);
        assert_int_equal(h->broker.notes[i].delay_ms, cases[i].delay_ms);
    }
    assert_int_equal(h->plane->verdicts_dropped, 1);
    assert_int_equal(h->plane->verdicts_ignored, 2);
    close_pair(&p);
}

/* What a flush brings about at its end, another flush must publish, without waiting for an event. */
static void test_what_comes_during_a_flush_is_flushed(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct pair q;
    struct hulse_delivery_header d = {0};
    open_consumer(h, &p, 0);
    struct broker_consumer *first = h->broker.consumer;
    open_pair(h, &q);
    hand_settle(h);
    /* Another session is ended in the flush; its message comes to this one. */
    hulse_session_doom(q.app.session, HULSE_RULE_V9, "test");
    assert_true(h->broker.permits > 0 && h->broker.consumer == first);
    hand_flush(h);
    (void)hand_deliver(h, 1, 10, NULL); /* as from within the reap: behind the flush */
    assert_true(hand_turn(h) > 0);
    assert_non_null(hand_next(&p.ch, &d));
    hand_app_close(&q.app);
    hand_channel_close(&q.ch);
    close_pair(&p);
}

static int group(struct worker *w, void *ctx)
{
    const struct CMUnitTest tests[] = {
        HAND_TEST(test_a_message_arrives_with_its_metadata),
        HAND_TEST(test_waiting_messages_keep_their_order_and_the_budget),
        HAND_TEST(test_a_sleeping_daemon_is_rung_for_room),
        HAND_TEST(test_a_large_message_trickles_through_a_small_ring),
        HAND_TEST(test_the_next_large_message_comes_while_one_goes),
        HAND_TEST(test_without_memory_one_large_message_comes_at_a_time),
        HAND_TEST(test_beyond_the_apps_limit_is_kept_and_told),
        HAND_TEST(test_a_gone_app_gives_back_and_only_started_ones_count),
        HAND_TEST(test_started_is_a_hint_that_is_clamped),
        HAND_TEST(test_who_hung_up_is_not_read_for_ever),
        HAND_TEST(test_verdicts_without_a_consumer_do_not_keep_the_worker_awake),
        HAND_TEST(test_cumulative_ends_what_still_waits_for_room),
        HAND_TEST(test_cumulative_may_end_one_out_of_the_middle_of_the_list),
        HAND_TEST(test_a_second_consumer_of_a_channel_begins_anew),
        HAND_TEST(test_what_returns_while_being_given_back_leaves_no_trace),
        HAND_TEST(test_a_reader_has_nothing_to_say),
        HAND_TEST(test_a_reader_is_told_where_it_begins),
        HAND_TEST(test_that_a_reader_has_caught_up_comes_in_its_place),
        HAND_TEST(test_the_end_of_a_topic_comes_in_its_place),
        HAND_TEST(test_it_is_told_whether_it_is_active),
        HAND_TEST(test_what_a_reader_has_lost_is_counted),
        HAND_TEST(test_verdicts_reach_the_broker),
        HAND_TEST(test_what_comes_during_a_flush_is_flushed),
    };
    (void)w;
    (void)ctx;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return hand_main(group);
}
