/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login - an exchange by which we say who we are, in steps that somebody else takes for us (SASL).
 *
 * Whoever asks is on a thread of its own, whoever answers (the desk) on another one. They take turns: each order has one
 * answer, and no order is given before the one before is answered. What travels is one node, so that nothing of it can
 * fail but the beginning. The desk frees it, told that nobody wants it any more.
 *
 * Threads: as said at each call. What is in it belongs to whoever has the turn.
 */
#ifndef HULSE_CORE_LOGIN_H
#define HULSE_CORE_LOGIN_H

#include "daemon/core/error.h"
#include "daemon/core/inbox.h"
#include "daemon/core/secret.h"

#include <stdbool.h>
#include <stddef.h>

#define HULSE_LOGIN_HOST_BYTES 256U /* with the terminating zero */

enum login_order {
    LOGIN_BEGIN = 1, /* says `host`; the answer is what to show at first */
    LOGIN_STEP, /* says `data`, what the peer has answered; the answer is what to show to that */
    LOGIN_END   /* nobody wants it: without an answer, the desk frees it */
};

struct login;

/* Of one broker. Outlives whoever asks. */
struct login_desk {
    struct inbox *inbox; /* of the desk's thread; set before anybody asks */
    /* On that thread: it answers soon, each time but for LOGIN_END. */
    void (*take)(struct login_desk *desk, struct login *l);
};

struct login {
    struct inbox_node node;
    struct login_desk *desk;
    struct inbox *home;                /* the asker's */
    void *owner;                       /* the asker's; NULL: it was dropped */
    void (*answered)(struct login *l); /* on the asker's thread, never after drop */
    bool away;                         /* the desk has the turn; the asker's */
    void *clerk;                       /* the desk's own */
    enum login_order order;
    char host[HULSE_LOGIN_HOST_BYTES];
    struct secret *data; /* of an order, or of an answer; NULL: none */
    hulse_status status; /* of the answer */
    char why[256];       /* unless OK */
};

/* Asks for the first step. NULL: no memory, or too much to do there. */
struct login *hulse_login_begin(struct login_desk *desk,
                                const char *host,
                                struct inbox *home,
                                void *owner,
                                void (*answered)(struct login *l));
/* Asks for the next one; the asker has the turn. False: no memory, and nothing is asked. */
bool hulse_login_step(struct login *l, const void *data, size_t bytes);
/* The asker forgets it: answered() will not come. *l becomes NULL. */
void hulse_login_drop(struct login **l);

/* The desk answers; takes the hold of `data`, which may be NULL. `why` is copied. */
void hulse_login_answer(struct login *l, hulse_status status, struct secret *data, const char *why);
/* The desk, after LOGIN_END, or when no asker is there any more. */
void hulse_login_free(struct login *l);

#endif
