/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   nonsense from the daemon ends the session with PROTOCOL; it never crashes the process.
 * Method: impossible positions, delivery headers with every member wrong in turn, fragments out of
 *         order, malformed packets.
 */
#include "tests/unit/shmlib/client/check.h"

static const struct hulse_delivery_header good = {
    .len = 72, .type = HULSE_RECORD_MESSAGE, .payload_len = 8, .batch = -1};

/* Writes a header as it is, with `bytes` of the ring published behind it. */
static void post_raw(struct pair *pair,
                     struct fake_channel *ch,
                     const struct hulse_delivery_header *h,
                     uint64_t bytes)
{
    memcpy(hulse_ring_tx_at(&ch->down, ch->down.tail), h, sizeof(*h));
    hulse_ring_tx_commit(&ch->down, bytes);
    hulse_fake_channel_post(pair->d, ch);
}

static void reopen(struct pair *pair)
{
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_PROTOCOL);
    assert_int_equal(hulse_wait(pair->s, 0, WAIT_MS), HULSE_PROTOCOL);
    assert_int_equal(hulse_close(&pair->s, 0), HULSE_PROTOCOL);
    hulse_fake_forget(pair->d);
    assert_int_equal(hulse_open(&pair->s, NULL), HULSE_OK);
}

static void test_a_wrong_delivery_header_ends_the_session(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct hulse_delivery_header bad[13];
    struct hulse_message m = {.size = sizeof(m)};

    for (size_t i = 0; i < 13; i++) {
        bad[i] = good;
    }
    bad[0].len = 0;
    bad[1].len = 63;
    bad[2].len = UINT32_MAX;
    bad[3].len = 81; /* more than is there */
    bad[4].type = HULSE_RECORD_VERDICT;
    bad[5].type = 77;
    bad[6].flags = 0x80;
    bad[7].payload_len = 9;
    bad[8].payload_len = UINT32_MAX;
    bad[9].meta_len = 8;
    bad[10].meta_len = UINT16_MAX;
    bad[11].type = HULSE_RECORD_FRAGMENT; /* shorter than a fragment's own header */
    bad[12].handle = 1;
    for (size_t i = 0; i < 13; i++) {
        hulse_consumer *c = open_consumer(pair, NULL, &ch);
        bad[i].handle += ch->handle;
        post_raw(pair, ch, &bad[i], 72);
        assert_int_equal(hulse_next(c, &m), HULSE_PROTOCOL);
        assert_int_equal(hulse_next(c, &m), HULSE_PROTOCOL);
        reopen(pair);
    }
}

static void test_a_tail_inside_a_header_ends_the_session(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    struct hulse_message m = {.size = sizeof(m)};

    post_raw(pair, ch, &good, 32);
    assert_int_equal(hulse_next(c, &m), HULSE_PROTOCOL);
    assert_non_null(strstr(hulse_consumer_error(c), "header"));
}

static void test_impossible_positions_end_the_session(void **state)
{
    static const uint64_t tails[] = {4, UINT64_MAX - 7, 65536 + 8, 1ULL << 40};
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct hulse_message m = {.size = sizeof(m)};
    struct hulse_receipt out;
    unsigned count = 0;
    void *at = NULL;

    for (size_t i = 0; i < 4; i++) {
        hulse_consumer *c = open_consumer(pair, NULL, &ch);
        atomic_store(&fake_b(ch)->down_tail, tails[i]);
        assert_int_equal(hulse_arm(pair->s, 0), HULSE_AGAIN);
        assert_int_equal(hulse_next(c, &m), HULSE_PROTOCOL);
        reopen(pair);
    }
    hulse_producer *p = open_producer(pair, NULL, &ch);
    atomic_store(&fake_b(ch)->down_tail, 40); /* no multiple of a receipt */
    assert_int_equal(hulse_receipts(p, &out, 1, &count), HULSE_PROTOCOL);
    assert_int_equal(count, 0);
    reopen(pair);
    p = open_producer(pair, NULL, &ch);
    assert_int_equal(hulse_publish(p, "x", 1, NULL, 0), HULSE_OK);
    atomic_store(&fake_b(ch)->up_head, 4096); /* never published */
    assert_int_equal(hulse_sync(p, WAIT_MS, NULL), HULSE_PROTOCOL);
    assert_int_equal(hulse_claim(p, 1, &at), HULSE_PROTOCOL);
    assert_int_equal(hulse_publish(p, "x", 1, NULL, 0), HULSE_PROTOCOL);
    reopen(pair);
    p = open_producer(pair, NULL, &ch);
    while (hulse_claim(p, 16000, &at) == HULSE_OK) {
        assert_int_equal(hulse_commit(p, 16000, NULL, 0), HULSE_OK);
    }
    atomic_store(&fake_b(ch)->up_head, 1ULL << 50);
    assert_int_equal(hulse_claim(p, 16000, &at), HULSE_PROTOCOL);
}

static void test_metadata_that_overrun_end_the_session(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    struct hulse_message m = {.size = sizeof(m)};
    struct hulse_delivery_header h = good;
    static const uint8_t meta[] = {HULSE_TAG_KEY, 0, 200, 0, 'k', 'k', 'k', 'k'};

    h.payload_len = 0;
    h.meta_len = sizeof(meta);
    hulse_fake_channel_deliver(ch, &h, "", meta);
    hulse_fake_channel_post(pair->d, ch);
    assert_int_equal(hulse_next(c, &m), HULSE_PROTOCOL);
    /* Properties are walked later, by the application: the same care. */
    static const uint8_t property[] = {HULSE_TAG_PROPERTY, 0, 4, 0, 200, 0, 'n', 'v'};
    struct hulse_message odd = {
        .size = sizeof(odd), .meta = property, .meta_bytes = sizeof(property)};
    struct hulse_property out;
    assert_int_equal(hulse_message_property(&odd, 0, &out), HULSE_PROTOCOL);
    static const uint8_t tiny[] = {HULSE_TAG_PROPERTY, 0, 1, 0, 1};
    odd.meta = tiny;
    odd.meta_bytes = sizeof(tiny);
    assert_int_equal(hulse_message_property(&odd, 0, &out), HULSE_PROTOCOL);
}

struct odd_fragment {
    struct hulse_fragment_header f;
    uint32_t part;
    uint8_t flags;
};

static void post_fragment(struct pair *pair, struct fake_channel *ch, const struct odd_fragment *o)
{
    static uint8_t payload[4096];
    struct hulse_delivery_header h = good;

    memcpy(payload, &o->f, sizeof(o->f));
    h.type = HULSE_RECORD_FRAGMENT;
    h.flags = o->flags;
    h.payload_len = (uint32_t)sizeof(o->f) + o->part;
    hulse_fake_channel_deliver(ch, &h, payload, NULL);
    hulse_fake_channel_post(pair->d, ch);
}

static void test_fragments_that_do_not_continue_end_the_session(void **state)
{
    static const struct odd_fragment first = {{0, 3, 300}, 100, HULSE_RECORD_FIRST};
    static const struct odd_fragment seconds[] = {
        {{2, 3, 300}, 100, 0},                  /* one is missing */
        {{0, 3, 300}, 100, 0},                  /* the same again */
        {{1, 4, 300}, 100, 0},                  /* another count */
        {{1, 3, 301}, 100, 0},                  /* another total */
        {{1, 3, 300}, 201, 0},                  /* more than the total */
        {{1, 3, 300}, 100, HULSE_RECORD_LAST},  /* not the last */
        {{1, 3, 300}, 100, HULSE_RECORD_FIRST}, /* a first one in the middle */
    };
    static const struct odd_fragment firsts[] = {
        {{1, 3, 300}, 100, 0},                                      /* no beginning */
        {{0, 0, 300}, 100, HULSE_RECORD_FIRST},                     /* of none */
        {{0, 3, 5000}, 100, HULSE_RECORD_FIRST},                    /* larger than the buffer */
        {{0, 3, 1ULL << 60}, 9, HULSE_RECORD_FIRST},                /* much larger */
        {{0, 1, 300}, 100, HULSE_RECORD_FIRST | HULSE_RECORD_LAST}, /* shorter than it says */
    };
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    struct hulse_message m = {.size = sizeof(m)};
    hulse_consumer_options *o = hulse_consumer_options_new();

    assert_int_equal(hulse_consumer_options_type(o, HULSE_READER), HULSE_OK);
    assert_int_equal(hulse_consumer_options_reassembly(o, 4000), HULSE_OK);
    for (size_t i = 0; i < 12; i++) {
        hulse_consumer *c = open_consumer(pair, o, &ch);
        if (i < 7) {
            post_fragment(pair, ch, &first);
            assert_int_equal(hulse_next(c, &m), HULSE_AGAIN);
        }
        post_fragment(pair, ch, i < 7 ? &seconds[i] : &firsts[i - 7]);
        assert_int_equal(hulse_next(c, &m), HULSE_PROTOCOL);
        reopen(pair);
    }
    hulse_consumer_options_free(&o);
    hulse_consumer *refusing = open_consumer(pair, NULL, &ch);
    post_fragment(pair, ch, &first);
    assert_int_equal(hulse_next(refusing, &m), HULSE_PROTOCOL); /* asked for none */
}

static void test_a_malformed_packet_ends_the_session_for_everybody(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    void *at = NULL;
    unsigned group = 0;

    assert_int_equal(hulse_group_open(pair->s, &group), HULSE_OK);
    hulse_fake_send(pair->d, "\xff\xff garbage", 10);
    assert_int_equal(hulse_poll(pair->s, 0), HULSE_PROTOCOL);
    assert_non_null(strstr(hulse_last_error(pair->s), "control message"));
    assert_int_equal(hulse_claim(p, 1, &at), HULSE_PROTOCOL);
    assert_int_equal(hulse_wait(pair->s, 1, HULSE_FOREVER), HULSE_PROTOCOL);
    reopen(pair);
    hulse_fake_set(pair->d, &pair->d->garbage_on, HULSE_CTL_OPEN_PRODUCER);
    assert_int_equal(hulse_producer_open(pair->s, &p, "t", NULL), HULSE_PROTOCOL);
    assert_null(p);
}

static void *wait_on_group_1(void *arg)
{
    static hulse_status st;

    st = hulse_wait(((const struct pair *)arg)->s, 1, HULSE_FOREVER);
    return &st;
}

static void test_nonsense_in_one_channel_wakes_the_sleepers_of_all(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_consumer *c = open_consumer(pair, NULL, &ch);
    struct hulse_message m = {.size = sizeof(m)};
    unsigned group = 0;
    pthread_t thread;
    void *st = NULL;
    const struct timespec pause = {.tv_nsec = 20000000};

    assert_int_equal(hulse_group_open(pair->s, &group), HULSE_OK);
    assert_int_equal(pthread_create(&thread, NULL, wait_on_group_1, pair), 0);
    (void)nanosleep(&pause, NULL);
    atomic_store(&fake_b(ch)->down_tail, 4);
    assert_int_equal(hulse_next(c, &m), HULSE_PROTOCOL);
    (void)pthread_join(thread, &st);
    assert_int_equal(*(hulse_status *)st, HULSE_PROTOCOL);
    for (int ms = 0; ms < WAIT_MS && hulse_fake_connected(pair->d); ms++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_false(hulse_fake_connected(pair->d)); /* and the daemon is told */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_a_wrong_delivery_header_ends_the_session),
        PAIR_TEST(test_a_tail_inside_a_header_ends_the_session),
        PAIR_TEST(test_impossible_positions_end_the_session),
        PAIR_TEST(test_metadata_that_overrun_end_the_session),
        PAIR_TEST(test_fragments_that_do_not_continue_end_the_session),
        PAIR_TEST(test_nonsense_in_one_channel_wakes_the_sleepers_of_all),
        PAIR_TEST(test_a_malformed_packet_ends_the_session_for_everybody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
