/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=240 */
/*
 * Goal:   a daemon that is replaced while applications publish is a pause for them: every message has
 *         one verdict, in order, and none is counted as lost or sent again without need.
 * Method: the real daemons and library; a thread publishes all the time, the main one replaces.
 *         Number of replacements: the first argument, else HULSE_CRASH_ROUNDS, else 12.
 */
#include "tests/support/check.h"
#include "tests/support/daemon_process.h"

#include <hulse/hulse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOPIC "non-persistent://public/default/replace"

enum { ROUNDS_DEFAULT = 12, WINDOW = 64, RECEIPTS_MAX = 256, PATIENCE_MS = 20000, STEP = 2000 };

static unsigned rounds = ROUNDS_DEFAULT;
/* Sessions are not waited for, whatever this says. */
static const char *const settings[] = {"drain_timeout=1h", "workers.count=1", NULL};

struct publisher {
    hulse_session *session;
    hulse_producer *producer;
    uint64_t sent;
    _Atomic(uint64_t) told;
    _Atomic(bool) enough;
    _Atomic(int) wrong; /* line number */
};

static void note(struct publisher *p, int line)
{
    int none = 0;
    (void)atomic_compare_exchange_strong(&p->wrong, &none, line);
}

/* Each message's verdict once, and in order. */
static void read_receipts(struct publisher *p)
{
    struct hulse_receipt r[RECEIPTS_MAX];
    unsigned count = 0;

    if (hulse_receipts(p->producer, r, RECEIPTS_MAX, &count) != HULSE_OK) {
        note(p, __LINE__);
    }
    for (unsigned i = 0; i < count; i++) {
        if (r[i].outcome != HULSE_OUTCOME_STORED || r[i].token != p->told) {
            note(p, __LINE__);
        }
        p->told += 1;
    }
}

static void wait_and_read(struct publisher *p)
{
    const hulse_status st = hulse_wait(p->session, 0, PATIENCE_MS);

    if (st != HULSE_OK) {
        (void)fprintf(stderr, "wait: %d %s\n", st, hulse_last_error(p->session));
        note(p, __LINE__);
    }
    read_receipts(p);
}

static void *publish_on(void *ctx)
{
    struct publisher *p = ctx;

    while (!p->enough && p->wrong == 0) {
        const hulse_status st =
            p->sent - p->told >= WINDOW
                ? HULSE_AGAIN
                : hulse_publish(p->producer, &p->sent, sizeof(p->sent), NULL, p->sent);
        if (st == HULSE_OK) {
            p->sent += 1;
        } else if (st == HULSE_AGAIN) {
            wait_and_read(p);
        } else {
            note(p, __LINE__);
        }
    }
    while (p->told < p->sent && p->wrong == 0) {
        wait_and_read(p);
    }
    return NULL;
}

static void open_publisher(struct publisher *p, const struct daemon_process *d)
{
    hulse_options *o = hulse_options_new();
    hulse_producer_options *po = hulse_producer_options_new();

    *p = (struct publisher){0};
    assert_int_equal(hulse_options_socket(o, d->socket), HULSE_OK);
    assert_int_equal(hulse_producer_options_receipts(po, HULSE_RECEIPTS_FULL), HULSE_OK);
    assert_int_equal(hulse_open(&p->session, o), HULSE_OK);
    assert_int_equal(hulse_producer_open(p->session, &p->producer, TOPIC, po), HULSE_OK);
    hulse_options_free(&o);
    hulse_producer_options_free(&po);
}

static void await_told(const struct publisher *p, uint64_t count)
{
    for (int i = 0; i < PATIENCE_MS && p->told < count && p->wrong == 0; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(p->wrong, 0);
    assert_true(p->told >= count);
}

static void test_a_publisher_goes_on_with_every_next_daemon(void **state)
{
    struct daemon_process d;
    static struct publisher p;
    pthread_t thread;

    (void)state;
    hulse_test_daemon_start(&d, settings);
    open_publisher(&p, &d);
    assert_int_equal(pthread_create(&thread, NULL, publish_on, &p), 0);
    for (unsigned round = 0; round < rounds; round++) {
        await_told(&p, p.told + STEP);
        assert_true(hulse_test_daemon_replace(&d, settings));
    }
    await_told(&p, p.told + STEP);
    p.enough = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(p.wrong, 0);
    assert_int_equal(p.told, p.sent);
    assert_int_equal(hulse_test_daemon_stat(&d, "lost_after_exit"), 0);
    assert_int_equal(hulse_close(&p.session, PATIENCE_MS), HULSE_OK);
    assert_true(hulse_test_daemon_stop(&d));
}

/* Nothing is published meanwhile: what was told before is not told again. */
static void test_an_idle_publisher_is_sent_nothing_again(void **state)
{
    struct daemon_process d;
    static struct publisher p;

    (void)state;
    hulse_test_daemon_start(&d, settings);
    open_publisher(&p, &d);
    while (p.sent < 100) {
        assert_int_equal(hulse_publish(p.producer, "x", 1, NULL, p.sent), HULSE_OK);
        p.sent += 1;
    }
    while (p.told < p.sent) {
        wait_and_read(&p);
        assert_int_equal(p.wrong, 0);
    }
    for (unsigned round = 0; round < 3; round++) {
        assert_true(hulse_test_daemon_replace(&d, settings));
        assert_int_equal(hulse_publish(p.producer, "x", 1, NULL, p.sent), HULSE_OK);
        p.sent += 1;
        assert_int_equal(hulse_sync(p.producer, PATIENCE_MS, NULL), HULSE_OK);
        read_receipts(&p);
        assert_int_equal(p.wrong, 0);
        assert_int_equal(p.told, p.sent);
        assert_int_equal(hulse_test_daemon_stat(&d, "records_taken"), 1);
    }
    assert_int_equal(hulse_close(&p.session, PATIENCE_MS), HULSE_OK);
    assert_true(hulse_test_daemon_stop(&d));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_publisher_goes_on_with_every_next_daemon),
        cmocka_unit_test(test_an_idle_publisher_is_sent_nothing_again),
    };
    const char *given = argc > 1 ? argv[1] : getenv("HULSE_CRASH_ROUNDS");

    if (given != NULL) {
        rounds = (unsigned)strtoul(given, NULL, 10);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
