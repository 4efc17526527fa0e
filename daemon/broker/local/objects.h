/* SPDX-License-Identifier: Apache-2.0 */
/*
 * objects - the objects of the local broker.
 *
 *   on the topic's worker                         on the worker of whoever opened it
 *   topic ── subscription ─┬─ seat  . . . . . . . consumer
 *     .                    └─ delivery ── message     └─ delivery (of another worker's topic)
 *     . . . . . . . . . . . . . . . . . . . . . . producer
 *
 * Dots are crossed by a pointer when both are on one worker, else by an op in a lane (lane.c).
 *
 * Threads: each object belongs to one worker; ops and messages change hands as said.
 */
#ifndef HULSE_BROKER_LOCAL_OBJECTS_H
#define HULSE_BROKER_LOCAL_OBJECTS_H

#include "daemon/broker/local/heap.h"
#include "daemon/broker/local/link.h"
#include "daemon/broker/local/local.h"
#include "daemon/core/assert.h"
#include "daemon/core/inbox.h"
#include "daemon/core/pool.h"
#include "daemon/store/store_request.h"
#include "daemon/worker/worker.h"

#include <stdatomic.h>

#define LOCAL_TOPIC_MAGIC 0x746f7063U
#define LOCAL_SEAT_MAGIC 0x73656174U
#define LOCAL_PRODUCER_MAGIC 0x70726f64U
#define LOCAL_CONSUMER_MAGIC 0x636f6e73U

#define LOCAL_WORKERS_MAX 64U
#define LOCAL_LANE_BATCHES 4U /* on the way to one peer at a time */
#define LOCAL_BATCH_OPS 256U  /* in one of them */
#define LOCAL_POOL_MAX 65536U /* deliveries from the pool; more are allocated one by one */
#define LOCAL_PUBLICATIONS_MAX 1048576U /* records of a worker with the store; memory_max is less */
#define LOCAL_DISPATCH_MAX 256U         /* messages of one subscription in one go */
#define LOCAL_REFUSED_MS 10U            /* before a delivery is tried again that found no memory */
#define LOCAL_RETRY_MS 1U               /* after a peer's inbox was full */
#define LOCAL_OUTCOME_LATER 255U        /* of an OP_PUBLISH: by OP_STORED */

struct topic;
struct seat;
struct consumer;
struct producer;
struct local_worker;
/* What persistent topics have beside (durable.h). */
struct durable_topic;
struct cursor;
struct handle;
struct later;

/* ---- what travels between workers ---- */

enum op_kind {
    OP_OPEN_PRODUCER,  /* struct open_request */
    OP_CLOSE_PRODUCER, /* struct producer */
    OP_PUBLISH,        /* struct message */
    OP_OPEN_CONSUMER,  /* struct open_request */
    OP_CLOSE_CONSUMER, /* struct consumer */
    OP_PERMIT,         /* struct consumer */
    OP_VERDICT,        /* struct delivery, of the consumer's side */
    OP_ACK_ID,         /* struct ack_id */
    OP_DELIVER,        /* struct delivery, of the topic's side */
    OP_ERRAND,         /* struct consumer */
    OP_ASK,            /* struct ask */
    OP_ENDED,          /* struct notice */
    OP_END_OF_TOPIC,   /* struct seat */
    OP_CAUGHT_UP,      /* struct seat */
    OP_LOST,           /* struct seat */
    OP_LATER,          /* struct later */
    OP_STORED,         /* struct publication */
    OP_SETTLED,        /* struct seat */
    OP_KINDS
};

/*
 * Embedded in what it carries. Home is the worker that added it to a lane; the peer serves it, and
 * it comes back to be completed. Between post and return only the peer touches what it carries.
 */
struct op {
    struct link link;
    enum op_kind kind;
    bool posted; /* home: in a batch that the peer may see */
};

struct lane;

struct batch {
    struct inbox_node node;
    struct link ops;
    struct lane *lane;
    bool in_flight;
};

/* From one worker to one peer. */
struct lane {
    struct local_worker *home;
    uint32_t peer;
    bool gone;       /* the peer has stopped; ops fail at once */
    struct link ops; /* not yet posted */
    struct batch batches[LOCAL_LANE_BATCHES];
    uint32_t in_flight;
    uint32_t next;             /* batch to use: they come back in order */
    struct inbox_node goodbye; /* of `home` to the peer */
};

/* ---- messages ---- */

enum delivery_memory {
    DELIVERY_IN_MESSAGE, /* message.first */
    DELIVERY_IN_POOL,
    DELIVERY_ALLOCATED
};

/* What became of an OP_DELIVER. */
enum arrival {
    ARRIVAL_TAKEN,
    ARRIVAL_CLOSING, /* the consumer has closed, and its close is behind this */
    ARRIVAL_NO_MEMORY
};

enum verdict { VERDICT_ACK, VERDICT_ACK_CUMULATIVE, VERDICT_NACK, VERDICT_GIVE_BACK };

/* A message for one subscription; or, with an origin, for a consumer of another worker's topic. */
struct delivery {
    struct broker_delivery d; /* first: what the front end holds */
    union {
        struct link link;      /* subscription.queue, seat.outstanding, consumer.held */
        struct heap_node node; /* subscription.redelivery, subscription.delayed */
    };
    struct message *message;
    struct subscription *sub;  /* topic's side */
    struct seat *seat;         /* topic's side: who has it; NULL = it waits */
    struct consumer *consumer; /* who it is handed to */
    struct delivery *origin;   /* consumer's side: the one on the topic's side */
    struct op op;
    union {
        uint64_t lost;     /* OP_DELIVER: by the seat, when it was handed out */
        uint32_t delay_ms; /* OP_VERDICT */
    };
    uint8_t verdict; /* OP_VERDICT: enum verdict */
    uint8_t memory;  /* enum delivery_memory */
    uint8_t arrival; /* OP_DELIVER: enum arrival */
    bool again;      /* an app has had it before */
    bool ended;      /* acknowledged by its id: finished when its seat lets it go */
    bool call;       /* OP_VERDICT: is told through `settled` */
};

/*
 * One allocation. `workers` counts who must not lose it: the topic's worker for all its deliveries
 * together, each delivery on another worker, and an OP_PUBLISH under way.
 */
struct message {
    _Atomic(uint32_t) workers;
    uint32_t refs;       /* topic's worker: deliveries, and publish itself */
    size_t bytes;        /* of this allocation; what is charged to a subscription */
    uint64_t expires_ms; /* loop time; 0 = never */
    /* OP_PUBLISH */
    struct op op;
    struct producer *producer;
    struct topic *topic;
    uint64_t token;
    uint64_t seq;
    uint32_t round;  /* flushes begun when it was sent */
    uint8_t outcome; /* or LOCAL_OUTCOME_LATER */
    bool first_used;
    struct delivery first; /* for the first subscription; the pattern for the others */
    uint8_t data[];        /* payload, key, ordering key, properties, producer name */
};

/* ---- topic's side ---- */

struct topic_counters {
    uint64_t published;
    uint64_t published_bytes;
    uint64_t delivered;
    uint64_t acknowledged;
    uint64_t redelivered;
    uint64_t dropped;
    uint64_t lost; /* damaged in the store, once for each subscription that came to it */
};

/* Messages per second since somebody asked before; see hulse_rate_read. */
struct rate {
    uint64_t since_ms;
    uint64_t count;
    double per_second;
};

enum topic_end {
    TOPIC_LIVE = 0,
    TOPIC_TERMINATED, /* nothing is published any more */
    TOPIC_DELETED     /* out of the table; goes with the last who has it open */
};

struct topic {
    uint32_t magic;
    uint32_t producers;
    uint32_t seats;
    uint32_t subscription_count; /* without those that are over */
    struct local_worker *worker;
    struct durable_topic *durable; /* NULL: non-persistent */
    struct link subscriptions;     /* nothing leaves it inside an event */
    enum topic_end end;
    bool kept;        /* made by an order: stays when unused */
    uint32_t notices; /* of its end, not yet back */
    uint64_t next_entry;
    uint64_t held; /* messages waiting or without verdict, over all subscriptions */
    struct topic_counters counters;
    struct rate publish_rate;
    struct rate delivery_rate;
    struct timer unused;
    struct topic *next; /* in its bucket */
    struct link gone;   /* local_worker.deleted */
    uint64_t hash;
    size_t object_bytes;
    char name[];
};

/* An acknowledgement by id on its way to another worker. */
struct ack_id {
    struct op op;
    struct seat *seat; /* outlives it: a close is behind it */
    struct broker_id id;
    bool cumulative;
};

struct ended_ids;

struct subscription {
    struct link link;  /* topic.subscriptions */
    struct link dirty; /* local_worker.dirty while it has to be looked at */
    struct topic *topic;
    struct cursor *cursor; /* of a persistent topic */
    enum broker_subscription type;
    bool transient; /* goes with its last consumer */
    bool over;      /* takes and hands out nothing more; its name is free */
    bool doomed;    /* over, without seats; freed in a turn when `returning` is 0 */
    uint32_t seat_count;
    struct link seats;
    struct link ready;      /* seats with permits, next one first */
    struct link queue;      /* never handed out */
    struct heap redelivery; /* by entry */
    struct heap delayed;    /* by due time */
    uint32_t held;          /* waiting or without verdict */
    uint32_t handed_out;    /* without verdict */
    uint32_t delayed_count; /* in `delayed` */
    uint64_t delayed_low;   /* no entry in `delayed` is lower */
    uint32_t returning;     /* of closed seats, still on the way to another worker */
    uint64_t held_bytes;
    uint64_t handed_bytes;
    uint64_t catch_up;           /* of a reader: what there was when it opened is below */
    uint64_t ended_below;        /* entries below are acknowledged (cumulative) */
    struct ended_ids *ended_ids; /* ack_id.c; NULL until the first */
    uint64_t delivered; /* to an app: what comes back from another worker untaken does not count */
    struct rate delivery_rate;
    struct timer delay;
    struct timer expiry;
    struct timer unused;
    size_t object_bytes;
    char name[];
};

/* An op that is no message, from a seat to its consumer on another worker. */
struct news {
    struct op op;
    bool under_way;
    uint64_t lost; /* by the seat, when it was sent */
};

/* A consumer as its subscription sees it. */
struct seat {
    uint32_t magic;
    uint32_t permits;
    struct link link;  /* subscription.seats */
    struct link ready; /* subscription.ready */
    struct subscription *sub;
    struct consumer *consumer; /* of worker `worker`: only an address when that is another one */
    uint32_t worker;
    uint32_t in_transit; /* ops to `worker` not yet back */
    bool remote;
    bool told_end;  /* end of topic */
    bool closed;    /* freed when in_transit is 0 */
    bool unordered; /* outstanding is not in the order of entries */
    uint64_t last_entry;
    struct link outstanding; /* deliveries, in the order they were handed out */
    struct news end;
    struct news caught_up;
    struct news loss; /* with nothing behind it that would carry it */
    bool told_caught_up;
    uint64_t lost;         /* messages passed over, ever */
    uint64_t lost_carried; /* of them: in an op that is on its way, or was */
    /* Verdicts of a persistent subscription: given, being stored, stored and to be told elsewhere. */
    uint32_t calls;
    uint32_t calls_storing;
    uint32_t calls_due;
    uint32_t settled;
    uint32_t settled_told; /* by settle_op */
    struct op settle_op;
    bool settle_under_way;
};

/* ---- opener's side ---- */

enum end_state {
    END_OPENING,
    END_OPEN,
    END_ENDED, /* the topic takes no more messages */
    END_GONE   /* the topic's worker has stopped */
};

struct producer {
    struct broker_producer base;
    uint32_t magic;
    enum end_state state;
    bool closed; /* by the front end */
    bool remote;
    uint32_t owner; /* worker of the topic */
    struct local_worker *worker;
    struct topic *topic;
    struct link link;       /* local_worker.producers */
    struct handle *handle;  /* remote: only an address; NULL: copies are not looked for */
    uint64_t pending_bytes; /* OP_PUBLISH not yet back */
    uint32_t pending;       /* records without an answer */
    uint32_t in_events;     /* depth: not freed meanwhile */
    uint32_t flush_left;    /* of those that were pending at the flush */
    uint32_t rounds;        /* flushes begun */
    bool forget;            /* closed for good: its handle will not come back */
    uint8_t refusal;        /* END_ENDED: enum hulse_outcome */
    struct op close_op;
    uint32_t name_bytes;
    char name[];
};

struct errand {
    struct op op;
    enum broker_errand kind;
    bool under_way;
    bool has_id;
    hulse_status status;
    const char *text; /* static */
    struct broker_id id;
    struct later *later; /* it is answered by OP_LATER */
};

struct consumer {
    struct broker_consumer base;
    uint32_t magic;
    enum end_state state;
    bool closed;
    bool unsubscribe;
    bool remote;
    bool unordered; /* as of a seat, for `held` */
    uint32_t owner;
    struct local_worker *worker;
    bool failed;
    bool in_ended;      /* a call of it that ends many */
    bool durable;       /* of a persistent topic: verdicts are settled when they are stored */
    uint32_t calls;     /* remote and durable: not settled */
    uint32_t uncarried; /* of them: did not leave, for want of memory */
    struct seat *seat;
    const struct topic *topic; /* remote: only an address */
    struct link link;          /* local_worker.consumers */
    struct link held;          /* remote: deliveries the front end has */
    uint64_t last_entry;
    uint64_t lost; /* remote: what its seat lost, as far as it has heard */
    struct op close_op;
    struct op permit_op;
    bool permit_under_way;
    uint32_t permit_count; /* in permit_op */
    uint32_t permit_more;  /* while permit_op is posted */
    struct errand errand;
};

/* What an open needs on the topic's worker, and what it answers. Texts are static. */
struct open_request {
    struct op op;
    struct producer *producer; /* one of the two */
    struct consumer *consumer;
    uint64_t hash;
    const char *topic;
    const char *subscription;
    enum broker_subscription type;
    struct broker_position start;
    uint8_t handle_id[BROKER_HANDLE_ID_BYTES];
    bool create;
    bool transient;
    uint32_t worker; /* of the opener */
    hulse_status status;
    const char *text;
    struct topic *opened_topic;
    struct seat *opened_seat;
    struct broker_reach reach;
    bool has_reach;
    struct handle *opened_handle;
    struct subscription *made; /* for this one, perhaps not stored yet */
    struct later *later;       /* it is answered by OP_LATER */
    size_t object_bytes;
    char strings[]; /* when it travels */
};

/* ---- the end of a topic, told to one other worker ---- */

struct notice {
    struct op op;
    struct topic *topic;
    enum topic_end end;
};

/* ---- worker and broker ---- */

struct local_broker {
    struct broker base;
    struct broker_ops ops;    /* with what a store adds */
    struct store *store;      /* NULL: persistent names are refused */
    _Atomic(uint32_t) loaded; /* workers that have their topics from it */
    struct local_params params;
    uint64_t
        epoch_ms; /* ledger of what is in memory: another one after each start, also within a second */
    _Atomic(uint32_t) topic_count;
    _Atomic(uint64_t) topics_changed; /* how often one entered or left a table (watch.c) */
    _Atomic(bool) started[LOCAL_WORKERS_MAX];
    /* For control, which starts and stops them: NULL before and after. */
    _Atomic(struct worker *) workers[LOCAL_WORKERS_MAX];
    _Atomic(uint32_t) worker_count;
    /* [from][to]: `from` never touches the inbox of `to` again, not even to ring it. */
    _Atomic(bool) quiet[LOCAL_WORKERS_MAX][LOCAL_WORKERS_MAX];
};

struct local_worker {
    struct local_broker *broker;
    struct worker *worker;
    uint32_t index;
    uint32_t worker_count;
    bool stopping;
    uint32_t dispatching; /* depth of message events and `ended` */
    struct link dirty;    /* subscriptions */
    struct link waste;    /* deliveries that are over, to be freed in portions */
    struct heap waste_heap;
    struct pool deliveries;
    uint64_t wall_offset_ms; /* wall clock - loop clock */
    uint64_t wall_checked_ms;
    struct topic **buckets;
    uint32_t bucket_count; /* a power of two */
    uint32_t topic_count;
    struct link deleted; /* topics that somebody still has open */
    struct store_client store;
    struct pool publications;
    struct link changed;         /* cursors with something that the store does not know */
    uint64_t window_bytes;       /* in the windows of all cursors */
    uint64_t window_reads_bytes; /* that reads under way may bring */
    uint32_t windows;            /* of them with something in it */
    uint32_t windows_to_cut;     /* to be looked at, whether they are above their share */
    bool shares_fell;            /* since that was last done */
    bool window_freed;           /* since the starved were last looked at */
    struct link windowed;        /* cursors of these windows */
    struct link starved;         /* cursors that were refused memory */
    struct link woken;           /* of them, that are looked at again */
    uint32_t awaited;            /* OP_LATER and OP_STORED that other workers owe this one */
    bool ending;                 /* nothing is deleted any more: only memory is freed */
    struct timer handles;
    struct link producers;
    struct link consumers;
    struct timer retry;
    struct lane lanes[]; /* worker_count; its own is unused */
};

#endif
