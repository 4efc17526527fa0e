/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - one thread's epoll set, timer wheel and inbox.
 *
 * Threads: one owner; only hulse_inbox_post/answer on loop->inbox come from elsewhere.
 * Invariants: a watch that was removed never fires again, even when its event was already
 *          fetched in the same round.
 */
#ifndef HULSE_WORKER_LOOP_H
#define HULSE_WORKER_LOOP_H

#include "daemon/core/inbox.h"
#include "daemon/worker/timer.h"

#include <stdbool.h>
#include <stdint.h>

#define HULSE_LOOP_EVENTS 64U

/* A descriptor of interest; embedded in its owner, who closes the descriptor. */
struct watch {
    int fd;
    void (*fire)(struct watch *watch, uint32_t events); /* EPOLL… bits */
};

struct loop {
    struct inbox inbox;
    uint64_t now_ns; /* refreshed every round */
    struct watch inbox_watch;
    struct watch *fetched[HULSE_LOOP_EVENTS]; /* of the round being handled; NULL = removed */
    struct timer_wheel timers;
    int epoll_fd;
    unsigned fetched_count;
};

bool hulse_loop_init(struct loop *l, uint32_t inbox_requests_max);
void hulse_loop_fini(struct loop *l);
/* `events` as for epoll_ctl (EPOLLIN | EPOLLET …). False: errno says why. */
bool hulse_loop_add(struct loop *l, struct watch *w, uint32_t events);
bool hulse_loop_modify(struct loop *l, struct watch *w, uint32_t events);
void hulse_loop_remove(struct loop *l, struct watch *w);
/*
 * One round: waits for descriptors up to timeout_ms (0 polls, -1 for ever; shorter when a timer is
 * due or the inbox has something), then handles descriptors, inbox and timers. Returns how much was
 * handled. Not from within a fire() or run().
 */
unsigned hulse_loop_round(struct loop *l, int timeout_ms);
static inline uint64_t hulse_loop_now_ms(const struct loop *l)
{
    return l->now_ns / 1000000U;
}

#endif
