/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - what remains possible to a daemon that somebody else has taken over.
 *
 * The filter of system calls holds for every thread there is and will be; it cannot be lifted, and
 * the process itself can start neither a program nor another process. What an attacker could still
 * do is what the daemon does anyhow, with the rights of its user. Capabilities are dropped before,
 * thread by thread (daemon/core/privileges.h).
 *
 * That is no wall around the helper (helper.h): it runs whatever the daemon asks for, outside the
 * filter. Whoever takes over the daemon may have any program run as its user, without capabilities
 * and without a way to any. The filter keeps the kernel's rarer parts from the daemon's own threads.
 *
 * Threads: control, once all others run and everything that needs more has been done.
 */
#ifndef HULSE_CONTROL_SANDBOX_H
#define HULSE_CONTROL_SANDBOX_H

#include <pthread.h>
#include <stdbool.h>

/* Rules on their way; all zeros: none. */
struct sandbox {
    pthread_t thread;
    bool making;
    void *rules; /* of libseccomp */
    int failed;  /* without rules: why */
};

enum sandbox_filter {
    SANDBOX_FILTER_ON = 0,
    SANDBOX_FILTER_OFF,        /* by configuration */
    SANDBOX_FILTER_UNAVAILABLE /* no such kernel, or a build with sanitizers, which need more */
};

/* "on", "off", "unavailable". */
const char *hulse_sandbox_filter_name(enum sandbox_filter filter);

/* 0, or the error number: no thread has a filter then. For ever. See sandbox_calls.h. */
int hulse_sandbox_filter_load(void);

/*
 * A thread begins to make the rules, which takes as long as half of what a start does meanwhile. Then enter() or forget();
 * without it enter() makes them itself.
 */
void hulse_sandbox_prepare(struct sandbox *s);
void hulse_sandbox_forget(struct sandbox *s);

/*
 * Both parts as the configuration wants them: `filter` loads the filter; without `dumpable` the
 * process writes no core and nobody but root can trace it or read its memory. What fails is logged
 * ("sandbox.unavailable") and the daemon goes on without.
 */
enum sandbox_filter hulse_sandbox_enter(struct sandbox *s, bool filter, bool dumpable);

#endif
