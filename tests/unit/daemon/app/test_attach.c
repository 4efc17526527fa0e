/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what an earlier daemon had goes on: records from where it stopped, under their handle and its
 *         id; the rest of a message whose beginning is lost is INTERRUPTED; a handle that may not be
 *         opened answers its records; verdicts by id are applied before anything is delivered, and
 *         those that need a delivery wait for it.
 * Method: the plane turned by hand, between a scripted broker and an application that comes with a ring.
 */
#include "daemon/app/by_id.h"
#include "tests/unit/daemon/app/attach_scene.h"

static uint64_t up_head(const struct scene *s)
{
    return atomic_load(&hulse_region_b(&s->ch.b)->up_head);
}

static void assert_receipt(struct scene *s, uint64_t token, unsigned outcome)
{
    struct hulse_receipt_record r = {0};
    assert_true(hand_receipt(&s->ch, &r));
    assert_int_equal(r.token, token);
    assert_int_equal(r.status, outcome);
}

static void test_records_go_on_where_the_last_daemon_stopped(void **state)
{
    static const uint8_t id[BROKER_HANDLE_ID_BYTES] = {7, 8};
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    uint64_t from = 0;
    for (uint64_t i = 0; i < 5; i++) {
        from = i == 2 ? s.ch.up.tail : from;
        hand_put_message(&s.ch, "x", 1, i);
    }
    assert_int_equal(attach(&s, HULSE_CHANNEL_PRODUCER, from), HULSE_CTL_PRODUCER);
    assert_int_equal(up_head(&s), from);
    assert_memory_equal(h->broker.handle_id, id, sizeof(id));
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 3);
    assert_int_equal(h->broker.sends[0].seq, 2);
    for (size_t i = 0; i < 3; i++) {
        hand_answer(h, i, HULSE_OUTCOME_STORED);
    }
    hand_settle(h);
    for (uint64_t i = 2; i < 5; i++) {
        assert_receipt(&s, i, HULSE_OUTCOME_STORED);
    }
    assert_int_equal(up_head(&s), s.ch.up.tail);
    strike(&s);
}

static void put_fragment(struct scene *s, uint32_t index, uint32_t count, uint64_t token)
{
    struct {
        struct hulse_publish_header h;
        struct hulse_fragment_header f;
    } r = {.h = hand_header(&s->ch, sizeof(struct hulse_fragment_header) + 100, token),
           .f = {.index = index, .count = count, .total_len = 100000}};
    uint8_t body[100] = {0};
    r.h.type = HULSE_RECORD_FRAGMENT;
    r.h.flags = (uint8_t)((index == 0 ? HULSE_RECORD_FIRST : 0) |
                          (index + 1 == count ? HULSE_RECORD_LAST : 0));
    hand_put(&s->ch, &r, sizeof(r), body, sizeof(body));
}

static void test_a_message_without_its_beginning_is_interrupted(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    put_fragment(&s, 5, 8, 40);
    put_fragment(&s, 6, 8, 40);
    put_fragment(&s, 7, 8, 40);
    hand_put_message(&s.ch, "x", 1, 41);
    h->broker.answer_at_once = true;
    assert_int_equal(attach(&s, HULSE_CHANNEL_PRODUCER, 0), HULSE_CTL_PRODUCER);
    hand_settle(h);
    assert_receipt(&s, 40, HULSE_OUTCOME_INTERRUPTED);
    assert_receipt(&s, 41, HULSE_OUTCOME_STORED);
    assert_int_equal(up_head(&s), s.ch.up.tail);
    strike(&s);
}

/* Only what the last daemon was reading may be cut. */
static void test_a_beginning_that_lacks_elsewhere_ends_the_session(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    hand_put_message(&s.ch, "x", 1, 41);
    put_fragment(&s, 5, 8, 40);
    h->broker.answer_at_once = true;
    assert_int_equal(attach(&s, HULSE_CHANNEL_PRODUCER, 0), HULSE_CTL_PRODUCER);
    hand_settle(h);
    assert_false(hand_session_alive(&s.app));
    strike(&s);
}

static void test_a_producer_finds_its_partitions_as_before(void **state)
{
    static const struct broker_routing as_before = {.mode = BROKER_ROUTING_SINGLE,
                                                    .hashing = BROKER_HASH_BOOST,
                                                    .stride = 1000,
                                                    .partitions = 65535};
    struct hulse_ctl_producer told;
    struct hulse_packet p;
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    s.app.session->features |= HULSE_FEATURE_ROUTING;
    s.routing = (struct hulse_ctl_producer){.partitions = 65535,
                                            .stride = 1000,
                                            .routing = BROKER_ROUTING_SINGLE,
                                            .hashing = BROKER_HASH_BOOST};
    h->broker.routed = as_before;
    assert_int_equal(offer(&s, HULSE_CHANNEL_PRODUCER, 0), HULSE_CTL_CHANNEL_OK);
    s.ch.ch = TAILQ_LAST(&s.app.session->channels, channel_list);
    assert_memory_equal(&h->broker.routing, &as_before, sizeof(as_before));
    assert_true(hand_receive(&s.app, &p));
    memcpy(&told, p.bytes, sizeof(told));
    assert_int_equal(told.head.type, HULSE_CTL_PRODUCER);
    assert_int_equal(told.partitions, 65535);
    assert_int_equal(told.stride, 1000);
    assert_int_equal(told.routing, BROKER_ROUTING_SINGLE);
    assert_int_equal(told.hashing, BROKER_HASH_BOOST);
    strike(&s);
}

static void test_a_way_to_partitions_that_cannot_be_ends_the_session(void **state)
{
    static const struct {
        enum hulse_channel_kind kind;
        bool known;
        struct hulse_ctl_producer routing;
    } cases[] = {{HULSE_CHANNEL_PRODUCER, true, {.routing = BROKER_ROUTING_SINGLE + 1}},
                 {HULSE_CHANNEL_PRODUCER, true, {.hashing = BROKER_HASH_BOOST + 1}},
                 {HULSE_CHANNEL_PRODUCER, false, {.partitions = 1}},
                 {HULSE_CHANNEL_PRODUCER, false, {.stride = 1}},
                 {HULSE_CHANNEL_CONSUMER, true, {.partitions = 1}},
                 {HULSE_CHANNEL_CONSUMER, true, {.hashing = 1}}};
    struct hand *h = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene s;
        set(h, &s);
        s.app.session->features &= ~HULSE_FEATURE_ROUTING;
        s.app.session->features |= cases[i].known ? HULSE_FEATURE_ROUTING : 0;
        s.routing = cases[i].routing;
        (void)offer(&s, cases[i].kind, 0);
        hand_settle(h);
        assert_false(hand_session_alive(&s.app));
        strike(&s);
    }
}

static void test_nothing_is_taken_before_the_handle_is_open(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    hand_put_message(&s.ch, "x", 1, 1);
    h->broker.open_later = true;
    assert_int_equal(attach(&s, HULSE_CHANNEL_PRODUCER, 0), 0);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 0);
    const struct broker_limits limits = {.message_bytes_max = HAND_MESSAGE_MAX};
    h->broker.producer->events->opened(h->broker.producer->ctx, HULSE_OK, "", &limits);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 1);
    strike(&s);
}

static void test_a_refused_handle_answers_its_records(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    hand_put_message(&s.ch, "x", 1, 1);
    h->broker.open_status = HULSE_DENIED;
    assert_int_equal(attach(&s, HULSE_CHANNEL_PRODUCER, 0), HULSE_CTL_ERR);
    assert_int_equal(s.app.status, HULSE_DENIED);
    hand_settle(h);
    assert_receipt(&s, 1, HULSE_OUTCOME_FAILED_UNKNOWN); /* who knows what the last daemon did */
    hand_put_message(&s.ch, "x", 1, 2);
    hand_publish(&s.app, &s.ch);
    hand_settle(h);
    assert_receipt(&s, 2, HULSE_OUTCOME_DENIED);
    assert_true(hand_close_handle(&s.app, &s.ch));
    strike(&s);
}

static void test_a_refused_record_of_the_last_daemons_time_is_unknown(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    hand_put_message(&s.ch, "x", 1, 1);
    assert_int_equal(attach(&s, HULSE_CHANNEL_PRODUCER, 0), HULSE_CTL_PRODUCER);
    hand_put_message(&s.ch, "x", 1, 2);
    hand_publish(&s.app, &s.ch);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 2);
    hand_answer(h, 0, HULSE_OUTCOME_EXPIRED);
    hand_answer(h, 1, HULSE_OUTCOME_EXPIRED);
    hand_settle(h);
    assert_receipt(&s, 1, HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_receipt(&s, 2, HULSE_OUTCOME_EXPIRED);
    strike(&s);
}

/* Its producer was closed while no daemon was there. */
static void test_a_record_of_a_handle_that_was_not_offered(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    s.ch.handle = HANDLE + 1;
    hand_put_message(&s.ch, "x", 1, 1);
    s.ch.handle = HANDLE;
    h->broker.answer_at_once = true;
    assert_int_equal(attach(&s, HULSE_CHANNEL_PRODUCER, 0), HULSE_CTL_PRODUCER);
    hand_settle(h);
    assert_receipt(&s, 1, HULSE_OUTCOME_FAILED_UNKNOWN);
    strike(&s);
}

static const struct hulse_ctl_open_channel ask_another = {.kind = HULSE_CHANNEL_PRODUCER};

/* A closed producer's number is another channel's by now: no rule is broken, no topic confused. */
static void test_a_record_of_a_number_that_was_given_anew(void **state)
{
    struct hand *h = *state;
    struct scene s;
    struct hand_channel other;
    set(h, &s);
    hand_channel_open(&s.app, &other, &ask_another);
    assert_int_equal(hand_producer(&s.app, &other), HULSE_OK);
    s.ch.handle = other.handle;
    hand_put_message(&s.ch, "x", 1, 1);
    s.ch.handle = HANDLE;
    hand_put_message(&s.ch, "y", 1, 2);
    assert_int_equal(attach(&s, HULSE_CHANNEL_PRODUCER, 0), HULSE_CTL_PRODUCER);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 1);
    assert_int_equal(h->broker.sends[0].seq, 2);
    assert_receipt(&s, 1, HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_true(hand_session_alive(&s.app));
    hand_channel_close(&other);
    strike(&s);
}

/* Its place is taken: it gets another, and keeps its number. */
static void test_a_handle_whose_place_is_taken(void **state)
{
    struct hand *h = *state;
    struct scene s;
    struct hand_channel other;
    set(h, &s);
    hand_channel_open(&s.app, &other, &ask_another);
    for (unsigned i = 0; i <= (HANDLE & UINT16_MAX); i++) {
        assert_int_equal(hand_producer(&s.app, &other), HULSE_OK);
    }
    assert_int_equal(other.handle & UINT16_MAX, HANDLE & UINT16_MAX);
    hand_put_message(&s.ch, "x", 1, 1);
    hand_put_message(&other, "y", 1, 2);
    hand_publish(&s.app, &other);
    assert_int_equal(attach(&s, HULSE_CHANNEL_PRODUCER, 0), HULSE_CTL_PRODUCER);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 2);
    hand_answer(h, 0, HULSE_OUTCOME_STORED);
    hand_answer(h, 1, HULSE_OUTCOME_STORED);
    assert_true(hand_close_handle(&s.app, &s.ch));
    assert_true(hand_close_handle(&s.app, &other));
    hand_channel_close(&other);
    strike(&s);
}

static unsigned close_channel(struct scene *s)
{
    const struct hulse_ctl_channel_ref m = {.channel = s->ch.id};
    return tell(s, HULSE_CTL_CLOSE_CHANNEL, &m, "");
}

/* Its records are published still; the channel ends behind them. */
static void test_a_producer_closed_before_it_is_open_again(void **state)
{
    static const struct hulse_ctl_close_handle close = {.handle = HANDLE};
    const struct broker_limits limits = {.message_bytes_max = HAND_MESSAGE_MAX};
    struct hand *h = *state;
    struct hulse_packet p;
    struct scene s;
    set(h, &s);
    hand_put_message(&s.ch, "x", 1, 1);
    h->broker.open_later = true;
    assert_int_equal(attach(&s, HULSE_CHANNEL_PRODUCER, 0), 0);
    assert_int_equal(tell(&s, HULSE_CTL_CLOSE_HANDLE, &close, ""), 0);
    assert_int_equal(close_channel(&s), 0);
    h->broker.producer->events->opened(h->broker.producer->ctx, HULSE_OK, "", &limits);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 1);
    assert_int_equal(h->plane->channel_count, 1);
    hand_answer(h, 0, HULSE_OUTCOME_STORED);
    hand_settle(h);
    assert_int_equal(h->plane->channel_count, 0);
    assert_int_equal(h->broker.producers, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct hulse_ctl_head head;
        assert_true(hand_receive(&s.app, &p));
        memcpy(&head, p.bytes, sizeof(head));
        assert_int_equal(head.type, HULSE_CTL_OK);
    }
    strike(&s);
}

static void by_id(struct scene *s, uint64_t entry, unsigned verdict, unsigned how)
{
    const struct hulse_delivery_header d = {.ref = 999, .ledger = 7, .entry = entry, .batch = -1};
    hand_verdict(&s->ch, &d, verdict, how | HULSE_HOW_BY_ID);
}

/* It is being let in just now: its verdicts are applied, then it goes. */
static void test_a_consumer_closed_while_it_is_let_in(void **state)
{
    static const struct hulse_ctl_close_handle close = {.handle = HANDLE};
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    by_id(&s, 1, HULSE_VERDICT_ACK, 0);
    h->broker.open_later = true;
    assert_int_equal(attach(&s, HULSE_CHANNEL_CONSUMER, 0), 0);
    assert_int_equal(tell(&s, HULSE_CTL_CLOSE_HANDLE, &close, ""), 0);
    assert_int_equal(close_channel(&s), 0);
    h->broker.consumer->events->opened(h->broker.consumer->ctx, HULSE_OK, "", NULL);
    hand_settle(h);
    assert_int_equal(h->broker.note_count, 1);
    assert_int_equal(h->broker.notes[0].verdict, HAND_ACK_ID);
    assert_int_equal(h->plane->channel_count, 0);
    assert_int_equal(h->broker.consumers, 0);
    strike(&s);
}

static void test_a_consumer_closed_while_it_is_tried_again(void **state)
{
    static const struct hulse_ctl_close_handle close = {.handle = HANDLE};
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    h->broker.open_status = HULSE_BUSY;
    assert_int_equal(attach(&s, HULSE_CHANNEL_CONSUMER, 0), 0);
    h->broker.open_status = HULSE_OK;
    assert_int_equal(tell(&s, HULSE_CTL_CLOSE_HANDLE, &close, ""), HULSE_CTL_OK);
    assert_int_equal(close_channel(&s), HULSE_CTL_OK);
    assert_int_equal(h->plane->channel_count, 0);
    assert_int_equal(h->broker.consumers, 0);
    strike(&s);
}

/* Memory, not a lie: the channel is told so when it would begin, and can come again. */
static void test_no_room_for_a_handle(void **state)
{
    struct hand *h = *state;
    struct scene s;
    struct hand_channel other;
    set(h, &s);
    hand_channel_open(&s.app, &other, &ask_another);
    for (unsigned i = 0; i < h->shared->limits.handles_max; i++) {
        assert_int_equal(hand_producer(&s.app, &other), HULSE_OK);
    }
    assert_int_equal(offer(&s, HULSE_CHANNEL_PRODUCER, 0), HULSE_CTL_ERR);
    assert_int_equal(s.app.status, HULSE_LIMIT);
    hulse_region_unmap(&s.ch.b);
    (void)close(s.ch.fd_b);
    assert_true(hand_close_handle(&s.app, &other));
    assert_int_equal(attach(&s, HULSE_CHANNEL_PRODUCER, 0), HULSE_CTL_PRODUCER);
    hand_channel_close(&other);
    strike(&s);
}

/* Its region cannot be received: it is asked to come again, and does. */
static void test_no_room_for_a_descriptor(void **state)
{
    static const struct hulse_ctl_attach_end end = {0};
    struct hand *h = *state;
    struct hulse_ctl_err e;
    struct hulse_packet p;
    struct scene s;
    set(h, &s);
    hand_put_message(&s.ch, "x", 1, 1);
    hulse_test_descriptors_limit(getpid(), 0);
    const unsigned answer = send_attach(&s, HULSE_CHANNEL_PRODUCER, 0, &p);
    hulse_test_descriptors_unlimit(getpid());
    assert_int_equal(answer, HULSE_CTL_ERR);
    memcpy(&e, p.bytes, sizeof(e));
    assert_int_equal(e.status, HULSE_LIMIT);
    assert_int_equal(tell(&s, HULSE_CTL_ATTACH_END, &end, ""), 0);
    assert_int_equal(attach(&s, HULSE_CHANNEL_PRODUCER, 0), HULSE_CTL_PRODUCER);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 1);
    strike(&s);
}

static void test_verdicts_come_before_deliveries(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    by_id(&s, 1, HULSE_VERDICT_ACK, 0);
    by_id(&s, 5, HULSE_VERDICT_ACK, HULSE_HOW_CUMULATIVE);
    h->broker.settle_later = true;
    assert_int_equal(attach(&s, HULSE_CHANNEL_CONSUMER, 0), HULSE_CTL_CONSUMER);
    assert_int_equal(h->broker.permits, 0);
    hand_settle(h);
    assert_int_equal(h->broker.note_count, 2);
    assert_int_equal(h->broker.notes[0].verdict, HAND_ACK_ID);
    assert_int_equal(h->broker.notes[0].entry, 1);
    assert_int_equal(h->broker.notes[1].verdict, HAND_ACK_ID_ALL);
    assert_int_equal(h->broker.permits, 1);
    assert_int_equal(up_head(&s), 0);
    hand_settled(h, 2);
    hand_settle(h);
    assert_int_equal(up_head(&s), s.ch.up.tail);
    strike(&s);
}

static void test_a_refusal_waits_for_its_message(void **state)
{
    struct hand *h = *state;
    struct scene s;
    struct hulse_delivery_header d = {0};
    set(h, &s);
    by_id(&s, 3, HULSE_VERDICT_NACK, 0);
    by_id(&s, 4, HULSE_VERDICT_NACK, 0);
    assert_int_equal(attach(&s, HULSE_CHANNEL_CONSUMER, 0), HULSE_CTL_CONSUMER);
    hand_settle(h);
    assert_int_equal(h->broker.note_count, 0);
    assert_int_equal(up_head(&s), s.ch.up.tail); /* it is the daemon's now */
    (void)hand_deliver(h, 3, 10, NULL);
    hand_settle(h);
    assert_int_equal(h->broker.note_count, 1);
    assert_int_equal(h->broker.notes[0].verdict, HAND_NACK);
    assert_null(hand_next(&s.ch, &d));
    const uint64_t ignored = h->plane->verdicts_ignored;
    hulse_by_id_expire(s.ch.ch, hulse_loop_now_ms(&h->worker->loop) + 59000);
    assert_int_equal(h->plane->verdicts_ignored, ignored);
    hulse_by_id_expire(s.ch.ch, hulse_loop_now_ms(&h->worker->loop) + 60001);
    assert_int_equal(h->plane->verdicts_ignored, ignored + 1);
    (void)hand_deliver(h, 4, 10, NULL);
    hand_settle(h);
    assert_non_null(hand_next(&s.ch, &d));
    strike(&s);
}

/* What waits is the session's memory; beyond its quota the message stays unacknowledged. */
static void test_refusals_wait_within_the_quota(void **state)
{
    struct hand *h = *state;
    for (unsigned round = 0; round < 2; round++) {
        struct scene s;
        set(h, &s);
        assert_int_equal(attach(&s, HULSE_CHANNEL_CONSUMER, 0), HULSE_CTL_CONSUMER);
        const uint64_t ignored = h->plane->verdicts_ignored;
        const uint64_t before = s.app.session->bytes;
        h->shared->limits.session_bytes_max = round == 0 ? before * 2 : before + 1;
        by_id(&s, 3, HULSE_VERDICT_NACK, 0);
        hand_publish(&s.app, &s.ch);
        hand_settle(h);
        assert_int_equal(s.app.session->bytes > before, round == 0);
        assert_true(s.app.session->bytes <= h->shared->limits.session_bytes_max);
        assert_int_equal(h->plane->verdicts_ignored, ignored + round);
        strike(&s);
    }
}

/* It looks at every slot: one a visit, so that nobody waits for many of them. */
static void test_cumulative_verdicts_by_id_take_turns(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    assert_int_equal(attach(&s, HULSE_CHANNEL_CONSUMER, 0), HULSE_CTL_CONSUMER);
    hand_settle(h);
    for (uint64_t entry = 1; entry <= 3; entry++) {
        by_id(&s, entry, HULSE_VERDICT_ACK, HULSE_HOW_CUMULATIVE);
    }
    hand_publish(&s.app, &s.ch);
    for (size_t turn = 1; turn <= 3; turn++) {
        (void)hand_turn(h);
        assert_int_equal(h->broker.note_count, turn);
    }
    strike(&s);
}

static void deliver_more(struct hand *h, uint64_t from, uint64_t to)
{
    for (uint64_t entry = from; entry <= to; entry++) {
        (void)hand_deliver(h, entry, 20000, NULL);
        hand_settle(h); /* which may permit more */
    }
}

/* In the ring or waiting for room: each is found by its id, and what is left keeps its order. */
static void test_acknowledgements_by_id_anywhere_in_the_list(void **state)
{
    static const uint64_t ended[] = {8, 1, 5, 6, 4};
    static const uint64_t left[] = {2, 3, 7};
    struct hand *h = *state;
    struct scene s;
    struct hulse_delivery_header d;
    size_t seen = 0;
    set(h, &s);
    assert_int_equal(attach(&s, HULSE_CHANNEL_CONSUMER, 0), HULSE_CTL_CONSUMER);
    hand_settle(h);
    deliver_more(h, 1, 8); /* three fit into the ring */
    for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++) {
        by_id(&s, ended[i], HULSE_VERDICT_ACK, 0);
        hand_publish(&s.app, &s.ch);
        hand_settle(h);
        assert_int_equal(h->broker.notes[i].verdict, HAND_ACK);
        assert_int_equal(h->broker.notes[i].entry, ended[i]);
    }
    assert_int_equal(s.ch.ch->slots_used, 3);
    while (hand_next(&s.ch, &d) != NULL) {
        if (d.entry != 1) { /* was in the ring already */
            assert_true(seen < 3);
            assert_int_equal(d.entry, left[seen]);
            seen += 1;
        }
        hand_release(&s.app, &s.ch);
        hand_settle(h);
    }
    assert_int_equal(seen, 3);
    strike(&s);
}

/* The verdict crosses the delivery; the slot is free again. */
static void test_an_acknowledgement_ends_a_delivery_on_its_way(void **state)
{
    struct hand *h = *state;
    struct scene s;
    set(h, &s);
    assert_int_equal(attach(&s, HULSE_CHANNEL_CONSUMER, 0), HULSE_CTL_CONSUMER);
    hand_settle(h);
    (void)hand_deliver(h, 9, 10, NULL);
    hand_settle(h);
    assert_int_equal(s.ch.ch->slots_used, 1);
    by_id(&s, 9, HULSE_VERDICT_ACK, 0);
    hand_publish(&s.app, &s.ch);
    hand_settle(h);
    assert_int_equal(s.ch.ch->slots_used, 0);
    assert_int_equal(h->broker.note_count, 1);
    assert_int_equal(h->broker.notes[0].verdict, HAND_ACK);
    strike(&s);
}

static void test_no_verdict_by_id_in_a_new_channel(void **state)
{
    static const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_CONSUMER};
    struct hand *h = *state;
    struct scene s = {0};
    hand_app_open(h, &s.app);
    hand_channel_open(&s.app, &s.ch, &ask);
    assert_int_equal(hand_consumer(&s.app, &s.ch, BROKER_SHARED, 0, 0), HULSE_OK);
    by_id(&s, 9, HULSE_VERDICT_ACK, 0);
    hand_publish(&s.app, &s.ch);
    hand_settle(h);
    assert_int_equal(h->broker.note_count, 0);
    assert_int_equal(h->plane->verdicts_ignored, 1);
    strike(&s);
}

static int group(struct worker *w, void *ctx)
{
    const struct CMUnitTest tests[] = {
        HAND_TEST(test_records_go_on_where_the_last_daemon_stopped),
        HAND_TEST(test_a_message_without_its_beginning_is_interrupted),
        HAND_TEST(test_a_beginning_that_lacks_elsewhere_ends_the_session),
        HAND_TEST(test_a_producer_finds_its_partitions_as_before),
        HAND_TEST(test_a_way_to_partitions_that_cannot_be_ends_the_session),
        HAND_TEST(test_nothing_is_taken_before_the_handle_is_open),
        HAND_TEST(test_a_refused_handle_answers_its_records),
        HAND_TEST(test_a_refused_record_of_the_last_daemons_time_is_unknown),
        HAND_TEST(test_a_record_of_a_handle_that_was_not_offered),
        HAND_TEST(test_a_record_of_a_number_that_was_given_anew),
        HAND_TEST(test_a_handle_whose_place_is_taken),
        HAND_TEST(test_a_producer_closed_before_it_is_open_again),
        HAND_TEST(test_a_consumer_closed_while_it_is_let_in),
        HAND_TEST(test_a_consumer_closed_while_it_is_tried_again),
        HAND_TEST(test_no_room_for_a_handle),
        HAND_TEST(test_no_room_for_a_descriptor),
        HAND_TEST(test_verdicts_come_before_deliveries),
        HAND_TEST(test_a_refusal_waits_for_its_message),
        HAND_TEST(test_refusals_wait_within_the_quota),
        HAND_TEST(test_cumulative_verdicts_by_id_take_turns),
        HAND_TEST(test_acknowledgements_by_id_anywhere_in_the_list),
        HAND_TEST(test_an_acknowledgement_ends_a_delivery_on_its_way),
        HAND_TEST(test_no_verdict_by_id_in_a_new_channel),
    };
    (void)w;
    (void)ctx;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return hand_main(group);
}
