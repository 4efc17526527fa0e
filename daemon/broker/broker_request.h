/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker_request - questions about topics, and orders, that belong to no producer or consumer.
 *
 * The caller makes the object and keeps it, and every string in it, from a call that returned OK
 * until `done`. `done` comes exactly once, perhaps before the call returns, also when the workers
 * stop meanwhile (CLOSED); it may free the object. What results point to is valid during it. A call
 * that returned something else has begun nothing, and `done` does not come.
 *
 * Threads: `done` comes on the thread that called, out of `home` or within the call.
 */
#ifndef HULSE_BROKER_BROKER_REQUEST_H
#define HULSE_BROKER_BROKER_REQUEST_H

#include "daemon/broker/broker_consumer.h"

struct inbox;

#define BROKER_TEXT_BYTES 192U

struct broker_request {
    struct inbox *home; /* of the calling thread, a worker's or control's: outlives the workers */
    void (*done)(struct broker_request *request);
    hulse_status status;
    char text[BROKER_TEXT_BYTES]; /* why not; empty when OK */
};

/* ---- lookup: any worker, or control ---- */

struct broker_topic_info {
    uint32_t partitions; /* 0 = not partitioned */
    struct broker_limits limits;
    enum broker_schema_type schema;
    uint64_t schema_version; /* of a schema other than BYTES */
    bool terminated;
};

struct broker_lookup {
    struct broker_request request;
    const char *topic; /* full name */
    bool create;       /* if need be; else NO_TOPIC */
    struct broker_topic_info info;
};

/* ---- schemas: any worker, or control (BROKER_CAN_SCHEMA) ---- */

/* One that a topic has or had. */
struct broker_schema_version {
    uint64_t version; /* counted from 1 */
    enum broker_schema_type type;
    uint64_t created_ms; /* Unix epoch; 0: not known */
};

struct broker_schema_request {
    struct broker_request request;
    const char *topic;
    /* get: which one, 0 = the newest; put: filled. Counted from 1. */
    uint64_t version;
    struct broker_schema schema; /* get: filled; put: what is registered unless it is there */
};

/* ---- stats: any worker, or control ---- */

/* Of a figure below: this broker does not count it. */
#define BROKER_UNCOUNTED UINT64_MAX

struct broker_subscription_stats {
    const char *name; /* empty for a reader */
    enum broker_subscription type;
    uint32_t consumers;
    uint64_t backlog;     /* not acknowledged, `unacked` included */
    uint64_t unacked;     /* handed out, without a verdict */
    uint64_t delayed;     /* not handed out before their time */
    double delivery_rate; /* as of a topic */
};

struct broker_topic_stats {
    uint32_t producers;
    uint32_t consumers;
    uint32_t subscriptions;
    bool terminated;
    uint64_t backlog; /* not acknowledged, over the subscriptions */
    uint64_t
        acknowledged; /* over the subscriptions, as dropped; it and the next two may be uncounted */
    uint64_t dropped; /* by a bound, expired, or forgotten */
    uint64_t lost;    /* damaged in the store and passed over, once for each subscription */
    uint64_t published;
    uint64_t published_bytes;
    uint64_t delivered;   /* redeliveries included */
    uint64_t redelivered; /* may be uncounted */
    /*
     * Messages per second since somebody last asked and at least 1 s: who asks sooner hears the
     * same again, and who has not asked for an hour hears the mean of that hour.
     */
    double publish_rate;
    double delivery_rate;
};

struct broker_stats {
    struct broker_request request;
    const char *topic;
    struct broker_topic_stats total;
    const struct broker_subscription_stats *subscriptions;
    uint32_t subscription_count;
};

/* ---- admin: control only (BROKER_CAN_ADMIN) ---- */

enum broker_admin_command {
    BROKER_ADMIN_CREATE,     /* topic, partitions; BUSY when it exists */
    BROKER_ADMIN_DELETE,     /* topic, force; BUSY while somebody has it open, unless forced */
    BROKER_ADMIN_TERMINATE,  /* topic; fills has_last, last. Publishing fails from here on */
    BROKER_ADMIN_TRUNCATE,   /* topic: what no consumer holds is dropped */
    BROKER_ADMIN_UNLOAD,     /* topic: it goes to another broker, or comes anew to this one */
    BROKER_ADMIN_TOPICS,     /* namespace_name; fills names, partitions as the topic they are of */
    BROKER_ADMIN_NAMESPACES, /* namespace_name, a tenant; fills names, "tenant/namespace" */
    BROKER_ADMIN_SCHEMAS,    /* topic; fills schemas (BROKER_CAN_SCHEMA) */
    BROKER_ADMIN_SUBSCRIPTIONS, /* topic; fills names, readers left out */
    /* topic, subscription, which is no reader's; NO_TOPIC when one of them does not exist: */
    BROKER_ADMIN_SEEK,        /* position: it goes on there */
    BROKER_ADMIN_SKIP,        /* count: so many of what waits are passed over; 0 = all */
    BROKER_ADMIN_UNSUBSCRIBE, /* force: it is forgotten; BUSY while it has consumers, unless forced */
    BROKER_ADMIN_SET_POLICY   /* topic, policy (BROKER_CAN_POLICY) */
};

/* 0 = no limit. */
struct broker_policy {
    uint64_t ttl_ms;
    uint64_t retention_ms;
    uint64_t retention_bytes;
    uint64_t backlog_bytes;
};

struct broker_admin {
    struct broker_request request;
    enum broker_admin_command command;
    const char *topic;          /* full name */
    const char *namespace_name; /* "tenant/namespace", or "tenant" for all of its; empty = all */
    const char *subscription;
    uint32_t partitions; /* 0 = not partitioned */
    bool force;
    struct broker_position position;
    uint64_t count;
    struct broker_policy policy;
    /* Results: none with a status other than OK, nor after a call that has begun nothing. */
    bool has_last;
    struct broker_id last;
    const char *names; /* terminated, one behind the other */
    uint32_t name_count;
    const struct broker_schema_version *schemas; /* the oldest first */
    uint32_t schema_count;
};

#endif
