/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   signals come to the loop, each as itself; the deadline ends a process that is stuck, and
 *         only that.
 * Method: signals to this process, blocked and read by the loop; children that are stuck or not.
 */
#include "daemon/control/signals.h"
#include "tests/support/check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct heard {
    int numbers[8];
    unsigned count;
};

static void hear(void *ctx, int number)
{
    struct heard *heard = ctx;

    if (heard->count < 8) {
        heard->numbers[heard->count] = number;
    }
    heard->count++;
}

static void test_signals_come_to_the_loop(void **state)
{
    static const int numbers[] = {SIGHUP, SIGUSR1, SIGINT, SIGTERM};
    struct heard heard = {.count = 0};
    struct signals s;
    struct loop loop;
    struct error err = {0};

    (void)state;
    hulse_signals_block();
    assert_true(hulse_loop_init(&loop, 16));
    assert_int_equal(hulse_signals_open(&s, &loop, hear, &heard, &err), HULSE_OK);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(kill(getpid(), numbers[i]), 0);
        (void)hulse_loop_round(&loop, 1000);
        assert_int_equal(heard.count, i + 1);
        assert_int_equal(heard.numbers[i], numbers[i]);
    }
    /* Several between two rounds. */
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    (void)hulse_loop_round(&loop, 1000);
    assert_int_equal(heard.count, 6);
    hulse_signals_close(&s);
    hulse_signals_close(&s);
    hulse_loop_fini(&loop);
}

static int end_of_child(unsigned seconds, bool stuck)
{
    int status = 0;
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        hulse_signals_deadline(1, 74);
        if (seconds == 0) {
            hulse_signals_deadline(0, 74);
        }
        if (stuck) {
            (void)sleep(60); /* the watchdog of tests is not inherited */
        }
        _exit(3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_the_deadline(void **state)
{
    (void)state;
    assert_int_equal(end_of_child(1, true), 74);
    assert_int_equal(end_of_child(1, false), 3);
    assert_int_equal(end_of_child(0, false), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_come_to_the_loop),
        cmocka_unit_test(test_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
