/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a publisher with its topic's own schema goes over to the one that the topic has now when a payload does not fit: in the
 *         order of the records, asked for at most once a second, and it stays as it was when anything goes wrong.
 * Method: a fake broker; control's inbox and the worker's are run by the test.
 */
#include "daemon/core/mem.h"
#include "daemon/flow/publish.h"
#include "daemon/flow/schemas.h"
#include "daemon/schema/schema.h"
#include "daemon/worker/worker.h"
#include "tests/support/check.h"
#include "tests/support/fake_broker.h"
#include "tests/support/own_tables.h"

#include <string.h>
#include <unistd.h>

#define TOPIC "persistent://public/default/orders"
#define SECOND UINT64_C(1000000000)
#define OLD 4U /* bytes of an INT32 */
#define NEW 8U /* of an INT64 */

static struct fake_broker fake;
static struct flow flow;
static struct own_tables tables;
static struct identity me;
static struct config_topic_rule rule;
static struct worker worker;
static struct inbox home;
static size_t mem_before;

struct front {
    struct publisher *publisher;
    uint32_t freed;
    uint8_t outcomes[64];
    bool close_in_answer;
};
static struct front front;

static void
opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    (void)ctx;
    (void)text;
    (void)limits;
    assert_int_equal(status, HULSE_OK);
}

static void answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    (void)ctx;
    assert_int_equal(front.outcomes[token], 0);
    front.outcomes[token] = answer->outcome;
    if (front.close_in_answer) {
        hulse_publisher_close(&front.publisher);
    }
}

static void freed(void *ctx)
{
    (void)ctx;
    front.freed += 1;
}

static const struct publisher_events events = {
    .opened = opened, .answered = answered, .freed = freed};

static void run_all(void)
{
    while (hulse_inbox_run(&home, 16) + hulse_inbox_run(&worker.loop.inbox, 16) > 0) {
    }
}

static void known(struct topic_request *request)
{
    assert_int_equal(request->status, HULSE_OK);
}

static int setup(void **state)
{
    struct topic_request request = {.name = TOPIC, .answer = known};
    (void)state;
    mem_before = hulse_mem_total();
    me = (struct identity){.uid = geteuid()};
    hulse_config_topic_defaults(&rule);
    rule.match = "**";
    rule.publish.schema.type = CONFIG_SCHEMA_AUTO;
    memset(&worker, 0, sizeof(worker));
    memset(&front, 0, sizeof(front));
    worker.loop.now_ns = 100 * SECOND;
    assert_true(hulse_inbox_init(&home, 16));
    assert_true(hulse_inbox_init(&worker.loop.inbox, 16));
    hulse_fake_init(&fake);
    flow = (struct flow){.brokers = {&fake.base},
                         .broker_count = 1,
                         .default_broker = &fake.base,
                         .default_namespace = "public/default",
                         .message_bytes_max = 1000};
    hulse_rcu_thread_begin();
    hulse_own_tables_open(&tables, &flow);
    flow.schemas = hulse_schemas_create(&flow, &home);
    tables.config.topics = &rule;
    tables.config.topic_count = 1;
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    assert_true(hulse_tables_ask(flow.tables, &request));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (front.publisher != NULL) {
        hulse_publisher_close(&front.publisher);
    }
    run_all();
    hulse_schemas_destroy(&flow.schemas);
    hulse_own_tables_close(&tables);
    hulse_rcu_thread_end();
    hulse_inbox_fini(&home);
    hulse_inbox_fini(&worker.loop.inbox);
    assert_int_equal(hulse_mem_total(), mem_before);
    return 0;
}

/* The topic's newest is asked for: that it has this one. */
static void tell(hulse_status status, uint64_t version, enum broker_schema_type type)
{
    run_all();
    struct broker_schema_request *q = fake.schema;
    assert_non_null(q);
    assert_int_equal(q->version, 0);
    fake.schema = NULL;
    q->version = version;
    q->schema = (struct broker_schema){.type = type};
    hulse_fake_request_done(&q->request, status);
    run_all();
}

static bool asked(void)
{
    run_all();
    return fake.schema != NULL;
}

static void open_publisher(enum broker_access access, uint32_t hold_records)
{
    const struct publisher_params params = {.flow = &flow,
                                            .worker = &worker,
                                            .who = &me,
                                            .topic = TOPIC,
                                            .name = "p",
                                            .access = access,
                                            .hold_records = hold_records,
                                            .events = &events,
                                            .ctx = &front};
    struct error err = {0};
    assert_int_equal(hulse_publisher_open(&front.publisher, &params, &err), HULSE_OK);
    tell(HULSE_OK, 1, BROKER_SCHEMA_INT32);
    assert_int_equal(fake.schema_type, BROKER_SCHEMA_INT32);
}

static bool publish(uint64_t token, uint32_t bytes)
{
    static const uint8_t payload[16];
    const struct broker_record r = {.payload = {payload, bytes}, .token = token};
    return hulse_publisher_publish(front.publisher, &r);
}

static void stored(uint32_t sent)
{
    hulse_fake_answer(&fake, fake.tokens[sent], BROKER_DONE, HULSE_OUTCOME_STORED);
}

static void test_it_goes_over_behind_what_is_on_its_way(void **state)
{
    (void)state;
    open_publisher(BROKER_ACCESS_SHARED, 0);
    assert_true(publish(1, OLD));
    assert_false(publish(2, NEW));
    assert_false(publish(2, NEW));
    assert_true(publish(3, OLD)); /* another's that fits need not wait for that */
    tell(HULSE_OK, 2, BROKER_SCHEMA_INT64);
    assert_int_equal(fake.opens, 2);
    assert_int_equal(fake.schema_type, BROKER_SCHEMA_INT64);
    assert_true(hulse_publisher_busy(front.publisher));
    assert_false(publish(2, NEW));
    assert_false(publish(4, OLD));
    stored(0);
    assert_int_equal(fake.producer_closes, 0);
    assert_int_equal(front.freed, 0);
    stored(1);
    assert_int_equal(fake.producer_closes, 1);
    assert_int_equal(front.freed, 1);
    assert_false(hulse_publisher_busy(front.publisher));
    assert_true(publish(2, NEW));
    assert_int_equal(fake.sent, 3);
    stored(2);
    assert_int_equal(front.outcomes[2], HULSE_OUTCOME_STORED);
    assert_int_equal(hulse_publisher_counters(front.publisher)->published, 3);
    assert_int_equal(hulse_publisher_counters(front.publisher)->stored, 3);
}

static void test_nothing_on_its_way(void **state)
{
    (void)state;
    fake.answer_at_once = true;
    open_publisher(BROKER_ACCESS_SHARED, 0);
    assert_true(publish(1, OLD));
    assert_false(publish(2, NEW));
    tell(HULSE_OK, 2, BROKER_SCHEMA_INT64);
    assert_int_equal(fake.producer_closes, 1);
    assert_int_equal(front.freed, 1);
    assert_true(publish(2, NEW));
    assert_int_equal(front.outcomes[2], HULSE_OUTCOME_STORED);
}

static void test_asked_once_a_second(void **state)
{
    (void)state;
    open_publisher(BROKER_ACCESS_SHARED, 0);
    assert_false(publish(1, NEW));
    tell(HULSE_OK, 1, BROKER_SCHEMA_INT32); /* it has what it had */
    assert_int_equal(front.freed, 1);
    assert_true(publish(1, NEW));
    assert_int_equal(front.outcomes[1], HULSE_OUTCOME_INVALID_SCHEMA);
    assert_false(asked());
    worker.loop.now_ns += SECOND;
    assert_false(publish(2, NEW));
    tell(HULSE_BUSY, 0, BROKER_SCHEMA_BYTES); /* its broker does not say */
    assert_int_equal(front.freed, 2);
    assert_true(publish(2, NEW));
    assert_int_equal(front.outcomes[2], HULSE_OUTCOME_INVALID_SCHEMA);
    assert_true(publish(3, OLD));
    assert_int_equal(fake.opens, 1);
}

static void test_a_producer_that_cannot_be_opened(void **state)
{
    (void)state;
    open_publisher(BROKER_ACCESS_SHARED, 0);
    assert_false(publish(1, NEW));
    fake.refuse_open = HULSE_LIMIT;
    tell(HULSE_OK, 2, BROKER_SCHEMA_INT64);
    assert_int_equal(front.freed, 1);
    fake.refuse_open = HULSE_OK;
    fake.open_status = HULSE_BUSY;
    worker.loop.now_ns += SECOND;
    assert_false(publish(1, NEW));
    tell(HULSE_OK, 2, BROKER_SCHEMA_INT64);
    assert_int_equal(front.freed, 2);
    assert_true(publish(1, NEW));
    assert_int_equal(front.outcomes[1], HULSE_OUTCOME_INVALID_SCHEMA);
    assert_true(publish(2, OLD));
    assert_int_equal(fake.producer_closes, 0);
}

/* A name of its own, or the topic for itself: it could not be opened beside itself. */
static void test_one_that_cannot_be_opened_twice(void **state)
{
    (void)state;
    open_publisher(BROKER_ACCESS_EXCLUSIVE, 0);
    assert_true(publish(1, NEW));
    assert_int_equal(front.outcomes[1], HULSE_OUTCOME_INVALID_SCHEMA);
    assert_false(asked());
    hulse_publisher_close(&front.publisher);
    rule.publish.dedup = true;
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    open_publisher(BROKER_ACCESS_SHARED, 0);
    assert_true(publish(2, NEW));
    assert_int_equal(front.outcomes[2], HULSE_OUTCOME_INVALID_SCHEMA);
    assert_false(asked());
}

static void test_closed_on_the_way(void **state)
{
    (void)state;
    open_publisher(BROKER_ACCESS_SHARED, 0);
    assert_false(publish(1, NEW));
    hulse_publisher_close(&front.publisher);
    tell(HULSE_OK, 2, BROKER_SCHEMA_INT64);
    assert_int_equal(fake.producer_closes, 1);
    open_publisher(BROKER_ACCESS_SHARED, 0);
    assert_true(publish(2, OLD));
    assert_false(publish(3, NEW));
    tell(HULSE_OK, 2, BROKER_SCHEMA_INT64);
    hulse_publisher_close(&front.publisher); /* of both */
    assert_int_equal(fake.producer_closes, 3);
    /* By who hears the last answer. */
    open_publisher(BROKER_ACCESS_SHARED, 0);
    assert_true(publish(4, OLD));
    assert_false(publish(5, NEW));
    tell(HULSE_OK, 2, BROKER_SCHEMA_INT64);
    front.close_in_answer = true;
    front.freed = 0;
    stored(1);
    assert_int_equal(fake.producer_closes, 5);
    assert_int_equal(front.freed, 0);
}

/* One that drops the oldest never waits: what does not fit is refused, and what waits goes with the schema that it fits. */
static void test_one_that_drops_the_oldest(void **state)
{
    (void)state;
    rule.publish.pending_bytes = 1U << 20U;
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    open_publisher(BROKER_ACCESS_SHARED, 8);
    fake.producer.busy = true;
    assert_true(publish(1, OLD));
    assert_true(publish(2, NEW));
    assert_int_equal(front.outcomes[2], HULSE_OUTCOME_INVALID_SCHEMA);
    fake.open_later = true;
    tell(HULSE_OK, 2, BROKER_SCHEMA_INT64);
    fake.producer.busy = true; /* the fake has one for both */
    hulse_fake_producer_opened(&fake, HULSE_OK);
    assert_true(publish(3, OLD));
    assert_int_equal(front.outcomes[3], HULSE_OUTCOME_INVALID_SCHEMA);
    assert_true(publish(4, NEW));
    assert_int_equal(fake.sent, 0);
    fake.producer.busy = false;
    hulse_fake_freed(&fake);
    assert_int_equal(fake.sent, 1);
    assert_int_equal(fake.tokens[0], 1);
    assert_int_equal(fake.producer_closes, 0);
    stored(0);
    assert_int_equal(fake.producer_closes, 1);
    assert_int_equal(fake.sent, 2);
    assert_int_equal(fake.tokens[1], 4);
    assert_true(publish(5, NEW));
    assert_int_equal(fake.sent, 3);
}

/* What waited for the old producer is given up: it has nothing left. */
static void test_the_last_of_the_old_is_dropped(void **state)
{
    (void)state;
    rule.publish.pending_bytes = 1U << 20U;
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
    open_publisher(BROKER_ACCESS_SHARED, 2);
    fake.producer.busy = true;
    assert_true(publish(1, OLD));
    assert_true(publish(2, NEW));
    fake.open_later = true;
    tell(HULSE_OK, 2, BROKER_SCHEMA_INT64);
    fake.producer.busy = true;
    hulse_fake_producer_opened(&fake, HULSE_OK);
    assert_true(publish(3, NEW));
    assert_int_equal(fake.producer_closes, 0);
    assert_true(publish(4, NEW));
    assert_int_equal(front.outcomes[1], HULSE_OUTCOME_DROPPED);
    assert_int_equal(fake.producer_closes, 1);
    fake.producer.busy = false;
    hulse_fake_freed(&fake);
    assert_int_equal(fake.sent, 2);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_it_goes_over_behind_what_is_on_its_way),
        CASE(test_nothing_on_its_way),
        CASE(test_asked_once_a_second),
        CASE(test_a_producer_that_cannot_be_opened),
        CASE(test_one_that_cannot_be_opened_twice),
        CASE(test_closed_on_the_way),
        CASE(test_one_that_drops_the_oldest),
        CASE(test_the_last_of_the_old_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
