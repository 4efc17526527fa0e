/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publisher - what a publisher is to the files that make it up: publish and publish_…
 *
 * Threads: the worker's. Nobody else includes this.
 */
#ifndef HULSE_FLOW_PUBLISHER_H
#define HULSE_FLOW_PUBLISHER_H

#include "daemon/core/clock.h"
#include "daemon/flow/hold.h"
#include "daemon/flow/opening.h"
#include "daemon/flow/publish.h"
#include "daemon/flow/schema.h"
#include "daemon/worker/worker.h"

/* What a record has to be asked beside its size; none of them is the common case. */
#define ASK_DENIED 1U
#define ASK_TTL 2U
#define ASK_RATE 4U
#define ASK_HOLD 8U
#define ASK_SCHEMA 16U

/* The topic's own schema is another one now: a producer with it, which is the publisher's when the old one has no record left. */
struct publisher_renewal {
    struct broker_producer *producer; /* NULL: none */
    const struct schema_known *known; /* what it has */
    uint64_t asked_ms;                /* for the last time; 0: never */
    uint32_t behind;                  /* of those that wait here, the first: the old one's */
    bool open;
};

struct publisher {
    /* Touched for every record. */
    struct broker_producer *producer; /* NULL until ops->producer_open has set it */
    bool (*send)(struct broker_producer *producer, const struct broker_record *r);
    const struct publisher_events *events;
    void *ctx;
    const struct tables *tables;
    uint64_t generation; /* of the grant */
    uint32_t bytes_max;
    unsigned asks; /* ASK_… */
    struct publisher_counters counters;
    /* Touched when there is something to ask. */
    const struct flow *flow;
    struct worker *worker;
    struct bucket_pair *app_rate;
    struct grant grant;
    struct identity who;
    struct hold hold;
    struct flow_schema schema;
    uint32_t outstanding; /* held ones with the broker */
    bool pumping;
    bool suspended; /* by the broker */
    bool *closed;   /* of the pump that is running */
    struct opening *opening;
    struct schema_wait *schema_wait; /* the topic's own schema is asked for */
    struct publisher_renewal renewal;
    bool opened;
    bool forget;
    bool as_written;                  /* its schema is not the rule's */
    bool partitioned;                 /* its topic is */
    bool delays;                      /* its broker can, and its topic keeps messages */
    bool replicates;                  /* its broker can */
    const char *name;                 /* behind the topic */
    const char *initial_subscription; /* behind the name */
    enum broker_access access;
    uint32_t broker; /* of its producer; index in flow */
    uint8_t handle_id[BROKER_HANDLE_ID_BYTES];
    struct broker_routing routing; /* of an earlier life */
    size_t object_bytes;
    char topic[]; /* terminated */
};

static inline uint64_t hulse_publisher_now_ns(const struct publisher *p)
{
    return p->worker != NULL ? p->worker->loop.now_ns : hulse_clock_ns();
}

/* ---- publish.c ---- */

extern const struct broker_producer_events hulse_publisher_producer_events;

void hulse_publisher_destroy(struct publisher *p);
/* Whoever waits may go on. It may be closed then. */
void hulse_publisher_go_on(struct publisher *p);

/* ---- publish_open.c ---- */

/* One more producer of its topic, whose events are the publisher's. NULL: no schema. */
hulse_status hulse_publisher_open_producer(struct publisher *p,
                                           const struct broker_schema *schema,
                                           struct broker_producer **out,
                                           struct error *err);
/* From the tables: what may be done and what has to be asked from now on. */
void hulse_publisher_refresh(struct publisher *p);

/* ---- publish_schema.c ---- */

/*
 * A payload does not fit what the topic had; it is asked what it has now, at most once in HULSE_SCHEMA_AGAIN_MS. True: the record
 * is to wait for it.
 */
bool hulse_publisher_ask_again(struct publisher *p);
/* `opened` of the new producer. */
void hulse_publisher_renewal_opened(struct publisher *p, hulse_status status, const char *text);
/* Nothing more goes to the old producer but what waits for it already. */
static inline bool hulse_publisher_is_renewing(const struct publisher *p)
{
    return p->renewal.open;
}
/* That payloads taken now have to fit; NULL: any. */
const struct schema *hulse_publisher_schema(const struct publisher *p);
/* The old one may have answered its last record. True: it has, and the new producer is the publisher's now. */
bool hulse_publisher_renew(struct publisher *p);
/* Before its producer is closed. */
void hulse_publisher_renewal_fini(struct publisher *p);

#endif
