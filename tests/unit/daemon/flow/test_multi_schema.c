/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what a topic of several is read with is its rule's: its messages wait for their schema and come in their order, whatever
 *         becomes of them meanwhile; a letter is as it was written; a topic is found by its number, or it is said why not.
 * Method: a list of one topic over a fake broker; control's inbox and the worker's are run by the test, on a worker's thread.
 */
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/flow/deliver.h"
#include "daemon/flow/letter_post.h"
#include "daemon/flow/schemas.h"
#include "tests/support/check.h"
#include "tests/support/fake_broker.h"
#include "tests/support/own_tables.h"
#include "tests/unit/daemon/app/by_hand_thread.h"

#include <string.h>
#include <unistd.h>

#define TOPIC "persistent://public/default/orders"
#define MESSAGES 8

static const char written[] = "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
                              "{\"name\":\"id\",\"type\":\"long\"}]}";
static const char read_with[] = "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
                                "{\"name\":\"more\",\"type\":\"int\",\"default\":3},"
                                "{\"name\":\"id\",\"type\":\"long\"}]}";

static struct fake_broker fake;
static struct flow flow;
static struct own_tables tables;
static struct config_topic_rule rule;
static struct worker *worker;
static struct inbox home;
static struct identity me;
static struct subscriber *subscriber;
static struct broker_delivery came[MESSAGES]; /* as the broker has them */
static uint8_t payloads[MESSAGES];
static const struct broker_delivery *heard[MESSAGES];
static uint32_t heard_count;

static void opened(void *ctx,
                   hulse_status status,
                   const char *text,
                   uint32_t verdicts,
                   const struct broker_reach *reach)
{
    (void)ctx;
    (void)text;
    (void)verdicts;
    (void)reach;
    assert_int_equal(status, HULSE_OK);
}

static void message(void *ctx, struct broker_delivery *d)
{
    (void)ctx;
    heard[heard_count++] = d;
}

static void settled(void *ctx, uint64_t call)
{
    (void)ctx;
    (void)call;
}

static void ask_room(void *ctx)
{
    (void)ctx;
}

static const struct subscriber_events events = {
    .opened = opened, .message = message, .settled = settled, .ask_room = ask_room};

static void open_list(void)
{
    const struct subscriber_topics list = {.count = 0};
    const struct subscriber_params params = {.flow = &flow,
                                             .worker = worker,
                                             .who = &me,
                                             .topic = TOPIC,
                                             .subscription = "s",
                                             .name = "c",
                                             .type = BROKER_SHARED,
                                             .several = &list,
                                             .events = &events};
    struct error err = {0};
    assert_int_equal(hulse_subscriber_open(&subscriber, &params, &err), HULSE_OK);
}

static void answered(struct topic_request *request)
{
    assert_int_equal(request->status, HULSE_OK);
}

static int setup(void **state)
{
    struct topic_request request = {.name = TOPIC, .answer = answered};
    struct error err = {0};
    (void)state;
    hulse_fake_init(&fake);
    flow = (struct flow){.brokers = {&fake.base},
                         .broker_count = 1,
                         .default_broker = &fake.base,
                         .default_namespace = "public/default",
                         .message_bytes_max = 1000};
    assert_true(hulse_inbox_init(&home, 16));
    worker->params.modules[0] = &hulse_letter_module;
    worker->params.shared[0] = &flow;
    worker->states[0] = hulse_letter_module.start(worker, &flow, &err);
    worker->params.module_count = 1;
    hulse_own_tables_open(&tables, &flow);
    flow.schemas = hulse_schemas_create(&flow, &home);
    hulse_config_topic_defaults(&rule);
    rule.match = "**";
    rule.consume.dead_letter = "{topic}-{subscription}-DLQ";
    rule.consume.schema = (struct config_schema){
        .file = "read.json", .text = read_with, .bytes = sizeof(read_with) - 1};
    tables.config.topics = &rule;
    tables.config.topic_count = 1;
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    assert_true(hulse_tables_ask(flow.tables, &request));
    me = (struct identity){.uid = geteuid()};
    heard_count = 0;
    return 0;
}

static void run_all(void)
{
    while (hulse_inbox_run(&home, 16) + hulse_inbox_run(&worker->loop.inbox, 16) > 0) {
    }
}

static int teardown(void **state)
{
    (void)state;
    if (subscriber != NULL) {
        hulse_subscriber_close(&subscriber, false);
    }
    run_all();
    worker->params.module_count = 0;
    hulse_letter_module.stop(worker->states[0]);
    hulse_schemas_destroy(&flow.schemas);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_MESSAGE), 0);
    hulse_own_tables_close(&tables);
    hulse_inbox_fini(&home);
    return 0;
}

/* The broker sends it, written with version 1: one byte, the number. */
static void come(uint32_t number, uint32_t redelivery)
{
    struct broker_delivery *d = &came[number];
    payloads[number] = (uint8_t)(2 * number);
    hulse_subscriber_room(subscriber, 100000, 100);
    *d = (struct broker_delivery){.id = {.ledger = 1, .entry = number, .batch = -1},
                                  .payload = {.data = &payloads[number], .bytes = 1},
                                  .schema_version = 1,
                                  .redelivery = redelivery};
    fake.delivered += 1;
    fake.consumer.events->message(fake.consumer.ctx, d);
    run_all();
}

static void tell(hulse_status status)
{
    struct broker_schema_request *q = fake.schema;
    assert_non_null(q);
    assert_string_equal(q->topic, TOPIC);
    fake.schema = NULL;
    q->version = 1;
    q->schema = (struct broker_schema){
        .type = BROKER_SCHEMA_AVRO, .definition = {(const uint8_t *)written, sizeof(written) - 1}};
    hulse_fake_request_done(&q->request, status);
    run_all();
}

static void assert_read(const struct broker_delivery *d, uint32_t number)
{
    const uint8_t expected[] = {6, (uint8_t)(2 * number)};
    assert_ptr_equal(d, &came[number]);
    assert_true(d->own_schema);
    assert_int_equal(d->payload.bytes, sizeof(expected));
    assert_memory_equal(d->payload.data, expected, sizeof(expected));
}

static void assert_as_written(uint32_t number)
{
    assert_false(came[number].own_schema);
    assert_int_equal(came[number].payload.bytes, 1);
    assert_ptr_equal(came[number].payload.data, &payloads[number]);
}

static void test_they_wait_and_come_in_their_order(void **state)
{
    (void)state;
    open_list();
    come(0, 0);
    assert_int_equal(heard_count, 0);
    tell(HULSE_OK);
    assert_int_equal(heard_count, 1);
    assert_read(heard[0], 0);
    come(1, 0);
    assert_int_equal(heard_count, 2);
    assert_read(heard[1], 1);
    assert_int_equal(heard[1]->source, 0);
    /* Whatever ends it, its broker has the payload that it gave. */
    hulse_subscriber_copied(subscriber, &came[0]);
    assert_as_written(0);
    hulse_subscriber_ack(subscriber, &came[0]);
    hulse_subscriber_nack(subscriber, &came[1], 5);
    assert_as_written(1);
    come(2, 0);
    hulse_subscriber_give_back(subscriber, &came[2]);
    assert_as_written(2);
    come(3, 0);
    hulse_subscriber_close(&subscriber, false);
    assert_as_written(3);
}

static void test_closed_while_they_wait(void **state)
{
    (void)state;
    open_list();
    come(0, 0);
    hulse_subscriber_close(&subscriber, false);
    tell(HULSE_OK);
    assert_int_equal(heard_count, 0);
    assert_as_written(0);
}

/* What its broker does not tell comes as it was written, and is asked for again later. */
static void test_a_schema_that_is_not_told(void **state)
{
    (void)state;
    open_list();
    come(0, 0);
    tell(HULSE_BUSY);
    assert_int_equal(heard_count, 1);
    assert_as_written(0);
    come(1, 0);
    assert_int_equal(heard_count, 2);
    assert_null(fake.schema);
    worker->loop.now_ns += UINT64_C(2000) * 1000 * 1000;
    come(2, 0);
    tell(HULSE_OK);
    assert_int_equal(heard_count, 3);
    assert_read(heard[2], 2);
}

/* Also of one that could not be stored, and is put aside unseen when it comes again. */
static void test_a_letter_is_as_it_was_written(void **state)
{
    const struct broker_span why = {.data = NULL};
    (void)state;
    open_list();
    come(0, 0);
    tell(HULSE_OK);
    hulse_subscriber_reject(subscriber, &came[0], 0, why);
    assert_as_written(0);
    assert_int_equal(fake.sent_bytes, 1);
    hulse_fake_answer(&fake, fake.tokens[0], BROKER_FAIL, HULSE_OUTCOME_FAILED_UNKNOWN);
    come(0, 1);
    assert_int_equal(heard_count, 1);
    assert_as_written(0);
    assert_int_equal(fake.sent, 2);
    assert_int_equal(fake.sent_bytes, 2);
    hulse_fake_answer(&fake, fake.tokens[1], BROKER_DONE, HULSE_OUTCOME_STORED);
}

static void
heard_schema(void *owner, hulse_status status, const char *text, const struct schema_known *known)
{
    (void)text;
    assert_int_equal(status, HULSE_OK);
    *(const struct schema_known **)owner = known;
}

static void test_a_topic_is_found_by_its_number(void **state)
{
    const struct subscriber *of = NULL;
    const struct schema_known *known = NULL;
    struct schema_wait *wait = NULL;
    struct broker_schema own;
    struct error err = {0};
    (void)state;
    fake.open_later = true;
    open_list();
    assert_true(hulse_subscriber_is_several(subscriber));
    assert_int_equal(hulse_subscriber_of_source(subscriber, 0, &of, &err), HULSE_BUSY);
    hulse_fake_consumer_opened(&fake, HULSE_OK);
    assert_int_equal(hulse_subscriber_of_source(subscriber, 1, &of, &err), HULSE_INVAL);
    assert_int_equal(hulse_subscriber_of_source(subscriber, 0, &of, &err), HULSE_OK);
    assert_string_equal(hulse_subscriber_topic(of), TOPIC);
    assert_non_null(hulse_subscriber_own_schema(of, &own));
    assert_int_equal(own.definition.bytes, sizeof(read_with) - 1);
    assert_null(hulse_subscriber_schema(of, 1));
    assert_int_equal(hulse_subscriber_ask_schema(of, &wait, 1, &known, heard_schema, &err),
                     HULSE_OK);
    run_all();
    tell(HULSE_OK);
    assert_int_equal(known->told.definition.bytes, sizeof(written) - 1);
    hulse_schema_known_release(&known);
    known = hulse_subscriber_schema(of, 1);
    assert_non_null(known);
    hulse_schema_known_release(&known);
}

static int group(struct worker *w, void *ctx)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_they_wait_and_come_in_their_order),
        CASE(test_closed_while_they_wait),
        CASE(test_a_schema_that_is_not_told),
        CASE(test_a_letter_is_as_it_was_written),
        CASE(test_a_topic_is_found_by_its_number),
    };
    (void)ctx;
    worker = w;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    struct hand_thread t;

    hand_thread_start(&t);
    const int failed = hand_thread_run(&t, group, NULL);
    hand_thread_stop(&t);
    return failed;
}
