/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   reports of all workers come together, a worker that is late delays nobody for ever and is
 *         asked again only after it has answered, and nothing is lost or freed too early.
 * Method: real workers with a module that can be held; the collector on a loop of the test.
 */
#include "daemon/control/collect.h"
#include "daemon/control/figures.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "tests/support/check.h"

#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS 2U
#define ROUND_MS 20

/* One module per worker: while `held` it does not get past its report. */
struct holder {
    uint32_t index;
    _Atomic(bool) hold;
    sem_t entered;
    sem_t go;
};

static struct holder holders[WORKERS];
static struct crew crew;
static struct loop loop;
static struct collector collector;

static void *holder_start(struct worker *w, void *shared, struct error *err)
{
    (void)shared;
    (void)err;
    return &holders[w->params.index];
}

static void holder_report(void *state, struct worker_report *out)
{
    struct holder *h = state;

    if (atomic_load_explicit(&h->hold, memory_order_relaxed)) {
        (void)sem_post(&h->entered);
        while (sem_wait(&h->go) != 0) {
        }
    }
    struct topic_report *topic = hulse_report_topic(out);
    if (topic != NULL) {
        (void)snprintf(topic->name, sizeof(topic->name), "topic-%u", h->index);
        topic->published = 100U + h->index;
    }
    out->bells = 10U + h->index;
}

static const struct worker_module holder_module = {
    .name = "holder", .start = holder_start, .report = holder_report};

static int set_up(void **state)
{
    struct worker_params params = {.worker_count = WORKERS,
                                   .cpu = -1,
                                   .cpu_count = 1,
                                   .modules = {&holder_module},
                                   .module_count = 1};

    (void)state;
    memset(&crew, 0, sizeof(crew));
    crew.count = WORKERS;
    assert_true(hulse_loop_init(&loop, 64));
    for (uint32_t i = 0; i < WORKERS; i++) {
        struct error err = {0};
        holders[i].index = i;
        atomic_store_explicit(&holders[i].hold, false, memory_order_relaxed);
        assert_int_equal(sem_init(&holders[i].entered, 0, 0), 0);
        assert_int_equal(sem_init(&holders[i].go, 0, 0), 0);
        params.index = i;
        assert_int_equal(hulse_worker_start(
                             &crew.workers[i], &params, crew.workers, &crew.runnable_threads, &err),
                         HULSE_OK);
    }
    hulse_collector_init(&collector, &loop, &crew);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < WORKERS; i++) {
        hulse_worker_stop(&crew.workers[i]);
        assert_int_equal(sem_destroy(&holders[i].entered), 0);
        assert_int_equal(sem_destroy(&holders[i].go), 0);
    }
    while (hulse_inbox_run(&loop.inbox, 64) > 0) {
    }
    hulse_collector_fini(&collector);
    hulse_loop_fini(&loop);
    assert_int_equal(hulse_mem_used(HULSE_MEM_ADMIN), 0);
    return 0;
}

static void hold(uint32_t worker)
{
    atomic_store_explicit(&holders[worker].hold, true, memory_order_relaxed);
}

static void let_go(uint32_t worker)
{
    atomic_store_explicit(&holders[worker].hold, false, memory_order_relaxed);
    assert_int_equal(sem_post(&holders[worker].go), 0);
}

/* What `done` saw. */
struct outcome {
    unsigned calls;
    enum inquiry_state states[WORKERS];
    uint64_t bells[WORKERS];
    uint64_t published[WORKERS];
};

static void done(void *ctx, struct collection *c)
{
    struct outcome *out = ctx;

    out->calls++;
    assert_int_equal(c->count, WORKERS);
    for (uint32_t i = 0; i < c->count; i++) {
        const struct inquiry *q = &c->inquiries[i];
        assert_int_equal(q->worker, i);
        out->states[i] = q->state;
        if (q->state == INQUIRY_ANSWERED) {
            out->bells[i] = q->report.bells;
            assert_int_equal(q->report.worker, i);
            assert_int_equal(q->report.topic_count, 1);
            out->published[i] = q->report.topics[0].published;
        }
    }
}

static void turn_until(const unsigned *calls, unsigned wanted)
{
    while (*calls < wanted) { /* what never comes is ended by the test's watchdog */
        (void)hulse_loop_round(&loop, ROUND_MS);
    }
    assert_int_equal(*calls, wanted);
}

static void turn_until_closed(void)
{
    while (collector.open_count > 0) {
        (void)hulse_loop_round(&loop, ROUND_MS);
    }
    assert_int_equal(collector.open_count, 0);
}

static void test_all_answer(void **state)
{
    struct outcome out = {0};

    (void)state;
    assert_non_null(hulse_collect_start(&collector, done, &out));
    assert_int_equal(out.calls, 0);
    turn_until(&out.calls, 1);
    for (uint32_t i = 0; i < WORKERS; i++) {
        assert_int_equal(out.states[i], INQUIRY_ANSWERED);
        assert_int_equal(out.bells[i], 10 + i);
        assert_int_equal(out.published[i], 100 + i);
    }
    assert_int_equal(collector.open_count, 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_ADMIN), 0);
}

static void test_several_at_once(void **state)
{
    struct outcome outs[8] = {0};

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        assert_non_null(hulse_collect_start(&collector, done, &outs[i]));
    }
    for (unsigned i = 0; i < 8; i++) {
        turn_until(&outs[i].calls, 1);
        assert_int_equal(outs[i].states[0], INQUIRY_ANSWERED);
        assert_int_equal(outs[i].states[1], INQUIRY_ANSWERED);
    }
}

static void test_a_late_worker_is_left_out(void **state)
{
    struct outcome first = {0};
    struct outcome second = {0};
    struct outcome third = {0};

    (void)state;
    hold(1);
    assert_non_null(hulse_collect_start(&collector, done, &first));
    turn_until(&first.calls, 1);
    assert_int_equal(first.states[0], INQUIRY_ANSWERED);
    assert_int_equal(first.states[1], INQUIRY_ASKED);
    assert_int_equal(collector.open_count, 1);

    /* It owes an answer: not asked again, and nobody waits for it. */
    assert_non_null(hulse_collect_start(&collector, done, &second));
    turn_until(&second.calls, 1);
    assert_int_equal(second.states[0], INQUIRY_ANSWERED);
    assert_int_equal(second.states[1], INQUIRY_REFUSED);
    assert_int_equal(collector.overdue[1], 1);

    let_go(1);
    turn_until_closed();
    assert_int_equal(first.calls, 1);
    assert_int_equal(collector.overdue[1], 0);
    assert_non_null(hulse_collect_start(&collector, done, &third));
    turn_until(&third.calls, 1);
    assert_int_equal(third.states[1], INQUIRY_ANSWERED);
}

static void test_nobody_to_ask(void **state)
{
    struct outcome out = {0};

    (void)state;
    for (uint32_t i = 0; i < WORKERS; i++) {
        collector.overdue[i] = 1;
    }
    assert_non_null(hulse_collect_start(&collector, done, &out));
    assert_int_equal(out.calls, 0);
    turn_until(&out.calls, 1);
    assert_int_equal(out.states[0], INQUIRY_REFUSED);
    assert_int_equal(out.states[1], INQUIRY_REFUSED);
    assert_int_equal(collector.open_count, 0);
}

static void test_forgotten_while_asked(void **state)
{
    struct outcome out = {0};
    struct outcome next = {0};

    (void)state;
    struct collection *c = hulse_collect_start(&collector, done, &out);
    hulse_collect_forget(&c);
    assert_null(c);
    hulse_collect_forget(&c);
    /* The one behind it is not held against the workers. */
    assert_non_null(hulse_collect_start(&collector, done, &next));
    turn_until(&next.calls, 1);
    assert_int_equal(next.states[0], INQUIRY_ANSWERED);
    assert_int_equal(next.states[1], INQUIRY_ANSWERED);
    turn_until_closed();
    assert_int_equal(out.calls, 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_ADMIN), 0);
}

static void test_forgotten_and_late(void **state)
{
    struct outcome out = {0};

    (void)state;
    hold(0);
    struct collection *c = hulse_collect_start(&collector, done, &out);
    while (sem_wait(&holders[0].entered) != 0) {
    }
    hulse_collect_forget(&c);
    while (collector.overdue[0] == 0) {
        (void)hulse_loop_round(&loop, ROUND_MS);
    }
    assert_int_equal(collector.overdue[0], 1);
    let_go(0);
    turn_until_closed();
    assert_int_equal(collector.overdue[0], 0);
    assert_int_equal(out.calls, 0);
}

static void test_the_number_is_bounded(void **state)
{
    struct outcome out = {0};
    unsigned started = 0;

    (void)state;
    hold(0);
    while (started < 2 * HULSE_COLLECT_OPEN_MAX &&
           hulse_collect_start(&collector, done, &out) != NULL) {
        started++;
    }
    assert_int_equal(started, HULSE_COLLECT_OPEN_MAX);
    let_go(0);
    turn_until(&out.calls, started);
    assert_int_equal(collector.open_count, 0);
}

static void test_memory_refused(void **state)
{
    struct outcome out = {0};

    (void)state;
    hulse_mem_init(64);
    assert_null(hulse_collect_start(&collector, done, &out));
    assert_int_equal(collector.open_count, 0);
    hulse_mem_init(64U << 20);
}

/* tear_down runs the answers and frees the rest. */
static void test_ended_with_questions_open(void **state)
{
    static struct outcome out; /* outlives the test */

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        assert_non_null(hulse_collect_start(&collector, done, &out));
    }
}

static void test_figures(void **state)
{
    struct worker_report worker;
    struct topic_report topic;
    struct figure figures[HULSE_FIGURES_MAX];

    (void)state;
    memset(&worker, 0, sizeof(worker));
    worker.sessions = UINT32_MAX;
    worker.records_taken = UINT64_MAX;
    worker.spin_ns = 5;
    size_t count = hulse_figures_of_worker(&worker, figures);
    assert_true(count >= 20 && count <= HULSE_FIGURES_MAX);
    assert_string_equal(figures[0].name, "sessions");
    assert_int_equal(figures[0].value, UINT32_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(figures[i].own, strcmp(figures[i].name, "spin_ns") == 0);
        if (strcmp(figures[i].name, "records_taken") == 0) {
            assert_true(figures[i].value == UINT64_MAX);
        }
    }
    memset(&topic, 0, sizeof(topic));
    topic.backlog = 77;
    count = hulse_figures_of_topic(&topic, figures);
    assert_true(count >= 10 && count <= HULSE_FIGURES_MAX);
    assert_string_equal(figures[count - 1].name, "backlog");
    assert_int_equal(figures[count - 1].value, 77);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_all_answer),
        CASE(test_several_at_once),
        CASE(test_a_late_worker_is_left_out),
        CASE(test_nobody_to_ask),
        CASE(test_forgotten_while_asked),
        CASE(test_forgotten_and_late),
        CASE(test_the_number_is_bounded),
        CASE(test_memory_refused),
        CASE(test_ended_with_questions_open),
        cmocka_unit_test(test_figures),
    };
    hulse_role_set(HULSE_ROLE_CONTROL);
    hulse_mem_init(64U << 20);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
