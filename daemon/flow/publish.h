/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish - the path of a message from a front end to its broker.
 *
 * Checks in the order of enum publish_check, then the broker. Each refusal has an outcome of its own
 * and a counter; a refused record is answered like any other, so the caller has one path for
 * verdicts. Who may and what the rules say is compared by one load per record and looked up again
 * when the tables have changed.
 *
 * Threads: the worker that opened the publisher.
 */
#ifndef HULSE_FLOW_PUBLISH_H
#define HULSE_FLOW_PUBLISH_H

#include "daemon/flow/flow.h"

struct publisher;

/* Why a record is refused here, in the order in which it is asked (table in README.md). */
/* A topic whose own schema is published with is asked for it again at most once in this time. */
#define HULSE_SCHEMA_AGAIN_MS 1000U

enum publish_check {
    PUBLISH_DENIED = 0,
    PUBLISH_TOO_LARGE,
    PUBLISH_UNSUPPORTED, /* a delay that its topic's broker does not know */
    PUBLISH_EXPIRED,
    PUBLISH_INVALID, /* its payload does not fit the schema */
    PUBLISH_APP_RATE,
    PUBLISH_ROLE_RATE,
    PUBLISH_TOPIC_RATE,
    PUBLISH_DROPPED,   /* drop_oldest: given up for newer ones */
    PUBLISH_NO_MEMORY, /* drop_oldest: cannot be kept */
    PUBLISH_CHECKS
};

/* What became of the records of a publisher; answered = stored + refused[] + failed. */
struct publisher_counters {
    uint64_t published; /* records handed to publish */
    uint64_t bytes;     /* their payloads */
    uint64_t stored;
    uint64_t refused[PUBLISH_CHECKS]; /* here; the broker never saw them */
    uint64_t failed;                  /* any other outcome */
};

struct publisher_events {
    /* Once after open; on failure the publisher is gone when this returns. */
    void (*opened)(void *ctx,
                   hulse_status status,
                   const char *text,
                   const struct broker_limits *limits);
    /* Once for each record, in any order, perhaps before publish returns. */
    void (*answered)(void *ctx, uint64_t token, const struct broker_answer *answer);
    void (*failed)(void *ctx, hulse_status status, const char *text);
    /* As failed, because somebody else has the topic for itself. NULL: `failed` with BUSY. */
    void (*fenced)(void *ctx, const char *text);
    /* It is not busy any more. NULL: nobody waits for it. */
    void (*freed)(void *ctx);
};

struct publisher_params {
    const struct flow *flow;
    struct worker *worker;
    const struct identity *who; /* borrowed until open returns, as the strings */
    const char *topic;          /* short or full name, terminated */
    const char *name;
    const uint8_t *handle_id; /* BROKER_HANDLE_ID_BYTES; NULL = none */
    struct broker_routing
        routing;               /* as `opened` said in an earlier life; no partitions: the rule's */
    enum broker_access access; /* other than shared: UNSUPPORTED where the broker cannot */
    const char *initial_subscription; /* the same; "" or NULL: none */
    /* Payloads are what they are: of `schema` (held until open returns; NULL: of none), whatever the rule says, and not checked. */
    bool as_written;
    const struct schema_known *schema;
    struct bucket_pair *app_rate; /* of the application; outlives the publisher; NULL = none */
    /*
     * Records are copied when the broker is behind, and beyond the rule's pending_bytes, or this
     * many records, the oldest is given up. 0 = they are the broker's at once.
     */
    uint32_t hold_records;
    const struct publisher_events *events;
    void *ctx;
};

/*
 * Begins to open. *out is set before the first event. Errors at once: DENIED, INVAL (no valid name),
 * LIMIT, NO_MEMORY, or the broker's; then no event comes.
 */
hulse_status hulse_publisher_open(struct publisher **out,
                                  const struct publisher_params *params,
                                  struct error *err);
/*
 * False: the broker has no memory for it now, or it waits for its topic's schema (publish.schema: auto). It was not taken, and no
 * event has come; `freed` will, then it is published again. Never of one that drops the oldest.
 */
bool hulse_publisher_publish(struct publisher *p, const struct broker_record *r);
/*
 * Its broker has as many records without an answer as it takes, or it goes over to another schema: the next one had better wait
 * where it is until `freed`. Never of one that drops the oldest.
 */
bool hulse_publisher_busy(const struct publisher *p);
/* How long a message may be without an answer; 0: as long as it takes. */
uint64_t hulse_publisher_send_timeout_ms(const struct publisher *p);
/* Its handle id will not come back: told to the broker when it closes. */
void hulse_publisher_forget(struct publisher *p);
/* No further event comes; *p becomes NULL. */
void hulse_publisher_close(struct publisher **p);
/* Full topic name, valid while open. */
const char *hulse_publisher_topic(const struct publisher *p);
/* Valid while open. */
const struct publisher_counters *hulse_publisher_counters(const struct publisher *p);

#endif
