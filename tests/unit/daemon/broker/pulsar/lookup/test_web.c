/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   lookups over HTTP are answered, however many there are; whoever ends first, worker or HTTP client, nothing is lost,
 *         answered twice or left behind.
 * Method: workers, and this thread as control, which runs its loop only when the test wants it to.
 */
#include "daemon/broker/pulsar/lookup/lookups.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "tests/support/http_bed.h"
#include "tests/support/http_server.h"
#include "tests/unit/daemon/broker/pulsar/lookup/bed.h"
#include "tests/unit/daemon/core/check.h"

#include <signal.h>
#include <string.h>

#define SPACE "persistent://public/default/"
#define MANY (3U * WEB_ASKING_MAX)

static struct http_server server;
static struct http_bed http;
static struct lookup_bed bed;
static struct asked asked[MANY];

static int serve(void **state)
{
    (void)state;
    hulse_role_set(HULSE_ROLE_CONTROL);
    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    hulse_test_http_start(&server, "127.0.0.1", NULL);
    return 0;
}

static int end_serving(void **state)
{
    (void)state;
    hulse_test_http_stop(&server);
    return 0;
}

static void start(uint32_t workers, uint32_t timeout_ms)
{
    char url[64];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", server.port);
    hulse_http_bed_start(&http);
    const struct lookup_bed_params params = {.workers = workers,
                                             .service_url = url,
                                             .http = &http.client,
                                             .operation_timeout_ms = timeout_ms};
    hulse_lookup_bed_start(&bed, &params);
}

/* As control ends: the workers, the HTTP client, what has been posted; the broker last. */
static void end(void)
{
    for (uint32_t i = 0; i < bed.count; i++) {
        hulse_lookup_bed_stop_worker(&bed, i);
        bed.workers[i] = NULL;
    }
    bed.count = 0;
    hulse_http_client_close(&http.client);
    while (hulse_inbox_run(&http.loop.inbox, 64) > 0) {
    }
    (void)hulse_http_bed_stop(&http);
    hulse_lookup_bed_stop(&bed);
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_HTTP), 0);
}

static void ask(uint32_t at, const char *topic, bool create)
{
    const struct wish wish = {.topic = topic, .create = create, .how = PULSAR_LOOKUP_ANY};

    hulse_asked_init(&asked[at]);
    hulse_lookup_bed_ask(&bed, at % bed.count, &asked[at], &wish);
}

static void await(uint32_t at)
{
    while (sem_trywait(&asked[at].answered) != 0) {
        (void)hulse_loop_round(&http.loop, 10);
    }
    hulse_asked_fini(&asked[at]);
}

static void test_an_owner_and_partitions(void **state)
{
    (void)state;
    start(1, 20000);
    ask(0, SPACE "0-a", true);
    await(0);
    assert_int_equal(asked[0].result.failure.class, BROKER_DONE);
    assert_string_equal(asked[0].result.endpoint.physical.name, "one.test");
    assert_int_equal(asked[0].result.endpoint.physical.port, 7);
    assert_false(asked[0].result.endpoint.proxied);
    ask(0, SPACE "3-a", true);
    await(0);
    assert_int_equal(asked[0].result.partitions, 3);
    /* A partition is asked for itself. */
    ask(0, SPACE "code-404-partition-1", true);
    await(0);
    assert_int_equal(asked[0].result.failure.class, BROKER_DONE);
    end();
}

static void test_what_is_refused(void **state)
{
    (void)state;
    start(1, 20000);
    ask(0, SPACE "code-404", false);
    await(0);
    assert_int_equal(asked[0].result.failure.status, HULSE_NO_TOPIC);
    assert_non_null(strstr(asked[0].result.failure.text, "because"));
    ask(0, SPACE "code-403", false);
    await(0);
    assert_int_equal(asked[0].result.failure.status, HULSE_DENIED);
    assert_int_equal(asked[0].result.failure.verdict, PULSAR_REFUSED);
    end();
}

static void test_more_than_are_asked_at_once(void **state)
{
    char topic[64];

    (void)state;
    start(2, 20000);
    for (uint32_t i = 0; i < MANY; i++) {
        (void)snprintf(topic, sizeof(topic), SPACE "0-%u", i);
        ask(i, topic, true);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        await(i);
        assert_int_equal(asked[i].result.failure.class, BROKER_DONE);
        assert_true(bed.broker->web.asking <= WEB_ASKING_MAX);
    }
    end();
}

static void test_no_answer_in_time(void **state)
{
    (void)state;
    start(1, 300);
    ask(0, SPACE "slow", true);
    await(0);
    assert_int_equal(asked[0].result.failure.class, BROKER_RETRY);
    assert_int_not_equal(asked[0].result.failure.text[0], '\0');
    end();
}

/* At the HTTP client, and behind those in the queue. */
static void test_workers_end_while_they_are_asked(void **state)
{
    char topic[64];

    (void)state;
    start(2, 20000);
    for (uint32_t i = 0; i < MANY; i++) {
        (void)snprintf(topic, sizeof(topic), "persistent://public/%u/slow", i);
        ask(i, topic, true);
    }
    while (http.client.calls < WEB_ASKING_MAX) {
        (void)hulse_loop_round(&http.loop, 10);
    }
    end();
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(asked[i].result.failure.status, HULSE_CLOSED);
        assert_int_equal(asked[i].answers, 1);
        hulse_asked_fini(&asked[i]);
    }
}

/* Control has not looked yet. */
static void test_workers_end_before_they_are_asked(void **state)
{
    (void)state;
    start(1, 20000);
    ask(0, SPACE "0-a", true);
    end();
    assert_int_equal(asked[0].result.failure.status, HULSE_CLOSED);
    hulse_asked_fini(&asked[0]);
}

/* ---- an answer is on its way home ---- */

static sem_t entered;
static sem_t go_on;

static void stand_still(struct inbox_node *node)
{
    (void)node;
    (void)sem_post(&entered);
    while (sem_wait(&go_on) != 0) {
        /* Interrupted by a signal. */
    }
}

/* The worker stands still from before the answer until it is told to end. */
static void test_a_worker_ends_behind_an_answer(void **state)
{
    struct inbox_node node = {.run = stand_still};

    (void)state;
    (void)sem_init(&entered, 0, 0);
    (void)sem_init(&go_on, 0, 0);
    start(1, 20000);
    ask(0, SPACE "3-a", true);
    hulse_worker_answer(bed.workers[0], &node);
    while (sem_wait(&entered) != 0) {
    }
    while (bed.broker->web.asking == 0) {
        (void)hulse_loop_round(&http.loop, 10);
    }
    while (bed.broker->web.asking > 0) {
        (void)hulse_loop_round(&http.loop, 10);
    }
    (void)sem_post(&go_on);
    end();
    hulse_asked_fini(&asked[0]);
    (void)sem_destroy(&entered);
    (void)sem_destroy(&go_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_owner_and_partitions),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_more_than_are_asked_at_once),
        cmocka_unit_test(test_no_answer_in_time),
        cmocka_unit_test(test_workers_end_while_they_are_asked),
        cmocka_unit_test(test_workers_end_before_they_are_asked),
        cmocka_unit_test(test_a_worker_ends_behind_an_answer),
    };

    return cmocka_run_group_tests(tests, serve, end_serving);
}
