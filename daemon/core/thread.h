/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread - starts a named thread without capabilities that takes no signals meant for the process.
 *
 * The control thread alone handles signals. Those that report a thread's own fault (SIGBUS,
 * SIGSEGV, SIGFPE, SIGILL, SIGTRAP) stay deliverable: blocked, they would kill the process past
 * their handler.
 *
 * Threads: any.
 */
#ifndef HULSE_CORE_THREAD_H
#define HULSE_CORE_THREAD_H

#include <pthread.h>

/*
 * 0, or the error number. `name` is cut at 15 bytes. The thread drops its privileges before `run`;
 * if it cannot, the process says so and exits with HULSE_PRIVILEGES_EXIT.
 */
int hulse_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *argument);

#endif
