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
    pid_t pid;
    char dir[64];
    char socket[96];
    char admin[96];
};

/* Starts it with further `--set` values (NULL-terminated, may be NULL); ready on return. */
void hulse_test_daemon_start(struct daemon_process *d, const char *const *settings);
/* KILL, and waits for the end. The directory stays. */
void hulse_test_daemon_kill(struct daemon_process *d);
/* Another process on the same sockets; ready on return. */
void hulse_test_daemon_again(struct daemon_process *d, const char *const *settings);
/* TERM; true when it exited with 0. Removes the directory. */
bool hulse_test_daemon_stop(struct daemon_process *d);
bool hulse_test_daemon_alive(const struct daemon_process *d);
/* A number in the answer to `stats`, the first with this key (totals come before workers); 0 when absent. */
uint64_t hulse_test_daemon_stat(const struct daemon_process *d, const char *key);
/* Waits (bounded) until the figure is at least `least`; false when it never is. */
bool hulse_test_daemon_stat_reaches(const struct daemon_process *d,
                                    const char *key,
                                    uint64_t least);

#endif
