/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait - the one place where the library sleeps for the rings.
 *
 * Looks 200 times, announces what it waits for, looks once more, then sleeps on the group's pipe
 * and the socket, at most a second at a time.
 *
 * Threads: the group's.
 */
#ifndef HULSE_CLIENT_WAIT_H
#define HULSE_CLIENT_WAIT_H

#include "shmlib/client/session.h"

struct hulse_waiter {
    struct hulse_group *group;
    struct hulse_channel *channel;   /* the only one that matters, NULL = the group's */
    hulse_status (*ready)(void *of); /* AGAIN: not yet; anything else ends the wait */
    void (*announce)(void *of);      /* flush, store the wish, fence */
    void *of;
};

/* What `ready` gave, or TIMED_OUT, REFUSED, PROTOCOL, CLOSED. A daemon that has gone is waited for. */
hulse_status hulse_waiter_run(const struct hulse_waiter *w, int timeout_ms);

#endif
