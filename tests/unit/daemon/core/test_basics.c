/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the small parts: an assertion that fails says where and aborts, a role belongs to its
 *         thread, errors keep their status and end in a NUL, clocks agree, threads take no signals.
 * Method: a forked child dies of the assertion; the rest by calling.
 */
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/error.h"
#include "daemon/core/thread.h"
#include "tests/unit/daemon/core/check.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail_in_child(int stderr_fd)
{
    const int truth = 0;

    (void)dup2(stderr_fd, STDERR_FILENO);
    (void)signal(SIGABRT, SIG_DFL); /* cmocka and sanitizers have handlers */
    HULSE_ASSERT(truth == 1);
    _exit(0);
}

static void test_a_failed_assertion_says_where_and_aborts(void **state)
{
    char text[256] = "";
    int ends[2];
    int status = 0;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fail_in_child(ends[1]);
    }
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
    assert_non_null(strstr(text, "test_basics.c:"));
    assert_non_null(strstr(text, "assertion failed: truth == 1"));
    assert_int_equal(close(ends[0]), 0);
}

static void test_an_assertion_that_holds_does_nothing(void **state)
{
    unsigned evaluated = 0;

    (void)state;
    /* Assertions are compiled into every build, so this one is not discarded. */
    HULSE_ASSERT(++evaluated == 1); /* NOLINT(bugprone-assert-side-effect) */
    assert_int_equal(evaluated, 1);
}

static void *role_of_a_new_thread(void *argument)
{
    enum role *role = argument;

    *role = hulse_role();
    hulse_role_set(HULSE_ROLE_LOG);
    return NULL;
}

static void test_a_role_belongs_to_its_thread(void **state)
{
    enum role other = HULSE_ROLE_WORKER;
    pthread_t thread;

    (void)state;
    hulse_role_set(HULSE_ROLE_CONTROL);
    assert_int_equal(pthread_create(&thread, NULL, role_of_a_new_thread, &other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(other, HULSE_ROLE_NONE);
    HULSE_ASSERT_ROLE(HULSE_ROLE_CONTROL);
    hulse_role_set(HULSE_ROLE_NONE);
}

static void test_an_error_keeps_status_and_text(void **state)
{
    struct error err;
    char longer[2 * sizeof(err.text)];

    (void)state;
    assert_int_equal(hulse_fail(&err, HULSE_LIMIT, "%d of %s", 7, "them"), HULSE_LIMIT);
    assert_int_equal(err.status, HULSE_LIMIT);
    assert_string_equal(err.text, "7 of them");
    assert_int_equal(hulse_fail(NULL, HULSE_IO, "nobody reads %d", 1), HULSE_IO);

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(hulse_fail(&err, HULSE_IO, "%s", longer), HULSE_IO);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void test_clocks_advance_and_agree(void **state)
{
    struct timespec before;
    struct timespec after;

    (void)state;
    const uint64_t first = hulse_clock_ns();
    const uint64_t coarse = hulse_clock_coarse_ns();
    assert_true(hulse_clock_ns() >= first);
    /* The coarse one stands at the last tick. */
    assert_true(coarse <= hulse_clock_ns());
    assert_true(clock_gettime(CLOCK_REALTIME, &before) == 0);
    const uint64_t wall_ms = hulse_clock_wall_ms();
    const uint64_t wall_ns = hulse_clock_wall_ns();
    assert_true(clock_gettime(CLOCK_REALTIME, &after) == 0);
    assert_true(wall_ms >= (uint64_t)before.tv_sec * 1000U);
    assert_true(wall_ms <= (uint64_t)(after.tv_sec + 1) * 1000U);
    assert_true(wall_ns / 1000000U >= wall_ms);
}

struct seen {
    sigset_t mask;
};

static void *look_at_mask(void *argument)
{
    struct seen *seen = argument;

    (void)pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
    return NULL;
}

static void test_a_thread_takes_no_signals_of_the_process(void **state)
{
    struct seen seen;
    sigset_t before;
    sigset_t after;
    pthread_t thread;

    (void)state;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(
        hulse_thread_start(&thread, "a-name-that-is-longer-than-15", look_at_mask, &seen), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(sigismember(&seen.mask, SIGTERM) && sigismember(&seen.mask, SIGHUP) &&
                sigismember(&seen.mask, SIGUSR1) && sigismember(&seen.mask, SIGCHLD));
    /* A fault of its own must reach the handler. */
    assert_false(sigismember(&seen.mask, SIGBUS) || sigismember(&seen.mask, SIGSEGV) ||
                 sigismember(&seen.mask, SIGFPE) || sigismember(&seen.mask, SIGILL));
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failed_assertion_says_where_and_aborts),
        cmocka_unit_test(test_an_assertion_that_holds_does_nothing),
        cmocka_unit_test(test_a_role_belongs_to_its_thread),
        cmocka_unit_test(test_an_error_keeps_status_and_text),
        cmocka_unit_test(test_clocks_advance_and_agree),
        cmocka_unit_test(test_a_thread_takes_no_signals_of_the_process),
    };

    return cmocka_run_group_tests_name("basics", tests, NULL, NULL);
}
