/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker_consumer - one end that takes from one topic: a consumer of a subscription, or a reader.
 *
 * A delivery is the front end's from `message` until one verdict: ack, nack, give_back, or being
 * named by `ended` of a call that ends many. Closing gives back what has none.
 *
 * Threads: the worker that opened it, calls and events.
 * Owns:    the implementation owns the object from consumer_open until an `opened` that failed, or
 *          until consumer_close is called. After either no event comes.
 * Order:   any event may come before the call that causes it returns. It may be closed in every
 *          event, of its own or of another object, and nothing of it is touched afterwards; in its
 *          own `message` that gives the delivery back. Inside `ended` only permit is called of it.
 *          A close reaches the others of a subscription a little later; on its own worker it keeps
 *          its place.
 */
#ifndef HULSE_BROKER_BROKER_CONSUMER_H
#define HULSE_BROKER_BROKER_CONSUMER_H

#include "daemon/broker/broker_message.h"

enum broker_subscription {
    BROKER_EXCLUSIVE = 0,
    BROKER_SHARED = 1,
    BROKER_FAILOVER = 2,   /* BROKER_CAN_FAILOVER */
    BROKER_KEY_SHARED = 3, /* BROKER_CAN_KEY_SHARED */
    BROKER_READER = 4      /* no subscription: as exclusive, and gone with the reader */
};

enum broker_position_kind {
    BROKER_LATEST = 0, /* what is published from now on */
    BROKER_EARLIEST,   /* the first that is still there */
    /*
     * This message, or the first after it; the first after it. BROKER_CAN_START_ID. An id that this
     * topic never gave is one of another topic of that name: the first that is still there.
     */
    BROKER_AT_ID,
    BROKER_AFTER_ID,
    BROKER_AT_PUBLISHED /* the first published at time_ms or later; BROKER_CAN_SEEK */
};

struct broker_position {
    enum broker_position_kind kind;
    struct broker_id id;
    uint64_t time_ms; /* Unix epoch */
};

/* What a consumer can be asked for; one at a time. */
enum broker_errand {
    BROKER_SEEK, /* a reader's or a subscription's position is another one */
    BROKER_LAST_MESSAGE_ID, /* of the topic: `id`, NULL when it never had one; of partitions the latest ledger's */
    BROKER_UNSUBSCRIBE /* the subscription is forgotten: only close is useful from here on */
};

/* An id's entry before the first message of a topic: what is behind it is everything. */
#define BROKER_NO_ENTRY UINT64_MAX

/* Where a reader is in one partition of one topic: it goes on behind `id`, whose partition counts. */
struct broker_mark {
    struct broker_id id;
    uint32_t source; /* flow's: which of several topics */
};

/* Where an earlier daemon's reader was, in the order of (source, partition). One worker's; shared by counting holders. */
struct broker_marks {
    struct broker_mark *at;
    uint32_t count;
    uint32_t room;
    uint32_t holders;
    bool all;                     /* what has no mark was not there when the reader was opened */
    struct broker_position begin; /* of what has no mark, where that is not said */
};

/* One with one holder; NULL: no memory. */
struct broker_marks *hulse_broker_marks_create(void);
/* At the end. False: no memory. */
bool hulse_broker_marks_add(struct broker_marks *m, const struct broker_mark *mark);
/* Of one topic of several, with one holder; without any it is empty. NULL: no memory. */
struct broker_marks *hulse_broker_marks_of(const struct broker_marks *m, uint32_t source);
/* One holder more; NULL of NULL. */
struct broker_marks *hulse_broker_marks_hold(struct broker_marks *m);
/* One less; *m becomes NULL. */
void hulse_broker_marks_let(struct broker_marks **m);
/* Of marks of one topic: where a reader of that partition begins. */
struct broker_position hulse_broker_marks_start(const struct broker_marks *m, uint32_t partition);
/* The same of a topic without partitions, whose mark is the only one. */
struct broker_position hulse_broker_marks_start_whole(const struct broker_marks *m);

/* What a reader has before it when it opens. */
struct broker_reach {
    /* It begins behind this one: where another one goes on that has read nothing of this one's. */
    struct broker_id behind;
    struct broker_id last; /* of the topic */
    bool has_last;         /* false: it is not known, or there is none */
    bool behind_unknown;   /* it begins at a time, or has partitions */
    /* Of partitions and several topics instead of `behind`, in any order; `all`: none is missing. */
    const struct broker_mark *marks;
    uint32_t mark_count;
    bool all;
};

/* `opened`, `message` and `failed` are set; NULL elsewhere: nobody wants to know. */
struct broker_consumer_events {
    /* Once, after an open that returned OK. On failure the object is gone when this returns. */
    /* `reach`: of a reader, where messages are kept; else NULL. */
    void (*opened)(void *ctx,
                   hulse_status status,
                   const char *text,
                   const struct broker_reach *reach);
    /* Never more of them than permits given. */
    void (*message)(void *ctx, struct broker_delivery *d);
    /*
     * No message will come any more (topic deleted, worker gone). What the front end holds stays
     * valid; verdicts are taken and have no effect. Close is still owed.
     */
    void (*failed)(void *ctx, hulse_status status, const char *text);
    /*
     * `count` more of the calls ack, ack_cumulative, nack and ack_id, one for each call, in their
     * order, are final: with a durable broker they survive the daemon. After `failed` too; none
     * comes after close. The last touch of the call that causes it.
     */
    void (*settled)(void *ctx, uint32_t count);
    /*
     * Failover: this consumer is the one that gets messages, or no longer. Inactive at first. Of partitions: of any, and
     * of none.
     */
    void (*active)(void *ctx);
    void (*inactive)(void *ctx);
    /*
     * A reader has acknowledged all that its topic had when it opened, what was not there or has
     * expired left out. At most once.
     */
    void (*caught_up)(void *ctx);
    /* A reader passes over `count` messages that are damaged; before what comes behind them. */
    void (*lost)(void *ctx, uint64_t count);
    /* The topic is terminated and the subscription has acknowledged all of it. Once; after a seek, of Pulsar, once more. */
    void (*end_of_topic)(void *ctx);
    /* The end of an errand that returned OK. */
    void (*done)(void *ctx,
                 enum broker_errand errand,
                 hulse_status status,
                 const char *text,
                 const struct broker_id *id);
};

/* Of the hashes of keys, 0 to 65,535; both ends belong to it. */
struct broker_key_range {
    uint16_t first;
    uint16_t last;
};

/*
 * Of messages that come in chunks and are not whole: whoever has too many of them, or waits for too
 * long, gives the oldest up. Zeros: the implementation's defaults, but for expire_ms where pending_max is said.
 */
struct broker_chunking {
    uint64_t expire_ms;   /* since the first chunk came; 0 = never */
    uint32_t pending_max; /* messages */
    bool auto_ack;        /* what is given up is acknowledged; false: it is to come again */
};

/* What a consumer wants of its subscription beside name and type. None of it: zeros. BROKER_CAN_WISHES. */
struct broker_wishes {
    /* Key_Shared: the keys that come here and nowhere else. None: they are divided among the consumers. */
    const struct broker_key_range *key_ranges;
    uint32_t key_range_count;
    bool
        any_order; /* Key_Shared: a key may come here before its messages elsewhere are acknowledged */
    /* The last message of each key up to where the topic was compacted; of a persistent topic, where there is one consumer. */
    bool compacted;
    bool
        replicated; /* a new subscription's position is known in the clusters that its topic is replicated to */
    /* Where consumers have an order: one with a lower number gets messages first. */
    int32_t priority;
    /* Encoded as of a message; what a broker shows of the consumer, and keeps with a new subscription. */
    struct broker_span properties;
    struct broker_span subscription_properties;
};

struct broker_consumer_params {
    const char *topic;        /* full name; these are borrowed until open returns */
    const char *subscription; /* empty for a reader */
    const char *name;
    enum broker_subscription type;
    struct broker_position start; /* of a subscription that does not exist yet, or a reader */
    const struct broker_consumer_events *events;
    void *ctx;
    /* `start` is where an earlier daemon's reader was. Else an id of a partition that the topic has not is INVAL. */
    bool resumed;
    struct broker_marks
        *marks;     /* with `resumed`: of its partitions; borrowed. NULL: none is known */
    bool create;    /* the topic, if need be; else NO_TOPIC */
    bool transient; /* the subscription goes with its last consumer */
    struct broker_chunking chunking;
    struct broker_wishes wishes;
    /* What it reads payloads with; NULL = none. Implementations without schemas leave it. */
    const struct broker_schema *schema;
    /* As of a producer: zeros = none; the same again after a restart. */
    uint8_t handle_id[BROKER_HANDLE_ID_BYTES];
};

struct broker_consumer {
    const struct broker_ops *ops;
    const struct broker_consumer_events *events;
    void *ctx;
};

#endif
