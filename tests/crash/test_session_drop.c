/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a consumer whose session is lost goes on: what the application holds is neither taken away nor
 *         handed out twice, verdicts on it count, and what it had not begun comes.
 * Method: the real daemon, whose topics keep messages only as long as it lives; so the connection is
 *         cut and not the daemon killed. What is left of the subscription is looked at by a second
 *         consumer.
 */
#include "shmlib/client/session.h"
#include "tests/support/check.h"
#include "tests/support/daemon_process.h"

#include <hulse/hulse.h>
#include <string.h>
#include <sys/socket.h>

#define TOPIC "non-persistent://public/default/drop"
#define COUNT 10U
#define HELD 4U

enum { PATIENCE_MS = 20000, QUIET_MS = 200 };

struct scene {
    struct daemon_process d;
    hulse_session *apps[2]; /* the consumer's, the publisher's */
    hulse_producer *producer;
    hulse_consumer *consumer;
    enum hulse_subscription type;
    struct hulse_message held[HELD];
};

static hulse_session *connect_to(const struct scene *s)
{
    hulse_session *session = NULL;
    hulse_options *o = hulse_options_new();
    assert_int_equal(hulse_options_socket(o, s->d.socket), HULSE_OK);
    assert_int_equal(hulse_open(&session, o), HULSE_OK);
    hulse_options_free(&o);
    return session;
}

static hulse_consumer *consume(struct scene *s, hulse_session *session)
{
    hulse_consumer *c = NULL;
    hulse_consumer_options *o = hulse_consumer_options_new();
    assert_int_equal(hulse_consumer_options_type(o, s->type), HULSE_OK);
    assert_int_equal(hulse_consumer_open(session, &c, TOPIC, "s", o), HULSE_OK);
    hulse_consumer_options_free(&o);
    return c;
}

/* Messages 0 to 9, of which 0 to 3 are in the application's hands. */
static void set(struct scene *s, enum hulse_subscription type)
{
    *s = (struct scene){.type = type};
    hulse_test_daemon_start(&s->d, NULL);
    s->apps[0] = connect_to(s);
    s->apps[1] = connect_to(s);
    s->consumer = consume(s, s->apps[0]);
    assert_int_equal(hulse_producer_open(s->apps[1], &s->producer, TOPIC, NULL), HULSE_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(hulse_publish(s->producer, &i, sizeof(i), NULL, i), HULSE_OK);
    }
    assert_int_equal(hulse_sync(s->producer, PATIENCE_MS, NULL), HULSE_OK);
    for (uint32_t i = 0; i < HELD; i++) {
        s->held[i].size = sizeof(s->held[i]);
        assert_int_equal(hulse_next_wait(s->consumer, &s->held[i], PATIENCE_MS), HULSE_OK);
    }
}

static uint32_t number(const struct hulse_message *m)
{
    uint32_t n = 0;
    assert_int_equal(m->data_bytes, sizeof(n));
    memcpy(&n, m->data, sizeof(n));
    return n;
}

static void cut(const struct scene *s)
{
    (void)shutdown(s->apps[0]->sock, SHUT_RDWR);
}

static void ack(hulse_consumer *c, const struct hulse_message *m)
{
    assert_int_equal(hulse_ack(c, &m->id), HULSE_OK);
}

/* The next ones, in order; each is acknowledged. */
static void expect(hulse_consumer *c, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++) {
        struct hulse_message m = {.size = sizeof(m)};
        assert_int_equal(hulse_next_wait(c, &m, PATIENCE_MS), HULSE_OK);
        assert_int_equal(number(&m), i);
        ack(c, &m);
        hulse_release(c, &m);
    }
}

static void expect_nothing(hulse_consumer *c)
{
    struct hulse_message m = {.size = sizeof(m)};
    assert_int_equal(hulse_next_wait(c, &m, QUIET_MS), HULSE_TIMED_OUT);
}

/* Closes the consumer; another one finds the messages [first, last] of the subscription, or none. */
static void strike(struct scene *s, uint32_t first, uint32_t last)
{
    assert_int_equal(hulse_consumer_sync(s->consumer, PATIENCE_MS), HULSE_OK);
    assert_int_equal(hulse_consumer_close(&s->consumer, PATIENCE_MS), HULSE_OK);
    hulse_consumer *c = consume(s, s->apps[1]);
    if (first <= last) {
        expect(c, first, last);
    }
    expect_nothing(c);
    assert_int_equal(hulse_close(&s->apps[0], PATIENCE_MS), HULSE_OK);
    assert_int_equal(hulse_close(&s->apps[1], PATIENCE_MS), HULSE_OK);
    assert_true(hulse_test_daemon_stop(&s->d));
}

static void test_what_is_held_is_not_handed_out_again(void **state)
{
    struct scene s;
    (void)state;
    set(&s, HULSE_SHARED);
    cut(&s);
    expect(s.consumer, HELD, COUNT - 1);
    expect_nothing(s.consumer); /* the redeliveries have been read, and adopted */
    for (uint32_t i = 0; i < HELD; i++) {
        assert_int_equal(number(&s.held[i]), i); /* in the region of the lost session */
        ack(s.consumer, &s.held[i]);
    }
    hulse_release(s.consumer, &s.held[HELD - 1]);
    assert_int_equal(hulse_test_daemon_stat(&s.d, "verdicts_ignored"), 0);
    strike(&s, 1, 0);
}

static void test_a_verdict_before_the_daemon_is_back_names_the_message(void **state)
{
    struct scene s;
    (void)state;
    set(&s, HULSE_SHARED);
    ack(s.consumer, &s.held[0]); /* in the ring, by its ref */
    cut(&s);
    ack(s.consumer, &s.held[1]);
    ack(s.consumer, &s.held[2]);
    expect(s.consumer, HELD, COUNT - 1);
    expect_nothing(s.consumer);
    hulse_release(s.consumer, &s.held[HELD - 1]);
    strike(&s, 3, 3); /* never judged */
}

/* The daemon has delivered it again, and the application has not seen that yet. */
static void test_a_verdict_that_crosses_the_redelivery(void **state)
{
    struct scene s;
    struct hulse_stats stats = {.size = sizeof(stats)};
    (void)state;
    set(&s, HULSE_SHARED);
    cut(&s);
    do {
        const hulse_status st = hulse_wait(s.apps[0], 0, 10);
        assert_true(st == HULSE_OK || st == HULSE_TIMED_OUT);
        assert_int_equal(hulse_consumer_stats(s.consumer, &stats), HULSE_OK);
    } while (hulse_poll(s.apps[0], 0) != HULSE_OK || stats.posted_records < 2UL * COUNT);
    ack(s.consumer, &s.held[0]);
    ack(s.consumer, &s.held[1]);
    assert_int_equal(hulse_nack(s.consumer, &s.held[3].id, 1), HULSE_OK);
    assert_int_equal(hulse_consumer_sync(s.consumer, PATIENCE_MS), HULSE_OK);
    assert_int_equal(hulse_test_daemon_stat(&s.d, "verdicts_ignored"), 0);
    struct hulse_message m = {.size = sizeof(m)};
    /* The refused one may be seen before its delay is over, but is not lost. */
    unsigned seen[COUNT] = {0};
    while (hulse_next_wait(s.consumer, &m, QUIET_MS) == HULSE_OK) {
        seen[number(&m)] += 1;
        ack(s.consumer, &m);
        hulse_release(s.consumer, &m);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(i == 3 ? seen[i] != 0 : seen[i] == (i >= HELD));
    }
    hulse_release(s.consumer, &s.held[HELD - 1]);
    strike(&s, 2, 2);
}

/* Twice: what was adopted is held of the lost daemon again. */
static void test_two_losses(void **state)
{
    struct scene s;
    (void)state;
    set(&s, HULSE_SHARED);
    cut(&s);
    expect(s.consumer, HELD, HELD + 1);
    cut(&s);
    expect(s.consumer, HELD + 2, COUNT - 1);
    expect_nothing(s.consumer);
    for (uint32_t i = 0; i < HELD; i++) {
        assert_int_equal(number(&s.held[i]), i);
        ack(s.consumer, &s.held[i]);
    }
    hulse_release(s.consumer, &s.held[HELD - 1]);
    strike(&s, 1, 0);
}

static void test_a_refused_one_comes_again(void **state)
{
    struct scene s;
    struct hulse_message m = {.size = sizeof(m)};
    (void)state;
    set(&s, HULSE_SHARED);
    cut(&s);
    assert_int_equal(hulse_nack(s.consumer, &s.held[1].id, 300), HULSE_OK);
    for (uint32_t i = 0; i < HELD; i++) {
        if (i != 1) {
            ack(s.consumer, &s.held[i]);
        }
    }
    hulse_release(s.consumer, &s.held[HELD - 1]);
    expect(s.consumer, HELD, COUNT - 1);
    assert_int_equal(hulse_next_wait(s.consumer, &m, PATIENCE_MS), HULSE_OK);
    assert_int_equal(number(&m), 1);
    ack(s.consumer, &m);
    hulse_release(s.consumer, &m);
    strike(&s, 1, 0);
}

static void test_a_cumulative_acknowledgement_by_id(void **state)
{
    struct scene s;
    (void)state;
    set(&s, HULSE_EXCLUSIVE);
    cut(&s);
    assert_int_equal(hulse_ack_cumulative(s.consumer, &s.held[2].id), HULSE_OK);
    expect(s.consumer, HELD, COUNT - 1);
    expect_nothing(s.consumer);
    hulse_release(s.consumer, &s.held[HELD - 1]);
    strike(&s, 3, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_held_is_not_handed_out_again),
        cmocka_unit_test(test_a_verdict_before_the_daemon_is_back_names_the_message),
        cmocka_unit_test(test_a_verdict_that_crosses_the_redelivery),
        cmocka_unit_test(test_two_losses),
        cmocka_unit_test(test_a_refused_one_comes_again),
        cmocka_unit_test(test_a_cumulative_acknowledgement_by_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
