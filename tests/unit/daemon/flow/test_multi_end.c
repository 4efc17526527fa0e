/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   several topics are at their end when each of them is: once said it counts once, and no more after a seek; and they
 *         begin where each of them can.
 * Method: a broker that says the end of a topic when it is told to.
 */
#include "daemon/core/mem.h"
#include "daemon/flow/deliver.h"
#include "daemon/worker/worker.h"
#include "tests/support/check.h"
#include "tests/support/own_tables.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct broker_consumer consumers[2];
static uint32_t opened_count;
static uint32_t ended_count;
static struct flow flow;
static struct own_tables tables;
static struct worker worker;
static struct identity me;
static struct subscriber *subscriber;

static hulse_status consumer_open(struct broker *b,
                                  struct worker *w,
                                  const struct broker_consumer_params *params,
                                  struct broker_consumer **out,
                                  struct error *err)
{
    struct broker_consumer *c = &consumers[opened_count++];
    (void)w;
    (void)err;
    *c = (struct broker_consumer){.ops = b->ops, .events = params->events, .ctx = params->ctx};
    *out = c;
    params->events->opened(params->ctx, HULSE_OK, "", NULL);
    return HULSE_OK;
}

static hulse_status seek(struct broker_consumer *c,
                         const struct broker_position *to,
                         void (*ended)(void *ctx, struct broker_delivery *d),
                         struct error *err)
{
    (void)c;
    (void)to;
    (void)ended;
    (void)err;
    return HULSE_OK;
}

static void consumer_close(struct broker_consumer *c, bool unsubscribe)
{
    (void)c;
    (void)unsubscribe;
}

static const struct broker_ops ops = {.type = "several",
                                      .capabilities = UINT32_MAX,
                                      .consumer_open = consumer_open,
                                      .seek = seek,
                                      .consumer_close = consumer_close};
static struct broker broker = {.ops = &ops, .name = "several"};

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

static void sought(void *ctx, hulse_status status, const char *text)
{
    (void)ctx;
    (void)status;
    (void)text;
}

static void end_of_topic(void *ctx)
{
    (void)ctx;
    ended_count += 1;
}

static const struct subscriber_events events = {
    .opened = opened, .sought = sought, .end_of_topic = end_of_topic};

static void answered(struct topic_request *request)
{
    assert_int_equal(request->status, HULSE_OK);
}

static int setup(void **state)
{
    static const char *const topics[] = {"a", "b"};
    (void)state;
    flow = (struct flow){.brokers = {&broker},
                         .broker_count = 1,
                         .default_broker = &broker,
                         .default_namespace = "public/default",
                         .message_bytes_max = 1000};
    memset(&worker, 0, sizeof(worker));
    hulse_timer_wheel_init(&worker.loop.timers, 0);
    hulse_rcu_thread_begin();
    hulse_own_tables_open(&tables, &flow);
    for (size_t i = 0; i < 2; i++) {
        struct topic_request request = {.answer = answered};
        (void)snprintf(
            request.name, sizeof(request.name), "persistent://public/default/%s", topics[i]);
        assert_true(hulse_tables_ask(flow.tables, &request));
    }
    me = (struct identity){.uid = geteuid()};
    opened_count = 0;
    ended_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (subscriber != NULL) {
        hulse_subscriber_close(&subscriber, false);
    }
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
    hulse_own_tables_close(&tables);
    hulse_rcu_thread_end();
    return 0;
}

static hulse_status
open_at(const struct subscriber_topics *several, enum broker_position_kind kind, struct error *err)
{
    const struct subscriber_params params = {.flow = &flow,
                                             .worker = &worker,
                                             .who = &me,
                                             .topic = "a",
                                             .subscription = "s",
                                             .name = "c",
                                             .type = BROKER_SHARED,
                                             .start = {.kind = kind},
                                             .several = several,
                                             .events = &events};
    return hulse_subscriber_open(&subscriber, &params, err);
}

static void ends(unsigned i)
{
    consumers[i].events->end_of_topic(consumers[i].ctx);
}

/* The broker does it, of the first, and does or does not of the second. */
static void seek_both(hulse_status second)
{
    const struct broker_position to = {.kind = BROKER_EARLIEST};
    struct error err = {0};
    assert_int_equal(hulse_subscriber_seek(subscriber, &to, NULL, &err), HULSE_OK);
    consumers[0].events->done(consumers[0].ctx, BROKER_SEEK, HULSE_OK, "", NULL);
    consumers[1].events->done(consumers[1].ctx, BROKER_SEEK, second, "", NULL);
}

static void test_the_end_is_that_of_all(void **state)
{
    const struct subscriber_topics two = {.names = "b", .count = 1};
    struct error err = {0};
    (void)state;
    assert_int_equal(open_at(&two, BROKER_LATEST, &err), HULSE_OK);
    ends(0);
    ends(0);
    assert_int_equal(ended_count, 0);
    seek_both(HULSE_OK);
    ends(0);
    assert_int_equal(ended_count, 0);
    ends(1);
    assert_int_equal(ended_count, 1);
    seek_both(HULSE_FAILED);
    assert_int_equal(ended_count, 1);
    ends(0); /* the other one is where it was */
    assert_int_equal(ended_count, 2);
}

/* Of a pattern each topic would be refused by itself, and nobody told. */
static void test_no_time_is_that_of_all(void **state)
{
    const struct subscriber_topics two = {.names = "b", .count = 1};
    const struct subscriber_topics pattern = {.is_pattern = true};
    struct error err = {0};
    (void)state;
    assert_int_equal(open_at(&two, BROKER_AT_PUBLISHED, &err), HULSE_UNSUPPORTED);
    assert_int_equal(open_at(&pattern, BROKER_AT_PUBLISHED, &err), HULSE_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_end_is_that_of_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_time_is_that_of_all, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
