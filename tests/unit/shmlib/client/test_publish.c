/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the copying calls: one message, many with one flush, fragments all or nothing, messages
 *         larger than the ring as room comes up, threads that share a producer.
 * Method: the daemon's side reassembles and compares; a thread takes and releases where the
 *         application must wait.
 */
#include "tests/unit/shmlib/client/check.h"

#include <stdlib.h>

static uint8_t pattern(size_t i)
{
    return (uint8_t)((i * 31) + (i >> 8));
}

static uint8_t *make_message(size_t bytes)
{
    uint8_t *data = malloc(bytes);

    assert_non_null(data);
    for (size_t i = 0; i < bytes; i++) {
        data[i] = pattern(i);
    }
    return data;
}

/* What a daemon keeps while fragments arrive. */
struct whole {
    uint64_t bytes;
    uint64_t total;
    uint32_t fragments;
    uint32_t count;
    uint64_t seq;
    uint64_t token;
    uint16_t meta_len;
    bool good;
};

static void add_fragment(struct whole *w, const struct hulse_publish_header *h)
{
    struct hulse_fragment_header f;
    const uint8_t *part = (const uint8_t *)(h + 1) + sizeof(f);
    const uint64_t bytes = h->payload_len - sizeof(f);

    memcpy(&f, h + 1, sizeof(f));
    if (w->fragments == 0) {
        *w = (struct whole){.total = f.total_len,
                            .count = f.count,
                            .seq = h->seq,
                            .token = h->token,
                            .meta_len = h->meta_len,
                            .good = true};
    }
    w->good = w->good && h->type == HULSE_RECORD_FRAGMENT && f.index == w->fragments &&
              f.count == w->count && f.total_len == w->total && h->seq == w->seq &&
              h->token == w->token && (f.index == 0 || h->meta_len == 0) &&
              ((h->flags & HULSE_RECORD_FIRST) != 0) == (f.index == 0) &&
              ((h->flags & HULSE_RECORD_LAST) != 0) == (f.index + 1 == f.count);
    for (uint64_t i = 0; i < bytes; i++) {
        w->good = w->good && part[i] == pattern(w->bytes + i);
    }
    w->bytes += bytes;
    w->fragments += 1;
}

static void test_a_publish_is_flushed(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    uint64_t bytes = 0;

    assert_int_equal(hulse_publish(p, "abc", 3, NULL, 5), HULSE_OK);
    const struct hulse_publish_header *h = hulse_fake_channel_take(ch, &bytes);
    assert_non_null(h);
    assert_int_equal(h->token, 5);
    assert_memory_equal(h + 1, "abc", 3);
    assert_int_equal(hulse_publish(p, NULL, 0, NULL, 6), HULSE_OK);
    assert_int_equal(hulse_publish(p, NULL, 1, NULL, 6), HULSE_INVAL);
    assert_int_equal(hulse_publish(NULL, "x", 1, NULL, 6), HULSE_INVAL);
    assert_int_equal(hulse_publish(p, "x", (size_t)pair->d->message_max + 1, NULL, 6),
                     HULSE_TOOBIG);
    assert_int_equal(hulse_fake_channel_take_all(ch), 1);
}

static void test_many_pass_over_bad_ones_and_stop_at_the_first_without_room(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    uint8_t *data = make_message(30000);
    struct hulse_item items[7];
    size_t accepted = 99;

    for (unsigned i = 0; i < 6; i++) {
        items[i] =
            (struct hulse_item){.size = sizeof(items[i]), .data = data, .bytes = 30000, .token = i};
    }
    items[1].data = NULL;
    items[2].bytes = (size_t)pair->d->message_max + 1;
    items[3].size = 0;
    items[6].bytes = 1;
    assert_int_equal(hulse_publish_many(p, items, 7, &accepted), HULSE_AGAIN);
    assert_int_equal(accepted, 2); /* 0 and 4 */
    assert_int_equal(items[1].status, HULSE_INVAL);
    assert_int_equal(items[2].status, HULSE_TOOBIG);
    assert_int_equal(items[3].status, HULSE_INVAL);
    assert_int_equal(items[5].status, HULSE_AGAIN);
    assert_int_equal(items[6].status, HULSE_AGAIN); /* would fit, but order is kept */
    assert_int_equal(hulse_fake_channel_take_all(ch), 2);
    free(data);
}

static void test_many_keep_order_and_say_who_went_in(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    struct hulse_item items[40];
    size_t accepted = 0;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < 40; i++) {
        items[i] = (struct hulse_item){
            .size = sizeof(items[i]), .data = "x", .bytes = 1, .token = i, .status = 1};
    }
    hulse_fake_channel_arm(ch);
    assert_int_equal(hulse_publish_many(p, items, 40, &accepted), HULSE_OK);
    assert_int_equal(hulse_fake_bells(pair->d), 1);
    assert_int_equal(accepted, 40);
    for (unsigned i = 0; i < 40; i++) {
        const struct hulse_publish_header *h = hulse_fake_channel_take(ch, &bytes);
        assert_non_null(h);
        assert_int_equal(h->token, i);
        assert_int_equal(items[i].status, HULSE_OK);
    }
    assert_int_equal(hulse_publish_many(p, NULL, 0, &accepted), HULSE_OK);
    assert_int_equal(hulse_publish_many(p, items, 1, NULL), HULSE_INVAL);
}

static void take_tokens(struct pair *pair, struct fake_channel *ch, uint64_t *next)
{
    uint64_t bytes = 0;
    const struct hulse_publish_header *h = NULL;

    while ((h = hulse_fake_channel_take(ch, &bytes)) != NULL) {
        if (h->type != HULSE_RECORD_FRAGMENT || (h->flags & HULSE_RECORD_FIRST) != 0) {
            assert_int_equal(h->token, *next);
            *next += 1;
        }
        hulse_fake_channel_release(pair->d, ch);
    }
}

/* Over the ring's end again and again, in fragments too; what had no room goes in with the next call. */
static void test_many_of_any_size_go_round_the_ring(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    uint8_t *data = make_message(45000);
    struct hulse_item items[9];
    uint64_t token = 0;
    uint64_t taken = 0;

    while (token < 500) {
        size_t accepted = 0;
        for (unsigned i = 0; i < 9; i++) {
            const uint64_t n = token + i;
            items[i] = (struct hulse_item){.size = sizeof(items[i]),
                                           .data = data,
                                           .bytes = n % 7 == 3 ? 45000 : (n * 977) % 6000,
                                           .token = n};
        }
        const hulse_status st = hulse_publish_many(p, items, 9, &accepted);
        assert_int_equal(st, accepted == 9 ? HULSE_OK : HULSE_AGAIN);
        for (unsigned i = 0; i < 9; i++) {
            assert_int_equal(items[i].status, i < accepted ? HULSE_OK : HULSE_AGAIN);
        }
        token += accepted;
        take_tokens(pair, ch, &taken);
        assert_int_equal(taken, token);
    }
    free(data);
}

static void test_a_large_message_is_fragments_of_one_sequence_number(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    uint8_t *data = make_message(50000);
    const struct hulse_meta m = {.size = sizeof(m), .key = "k", .key_bytes = 1};
    struct whole w = {0};
    uint64_t bytes = 0;
    const struct hulse_publish_header *h = NULL;

    assert_int_equal(hulse_publish(p, data, 50000, &m, 3), HULSE_OK);
    while ((h = hulse_fake_channel_take(ch, &bytes)) != NULL) {
        add_fragment(&w, h);
    }
    assert_true(w.good);
    assert_int_equal(w.bytes, 50000);
    assert_int_equal(w.fragments, w.count);
    assert_int_equal(w.meta_len, 5);
    assert_int_equal(w.token, 3);
    assert_int_equal(w.seq, 0);
    /* Without room for all of it nothing goes in, and the sequence goes on where it was. */
    assert_int_equal(hulse_publish(p, data, 50000, &m, 4), HULSE_AGAIN);
    assert_int_equal(hulse_publish(p, "x", 1, NULL, 5), HULSE_OK);
    h = hulse_fake_channel_take(ch, &bytes);
    assert_non_null(h);
    assert_int_equal(h->seq, 1);
    assert_int_equal(h->token, 5);
    assert_int_equal(hulse_publish(p, data, 50000, &m, 4), HULSE_AGAIN);
    assert_int_equal(hulse_fake_channel_take_all(ch), 0);
    free(data);
}

static void test_larger_than_the_ring_needs_the_waiting_call(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    uint8_t *data = make_message(300000);

    assert_int_equal(hulse_publish(p, data, 300000, NULL, 3), HULSE_TOOBIG);
    assert_non_null(strstr(hulse_producer_error(p), "hulse_publish_wait"));
    assert_int_equal(hulse_fake_channel_take_all(ch), 0);
    free(data);
}

static void test_a_daemon_without_fragments_gets_none(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    static uint8_t data[40000];

    assert_int_equal(hulse_close(&pair->s, 0), HULSE_OK);
    hulse_fake_features(pair->d, 0, UINT64_MAX);
    assert_int_equal(hulse_open(&pair->s, NULL), HULSE_OK);
    hulse_producer *p = open_producer(pair, NULL, &ch);
    assert_int_equal(hulse_publish(p, data, sizeof(data), NULL, 3), HULSE_TOOBIG);
    unsigned group = 0;
    assert_int_equal(hulse_group_open(pair->s, &group), HULSE_UNSUPPORTED);
}

static void
expect_clusters(struct pair *pair, struct fake_channel *ch, const char *wanted, size_t wanted_bytes)
{
    uint64_t bytes = 0;
    const struct hulse_publish_header *h = hulse_fake_channel_take(ch, &bytes);

    assert_non_null(h);
    assert_int_equal(h->meta_len, wanted_bytes);
    assert_memory_equal((const uint8_t *)h + h->len - h->meta_len, wanted, wanted_bytes);
    hulse_fake_channel_release(pair->d, ch);
}

static void test_clusters_are_chosen_where_the_daemon_knows_them(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    static const char *const names[] = {"west", "e"};
    struct hulse_meta m = {.size = sizeof(m), .replicate_to = names, .replicate_to_count = 2};
    const struct hulse_meta none = {.size = sizeof(m), .flags = HULSE_META_NO_REPLICATION};
    hulse_producer *p = open_producer(pair, NULL, &ch);

    assert_int_equal(hulse_publish(p, "x", 1, &m, 1), HULSE_UNSUPPORTED);
    assert_non_null(strstr(hulse_producer_error(p), "older"));
    assert_int_equal(hulse_publish(p, "x", 1, &none, 1), HULSE_UNSUPPORTED);
    struct hulse_item items[] = {{.size = sizeof(items[0]), .meta = &none},
                                 {.size = sizeof(items[0])}};
    size_t accepted = 0;
    assert_int_equal(hulse_publish_many(p, items, 2, &accepted), HULSE_OK);
    assert_int_equal(items[0].status, HULSE_UNSUPPORTED);
    assert_int_equal(accepted, 1);
    assert_int_equal(hulse_fake_channel_take_all(ch), 1);
    hulse_fake_channel_release(pair->d, ch);
    assert_int_equal(hulse_producer_close(&p, 0), HULSE_OK);
    assert_int_equal(hulse_close(&pair->s, 0), HULSE_OK);
    hulse_fake_features(pair->d, HULSE_FEATURE_REPLICATION | HULSE_FEATURE_RESUME, 0);
    assert_int_equal(hulse_open(&pair->s, NULL), HULSE_OK);
    p = open_producer(pair, NULL, &ch);
    assert_int_equal(hulse_publish(p, "x", 1, &m, 1), HULSE_OK);
    expect_clusters(pair, ch, "\x0b\0\x04\0west\x0b\0\x01\0e", 13);
    assert_int_equal(hulse_publish(p, "x", 1, &none, 1), HULSE_OK);
    expect_clusters(pair, ch, "\x0b\0\0\0", 4);
    m.flags = HULSE_META_NO_REPLICATION;
    assert_int_equal(hulse_publish(p, "x", 1, &m, 1), HULSE_INVAL);
    m.flags = 0;
    m.replicate_to = NULL;
    assert_int_equal(hulse_publish(p, "x", 1, &m, 1), HULSE_INVAL);
    m.size = offsetof(struct hulse_meta, replicate_to); /* of before there was such a thing */
    assert_int_equal(hulse_publish(p, "x", 1, &m, 1), HULSE_OK);
    m.size -= 1;
    assert_int_equal(hulse_publish(p, "x", 1, &m, 1), HULSE_INVAL);
    /* What stands in the ring an older daemon could not read: the session waits for another. */
    hulse_fake_features(pair->d, 0, HULSE_FEATURE_REPLICATION);
    hulse_fake_die(pair->d);
    while (hulse_sync(p, 10, NULL) != HULSE_REFUSED) {
    }
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_ATTACH), 0);
}

/* A daemon that takes and releases until it has seen `until` bytes of payload or messages. */
struct taker {
    struct pair *pair;
    struct fake_channel *ch;
    uint64_t messages_until;
    uint64_t bytes_until;
    uint64_t messages;
    struct whole whole;
    bool one_by_one;
};

static void *take_until(void *arg)
{
    struct taker *t = arg;
    uint64_t bytes = 0;
    const struct timespec pause = {.tv_nsec = 100000};

    while (t->messages < t->messages_until && t->whole.bytes < t->bytes_until) {
        const struct hulse_publish_header *h = hulse_fake_channel_take(t->ch, &bytes);
        if (h == NULL) {
            (void)nanosleep(&pause, NULL);
            continue;
        }
        if (h->type == HULSE_RECORD_FRAGMENT) {
            add_fragment(&t->whole, h);
        } else {
            t->messages += 1;
        }
        hulse_fake_channel_release(t->pair->d, t->ch);
    }
    return NULL;
}

static void test_larger_than_the_ring_trickles_in(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    uint8_t *data = make_message(1000000);
    struct taker t = {.pair = pair, .ch = ch, .messages_until = UINT64_MAX, .bytes_until = 1000000};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, take_until, &t), 0);
    assert_int_equal(hulse_publish_wait(p, data, 1000000, NULL, 3, WAIT_MS), HULSE_OK);
    (void)pthread_join(thread, NULL);
    assert_true(t.whole.good);
    assert_int_equal(t.whole.fragments, t.whole.count);
    assert_int_equal(hulse_publish(p, "next", 4, NULL, 4), HULSE_OK);
    free(data);
}

/* Fragments in the ring cannot be taken back: the call goes on where it stopped. */
static void test_a_message_cut_by_its_timeout_is_gone_on_with(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    uint8_t *data = make_message(200000);
    struct taker t = {.pair = pair, .ch = ch, .messages_until = UINT64_MAX, .bytes_until = 200000};
    pthread_t thread;
    void *at = NULL;

    assert_int_equal(hulse_publish_wait(p, data, 200000, NULL, 3, 20), HULSE_TIMED_OUT);
    assert_int_equal(hulse_claim(p, 1, &at), HULSE_BUSY);
    assert_int_equal(hulse_publish(p, "x", 1, NULL, 4), HULSE_BUSY);
    assert_int_equal(hulse_publish_wait(p, data, 199999, NULL, 3, 0), HULSE_BUSY);
    assert_int_equal(pthread_create(&thread, NULL, take_until, &t), 0);
    assert_int_equal(hulse_publish_wait(p, data, 200000, NULL, 3, WAIT_MS), HULSE_OK);
    (void)pthread_join(thread, NULL);
    assert_true(t.whole.good);
    assert_int_equal(t.whole.bytes, 200000);
    assert_int_equal(hulse_claim(p, 1, &at), HULSE_OK);
    free(data);
}

/* A session that gives up soon, with one producer and a second one on the same channel. */
static void open_two_on_one_channel(struct pair *pair, hulse_producer *p[2])
{
    hulse_options *so = hulse_options_new();
    hulse_producer_options *o = hulse_producer_options_new();
    struct fake_channel *ch = NULL;

    assert_int_equal(hulse_close(&pair->s, 0), HULSE_OK);
    assert_int_equal(hulse_options_connect_timeout(so, 1000), HULSE_OK);
    assert_int_equal(hulse_open(&pair->s, so), HULSE_OK);
    p[0] = open_producer(pair, NULL, &ch);
    assert_int_equal(hulse_producer_options_share_with(o, p[0]), HULSE_OK);
    p[1] = open_producer(pair, o, &ch);
    hulse_producer_options_free(&o);
    hulse_options_free(&so);
}

static void test_a_half_published_message_goes_with_its_producer(void **state)
{
    struct pair *pair = *state;
    uint8_t *data = make_message(200000);
    hulse_producer *p[2];
    void *at = NULL;

    open_two_on_one_channel(pair, p);
    struct fake_channel *ch = &pair->d->channels[0];
    assert_int_equal(hulse_publish_wait(p[0], data, 200000, NULL, 3, 20), HULSE_TIMED_OUT);
    assert_int_equal(hulse_publish(p[1], "x", 1, NULL, 4), HULSE_BUSY);
    assert_int_not_equal(hulse_fake_channel_take_all(ch), 0);
    hulse_fake_channel_release(pair->d, ch);
    assert_int_equal(hulse_producer_close(&p[0], 0), HULSE_FAILED);
    assert_int_equal(hulse_claim(p[1], 1, &at), HULSE_OK);
    assert_int_equal(hulse_publish(p[1], "x", 1, NULL, 4), HULSE_OK);
    assert_int_equal(hulse_fake_channel_take_all(ch), 1);
    free(data);
}

/* The daemon may be in the middle of it still; the next record tells it that the rest will not come. */
static void test_the_end_of_half_a_message_needs_no_word_of_the_daemons(void **state)
{
    struct pair *pair = *state;
    uint8_t *data = make_message(200000);
    hulse_producer *p[2];

    open_two_on_one_channel(pair, p);
    struct fake_channel *ch = &pair->d->channels[0];
    assert_int_equal(hulse_publish_wait(p[0], data, 200000, NULL, 3, 20), HULSE_TIMED_OUT);
    assert_int_not_equal(hulse_fake_channel_take_all(ch), 0);
    hulse_fake_channel_release(pair->d, ch);
    hulse_fake_set(pair->d, &pair->d->silent_on, HULSE_CTL_CLOSE_HANDLE);
    assert_int_equal(hulse_producer_close(&p[0], 0), HULSE_FAILED);
    hulse_fake_set(pair->d, &pair->d->silent_on, 0);
    assert_int_equal(hulse_publish(p[1], "x", 1, NULL, 4), HULSE_OK);
    assert_int_equal(hulse_fake_channel_take_all(ch), 1);
    free(data);
}

static void test_a_waiting_publish_gets_the_room_that_comes_up(void **state)
{
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    static uint8_t data[20000];
    struct taker t = {.pair = pair, .ch = ch, .messages_until = 4, .bytes_until = UINT64_MAX};
    pthread_t thread;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(hulse_publish_wait(p, data, sizeof(data), NULL, 0, 0), HULSE_OK);
    }
    assert_int_equal(hulse_publish_wait(p, data, sizeof(data), NULL, 0, 20), HULSE_TIMED_OUT);
    assert_int_equal(pthread_create(&thread, NULL, take_until, &t), 0);
    assert_int_equal(hulse_publish_wait(p, data, sizeof(data), NULL, 0, WAIT_MS), HULSE_OK);
    (void)pthread_join(thread, NULL);
    assert_int_equal(t.messages, 4);
}

struct sharer {
    hulse_producer *p;
    unsigned count;
    hulse_status worst;
};

static void *publish_shared(void *arg)
{
    struct sharer *s = arg;

    for (unsigned i = 0; i < s->count; i++) {
        const hulse_status st = hulse_mt_publish(s->p, "0123456789", 10, NULL, i, WAIT_MS);
        s->worst = st != HULSE_OK ? st : s->worst;
    }
    return NULL;
}

static void test_threads_share_a_producer_and_lose_nothing(void **state)
{
    enum { THREADS = 4, EACH = 2000 };
    struct pair *pair = *state;
    struct fake_channel *ch = NULL;
    hulse_producer *p = open_producer(pair, NULL, &ch);
    struct sharer sharers[THREADS];
    pthread_t threads[THREADS];
    pthread_t taking;
    struct taker t = {.pair = pair,
                      .ch = ch,
                      .messages_until = (uint64_t)THREADS * EACH,
                      .bytes_until = UINT64_MAX};

    assert_int_equal(pthread_create(&taking, NULL, take_until, &t), 0);
    for (int i = 0; i < THREADS; i++) {
        sharers[i] = (struct sharer){.p = p, .count = EACH};
        assert_int_equal(pthread_create(&threads[i], NULL, publish_shared, &sharers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(sharers[i].worst, HULSE_OK);
    }
    (void)pthread_join(taking, NULL);
    assert_int_equal(t.messages, THREADS * EACH);
    assert_int_equal(hulse_sync(p, WAIT_MS, NULL), HULSE_OK);
    assert_int_equal(hulse_mt_publish(NULL, "x", 1, NULL, 0, 0), HULSE_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(test_a_publish_is_flushed),
        PAIR_TEST(test_many_pass_over_bad_ones_and_stop_at_the_first_without_room),
        PAIR_TEST(test_many_keep_order_and_say_who_went_in),
        PAIR_TEST(test_many_of_any_size_go_round_the_ring),
        PAIR_TEST(test_a_large_message_is_fragments_of_one_sequence_number),
        PAIR_TEST(test_larger_than_the_ring_needs_the_waiting_call),
        PAIR_TEST(test_clusters_are_chosen_where_the_daemon_knows_them),
        PAIR_TEST(test_a_daemon_without_fragments_gets_none),
        PAIR_TEST(test_larger_than_the_ring_trickles_in),
        PAIR_TEST(test_a_message_cut_by_its_timeout_is_gone_on_with),
        PAIR_TEST(test_a_half_published_message_goes_with_its_producer),
        PAIR_TEST(test_the_end_of_half_a_message_needs_no_word_of_the_daemons),
        PAIR_TEST(test_a_waiting_publish_gets_the_room_that_comes_up),
        PAIR_TEST(test_threads_share_a_producer_and_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
