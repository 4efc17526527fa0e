/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=240 */
/*
 * Goal:   what an application opens, closes and leaves half done around a daemon's death is neither taken
 *         for something else nor left behind: numbers of handles, consumers on their way back, half a
 *         message, a daemon that has no room yet, one that stands still.
 * Method: the real daemon and library. A stopped daemon takes nothing, so what is published then is
 *         certainly in the ring when it is killed.
 */
#include "shmlib/client/consumer.h"
#include "shmlib/client/producer.h"
#include "tests/support/check.h"
#include "tests/support/daemon_process.h"
#include "tests/support/descriptors.h"

#include <hulse/hulse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TOPIC "non-persistent://public/default/handles"

enum { RING = 64 * 1024, LARGE = 100 * 1000, FEW = 5, PATIENCE_MS = 20000, QUIET_MS = 200 };
enum { SESSION_DESCRIPTORS = 6 };

static void connect_to(const struct daemon_process *d, hulse_session **s)
{
    hulse_options *o = hulse_options_new();
    assert_int_equal(hulse_options_socket(o, d->socket), HULSE_OK);
    assert_int_equal(hulse_options_connect_timeout(o, PATIENCE_MS), HULSE_OK);
    assert_int_equal(hulse_open(s, o), HULSE_OK);
    hulse_options_free(&o);
}

static hulse_producer *produce(hulse_session *s, const char *topic, hulse_producer *with)
{
    hulse_producer *p = NULL;
    hulse_producer_options *o = hulse_producer_options_new();
    assert_int_equal(hulse_producer_options_receipts(o, HULSE_RECEIPTS_FULL), HULSE_OK);
    assert_int_equal(hulse_producer_options_ring(o, RING), HULSE_OK);
    if (with != NULL) {
        assert_int_equal(hulse_producer_options_share_with(o, with), HULSE_OK);
    }
    if (hulse_producer_open(s, &p, topic, o) != HULSE_OK) {
        fail_msg("open: %s", hulse_last_error(s));
    }
    hulse_producer_options_free(&o);
    return p;
}

static hulse_status try_consume(hulse_session *s, hulse_consumer **c)
{
    hulse_consumer_options *o = hulse_consumer_options_new();
    assert_int_equal(hulse_consumer_options_type(o, HULSE_EXCLUSIVE), HULSE_OK);
    const hulse_status st = hulse_consumer_open(s, c, TOPIC, "s", o);
    hulse_consumer_options_free(&o);
    return st;
}

/* Within the time in which a daemon notices who has gone. */
static hulse_consumer *consume(hulse_session *s)
{
    const struct hulse_deadline deadline = hulse_deadline_in(PATIENCE_MS);
    const struct timespec pause = {.tv_nsec = 5000000};
    hulse_consumer *c = NULL;
    hulse_status st = try_consume(s, &c);
    while (st == HULSE_BUSY && hulse_deadline_left(deadline, 1) != 0) {
        (void)nanosleep(&pause, NULL);
        st = try_consume(s, &c);
    }
    if (st != HULSE_OK) {
        fail_msg("open: %s", hulse_last_error(s));
    }
    return c;
}

static void publish_few(hulse_producer *p)
{
    for (unsigned i = 0; i < FEW; i++) {
        assert_int_equal(hulse_publish(p, "x", 1, NULL, i), HULSE_OK);
    }
}

static void expect_sync(hulse_producer *p, hulse_status status, uint64_t failures)
{
    uint64_t failed = 0;
    const hulse_status st = hulse_sync(p, PATIENCE_MS, &failed);
    if (st != status) {
        fail_msg("sync gives %d: %s", st, hulse_producer_error(p));
    }
    assert_int_equal(failed, failures);
}

static void stop_daemon(const struct daemon_process *d)
{
    int status = 0;
    (void)kill(d->pid, SIGSTOP);
    assert_int_equal(waitpid(d->pid, &status, WUNTRACED), d->pid);
    assert_true(WIFSTOPPED(status));
}

static void strike(struct daemon_process *d, hulse_session **s)
{
    assert_int_equal(hulse_close(s, PATIENCE_MS), HULSE_OK);
    assert_true(hulse_test_daemon_stop(d));
}

/* ---- numbers ---- */

/* The next daemon counts from the beginning; the ring of the sibling speaks of the closed one still. */
static void test_a_closed_producers_number_is_not_taken_for_anothers(void **state)
{
    struct daemon_process d;
    hulse_session *s = NULL;
    (void)state;
    hulse_test_daemon_start(&d, NULL);
    connect_to(&d, &s);
    hulse_producer *stays = produce(s, TOPIC "-b", NULL);
    hulse_producer *goes = produce(s, TOPIC "-a", stays);
    stop_daemon(&d);
    publish_few(goes);
    publish_few(stays);
    hulse_test_daemon_kill(&d);
    (void)hulse_poll(s, 0);
    (void)hulse_producer_close(&goes, 0);
    hulse_test_daemon_again(&d, NULL);
    hulse_producer *fresh = produce(s, TOPIC "-c", NULL);
    expect_sync(stays, HULSE_FAILED, FEW);
    publish_few(fresh);
    expect_sync(fresh, HULSE_OK, 0);
    strike(&d, &s);
}

/* As many as fit: whoever comes back finds its place taken, and gets another. */
static void test_new_handles_do_not_stand_in_the_way_of_old_ones(void **state)
{
    struct daemon_process d;
    hulse_session *s = NULL;
    hulse_producer *old[FEW];
    hulse_producer *fresh[FEW];
    (void)state;
    hulse_test_daemon_start(&d, NULL);
    connect_to(&d, &s);
    for (unsigned i = 0; i < FEW; i++) {
        old[i] = produce(s, TOPIC, NULL);
    }
    hulse_test_daemon_kill(&d);
    (void)hulse_poll(s, 0);
    hulse_test_daemon_again(&d, NULL);
    for (unsigned i = 0; i < FEW; i++) {
        fresh[i] = produce(s, TOPIC "-fresh", NULL);
        publish_few(fresh[i]);
    }
    for (unsigned i = 0; i < FEW; i++) {
        publish_few(old[i]);
        expect_sync(old[i], HULSE_OK, 0);
        expect_sync(fresh[i], HULSE_OK, 0);
    }
    strike(&d, &s);
}

static void test_sharing_a_channel_right_after_a_restart(void **state)
{
    struct daemon_process d;
    hulse_session *s = NULL;
    (void)state;
    hulse_test_daemon_start(&d, NULL);
    connect_to(&d, &s);
    (void)produce(s, TOPIC "-other", NULL);
    hulse_producer *first = produce(s, TOPIC, NULL);
    hulse_test_daemon_kill(&d);
    (void)hulse_poll(s, 0);
    hulse_test_daemon_again(&d, NULL);
    hulse_producer *second = produce(s, TOPIC "-b", first);
    assert_ptr_equal(second->handle.channel, first->handle.channel);
    publish_few(first);
    publish_few(second);
    expect_sync(second, HULSE_OK, 0);
    strike(&d, &s);
}

/* ---- consumers on their way back ---- */

static void live_again(hulse_session *s)
{
    while (hulse_poll(s, 0) != HULSE_OK) {
        (void)hulse_wait(s, 0, 10);
    }
}

/* Nobody holds the subscription, so whoever asks for it gets it, and what is published. */
static void expect_free(struct daemon_process *d, hulse_session *left, hulse_session *asks)
{
    struct hulse_message m = {.size = sizeof(m)};
    hulse_consumer *c = consume(asks);
    hulse_producer *p = produce(asks, TOPIC, NULL);
    publish_few(p);
    expect_sync(p, HULSE_OK, 0);
    for (unsigned i = 0; i < FEW; i++) {
        assert_int_equal(hulse_next_wait(c, &m, PATIENCE_MS), HULSE_OK);
        assert_int_equal(hulse_ack(c, &m.id), HULSE_OK);
        hulse_release(c, &m);
    }
    assert_int_equal(hulse_consumer_close(&c, PATIENCE_MS), HULSE_OK);
    while (hulse_test_daemon_stat(d, "channels") != 1) {
        (void)hulse_wait(left, 0, 10); /* it may hear only now that it was let in */
    }
}

static void test_a_consumer_closed_while_its_open_is_tried_again(void **state)
{
    struct daemon_process d;
    hulse_session *s[2];
    (void)state;
    hulse_test_daemon_start(&d, NULL);
    connect_to(&d, &s[0]);
    hulse_consumer *first = consume(s[0]);
    hulse_test_daemon_kill(&d);
    (void)hulse_poll(s[0], 0);
    hulse_test_daemon_again(&d, NULL);
    connect_to(&d, &s[1]);
    hulse_consumer *other = consume(s[1]); /* was faster */
    live_again(s[0]);
    while (!hulse_channel_attached(first->handle.channel)) {
        (void)hulse_wait(s[0], 0, 10);
    }
    (void)hulse_consumer_close(&first, 0);
    assert_int_equal(hulse_consumer_close(&other, PATIENCE_MS), HULSE_OK);
    (void)hulse_wait(s[0], 0, QUIET_MS); /* in which a ghost would have been let in */
    expect_free(&d, s[0], s[1]);
    assert_int_equal(hulse_close(&s[0], PATIENCE_MS), HULSE_OK);
    strike(&d, &s[1]);
}

/* At each stage of its way. */
static void test_a_consumer_closed_while_its_channel_is_offered(void **state)
{
    struct daemon_process d;
    hulse_session *s[2];
    (void)state;
    hulse_test_daemon_start(&d, NULL);
    for (enum hulse_offer_stage at = HULSE_OFFER_SENT; at <= HULSE_OFFER_AGREED; at++) {
        connect_to(&d, &s[0]);
        hulse_consumer *c = consume(s[0]);
        const struct hulse_channel *ch = c->handle.channel;
        hulse_test_daemon_kill(&d);
        (void)hulse_poll(s[0], 0);
        hulse_test_daemon_again(&d, NULL);
        connect_to(&d, &s[1]);
        while (ch->offer.stage < at && !hulse_channel_attached(ch)) {
            (void)hulse_poll(s[0], 0);
        }
        hulse_handle_retire(&c->handle, &(struct hulse_deadline){0});
        hulse_unacked_fini(&c->unacked);
        hulse_sources_fini(&c->sources);
        hulse_resume_forget(&c->handle);
        free(c);
        expect_free(&d, s[0], s[1]);
        assert_int_equal(hulse_close(&s[0], PATIENCE_MS), HULSE_OK);
        assert_int_equal(hulse_close(&s[1], PATIENCE_MS), HULSE_OK);
    }
    assert_true(hulse_test_daemon_stop(&d));
}

/* ---- half a message ---- */

static void leave_half(hulse_producer *p)
{
    static char large[LARGE];
    assert_int_equal(hulse_publish_wait(p, large, sizeof(large), NULL, 1, 20), HULSE_TIMED_OUT);
    /* As by hulse_producer_close(), but for an answer that a stopped daemon does not give. */
    assert_int_equal(hulse_producer_end(p, 0, &(struct hulse_deadline){0}), HULSE_FAILED);
}

static void goes_on(hulse_producer *p)
{
    hulse_status st = hulse_publish(p, "x", 1, NULL, 7);
    while (st == HULSE_AGAIN) {
        st = hulse_wait_space(p, 1, PATIENCE_MS);
        assert_int_equal(st, HULSE_OK);
        st = hulse_publish(p, "x", 1, NULL, 7);
    }
    if (st != HULSE_OK) {
        fail_msg("publish gives %d: %s", st, hulse_producer_error(p));
    }
    expect_sync(p, HULSE_OK, 0);
}

static void half_a_message(bool dies)
{
    struct daemon_process d;
    hulse_session *s = NULL;
    hulse_test_daemon_start(&d, NULL);
    connect_to(&d, &s);
    hulse_producer *stays = produce(s, TOPIC "-b", NULL);
    hulse_producer *goes = produce(s, TOPIC "-a", stays);
    stop_daemon(&d);
    if (dies) {
        hulse_test_daemon_kill(&d);
        (void)hulse_poll(s, 0);
    }
    leave_half(goes);
    if (dies) {
        hulse_test_daemon_again(&d, NULL);
    } else {
        (void)kill(d.pid, SIGCONT);
    }
    goes_on(stays);
    strike(&d, &s);
}

static void test_half_a_message_ends_with_its_producer(void **state)
{
    (void)state;
    half_a_message(true);
    half_a_message(false);
}

/* ---- a daemon without room ---- */

static void test_a_channel_without_room_is_offered_until_there_is_some(void **state)
{
    static const char *const one[] = {"session.channels_max=1", NULL};
    struct daemon_process d;
    hulse_session *s = NULL;
    (void)state;
    hulse_test_daemon_start(&d, NULL);
    connect_to(&d, &s);
    hulse_producer *first = produce(s, TOPIC, NULL);
    hulse_producer *second = produce(s, TOPIC, NULL);
    stop_daemon(&d);
    publish_few(first);
    publish_few(second);
    hulse_test_daemon_kill(&d);
    hulse_test_daemon_again(&d, one);
    live_again(s);
    while (!hulse_channel_attached(first->handle.channel) &&
           !hulse_channel_attached(second->handle.channel)) {
        (void)hulse_wait(s, 0, 10);
    }
    hulse_producer **there = hulse_channel_attached(first->handle.channel) ? &first : &second;
    hulse_producer **waits = there == &first ? &second : &first;
    expect_sync(*there, HULSE_OK, 0);
    assert_int_equal(hulse_publish(*waits, "x", 1, NULL, 0), HULSE_OK);
    assert_int_equal(hulse_sync(*waits, QUIET_MS, NULL), HULSE_TIMED_OUT);
    assert_non_null(strstr(hulse_last_error(s), "channels_max"));
    assert_int_equal(hulse_producer_close(there, PATIENCE_MS), HULSE_OK);
    expect_sync(*waits, HULSE_OK, 0);
    strike(&d, &s);
}

static bool all_attached(hulse_producer *const *p)
{
    unsigned i = 0;
    while (i < FEW && hulse_channel_attached(p[i]->handle.channel)) {
        i += 1;
    }
    return i == FEW;
}

/* A new daemon with descriptors for a session and for no channel of it; false if it had more after all:
 * its store opens and closes files of its own meanwhile. */
static bool meets_a_bound(struct daemon_process *d, hulse_session *s, hulse_producer *const *p)
{
    hulse_test_daemon_kill(d);
    (void)hulse_poll(s, 0);
    hulse_test_daemon_again(d, NULL);
    do {
        /* Anew at each try: its store has opened or closed others meanwhile. */
        hulse_test_descriptors_limit(d->pid, SESSION_DESCRIPTORS);
        (void)hulse_wait(s, 0, 10);
    } while (hulse_poll(s, 0) != HULSE_OK);
    while (strstr(hulse_last_error(s), "no room for a channel") == NULL && !all_attached(p)) {
        (void)hulse_wait(s, 0, 10);
    }
    const bool met = !all_attached(p);
    hulse_test_descriptors_unlimit(d->pid);
    return met;
}

static void test_a_daemon_out_of_descriptors_is_asked_until_it_has_some(void **state)
{
    struct daemon_process d;
    hulse_session *s = NULL;
    hulse_producer *p[FEW];
    (void)state;
    hulse_test_daemon_start(&d, NULL);
    connect_to(&d, &s);
    for (unsigned i = 0; i < FEW; i++) {
        p[i] = produce(s, TOPIC, NULL);
    }
    stop_daemon(&d);
    for (unsigned i = 0; i < FEW; i++) {
        publish_few(p[i]);
    }
    while (!meets_a_bound(&d, s, p)) {
    }
    for (unsigned i = 0; i < FEW; i++) {
        expect_sync(p[i], HULSE_OK, 0);
    }
    strike(&d, &s);
}

/* What cannot be opened is an error; what is open goes on, at the latest when there is room again. */
static void test_an_application_out_of_descriptors_loses_nothing(void **state)
{
    struct daemon_process d;
    hulse_session *s = NULL;
    hulse_producer *more = NULL;
    (void)state;
    hulse_test_daemon_start(&d, NULL);
    connect_to(&d, &s);
    hulse_producer *p = produce(s, TOPIC, NULL);
    publish_few(p);
    for (unsigned room = 0; room < 2; room++) { /* a channel comes with two */
        while (!hulse_channel_attached(p->handle.channel)) {
            (void)hulse_poll(s, 0);
        }
        hulse_test_descriptors_limit(getpid(), room);
        const hulse_status st = hulse_producer_open(s, &more, TOPIC, NULL);
        hulse_test_descriptors_unlimit(getpid());
        assert_int_equal(st, HULSE_LIMIT);
        assert_non_null(strstr(hulse_last_error(s), "out of descriptors"));
        assert_null(more);
        publish_few(p);
    }
    expect_sync(p, HULSE_OK, 0);
    assert_int_equal(hulse_producer_open(s, &more, TOPIC, NULL), HULSE_OK);
    strike(&d, &s);
}

/* Waiting would not help: it is said so, and what needs no ring of that size goes on. */
static void test_a_ring_that_has_become_too_large_is_told(void **state)
{
    static const char *const small[] = {"session.ring_max=64KiB",
                                        "session.publish_ring=64KiB",
                                        "session.deliver_ring=64KiB",
                                        "session.verdict_ring=64KiB",
                                        NULL};
    struct daemon_process d;
    hulse_session *s = NULL;
    hulse_producer *large = NULL;
    (void)state;
    hulse_test_daemon_start(&d, NULL);
    connect_to(&d, &s);
    assert_int_equal(hulse_producer_open(s, &large, TOPIC, NULL), HULSE_OK);
    hulse_producer *fits = produce(s, TOPIC, NULL);
    hulse_test_daemon_kill(&d);
    (void)hulse_poll(s, 0);
    publish_few(large); /* the new one may refuse the ring before the last of them */
    hulse_test_daemon_again(&d, small);
    assert_int_equal(hulse_sync(large, PATIENCE_MS, NULL), HULSE_TOOBIG);
    assert_non_null(strstr(hulse_producer_error(large), "session.ring_max"));
    publish_few(fits);
    expect_sync(fits, HULSE_OK, 0);
    assert_int_equal(hulse_producer_close(&large, 0), HULSE_TOOBIG);
    strike(&d, &s);
}

/* ---- a daemon that stands still ---- */

static void test_closing_keeps_its_time(void **state)
{
    struct daemon_process d;
    hulse_session *s = NULL;
    (void)state;
    hulse_test_daemon_start(&d, NULL);
    connect_to(&d, &s);
    hulse_producer *p[FEW];
    for (unsigned i = 0; i < FEW; i++) {
        p[i] = produce(s, TOPIC, NULL);
    }
    (void)consume(s);
    stop_daemon(&d);
    for (unsigned i = 0; i < FEW; i++) {
        publish_few(p[i]);
    }
    /* One answer waited for would take all of it. */
    const struct hulse_deadline deadline = hulse_deadline_in(PATIENCE_MS);
    assert_int_equal(hulse_close(&s, 50), HULSE_TIMED_OUT);
    assert_int_not_equal(hulse_deadline_left(deadline, 1), 0);
    (void)kill(d.pid, SIGCONT);
    assert_true(hulse_test_daemon_stop(&d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_closed_producers_number_is_not_taken_for_anothers),
        cmocka_unit_test(test_new_handles_do_not_stand_in_the_way_of_old_ones),
        cmocka_unit_test(test_sharing_a_channel_right_after_a_restart),
        cmocka_unit_test(test_a_consumer_closed_while_its_open_is_tried_again),
        cmocka_unit_test(test_a_consumer_closed_while_its_channel_is_offered),
        cmocka_unit_test(test_half_a_message_ends_with_its_producer),
        cmocka_unit_test(test_a_channel_without_room_is_offered_until_there_is_some),
        cmocka_unit_test(test_a_daemon_out_of_descriptors_is_asked_until_it_has_some),
        cmocka_unit_test(test_an_application_out_of_descriptors_loses_nothing),
        cmocka_unit_test(test_a_ring_that_has_become_too_large_is_told),
        cmocka_unit_test(test_closing_keeps_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
