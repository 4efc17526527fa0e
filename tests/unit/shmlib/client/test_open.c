/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   opening gives a session, or a status and a text that say what to do.
 * Method: a scripted daemon that answers, refuses, keeps silent, hangs up or talks nonsense at
 *         each step; no daemon at all. The runtime counts descriptors at the end.
 */
#include "tests/support/runtime.h"
#include "tests/unit/shmlib/client/check.h"

#include <stdlib.h>
#include <unistd.h>

static int daemon_setup(void **state)
{
    *state = hulse_fake_start();
    return 0;
}

static int daemon_teardown(void **state)
{
    struct fake_daemon *d = *state;

    hulse_fake_stop(&d);
    return 0;
}

#define DAEMON_TEST(name) cmocka_unit_test_setup_teardown(name, daemon_setup, daemon_teardown)

enum { SOON_MS = 200, LATE_ANSWER_MS = 1000 };

/* What it waits for an answer later on, too. */
static hulse_status open_within(hulse_session **s, int timeout_ms)
{
    hulse_options *o = hulse_options_new();

    assert_int_equal(hulse_options_connect_timeout(o, timeout_ms), HULSE_OK);
    assert_int_equal(hulse_options_name(o, "app"), HULSE_OK);
    assert_int_equal(hulse_options_token(o, "secret"), HULSE_OK);
    const hulse_status st = hulse_open(s, o);
    hulse_options_free(&o);
    return st;
}

static void test_hello_says_who_we_are(void **state)
{
    struct fake_daemon *d = *state;
    struct hulse_ctl_hello hello;
    hulse_session *s = NULL;

    assert_int_equal(setenv("SERVICE_NAME", "shop", 1), 0);
    assert_int_equal(open_within(&s, WAIT_MS), HULSE_OK);
    assert_int_equal(unsetenv("SERVICE_NAME"), 0);
    memcpy(&hello, hulse_fake_last(d, HULSE_CTL_HELLO).bytes, sizeof(hello));
    assert_int_equal(hello.abi_min, HULSE_ABI_MIN);
    assert_int_equal(hello.abi_max, HULSE_ABI_MAX);
    assert_memory_equal(
        hulse_fake_last(d, HULSE_CTL_HELLO).bytes + sizeof(hello), "appshopsecret", 13);
    assert_int_equal(hulse_session_id(s), FAKE_SESSION);
    assert_true(hulse_fd(s, 0) >= 0);
    assert_int_equal(hulse_fd(s, 1), -1);
    assert_int_equal(hulse_close(&s, 0), HULSE_OK);
    assert_null(s);
    assert_int_equal(hulse_close(&s, 0), HULSE_INVAL);
}

static void test_no_daemon_names_the_socket_and_the_cure(void **state)
{
    hulse_session *s = NULL;

    (void)state;
    assert_int_equal(setenv("HULSE_SOCKET", "/nonexistent/hulse.sock", 1), 0);
    assert_int_equal(hulse_open(&s, NULL), HULSE_NO_DAEMON);
    assert_null(s);
    assert_non_null(strstr(hulse_open_error(), "/nonexistent/hulse.sock"));
    assert_non_null(strstr(hulse_open_error(), "start hulsed"));
    assert_int_equal(hulse_open(NULL, NULL), HULSE_INVAL);
}

static void test_a_path_that_cannot_be_one_is_refused(void **state)
{
    char path[200];
    hulse_session *s = NULL;

    (void)state;
    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(setenv("HULSE_SOCKET", path, 1), 0);
    assert_int_equal(hulse_open(&s, NULL), HULSE_INVAL);
}

static void test_the_default_path_follows_user_and_environment(void **state)
{
    hulse_session *s = NULL;

    (void)state;
    assert_int_equal(unsetenv("HULSE_SOCKET"), 0);
    assert_int_equal(setenv("XDG_RUNTIME_DIR", "/nonexistent", 1), 0);
    const hulse_status st = hulse_open(&s, NULL);
    if (st == HULSE_OK) {
        assert_int_equal(hulse_close(&s, 0), HULSE_OK); /* this machine runs one */
        return;
    }
    if (geteuid() == 0) {
        assert_non_null(strstr(hulse_open_error(), "/run/hulse/hulse.sock"));
    } else {
        assert_non_null(strstr(hulse_open_error(), "/nonexistent/hulse/hulse.sock"));
    }
}

static void test_refused_gives_the_daemons_status_and_range(void **state)
{
    struct fake_daemon *d = *state;
    hulse_session *s = NULL;

    d->refuse = 11; /* DENIED */
    assert_int_equal(open_within(&s, WAIT_MS), HULSE_DENIED);
    assert_non_null(strstr(hulse_open_error(), "go off"));
    assert_non_null(strstr(hulse_open_error(), "ABI 7 to 9"));
}

static void test_a_silent_daemon_times_out(void **state)
{
    struct fake_daemon *d = *state;
    hulse_session *s = NULL;

    hulse_fake_set(d, &d->silent_on, HULSE_CTL_HELLO);
    assert_int_equal(open_within(&s, SOON_MS), HULSE_TIMED_OUT);
    assert_non_null(strstr(hulse_open_error(), "200 ms"));
}

static void test_nonsense_and_hang_up_end_the_open(void **state)
{
    struct fake_daemon *d = *state;
    hulse_session *s = NULL;

    hulse_fake_set(d, &d->garbage_on, HULSE_CTL_HELLO);
    assert_int_equal(open_within(&s, WAIT_MS), HULSE_PROTOCOL);
    hulse_fake_set(d, &d->garbage_on, 0);
    hulse_fake_set(d, &d->hang_up_on, HULSE_CTL_HELLO);
    assert_int_equal(open_within(&s, WAIT_MS), HULSE_ORPHAN);
    hulse_fake_set(d, &d->hang_up_on, 0);
    assert_int_equal(open_within(&s, WAIT_MS), HULSE_OK);
    assert_int_equal(hulse_close(&s, 0), HULSE_OK);
}

/* Counted while the daemon's thread is between two requests. */
static int count_descriptors(struct fake_daemon *d)
{
    (void)hulse_fake_seen(d, HULSE_CTL_HELLO);
    return hulse_test_count_descriptors();
}

/* Every step of opening a producer fails in turn; the next one works and nothing has leaked. */
static void test_a_failed_step_of_a_producer_leaves_nothing(void **state)
{
    static const unsigned steps[] = {
        HULSE_CTL_OPEN_CHANNEL, HULSE_CTL_CHANNEL_READY, HULSE_CTL_OPEN_PRODUCER};
    struct pair *pair = *state;
    hulse_producer *p = NULL;
    hulse_consumer *c = NULL;
    const int before = count_descriptors(pair->d);

    for (size_t i = 0; i < 3; i++) {
        hulse_fake_set(pair->d, &pair->d->error_on, steps[i]);
        assert_int_equal(hulse_producer_open(pair->s, &p, "t", NULL), HULSE_NO_TOPIC);
        assert_null(p);
        assert_string_equal(hulse_last_error(pair->s), "no such t!");
    }
    hulse_fake_set(pair->d, &pair->d->error_on, HULSE_CTL_OPEN_CONSUMER);
    assert_int_equal(hulse_consumer_open(pair->s, &c, "t", "s", NULL), HULSE_NO_TOPIC);
    assert_int_equal(count_descriptors(pair->d), before);
    /* A channel whose opening went past CHANNEL is closed at the daemon's, too. */
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_CLOSE_CHANNEL), 3);
    hulse_fake_set(pair->d, &pair->d->error_on, 0);
    assert_int_equal(hulse_producer_open(pair->s, &p, "t", NULL), HULSE_OK);
    assert_int_equal(count_descriptors(pair->d), before + 1); /* A is kept */
    assert_int_equal(hulse_producer_close(&p, 0), HULSE_OK);
    assert_null(p);
    assert_int_equal(count_descriptors(pair->d), before);
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_CLOSE_HANDLE), 1);
}

static void test_bad_arguments_of_an_open_are_told(void **state)
{
    struct pair *pair = *state;
    hulse_producer *p = NULL;
    hulse_consumer *c = NULL;
    hulse_producer_options *o = hulse_producer_options_new();

    assert_int_equal(hulse_producer_open(pair->s, &p, "", NULL), HULSE_INVAL);
    assert_int_equal(hulse_producer_open(pair->s, &p, NULL, NULL), HULSE_INVAL);
    assert_int_equal(hulse_producer_open(NULL, &p, "t", NULL), HULSE_INVAL);
    assert_int_equal(hulse_producer_open(pair->s, NULL, "t", NULL), HULSE_INVAL);
    assert_int_equal(hulse_producer_options_group(o, 9), HULSE_OK);
    assert_int_equal(hulse_producer_open(pair->s, &p, "t", o), HULSE_INVAL);
    assert_non_null(strstr(hulse_last_error(pair->s), "wait group 9"));
    hulse_producer_options_free(&o);
    assert_int_equal(hulse_consumer_open(pair->s, &c, "t", "", NULL), HULSE_INVAL);
    hulse_consumer_options *reader = hulse_consumer_options_new();
    assert_int_equal(hulse_consumer_options_type(reader, HULSE_READER), HULSE_OK);
    assert_int_equal(hulse_consumer_open(pair->s, &c, "t", "s", reader), HULSE_INVAL);
    hulse_consumer_options_free(&reader);
    assert_int_equal(hulse_fake_seen(pair->d, HULSE_CTL_OPEN_CHANNEL), 0);
    assert_int_equal(hulse_producer_close(NULL, 0), HULSE_INVAL);
    assert_int_equal(hulse_producer_close(&p, 0), HULSE_INVAL);
    assert_string_equal(hulse_producer_error(NULL), "no producer");
    assert_string_equal(hulse_consumer_error(NULL), "no consumer");
}

/* An answer that comes after its call gave up must not leak what it opened. */
static void test_a_late_answer_is_closed_again(void **state)
{
    struct fake_daemon *d = *state;
    hulse_session *s = NULL;
    hulse_producer *p = NULL;
    const struct hulse_ctl_producer late = {
        .head = {.type = HULSE_CTL_PRODUCER, .len = sizeof(late), .req = 4}, .handle = 555};

    assert_int_equal(open_within(&s, LATE_ANSWER_MS), HULSE_OK);
    hulse_fake_set(d, &d->silent_on, HULSE_CTL_OPEN_PRODUCER);
    assert_int_equal(hulse_producer_open(s, &p, "t", NULL), HULSE_TIMED_OUT);
    assert_non_null(strstr(hulse_last_error(s), "has not answered"));
    unsigned group = 0;
    hulse_fake_send(d, &late, sizeof(late));
    assert_int_equal(hulse_group_open(s, &group), HULSE_OK); /* comes before its own answer */
    assert_int_equal(hulse_close(&s, 0), HULSE_OK);
    struct hulse_ctl_close_handle closed;
    for (int i = 0; i < 5000 && hulse_fake_seen(d, HULSE_CTL_CLOSE_HANDLE) == 0; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(hulse_fake_seen(d, HULSE_CTL_CLOSE_HANDLE), 1);
    memcpy(&closed, hulse_fake_last(d, HULSE_CTL_CLOSE_HANDLE).bytes, sizeof(closed));
    assert_int_equal(closed.handle, 555);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DAEMON_TEST(test_hello_says_who_we_are),
        DAEMON_TEST(test_no_daemon_names_the_socket_and_the_cure),
        DAEMON_TEST(test_a_path_that_cannot_be_one_is_refused),
        DAEMON_TEST(test_the_default_path_follows_user_and_environment),
        DAEMON_TEST(test_refused_gives_the_daemons_status_and_range),
        DAEMON_TEST(test_a_silent_daemon_times_out),
        DAEMON_TEST(test_nonsense_and_hang_up_end_the_open),
        DAEMON_TEST(test_a_late_answer_is_closed_again),
        PAIR_TEST(test_a_failed_step_of_a_producer_leaves_nothing),
        PAIR_TEST(test_bad_arguments_of_an_open_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
