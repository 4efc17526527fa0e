/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the result of `stats` has the keys of the contract, sums over workers and topics, names
 *         workers that did not answer, and is complete or fails.
 * Method: compositions from invented figures; every single allocation refused once.
 */
#include "daemon/core/mem.h"
#include "daemon/observe/stats.h"
#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* jansson's memory: live allocations, and how many more are granted. */
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

static json_int_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value)) {
        fail_msg("no number %s", key);
    }
    return json_integer_value(value);
}

static const char *string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static const struct figure worker0[] = {{"sessions", 2, false, MERGE_SUM},
                                        {"channels", 3, false, MERGE_SUM},
                                        {"missed_doorbells", 1, false, MERGE_SUM},
                                        {"turns", 100, false, MERGE_SUM},
                                        {"spin_ns", 5000, true, MERGE_SUM}};
static const struct figure worker2[] = {{"sessions", 5, false, MERGE_SUM},
                                        {"channels", 7, false, MERGE_SUM},
                                        {"missed_doorbells", 0, false, MERGE_SUM},
                                        {"turns", 11, false, MERGE_SUM},
                                        {"spin_ns", 6000, true, MERGE_SUM}};
static const struct figure topic_here[] = {{"producers", 1, false, MERGE_SUM},
                                           {"published", 10, false, MERGE_SUM}};
static const struct figure topic_there[] = {{"producers", 2, false, MERGE_SUM},
                                            {"published", 5, false, MERGE_SUM}};

static const struct stats_broker here = {.name = "local", .type = "local", .healthy = true};
static const struct stats_broker far = {.name = "far",
                                        .type = "pulsar",
                                        .failure = "broker-0:6650: Connection refused",
                                        .failure_age_s = 7,
                                        .has_token = true,
                                        .token_failures = 3,
                                        .token_why = "no answer"};
static const struct figure client_here[] = {
    {"lookups", 3, false, MERGE_SUM},
    {"round_trip_us", 500, false, MERGE_MOST},
    {"certificate_seconds_to_expiry", 80, false, MERGE_LEAST}};
static const struct figure client_there[] = {
    {"lookups", 4, false, MERGE_SUM},
    {"round_trip_us", 300, false, MERGE_MOST},
    {"certificate_seconds_to_expiry", 70, false, MERGE_LEAST},
    {"token_seconds_to_expiry", 0, false, MERGE_LEAST}};

static json_t *compose(void)
{
    const struct stats_head head = {
        .version = "1.2.3", .uptime_s = 42, .config_generation = 1, .config_reload_failed = true};
    struct stats s;

    hulse_stats_begin(&s);
    hulse_stats_worker(&s, 0, worker0, COUNT_OF(worker0));
    hulse_stats_worker_missing(&s, 1);
    hulse_stats_worker(&s, 2, worker2, COUNT_OF(worker2));
    hulse_stats_topic(&s, "persistent://public/default/zebra", topic_here, COUNT_OF(topic_here));
    hulse_stats_topic(&s, "persistent://public/default/ant", topic_here, COUNT_OF(topic_here));
    hulse_stats_topic(&s, "persistent://public/default/zebra", topic_there, COUNT_OF(topic_there));
    hulse_stats_broker(&s, &here);
    hulse_stats_broker(&s, &far);
    hulse_stats_broker_figures(&s, "far", client_here, COUNT_OF(client_here));
    hulse_stats_broker_figures(&s, "far", client_there, COUNT_OF(client_there));
    hulse_stats_broker_figures(&s, "nobody", client_there, COUNT_OF(client_there));
    hulse_stats_store(&s, "local", topic_here, COUNT_OF(topic_here));
    hulse_stats_lag(&s, "persistent://public/default/ant", "s", 3);
    hulse_stats_lag(&s, "persistent://public/default/ant", "other", 0);
    hulse_stats_lag(&s, "persistent://public/default/ant", "s", 4);
    return hulse_stats_finish(&s, &head);
}

static void test_keys_of_the_contract(void **state)
{
    static const char *const keys[] = {"version",
                                       "uptime_s",
                                       "workers",
                                       "sessions",
                                       "channels",
                                       "topics",
                                       "brokers",
                                       "memory",
                                       "missed_doorbells",
                                       "config_generation",
                                       "config_reload_failed"};
    json_t *stats = compose();

    (void)state;
    assert_non_null(stats);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (json_object_get(stats, keys[i]) == NULL) {
            fail_msg("no %s", keys[i]);
        }
    }
    assert_string_equal(string(stats, "version"), "1.2.3");
    assert_int_equal(number(stats, "uptime_s"), 42);
    assert_int_equal(number(stats, "config_generation"), 1);
    assert_int_equal(number(stats, "config_reload_failed"), 1);
    assert_true(json_is_array(json_object_get(stats, "topics")));
    assert_true(json_is_array(json_object_get(stats, "brokers")));
    const json_t *stores = json_object_get(stats, "stores");
    assert_int_equal(json_array_size(stores), 1);
    assert_string_equal(string(json_array_get(stores, 0), "broker"), "local");
    assert_int_equal(number(json_array_get(stores, 0), "published"), 10);
    assert_true(json_is_object(json_object_get(stats, "memory")));
    json_decref(stats);
}

static void test_sums(void **state)
{
    json_t *stats = compose();
    const json_t *totals = json_object_get(stats, "totals");

    (void)state;
    assert_int_equal(number(stats, "workers"), 3);
    assert_int_equal(number(stats, "sessions"), 7);
    assert_int_equal(number(stats, "channels"), 10);
    assert_int_equal(number(stats, "missed_doorbells"), 1);
    assert_int_equal(number(totals, "turns"), 111);
    assert_null(json_object_get(totals, "spin_ns"));
    json_decref(stats);
}

static void test_workers_one_by_one(void **state)
{
    json_t *stats = compose();
    const json_t *workers = json_object_get(stats, "per_worker");

    (void)state;
    assert_int_equal(json_array_size(workers), 3);
    assert_int_equal(number(json_array_get(workers, 2), "worker"), 2);
    assert_int_equal(number(json_array_get(workers, 2), "turns"), 11);
    assert_int_equal(number(json_array_get(workers, 2), "spin_ns"), 6000);
    assert_string_equal(string(json_array_get(workers, 0), "state"), "ok");
    assert_string_equal(string(json_array_get(workers, 1), "state"), "unresponsive");
    assert_null(json_object_get(json_array_get(workers, 1), "turns"));
    json_decref(stats);
}

static void test_topics_and_brokers(void **state)
{
    json_t *stats = compose();
    const json_t *topics = json_object_get(stats, "topics");
    const json_t *brokers = json_object_get(stats, "brokers");

    (void)state;
    assert_int_equal(json_array_size(topics), 2);
    assert_string_equal(string(json_array_get(topics, 0), "name"),
                        "persistent://public/default/ant");
    assert_string_equal(string(json_array_get(topics, 1), "name"),
                        "persistent://public/default/zebra");
    assert_int_equal(number(json_array_get(topics, 1), "producers"), 3);
    assert_int_equal(number(json_array_get(topics, 1), "published"), 15);
    assert_string_equal(string(json_array_get(brokers, 1), "name"), "far");
    assert_true(json_is_false(json_object_get(json_array_get(brokers, 1), "healthy")));
    assert_true(json_is_true(json_object_get(json_array_get(brokers, 0), "healthy")));
    json_decref(stats);
}

static void test_lags_are_summed_by_subscription(void **state)
{
    json_t *stats = compose();
    const json_t *lags = json_object_get(stats, "consumer_lag");
    const json_t *ant = json_object_get(lags, "persistent://public/default/ant");

    (void)state;
    assert_int_equal(json_object_size(lags), 1);
    assert_int_equal(json_object_size(ant), 2);
    assert_int_equal(json_integer_value(json_object_get(ant, "s")), 7);
    assert_int_equal(json_integer_value(json_object_get(ant, "other")), 0);
    json_decref(stats);
}

static void test_figures_of_a_broker(void **state)
{
    json_t *stats = compose();
    const json_t *brokers = json_object_get(stats, "brokers");
    const json_t *local = json_array_get(brokers, 0);
    const json_t *pulsar = json_array_get(brokers, 1);

    (void)state;
    assert_int_equal(json_array_size(brokers), 2);
    assert_int_equal(number(pulsar, "lookups"), 7);
    assert_int_equal(number(pulsar, "round_trip_us"), 500);
    assert_int_equal(number(pulsar, "certificate_seconds_to_expiry"), 70);
    assert_int_equal(number(pulsar, "token_seconds_to_expiry"), 0);
    assert_string_equal(string(pulsar, "last_failure"), "broker-0:6650: Connection refused");
    assert_int_equal(number(pulsar, "last_failure_age_s"), 7);
    assert_null(json_object_get(local, "last_failure"));
    assert_int_equal(number(pulsar, "token_failures"), 3);
    assert_string_equal(string(pulsar, "token_failure"), "no answer");
    assert_null(json_object_get(local, "token_failures"));
    assert_null(json_object_get(local, "lookups"));
    json_decref(stats);
}

static void test_memory(void **state)
{
    json_t *stats = NULL;

    (void)state;
    assert_true(hulse_mem_take(HULSE_MEM_MESSAGE, 1000));
    assert_true(hulse_mem_take(HULSE_MEM_TOPIC, 24));
    stats = compose();
    const json_t *memory = json_object_get(stats, "memory");
    assert_int_equal(number(memory, "cap"), 1 << 20);
    assert_int_equal(number(memory, hulse_mem_name(HULSE_MEM_MESSAGE)), 1000);
    assert_int_equal(number(memory, hulse_mem_name(HULSE_MEM_TOPIC)), 24);
    assert_true(number(memory, "used") >= 1024);
    assert_int_equal(number(memory, "refused"), 0);
    hulse_mem_give(HULSE_MEM_MESSAGE, 1000);
    hulse_mem_give(HULSE_MEM_TOPIC, 24);
    json_decref(stats);
}

static void test_large_figures_stay_positive(void **state)
{
    static const struct figure big[] = {{"turns", UINT64_MAX, false, MERGE_SUM}};
    const struct stats_head head = {.version = "1"};
    struct stats s;

    (void)state;
    hulse_stats_begin(&s);
    hulse_stats_worker(&s, 0, big, 1);
    json_t *stats = hulse_stats_finish(&s, &head);
    assert_int_equal(number(json_object_get(stats, "totals"), "turns"), INT64_MAX);
    json_decref(stats);
}

static void test_names_alone(void **state)
{
    struct stats s;

    (void)state;
    hulse_stats_begin(&s);
    hulse_stats_topic(&s, "b", NULL, 0);
    hulse_stats_topic(&s, "a", NULL, 0);
    hulse_stats_topic(&s, "b", NULL, 0);
    json_t *names = hulse_stats_finish_names(&s);
    assert_int_equal(json_array_size(names), 2);
    assert_string_equal(json_string_value(json_array_get(names, 0)), "a");
    assert_string_equal(json_string_value(json_array_get(names, 1)), "b");
    json_decref(names);
    hulse_stats_begin(&s);
    names = hulse_stats_finish_names(&s);
    assert_true(json_is_array(names));
    assert_int_equal(json_array_size(names), 0);
    json_decref(names);
}

static void test_no_bytes_of_utf8_no_answer(void **state)
{
    struct stats s;

    (void)state;
    hulse_stats_begin(&s);
    hulse_stats_topic(&s, "bad \xff name", topic_here, COUNT_OF(topic_here));
    assert_null(hulse_stats_finish_names(&s));
}

static void test_every_allocation_refused_once(void **state)
{
    json_t *whole = compose();
    json_t *stats = NULL;
    size_t steps = 0;
    const size_t before = live;

    (void)state;
    do {
        granted = steps++;
        stats = compose();
        granted = SIZE_MAX;
        assert_true(stats == NULL || json_equal(stats, whole) == 1);
        if (stats == NULL) {
            assert_int_equal(live, before);
        }
    } while (stats == NULL);
    assert_true(steps > 50);
    json_decref(stats);
    json_decref(whole);
    assert_int_equal(live, 0);
}

static void test_sorting_refused(void **state)
{
    (void)state;
    hulse_mem_init(1);
    assert_null(compose());
    hulse_mem_init(1 << 20);
    assert_int_equal(live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_of_the_contract),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_workers_one_by_one),
        cmocka_unit_test(test_topics_and_brokers),
        cmocka_unit_test(test_lags_are_summed_by_subscription),
        cmocka_unit_test(test_figures_of_a_broker),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_large_figures_stay_positive),
        cmocka_unit_test(test_names_alone),
        cmocka_unit_test(test_no_bytes_of_utf8_no_answer),
        cmocka_unit_test(test_every_allocation_refused_once),
        cmocka_unit_test(test_sorting_refused),
    };
    json_set_alloc_funcs(limited_alloc, limited_free);
    hulse_mem_init(1 << 20);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
