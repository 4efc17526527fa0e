/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   of a topic with partitions every call reaches the partition that it is of, or all, and is told as settled in its
 *         order.
 * Method: lookups, the connection and time are played by the test (stage.h), for each partition.
 */
#include "daemon/broker/pulsar/consumer/fan_in.h"
#include "tests/support/runtime.h"
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"
#include "tests/unit/daemon/core/check.h"

static const struct front_where shared = {.type = BROKER_SHARED};
static const struct front_where exclusive = {.type = BROKER_EXCLUSIVE};

static void message(uint32_t partition, uint64_t entry, uint32_t number)
{
    hulse_stage_play(partition);
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .entry = entry, .number = number});
}

/* One permit of each partition. */
static void flow_of_all(uint32_t partitions)
{
    for (uint32_t i = 0; i < partitions; i++) {
        assert_int_equal(hulse_stage_flow(), 1);
    }
    hulse_stage_nothing();
}

/* ---- verdicts ---- */

static uint64_t user_of(uint32_t partition)
{
    hulse_stage_play(partition);
    return stage.user->id;
}

static void a_verdict_goes_to_its_partition(void **state)
{
    (void)state;
    hulse_front_open_parts(&shared, 3, 0);
    hulse_front_permit(3);
    flow_of_all(3);
    for (uint32_t i = 0; i < 3; i++) {
        message(i, 7, i);
    }
    hulse_stage_turn();
    hulse_stage_forget();
    hulse_front_ack(1);
    const Pulsar__CommandAck *a = hulse_stage_next(TYPE(ACK))->ack;
    assert_int_equal(a->consumer_id, user_of(1));
    hulse_front_nack(2, 0);
    const Pulsar__BaseCommand *again = hulse_stage_next(TYPE(REDELIVER_UNACKNOWLEDGED_MESSAGES));
    assert_int_equal(again->redeliverunacknowledgedmessages->consumer_id, user_of(2));
    hulse_front_give_back(0);
    again = hulse_stage_next(TYPE(REDELIVER_UNACKNOWLEDGED_MESSAGES));
    assert_int_equal(again->redeliverunacknowledgedmessages->consumer_id, user_of(0));
}

static void is_settled_in_the_order_of_the_calls(void **state)
{
    (void)state;
    hulse_front_open_parts(&shared, 2, 0);
    hulse_front_permit(4);
    flow_of_all(2);
    message(0, 0, 0);
    message(1, 0, 1);
    hulse_stage_turn();
    hulse_stage_forget();
    hulse_front_ack(0);
    const uint64_t first = hulse_stage_next(TYPE(ACK))->ack->request_id;
    hulse_front_ack(1);
    const uint64_t second = hulse_stage_next(TYPE(ACK))->ack->request_id;
    hulse_stage_acked(second);
    assert_int_equal(front.settled, 0);
    hulse_stage_acked(first);
    assert_int_equal(front.settled, 2);
}

static void ends_up_to_one_of_its_own_partition(void **state)
{
    (void)state;
    hulse_front_open_parts(&exclusive, 2, 0);
    hulse_front_permit(6);
    flow_of_all(2);
    for (uint32_t i = 0; i < 6; i++) {
        message(i % 2, i / 2, i);
    }
    hulse_stage_turn();
    hulse_stage_forget();
    hulse_front_ack_cumulative(3);
    assert_int_equal(front.ended, 2);
    assert_non_null(front.messages[0].d);
    assert_null(front.messages[1].d);
    assert_non_null(front.messages[2].d);
    assert_null(front.messages[3].d);
    assert_non_null(front.messages[5].d);
    const Pulsar__CommandAck *a = hulse_stage_next(TYPE(ACK))->ack;
    assert_int_equal(a->consumer_id, user_of(1));
    assert_int_equal(a->ack_type, PULSAR__COMMAND_ACK__ACK_TYPE__Cumulative);
    hulse_stage_nothing();
}

static void hands_out_nothing_while_it_tells_what_ends(void **state)
{
    (void)state;
    hulse_front_open_parts(&exclusive, 2, 0);
    hulse_front_permit(2);
    flow_of_all(2);
    for (uint32_t i = 0; i < 2; i++) {
        message(0, i, i);
        message(1, i, 10 + i);
    }
    assert_int_equal(front.count, 2);
    front.permits_in_ended = true;
    hulse_front_ack_cumulative(1);
    assert_int_equal(front.count, 3);
    hulse_front_redeliver_all();
    assert_int_equal(hulse_front_seek(&(struct broker_position){.kind = BROKER_EARLIEST}),
                     HULSE_OK);
}

static void a_verdict_by_id_goes_to_its_partition(void **state)
{
    (void)state;
    const struct broker_id id = {.ledger = 5, .entry = 6, .batch = -1, .partition = 1};
    struct broker_id unknown = id;
    unknown.partition = 2;
    hulse_front_open_parts(&shared, 2, 0);
    front.consumer->ops->ack_id(front.consumer, &id, false);
    const Pulsar__CommandAck *a = hulse_stage_next(TYPE(ACK))->ack;
    assert_int_equal(a->consumer_id, user_of(1));
    assert_int_equal(a->message_id[0]->ledgerid, 5);
    assert_int_equal(front.settled, 0);
    front.consumer->ops->ack_id(front.consumer, &unknown, false);
    hulse_stage_nothing();
    hulse_stage_acked(a->request_id);
    assert_int_equal(front.settled, 2);
}

static void redelivers_all_of_all(void **state)
{
    (void)state;
    hulse_front_open_parts(&exclusive, 3, 0);
    hulse_front_permit(3);
    flow_of_all(3);
    for (uint32_t i = 0; i < 3; i++) {
        message(i, 0, i);
    }
    hulse_front_redeliver_all();
    assert_int_equal(front.ended, 3);
    assert_int_equal(front.count, 3);
    hulse_front_permit(2);
    hulse_stage_wait(1);
    assert_int_equal(front.count, 5);
    hulse_front_permit(2);
    assert_int_equal(front.count, 6);
    for (uint32_t i = 3; i < 6; i++) {
        assert_int_equal(front.messages[i].redelivery, 1);
    }
}

/* ---- errands ---- */

static void seeks_in_all_by_time(void **state)
{
    (void)state;
    uint64_t requests[3];
    hulse_front_open_parts(&shared, 3, 0);
    hulse_front_permit(3);
    flow_of_all(3);
    message(1, 0, 1);
    assert_int_equal(
        hulse_front_seek(&(struct broker_position){.kind = BROKER_AT_PUBLISHED, .time_ms = 5}),
        HULSE_OK);
    assert_int_equal(front.ended, 1);
    for (uint32_t i = 0; i < 3; i++) {
        requests[i] = hulse_stage_next(TYPE(SEEK))->seek->request_id;
    }
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(front.done, 0);
        hulse_stage_play(i);
        hulse_stage_success(requests[i]);
    }
    assert_int_equal(front.done, 1);
    assert_int_equal(front.errand, BROKER_SEEK);
    assert_int_equal(front.done_with, HULSE_OK);
}

static void seeks_by_id_in_its_partition(void **state)
{
    (void)state;
    struct broker_position to = {.kind = BROKER_AT_ID,
                                 .id = {.ledger = 1, .entry = 0, .batch = -1, .partition = 2}};
    hulse_front_open_parts(&exclusive, 3, 0);
    hulse_front_permit(3);
    flow_of_all(3);
    for (uint32_t i = 0; i < 3; i++) {
        message(i, 3, i);
    }
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    assert_int_equal(front.ended, 3);
    hulse_front_permit(2);
    const Pulsar__CommandSeek *s = hulse_stage_next(TYPE(SEEK))->seek;
    assert_int_equal(s->consumer_id, user_of(2));
    hulse_stage_success(s->request_id);
    assert_int_equal(front.done, 1);
    assert_int_equal(front.done_with, HULSE_OK);
    /* Of the others what was out comes again, and was not refused. */
    hulse_stage_wait(1);
    assert_int_equal(front.count, 5);
    assert_int_equal(front.messages[3].number + front.messages[4].number, 0 + 1);
    assert_int_equal(front.messages[3].redelivery, 0);
    to.id.partition = 3;
    assert_int_equal(hulse_front_seek(&to), HULSE_INVAL);
}

static void knows_the_latest_id(void **state)
{
    (void)state;
    struct error err = {0};
    uint64_t requests[3];
    hulse_front_open_parts(&shared, 3, 0);
    assert_int_equal(front.consumer->ops->last_message_id(front.consumer, &err), HULSE_OK);
    assert_int_equal(front.consumer->ops->last_message_id(front.consumer, &err), HULSE_BUSY);
    for (uint32_t i = 0; i < 3; i++) {
        requests[i] = hulse_stage_next(TYPE(GET_LAST_MESSAGE_ID))->getlastmessageid->request_id;
    }
    hulse_stage_last_id(requests[0], 4, 9, -1);
    hulse_stage_last_id(requests[1], 6, 2, -1);
    assert_int_equal(front.done, 0);
    hulse_stage_last_id(requests[2], 0, UINT64_MAX, -1);
    assert_int_equal(front.done, 1);
    assert_true(front.has_id);
    assert_int_equal(front.id.ledger, 6);
    assert_int_equal(front.id.entry, 2);
    assert_int_equal(front.id.partition, 1);
}

static void unsubscribes_from_all(void **state)
{
    (void)state;
    struct error err = {0};
    uint64_t requests[2];
    hulse_front_open_parts(&shared, 2, 0);
    assert_int_equal(front.consumer->ops->unsubscribe(front.consumer, &err), HULSE_OK);
    for (uint32_t i = 0; i < 2; i++) {
        requests[i] = hulse_stage_next(TYPE(UNSUBSCRIBE))->unsubscribe->request_id;
    }
    hulse_stage_success(requests[0]);
    hulse_stage_error(requests[1], PULSAR__SERVER_ERROR__MetadataError);
    assert_int_equal(front.done, 1);
    assert_int_equal(front.done_with, HULSE_BUSY);
    /* It can be tried again, with what is left of it. */
    assert_int_equal(front.consumer->ops->unsubscribe(front.consumer, &err), HULSE_OK);
    hulse_stage_success(hulse_stage_next(TYPE(UNSUBSCRIBE))->unsubscribe->request_id);
    assert_int_equal(front.done, 2);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(a_verdict_goes_to_its_partition),
                                       TEST(is_settled_in_the_order_of_the_calls),
                                       TEST(ends_up_to_one_of_its_own_partition),
                                       TEST(hands_out_nothing_while_it_tells_what_ends),
                                       TEST(a_verdict_by_id_goes_to_its_partition),
                                       TEST(redelivers_all_of_all),
                                       TEST(seeks_in_all_by_time),
                                       TEST(seeks_by_id_in_its_partition),
                                       TEST(knows_the_latest_id),
                                       TEST(unsubscribes_from_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
