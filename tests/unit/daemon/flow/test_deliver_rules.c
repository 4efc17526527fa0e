/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what rules do to deliveries: messages past their time are ended unseen, refusals wait longer
 *         each time, a change of the tables is told; and opens that wait for the topic to be known.
 * Method: a fake broker; tables whose wishes are served when the test says so.
 */
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "daemon/flow/deliver.h"
#include "daemon/flow/publish.h"
#include "tests/support/check.h"
#include "tests/support/fake_broker.h"
#include "tests/support/own_tables.h"

#include <string.h>
#include <unistd.h>

#define HOUR_MS UINT64_C(3600000)

static const char *const everything[] = {"**"};
static const char *const broker_list[] = {"fake"};
static struct fake_broker fake;
static struct flow flow;
static struct config config;
static struct identity me;
static uid_t own;
static struct config_topic_rule rule;
static struct config_role role;
static struct inbox_node *waiting;
static bool serve_at_once;
static bool inbox_full;

struct front {
    struct subscriber *subscriber;
    struct publisher *publisher;
    uint32_t opened;
    hulse_status status;
    char text[120];
    uint32_t heard;
    uint32_t asked;
};
static struct front front;

static void opened(void *ctx,
                   hulse_status status,
                   const char *text,
                   uint32_t verdicts,
                   const struct broker_reach *reach)
{
    struct front *f = ctx;
    (void)reach;

    f->opened += 1;
    f->status = status;
    (void)snprintf(f->text, sizeof(f->text), "%s", text);
    if (status == HULSE_OK) {
        assert_int_equal(verdicts, HULSE_VERDICTS_ALWAYS);
    } else {
        f->subscriber = NULL;
        f->publisher = NULL;
    }
}

static void producer_opened(void *ctx,
                            hulse_status status,
                            const char *text,
                            const struct broker_limits *limits)
{
    (void)limits;
    opened(ctx, status, text, HULSE_VERDICTS_ALWAYS, NULL);
}

static void message(void *ctx, struct broker_delivery *d)
{
    (void)d;
    ((struct front *)ctx)->heard += 1;
}

static void ask_room(void *ctx)
{
    ((struct front *)ctx)->asked += 1;
}

static const struct subscriber_events events = {
    .opened = opened, .message = message, .ask_room = ask_room};
static const struct publisher_events producer_events = {.opened = producer_opened};

static bool post(void *ctx, struct inbox_node *node)
{
    (void)ctx;
    if (inbox_full) {
        return false;
    }
    if (serve_at_once) {
        node->run(node);
    } else {
        assert_null(waiting);
        waiting = node;
    }
    return true;
}

static void serve(void)
{
    struct inbox_node *node = waiting;

    assert_non_null(node);
    waiting = NULL;
    node->run(node);
}

static hulse_status subscribe(const char *topic)
{
    struct error err = {0};
    const struct subscriber_params params = {.flow = &flow,
                                             .who = &me,
                                             .topic = topic,
                                             .subscription = "s",
                                             .name = "c",
                                             .type = BROKER_SHARED,
                                             .events = &events,
                                             .ctx = &front};

    memset(&front, 0, sizeof(front));
    return hulse_subscriber_open(&front.subscriber, &params, &err);
}

static hulse_status produce(const char *topic)
{
    struct error err = {0};
    const struct publisher_params params = {.flow = &flow,
                                            .who = &me,
                                            .topic = topic,
                                            .name = "p",
                                            .events = &producer_events,
                                            .ctx = &front};

    memset(&front, 0, sizeof(front));
    return hulse_publisher_open(&front.publisher, &params, &err);
}

static void apply(void)
{
    struct error err = {0};

    assert_int_equal(hulse_tables_apply(flow.tables, &config, &err), HULSE_OK);
}

static int setup(void **state)
{
    struct error err = {0};

    (void)state;
    own = geteuid();
    me = (struct identity){.uid = own};
    rule = (struct config_topic_rule){
        .match = "**",
        .publish = {.auto_create = true},
        .consume = {.nack_delay_ms = 100, .nack_multiplier = 2.5, .nack_delay_max_ms = 1000}};
    role = (struct config_role){.name = "me",
                                .uids = &own,
                                .uid_count = 1,
                                .produce = everything,
                                .produce_count = 1,
                                .consume = everything,
                                .consume_count = 1};
    config = (struct config){
        .topics = &rule, .topic_count = 1, .roles = &role, .role_count = 1, .topics_max = 2};
    hulse_fake_init(&fake);
    flow = (struct flow){.brokers = {&fake.base},
                         .broker_count = 1,
                         .default_broker = &fake.base,
                         .default_namespace = "public/default",
                         .message_bytes_max = 1000};
    const struct tables_params params = {
        .config = &config, .brokers = {.names = broker_list, .count = 1}, .post = post};
    hulse_rcu_thread_begin();
    assert_int_equal(hulse_tables_create(&flow.tables, &params, &err), HULSE_OK);
    serve_at_once = true;
    inbox_full = false;
    memset(&front, 0, sizeof(front));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (front.subscriber != NULL) {
        hulse_subscriber_close(&front.subscriber, false);
    }
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
    hulse_tables_destroy(&flow.tables);
    hulse_rcu_thread_end();
    assert_int_equal(hulse_mem_used(HULSE_MEM_TABLE), 0);
    return 0;
}

/* One message of that age. */
static void deliver(struct broker_delivery *d, uint64_t age_ms, uint64_t ttl_ms)
{
    hulse_subscriber_room(front.subscriber, 1000, 1);
    *d = (struct broker_delivery){.publish_time_ms = hulse_clock_wall_ms() - age_ms,
                                  .payload = {.bytes = 10},
                                  .meta = {.ttl_ms = ttl_ms, .partition = -1}};
    fake.delivered += 1;
    fake.consumer.events->message(fake.consumer.ctx, d);
}

static void test_past_its_time(void **state)
{
    struct broker_delivery d;

    (void)state;
    rule.policy.ttl_ms = 2 * HOUR_MS;
    apply();
    assert_int_equal(subscribe("orders"), HULSE_OK);
    deliver(&d, HOUR_MS, 0);
    assert_int_equal(front.heard, 1);
    deliver(&d, 3 * HOUR_MS, 0);
    assert_int_equal(front.heard, 1);
    assert_int_equal(front.asked, 1); /* its permit is used: more has to be asked for */
    assert_int_equal(fake.call_count, 1);
    assert_int_equal(fake.calls[0].verdict, FAKE_ACK);
    deliver(&d, 3 * HOUR_MS, 4 * HOUR_MS); /* its own time counts */
    assert_int_equal(front.heard, 2);
    deliver(&d, HOUR_MS, HOUR_MS / 2);
    assert_int_equal(front.heard, 2);
    rule.policy.ttl_ms = 0;
    apply();
    assert_int_equal(hulse_subscriber_recheck(front.subscriber), SUBSCRIBER_SAME);
    deliver(&d, 3 * HOUR_MS, 0);
    assert_int_equal(front.heard, 3);
    /* From the future: not yet old. */
    deliver(&d, 0, 1);
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->expired, 2);
}

static void test_backoff(void **state)
{
    static const uint32_t expected[] = {100, 250, 625, 1000, 1000};
    struct broker_delivery d = {0};

    (void)state;
    assert_int_equal(subscribe("orders"), HULSE_OK);
    for (uint32_t i = 0; i < 5; i++) {
        d.redelivery = i;
        assert_int_equal(hulse_subscriber_backoff_ms(front.subscriber, &d), expected[i]);
    }
    d.redelivery = UINT32_MAX;
    assert_int_equal(hulse_subscriber_backoff_ms(front.subscriber, &d), 1000);
    d.redelivery = 1;
    hulse_subscriber_unconfigured(front.subscriber, &d);
    assert_int_equal(fake.calls[0].verdict, FAKE_NACK);
    assert_int_equal(fake.calls[0].delay_ms, 250);
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->unconfigured, 1);
    rule.consume.nack_delay_ms = 0; /* at once, however often */
    apply();
    (void)hulse_subscriber_recheck(front.subscriber);
    d.redelivery = UINT32_MAX;
    assert_int_equal(hulse_subscriber_backoff_ms(front.subscriber, &d), 0);
    rule.consume.nack_multiplier = 1;
    rule.consume.nack_delay_ms = 5000; /* above the most: that counts */
    apply();
    (void)hulse_subscriber_recheck(front.subscriber);
    assert_int_equal(hulse_subscriber_backoff_ms(front.subscriber, &d), 1000);
}

static void test_a_change_is_told(void **state)
{
    (void)state;
    assert_int_equal(subscribe("orders"), HULSE_OK);
    assert_int_equal(hulse_subscriber_recheck(front.subscriber), SUBSCRIBER_SAME);
    assert_int_equal(hulse_subscriber_verdicts(front.subscriber), HULSE_VERDICTS_ALWAYS);
    role.consume_count = 0;
    apply();
    assert_int_equal(hulse_subscriber_recheck(front.subscriber), SUBSCRIBER_DENIED);
    role.consume_count = 1;
    apply();
    assert_int_equal(hulse_subscriber_recheck(front.subscriber), SUBSCRIBER_SAME);
}

static void test_an_unknown_topic_is_waited_for(void **state)
{
    (void)state;
    serve_at_once = false;
    assert_int_equal(subscribe("one"), HULSE_OK);
    assert_int_equal(front.opened, 0);
    assert_int_equal(fake.opens, 0);
    serve();
    assert_int_equal(front.opened, 1);
    assert_int_equal(fake.opens, 1);
    hulse_subscriber_close(&front.subscriber, false);
    assert_int_equal(subscribe("one"), HULSE_OK); /* known: nothing to wait for */
    assert_int_equal(front.opened, 1);
    hulse_subscriber_close(&front.subscriber, false);

    assert_int_equal(produce("two"), HULSE_OK);
    assert_int_equal(front.opened, 0);
    hulse_publisher_close(&front.publisher); /* before the answer */
    serve();
    assert_int_equal(front.opened, 0);
    assert_int_equal(fake.opens, 2);

    assert_int_equal(subscribe("three"), HULSE_OK);
    serve();
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_LIMIT);
    assert_non_null(strstr(front.text, "topics_max"));

    inbox_full = true;
    assert_int_equal(subscribe("four"), HULSE_LIMIT);
    assert_int_equal(produce("four"), HULSE_LIMIT);
    assert_null(front.publisher);
    assert_int_equal(front.opened, 0);
}

/* The permission goes while the topic is made known. */
static void test_denied_while_waiting(void **state)
{
    (void)state;
    serve_at_once = false;
    assert_int_equal(produce("one"), HULSE_OK);
    role.produce_count = 0;
    apply();
    serve();
    assert_int_equal(front.status, HULSE_DENIED);
    assert_null(front.publisher);
    assert_int_equal(subscribe("two"), HULSE_OK);
    hulse_tables_close(flow.tables); /* the daemon ends: the owner goes first, then the wish */
    hulse_subscriber_close(&front.subscriber, false);
    serve();
    assert_int_equal(front.opened, 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_past_its_time),
        CASE(test_backoff),
        CASE(test_a_change_is_told),
        CASE(test_an_unknown_topic_is_waited_for),
        CASE(test_denied_while_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
