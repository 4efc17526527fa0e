/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker_producer - one end that sends to one topic.
 *
 *   opening --opened--> open --suspended--> suspended --resumed--> open
 *                         `------ fenced | failed ------> dead          (from either)
 *
 * Every record sent has one end: `answered` or `given_back`. Both come in the order of sending within
 * what is given back, and in any order otherwise.
 *
 * Threads: the worker that opened it, calls and events.
 * Owns:    the implementation owns the object from producer_open until an `opened` that failed, or
 *          until producer_close is called. After either no event comes.
 * Order:   any event may come before the call that causes it returns. In every event but `opened`
 *          with a failure the producer may be closed, and nothing of it is touched afterwards.
 */
#ifndef HULSE_BROKER_BROKER_PRODUCER_H
#define HULSE_BROKER_BROKER_PRODUCER_H

#include "daemon/broker/broker_message.h"

/* What a record was on the wire, for whoever sends it again elsewhere. Valid during the event. */
struct broker_wire {
    const char *producer; /* name */
    uint64_t sequence;
    uint16_t partition;
};

/* A record that gets no answer. Everything in it is valid during the event. */
struct broker_given_back {
    const struct broker_record *record;
    bool unknown;            /* sent, and whether it is stored cannot be known */
    struct broker_wire wire; /* when unknown */
};

/* All functions are set, but `flushed` when flush is never called. */
struct broker_producer_events {
    /*
     * Once, after an open that returned OK. On failure the object is gone when this returns, and
     * `limits` is NULL.
     */
    void (*opened)(void *ctx,
                   hulse_status status,
                   const char *text,
                   const struct broker_limits *limits);
    void (*answered)(void *ctx, uint64_t token, const struct broker_answer *answer);
    /*
     * The producer will never send again (topic deleted, terminated, worker gone). Comes after the
     * answers of everything sent, or before: a record without an answer still gets one. What is sent
     * afterwards is answered at once, as FAIL. Close is still owed.
     */
    void (*failed)(void *ctx, hulse_status status, const char *text);
    /* As failed, because somebody else took the exclusive access: answers have class FENCED. */
    void (*fenced)(void *ctx, const char *text);
    /*
     * One attempt has failed. `given_back` follows for every record without an answer, before control
     * returns to the worker's loop: first those that are `unknown`, then the unsent, each in the
     * order of sending. None of them is sent by the implementation any more. What is sent before
     * `resumed` is answered at once: class RETRY, FAILED_NOT_SENT.
     */
    void (*suspended)(void *ctx, enum broker_class class, const char *text);
    void (*given_back)(void *ctx, const struct broker_given_back *record);
    void (*resumed)(void *ctx);
    /* Everything sent before the flush has had its answer or was given back. */
    void (*flushed)(void *ctx);
    /* It is not `busy` any more. NULL: nobody waits for it. */
    void (*freed)(void *ctx);
};

enum broker_compression { BROKER_PLAIN = 0, BROKER_LZ4, BROKER_ZLIB, BROKER_ZSTD, BROKER_SNAPPY };

/*
 * How a topic's records are gathered and how long they may wait; for implementations that send them on. Zeros: the
 * implementation's defaults, but where 0 is said to mean something.
 */
struct broker_gathering {
    enum broker_compression compression;
    uint32_t batch_max;       /* records */
    uint32_t batch_bytes;     /* of their payloads */
    bool by_key;              /* a batch has one key: the ordering key, else the key */
    uint32_t batch_delay_ms;  /* until a batch that is not full goes anyway */
    uint32_t eager_max;       /* while fewer batches are unanswered each goes at once */
    uint32_t pending_max;     /* records sent and unanswered; 0 = no bound */
    uint64_t pending_bytes;   /* of records unanswered, before the producer is `busy` */
    uint64_t send_timeout_ms; /* from enqueued_ns; 0 = none */
    bool chunking; /* what the broker takes in no one message goes as several, if it can */
};

/* Who may send to the topic beside this producer. */
enum broker_access {
    BROKER_ACCESS_SHARED = 0, /* everybody */
    BROKER_ACCESS_EXCLUSIVE,  /* nobody; BUSY while somebody else is there (BROKER_CAN_EXCLUSIVE) */
    BROKER_ACCESS_TAKE,       /* nobody; who is there is fenced */
    BROKER_ACCESS_WAIT        /* nobody; it is not open until everybody else has gone */
};

struct broker_producer_params {
    const char *topic; /* full name; these are borrowed until open returns */
    const char *name;  /* wished producer name, may be empty */
    const struct broker_producer_events *events;
    void *ctx;
    bool create; /* the topic, if need be; else NO_TOPIC */
    /*
     * A record's seq is what it is on the wire: a copy of a stored one is answered STORED, without
     * an id (BROKER_CAN_DEDUP).
     */
    bool own;
    enum broker_access access;
    /* Created with the topic, at its beginning, unless it is there (BROKER_CAN_INITIAL); "" or NULL: none. */
    const char *initial_subscription;
    struct broker_gathering gathering;
    struct broker_routing routing;
    /* Of all its records; NULL = none. Implementations without schemas leave it. */
    const struct broker_schema *schema;
    /* Zeros = none. Who sends again after a restart gives the same as before. */
    uint8_t handle_id[BROKER_HANDLE_ID_BYTES];
};

/* Embedded first in an implementation's producer. */
struct broker_producer {
    const struct broker_ops *ops;
    const struct broker_producer_events *events;
    void *ctx;
    /*
     * What is unanswered has reached its bound: better to wait for `freed` with the next record. The implementation
     * writes it, in `send` and in events; one that never does takes everything. What is sent all the same may be
     * answered NO_MEMORY, or not be taken.
     */
    bool busy;
};

#endif
