/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime - what every test program is linked with.
 *
 * Without any call from the test: a watchdog prints a backtrace and aborts before the runner's
 * time limit (HULSE_TEST_WATCHDOG_S), and a normal exit fails with status 99 when the program
 * has more open descriptors or more threads than at its start.
 *
 * Threads: the test's main thread. A forked child is neither watched nor checked.
 */
#ifndef HULSE_TESTS_SUPPORT_RUNTIME_H
#define HULSE_TESTS_SUPPORT_RUNTIME_H

/* A library's background thread or descriptor that cannot be ended: counts as allowed. */
void hulse_test_allow_threads(int count);
void hulse_test_allow_descriptors(int count);

/* Open descriptors of this process, for tests that compare around a step of their own. */
int hulse_test_count_descriptors(void);
int hulse_test_count_threads(void);

/* Ends the program as skipped; the runner prints the reason. Not for use in a forked child. */
_Noreturn void hulse_test_skip(const char *reason);
#define HULSE_TEST_SKIP(reason) hulse_test_skip(reason)

/* For whole programs that need something: HULSE_TEST_SKIP_UNLESS(cpus >= 2, "needs 2 CPUs"). */
#define HULSE_TEST_SKIP_UNLESS(condition, reason)                                                  \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            hulse_test_skip(reason);                                                               \
        }                                                                                          \
    } while (0)

#endif
