/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=240 */
/*
 * Goal:   S2 and S8 for what is published: a daemon killed at any instant is a pause. Every message has
 *         one verdict, in order, without a word of the application's; a session that was idle all the
 *         time drains when it is closed; a daemon that never comes back is said so, in time.
 * Method: the real daemon and library. A stopped daemon takes nothing, so what is published then is
 *         certainly in flight when it is killed.
 *         Number of kills: the first argument, else HULSE_CRASH_ROUNDS, else 60. Seed:
 *         HULSE_TEST_SEED, printed.
 */
#include "tests/support/check.h"
#include "tests/support/daemon_process.h"
#include "tests/support/runtime.h"

#include <hulse/hulse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TOPIC "non-persistent://public/default/kill"

enum {
    MANY = 12, /* channels */
    ROUNDS_DEFAULT = 60,
    WINDOW = 64,
    PER_ROUND = 2000,
    RECEIPTS_MAX = 256,
    RING = 64 * 1024,
    PATIENCE_MS = 20000
};

static unsigned rounds = ROUNDS_DEFAULT;
static unsigned seed;

struct scene {
    struct daemon_process d;
    hulse_session *session;
    hulse_producer *producer;
    uint64_t sent;
    uint64_t told; /* receipts: each carries this number */
};

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return ((uint64_t)t.tv_sec * 1000) + ((uint64_t)t.tv_nsec / 1000000);
}

static void set(struct scene *s, enum hulse_receipts mode)
{
    hulse_options *o = hulse_options_new();
    hulse_producer_options *po = hulse_producer_options_new();
    *s = (struct scene){0};
    hulse_test_daemon_start(&s->d, NULL);
    assert_int_equal(hulse_options_socket(o, s->d.socket), HULSE_OK);
    assert_int_equal(hulse_options_connect_timeout(o, PATIENCE_MS), HULSE_OK);
    assert_int_equal(hulse_producer_options_receipts(po, mode), HULSE_OK);
    assert_int_equal(hulse_producer_options_ring(po, RING), HULSE_OK);
    assert_int_equal(hulse_open(&s->session, o), HULSE_OK);
    assert_int_equal(hulse_producer_open(s->session, &s->producer, TOPIC, po), HULSE_OK);
    hulse_options_free(&o);
    hulse_producer_options_free(&po);
}

static void strike(struct scene *s)
{
    assert_int_equal(hulse_close(&s->session, PATIENCE_MS), HULSE_OK);
    assert_true(hulse_test_daemon_stop(&s->d));
}

/* False: the ring is full. */
static bool publish(struct scene *s)
{
    const hulse_status st = hulse_publish(s->producer, &s->sent, sizeof(s->sent), NULL, s->sent);
    assert_true(st == HULSE_OK || st == HULSE_AGAIN);
    s->sent += st == HULSE_OK;
    return st == HULSE_OK;
}

/* Reads what is there; each message's verdict once, and in order. */
static void read_receipts(struct scene *s)
{
    struct hulse_receipt r[RECEIPTS_MAX];
    unsigned count = 0;
    do {
        assert_int_equal(hulse_receipts(s->producer, r, RECEIPTS_MAX, &count), HULSE_OK);
        for (unsigned i = 0; i < count; i++) {
            assert_int_equal(r[i].outcome, HULSE_OUTCOME_STORED);
            assert_int_equal(r[i].token, s->told);
            s->told += 1;
        }
    } while (count == RECEIPTS_MAX);
}

static void read_all(struct scene *s)
{
    const uint64_t until = now_ms() + PATIENCE_MS;
    while (s->told < s->sent) {
        assert_true(now_ms() < until);
        const hulse_status st = hulse_wait(s->session, 0, 1000);
        if (st != HULSE_OK && st != HULSE_TIMED_OUT) {
            fail_msg("wait gives %d: %s", st, hulse_last_error(s->session));
        }
        read_receipts(s);
    }
}

static void stop_daemon(const struct scene *s)
{
    int status = 0;
    (void)kill(s->d.pid, SIGSTOP);
    assert_int_equal(waitpid(s->d.pid, &status, WUNTRACED), s->d.pid);
    assert_true(WIFSTOPPED(status));
}

static void test_what_was_in_flight_gets_its_verdicts(void **state)
{
    struct scene s;
    (void)state;
    set(&s, HULSE_RECEIPTS_FULL);
    assert_true(publish(&s));
    read_all(&s);
    for (unsigned round = 0; round < 10; round++) {
        stop_daemon(&s);
        for (unsigned i = 0; i < 500; i++) {
            assert_true(publish(&s));
        }
        hulse_test_daemon_kill(&s.d);
        hulse_test_daemon_again(&s.d, NULL);
        read_all(&s);
    }
    assert_int_equal(s.told, 5001);
    strike(&s);
}

/* Whatever the kill meets: records half taken, receipts half posted, the last kill's re-attach. */
static void test_kills_at_any_instant(void **state)
{
    struct scene s;
    (void)state;
    unsigned random = seed;
    set(&s, HULSE_RECEIPTS_FULL);
    for (unsigned round = 0; round < rounds; round++) {
        const unsigned kill_at = (unsigned)rand_r(&random) % PER_ROUND;
        for (unsigned i = 0; i < PER_ROUND; i++) {
            while (s.sent - s.told >= WINDOW || !publish(&s)) {
                const hulse_status st = hulse_wait(s.session, 0, 1000);
                assert_true(st == HULSE_OK || st == HULSE_TIMED_OUT);
                read_receipts(&s);
            }
            if (i == kill_at) {
                hulse_test_daemon_kill(&s.d);
                hulse_test_daemon_again(&s.d, NULL);
            }
        }
    }
    read_all(&s);
    assert_int_equal(s.told, (uint64_t)rounds * PER_ROUND);
    strike(&s);
}

/* Receipts that nobody reads stay, over as many daemons as regions are kept and more. */
static void test_unread_receipts_outlive_their_daemons(void **state)
{
    struct scene s;
    uint64_t failed = 0;
    (void)state;
    set(&s, HULSE_RECEIPTS_FULL);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 100; i++) {
            assert_true(publish(&s));
        }
        assert_int_equal(hulse_sync(s.producer, PATIENCE_MS, &failed), HULSE_OK);
        assert_int_equal(failed, 0);
        hulse_test_daemon_kill(&s.d);
        hulse_test_daemon_again(&s.d, NULL);
    }
    for (unsigned i = 0; i < 100; i++) {
        assert_true(publish(&s));
    }
    assert_int_equal(hulse_sync(s.producer, PATIENCE_MS, NULL), HULSE_OK);
    hulse_test_daemon_kill(&s.d);
    hulse_test_daemon_again(&s.d, NULL);
    assert_true(publish(&s));
    assert_int_equal(hulse_sync(s.producer, PATIENCE_MS, NULL), HULSE_RECEIPTS);
    read_all(&s);
    assert_int_equal(s.told, 501);
    strike(&s);
}

static void test_a_ring_that_filled_up_meanwhile(void **state)
{
    struct scene s;
    (void)state;
    set(&s, HULSE_RECEIPTS_FULL);
    hulse_test_daemon_kill(&s.d);
    while (publish(&s)) {
    }
    assert_true(s.sent > 1000);
    assert_non_null(strstr(hulse_producer_error(s.producer), "full"));
    assert_int_equal(hulse_wait_space(s.producer, 8, 50), HULSE_TIMED_OUT);
    assert_int_equal(hulse_poll(s.session, 0), HULSE_ORPHAN); /* news, no failure */
    read_receipts(&s);
    assert_int_equal(s.told, 0);
    hulse_test_daemon_again(&s.d, NULL);
    assert_int_equal(hulse_wait_space(s.producer, 8, PATIENCE_MS), HULSE_OK);
    assert_true(publish(&s));
    read_all(&s);
    assert_int_equal(hulse_poll(s.session, 0), HULSE_OK);
    strike(&s);
}

/* No receipts: what was not released is sent again. The new daemon has taken all of it. */
static void drains_at_close(enum hulse_receipts mode)
{
    struct scene s;
    set(&s, mode);
    stop_daemon(&s);
    for (unsigned i = 0; i < 300; i++) {
        assert_true(publish(&s));
    }
    hulse_test_daemon_kill(&s.d);
    hulse_test_daemon_again(&s.d, NULL);
    assert_int_equal(hulse_close(&s.session, PATIENCE_MS), HULSE_OK);
    assert_int_equal(hulse_test_daemon_stat(&s.d, "records_taken"), 300);
    assert_true(hulse_test_daemon_stop(&s.d));
}

static void test_an_idle_session_drains_when_it_is_closed(void **state)
{
    (void)state;
    drains_at_close(HULSE_RECEIPTS_NONE);
    drains_at_close(HULSE_RECEIPTS_ERRORS);
    drains_at_close(HULSE_RECEIPTS_FULL);
}

/* All are offered at once, more than may be opening otherwise. */
static void test_many_channels(void **state)
{
    struct scene s;
    hulse_producer *more[MANY];
    (void)state;
    set(&s, HULSE_RECEIPTS_FULL);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(hulse_producer_open(s.session, &more[i], TOPIC, NULL), HULSE_OK);
    }
    hulse_test_daemon_kill(&s.d);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(hulse_publish(more[i], &i, sizeof(i), NULL, 0), HULSE_OK);
    }
    hulse_test_daemon_again(&s.d, NULL);
    for (unsigned i = 0; i < MANY; i++) {
        uint64_t failed = 0;
        assert_int_equal(hulse_sync(more[i], PATIENCE_MS, &failed), HULSE_OK);
        assert_int_equal(failed, 0);
        assert_int_equal(hulse_producer_close(&more[i], PATIENCE_MS), HULSE_OK);
    }
    strike(&s);
}

static void test_a_daemon_that_never_comes_back(void **state)
{
    struct scene s;
    (void)state;
    set(&s, HULSE_RECEIPTS_NONE);
    stop_daemon(&s);
    assert_true(publish(&s));
    hulse_test_daemon_kill(&s.d);
    assert_int_equal(hulse_sync(s.producer, 100, NULL), HULSE_TIMED_OUT);
    assert_non_null(strstr(hulse_producer_error(s.producer), "no daemon"));
    const uint64_t before = now_ms();
    assert_int_equal(hulse_close(&s.session, 300), HULSE_ORPHAN);
    assert_true(now_ms() - before >= 300);
    hulse_test_daemon_again(&s.d, NULL); /* removes the directory */
    assert_true(hulse_test_daemon_stop(&s.d));
}

/* An application that sleeps on the descriptor alone. */
static void test_an_event_loop_needs_nothing_but_its_descriptor(void **state)
{
    struct scene s;
    (void)state;
    set(&s, HULSE_RECEIPTS_FULL);
    const int fd = hulse_fd(s.session, 0);
    for (unsigned round = 0; round < 3; round++) {
        const uint64_t until = now_ms() + PATIENCE_MS;
        stop_daemon(&s);
        assert_true(publish(&s));
        hulse_test_daemon_kill(&s.d);
        for (bool started = false; s.told < s.sent;) {
            struct pollfd at = {.fd = fd, .events = POLLIN};
            assert_true(now_ms() < until);
            if (hulse_arm(s.session, 0) == HULSE_OK) {
                assert_int_equal(poll(&at, 1, PATIENCE_MS), 1);
            }
            const hulse_status st = hulse_poll(s.session, 0);
            assert_true(st == HULSE_OK || st == HULSE_ORPHAN);
            read_receipts(&s);
            if (!started && st == HULSE_ORPHAN) {
                started = true;
                hulse_test_daemon_again(&s.d, NULL);
            }
        }
        assert_int_equal(hulse_fd(s.session, 0), fd);
    }
    strike(&s);
}

/* Opening waits for the next daemon. */
static void test_opens_while_the_daemon_is_away(void **state)
{
    struct scene s;
    hulse_producer *other = NULL;
    (void)state;
    set(&s, HULSE_RECEIPTS_FULL);
    hulse_test_daemon_kill(&s.d);
    (void)hulse_poll(s.session, 0);
    hulse_test_daemon_again(&s.d, NULL);
    assert_int_equal(hulse_producer_open(s.session, &other, TOPIC "-other", NULL), HULSE_OK);
    assert_int_equal(hulse_publish(other, "x", 1, NULL, 0), HULSE_OK);
    assert_int_equal(hulse_sync(other, PATIENCE_MS, NULL), HULSE_OK);
    assert_true(publish(&s));
    read_all(&s);
    strike(&s);
}

/* ---- threads ---- */

struct publisher {
    hulse_producer *producer;
    _Atomic(bool) *stop;
    hulse_status status;
    uint64_t published;
};

static void *publish_until_told(void *arg)
{
    struct publisher *p = arg;
    while (p->status == HULSE_OK && !atomic_load(p->stop)) {
        p->status = hulse_publish_wait(p->producer, "0123456789", 10, NULL, 0, PATIENCE_MS);
        p->published += 1;
    }
    if (p->status == HULSE_OK) {
        p->status = hulse_sync(p->producer, PATIENCE_MS, NULL);
    }
    return NULL;
}

/* Each leads its own channel to the next daemon; the session is led by whoever comes by. */
static void test_threads_with_groups_of_their_own(void **state)
{
    enum { THREADS = 3 };
    struct scene s;
    struct publisher p[THREADS];
    pthread_t threads[THREADS];
    _Atomic(bool) stop = false;
    (void)state;
    set(&s, HULSE_RECEIPTS_NONE);
    for (unsigned i = 0; i < THREADS; i++) {
        unsigned group = 0;
        hulse_producer_options *o = hulse_producer_options_new();
        p[i] = (struct publisher){.stop = &stop};
        assert_int_equal(hulse_group_open(s.session, &group), HULSE_OK);
        assert_int_equal(hulse_producer_options_group(o, group), HULSE_OK);
        assert_int_equal(hulse_producer_open(s.session, &p[i].producer, TOPIC, o), HULSE_OK);
        hulse_producer_options_free(&o);
        assert_int_equal(pthread_create(&threads[i], NULL, publish_until_told, &p[i]), 0);
    }
    for (unsigned round = 0; round < 5; round++) {
        const struct timespec pause = {.tv_nsec = 50000000};
        (void)nanosleep(&pause, NULL);
        hulse_test_daemon_kill(&s.d);
        hulse_test_daemon_again(&s.d, NULL);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(p[i].status, HULSE_OK);
        assert_true(p[i].published > 0);
    }
    strike(&s);
}

int main(int argc, char **argv)
{
    const char *env = getenv("HULSE_CRASH_ROUNDS");
    const char *asked = argc > 1 ? argv[1] : env;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_in_flight_gets_its_verdicts),
        cmocka_unit_test(test_kills_at_any_instant),
        cmocka_unit_test(test_unread_receipts_outlive_their_daemons),
        cmocka_unit_test(test_a_ring_that_filled_up_meanwhile),
        cmocka_unit_test(test_an_idle_session_drains_when_it_is_closed),
        cmocka_unit_test(test_many_channels),
        cmocka_unit_test(test_a_daemon_that_never_comes_back),
        cmocka_unit_test(test_an_event_loop_needs_nothing_but_its_descriptor),
        cmocka_unit_test(test_opens_while_the_daemon_is_away),
        cmocka_unit_test(test_threads_with_groups_of_their_own),
    };
    if (asked != NULL) {
        rounds = (unsigned)strtoul(asked, NULL, 10);
    }
    const char *wished = getenv("HULSE_TEST_SEED");
    seed = wished != NULL ? (unsigned)strtoul(wished, NULL, 10) : (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
