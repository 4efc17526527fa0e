/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the bytes of messages that the front end has copied and holds are kept within a bound, whatever the
 *         subscription; beyond it a refused message comes again from the broker, in order, and nothing else does.
 * Method: the connection is played by the test (stage.h); time too.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"

#include <string.h>

#define PAYLOAD_BYTES 60000U
/* What they have together is twice the bound. */
#define MANY (2 * PULSAR_HELD_BYTES / PAYLOAD_BYTES)

static const struct front_where exclusive = {.type = BROKER_EXCLUSIVE};
static const struct front_where failover = {.type = BROKER_FAILOVER};
static const struct front_where shared_volatile = {.type = BROKER_SHARED, .non_persistent = true};

static void entry(uint64_t id, uint64_t epoch)
{
    hulse_stage_message(&(struct stage_entry){
        .ledger = 1, .entry = id, .number = (uint32_t)id, .bytes = PAYLOAD_BYTES, .epoch = epoch});
}

/* `count` are held, copied, from 0 on; 100 permits are left. */
static void hold(const struct front_where *where, uint32_t count)
{
    hulse_front_open(where, 0);
    front.copies = true;
    hulse_front_permit(count + 100);
    (void)hulse_stage_flow();
    for (uint32_t i = 0; i < count; i++) {
        entry(i, 0);
    }
    assert_int_equal(front.count, count);
    hulse_stage_forget();
}

/* The broker is asked for everything; which epoch begins. */
static uint64_t asked_for_all(void)
{
    const Pulsar__CommandRedeliverUnacknowledgedMessages *r =
        hulse_stage_next(TYPE(REDELIVER_UNACKNOWLEDGED_MESSAGES))->redeliverunacknowledgedmessages;
    assert_int_equal(r->n_message_ids, 0);
    assert_true(r->has_consumer_epoch);
    return r->consumer_epoch;
}

static void flows(void)
{
    while (stage.first < stage.count && stage.sent[stage.first]->type == TYPE(FLOW)) {
        stage.first += 1;
    }
}

static void bytes_are_bounded(void **state)
{
    (void)state;
    hold(&exclusive, MANY);
    assert_true(hulse_mem_used(HULSE_MEM_BROKER) < PULSAR_HELD_BYTES + PULSAR_HELD_BYTES / 8);
    hulse_front_ack_cumulative(MANY - 1);
    hulse_stage_acked(hulse_stage_next(TYPE(ACK))->ack->request_id);
    assert_true(hulse_mem_used(HULSE_MEM_BROKER) < PULSAR_HELD_BYTES / 8);
}

static void beyond_the_bound_the_broker_sends_again(void **state)
{
    (void)state;
    hold(&exclusive, MANY);
    hulse_front_nack(MANY - 2, 100);
    hulse_front_nack(0, 100); /* its bytes are here */
    hulse_stage_wait(99);
    flows();
    hulse_stage_nothing();
    hulse_stage_wait(2);
    assert_int_equal(asked_for_all(), 1);
    assert_int_equal(front.count, MANY + 1);
    hulse_front_has(MANY, 0);
    flows();
    for (uint32_t i = 0; i < MANY + 1; i++) {
        entry(i, 1);
    }
    assert_int_equal(front.count, MANY + 3);
    hulse_front_has(MANY + 1, MANY - 2);
    assert_int_equal(front.messages[MANY + 1].redelivery, 1);
    hulse_front_has(MANY + 2, MANY);
    assert_int_equal(front.messages[MANY + 2].redelivery, 0);
    hulse_front_nack(MANY + 1, 0);
    hulse_stage_turn();
    flows();
    assert_int_equal(asked_for_all(), 2);
    entry(MANY - 2, 2);
    assert_int_equal(front.messages[MANY + 3].redelivery, 2);
}

static void all_of_them_come_in_order(void **state)
{
    (void)state;
    hold(&exclusive, MANY);
    /* Room for bytes of the last ones: some have them and stand behind others that have none. */
    for (uint32_t i = 0; i < MANY / 4; i++) {
        hulse_front_ack(i);
    }
    for (uint32_t i = MANY; i < MANY + 20; i++) {
        entry(i, 0);
    }
    hulse_stage_acked(hulse_stage_next(TYPE(ACK))->ack->request_id);
    flows();
    hulse_front_redeliver_all();
    const uint64_t epoch = asked_for_all();
    hulse_stage_wait(1);
    entry(MANY + 20, epoch - 1 == 0 ? 0 : epoch - 1); /* it was under way */
    hulse_front_permit(MANY);
    for (uint32_t i = MANY / 4; i < MANY + 22; i++) {
        entry(i, epoch);
    }
    uint32_t last = 0;
    for (uint32_t i = MANY + 20; i < front.count; i++) {
        if (front.messages[i].number < MANY + 20) {
            assert_true(i == MANY + 20 || front.messages[i].number > last);
            assert_int_equal(front.messages[i].redelivery, 1);
            last = front.messages[i].number;
        }
    }
    assert_int_equal(front.count, MANY + 20 + (MANY + 22 - MANY / 4));
}

static void what_was_under_way_is_not_handed_out_twice(void **state)
{
    (void)state;
    hold(&exclusive, MANY);
    hulse_front_nack(MANY - 1, 0);
    const uint64_t epoch = asked_for_all();
    entry(MANY, 0);
    assert_int_equal(front.count, MANY + 1); /* of a broker that says no epoch: as good as any */
    entry(MANY - 1, epoch);
    entry(MANY, epoch);
    assert_int_equal(front.count, MANY + 2);
    hulse_front_nack(MANY + 1, 0);
    hulse_stage_turn();
    flows();
    assert_int_equal(asked_for_all(), epoch + 1);
    entry(MANY + 1, epoch); /* of before, as the broker says */
    assert_int_equal(front.count, MANY + 2);
    entry(MANY - 1, epoch + 1);
    entry(MANY + 1, epoch + 1);
    assert_int_equal(front.count, MANY + 4);
}

/* What is passed over for its epoch would not come again. */
static void a_broker_that_has_not_taken_the_epoch(void **state)
{
    (void)state;
    hold(&exclusive, MANY);
    hulse_front_nack(MANY - 1, 0);
    (void)asked_for_all();
    entry(MANY - 1, 1);
    hulse_front_nack(MANY, 0);
    hulse_stage_turn();
    flows();
    (void)asked_for_all();
    entry(MANY, 1); /* it was under way */
    hulse_stage_wait(PULSAR_EPOCH_MS + 1);
    entry(MANY + 1, 1);
    hulse_stage_turn();
    assert_int_equal(stage.worker.consumers->figures.renewed, 1);
    assert_int_equal(front.count, MANY + 1);
}

static void one_at_a_time(void **state)
{
    (void)state;
    hold(&exclusive, MANY);
    hulse_front_nack(MANY - 1, 0);
    (void)asked_for_all();
    flows();
    hulse_front_nack(MANY - 2, 0);
    hulse_stage_nothing(); /* what comes already would begin again */
    entry(MANY - 2, 1);
    assert_int_equal(front.count, MANY + 1); /* and it is among that */
    hulse_front_nack(MANY - 3, 0);
    entry(MANY - 1, 1);
    assert_int_equal(front.count, MANY + 2);
    hulse_stage_turn();
    flows();
    assert_int_equal(asked_for_all(), 2);
    flows();
    hulse_front_nack(MANY - 4, 0);
    hulse_stage_nothing();
    hulse_stage_wait(1100); /* nothing comes: it was not heard */
    flows();
    assert_int_equal(asked_for_all(), 3);
}

static void a_new_session_says_its_epoch(void **state)
{
    (void)state;
    hold(&exclusive, MANY);
    hulse_front_nack(MANY - 1, 0);
    assert_int_equal(asked_for_all(), 1);
    flows();
    hulse_front_nack(MANY - 2, 0);
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_found();
    hulse_stage_ready();
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    assert_true(s->has_consumer_epoch);
    assert_int_equal(s->consumer_epoch, 1);
    hulse_stage_success(s->request_id);
    hulse_stage_turn();
    entry(MANY - 2, 1);
    entry(MANY - 1, 1);
    assert_int_equal(front.count, MANY + 2);
    assert_int_equal(front.messages[MANY].redelivery, 1);
}

static void the_other_one_has_them(void **state)
{
    (void)state;
    hulse_front_open(&failover, 0);
    front.copies = true;
    hulse_stage_active(true);
    hulse_front_permit(MANY);
    (void)hulse_stage_flow();
    for (uint32_t i = 0; i < MANY; i++) {
        entry(i, 0);
    }
    hulse_stage_forget();
    hulse_front_nack(MANY - 1, 100);
    hulse_stage_active(false);
    hulse_stage_wait(200);
    hulse_stage_nothing();
}

static void volatile_ones_cannot_come_again(void **state)
{
    (void)state;
    hulse_front_open(&shared_volatile, 0);
    front.copies = true;
    hulse_front_permit(MANY + 10);
    (void)hulse_stage_flow();
    for (uint32_t i = 0; i < MANY; i++) {
        hulse_stage_message(
            &(struct stage_entry){.ledger = 0, .entry = 0, .number = i, .bytes = PAYLOAD_BYTES});
    }
    assert_true(hulse_mem_used(HULSE_MEM_BROKER) < PULSAR_HELD_BYTES + PULSAR_HELD_BYTES / 8);
    hulse_front_nack(0, 0);
    hulse_front_nack(MANY - 1, 0);
    hulse_stage_wait(1);
    assert_int_equal(front.count, MANY + 1);
    assert_int_equal(stage.worker.consumers->figures.unkept, 1);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(bytes_are_bounded),
                                       TEST(beyond_the_bound_the_broker_sends_again),
                                       TEST(all_of_them_come_in_order),
                                       TEST(what_was_under_way_is_not_handed_out_twice),
                                       TEST(a_broker_that_has_not_taken_the_epoch),
                                       TEST(one_at_a_time),
                                       TEST(a_new_session_says_its_epoch),
                                       TEST(the_other_one_has_them),
                                       TEST(volatile_ones_cannot_come_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
