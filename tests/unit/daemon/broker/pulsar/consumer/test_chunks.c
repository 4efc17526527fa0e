/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what comes in chunks is one message: whole, in order, with one verdict for all its entries; what is not whole is
 *         bounded, given up as the rule says, and nothing of it is acknowledged that could still be read.
 * Method: entries as a broker sends them, in every order; time; what consumers send.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/chunk_front.h"

#include <string.h>

static const struct front_where shared = {.type = BROKER_SHARED};
static const struct front_where exclusive = {.type = BROKER_EXCLUSIVE};

static void a_message_is_whole_with_its_last_chunk(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 10);
    hulse_chunk_comes(0, 0, 3, 1);
    hulse_small_comes(7, 2);
    hulse_chunk_comes(1, 0, 2, 3);
    hulse_chunk_comes(0, 1, 3, 4);
    assert_int_equal(front.count, 1);
    hulse_chunk_comes(0, 2, 3, 5);
    hulse_chunk_comes(1, 1, 2, 6);
    assert_int_equal(front.count, 3);
    hulse_front_has(0, 7);
    hulse_front_has(1, 0);
    hulse_front_has(2, 100);
    const struct broker_delivery *d = front.messages[1].d;
    assert_int_equal(d->payload.bytes, 12);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t number = 0;
        memcpy(&number, d->payload.data + 4 * (size_t)i, sizeof(number));
        assert_int_equal(number, i);
    }
    assert_int_equal(d->id.entry, 5);
    assert_int_equal(d->id.batch, -1);
    assert_int_equal(d->id.batch_size, 3);
    assert_int_equal(stage.worker.consumers->figures.chunked, 2);
    hulse_front_ack(1);
    HULSE_FRONT_ACKS(1, 4, 5);
    hulse_front_ack(2);
    HULSE_FRONT_ACKS(3, 6);
}

/* What costs a permit at the broker and is no message is asked for again. */
static void a_chunk_costs_no_permit(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 1);
    hulse_chunk_comes(0, 0, 2, 1);
    assert_int_equal(hulse_stage_flow(), 1);
    hulse_chunk_comes(0, 1, 2, 2);
    assert_int_equal(front.count, 1);
    hulse_stage_nothing();
    /* What is known to come is asked for at once; of a new message, what the last one had. */
    hulse_front_permit(1);
    assert_int_equal(hulse_stage_flow(), 2);
    hulse_chunk_comes(1, 0, 6, 3);
    assert_int_equal(hulse_stage_flow(), 4);
    for (int32_t i = 1; i < 6; i++) {
        hulse_chunk_comes(1, i, 6, 3 + (uint64_t)i);
    }
    assert_int_equal(front.count, 2);
    hulse_stage_nothing();
    hulse_front_permit(1);
    assert_int_equal(hulse_stage_flow(), 6);
    hulse_chunk_comes(2, 0, 1000, 10);
    assert_int_equal(hulse_stage_flow(), PULSAR_CHUNKS_AHEAD - 4);
}

/* Others come in place of the chunks that were expected: they wait for their permits, and no more are expected. */
static void what_is_not_like_the_last_one_waits(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 1);
    hulse_chunk_comes(0, 0, 2, 1);
    (void)hulse_stage_flow();
    hulse_chunk_comes(0, 1, 2, 2);
    hulse_front_permit(1);
    assert_int_equal(hulse_stage_flow(), 2);
    hulse_small_comes(7, 3);
    hulse_small_comes(8, 4);
    assert_int_equal(front.count, 2);
    hulse_front_has(1, 7);
    hulse_stage_nothing();
    hulse_front_permit(1);
    hulse_front_has(2, 8);
    hulse_stage_nothing();
    hulse_front_permit(1);
    assert_int_equal(hulse_stage_flow(), 1);
}

static void a_refused_one_comes_again_with_all_its_chunks(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 10);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(0, 1, 2, 2);
    hulse_front_nack(0, 5);
    hulse_front_says_nothing();
    hulse_stage_wait(6);
    hulse_front_asks(2);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(0, 1, 2, 2);
    hulse_front_has(1, 0);
    hulse_front_give_back(1);
    hulse_front_asks(2);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(0, 1, 2, 2);
    hulse_front_ack(2);
    HULSE_FRONT_ACKS(1, 2);
}

/* In order it is kept here; too large for that it comes with everything. */
static void a_refused_one_of_a_row_comes_again(void **state)
{
    (void)state;
    hulse_chunks_open(&exclusive, 10);
    front.copies = true;
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(0, 1, 2, 2);
    hulse_front_nack(0, 0);
    hulse_stage_wait(2);
    hulse_front_has(1, 0);
    hulse_front_says_nothing();
    hulse_front_nack(1, 0);
    stage.worker.consumers->held_bytes_max = 0;
    hulse_stage_wait(2);
    hulse_small_comes(9, 3);
    hulse_chunk_comes(1, 0, 2, 4);
    hulse_chunk_comes(1, 1, 2, 5);
    const uint32_t at = front.count - 1;
    hulse_front_has(at, 100);
    hulse_front_nack(at, 0);
    hulse_stage_wait(2);
    hulse_front_asks(0);
    hulse_chunk_comes(1, 0, 2, 4);
    hulse_chunk_comes(1, 1, 2, 5);
    hulse_front_has(at + 1, 100);
}

static void copies_are_told_from_what_comes_again(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 10);
    hulse_chunk_comes(0, 0, 3, 1);
    hulse_chunk_comes(0, 1, 3, 2);
    hulse_chunk_comes(0, 0, 3, 1); /* the same entries: the broker's doing */
    hulse_chunk_comes(0, 1, 3, 2);
    hulse_front_says_nothing();
    hulse_chunk_comes(0, 1, 3, 3); /* another entry: the producer's */
    HULSE_FRONT_ACKS(3);
    hulse_chunk_comes(0, 2, 3, 4);
    hulse_front_has(0, 0);
    hulse_chunk_comes(0, 2, 3, 5);
    HULSE_FRONT_ACKS(5);
    hulse_front_ack(0);
    HULSE_FRONT_ACKS(1, 2, 4);
    hulse_chunk_comes(0, 2, 3, 6); /* it is over, and known to be */
    HULSE_FRONT_ACKS(6);
    assert_int_equal(stage.worker.consumers->figures.chunks_repeated, 3);
    assert_int_equal(front.count, 1);
}

static void too_many_give_the_oldest_up(void **state)
{
    const struct front_where where = {.type = BROKER_SHARED,
                                      .chunking = {.pending_max = 2, .expire_ms = 1000}};
    (void)state;
    hulse_chunks_open(&where, 10);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(1, 0, 2, 2);
    hulse_chunk_comes(2, 0, 2, 3);
    hulse_chunk_comes(0, 1, 2, 4); /* of the one that was given up */
    hulse_front_says_nothing();
    assert_int_equal(stage.worker.consumers->figures.chunks_given_up, 1);
    hulse_chunk_comes(1, 1, 2, 5);
    hulse_chunk_comes(2, 1, 2, 6);
    assert_int_equal(front.count, 2);
    hulse_stage_wait(1001);
    hulse_front_asks(2);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(0, 1, 2, 4);
    hulse_front_has(2, 0);
}

static void the_rule_may_acknowledge_what_is_given_up(void **state)
{
    const struct front_where where = {
        .type = BROKER_SHARED, .chunking = {.pending_max = 1, .expire_ms = 1000, .auto_ack = true}};
    (void)state;
    hulse_chunks_open(&where, 10);
    hulse_chunk_comes(0, 0, 3, 1);
    hulse_chunk_comes(0, 1, 3, 2);
    hulse_chunk_comes(1, 0, 2, 3);
    HULSE_FRONT_ACKS(1, 2);
    hulse_stage_wait(1002);
    HULSE_FRONT_ACKS(3);
}

/* Nothing more comes of it for a time; then it does. */
static void one_that_waits_for_too_long_is_given_up(void **state)
{
    const struct front_where where = {.type = BROKER_SHARED,
                                      .chunking = {.pending_max = 5, .expire_ms = 1000}};
    (void)state;
    hulse_chunks_open(&where, 10);
    hulse_chunk_comes(0, 0, 3, 1);
    hulse_stage_wait(600);
    hulse_chunk_comes(0, 1, 3, 2);
    hulse_stage_wait(600);
    assert_int_equal(stage.worker.consumers->figures.chunks_given_up, 0);
    hulse_stage_wait(600);
    assert_int_equal(stage.worker.consumers->figures.chunks_given_up, 1);
    assert_int_equal(stage.worker.consumers->chunk_bytes, 0);
    hulse_stage_wait(5000);
    hulse_front_says_nothing();
    hulse_chunk_comes(0, 2, 3, 3);
    hulse_front_asks(3);
    hulse_chunk_comes(0, 0, 3, 1);
    hulse_chunk_comes(0, 1, 3, 2);
    hulse_chunk_comes(0, 2, 3, 3);
    hulse_front_has(0, 0);
}

/* What the broker has no permits for cannot come. */
static void who_asks_for_nothing_gives_nothing_up(void **state)
{
    const struct front_where where = {.type = BROKER_SHARED,
                                      .chunking = {.pending_max = 5, .expire_ms = 1000}};
    (void)state;
    hulse_chunks_open(&where, 1);
    hulse_chunk_comes(0, 0, 3, 1);
    hulse_small_comes(1, 2);
    hulse_stage_wait(5000);
    assert_int_equal(stage.worker.consumers->figures.chunks_given_up, 0);
}

static void a_gap_leaves_everything_as_it_is(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 10);
    hulse_chunk_comes(0, 0, 4, 1);
    hulse_chunk_comes(0, 2, 4, 2);
    hulse_chunk_comes(0, 3, 4, 3);
    hulse_chunk_comes(1, 1, 2, 4); /* one that began elsewhere */
    hulse_stage_wait(9000);
    hulse_front_says_nothing();
    assert_int_equal(front.count, 0);
    assert_int_equal(stage.worker.consumers->figures.chunks_given_up, 1);
    assert_int_equal(stage.worker.consumers->figures.unreadable, 1);
}

/* In order, what is missing was acknowledged before, or expired: the rest of the message is nobody's. */
static void a_gap_in_a_row_is_over(void **state)
{
    (void)state;
    hulse_chunks_open(&exclusive, 10);
    hulse_chunk_comes(1, 1, 3, 1);
    hulse_chunk_comes(1, 2, 3, 2);
    hulse_chunk_comes(0, 0, 4, 3);
    hulse_chunk_comes(0, 2, 4, 4);
    hulse_chunk_comes(0, 3, 4, 5);
    HULSE_FRONT_ACKS(1, 2, 3, 4, 5);
    assert_int_equal(front.count, 0);
    assert_int_equal(stage.worker.consumers->figures.chunks_orphaned, 4);
}

static uint64_t seek_to(const struct broker_id *id)
{
    const struct broker_position to = {.kind = BROKER_AT_ID, .id = *id};
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    hulse_front_skip_flows();
    const Pulsar__CommandSeek *s = hulse_stage_next(TYPE(SEEK))->seek;
    const uint64_t entry = s->message_id->entryid;
    hulse_stage_success(s->request_id);
    hulse_stage_success(hulse_stage_next(TYPE(SUBSCRIBE))->subscribe->request_id);
    assert_int_equal(front.done, 1);
    assert_int_equal(front.done_with, HULSE_OK);
    hulse_stage_turn();
    stage.first = stage.count;
    return entry;
}

/* Its id is the last chunk's: the broker is moved to the first one by their time, and what is between is passed over. */
static void a_seek_begins_at_the_first_chunk(void **state)
{
    const struct broker_id id = {.ledger = 1, .entry = 5, .batch = -1, .batch_size = 2};
    (void)state;
    hulse_chunks_open(&exclusive, 10);
    assert_int_equal(seek_to(&id), 5);
    hulse_chunk_comes(0, 1, 2, 5);
    hulse_front_skip_flows();
    const Pulsar__CommandSeek *s = hulse_stage_next(TYPE(SEEK))->seek;
    assert_null(s->message_id);
    assert_int_equal(s->message_publish_time, 1001);
    hulse_stage_success(s->request_id);
    hulse_stage_success(hulse_stage_next(TYPE(SUBSCRIBE))->subscribe->request_id);
    hulse_stage_turn();
    stage.first = stage.count;
    assert_int_equal(front.done, 1);
    hulse_small_comes(6, 2);
    hulse_chunk_comes(0, 0, 2, 3);
    hulse_small_comes(7, 4);
    hulse_chunk_comes(0, 1, 2, 5);
    assert_int_equal(front.count, 1);
    hulse_front_has(0, 0);
    HULSE_FRONT_ACKS(2, 4);
    hulse_small_comes(8, 6);
    hulse_front_has(1, 8);
}

/* Of a Shared one the last chunk would not come: it begins as far before as there are chunks. */
static void a_shared_seek_begins_before_it(void **state)
{
    const struct broker_id id = {.ledger = 1, .entry = 5, .batch = -1, .batch_size = 3};
    (void)state;
    hulse_chunks_open(&shared, 10);
    assert_int_equal(seek_to(&id), 3);
    hulse_chunk_comes(0, 0, 3, 3);
    hulse_chunk_comes(0, 1, 3, 4);
    hulse_chunk_comes(0, 2, 3, 5);
    assert_int_equal(front.count, 1);
    hulse_front_has(0, 0);
}

/* The same of a reader, which begins its session anew. */
static void a_reader_begins_at_the_first_chunk(void **state)
{
    const struct front_where where = {
        .type = BROKER_READER,
        .start = {.kind = BROKER_AT_ID, .id = {.ledger = 1, .entry = 5, .batch = -1}}};
    (void)state;
    hulse_front_open(&where, 9);
    hulse_front_permit(10);
    hulse_chunk_comes(0, 1, 2, 5);
    hulse_stage_turn();
    stage.first = stage.count;
    hulse_stage_wait(1000);
    hulse_stage_found();
    hulse_stage_ready();
    hulse_stage_turn();
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    assert_null(s->start_message_id);
    assert_true(s->has_start_message_rollback_duration_sec);
    hulse_stage_success(s->request_id);
    hulse_stage_turn();
    hulse_small_comes(6, 2);
    hulse_chunk_comes(0, 0, 2, 3);
    hulse_small_comes(7, 4);
    hulse_chunk_comes(0, 1, 2, 5);
    assert_int_equal(front.count, 1);
    hulse_front_has(0, 0);
    assert_int_equal(front.lost, 0);
}

static void lies(const struct stage_entry *e, uint64_t acked)
{
    const uint64_t before = stage.worker.consumers->figures.discarded;
    hulse_stage_message(e);
    assert_int_equal(stage.worker.consumers->figures.discarded, before + 1);
    hulse_stage_turn();
    bool found = false;
    for (; stage.first < stage.count; stage.first++) {
        const Pulsar__BaseCommand *c = stage.sent[stage.first];
        for (size_t i = 0; c->type == TYPE(ACK) && i < c->ack->n_message_id; i++) {
            found =
                found || (c->ack->message_id[i]->entryid == acked && c->ack->has_validation_error);
        }
        if (c->type == TYPE(ACK)) {
            hulse_stage_acked(c->ack->request_id);
        }
    }
    assert_true(found);
    assert_int_equal(stage.worker.consumers->chunk_bytes, 0);
}

static void lies_are_damage(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 100);
    lies(&(struct stage_entry){.ledger = 1, .entry = 1, .chunks = 2, .chunk = 2}, 1);
    lies(&(struct stage_entry){.ledger = 1, .entry = 2, .chunks = 2, .chunk = -1}, 2);
    lies(&(struct stage_entry){.ledger = 1, .entry = 3, .chunks = INT32_MAX, .chunked_bytes = 100},
         3);
    lies(&(struct stage_entry){.ledger = 1, .entry = 4, .chunks = 2, .chunked_bytes = UINT32_MAX},
         4);
    /* More than all of them are to have. */
    lies(
        &(struct stage_entry){.ledger = 1, .entry = 5, .chunks = 2, .bytes = 9, .chunked_bytes = 8},
        5);
    /* Less than that at the end. */
    hulse_chunk_comes(3, 0, 2, 6);
    stage.first = stage.count;
    struct stage_entry short_one = {.ledger = 1,
                                    .entry = 7,
                                    .chunks = 2,
                                    .chunk = 1,
                                    .bytes = 5,
                                    .chunked_bytes = 8,
                                    .message = 3};
    lies(&short_one, 7);
    hulse_small_comes(1, 8);
    hulse_front_has(0, 1);
}

/* Nothing is allocated for what is larger than the rule allows, nor is it lost for those who allow more. */
static void too_large_is_left(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 100);
    assert_true(hulse_hands_take((struct pulsar_consumer *)(void *)front.consumer));
    const size_t before = hulse_mem_used(HULSE_MEM_BROKER);
    for (uint64_t i = 0; i < 20; i++) {
        hulse_stage_message(&(struct stage_entry){.ledger = 1,
                                                  .entry = i,
                                                  .chunks = 1000,
                                                  .chunk = (int32_t)(i % 2),
                                                  .message = (uint8_t)i,
                                                  .chunked_bytes = STAGE_CHUNKED_BYTES_MAX + 1});
    }
    hulse_front_says_nothing();
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), before);
    assert_int_equal(stage.worker.consumers->figures.unreadable, 20);
}

/* Each of them costs memory, though they are of a byte. */
static void too_many_are_left(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 10);
    assert_true(hulse_hands_take((struct pulsar_consumer *)(void *)front.consumer));
    const size_t before = hulse_mem_used(HULSE_MEM_BROKER);
    hulse_stage_message(&(struct stage_entry){.ledger = 1,
                                              .entry = 1,
                                              .chunks = PULSAR_CHUNKS_MAX + 1,
                                              .chunked_bytes = PULSAR_CHUNKS_MAX + 1});
    hulse_front_says_nothing();
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), before);
    assert_int_equal(stage.worker.consumers->figures.unreadable, 1);
    hulse_stage_message(&(struct stage_entry){
        .ledger = 1, .entry = 2, .chunks = PULSAR_CHUNKS_MAX, .chunked_bytes = PULSAR_CHUNKS_MAX});
    assert_int_equal(stage.worker.consumers->figures.unreadable, 1);
}

/* Without memory it is given up at once, and comes when there may be some. */
static void memory_may_be_short(void **state)
{
    const struct front_where where = {.type = BROKER_SHARED,
                                      .chunking = {.pending_max = 5, .expire_ms = 500}};
    (void)state;
    hulse_chunks_open(&where, 100);
    hulse_mem_init(hulse_mem_total() + 100000);
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .entry = 1, .chunks = 2, .chunked_bytes = 200000});
    assert_int_equal(stage.worker.consumers->figures.chunks_given_up, 1);
    hulse_mem_init(SIZE_MAX / 2);
    hulse_stage_wait(501);
    hulse_front_asks(1);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(0, 1, 2, 2);
    hulse_front_has(0, 0);
}

/* However many there is no room for, only so many are remembered; the others are the broker's. */
static void what_finds_no_room_has_a_bound(void **state)
{
    const struct front_where where = {.type = BROKER_SHARED,
                                      .chunking = {.pending_max = 5, .expire_ms = 500}};
    struct pulsar_consumers *set = stage.worker.consumers;
    (void)state;
    hulse_chunks_open(&where, 200);
    set->chunk_bytes_max = 1000000;
    set->chunk_bytes = 1000000; /* another consumer's */
    for (uint8_t i = 0; i < 150; i++) {
        hulse_chunk_comes(i, 0, 2, i);
    }
    assert_int_equal(set->figures.chunks_given_up, 150);
    hulse_stage_wait(501);
    hulse_front_asks(PULSAR_GIVEN_UP_MAX);
    set->chunk_bytes = 0;
}

static void a_lost_session_brings_it_again(void **state)
{
    (void)state;
    hulse_chunks_open(&shared, 10);
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(1, 0, 2, 2);
    hulse_chunk_comes(1, 1, 2, 3);
    hulse_front_has(0, 100);
    hulse_stage_lose();
    assert_int_equal(stage.worker.consumers->chunk_bytes, 0);
    hulse_stage_wait(1000);
    hulse_stage_session();
    stage.first = stage.count;
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(1, 0, 2, 2); /* in the front end's hands */
    hulse_chunk_comes(1, 1, 2, 3);
    hulse_chunk_comes(0, 1, 2, 4);
    assert_int_equal(front.count, 2);
    hulse_front_has(1, 0);
    hulse_front_ack(0);
    hulse_front_ack(1);
    stage.first = stage.count;
    hulse_stage_turn();
    HULSE_FRONT_ACKS(1, 2, 3, 4);
}

/* What is acknowledged up to a message says nothing of one that began before it and ends behind it. */
static void cumulatively_around_what_is_not_over(void **state)
{
    (void)state;
    hulse_chunks_open(&exclusive, 20);
    hulse_small_comes(7, 1);
    hulse_chunk_comes(0, 0, 2, 2);
    hulse_chunk_comes(1, 0, 2, 3);
    hulse_chunk_comes(1, 1, 2, 4);
    hulse_small_comes(8, 5);
    assert_int_equal(front.count, 3);
    stage.first = stage.count;
    hulse_front_ack_cumulative(2);
    HULSE_FRONT_ACKS(1, 3, 4, 5);
    hulse_chunk_comes(0, 1, 2, 6);
    hulse_small_comes(9, 7);
    hulse_front_has(3, 0);
    hulse_front_ack_cumulative(4);
    hulse_front_skip_flows();
    const Pulsar__CommandAck *a = hulse_stage_next(TYPE(ACK))->ack;
    assert_int_equal(a->ack_type, PULSAR__COMMAND_ACK__ACK_TYPE__Cumulative);
    assert_int_equal(a->message_id[0]->entryid, 7);
    hulse_stage_acked(a->request_id);
    assert_int_equal(
        TAILQ_EMPTY(&((struct pulsar_consumer *)(void *)front.consumer)->hands->entries.all), true);
}

/* However many chunks there are, each entry is looked at once. */
static void cumulatively_around_many_chunks(void **state)
{
    enum { CHUNKS = 400 };
    (void)state;
    hulse_chunks_open(&exclusive, CHUNKS);
    for (int32_t i = 0; i < CHUNKS; i++) {
        hulse_chunk_comes(0, i, CHUNKS + 1, 2 * (uint64_t)i);
        hulse_small_comes((uint32_t)i, 2 * (uint64_t)i + 1);
    }
    assert_int_equal(front.count, CHUNKS);
    hulse_stage_turn();
    stage.first = stage.count;
    hulse_front_ack_cumulative(CHUNKS - 1);
    uint64_t small[CHUNKS];
    for (uint64_t i = 0; i < CHUNKS; i++) {
        small[i] = 2 * i + 1;
    }
    hulse_front_acks(CHUNKS, small);
    const struct pulsar_consumer *c = (const struct pulsar_consumer *)(void *)front.consumer;
    assert_in_range(c->set->covering_steps, CHUNKS, 2 * (uint64_t)CHUNKS);
}

/* The application had acknowledged it before the daemon's end: its other entries are known when they come. */
static void by_its_id_before_it_comes(void **state)
{
    const struct broker_id id = {.ledger = 1, .entry = 2, .batch = -1, .batch_size = 2};
    (void)state;
    hulse_chunks_open(&shared, 10);
    front.consumer->ops->ack_id(front.consumer, &id, false);
    assert_int_equal(front.settled, 1);
    hulse_front_says_nothing();
    hulse_chunk_comes(0, 0, 2, 1);
    hulse_chunk_comes(0, 1, 2, 2);
    assert_int_equal(front.count, 0);
    HULSE_FRONT_ACKS(1, 2);
}

/* A reader goes on behind what it was given, but before what was not whole then. */
static void a_reader_reaches_back(void **state)
{
    const struct front_where where = {.type = BROKER_READER, .start = {.kind = BROKER_EARLIEST}};
    (void)state;
    hulse_front_open(&where, 9);
    hulse_front_permit(10);
    hulse_chunk_comes(0, 0, 2, 3);
    hulse_small_comes(7, 4);
    hulse_front_has(0, 7);
    stage.first = stage.count;
    hulse_front_ack(0);
    hulse_stage_turn();
    stage.first = stage.count;
    hulse_stage_lose();
    assert_int_equal(hulse_front_begin_again(), 3);
    hulse_chunk_comes(0, 0, 2, 3);
    hulse_small_comes(7, 4);
    hulse_chunk_comes(0, 1, 2, 5);
    assert_int_equal(front.count, 2);
    hulse_front_has(1, 0);
}

/* It hears of one that will not be whole, and has caught up all the same. */
static void a_reader_hears_what_is_lost(void **state)
{
    const struct front_where where = {.type = BROKER_READER,
                                      .start = {.kind = BROKER_EARLIEST},
                                      .chunking = {.pending_max = 5, .expire_ms = 1000}};
    (void)state;
    hulse_front_open(&where, 3);
    hulse_front_permit(10);
    hulse_chunk_comes(1, 1, 2, 1);
    assert_int_equal(front.lost, 1);
    hulse_chunk_comes(0, 0, 2, 2);
    assert_int_equal(front.caught_up, 0);
    hulse_stage_wait(1001);
    assert_int_equal(front.lost, 2);
    assert_int_equal(front.caught_up, 1);
}

static void the_consumer_may_go_at_any_time(void **state)
{
    const struct front_where where = {.type = BROKER_READER,
                                      .start = {.kind = BROKER_EARLIEST},
                                      .chunking = {.pending_max = 5, .expire_ms = 1000}};
    (void)state;
    hulse_front_open(&where, 3);
    hulse_front_permit(10);
    front.close_in = FRONT_LOST;
    hulse_chunk_comes(0, 0, 2, 2);
    hulse_chunk_comes(1, 0, 2, 3);
    hulse_stage_wait(1001);
    assert_null(front.consumer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_message_is_whole_with_its_last_chunk, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            a_chunk_costs_no_permit, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            what_is_not_like_the_last_one_waits, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(a_refused_one_comes_again_with_all_its_chunks,
                                        hulse_front_set_up,
                                        hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            a_refused_one_of_a_row_comes_again, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            copies_are_told_from_what_comes_again, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            too_many_give_the_oldest_up, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            the_rule_may_acknowledge_what_is_given_up, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            one_that_waits_for_too_long_is_given_up, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            who_asks_for_nothing_gives_nothing_up, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            a_gap_leaves_everything_as_it_is, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            a_gap_in_a_row_is_over, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            a_seek_begins_at_the_first_chunk, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            a_shared_seek_begins_before_it, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            a_reader_begins_at_the_first_chunk, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(lies_are_damage, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            too_large_is_left, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            too_many_are_left, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            memory_may_be_short, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            what_finds_no_room_has_a_bound, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            a_lost_session_brings_it_again, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            cumulatively_around_what_is_not_over, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            cumulatively_around_many_chunks, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            by_its_id_before_it_comes, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            a_reader_reaches_back, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            a_reader_hears_what_is_lost, hulse_front_set_up, hulse_front_tear_down),
        cmocka_unit_test_setup_teardown(
            the_consumer_may_go_at_any_time, hulse_front_set_up, hulse_front_tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
