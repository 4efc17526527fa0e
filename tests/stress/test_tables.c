/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   while one thread replaces readings, makes topics known and sweeps them away, readers see
 *         each reading whole, and nothing is freed under them.
 * Method: in reading n the rule's time to live is n and the role's message rate belongs to n; a
 *         grant whose parts are of two readings is torn. Sanitizers find what is freed too early.
 */
#include "daemon/core/mem.h"
#include "daemon/core/rcu.h"
#include "daemon/table/tables.h"
#include "tests/unit/daemon/core/check.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { READERS = 2, TOPICS = 8, READINGS = 400, REFRESHES_MIN = 2000 };

static struct tables *tables;
static _Atomic(bool) ended;
static _Atomic(uint64_t) refreshed;

static void name_of(unsigned topic, char *out, size_t out_bytes)
{
    (void)snprintf(out, out_bytes, "persistent://a/b/topic-%u", topic);
}

/* True when both halves are of one reading. */
static bool whole(const struct grant *g)
{
    const struct bucket_rates rates = hulse_bucket_rates(g->topic->ttl_ms, 0);

    return g->permissions == (PERMISSION_PRODUCE | PERMISSION_CONSUME) &&
           g->role_rate.message_ticks >= rates.message_ticks &&
           g->role_rate.message_ticks <= rates.message_ticks;
}

static void *reader(void *argument)
{
    const struct identity me = {.uid = geteuid()};
    uint64_t random = *(uint64_t *)argument;
    uint64_t torn = 0;
    uint64_t last[TOPICS] = {0};

    hulse_rcu_thread_begin();
    while (!atomic_load(&ended) || atomic_load(&refreshed) < REFRESHES_MIN) {
        struct grant g = {0};
        char name[64];
        const unsigned topic = (unsigned)test_below(&random, TOPICS);
        name_of(topic, name, sizeof(name));
        for (unsigned i = 0; i < 3; i++) {
            hulse_grant_refresh(&g, tables, &me, name);
            torn += !whole(&g) || g.generation < last[topic];
            last[topic] = g.generation;
            if (g.topic_state != NULL) {
                hulse_topic_state_count(g.topic_state, TOPIC_REFUSED_DENIED);
            }
        }
        hulse_grant_release(&g);
        (void)atomic_fetch_add(&refreshed, 1);
    }
    hulse_rcu_thread_end();
    *(uint64_t *)argument = torn;
    return NULL;
}

static void on_answer(struct topic_request *request)
{
    assert_int_equal(request->status, HULSE_OK);
}

/* What the control thread does with a wish. */
static bool serve(void *ctx, struct inbox_node *node)
{
    (void)ctx;
    node->run(node);
    return true;
}

static void know(unsigned topic)
{
    struct topic_request request = {.answer = on_answer};

    name_of(topic, request.name, sizeof(request.name));
    assert_true(hulse_tables_ask(tables, &request));
}

static void test_readers_and_a_writer(void **state)
{
    static const char *const broker_list[] = {"local"};
    static const char *const everything[] = {"**"};
    const uid_t own = geteuid();
    struct config_topic_rule rule = {.match = "persistent://a/b/*", .publish = {.ttl_ms = 1}};
    struct config_role role = {.name = "me",
                               .uids = &own,
                               .uid_count = 1,
                               .rate = {.messages = 1},
                               .produce = everything,
                               .produce_count = 1,
                               .consume = everything,
                               .consume_count = 1};
    struct config config = {
        .topics = &rule, .topic_count = 1, .roles = &role, .role_count = 1, .topics_max = TOPICS};
    const struct tables_params params = {
        .config = &config, .brokers = {.names = broker_list, .count = 1}, .post = serve};
    uint64_t seeds[READERS] = {test_seed(), test_seed() + 1};
    pthread_t threads[READERS];
    struct error err = {0};

    (void)state;
    hulse_rcu_thread_begin();
    assert_int_equal(hulse_tables_create(&tables, &params, &err), HULSE_OK);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, reader, &seeds[i]), 0);
    }
    for (unsigned n = 2; n < READINGS; n++) {
        rule.publish.ttl_ms = n;
        role.rate.messages = n;
        know(n % TOPICS);
        assert_int_equal(hulse_tables_apply(tables, &config, &err), HULSE_OK);
        if (n % 3 == 0) {
            hulse_tables_sweep(tables);
        }
    }
    atomic_store(&ended, true);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(seeds[i], 0); /* nothing was torn */
    }
    hulse_tables_destroy(&tables);
    hulse_rcu_thread_end();
    assert_int_equal(hulse_mem_used(HULSE_MEM_TABLE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readers_and_a_writer)};

    hulse_mem_init(64U << 20);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
