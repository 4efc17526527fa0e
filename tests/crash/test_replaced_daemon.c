/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=240 */
/*
 * Goal:   a daemon that is replaced while applications publish is a pause for them: every message has
 *         one verdict, in order, and none is counted as lost or sent again without need; of a
 *         persistent topic each arrives once, in order, at a consumer that lives through it as well.
 *         The new daemon waits for the store of the old one.
 * Method: the real daemons and library; a thread publishes all the time, another one consumes, the
 *         main one replaces.
 *         Number of replacements: the first argument, else HULSE_CRASH_ROUNDS, else 12.
 */
#include "tests/support/check.h"
#include "tests/support/daemon_process.h"

#include <hulse/hulse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOPIC "non-persistent://public/default/replace"
#define STORED_TOPIC "persistent://public/default/replace"

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

struct consumer {
    hulse_session *session;
    hulse_consumer *consumer;
    _Atomic(uint64_t) taken;
    _Atomic(bool) enough;
    _Atomic(int) wrong;
};

static void note_line(_Atomic(int) *wrong, int line)
{
    int none = 0;
    (void)atomic_compare_exchange_strong(wrong, &none, line);
}

static void note(struct publisher *p, int line)
{
    note_line(&p->wrong, line);
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

/* Each message once, in order. */
static void take(struct consumer *c, const struct hulse_message *in)
{
    uint64_t number = 0;

    if (in->data_bytes != sizeof(number)) {
        note_line(&c->wrong, __LINE__);
        return;
    }
    memcpy(&number, in->data, sizeof(number));
    if (number != c->taken) {
        (void)fprintf(stderr,
                      "taken: %llu instead of %llu\n",
                      (unsigned long long)number,
                      (unsigned long long)c->taken);
        note_line(&c->wrong, __LINE__);
    }
    hulse_status st = HULSE_OK;
    while ((st = hulse_ack(c->consumer, &in->id)) == HULSE_AGAIN) {
        (void)!hulse_consumer_sync(c->consumer, PATIENCE_MS);
    }
    if (st != HULSE_OK) {
        note_line(&c->wrong, __LINE__);
    }
    hulse_release(c->consumer, in);
    c->taken += 1;
}

static void *consume_on(void *ctx)
{
    struct consumer *c = ctx;

    while (!c->enough && c->wrong == 0) {
        struct hulse_message in = {.size = sizeof(in)};
        const hulse_status st = hulse_next_wait(c->consumer, &in, 20);
        if (st == HULSE_OK) {
            take(c, &in);
        } else if (st != HULSE_TIMED_OUT && st != HULSE_AGAIN && st != HULSE_ORPHAN) {
            (void)fprintf(stderr, "next: %d %s\n", st, hulse_last_error(c->session));
            note_line(&c->wrong, __LINE__);
        }
    }
    return NULL;
}

static void open_consumer(struct consumer *c, const struct daemon_process *d)
{
    hulse_options *o = hulse_options_new();

    *c = (struct consumer){0};
    assert_int_equal(hulse_options_socket(o, d->socket), HULSE_OK);
    assert_int_equal(hulse_open(&c->session, o), HULSE_OK);
    assert_int_equal(hulse_consumer_open(c->session, &c->consumer, STORED_TOPIC, "replace", NULL),
                     HULSE_OK);
    hulse_options_free(&o);
}

static void open_publisher(struct publisher *p, const struct daemon_process *d, const char *topic)
{
    hulse_options *o = hulse_options_new();
    hulse_producer_options *po = hulse_producer_options_new();

    *p = (struct publisher){0};
    assert_int_equal(hulse_options_socket(o, d->socket), HULSE_OK);
    assert_int_equal(hulse_producer_options_receipts(po, HULSE_RECEIPTS_FULL), HULSE_OK);
    assert_int_equal(hulse_open(&p->session, o), HULSE_OK);
    assert_int_equal(hulse_producer_open(p->session, &p->producer, topic, po), HULSE_OK);
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
    open_publisher(&p, &d, TOPIC);
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

static void await_taken(const struct consumer *c, uint64_t count)
{
    for (int i = 0; i < PATIENCE_MS && c->taken < count && c->wrong == 0; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(c->wrong, 0);
    assert_int_equal(c->taken, count);
}

static void test_what_is_stored_arrives_once(void **state)
{
    struct daemon_process d;
    static struct publisher p;
    static struct consumer c;
    pthread_t threads[2];

    (void)state;
    hulse_test_daemon_start(&d, settings);
    open_consumer(&c, &d);
    open_publisher(&p, &d, STORED_TOPIC);
    assert_int_equal(pthread_create(&threads[0], NULL, publish_on, &p), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, consume_on, &c), 0);
    for (unsigned round = 0; round < rounds; round++) {
        await_told(&p, p.told + STEP);
        assert_true(hulse_test_daemon_replace(&d, settings));
    }
    await_told(&p, p.told + STEP);
    p.enough = true;
    assert_int_equal(pthread_join(threads[0], NULL), 0);
    assert_int_equal(p.wrong, 0);
    await_taken(&c, p.sent);
    (void)usleep(100000); /* and no more of them */
    c.enough = true;
    assert_int_equal(pthread_join(threads[1], NULL), 0);
    await_taken(&c, p.sent);
    assert_int_equal(hulse_test_daemon_stat(&d, "lost_after_exit"), 0);
    assert_int_equal(hulse_close(&p.session, PATIENCE_MS), HULSE_OK);
    assert_int_equal(hulse_close(&c.session, PATIENCE_MS), HULSE_OK);
    assert_true(hulse_test_daemon_stop(&d));
}

/* Nothing is published meanwhile: what was told before is not told again. */
static void test_an_idle_publisher_is_sent_nothing_again(void **state)
{
    struct daemon_process d;
    static struct publisher p;

    (void)state;
    hulse_test_daemon_start(&d, settings);
    open_publisher(&p, &d, TOPIC);
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
        cmocka_unit_test(test_what_is_stored_arrives_once),
        cmocka_unit_test(test_an_idle_publisher_is_sent_nothing_again),
    };
    const char *given = argc > 1 ? argv[1] : getenv("HULSE_CRASH_ROUNDS");

    if (given != NULL) {
        rounds = (unsigned)strtoul(given, NULL, 10);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
