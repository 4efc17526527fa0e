/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a reader comes past whatever it cannot have, to the end of its topic, and hears of each loss once, however often
 *         its session begins anew.
 * Method: entries as a broker sends them, sessions that end, what consumers send.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/chunk_front.h"

static const struct front_where reader = {.type = BROKER_READER,
                                          .start = {.kind = BROKER_EARLIEST},
                                          .chunking = {.pending_max = 5, .expire_ms = 1000}};

/* ---- the end of the topic ---- */

static void ends_with(const struct stage_entry *e, uint64_t lost)
{
    hulse_front_open(&reader, e->entry + 1);
    hulse_front_permit(10);
    assert_int_equal(front.caught_up, 0);
    hulse_stage_message(e);
    assert_int_equal(front.lost, lost);
    assert_int_equal(front.caught_up, 1);
}

static void has_caught_up_with_what_is_damaged(void **state)
{
    (void)state;
    ends_with(&(struct stage_entry){.ledger = 1, .entry = 2, .compression = 1, .claimed = 99}, 1);
}

static void has_caught_up_with_a_wrong_checksum(void **state)
{
    (void)state;
    ends_with(&(struct stage_entry){.ledger = 1, .entry = 2, .bad_checksum = true}, 1);
}

static void has_caught_up_with_what_is_encrypted(void **state)
{
    (void)state;
    ends_with(&(struct stage_entry){.ledger = 1, .entry = 2, .encrypted = true}, 0);
}

static void has_caught_up_with_what_is_too_large(void **state)
{
    (void)state;
    ends_with(&(struct stage_entry){.ledger = 1,
                                    .entry = 2,
                                    .chunks = 2,
                                    .chunk = 1,
                                    .chunked_bytes = STAGE_CHUNKED_BYTES_MAX + 1},
              0);
}

/* Its first chunks have lost their room to another message, which was had, and asks for them in so long. */
static void find_no_room(uint32_t expire_ms, uint64_t entries)
{
    const struct front_where narrow = {.type = BROKER_READER,
                                       .start = {.kind = BROKER_EARLIEST},
                                       .chunking = {.pending_max = 1, .expire_ms = expire_ms}};
    hulse_front_open(&narrow, entries);
    hulse_front_permit(10);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(1, 0, 2, 2); /* takes its room */
    hulse_chunk_comes(0, 1, 2, 3);
    hulse_chunk_comes(1, 1, 2, 4);
    hulse_front_has(0, 100);
    hulse_front_ack(0);
}

/* What found no room is asked for when the others are through, and stands before them. */
static void has_caught_up_with_what_found_no_room(void **state)
{
    (void)state;
    find_no_room(1000, 5);
    hulse_front_answer_acks();
    hulse_stage_wait(1001);
    hulse_front_asks(0);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(0, 1, 2, 3);
    hulse_front_has(1, 0);
    assert_int_equal(front.messages[1].d->id.entry, 3);
    hulse_front_ack(1);
    assert_int_equal(front.caught_up, 1);
}

/* Their bytes are the application's alone: what it refuses has to come again. */
static void have_two_that_are_not_kept(void)
{
    hulse_front_open(&reader, 3);
    hulse_front_permit(10);
    front.copies = true;
    stage.worker.consumers->held_bytes_max = 0;
    hulse_small_comes(7, 1);
    hulse_small_comes(8, 2);
}

/* Nothing of it is here while it is asked for. */
static void has_not_caught_up_with_what_is_asked_for(void **state)
{
    (void)state;
    have_two_that_are_not_kept();
    hulse_front_give_back(0);
    hulse_front_asks(0);
    hulse_front_ack(1);
    assert_int_equal(front.caught_up, 0);
    hulse_front_answer_acks();
    hulse_small_comes(7, 1);
    hulse_front_has(2, 7);
    assert_int_equal(front.caught_up, 0);
    hulse_front_ack(2);
    assert_int_equal(front.caught_up, 1);
}

/* ---- the next session ---- */

static void torn_comes(uint64_t entry)
{
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .entry = entry, .bad_checksum = true});
}

/* It begins anew for the damaged one, before the message that is not whole; the second time it comes past both. */
static void a_damaged_chunk_is_met_twice(void **state)
{
    (void)state;
    hulse_front_open(&reader, 6);
    hulse_front_permit(10);
    hulse_chunk_comes(0, 0, 3, 1);
    torn_comes(2);
    assert_int_equal(front.lost, 1);
    assert_int_equal(hulse_front_begin_again(), 1);
    hulse_chunk_comes(0, 0, 3, 1);
    torn_comes(2);
    assert_int_equal(front.lost, 1);
    hulse_chunk_comes(0, 2, 3, 3);
    assert_int_equal(front.lost, 2); /* whose chunk that was nobody knows */
    hulse_small_comes(7, 4);
    hulse_front_has(0, 7);
    assert_int_equal(stage.worker.consumers->figures.corrupted_checksum, 1);
}

/* A new one behind it is told, and nothing is known any more after a seek. */
static void others_are_lost_too(void **state)
{
    const struct broker_position to = {.kind = BROKER_EARLIEST};
    (void)state;
    hulse_front_open(&reader, 6);
    hulse_front_permit(10);
    torn_comes(2);
    (void)hulse_front_begin_again();
    torn_comes(3);
    assert_int_equal(front.lost, 2);
    (void)hulse_front_begin_again();
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    hulse_front_skip_flows();
    hulse_stage_success(hulse_stage_next(TYPE(SEEK))->seek->request_id);
    hulse_stage_success(hulse_stage_next(TYPE(SUBSCRIBE))->subscribe->request_id);
    hulse_stage_turn();
    torn_comes(2);
    assert_int_equal(front.lost, 3);
}

/* What waits for a permit comes again, and what is damaged behind it. */
static void a_loss_behind_what_waits_is_one(void **state)
{
    const struct stage_entry four = {.ledger = 1, .entry = 1, .batch = 4, .number = 1};
    (void)state;
    hulse_front_open(&reader, 6);
    hulse_front_permit(1);
    hulse_stage_message(&four);
    torn_comes(2);
    assert_int_equal(front.lost, 1);
    (void)hulse_front_begin_again();
    hulse_front_permit(1);
    hulse_stage_message(&four);
    hulse_front_has(1, 2);
    torn_comes(2);
    assert_int_equal(front.lost, 1);
    hulse_small_comes(9, 3);
    hulse_front_permit(3);
    hulse_front_has(4, 9);
}

/* The session begins before a message that is not whole, and what was lost behind its beginning comes once more. */
static void a_gap_is_one_loss_of_two_sessions(void **state)
{
    (void)state;
    hulse_front_open(&reader, 9);
    hulse_front_permit(10);
    for (uint32_t i = 0; i < 2; i++) {
        hulse_chunk_comes(0, 0, 2, 1);
        hulse_chunk_comes(1, 0, 3, 2);
        hulse_chunk_comes(1, 2, 3, 3);
        assert_int_equal(front.lost, 1);
        if (i == 0) {
            hulse_stage_lose();
            assert_int_equal(hulse_front_begin_again(), 1);
        }
    }
    hulse_chunk_comes(0, 1, 2, 4);
    hulse_front_has(0, 0);
    /* Of another client it may be another message. */
    hulse_chunk_comes(1, 0, 3, 5);
    hulse_chunk_comes(1, 2, 3, 6);
    assert_int_equal(front.lost, 2);
}

static void its_end_alone_is_one_loss_of_two_sessions(void **state)
{
    (void)state;
    hulse_front_open(&reader, 9);
    hulse_front_permit(1);
    for (uint32_t i = 0; i < 2; i++) {
        hulse_small_comes(7, 1);
        hulse_small_comes(8, 2); /* waits, so the next session begins before it */
        hulse_chunk_comes(1, 1, 2, 3);
        assert_int_equal(front.lost, 1);
        if (i == 0) {
            hulse_stage_lose();
            assert_int_equal(hulse_front_begin_again(), 1);
        }
    }
}

static void liar_comes(int32_t chunk, uint32_t bytes)
{
    hulse_stage_message(&(struct stage_entry){.ledger = 1,
                                              .entry = 1 + (uint64_t)chunk,
                                              .chunks = 3,
                                              .chunk = chunk,
                                              .bytes = bytes,
                                              .chunked_bytes = 9});
}

/* What is left of a message whose sizes lie is no other one, nor to stay in the backlog of a Shared subscription. */
static void what_lies_is_one_loss(void **state)
{
    (void)state;
    hulse_front_open(&reader, 9);
    hulse_front_permit(10);
    liar_comes(0, 4);
    liar_comes(1, 8);
    assert_int_equal(front.lost, 1);
    liar_comes(2, 4);
    assert_int_equal(front.lost, 1);
}

static void what_lies_leaves_nothing_behind(void **state)
{
    const struct front_where shared = {.type = BROKER_SHARED};
    (void)state;
    hulse_chunks_open(&shared, 10);
    liar_comes(0, 4);
    liar_comes(1, 8);
    hulse_stage_turn();
    stage.first = stage.count;
    liar_comes(2, 4);
    HULSE_FRONT_ACKS(3);
    assert_int_equal(stage.worker.consumers->figures.unreadable, 0);
}

/* A session may end before anything has come, or not come about: the next one begins as far before. */
static void reaches_back_until_it_has_come(void **state)
{
    (void)state;
    hulse_front_open(&reader, 9);
    hulse_front_permit(10);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_small_comes(7, 2);
    hulse_front_has(0, 7);
    hulse_stage_lose();
    assert_int_equal(hulse_front_begin_again(), 1);
    hulse_stage_lose();
    assert_int_equal(hulse_front_begin_again(), 1);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_small_comes(7, 2);
    hulse_chunk_comes(0, 1, 2, 3);
    assert_int_equal(front.count, 2);
    hulse_front_has(1, 0);
    hulse_front_ack(0);
    hulse_front_ack(1);
    hulse_stage_lose();
    assert_int_equal(hulse_front_begin_again(), 3);
}

/* It stands before what the reader had, and was never its own. */
static void what_found_no_room_outlives_a_session(void **state)
{
    (void)state;
    find_no_room(50000, 9);
    hulse_stage_lose();
    assert_int_equal(hulse_front_begin_again(), 1);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(0, 1, 2, 3);
    hulse_front_has(1, 0);
}

static void what_was_refused_outlives_a_session(void **state)
{
    (void)state;
    have_two_that_are_not_kept();
    hulse_front_nack(0, 0);
    hulse_front_ack(1);
    hulse_stage_lose();
    assert_int_equal(hulse_front_begin_again(), 1);
    hulse_small_comes(7, 1);
    hulse_front_has(2, 7);
    hulse_small_comes(8, 2);
    assert_int_equal(front.count, 3);
    hulse_front_ack(2);
    assert_int_equal(front.caught_up, 1);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(has_caught_up_with_what_is_damaged),
                                       TEST(has_caught_up_with_a_wrong_checksum),
                                       TEST(has_caught_up_with_what_is_encrypted),
                                       TEST(has_caught_up_with_what_is_too_large),
                                       TEST(has_caught_up_with_what_found_no_room),
                                       TEST(has_not_caught_up_with_what_is_asked_for),
                                       TEST(a_damaged_chunk_is_met_twice),
                                       TEST(others_are_lost_too),
                                       TEST(a_loss_behind_what_waits_is_one),
                                       TEST(a_gap_is_one_loss_of_two_sessions),
                                       TEST(its_end_alone_is_one_loss_of_two_sessions),
                                       TEST(what_lies_is_one_loss),
                                       TEST(what_lies_leaves_nothing_behind),
                                       TEST(reaches_back_until_it_has_come),
                                       TEST(what_found_no_room_outlives_a_session),
                                       TEST(what_was_refused_outlives_a_session)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
