/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon_process - the real hulsed of this build, in a directory of its own, for one test.
 *
 * Finds it as $HULSE_BUILD_DIR/hulsed. Without the program the test is skipped.
 */
#ifndef HULSE_TESTS_SUPPORT_DAEMON_PROCESS_H
#define HULSE_TESTS_SUPPORT_DAEMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct daemon_process {
    pid_t pid; /* 0: killed and not started again */
    const char *const *settings;
    const char *const *environment; /* NAME=VALUE beside the test's own; may be NULL */
    char dir[64];
    char socket[96];
    char admin[96];
};

/*
 * Starts it with further `--set` values (NULL-terminated, may be NULL, borrowed); ready on return.
 * `{dir}` in a value is the daemon's directory.
 */
void hulse_test_daemon_start(struct daemon_process *d, const char *const *settings);
/* The same in two steps: the directory, in which a test may prepare things and set environment. */
void hulse_test_daemon_prepare(struct daemon_process *d, const char *const *settings);
/* Starts it, for the first time or after a kill, and returns at once. */
void hulse_test_daemon_launch(struct daemon_process *d);
/* Waits (bounded) until both sockets answer; false when it has ended instead. */
bool hulse_test_daemon_ready(const struct daemon_process *d);
/* kill -9, and waits for the end; what it leaves in its directory stays. */
void hulse_test_daemon_kill(struct daemon_process *d);
/* Another process in the same directory; ready on return. */
void hulse_test_daemon_again(struct daemon_process *d, const char *const *settings);
/* TERM; true when it exited with 0. Removes the directory. */
bool hulse_test_daemon_stop(struct daemon_process *d);
/* Another one takes over (--replace) and is ready on return; true when the first exited with 0. */
bool hulse_test_daemon_replace(struct daemon_process *d, const char *const *settings);
bool hulse_test_daemon_alive(const struct daemon_process *d);
/* A number in the answer to `stats`, the first with this key (totals come before workers); 0 when absent. */
uint64_t hulse_test_daemon_stat(const struct daemon_process *d, const char *key);
/* Waits (bounded) until the figure is at least `least`; false when it never is. */
bool hulse_test_daemon_stat_reaches(const struct daemon_process *d,
                                    const char *key,
                                    uint64_t least);

#endif
