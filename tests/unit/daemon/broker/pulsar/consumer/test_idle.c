/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a consumer that has nothing in hand costs what it costs when it was just opened, whatever it had before; and what
 *         it needs while something happens may not be had: then nothing is lost, and it is tried again or refused.
 * Method: the connection is played by the test (stage.h); time and the memory cap too.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"

static const struct front_where shared = {.type = BROKER_SHARED};
static const struct front_where exclusive = {.type = BROKER_EXCLUSIVE};

static void begin(const struct front_where *where)
{
    hulse_front_open(where, 0);
    hulse_front_permit(10);
    assert_int_equal(hulse_stage_flow(), 10);
}

static void comes(uint64_t entry)
{
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .entry = entry, .number = (uint32_t)entry});
}

static struct pulsar_consumer *consumer(void)
{
    return (struct pulsar_consumer *)(void *)front.consumer;
}

static bool has_hands(void)
{
    return consumer()->hands->consumer != NULL;
}

static void acknowledge(uint32_t index)
{
    hulse_front_ack(index);
    hulse_stage_acked(hulse_stage_next(TYPE(ACK))->ack->request_id);
}

/* So long that it asks its broker why, which finds everything as it should be. */
static void silence(void)
{
    hulse_stage_wait(3 * PULSAR_STALL_MS);
    const uint64_t asked = hulse_stage_next(TYPE(CONSUMER_STATS))->consumerstats->request_id;
    hulse_stage_stats(asked, (struct stage_stats){.permits = consumer()->permits.broker});
}

static void costs_what_it_did_before(void **state)
{
    (void)state;
    begin(&shared);
    const size_t before = hulse_mem_used(HULSE_MEM_TOPIC);
    assert_false(has_hands());
    for (uint64_t i = 0; i < 3; i++) {
        comes(i);
        assert_true(has_hands());
        hulse_front_has((uint32_t)i, (uint32_t)i);
        acknowledge((uint32_t)i);
        silence();
        assert_false(has_hands());
    }
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), before);
}

static void what_is_held_is_not_idle(void **state)
{
    (void)state;
    begin(&exclusive);
    comes(0);
    hulse_stage_wait(2 * PULSAR_STALL_MS);
    assert_true(has_hands());
    hulse_front_nack(0, 4 * PULSAR_STALL_MS); /* kept here */
    hulse_stage_wait(2 * PULSAR_STALL_MS);
    assert_true(has_hands());
    hulse_stage_wait(2 * PULSAR_STALL_MS);
    hulse_front_has(1, 0);
}

static void without_memory_it_begins_anew(void **state)
{
    (void)state;
    begin(&shared);
    hulse_mem_init(hulse_mem_total());
    comes(0);
    hulse_mem_init(SIZE_MAX / 2);
    assert_int_equal(front.count, 0);
    (void)hulse_stage_next(TYPE(CLOSE_CONSUMER));
    assert_int_equal(stage.worker.consumers->figures.renewed, 1);
    hulse_stage_wait(1000);
    hulse_stage_session();
    assert_int_equal(hulse_stage_flow(), 10);
    comes(0);
    hulse_front_has(0, 0);
}

static void a_seek_without_memory_is_refused(void **state)
{
    const struct broker_position to = {.kind = BROKER_EARLIEST};

    (void)state;
    begin(&exclusive);
    hulse_mem_init(hulse_mem_total());
    assert_int_equal(hulse_front_seek(&to), HULSE_NO_MEMORY);
    hulse_mem_init(SIZE_MAX / 2);
    hulse_stage_nothing();
    comes(7); /* it is where it was */
    hulse_front_has(0, 7);
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    hulse_stage_success(hulse_stage_next(TYPE(SEEK))->seek->request_id);
    assert_int_equal(front.done, 1);
    assert_int_equal(front.done_with, HULSE_OK);
}

/* What an application acknowledged before the daemon's death. */
static void a_verdict_by_id_without_memory_comes_again(void **state)
{
    const struct broker_id id = {.ledger = 1, .entry = 3, .batch = -1};

    (void)state;
    begin(&shared);
    hulse_mem_init(hulse_mem_total());
    hulse_pulsar_consumer_ack_id(front.consumer, &id, false);
    hulse_mem_init(SIZE_MAX / 2);
    hulse_stage_nothing();
    comes(3);
    hulse_front_has(0, 3);
}

/* Until there is enough, byte by byte: nothing is left behind, and then it opens. */
static void an_open_without_memory_leaves_nothing(void **state)
{
    const struct front_where reader = {.type = BROKER_READER, .start = {.kind = BROKER_EARLIEST}};
    hulse_status st = HULSE_NO_MEMORY;
    uint32_t refused = 0;

    (void)state;
    for (size_t spare = 0; st != HULSE_OK; spare += 32) {
        const size_t before = hulse_mem_total();
        hulse_mem_init(before + spare);
        st = hulse_front_begin(&reader);
        hulse_mem_init(SIZE_MAX / 2);
        if (st != HULSE_OK) {
            assert_int_equal(st, HULSE_NO_MEMORY);
            assert_int_equal(hulse_mem_total(), before);
            refused += 1;
        }
    }
    assert_true(refused > 10);
    hulse_stage_session();
}

static void is_tried_again(void)
{
    hulse_mem_init(SIZE_MAX / 2);
    hulse_stage_nothing();
    assert_int_equal(front.opened, 0);
    hulse_stage_wait(1000);
    hulse_stage_session();
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_OK);
}

static void an_address_without_memory_is_tried_again(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_mem_init(hulse_mem_total());
    hulse_stage_found();
    is_tried_again();
}

static void a_session_without_memory_is_tried_again(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_stage_found();
    hulse_mem_init(hulse_mem_total());
    hulse_stage_ready();
    is_tried_again();
}

static void a_question_without_memory_is_asked_later(void **state)
{
    (void)state;
    begin(&shared);
    hulse_stage_wait(PULSAR_STALL_MS - 1);
    hulse_mem_init(hulse_mem_total());
    hulse_stage_wait(1);
    hulse_stage_nothing();
    hulse_mem_init(SIZE_MAX / 2);
    hulse_stage_wait(PULSAR_REFUSED_MS);
    (void)hulse_stage_next(TYPE(CONSUMER_STATS));
}

static void an_order_without_memory_is_refused(void **state)
{
    struct error err = {0};

    (void)state;
    begin(&shared);
    hulse_mem_init(hulse_mem_total());
    assert_int_equal(hulse_pulsar_consumer_last_message_id(front.consumer, &err), HULSE_NO_MEMORY);
    assert_int_equal(hulse_pulsar_consumer_unsubscribe(front.consumer, &err), HULSE_NO_MEMORY);
    hulse_mem_init(SIZE_MAX / 2);
    hulse_stage_nothing();
    assert_int_equal(hulse_pulsar_consumer_last_message_id(front.consumer, &err), HULSE_OK);
    hulse_stage_last_id(
        hulse_stage_next(TYPE(GET_LAST_MESSAGE_ID))->getlastmessageid->request_id, 1, 4, -1);
    assert_int_equal(front.done_with, HULSE_OK);
    assert_int_equal(front.id.entry, 4);
}

/* Its broker would keep messages for nobody. */
static void a_close_without_memory_ends_the_connection(void **state)
{
    (void)state;
    begin(&shared);
    hulse_mem_init(hulse_mem_total());
    hulse_front_close(false);
    hulse_mem_init(SIZE_MAX / 2);
    assert_int_equal(stage.broken, 1);
    hulse_stage_nothing();
    hulse_stage_lose();
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(costs_what_it_did_before),
        TEST(what_is_held_is_not_idle),
        TEST(without_memory_it_begins_anew),
        TEST(a_seek_without_memory_is_refused),
        TEST(a_verdict_by_id_without_memory_comes_again),
        TEST(an_open_without_memory_leaves_nothing),
        TEST(an_address_without_memory_is_tried_again),
        TEST(a_session_without_memory_is_tried_again),
        TEST(a_question_without_memory_is_asked_later),
        TEST(an_order_without_memory_is_refused),
        TEST(a_close_without_memory_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
