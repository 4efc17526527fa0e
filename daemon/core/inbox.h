/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inbox - typed messages from any thread to the one that owns the inbox.
 *
 * A node is embedded in the message. A request is counted and may be refused; its answer travels
 * back in the request's own node and cannot fail. The owner is woken through an eventfd only when
 * it has said that it sleeps.
 *
 * Threads: post/answer from any, the rest by the owner.
 * Limits:  requests_max nodes posted and not yet run.
 * Order:   nodes of one poster are run in the order posted.
 */
#ifndef HULSE_CORE_INBOX_H
#define HULSE_CORE_INBOX_H

#include "daemon/core/rcu.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct inbox_node {
    struct cds_wfcq_node link;
    /* Called on the owner's thread. May post or answer this very node elsewhere. */
    void (*run)(struct inbox_node *node);
    bool request; /* set by post/answer */
};

struct inbox {
    /* The owner's, and what nobody writes. */
    struct cds_wfcq_head head;
    uint32_t requests_max;
    int fd; /* eventfd, in the owner's epoll */
    /* Written by posters. */
    alignas(64) struct cds_wfcq_tail tail;
    _Atomic(uint32_t) requests; /* posted and not yet run; the owner counts down */
    _Atomic(uint32_t) sleeping; /* written by the owner and the first waker */
};

/* False: no descriptor to be had. */
bool hulse_inbox_init(struct inbox *in, uint32_t requests_max);
void hulse_inbox_fini(struct inbox *in);
/* False: full; the node is untouched. */
bool hulse_inbox_post(struct inbox *in, struct inbox_node *node);
void hulse_inbox_answer(struct inbox *in, struct inbox_node *node);
/* Owner: runs up to `budget` nodes; returns how many. */
unsigned hulse_inbox_run(struct inbox *in, unsigned budget);
/* Owner, before sleeping: true when a node is waiting (do not sleep). */
bool hulse_inbox_park(struct inbox *in);
/* Owner, after sleeping: drains the eventfd if it rang. */
void hulse_inbox_unpark(struct inbox *in);

#endif
