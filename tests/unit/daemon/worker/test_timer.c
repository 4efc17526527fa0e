/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a timer fires at the first advance at or after its time, once, never early, in the order of
 *         the times, whatever is started and stopped in between or from within a callback.
 * Method: the wheel beside a plain table of what is pending; random starts, restarts, stops and
 *         jumps of every length, around the ends of every level; then each corner by hand.
 */
#include "daemon/core/assert.h"
#include "daemon/worker/timer.h"
#include "tests/unit/daemon/core/check.h"

enum { TIMERS = 300, STEPS = 4000 };

struct model {
    struct timer_wheel wheel;
    struct entry {
        struct timer timer;
        struct model *model;
        bool pending;
        uint64_t start_ms; /* when it was started: a past time fires as if due then */
        uint64_t due_ms;
        unsigned fired;
    } entries[TIMERS];
    uint64_t now_ms;
    uint64_t last_ms; /* effective time of the last one fired in this advance */
    uint64_t random;
    unsigned fired;
    bool meddle; /* callbacks start and stop others */
};

static uint64_t effective(const struct entry *e)
{
    return e->due_ms > e->start_ms ? e->due_ms : e->start_ms;
}

static void start(struct entry *e, uint64_t due_ms)
{
    hulse_timer_start(&e->model->wheel, &e->timer, due_ms);
    e->pending = true;
    e->start_ms = e->model->now_ms;
    e->due_ms = due_ms;
}

static void stop(struct entry *e)
{
    hulse_timer_stop(&e->model->wheel, &e->timer);
    e->pending = false;
}

/* Any distance: within a slot, around the ends of levels, beyond them all, and the past. */
static uint64_t random_due(struct model *m)
{
    const unsigned shift = (unsigned)test_below(&m->random, 40);
    const uint64_t span = 1ULL << shift;
    switch (test_below(&m->random, 8)) {
    case 0:
        return m->now_ms;
    case 1:
        return m->now_ms - test_below(&m->random, 100);
    case 2: /* the next end of a level's slot, and its neighbours */
        return ((m->now_ms >> shift) + 1) * span + test_below(&m->random, 3) - 1;
    default:
        return m->now_ms + test_below(&m->random, span) + 1;
    }
}

static void meddle(struct model *m)
{
    struct entry *other = &m->entries[test_below(&m->random, TIMERS)];

    if (test_below(&m->random, 2) == 0) {
        stop(other);
    } else {
        start(other, random_due(m));
    }
}

static void fire(struct timer *timer)
{
    struct entry *e = HULSE_CONTAINER(timer, struct entry, timer);
    struct model *m = e->model;

    assert_true(e->pending);
    assert_false(hulse_timer_pending(timer));
    assert_true(effective(e) <= m->now_ms);
    assert_true(effective(e) >= m->last_ms);
    m->last_ms = effective(e);
    e->pending = false;
    e->fired++;
    m->fired++;
    if (m->meddle && test_below(&m->random, 4) == 0) {
        meddle(m);
    }
}

/* What the table says about the next expiry; UINT64_MAX without timers. */
static uint64_t model_next(const struct model *m)
{
    uint64_t next = UINT64_MAX;

    for (size_t i = 0; i < TIMERS; i++) {
        const struct entry *e = &m->entries[i];
        if (e->pending && effective(e) < next) {
            next = effective(e);
        }
    }
    return next;
}

static void compare(const struct model *m)
{
    uint64_t pending = 0;

    for (size_t i = 0; i < TIMERS; i++) {
        assert_int_equal(m->entries[i].pending, hulse_timer_pending(&m->entries[i].timer));
        pending += m->entries[i].pending;
    }
    assert_int_equal(pending, m->wheel.count);
    const uint64_t next = hulse_timer_next(&m->wheel);
    if (pending == 0) {
        assert_true(next == HULSE_TIMER_NEVER);
    } else {
        assert_true(next <= model_next(m));
    }
}

static void advance(struct model *m, uint64_t now_ms)
{
    const unsigned before = m->fired;

    m->now_ms = now_ms;
    m->last_ms = 0;
    const unsigned fired = hulse_timer_advance(&m->wheel, now_ms);
    assert_int_equal(fired, m->fired - before);
    /* Whatever is still pending is not due, but for what callbacks started just now. */
    for (size_t i = 0; i < TIMERS; i++) {
        const struct entry *e = &m->entries[i];
        assert_true(!e->pending || e->due_ms > now_ms || e->start_ms == now_ms);
    }
}

static void prepare(struct model *m, uint64_t now_ms, uint64_t seed)
{
    *m = (struct model){.now_ms = now_ms, .random = seed};
    hulse_timer_wheel_init(&m->wheel, now_ms);
    for (size_t i = 0; i < TIMERS; i++) {
        m->entries[i].model = m;
        m->entries[i].timer.fire = fire;
    }
}

static uint64_t random_jump(struct model *m)
{
    switch (test_below(&m->random, 4)) {
    case 0:
        return test_below(&m->random, 3);
    case 1: { /* exactly where the wheel says, as a loop does */
        const uint64_t next = hulse_timer_next(&m->wheel);
        return next == HULSE_TIMER_NEVER || next < m->now_ms ? 0 : next - m->now_ms;
    }
    default:
        return test_below(&m->random, 1ULL << test_below(&m->random, 38));
    }
}

static void walk(uint64_t now_ms, uint64_t seed, bool with_meddling)
{
    static struct model m;

    prepare(&m, now_ms, seed);
    m.meddle = with_meddling;
    for (unsigned step = 0; step < STEPS; step++) {
        struct entry *e = &m.entries[test_below(&m.random, TIMERS)];
        switch (test_below(&m.random, 4)) {
        case 0:
            stop(e);
            break;
        case 1:
            advance(&m, m.now_ms + random_jump(&m));
            break;
        default:
            start(e, random_due(&m));
            break;
        }
        compare(&m);
    }
    assert_true(m.fired > STEPS / 10);
}

static void test_the_wheel_does_what_a_plain_table_does(void **state)
{
    const uint64_t seed = test_seed();
    /* Ordinary uptimes, and just before the levels' span ends. */
    static const uint64_t begins[] = {0, 1, 63, 86400000, (1ULL << 36) - 5, (1ULL << 37) - 1000000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        walk(begins[i], seed + 2 * i, false);
        walk(begins[i], seed + 2 * i, true);
    }
}

/* ---- corners ----------------------------------------------------------------------------- */

struct probe {
    struct timer timer;
    struct timer_wheel *wheel;
    struct probe *other;
    uint64_t again_ms; /* restarts itself for this time when not 0 */
    unsigned fired;
    uint64_t next_ms; /* what the wheel said from within fire */
    bool stop_other;
    bool free_other;
};

static void probe_fire(struct timer *timer)
{
    struct probe *p = HULSE_CONTAINER(timer, struct probe, timer);

    p->fired++;
    p->next_ms = hulse_timer_next(p->wheel);
    if (p->again_ms != 0) {
        hulse_timer_start(p->wheel, timer, p->again_ms);
    }
    if (p->stop_other) {
        hulse_timer_stop(p->wheel, &p->other->timer);
    }
    if (p->free_other) {
        hulse_timer_stop(p->wheel, &p->other->timer);
        free(p->other);
        p->other = NULL;
    }
}

static struct probe probe_of(struct timer_wheel *wheel)
{
    return (struct probe){.timer.fire = probe_fire, .wheel = wheel};
}

static void test_never_early_and_exactly_on_time_at_every_distance(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 40; bit++) {
        for (unsigned offset = 0; offset < 3; offset++) {
            struct timer_wheel w;
            const uint64_t begin = 123456789;
            const uint64_t due = begin + (1ULL << bit) + offset;
            hulse_timer_wheel_init(&w, begin);
            struct probe p = probe_of(&w);
            hulse_timer_start(&w, &p.timer, due);
            assert_int_equal(hulse_timer_advance(&w, due - 1), 0);
            assert_int_equal(hulse_timer_advance(&w, due), 1);
            assert_int_equal(p.fired, 1);
            assert_int_equal(w.count, 0);
        }
    }
}

/* A loop that sleeps until hulse_timer_next() reaches every timer in a few steps. */
static void test_following_next_reaches_the_timer_in_few_steps(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 40; bit++) {
        struct timer_wheel w;
        const uint64_t begin = 987654321;
        hulse_timer_wheel_init(&w, begin);
        struct probe p = probe_of(&w);
        hulse_timer_start(&w, &p.timer, begin + (1ULL << bit) + 17);
        unsigned steps = 0;
        while (p.fired == 0) {
            const uint64_t next = hulse_timer_next(&w);
            assert_true(next <= p.timer.due_ms);
            (void)hulse_timer_advance(&w, next);
            steps++;
            assert_true(steps <= HULSE_TIMER_LEVELS + 1 + (1U << 5));
        }
    }
}

static void test_a_past_time_fires_at_the_next_advance(void **state)
{
    struct timer_wheel w;

    (void)state;
    hulse_timer_wheel_init(&w, 1000);
    struct probe p = probe_of(&w);
    hulse_timer_start(&w, &p.timer, 3);
    assert_int_equal(hulse_timer_next(&w), 1000);
    assert_int_equal(hulse_timer_advance(&w, 1000), 1);
}

static void test_a_clock_that_goes_back_does_nothing(void **state)
{
    struct timer_wheel w;

    (void)state;
    hulse_timer_wheel_init(&w, 1000);
    struct probe p = probe_of(&w);
    hulse_timer_start(&w, &p.timer, 1001);
    assert_int_equal(hulse_timer_advance(&w, 10), 0);
    assert_int_equal(w.now_ms, 1000);
    assert_int_equal(hulse_timer_advance(&w, 1001), 1);
}

static void test_restarting_inside_fire_waits_for_the_next_advance(void **state)
{
    struct timer_wheel w;

    (void)state;
    hulse_timer_wheel_init(&w, 100);
    struct probe p = probe_of(&w);
    p.again_ms = 100; /* always in the past: must not spin within one advance */
    hulse_timer_start(&w, &p.timer, 101);
    assert_int_equal(hulse_timer_advance(&w, 5000), 1);
    assert_int_equal(hulse_timer_advance(&w, 5000), 1);
    assert_int_equal(hulse_timer_next(&w), 5000);
    p.again_ms = 0;
    assert_int_equal(hulse_timer_advance(&w, 5001), 1);
    assert_int_equal(p.fired, 3);
    assert_int_equal(hulse_timer_next(&w), HULSE_TIMER_NEVER);
}

static void test_stopping_or_freeing_another_due_timer_inside_fire(void **state)
{
    struct timer_wheel w;

    (void)state;
    hulse_timer_wheel_init(&w, 0);
    struct probe first = probe_of(&w);
    struct probe second = probe_of(&w);
    first.stop_other = true;
    first.other = &second;
    hulse_timer_start(&w, &first.timer, 10);
    hulse_timer_start(&w, &second.timer, 11);
    assert_int_equal(hulse_timer_advance(&w, 20), 1);
    assert_int_equal(second.fired, 0);
    assert_int_equal(w.count, 0);

    struct probe *third = malloc(sizeof(*third));
    assert_non_null(third);
    *third = probe_of(&w);
    first.stop_other = false;
    first.free_other = true;
    first.other = third;
    hulse_timer_start(&w, &first.timer, 30);
    hulse_timer_start(&w, &third->timer, 31);
    assert_int_equal(hulse_timer_advance(&w, 40), 1);
    assert_null(first.other);
}

static void test_next_knows_from_within_fire_what_is_still_due(void **state)
{
    struct timer_wheel w;

    (void)state;
    hulse_timer_wheel_init(&w, 0);
    struct probe first = probe_of(&w);
    struct probe second = probe_of(&w);
    hulse_timer_start(&w, &first.timer, 10);
    hulse_timer_start(&w, &second.timer, 20);
    assert_int_equal(hulse_timer_advance(&w, 30), 2);
    assert_int_equal(first.next_ms, 30);
    assert_true(second.next_ms == HULSE_TIMER_NEVER);
}

static void test_stopping_clears_what_next_reports(void **state)
{
    static const uint64_t distances[] = {1, 70, 5000, 300000, 20000000, 1ULL << 31, 1ULL << 38};
    struct timer_wheel w;

    (void)state;
    hulse_timer_wheel_init(&w, 7);
    for (size_t i = 0; i < COUNT_OF(distances); i++) {
        struct probe a = probe_of(&w);
        struct probe b = probe_of(&w);
        hulse_timer_start(&w, &a.timer, 7 + distances[i]);
        hulse_timer_start(&w, &b.timer, 7 + distances[i]);
        hulse_timer_stop(&w, &a.timer);
        hulse_timer_stop(&w, &a.timer);
        assert_true(hulse_timer_next(&w) <= 7 + distances[i]);
        hulse_timer_stop(&w, &b.timer);
        assert_true(hulse_timer_next(&w) == HULSE_TIMER_NEVER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_wheel_does_what_a_plain_table_does),
        cmocka_unit_test(test_never_early_and_exactly_on_time_at_every_distance),
        cmocka_unit_test(test_following_next_reaches_the_timer_in_few_steps),
        cmocka_unit_test(test_a_past_time_fires_at_the_next_advance),
        cmocka_unit_test(test_a_clock_that_goes_back_does_nothing),
        cmocka_unit_test(test_restarting_inside_fire_waits_for_the_next_advance),
        cmocka_unit_test(test_stopping_or_freeing_another_due_timer_inside_fire),
        cmocka_unit_test(test_next_knows_from_within_fire_what_is_still_due),
        cmocka_unit_test(test_stopping_clears_what_next_reports),
    };

    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
