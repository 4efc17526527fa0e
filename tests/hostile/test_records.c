/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever an app writes into its region closes its own session with the rule's number, or is
 *         ignored and counted, and a second session loses nothing (ipc C1: V7..V14).
 * Method: the real daemon; each case is a fresh session that breaks one rule in one way, beside a
 *         witness that publishes before and after.
 */
#include "tests/hostile/stage.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOPIC "non-persistent://public/default/hostile"

static struct stage stage;

static void assert_witness(void)
{
    assert_true(hulse_stage_witness(&stage));
}

static int start(void **state)
{
    (void)state;
    hulse_stage_open(&stage, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    return hulse_stage_close(&stage) ? 0 : -1;
}

struct victim {
    struct raw_app app;
    struct raw_channel ch;
};

static void open_producer(struct victim *v)
{
    hulse_raw_open(&v->app, stage.daemon.socket);
    hulse_raw_channel(&v->app, &v->ch, HULSE_CHANNEL_PRODUCER, HULSE_RECEIPT_MODE_FULL);
    assert_int_equal(hulse_raw_producer(&v->app, &v->ch, TOPIC), HULSE_OK);
}

static void close_victim(struct victim *v)
{
    hulse_raw_channel_close(&v->ch);
    hulse_raw_close(&v->app);
}

/* The session ends, names the rule, and nobody else notices. */
static void assert_closed(struct victim *v, const char *rule)
{
    hulse_stage_assert_expelled(&v->app, rule);
    assert_int_equal(v->app.last_status, HULSE_PROTOCOL);
    close_victim(v);
    assert_witness();
}

static void set_tail(struct victim *v, uint64_t tail)
{
    atomic_store(&hulse_region_a(&v->ch.a)->up_tail, tail);
    hulse_raw_ring(&v->app);
}

static void test_v7_tail_beyond_the_capacity(void **state)
{
    (void)state;
    struct victim v;
    open_producer(&v);
    set_tail(&v, v.ch.up.mask + 1 + 8);
    assert_closed(&v, "rule V7");
}

static void test_v7_tail_not_aligned(void **state)
{
    (void)state;
    struct victim v;
    open_producer(&v);
    set_tail(&v, 44);
    assert_closed(&v, "rule V7");
}

static void test_v7_tail_goes_back(void **state)
{
    (void)state;
    struct victim v;
    open_producer(&v);
    assert_int_equal(hulse_raw_publish(&v.app, &v.ch, "a", 1, 1), HULSE_OUTCOME_STORED);
    set_tail(&v, 0);
    assert_closed(&v, "rule V7");
}

static void test_v7_down_head_ahead_of_what_was_posted(void **state)
{
    (void)state;
    struct victim v;
    hulse_raw_open(&v.app, stage.daemon.socket);
    hulse_raw_channel(&v.app, &v.ch, HULSE_CHANNEL_CONSUMER, HULSE_RECEIPT_MODE_NONE);
    assert_int_equal(hulse_raw_consumer(&v.app, &v.ch, TOPIC "-v7", "s"), HULSE_OK);
    atomic_store(&hulse_region_a(&v.ch.a)->down_head, v.ch.down.mask + 1);
    /* The daemon looks once it needs room: half a ring of messages makes it look. */
    struct victim feeder;
    hulse_raw_open(&feeder.app, stage.daemon.socket);
    hulse_raw_channel(&feeder.app, &feeder.ch, HULSE_CHANNEL_PRODUCER, HULSE_RECEIPT_MODE_FULL);
    assert_int_equal(hulse_raw_producer(&feeder.app, &feeder.ch, TOPIC "-v7"), HULSE_OK);
    static uint8_t big[65536];
    for (uint64_t i = 0; i < 12; i++) {
        assert_int_equal(hulse_raw_publish(&feeder.app, &feeder.ch, big, sizeof(big), i),
                         HULSE_OUTCOME_STORED);
    }
    close_victim(&feeder);
    assert_closed(&v, "rule V7");
}

struct bad_header {
    const char *what;
    const char *rule;
    void (*spoil)(struct hulse_publish_header *h, const struct raw_channel *ch);
};

static void len_short(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->len = 39;
}
static void len_zero(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->len = 0;
}
static void len_beyond_tail(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->len += 64;
    h->payload_len += 64;
}
static void len_huge(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->len = UINT32_MAX;
    h->payload_len = UINT32_MAX - 40;
}
static void type_unknown(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->type = 9;
}
static void type_verdict(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->type = HULSE_RECORD_VERDICT;
}
static void flag_reserved(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->flags = 0x80;
}
static void skip_short(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->type = HULSE_RECORD_SKIP;
    h->len = 8;
}
static void payload_long(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->payload_len += 1;
}
static void payload_wraps(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->payload_len = UINT32_MAX;
}
static void meta_unflagged(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->meta_len = 8;
    h->payload_len -= 8;
}
static void meta_overlong(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->flags = HULSE_RECORD_HAS_META;
    h->meta_len = UINT16_MAX;
}
static void fragment_headless(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->type = HULSE_RECORD_FRAGMENT;
    h->len = 48;
    h->payload_len = 8;
}
static void fragment_nonsense(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->type = HULSE_RECORD_FRAGMENT; /* its fragment header is the zero payload: count 0 */
}
static void handle_zero(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->handle = 0;
}
static void handle_far(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    (void)ch;
    h->handle = UINT32_MAX;
}
static void handle_generation(struct hulse_publish_header *h, const struct raw_channel *ch)
{
    h->handle = ch->handle + 0x10000U;
}

static const struct bad_header bad_headers[] = {
    {"len one short", "rule V9", len_short},
    {"len zero", "rule V9", len_zero},
    {"len beyond the tail", "rule V9", len_beyond_tail},
    {"len huge", "rule V9", len_huge},
    {"unknown type", "rule V9", type_unknown},
    {"verdict in a producer channel", "rule V9", type_verdict},
    {"reserved flag", "rule V9", flag_reserved},
    {"skip record too short", "rule V9", skip_short},
    {"payload one too long", "rule V10", payload_long},
    {"payload length that wraps", "rule V10", payload_wraps},
    {"metadata without the flag", "rule V10", meta_unflagged},
    {"metadata longer than the record", "rule V10", meta_overlong},
    {"fragment without its header", "rule V10", fragment_headless},
    {"fragment of no message", "rule V10", fragment_nonsense},
    {"handle 0", "rule V11", handle_zero},
    {"handle out of the table", "rule V11", handle_far},
    {"handle of another generation", "rule V11", handle_generation},
};

static void test_v9_v10_v11_bad_headers(void **state)
{
    (void)state;
    static const uint8_t zeros[64];
    for (size_t i = 0; i < sizeof(bad_headers) / sizeof(bad_headers[0]); i++) {
        struct victim v;
        print_message("  %s\n", bad_headers[i].what);
        open_producer(&v);
        struct hulse_publish_header h = hulse_raw_header(&v.ch, sizeof(zeros), 1);
        bad_headers[i].spoil(&h, &v.ch);
        hulse_raw_put(&v.ch, &h, sizeof(h), zeros, sizeof(zeros));
        hulse_raw_flush(&v.app, &v.ch);
        assert_closed(&v, bad_headers[i].rule);
    }
}

static void test_v9_tail_inside_a_header(void **state)
{
    (void)state;
    struct victim v;
    open_producer(&v);
    set_tail(&v, 32);
    assert_closed(&v, "rule V9");
}

static void test_v9_largest_record_is_taken_and_one_more_is_not(void **state)
{
    (void)state;
    struct victim v;
    open_producer(&v);
    static uint8_t big[512 * 1024];
    const uint32_t largest = (uint32_t)((v.ch.up.mask + 1) / 2) - HULSE_PUBLISH_HEADER_BYTES;
    assert_int_equal(hulse_raw_publish(&v.app, &v.ch, big, largest, 5), HULSE_OUTCOME_STORED);
    const struct hulse_publish_header h = hulse_raw_header(&v.ch, largest + 1, 6);
    hulse_raw_put(&v.ch, &h, sizeof(h), big, largest + 1);
    hulse_raw_flush(&v.app, &v.ch);
    assert_closed(&v, "rule V9");
}

/* A fragment record of one message of `count` pieces of 8 bytes. */
static void put_fragment(struct victim *v, uint32_t index, uint32_t count, uint8_t flags)
{
    struct hulse_publish_header h = hulse_raw_header(&v->ch, 24, 9);
    h.type = HULSE_RECORD_FRAGMENT;
    h.flags = flags;
    struct {
        struct hulse_fragment_header f;
        uint8_t piece[8];
    } body = {.f = {.index = index, .count = count, .total_len = 8ULL * count}};
    hulse_raw_put(&v->ch, &h, sizeof(h), &body, sizeof(body));
}

static void test_v10_fragments_out_of_order(void **state)
{
    (void)state;
    struct victim v;
    open_producer(&v);
    put_fragment(&v, 0, 3, HULSE_RECORD_FIRST);
    put_fragment(&v, 2, 3, HULSE_RECORD_LAST);
    hulse_raw_flush(&v.app, &v.ch);
    assert_closed(&v, "rule V10");
}

static void test_v10_a_message_between_fragments(void **state)
{
    (void)state;
    struct victim v;
    open_producer(&v);
    put_fragment(&v, 0, 2, HULSE_RECORD_FIRST);
    const struct hulse_publish_header h = hulse_raw_header(&v.ch, 1, 10);
    hulse_raw_put(&v.ch, &h, sizeof(h), "x", 1);
    hulse_raw_flush(&v.app, &v.ch);
    assert_closed(&v, "rule V10");
}

static void test_v16_a_total_beyond_the_limit_is_one_refused_message(void **state)
{
    (void)state;
    struct victim v;
    open_producer(&v);
    struct hulse_publish_header h = hulse_raw_header(&v.ch, 24, 77);
    h.type = HULSE_RECORD_FRAGMENT;
    h.flags = HULSE_RECORD_FIRST;
    struct {
        struct hulse_fragment_header f;
        uint8_t piece[8];
    } body = {.f = {.index = 0, .count = 2, .total_len = 1ULL << 62}};
    const uint64_t before = hulse_test_daemon_stat(&stage.daemon, "reassembly");
    hulse_raw_put(&v.ch, &h, sizeof(h), &body, sizeof(body));
    hulse_raw_flush(&v.app, &v.ch);
    assert_witness();
    assert_int_equal(hulse_test_daemon_stat(&stage.daemon, "reassembly"), before);
    close_victim(&v);
}

static void test_v12_metadata(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t bytes[16];
        uint16_t len;
    } cases[] = {
        {"overruns the block", {1, 0, 200, 0, 'k'}, 5},
        {"second byte not zero", {1, 1, 1, 0, 'k'}, 5},
        {"half a head", {1, 0, 0}, 3},
        {"unknown tag", {99, 0, 1, 0, 'k'}, 5},
        {"number of 7 bytes", {3, 0, 7, 0, 1, 2, 3, 4, 5, 6, 7}, 11},
        {"property without a name", {4, 0, 2, 0, 0, 0}, 6},
        {"property name overruns", {4, 0, 4, 0, 9, 0, 'a', 'b'}, 8},
        {"property not UTF-8", {4, 0, 4, 0, 1, 0, 0xff, 'b'}, 8},
        {"key twice", {1, 0, 1, 0, 'k', 1, 0, 1, 0, 'k'}, 10},
        {"a tag of deliveries", {9, 0, 1, 0, 'p'}, 5},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct victim v;
        print_message("  %s\n", cases[i].what);
        open_producer(&v);
        struct hulse_publish_header h = hulse_raw_header(&v.ch, 8, 1);
        uint8_t body[8 + 16] = {0};
        memcpy(body + 8, cases[i].bytes, cases[i].len);
        h.flags = HULSE_RECORD_HAS_META;
        h.meta_len = cases[i].len;
        h.len = (uint32_t)(sizeof(h) + 8 + cases[i].len);
        hulse_raw_put(&v.ch, &h, sizeof(h), body, sizeof(body));
        hulse_raw_flush(&v.app, &v.ch);
        assert_closed(&v, "rule V12");
    }
}

/* A consumer with one delivery in its ring. */
static void
open_with_delivery(struct victim *v, const char *topic, struct hulse_delivery_header *out)
{
    struct victim feeder;
    hulse_raw_open(&v->app, stage.daemon.socket);
    hulse_raw_channel(&v->app, &v->ch, HULSE_CHANNEL_CONSUMER, HULSE_RECEIPT_MODE_NONE);
    assert_int_equal(hulse_raw_consumer(&v->app, &v->ch, topic, "s"), HULSE_OK);
    hulse_raw_open(&feeder.app, stage.daemon.socket);
    hulse_raw_channel(&feeder.app, &feeder.ch, HULSE_CHANNEL_PRODUCER, HULSE_RECEIPT_MODE_FULL);
    assert_int_equal(hulse_raw_producer(&feeder.app, &feeder.ch, topic), HULSE_OK);
    assert_int_equal(hulse_raw_publish(&feeder.app, &feeder.ch, "payload", 7, 1),
                     HULSE_OUTCOME_STORED);
    close_victim(&feeder);
    const uint8_t *at = hulse_raw_next(&v->ch, HULSE_DELIVERY_HEADER_BYTES);
    assert_non_null(at);
    memcpy(out, at, sizeof(*out));
}

static struct hulse_verdict_record ack_of(const struct hulse_delivery_header *d)
{
    return (struct hulse_verdict_record){.len = HULSE_VERDICT_HEADER_BYTES,
                                         .type = HULSE_RECORD_VERDICT,
                                         .ref = d->ref,
                                         .ledger = d->ledger,
                                         .entry = d->entry,
                                         .batch = d->batch,
                                         .partition = d->partition,
                                         .source = d->source,
                                         .verdict = HULSE_VERDICT_ACK};
}

static void put_verdict(struct victim *v, const struct hulse_verdict_record *r)
{
    hulse_raw_put(&v->ch, r, sizeof(*r), NULL, 0);
    hulse_raw_flush(&v->app, &v->ch);
}

static uint64_t stat_of(const struct victim *v, enum hulse_region_stat which)
{
    return atomic_load(&hulse_region_b(&v->ch.b)->stats[which]);
}

/* Waits until the daemon has taken `records` verdicts. */
static void await_taken(const struct victim *v, uint64_t records)
{
    for (int i = 0; i < 10000 && stat_of(v, HULSE_STAT_TAKEN_RECORDS) < records; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(stat_of(v, HULSE_STAT_TAKEN_RECORDS), records);
}

static void test_v13_forged_verdicts_are_ignored_and_counted(void **state)
{
    (void)state;
    struct victim v;
    struct hulse_delivery_header d;
    open_with_delivery(&v, TOPIC "-v13", &d);
    struct hulse_verdict_record forged[8];
    for (size_t i = 0; i < 8; i++) {
        forged[i] = ack_of(&d);
    }
    forged[0].ref += 1;          /* another slot */
    forged[1].ref += 1ULL << 32; /* another generation */
    forged[2].ledger += 1;
    forged[3].entry += 1;
    forged[4].batch = 7;
    forged[5].source = 1;
    forged[6].how = HULSE_HOW_BY_ID; /* not a resumed session */
    forged[7].ref = UINT64_MAX;
    for (size_t i = 0; i < 8; i++) {
        put_verdict(&v, &forged[i]);
    }
    await_taken(&v, 8);
    assert_int_equal(stat_of(&v, HULSE_STAT_FAILED), 8);
    assert_int_equal(stat_of(&v, HULSE_STAT_DONE), 0);
    const struct hulse_verdict_record good = ack_of(&d);
    put_verdict(&v, &good);
    await_taken(&v, 9);
    assert_int_equal(stat_of(&v, HULSE_STAT_DONE), 1);
    put_verdict(&v, &good); /* twice: the slot is gone */
    await_taken(&v, 10);
    assert_int_equal(stat_of(&v, HULSE_STAT_FAILED), 9);
    close_victim(&v);
    assert_witness();
}

static void test_v9_malformed_verdicts_close(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct victim v;
        struct hulse_delivery_header d;
        char topic[96];
        (void)snprintf(topic, sizeof(topic), TOPIC "-verdict-%d", i);
        open_with_delivery(&v, topic, &d);
        struct hulse_verdict_record r = ack_of(&d);
        const char *rule = "rule V9";
        switch (i) {
        case 0:
            r.verdict = 0;
            break;
        case 1:
            r.verdict = 6;
            break;
        case 2:
            r.reserved = 1;
            break;
        case 3:
            r.how = 0x80;
            break;
        case 4:
            r.len = 48;
            break;
        default:
            r.meta_len = 8;
            rule = "rule V10";
            break;
        }
        put_verdict(&v, &r);
        assert_closed(&v, rule);
    }
}

/*
 * A bell that finds nothing must still give a new epoch: an app that has rung for an epoch does not
 * ring for it again, and what it rang for may have been taken before the channel was armed.
 */
static void test_an_empty_bell_is_answered_by_a_new_epoch(void **state)
{
    (void)state;
    struct victim v;
    open_producer(&v);
    assert_int_equal(hulse_raw_publish(&v.app, &v.ch, "x", 1, 1), HULSE_OUTCOME_STORED);
    _Atomic(uint64_t) *armed = &hulse_region_b(&v.ch.b)->armed;
    for (int round = 0; round < 3; round++) {
        uint64_t epoch = 0;
        for (int i = 0; i < 10000 && ((epoch = atomic_load(armed)) & 1) == 0; i++) {
            (void)usleep(1000);
        }
        assert_int_equal(epoch & 1, 1);
        hulse_raw_ring(&v.app);
        for (int i = 0; i < 10000 && atomic_load(armed) == epoch; i++) {
            (void)usleep(1000);
        }
        assert_int_not_equal(atomic_load(armed), epoch);
    }
    close_victim(&v);
    assert_witness();
}

static void test_v14_wake_words_are_hints(void **state)
{
    (void)state;
    struct victim v;
    open_producer(&v);
    struct hulse_region_a *a = hulse_region_a(&v.ch.a);
    enum { MESSAGES = 50 };
    uint64_t flushes = 0;
    for (uint64_t i = 1; i <= MESSAGES; i++) {
        const uint64_t next = atomic_load(&hulse_region_b(&v.ch.b)->down_tail);
        atomic_store(&a->wake_at, i % 3 == 0 ? UINT64_MAX : next + 1);
        atomic_store(&a->space_at, i % 2 == 0 ? 0 : next + 1);
        assert_int_equal(hulse_raw_publish(&v.app, &v.ch, "x", 1, i), HULSE_OUTCOME_STORED);
        flushes += 1;
    }
    uint8_t bytes[4096];
    const ssize_t n = read(v.app.wake, bytes, sizeof(bytes));
    /* One record at a time: at most one flush with news for each, at most one byte a flush. */
    assert_true(n > 0 && (uint64_t)n <= flushes);
    close_victim(&v);
    assert_witness();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v7_tail_beyond_the_capacity),
        cmocka_unit_test(test_v7_tail_not_aligned),
        cmocka_unit_test(test_v7_tail_goes_back),
        cmocka_unit_test(test_v7_down_head_ahead_of_what_was_posted),
        cmocka_unit_test(test_v9_v10_v11_bad_headers),
        cmocka_unit_test(test_v9_tail_inside_a_header),
        cmocka_unit_test(test_v9_largest_record_is_taken_and_one_more_is_not),
        cmocka_unit_test(test_v10_fragments_out_of_order),
        cmocka_unit_test(test_v10_a_message_between_fragments),
        cmocka_unit_test(test_v16_a_total_beyond_the_limit_is_one_refused_message),
        cmocka_unit_test(test_v12_metadata),
        cmocka_unit_test(test_v13_forged_verdicts_are_ignored_and_counted),
        cmocka_unit_test(test_v9_malformed_verdicts_close),
        cmocka_unit_test(test_an_empty_bell_is_answered_by_a_new_epoch),
        cmocka_unit_test(test_v14_wake_words_are_hints),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
