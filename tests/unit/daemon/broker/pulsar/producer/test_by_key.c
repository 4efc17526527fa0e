/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   gathered by key a batch has one key, which is its own; the order of each key is kept, bounds are for all batches
 *         that grow, ids rise from entry to entry, and what goes again is what went before.
 * Method: a broker played by hand, frames read back with wire/; random keys by seed.
 */
#include "daemon/broker/pulsar/wire/batch_reader.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#include <stdio.h>
#include <string.h>

#define KEYS_MAX 64U

static struct bed bed;
static struct peer peer;
static struct line line;
static struct pub pub;

static void open_all(void)
{
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    memset(&line, 0, sizeof(line));
    hulse_pub_init(&pub, &bed);
    pub.params.gathering.by_key = true;
    pub.params.gathering.eager_max = 1;
    pub.params.gathering.batch_delay_ms = UINT32_C(3600) * 1000; /* never */
}

static uint64_t open_pub(void)
{
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    const uint64_t id = hulse_peer_serve(&peer, &bed, &line, 0);
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_OK);
    return id;
}

static void close_all(uint64_t id)
{
    hulse_pub_close(&pub);
    hulse_line_hear_close(&line, id);
    hulse_line_hang_up(&line);
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

static struct broker_span span_of(const char *text)
{
    return (struct broker_span){.data = (const uint8_t *)text, .bytes = (uint32_t)strlen(text)};
}

/* With its number as payload. "": without that key. */
static bool try_keyed(const char *key, const char *ordering_key)
{
    char payload[BED_PAYLOAD + 1];
    const struct broker_meta meta = {.partition = -1,
                                     .key = span_of(key),
                                     .has_key = key[0] != '\0',
                                     .ordering_key = span_of(ordering_key),
                                     .has_ordering_key = ordering_key[0] != '\0'};
    struct broker_record r = {.payload = {.data = (const uint8_t *)payload, .bytes = BED_PAYLOAD},
                              .meta = &meta,
                              .seq = pub.sent};

    (void)snprintf(payload, sizeof(payload), "%020u", pub.sent);
    return hulse_pub_try(&pub, &r);
}

static void send_keyed(const char *key, const char *ordering_key)
{
    assert_true(try_keyed(key, ordering_key));
}

/* The first goes at once; its receipt is left for later, so what follows is gathered. */
static void hold_back(struct heard *first)
{
    send_keyed("", "");
    hulse_line_hear_send(&line, first);
    assert_int_equal(first->count, 1);
}

static void flush(void)
{
    struct error err = {0};
    assert_int_equal(hulse_pulsar_producer_flush(pub.producer, &err), HULSE_OK);
}

/* Of a batch: its keys, the numbers in it, and their ids, which are the same. */
static void expect(const struct heard *h,
                   const char *key,
                   const char *ordering_key,
                   const uint32_t *numbers,
                   uint32_t count)
{
    struct wire_batch_reader reader;
    struct wire_batch_message m;
    const char *why = NULL;
    char text[BED_PAYLOAD + 1];

    assert_int_equal(h->count, count);
    assert_int_equal(h->metadata.key.bytes, strlen(key));
    assert_memory_equal(h->metadata.key.data, key, strlen(key));
    assert_int_equal(h->metadata.ordering_key.bytes, strlen(ordering_key));
    assert_memory_equal(h->metadata.ordering_key.data, ordering_key, strlen(ordering_key));
    assert_int_equal(h->highest, numbers[count - 1]);
    assert_int_equal(h->metadata.highest_sequence_id, h->highest);
    assert_int_equal(h->metadata.sequence_id, h->sequence);
    assert_true(hulse_wire_batch_open(&reader, &h->metadata, h->payload, &why));
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(hulse_wire_batch_next(&reader, &m, &why), WIRE_BATCH_OK);
        (void)snprintf(text, sizeof(text), "%020u", numbers[i]);
        assert_memory_equal(m.payload.data, text, BED_PAYLOAD);
        assert_int_equal(m.meta.sequence_id, numbers[i]);
    }
    assert_int_equal(hulse_wire_batch_next(&reader, &m, &why), WIRE_BATCH_END);
}

/* Every batch is told by the id of its last alone, and they come in that order. */
static void test_a_batch_has_one_key(void **state)
{
    static const uint32_t a[] = {1, 4, 6};
    static const uint32_t b[] = {2, 5};
    static const uint32_t none[] = {3, 7};
    struct heard first;
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hold_back(&first);
    send_keyed("a", "");
    send_keyed("b", "");
    send_keyed("", "");
    send_keyed("a", "");
    send_keyed("b", "");
    send_keyed("a", "");
    send_keyed("", "");
    flush();
    hulse_line_hear_send(&line, &h);
    expect(&h, "b", "", b, 2);
    assert_int_equal(h.sequence, 5);
    hulse_line_hear_send(&line, &h);
    expect(&h, "a", "", a, 3);
    assert_int_equal(h.sequence, 6);
    hulse_line_hear_send(&line, &h);
    expect(&h, "", "", none, 2);
    assert_int_equal(h.sequence, 7);
    hulse_line_say_receipt_of(&line, id, 0, 0);
    hulse_line_say_receipt_of(&line, id, 5, 5);
    hulse_line_say_receipt_of(&line, id, 6, 6);
    hulse_line_say_receipt(&line, &h, 3);
    hulse_pub_await_answered(&pub, 8);
    assert_int_equal(pub.answers[7].id.batch, 1);
    assert_int_equal(pub.answers[7].id.batch_size, 2);
    assert_int_equal(pub.flushed, 1);
    close_all(id);
}

/* As for consumers: it is what counts where both are. */
static void test_the_ordering_key_counts_before_the_key(void **state)
{
    static const uint32_t same[] = {1, 3};
    static const uint32_t own[] = {2};
    static const uint32_t text[] = {4};
    struct heard first;
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hold_back(&first);
    send_keyed("a", "o");
    send_keyed("a", "");
    send_keyed("b", "o");
    send_keyed("o", ""); /* of another kind */
    flush();
    hulse_line_hear_send(&line, &h);
    expect(&h, "a", "", own, 1);
    hulse_line_hear_send(&line, &h);
    expect(&h, "a", "o", same, 2);
    hulse_line_hear_send(&line, &h);
    expect(&h, "o", "", text, 1);
    hulse_line_say_receipt_of(&line, id, 0, 0);
    hulse_line_say_receipt_of(&line, id, 2, 2);
    hulse_line_say_receipt_of(&line, id, 3, 3);
    hulse_line_say_receipt_of(&line, id, 4, 4);
    hulse_pub_await_answered(&pub, 5);
    close_all(id);
}

static void receipt(const struct heard *h)
{
    hulse_line_say_receipt_of(&line, h->producer_id, (int64_t)h->sequence, (int64_t)h->highest);
}

static void test_bounds_are_for_all_that_grows(void **state)
{
    struct heard first;
    struct heard h[9];
    char key[16];

    (void)state;
    open_all();
    pub.params.gathering.batch_max = 10;
    const uint64_t id = open_pub();
    hold_back(&first);
    for (uint32_t i = 0; i < 9; i++) {
        (void)snprintf(key, sizeof(key), "%u", i);
        send_keyed(key, "");
    }
    assert_true(hulse_line_is_quiet(&line));
    send_keyed("0", "");
    for (uint32_t i = 0; i < 9; i++) { /* whatever is unanswered */
        hulse_line_hear_send(&line, &h[i]);
        assert_int_equal(h[i].count, i < 8 ? 1 : 2);
    }
    receipt(&first);
    for (uint32_t i = 0; i < 9; i++) {
        receipt(&h[i]);
    }
    hulse_pub_await_answered(&pub, 11);
    close_all(id);
}

static void test_the_bound_of_bytes_is_for_all_that_grows(void **state)
{
    struct heard first;
    struct heard h[4];

    (void)state;
    open_all();
    pub.params.gathering.batch_bytes = 4 * BED_PAYLOAD;
    const uint64_t id = open_pub();
    hold_back(&first);
    send_keyed("a", "");
    send_keyed("b", "");
    send_keyed("c", "");
    assert_true(hulse_line_is_quiet(&line));
    send_keyed("d", "");
    for (uint32_t i = 0; i < 4; i++) {
        hulse_line_hear_send(&line, &h[i]);
        assert_int_equal(h[i].count, 1);
        assert_int_equal(h[i].highest, 1 + i);
    }
    receipt(&first);
    for (uint32_t i = 0; i < 4; i++) {
        receipt(&h[i]);
    }
    hulse_pub_await_answered(&pub, 5);
    close_all(id);
}

/* A receipt alone does not send them, which would be many small ones: the delay does. */
static void test_many_keys_wait_for_the_delay(void **state)
{
    struct heard sent[2];
    struct heard h;

    (void)state;
    open_all();
    pub.params.gathering.eager_max = 1;
    const uint64_t id = open_pub();
    hold_back(&sent[0]);
    send_keyed("a", "");
    flush();
    hulse_line_hear_send(&line, &sent[1]);
    send_keyed("b", "");
    send_keyed("c", "");
    receipt(&sent[0]);
    hulse_pub_await_answered(&pub, 1);
    assert_true(hulse_line_is_quiet(&line));
    receipt(&sent[1]); /* nothing is unanswered: they go */
    for (uint32_t i = 0; i < 2; i++) {
        hulse_line_hear_send(&line, &h);
        receipt(&h);
    }
    hulse_pub_await_answered(&pub, 4);
    close_all(id);
}

/* Its numbers are its application's: a broker that stores each once would drop what overlaps. */
static void test_an_own_producer_keeps_the_order_of_its_numbers(void **state)
{
    static const uint32_t numbers[] = {1, 2, 3, 4};
    struct heard first;
    struct heard h;

    (void)state;
    open_all();
    pub.params.own = true;
    const uint64_t id = open_pub();
    hold_back(&first);
    send_keyed("a", "");
    send_keyed("a", "");
    send_keyed("b", "");
    send_keyed("a", "");
    flush();
    hulse_line_hear_send(&line, &h);
    expect(&h, "a", "", numbers, 2);
    assert_int_equal(h.sequence, 1);
    receipt(&first);
    receipt(&h);
    hulse_line_hear_send(&line, &h);
    expect(&h, "b", "", numbers + 2, 1);
    receipt(&h);
    hulse_line_hear_send(&line, &h);
    expect(&h, "a", "", numbers + 3, 1);
    receipt(&h);
    hulse_pub_await_answered(&pub, 5);
    assert_true(pub.in_order);
    close_all(id);
}

static void test_what_goes_alone_comes_behind_all_that_was_gathered(void **state)
{
    struct broker_record alone = {.payload = {.data = (const uint8_t *)"x", .bytes = 1},
                                  .alone = true};
    struct heard first;
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hold_back(&first);
    send_keyed("a", "");
    send_keyed("b", "");
    hulse_pub_send_record(&pub, &alone);
    receipt(&first);
    for (uint32_t i = 1; i <= 3; i++) {
        hulse_line_hear_send(&line, &h);
        assert_int_equal(h.sequence, i);
        assert_int_equal(h.count, i < 3 ? 1 : 0);
        receipt(&h);
    }
    hulse_pub_await_answered(&pub, 4);
    close_all(id);
}

/* What stands aside is not lost when there is no memory for one more, and goes when it can. */
static void test_without_memory_what_is_gathered_stays(void **state)
{
    struct heard first;
    struct heard h;
    char key[16];
    uint32_t taken = 1;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hold_back(&first);
    hulse_mem_init(hulse_mem_total() + 20000);
    for (uint32_t i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof(key), "%u", i);
        if (!try_keyed(key, "")) {
            break;
        }
        taken++;
    }
    assert_true(taken > 2 && taken < 1000);
    hulse_mem_init(SIZE_MAX);
    receipt(&first);
    for (uint32_t i = 1; i < taken; i++) {
        hulse_line_hear_send(&line, &h);
        assert_int_equal(h.highest, i);
        receipt(&h);
    }
    hulse_pub_await_answered(&pub, taken);
    close_all(id);
}

static void test_a_sender_ends_with_all_that_it_gathers(void **state)
{
    struct heard first;

    (void)state;
    open_all();
    (void)open_pub();
    hold_back(&first);
    send_keyed("a", "");
    send_keyed("b", "");
    send_keyed("a", "");
    pub.closed = true; /* with the bed */
    hulse_line_hang_up(&line);
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

/* ---- random keys, and a broker that is lost ---- */

static uint32_t of_key[KEYS_MAX][BED_RECORDS_MAX]; /* numbers, as sent */
static uint32_t of_key_sent[KEYS_MAX];
static uint32_t of_key_heard[KEYS_MAX];

static uint32_t key_number(const struct wire_metadata *m)
{
    uint32_t n = 0;

    assert_true(m->key.bytes > 1);
    for (uint32_t i = 1; i < m->key.bytes; i++) {
        n = n * 10 + (uint32_t)(m->key.data[i] - '0');
    }
    return n;
}

static void hear_next(uint64_t *highest)
{
    struct wire_batch_reader reader;
    struct wire_batch_message m;
    const char *why = NULL;
    struct heard h;
    char text[BED_PAYLOAD + 1];

    hulse_line_hear_send(&line, &h);
    const uint32_t key = key_number(&h.metadata);
    assert_true(h.sequence > *highest);
    assert_int_equal(h.sequence, h.highest);
    *highest = h.highest;
    assert_true(hulse_wire_batch_open(&reader, &h.metadata, h.payload, &why));
    for (int32_t i = 0; i < h.count; i++) {
        assert_int_equal(hulse_wire_batch_next(&reader, &m, &why), WIRE_BATCH_OK);
        const uint32_t number = of_key[key][of_key_heard[key]++];
        (void)snprintf(text, sizeof(text), "%020u", number);
        assert_memory_equal(m.payload.data, text, BED_PAYLOAD);
        assert_int_equal(m.meta.sequence_id, number);
    }
    receipt(&h);
}

static void test_random_keys_keep_their_order(void **state)
{
    uint64_t seed = 7;
    uint64_t highest = 0;
    struct heard first;
    char key[16];

    (void)state;
    open_all();
    pub.params.gathering.batch_max = 50;
    const uint64_t id = open_pub();
    memset(of_key_sent, 0, sizeof(of_key_sent));
    memset(of_key_heard, 0, sizeof(of_key_heard));
    hold_back(&first);
    receipt(&first);
    while (pub.sent < 3000) {
        const uint32_t n = (uint32_t)test_below(&seed, KEYS_MAX);
        of_key[n][of_key_sent[n]++] = pub.sent;
        (void)snprintf(key, sizeof(key), "k%u", n);
        send_keyed(key, "");
    }
    flush();
    while (pub.answered < 3000) {
        if (hulse_line_has_something(&line)) {
            hear_next(&highest);
        }
    }
    assert_memory_equal(of_key_heard, of_key_sent, sizeof(of_key_sent));
    close_all(id);
}

static void test_what_is_lost_goes_again_as_it_was(void **state)
{
    static uint8_t frames[3][4096];
    static uint32_t sizes[3];
    struct heard h;
    char name[256];
    uint64_t id = 0;

    (void)state;
    open_all();
    (void)open_pub();
    hold_back(&h);
    memcpy(frames[0], h.frame, h.frame_bytes);
    sizes[0] = h.frame_bytes;
    send_keyed("a", "");
    send_keyed("b", "");
    send_keyed("a", "");
    flush();
    for (uint32_t i = 1; i < 3; i++) {
        hulse_line_hear_send(&line, &h);
        memcpy(frames[i], h.frame, h.frame_bytes);
        sizes[i] = h.frame_bytes;
    }
    hulse_line_hang_up(&line);
    hulse_peer_welcome(&peer, &bed, &line);
    const uint64_t request = hulse_line_hear_producer(&line, &id, 1, name);
    hulse_line_say_opened(&line, request, name, -1);
    for (uint32_t i = 0; i < 3; i++) {
        hulse_line_hear_send(&line, &h);
        assert_int_equal(h.frame_bytes, sizes[i]);
        assert_memory_equal(h.frame, frames[i], sizes[i]);
        receipt(&h);
    }
    hulse_pub_await_answered(&pub, 4);
    close_all(id);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_batch_has_one_key),
    cmocka_unit_test(test_the_ordering_key_counts_before_the_key),
    cmocka_unit_test(test_bounds_are_for_all_that_grows),
    cmocka_unit_test(test_the_bound_of_bytes_is_for_all_that_grows),
    cmocka_unit_test(test_many_keys_wait_for_the_delay),
    cmocka_unit_test(test_an_own_producer_keeps_the_order_of_its_numbers),
    cmocka_unit_test(test_what_goes_alone_comes_behind_all_that_was_gathered),
    cmocka_unit_test(test_without_memory_what_is_gathered_stays),
    cmocka_unit_test(test_a_sender_ends_with_all_that_it_gathers),
    cmocka_unit_test(test_random_keys_keep_their_order),
    cmocka_unit_test(test_what_is_lost_goes_again_as_it_was),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
