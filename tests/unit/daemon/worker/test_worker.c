/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a worker starts and stops its modules in order, flushes turns that did something, parks when
 *         idle and wakes for whatever comes; it spins only while threads do not exceed CPUs.
 * Method: modules that count; everything is asked through messages, compared by counters, not times.
 */
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/worker/worker.h"
#include "tests/unit/daemon/core/check.h"

#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- a module that counts ------------------------------------------------------------------ */

/* What all modules did, in order: S(tart), X (stop), with the module's letter. */
static char history[64];
static size_t history_length;

static void note(char what, char who)
{
    assert_true(history_length + 3 < sizeof(history));
    history[history_length++] = what;
    history[history_length++] = who;
    history[history_length] = '\0';
}

struct counting {
    struct worker *worker; /* NULL while stopped */
    char letter;
    bool fail_start;
    bool fail_silently;
    uint64_t work; /* turns that still do something */
    uint64_t turns;
    uint64_t flushes;
    uint64_t parks;
    uint64_t unparks;
    uint64_t work_at_park; /* parks that still say "work" */
    bool parked;
    bool turned_while_parked;
};

static void *counting_start(struct worker *w, void *shared, struct error *err)
{
    struct counting *c = shared;

    HULSE_ASSERT_ROLE(HULSE_ROLE_WORKER);
    assert_ptr_equal(hulse_worker_self(), w);
    note('S', c->letter);
    if (c->fail_start) {
        if (!c->fail_silently) {
            (void)hulse_fail(err, HULSE_LIMIT, "module %c has no room", c->letter);
        }
        return NULL;
    }
    c->worker = w;
    return c;
}

static void counting_stop(void *state)
{
    struct counting *c = state;

    assert_false(c->parked);
    note('X', c->letter);
    c->worker = NULL;
}

static unsigned counting_turn(void *state)
{
    struct counting *c = state;

    c->turned_while_parked |= c->parked;
    c->turns++;
    if (c->work == 0) {
        return 0;
    }
    c->work -= c->work != UINT64_MAX;
    return 1;
}

static void counting_flush(void *state)
{
    ((struct counting *)state)->flushes++;
}

static bool counting_park(void *state)
{
    struct counting *c = state;

    HULSE_ASSERT(!c->parked);
    c->parked = true;
    c->parks++;
    if (c->work_at_park == 0) {
        return false;
    }
    c->work_at_park--;
    return true;
}

static void counting_unpark(void *state)
{
    struct counting *c = state;

    HULSE_ASSERT(c->parked);
    c->parked = false;
    c->unparks++;
}

static void counting_report(void *state, struct worker_report *out)
{
    out->visits += ((struct counting *)state)->turns;
    out->sessions += 1;
}

static const struct worker_module module_a = {
    .name = "a",
    .start = counting_start,
    .stop = counting_stop,
    .turn = counting_turn,
    .flush = counting_flush,
    .park = counting_park,
    .unpark = counting_unpark,
    .report = counting_report,
};
/* Another address, the same functions. */
static const struct worker_module module_b = {
    .name = "b",
    .start = counting_start,
    .stop = counting_stop,
    .turn = counting_turn,
    .flush = counting_flush,
    .park = counting_park,
    .unpark = counting_unpark,
    .report = counting_report,
};
/* All that is optional left out. */
static const struct worker_module module_bare = {.name = "bare", .start = counting_start};

/* ---- a worker and calls on its thread ------------------------------------------------------- */

struct bench {
    struct counting a;
    struct counting b;
    struct worker *peers[1];
    struct worker *worker;
    _Atomic(uint32_t) runnable;
    struct worker_params params;
    struct error err;
};

static struct bench bench;

static struct worker_params params_of(const struct worker_module *first,
                                      const struct worker_module *second)
{
    return (struct worker_params){
        .worker_count = 1,
        .cpu = -1,
        .cpu_count = 2,
        .modules = {first, second},
        .shared = {&bench.a, &bench.b},
        .module_count = second == NULL ? 1 : 2,
    };
}

static int prepare(void **state)
{
    (void)state;
    history_length = 0;
    history[0] = '\0';
    bench = (struct bench){.a.letter = 'a', .b.letter = 'b'};
    bench.params = params_of(&module_a, &module_b);
    return 0;
}

static void begin(void)
{
    assert_int_equal(
        hulse_worker_start(&bench.worker, &bench.params, bench.peers, &bench.runnable, &bench.err),
        HULSE_OK);
    assert_non_null(bench.worker);
    assert_ptr_equal(bench.peers[0], bench.worker);
}

static void end(void)
{
    hulse_worker_stop(&bench.worker);
    assert_null(bench.worker);
    assert_int_equal(atomic_load(&bench.runnable), 0);
    assert_int_equal(bench.a.parks, bench.a.unparks);
    assert_false(bench.a.turned_while_parked);
}

struct call {
    struct inbox_node node;
    void (*function)(void *argument);
    void *argument;
    sem_t done;
};

static void call_run(struct inbox_node *node)
{
    struct call *c = HULSE_CONTAINER(node, struct call, node);

    c->function(c->argument);
    (void)sem_post(&c->done);
}

/* Runs the function on the worker and waits for it. */
static void on_worker(void (*function)(void *argument), void *argument)
{
    struct call c = {.node.run = call_run, .function = function, .argument = argument};

    assert_int_equal(sem_init(&c.done, 0, 0), 0);
    assert_true(hulse_worker_post(bench.worker, &c.node));
    while (sem_wait(&c.done) != 0) {
    }
    (void)sem_destroy(&c.done);
}

struct seen {
    struct bench bench;
    struct worker_report report;
    enum role role;
    bool self;
};

static void look_now(void *argument)
{
    struct seen *s = argument;

    memset(&s->report, 0, sizeof(s->report));
    s->bench.a = bench.a;
    s->bench.b = bench.b;
    s->role = hulse_role();
    s->self = hulse_worker_self() == bench.worker;
    hulse_worker_report(bench.worker, &s->report);
}

static struct seen look(void)
{
    struct seen s;

    on_worker(look_now, &s);
    return s;
}

static void short_pause(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    (void)nanosleep(&pause, NULL);
}

/* ---- start and stop ------------------------------------------------------------------------- */

static void test_modules_start_in_order_and_stop_in_reverse(void **state)
{
    (void)state;
    begin();
    const struct seen s = look();
    assert_true(s.self);
    assert_int_equal(s.role, HULSE_ROLE_WORKER);
    assert_null(hulse_worker_self());
    assert_int_equal(hulse_role(), HULSE_ROLE_NONE);
    assert_int_equal(atomic_load(&bench.runnable), 1);
    end();
    assert_string_equal(history, "SaSbXbXa");
    hulse_worker_stop(&bench.worker); /* NULL is harmless */
}

static void test_a_module_that_cannot_start_fails_the_worker(void **state)
{
    (void)state;
    bench.b.fail_start = true;
    assert_int_equal(
        hulse_worker_start(&bench.worker, &bench.params, bench.peers, &bench.runnable, &bench.err),
        HULSE_LIMIT);
    assert_null(bench.worker);
    assert_null(bench.peers[0]);
    assert_int_equal(bench.err.status, HULSE_LIMIT);
    assert_string_equal(bench.err.text, "module b has no room");
    assert_string_equal(history, "SaSbXa");
    assert_int_equal(atomic_load(&bench.runnable), 0);
    assert_int_equal(hulse_mem_total(), 0);

    bench.b.fail_silently = true;
    assert_int_equal(
        hulse_worker_start(&bench.worker, &bench.params, bench.peers, &bench.runnable, &bench.err),
        HULSE_FAILED);
    assert_non_null(strstr(bench.err.text, "module b"));
}

static void test_everything_but_start_is_optional(void **state)
{
    (void)state;
    bench.params = params_of(&module_bare, NULL);
    begin();
    (void)look();
    end();
}

static void look_up_states(void *argument)
{
    void **states = argument;

    states[0] = hulse_worker_state(bench.worker, &module_a, NULL);
    states[1] = hulse_worker_state(bench.worker, &module_b, NULL);
    states[2] = hulse_worker_state(bench.worker, &module_bare, NULL);
}

static void test_a_state_is_found_by_its_module(void **state)
{
    void *states[3] = {NULL, NULL, &bench};

    (void)state;
    begin();
    on_worker(look_up_states, states);
    assert_ptr_equal(states[0], &bench.a);
    assert_ptr_equal(states[1], &bench.b);
    assert_null(states[2]);
    end();
}

static void which_cpus(void *argument)
{
    (void)sched_getaffinity(0, sizeof(cpu_set_t), argument);
}

static void test_a_worker_is_pinned_or_says_that_it_cannot_be(void **state)
{
    cpu_set_t mine;
    cpu_set_t its;
    int cpu = 0;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
    while (!CPU_ISSET((size_t)cpu, &mine)) {
        cpu++;
    }
    bench.params.cpu = cpu;
    begin();
    on_worker(which_cpus, &its);
    assert_int_equal(CPU_COUNT(&its), 1);
    assert_true(CPU_ISSET((size_t)cpu, &its));
    end();

    bench.params.cpu = CPU_SETSIZE;
    assert_int_equal(
        hulse_worker_start(&bench.worker, &bench.params, bench.peers, &bench.runnable, &bench.err),
        HULSE_IO);
    assert_non_null(strstr(bench.err.text, "worker 0 cannot run on cpu"));
}

/* ---- messages ------------------------------------------------------------------------------- */

static void count_one(void *argument)
{
    (*(unsigned *)argument)++;
}

static void test_what_was_posted_before_the_stop_has_run(void **state)
{
    enum { CALLS = 1000 };
    static struct call calls[CALLS];
    unsigned ran = 0;

    (void)state;
    begin();
    for (unsigned i = 0; i < CALLS; i++) {
        calls[i] = (struct call){.node.run = call_run, .function = count_one, .argument = &ran};
        assert_int_equal(sem_init(&calls[i].done, 0, 0), 0);
        if (i % 2 == 0) {
            assert_true(hulse_worker_post(bench.worker, &calls[i].node));
        } else {
            hulse_worker_answer(bench.worker, &calls[i].node);
        }
    }
    end();
    assert_int_equal(ran, CALLS);
}

static void test_a_sleeping_worker_wakes_for_each_message(void **state)
{
    (void)state;
    begin();
    struct seen before = look();
    for (unsigned i = 0; i < 200; i++) {
        if (i % 20 == 0) {
            short_pause();
        }
        /* Each is answered, or the test hangs. Two may be answered in one turn. */
        const struct seen now = look();
        assert_true(now.report.turns >= before.report.turns);
        before = now;
    }
    end();
    assert_true(bench.a.parks > 0);
}

/* ---- turns ---------------------------------------------------------------------------------- */

static void give_work(void *argument)
{
    bench.a.work = *(const uint64_t *)argument;
    bench.a.flushes = 0;
    bench.b.flushes = 0;
}

static void test_a_turn_that_did_something_is_flushed_once_in_all_modules(void **state)
{
    uint64_t work = 1000;
    struct seen s;

    (void)state;
    begin();
    on_worker(give_work, &work);
    unsigned calls = 1;
    do {
        s = look();
        calls++;
    } while (s.bench.a.work != 0);
    /* A thousand turns with work; calls, timers and ends of sleeps may add a few. */
    assert_true(s.bench.a.flushes >= work);
    assert_true(s.bench.a.flushes <= work + 2ULL * calls + 10);
    assert_int_equal(s.bench.a.flushes, s.bench.b.flushes);
    /* Idle turns are not flushed. */
    const uint64_t flushes = s.bench.a.flushes;
    s = look();
    assert_true(s.bench.a.flushes <= flushes + 3);
    end();
}

struct bell {
    struct watch watch;
    struct timer timer;
    unsigned rung;
    unsigned fired;
};

static void bell_rang(struct watch *watch, uint32_t events)
{
    (void)events;
    HULSE_CONTAINER(watch, struct bell, watch)->rung++;
}

static void bell_timer(struct timer *timer)
{
    struct bell *b = HULSE_CONTAINER(timer, struct bell, timer);

    b->fired++;
    hulse_timer_start(
        &bench.worker->loop.timers, timer, hulse_loop_now_ms(&bench.worker->loop) + 1);
}

static void bell_add(void *argument)
{
    struct bell *b = argument;

    assert_true(hulse_loop_add(&bench.worker->loop, &b->watch, EPOLLIN | EPOLLET));
    bell_timer(&b->timer);
}

static void bell_copy(void *argument)
{
    struct bell **both = argument;

    *both[1] = *both[0];
}

static void test_a_busy_worker_still_sees_descriptors_timers_and_messages(void **state)
{
    uint64_t work = UINT64_MAX; /* never ends */
    const uint64_t one = 1;
    struct bell b = {.watch = {.fd = eventfd(0, EFD_NONBLOCK), .fire = bell_rang},
                     .timer.fire = bell_timer};
    struct bell now = {0};
    struct bell *both[] = {&b, &now};

    (void)state;
    begin();
    on_worker(give_work, &work);
    on_worker(bell_add, &b);
    assert_int_equal(write(b.watch.fd, &one, sizeof(one)), sizeof(one));
    while (now.rung == 0 || now.fired < 3) {
        on_worker(bell_copy, both);
    }
    assert_int_equal(now.rung, 1);
    const struct seen s = look();
    assert_int_equal(s.bench.a.parks, s.report.parks);
    end();
    assert_int_equal(close(b.watch.fd), 0);
}

/* ---- parking -------------------------------------------------------------------------------- */

static void ask_for_work_at_park(void *argument)
{
    bench.a.work_at_park = *(const uint64_t *)argument;
    bench.b.parks = 0;
}

static void test_a_module_that_has_work_at_park_prevents_the_sleep(void **state)
{
    uint64_t times = 50;
    struct seen s;

    (void)state;
    begin();
    const struct seen before = look();
    on_worker(ask_for_work_at_park, &times);
    do {
        s = look();
    } while (s.bench.a.work_at_park != 0);
    /* Those fifty were no sleeps, and the second module was not asked in them. */
    assert_true(s.bench.a.parks - before.bench.a.parks >= times);
    assert_true(s.report.parks - before.report.parks <=
                s.bench.a.parks - before.bench.a.parks - times);
    assert_true(s.bench.b.parks <= s.report.parks - before.report.parks);
    end();
}

static void test_without_spinning_an_idle_worker_parks_after_few_turns(void **state)
{
    (void)state;
    bench.params.spin_ns = 0;
    begin();
    for (unsigned i = 0; i < 20; i++) {
        short_pause();
        (void)look();
    }
    const struct seen s = look();
    assert_int_equal(s.report.spin_ns, 0);
    assert_true(s.report.parks >= 1);
    /* Each sleep, and each message, is followed by a few tens of empty turns at most. */
    assert_true(s.report.turns <= 40 * (s.report.parks + 22));
    end();
}

/* An idle worker wakes for its own heartbeat only. */
static void test_an_idle_worker_hardly_wakes(void **state)
{
    (void)state;
    begin();
    const uint64_t first_ms = atomic_load(&bench.worker->beat_ms);
    uint64_t beats = 0;
    const struct seen before = look();
    for (uint64_t last_ms = first_ms; beats < 2;) {
        const uint64_t now_ms = atomic_load(&bench.worker->beat_ms);
        beats += now_ms != last_ms;
        last_ms = now_ms;
        short_pause();
    }
    const struct seen s = look();
    assert_true(s.report.parks - before.report.parks <= 4 * (beats + 2));
    end();
}

static void change_threads(void *argument)
{
    hulse_worker_threads(bench.worker, *(const int *)argument);
}

/* Whether the worker sleeps between two messages, however long it is left alone. */
static bool sleeps(void)
{
    const struct seen before = look();
    const uint64_t enough_turns = before.report.turns + 5000;
    struct seen s = before;

    for (unsigned i = 0; i < 50 && s.report.turns < enough_turns; i++) {
        short_pause();
        s = look();
    }
    return s.report.parks != before.report.parks;
}

static void test_spinning_stops_when_threads_exceed_cpus(void **state)
{
    int change = 1; /* one app beside the worker: two threads, two CPUs */

    (void)state;
    bench.params.spin_ns = UINT64_MAX; /* as long as spinning is allowed at all */
    bench.params.cpu_count = 2;
    begin();
    assert_false(sleeps());
    on_worker(change_threads, &change);
    assert_int_equal(atomic_load(&bench.runnable), 2);
    assert_false(sleeps());
    assert_true(look().report.spin_ns == UINT64_MAX);
    on_worker(change_threads, &change);
    assert_int_equal(atomic_load(&bench.runnable), 3);
    assert_true(sleeps());
    assert_int_equal(look().report.spin_ns, 0);
    change = -1;
    on_worker(change_threads, &change);
    assert_false(sleeps());
    /* Threads of another worker count as well. */
    (void)atomic_fetch_add(&bench.runnable, 1);
    assert_true(sleeps());
    (void)atomic_fetch_sub(&bench.runnable, 1);
    /* What its apps added goes with the worker. */
    end();
}

static void test_busy_mode_never_parks(void **state)
{
    int change = 100;

    (void)state;
    bench.params.spin_always = true;
    bench.params.spin_ns = 1;
    begin();
    on_worker(change_threads, &change);
    assert_false(sleeps());
    end();
    assert_int_equal(bench.a.parks, 0);
}

/* ---- reports -------------------------------------------------------------------------------- */

static void test_a_report_adds_up_modules_and_grows_with_topics(void **state)
{
    struct worker_report r = {0};

    (void)state;
    begin();
    const struct seen s = look();
    assert_int_equal(s.report.sessions, 2);
    assert_int_equal(s.report.visits, s.bench.a.turns + s.bench.b.turns);
    end();

    for (unsigned i = 0; i < 100; i++) {
        struct topic_report *t = hulse_report_topic(&r);
        assert_non_null(t);
        assert_int_equal(t->published, 0);
        assert_int_equal(t->name[0], '\0');
        t->published = i;
    }
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(r.topics[i].published, i);
    }
    assert_int_equal(r.topic_count, 100);
    assert_int_equal(hulse_mem_used(HULSE_MEM_ADMIN),
                     r.topic_capacity * sizeof(struct topic_report));
    hulse_mem_init(hulse_mem_total());
    while (r.topic_count < r.topic_capacity) {
        assert_non_null(hulse_report_topic(&r));
    }
    const size_t full = r.topic_count;
    assert_null(hulse_report_topic(&r));
    assert_int_equal(r.topic_count, full);
    hulse_mem_init(SIZE_MAX);
    hulse_report_fini(&r);
    assert_int_equal(hulse_mem_total(), 0);
}

int main(void)
{
#define PREPARED(test) cmocka_unit_test_setup(test, prepare)
    const struct CMUnitTest tests[] = {
        PREPARED(test_modules_start_in_order_and_stop_in_reverse),
        PREPARED(test_a_module_that_cannot_start_fails_the_worker),
        PREPARED(test_everything_but_start_is_optional),
        PREPARED(test_a_state_is_found_by_its_module),
        PREPARED(test_a_worker_is_pinned_or_says_that_it_cannot_be),
        PREPARED(test_what_was_posted_before_the_stop_has_run),
        PREPARED(test_a_sleeping_worker_wakes_for_each_message),
        PREPARED(test_a_turn_that_did_something_is_flushed_once_in_all_modules),
        PREPARED(test_a_busy_worker_still_sees_descriptors_timers_and_messages),
        PREPARED(test_a_module_that_has_work_at_park_prevents_the_sleep),
        PREPARED(test_without_spinning_an_idle_worker_parks_after_few_turns),
        PREPARED(test_an_idle_worker_hardly_wakes),
        PREPARED(test_spinning_stops_when_threads_exceed_cpus),
        PREPARED(test_busy_mode_never_parks),
        PREPARED(test_a_report_adds_up_modules_and_grows_with_topics),
    };

    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
