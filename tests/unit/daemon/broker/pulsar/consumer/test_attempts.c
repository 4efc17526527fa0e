/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a producer that sends a message in chunks once more, from the first on, gives its earlier attempt up: that is out of the
 *         way of whoever can be sure of it, and nothing is acknowledged that may be whole. Nor is what a seek or a refusal brings
 *         once more. A reader goes on behind what is nobody's.
 * Method: entries as a broker sends them; what consumers send.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/chunk_front.h"

static const struct front_where shared = {.type = BROKER_SHARED};
static const struct front_where exclusive = {.type = BROKER_EXCLUSIVE};
static const struct front_where reader = {.type = BROKER_READER,
                                          .start = {.kind = BROKER_EARLIEST},
                                          .chunking = {.pending_max = 5, .expire_ms = 1000}};
/* One at a time, and what is given up for want of room is asked for after a second. */
static const struct front_where narrow = {.type = BROKER_SHARED,
                                          .chunking = {.pending_max = 1, .expire_ms = 1000}};

static void a_producer_may_begin_anew(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 10);
    hulse_chunk_comes(0, 0, 3, 1);
    hulse_chunk_comes(0, 1, 3, 2);
    hulse_chunk_comes(0, 0, 3, 3);
    HULSE_FRONT_ACKS(1, 2);
    hulse_chunk_comes(0, 1, 3, 4);
    hulse_chunk_comes(0, 2, 3, 5);
    hulse_front_has(0, 0);
    hulse_front_ack(0);
    HULSE_FRONT_ACKS(3, 4, 5);
}

/* In a row nothing more comes of an earlier attempt; of others of that producer, and of what is whole, nothing ends. */
static void another_attempt_ends_the_one_before(void **state)
{
    (void)state;
    hulse_chunks_open(&exclusive, 10);
    hulse_attempt_comes('x', 1, 0, 3, 1);
    hulse_attempt_comes('x', 1, 1, 3, 2);
    hulse_attempt_comes('x', 11, 0, 2, 3);
    hulse_attempt_comes('y', 1, 0, 3, 4);
    HULSE_FRONT_ACKS(1, 2);
    hulse_attempt_comes('y', 1, 1, 3, 5);
    hulse_attempt_comes('y', 1, 2, 3, 6);
    hulse_front_has(0, 100);
    hulse_attempt_comes('z', 1, 0, 3, 7); /* a broker that knew the last one has dropped that */
    hulse_attempt_comes('x', 11, 1, 2, 8);
    hulse_front_has(1, 1100);
    hulse_front_says_nothing();
    hulse_front_ack(0);
    HULSE_FRONT_ACKS(4, 5, 6, 7);
    assert_int_equal(stage.worker.consumers->figures.chunked, 2);
}

/* What is missing may come to it later. */
static void another_attempt_ends_none_that_is_shared(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 10);
    hulse_attempt_comes('x', 1, 0, 3, 1);
    hulse_attempt_comes('x', 1, 1, 3, 2);
    hulse_attempt_comes('y', 1, 0, 3, 4);
    hulse_attempt_comes('y', 1, 1, 3, 5);
    hulse_front_says_nothing();
    hulse_attempt_comes('x', 1, 2, 3, 3);
    hulse_front_has(0, 100);
    hulse_front_says_nothing();
    hulse_front_ack(0);
    HULSE_FRONT_ACKS(1, 2, 3, 4, 5);
}

/* All of it is there, and was only given up for want of room: it comes again, whatever its producer did afterwards. */
static void to_begin_anew_ends_nothing_that_is_complete(void **state)
{
    const struct front_where where = {.type = BROKER_SHARED,
                                      .chunking = {.pending_max = 1, .expire_ms = 1000}};
    (void)state;
    hulse_chunks_open(&where, 10);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(1, 0, 2, 2);
    hulse_chunk_comes(0, 1, 2, 3); /* of the one that was given up */
    hulse_chunk_comes(1, 1, 2, 4);
    hulse_front_has(0, 100);
    hulse_chunk_comes(0, 0, 2, 5);
    hulse_front_says_nothing();
    hulse_stage_wait(1001);
    hulse_front_asks(2);
}

static void another_attempt_ends_nothing_that_is_complete(void **state)
{
    const struct front_where where = {.type = BROKER_EXCLUSIVE,
                                      .chunking = {.pending_max = 1, .expire_ms = 1000}};
    (void)state;
    hulse_chunks_open(&where, 10);
    hulse_attempt_comes('x', 1, 0, 2, 1);
    hulse_attempt_comes('x', 2, 0, 2, 2);
    hulse_attempt_comes('x', 1, 1, 2, 3); /* of the one that was given up */
    hulse_attempt_comes('x', 2, 1, 2, 4);
    hulse_front_has(0, 200);
    hulse_attempt_comes('y', 1, 0, 2, 5);
    hulse_front_says_nothing();
}

/* Nor is anything sure where what came was forgotten. */
static void another_attempt_ends_none_behind_what_was_forgotten(void **state)
{
    const struct front_where where = {.type = BROKER_EXCLUSIVE,
                                      .chunking = {.pending_max = 1, .expire_ms = 60000}};
    (void)state;
    hulse_chunks_open(&where, 200);
    for (uint8_t i = 0; i < PULSAR_GIVEN_UP_MAX + 1; i++) {
        hulse_chunk_comes(i, 0, 2, 1U + i);
    }
    hulse_attempt_comes('x', 200, 0, 2, 300);
    hulse_attempt_comes('y', 200, 0, 2, 301);
    hulse_front_says_nothing();
}

/* It is nobody's, too, when there was no room for it. */
static void another_attempt_ends_the_one_that_was_given_up(void **state)
{
    const struct front_where where = {.type = BROKER_EXCLUSIVE,
                                      .chunking = {.pending_max = 1, .expire_ms = 1000}};
    (void)state;
    hulse_chunks_open(&where, 10);
    hulse_attempt_comes('x', 1, 0, 3, 1);
    hulse_attempt_comes('x', 2, 0, 2, 2); /* that takes its room */
    hulse_attempt_comes('x', 1, 1, 3, 3);
    hulse_attempt_comes('x', 2, 1, 2, 4);
    hulse_front_has(0, 200);
    hulse_attempt_comes('y', 1, 0, 3, 5);
    HULSE_FRONT_ACKS(1, 3);
}

/* What is missing of it is not only room: it can be whole no more, and would be in the way of the one that comes. */
static void to_begin_anew_ends_what_is_torn(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 10);
    hulse_chunk_comes(0, 0, 3, 1);
    hulse_chunk_comes(0, 2, 3, 3);
    hulse_chunk_comes(0, 0, 3, 4);
    HULSE_FRONT_ACKS(1, 3);
    hulse_chunk_comes(0, 1, 3, 5);
    hulse_chunk_comes(0, 2, 3, 6);
    hulse_front_has(0, 0);
    hulse_front_ack(0);
    HULSE_FRONT_ACKS(4, 5, 6);
}

/* An attempt from before it that comes once more, because it was asked for, is not the next one. The broker says no epoch. */
static void an_earlier_attempt_ends_none_behind_it(void **state)
{
    const struct front_where where = {.type = BROKER_EXCLUSIVE,
                                      .chunking = {.pending_max = 1, .expire_ms = 1000}};
    (void)state;
    hulse_chunks_open(&where, 20);
    hulse_attempt_comes('x', 1, 0, 3, 2);
    hulse_chunk_comes(2, 0, 2, 3); /* for this one it is given up */
    hulse_chunk_comes(2, 1, 2, 4);
    hulse_front_has(0, 200);
    hulse_stage_wait(1001);
    hulse_front_asks(0);
    hulse_attempt_comes('y', 1, 0, 3, 6); /* was on its way */
    hulse_attempt_comes('x', 1, 0, 3, 2);
    hulse_attempt_comes('y', 1, 1, 3, 7);
    hulse_attempt_comes('y', 1, 2, 3, 8);
    hulse_front_says_nothing();
}

/* The same uuid in each of them, as other clients have it: the one that began to come again leaves the later one to the broker. */
static void one_that_comes_again_ends_none_behind_it(void **state)
{
    const struct front_where where = {.type = BROKER_SHARED,
                                      .chunking = {.pending_max = 1, .expire_ms = 1000}};
    (void)state;
    hulse_chunks_open(&where, 20);
    hulse_chunk_comes(0, 0, 3, 1);
    hulse_chunk_comes(1, 0, 2, 2);
    hulse_chunk_comes(1, 1, 2, 3);
    hulse_stage_wait(1001);
    hulse_front_asks(1);
    hulse_chunk_comes(0, 0, 3, 5);
    hulse_chunk_comes(0, 0, 3, 1);
    hulse_front_says_nothing();
}

/* It reads in a row, too: neither is a message lost that came with the next attempt, nor has it to wait for the first. */
static void another_attempt_is_no_loss_of_a_reader(void **state)
{
    const struct front_where where = {.type = BROKER_READER,
                                      .start = {.kind = BROKER_EARLIEST},
                                      .chunking = {.pending_max = 5, .expire_ms = 1000}};
    (void)state;
    hulse_front_open(&where, 5);
    hulse_front_permit(10);
    hulse_attempt_comes('x', 1, 0, 2, 2);
    hulse_attempt_comes('y', 1, 0, 2, 3);
    hulse_attempt_comes('y', 1, 1, 2, 4);
    hulse_front_has(0, 100);
    hulse_front_ack(0);
    hulse_stage_turn();
    assert_int_equal(front.caught_up, 1);
    hulse_stage_wait(1001);
    assert_int_equal(front.lost, 0);
}

/* What another attempt brought is acknowledged: what is left of the others is nobody's, also what comes of them afterwards. */
static void what_is_done_ends_all_its_attempts(void **state)
{
    const struct front_where where = {.type = BROKER_SHARED,
                                      .chunking = {.pending_max = 5, .expire_ms = 1000}};
    (void)state;
    hulse_chunks_open(&where, 20);
    hulse_attempt_comes('x', 1, 0, 3, 1);
    hulse_attempt_comes('x', 1, 1, 3, 2);
    hulse_attempt_comes('x', 2, 0, 3, 3); /* another message's */
    for (int32_t i = 0; i < 3; i++) {
        hulse_attempt_comes('y', 1, i, 3, 4 + (uint64_t)i);
    }
    hulse_front_has(0, 100);
    hulse_front_says_nothing();
    hulse_front_ack(0);
    HULSE_FRONT_ACKS(1, 2, 4, 5, 6);
    hulse_attempt_comes('z', 1, 0, 3, 7);
    hulse_front_says_nothing();
    hulse_stage_wait(1001);
    HULSE_FRONT_ACKS(7);
    assert_int_equal(stage.worker.consumers->figures.chunks_given_up, 1); /* that other message */
}

/* A broker that had the message drops the last chunk of what goes again: that is no loss. */
static void what_is_done_is_no_loss_of_a_reader(void **state)
{
    const struct front_where where = {.type = BROKER_READER,
                                      .start = {.kind = BROKER_EARLIEST},
                                      .chunking = {.pending_max = 5, .expire_ms = 1000}};
    (void)state;
    hulse_front_open(&where, 4);
    hulse_front_permit(10);
    hulse_attempt_comes('x', 1, 0, 2, 2);
    hulse_attempt_comes('x', 1, 1, 2, 3);
    hulse_front_has(0, 100);
    hulse_front_ack(0);
    hulse_attempt_comes('y', 1, 0, 2, 4);
    hulse_stage_turn();
    hulse_stage_wait(1001);
    assert_int_equal(front.lost, 0);
    assert_int_equal(stage.worker.consumers->figures.chunks_given_up, 0);
}

/* Of other clients a name and a number may be another message the next time. */
static void what_is_done_says_nothing_of_other_clients(void **state)
{
    const struct front_where where = {.type = BROKER_SHARED,
                                      .chunking = {.pending_max = 5, .expire_ms = 1000}};
    (void)state;
    hulse_chunks_open(&where, 20);
    hulse_chunk_comes(1, 0, 2, 1);
    hulse_chunk_comes(1, 1, 2, 2);
    hulse_front_has(0, 100);
    hulse_front_ack(0);
    HULSE_FRONT_ACKS(1, 2);
    hulse_chunk_comes(1, 0, 2, 3);
    hulse_stage_wait(1001);
    hulse_front_says_nothing();
    assert_int_equal(stage.worker.consumers->figures.chunks_given_up, 1);
}

/* Both attempts are whole in the topic: what of the second one comes after the verdict ends like what came before it. */
static void the_rest_of_what_is_done_ends_too(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 20);
    hulse_attempt_comes('x', 1, 0, 2, 1);
    hulse_attempt_comes('x', 1, 1, 2, 2);
    hulse_front_has(0, 100);
    hulse_attempt_comes('y', 1, 0, 2, 3);
    hulse_front_ack(0);
    HULSE_FRONT_ACKS(1, 2, 3);
    hulse_attempt_comes('y', 1, 1, 2, 4);
    assert_int_equal(stage.worker.consumers->figures.unreadable, 0);
    HULSE_FRONT_ACKS(4);
}

static void the_rest_of_what_is_done_is_no_loss_of_a_reader(void **state)
{
    (void)state;
    hulse_front_open(&reader, 5);
    hulse_front_permit(10);
    hulse_attempt_comes('x', 1, 0, 2, 1);
    hulse_attempt_comes('x', 1, 1, 2, 2);
    hulse_front_has(0, 100);
    hulse_attempt_comes('y', 1, 0, 2, 3);
    hulse_front_ack(0);
    hulse_attempt_comes('y', 1, 1, 2, 4);
    assert_int_equal(front.lost, 0);
    assert_int_equal(stage.worker.consumers->figures.unreadable, 0);
}

/* It is in a row, too, and was no message without a beginning. */
static void the_rest_of_what_is_done_is_repeated(void **state)
{
    (void)state;
    hulse_chunks_open(&exclusive, 20);
    hulse_attempt_comes('x', 1, 0, 2, 1);
    hulse_attempt_comes('x', 1, 1, 2, 2);
    hulse_front_has(0, 100);
    hulse_attempt_comes('y', 1, 0, 3, 3);
    hulse_front_ack(0);
    HULSE_FRONT_ACKS(1, 2, 3);
    hulse_attempt_comes('y', 1, 1, 3, 4);
    hulse_attempt_comes('y', 1, 2, 3, 5);
    HULSE_FRONT_ACKS(4, 5);
    assert_int_equal(stage.worker.consumers->figures.chunks_repeated, 2);
    assert_int_equal(stage.worker.consumers->figures.chunks_orphaned, 0);
}

/* The first message, in two chunks with another's first one between them, is acknowledged. */
static void play_done(void)
{
    hulse_chunks_open(&narrow, 20);
    hulse_attempt_comes('x', 1, 0, 2, 1);
    hulse_attempt_comes('x', 1, 1, 2, 3);
    hulse_front_has(0, 100);
    hulse_front_ack(0);
    HULSE_FRONT_ACKS(1, 3);
}

static void play_seek(void)
{
    const struct broker_position to = {.kind = BROKER_EARLIEST};
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    hulse_front_skip_flows();
    hulse_stage_success(hulse_stage_next(TYPE(SEEK))->seek->request_id);
    hulse_stage_success(hulse_stage_next(TYPE(SUBSCRIBE))->subscribe->request_id);
    hulse_stage_turn();
    stage.first = stage.count;
}

/* It was moved back to a message that it had acknowledged: that is to come once more, when there is room. */
static void after_a_seek_nothing_is_done(void **state)
{
    (void)state;
    play_done();
    play_seek();
    hulse_attempt_comes('x', 1, 0, 2, 1);
    hulse_attempt_comes('x', 2, 0, 2, 2); /* takes its room */
    hulse_attempt_comes('x', 1, 1, 2, 3);
    hulse_front_says_nothing();
}

/* Nor when it waits for its rest, or the rest comes alone. */
static void after_a_seek_nothing_is_over(void **state)
{
    (void)state;
    play_done();
    play_seek();
    hulse_attempt_comes('y', 1, 1, 2, 5);
    hulse_attempt_comes('x', 1, 1, 2, 3);
    hulse_attempt_comes('x', 1, 0, 2, 1);
    hulse_stage_wait(1001);
    hulse_front_says_nothing();
}

/* Nor where somebody else has moved it back, which a broker does not say. */
static void what_comes_again_is_not_over(void **state)
{
    (void)state;
    play_done();
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_session();
    stage.first = stage.count;
    hulse_attempt_comes('x', 1, 0, 2, 1);
    hulse_stage_wait(1001);
    hulse_front_says_nothing();
    hulse_attempt_comes('x', 1, 1, 2, 3);
    hulse_front_asks(2);
    hulse_attempt_comes('x', 1, 0, 2, 1);
    hulse_attempt_comes('x', 1, 1, 2, 3);
    hulse_front_has(1, 100);
}

/* A broker does not say that somebody else has moved it back: a message for which there is no room is not done by that. */
static void for_want_of_room_nothing_is_done(void **state)
{
    (void)state;
    play_done();
    hulse_attempt_comes('y', 1, 0, 2, 4);
    hulse_attempt_comes('x', 2, 0, 2, 5);
    hulse_attempt_comes('y', 1, 1, 2, 6);
    hulse_attempt_comes('x', 2, 1, 2, 7);
    hulse_front_has(1, 200);
    hulse_front_says_nothing();
    hulse_stage_wait(1001);
    hulse_front_asks(2);
}

/* It is one message, whatever comes of it behind the gap. */
static void a_gap_is_one_loss_of_a_reader(void **state)
{
    (void)state;
    hulse_front_open(&reader, 5);
    hulse_front_permit(10);
    hulse_chunk_comes(0, 0, 3, 1);
    hulse_chunk_comes(0, 2, 3, 3);
    assert_int_equal(front.lost, 1);
    hulse_chunk_comes(1, 0, 4, 5);
    hulse_chunk_comes(1, 2, 4, 7);
    hulse_chunk_comes(1, 3, 4, 8);
    assert_int_equal(front.lost, 2);
    hulse_chunk_comes(2, 0, 2, 9);
    hulse_stage_wait(1001);
    assert_int_equal(front.lost, 3);
    hulse_chunk_comes(2, 1, 2, 10); /* too late */
    assert_int_equal(front.lost, 3);
}

/* One message refused whose bytes are gone, and the beginning of another one let go for that. */
static void play_rewind(void)
{
    hulse_chunks_open(&exclusive, 20);
    front.copies = true;
    stage.worker.consumers->held_bytes_max = 0;
    hulse_small_comes(7, 1);
    hulse_chunk_comes(1, 0, 2, 2);
    hulse_front_nack(0, 0);
    hulse_front_asks(0);
}

/* It was on its way when everything was asked for again, of a broker that says no epoch: its beginning comes once more. */
static void what_is_late_after_a_rewind_is_not_acknowledged(void **state)
{
    (void)state;
    play_rewind();
    hulse_chunk_comes(1, 1, 2, 3);
    hulse_front_says_nothing();
    hulse_small_comes(7, 1);
    hulse_chunk_comes(1, 0, 2, 2);
    hulse_chunk_comes(1, 1, 2, 3);
    hulse_front_has(1, 7);
    hulse_front_has(2, 100);
}

/* Nothing is late any more when the broker has gone back, or says the new epoch. */
static void a_gap_behind_a_rewind_is_over(void **state)
{
    (void)state;
    play_rewind();
    hulse_small_comes(7, 1);
    hulse_chunk_comes(2, 1, 2, 5);
    HULSE_FRONT_ACKS(5);
}

/* Nor behind a seek, from where everything is of the new subscription. */
static void a_gap_behind_a_seek_is_over(void **state)
{
    (void)state;
    play_rewind();
    play_seek();
    hulse_chunk_comes(2, 1, 2, 5);
    HULSE_FRONT_ACKS(5);
}

static void a_gap_in_the_new_epoch_is_over(void **state)
{
    (void)state;
    play_rewind();
    hulse_stage_message(&(struct stage_entry){
        .ledger = 1, .entry = 5, .number = 201, .chunks = 2, .chunk = 1, .message = 2, .epoch = 1});
    HULSE_FRONT_ACKS(5);
}

/* The rest of an attempt that nobody waits for may be the last of the topic. */
static void a_reader_has_caught_up_with_what_is_done(void **state)
{
    (void)state;
    hulse_front_open(&reader, 5);
    hulse_front_permit(10);
    hulse_attempt_comes('x', 1, 0, 2, 2);
    hulse_attempt_comes('x', 1, 1, 2, 3);
    hulse_front_has(0, 100);
    hulse_front_ack(0);
    hulse_attempt_comes('y', 1, 0, 2, 4);
    hulse_stage_turn();
    hulse_stage_wait(1001);
    hulse_stage_wait(100000);
    assert_int_equal(front.lost, 0);
    assert_int_equal(front.caught_up, 1);
}

static void a_reader_has_caught_up_with_what_a_verdict_ends(void **state)
{
    (void)state;
    hulse_front_open(&reader, 5);
    hulse_front_permit(10);
    hulse_attempt_comes('x', 1, 0, 2, 2);
    hulse_attempt_comes('x', 1, 1, 2, 3);
    hulse_front_has(0, 100);
    hulse_attempt_comes('y', 1, 0, 2, 4);
    assert_int_equal(front.caught_up, 0);
    hulse_front_ack(0);
    assert_int_equal(front.caught_up, 1);
}

static void a_reader_has_caught_up_with_a_copy(void **state)
{
    (void)state;
    hulse_front_open(&reader, 5);
    hulse_front_permit(10);
    hulse_attempt_comes('x', 1, 0, 2, 2);
    hulse_attempt_comes('x', 1, 1, 2, 3);
    hulse_front_ack(0);
    assert_int_equal(front.caught_up, 0);
    hulse_attempt_comes('x', 1, 1, 2, 4);
    assert_int_equal(front.caught_up, 1);
}

/* Where it begins after a loss. */
static uint64_t starts_behind(void)
{
    hulse_stage_lose();
    return hulse_front_begin_again();
}

static void play_two_that_wait(void)
{
    hulse_small_comes(8, 5);
    hulse_small_comes(9, 6);
    hulse_attempt_comes('x', 1, 1, 2, 7); /* a copy */
}

/* What has no permit yet is to come again after a loss; the copy behind it is passed over when it was handed out. */
static void a_copy_passes_over_nothing_that_waits(void **state)
{
    (void)state;
    hulse_front_open(&reader, 8);
    hulse_front_permit(2);
    hulse_attempt_comes('x', 1, 0, 2, 2);
    hulse_attempt_comes('x', 1, 1, 2, 3);
    hulse_front_ack(0);
    hulse_small_comes(7, 4);
    play_two_that_wait();
    assert_int_equal(front.count, 2);
    assert_int_equal(starts_behind(), 4);
    hulse_front_permit(1);
    assert_int_equal(starts_behind(), 4);
    play_two_that_wait();
    hulse_front_has(2, 8);
    hulse_front_permit(1);
    hulse_front_has(3, 9);
    assert_int_equal(starts_behind(), 7);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(a_producer_may_begin_anew),
                                       TEST(another_attempt_ends_the_one_before),
                                       TEST(another_attempt_ends_none_that_is_shared),
                                       TEST(to_begin_anew_ends_nothing_that_is_complete),
                                       TEST(another_attempt_ends_nothing_that_is_complete),
                                       TEST(another_attempt_ends_none_behind_what_was_forgotten),
                                       TEST(another_attempt_ends_the_one_that_was_given_up),
                                       TEST(to_begin_anew_ends_what_is_torn),
                                       TEST(an_earlier_attempt_ends_none_behind_it),
                                       TEST(one_that_comes_again_ends_none_behind_it),
                                       TEST(another_attempt_is_no_loss_of_a_reader),
                                       TEST(what_is_done_ends_all_its_attempts),
                                       TEST(what_is_done_is_no_loss_of_a_reader),
                                       TEST(what_is_done_says_nothing_of_other_clients),
                                       TEST(the_rest_of_what_is_done_ends_too),
                                       TEST(the_rest_of_what_is_done_is_no_loss_of_a_reader),
                                       TEST(the_rest_of_what_is_done_is_repeated),
                                       TEST(after_a_seek_nothing_is_done),
                                       TEST(after_a_seek_nothing_is_over),
                                       TEST(what_comes_again_is_not_over),
                                       TEST(for_want_of_room_nothing_is_done),
                                       TEST(a_gap_is_one_loss_of_a_reader),
                                       TEST(what_is_late_after_a_rewind_is_not_acknowledged),
                                       TEST(a_gap_behind_a_rewind_is_over),
                                       TEST(a_gap_behind_a_seek_is_over),
                                       TEST(a_gap_in_the_new_epoch_is_over),
                                       TEST(a_reader_has_caught_up_with_what_is_done),
                                       TEST(a_reader_has_caught_up_with_what_a_verdict_ends),
                                       TEST(a_copy_passes_over_nothing_that_waits),
                                       TEST(a_reader_has_caught_up_with_a_copy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
