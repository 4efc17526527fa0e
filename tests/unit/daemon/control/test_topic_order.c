/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   an order reaches the broker of the topic's rule, its answer comes once, in time or as a
 *         refusal; a late answer harms nobody, and orders that wait are bounded.
 * Method: the scripted fake, which answers when the test says so; a loop of the test.
 */
#include "daemon/control/topic_order.h"
#include "daemon/core/mem.h"
#include "tests/support/check.h"
#include "tests/support/fake_broker.h"
#include "tests/support/own_tables.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

#define TOPIC "persistent://public/default/orders"

static struct fake_broker fake;
static struct flow flow;
static struct own_tables tables;
static struct loop loop;
static struct topic_orders orders;
static struct admin_line heard;
static uint32_t times;

static int setup(void **state)
{
    (void)state;
    hulse_fake_init(&fake);
    flow = (struct flow){.brokers = {&fake.base},
                         .broker_count = 1,
                         .default_broker = &fake.base,
                         .default_namespace = "public/default",
                         .message_bytes_max = 1000};
    hulse_rcu_thread_begin();
    hulse_own_tables_open(&tables, &flow);
    assert_true(hulse_loop_init(&loop, 16));
    hulse_topic_orders_init(&orders, &loop, &flow);
    heard = (struct admin_line){0};
    times = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hulse_admin_line_fini(&heard);
    hulse_topic_orders_fini(&orders);
    hulse_loop_fini(&loop);
    hulse_own_tables_close(&tables);
    hulse_rcu_thread_end();
    assert_int_equal(hulse_mem_used(HULSE_MEM_ADMIN), 0);
    return 0;
}

/* The line is not terminated. */
static bool was_heard(const char *part)
{
    return memmem(heard.data, heard.bytes, part, strlen(part)) != NULL;
}

static void done(void *ctx, const struct admin_line *line)
{
    assert_ptr_equal(ctx, &heard);
    hulse_admin_line_fini(&heard);
    heard = *line;
    times += 1;
}

static struct topic_order *start(enum admin_command command, const char *topic)
{
    struct admin_request request = {.command = command, .partitions = 3, .force = true};
    (void)snprintf(request.topic, sizeof(request.topic), "%s", topic);
    hulse_admin_line_fini(&heard);
    return hulse_topic_order_start(&orders, &request, done, &heard, &heard);
}

/* What was heard, a member of it. */
static void assert_heard(const char *member, const char *value)
{
    json_t *object = json_loadb(heard.data, heard.bytes, 0, NULL);
    json_t *at = json_object_get(object, member);
    if (at == NULL) {
        at = json_object_get(json_object_get(object, "result"), member);
    }
    assert_string_equal(json_string_value(at), value);
    json_decref(object);
}

static void test_the_answer_comes_later(void **state)
{
    (void)state;
    struct topic_order *o = start(ADMIN_TOPICS_CREATE, "orders");
    assert_non_null(o);
    assert_int_equal(times, 0);
    assert_string_equal(fake.admin->topic, TOPIC);
    assert_int_equal(fake.admin->command, BROKER_ADMIN_CREATE);
    assert_int_equal(fake.admin->partitions, 3);
    hulse_fake_request_done(&fake.admin->request, HULSE_OK);
    assert_int_equal(times, 1);
    assert_heard("status", "ok");
    assert_heard("topic", TOPIC);
    assert_heard("broker", "fake");
    assert_int_equal(orders.open_count, 0);
}

static void test_the_broker_refuses(void **state)
{
    (void)state;
    assert_non_null(start(ADMIN_TOPICS_DELETE, TOPIC));
    assert_int_equal(fake.admin->command, BROKER_ADMIN_DELETE);
    assert_true(fake.admin->force);
    hulse_fake_request_done(&fake.admin->request, HULSE_BUSY);
    assert_heard("code", "HULSE_BUSY");
    assert_heard("detail", "text of the fake");
    fake.refuse_call = HULSE_LIMIT; /* at once */
    assert_null(start(ADMIN_TOPICS_DELETE, TOPIC));
    assert_heard("code", "HULSE_LIMIT");
    assert_int_equal(times, 1);
}

static struct topic_order *start_request(struct admin_request request)
{
    hulse_admin_line_fini(&heard);
    return hulse_topic_order_start(&orders, &request, done, &heard, &heard);
}

static void test_about_a_subscription(void **state)
{
    struct admin_request request = {.command = ADMIN_SUBS_SEEK,
                                    .topic = "orders",
                                    .subscription = "s",
                                    .position = {.kind = BROKER_AT_PUBLISHED, .time_ms = 77}};
    (void)state;
    assert_non_null(start_request(request));
    assert_int_equal(fake.admin->command, BROKER_ADMIN_SEEK);
    assert_string_equal(fake.admin->subscription, "s");
    assert_int_equal(fake.admin->position.time_ms, 77);
    hulse_fake_request_done(&fake.admin->request, HULSE_OK);
    assert_heard("subscription", "s");
    request.command = ADMIN_SUBS_SKIP;
    request.count = 9;
    assert_non_null(start_request(request));
    assert_int_equal(fake.admin->command, BROKER_ADMIN_SKIP);
    assert_int_equal(fake.admin->count, 9);
    hulse_fake_request_done(&fake.admin->request, HULSE_OK);
    request.command = ADMIN_SUBS_DELETE;
    assert_non_null(start_request(request));
    assert_int_equal(fake.admin->command, BROKER_ADMIN_UNSUBSCRIBE);
    hulse_fake_request_done(&fake.admin->request, HULSE_OK);
    request.command = ADMIN_SUBS_LIST;
    assert_non_null(start_request(request));
    fake.admin->names = "a\0b";
    fake.admin->name_count = 2;
    hulse_fake_request_done(&fake.admin->request, HULSE_OK);
    assert_true(was_heard("[\"a\",\"b\"]"));
}

static void test_figures_of_a_subscription(void **state)
{
    static const struct broker_subscription_stats both[] = {{.name = "a"},
                                                            {.name = "s", .backlog = 4}};
    struct admin_request request = {
        .command = ADMIN_SUBS_STATS, .topic = "orders", .subscription = "s"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_non_null(start_request(request));
        fake.stats->subscriptions = both;
        fake.stats->subscription_count = 2 - i;
        hulse_fake_request_done(&fake.stats->request, HULSE_OK);
        if (i == 0) {
            assert_true(was_heard("\"backlog\":4"));
            assert_false(was_heard("\"name\":\"a\""));
        } else {
            assert_heard("code", "HULSE_NO_TOPIC");
        }
    }
}

static void test_schemas(void **state)
{
    static char definition[] = "\"int\"";
    struct admin_request request = {.command = ADMIN_SCHEMA_PUT,
                                    .topic = "orders",
                                    .type = "json",
                                    .definition = definition,
                                    .definition_bytes = 5};
    (void)state;
    assert_non_null(start_request(request));
    definition[0] = 'x'; /* the operator's line is gone */
    assert_int_equal(fake.schema->schema.type, BROKER_SCHEMA_JSON);
    assert_memory_equal(fake.schema->schema.definition.data, "\"int\"", 5);
    fake.schema->version = 3;
    hulse_fake_request_done(&fake.schema->request, HULSE_OK);
    assert_heard("type", "JSON");
    assert_true(was_heard("\"version\":2")); /* the operator counts from 0 */
    assert_false(was_heard("definition"));
    assert_null(start_request(request)); /* it is none */
    assert_heard("code", "HULSE_INVAL");
    definition[0] = '"';
    (void)snprintf(request.type, sizeof(request.type), "WORDS");
    assert_null(start_request(request));
    assert_heard("code", "HULSE_INVAL");
    request.command = ADMIN_SCHEMA_GET;
    request.version = 2;
    assert_non_null(start_request(request));
    assert_int_equal(fake.schema->version, 2);
    fake.schema->schema = (struct broker_schema){
        .type = BROKER_SCHEMA_AVRO, .definition = {.data = (const uint8_t *)"7", .bytes = 1}};
    hulse_fake_request_done(&fake.schema->request, HULSE_OK);
    assert_heard("definition", "7");
    assert_true(was_heard("\"version\":1"));
}

/* A broker may have anything; JSON takes text. */
static void test_definitions(void **state)
{
    static const struct {
        const char *data;
        uint32_t bytes;
        const char *member;
        const char *value;
    } rows[] = {
        {NULL, 0, "definition", ""},
        {"\xc3\xbc", 2, "definition", "\xc3\xbc"},
        {"\0\0\0\1x", 5, "code", "HULSE_UNSUPPORTED"},
        {"\xff", 1, "code", "HULSE_UNSUPPORTED"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        hulse_admin_line_fini(&heard);
        assert_non_null(start(ADMIN_SCHEMA_GET, "orders"));
        fake.schema->version = 1;
        fake.schema->schema.definition =
            (struct broker_span){.data = (const uint8_t *)rows[i].data, .bytes = rows[i].bytes};
        hulse_fake_request_done(&fake.schema->request, HULSE_OK);
        assert_heard(rows[i].member, rows[i].value);
    }
}

static void test_versions_of_a_schema(void **state)
{
    static const struct broker_schema_version versions[] = {
        {.version = 1, .type = BROKER_SCHEMA_JSON, .created_ms = 7}, {.version = 2}};

    (void)state;
    assert_non_null(start(ADMIN_SCHEMA_LIST, "orders"));
    fake.admin->schemas = versions;
    fake.admin->schema_count = 2;
    hulse_fake_request_done(&fake.admin->request, HULSE_OK);
    assert_true(was_heard("[{\"version\":0,\"type\":\"JSON\",\"created_ms\":7},"
                          "{\"version\":1,\"type\":\"BYTES\"}]"));
}

/* What a broker does not count is not told as a number. */
static void test_figures_that_are_not_counted(void **state)
{
    (void)state;
    assert_non_null(start(ADMIN_TOPICS_STATS, TOPIC));
    fake.stats->total = (struct broker_topic_stats){.lost = BROKER_UNCOUNTED, .dropped = 5};
    hulse_fake_request_done(&fake.stats->request, HULSE_OK);
    assert_false(was_heard("lost"));
    assert_true(was_heard("\"dropped\":5"));
}

static void test_a_bad_name_reaches_nobody(void **state)
{
    (void)state;
    assert_null(start(ADMIN_TOPICS_CREATE, "kafka://a/b/c"));
    assert_heard("code", "HULSE_INVAL");
    assert_null(fake.admin);
}

/* The time of the loop is moved on; its answer still comes some day. */
static void wait_in_vain(void)
{
    const uint64_t until_ms = hulse_loop_now_ms(&loop) + HULSE_TOPIC_ORDER_TIMEOUT_MS;
    (void)hulse_timer_advance(&loop.timers, until_ms + 1);
}

static void test_a_late_answer(void **state)
{
    (void)state;
    assert_non_null(start(ADMIN_TOPICS_STATS, "orders"));
    wait_in_vain();
    assert_int_equal(times, 1);
    assert_heard("code", "HULSE_TIMED_OUT");
    assert_int_equal(orders.open_count, 1);
    hulse_fake_request_done(&fake.stats->request, HULSE_OK);
    assert_int_equal(times, 1);
    assert_int_equal(orders.open_count, 0);
}

static void test_nobody_waits_any_more(void **state)
{
    (void)state;
    struct topic_order *o = start(ADMIN_TOPICS_STATS, "orders");
    hulse_topic_order_forget(&o);
    assert_null(o);
    wait_in_vain();
    hulse_fake_request_done(&fake.stats->request, HULSE_NO_TOPIC);
    assert_int_equal(times, 0);
}

static void test_those_that_wait_are_bounded(void **state)
{
    static struct broker_stats *waiting[HULSE_TOPIC_ORDERS_MAX];
    (void)state;
    for (unsigned i = 0; i < HULSE_TOPIC_ORDERS_MAX; i++) {
        struct topic_order *o = start(ADMIN_TOPICS_STATS, "orders");
        assert_non_null(o);
        waiting[i] = fake.stats;
        hulse_topic_order_forget(&o);
    }
    assert_null(start(ADMIN_TOPICS_STATS, "orders"));
    assert_heard("code", "HULSE_NO_MEMORY");
    for (unsigned i = 0; i < HULSE_TOPIC_ORDERS_MAX; i++) {
        hulse_fake_request_done(&waiting[i]->request, HULSE_OK);
    }
    assert_non_null(start(ADMIN_TOPICS_STATS, "orders"));
    hulse_fake_request_done(&fake.stats->request, HULSE_CLOSED);
    assert_heard("code", "HULSE_CLOSED");
}

static void test_memory_is_refused(void **state)
{
    (void)state;
    const size_t cap = hulse_mem_cap();
    hulse_mem_init(hulse_mem_total());
    assert_null(start(ADMIN_TOPICS_STATS, "orders"));
    assert_null(heard.data); /* not even for an error */
    hulse_mem_init(cap);
    assert_non_null(start(ADMIN_TOPICS_CREATE, "orders"));
    hulse_mem_init(hulse_mem_total());
    hulse_fake_request_done(&fake.admin->request, HULSE_OK);
    hulse_mem_init(cap);
    assert_int_equal(times, 1);
    assert_null(heard.data);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_the_answer_comes_later),
        CASE(test_the_broker_refuses),
        CASE(test_about_a_subscription),
        CASE(test_figures_of_a_subscription),
        CASE(test_schemas),
        CASE(test_definitions),
        CASE(test_versions_of_a_schema),
        CASE(test_figures_that_are_not_counted),
        CASE(test_a_bad_name_reaches_nobody),
        CASE(test_a_late_answer),
        CASE(test_nobody_waits_any_more),
        CASE(test_those_that_wait_are_bounded),
        CASE(test_memory_is_refused),
    };
    hulse_admin_memory_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
