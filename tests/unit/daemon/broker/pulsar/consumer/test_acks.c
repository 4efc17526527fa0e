/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is acknowledged is told to the broker once, together, of a batch that is not complete by its set; it is
 *         settled when the broker has answered; what was not answered is told again after the connection has gone, and nothing that is in
 *         the front end's hands or acknowledged is handed out again.
 * Method: the connection is played by the test (stage.h).
 */
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"

static const struct front_where shared = {.type = BROKER_SHARED};
static const struct front_where exclusive = {.type = BROKER_EXCLUSIVE};

static void begin(const struct front_where *where, uint32_t permits)
{
    hulse_front_open(where, 0);
    hulse_front_permit(permits);
    assert_int_equal(hulse_stage_flow(), permits);
}

static void entry(uint64_t id, uint32_t batch, uint32_t number)
{
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .entry = id, .batch = batch, .number = number});
}

static const Pulsar__CommandAck *next_ack(Pulsar__CommandAck__AckType type, size_t ids)
{
    const Pulsar__CommandAck *a = hulse_stage_next(TYPE(ACK))->ack;
    assert_int_equal(a->ack_type, type);
    assert_int_equal(a->n_message_id, ids);
    assert_true(a->has_request_id);
    assert_false(a->has_validation_error);
    return a;
}

#define INDIVIDUAL PULSAR__COMMAND_ACK__ACK_TYPE__Individual
#define CUMULATIVE PULSAR__COMMAND_ACK__ACK_TYPE__Cumulative

static void are_told_together(void **state)
{
    (void)state;
    begin(&shared, 100);
    for (uint32_t i = 0; i < 5; i++) {
        entry(i, 0, i);
        hulse_front_ack(i);
    }
    const Pulsar__CommandAck *a = next_ack(INDIVIDUAL, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(a->message_id[i]->ledgerid, 1);
        assert_int_equal(a->message_id[i]->entryid, i);
        assert_int_equal(a->message_id[i]->n_ack_set, 0);
        assert_false(a->message_id[i]->has_batch_index);
    }
    assert_int_equal(front.settled, 0);
    hulse_stage_acked(a->request_id);
    assert_int_equal(front.settled, 5);
    assert_int_equal(stage.worker.consumers->entries.in_use, 0);
}

static void are_no_more_than_a_thousand(void **state)
{
    (void)state;
    begin(&shared, 3000);
    for (uint32_t i = 0; i < 2500; i++) {
        entry(i, 0, i);
        hulse_front_ack(i);
    }
    const Pulsar__CommandAck *a = next_ack(INDIVIDUAL, 1000);
    const Pulsar__CommandAck *b = next_ack(INDIVIDUAL, 1000);
    const Pulsar__CommandAck *c = next_ack(INDIVIDUAL, 500);
    /* Settled in the order of the calls, whatever the order of the answers. */
    hulse_stage_acked(b->request_id);
    assert_int_equal(front.settled, 0);
    hulse_stage_acked(a->request_id);
    assert_int_equal(front.settled, 2000);
    hulse_stage_acked(c->request_id);
    assert_int_equal(front.settled, 2500);
}

/* The next one is of a part of an entry, by these words, and of nothing else. */
static uint64_t next_part(uint64_t id, size_t count, const uint64_t *words)
{
    const Pulsar__CommandAck *a = next_ack(INDIVIDUAL, 1);
    assert_int_equal(a->message_id[0]->entryid, id);
    assert_int_equal(a->message_id[0]->n_ack_set, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal((uint64_t)a->message_id[0]->ack_set[i], words[i]);
    }
    return a->request_id;
}

static void of_a_batch_are_told_by_its_set(void **state)
{
    (void)state;
    begin(&shared, 200);
    entry(7, 70, 0);
    hulse_front_ack(0);
    hulse_front_ack(65);
    const uint64_t first = next_part(7, 2, (const uint64_t[]){UINT64_MAX - 1, 61}); /* 7.7 */
    assert_int_equal(front.settled, 0);
    hulse_stage_acked(first);
    assert_int_equal(front.settled, 2);
    hulse_stage_nothing();
    for (uint32_t i = 64; i < 70; i++) {
        if (i != 65) {
            hulse_front_ack(i);
        }
    }
    (void)next_part(7, 1, (const uint64_t[]){UINT64_MAX - 1});
    for (uint32_t i = 1; i < 63; i++) {
        hulse_front_ack(i);
    }
    (void)next_part(7, 1, (const uint64_t[]){UINT64_C(1) << 63});
    hulse_front_ack(63);
    const Pulsar__CommandAck *a = next_ack(INDIVIDUAL, 1);
    assert_int_equal(a->message_id[0]->entryid, 7);
    assert_int_equal(a->message_id[0]->n_ack_set, 0); /* with every broker */
    hulse_stage_nothing();
}

/* What becomes whole within the turn is told as a whole. */
static void of_a_batch_that_is_complete_are_one(void **state)
{
    (void)state;
    begin(&shared, 200);
    entry(7, 100, 0);
    entry(8, 2, 100);
    for (uint32_t i = 0; i < 101; i++) {
        hulse_front_ack(i);
    }
    const Pulsar__CommandAck *a = next_ack(INDIVIDUAL, 2);
    assert_int_equal(a->message_id[0]->entryid, 7);
    assert_int_equal(a->message_id[0]->n_ack_set, 0);
    assert_int_equal(a->message_id[1]->entryid, 8);
    assert_int_equal(a->message_id[1]->n_ack_set, 1);
    hulse_stage_acked(a->request_id);
    assert_int_equal(front.settled, 101);
}

static void of_parts_are_no_more_than_a_thousand(void **state)
{
    (void)state;
    begin(&shared, 5000);
    for (uint32_t i = 0; i < 1500; i++) {
        entry(i, 2, 2 * i);
        hulse_front_ack(2 * i);
    }
    (void)next_ack(INDIVIDUAL, 1000);
    (void)next_ack(INDIVIDUAL, 500);
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_session();
    const Pulsar__CommandAck *a = hulse_stage_next(TYPE(ACK))->ack;
    const Pulsar__CommandAck *b = hulse_stage_next(TYPE(ACK))->ack;
    assert_int_equal(a->n_message_id + b->n_message_id, 1500);
    hulse_stage_acked(a->request_id);
    hulse_stage_acked(b->request_id);
    hulse_stage_wait(1);
    assert_int_equal(front.settled, 1500);
}

/* A broker that keeps parts sends the rest, and says which it is. */
static void of_a_part_the_rest_comes_again(void **state)
{
    static const int64_t rest[] = {0x18};
    (void)state;
    begin(&shared, 10);
    hulse_stage_message(&(struct stage_entry){
        .ledger = 1, .entry = 3, .batch = 5, .ack_set = rest, .ack_words = 1});
    assert_int_equal(front.count, 2);
    hulse_front_has(0, 3);
    hulse_front_has(1, 4);
    hulse_stage_nothing(); /* it knows what it said; and 8 permits of 10 are there */
    hulse_front_ack(1);
    (void)next_part(3, 1, (const uint64_t[]){8});
    hulse_front_ack(0);
    assert_int_equal(next_ack(INDIVIDUAL, 1)->message_id[0]->n_ack_set, 0);
}

static void are_final_at_once_with_an_old_broker(void **state)
{
    (void)state;
    hulse_stage_protocol(16);
    begin(&shared, 10);
    entry(0, 0, 0);
    hulse_front_ack(0);
    assert_int_equal(front.settled, 0);
    assert_false(hulse_stage_next(TYPE(ACK))->ack->has_request_id);
    hulse_stage_wait(1);
    assert_int_equal(front.settled, 1);
}

static void are_told_again_after_a_loss(void **state)
{
    (void)state;
    begin(&exclusive, 10);
    for (uint32_t i = 0; i < 6; i++) {
        entry(i, 0, i);
    }
    hulse_front_ack(0);
    (void)next_ack(INDIVIDUAL, 1);
    hulse_stage_lose();
    hulse_front_ack(1);
    hulse_front_ack(2);
    hulse_stage_nothing();
    hulse_stage_wait(1000);
    assert_int_equal(stage.lookup_how, PULSAR_LOOKUP_FRESH);
    hulse_stage_session();
    const Pulsar__CommandAck *a = hulse_stage_next(TYPE(ACK))->ack;
    assert_int_equal(a->n_message_id, 3);
    assert_int_equal(hulse_stage_flow(), 4); /* behind the acknowledgements */
    for (uint32_t i = 0; i < 7; i++) {
        entry(i, 0, i); /* all that the broker knows */
    }
    assert_int_equal(front.count, 7);
    hulse_front_has(6, 6);
    assert_int_equal(front.settled, 0);
    hulse_stage_acked(a->request_id);
    assert_int_equal(front.settled, 3);
    hulse_front_ack(3); /* from before */
    assert_int_equal(next_ack(INDIVIDUAL, 1)->message_id[0]->entryid, 3);
}

static void of_half_a_batch_survive_a_loss(void **state)
{
    (void)state;
    begin(&shared, 6);
    entry(0, 10, 0);
    assert_int_equal(front.count, 6);
    hulse_front_ack(0);
    hulse_front_ack(1);
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_session();
    hulse_front_permit(10);
    (void)next_part(0, 1, (const uint64_t[]){0x3fc});
    assert_int_equal(hulse_stage_flow(), 10);
    entry(0, 10, 0);
    assert_int_equal(front.count, 10);
    for (uint32_t i = 6; i < 10; i++) {
        hulse_front_has(i, i);
    }
    for (uint32_t i = 2; i < 10; i++) {
        hulse_front_ack(i);
    }
    (void)next_ack(INDIVIDUAL, 1);
}

static void without_an_answer_begin_anew(void **state)
{
    (void)state;
    begin(&shared, 10);
    entry(0, 0, 0);
    hulse_front_ack(0);
    hulse_stage_time_out(next_ack(INDIVIDUAL, 1)->request_id);
    (void)next_ack(INDIVIDUAL, 1);
    (void)hulse_stage_next(TYPE(CLOSE_CONSUMER));
    hulse_stage_wait(1000);
    hulse_stage_session();
    hulse_stage_acked(next_ack(INDIVIDUAL, 1)->request_id);
    assert_int_equal(front.settled, 1);
}

static void ack_id(uint64_t id, int32_t batch, uint16_t size, bool cumulative)
{
    const struct broker_id i = {.ledger = 1, .entry = id, .batch = batch, .batch_size = size};
    hulse_pulsar_consumer_ack_id(front.consumer, &i, cumulative);
}

/* ---- cumulative ---- */

static void cumulative_ends_all_before(void **state)
{
    (void)state;
    begin(&exclusive, 20);
    for (uint32_t i = 0; i < 10; i++) {
        entry(i, 0, i);
    }
    hulse_front_ack(2);
    hulse_front_nack(3, 1000);
    hulse_front_ack_cumulative(6);
    assert_int_equal(front.ended, 5); /* 0, 1, 4, 5, 6 */
    assert_int_equal(front.last_ended, 6);
    (void)next_ack(INDIVIDUAL, 1);
    const Pulsar__CommandAck *a = next_ack(CUMULATIVE, 1);
    assert_int_equal(a->message_id[0]->entryid, 6);
    hulse_stage_acked(a->request_id);
    assert_int_equal(front.settled, 0);
    hulse_stage_acked(a->request_id - 1);
    assert_int_equal(front.settled, 3);
    hulse_stage_wait(2000); /* what waits to come again is ended too */
    assert_int_equal(front.count, 10);
    hulse_front_has(7, 7);
}

static void cumulative_ends_what_came_again(void **state)
{
    (void)state;
    begin(&exclusive, 20);
    entry(0, 10, 0);
    hulse_front_nack(3, 0);
    hulse_stage_wait(1);
    hulse_front_has(10, 3);
    hulse_front_ack_cumulative(5);
    assert_int_equal(front.ended, 6); /* 0, 1, 2, 4, the other 3, 5 */
    assert_null(front.messages[10].d);
    hulse_front_has(6, 6);
}

static void next_cumulative(uint64_t id, size_t words, uint64_t word)
{
    const Pulsar__MessageIdData *m = next_ack(CUMULATIVE, 1)->message_id[0];
    assert_int_equal(m->entryid, id);
    assert_int_equal(m->n_ack_set, words);
    assert_true(words == 0 || (uint64_t)m->ack_set[0] == word);
}

static void cumulative_in_a_batch_is_told_by_its_set(void **state)
{
    (void)state;
    begin(&exclusive, 40);
    entry(5, 0, 0);
    entry(6, 10, 1);
    entry(7, 10, 11);
    hulse_front_ack_cumulative(3);
    next_cumulative(6, 1, 0x3f8);
    hulse_front_ack_cumulative(5);
    next_cumulative(6, 1, 0x3e0);
    hulse_front_ack_cumulative(12);
    next_cumulative(7, 1, 0x3fc);
    hulse_front_ack_cumulative(20);
    next_cumulative(7, 0, 0);
    assert_int_equal(front.ended, 21);
}

/* What is acknowledged behind it is none of its. */
static void cumulative_is_of_the_beginning_alone(void **state)
{
    (void)state;
    begin(&exclusive, 40);
    entry(6, 10, 0);
    hulse_front_ack(8);
    hulse_front_ack_cumulative(2);
    (void)next_part(6, 1, (const uint64_t[]){0x2f8});
    next_cumulative(6, 1, 0x3f8);
    hulse_front_ack_cumulative(7);
    next_cumulative(6, 1, 0x200);
    hulse_front_ack(9);
    (void)next_ack(INDIVIDUAL, 1);
}

static void cumulative_does_not_go_back(void **state)
{
    (void)state;
    begin(&exclusive, 40);
    ack_id(8, -1, 0, true);
    ack_id(7, 3, 10, true);
    ack_id(8, 3, 10, true);
    next_cumulative(8, 0, 0);
    hulse_stage_nothing();
}

static void cumulative_ones_of_a_turn_are_one(void **state)
{
    (void)state;
    begin(&exclusive, 40);
    for (uint32_t i = 0; i < 10; i++) {
        entry(i, 0, i);
        hulse_front_ack_cumulative(i);
    }
    const Pulsar__CommandAck *a = next_ack(CUMULATIVE, 1);
    assert_int_equal(a->message_id[0]->entryid, 9);
    hulse_stage_nothing();
    hulse_stage_acked(a->request_id);
    assert_int_equal(front.settled, 10);
}

static void cumulative_is_individual_where_it_must_be(void **state)
{
    (void)state;
    begin(&shared, 40);
    for (uint32_t i = 0; i < 5; i++) {
        entry(i, 0, i);
    }
    hulse_front_ack_cumulative(3);
    assert_int_equal(front.ended, 4);
    (void)next_ack(INDIVIDUAL, 4);
}

/* ---- by id ---- */

static void by_id_without_a_delivery(void **state)
{
    (void)state;
    begin(&shared, 40);
    ack_id(9, -1, 0, false);
    const Pulsar__CommandAck *a = next_ack(INDIVIDUAL, 1);
    assert_int_equal(a->message_id[0]->entryid, 9);
    hulse_stage_acked(a->request_id);
    assert_int_equal(front.settled, 1);
    ack_id(10, 0, 3, false);
    ack_id(10, 2, 3, false);
    hulse_stage_acked(next_part(10, 1, (const uint64_t[]){2}));
    assert_int_equal(front.settled, 3);
    entry(10, 3, 0);
    assert_int_equal(front.count, 1);
    hulse_front_has(0, 1);
    hulse_front_ack(0);
    assert_int_equal(next_ack(INDIVIDUAL, 1)->message_id[0]->entryid, 10);
}

static void by_id_that_says_too_little(void **state)
{
    (void)state;
    begin(&shared, 40);
    ack_id(3, 0, 0, false); /* one of how many? */
    hulse_stage_nothing();
    assert_int_equal(front.settled, 1);
    ack_id(4, 1, 9, false); /* of 9, which is not true */
    entry(4, 3, 0);
    assert_int_equal(front.count, 3);
    entry(3, 2, 3);
    assert_int_equal(front.count, 5);
}

static void by_id_of_what_is_held(void **state)
{
    (void)state;
    begin(&shared, 40);
    entry(1, 2, 0);
    ack_id(1, 0, 2, false);
    (void)next_part(1, 1, (const uint64_t[]){2});
    hulse_front_nack(0, 0); /* too late */
    hulse_stage_nothing();
    hulse_front_ack(1);
    (void)next_ack(INDIVIDUAL, 1);
    entry(2, 0, 5);
    ack_id(2, -1, 0, false);
    hulse_stage_acked(next_ack(INDIVIDUAL, 1)->request_id);
    hulse_front_give_back(2);
    hulse_stage_nothing();
}

static void by_id_cumulatively(void **state)
{
    (void)state;
    begin(&exclusive, 40);
    ack_id(8, 3, 10, true);
    next_cumulative(8, 1, 0x3f0);
    ack_id(9, -1, 0, true);
    next_cumulative(9, 0, 0);
    assert_int_equal(front.ended, 0);
}

static void by_id_of_what_waits_here(void **state)
{
    (void)state;
    begin(&exclusive, 40);
    entry(1, 0, 0);
    entry(2, 0, 1);
    entry(3, 0, 2);
    hulse_front_nack(0, 10);
    hulse_front_nack(1, 20);
    hulse_front_give_back(2);
    ack_id(1, -1, 0, false);
    ack_id(3, -1, 0, false);
    const Pulsar__CommandAck *a = next_ack(INDIVIDUAL, 2);
    hulse_stage_wait(10);
    hulse_stage_acked(a->request_id);
    hulse_stage_wait(30);
    assert_int_equal(front.count, 4);
    hulse_front_has(3, 1);
    assert_int_equal(front.settled, 4);
}

static void may_be_closed_when_settled(void **state)
{
    (void)state;
    begin(&shared, 40);
    entry(1, 0, 0);
    hulse_front_ack(0);
    front.close_in = FRONT_SETTLED;
    hulse_stage_acked(next_ack(INDIVIDUAL, 1)->request_id);
    assert_null(front.consumer);
}

static void wait_for_memory(void **state)
{
    (void)state;
    begin(&shared, 40);
    entry(1, 0, 0);
    hulse_front_ack(0);
    stage.refuse = true;
    hulse_stage_nothing();
    stage.refuse = false;
    hulse_stage_wait(PULSAR_REFUSED_MS);
    (void)next_ack(INDIVIDUAL, 1);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(are_told_together),
                                       TEST(are_no_more_than_a_thousand),
                                       TEST(of_a_batch_are_told_by_its_set),
                                       TEST(of_a_batch_that_is_complete_are_one),
                                       TEST(of_parts_are_no_more_than_a_thousand),
                                       TEST(of_a_part_the_rest_comes_again),
                                       TEST(are_final_at_once_with_an_old_broker),
                                       TEST(are_told_again_after_a_loss),
                                       TEST(of_half_a_batch_survive_a_loss),
                                       TEST(without_an_answer_begin_anew),
                                       TEST(cumulative_ends_all_before),
                                       TEST(cumulative_ends_what_came_again),
                                       TEST(cumulative_in_a_batch_is_told_by_its_set),
                                       TEST(cumulative_is_of_the_beginning_alone),
                                       TEST(cumulative_does_not_go_back),
                                       TEST(cumulative_ones_of_a_turn_are_one),
                                       TEST(cumulative_is_individual_where_it_must_be),
                                       TEST(by_id_without_a_delivery),
                                       TEST(by_id_that_says_too_little),
                                       TEST(by_id_of_what_is_held),
                                       TEST(by_id_of_what_waits_here),
                                       TEST(by_id_cumulatively),
                                       TEST(may_be_closed_when_settled),
                                       TEST(wait_for_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
