/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a broker is asked once for a version, whoever wants to know; what it has said is kept within bounds and for its time,
 *         also that there is none; what went wrong is told and not kept; whoever forgets hears nothing.
 * Method: a fake broker; control's inbox and the worker's are run by the test.
 */
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "daemon/core/rcu.h"
#include "daemon/flow/schemas.h"
#include "daemon/worker/worker.h"
#include "tests/support/check.h"
#include "tests/support/fake_broker.h"

#include <stdio.h>
#include <string.h>

#define TOPIC "persistent://public/default/orders"
#define ASKERS 3

static struct fake_broker fake;
static struct flow flow;
static struct worker worker;
static struct inbox home;
static struct schemas *schemas;
static size_t mem_before;

struct asker {
    struct schema_wait *wait;
    unsigned heard;
    hulse_status status;
    char text[96];
    const struct schema_known *known;
};
static struct asker askers[ASKERS];

static int set_up(void **state)
{
    (void)state;
    mem_before = hulse_mem_total();
    memset(askers, 0, sizeof(askers));
    memset(&worker, 0, sizeof(worker));
    hulse_fake_init(&fake);
    flow = (struct flow){.brokers = {&fake.base}, .broker_count = 1};
    assert_true(hulse_inbox_init(&home, 16));
    assert_true(hulse_inbox_init(&worker.loop.inbox, 16));
    assert_true(hulse_rcu_writer_start());
    schemas = hulse_schemas_create(&flow, &home);
    assert_non_null(schemas);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ASKERS; i++) {
        hulse_schema_known_release(&askers[i].known);
    }
    hulse_schemas_destroy(&schemas);
    hulse_rcu_writer_stop();
    hulse_inbox_fini(&home);
    hulse_inbox_fini(&worker.loop.inbox);
    assert_int_equal(hulse_mem_total(), mem_before);
    return 0;
}

static void
done(void *owner, hulse_status status, const char *text, const struct schema_known *known)
{
    struct asker *a = owner;

    a->heard += 1;
    a->status = status;
    (void)snprintf(a->text, sizeof(a->text), "%.90s", text);
    hulse_schema_known_release(&a->known);
    a->known = known;
}

static void run_all(void)
{
    while (hulse_inbox_run(&home, 16) + hulse_inbox_run(&worker.loop.inbox, 16) > 0) {
    }
}

static void ask_of(struct asker *a, const char *topic, uint64_t version)
{
    const struct schema_question q = {
        .worker = &worker, .topic = topic, .version = version, .owner = a, .done = done};
    struct error err = {0};

    assert_int_equal(hulse_schemas_ask(schemas, &a->wait, &q, &err), HULSE_OK);
    assert_non_null(a->wait);
}

static void ask(struct asker *a, uint64_t version)
{
    ask_of(a, TOPIC, version);
}

static void told(hulse_status status, uint64_t version, const char *definition)
{
    struct broker_schema_request *q = fake.schema;

    assert_non_null(q);
    fake.schema = NULL;
    q->version = version;
    q->schema = (struct broker_schema){
        .type = BROKER_SCHEMA_AVRO,
        .definition = {(const uint8_t *)definition, (uint32_t)strlen(definition)},
        .properties = {(const uint8_t *)"\1\0\0\0k", 5}};
    hulse_fake_request_done(&q->request, status);
    run_all();
}

static uint64_t asked(void)
{
    struct schemas_figures f;

    hulse_schemas_figures(schemas, &f);
    return f.asked;
}

static uint32_t kept(void)
{
    struct schemas_figures f;

    hulse_schemas_figures(schemas, &f);
    return f.versions;
}

static void test_one_question_for_all(void **state)
{
    (void)state;
    assert_null(hulse_schemas_find(schemas, 0, TOPIC, 3));
    ask(&askers[0], 3);
    ask(&askers[1], 3);
    run_all();
    assert_int_equal(asked(), 1);
    assert_string_equal(fake.schema->topic, TOPIC);
    assert_int_equal(fake.schema->version, 3);
    ask(&askers[2], 3);
    run_all();
    assert_int_equal(asked(), 1);
    told(HULSE_OK, 3, "\"int\"");
    for (unsigned i = 0; i < ASKERS; i++) {
        assert_int_equal(askers[i].heard, 1);
        assert_int_equal(askers[i].status, HULSE_OK);
        assert_null(askers[i].wait);
        assert_ptr_equal(askers[i].known, askers[0].known);
    }
    const struct schema_known *k = hulse_schemas_find(schemas, 0, TOPIC, 3);
    assert_ptr_equal(k, askers[0].known);
    assert_int_equal(k->version, 3);
    assert_int_equal(k->told.definition.bytes, 5);
    assert_memory_equal(k->told.definition.data, "\"int\"", 5);
    assert_int_equal(k->told.properties.bytes, 5);
    assert_non_null(k->schema);
    hulse_schema_known_release(&k);
    ask(&askers[0], 3);
    run_all();
    assert_int_equal(askers[0].heard, 2);
    assert_int_equal(asked(), 1);
    assert_null(hulse_schemas_find(schemas, 0, TOPIC, 4));
    assert_null(hulse_schemas_find(schemas, 1, TOPIC, 3));
    assert_null(hulse_schemas_find(schemas, 0, TOPIC "2", 3));
}

static void test_the_newest_is_asked_for_each_time(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 2; i++) {
        ask(&askers[0], 0);
        run_all();
        told(HULSE_OK, i, "\"int\"");
        assert_int_equal(askers[0].known->version, i);
        assert_int_equal(asked(), i);
    }
    assert_int_equal(kept(), 0);
}

static void test_that_there_is_none_is_believed_for_a_while(void **state)
{
    (void)state;
    ask(&askers[0], 9);
    run_all();
    told(HULSE_NO_TOPIC, 0, "");
    assert_int_equal(askers[0].status, HULSE_OK);
    assert_int_equal(askers[0].known->version, 0);
    ask(&askers[1], 9);
    run_all();
    assert_int_equal(askers[1].known->version, 0);
    assert_int_equal(asked(), 1);
    const uint64_t now_ms = hulse_clock_ns() / 1000000;
    hulse_schemas_sweep(schemas, now_ms);
    assert_int_equal(kept(), 1);
    hulse_schemas_sweep(schemas, now_ms + SCHEMAS_MISSING_MS + 1000);
    assert_int_equal(kept(), 0);
    ask(&askers[0], 3);
    run_all();
    told(HULSE_OK, 3, "\"int\"");
    hulse_schemas_sweep(schemas, now_ms + SCHEMAS_MISSING_MS + 1000);
    assert_int_equal(kept(), 1);
    hulse_schemas_sweep(schemas, now_ms + SCHEMAS_LIFE_MS + 60000);
    assert_int_equal(kept(), 0);
    assert_non_null(askers[0].known->schema); /* held */
}

static void test_what_went_wrong_is_not_kept(void **state)
{
    struct error err = {0};
    const struct schema_question q = {
        .worker = &worker, .topic = TOPIC, .version = 1, .owner = &askers[0], .done = done};

    (void)state;
    ask(&askers[0], 1);
    run_all();
    told(HULSE_TIMED_OUT, 0, "");
    assert_int_equal(askers[0].status, HULSE_TIMED_OUT);
    assert_null(askers[0].known);
    assert_int_equal(kept(), 0);
    fake.refuse_call = HULSE_NO_MEMORY;
    ask(&askers[0], 1);
    run_all();
    assert_int_equal(askers[0].status, HULSE_NO_MEMORY);
    fake.refuse_call = HULSE_OK;
    static struct broker_ops without;
    without = *fake.base.ops;
    without.capabilities = 0;
    const struct broker_ops *ops = fake.base.ops;
    fake.base.ops = &without;
    assert_int_equal(hulse_schemas_ask(schemas, &askers[0].wait, &q, &err), HULSE_UNSUPPORTED);
    fake.base.ops = ops;
    assert_null(askers[0].wait);
}

static void test_a_definition_that_cannot_be_read_is_kept_as_it_is(void **state)
{
    (void)state;
    ask(&askers[0], 1);
    run_all();
    told(HULSE_OK, 1, "\"lung\"");
    assert_null(askers[0].known->schema);
    assert_non_null(strstr(askers[0].known->why, "not known"));
    assert_int_equal(askers[0].known->told.definition.bytes, 6);
}

static void test_whoever_forgets_hears_nothing(void **state)
{
    (void)state;
    ask(&askers[0], 1);
    ask(&askers[1], 1);
    hulse_schemas_forget(&askers[0].wait);
    assert_null(askers[0].wait);
    run_all();
    told(HULSE_OK, 1, "\"int\"");
    assert_int_equal(askers[0].heard, 0);
    assert_int_equal(askers[1].heard, 1);
    /* The worker has gone: the answer has nobody. */
    ask(&askers[2], 2);
    (void)hulse_inbox_run(&home, 16);
    hulse_schemas_forget(&askers[2].wait);
    hulse_schemas_close(schemas);
    told(HULSE_CLOSED, 0, "");
    ask(&askers[0], 2);
    hulse_schemas_forget(&askers[0].wait);
    run_all();
    assert_int_equal(askers[0].heard + askers[2].heard, 0);
}

static void test_the_oldest_goes_first(void **state)
{
    char topic[64];

    (void)state;
    for (unsigned i = 0; i <= SCHEMAS_MAX; i++) {
        (void)snprintf(topic, sizeof(topic), "persistent://public/default/%u", i);
        ask_of(&askers[0], topic, 1);
        run_all();
        told(HULSE_OK, 1, "\"int\"");
    }
    assert_int_equal(kept(), SCHEMAS_MAX);
    assert_null(hulse_schemas_find(schemas, 0, "persistent://public/default/0", 1));
    const struct schema_known *k =
        hulse_schemas_find(schemas, 0, "persistent://public/default/1", 1);
    assert_non_null(k);
    hulse_schema_known_release(&k);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_question_for_all),
        TEST(test_the_newest_is_asked_for_each_time),
        TEST(test_that_there_is_none_is_believed_for_a_while),
        TEST(test_what_went_wrong_is_not_kept),
        TEST(test_a_definition_that_cannot_be_read_is_kept_as_it_is),
        TEST(test_whoever_forgets_hears_nothing),
        TEST(test_the_oldest_goes_first),
    };

    hulse_mem_init((size_t)1 << 30U);
    hulse_rcu_thread_begin();
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hulse_rcu_thread_end();
    return failed;
}
