/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what waits on either side of a channel moves on: deliveries behind held messages,
 *         records behind unread receipts, records of an application that has exited; what cannot move on
 *         any more is counted.
 * Method: the real daemon and the real library; figures of `stats`, bounded waits, the log.
 */
#include "include/hulse/hulse.h"
#include "tests/support/check.h"
#include "tests/support/daemon_process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOPIC "non-persistent://public/default/hostile-backlog"
#define WAIT_MS 10000
#define TRIES 1000
#define PUBLISHED 9000
#define HELD 1000
#define SLOTS 2048
#define RING (2U * 1024 * 1024)
/* Many visits, and little enough for two seconds of an instrumented daemon on a busy machine. */
#define EXIT_RING (2U * 1024 * 1024)

static struct daemon_process daemon_process;

static hulse_session *open_session(void)
{
    hulse_session *s = NULL;
    hulse_options *o = hulse_options_new();
    if (o == NULL || hulse_options_socket(o, daemon_process.socket) != HULSE_OK ||
        hulse_open(&s, o) != HULSE_OK) {
        (void)fprintf(stderr, "open: %s\n", hulse_open_error());
    }
    hulse_options_free(&o);
    return s;
}

static hulse_producer *open_producer(hulse_session *s, enum hulse_receipts mode, uint32_t ring)
{
    hulse_producer *p = NULL;
    hulse_producer_options *o = hulse_producer_options_new();
    if (o == NULL || hulse_producer_options_receipts(o, mode) != HULSE_OK ||
        hulse_producer_options_ring(o, ring) != HULSE_OK ||
        hulse_producer_options_slots(o, SLOTS) != HULSE_OK ||
        hulse_producer_open(s, &p, TOPIC, o) != HULSE_OK) {
        (void)fprintf(stderr, "producer: %s\n", hulse_last_error(s));
    }
    hulse_producer_options_free(&o);
    return p;
}

static uint64_t publish_until_full(hulse_producer *p)
{
    uint64_t count = 0;
    while (hulse_publish(p, "x", 1, NULL, count) == HULSE_OK) {
        count += 1;
    }
    return count;
}

/* Waits (bounded) until the figure is exactly this. */
static void assert_stat_becomes(const char *key, uint64_t value)
{
    for (int i = 0; i < TRIES && hulse_test_daemon_stat(&daemon_process, key) != value; i++) {
        (void)usleep(10000);
    }
    assert_int_equal(hulse_test_daemon_stat(&daemon_process, key), value);
}

/* ---- deliveries ---- */

/* Takes up to `max` and holds them; the number that came. */
static unsigned hold(hulse_consumer *c, struct hulse_message *m, unsigned max, int timeout_ms)
{
    unsigned count = 0;
    for (; count < max; count++) {
        m[count].size = sizeof(m[count]);
        if (hulse_next_wait(c, &m[count], timeout_ms) != HULSE_OK) {
            break;
        }
    }
    return count;
}

static void acknowledge(hulse_consumer *c, const struct hulse_message *m, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        hulse_status status = hulse_ack(c, &m[i].id);
        while (status == HULSE_AGAIN) {
            assert_int_equal(hulse_consumer_sync(c, WAIT_MS), HULSE_OK);
            status = hulse_ack(c, &m[i].id);
        }
        assert_int_equal(status, HULSE_OK);
    }
}

/* Once the ring is free, what waits is written although the reader then holds what it gets. */
static void test_waiting_deliveries_come_while_the_consumer_holds_earlier_ones(void **state)
{
    (void)state;
    static struct hulse_message m[PUBLISHED];
    hulse_consumer *c = NULL;
    hulse_test_daemon_start(&daemon_process, NULL);
    hulse_session *s = open_session();
    assert_non_null(s);
    assert_int_equal(hulse_consumer_open(s, &c, TOPIC, "backlog", NULL), HULSE_OK);
    hulse_producer *p = open_producer(s, HULSE_RECEIPTS_NONE, 0);
    assert_non_null(p);
    for (uint64_t i = 0; i < PUBLISHED; i++) {
        assert_int_equal(hulse_publish_wait(p, "12345678", 8, NULL, i, WAIT_MS), HULSE_OK);
    }
    assert_int_equal(hulse_sync(p, WAIT_MS, NULL), HULSE_OK);

    /* All that the ring holds; the rest waits in the daemon. */
    const unsigned first = hold(c, m, PUBLISHED, 500);
    assert_true(first > 0);
    assert_true(first + HELD <= PUBLISHED);
    acknowledge(c, m, first);
    hulse_release(c, &m[first - 1]);
    assert_int_equal(hulse_consumer_flush(c), HULSE_OK);
    assert_int_equal(hulse_consumer_sync(c, WAIT_MS), HULSE_OK);

    assert_int_equal(hold(c, m, HELD, WAIT_MS), HELD);
    hulse_release(c, &m[HELD - 1]);
    assert_int_equal(hulse_close(&s, WAIT_MS), HULSE_OK);
    assert_true(hulse_test_daemon_stop(&daemon_process));
}

/* ---- receipts ---- */

static void test_closing_with_unread_receipts_strands_no_record(void **state)
{
    (void)state;
    hulse_test_daemon_start(&daemon_process, NULL);
    hulse_session *s = open_session();
    assert_non_null(s);
    const uint64_t taken = hulse_test_daemon_stat(&daemon_process, "records_taken");
    const uint64_t producers = hulse_test_daemon_stat(&daemon_process, "producers");
    const uint64_t channels = hulse_test_daemon_stat(&daemon_process, "channels");
    hulse_producer *p = open_producer(s, HULSE_RECEIPTS_FULL, RING);
    assert_non_null(p);
    assert_stat_becomes("producers", producers + 1);
    assert_stat_becomes("channels", channels + 1);
    const uint64_t count = publish_until_full(p);
    assert_true(count > SLOTS);
    (void)hulse_producer_close(&p, 0); /* no receipt was read, so it may say TIMED_OUT */
    assert_null(p);

    /* The session stays open: the end of the application is not what frees them. */
    assert_stat_becomes("records_taken", taken + count);
    assert_stat_becomes("producers", producers);
    assert_stat_becomes("channels", channels);
    (void)hulse_close(&s, 0);
    assert_true(hulse_test_daemon_stop(&daemon_process));
}

/* ---- an application that has exited ---- */

static _Noreturn void run_app(int go, int told)
{
    char byte = 0;
    hulse_session *s = open_session();
    hulse_producer *p = s == NULL ? NULL : open_producer(s, HULSE_RECEIPTS_NONE, EXIT_RING);
    if (p == NULL || write(told, &byte, 1) != 1 || read(go, &byte, 1) != 1) {
        _exit(1);
    }
    const uint64_t count = publish_until_full(p);
    if (write(told, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
        _exit(1);
    }
    (void)!read(go, &byte, 1); /* until it may end, or is killed */
    _exit(0);
}

/* While the daemon stands still an application fills its ring and ends; gives its records. */
static uint64_t commit_and_end(bool killed)
{
    int go[2];
    int told[2];
    int status = 0;
    siginfo_t info = {0};
    char byte = 0;
    uint64_t count = 0;
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    const pid_t app = fork();
    assert_true(app >= 0);
    if (app == 0) {
        (void)close(go[1]);
        (void)close(told[0]);
        run_app(go[0], told[1]);
    }
    (void)close(go[0]);
    (void)close(told[1]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    assert_int_equal(kill(daemon_process.pid, SIGSTOP), 0);
    assert_int_equal(waitid(P_PID, (id_t)daemon_process.pid, &info, WSTOPPED), 0);
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(read(told[0], &count, sizeof(count)), sizeof(count));
    if (killed) {
        assert_int_equal(kill(app, SIGKILL), 0);
    }
    (void)close(go[1]);
    assert_int_equal(waitpid(app, &status, 0), app);
    assert_int_equal(status, killed ? SIGKILL : 0);
    (void)close(told[0]);
    assert_true(count > 0);
    return count;
}

/* Then TERM is waiting. */
static uint64_t commit_exit_and_term(void)
{
    const uint64_t count = commit_and_end(false);
    assert_int_equal(kill(daemon_process.pid, SIGTERM), 0);
    assert_int_equal(kill(daemon_process.pid, SIGCONT), 0);
    return count;
}

/* The one TERM must do: a second one would make the daemon give up. */
static void assert_stops(void)
{
    for (int i = 0; i < TRIES && hulse_test_daemon_alive(&daemon_process); i++) {
        (void)usleep(10000);
    }
    assert_false(hulse_test_daemon_alive(&daemon_process));
    assert_true(hulse_test_daemon_stop(&daemon_process));
}

/* A session that stays keeps the stopping daemon there to be asked. */
static void test_a_stopping_daemon_takes_all_that_an_exited_app_committed(void **state)
{
    (void)state;
    static const char *const settings[] = {"drain_timeout=30s", "workers.count=1", NULL};
    hulse_test_daemon_start(&daemon_process, settings);
    hulse_session *stays = open_session();
    assert_non_null(stays);
    hulse_producer *p = open_producer(stays, HULSE_RECEIPTS_NONE, 0);
    assert_non_null(p);
    const uint64_t taken = hulse_test_daemon_stat(&daemon_process, "records_taken");
    const uint64_t count = commit_exit_and_term();
    assert_stat_becomes("records_taken", taken + count);
    assert_int_equal(hulse_test_daemon_stat(&daemon_process, "lost_after_exit"), 0);
    (void)hulse_close(&stays, 0);
    assert_stops();
}

/* Starts the daemon with its log in a file. */
static int start_logged(const char *const *settings)
{
    char path[] = "/tmp/hulse-backlog-XXXXXX";
    const int log = mkostemp(path, O_CLOEXEC | O_APPEND);
    assert_true(log >= 0);
    (void)unlink(path);
    const int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(kept >= 0);
    assert_int_equal(dup2(log, STDERR_FILENO), STDERR_FILENO);
    hulse_test_daemon_start(&daemon_process, settings);
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    (void)close(kept);
    return log;
}

static void test_a_daemon_left_alone_stops_without_losing_what_was_committed(void **state)
{
    (void)state;
    /* As short as its reserve: it drains at once instead of serving on first. */
    static const char *const settings[] = {"drain_timeout=3s", "workers.count=1", NULL};
    static char text[65536];
    const int log = start_logged(settings);
    (void)commit_exit_and_term();
    assert_stops();
    const ssize_t bytes = pread(log, text, sizeof(text) - 1, 0);
    (void)close(log);
    assert_true(bytes > 0);
    text[bytes] = '\0';
    assert_non_null(strstr(text, "daemon.stopped"));
    if (strstr(text, "lost_after_exit") != NULL) {
        fail_msg("records were lost: %s", text);
    }
}

/* The topic takes one message a second: the rest is refused, and nobody is left to be told. */
static void test_what_a_topic_refuses_of_a_killed_app_is_counted(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "topics.0.match=" TOPIC, "topics.0.publish.rate=1", NULL};
    hulse_test_daemon_start(&daemon_process, settings);
    const uint64_t count = commit_and_end(true);
    assert_int_equal(kill(daemon_process.pid, SIGCONT), 0);
    assert_stat_becomes("records_taken", count);
    assert_stat_becomes("sessions", 0);
    const uint64_t lost = hulse_test_daemon_stat(&daemon_process, "lost_after_exit");
    const uint64_t published = hulse_test_daemon_stat(&daemon_process, "published");
    assert_true(lost > 0);
    assert_int_equal(lost + published, count);
    assert_true(hulse_test_daemon_stop(&daemon_process));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waiting_deliveries_come_while_the_consumer_holds_earlier_ones),
        cmocka_unit_test(test_closing_with_unread_receipts_strands_no_record),
        cmocka_unit_test(test_a_stopping_daemon_takes_all_that_an_exited_app_committed),
        cmocka_unit_test(test_a_daemon_left_alone_stops_without_losing_what_was_committed),
        cmocka_unit_test(test_what_a_topic_refuses_of_a_killed_app_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
