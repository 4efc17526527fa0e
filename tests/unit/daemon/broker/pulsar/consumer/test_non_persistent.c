/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   of a non-persistent topic, whose entries all have the same id and which no broker sends again, every message
 *         is handed out, and one that is refused comes again from here.
 * Method: the connection is played by the test (stage.h).
 */
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"

static const struct front_where shared = {.type = BROKER_SHARED, .non_persistent = true};
static const struct front_where exclusive = {.type = BROKER_EXCLUSIVE, .non_persistent = true};
static const struct front_where reader = {.type = BROKER_READER, .non_persistent = true};

static void begin(const struct front_where *where, uint32_t permits)
{
    hulse_front_open(where, 0);
    hulse_front_permit(permits);
    assert_int_equal(hulse_stage_flow(), permits);
}

static void entry(uint32_t batch, uint32_t number)
{
    hulse_stage_message(&(struct stage_entry){.batch = batch, .number = number});
}

static void hands_out_all(void **state)
{
    (void)state;
    begin(&shared, 20);
    entry(0, 0);
    entry(0, 1);
    entry(3, 2);
    entry(3, 5);
    assert_int_equal(front.count, 8);
    for (uint32_t i = 0; i < 8; i++) {
        hulse_front_has(i, i);
        hulse_front_ack(i);
    }
    assert_int_equal(front.settled, 8);
    hulse_stage_nothing();
    assert_int_equal(stage.worker.consumers->entries.in_use, 0);
}

static void keeps_what_is_refused(void **state)
{
    (void)state;
    begin(&shared, 20);
    entry(2, 0);
    entry(0, 2);
    hulse_front_nack(0, 5);
    hulse_front_give_back(2);
    hulse_stage_wait(10);
    assert_int_equal(front.count, 5);
    hulse_front_has(3, 2);
    assert_int_equal(front.messages[3].redelivery, 0);
    hulse_front_has(4, 0);
    assert_int_equal(front.messages[4].redelivery, 1);
}

static void ends_cumulatively_in_the_order_of_handing_out(void **state)
{
    (void)state;
    begin(&exclusive, 20);
    for (uint32_t i = 0; i < 4; i++) {
        entry(2, 2 * i);
    }
    hulse_front_ack_cumulative(4);
    assert_int_equal(front.ended, 5);
    assert_int_equal(front.last_ended, 4);
    assert_int_equal(front.settled, 1);
    hulse_front_has(5, 5);
    hulse_stage_nothing();
}

static void takes_a_verdict_by_id(void **state)
{
    (void)state;
    const struct broker_id id = {.batch = -1};
    begin(&shared, 20);
    entry(0, 0);
    hulse_pulsar_consumer_ack_id(front.consumer, &id, false);
    hulse_pulsar_consumer_ack_id(front.consumer, &id, true);
    assert_int_equal(front.settled, 2);
    hulse_front_has(0, 0);
    hulse_stage_nothing();
}

static void passes_over_damage(void **state)
{
    (void)state;
    begin(&shared, 20);
    hulse_stage_message(&(struct stage_entry){
        .compression = PULSAR__COMPRESSION_TYPE__LZ4, .number = 7, .claimed = 100});
    hulse_stage_nothing();
    entry(0, 1);
    hulse_front_has(0, 1);
    assert_int_equal(stage.worker.consumers->figures.discarded, 1);
}

/* Nothing was there before it. */
static void a_reader_has_it_all_at_once(void **state)
{
    (void)state;
    begin(&reader, 20);
    assert_false(front.has_reach);
    assert_int_equal(front.caught_up, 1);
    entry(0, 0);
    hulse_front_has(0, 0);
    hulse_front_ack(0);
    assert_int_equal(front.caught_up, 1);
}

static void a_reader_goes_on_with_the_latest(void **state)
{
    (void)state;
    begin(&reader, 20);
    assert_false(front.has_reach);
    entry(0, 0);
    entry(0, 1);
    hulse_front_ack(0);
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_found();
    hulse_stage_ready();
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    assert_int_equal(s->start_message_id->ledgerid, INT64_MAX);
    hulse_stage_success(s->request_id);
    (void)hulse_stage_flow();
    entry(0, 2);
    entry(0, 3);
    assert_int_equal(front.count, 4);
    hulse_front_has(1, 1);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(hands_out_all),
                                       TEST(keeps_what_is_refused),
                                       TEST(ends_cumulatively_in_the_order_of_handing_out),
                                       TEST(takes_a_verdict_by_id),
                                       TEST(passes_over_damage),
                                       TEST(a_reader_has_it_all_at_once),
                                       TEST(a_reader_goes_on_with_the_latest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
