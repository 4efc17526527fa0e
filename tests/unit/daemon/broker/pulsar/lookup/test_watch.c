/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whoever watches a topic hears of more partitions, once, and never of fewer; all who watch cost one question
 *         each time; what fails is asked again.
 * Method: two workers; a broker that says what the test has put down.
 */
#include "daemon/broker/pulsar/lookup/lookups.h"
#include "daemon/broker/pulsar/lookup/watch.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/broker/pulsar/lookup/bed.h"
#include "tests/unit/daemon/broker/pulsar/lookup/peer.h"
#include "tests/unit/daemon/core/check.h"

#define TOPIC "persistent://public/default/parted"
#define REFRESH_MS 40U

/* What the broker says; FAILS: that it does not know. */
#define FAILS UINT32_MAX
static _Atomic(uint32_t) said;
static _Atomic(uint32_t) creating; /* questions that would have created it */

struct scene {
    struct peer *peer;
    struct lookup_bed bed;
    char url[64];
};

struct watcher {
    struct pulsar_watch watch;
    uint32_t heard;
    uint32_t times;
    uint32_t stop_at; /* partitions; 0: goes on */
    sem_t told;
};

static void script(struct question *q, void *ctx)
{
    const uint32_t count = said;

    (void)ctx;
    creating += q->create ? 1U : 0U;
    if (count == FAILS) {
        hulse_peer_failed(q, PULSAR__SERVER_ERROR__TopicNotFound, "not now");
    } else {
        hulse_peer_partitions(q, count);
    }
}

static void start(struct scene *s, bool too_old)
{
    const struct peer_params params = {.brokers = 1, .script = script, .too_old = too_old};

    said = 3;
    creating = 0;
    s->peer = hulse_peer_start(&params);
    (void)snprintf(s->url, sizeof(s->url), "pulsar://127.0.0.1:%u", hulse_peer_port(s->peer, 0));
    const struct lookup_bed_params bed = {
        .workers = 2, .service_url = s->url, .partitions_refresh_ms = REFRESH_MS};
    hulse_lookup_bed_start(&s->bed, &bed);
}

static void end(struct scene *s)
{
    hulse_lookup_bed_stop(&s->bed);
    hulse_peer_stop(&s->peer);
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), 0);
}

static void grown(struct pulsar_watch *watch, uint32_t partitions)
{
    struct watcher *w = HULSE_CONTAINER(watch, struct watcher, watch);

    w->heard = partitions;
    w->times += 1;
    if (partitions == w->stop_at) {
        hulse_pulsar_watch_stop(watch);
    }
    (void)sem_post(&w->told);
}

static void begin(struct pulsar_worker *pw, void *ctx)
{
    const struct pulsar_lookup_result known = {.partitions = 3, .kept_ms = 1};
    struct watcher *w = ctx;

    hulse_pulsar_watch_start(pw, &w->watch, TOPIC, true, &known);
}

static void stop(struct pulsar_worker *pw, void *ctx)
{
    struct watcher *w = ctx;

    (void)pw;
    hulse_pulsar_watch_stop(&w->watch);
    hulse_pulsar_watch_stop(&w->watch);
}

static void begin_both(struct scene *s, struct watcher w[2])
{
    for (uint32_t i = 0; i < 2; i++) {
        w[i] = (struct watcher){.watch = {.grown = grown}};
        (void)sem_init(&w[i].told, 0, 0);
        hulse_lookup_bed_run(&s->bed, i, begin, &w[i]);
    }
}

static void stop_both(struct scene *s, struct watcher w[2])
{
    for (uint32_t i = 0; i < 2; i++) {
        hulse_lookup_bed_run(&s->bed, i, stop, &w[i]);
        (void)sem_destroy(&w[i].told);
    }
}

static void await(struct watcher w[2], uint32_t partitions)
{
    for (uint32_t i = 0; i < 2; i++) {
        while (sem_wait(&w[i].told) != 0) {
            /* Interrupted by a signal. */
        }
        assert_int_equal(w[i].heard, partitions);
    }
}

static void await_questions(const struct scene *s, uint32_t count)
{
    hulse_peer_await(
        s->peer, LOOKUP_PARTITIONS, hulse_peer_asked(s->peer, LOOKUP_PARTITIONS) + count);
}

static void add_figures(struct pulsar_worker *pw, void *ctx)
{
    struct pulsar_lookup_figures *sum = ctx;
    struct pulsar_lookup_figures f;

    hulse_pulsar_lookups_figures(pw->lookups, &f);
    sum->grown += f.grown;
    sum->shrunk += f.shrunk;
    sum->asked += f.asked;
}

static void figures(struct scene *s, struct pulsar_lookup_figures *sum)
{
    *sum = (struct pulsar_lookup_figures){0};
    hulse_lookup_bed_run(&s->bed, 0, add_figures, sum);
    hulse_lookup_bed_run(&s->bed, 1, add_figures, sum);
}

static void test_growth_is_told_once_and_nothing_else(void **state)
{
    struct pulsar_lookup_figures sum;
    struct watcher w[2];
    struct scene s;

    (void)state;
    start(&s, false);
    begin_both(&s, w);
    await_questions(&s, 2);
    said = 5;
    await(w, 5);
    said = 2;
    await_questions(&s, 3);
    said = FAILS;
    await_questions(&s, 3);
    said = 4;
    await_questions(&s, 3);
    said = UINT32_MAX - 1; /* no topic has so many */
    await_questions(&s, 3);
    said = 6;
    await(w, 6);
    stop_both(&s, w);
    assert_int_equal(w[0].times, 2);
    assert_int_equal(w[1].times, 2);
    figures(&s, &sum);
    assert_int_equal(sum.grown, 4);
    assert_int_equal(sum.shrunk, 2);
    assert_int_equal(creating, 0);
    /* Both have asked each time, and the broker was asked once. */
    assert_true(sum.asked >= 2 * hulse_peer_asked(s.peer, LOOKUP_PARTITIONS) - 4);
    end(&s);
}

static void test_it_may_be_stopped_when_it_tells(void **state)
{
    struct watcher w[2];
    struct scene s;

    (void)state;
    start(&s, false);
    begin_both(&s, w);
    w[0].stop_at = 5;
    w[1].stop_at = 5;
    said = 5;
    await(w, 5);
    const uint32_t asked = hulse_peer_asked(s.peer, LOOKUP_PARTITIONS);
    stop_both(&s, w);
    end(&s);
    assert_true(asked > 0);
}

static void test_an_old_broker_is_asked_as_the_owner_would(void **state)
{
    struct watcher w[2];
    struct scene s;

    (void)state;
    start(&s, true);
    begin_both(&s, w);
    said = 4;
    await(w, 4);
    assert_true(creating > 0);
    stop_both(&s, w);
    end(&s);
}

static void test_a_worker_may_end_meanwhile(void **state)
{
    struct watcher w[2];
    struct scene s;

    (void)state;
    start(&s, false);
    begin_both(&s, w);
    await_questions(&s, 1);
    end(&s);
    for (uint32_t i = 0; i < 2; i++) {
        (void)sem_destroy(&w[i].told);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_is_told_once_and_nothing_else),
        cmocka_unit_test(test_it_may_be_stopped_when_it_tells),
        cmocka_unit_test(test_an_old_broker_is_asked_as_the_owner_would),
        cmocka_unit_test(test_a_worker_may_end_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
