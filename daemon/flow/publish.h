/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish - the path of a message from a front end to its broker.
 *
 * Checks in this order: size, then the broker. Each refusal has an outcome of its own and a counter;
 * a refused record is answered like any other, so the caller has one path for verdicts.
 *
 * Threads: the worker that opened the publisher.
 */
#ifndef HULSE_FLOW_PUBLISH_H
#define HULSE_FLOW_PUBLISH_H

#include "daemon/flow/flow.h"
#include "daemon/flow/identity.h"

struct publisher;

/* What became of the records of a publisher; answered = stored + too_large + failed. */
struct publisher_counters {
    uint64_t published; /* records handed to publish */
    uint64_t bytes;     /* their payloads */
    uint64_t stored;
    uint64_t too_large; /* refused here, the broker never saw them */
    uint64_t failed;    /* any other outcome */
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
};

struct publisher_params {
    const struct flow *flow;
    struct worker *worker;
    const struct identity *who; /* borrowed until open returns, as the strings */
    const char *topic;          /* short or full name, terminated */
    const char *name;
    const struct publisher_events *events;
    void *ctx;
};

/*
 * Begins to open. *out is set before the first event. Errors at once: DENIED, NO_TOPIC, INVAL (no
 * valid name), NO_MEMORY; then no event comes.
 */
hulse_status hulse_publisher_open(struct publisher **out,
                                  const struct publisher_params *params,
                                  struct error *err);
void hulse_publisher_publish(struct publisher *p, const struct broker_record *r);
/* No further event comes; *p becomes NULL. */
void hulse_publisher_close(struct publisher **p);
/* Full topic name, valid while open. */
const char *hulse_publisher_topic(const struct publisher *p);
/* Valid while open. */
const struct publisher_counters *hulse_publisher_counters(const struct publisher *p);

#endif
