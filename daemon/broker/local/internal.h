/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - the objects of the local broker.
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
#ifndef HULSE_BROKER_LOCAL_INTERNAL_H
#define HULSE_BROKER_LOCAL_INTERNAL_H

#include "daemon/broker/local/heap.h"
#include "daemon/broker/local/link.h"
#include "daemon/broker/local/local.h"
#include "daemon/core/assert.h"
#include "daemon/core/inbox.h"
#include "daemon/core/pool.h"
#include "daemon/worker/worker.h"

#include <stdatomic.h>

#define LOCAL_TOPIC_MAGIC 0x746f7063U
#define LOCAL_SEAT_MAGIC 0x73656174U
#define LOCAL_PRODUCER_MAGIC 0x70726f64U
#define LOCAL_CONSUMER_MAGIC 0x636f6e73U

#define LOCAL_WORKERS_MAX 64U
#define LOCAL_LANE_BATCHES 4U   /* on the way to one peer at a time */
#define LOCAL_BATCH_OPS 256U    /* in one of them */
#define LOCAL_POOL_MAX 65536U   /* deliveries from the pool; more are allocated one by one */
#define LOCAL_DISPATCH_MAX 256U /* messages of one subscription in one go */
#define LOCAL_REFUSED_MS 10U    /* before a delivery is tried again that found no memory */
#define LOCAL_RETRY_MS 1U       /* after a peer's inbox was full */

struct topic;
struct seat;
struct consumer;
struct producer;
struct local_worker;

/* ---- what travels between workers ---- */

enum op_kind {
    OP_OPEN_PRODUCER,  /* struct open_request */
    OP_CLOSE_PRODUCER, /* struct producer */
    OP_PUBLISH,        /* struct message */
    OP_OPEN_CONSUMER,  /* struct open_request */
    OP_CLOSE_CONSUMER, /* struct consumer */
    OP_PERMIT,         /* struct consumer */
    OP_VERDICT,        /* struct delivery, of the consumer's side */
    OP_DELIVER,        /* struct delivery, of the topic's side */
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
    uint32_t delay_ms; /* OP_VERDICT */
    uint8_t verdict;   /* OP_VERDICT: enum verdict */
    uint8_t memory;    /* enum delivery_memory */
    uint8_t arrival;   /* OP_DELIVER: enum arrival */
    bool again;        /* was handed out before */
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
    uint8_t outcome;
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
};

struct topic {
    uint32_t magic;
    uint32_t producers;
    uint32_t seats;
    uint32_t subscription_count;
    struct local_worker *worker;
    struct link subscriptions;
    uint64_t next_entry;
    uint64_t held; /* messages waiting or without verdict, over all subscriptions */
    struct topic_counters counters;
    struct timer unused;
    struct topic *next; /* in its bucket */
    uint64_t hash;
    size_t object_bytes;
    char name[];
};

struct subscription {
    struct link link;  /* topic.subscriptions */
    struct link dirty; /* local_worker.dirty while something can be handed out */
    struct topic *topic;
    enum broker_subscription type;
    bool doomed; /* forgotten; freed when `returning` is 0 */
    uint32_t seat_count;
    struct link seats;
    struct link ready;      /* seats with permits, next one first */
    struct link queue;      /* never handed out */
    struct heap redelivery; /* by entry */
    struct heap delayed;    /* by due time */
    uint32_t held;          /* waiting or without verdict */
    uint32_t returning;     /* of closed seats, still on the way to another worker */
    uint64_t held_bytes;
    uint64_t ended_below; /* entries below are acknowledged (cumulative) */
    struct timer delay;
    struct timer unused;
    size_t object_bytes;
    char name[];
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
    uint32_t in_transit; /* OP_DELIVER not yet back */
    bool remote;
    bool closed;    /* freed when in_transit is 0 */
    bool unordered; /* outstanding is not in the order of entries */
    uint64_t last_entry;
    struct link outstanding; /* deliveries, in the order they were handed out */
};

/* ---- opener's side ---- */

enum end_state {
    END_OPENING,
    END_OPEN,
    END_GONE /* the topic's worker has stopped */
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
    struct link link;       /* local_worker.remote_producers */
    uint64_t pending_bytes; /* OP_PUBLISH not yet back */
    uint32_t pending;
    struct op close_op;
    uint32_t name_bytes;
    char name[];
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
    struct seat *seat;
    struct link link; /* local_worker.remote_consumers */
    struct link held; /* remote: deliveries the front end has */
    uint64_t last_entry;
    struct op close_op;
    struct op permit_op;
    bool permit_under_way;
    uint32_t permit_count; /* in permit_op */
    uint32_t permit_more;  /* while permit_op is posted */
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
    uint32_t worker; /* of the opener */
    hulse_status status;
    const char *text;
    struct topic *opened_topic;
    struct seat *opened_seat;
    size_t object_bytes;
    char strings[]; /* when it travels */
};

/* ---- worker and broker ---- */

struct local_broker {
    struct broker base;
    struct local_params params;
    uint64_t epoch_s;
    _Atomic(uint32_t) topic_count;
    _Atomic(bool) started[LOCAL_WORKERS_MAX];
    /* [from][to]: `from` never touches the inbox of `to` again, not even to ring it. */
    _Atomic(bool) quiet[LOCAL_WORKERS_MAX][LOCAL_WORKERS_MAX];
};

struct local_worker {
    struct local_broker *broker;
    struct worker *worker;
    uint32_t index;
    uint32_t worker_count;
    bool stopping;
    uint32_t dispatching; /* depth of message events */
    struct link dirty;    /* subscriptions */
    struct pool deliveries;
    uint64_t wall_offset_ms; /* wall clock - loop clock */
    uint64_t wall_checked_ms;
    struct topic **buckets;
    uint32_t bucket_count; /* a power of two */
    uint32_t topic_count;
    struct link remote_producers;
    struct link remote_consumers;
    struct timer retry;
    struct lane lanes[]; /* worker_count; its own is unused */
};

/* ---- local.c ---- */

extern const struct worker_module hulse_local_module;

static inline uint64_t hulse_local_now_ms(const struct local_worker *lw)
{
    return hulse_loop_now_ms(&lw->worker->loop);
}

/* ---- message.c ---- */

/* With refs 1. NULL over the memory cap. */
struct message *hulse_message_create(struct local_worker *lw,
                                     const struct producer *p,
                                     const struct broker_record *r);
/* Topic's worker. */
void hulse_message_drop(struct message *m);
/* One of `workers` lets go; frees with the last. */
void hulse_message_let_go(struct message *m);
/* A delivery of a message for a subscription, holding it; NULL over the memory cap. */
struct delivery *hulse_delivery_create(struct local_worker *lw, struct message *m);
/* Memory for a delivery on a consumer's worker, uninitialised but for `memory`. */
struct delivery *hulse_delivery_take(struct local_worker *lw);
/* Gives memory back only. */
void hulse_delivery_free(struct local_worker *lw, struct delivery *dl);

/* ---- table.c ---- */

uint64_t hulse_topic_hash(const char *name);
bool hulse_table_init(struct local_worker *lw);
void hulse_table_fini(struct local_worker *lw);
struct topic *hulse_table_find(const struct local_worker *lw, const char *name, uint64_t hash);
void hulse_table_add(struct local_worker *lw, struct topic *topic);
void hulse_table_remove(struct local_worker *lw, struct topic *topic);

/* ---- topic.c: on the topic's worker ---- */

void hulse_topic_attach_producer(struct local_worker *lw, struct open_request *rq);
void hulse_topic_detach_producer(struct topic *topic);
void hulse_topic_attach_consumer(struct local_worker *lw, struct open_request *rq);
/* Gives a position; every subscription takes the message or drops it. Takes the caller's ref. */
void hulse_topic_publish(struct topic *topic, struct message *m);
/* Starts or stops the clock of an unused topic. */
void hulse_topic_consider(struct topic *topic);
/* Ends it with everything in it. */
void hulse_topic_destroy(struct topic *topic);
void hulse_topic_report(const struct topic *topic, struct worker_report *out);

/* ---- subscription.c: on the topic's worker ---- */

struct subscription *
hulse_subscription_create(struct topic *topic, const char *name, enum broker_subscription type);
/* Drops what waits; freed now, or when the last delivery has come back. No seats. */
void hulse_subscription_forget(struct subscription *sub);
void hulse_subscription_consider(struct subscription *sub);
/* Takes the message, hands it out, or drops and counts it. */
void hulse_subscription_offer(struct subscription *sub, struct message *m);
/* Hands out up to LOCAL_DISPATCH_MAX; the rest in later turns. Returns how many. */
unsigned hulse_subscription_dispatch(struct subscription *sub);
/* Something may be handed out: in the next turn. */
void hulse_subscription_wake(struct subscription *sub);
/* Back to the front, after delay_ms. The delivery is in no list. */
void hulse_subscription_requeue(struct subscription *sub, struct delivery *dl, uint32_t delay_ms);
/* The message is done with, for this subscription. The delivery is in no list. */
void hulse_subscription_finish(struct subscription *sub, struct delivery *dl, uint64_t *counter);
/* Everything below `entry` is acknowledged. */
void hulse_subscription_end_below(struct subscription *sub, uint64_t entry);

/* ---- seat.c: on the topic's worker ---- */

/* NULL over the memory cap. */
struct seat *hulse_seat_create(struct subscription *sub, struct consumer *c, uint32_t worker);
void hulse_seat_permit(struct seat *seat, uint32_t count);
/* Hands out; the seat has a permit and the delivery is in no list. */
void hulse_seat_hand_out(struct seat *seat, struct delivery *dl);
void hulse_seat_verdict(struct delivery *dl, enum verdict verdict, uint32_t delay_ms);
/* All outstanding up to the entry of dl. */
void hulse_seat_ack_cumulative(struct seat *seat,
                               struct delivery *dl,
                               void (*ended)(void *ctx, struct broker_delivery *d));
/* OP_DELIVER came back. */
void hulse_seat_returned(struct delivery *dl);
/* Gives back what is outstanding. */
void hulse_seat_close(struct seat *seat, bool unsubscribe);

/* ---- producer.c ---- */

hulse_status hulse_local_producer_open(struct broker *b,
                                       struct worker *w,
                                       const struct broker_producer_params *params,
                                       struct broker_producer **out,
                                       struct error *err);
void hulse_local_send(struct broker_producer *producer, const struct broker_record *r);
void hulse_local_producer_close(struct broker_producer *producer);
void hulse_producer_opened(struct open_request *rq);
/* OP_PUBLISH is back with its outcome. */
void hulse_producer_answered(struct message *m);
void hulse_producer_closed(struct producer *p);
/* The topic's worker has stopped. */
void hulse_producer_owner_gone(struct producer *p);

/* ---- consumer.c ---- */

hulse_status hulse_local_consumer_open(struct broker *b,
                                       struct worker *w,
                                       const struct broker_consumer_params *params,
                                       struct broker_consumer **out,
                                       struct error *err);
void hulse_local_permit(struct broker_consumer *consumer, uint32_t count);
void hulse_local_ack(struct broker_consumer *consumer, struct broker_delivery *d);
void hulse_local_ack_cumulative(struct broker_consumer *consumer,
                                struct broker_delivery *d,
                                void (*ended)(void *ctx, struct broker_delivery *d));
void hulse_local_nack(struct broker_consumer *consumer,
                      struct broker_delivery *d,
                      uint32_t delay_ms);
void hulse_local_give_back(struct broker_consumer *consumer, struct broker_delivery *d);
void hulse_local_consumer_close(struct broker_consumer *consumer, bool unsubscribe);
void hulse_consumer_opened(struct open_request *rq);
/* OP_DELIVER arrives. */
void hulse_consumer_receive(struct local_worker *lw, struct delivery *origin);
void hulse_consumer_permitted(struct consumer *c);
void hulse_consumer_closed(struct consumer *c);
void hulse_consumer_owner_gone(struct consumer *c);

/* ---- open.c ---- */

/* Judges a topic name and gives its hash. */
hulse_status hulse_open_check(const char *topic, uint64_t *hash, struct error *err);
/* A copy that travels, with its strings; NULL over the memory cap. */
struct open_request *hulse_open_copy(const struct open_request *rq);
void hulse_open_free(struct open_request *rq);

/* ---- lane.c ---- */

void hulse_lane_init(struct lane *lane, struct local_worker *home, uint32_t peer);
/*
 * Sent with the next flush. When the peer has gone it is completed at once as if it had never been
 * served: what it carries says "failed" until its service says otherwise.
 */
void hulse_lane_add(struct local_worker *lw, uint32_t peer, struct op *op, enum op_kind kind);
/* An op that is not posted is taken out again. */
void hulse_lane_recall(struct op *op);
/* Posts what there is. */
void hulse_lanes_flush(struct local_worker *lw);
/* Thread: worker, in stop: everything sent is back and no peer will ever post here again. */
void hulse_lanes_close(struct local_worker *lw);

#endif
