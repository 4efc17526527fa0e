/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a consumer opens within the operation timeout or says why not, comes back after whatever ended its session, and
 *         tells the broker when it goes; orders end once.
 * Method: lookups and the connection are played by the test (stage.h); time too.
 */
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"

#include <string.h>

static const struct front_where shared = {.type = BROKER_SHARED};
static const struct front_where exclusive = {
    .type = BROKER_EXCLUSIVE, .start = {.kind = BROKER_EARLIEST}, .never_create = true};
static const struct front_where key_shared = {.type = BROKER_KEY_SHARED};

static void entry(uint64_t id, uint32_t batch, uint32_t number)
{
    hulse_stage_message(
        &(struct stage_entry){.ledger = 1, .entry = id, .batch = batch, .number = number});
}

static void answer_close(void)
{
    hulse_stage_success(hulse_stage_next(TYPE(CLOSE_CONSUMER))->close_consumer->request_id);
}

#define SERVER_ERROR(name) PULSAR__SERVER_ERROR__##name

/* ---- opening ---- */

static void opens(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&exclusive), HULSE_OK);
    assert_false(stage.lookup_create);
    assert_int_equal(stage.lookup_how, PULSAR_LOOKUP_ANY);
    hulse_stage_found();
    hulse_stage_nothing();
    hulse_stage_ready();
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    assert_string_equal(s->topic, STAGE_TOPIC);
    assert_string_equal(s->subscription, "s");
    assert_string_equal(s->consumer_name, "c");
    assert_int_equal(s->subtype, PULSAR__COMMAND_SUBSCRIBE__SUB_TYPE__Exclusive);
    assert_int_equal(s->initialposition, PULSAR__COMMAND_SUBSCRIBE__INITIAL_POSITION__Earliest);
    assert_true(s->durable);
    assert_null(s->start_message_id);
    assert_null(s->keysharedmeta);
    assert_true(s->has_force_topic_creation && !s->force_topic_creation);
    assert_int_equal(front.opened, 0);
    hulse_stage_success(s->request_id);
    assert_int_equal(front.opened, 1);
    assert_false(front.has_reach);
    hulse_stage_nothing();
}

static void opens_key_shared(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&key_shared), HULSE_OK);
    assert_true(stage.lookup_create);
    hulse_stage_found();
    hulse_stage_ready();
    const Pulsar__CommandSubscribe *s = hulse_stage_next(TYPE(SUBSCRIBE))->subscribe;
    assert_int_equal(s->subtype, PULSAR__COMMAND_SUBSCRIBE__SUB_TYPE__Key_Shared);
    assert_non_null(s->keysharedmeta);
    assert_int_equal(s->keysharedmeta->keysharedmode, PULSAR__KEY_SHARED_MODE__AUTO_SPLIT);
    assert_true(s->force_topic_creation);
    hulse_stage_success(s->request_id);
}

static void refuses_a_start_that_subscriptions_do_not_have(void **state)
{
    (void)state;
    const struct front_where at = {.type = BROKER_SHARED, .start = {.kind = BROKER_AT_ID}};
    assert_int_equal(hulse_front_begin(&at), HULSE_UNSUPPORTED);
    front.consumer = NULL;
}

static void fails_to_open_by_an_error(Pulsar__ServerError error, hulse_status status)
{
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_stage_found();
    hulse_stage_ready();
    hulse_stage_error(hulse_stage_next(TYPE(SUBSCRIBE))->subscribe->request_id, error);
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, status);
    assert_non_null(strstr(front.text, "said"));
    hulse_stage_nothing();
}

static void fails_to_open(void **state)
{
    (void)state;
    fails_to_open_by_an_error(SERVER_ERROR(ConsumerBusy), HULSE_BUSY);
    fails_to_open_by_an_error(SERVER_ERROR(AuthorizationError), HULSE_DENIED);
    fails_to_open_by_an_error(SERVER_ERROR(TopicNotFound), HULSE_NO_TOPIC);
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_stage_not_found(SERVER_ERROR(TopicNotFound), 0);
    assert_int_equal(front.status, HULSE_NO_TOPIC);
}

static void tries_until_the_operation_timeout(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    uint32_t attempts = 0;
    for (uint32_t i = 0; i < 400 && front.opened == 0; i++) {
        if (stage.lookup != NULL) {
            attempts += 1;
            hulse_stage_not_found(SERVER_ERROR(ServiceNotReady), 0);
        }
        hulse_stage_wait(100);
    }
    assert_true(attempts > 2);
    assert_int_equal(front.status, HULSE_IO); /* the last error's */
    assert_non_null(strstr(front.text, "ServiceNotReady"));
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_stage_found();
    hulse_stage_wait(30000 + 251); /* and the grace for the lookup, which says more */
    assert_int_equal(front.status, HULSE_TIMED_OUT);
}

static void undoes_a_subscribe_without_answer(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_stage_found();
    hulse_stage_ready();
    hulse_stage_time_out(hulse_stage_next(TYPE(SUBSCRIBE))->subscribe->request_id);
    (void)hulse_stage_next(TYPE(CLOSE_CONSUMER));
    hulse_stage_wait(1000);
    hulse_stage_session();
    assert_int_equal(front.status, HULSE_OK);
}

static void closes_while_it_opens(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_front_close(false);
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_stage_found();
    hulse_front_close(true);
    hulse_stage_nothing();
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    hulse_stage_found();
    hulse_stage_ready();
    (void)hulse_stage_next(TYPE(SUBSCRIBE));
    hulse_front_close(false);
    answer_close();
    assert_int_equal(front.opened, 0);
}

static void closes_in_opened(void **state)
{
    (void)state;
    assert_int_equal(hulse_front_begin(&shared), HULSE_OK);
    front.close_in = FRONT_OPENED;
    hulse_stage_session();
    answer_close();
}

/* ---- sessions end ---- */

static void comes_back_whatever_the_error(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(7);
    assert_int_equal(hulse_stage_flow(), 7);
    hulse_stage_close_consumer(NULL);
    hulse_stage_nothing();
    hulse_stage_wait(1000);
    assert_int_equal(stage.lookup_how, PULSAR_LOOKUP_FRESH);
    hulse_stage_found();
    hulse_stage_ready();
    hulse_stage_error(hulse_stage_next(TYPE(SUBSCRIBE))->subscribe->request_id,
                      SERVER_ERROR(ConsumerBusy));
    hulse_stage_wait(2000);
    hulse_stage_found();
    hulse_stage_lose(); /* before it was ready */
    hulse_stage_wait(5000);
    hulse_stage_session();
    assert_int_equal(hulse_stage_flow(), 7);
    assert_int_equal(front.failed, 0);
    entry(0, 0, 0);
    hulse_front_has(0, 0);
}

static void goes_where_it_is_told_to(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_stage_close_consumer("pulsar://other:6651");
    assert_null(stage.lookup);
    hulse_stage_ready();
    hulse_stage_success(hulse_stage_next(TYPE(SUBSCRIBE))->subscribe->request_id);
    hulse_stage_close_consumer("not a url");
    hulse_stage_wait(1000);
    hulse_stage_session();
    assert_int_equal(stage.attached, 3);
}

static void ends_with_its_topic(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(3);
    (void)hulse_stage_flow();
    entry(0, 0, 0);
    entry(1, 0, 1);
    hulse_front_ack(0);
    (void)hulse_stage_next(TYPE(ACK));
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_not_found(SERVER_ERROR(TopicNotFound), 0);
    assert_int_equal(front.failed, 1);
    assert_int_equal(front.failed_with, HULSE_NO_TOPIC);
    assert_int_equal(front.settled, 1);
    hulse_front_ack(1); /* taken, without effect */
    assert_int_equal(front.settled, 2);
    hulse_stage_wait(100000);
    hulse_stage_nothing();
}

static void tells_the_end_of_the_topic_once(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_stage_end_of_topic();
    hulse_stage_end_of_topic();
    assert_int_equal(front.ends, 1);
    front.close_in = FRONT_ACTIVE;
    hulse_stage_active(true); /* of a Shared one it says nothing */
    assert_int_equal(front.active, 0);
}

static void tells_the_broker_when_it_goes(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(3);
    (void)hulse_stage_flow();
    entry(0, 0, 0);
    entry(1, 0, 1);
    hulse_front_ack(0);
    hulse_front_close(false);
    assert_int_equal(hulse_stage_next(TYPE(ACK))->ack->n_message_id, 1);
    answer_close();
    assert_null(stage.user);
}

static void unsubscribes_when_it_goes(void **state)
{
    (void)state;
    const struct front_where transient = {.type = BROKER_SHARED, .transient = true};
    hulse_front_open(&transient, 0);
    hulse_front_close(false);
    hulse_stage_success(hulse_stage_next(TYPE(UNSUBSCRIBE))->unsubscribe->request_id);
    assert_null(stage.user);
    hulse_front_open(&shared, 0);
    hulse_front_close(true);
    hulse_stage_error(hulse_stage_next(TYPE(UNSUBSCRIBE))->unsubscribe->request_id,
                      SERVER_ERROR(MetadataError));
    answer_close();
    assert_null(stage.user);
    hulse_front_open(&shared, 0);
    hulse_front_close(false);
    (void)hulse_stage_next(TYPE(CLOSE_CONSUMER));
    hulse_stage_lose();
    assert_null(stage.user);
}

/* ---- orders ---- */

static hulse_status last_message_id(void)
{
    struct error err = {0};
    return hulse_pulsar_consumer_last_message_id(front.consumer, &err);
}

static hulse_status unsubscribe(void)
{
    struct error err = {0};
    return hulse_pulsar_consumer_unsubscribe(front.consumer, &err);
}

static uint64_t next_last(void)
{
    return hulse_stage_next(TYPE(GET_LAST_MESSAGE_ID))->getlastmessageid->request_id;
}

static void asks_for_the_last_id(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    assert_int_equal(last_message_id(), HULSE_OK);
    assert_int_equal(last_message_id(), HULSE_BUSY);
    hulse_stage_last_id(next_last(), UINT64_MAX, UINT64_MAX, -1);
    assert_int_equal(front.done, 1);
    assert_false(front.has_id);
    assert_int_equal(last_message_id(), HULSE_OK);
    (void)next_last();
    hulse_stage_lose(); /* is asked again */
    hulse_stage_wait(1000);
    hulse_stage_session();
    hulse_stage_last_id(next_last(), 3, 4, 5);
    assert_int_equal(front.done, 2);
    assert_true(front.has_id);
    assert_int_equal(front.id.ledger, 3);
    assert_int_equal(front.id.entry, 4);
    assert_int_equal(front.id.batch, 5);
    assert_int_equal(last_message_id(), HULSE_OK);
    hulse_stage_error(next_last(), SERVER_ERROR(UnknownError));
    assert_int_equal(front.done_with, HULSE_IO);
}

static void gives_an_order_up_in_time(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_stage_lose();
    assert_int_equal(last_message_id(), HULSE_OK);
    hulse_stage_wait(30000 + 251); /* and the grace for the lookup, which says more */
    assert_int_equal(front.done, 1);
    assert_int_equal(front.done_with, HULSE_TIMED_OUT);
}

static void unsubscribes(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_front_permit(3);
    (void)hulse_stage_flow();
    entry(0, 0, 0);
    assert_int_equal(unsubscribe(), HULSE_OK);
    hulse_stage_error(hulse_stage_next(TYPE(UNSUBSCRIBE))->unsubscribe->request_id,
                      SERVER_ERROR(MetadataError));
    assert_int_equal(front.done_with, HULSE_BUSY);
    assert_int_equal(unsubscribe(), HULSE_OK);
    hulse_stage_success(hulse_stage_next(TYPE(UNSUBSCRIBE))->unsubscribe->request_id);
    assert_int_equal(front.done_with, HULSE_OK);
    assert_int_equal(front.done, 2);
    hulse_front_has(0, 0);
    hulse_front_ack(0);
    assert_int_equal(front.settled, 1);
    assert_int_equal(unsubscribe(), HULSE_CLOSED);
    hulse_stage_wait(100000);
    hulse_stage_nothing();
}

static void seeks(void **state)
{
    (void)state;
    const struct broker_position to = {
        .kind = BROKER_AFTER_ID, .id = {.ledger = 1, .entry = 1, .batch = 1, .batch_size = 4}};
    hulse_front_open(&exclusive, 0);
    hulse_front_permit(20);
    (void)hulse_stage_flow();
    for (uint32_t i = 0; i < 4; i++) {
        entry(i, 0, i);
    }
    hulse_front_ack(0);
    hulse_front_nack(1, 10);
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    assert_int_equal(front.ended, 2);
    const uint64_t ack = hulse_stage_next(TYPE(ACK))->ack->request_id;
    const Pulsar__CommandSeek *s = hulse_stage_next(TYPE(SEEK))->seek;
    assert_int_equal(s->message_id->ledgerid, 1);
    assert_int_equal(s->message_id->entryid, 1);
    assert_int_equal(s->message_id->n_ack_set, 1);
    assert_int_equal(s->message_id->ack_set[0], 0xc);
    entry(7, 0, 7); /* on its way when the order was given */
    hulse_stage_wait(20);
    assert_int_equal(front.count, 4);
    hulse_stage_close_consumer(NULL);
    hulse_stage_acked(ack);
    assert_int_equal(front.settled, 2);
    assert_int_equal(front.done, 0);
    hulse_stage_success(s->request_id);
    assert_int_equal(front.done, 1);
    assert_int_equal(front.done_with, HULSE_OK);
    hulse_stage_success(hulse_stage_next(TYPE(SUBSCRIBE))->subscribe->request_id);
    assert_int_equal(hulse_stage_flow(), 16);
    entry(1, 4, 100);
    assert_int_equal(front.count, 6);
    hulse_front_has(4, 102);
    hulse_front_has(5, 103);
    entry(0, 0, 50); /* acknowledged before; now it is there again */
    hulse_front_has(6, 50);
}

static void does_not_acknowledge_again_after_a_seek(void **state)
{
    (void)state;
    const struct broker_position to = {.kind = BROKER_EARLIEST};
    hulse_front_open(&exclusive, 0);
    hulse_front_permit(20);
    (void)hulse_stage_flow();
    entry(0, 0, 0);
    hulse_front_ack(0);
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    (void)hulse_stage_next(TYPE(ACK));
    const Pulsar__CommandSeek *s = hulse_stage_next(TYPE(SEEK))->seek;
    assert_int_equal(s->message_id->ledgerid, UINT64_MAX);
    hulse_stage_lose();
    assert_int_equal(front.done_with, HULSE_IO);
    hulse_stage_wait(1000);
    assert_int_equal(front.settled, 1);
    hulse_stage_session();
    assert_int_equal(hulse_stage_flow(), 19);
    entry(0, 0, 0);
    assert_int_equal(front.count, 2);
}

static void goes_on_after_a_seek_that_failed(void **state)
{
    (void)state;
    const struct broker_position to = {.kind = BROKER_AT_PUBLISHED, .time_ms = 5};
    hulse_front_open(&exclusive, 0);
    hulse_front_permit(20);
    (void)hulse_stage_flow();
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    assert_int_equal(hulse_front_seek(&to), HULSE_BUSY);
    const Pulsar__CommandSeek *s = hulse_stage_next(TYPE(SEEK))->seek;
    assert_null(s->message_id);
    assert_int_equal(s->message_publish_time, 5);
    hulse_stage_error(s->request_id, SERVER_ERROR(UnknownError));
    assert_int_equal(front.done_with, HULSE_IO);
    (void)hulse_stage_next(TYPE(CLOSE_CONSUMER)); /* what was let go comes to another session */
    hulse_stage_wait(1000);
    hulse_stage_session();
    assert_int_equal(hulse_stage_flow(), 20);
    entry(3, 0, 3);
    hulse_front_has(0, 3);
    /* Not connected: when it is again. */
    hulse_stage_lose();
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    assert_int_equal(front.ended, 1);
    hulse_stage_wait(1000);
    hulse_stage_session();
    hulse_stage_time_out(hulse_stage_next(TYPE(SEEK))->seek->request_id);
    assert_int_equal(front.done_with, HULSE_TIMED_OUT);
    (void)hulse_stage_next(TYPE(CLOSE_CONSUMER)); /* where it stands is not known */
    hulse_stage_wait(1000);
    hulse_stage_session();
    assert_int_equal(hulse_stage_flow(), 19);
}

/* A broker closes a consumer before it does the seek, which may fail then. */
static void says_why_a_seek_was_refused(void **state)
{
    (void)state;
    const struct broker_position to = {.kind = BROKER_EARLIEST};
    hulse_front_open(&exclusive, 0);
    hulse_front_permit(20);
    (void)hulse_stage_flow();
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    const uint64_t id = hulse_stage_next(TYPE(SEEK))->seek->request_id;
    hulse_stage_close_consumer(NULL);
    hulse_stage_error(id, SERVER_ERROR(UnknownError));
    assert_int_equal(front.done, 1);
    assert_int_equal(front.done_with, HULSE_IO);
    assert_non_null(strstr(front.done_text, "said"));
    hulse_stage_wait(1000);
    hulse_stage_session();
    assert_int_equal(hulse_stage_flow(), 20);
}

/* Clocks differ: what comes from there on may say that it was published before, and is not lost for that. */
static void hands_out_what_comes_after_a_seek_to_the_future(void **state)
{
    (void)state;
    const struct broker_position to = {.kind = BROKER_AT_PUBLISHED, .time_ms = UINT64_MAX};
    hulse_front_open(&exclusive, 0);
    hulse_front_permit(20);
    (void)hulse_stage_flow();
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    hulse_stage_success(hulse_stage_next(TYPE(SEEK))->seek->request_id);
    hulse_stage_success(hulse_stage_next(TYPE(SUBSCRIBE))->subscribe->request_id);
    (void)hulse_stage_flow();
    entry(3, 0, 3);
    hulse_front_has(0, 3);
}

static void closes_in_done(void **state)
{
    (void)state;
    const struct broker_position to = {.kind = BROKER_LATEST};
    hulse_front_open(&exclusive, 0);
    front.close_in = FRONT_DONE;
    assert_int_equal(hulse_front_seek(&to), HULSE_OK);
    hulse_stage_success(hulse_stage_next(TYPE(SEEK))->seek->request_id);
    (void)hulse_stage_next(TYPE(SUBSCRIBE));
    answer_close();
    hulse_front_open(&shared, 0);
    front.close_in = FRONT_DONE;
    assert_int_equal(unsubscribe(), HULSE_OK);
    hulse_stage_success(hulse_stage_next(TYPE(UNSUBSCRIBE))->unsubscribe->request_id);
    assert_null(stage.user);
    hulse_front_open(&shared, 0);
    front.close_in = FRONT_FAILED;
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_not_found(SERVER_ERROR(TopicNotFound), 0);
    assert_null(front.consumer);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, hulse_front_set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(opens),
                                       TEST(opens_key_shared),
                                       TEST(refuses_a_start_that_subscriptions_do_not_have),
                                       TEST(fails_to_open),
                                       TEST(tries_until_the_operation_timeout),
                                       TEST(undoes_a_subscribe_without_answer),
                                       TEST(closes_while_it_opens),
                                       TEST(closes_in_opened),
                                       TEST(comes_back_whatever_the_error),
                                       TEST(goes_where_it_is_told_to),
                                       TEST(ends_with_its_topic),
                                       TEST(tells_the_end_of_the_topic_once),
                                       TEST(tells_the_broker_when_it_goes),
                                       TEST(unsubscribes_when_it_goes),
                                       TEST(asks_for_the_last_id),
                                       TEST(gives_an_order_up_in_time),
                                       TEST(unsubscribes),
                                       TEST(seeks),
                                       TEST(does_not_acknowledge_again_after_a_seek),
                                       TEST(goes_on_after_a_seek_that_failed),
                                       TEST(says_why_a_seek_was_refused),
                                       TEST(hands_out_what_comes_after_a_seek_to_the_future),
                                       TEST(closes_in_done)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
