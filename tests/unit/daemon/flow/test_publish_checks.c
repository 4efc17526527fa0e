/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is asked of a record, in which order; what each refusal is and where it is counted; what
 *         one limit took goes back when a later one refuses; a queue that drops its oldest.
 * Method: a fake broker, tables of the test's own, and a worker that has nothing but a clock.
 */
#include "daemon/core/mem.h"
#include "daemon/flow/publish.h"
#include "daemon/schema/schema.h"
#include "daemon/worker/worker.h"
#include "tests/support/check.h"
#include "tests/support/fake_broker.h"
#include "tests/support/own_tables.h"

#include <string.h>
#include <unistd.h>

#define TOPIC "persistent://public/default/orders"
#define SECOND UINT64_C(1000000000)
#define BEGIN (UINT64_C(86400) * SECOND)

static const char *const everything[] = {"**"};
static struct fake_broker fake;
static struct flow flow;
static struct own_tables tables;
static struct identity me;
static uid_t own;
static struct config_topic_rule rule;
static struct config_role role;
static struct worker clock_only;
static struct bucket_pair app_rate;

struct front {
    struct publisher *publisher;
    uint32_t answered;
    uint32_t freed;
    uint8_t outcomes[16384];
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
    struct front *f = ctx;

    assert_true(token < sizeof(f->outcomes));
    assert_int_equal(f->outcomes[token], 0); /* one answer each */
    f->outcomes[token] = answer->outcome;
    f->answered += 1;
    if (f->close_in_answer) {
        hulse_publisher_close(&f->publisher);
    }
}

static void freed(void *ctx)
{
    struct front *f = ctx;
    f->freed += 1;
}

static const struct publisher_events events = {
    .opened = opened, .answered = answered, .freed = freed};

static void open_publisher(struct worker *w, uint32_t hold_records)
{
    struct error err = {0};
    const struct publisher_params params = {.flow = &flow,
                                            .worker = w,
                                            .who = &me,
                                            .topic = TOPIC,
                                            .name = "p",
                                            .app_rate = &app_rate,
                                            .hold_records = hold_records,
                                            .events = &events,
                                            .ctx = &front};

    memset(&front, 0, sizeof(front));
    assert_int_equal(hulse_publisher_open(&front.publisher, &params, &err), HULSE_OK);
}

static void apply(void)
{
    assert_int_equal(hulse_own_tables_apply(&tables), HULSE_OK);
}

static int setup(void **state)
{
    (void)state;
    own = geteuid();
    me = (struct identity){.uid = own};
    rule = (struct config_topic_rule){.match = "**",
                                      .publish = {.auto_create = true, .pending_bytes = 1U << 20}};
    role = (struct config_role){
        .name = "me", .uids = &own, .uid_count = 1, .produce = everything, .produce_count = 1};
    memset(&app_rate, 0, sizeof(app_rate));
    clock_only.loop.now_ns = BEGIN;
    hulse_fake_init(&fake);
    flow = (struct flow){.brokers = {&fake.base},
                         .broker_count = 1,
                         .default_broker = &fake.base,
                         .default_namespace = "public/default",
                         .message_bytes_max = 1000};
    hulse_rcu_thread_begin();
    hulse_own_tables_open(&tables, &flow);
    tables.config.topics = &rule;
    tables.config.topic_count = 1;
    tables.config.roles = &role;
    tables.config.role_count = 1;
    apply();
    /* The topic becomes known, so that opens with the clock need no answer by inbox. */
    open_publisher(NULL, 0);
    hulse_publisher_close(&front.publisher);
    fake.answer_at_once = true;
    fake.answer = (struct broker_answer){.outcome = HULSE_OUTCOME_STORED};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (front.publisher != NULL) {
        hulse_publisher_close(&front.publisher);
    }
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_MESSAGE), 0);
    hulse_own_tables_close(&tables);
    hulse_rcu_thread_end();
    return 0;
}

static uint64_t delay_ms; /* of what is published */
static struct broker_span clusters;

static uint8_t publish(uint64_t token, uint32_t bytes, uint64_t age_ms, uint64_t ttl_ms)
{
    static uint8_t payload[2000];
    const struct broker_meta meta = {
        .partition = -1, .ttl_ms = ttl_ms, .deliver_after_ms = delay_ms, .replicate_to = clusters};
    const struct broker_record r = {
        .payload = {payload, bytes},
        .meta = ttl_ms != 0 || delay_ms != 0 || clusters.bytes != 0 ? &meta : NULL,
        .token = token,
        .enqueued_ns = clock_only.loop.now_ns - age_ms * 1000000,
    };

    hulse_publisher_publish(front.publisher, &r);
    return front.outcomes[token];
}

static uint64_t refused(enum publish_check why)
{
    return hulse_publisher_counters(front.publisher)->refused[why];
}

/* Everything is against the record; one reason after the other goes. */
static void test_the_order_of_checks(void **state)
{
    uint64_t token = 0;

    (void)state;
    rule.publish.ttl_ms = 100;
    rule.publish.rate = (struct config_rate){.messages = 1};
    role.rate = (struct config_rate){.messages = 1};
    tables.config.session_rate = (struct config_rate){.messages = 1};
    apply();
    open_publisher(&clock_only, 0);
    assert_int_equal(publish(token++, 10, 0, 0), HULSE_OUTCOME_STORED); /* now empty */
    role.produce_count = 0;
    apply();
    assert_int_equal(publish(token++, 2000, 500, 0), HULSE_OUTCOME_DENIED);
    role.produce_count = 1;
    apply();
    delay_ms = 1000; /* what the broker cannot do */
    assert_int_equal(publish(token++, 2000, 500, 0), HULSE_OUTCOME_TOO_LARGE);
    assert_int_equal(publish(token++, 10, 101, 0), HULSE_OUTCOME_UNSUPPORTED);
    delay_ms = 0;
    clusters = (struct broker_span){.data = (const uint8_t *)"\1\0a", .bytes = 3};
    assert_int_equal(publish(token++, 10, 101, 0), HULSE_OUTCOME_UNSUPPORTED);
    clusters = (struct broker_span){.data = (const uint8_t *)"\0\0", .bytes = 2}; /* is so anyway */
    assert_int_equal(publish(token++, 10, 101, 0), HULSE_OUTCOME_EXPIRED);
    clusters.bytes = 0;
    assert_int_equal(publish(token++, 10, 101, 200), HULSE_OUTCOME_RATE_LIMITED); /* its own ttl */
    assert_int_equal(refused(PUBLISH_APP_RATE), 1);
    tables.config.session_rate = (struct config_rate){0};
    apply();
    assert_int_equal(publish(token++, 10, 100, 0), HULSE_OUTCOME_RATE_LIMITED);
    assert_int_equal(refused(PUBLISH_ROLE_RATE), 1);
    role.rate = (struct config_rate){0};
    apply();
    assert_int_equal(publish(token++, 10, 0, 0), HULSE_OUTCOME_RATE_LIMITED);
    assert_int_equal(refused(PUBLISH_TOPIC_RATE), 1);
    rule.publish.rate = (struct config_rate){0};
    apply();
    assert_int_equal(publish(token++, 10, 0, 0), HULSE_OUTCOME_STORED);
    const struct publisher_counters *c = hulse_publisher_counters(front.publisher);
    assert_int_equal(c->refused[PUBLISH_DENIED], 1);
    assert_int_equal(c->refused[PUBLISH_TOO_LARGE], 1);
    assert_int_equal(c->refused[PUBLISH_EXPIRED], 1);
    assert_int_equal(c->published, token);
    assert_int_equal(c->stored, 2);
    assert_int_equal(c->failed, 0);
    assert_int_equal(fake.sent, 2);
    /* And for the topic. */
    struct grant g = {0};
    hulse_grant_refresh(&g, flow.tables, &me, TOPIC);
    for (unsigned why = TOPIC_REFUSED_DENIED; why <= TOPIC_REFUSED_TOPIC_RATE; why++) {
        assert_int_equal(hulse_topic_state_refused(g.topic_state, (enum topic_refusal)why),
                         why == TOPIC_REFUSED_UNSUPPORTED ? 2 : 1);
    }
    hulse_grant_release(&g);
}

static void test_what_was_taken_goes_back(void **state)
{
    (void)state;
    rule.publish.rate = (struct config_rate){.bytes = 100};
    role.rate = (struct config_rate){.messages = 1000};
    tables.config.session_rate = (struct config_rate){.messages = 1000, .bytes = 100000};
    apply();
    open_publisher(&clock_only, 0);
    assert_int_equal(publish(0, 200, 0, 0), HULSE_OUTCOME_STORED);
    const uint64_t messages = atomic_load(&app_rate.messages.paid_until);
    const uint64_t bytes = atomic_load(&app_rate.bytes.paid_until);
    struct grant g = {0};
    hulse_grant_refresh(&g, flow.tables, &me, TOPIC);
    const uint64_t of_role = atomic_load(&g.role_state->rate.messages.paid_until);
    assert_int_equal(publish(1, 1, 0, 0), HULSE_OUTCOME_RATE_LIMITED);
    assert_int_equal(refused(PUBLISH_TOPIC_RATE), 1);
    assert_int_equal(atomic_load(&app_rate.messages.paid_until), messages);
    assert_int_equal(atomic_load(&app_rate.bytes.paid_until), bytes);
    assert_int_equal(atomic_load(&g.role_state->rate.messages.paid_until), of_role);
    hulse_grant_release(&g);
    clock_only.loop.now_ns += 2 * SECOND;
    assert_int_equal(publish(2, 1, 0, 0), HULSE_OUTCOME_STORED);
}

static void test_two_applications_share_a_topics_rate(void **state)
{
    (void)state;
    rule.publish.rate = (struct config_rate){.messages = 2};
    apply();
    open_publisher(&clock_only, 0);
    assert_int_equal(publish(0, 1, 0, 0), HULSE_OUTCOME_STORED);
    hulse_publisher_close(&front.publisher);
    open_publisher(&clock_only, 0);
    assert_int_equal(publish(1, 1, 0, 0), HULSE_OUTCOME_STORED);
    assert_int_equal(publish(2, 1, 0, 0), HULSE_OUTCOME_RATE_LIMITED);
    apply(); /* a reload fills no bucket */
    assert_int_equal(publish(3, 1, 0, 0), HULSE_OUTCOME_RATE_LIMITED);
}

enum { WITH_BROKER = 1024 };

static void test_the_oldest_goes_first(void **state)
{
    (void)state;
    fake.answer_at_once = false;
    open_publisher(&clock_only, 10);
    for (uint64_t token = 0; token < WITH_BROKER + 30; token++) {
        (void)publish(token, 1, 0, 0);
    }
    assert_int_equal(fake.sent, WITH_BROKER);
    assert_int_equal(front.answered, 20);
    for (uint64_t token = WITH_BROKER; token < WITH_BROKER + 20; token++) {
        assert_int_equal(front.outcomes[token], HULSE_OUTCOME_DROPPED);
    }
    assert_int_equal(refused(PUBLISH_DROPPED), 20);
    /* An answer lets the next one go, in order. */
    hulse_fake_answer(&fake, 5, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(fake.sent, WITH_BROKER + 1);
    assert_int_equal(fake.tokens[WITH_BROKER], WITH_BROKER + 20);
    fake.answer_at_once = true;
    hulse_fake_answer(&fake, 6, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_int_equal(fake.sent, WITH_BROKER + 10); /* each answer made room for the next */
    assert_int_equal(front.outcomes[WITH_BROKER + 29], HULSE_OUTCOME_STORED);
}

static void test_the_queue_is_bounded_in_bytes(void **state)
{
    (void)state;
    fake.answer_at_once = false;
    rule.publish.pending_bytes = 5000;
    apply();
    open_publisher(&clock_only, 1000000);
    for (uint64_t token = 0; token < WITH_BROKER + 50; token++) {
        (void)publish(token, 1000, 0, 0);
    }
    assert_in_range(front.answered, 45, 49);
    assert_true(hulse_mem_used(HULSE_MEM_MESSAGE) <= 5000);
    /* Over the daemon's cap the record itself is refused. */
    const size_t cap = hulse_mem_cap();
    hulse_mem_init(hulse_mem_total());
    assert_int_equal(publish(9000, 10, 0, 0), HULSE_OUTCOME_NO_MEMORY);
    hulse_mem_init(cap);
    assert_int_equal(refused(PUBLISH_NO_MEMORY), 1);
}

/* What waits is not thrown into a broker that takes nothing. */
static void test_the_queue_outlives_a_suspension(void **state)
{
    (void)state;
    fake.answer_at_once = false;
    open_publisher(&clock_only, 100);
    for (uint64_t token = 0; token < WITH_BROKER + 3; token++) {
        (void)publish(token, 1, 0, 0);
    }
    hulse_fake_suspended(&fake, BROKER_RETRY);
    for (uint64_t token = 0; token < WITH_BROKER; token++) {
        hulse_fake_given_back(&fake, token, token < 5);
    }
    assert_int_equal(fake.sent, WITH_BROKER);
    assert_int_equal(front.outcomes[4], HULSE_OUTCOME_FAILED_UNKNOWN);
    assert_int_equal(front.outcomes[5], HULSE_OUTCOME_FAILED_NOT_SENT);
    (void)publish(WITH_BROKER + 3, 1, 0, 0); /* room, but nobody to send to */
    assert_int_equal(fake.sent, WITH_BROKER);
    assert_int_equal(front.answered, WITH_BROKER);
    hulse_fake_resumed(&fake);
    assert_int_equal(fake.sent, WITH_BROKER + 4);
    assert_int_equal(fake.tokens[WITH_BROKER], WITH_BROKER);
    assert_int_equal(fake.tokens[WITH_BROKER + 3], WITH_BROKER + 3);
}

/* Nor into one that has enough. */
static void test_the_queue_waits_for_a_busy_broker(void **state)
{
    (void)state;
    fake.answer_at_once = false;
    open_publisher(&clock_only, 100);
    (void)publish(0, 1, 0, 0);
    fake.producer.busy = true;
    assert_false(
        hulse_publisher_busy(front.publisher)); /* its records are copied: nobody has to wait */
    (void)publish(1, 1, 0, 0);
    (void)publish(2, 1, 0, 0);
    assert_int_equal(fake.sent, 1);
    fake.producer.busy = false;
    hulse_fake_freed(&fake);
    assert_int_equal(fake.sent, 3);
    assert_int_equal(fake.tokens[2], 2);
}

static void test_the_queue_keeps_what_the_broker_has_no_memory_for(void **state)
{
    (void)state;
    fake.answer_at_once = false;
    open_publisher(&clock_only, 100);
    fake.no_memory = true;
    (void)publish(0, 1, 0, 0);
    (void)publish(1, 1, 0, 0);
    fake.producer.busy = false;
    hulse_fake_freed(&fake);
    assert_int_equal(fake.sent, 0);
    fake.no_memory = false;
    fake.producer.busy = false;
    hulse_fake_freed(&fake);
    assert_int_equal(fake.sent, 2);
    assert_int_equal(fake.tokens[0], 0);
    assert_int_equal(fake.tokens[1], 1);
}

static void test_busy_is_told_where_nothing_is_held(void **state)
{
    (void)state;
    open_publisher(&clock_only, 0);
    assert_false(hulse_publisher_busy(front.publisher));
    fake.producer.busy = true;
    assert_true(hulse_publisher_busy(front.publisher));
    fake.producer.busy = false;
    hulse_fake_freed(&fake);
    assert_int_equal(front.freed, 1);
}

/* One that the queue can never hold pushes nothing out. */
static void test_a_record_larger_than_the_queue(void **state)
{
    (void)state;
    fake.answer_at_once = false;
    rule.publish.pending_bytes = 900;
    apply();
    open_publisher(&clock_only, 1000000);
    for (uint64_t token = 0; token < WITH_BROKER + 2; token++) {
        (void)publish(token, 1, 0, 0);
    }
    assert_int_equal(publish(WITH_BROKER + 2, 1000, 0, 0), HULSE_OUTCOME_DROPPED);
    assert_int_equal(front.answered, 1);
    assert_int_equal(refused(PUBLISH_DROPPED), 1);
}

/* A debt made at a rate that a reload has raised is not paid for days. */
static void test_a_raised_rate_counts_at_once(void **state)
{
    (void)state;
    rule.publish.rate = (struct config_rate){.bytes = 1};
    role.rate = (struct config_rate){.bytes = 1};
    tables.config.session_rate = (struct config_rate){.bytes = 1};
    apply();
    open_publisher(&clock_only, 0);
    assert_int_equal(publish(0, 1000, 0, 0), HULSE_OUTCOME_STORED);
    clock_only.loop.now_ns += 10 * SECOND;
    assert_int_equal(publish(1, 1, 0, 0), HULSE_OUTCOME_RATE_LIMITED);
    /* Opening once more gets round nothing. */
    hulse_publisher_close(&front.publisher);
    open_publisher(&clock_only, 0);
    clock_only.loop.now_ns += 2 * SECOND;
    assert_int_equal(publish(2, 1, 0, 0), HULSE_OUTCOME_RATE_LIMITED);
    rule.publish.rate.bytes = role.rate.bytes = 1000000;
    tables.config.session_rate.bytes = 1000000;
    apply();
    assert_int_equal(publish(3, 1, 0, 0), HULSE_OUTCOME_RATE_LIMITED);
    clock_only.loop.now_ns += 2 * SECOND;
    assert_int_equal(publish(4, 1, 0, 0), HULSE_OUTCOME_STORED);
}

static void test_a_payload_that_does_not_fit(void **state)
{
    (void)state;
    rule.publish.schema.type = SCHEMA_INT32;
    rule.publish.validate = true;
    apply();
    open_publisher(&clock_only, 0);
    assert_int_equal(publish(0, 4, 0, 0), HULSE_OUTCOME_STORED);
    assert_int_equal(publish(1, 5, 0, 0), HULSE_OUTCOME_INVALID_SCHEMA);
    assert_int_equal(refused(PUBLISH_INVALID), 1);
    const struct broker_meta tombstone = {.partition = -1, .tombstone = true};
    const struct broker_record nothing = {.meta = &tombstone, .token = 10};
    hulse_publisher_publish(front.publisher, &nothing);
    assert_int_equal(front.outcomes[10], HULSE_OUTCOME_STORED);
    assert_int_equal(fake.schema_type, BROKER_SCHEMA_INT32);
    /* What it was opened with holds until it is closed. */
    rule.publish.validate = false;
    apply();
    assert_int_equal(publish(2, 5, 0, 0), HULSE_OUTCOME_INVALID_SCHEMA);
    hulse_publisher_close(&front.publisher);
    open_publisher(&clock_only, 0);
    assert_int_equal(publish(3, 5, 0, 0), HULSE_OUTCOME_STORED);
    assert_int_equal(fake.schema_type, BROKER_SCHEMA_INT32);
    hulse_publisher_close(&front.publisher);
    rule.publish.schema.type = CONFIG_SCHEMA_NONE;
    apply();
    open_publisher(&clock_only, 0);
    assert_int_equal(fake.schema_type, BROKER_SCHEMA_BYTES);
}

static void test_closed_by_who_hears_of_a_drop(void **state)
{
    (void)state;
    fake.answer_at_once = false;
    open_publisher(&clock_only, 1);
    for (uint64_t token = 0; token < WITH_BROKER + 1; token++) {
        (void)publish(token, 1, 0, 0);
    }
    front.close_in_answer = true;
    (void)publish(WITH_BROKER + 1, 1, 0, 0);
    assert_null(front.publisher);
    /* And inside the answers of a queue that empties. */
    open_publisher(&clock_only, 10);
    for (uint64_t token = 0; token < WITH_BROKER + 5; token++) {
        (void)publish(token, 1, 0, 0);
    }
    front.close_in_answer = true;
    fake.answer_at_once = true;
    hulse_fake_answer(&fake, 1, BROKER_DONE, HULSE_OUTCOME_STORED);
    assert_null(front.publisher);
    assert_int_equal(front.answered, 1);
}

/* The broker is told whether an unknown topic may be made. */
static void test_the_rule_says_who_creates(void **state)
{
    (void)state;
    for (int create = 0; create < 2; create++) {
        rule.publish.auto_create = create != 0;
        apply();
        open_publisher(&clock_only, 0);
        assert_int_equal(fake.create, create);
        hulse_publisher_close(&front.publisher);
    }
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_the_order_of_checks),
        CASE(test_the_rule_says_who_creates),
        CASE(test_what_was_taken_goes_back),
        CASE(test_two_applications_share_a_topics_rate),
        CASE(test_the_oldest_goes_first),
        CASE(test_the_queue_is_bounded_in_bytes),
        CASE(test_the_queue_outlives_a_suspension),
        CASE(test_the_queue_waits_for_a_busy_broker),
        CASE(test_the_queue_keeps_what_the_broker_has_no_memory_for),
        CASE(test_busy_is_told_where_nothing_is_held),
        CASE(test_a_record_larger_than_the_queue),
        CASE(test_a_raised_rate_counts_at_once),
        CASE(test_a_payload_that_does_not_fit),
        CASE(test_closed_by_who_hears_of_a_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
