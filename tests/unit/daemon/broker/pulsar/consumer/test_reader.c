/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a reader begins exactly where it was told to, says what is before it, tells once when it has it all, and goes
 *         on behind what it has handed out after every loss.
 * Method: the connection is played by the test (stage.h).
 */
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"

#include <string.h>

static void entry(uint64_t id, uint32_t batch, uint32_t number)
{
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .entry = id, .batch = batch, .number = number});
}

static struct front_where at(enum broker_position_kind kind, uint64_t id, int32_t batch)
{
    return (struct front_where){
        .type = BROKER_READER,
        .start = {
            .kind = kind,
            .id = {.ledger = 1, .entry = id, .batch = batch, .batch_size = batch < 0 ? 0 : 10}}};
}

/* Opens up to its SUBSCRIBE. */
static const Pulsar__CommandSubscribe *begin(struct front_where where)
{
    assert_int_equal(hulse_front_begin(&where), HULSE_OK);
    hulse_stage_found();
    hulse_stage_ready();
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    assert_false(s->durable);
    assert_int_equal(strncmp(s->subscription, "reader-", 7), 0);
    assert_int_equal(strlen(s->subscription), 17);
    assert_int_equal(s->subtype, PULSAR__COMMAND_SUBSCRIBE__SUB_TYPE__Exclusive);
    return s;
}

static void answer(const Pulsar__CommandSubscribe *s, uint64_t ledger, uint64_t id, int32_t batch)
{
    hulse_stage_success(s->request_id);
    assert_int_equal(front.opened, 0);
    hulse_stage_last_id(hulse_stage_next(TYPE(GET_LAST_MESSAGE_ID))->getlastmessageid->request_id,
                        ledger,
                        id,
                        batch);
    assert_int_equal(front.opened, 1);
    assert_true(front.has_reach);
    hulse_front_permit(100);
    assert_int_equal(hulse_stage_flow(), 100);
}

static void begins_at_the_earliest(void **state)
{
    (void)state;
    const Pulsar__CommandSubscribe *s = begin(at(BROKER_EARLIEST, 0, -1));
    assert_int_equal(s->start_message_id->ledgerid, UINT64_MAX);
    assert_int_equal(s->start_message_id->entryid, UINT64_MAX);
    answer(s, 1, 1, -1);
    assert_true(front.reach.has_last);
    assert_int_equal(front.reach.last.entry, 1);
    assert_int_equal(front.reach.behind.entry, BROKER_NO_ENTRY);
    entry(0, 0, 0);
    entry(1, 0, 1);
    hulse_front_ack(1);
    assert_int_equal(front.caught_up, 0);
    hulse_front_ack(0);
    assert_int_equal(front.caught_up, 1);
    entry(2, 0, 2);
    hulse_front_ack(2);
    assert_int_equal(front.caught_up, 1);
}

static void begins_at_the_latest(void **state)
{
    (void)state;
    const Pulsar__CommandSubscribe *s = begin(at(BROKER_LATEST, 0, -1));
    assert_int_equal(s->start_message_id->ledgerid, INT64_MAX);
    answer(s, 1, 5, 2);
    assert_int_equal(front.reach.behind.entry, 5);
    assert_int_equal(front.caught_up, 1);
    entry(4, 0, 4); /* came between SUBSCRIBE and the answer about what is there */
    entry(5, 3, 5);
    assert_int_equal(front.count, 0);
    entry(6, 0, 6);
    hulse_front_has(0, 6);
}

static void begins_at_the_latest_of_nothing(void **state)
{
    (void)state;
    answer(begin(at(BROKER_LATEST, 0, -1)), UINT64_MAX, UINT64_MAX, -1);
    assert_false(front.reach.has_last);
    assert_int_equal(front.caught_up, 1);
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_found();
    hulse_stage_ready();
    /* Nothing was there, so all that is there now is new. */
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    assert_int_equal(s->start_message_id->ledgerid, UINT64_MAX);
    hulse_stage_success(s->request_id);
    (void)hulse_stage_flow();
    entry(0, 0, 0);
    hulse_front_has(0, 0);
}

static void begins_behind_an_id(void **state)
{
    (void)state;
    const Pulsar__CommandSubscribe *s = begin(at(BROKER_AFTER_ID, 3, -1));
    assert_int_equal(s->start_message_id->ledgerid, 1);
    assert_int_equal(s->start_message_id->entryid, 3);
    answer(s, 1, 4, -1);
    assert_int_equal(front.reach.behind.entry, 3);
    assert_int_equal(front.caught_up, 0);
    entry(3, 2, 0);
    entry(4, 0, 4);
    assert_int_equal(front.count, 1);
    hulse_front_has(0, 4);
    hulse_front_ack(0);
    assert_int_equal(front.caught_up, 1);
}

static void begins_inside_a_batch(void **state)
{
    (void)state;
    const Pulsar__CommandSubscribe *s = begin(at(BROKER_AFTER_ID, 3, 6));
    assert_int_equal(s->start_message_id->batch_index, 6);
    answer(s, 1, 3, 9);
    assert_int_equal(front.caught_up, 0);
    entry(3, 10, 0);
    assert_int_equal(front.count, 3);
    hulse_front_has(0, 7);
    for (uint32_t i = 0; i < 3; i++) {
        hulse_front_ack(i);
    }
    assert_int_equal(front.caught_up, 1);
    assert_int_equal(hulse_stage_next(TYPE(ACK))->ack->n_message_id, 1);
}

static void begins_at_an_id(void **state)
{
    (void)state;
    answer(begin(at(BROKER_AT_ID, 3, 6)), 1, 9, -1);
    assert_int_equal(front.reach.behind.entry, 3);
    assert_int_equal(front.reach.behind.batch, 5);
    entry(3, 10, 0);
    assert_int_equal(front.count, 4);
    hulse_front_has(0, 6);
}

/* It has it all at once: nobody waits for what is not there. */
static void begins_at_an_id_behind_the_last(void **state)
{
    (void)state;
    answer(begin(at(BROKER_AT_ID, 4, -1)), 1, 3, 9);
    assert_false(front.reach.has_last);
    assert_int_equal(front.reach.behind.entry, 3);
    assert_int_equal(front.caught_up, 1);
    entry(4, 0, 4);
    hulse_front_has(0, 4);
}

static void begins_at_the_id_of_the_last(void **state)
{
    (void)state;
    answer(begin(at(BROKER_AT_ID, 4, -1)), 1, 4, -1);
    assert_true(front.reach.has_last);
    assert_int_equal(front.caught_up, 0);
    entry(4, 0, 4);
    hulse_front_ack(0);
    assert_int_equal(front.caught_up, 1);
}

static void begins_at_a_time(void **state)
{
    (void)state;
    struct front_where where = at(BROKER_AT_PUBLISHED, 0, -1);
    where.start.time_ms = 1005;
    const Pulsar__CommandSubscribe *s = begin(where);
    assert_null(s->start_message_id);
    assert_true(s->start_message_rollback_duration_sec > 1000000);
    answer(s, 1, 9, -1);
    for (uint32_t i = 3; i < 8; i++) {
        entry(i, 0, i); /* published at 1000 + i */
    }
    assert_int_equal(front.count, 3);
    hulse_front_has(0, 5);
}

static void goes_on_behind_what_it_handed_out(void **state)
{
    (void)state;
    struct front_where where = at(BROKER_EARLIEST, 0, -1);
    assert_int_equal(hulse_front_begin(&where), HULSE_OK);
    hulse_stage_session();
    hulse_stage_last_id(
        hulse_stage_next(TYPE(GET_LAST_MESSAGE_ID))->getlastmessageid->request_id, 1, 9, -1);
    hulse_front_permit(4);
    (void)hulse_stage_flow();
    entry(0, 0, 0);
    entry(1, 5, 1);
    assert_int_equal(front.count, 4);
    hulse_front_ack(0);
    hulse_stage_lose();
    hulse_front_permit(10);
    hulse_stage_wait(1000);
    hulse_stage_found();
    hulse_stage_ready();
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    assert_int_equal(s->start_message_id->entryid, 1);
    assert_int_equal(s->start_message_id->batch_index, 2);
    hulse_stage_success(s->request_id);
    assert_int_equal(front.opened, 1);
    (void)hulse_stage_next(TYPE(ACK));
    assert_int_equal(hulse_stage_flow(), 10);
    entry(1, 5, 1);
    entry(2, 0, 6);
    assert_int_equal(front.count, 7);
    hulse_front_has(4, 4);
    hulse_front_has(5, 5);
    hulse_front_has(6, 6);
}

static void does_not_lose_the_same_twice(void **state)
{
    (void)state;
    const struct stage_entry damaged = {.ledger = 1, .batch = 20, .bad_payload = true};
    answer(begin(at(BROKER_EARLIEST, 0, -1)), 1, 9, -1);
    hulse_stage_message(&damaged);
    const uint64_t lost = front.lost;
    const uint32_t count = front.count;
    assert_true(lost > 0 && count > 0);
    for (uint32_t i = 0; i < count; i++) {
        hulse_front_ack(i);
    }
    hulse_stage_acked(hulse_stage_next(TYPE(ACK))->ack->request_id);
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_session();
    (void)hulse_stage_flow();
    hulse_stage_message(&damaged);
    entry(1, 0, 1);
    assert_int_equal(front.lost, lost);
    assert_int_equal(front.count, count + 1);
}

static void opens_without_knowing_what_is_there(void **state)
{
    (void)state;
    const Pulsar__CommandSubscribe *s = begin(at(BROKER_EARLIEST, 0, -1));
    hulse_stage_success(s->request_id);
    hulse_stage_error(hulse_stage_next(TYPE(GET_LAST_MESSAGE_ID))->getlastmessageid->request_id,
                      PULSAR__SERVER_ERROR__UnknownError);
    assert_int_equal(front.opened, 1);
    assert_false(front.has_reach);
    hulse_front_permit(1);
    (void)hulse_stage_flow();
    entry(0, 0, 0);
    hulse_front_ack(0);
    assert_int_equal(front.caught_up, 0);
}

static void has_no_subscription(void **state)
{
    (void)state;
    struct error err = {0};
    answer(begin(at(BROKER_EARLIEST, 0, -1)), 1, 9, -1);
    assert_int_equal(hulse_pulsar_consumer_unsubscribe(front.consumer, &err), HULSE_INVAL);
    hulse_front_close(true);
    hulse_stage_success(hulse_stage_next(TYPE(CLOSE_CONSUMER))->close_consumer->request_id);
}

static void seeks(void **state)
{
    (void)state;
    const struct broker_position to = {.kind = BROKER_AT_ID, .id = {.ledger = 1, .batch = -1}};
    answer(begin(at(BROKER_EARLIEST, 0, -1)), 1, 9, -1);
    entry(0, 0, 0);
    entry(1, 0, 1);
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    const uint64_t id = hulse_stage_next(TYPE(SEEK))->seek->request_id;
    hulse_stage_close_consumer(NULL);
    hulse_stage_success(id);
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    assert_int_equal(s->start_message_id->entryid, 0);
    hulse_stage_success(s->request_id);
    assert_int_equal(hulse_stage_flow(), 98);
    entry(0, 0, 0);
    hulse_front_has(2, 0);
}

static void may_be_closed_when_it_has_it_all(void **state)
{
    (void)state;
    answer(begin(at(BROKER_EARLIEST, 0, -1)), 1, 0, -1);
    front.close_in = FRONT_CAUGHT_UP;
    entry(0, 0, 0);
    hulse_front_ack(0);
    assert_null(front.consumer);
}

static void may_be_closed_when_it_loses(void **state)
{
    (void)state;
    answer(begin(at(BROKER_EARLIEST, 0, -1)), 1, 0, -1);
    front.close_in = FRONT_LOST;
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .batch = 20, .bad_payload = true});
    assert_null(front.consumer);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(begins_at_the_earliest),
                                       TEST(begins_at_the_latest),
                                       TEST(begins_at_the_latest_of_nothing),
                                       TEST(begins_behind_an_id),
                                       TEST(begins_inside_a_batch),
                                       TEST(begins_at_an_id),
                                       TEST(begins_at_an_id_behind_the_last),
                                       TEST(begins_at_the_id_of_the_last),
                                       TEST(begins_at_a_time),
                                       TEST(goes_on_behind_what_it_handed_out),
                                       TEST(does_not_lose_the_same_twice),
                                       TEST(opens_without_knowing_what_is_there),
                                       TEST(has_no_subscription),
                                       TEST(seeks),
                                       TEST(may_be_closed_when_it_has_it_all),
                                       TEST(may_be_closed_when_it_loses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
