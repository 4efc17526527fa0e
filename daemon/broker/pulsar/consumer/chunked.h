/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunked - one message that comes in chunks: the entries that it holds, what becomes of them together, and how it is
 * given up (chunks.h).
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_CONSUMER_CHUNKED_H
#define HULSE_PULSAR_CONSUMER_CHUNKED_H

#include "daemon/broker/pulsar/consumer/object.h"

enum chunked_state { CHUNKED_GATHERING, CHUNKED_GIVEN_UP, CHUNKED_WHOLE };

struct chunked {
    TAILQ_ENTRY(chunked) link;
    struct entry_list entries; /* by chunk_link, as they came */
    struct entry *last;        /* of a whole one; it is not held by this */
    struct body *body;         /* of a gathering one */
    uint64_t moved_ms;         /* when the last one came */
    uint64_t again_ms;         /* of one that was given up; 0: when more of it comes */
    size_t object_bytes;
    enum chunked_state state;
    uint32_t count;
    uint32_t next;
    uint32_t held;
    uint32_t
        counted; /* entries in chunk_entry_bytes: of one that was given up what it holds, else all there will be */
    uint32_t bytes; /* of all, as they came */
    uint32_t uuid_bytes;
    uint32_t stem_bytes; /* of it: what every attempt of one producer to send it begins with */
    bool torn;           /* a chunk is missing that will not come */
    uint8_t uuid[];
};

/* The entry is a part of it, and out. */
void hulse_chunked_hold(struct pulsar_consumer *c, struct chunked *x, struct entry *e);
/* Not any more; who calls reviews it. */
void hulse_chunked_unhold(struct pulsar_consumer *c, struct chunked *x, struct entry *e);
/* It has no entries any more. */
void hulse_chunked_destroy(struct pulsar_consumer *c, struct chunked *x);
/* All its entries, but for the last one of a whole message: the broker has them, they are acknowledged, asked for again. It is gone. */
void hulse_chunked_let_go(struct pulsar_consumer *c, struct chunked *x);
void hulse_chunked_ack(struct pulsar_consumer *c, struct chunked *x);
void hulse_chunked_ask(struct pulsar_consumer *c, struct chunked *x, uint32_t delay_ms);

/* Nothing of it was missing but room. */
static inline bool hulse_chunked_is_complete(const struct chunked *x)
{
    return x->next == x->count && !x->torn;
}
/* It stands before that entry: what comes again, because it was asked for, may be from before what has come meanwhile. */
bool hulse_chunked_is_before(const struct chunked *x, const Pulsar__MessageIdData *id);
/* Acknowledges all attempts with that stem that are not complete, and stand before `id`; NULL: wherever they stand. */
void hulse_chunked_end_attempts(struct pulsar_consumer *c,
                                struct broker_span stem,
                                const Pulsar__MessageIdData *id);
uint64_t hulse_chunked_hash(struct broker_span uuid);
/* What comes of it is nobody's, though other attempts of its message may be whole. */
void hulse_chunked_remember(struct pulsar_consumer *c, struct broker_span uuid);
/* It comes again from its first chunk: it was asked for once more, by whomever. */
void hulse_chunked_revive(struct pulsar_consumer *c, struct broker_span uuid);
bool hulse_chunked_remembers(const uint64_t over[PULSAR_CHUNKED_OVER], uint64_t hash);
/*
 * Everything that is not acknowledged comes in the topic's order: a chunk that is not there is acknowledged, expired, or
 * from before the subscription. So the message will never be whole, and what is left of it is in the way. Not while what comes
 * may have been sent before everything was asked for again: its beginning was let go then, and comes once more.
 */
bool hulse_chunked_never_comes(const struct pulsar_consumer *c);
/* How long until what found no room is asked for again. */
uint32_t hulse_chunked_again_in(const struct pulsar_consumer *c);
/* The timer of those that are not whole fires by then. */
void hulse_chunked_arm(struct pulsar_consumer *c, uint64_t due_ms);
void hulse_chunked_due(struct timer *timer);
/* It has lost a message. The event may close the consumer. */
void hulse_chunked_tell_lost(struct pulsar_consumer *c);
/* One that is gathering. False: it is gone. `again_ms`: when it is asked for; 0: when more of it comes. */
bool hulse_chunked_give_up(struct pulsar_consumer *c,
                           struct chunked *x,
                           uint64_t again_ms,
                           const char *why);
void hulse_chunked_give_up_oldest(struct pulsar_consumer *c, const char *why);
/* Too many were given up, or they hold too much: the oldest are forgotten, but for the last. */
void hulse_chunked_bound(struct pulsar_consumer *c);
/* So many entries of it are counted from here on. */
void hulse_chunked_count(struct pulsar_consumer *c, struct chunked *x, uint32_t entries);

#endif
