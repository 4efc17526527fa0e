/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   permits that the broker has lost are given again, and a subscription that gets nothing of what there is is made
 *         anew, once for a message; a topic that is silent by itself, or whose messages are another consumer's, is left
 *         alone and asked after ever more rarely.
 * Method: the connection is played by the test (stage.h); time too.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"

static const struct front_where shared = {.type = BROKER_SHARED};
static const struct front_where exclusive = {.type = BROKER_EXCLUSIVE};
static const struct front_where failover = {.type = BROKER_FAILOVER};

static const struct pulsar_consumer_figures *figures(void)
{
    return &stage.worker.consumers->figures;
}

static void begin(const struct front_where *where)
{
    hulse_front_open(where, 0);
    hulse_front_permit(10);
    assert_int_equal(hulse_stage_flow(), 10);
}

static void entry(uint64_t id)
{
    hulse_stage_message(&(struct stage_entry){.ledger = 1, .entry = id, .number = (uint32_t)id});
}

/* The question after what the broker has. */
static uint64_t asked(void)
{
    return hulse_stage_next(TYPE(CONSUMER_STATS))->consumerstats->request_id;
}

/* The broker has the permits that it should have. */
static void has(int64_t permits)
{
    hulse_stage_stats(asked(), (struct stage_stats){.permits = permits});
}

/* The topic's last message is (1, entry). */
static void last(uint64_t entry_id)
{
    hulse_stage_last_id(
        hulse_stage_next(TYPE(GET_LAST_MESSAGE_ID))->getlastmessageid->request_id, 1, entry_id, -1);
}

static void lost_permits_are_given_again(void **state)
{
    (void)state;
    begin(&shared);
    hulse_stage_wait(PULSAR_STALL_MS - 1);
    hulse_stage_nothing();
    hulse_stage_wait(1);
    has(0);
    hulse_stage_nothing(); /* a message may be under way */
    hulse_stage_wait(PULSAR_STALL_SURE_MS);
    has(0);
    assert_int_equal(hulse_stage_flow(), 10);
    assert_int_equal(figures()->stalls, 1);
    assert_int_equal(figures()->permits_lost, 10);
    entry(0);
    hulse_front_has(0, 0);
    hulse_stage_wait(PULSAR_STALL_MS);
    has(9);
    hulse_stage_nothing();
}

static void a_message_between_the_questions_is_no_loss(void **state)
{
    (void)state;
    begin(&shared);
    hulse_stage_wait(PULSAR_STALL_MS);
    const uint64_t first = asked();
    entry(0);
    hulse_stage_stats(first, (struct stage_stats){.permits = 8}); /* it has sent one more */
    hulse_stage_wait(PULSAR_STALL_MS);
    has(8);
    entry(1);
    hulse_stage_wait(PULSAR_STALL_SURE_MS);
    hulse_stage_nothing();
    assert_int_equal(figures()->stalls, 0);
}

static void blocked_by_the_broker_is_no_loss(void **state)
{
    (void)state;
    begin(&shared);
    for (int i = 0; i < 2; i++) {
        hulse_stage_wait(PULSAR_STALL_MS);
        hulse_stage_stats(asked(), (struct stage_stats){.permits = 0, .blocked = true});
    }
    hulse_stage_nothing();
    assert_int_equal(figures()->stalls, 0);
}

static void a_silent_topic_is_asked_after_ever_more_rarely(void **state)
{
    (void)state;
    begin(&exclusive);
    entry(0);
    uint32_t pause = PULSAR_STALL_MS;
    for (int i = 0; i < 8; i++) {
        hulse_stage_wait(pause);
        has(9);
        last(0);
        pause = i == 0 ? PULSAR_STALL_MS
                       : (2 * pause < PULSAR_STALL_MAX_MS ? 2 * pause : PULSAR_STALL_MAX_MS);
    }
    assert_int_equal(figures()->stalls, 0);
    hulse_stage_wait(PULSAR_STALL_MAX_MS - 1);
    hulse_stage_nothing();
    entry(1); /* and from the beginning, when it was not silent */
    hulse_stage_wait(2 * PULSAR_STALL_MS);
    has(8);
    last(1);
}

static void of_the_shared_types_a_message_may_be_anothers(void **state)
{
    (void)state;
    begin(&shared);
    for (int i = 0; i < 5; i++) {
        hulse_stage_wait(PULSAR_STALL_MAX_MS);
        has(10);
        stage.first = stage.count;
    }
    assert_int_equal(figures()->stalls, 0);
    assert_int_equal(figures()->renewed, 0);
}

static void what_does_not_come_is_subscribed_to_anew(void **state)
{
    (void)state;
    begin(&exclusive);
    entry(0);
    hulse_stage_wait(PULSAR_STALL_MS);
    has(9);
    last(5);
    hulse_stage_nothing(); /* it may just have been published */
    hulse_stage_wait(PULSAR_STALL_MS);
    has(9);
    last(5);
    (void)hulse_stage_next(TYPE(CLOSE_CONSUMER));
    assert_int_equal(figures()->stalls, 1);
    assert_int_equal(figures()->renewed, 1);
    hulse_stage_wait(1000);
    hulse_stage_session();
    (void)hulse_stage_flow();
    entry(0);
    entry(5);
    assert_int_equal(front.count, 2); /* what is held is not handed out twice */
    hulse_stage_wait(PULSAR_STALL_MS);
    has(8); /* of the 9 that were wanted then the entry that came again cost one, which was asked for again */
}

static void in_vain_is_said_once(void **state)
{
    (void)state;
    begin(&exclusive);
    for (int i = 0; i < 2; i++) {
        entry(0);
        for (int question = 0; question < 2; question++) {
            hulse_stage_wait(PULSAR_STALL_MS);
            has(9 - i);
            last(5);
        }
        if (i == 0) {
            (void)hulse_stage_next(TYPE(CLOSE_CONSUMER));
            hulse_stage_wait(1000);
            hulse_stage_session();
            assert_int_equal(hulse_stage_flow(), 9);
        }
    }
    hulse_stage_nothing();
    assert_int_equal(figures()->stalls, 1);
    assert_int_equal(figures()->stalls_left, 1);
    for (int question = 0; question < 4; question++) {
        hulse_stage_wait(PULSAR_STALL_MAX_MS);
        has(8);
        last(5);
    }
    assert_int_equal(figures()->renewed, 1);
    assert_int_equal(figures()->stalls_left, 1);
}

static void a_broker_that_does_not_say_is_asked_for_its_last_message(void **state)
{
    (void)state;
    begin(&exclusive);
    for (int question = 0; question < 2; question++) {
        hulse_stage_wait(PULSAR_STALL_MS);
        hulse_stage_stats(asked(), (struct stage_stats){.error = true});
        last(0);
        entry(0);
    }
    hulse_stage_wait(2 * PULSAR_STALL_MS);
    hulse_stage_time_out(asked());
    last(7);
    hulse_stage_wait(PULSAR_STALL_MS);
    hulse_stage_time_out(asked());
    last(7);
    (void)hulse_stage_next(TYPE(CLOSE_CONSUMER));
    assert_int_equal(figures()->stalls, 1);
}

static void who_is_not_active_waits(void **state)
{
    (void)state;
    begin(&failover);
    hulse_stage_wait(5 * PULSAR_STALL_MS);
    hulse_stage_nothing();
    hulse_stage_active(true);
    hulse_stage_wait(PULSAR_STALL_MS);
    has(10);
}

static void without_permits_there_is_nothing_to_ask(void **state)
{
    (void)state;
    hulse_front_open(&exclusive, 0);
    hulse_stage_wait(5 * PULSAR_STALL_MS);
    hulse_stage_nothing();
}

static void a_loss_ends_the_question(void **state)
{
    (void)state;
    begin(&exclusive);
    hulse_stage_wait(PULSAR_STALL_MS);
    const uint64_t before = asked();
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_session();
    (void)hulse_stage_flow();
    hulse_stage_stats(before, (struct stage_stats){.permits = 0});
    hulse_stage_wait(PULSAR_STALL_MS);
    (void)asked();
    hulse_front_close(false); /* with a question under way */
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lost_permits_are_given_again),
        TEST(a_message_between_the_questions_is_no_loss),
        TEST(blocked_by_the_broker_is_no_loss),
        TEST(a_silent_topic_is_asked_after_ever_more_rarely),
        TEST(of_the_shared_types_a_message_may_be_anothers),
        TEST(what_does_not_come_is_subscribed_to_anew),
        TEST(in_vain_is_said_once),
        TEST(a_broker_that_does_not_say_is_asked_for_its_last_message),
        TEST(who_is_not_active_waits),
        TEST(without_permits_there_is_nothing_to_ask),
        TEST(a_loss_ends_the_question)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
