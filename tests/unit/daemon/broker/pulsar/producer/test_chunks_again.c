/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   after a loss, and what was damaged, a message in chunks goes again under another uuid where a consumer could get a chunk
 *         twice; no receipt of before counts for what goes then.
 * Method: a broker played by hand, frames read back with wire/.
 */
#include "daemon/broker/pulsar/wire/frame.h"
#include "daemon/core/clock.h"
#include "tests/unit/daemon/broker/pulsar/producer/large.h"

#include <string.h>

/* All chunks of the only message came, and so many have receipts. */
static void all_come(uint32_t receipts)
{
    struct heard h;
    uint32_t at = 0;

    for (uint32_t i = 0; i < 4; i++) {
        hulse_large_hear(&large.line, &h, 0, (int32_t)i, &at);
        if (i < receipts) {
            hulse_line_say_receipt(&large.line, &h, 1 + i);
        }
    }
    hulse_large_await_in_flight(4 - receipts);
}

static void lose_after(uint32_t receipts)
{
    all_come(receipts);
    hulse_line_hang_up(&large.line);
}

/* From that chunk on they come there, and the message is stored with the last of these receipts. */
static void come_again(struct line *l, int32_t first)
{
    struct heard h;
    uint32_t at = 0;

    memset(large.got, 0, sizeof(large.got));
    for (int32_t i = first; i < 4; i++) {
        hulse_large_hear(l, &h, 0, i, &at);
        assert_int_equal(large.pub.outcomes[0], 0);
        hulse_line_say_receipt(l, &h, 10 + (uint64_t)i);
    }
    assert_memory_equal(large.got, large.payload + (LARGE_BYTES - at), at);
    assert_int_equal(at == LARGE_BYTES, first == 0);
    hulse_pub_await_answered(&large.pub, large.pub.sent);
    assert_int_equal(large.pub.outcomes[0], HULSE_OUTCOME_STORED);
    assert_int_equal(large.pub.answers[0].id.entry, 13);
    hulse_large_close_all(l);
}

static void rest_comes(int32_t first)
{
    (void)hulse_peer_serve(&large.peer, &large.bed, &large.second, 1);
    come_again(&large.second, first);
}

/* On the same line. */
static void open_again_on(struct line *l)
{
    char name[256];
    uint64_t producer = 0;
    const uint64_t request = hulse_line_hear_producer(l, &producer, EPOCH_ANY, name);

    hulse_line_say_opened(l, request, name, -1);
}

static void open_again(void)
{
    open_again_on(&large.line);
}

/* Whether the broker has the third is open: a consumer that got it twice would be at a loss. */
static void test_a_loss_in_the_middle(void **state)
{
    (void)state;
    hulse_large_open_all();
    (void)hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    lose_after(2);
    rest_comes(0);
}

/* Should the broker have the last one, the message is whole there, and nobody minds one more. */
static void test_a_loss_before_the_last_receipt(void **state)
{
    (void)state;
    hulse_large_open_all();
    (void)hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    lose_after(3);
    rest_comes(3);
}

/* Both were on their way: each has another uuid. */
static void test_a_loss_of_two(void **state)
{
    struct heard h;
    uint32_t at = 0;
    char uuids[2][300];

    (void)state;
    hulse_large_open_all();
    (void)hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    hulse_large_send(LARGE_BYTES);
    for (uint64_t i = 0; i < 8; i++) {
        at = 0;
        hulse_large_hear(&large.line, &h, i / 4, (int32_t)(i % 4), &at);
        memcpy(uuids[i / 4], large.last_uuid, sizeof(large.last_uuid));
    }
    hulse_line_hang_up(&large.line);
    (void)hulse_peer_serve(&large.peer, &large.bed, &large.second, 1);
    for (uint64_t i = 0; i < 8; i++) {
        at = 0;
        hulse_large_hear(&large.second, &h, i / 4, (int32_t)(i % 4), &at);
        assert_string_not_equal(large.last_uuid, uuids[i / 4]);
        hulse_line_say_receipt(&large.second, &h, 1);
    }
    hulse_pub_await_answered(&large.pub, 2);
    hulse_large_close_all(&large.second);
}

/* The second chunk becomes damaged here. It does not get a checksum that says it is sound, and its message ends with it. */
static void damaged_here_ends(bool first_has_receipt)
{
    struct wire_message message;
    struct broker_span rest;
    const char *why = NULL;
    struct heard h;
    uint32_t at = 0;

    hulse_large_open_all();
    (void)hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    all_come(0);
    const struct pulsar_entry *e = TAILQ_NEXT(TAILQ_FIRST(&hulse_large_sender()->entries), link);
    ((uint8_t *)(uintptr_t)e->piece.data)[e->piece.bytes - 1] ^= 1;
    hulse_line_hang_up(&large.line);
    const uint64_t id = hulse_peer_serve(&large.peer, &large.bed, &large.second, 1);
    at = 0;
    hulse_large_hear(&large.second, &h, 0, 0, &at);
    if (first_has_receipt) {
        hulse_line_say_receipt(&large.second, &h, 1);
    }
    assert_int_equal(hulse_line_hear(&large.second, &rest)->type, PULSAR__BASE_COMMAND__TYPE__SEND);
    assert_int_not_equal(hulse_wire_message_read(rest, &message, &why), WIRE_MESSAGE_OK);
    hulse_line_say_send_error(&large.second, id, 0, PULSAR__SERVER_ERROR__ChecksumError);
    hulse_pub_await_answered(&large.pub, 1);
    assert_int_not_equal(large.pub.outcomes[0], HULSE_OUTCOME_STORED);
    hulse_large_close_all(&large.second);
}

static void test_what_was_damaged_here_goes_as_it_is(void **state)
{
    (void)state;
    damaged_here_ends(true);
}

static void test_what_was_damaged_here_in_the_middle_ends(void **state)
{
    (void)state;
    damaged_here_ends(false);
}

/* Nobody reads it to the end: what goes once more is too old before all of it is sent, and is counted as what it is. */
static void test_what_is_too_old_when_it_goes_again(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    hulse_large_open_all();
    large.pub.params.gathering.send_timeout_ms = 3000;
    (void)hulse_large_open_pub();
    hulse_large_send(BED_CHUNKED_BYTES_MAX);
    for (int32_t i = 0; at < BED_CHUNKED_BYTES_MAX; i++) {
        hulse_large_hear(&large.line, &h, 0, i, &at);
        if (h.metadata.chunk + 2 < h.metadata.chunk_count) {
            hulse_line_say_receipt(&large.line, &h, 1);
        }
    }
    hulse_large_await_in_flight(2);
    hulse_line_hang_up(&large.line);
    (void)hulse_peer_serve(&large.peer, &large.bed, &large.second, 1);
    hulse_pub_await_answered(&large.pub, 1);
    assert_int_equal(large.pub.outcomes[0], HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_int_equal(hulse_large_sender()->in_flight, 0);
    assert_int_equal(hulse_large_sender()->in_flight_bytes, 0);
    hulse_large_close_all(&large.second);
}

static void test_an_end_in_the_middle(void **state)
{
    (void)state;
    hulse_large_open_all();
    (void)hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    all_come(2);
    hulse_large_close_all(&large.line); /* nothing may be left */
}

/* A broker cannot have had what never left: it goes on there. */
static void test_a_loss_before_the_rest_was_sent(void **state)
{
    struct broker_span rest;
    struct heard h;
    uint32_t at = 0;
    int32_t chunk = 0;

    (void)state;
    hulse_large_open_all();
    (void)hulse_large_open_pub();
    hulse_large_send(BED_CHUNKED_BYTES_MAX);
    do {
        hulse_large_hear(&large.line, &h, 0, chunk, &at);
        hulse_large_sender()->moving = true; /* nothing more is sent here */
        hulse_line_say_receipt(&large.line, &h, 1);
        hulse_large_await_in_flight(hulse_large_sender()->in_flight - 1);
        chunk += 1;
    } while (hulse_large_sender()->in_flight > 0);
    assert_int_equal(hulse_line_hear(&large.line, &rest)->type,
                     PULSAR__BASE_COMMAND__TYPE__CLOSE_PRODUCER);
    assert_true(at < BED_CHUNKED_BYTES_MAX);
    hulse_line_hang_up(&large.line);
    (void)hulse_peer_serve(&large.peer, &large.bed, &large.second, 1);
    for (; at < BED_CHUNKED_BYTES_MAX; chunk++) {
        hulse_large_hear(&large.second, &h, 0, chunk, &at);
        hulse_line_say_receipt(&large.second, &h, 2);
    }
    assert_memory_equal(large.got, large.payload, BED_CHUNKED_BYTES_MAX);
    hulse_pub_await_answered(&large.pub, 1);
    assert_int_equal(large.pub.outcomes[0], HULSE_OUTCOME_STORED);
    hulse_large_close_all(&large.second);
}

/* What is kept of a message is its own, whatever becomes of the next one. */
static void test_the_next_one_is_too_old_in_the_middle(void **state)
{
    struct broker_record next = {.payload = {.data = large.payload, .bytes = 10}};
    struct heard h;
    uint32_t at = 0;

    (void)state;
    hulse_large_open_all();
    large.pub.params.gathering.send_timeout_ms = 600000;
    (void)hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    next.enqueued_ns = hulse_clock_coarse_ns() - UINT64_C(599000) * 1000000U;
    hulse_pub_send_record(&large.pub, &next);
    hulse_large_hear(&large.line, &h, 0, 0, &at);
    hulse_line_say_receipt(&large.line, &h, 1);
    hulse_pub_await_answered(&large.pub, 1);
    assert_int_not_equal(large.pub.outcomes[1], 0);
    hulse_line_hang_up(&large.line);
    rest_comes(0);
}

/* It is closed, behind what was on its way; the broker says that it is only when that is done. */
static uint64_t hear_close(struct line *l, int32_t sends_max)
{
    struct broker_span rest;
    const Pulsar__BaseCommand *c = hulse_line_hear(l, &rest);

    for (; c->type == PULSAR__BASE_COMMAND__TYPE__SEND; c = hulse_line_hear(l, &rest)) {
        sends_max -= 1;
        assert_true(sends_max >= 0);
    }
    assert_int_equal(c->type, PULSAR__BASE_COMMAND__TYPE__CLOSE_PRODUCER);
    return c->close_producer->request_id;
}

/* Receipts of its chunks have one number: what was on its way and what goes again must not be mixed. */
static void test_a_checksum_error_opens_it_again(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    hulse_large_open_all();
    const uint64_t id = hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    hulse_large_hear(&large.line, &h, 0, 0, &at);
    hulse_line_say_send_error(&large.line, id, 0, PULSAR__SERVER_ERROR__ChecksumError);
    hulse_line_say_success(&large.line, hear_close(&large.line, 3));
    open_again();
    come_again(&large.line, 0);
}

/* A broker gives the producer that it is about to close to who asks for it: what that still has to answer is waited for. */
static void receipts_from_before(Pulsar__ServerError error)
{
    hulse_large_open_all();
    const uint64_t id = hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    all_come(0);
    hulse_line_say_send_error(&large.line, id, 0, error);
    const uint64_t close = hear_close(&large.line, 0);
    assert_true(hulse_line_is_quiet(&large.line));
    for (uint64_t i = 0; i < 3; i++) {
        hulse_line_say_receipt_of(&large.line, id, 0, -1);
    }
    hulse_line_say_success(&large.line, close);
    open_again();
    come_again(&large.line, 0);
}

static void test_receipts_from_before_a_checksum_error(void **state)
{
    (void)state;
    receipts_from_before(PULSAR__SERVER_ERROR__ChecksumError);
}

static void test_receipts_from_before_another_error(void **state)
{
    (void)state;
    receipts_from_before(PULSAR__SERVER_ERROR__PersistenceError);
}

/* Until what has been sent is all written, the message behind the first is at its middle: it must not have two lives here. */
static void test_what_was_damaged_here_opens_it_again(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    hulse_large_open_all();
    const uint64_t id = hulse_large_open_pub();
    hulse_pub_send(&large.pub);
    hulse_large_send(BED_CHUNKED_BYTES_MAX);
    hulse_line_hear_send(&large.line, &h);
    hulse_large_hear(&large.line, &h, 1, 0, &at);
    const struct pulsar_entry *head = TAILQ_FIRST(&hulse_large_sender()->entries);
    ((uint8_t *)(uintptr_t)head->piece.data)[head->piece.bytes - 1] ^= 1;
    hulse_line_say_send_error(&large.line, id, 0, PULSAR__SERVER_ERROR__ChecksumError);
    hulse_line_say_success(&large.line, hear_close(&large.line, h.metadata.chunk_count - 1));
    assert_int_not_equal(large.pub.outcomes[0], 0);
    assert_int_not_equal(large.pub.outcomes[0], HULSE_OUTCOME_STORED);
    open_again();
    at = 0;
    for (int32_t chunk = 0; at < BED_CHUNKED_BYTES_MAX; chunk++) {
        assert_int_equal(large.pub.outcomes[1], 0);
        hulse_large_hear(&large.line, &h, 1, chunk, &at);
        hulse_line_say_receipt(&large.line, &h, 1);
    }
    hulse_pub_await_answered(&large.pub, 2);
    assert_int_equal(large.pub.outcomes[1], HULSE_OUTCOME_STORED);
    hulse_large_close_all(&large.line);
}

/* What had made an earlier open wait is over, and no reason for anything any more. */
static void test_a_checksum_error_after_a_quota(void **state)
{
    struct heard h;
    uint32_t at = 0;
    char name[256];
    uint64_t producer = 0;

    (void)state;
    hulse_large_open_all();
    assert_int_equal(hulse_pub_open(&large.pub), HULSE_OK);
    hulse_peer_welcome(&large.peer, &large.bed, &large.line);
    hulse_line_say_error(&large.line,
                         hulse_line_hear_producer(&large.line, &producer, EPOCH_ANY, name),
                         PULSAR__SERVER_ERROR__ProducerBlockedQuotaExceededException);
    hulse_line_say_opened(
        &large.line, hulse_line_hear_producer(&large.line, &producer, EPOCH_ANY, name), name, -1);
    hulse_pub_await_opened(&large.pub);
    hulse_large_send(LARGE_BYTES);
    hulse_large_hear(&large.line, &h, 0, 0, &at);
    hulse_line_say_send_error(&large.line, producer, 0, PULSAR__SERVER_ERROR__ChecksumError);
    hulse_line_say_success(&large.line, hear_close(&large.line, 3));
    open_again();
    come_again(&large.line, 0);
}

/* A message in chunks behind one that has no receipt yet; gives the producer's id. */
static uint64_t send_behind_another(struct heard *h)
{
    hulse_large_open_all();
    const uint64_t id = hulse_large_open_pub();
    hulse_pub_send(&large.pub);
    hulse_large_send(LARGE_BYTES);
    hulse_line_hear_send(&large.line, h);
    hulse_large_hear_all(&large.line, h, 1);
    return id;
}

/*
 * One of its chunks was damaged on its way, which a broker says at once: before the receipt of what is in front of it. That
 * chunk is not there, whatever receipts the others have.
 */
static void test_a_damaged_chunk_behind_what_has_no_receipt(void **state)
{
    struct heard h;
    uint32_t at = 0;

    (void)state;
    const uint64_t id = send_behind_another(&h);
    hulse_line_say_send_error(&large.line, id, 1, PULSAR__SERVER_ERROR__ChecksumError);
    h.sequence = 0;
    hulse_line_say_receipt(&large.line, &h, 1);
    hulse_pub_await_answered(&large.pub, 1);
    h.sequence = 1;
    for (uint64_t i = 0; i < 3; i++) {
        hulse_line_say_receipt(&large.line, &h, 2 + i); /* of the other chunks */
    }
    for (unsigned i = 0; i < 50; i++) {
        hulse_bed_turn(&large.bed);
    }
    hulse_line_hang_up(&large.line);
    (void)hulse_peer_serve(&large.peer, &large.bed, &large.second, 1);
    hulse_large_hear(&large.second, &h, 1, 0, &at);
    hulse_large_close_all(&large.second);
}

/* The same with all receipts at one go: those of its other chunks come before it is asked for again, which is done once. */
static void test_receipts_of_the_other_chunks_at_one_go(void **state)
{
    struct heard h;

    (void)state;
    const uint64_t id = send_behind_another(&h);
    hulse_line_say_send_error(&large.line, id, 1, PULSAR__SERVER_ERROR__ChecksumError);
    for (uint64_t i = 0; i < 4; i++) {
        h.sequence = i == 0 ? 0 : 1;
        hulse_line_say_receipt(&large.line, &h, 1 + i);
    }
    hulse_line_say_success(&large.line, hear_close(&large.line, 0));
    open_again();
    hulse_large_hear_all(&large.line, &h, 1);
    for (uint64_t i = 0; i < 4; i++) {
        hulse_line_say_receipt(&large.line, &h, 10 + i);
        assert_true(hulse_line_is_quiet(&large.line));
    }
    hulse_pub_await_answered(&large.pub, 2);
    assert_int_equal(large.pub.outcomes[1], HULSE_OUTCOME_STORED);
    hulse_large_close_all(&large.line);
}

/* A message goes again, and the broker takes its last chunk for a copy. */
static void hear_copy(uint64_t id, uint64_t sequence)
{
    struct heard h;
    uint32_t at = 0;

    for (int32_t i = 0; i < 4; i++) {
        hulse_large_hear(&large.line, &h, sequence, i, &at);
        if (i < 3) {
            hulse_line_say_receipt(&large.line, &h, 10 + 4 * sequence + (uint64_t)i);
        } else {
            hulse_line_say_receipt_of(&large.line, id, (int64_t)sequence, -1);
        }
    }
}

/* With deduplication the last chunk of an attempt that lacks one was stored: what goes again is no copy of a message. */
static void copy_is_not_stored(Pulsar__ServerError error)
{
    hulse_large_open_all();
    const uint64_t id = hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    all_come(0);
    hulse_line_say_send_error(&large.line, id, 0, error);
    const uint64_t close = hear_close(&large.line, 0);
    for (uint64_t i = 0; i < 3; i++) {
        hulse_line_say_receipt_of(&large.line, id, 0, -1);
    }
    hulse_line_say_success(&large.line, close);
    open_again();
    hear_copy(id, 0);
    hulse_pub_await_answered(&large.pub, 1);
    assert_int_equal(large.pub.outcomes[0], HULSE_OUTCOME_FAILED_UNKNOWN);
    hulse_large_close_all(&large.line);
}

static void test_a_copy_of_one_with_a_damaged_chunk_is_not_stored(void **state)
{
    (void)state;
    copy_is_not_stored(PULSAR__SERVER_ERROR__ChecksumError);
}

static void test_a_copy_of_one_with_a_refused_chunk_is_not_stored(void **state)
{
    (void)state;
    copy_is_not_stored(PULSAR__SERVER_ERROR__PersistenceError);
}

/* Of two a chunk was refused. The second error comes when the producer is closed already, and is no less true. */
static void copy_behind_is_not_stored(Pulsar__ServerError error)
{
    struct heard h;

    hulse_large_open_all();
    const uint64_t id = hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    hulse_large_send(LARGE_BYTES);
    hulse_large_hear_all(&large.line, &h, 0);
    hulse_large_hear_all(&large.line, &h, 1);
    hulse_line_say_send_error(&large.line, id, 0, error);
    hulse_line_say_send_error(&large.line, id, 1, error);
    hulse_line_say_success(&large.line, hear_close(&large.line, 0));
    open_again();
    hear_copy(id, 0);
    hear_copy(id, 1);
    hulse_pub_await_answered(&large.pub, 2);
    assert_int_equal(large.pub.outcomes[0], HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_int_equal(large.pub.outcomes[1], HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_int_equal(large.bed.worker.senders->figures.send_errors, 2);
    hulse_large_close_all(&large.line);
}

static void test_a_copy_of_the_second_with_a_damaged_chunk_is_not_stored(void **state)
{
    (void)state;
    copy_behind_is_not_stored(PULSAR__SERVER_ERROR__ChecksumError);
}

static void test_a_copy_of_the_second_with_a_refused_chunk_is_not_stored(void **state)
{
    (void)state;
    copy_behind_is_not_stored(PULSAR__SERVER_ERROR__PersistenceError);
}

/* A broker that is writing yet what came before the loss refuses the last chunk, and when it is done calls it a copy: it is one. */
static void test_a_copy_of_what_was_being_written_is_stored(void **state)
{
    struct heard h;

    (void)state;
    hulse_large_open_all();
    const uint64_t id = hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    lose_after(0);
    (void)hulse_peer_serve(&large.peer, &large.bed, &large.second, 1);
    hulse_large_hear_all(&large.second, &h, 0);
    hulse_line_say_send_error_as(
        &large.second,
        id,
        0,
        PULSAR__SERVER_ERROR__PersistenceError,
        "[t][p]Cannot determine whether the message is a duplicate at this time");
    hulse_line_say_success(&large.second, hear_close(&large.second, 0));
    open_again_on(&large.second);
    hulse_large_hear_all(&large.second, &h, 0);
    hulse_line_say_receipt_of(&large.second, id, 0, -1);
    hulse_pub_await_answered(&large.pub, 1);
    assert_int_equal(large.pub.outcomes[0], HULSE_OUTCOME_STORED);
    hulse_large_close_all(&large.second);
}

/* A broker that has not answered the close may have receipts of before yet: they are none of what goes again. */
static void test_receipts_from_before_a_close_without_an_answer(void **state)
{
    (void)state;
    hulse_large_open_all();
    large.bed.broker.params.operation_timeout_ms = 300;
    const uint64_t id = hulse_large_open_pub();
    hulse_large_send(LARGE_BYTES);
    all_come(0);
    hulse_line_say_send_error(&large.line, id, 0, PULSAR__SERVER_ERROR__PersistenceError);
    (void)hear_close(&large.line, 0);
    hulse_line_await_end(&large.line);
    hulse_line_hang_up(&large.line);
    (void)hulse_peer_serve(&large.peer, &large.bed, &large.second, 1);
    come_again(&large.second, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_loss_in_the_middle),
        cmocka_unit_test(test_a_loss_before_the_last_receipt),
        cmocka_unit_test(test_a_loss_of_two),
        cmocka_unit_test(test_what_was_damaged_here_goes_as_it_is),
        cmocka_unit_test(test_what_is_too_old_when_it_goes_again),
        cmocka_unit_test(test_an_end_in_the_middle),
        cmocka_unit_test(test_a_loss_before_the_rest_was_sent),
        cmocka_unit_test(test_the_next_one_is_too_old_in_the_middle),
        cmocka_unit_test(test_a_checksum_error_opens_it_again),
        cmocka_unit_test(test_receipts_from_before_a_checksum_error),
        cmocka_unit_test(test_receipts_from_before_another_error),
        cmocka_unit_test(test_what_was_damaged_here_opens_it_again),
        cmocka_unit_test(test_a_checksum_error_after_a_quota),
        cmocka_unit_test(test_a_damaged_chunk_behind_what_has_no_receipt),
        cmocka_unit_test(test_receipts_of_the_other_chunks_at_one_go),
        cmocka_unit_test(test_a_copy_of_one_with_a_damaged_chunk_is_not_stored),
        cmocka_unit_test(test_a_copy_of_one_with_a_refused_chunk_is_not_stored),
        cmocka_unit_test(test_a_copy_of_the_second_with_a_damaged_chunk_is_not_stored),
        cmocka_unit_test(test_a_copy_of_the_second_with_a_refused_chunk_is_not_stored),
        cmocka_unit_test(test_a_copy_of_what_was_being_written_is_stored),
        cmocka_unit_test(test_receipts_from_before_a_close_without_an_answer),
        cmocka_unit_test(test_what_was_damaged_here_in_the_middle_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
