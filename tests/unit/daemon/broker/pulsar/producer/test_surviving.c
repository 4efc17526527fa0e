/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is unanswered goes again, the same bytes in the same order, after every way of losing the broker; what
 *         the broker says wrongly ends the connection at most; every record has one end, in time.
 * Method: a broker played by hand.
 */
#include "daemon/core/clock.h"
#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#include <stdio.h>
#include <string.h>

#define FRAMES_MAX 8U

static struct bed bed;
static struct peer peer;
static struct peer elsewhere;
static struct line line;
static struct line second;
static struct pub pub;

/* Frames as they were heard. */
static struct {
    uint8_t bytes[4096];
    uint32_t count;
} kept[FRAMES_MAX];

static void open_all(void)
{
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    memset(&line, 0, sizeof(line));
    memset(&second, 0, sizeof(second));
    hulse_pub_init(&pub, &bed);
}

static uint64_t open_pub(void)
{
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    const uint64_t id = hulse_peer_serve(&peer, &bed, &line, 0);
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_OK);
    return id;
}

/* Nobody is to be told. */
static void close_all(void)
{
    if (!pub.closed) {
        hulse_pub_close(&pub);
    }
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

/* Entries of one record each, which the peer hears and keeps; the first has the number `from`. */
static void send_and_hear(struct line *l, uint32_t from, uint32_t count)
{
    struct heard h;

    for (uint32_t i = from; i < from + count; i++) {
        hulse_pub_send(&pub);
        hulse_line_hear_send(l, &h);
        assert_int_equal(h.sequence, i);
        assert_true(h.frame_bytes <= sizeof(kept[i].bytes));
        memcpy(kept[i].bytes, h.frame, h.frame_bytes);
        kept[i].count = h.frame_bytes;
    }
}

static void hear_again(struct line *l, uint32_t from, uint32_t count)
{
    struct heard h;

    for (uint32_t i = from; i < from + count; i++) {
        hulse_line_hear_send(l, &h);
        assert_int_equal(h.frame_bytes, kept[i].count);
        assert_memory_equal(h.frame, kept[i].bytes, h.frame_bytes);
    }
}

static void receipts(struct line *l, uint64_t id, uint32_t from, uint32_t count)
{
    for (uint32_t i = from; i < from + count; i++) {
        hulse_line_say_receipt_of(l, id, i, i);
    }
}

static void expect_stored(uint32_t count)
{
    hulse_pub_await_answered(&pub, count);
    assert_true(pub.in_order);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(pub.outcomes[i], HULSE_OUTCOME_STORED);
    }
}

/* ---- lost ---- */

static void test_a_lost_connection_costs_nothing(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    uint64_t id = open_pub();
    send_and_hear(&line, 0, 4);
    receipts(&line, id, 0, 1);
    hulse_pub_await_answered(&pub, 1);
    hulse_line_hang_up(&line);
    hulse_pub_send(&pub); /* before it is known */
    hulse_bed_turn(&bed);
    hulse_pub_send(&pub);
    const uint64_t again = hulse_peer_serve(&peer, &bed, &second, 1);
    assert_int_equal(again, id);
    hear_again(&second, 1, 3);
    receipts(&second, id, 1, 3);
    while (pub.answered < 6) {
        hulse_line_hear_send(&second, &h);
        assert_true(h.sequence >= 4 && h.highest <= 5);
        hulse_line_say_receipt_of(&second, id, (int64_t)h.sequence, (int64_t)h.highest);
        while (pub.answered <= h.highest) {
            hulse_bed_turn(&bed);
        }
    }
    expect_stored(6);
    hulse_line_hang_up(&second);
    close_all();
}

static uint64_t attempts(void)
{
    struct pulsar_pool_figures out;

    hulse_pulsar_pool_figures(bed.worker.pool, &out);
    return out.attempts;
}

/* They wait for its address and not each for itself, however often that has failed: one attempt brings them all back. */
static void test_all_who_lost_a_broker_are_back_at_once(void **state)
{
    enum { TOPICS = 3, FAILURES = 4 };
    static const char *const topics[TOPICS] = {BED_TOPIC, BED_TOPIC "2", BED_TOPIC "3"};
    static struct pub pubs[TOPICS];
    char name[256];
    uint64_t id = 0;

    (void)state;
    open_all();
    for (unsigned i = 0; i < TOPICS; i++) {
        hulse_pub_init(&pubs[i], &bed);
        pubs[i].params.topic = topics[i];
        assert_int_equal(hulse_pub_open(&pubs[i]), HULSE_OK);
        if (i == 0) {
            hulse_peer_welcome(&peer, &bed, &line);
        }
        const uint64_t request = hulse_line_hear_producer(&line, &id, EPOCH_ANY, name);
        line.epoch = 0;
        hulse_line_say_opened(&line, request, name, -1);
        hulse_pub_await_opened(&pubs[i]);
    }
    hulse_peer_close(&peer);
    hulse_line_hang_up(&line);
    while (attempts() < 1 + FAILURES) {
        hulse_bed_turn(&bed);
    }
    for (unsigned i = 0; i < TOPICS; i++) {
        assert_int_equal(
            ((struct pulsar_producer *)(void *)pubs[i].producer)->sender->backoff.failures, 0);
    }
    hulse_peer_open_again(&peer);
    hulse_peer_welcome(&peer, &bed, &second);
    const uint64_t by_then = attempts();
    for (unsigned i = 0; i < TOPICS; i++) {
        second.epoch = 0;
        hulse_line_say_opened(
            &second, hulse_line_hear_producer(&second, &id, EPOCH_ANY, name), name, -1);
    }
    assert_int_equal(attempts(), by_then);
    for (unsigned i = 0; i < TOPICS; i++) {
        hulse_pub_close(&pubs[i]);
    }
    hulse_line_hang_up(&second);
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

static void test_the_assigned_broker_is_followed_at_once(void **state)
{
    char url[64];

    (void)state;
    open_all();
    hulse_peer_open(&elsewhere);
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 3);
    const uint32_t lookups = bed.lookups;
    (void)snprintf(url, sizeof(url), "pulsar://127.0.0.1:%u", (unsigned)elsewhere.port);
    hulse_line_say_closed(&line, id, url);
    assert_int_equal(hulse_peer_serve(&elsewhere, &bed, &second, 1), id);
    hear_again(&second, 0, 3);
    assert_int_equal(bed.lookups, lookups);
    receipts(&second, id, 0, 3);
    expect_stored(3);
    hulse_line_hang_up(&line);
    hulse_line_hang_up(&second);
    close_all();
    hulse_peer_close(&elsewhere);
}

static void test_a_closed_producer_is_looked_up_anew(void **state)
{
    char name[256];
    uint64_t again = 0;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 2);
    hulse_line_say_closed(&line, id, NULL);
    const uint64_t request = hulse_line_hear_producer(&line, &again, 1, name);
    assert_int_equal(again, id);
    assert_int_equal(bed.lookups, 2);
    assert_int_equal(bed.fresh_lookups, 1);
    hulse_pub_send(&pub);
    assert_true(hulse_line_is_quiet(&line)); /* nothing before it is open */
    hulse_line_say_opened(&line, request, name, -1);
    hear_again(&line, 0, 2);
    receipts(&line, id, 0, 3);
    expect_stored(3);
    hulse_line_hang_up(&line);
    close_all();
}

static void test_an_assigned_broker_that_is_none_is_not_followed(void **state)
{
    char name[256];
    uint64_t again = 0;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hulse_line_say_closed(&line, id, "http://nowhere");
    hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &again, 1, name), name, -1);
    hulse_pub_send(&pub);
    struct heard h;
    hulse_line_hear_send(&line, &h);
    receipts(&line, id, 0, 1);
    expect_stored(1);
    hulse_line_hang_up(&line);
    close_all();
}

static void test_a_broker_that_takes_less_than_the_one_before(void **state)
{
    static uint8_t payload[100000];
    struct broker_record r = {.payload = {.data = payload, .bytes = sizeof(payload)},
                              .alone = true};
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hulse_pub_send_record(&pub, &r);
    hulse_line_hear_send(&line, &h);
    hulse_pub_send(&pub);
    hulse_line_hear_send(&line, &h);
    hulse_line_hang_up(&line);
    second.message_bytes_max = 50000;
    assert_int_equal(hulse_peer_serve(&peer, &bed, &second, 1), id);
    hulse_line_hear_send(&second, &h);
    assert_int_equal(h.sequence, 1);
    hulse_line_say_receipt(&second, &h, 1);
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_TOO_LARGE);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_STORED);
    hulse_line_hang_up(&second);
    close_all();
}

/* ---- receipts ---- */

static void test_a_receipt_out_of_order_ends_the_connection(void **state)
{
    static const int64_t wrong[][2] = {{1, 1}, {2, 2}, {0, 1}, {77, 77}, {INT64_MAX, -1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        open_all();
        const uint64_t id = open_pub();
        send_and_hear(&line, 0, 3);
        hulse_line_say_receipt_of(&line, id, wrong[i][0], wrong[i][1]);
        hulse_line_await_end(&line);
        hulse_line_hang_up(&line);
        assert_int_equal(hulse_peer_serve(&peer, &bed, &second, 1), id);
        hear_again(&second, 0, 3);
        receipts(&second, id, 0, 3);
        expect_stored(3);
        hulse_line_hang_up(&second);
        close_all();
    }
}

static void test_old_and_strange_receipts_are_ignored(void **state)
{
    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hulse_line_say_receipt_of(&line, id, 5, 5); /* nothing is sent */
    assert_true(hulse_line_is_quiet(&line));
    send_and_hear(&line, 0, 2);
    hulse_line_say_receipt_of(&line, id, -1, -1);
    hulse_line_say_receipt_of(&line, id + 77, 1, 1);
    receipts(&line, id, 0, 1);
    receipts(&line, id, 0, 1);
    hulse_pub_await_answered(&pub, 1);
    receipts(&line, id, 1, 1);
    receipts(&line, id, 1, 1);
    expect_stored(2);
    assert_true(hulse_line_is_quiet(&line));
    hulse_line_hang_up(&line);
    close_all();
}

/* ---- SEND_ERROR ---- */

/* Hears the first `count` again and gives each an id. */
static void store_again(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct heard h;
        hulse_line_hear_send(&line, &h);
        assert_int_equal(h.sequence, i);
        hulse_line_say_receipt(&line, &h, i);
    }
}

static void test_a_checksum_error_sends_again(void **state)
{
    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 3);
    hulse_line_say_send_error(
        &line, id, 1, PULSAR__SERVER_ERROR__ChecksumError); /* not the first */
    assert_true(hulse_line_is_quiet(&line));
    hulse_line_say_send_error(&line, id, 0, PULSAR__SERVER_ERROR__ChecksumError);
    store_again(3);
    expect_stored(3);
    hulse_line_hang_up(&line);
    close_all();
}

/* A broker with deduplication has stored what was behind it: the one that it refused is no copy. */
static void test_a_copy_of_what_was_damaged_is_not_stored(void **state)
{
    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 3);
    hulse_line_say_send_error(&line, id, 0, PULSAR__SERVER_ERROR__ChecksumError);
    hear_again(&line, 0, 3);
    receipts(&line, id, 0, 3); /* copies, all of them */
    hulse_pub_await_answered(&pub, 3);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_STORED);
    assert_int_equal(pub.outcomes[2], HULSE_OUTCOME_STORED);
    hulse_line_hang_up(&line);
    close_all();
}

/* A broker says at once that an entry is damaged, before the receipt of the one in front of it. */
static void test_a_checksum_error_behind_what_has_no_receipt(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 2);
    hulse_line_say_send_error(&line, id, 1, PULSAR__SERVER_ERROR__ChecksumError);
    receipts(&line, id, 0, 1);
    hulse_pub_await_answered(&pub, 1);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.sequence, 1);
    hulse_line_say_receipt(&line, &h, 1);
    expect_stored(2);
    hulse_line_hang_up(&line);
    close_all();
}

/* The same with one behind it, which a broker with deduplication has stored. */
static void test_a_copy_of_what_was_damaged_behind_another_is_not_stored(void **state)
{
    (void)state;
    open_all();
    uint64_t id = open_pub();
    send_and_hear(&line, 0, 3);
    hulse_line_say_send_error(&line, id, 1, PULSAR__SERVER_ERROR__ChecksumError);
    receipts(&line, id, 0, 1);
    hulse_pub_await_answered(&pub, 1);
    receipts(&line, id, 2, 1); /* out of order: the connection ends */
    hulse_line_await_end(&line);
    hulse_line_hang_up(&line);
    id = hulse_peer_serve(&peer, &bed, &second, 1);
    hear_again(&second, 1, 2);
    receipts(&second, id, 1, 2); /* copies */
    hulse_pub_await_answered(&pub, 3);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_FAILED_UNKNOWN);
    hulse_line_hang_up(&second);
    close_all();
}

/* Two were damaged: that of the second is said when the first goes again already, and both with it. */
static void test_copies_of_two_that_were_damaged_are_not_stored(void **state)
{
    (void)state;
    open_all();
    uint64_t id = open_pub();
    send_and_hear(&line, 0, 3);
    hulse_line_say_send_error(&line, id, 0, PULSAR__SERVER_ERROR__ChecksumError);
    hulse_line_say_send_error(&line, id, 1, PULSAR__SERVER_ERROR__ChecksumError);
    hear_again(&line, 0, 3);
    receipts(&line, id, 0, 3); /* copies, since it has stored the third */
    hulse_pub_await_answered(&pub, 3);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_int_equal(pub.outcomes[2], HULSE_OUTCOME_STORED);
    assert_true(hulse_line_is_quiet(&line));
    hulse_line_hang_up(&line);
    close_all();
}

static struct pulsar_sender *the_sender(void)
{
    return LIST_FIRST(&bed.worker.senders->buckets[hulse_pulsar_senders_bucket(BED_TOPIC)]);
}

static void test_what_was_damaged_here_fails_alone(void **state)
{
    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 3);
    const struct pulsar_entry *head = TAILQ_FIRST(&the_sender()->entries);
    ((uint8_t *)(uintptr_t)head->piece.data)[head->piece.bytes - 1] ^= 1;
    hulse_line_say_send_error(&line, id, 0, PULSAR__SERVER_ERROR__ChecksumError);
    hear_again(&line, 1, 2);
    receipts(&line, id, 1, 2);
    hulse_pub_await_answered(&pub, 3);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_FAILED_NOT_SENT);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_STORED);
    hulse_line_hang_up(&line);
    close_all();
}

static void test_endless_checksum_errors_end_in_another_open(void **state)
{
    char name[256];
    uint64_t again = 0;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 1);
    for (unsigned i = 0; i < 3; i++) {
        hulse_line_say_send_error(&line, id, 0, PULSAR__SERVER_ERROR__ChecksumError);
        hear_again(&line, 0, 1);
    }
    hulse_line_say_send_error(&line, id, 0, PULSAR__SERVER_ERROR__ChecksumError);
    hulse_line_say_success(&line, hulse_line_hear_close(&line, id));
    hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &again, 1, name), name, -1);
    store_again(1);
    expect_stored(1);
    hulse_line_hang_up(&line);
    close_all();
}

static void test_what_is_not_allowed_fails_alone(void **state)
{
    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 3);
    hulse_line_say_send_error(&line, id, 1, PULSAR__SERVER_ERROR__NotAllowedError);
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_FAILED_NOT_SENT);
    assert_int_equal(pub.answers[1].class, BROKER_FAIL);
    receipts(&line, id, 0, 1);
    receipts(&line, id, 2, 1);
    hulse_pub_await_answered(&pub, 3);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    assert_int_equal(pub.outcomes[2], HULSE_OUTCOME_STORED);
    assert_true(hulse_line_is_quiet(&line));
    hulse_line_hang_up(&line);
    close_all();
}

static void test_other_errors_open_the_producer_again(void **state)
{
    static const Pulsar__ServerError errors[] = {PULSAR__SERVER_ERROR__PersistenceError,
                                                 PULSAR__SERVER_ERROR__MetadataError,
                                                 PULSAR__SERVER_ERROR__UnknownError,
                                                 (Pulsar__ServerError)999};
    char name[256];
    uint64_t again = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        open_all();
        const uint64_t id = open_pub();
        send_and_hear(&line, 0, 3);
        hulse_line_say_send_error(&line, id, 0, errors[i]);
        hulse_line_hear_close(&line, id);
        hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &again, 1, name), name, -1);
        hear_again(&line, 0, 3);
        receipts(&line, id, 0, 3);
        expect_stored(3);
        hulse_line_hang_up(&line);
        close_all();
    }
}

static void test_a_terminated_topic_ends_the_producer(void **state)
{
    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 2);
    hulse_line_say_send_error(&line, id, 0, PULSAR__SERVER_ERROR__TopicTerminatedError);
    hulse_pub_await_answered(&pub, 2);
    while (pub.failed == 0) {
        hulse_bed_turn(&bed);
    }
    hulse_pub_send(&pub);
    assert_int_equal(pub.answered, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pub.outcomes[i], HULSE_OUTCOME_TOPIC_TERMINATED);
    }
    hulse_line_hear_close(&line, id);
    hulse_line_hang_up(&line);
    close_all();
}

/* As a real broker does it: it closes the producer, and the next PRODUCER says why. */
static void ended_at_the_next_open(Pulsar__ServerError error)
{
    uint64_t again = 0;

    open_all();
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 2);
    hulse_line_say_closed(&line, id, NULL);
    hulse_line_say_error(&line, hulse_line_hear_producer(&line, &again, 1, NULL), error);
    hulse_pub_await_answered(&pub, 2);
    while (pub.failed + pub.fenced == 0) {
        hulse_bed_turn(&bed);
    }
    hulse_pub_send(&pub);
    assert_int_equal(pub.answered, 3);
    hulse_line_hang_up(&line);
}

static void test_final_errors_of_the_next_open_end_the_producer(void **state)
{
    (void)state;
    ended_at_the_next_open(PULSAR__SERVER_ERROR__TopicTerminatedError);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_TOPIC_TERMINATED);
    assert_int_equal(pub.failed, 1);
    close_all();
    ended_at_the_next_open(PULSAR__SERVER_ERROR__TopicNotFound);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_NO_TOPIC);
    assert_int_equal(pub.failed_with, HULSE_NO_TOPIC);
    close_all();
    ended_at_the_next_open(PULSAR__SERVER_ERROR__ProducerFenced);
    assert_int_equal(pub.fenced, 1);
    assert_int_equal(pub.answers[2].class, BROKER_FENCED);
    close_all();
}

static void test_a_quota_fails_what_waits_and_is_tried_again(void **state)
{
    char name[256];
    uint64_t again = 0;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    hulse_line_say_closed(&line, id, NULL);
    const uint64_t request = hulse_line_hear_producer(&line, &again, 1, name);
    hulse_pub_send(&pub);
    hulse_line_say_error(
        &line, request, PULSAR__SERVER_ERROR__ProducerBlockedQuotaExceededException);
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_QUOTA_EXCEEDED);
    hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &again, 2, name), name, -1);
    hulse_pub_send(&pub);
    struct heard h;
    hulse_line_hear_send(&line, &h);
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_STORED);
    hulse_line_hang_up(&line);
    close_all();
}

static void test_refusals_after_the_first_open_are_tried_again(void **state)
{
    static const Pulsar__ServerError errors[] = {PULSAR__SERVER_ERROR__ServiceNotReady,
                                                 PULSAR__SERVER_ERROR__ProducerBusy,
                                                 PULSAR__SERVER_ERROR__AuthorizationError};
    char name[256];
    uint64_t again = 0;

    (void)state;
    open_all();
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 1);
    hulse_line_say_closed(&line, id, NULL);
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        hulse_line_say_error(
            &line, hulse_line_hear_producer(&line, &again, i + 1, name), errors[i]);
    }
    hulse_line_say_opened(
        &line, hulse_line_hear_producer(&line, &again, COUNT_OF(errors) + 1, name), name, -1);
    hear_again(&line, 0, 1);
    receipts(&line, id, 0, 1);
    expect_stored(1);
    hulse_line_hang_up(&line);
    close_all();
}

/* ---- too late ---- */

static void test_what_was_never_sent_fails_so(void **state)
{
    (void)state;
    open_all();
    pub.params.gathering.send_timeout_ms = 60;
    (void)open_pub();
    bed.silent = true; /* there is no way back */
    hulse_line_hang_up(&line);
    for (unsigned i = 0; i < 50; i++) {
        hulse_bed_turn(&bed);
    }
    for (unsigned i = 0; i < 20; i++) {
        hulse_pub_send(&pub);
        hulse_bed_turn(&bed);
    }
    hulse_pub_await_answered(&pub, 20);
    assert_true(pub.in_order);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(pub.outcomes[i], HULSE_OUTCOME_FAILED_NOT_SENT);
    }
    /* One that has waited too long elsewhere. */
    struct broker_record r = {.enqueued_ns = hulse_clock_coarse_ns() - 100000000U};
    hulse_pub_send_record(&pub, &r);
    assert_int_equal(pub.outcomes[20], HULSE_OUTCOME_FAILED_NOT_SENT);
    close_all();
}

static void test_what_was_sent_fails_as_unknown_and_late_receipts_are_ignored(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    pub.params.gathering.send_timeout_ms = 60;
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 3);
    hulse_pub_await_answered(&pub, 3);
    assert_true(pub.in_order);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pub.outcomes[i], HULSE_OUTCOME_FAILED_UNKNOWN);
    }
    hulse_pub_send(&pub);
    hulse_line_hear_send(&line, &h);
    receipts(&line, id, 0, 3);
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_await_answered(&pub, 4);
    assert_int_equal(pub.outcomes[3], HULSE_OUTCOME_STORED);
    hulse_line_hang_up(&line);
    close_all();
}

static void test_without_a_timeout_records_wait(void **state)
{
    (void)state;
    open_all();
    const uint64_t id = open_pub();
    struct broker_record r = {.enqueued_ns = 1};
    send_and_hear(&line, 0, 1);
    hulse_pub_send_record(&pub, &r);
    struct heard h;
    hulse_line_hear_send(&line, &h);
    assert_true(hulse_line_is_quiet(&line));
    assert_int_equal(pub.answered, 0);
    receipts(&line, id, 0, 2);
    expect_stored(2);
    hulse_line_hang_up(&line);
    close_all();
}

/* Nothing more is handed to a connection that nobody reads than can be told apart from what was never sent. */
static void test_a_peer_that_does_not_read(void **state)
{
    enum { COUNT = 300 };
    static uint8_t payload[100000];
    struct broker_record r = {.payload = {.data = payload, .bytes = sizeof(payload)}};
    unsigned unknown = 0;

    (void)state;
    open_all();
    pub.params.gathering.send_timeout_ms = 200;
    pub.params.gathering.pending_bytes = 1U << 30U;
    (void)open_pub();
    for (unsigned i = 0; i < COUNT; i++) {
        r.enqueued_ns = 0;
        hulse_pub_send_record(&pub, &r);
        hulse_bed_turn(&bed);
    }
    hulse_pub_await_answered(&pub, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        unknown += pub.outcomes[i] == HULSE_OUTCOME_FAILED_UNKNOWN ? 1U : 0U;
        assert_true(pub.outcomes[i] == HULSE_OUTCOME_FAILED_UNKNOWN ||
                    pub.outcomes[i] == HULSE_OUTCOME_FAILED_NOT_SENT);
    }
    assert_true(unknown > 0 && unknown < COUNT);
    hulse_line_hang_up(&line);
    close_all();
}

/* Records that waited in a ring stand behind younger ones of another application. */
static void test_each_record_has_its_own_time(void **state)
{
    struct broker_record old = {.alone = true};

    (void)state;
    open_all();
    pub.params.gathering.send_timeout_ms = 10000;
    const uint64_t id = open_pub();
    send_and_hear(&line, 0, 1);
    old.enqueued_ns = hulse_clock_coarse_ns() - UINT64_C(9950000000);
    hulse_pub_send_record(&pub, &old);
    hulse_pub_await_answered(&pub, 1);
    assert_int_equal(pub.outcomes[1], HULSE_OUTCOME_FAILED_UNKNOWN);
    receipts(&line, id, 0, 2);
    hulse_pub_await_answered(&pub, 2);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    hulse_line_hang_up(&line);
    close_all();
}

static void test_a_worker_that_ends_forgets_all(void **state)
{
    (void)state;
    open_all();
    (void)open_pub();
    send_and_hear(&line, 0, 2);
    hulse_pub_send(&pub);
    pub.closed = true; /* hears no more */
    hulse_line_hang_up(&line);
    close_all();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_lost_connection_costs_nothing),
    cmocka_unit_test(test_all_who_lost_a_broker_are_back_at_once),
    cmocka_unit_test(test_the_assigned_broker_is_followed_at_once),
    cmocka_unit_test(test_a_closed_producer_is_looked_up_anew),
    cmocka_unit_test(test_an_assigned_broker_that_is_none_is_not_followed),
    cmocka_unit_test(test_a_broker_that_takes_less_than_the_one_before),
    cmocka_unit_test(test_a_receipt_out_of_order_ends_the_connection),
    cmocka_unit_test(test_old_and_strange_receipts_are_ignored),
    cmocka_unit_test(test_a_checksum_error_sends_again),
    cmocka_unit_test(test_a_copy_of_what_was_damaged_is_not_stored),
    cmocka_unit_test(test_a_checksum_error_behind_what_has_no_receipt),
    cmocka_unit_test(test_a_copy_of_what_was_damaged_behind_another_is_not_stored),
    cmocka_unit_test(test_copies_of_two_that_were_damaged_are_not_stored),
    cmocka_unit_test(test_what_was_damaged_here_fails_alone),
    cmocka_unit_test(test_endless_checksum_errors_end_in_another_open),
    cmocka_unit_test(test_what_is_not_allowed_fails_alone),
    cmocka_unit_test(test_other_errors_open_the_producer_again),
    cmocka_unit_test(test_a_terminated_topic_ends_the_producer),
    cmocka_unit_test(test_final_errors_of_the_next_open_end_the_producer),
    cmocka_unit_test(test_a_quota_fails_what_waits_and_is_tried_again),
    cmocka_unit_test(test_refusals_after_the_first_open_are_tried_again),
    cmocka_unit_test(test_what_was_never_sent_fails_so),
    cmocka_unit_test(test_what_was_sent_fails_as_unknown_and_late_receipts_are_ignored),
    cmocka_unit_test(test_without_a_timeout_records_wait),
    cmocka_unit_test(test_a_peer_that_does_not_read),
    cmocka_unit_test(test_each_record_has_its_own_time),
    cmocka_unit_test(test_a_worker_that_ends_forgets_all),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
