/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a producer channel: receipts in the order of the ring whatever order the broker answers
 *         in, never more than the app has room for; modes; release; close; a gone app's rest.
 * Method: the plane turned by hand between a scripted broker and a scripted app; a model test with
 *         random answers and a reader that stalls. Seed: HULSE_TEST_SEED, printed.
 */
#include "tests/unit/daemon/app/check.h"

#include <poll.h>
#include <time.h>

#define SLOTS 2048U

static const struct hulse_ctl_open_channel ask_full = {.kind = HULSE_CHANNEL_PRODUCER,
                                                       .receipts = HULSE_RECEIPT_MODE_FULL};

struct pair {
    struct hand_app app;
    struct hand_channel ch;
};

static void open_pair(struct hand *h, struct pair *p, const struct hulse_ctl_open_channel *ask)
{
    hand_app_open(h, &p->app);
    hand_channel_open(&p->app, &p->ch, ask);
    assert_int_equal(hand_producer(&p->app, &p->ch), HULSE_OK);
}

static void close_pair(struct pair *p)
{
    hand_app_close(&p->app);
    hand_channel_close(&p->ch);
    assert_false(hand_session_alive(&p->app));
}

/* The session ended by a rule, and said so. */
static void assert_doomed(struct pair *p, const char *rule)
{
    struct hulse_packet in;
    assert_false(hand_session_alive(&p->app));
    assert_false(hand_receive(&p->app, &in));
    if (strncmp(p->app.event, rule, strlen(rule)) != 0) {
        fail_msg("expected %s, got '%s'", rule, p->app.event);
    }
}

static uint64_t up_head(const struct pair *p)
{
    return atomic_load(&hulse_region_b(&p->ch.b)->up_head);
}

static uint64_t stat_of(const struct pair *p, enum hulse_region_stat which)
{
    return atomic_load(&hulse_region_b(&p->ch.b)->stats[which]);
}

static void test_receipts_leave_in_ring_order(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_receipt_record r = {0};
    static const uint8_t order[] = {3, 1, 4, 0, 2};
    open_pair(h, &p, &ask_full);
    for (uint64_t i = 0; i < 5; i++) {
        hand_put_message(&p.ch, "abcdefgh", 8, 100 + i);
    }
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 5);
    assert_memory_equal(h->broker.sends[4].first, "abcdefgh", 8);
    for (size_t i = 0; i < 5; i++) {
        hand_answer(h, order[i], order[i] == 1 ? HULSE_OUTCOME_EXPIRED : HULSE_OUTCOME_STORED);
        hand_flush(h);
        /* Until the first has its answer nothing leaves: neither receipt nor space. */
        if (i < 3) {
            assert_false(hand_receipt(&p.ch, &r));
            assert_int_equal(up_head(&p), 0);
        }
    }
    for (uint64_t i = 0; i < 5; i++) {
        assert_true(hand_receipt(&p.ch, &r));
        assert_int_equal(r.token, 100 + i);
        assert_int_equal(r.status, i == 1 ? HULSE_OUTCOME_EXPIRED : HULSE_OUTCOME_STORED);
        if (i == 1) { /* without an id: the record's end */
            assert_true(r.ledger == HULSE_NO_LEDGER);
            assert_int_equal(r.entry, 2 * 48);
        } else {
            assert_int_equal(r.ledger, 7);
            assert_int_equal(r.entry, i);
        }
    }
    assert_false(hand_receipt(&p.ch, &r));
    assert_int_equal(up_head(&p), 5 * 48);
    assert_int_equal(stat_of(&p, HULSE_STAT_DONE), 4);
    assert_int_equal(stat_of(&p, HULSE_STAT_FAILED), 1);
    close_pair(&p);
}

static void test_modes_decide_what_is_posted(void **state)
{
    struct hand *h = *state;
    for (unsigned mode = HULSE_RECEIPT_MODE_NONE; mode <= HULSE_RECEIPT_MODE_FULL; mode++) {
        const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER,
                                                   .receipts = (uint8_t)mode};
        const struct hulse_publish_header skip = {.len = 48, .type = HULSE_RECORD_SKIP};
        struct hulse_receipt_record r = {0};
        struct pair p;
        unsigned count = 0;
        h->broker.send_count = 0;
        open_pair(h, &p, &ask);
        hand_put_message(&p.ch, "good", 4, 1);
        hand_put(&p.ch, &skip, sizeof(skip), "12345678", 8);
        hand_put_message(&p.ch, "bad", 3, 2);
        hand_publish(&p.app, &p.ch);
        hand_settle(h);
        assert_int_equal(h->broker.send_count, 2); /* a skip record goes nowhere … */
        hand_answer(h, 0, HULSE_OUTCOME_STORED);
        hand_answer(h, 1, HULSE_OUTCOME_DENIED);
        hand_settle(h);
        while (hand_receipt(&p.ch, &r)) {
            count += 1;
        }
        assert_int_equal(count, mode); /* none 0, errors 1, full 2; … and has no receipt */
        assert_int_equal(up_head(&p), p.ch.up.tail);
        assert_int_equal(stat_of(&p, HULSE_STAT_DONE), 1);
        assert_int_equal(stat_of(&p, HULSE_STAT_FAILED), 1);
        close_pair(&p);
    }
}

static void test_release_on_read_gives_space_back_before_the_answer(void **state)
{
    struct hand *h = *state;
    const struct hulse_ctl_open_channel ask = {.kind = HULSE_CHANNEL_PRODUCER,
                                               .release = HULSE_RELEASE_ON_READ,
                                               .receipts = HULSE_RECEIPT_MODE_FULL};
    struct hulse_receipt_record r = {0};
    struct pair p;
    open_pair(h, &p, &ask);
    hand_put_message(&p.ch, "x", 1, 1);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(up_head(&p), p.ch.up.tail);
    assert_false(hand_receipt(&p.ch, &r));
    hand_answer(h, 0, HULSE_OUTCOME_STORED);
    hand_settle(h);
    assert_true(hand_receipt(&p.ch, &r));
    close_pair(&p);
}

/* ---- model ---- */

struct model {
    struct pair p;
    uint64_t sent;     /* tokens given out, from 0 */
    uint64_t received; /* receipts read, in order */
    uint64_t answered;
    unsigned seed;
};

static unsigned below(struct model *m, unsigned limit)
{
    return (unsigned)rand_r(&m->seed) % limit;
}

static void model_publish(struct model *m, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        static const uint8_t body[64];
        const uint32_t bytes = below(m, 64);
        if (hulse_ring_tx_reserve(&m->p.ch.up, 40 + 64) != HULSE_RING_OK) {
            break;
        }
        hand_put_message(&m->p.ch, body, bytes, m->sent);
        m->sent += 1;
    }
    hand_publish(&m->p.app, &m->p.ch);
}

static void model_answer(struct hand *h, struct model *m, unsigned count)
{
    for (unsigned i = 0; i < count && m->answered < h->broker.send_count; i++) {
        /* Any of the open ones near the front. */
        size_t at = m->answered + below(m, 40);
        while (at >= h->broker.send_count || h->broker.sends[at].answered) {
            at = at == 0 ? h->broker.send_count - 1 : at - 1;
        }
        hand_answer(h,
                    at,
                    h->broker.sends[at].token % 3 == 0 ? HULSE_OUTCOME_EXPIRED
                                                       : HULSE_OUTCOME_STORED);
        while (m->answered < h->broker.send_count && h->broker.sends[m->answered].answered) {
            m->answered += 1;
        }
    }
    hand_flush(h);
}

static void model_read(struct model *m, unsigned count)
{
    struct hulse_receipt_record r = {0};
    for (unsigned i = 0; i < count && hand_receipt(&m->p.ch, &r); i++) {
        assert_int_equal(r.token, m->received);
        m->received += 1;
    }
    hand_release(&m->p.app, &m->p.ch);
}

static void model_check(const struct model *m)
{
    const struct channel *ch = m->p.ch.ch;
    const uint64_t posted = atomic_load(&hulse_region_b(&m->p.ch.b)->down_tail);
    const uint64_t unread = posted - atomic_load(&hulse_region_a(&m->p.ch.a)->down_head);
    assert_true(unread <= (uint64_t)SLOTS * HULSE_RECEIPT_BYTES);
    assert_true(ch->taken - ch->finished + unread / HULSE_RECEIPT_BYTES <= SLOTS);
    assert_true(up_head(&m->p) <= m->p.ch.up.tail);
    /* Released means: its receipt is there. */
    assert_true(posted / HULSE_RECEIPT_BYTES >= m->received);
}

static void test_model_receipts_never_overflow(void **state)
{
    struct hand *h = *state;
    const char *given = getenv("HULSE_TEST_SEED");
    static struct model m;
    m = (struct model){.seed = given != NULL ? (unsigned)strtoul(given, NULL, 10)
                                             : (unsigned)time(NULL)};
    print_message("seed %u\n", m.seed);
    open_pair(h, &m.p, &ask_full);
    bool stalled = true;
    while (h->broker.send_count < HAND_SENDS_MAX - SLOTS - 1) {
        if (below(&m, 60) == 0) {
            stalled = !stalled;
        }
        model_publish(&m, below(&m, 300));
        (void)hand_turn(h);
        model_check(&m);
        model_answer(h, &m, below(&m, 300));
        model_check(&m);
        if (!stalled) {
            model_read(&m, below(&m, 400));
        }
        /* The daemon is not always awake. */
        if (below(&m, 8) == 0 && !hulse_plane_module.park(h->plane)) {
            (void)hulse_session_answer_bell(m.p.app.session);
        }
    }
    assert_true(stat_of(&m.p, HULSE_STAT_STALLS) > 0);
    while (m.received < m.sent) {
        const uint64_t before = m.received + m.answered;
        (void)hand_turn(h);
        model_answer(h, &m, 1000);
        model_read(&m, 1000);
        model_check(&m);
        assert_true(m.received + m.answered > before || h->broker.send_count < m.sent);
    }
    assert_int_equal(m.received, m.sent);
    close_pair(&m.p);
}

static void test_v7_receipts_are_released_whole(void **state)
{
    struct hand *h = *state;
    struct pair p;
    h->broker.answer_at_once = true;
    open_pair(h, &p, &ask_full);
    for (uint64_t i = 0; i < SLOTS; i++) {
        if (hulse_ring_tx_reserve(&p.ch.up, 48) != HULSE_RING_OK) {
            hand_publish(&p.app, &p.ch);
            hand_settle(h);
            assert_int_equal(hulse_ring_tx_reserve(&p.ch.up, 48), HULSE_RING_OK);
        }
        hand_put_message(&p.ch, "x", 1, i);
    }
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_true(p.ch.ch->blocked);
    /* A quarter of a receipt: room for one more would be counted that is not there. */
    atomic_store(&hulse_region_a(&p.ch.a)->down_head, 8);
    hand_settle(h);
    assert_doomed(&p, "rule V7");
    close_pair(&p);
}

/* ---- fragments ---- */

static void put_fragment(struct hand_channel *hc, uint32_t index, uint32_t count, uint64_t token)
{
    struct hulse_publish_header hdr = hand_header(hc, HULSE_FRAGMENT_HEADER_BYTES + 8, token);
    struct {
        struct hulse_fragment_header f;
        uint8_t piece[8];
    } body = {.f = {.index = index, .count = count, .total_len = 8ULL * count}};
    memset(body.piece, (int)('a' + index), sizeof(body.piece));
    hdr.enqueued_ns = hulse_clock_ns();
    hdr.type = HULSE_RECORD_FRAGMENT;
    hdr.flags = (uint8_t)((index == 0 ? HULSE_RECORD_FIRST : 0) |
                          (index + 1 == count ? HULSE_RECORD_LAST : 0));
    hand_put(hc, &hdr, sizeof(hdr), &body, sizeof(body));
}

static void test_fragments_become_one_message_with_one_receipt(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_receipt_record r = {0};
    open_pair(h, &p, &ask_full);
    put_fragment(&p.ch, 0, 3, 9);
    put_fragment(&p.ch, 1, 3, 9);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_REASSEMBLY), 24);
    put_fragment(&p.ch, 2, 3, 9);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 1);
    assert_int_equal(h->broker.sends[0].bytes, 24);
    assert_memory_equal(h->broker.sends[0].first, "aaaaaaaabbbbbbbbcccccccc", 24);
    assert_int_equal(up_head(&p), 0); /* released together with the last */
    hand_answer(h, 0, HULSE_OUTCOME_STORED);
    hand_settle(h);
    assert_true(hand_receipt(&p.ch, &r));
    assert_int_equal(r.token, 9);
    assert_false(hand_receipt(&p.ch, &r));
    assert_int_equal(up_head(&p), p.ch.up.tail);
    assert_int_equal(hulse_mem_used(HULSE_MEM_REASSEMBLY), 0);
    close_pair(&p);
}

/* Two handles of one channel: `other`, and the pair's, which has put half a message into the ring. */
static void open_with_half(struct hand *h, struct pair *p, struct hand_channel *other)
{
    open_pair(h, p, &ask_full);
    *other = p->ch;
    assert_int_equal(hand_producer(&p->app, &p->ch), HULSE_OK);
    put_fragment(&p->ch, 0, 2, 9);
}

static void test_a_closed_handle_takes_its_half_message_along(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hand_channel other;
    open_with_half(h, &p, &other);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_true(hand_close_handle(&p.app, &p.ch));
    assert_int_equal(hulse_mem_used(HULSE_MEM_REASSEMBLY), 0);
    other.up = p.ch.up;
    hand_put_message(&other, "next", 4, 10);
    hand_publish(&p.app, &other);
    hand_settle(h);
    assert_true(hand_session_alive(&p.app));
    assert_int_equal(h->broker.send_count, 1);
    hand_answer(h, 0, HULSE_OUTCOME_STORED);
    close_pair(&p);
}

/* The app closed its producer, and goes on with another without waiting for our word. */
static void test_a_record_of_another_handle_ends_half_a_message(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hand_channel other;
    open_with_half(h, &p, &other);
    other.up = p.ch.up;
    hand_put_message(&other, "next", 4, 10);
    hand_publish(&p.app, &other);
    hand_settle(h);
    assert_int_equal(hulse_mem_used(HULSE_MEM_REASSEMBLY), 0);
    assert_int_equal(h->broker.send_count, 1);
    hand_answer(h, 0, HULSE_OUTCOME_STORED);
    p.ch.up = other.up;
    put_fragment(&p.ch, 1, 2, 9); /* what was ended has no end */
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_doomed(&p, "rule V10");
    close_pair(&p);
}

static void test_a_failed_producer_is_sent_nothing(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_receipt_record r = {0};
    open_pair(h, &p, &ask_full);
    put_fragment(&p.ch, 0, 2, 1);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    h->broker.producer->events->failed(h->broker.producer->ctx, HULSE_FAILED, "fenced");
    put_fragment(&p.ch, 1, 2, 1);
    hand_put_message(&p.ch, "x", 1, 2);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 0);
    for (uint64_t token = 1; token <= 2; token++) {
        assert_true(hand_receipt(&p.ch, &r));
        assert_int_equal(r.token, token);
        assert_int_equal(r.status, HULSE_OUTCOME_FENCED);
    }
    close_pair(&p);
}

/* As its event says, which is of its own kind. */
static void test_a_fenced_producer_is_told_so(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_packet in;
    struct hulse_receipt_record r = {0};
    open_pair(h, &p, &ask_full);
    h->broker.producer->events->fenced(h->broker.producer->ctx, "somebody has it");
    hand_put_message(&p.ch, "x", 1, 1);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_true(hand_receipt(&p.ch, &r));
    assert_int_equal(r.status, HULSE_OUTCOME_FENCED);
    (void)hand_receive(&p.app, &in);
    assert_int_equal(p.app.event_kind, HULSE_EVENT_FENCED);
    assert_string_equal(p.app.event, "somebody has it");
    close_pair(&p);
}

/* A library that has not said that it knows them cannot mean them. */
static void test_clusters_without_their_feature_end_the_session(void **state)
{
    struct hand *h = *state;
    static const uint8_t body[] = {'x', 0, 0, 0, 0, 0, 0, 0, HULSE_TAG_REPLICATE_TO, 0, 0, 0};
    struct pair p;
    open_pair(h, &p, &ask_full);
    for (unsigned known = 2; known-- > 0;) {
        p.app.session->features &= ~HULSE_FEATURE_REPLICATION;
        p.app.session->features |= known != 0 ? HULSE_FEATURE_REPLICATION : 0;
        struct hulse_publish_header hdr = hand_header(&p.ch, 1, 1);
        hdr.len = HULSE_PUBLISH_HEADER_BYTES + sizeof(body);
        hdr.meta_len = 4;
        hdr.flags = HULSE_RECORD_HAS_META;
        hand_put(&p.ch, &hdr, sizeof(hdr), body, sizeof(body));
        hand_publish(&p.app, &p.ch);
        hand_settle(h);
        assert_int_equal(h->broker.send_count, 1);
    }
    assert_doomed(&p, "rule V12");
    close_pair(&p);
}

/* What the broker does not take stays in the ring, in order, and nobody turns for it. */
static void test_a_busy_broker_keeps_records_in_the_ring(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p, &ask_full);
    h->broker.busy_at = 2;
    for (uint64_t i = 0; i < 5; i++) {
        hand_put_message(&p.ch, "abcdefgh", 8, i);
    }
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 2);
    assert_true(p.ch.ch->blocked);
    hand_answer(h, 0, HULSE_OUTCOME_STORED); /* room for receipts is not what is missing */
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 2);
    struct hulse_receipt_record r;
    assert_true(hand_receipt(&p.ch, &r));
    assert_false(hulse_plane_module.park(h->plane)); /* so a receipt that was read wakes nobody */
    hand_freed(h, 4);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 4);
    hand_freed(h, 0);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 5);
    for (size_t i = 1; i < 5; i++) {
        assert_int_equal(h->broker.sends[i].seq, i);
        hand_answer(h, i, HULSE_OUTCOME_STORED);
    }
    hand_settle(h);
    assert_int_equal(up_head(&p), 5 * 48);
    close_pair(&p);
}

/* Whole or in fragments, what the broker has no memory for is left where it is, and taken in order afterwards. */
static void test_a_record_without_memory_stays_in_the_ring(void **state)
{
    struct hand *h = *state;
    struct pair p;

    open_pair(h, &p, &ask_full);
    hand_put_message(&p.ch, "abcdefgh", 8, 0);
    put_fragment(&p.ch, 0, 2, 1);
    put_fragment(&p.ch, 1, 2, 1);
    hand_put_message(&p.ch, "abcdefgh", 8, 2);
    for (size_t i = 0; i < 3; i++) {
        h->broker.no_memory = true;
        if (i > 0) {
            hand_freed(h, 0);
        } else {
            hand_publish(&p.app, &p.ch);
        }
        hand_settle(h);
        assert_int_equal(h->broker.send_count, i);
        assert_true(p.ch.ch->blocked);
        h->broker.no_memory = false;
        h->broker.busy_at = i + 1;
        hand_freed(h, i + 1);
        hand_settle(h);
        assert_int_equal(h->broker.send_count, i + 1);
        assert_int_equal(h->broker.sends[i].bytes, i == 1 ? 16 : 8);
    }
    for (size_t i = 0; i < 3; i++) {
        hand_answer(h, i, HULSE_OUTCOME_STORED);
    }
    hand_settle(h);
    assert_int_equal(p.ch.ch->rx.released, p.ch.ch->rx.read);
    close_pair(&p);
}

/* Its first fragment waits too: whoever gives memory back tells nobody, so it is looked at with each beat. */
static void test_fragments_without_memory_stay_in_the_ring(void **state)
{
    struct hand *h = *state;
    struct pair p;

    open_pair(h, &p, &ask_full);
    put_fragment(&p.ch, 0, 2, 1);
    put_fragment(&p.ch, 1, 2, 1);
    hulse_mem_init(hulse_mem_total() + 100);
    hand_publish(&p.app, &p.ch);
    hand_settle(h);
    h->plane->beat.fire(&h->plane->beat);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 0);
    assert_true(p.ch.ch->blocked);
    assert_int_equal(p.ch.ch->rx.read, 0);
    hulse_mem_init(SIZE_MAX);
    h->plane->beat.fire(&h->plane->beat);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 1);
    assert_int_equal(h->broker.sends[0].bytes, 16);
    hand_answer(h, 0, HULSE_OUTCOME_STORED);
    hand_settle(h);
    assert_int_equal(p.ch.ch->rx.released, p.ch.ch->rx.read);
    close_pair(&p);
}

/* ---- ends ---- */

static void test_a_gone_apps_records_wait_for_a_busy_broker(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p, &ask_full);
    h->broker.busy_at = 1;
    hand_put_message(&p.ch, "x", 1, 0);
    hand_put_message(&p.ch, "x", 1, 1);
    hulse_ring_tx_publish(&p.ch.up);
    hand_app_close(&p.app);
    assert_int_equal(h->broker.send_count, 1);
    hand_answer(h, 0, HULSE_OUTCOME_STORED);
    hand_settle(h);
    assert_true(hand_session_alive(&p.app));
    hand_freed(h, 0);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 2);
    hand_answer(h, 1, HULSE_OUTCOME_STORED);
    hand_settle(h);
    assert_false(hand_session_alive(&p.app));
    hand_channel_close(&p.ch);
}

static void test_a_close_waits_for_a_busy_broker(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_packet in;
    open_pair(h, &p, &ask_full);
    h->broker.busy_at = 1;
    hand_put_message(&p.ch, "x", 1, 0);
    hand_put_message(&p.ch, "x", 1, 1);
    hand_publish(&p.app, &p.ch);
    assert_false(hand_close_handle(&p.app, &p.ch));
    hand_answer(h, 0, HULSE_OUTCOME_STORED);
    hand_settle(h);
    assert_int_equal(h->broker.producers, 1);
    hand_freed(h, 0);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 2);
    hand_answer(h, 1, HULSE_OUTCOME_STORED);
    hand_settle(h);
    assert_true(hand_receive(&p.app, &in));
    assert_int_equal(h->broker.producers, 0);
    close_pair(&p);
}

static void test_a_close_waits_for_what_was_published_before(void **state)
{
    struct hand *h = *state;
    struct pair p;
    struct hulse_packet in;
    open_pair(h, &p, &ask_full);
    hand_put_message(&p.ch, "x", 1, 1);
    hand_publish(&p.app, &p.ch);
    assert_false(hand_close_handle(&p.app, &p.ch));
    assert_int_equal(h->broker.send_count, 1);
    hand_answer(h, 0, HULSE_OUTCOME_STORED);
    hand_settle(h);
    assert_true(hand_receive(&p.app, &in));
    assert_int_equal(h->broker.producers, 0);
    close_pair(&p);
}

static void test_a_gone_apps_records_are_sent_to_the_last(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p, &ask_full);
    for (uint64_t i = 0; i < 600; i++) { /* more than one visit takes */
        hand_put_message(&p.ch, "x", 1, i);
    }
    hulse_ring_tx_publish(&p.ch.up);
    hand_app_close(&p.app);
    assert_int_equal(h->broker.send_count, 600);
    assert_true(hand_session_alive(&p.app)); /* answers are owed */
    for (size_t i = 0; i < 600; i++) {
        hand_answer(h, i, HULSE_OUTCOME_STORED);
    }
    hand_settle(h);
    assert_false(hand_session_alive(&p.app));
    hand_channel_close(&p.ch);
}

/* Who does not wait for the answer any more closes the channel: the broker's end goes with it. */
static void test_a_channel_is_closed_while_its_producer_opens(void **state)
{
    struct hand *h = *state;
    struct hand_app app;
    struct hand_channel ch;
    struct hulse_packet p;
    hand_app_open(h, &app);
    hand_channel_open(&app, &ch, &ask_full);
    h->broker.open_later = true;
    (void)hand_producer(&app, &ch); /* no answer comes */
    assert_int_equal(h->broker.producers, 1);
    const struct hulse_ctl_channel_ref close = {.channel = ch.id};
    hulse_packet_begin(&p, HULSE_CTL_CLOSE_CHANNEL, 0, &close);
    p.fd_count = 0;
    assert_int_equal(hand_call(&app, &p, &p), HULSE_CTL_OK);
    assert_int_equal(h->broker.producers, 0);
    assert_true(hand_session_alive(&app));
    hand_app_close(&app);
    hand_channel_close(&ch);
}

static void test_who_hung_up_and_writes_on_is_not_read(void **state)
{
    struct hand *h = *state;
    struct pair p;
    open_pair(h, &p, &ask_full);
    hand_put_message(&p.ch, "x", 1, 1);
    hulse_ring_tx_publish(&p.ch.up);
    assert_int_equal(shutdown(p.app.sock, SHUT_WR), 0);
    hulse_session_read_control(p.app.session);
    hand_put_message(&p.ch, "y", 1, 2);
    hulse_ring_tx_publish(&p.ch.up);
    hand_settle(h);
    assert_int_equal(h->broker.send_count, 1);
    hand_answer(h, 0, HULSE_OUTCOME_STORED);
    hand_settle(h);
    assert_false(hand_session_alive(&p.app));
    close_pair(&p);
}

static void test_replies_queued_under_a_penalty_are_sent(void **state)
{
    struct hand *h = *state;
    struct hand_app app;
    struct hulse_packet p;
    hand_app_open(h, &app);
    hulse_session_penalty(app.session, "test");
    unsigned owed = 0;
    while (app.session->reply_count == 0) { /* the socket fills */
        hulse_session_reply_error(app.session, ++owed, HULSE_INVAL, "text");
    }
    while (hand_receive(&app, &p)) {
        owed -= 1;
    }
    assert_true(owed > 0);
    /* The penalty ends; the socket has room, so what is queued leaves with the next round. */
    struct loop *l = &h->worker->loop;
    (void)hulse_timer_advance(&l->timers, hulse_loop_now_ms(l) + 100);
    struct pollfd ready = {.fd = l->epoll_fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 1000), 1);
    assert_true(app.session->want_write);
    hulse_session_drain_replies(app.session);
    while (hand_receive(&app, &p)) {
        owed -= 1;
    }
    assert_int_equal(owed, 0);
    hand_app_close(&app);
}

static int group(struct worker *w, void *ctx)
{
    const struct CMUnitTest tests[] = {
        HAND_TEST(test_receipts_leave_in_ring_order),
        HAND_TEST(test_modes_decide_what_is_posted),
        HAND_TEST(test_release_on_read_gives_space_back_before_the_answer),
        HAND_TEST(test_model_receipts_never_overflow),
        HAND_TEST(test_v7_receipts_are_released_whole),
        HAND_TEST(test_fragments_become_one_message_with_one_receipt),
        HAND_TEST(test_a_closed_handle_takes_its_half_message_along),
        HAND_TEST(test_a_record_of_another_handle_ends_half_a_message),
        HAND_TEST(test_a_failed_producer_is_sent_nothing),
        HAND_TEST(test_a_fenced_producer_is_told_so),
        HAND_TEST(test_clusters_without_their_feature_end_the_session),
        HAND_TEST(test_a_busy_broker_keeps_records_in_the_ring),
        HAND_TEST(test_a_record_without_memory_stays_in_the_ring),
        HAND_TEST(test_fragments_without_memory_stay_in_the_ring),
        HAND_TEST(test_a_gone_apps_records_wait_for_a_busy_broker),
        HAND_TEST(test_a_close_waits_for_a_busy_broker),
        HAND_TEST(test_a_close_waits_for_what_was_published_before),
        HAND_TEST(test_a_gone_apps_records_are_sent_to_the_last),
        HAND_TEST(test_a_channel_is_closed_while_its_producer_opens),
        HAND_TEST(test_who_hung_up_and_writes_on_is_not_read),
        HAND_TEST(test_replies_queued_under_a_penalty_are_sent),
    };
    (void)w;
    (void)ctx;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return hand_main(group);
}
