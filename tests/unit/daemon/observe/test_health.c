/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   health is `healthy` only when every worker's heart beats and every broker is usable;
 *         a drain is neither ready nor unhealthy.
 * Method: the limit of the heartbeat from both sides; every single allocation refused once.
 */
#include "daemon/observe/health.h"
#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

static size_t live;
static size_t granted = SIZE_MAX;

static void *limited_alloc(size_t bytes)
{
    if (granted == 0) {
        return NULL;
    }
    granted--;
    live++;
    return malloc(bytes);
}

static void limited_free(void *memory)
{
    if (memory != NULL) {
        live--;
        free(memory);
    }
}

#define NOW_MS 100000U

static struct health_worker workers[2];
static struct health_broker brokers[1];
static struct health_input input;

static int set_up(void **state)
{
    (void)state;
    workers[0] = (struct health_worker){.worker = 0, .sessions = 3, .beat_ms = NOW_MS - 400};
    workers[1] = (struct health_worker){.worker = 1, .sessions = 0, .beat_ms = NOW_MS + 1};
    brokers[0] = (struct health_broker){.name = "main", .type = "null", .healthy = true};
    input = (struct health_input){
        .version = "1.2.3",
        .pid = 4711,
        .uptime_s = 9,
        .now_ms = NOW_MS,
        .workers = workers,
        .worker_count = 2,
        .brokers = brokers,
        .broker_count = 1,
    };
    return 0;
}

static void check_status(const char *status, bool ready)
{
    json_t *health = hulse_health_compose(&input);

    assert_non_null(health);
    assert_string_equal(json_string_value(json_object_get(health, "status")), status);
    assert_int_equal(json_is_true(json_object_get(health, "ready")), ready);
    json_decref(health);
}

static void test_healthy(void **state)
{
    json_t *health = hulse_health_compose(&input);
    const json_t *first = json_array_get(json_object_get(health, "workers"), 0);
    const json_t *second = json_array_get(json_object_get(health, "workers"), 1);

    (void)state;
    check_status("healthy", true);
    assert_int_equal(json_integer_value(json_object_get(health, "pid")), 4711);
    assert_int_equal(json_integer_value(json_object_get(health, "uptime_s")), 9);
    assert_string_equal(json_string_value(json_object_get(health, "version")), "1.2.3");
    assert_int_equal(json_integer_value(json_object_get(first, "beat_age_ms")), 400);
    assert_int_equal(json_integer_value(json_object_get(first, "sessions")), 3);
    assert_int_equal(json_integer_value(json_object_get(second, "beat_age_ms")), 0);
    assert_int_equal(json_array_size(json_object_get(health, "brokers")), 1);
    json_decref(health);
}

static void test_a_silent_heart(void **state)
{
    (void)state;
    workers[0].beat_ms = NOW_MS - HULSE_HEALTH_BEAT_MAX_MS;
    check_status("healthy", true);
    workers[0].beat_ms--;
    check_status("degraded", true);
    json_t *health = hulse_health_compose(&input);
    const json_t *list = json_object_get(health, "workers");
    assert_true(json_is_false(json_object_get(json_array_get(list, 0), "alive")));
    assert_true(json_is_true(json_object_get(json_array_get(list, 1), "alive")));
    json_decref(health);
}

static void test_an_unusable_broker(void **state)
{
    (void)state;
    brokers[0].healthy = false;
    check_status("degraded", true);
}

static void test_why_a_token_is_not_fresh(void **state)
{
    (void)state;
    brokers[0].token = "issuer: HTTP 503";
    brokers[0].complaint = "who knows";
    json_t *health = hulse_health_compose(&input);
    const json_t *broker = json_array_get(json_object_get(health, "brokers"), 0);
    assert_string_equal(json_string_value(json_object_get(broker, "token")), "issuer: HTTP 503");
    assert_string_equal(json_string_value(json_object_get(broker, "token_complaint")), "who knows");
    assert_true(json_is_true(json_object_get(broker, "healthy")));
    assert_string_equal(json_string_value(json_object_get(health, "status")), "healthy");
    json_decref(health);
}

static void test_why_a_broker_is_unusable(void **state)
{
    (void)state;
    brokers[0].why = "broker-0:6650: Connection refused";
    for (int healthy = 0; healthy <= 1; healthy++) {
        brokers[0].healthy = healthy != 0;
        json_t *health = hulse_health_compose(&input);
        const json_t *why =
            json_object_get(json_array_get(json_object_get(health, "brokers"), 0), "why");
        assert_int_equal(why == NULL, healthy);
        assert_true(healthy || strcmp(json_string_value(why), brokers[0].why) == 0);
        json_decref(health);
    }
}

static void test_draining(void **state)
{
    (void)state;
    input.draining = true;
    check_status("draining", false);
    brokers[0].healthy = false;
    check_status("draining", false);
}

static void test_every_allocation_refused_once(void **state)
{
    json_t *health = NULL;
    size_t steps = 0;

    (void)state;
    do {
        granted = steps++;
        health = hulse_health_compose(&input);
        granted = SIZE_MAX;
        if (health == NULL) {
            assert_int_equal(live, 0);
        }
    } while (health == NULL);
    assert_true(steps > 20);
    json_decref(health);
    assert_int_equal(live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_healthy, set_up),
        cmocka_unit_test_setup(test_a_silent_heart, set_up),
        cmocka_unit_test_setup(test_an_unusable_broker, set_up),
        cmocka_unit_test_setup(test_why_a_token_is_not_fresh, set_up),
        cmocka_unit_test_setup(test_why_a_broker_is_unusable, set_up),
        cmocka_unit_test_setup(test_draining, set_up),
        cmocka_unit_test_setup(test_every_allocation_refused_once, set_up),
    };
    json_set_alloc_funcs(limited_alloc, limited_free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
