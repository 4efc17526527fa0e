/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle - a producer of broker.h: one of those that a sender works for.
 *
 * It lives until it is closed and all its records are answered, which nobody hears of any more.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_PRODUCER_HANDLE_H
#define HULSE_PULSAR_PRODUCER_HANDLE_H

#include "daemon/broker/pulsar/producer/entry.h"

struct pulsar_partitions;

struct pulsar_producer {
    struct broker_producer base;
    struct pulsar_sender *sender;    /* of its topic, but for one with partitions */
    struct pulsar_partitions *parts; /* NULL: it has none, or that is not known yet */
    struct broker_routing routing;
    uint64_t pending; /* bytes of records without an answer */
    uint64_t pending_bytes;
    uint32_t unanswered;
    uint32_t pending_max; /* 0: no bound */
    uint32_t round;       /* flushes begun */
    uint32_t flush_left;  /* records without an answer that the flush waits for */
    uint32_t pins;        /* who touches it after an event, without a record */
    bool flushing;
    bool starved; /* busy because a record got no memory */
    bool opened;
    bool closed;
    LIST_ENTRY(pulsar_producer)
    link; /* of the sender, or of those with partitions, until it is closed */
    LIST_ENTRY(pulsar_producer) in_starved;
};

/* The record is one of the entry's from now on. */
static inline void hulse_pulsar_handle_take(struct pulsar_producer *p,
                                            struct pulsar_entry *e,
                                            uint64_t token,
                                            uint32_t bytes)
{
    e->slots[e->count] =
        (struct pulsar_slot){.producer = p, .token = token, .bytes = bytes, .round = p->round};
    e->count += 1;
    p->unanswered += 1;
    p->pending += bytes;
    p->base.busy =
        p->pending >= p->pending_bytes || (p->pending_max != 0 && p->unanswered >= p->pending_max);
}

LIST_HEAD(pulsar_producer_list, pulsar_producer);

/* There was no memory for a record: busy until one of its own is answered, or the owner of the list says otherwise. */
void hulse_pulsar_handle_starve(struct pulsar_producer *p, struct pulsar_producer_list *starved);
/* Not any more; `freed` comes, in which it may be closed. */
void hulse_pulsar_handle_feed(struct pulsar_producer *p);
/* The end of a record: its answer, what follows from it, and of a closed producer that was its last the end. */
void hulse_pulsar_handle_answer(const struct pulsar_slot *slot, const struct broker_answer *answer);
/* It stays, even closed, until it is unpinned. */
static inline void hulse_pulsar_handle_pin(struct pulsar_producer *p)
{
    p->pins += 1;
}

/* It is closed: gone, unless it is pinned or a record is unanswered. */
void hulse_pulsar_handle_leave(struct pulsar_producer *p);

/* False: it was closed, and may be gone. */
static inline bool hulse_pulsar_handle_unpin(struct pulsar_producer *p)
{
    p->pins -= 1;
    if (__builtin_expect(p->closed, 0)) {
        hulse_pulsar_handle_leave(p);
        return false;
    }
    return true;
}

/* A record that nobody will hear of. */
void hulse_pulsar_handle_forget(const struct pulsar_slot *slot);
/* Closed, and not of a sender any more. */
void hulse_pulsar_handle_close(struct pulsar_producer *p);
void hulse_pulsar_handle_destroy(struct pulsar_producer *p);

#endif
