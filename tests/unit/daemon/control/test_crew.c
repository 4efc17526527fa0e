/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the plan follows configuration and host; sessions go where the fewest are; all workers
 *         are told to drain and are waited for.
 * Method: plans from configurations; load figures set by hand; the real crew with the real plane.
 */
#include "daemon/broker/null/null.h"
#include "daemon/control/control.h"
#include "daemon/control/crew.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "shmlib/ring/layout.h"
#include "tests/support/check.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *const no_environment[] = {NULL};
static struct config config;
static struct crew crew;
static cpu_set_t cpus;

static int set_up(void **state)
{
    (void)state;
    hulse_config_init(&config, no_environment);
    assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
    return 0;
}

static void set(const char *assignment)
{
    assert_int_equal(hulse_config_set(&config, assignment, NULL), HULSE_OK);
}

static void test_plan(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(hulse_crew_plan(&crew, &config, &err), HULSE_OK);
    assert_true(crew.count >= 1 && crew.count <= 8);
    assert_true(crew.cpu_count >= 1);
    assert_true(crew.spin_ns <= 50000);
    assert_false(crew.spin_always);
    set("workers=64");
    set("spin.mode=off");
    assert_int_equal(hulse_crew_plan(&crew, &config, &err), HULSE_OK);
    assert_int_equal(crew.count, 64);
    assert_int_equal(crew.spin_ns, 0);
    set("spin.mode=busy");
    assert_int_equal(hulse_crew_plan(&crew, &config, &err), HULSE_OK);
    assert_true(crew.spin_always);
    assert_int_equal(crew.spin_ns, 50000);
}

static void test_plan_on_some_cpus(void **state)
{
    struct error err = {0};
    char assignment[64];
    int first = 0;

    (void)state;
    while (!CPU_ISSET((unsigned)first, &cpus)) {
        first++;
    }
    (void)snprintf(assignment, sizeof(assignment), "workers.cpus=%d", first);
    set(assignment);
    assert_int_equal(hulse_crew_plan(&crew, &config, &err), HULSE_OK);
    assert_int_equal(CPU_COUNT(&crew.cpus), 1);
    assert_int_equal(crew.cpu_count, 1);
    assert_int_equal(crew.count, 1);
    assert_int_equal(crew.spin_ns, 0);
    set("workers.cpus=1023");
    assert_int_equal(hulse_crew_plan(&crew, &config, &err), HULSE_INVAL);
    assert_non_null(strstr(err.text, "workers.cpus"));
}

static void load(struct plane_shared *plane, uint32_t worker, uint32_t sessions)
{
    atomic_store_explicit(&plane->workers[worker].sessions, sessions, memory_order_relaxed);
}

static void test_the_fewest_sessions(void **state)
{
    static struct plane_shared plane;
    struct worker *const fake = (struct worker *)(void *)&plane;

    (void)state;
    memset(&crew, 0, sizeof(crew));
    crew.plane = &plane;
    crew.count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        /* Only compared, never followed. */
        crew.workers[i] = (struct worker *)(void *)((char *)(void *)fake + ((size_t)64 * i));
    }
    load(&plane, 0, 2);
    load(&plane, 1, 1);
    load(&plane, 2, 1);
    assert_ptr_equal(hulse_crew_choose(&crew), crew.workers[1]);
    assert_int_equal(hulse_crew_sessions(&crew), 4);
    load(&plane, 2, 0);
    assert_ptr_equal(hulse_crew_choose(&crew), crew.workers[2]);
    load(&plane, 0, 0);
    assert_ptr_equal(hulse_crew_choose(&crew), crew.workers[0]);
    /* Beyond the count nothing is looked at. */
    load(&plane, 3, 100);
    assert_int_equal(hulse_crew_sessions(&crew), 1);
    assert_int_equal(hulse_crew_sessions_of(&crew, 1), 1);
}

static void start_and_drain(const char *pin)
{
    static struct plane_shared plane;
    struct error err = {0};
    struct flow flow = {.default_namespace = "public/default", .message_bytes_max = 1 << 20};

    memset(&plane, 0, sizeof(plane));
    set("workers=3");
    set(pin);
    assert_int_equal(hulse_crew_plan(&crew, &config, &err), HULSE_OK);
    flow.brokers[0] = hulse_null_create("null", 1 << 20, &err);
    assert_non_null(flow.brokers[0]);
    flow.broker_count = 1;
    flow.default_broker = flow.brokers[0];
    plane.flow = &flow;
    plane.generation = 1;
    hulse_control_limits(&config, &plane.limits);
    assert_int_equal(hulse_crew_start(&crew, &plane, &err), HULSE_OK);
    assert_false(hulse_crew_drained(&crew));
    hulse_crew_drain(&crew);
    while (!hulse_crew_drained(&crew)) {
        (void)usleep(1000);
    }
    hulse_crew_stop(&crew);
    for (uint32_t i = 0; i < crew.count; i++) {
        assert_null(crew.workers[i]);
    }
    hulse_crew_stop(&crew);
    hulse_null_destroy(&flow.brokers[0]);
}

static void test_a_crew_lives_and_drains(void **state)
{
    (void)state;
    start_and_drain("workers.pin=false");
    start_and_drain("workers.pin=true");
    assert_int_equal(hulse_mem_used(HULSE_MEM_SESSION), 0);
}

static void test_limits(void **state)
{
    struct plane_limits limits;

    (void)state;
    set("session.publish_ring=64KiB");
    set("session.ring_max=64MiB");
    set("session.sessions_max=7");
    set("message_max=256MiB");
    hulse_control_limits(&config, &limits);
    assert_int_equal(limits.publish_ring, HULSE_RING_BYTES_MIN);
    assert_int_equal(limits.ring_max, HULSE_RING_BYTES_MAX);
    assert_int_equal(limits.deliver_ring, 512 * 1024);
    assert_int_equal(limits.verdict_ring, 128 * 1024);
    assert_int_equal(limits.receipts, 4096);
    assert_int_equal(limits.receipts_max, 65536);
    assert_int_equal(limits.unacked_max, 10000);
    assert_int_equal(limits.channels_max, 64);
    assert_int_equal(limits.session_bytes_max, 256U << 20);
    assert_int_equal(limits.sessions_max, 7);
    assert_int_equal(limits.deliver_overflow_bytes, 257U << 20);
    assert_true(limits.handles_max > 0 && limits.groups_max > 0);
    assert_true(limits.control_per_second > 0 && limits.bells_per_second > 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_plan),
        CASE(test_plan_on_some_cpus),
        CASE(test_the_fewest_sessions),
        CASE(test_a_crew_lives_and_drains),
        CASE(test_limits),
    };
    hulse_role_set(HULSE_ROLE_CONTROL);
    hulse_mem_init(256U << 20);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
