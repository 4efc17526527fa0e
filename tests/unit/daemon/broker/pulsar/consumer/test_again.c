/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a message that is refused or given back comes again after its delay, and it alone: what is acknowledged or in
 *         the front end's hands does not. Of Shared the broker is asked for the entry, of others it is kept here.
 * Method: the connection is played by the test (stage.h); time too.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"

static const struct front_where shared = {.type = BROKER_SHARED};
static const struct front_where exclusive = {.type = BROKER_EXCLUSIVE};
static const struct front_where failover = {.type = BROKER_FAILOVER};

static void begin(const struct front_where *where, uint32_t permits)
{
    hulse_front_open(where, 0);
    hulse_front_permit(permits);
    assert_int_equal(hulse_stage_flow(), permits);
}

static void entry(uint64_t id, uint32_t batch, uint32_t number, uint32_t redelivery)
{
    hulse_stage_message(&(struct stage_entry){
        .ledger = 1, .entry = id, .batch = batch, .number = number, .redelivery = redelivery});
}

static const Pulsar__CommandRedeliverUnacknowledgedMessages *next_redeliver(size_t ids)
{
    const Pulsar__BaseCommand *c = hulse_stage_next(TYPE(REDELIVER_UNACKNOWLEDGED_MESSAGES));
    assert_int_equal(c->redeliverunacknowledgedmessages->n_message_ids, ids);
    return c->redeliverunacknowledgedmessages;
}

/* ---- Shared ---- */

static void shared_asks_the_broker(void **state)
{
    (void)state;
    begin(&shared, 20);
    entry(0, 0, 0, 0);
    entry(1, 0, 1, 0);
    hulse_front_nack(0, 0);
    hulse_front_give_back(1);
    assert_int_equal(front.settled, 1);
    const Pulsar__CommandRedeliverUnacknowledgedMessages *r = next_redeliver(2);
    assert_int_equal(r->message_ids[0]->entryid, 0);
    assert_int_equal(r->message_ids[1]->entryid, 1);
    assert_int_equal(stage.worker.consumers->entries.in_use, 0);
    entry(0, 0, 0, 1);
    hulse_front_has(2, 0);
    assert_int_equal(front.messages[2].redelivery, 1);
}

static void shared_takes_out_what_is_not_wanted_again(void **state)
{
    (void)state;
    begin(&shared, 20);
    entry(0, 5, 0, 0);
    hulse_front_ack(1);
    hulse_front_nack(2, 100);
    hulse_front_ack(3);
    (void)hulse_stage_next(TYPE(ACK)); /* of a part, before the rest is asked for */
    hulse_stage_wait(99);
    hulse_stage_nothing();
    entry(0, 5, 0, 1); /* too early: as after a loss */
    assert_int_equal(front.count, 5);
    hulse_stage_wait(2);
    assert_int_equal(next_redeliver(1)->message_ids[0]->entryid, 0);
    hulse_stage_nothing(); /* the broker has more than half of the permits still */
    entry(0, 5, 0, 2);
    assert_int_equal(front.count, 6);
    hulse_front_has(5, 2);
    assert_int_equal(front.messages[5].redelivery, 2);
    assert_int_equal(hulse_stage_flow(), 9); /* 14 are wanted, and 5 of 20 are there */
    hulse_front_ack(5);
    hulse_front_ack(0);
    hulse_front_ack(4);
    assert_int_equal(hulse_stage_next(TYPE(ACK))->ack->n_message_id, 1);
}

static void shared_waits_for_the_longest_delay(void **state)
{
    (void)state;
    begin(&shared, 20);
    entry(0, 2, 0, 0);
    hulse_front_nack(0, 50);
    hulse_front_nack(1, 100);
    hulse_stage_wait(98);
    hulse_stage_nothing();
    hulse_stage_wait(5);
    (void)next_redeliver(1);
}

static void shared_refused_while_the_rest_waits_here(void **state)
{
    (void)state;
    begin(&shared, 2);
    entry(0, 5, 0, 0);
    assert_int_equal(front.count, 2);
    hulse_front_nack(0, 0);
    (void)next_redeliver(1);
    entry(0, 5, 0, 1);
    hulse_front_permit(20);
    assert_int_equal(front.count, 6); /* the other three, and the refused one */
    hulse_front_has(2, 2);
    hulse_front_has(3, 3);
    hulse_front_has(4, 4);
    hulse_front_has(5, 0);
    assert_int_equal(hulse_stage_flow(), 24); /* 16 are wanted, and -8 are there */
}

static void shared_refused_in_the_event_is_not_lost(void **state)
{
    (void)state;
    begin(&shared, 4);
    entry(0, 4, 0, 0);
    for (uint32_t i = 0; i < 4; i++) {
        hulse_front_nack(i, 0);
    }
    (void)next_redeliver(1);
    assert_int_equal(stage.worker.consumers->entries.in_use, 0);
}

static void shared_remembers_within_bounds(void **state)
{
    (void)state;
    begin(&shared, 60000);
    for (uint32_t i = 0; i < PULSAR_STRAYS_MAX + 100; i++) {
        entry(i, 2, 0, 0);
        hulse_front_ack(2 * i);
        hulse_front_nack(2 * i + 1, 1000000);
    }
    for (size_t parts = 0; parts < PULSAR_STRAYS_MAX + 100;) {
        parts += hulse_stage_next(TYPE(ACK))->ack->n_message_id;
    }
    /* What is forgotten comes too early, and not too late. */
    const Pulsar__CommandRedeliverUnacknowledgedMessages *r = next_redeliver(100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(r->message_ids[i]->entryid, i);
    }
    assert_int_equal(stage.worker.consumers->entries.in_use, PULSAR_STRAYS_MAX);
    const uint32_t before = front.count;
    entry(0, 2, 0, 1);
    assert_int_equal(front.count, before + 2);
}

static void shared_redelivers_all(void **state)
{
    (void)state;
    begin(&shared, 10);
    for (uint32_t i = 0; i < 5; i++) {
        entry(i, 0, i, 0);
    }
    hulse_front_ack(3);
    hulse_front_redeliver_all();
    assert_int_equal(front.ended, 4);
    (void)hulse_stage_next(TYPE(ACK));
    (void)next_redeliver(4);
}

/* ---- the others ---- */

static void ordered_keeps_them_here(void **state)
{
    (void)state;
    begin(&exclusive, 20);
    for (uint32_t i = 0; i < 4; i++) {
        entry(i, 0, i, 0);
    }
    hulse_front_nack(0, 50);
    hulse_front_give_back(3);
    hulse_front_nack(2, 0);
    hulse_front_nack(1, 0);
    hulse_stage_wait(1);
    hulse_stage_nothing();
    assert_int_equal(front.count, 7);
    hulse_stage_wait(60);
    assert_int_equal(front.count, 8);
    hulse_front_has(7, 0);
    assert_int_equal(front.messages[7].redelivery, 1);
    hulse_front_ack(7);
    assert_int_equal(hulse_stage_next(TYPE(ACK))->ack->message_id[0]->entryid, 0);
}

static void ordered_comes_again_in_its_order(void **state)
{
    (void)state;
    begin(&exclusive, 64);
    for (uint32_t i = 0; i < 8; i++) {
        entry(i, 8, 8 * i, 0);
    }
    for (uint32_t i = 0; i < 64; i++) {
        hulse_front_give_back(i * 37 % 64);
    }
    hulse_stage_wait(1);
    assert_int_equal(front.count, 64); /* without permits none comes */
    hulse_front_permit(64);
    assert_int_equal(front.count, 128);
    for (uint32_t i = 0; i < 64; i++) {
        hulse_front_has(64 + i, i);
        assert_int_equal(front.messages[64 + i].redelivery, 0);
    }
}

static void ordered_redelivers_all(void **state)
{
    (void)state;
    begin(&exclusive, 20);
    entry(0, 5, 0, 0);
    hulse_front_ack(3);
    hulse_front_redeliver_all();
    assert_int_equal(front.ended, 4);
    hulse_stage_wait(1);
    assert_int_equal(front.count, 9);
    for (uint32_t i = 5; i < 9; i++) {
        assert_int_not_equal(front.messages[i].number, 3);
        assert_int_equal(front.messages[i].redelivery, 1);
        assert_true(i == 5 || front.messages[i].number > front.messages[i - 1].number);
        hulse_front_ack(i);
    }
    assert_int_equal(hulse_stage_next(TYPE(ACK))->ack->n_message_id, 1);
}

static void ordered_keeps_them_over_a_loss(void **state)
{
    (void)state;
    begin(&exclusive, 20);
    entry(0, 0, 0, 0);
    entry(1, 0, 1, 0);
    hulse_front_nack(0, 5000);
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_session();
    (void)hulse_stage_flow();
    entry(0, 0, 0, 0);
    entry(1, 0, 1, 0);
    assert_int_equal(front.count, 2);
    hulse_stage_wait(5000);
    assert_int_equal(front.count, 3);
    hulse_front_has(2, 0);
}

static void ordered_keeps_a_bounded_number(void **state)
{
    (void)state;
    begin(&exclusive, PULSAR_KEPT_MAX);
    for (uint32_t i = 0; i < PULSAR_KEPT_MAX; i++) {
        entry(i, 0, i, 0);
        hulse_front_nack(i, 1000);
    }
    hulse_front_permit(10);
    hulse_stage_nothing();
    hulse_stage_wait(1001);
    assert_int_equal(front.count, PULSAR_KEPT_MAX + 10);
    hulse_front_permit(5);
    assert_int_equal(front.count, PULSAR_KEPT_MAX + 15);
    hulse_stage_nothing();
    hulse_front_permit(PULSAR_KEPT_MAX - 15);
    hulse_stage_nothing();
    hulse_front_permit(3);
    assert_int_equal(hulse_stage_flow(), 3);
}

static void failover_leaves_them_to_the_other(void **state)
{
    (void)state;
    begin(&failover, 2);
    hulse_stage_active(true);
    hulse_stage_active(true);
    assert_int_equal(front.active, 1);
    entry(0, 0, 0, 0);
    entry(1, 4, 1, 0);
    hulse_front_nack(0, 100);
    hulse_stage_active(false);
    assert_int_equal(front.inactive, 1);
    hulse_stage_wait(200);
    hulse_front_permit(10);
    assert_int_equal(front.count, 2);
    hulse_stage_active(true);
    entry(0, 0, 0, 0);
    entry(1, 4, 1, 0);
    assert_int_equal(front.count, 6); /* the one in hand is not among them */
    hulse_front_has(2, 0);
    hulse_front_has(3, 2);
    hulse_stage_lose();
    assert_int_equal(front.inactive, 2);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(shared_asks_the_broker),
                                       TEST(shared_takes_out_what_is_not_wanted_again),
                                       TEST(shared_waits_for_the_longest_delay),
                                       TEST(shared_refused_while_the_rest_waits_here),
                                       TEST(shared_refused_in_the_event_is_not_lost),
                                       TEST(shared_remembers_within_bounds),
                                       TEST(shared_redelivers_all),
                                       TEST(ordered_keeps_them_here),
                                       TEST(ordered_comes_again_in_its_order),
                                       TEST(ordered_redelivers_all),
                                       TEST(ordered_keeps_them_over_a_loss),
                                       TEST(ordered_keeps_a_bounded_number),
                                       TEST(failover_leaves_them_to_the_other)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
