/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a producer opens as it was asked to, or hears why not; an own one has its records' sequence ids, and goes on
 *         after a restart with what the broker has not.
 * Method: a broker played by hand.
 */
#include "daemon/core/mem.h"
#include "tests/unit/daemon/broker/pulsar/producer/peer.h"

#include <stdio.h>
#include <string.h>

static struct bed bed;
static struct peer peer;
static struct line line;
static struct pub pub;
static struct pub other;

static void open_all(void)
{
    hulse_peer_open(&peer);
    hulse_bed_open(&bed, peer.port);
    memset(&line, 0, sizeof(line));
    hulse_pub_init(&pub, &bed);
    hulse_pub_init(&other, &bed);
}

static void close_all(void)
{
    if (!pub.closed) {
        hulse_pub_close(&pub);
    }
    if (line.data != NULL) {
        hulse_line_hang_up(&line);
    }
    hulse_bed_close(&bed);
    hulse_peer_close(&peer);
}

static void expect_refused(hulse_status status, const char *text)
{
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, status);
    assert_non_null(strstr(pub.text, text));
    hulse_bed_turn(&bed);
}

/* ---- refused ---- */

static void test_a_lookup_that_fails_is_the_opens_failure(void **state)
{
    (void)state;
    open_all();
    bed.found.failure = (struct pulsar_failure){.verdict = PULSAR_GONE,
                                                .class = BROKER_FAIL,
                                                .status = HULSE_NO_TOPIC,
                                                .outcome = HULSE_OUTCOME_NO_TOPIC,
                                                .text = "there is none"};
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    expect_refused(HULSE_NO_TOPIC, "there is none");
    close_all();
}

static void test_what_does_not_pass_refuses_the_open(void **state)
{
    static const struct {
        Pulsar__ServerError error;
        hulse_status status;
    } cases[] = {{PULSAR__SERVER_ERROR__ProducerBusy, HULSE_BUSY},
                 {PULSAR__SERVER_ERROR__AuthorizationError, HULSE_DENIED},
                 {PULSAR__SERVER_ERROR__TopicNotFound, HULSE_NO_TOPIC},
                 {PULSAR__SERVER_ERROR__TopicTerminatedError, HULSE_CLOSED},
                 {PULSAR__SERVER_ERROR__ProducerFenced, HULSE_BUSY}};
    uint64_t id = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        open_all();
        assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
        assert_int_equal(hulse_pub_open(&other), HULSE_OK); /* waits with it */
        hulse_peer_welcome(&peer, &bed, &line);
        hulse_line_say_error(&line, hulse_line_hear_producer(&line, &id, 0, NULL), cases[i].error);
        expect_refused(cases[i].status, "so it is");
        assert_int_equal(other.opened, 1);
        assert_int_equal(other.status, cases[i].status);
        close_all();
    }
}

static void test_what_passes_is_tried_again(void **state)
{
    char name[256];
    uint64_t id = 0;

    (void)state;
    open_all();
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    hulse_line_say_error(&line,
                         hulse_line_hear_producer(&line, &id, 0, NULL),
                         PULSAR__SERVER_ERROR__ServiceNotReady);
    hulse_line_say_error(&line,
                         hulse_line_hear_producer(&line, &id, 1, NULL),
                         PULSAR__SERVER_ERROR__ProducerBlockedQuotaExceededException);
    hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &id, 2, name), name, -1);
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_OK);
    close_all();
}

static void test_until_the_operation_timeout(void **state)
{
    (void)state;
    open_all();
    bed.broker.params.operation_timeout_ms = 100;
    bed.silent = true;
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    expect_refused(HULSE_TIMED_OUT, "lookup");
    close_all();
    open_all();
    bed.broker.params.operation_timeout_ms = 100;
    bed.found.endpoint = hulse_bed_endpoint(1);
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_pub_await_opened(&pub);
    assert_int_not_equal(pub.status, HULSE_OK);
    close_all();
}

static void test_a_late_success_is_undone(void **state)
{
    uint64_t id = 0;

    (void)state;
    open_all();
    bed.broker.params.operation_timeout_ms = 100;
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    (void)hulse_line_hear_producer(&line, &id, 0, NULL);
    hulse_line_hear_close(&line, id);
    hulse_pub_await_opened(&pub);
    assert_int_not_equal(pub.status, HULSE_OK);
    close_all();
}

static void test_closing_while_it_opens(void **state)
{
    uint64_t id = 0;

    (void)state;
    open_all();
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    (void)hulse_line_hear_producer(&line, &id, 0, NULL);
    hulse_pub_close(&pub);
    hulse_line_hear_close(&line, id);
    close_all();
    open_all();
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_pub_close(&pub);
    hulse_bed_turn(&bed);
    hulse_bed_turn(&bed);
    close_all();
    assert_int_equal(pub.opened, 0);
}

static void test_who_comes_before_it_has_ended_is_welcome(void **state)
{
    uint64_t id = 0;
    char name[256];

    (void)state;
    open_all();
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &id, 0, name), name, -1);
    hulse_pub_await_opened(&pub);
    hulse_pub_close(&pub);
    assert_int_equal(hulse_pub_open(&other), HULSE_OK);
    assert_int_equal(other.opened, 1);
    assert_true(hulse_line_is_quiet(&line));
    hulse_pub_close(&other);
    hulse_line_hear_close(&line, id);
    close_all();
}

static void test_an_answer_that_is_none_ends_the_connection(void **state)
{
    uint64_t id = 0;
    char name[256];
    struct line next = {0};

    (void)state;
    open_all();
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &id, 0, NULL), "another", -1);
    hulse_line_await_end(&line);
    hulse_peer_welcome(&peer, &bed, &next);
    hulse_line_say_opened(&next, hulse_line_hear_producer(&next, &id, 1, name), name, -1);
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_OK);
    hulse_line_hang_up(&next);
    close_all();
}

/* ---- as asked ---- */

static void test_exclusive_access_is_asked_for(void **state)
{
    (void)state;
    for (int access = BROKER_ACCESS_EXCLUSIVE; access <= BROKER_ACCESS_TAKE; access++) {
        open_all();
        pub.params.access = (enum broker_access)access;
        pub.params.name = "mine";
        assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
        hulse_peer_welcome(&peer, &bed, &line);
        const Pulsar__BaseCommand *c = hulse_line_hear(&line, NULL);
        assert_int_equal(c->type, PULSAR__BASE_COMMAND__TYPE__PRODUCER);
        assert_string_equal(c->producer->producer_name, "mine");
        assert_true(c->producer->user_provided_producer_name);
        assert_int_equal(c->producer->producer_access_mode,
                         access == BROKER_ACCESS_TAKE
                             ? PULSAR__PRODUCER_ACCESS_MODE__ExclusiveWithFencing
                             : PULSAR__PRODUCER_ACCESS_MODE__Exclusive);
        assert_false(c->producer->has_topic_epoch);
        Pulsar__CommandProducerSuccess success = PULSAR__COMMAND_PRODUCER_SUCCESS__INIT;
        Pulsar__BaseCommand said = PULSAR__BASE_COMMAND__INIT;
        const uint64_t id = c->producer->producer_id;
        success.request_id = c->producer->request_id;
        success.producer_name = (char *)(uintptr_t) "mine";
        success.has_topic_epoch = true;
        success.topic_epoch = 42;
        said.type = PULSAR__BASE_COMMAND__TYPE__PRODUCER_SUCCESS;
        said.producer_success = &success;
        hulse_line_say(&line, &said);
        hulse_pub_await_opened(&pub);
        hulse_line_say_closed(&line, id, NULL);
        c = hulse_line_hear(&line, NULL);
        assert_true(c->producer->has_topic_epoch);
        assert_int_equal(c->producer->topic_epoch, 42);
        close_all();
    }
}

/* Answers PRODUCER of "mine": it has the topic, or has to wait for it. */
static void say_turn(uint64_t request, bool is_ready)
{
    Pulsar__CommandProducerSuccess success = PULSAR__COMMAND_PRODUCER_SUCCESS__INIT;
    Pulsar__BaseCommand said = PULSAR__BASE_COMMAND__INIT;

    success.request_id = request;
    success.producer_name = (char *)(uintptr_t) "mine";
    success.has_producer_ready = true;
    success.producer_ready = is_ready;
    said.type = PULSAR__BASE_COMMAND__TYPE__PRODUCER_SUCCESS;
    said.producer_success = &success;
    hulse_line_say(&line, &said);
}

/* Opens pub so that it waits for others to go; gives its request. */
static uint64_t open_waiting(uint64_t *id)
{
    pub.params.access = BROKER_ACCESS_WAIT;
    pub.params.name = "mine";
    bed.broker.params.operation_timeout_ms = 10;
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    const Pulsar__BaseCommand *c = hulse_line_hear(&line, NULL);
    assert_int_equal(c->producer->producer_access_mode,
                     PULSAR__PRODUCER_ACCESS_MODE__WaitForExclusive);
    *id = c->producer->producer_id;
    const uint64_t request = c->producer->request_id;
    say_turn(request, false);
    return request;
}

/* Neither the operation timeout nor its limit ends it: the second answer does. */
static void test_a_turn_is_waited_for(void **state)
{
    uint64_t id = 0;

    (void)state;
    open_all();
    const uint64_t request = open_waiting(&id);
    const uint64_t until = hulse_loop_now_ms(&bed.loop) + 400;
    while (hulse_loop_now_ms(&bed.loop) < until) {
        hulse_bed_turn(&bed);
    }
    assert_int_equal(pub.opened, 0);
    assert_true(hulse_line_is_quiet(&line));
    say_turn(request, false); /* said again it means nothing new */
    say_turn(request, true);
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_OK);
    hulse_pub_close(&pub);
    hulse_line_hear_close(&line, id);
    close_all();
}

static void test_who_waits_for_a_turn_may_close(void **state)
{
    uint64_t id = 0;

    (void)state;
    open_all();
    (void)open_waiting(&id);
    assert_true(hulse_line_is_quiet(&line));
    hulse_pub_close(&pub);
    hulse_line_hear_close(&line, id);
    close_all();
    assert_int_equal(pub.opened, 0);
}

/* On a new connection it asks again, and waits again. */
static void test_a_turn_is_waited_for_over_a_lost_connection(void **state)
{
    uint64_t id = 0;

    (void)state;
    open_all();
    (void)open_waiting(&id);
    assert_true(hulse_line_is_quiet(&line));
    hulse_line_hang_up(&line);
    hulse_peer_welcome(&peer, &bed, &line);
    const uint64_t request = hulse_line_hear(&line, NULL)->producer->request_id;
    say_turn(request, true);
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_OK);
    close_all();
}

/* Who has not asked to wait cannot be told to. */
static void test_nobody_else_is_told_to_wait(void **state)
{
    (void)state;
    open_all();
    pub.params.access = BROKER_ACCESS_EXCLUSIVE;
    pub.params.name = "mine";
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    say_turn(hulse_line_hear(&line, NULL)->producer->request_id, false);
    hulse_line_await_end(&line);
    hulse_pub_close(&pub);
    close_all();
}

/* With each PRODUCER; who wishes for another one shares nothing with it. */
static void test_an_initial_subscription_is_named(void **state)
{
    char names[2][256];
    uint64_t id = 0;

    (void)state;
    open_all();
    pub.params.initial_subscription = "dlq";
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    for (uint64_t epoch = 0; epoch < 2; epoch++) {
        const Pulsar__BaseCommand *c = hulse_line_hear(&line, NULL);
        assert_string_equal(c->producer->initial_subscription_name, "dlq");
        id = c->producer->producer_id;
        (void)snprintf(names[0], sizeof(names[0]), "%s", c->producer->producer_name);
        hulse_line_say_opened(&line, c->producer->request_id, names[0], -1);
        hulse_pub_await_opened(&pub);
        if (epoch == 0) {
            hulse_line_say_closed(&line, id, NULL);
        }
    }
    assert_int_equal(hulse_pub_open(&other), HULSE_OK);
    const Pulsar__BaseCommand *c = hulse_line_hear(&line, NULL);
    assert_null(c->producer->initial_subscription_name);
    assert_string_not_equal(c->producer->producer_name, names[0]);
    hulse_line_say_error(&line, c->producer->request_id, PULSAR__SERVER_ERROR__NotAllowedError);
    hulse_pub_await_opened(&other);
    assert_int_equal(other.status, HULSE_REFUSED);
    hulse_pub_close(&pub);
    hulse_line_hear_close(&line, id);
    close_all();
}

/* Opens pub as its own, under a name; the broker knows ids up to `last`. */
static uint64_t open_own(int64_t last)
{
    uint64_t id = 0;
    char name[256];

    pub.params.own = true;
    pub.params.name = "app/1";
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    if (line.data == NULL) {
        hulse_peer_welcome(&peer, &bed, &line);
    }
    hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &id, 0, name), name, last);
    assert_string_equal(name, "app/1");
    hulse_pub_await_opened(&pub);
    assert_int_equal(pub.status, HULSE_OK);
    return id;
}

static void send_seq(struct pub *p, uint64_t seq)
{
    struct broker_record r = {.payload = {.data = (const uint8_t *)"x", .bytes = 1}, .seq = seq};
    hulse_pub_send_record(p, &r);
}

static void test_an_own_producers_ids_are_its_records(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_own(-1);
    send_seq(&pub, 10);
    send_seq(&pub, 11);
    send_seq(&pub, 15);
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.sequence, 10);
    assert_int_equal(h.highest, 15);
    assert_int_equal(h.count, 3);
    send_seq(&pub, 15); /* not rising */
    send_seq(&pub, UINT64_MAX);
    assert_int_equal(pub.outcomes[3], HULSE_OUTCOME_BAD_RECORD);
    assert_int_equal(pub.outcomes[4], HULSE_OUTCOME_BAD_RECORD);
    hulse_line_say_receipt_of(&line, id, 10, 15);
    hulse_pub_await_answered(&pub, 5);
    close_all();
}

static void test_what_the_broker_may_have_goes_one_by_one(void **state)
{
    struct heard h;

    (void)state;
    open_all();
    const uint64_t id = open_own(5);
    for (uint64_t seq = 3; seq < 9; seq++) {
        send_seq(&pub, seq);
    }
    for (uint64_t seq = 3; seq < 6; seq++) {
        hulse_line_hear_send(&line, &h);
        assert_int_equal(h.sequence, seq);
        assert_int_equal(h.count, 0);
        hulse_line_say_receipt_of(&line, id, (int64_t)seq, -1); /* has it */
    }
    hulse_line_hear_send(&line, &h);
    assert_int_equal(h.sequence, 6);
    assert_int_equal(h.highest, 8);
    hulse_line_say_receipt(&line, &h, 1);
    hulse_pub_await_answered(&pub, 6);
    assert_true(pub.in_order);
    assert_int_equal(pub.outcomes[0], HULSE_OUTCOME_STORED);
    assert_false(pub.answers[0].has_id);
    assert_true(pub.answers[5].has_id);
    close_all();
}

/* Which another run of the same application does not get. */
static void test_with_an_id_its_name_is_its_own(void **state)
{
    char name[256];
    uint64_t id = 0;

    (void)state;
    open_all();
    pub.params.own = true;
    pub.params.name = "app";
    pub.params.handle_id[0] = 0xab;
    pub.params.handle_id[15] = 1;
    other.params = pub.params;
    other.params.ctx = &other;
    other.params.handle_id[15] = 2;
    assert_int_equal(hulse_pub_open(&pub), HULSE_OK);
    hulse_peer_welcome(&peer, &bed, &line);
    hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &id, 0, name), name, -1);
    assert_string_equal(name, "bed/app/ab000000000000000000000000000001");
    hulse_pub_await_opened(&pub);
    assert_int_equal(hulse_pub_open(&other), HULSE_OK);
    hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &id, 0, name), name, -1);
    assert_string_equal(name, "bed/app/ab000000000000000000000000000002");
    hulse_pub_await_opened(&other);
    hulse_pub_close(&other);
    close_all();
}

static void test_a_name_is_one_producers(void **state)
{
    (void)state;
    open_all();
    (void)open_own(-1);
    other.params.own = true;
    other.params.name = "app/1";
    assert_int_equal(hulse_pub_open(&other), HULSE_BUSY);
    close_all();
}

static void test_the_next_of_a_name_waits_for_the_last_receipts(void **state)
{
    struct heard h;
    char name[256];
    uint64_t next = 0;

    (void)state;
    open_all();
    const uint64_t id = open_own(-1);
    send_seq(&pub, 1);
    hulse_line_hear_send(&line, &h);
    hulse_pub_close(&pub);
    other.params.own = true;
    other.params.name = "app/1";
    assert_int_equal(hulse_pub_open(&other), HULSE_OK);
    assert_true(hulse_line_is_quiet(&line));
    hulse_line_say_receipt(&line, &h, 1);
    hulse_line_hear_close(&line, id);
    hulse_line_say_opened(&line, hulse_line_hear_producer(&line, &next, 0, name), name, 1);
    assert_string_equal(name, "app/1");
    assert_int_not_equal(next, id);
    hulse_pub_await_opened(&other);
    assert_int_equal(other.status, HULSE_OK);
    hulse_pub_close(&other);
    close_all();
}

static void test_names_that_are_too_long_are_refused(void **state)
{
    static char name[PULSAR_SENDER_NAME_BYTES + 1];

    (void)state;
    open_all();
    memset(name, 'n', sizeof(name) - 1);
    pub.params.own = true;
    pub.params.name = name;
    assert_int_equal(hulse_pub_open(&pub), HULSE_INVAL);
    pub.closed = true;
    close_all();
}

static void test_no_memory_to_open(void **state)
{
    (void)state;
    open_all();
    hulse_mem_init(hulse_mem_total());
    assert_int_equal(hulse_pub_open(&pub), HULSE_NO_MEMORY);
    pub.closed = true;
    close_all();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_a_lookup_that_fails_is_the_opens_failure),
    cmocka_unit_test(test_what_does_not_pass_refuses_the_open),
    cmocka_unit_test(test_what_passes_is_tried_again),
    cmocka_unit_test(test_until_the_operation_timeout),
    cmocka_unit_test(test_a_late_success_is_undone),
    cmocka_unit_test(test_closing_while_it_opens),
    cmocka_unit_test(test_who_comes_before_it_has_ended_is_welcome),
    cmocka_unit_test(test_an_answer_that_is_none_ends_the_connection),
    cmocka_unit_test(test_exclusive_access_is_asked_for),
    cmocka_unit_test(test_a_turn_is_waited_for),
    cmocka_unit_test(test_who_waits_for_a_turn_may_close),
    cmocka_unit_test(test_a_turn_is_waited_for_over_a_lost_connection),
    cmocka_unit_test(test_nobody_else_is_told_to_wait),
    cmocka_unit_test(test_an_initial_subscription_is_named),
    cmocka_unit_test(test_an_own_producers_ids_are_its_records),
    cmocka_unit_test(test_what_the_broker_may_have_goes_one_by_one),
    cmocka_unit_test(test_with_an_id_its_name_is_its_own),
    cmocka_unit_test(test_a_name_is_one_producers),
    cmocka_unit_test(test_the_next_of_a_name_waits_for_the_last_receipts),
    cmocka_unit_test(test_names_that_are_too_long_are_refused),
    cmocka_unit_test(test_no_memory_to_open),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
