/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stall - senders that get no receipts while others want to send on the same connection.
 *
 * A broker that holds one topic back stops reading the whole connection. When a sender has had something unanswered and no
 * receipt for STALL_LOOKS looks, and another one is there with something to send, the one with most of its bytes on that
 * connection moves to one of its own (PULSAR_FOR_ONE, of which a worker has few). After RETURN_LOOKS without a stall it
 * comes back, after twice as many when it has stalled again.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_PRODUCER_STALL_H
#define HULSE_PULSAR_PRODUCER_STALL_H

#include <stdbool.h>
#include <stdint.h>

#define PULSAR_STALL_LOOK_MS 200U
#define PULSAR_STALL_LOOKS 5U
#define PULSAR_RETURN_LOOKS 300U
#define PULSAR_RETURN_LOOKS_MAX (16U * PULSAR_RETURN_LOOKS)

struct pulsar_sender;
struct pulsar_senders;
struct timer;

/* What one sender has of it; all zero at first. */
struct pulsar_stall {
    uint64_t receipts; /* ever */
    uint64_t seen;     /* of them, at the last look */
    uint32_t dry;      /* looks in a row without one, while something was unanswered */
    uint32_t stay;     /* looks until it may return */
    uint32_t stay_for; /* the next time */
    bool waited;       /* something was unanswered at the last look */
};

/* Something was sent: looks begin, until nothing is unanswered and nobody is apart. */
void hulse_pulsar_stall_watch(struct pulsar_senders *all);
void hulse_pulsar_stall_look(struct pulsar_senders *all);
/* Its timer for that. */
void hulse_pulsar_stall_fired(struct timer *timer);

#endif
