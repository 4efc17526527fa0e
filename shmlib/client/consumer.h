/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer - a receiving handle: what its files share.
 *
 * Threads: its owner. `verdicts` and `sources` are changed by whoever reads the socket.
 */
#ifndef HULSE_CLIENT_CONSUMER_H
#define HULSE_CLIENT_CONSUMER_H

#include "shmlib/client/channel.h"
#include "shmlib/client/clock.h"
#include "shmlib/client/marks.h"
#include "shmlib/ring/id_table.h"

/* A name takes a multiple of it, so that the next one of its source fits into its place, mostly. */
#define HULSE_SOURCE_PLACE_BYTES 128U
#define HULSE_SOURCES_DEFAULT 128U /* of one topic, which has two */

/* Names of topics that the daemon announced. Source 0 is the topic itself, or the pattern. */
struct hulse_sources {
    _Atomic(char *) *name; /* `max` of them; NULL = not announced */
    char *names;
    uint32_t max;
    uint32_t used; /* bytes of `names`; under the session lock */
    uint32_t room;
};

/* A message that arrives in fragments: each is copied out, so that its ring space can go back. */
struct hulse_assembly {
    uint8_t *buffer; /* payload_max bytes, then HULSE_META_BYTES_MAX; NULL = refused */
    uint32_t payload_max;
    uint32_t next_index; /* 0 = none begun */
    uint32_t count;
    uint16_t meta_bytes;
    uint64_t filled;
    uint64_t total;
    uint64_t ref;
};

struct hulse_unacked_entry;

/* Messages handed out without a verdict (unacked.c). */
struct hulse_unacked {
    struct hulse_id_table ids;
    struct hulse_unacked_entry *entries; /* by node; NULL of a reader */
    uint32_t judged;                     /* by id, and still remembered */
};

struct hulse_consumer {
    struct hulse_handle handle;
    _Atomic(uint32_t) verdicts; /* bit n = enum hulse_verdict n is configured */
    enum hulse_subscription type;
    uint32_t unreleased; /* messages released by the application since the last batch */
    /* Ends of messages count on over daemons; a ring's positions begin at `base`. */
    uint64_t base;
    uint64_t handed_to;   /* end of the last message handed out */
    uint64_t freed_to;    /* the application has released up to here */
    uint64_t held_to;     /* end of the reassembled message in use; 0 = none */
    uint64_t stale_to;    /* position in the ring: what is before it was delivered before a seek */
    bool resumed;         /* ids may name deliveries of an earlier daemon */
    bool ended;           /* the topic; nothing was handed out since */
    _Atomic(bool) active; /* failover */
    /* Of a reader. */
    _Atomic(bool) told; /* the daemon says when it has caught up */
    bool caught_up;
    bool has_end;
    struct hulse_id_key end; /* the topic's last message when it was opened */
    struct hulse_marks marks;
    enum hulse_start start; /* where it began, or was moved to; what has no mark begins there */
    struct hulse_ctl_position start_at;
    struct hulse_unacked unacked;
    struct hulse_assembly assembly;
    struct hulse_sources sources;
};

/* Until a daemon has the consumer's channel, the one that is there or the next. */
hulse_status hulse_consumer_await(struct hulse_consumer *c, struct hulse_deadline deadline);
/* Where the next daemon lets it begin that has been handed nothing. */
void hulse_position_offer(struct hulse_ctl_attach_handle *offer,
                          enum hulse_start start,
                          const struct hulse_ctl_position *at);
/* UNSUPPORTED, with the session's fault: the daemon knows ends only. Requires: session lock. */
hulse_status hulse_position_known(struct hulse_session *s);
/* Takes what a reader is told when it is opened, by the first daemon or the next. */
void hulse_reader_opened(struct hulse_consumer *c, const struct hulse_ctl_reader *answer);
/*
 * Takes one fragment whose record has been checked. OK: the message is whole; AGAIN: more are to
 * come; PROTOCOL with *why.
 */
hulse_status hulse_assembly_take(struct hulse_assembly *a,
                                 const struct hulse_delivery_header *h,
                                 const uint8_t *payload,
                                 const char **why);
/* Points *m to the whole message and makes the assembly ready for the next one. */
void hulse_assembly_finish(struct hulse_assembly *a, struct hulse_message *m);
bool hulse_unacked_init(struct hulse_unacked *u, uint32_t capacity);
void hulse_unacked_fini(struct hulse_unacked *u);
/* All of them: the same messages will be handed out anew. */
void hulse_unacked_clear(struct hulse_unacked *u);
static inline struct hulse_id_key hulse_unacked_key(const struct hulse_id *id)
{
    return (struct hulse_id_key){.ledger = id->ledger,
                                 .entry = id->entry,
                                 .batch = id->batch,
                                 .source = id->source,
                                 .partition = id->partition};
}
void hulse_unacked_hand_out(struct hulse_consumer *c, const struct hulse_id *id);
/* The application has it already, or is done with it. */
bool hulse_unacked_suppresses(struct hulse_consumer *c, const struct hulse_delivery_header *h);
/* Names the delivery of the daemon that is there, or the message by its id. */
void hulse_unacked_address(const struct hulse_consumer *c,
                           const struct hulse_id *id,
                           struct hulse_verdict_record *v);
/* A verdict was written; `end` is the up position behind it. */
void hulse_unacked_judge(struct hulse_consumer *c,
                         const struct hulse_id *id,
                         const struct hulse_verdict_record *v,
                         uint64_t end);
/* Forgets what no delivery in the ring can be of any more. */
void hulse_unacked_retire(struct hulse_consumer *c);
/* Room for `max` names, more than that only of short ones. False without memory. */
bool hulse_sources_init(struct hulse_sources *t, uint32_t max);
void hulse_sources_fini(struct hulse_sources *t);
/*
 * A source's name, or another one than it had, which no message without a verdict has then; false when the table is full.
 * Requires: session lock.
 */
bool hulse_sources_add(struct hulse_sources *t, uint32_t index, const char *name, size_t bytes);
/* Sends the names after the consumer's ATTACH_HANDLE. Requires: session lock. */
bool hulse_sources_offer(struct hulse_session *s, struct hulse_consumer *c);
/* Terminated name, or NULL when not announced yet. */
const char *hulse_sources_get(const struct hulse_sources *t, uint32_t index);

#endif
