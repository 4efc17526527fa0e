/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the publish path: who may, where to, what is refused, what each answer becomes.
 * Method: a fake broker that answers as the test says.
 */
#include "daemon/core/mem.h"
#include "daemon/flow/publish.h"
#include "tests/support/check.h"
#include "tests/support/fake_broker.h"
#include "tests/support/own_tables.h"

#include <string.h>
#include <unistd.h>

static struct fake_broker fake;
static struct flow flow;
static struct own_tables tables;
static struct identity me;

struct front {
    struct publisher *publisher;
    uint32_t opened;
    hulse_status status;
    char text[120];
    uint32_t limit;
    uint32_t answered;
    uint64_t token;
    struct broker_answer answer;
    uint32_t failed;
    bool close_in_answer;
};

static void
opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    struct front *front = ctx;
    assert_non_null(front->publisher); /* set before the first event */
    (void)snprintf(front->text, sizeof(front->text), "%s", text);
    if (status != HULSE_OK) {
        front->publisher = NULL; /* gone when this returns */
    }
    front->opened += 1;
    front->status = status;
    front->limit = limits != NULL ? limits->message_bytes_max : 0;
}

static void answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct front *front = ctx;
    front->answered += 1;
    front->token = token;
    front->answer = *answer;
    if (front->close_in_answer) {
        hulse_publisher_close(&front->publisher);
    }
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    struct front *front = ctx;
    assert_string_equal(text, "why");
    front->status = status;
    front->failed += 1;
}

static const struct publisher_events events = {
    .opened = opened, .answered = answered, .failed = failed};

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
    me = (struct identity){.uid = geteuid(), .gid = getegid(), .pid = getpid()};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
    hulse_own_tables_close(&tables);
    hulse_rcu_thread_end();
    assert_int_equal(hulse_mem_used(HULSE_MEM_TABLE), 0);
    return 0;
}

static hulse_status open_topic(struct front *front, const char *topic)
{
    struct error err = {0};
    *front = (struct front){0};
    const struct publisher_params params = {
        .flow = &flow, .who = &me, .topic = topic, .name = "p", .events = &events, .ctx = front};
    const hulse_status st = hulse_publisher_open(&front->publisher, &params, &err);
    assert_int_equal(err.status, st);
    assert_true((st == HULSE_OK) == (err.text[0] == '\0'));
    return st;
}

static uint32_t topics_known(void)
{
    struct tables_figures figures;
    hulse_tables_figures(flow.tables, &figures);
    return figures.topics;
}

/* The topic gets its entry. */
static void know(const char *topic)
{
    struct front front;
    assert_int_equal(open_topic(&front, topic), HULSE_OK);
    hulse_publisher_close(&front.publisher);
}

static void publish(struct front *front, uint64_t token, uint32_t bytes)
{
    const struct broker_record r = {.payload = {.bytes = bytes}, .token = token};
    hulse_publisher_publish(front->publisher, &r);
}

static void test_opens_by_full_name(void **state)
{
    struct front front;
    (void)state;
    assert_int_equal(open_topic(&front, "orders"), HULSE_OK);
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_OK);
    assert_string_equal(fake.topic, "persistent://public/default/orders");
    assert_string_equal(hulse_publisher_topic(front.publisher), fake.topic);
    hulse_publisher_close(&front.publisher);
    assert_null(front.publisher);
    assert_int_equal(fake.producer_closes, 1);
}

static void test_the_smaller_limit_counts(void **state)
{
    struct front front;
    (void)state;
    static const uint32_t limits[] = {10, 1000, 5000};
    for (size_t i = 0; i < 3; i++) {
        const uint32_t limit = limits[i] < 1000 ? limits[i] : 1000;
        fake.limits.message_bytes_max = limits[i];
        assert_int_equal(open_topic(&front, "orders"), HULSE_OK);
        assert_int_equal(front.limit, limit);
        const uint32_t sent = fake.sent;
        publish(&front, 7, limit);
        assert_int_equal(fake.sent, sent + 1);
        assert_int_equal(front.answered, 0);
        publish(&front, 8, limit + 1);
        assert_int_equal(fake.sent, sent + 1); /* the broker never sees it */
        assert_int_equal(front.answered, 1);
        assert_int_equal(front.token, 8);
        assert_int_equal(front.answer.outcome, HULSE_OUTCOME_TOO_LARGE);
        assert_int_equal(front.answer.class, BROKER_TOO_LARGE);
        const struct publisher_counters *c = hulse_publisher_counters(front.publisher);
        assert_int_equal(c->published, 2);
        assert_int_equal(c->bytes, 2 * limit + 1);
        assert_int_equal(c->refused[PUBLISH_TOO_LARGE], 1);
        hulse_publisher_close(&front.publisher);
    }
}

static void test_refusals_at_once(void **state)
{
    struct front front;
    (void)state;
    assert_int_equal(open_topic(&front, "a/b"), HULSE_INVAL);
    assert_int_equal(open_topic(&front, ""), HULSE_INVAL);
    me.uid += 1;
    assert_int_equal(open_topic(&front, "orders"), HULSE_DENIED);
    me.uid -= 1;
    assert_int_equal(topics_known(), 0); /* nothing is made for who may not */
    know("orders");
    fake.refuse_open = HULSE_NO_TOPIC;
    assert_int_equal(open_topic(&front, "orders"), HULSE_NO_TOPIC);
    assert_null(front.publisher);
    assert_int_equal(front.opened, 0);
    assert_int_equal(fake.opens, 2); /* only the last two reached the broker */
    const size_t cap = hulse_mem_cap();
    hulse_mem_init(hulse_mem_total());
    assert_int_equal(open_topic(&front, "orders"), HULSE_NO_MEMORY);
    hulse_mem_init(cap);
}

static void test_refusal_by_event(void **state)
{
    struct front front;
    (void)state;
    fake.open_status = HULSE_BUSY;
    assert_int_equal(open_topic(&front, "orders"), HULSE_OK);
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_BUSY);
    assert_string_equal(front.text, "text of the fake");
    /* What the broker says at once comes by event, too, when the topic had to be made known. */
    fake.open_status = HULSE_OK;
    fake.refuse_open = HULSE_NO_TOPIC;
    assert_int_equal(open_topic(&front, "new"), HULSE_OK);
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_NO_TOPIC);
    assert_string_equal(front.text, "refused by the fake");
    assert_null(front.publisher);
    fake.refuse_open = HULSE_OK;
    fake.open_status = HULSE_BUSY;
    fake.open_later = true;
    assert_int_equal(open_topic(&front, "orders"), HULSE_OK);
    assert_int_equal(front.opened, 0);
    hulse_fake_producer_opened(&fake, HULSE_LIMIT);
    assert_int_equal(front.status, HULSE_LIMIT);
    assert_int_equal(fake.producer_closes, 0); /* it is gone already */
}

static void test_close_before_opened(void **state)
{
    struct front front;
    (void)state;
    fake.open_later = true;
    assert_int_equal(open_topic(&front, "orders"), HULSE_OK);
    hulse_publisher_close(&front.publisher);
    assert_int_equal(fake.producer_closes, 1);
    assert_int_equal(front.opened, 0);
}

static void test_answers(void **state)
{
    static const struct {
        enum broker_class class;
        unsigned outcome;
        unsigned told;
    } table[] = {
        {BROKER_DONE, HULSE_OUTCOME_STORED, HULSE_OUTCOME_STORED},
        {BROKER_DONE, 0, HULSE_OUTCOME_STORED},
        {BROKER_FAIL, HULSE_OUTCOME_QUOTA_EXCEEDED, HULSE_OUTCOME_QUOTA_EXCEEDED},
        {BROKER_FAIL, 0, HULSE_OUTCOME_FAILED_UNKNOWN},
        {BROKER_RETRY, 0, HULSE_OUTCOME_FAILED_UNKNOWN},
        {BROKER_BREAK, 0, HULSE_OUTCOME_FAILED_UNKNOWN},
        {BROKER_RELOOKUP, 0, HULSE_OUTCOME_FAILED_NOT_SENT},
        {BROKER_DENIED, 0, HULSE_OUTCOME_DENIED},
        {BROKER_TOO_LARGE, 0, HULSE_OUTCOME_TOO_LARGE},
        {BROKER_FENCED, 0, HULSE_OUTCOME_FENCED},
    };
    enum { COUNT = sizeof(table) / sizeof(table[0]) };
    struct front front;
    (void)state;
    assert_int_equal(open_topic(&front, "orders"), HULSE_OK);
    for (size_t i = 0; i < COUNT; i++) {
        publish(&front, 100 + i, 1);
    }
    for (size_t i = COUNT; i-- > 0;) { /* in any order */
        hulse_fake_answer(&fake, fake.tokens[i], table[i].class, table[i].outcome);
        assert_int_equal(front.token, 100 + i);
        assert_int_equal(front.answer.outcome, table[i].told);
        assert_int_equal(front.answer.class, table[i].class);
    }
    const struct publisher_counters *c = hulse_publisher_counters(front.publisher);
    assert_int_equal(front.answered, COUNT);
    assert_int_equal(c->stored, 2);
    assert_int_equal(c->failed, COUNT - 2);
    assert_int_equal(c->published, COUNT);
    hulse_publisher_close(&front.publisher);
}

static void test_close_inside_an_answer(void **state)
{
    struct front front;
    (void)state;
    fake.answer_at_once = true;
    assert_int_equal(open_topic(&front, "orders"), HULSE_OK);
    front.close_in_answer = true;
    publish(&front, 1, 1);
    assert_null(front.publisher);
    assert_int_equal(open_topic(&front, "orders"), HULSE_OK);
    front.close_in_answer = true;
    publish(&front, 1, 1001); /* refused by flow itself */
    assert_null(front.publisher);
    assert_int_equal(fake.producer_closes, 2);
}

static void test_failure_is_passed_on(void **state)
{
    struct front front;
    (void)state;
    assert_int_equal(open_topic(&front, "orders"), HULSE_OK);
    hulse_fake_producer_failed(&fake, HULSE_CLOSED, "why");
    assert_int_equal(front.failed, 1);
    assert_int_equal(front.status, HULSE_CLOSED);
    hulse_publisher_close(&front.publisher);
    assert_int_equal(fake.producer_closes, 1);
}

/* Until flow can send again, who published is told what became of each record. */
static void test_given_back(void **state)
{
    struct front front;
    (void)state;
    assert_int_equal(open_topic(&front, "orders"), HULSE_OK);
    publish(&front, 1, 1);
    publish(&front, 2, 1);
    hulse_fake_suspended(&fake, BROKER_RETRY);
    assert_int_equal(front.answered, 0);
    hulse_fake_given_back(&fake, 1, true);
    assert_int_equal(front.token, 1);
    assert_int_equal(front.answer.outcome, HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_int_equal(front.answer.class, BROKER_RETRY);
    hulse_fake_given_back(&fake, 2, false);
    assert_int_equal(front.token, 2);
    assert_int_equal(front.answer.outcome, HULSE_OUTCOME_FAILED_NOT_SENT);
    hulse_fake_resumed(&fake);
    publish(&front, 3, 1);
    hulse_fake_answer(&fake, 3, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(front.answered, 3);
    assert_int_equal(front.failed, 0);
    assert_int_equal(hulse_publisher_counters(front.publisher)->failed, 2);
    hulse_publisher_close(&front.publisher);
}

static void test_fenced(void **state)
{
    struct front front;
    (void)state;
    assert_int_equal(open_topic(&front, "orders"), HULSE_OK);
    hulse_fake_fenced(&fake, "why");
    assert_int_equal(front.failed, 1);
    assert_int_equal(front.status, HULSE_BUSY);
    hulse_publisher_close(&front.publisher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_opens_by_full_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_smaller_limit_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusal_by_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_before_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_inside_an_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_is_passed_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fenced, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
