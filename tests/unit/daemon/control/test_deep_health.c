/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a deep health asks the default broker for what the configuration names, tells what it found or did
 *         not in time, and asks again only when that is old.
 * Method: the scripted fake, which answers when the test says so; a loop of the test, whose time is moved on.
 */
#include "daemon/control/deep_health.h"
#include "daemon/core/mem.h"
#include "tests/support/check.h"
#include "tests/support/fake_broker.h"

#include <jansson.h>
#include <string.h>

static struct fake_broker fake;
static struct flow flow;
static struct config config;
static struct loop loop;
static struct deep_health deep;
static struct admin_line heard;
static uint32_t times;

static int setup(void **state)
{
    (void)state;
    hulse_fake_init(&fake);
    flow = (struct flow){.brokers = {&fake.base},
                         .broker_count = 1,
                         .default_broker = &fake.base,
                         .default_namespace = "acme/orders"};
    memset(&config, 0, sizeof(config));
    (void)snprintf(config.default_namespace, sizeof(config.default_namespace), "acme/orders");
    config.health.timeout_ns = UINT64_C(5000000000);
    assert_true(hulse_loop_init(&loop, 16));
    hulse_deep_health_init(&deep, &loop, &flow, &config);
    heard = (struct admin_line){0};
    times = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hulse_admin_line_fini(&heard);
    hulse_deep_health_fini(&deep);
    assert_int_equal(hulse_timer_next(&loop.timers), HULSE_TIMER_NEVER);
    hulse_loop_fini(&loop);
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

static struct deep_check *start(void)
{
    hulse_admin_line_fini(&heard);
    return hulse_deep_health_start(&deep, done, &heard, &heard);
}

static void assert_heard(const char *part)
{
    assert_non_null(heard.data);
    assert_true(was_heard(part));
}

static void count(uint32_t namespaces)
{
    fake.admin->name_count = namespaces;
    hulse_fake_request_done(&fake.admin->request, HULSE_OK);
}

static void test_namespaces_are_counted(void **state)
{
    (void)state;
    assert_non_null(start());
    assert_null(fake.lookup);
    assert_int_equal(fake.admin->command, BROKER_ADMIN_NAMESPACES);
    assert_string_equal(fake.admin->namespace_name, "acme");
    count(3);
    assert_int_equal(times, 1);
    assert_heard(
        "{\"pulsar_broker\":\"healthy\",\"admin_api\":\"healthy\",\"namespaces_count\":3}");
}

static void test_what_was_found_is_told_again(void **state)
{
    (void)state;
    assert_non_null(start());
    count(3);
    fake.admin = NULL;
    assert_null(start());
    assert_null(fake.admin);
    assert_int_equal(times, 1);
    assert_heard("\"namespaces_count\":3");
    deep.found_ms -= HULSE_DEEP_HEALTH_KEPT_MS;
    assert_non_null(start());
    count(4);
    assert_heard("\"namespaces_count\":4");
}

static void test_the_configuration_says_what(void **state)
{
    (void)state;
    (void)snprintf(config.health.topic, sizeof(config.health.topic), "probe");
    (void)snprintf(config.health.tenant, sizeof(config.health.tenant), "other");
    hulse_deep_health_init(&deep, &loop, &flow, &config);
    assert_non_null(start());
    assert_string_equal(fake.lookup->topic, "persistent://acme/orders/probe");
    assert_false(fake.lookup->create);
    assert_null(fake.admin);
    hulse_fake_request_done(&fake.lookup->request, HULSE_NO_TOPIC);
    assert_string_equal(fake.admin->namespace_name, "other");
    count(1);
    assert_heard("\"pulsar_broker\":\"healthy\"");
}

static void test_who_fails_is_told(void **state)
{
    (void)state;
    (void)snprintf(config.health.topic, sizeof(config.health.topic), "probe");
    assert_non_null(start());
    hulse_fake_request_done(&fake.lookup->request, HULSE_DENIED);
    hulse_fake_request_done(&fake.admin->request, HULSE_DENIED);
    assert_heard("\"pulsar_broker\":\"unhealthy\",\"error\":\"text of the fake\","
                 "\"admin_api\":\"unhealthy\",\"admin_error\":\"text of the fake\","
                 "\"namespaces_count\":null");
}

static void test_without_an_api(void **state)
{
    (void)state;
    fake.refuse_call = HULSE_UNSUPPORTED;
    assert_null(start());
    assert_int_equal(times, 0);
    assert_heard("\"admin_api\":null,\"namespaces_count\":null");
}

static void test_no_answer_in_time(void **state)
{
    (void)state;
    assert_non_null(start());
    (void)hulse_timer_advance(&loop.timers, hulse_loop_now_ms(&loop) + 5001);
    assert_int_equal(times, 1);
    assert_heard("\"admin_error\":\"it has not answered in time\"");
    assert_int_equal(deep.open_count, 1);
    count(3);
    assert_int_equal(times, 1);
    assert_int_equal(deep.open_count, 0);
}

static void test_nobody_waits_any_more(void **state)
{
    (void)state;
    struct deep_check *c = start();
    hulse_deep_health_forget(&c);
    assert_null(c);
    count(3);
    assert_int_equal(times, 0);
    assert_false(deep.found);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_namespaces_are_counted),
        CASE(test_what_was_found_is_told_again),
        CASE(test_the_configuration_says_what),
        CASE(test_who_fails_is_told),
        CASE(test_without_an_api),
        CASE(test_no_answer_in_time),
        CASE(test_nobody_waits_any_more),
    };

    hulse_mem_init((size_t)16 << 20U);
    hulse_admin_memory_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
