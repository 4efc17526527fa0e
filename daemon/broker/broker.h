/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker - the one interface behind which every broker stands.
 *
 * An implementation is a table of functions over objects of its own. All calls are made on the
 * worker that opened the object, never block, and are answered by an event on the same worker, which
 * may come before the call returns. After close no event comes for that object.
 *
 * Threads: worker, unless a line says otherwise.
 * Trust:   records handed to send were checked by the caller; what an implementation hears from
 *          its network is its own to check.
 * See:     design section 6; daemon/broker/README.md.
 */
#ifndef HULSE_BROKER_BROKER_H
#define HULSE_BROKER_BROKER_H

#include "daemon/core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker;
struct worker;
struct worker_module;

/* What the flow layer does about a failure (features row G2). */
enum broker_class {
    BROKER_DONE = 0, /* no failure */
    BROKER_RETRY,    /* passes; the implementation suspends and gives everything back */
    BROKER_RELOOKUP, /* the topic has moved */
    BROKER_FAIL,     /* this record will never succeed */
    BROKER_BREAK,    /* counts for the circuit breaker */
    BROKER_DENIED,
    BROKER_TOO_LARGE,
    BROKER_FENCED
};

struct broker_span {
    const uint8_t *data;
    uint32_t bytes;
};

/*
 * Metadata of a message. `properties` is encoded as {u16 name bytes, u16 value bytes, name, value}
 * repeated, little endian, both UTF-8.
 */
struct broker_meta {
    struct broker_span key;
    struct broker_span ordering_key;
    struct broker_span properties;
    uint64_t event_time_ms;    /* 0 = none */
    uint64_t deliver_after_ms; /* 0 = at once */
    uint64_t ttl_ms;           /* 0 = none */
    int32_t partition;         /* explicit one, else -1 */
    bool has_key;              /* an empty key is a key */
    bool has_ordering_key;
    bool tombstone;
};

/* A message on its way in; everything is borrowed until send returns. */
struct broker_record {
    struct broker_span payload;
    const struct broker_meta *meta; /* NULL = none */
    uint64_t seq;                   /* per producer, rising */
    uint64_t enqueued_ns;           /* CLOCK_MONOTONIC_COARSE when it entered the ring */
    uint64_t token;                 /* returned in the answer */
    bool alone;                     /* not batched */
};

struct broker_id {
    uint64_t ledger;
    uint64_t entry;
    int32_t batch; /* -1 = not in a batch */
    uint16_t partition;
    uint16_t batch_size; /* 0 = not in a batch */
};

struct broker_answer {
    enum broker_class class;
    uint8_t outcome; /* enum hulse_outcome, HULSE_OUTCOME_STORED when done */
    bool has_id;
    struct broker_id id;
};

struct broker_limits {
    uint32_t message_bytes_max; /* payload, whole message */
};

/* ---- producer ---- */

struct broker_producer_events {
    /* Once after open. On failure the object is gone when this returns. */
    void (*opened)(void *ctx,
                   hulse_status status,
                   const char *text,
                   const struct broker_limits *limits);
    /* Once for each record sent, in any order. */
    void (*answered)(void *ctx, uint64_t token, const struct broker_answer *answer);
    /* The producer will never send again (fenced, terminated); close is still owed. */
    void (*failed)(void *ctx, hulse_status status, const char *text);
};

struct broker_producer_params {
    const char *topic; /* full name; borrowed until open returns */
    const char *name;  /* wished producer name, may be empty */
    const struct broker_producer_events *events;
    void *ctx;
};

/* Embedded first in an implementation's producer. */
struct broker_producer {
    const struct broker_ops *ops;
    const struct broker_producer_events *events;
    void *ctx;
};

/* ---- consumer ---- */

/*
 * A message on its way out. It stays valid, with its bytes, until the consumer ends it by ack, nack
 * or give_back, or closes. `slot` is the consumer's owner's.
 */
struct broker_delivery {
    struct broker_id id;
    struct broker_span payload;
    struct broker_meta meta;
    struct broker_span producer;
    uint64_t publish_time_ms; /* Unix epoch */
    uint32_t redelivery;
    uint64_t slot;
};

enum broker_subscription {
    BROKER_EXCLUSIVE = 0,
    BROKER_SHARED = 1,
    BROKER_FAILOVER = 2,
    BROKER_KEY_SHARED = 3,
    BROKER_READER = 4
};

struct broker_consumer_events {
    void (*opened)(void *ctx, hulse_status status, const char *text);
    /* Never more of them than permits given. The consumer is not closed inside this event. */
    void (*message)(void *ctx, struct broker_delivery *d);
    void (*failed)(void *ctx, hulse_status status, const char *text);
};

struct broker_consumer_params {
    const char *topic;        /* full name; these are borrowed until open returns */
    const char *subscription; /* empty for a reader */
    const char *name;
    enum broker_subscription type;
    bool earliest;
    const struct broker_consumer_events *events;
    void *ctx;
};

struct broker_consumer {
    const struct broker_ops *ops;
    const struct broker_consumer_events *events;
    void *ctx;
};

/* ---- the table ---- */

struct broker_ops {
    const char *type; /* "null", "local", … */
    /* The module that must run on every worker, or NULL. Its shared pointer is the broker. */
    const struct worker_module *module;
    /*
     * Begin to open; *out is set before the first event. A status other than OK means that
     * nothing was begun and no event will come.
     */
    hulse_status (*producer_open)(struct broker *b,
                                  struct worker *w,
                                  const struct broker_producer_params *params,
                                  struct broker_producer **out,
                                  struct error *err);
    void (*send)(struct broker_producer *p, const struct broker_record *r);
    /* No further event; records without an answer are finished by the implementation. */
    void (*producer_close)(struct broker_producer *p);

    hulse_status (*consumer_open)(struct broker *b,
                                  struct worker *w,
                                  const struct broker_consumer_params *params,
                                  struct broker_consumer **out,
                                  struct error *err);
    /* `count` more messages may come. */
    void (*permit)(struct broker_consumer *c, uint32_t count);
    void (*ack)(struct broker_consumer *c, struct broker_delivery *d);
    /* Everything up to and with d; the deliveries it ends are told through `ended`. */
    void (*ack_cumulative)(struct broker_consumer *c,
                           struct broker_delivery *d,
                           void (*ended)(void *ctx, struct broker_delivery *d));
    /* Handled and refused: again after delay_ms, its redelivery count one higher. */
    void (*nack)(struct broker_consumer *c, struct broker_delivery *d, uint32_t delay_ms);
    /* Never started by the app: again at once, elsewhere if possible, count unchanged. */
    void (*give_back)(struct broker_consumer *c, struct broker_delivery *d);
    /* Gives back what has no verdict; no further event. `unsubscribe` forgets the subscription. */
    void (*consumer_close)(struct broker_consumer *c, bool unsubscribe);
    /* Usable now? */
    bool (*healthy)(const struct broker *b);
};

/* Embedded first in an implementation's broker. Made by main, constant afterwards. */
struct broker {
    const struct broker_ops *ops;
    const char *name; /* key below `brokers` */
};

#endif
