/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assert - see the header.
 */
#include "daemon/core/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static _Thread_local enum role thread_role;

_Noreturn void hulse_assert_failed(const char *file, int line, const char *what)
{
    /* Neither stdio's locks nor the log thread: both may be what is broken. */
    (void)dprintf(STDERR_FILENO, "%s:%d: assertion failed: %s\n", file, line, what);
    abort();
}

enum role hulse_role(void)
{
    return thread_role;
}

void hulse_role_set(enum role role)
{
    thread_role = role;
}
