/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_request - what a thread asks of a store, and how it hears the end of it.
 *
 * A thread that asks has a `store_client`: it collects requests and hands them over together. A request is
 * embedded in what it carries and belongs to the store from submit until `done`, which comes exactly
 * once, on the client's thread, out of its inbox (never within a call). Requests of one client are
 * stored in the order submitted, those refused left out; reads have no order with them. When the store is full
 * messages wait for space, in their order; control records overtake them, but for a BARRIER.
 *
 * Threads: a client and its requests belong to one thread; hulse_store_flush() wakes the store.
 * Owns:    everything a request points to is borrowed until `done`.
 * Limits:  a body of hulse_store_body_max() bytes; more is refused with TOOBIG.
 */
#ifndef HULSE_STORE_STORE_REQUEST_H
#define HULSE_STORE_STORE_REQUEST_H

#include "daemon/core/inbox.h"
#include "daemon/core/ranges.h"
#include "include/hulse/status.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

#define STORE_HANDLE_BYTES 16U
#define STORE_SPANS_MAX 6U
#define STORE_BODY_MAX (128U * 1024U * 1024U)
#define STORE_POSITION_MAX                                                                         \
    (UINT64_C(1) << 62)      /* every position is below, the end of a range at most this */
#define STORE_NAME_MAX 1024U /* of a topic, of a subscription */

enum store_kind {
    STORE_MESSAGE = 1,     /* topic, position, handle, seq, time_ms, body */
    STORE_ACK,             /* topic, subscription, ranges: acknowledged, whatever was before */
    STORE_REDELIVERED,     /* topic, subscription, counts */
    STORE_TOPIC_CREATE,    /* name, flag kept; gives topic */
    STORE_TOPIC_DELETE,    /* topic */
    STORE_TOPIC_TERMINATE, /* topic */
    STORE_TOPIC_TRIM,      /* topic, position: nothing below is needed any more */
    STORE_SUBSCRIPTION_CREATE, /* topic, name, position: all below counts as acknowledged; gives subscription */
    STORE_SUBSCRIPTION_DELETE, /* topic, subscription */
    STORE_SUBSCRIPTION_SEEK, /* topic, subscription, position: all below is acknowledged, nothing else */
    STORE_HANDLE_CLOSE,      /* topic, handle: will not come back */
    STORE_BARRIER            /* all submitted before by this client is stored or refused */
};

struct store_span {
    const void *data;
    size_t bytes;
};

struct store_count {
    uint64_t position;
    uint32_t count;
};

/* Answers of one thread. */
struct store_client {
    /* The owner's. */
    struct store *store;
    struct inbox *home;
    struct cds_wfcq_head head; /* not yet handed over */
    struct cds_wfcq_tail tail;
    uint32_t collected;
    bool eager;         /* one of them may not wait */
    uint32_t under_way; /* submitted and not done, reads too */
    struct cds_wfcq_head done_head;
    struct cds_wfcq_head read_head;
    /* Written by the store. */
    alignas(64) struct cds_wfcq_tail done_tail;
    struct cds_wfcq_tail read_tail;
    struct inbox_node node;
    _Atomic(uint64_t)
        answered; /* requests, and reads << 32, that are in the queues and not announced */
    _Atomic(uint32_t) ringing; /* threads of the store that are about to announce answers */
    struct store_client *next_answered; /* the writer's */
    uint32_t answers;
};

struct store_request {
    struct cds_wfcq_node link;
    struct store_client *client; /* set by submit */
    void (*done)(struct store_request *rq);
    enum store_kind kind;
    bool lazy; /* may wait a little for others (acknowledgements) */
    bool
        transient; /* SUBSCRIPTION_CREATE, and all for such a one: known, holds its messages, written nowhere */
    bool kept; /* TOPIC_CREATE */
    uint64_t topic;
    uint64_t subscription;
    uint64_t position;
    uint64_t seq;
    uint64_t time_ms;                   /* Unix epoch */
    uint8_t handle[STORE_HANDLE_BYTES]; /* zeros = none */
    union {
        struct store_span body[STORE_SPANS_MAX]; /* MESSAGE; unused ones are empty */
        const char *name;
        const struct ranges *ranges;
        struct {
            const struct store_count *counts;
            uint32_t count;
        };
    };
    /* Set by the store. OK; NO_TOPIC; INVAL (control records); TOOBIG; IO (the store has failed); CLOSED. */
    hulse_status status;
};

void hulse_store_client_init(struct store_client *c, struct store *s, struct inbox *home);
/* Nothing is under way. Afterwards the store touches neither the client nor its inbox. */
void hulse_store_client_fini(struct store_client *c);
/* Collects; no system call, no lock. */
void hulse_store_submit(struct store_client *c, struct store_request *rq);
/* The largest body that fits: STORE_BODY_MAX, or less when segments are smaller. */
uint32_t hulse_store_body_max(const struct store *s);
/* Hands over what was collected; wakes the writer if it sleeps. Cheap when there is nothing. */
void hulse_store_flush(struct store_client *c);

/* ---- reads ---- */

/* One stored message; everything points into the read's buffer. */
struct store_message {
    uint64_t epoch;
    uint64_t position;
    uint64_t seq;
    uint64_t time_ms;
    const uint8_t *handle;
    const uint8_t *body;
    uint32_t body_bytes;
    uint32_t
        damaged; /* of the positions between the one before it and this one: not readable any more */
};

/*
 * Messages of one topic in the order of positions. The store allocates `buffer`, counted as HULSE_MEM_MESSAGE,
 * and the caller frees it with hulse_store_read_free() after `done`. At least one message comes
 * when there is one, whatever bytes_max says.
 */
struct store_read {
    struct cds_wfcq_node link;
    struct store_client *client;
    void (*done)(struct store_read *rd);
    uint64_t topic;
    uint64_t from;
    uint64_t end; /* exclusive; what is stored: of which OK was heard */
    uint32_t messages_max;
    uint32_t bytes_max;
    bool
        give_up; /* what the disk cannot read (EIO) counts as damaged: it has been tried for long enough */
    /*
     * Set by the store. OK; CLOSED. These say nothing about what is there, and it is tried again later: NO_MEMORY;
     * IO, the disk has refused; BUSY, the system has (no descriptor).
     */
    hulse_status status;
    uint8_t *buffer;
    size_t buffer_bytes;
    size_t filled;           /* of it */
    uint32_t count;          /* messages in the buffer */
    uint64_t next;           /* where to go on: nothing else is in [from, next) */
    uint64_t damaged;        /* of [from, next): were there and are not readable any more */
    uint32_t damaged_behind; /* of them, behind the last message; the others are in front of one */
};

void hulse_store_read_submit(struct store_client *c, struct store_read *rd);
/* Walks: *at begins as 0. False at the end. */
bool hulse_store_read_next(const struct store_read *rd, size_t *at, struct store_message *out);
void hulse_store_read_free(struct store_read *rd);

#endif
