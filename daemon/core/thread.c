/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread - see the header.
 */
#include "daemon/core/thread.h"

#include "daemon/core/privileges.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct birth {
    void *(*run)(void *);
    void *argument;
    char name[16];
};

static void *begin(void *memory)
{
    const struct birth birth = *(const struct birth *)memory;

    free(memory);
    /* By the thread itself: from outside it takes a file that a user's process that may not be
       dumped cannot open. */
    (void)pthread_setname_np(pthread_self(), birth.name);
    const int failed = hulse_privileges_drop();
    if (failed != 0) {
        (void)dprintf(STDERR_FILENO,
                      "%s: cannot drop capabilities: %s\n",
                      birth.name,
                      strerrordesc_np(failed));
        _exit(HULSE_PRIVILEGES_EXIT);
    }
    return birth.run(birth.argument);
}

int hulse_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *argument)
{
    static const int own_faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP};
    struct birth *birth = malloc(sizeof(*birth));
    sigset_t blocked;
    sigset_t before;

    if (birth == NULL) {
        return ENOMEM;
    }
    *birth = (struct birth){.run = run, .argument = argument};
    (void)snprintf(birth->name, sizeof(birth->name), "%s", name);
    (void)sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(own_faults) / sizeof(own_faults[0]); i++) {
        (void)sigdelset(&blocked, own_faults[i]);
    }
    /* The new thread inherits the mask, so no signal can slip in between. */
    (void)pthread_sigmask(SIG_SETMASK, &blocked, &before);
    const int failed = pthread_create(out, NULL, begin, birth);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        free(birth);
    }
    return failed;
}
