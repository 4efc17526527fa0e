/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread - see the header.
 */
#include "daemon/core/thread.h"

#include <signal.h>
#include <stdio.h>

int hulse_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *argument)
{
    static const int own_faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP};
    char short_name[16];
    sigset_t blocked;
    sigset_t before;

    (void)sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(own_faults) / sizeof(own_faults[0]); i++) {
        (void)sigdelset(&blocked, own_faults[i]);
    }
    /* The new thread inherits the mask, so no signal can slip in between. */
    (void)pthread_sigmask(SIG_SETMASK, &blocked, &before);
    const int failed = pthread_create(out, NULL, run, argument);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0) {
        (void)snprintf(short_name, sizeof(short_name), "%s", name);
        (void)pthread_setname_np(*out, short_name);
    }
    return failed;
}
