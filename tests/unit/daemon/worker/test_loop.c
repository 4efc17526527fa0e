/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a loop handles descriptors, inbox and timers; a watch that was removed never fires, even
 *         when its event had been fetched; a sleep ends by each of the three.
 * Method: eventfds as descriptors; callbacks that remove and free each other.
 */
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/worker/loop.h"
#include "tests/unit/daemon/core/check.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct probe {
    struct watch watch;
    struct loop *loop;
    struct probe **victim; /* removed, closed and freed when this one fires */
    unsigned fired;
    uint32_t events;
};

static void probe_fire(struct watch *watch, uint32_t events);

static struct probe *probe_create(struct loop *l, uint32_t events)
{
    struct probe *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    p->watch = (struct watch){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .fire = probe_fire};
    p->loop = l;
    assert_true(p->watch.fd >= 0);
    assert_true(hulse_loop_add(l, &p->watch, events));
    return p;
}

static void probe_destroy(struct probe **p)
{
    hulse_loop_remove((*p)->loop, &(*p)->watch);
    assert_int_equal(close((*p)->watch.fd), 0);
    free(*p);
    *p = NULL;
}

static void probe_fire(struct watch *watch, uint32_t events)
{
    struct probe *p = HULSE_CONTAINER(watch, struct probe, watch);

    p->fired++;
    p->events |= events;
    if (p->victim != NULL && *p->victim != NULL) {
        probe_destroy(p->victim);
    }
}

static void ring(const struct probe *p)
{
    const uint64_t one = 1;

    assert_int_equal(write(p->watch.fd, &one, sizeof(one)), sizeof(one));
}

static void silence(const struct probe *p)
{
    uint64_t value = 0;

    assert_int_equal(read(p->watch.fd, &value, sizeof(value)), sizeof(value));
}

static void test_level_and_edge(void **state)
{
    struct loop l;

    (void)state;
    assert_true(hulse_loop_init(&l, 16));
    struct probe *level = probe_create(&l, EPOLLIN);
    struct probe *edge = probe_create(&l, EPOLLIN | EPOLLET);
    assert_int_equal(hulse_loop_round(&l, 0), 0);
    ring(level);
    ring(edge);
    assert_int_equal(hulse_loop_round(&l, -1), 2);
    assert_int_equal(hulse_loop_round(&l, 0), 1);
    assert_int_equal(level->fired, 2);
    assert_int_equal(edge->fired, 1);
    assert_int_equal(edge->events, EPOLLIN);
    /* Never read: each ring is an edge of its own. */
    ring(edge);
    silence(level);
    assert_int_equal(hulse_loop_round(&l, 0), 1);
    assert_int_equal(edge->fired, 2);

    assert_true(hulse_loop_modify(&l, &level->watch, EPOLLOUT));
    assert_int_equal(hulse_loop_round(&l, 0), 1);
    assert_int_equal(level->events, EPOLLIN | EPOLLOUT);
    probe_destroy(&level);
    probe_destroy(&edge);
    hulse_loop_fini(&l);
}

static void test_a_bad_descriptor_is_refused(void **state)
{
    struct loop l;
    struct watch w = {.fd = -1, .fire = probe_fire};

    (void)state;
    assert_true(hulse_loop_init(&l, 16));
    assert_false(hulse_loop_add(&l, &w, EPOLLIN));
    hulse_loop_remove(&l, &w);
    hulse_loop_fini(&l);
}

/* Two that are ready at once, each of which frees the other: exactly one fires. */
static void test_a_watch_removed_in_the_same_round_does_not_fire(void **state)
{
    struct loop l;

    (void)state;
    assert_true(hulse_loop_init(&l, 16));
    struct probe *a = probe_create(&l, EPOLLIN);
    struct probe *b = probe_create(&l, EPOLLIN);
    a->victim = &b;
    b->victim = &a;
    ring(a);
    ring(b);
    assert_int_equal(hulse_loop_round(&l, 0), 1);
    assert_true((a == NULL) != (b == NULL));
    struct probe *left = a != NULL ? a : b;
    assert_int_equal(left->fired, 1);
    /* A new one may lie where the freed one lay; it has no event of the old one. */
    struct probe *fresh = probe_create(&l, EPOLLIN);
    assert_int_equal(hulse_loop_round(&l, 0), 1);
    assert_int_equal(fresh->fired, 0);
    probe_destroy(&left);
    probe_destroy(&fresh);
    hulse_loop_fini(&l);
}

static void test_more_descriptors_than_fit_a_round_all_get_their_turn(void **state)
{
    enum { MANY = 2 * HULSE_LOOP_EVENTS + 10 };
    static struct probe *probes[MANY];
    struct loop l;

    (void)state;
    assert_true(hulse_loop_init(&l, 16));
    for (unsigned i = 0; i < MANY; i++) {
        probes[i] = probe_create(&l, EPOLLIN | EPOLLET);
        ring(probes[i]);
    }
    assert_int_equal(hulse_loop_round(&l, 0), HULSE_LOOP_EVENTS);
    assert_int_equal(hulse_loop_round(&l, 0), HULSE_LOOP_EVENTS);
    assert_int_equal(hulse_loop_round(&l, 0), 10);
    assert_int_equal(hulse_loop_round(&l, 0), 0);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(probes[i]->fired, 1);
        probe_destroy(&probes[i]);
    }
    hulse_loop_fini(&l);
}

/* ---- timers and inbox ---------------------------------------------------------------------- */

struct alarm {
    struct timer timer;
    unsigned fired;
};

static void alarm_fire(struct timer *timer)
{
    HULSE_CONTAINER(timer, struct alarm, timer)->fired++;
}

static void test_a_timer_ends_a_sleep_and_is_not_early(void **state)
{
    struct loop l;
    struct alarm a = {.timer.fire = alarm_fire};

    (void)state;
    assert_true(hulse_loop_init(&l, 16));
    for (unsigned wait_ms = 0; wait_ms < 12; wait_ms++) {
        const uint64_t due_ms = hulse_clock_ns() / 1000000U + wait_ms;
        a.fired = 0;
        hulse_timer_start(&l.timers, &a.timer, due_ms);
        while (a.fired == 0) {
            (void)hulse_loop_round(&l, -1);
        }
        assert_true(hulse_loop_now_ms(&l) >= due_ms);
        assert_true(hulse_clock_ns() >= due_ms * 1000000U);
    }
    hulse_loop_fini(&l);
}

static void test_a_timeout_ends_a_sleep_without_anything(void **state)
{
    struct loop l;
    struct alarm far = {.timer.fire = alarm_fire};

    (void)state;
    assert_true(hulse_loop_init(&l, 16));
    const uint64_t begun_ns = l.now_ns;
    assert_int_equal(hulse_loop_round(&l, 5), 0);
    assert_true(l.now_ns - begun_ns >= 5000000U);
    /* The shorter of the two counts. */
    hulse_timer_start(&l.timers, &far.timer, hulse_loop_now_ms(&l) + 3600000);
    assert_int_equal(hulse_loop_round(&l, 1), 0);
    hulse_timer_stop(&l.timers, &far.timer);
    hulse_loop_fini(&l);
}

struct note {
    struct inbox_node node;
    unsigned ran;
};

static void note_run(struct inbox_node *node)
{
    HULSE_CONTAINER(node, struct note, node)->ran++;
}

static void *post_later(void *argument)
{
    static struct note note = {.node.run = note_run};
    struct loop *l = argument;
    const struct timespec pause = {.tv_nsec = 2000000};

    (void)nanosleep(&pause, NULL);
    hulse_inbox_answer(&l->inbox, &note.node);
    return &note;
}

static void test_a_post_ends_a_sleep(void **state)
{
    struct loop l;

    (void)state;
    assert_true(hulse_loop_init(&l, 16));
    for (unsigned i = 0; i < 30; i++) {
        pthread_t thread;
        void *note = NULL;
        assert_int_equal(pthread_create(&thread, NULL, post_later, &l), 0);
        while (hulse_loop_round(&l, -1) == 0) {
            /* A ring that came late shortens a sleep. */
        }
        assert_int_equal(pthread_join(thread, &note), 0);
        assert_int_equal(((struct note *)note)->ran, i + 1);
    }
    /* Nothing is left over: the loop sleeps its whole time. */
    assert_int_equal(hulse_loop_round(&l, 0), 0);
    hulse_loop_fini(&l);
}

static void test_an_inbox_that_has_something_prevents_the_sleep(void **state)
{
    struct loop l;
    struct note n = {.node.run = note_run};

    (void)state;
    assert_true(hulse_loop_init(&l, 16));
    assert_true(hulse_inbox_post(&l.inbox, &n.node));
    assert_int_equal(hulse_loop_round(&l, -1), 1);
    assert_int_equal(n.ran, 1);
    hulse_loop_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level_and_edge),
        cmocka_unit_test(test_a_bad_descriptor_is_refused),
        cmocka_unit_test(test_a_watch_removed_in_the_same_round_does_not_fire),
        cmocka_unit_test(test_more_descriptors_than_fit_a_round_all_get_their_turn),
        cmocka_unit_test(test_a_timer_ends_a_sleep_and_is_not_early),
        cmocka_unit_test(test_a_timeout_ends_a_sleep_without_anything),
        cmocka_unit_test(test_a_post_ends_a_sleep),
        cmocka_unit_test(test_an_inbox_that_has_something_prevents_the_sleep),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
