/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate - the way to one address: one attempt at a time, and after a failure none before the backoff is over.
 *
 * Connections that have not begun wait here in the order they came. When an attempt fails by the address's fault, they
 * are lost with it: they would have made the same. Whoever comes back at once waits here for the next one.
 *
 * Threads: the worker's. Counted as HULSE_MEM_BROKER; those that nobody needs go when a new one is made.
 */
#ifndef HULSE_PULSAR_CONNECTION_GATE_H
#define HULSE_PULSAR_CONNECTION_GATE_H

#include "daemon/broker/broker.h"
#include "daemon/broker/pulsar/backoff.h"
#include "daemon/broker/pulsar/connection/endpoint.h"
#include "daemon/worker/timer.h"

#include <sys/queue.h>

struct pulsar_connection;
struct pulsar_pool;

TAILQ_HEAD(pulsar_connection_queue, pulsar_connection);

struct pulsar_gate {
    struct pulsar_pool *pool;
    LIST_ENTRY(pulsar_gate) link;
    struct pulsar_host host;
    bool tls;
    uint32_t holders; /* connections that go through it */
    struct backoff backoff;
    uint64_t not_before_ms;         /* unless another worker reaches it */
    uint32_t reached;               /* how often that was when it failed */
    hulse_status status;            /* of the last failure */
    char why[BROKER_TEXT_BYTES];    /* likewise */
    uint64_t told;                  /* hash of what the log said last; 0: that it is reached */
    struct pulsar_connection *busy; /* its attempt; NULL: none is made */
    struct pulsar_connection_queue waiting;
    struct timer timer;
};

/* For a connection, which holds it. NULL: no memory. */
struct pulsar_gate *
hulse_gate_hold(struct pulsar_pool *p, const struct pulsar_host *host, bool tls);
void hulse_gate_release(struct pulsar_gate *g);
/* It begins when its turn comes. */
void hulse_gate_wait(struct pulsar_gate *g, struct pulsar_connection *c);
/* Not any more. */
void hulse_gate_leave(struct pulsar_gate *g, struct pulsar_connection *c);
/* The attempt is over and has not failed by the address's fault. */
void hulse_gate_passed(struct pulsar_gate *g);
/*
 * It has. How many wait, who are to be lost when the attempt's own users have been told: they come first, whoever comes
 * meanwhile waits for the next attempt.
 */
uint32_t hulse_gate_failed(struct pulsar_gate *g, hulse_status status, const char *why);
void hulse_gate_lose(struct pulsar_gate *g,
                     uint32_t victims,
                     hulse_status status,
                     const char *text);
/* A connection that was made has ended with an error: no attempt before the backoff is over. */
void hulse_gate_delay(struct pulsar_gate *g, hulse_status status, const char *why);
/* An attempt would have to wait for the backoff. */
bool hulse_gate_closed(const struct pulsar_gate *g);
/* Until then; 0: it would not. */
uint64_t hulse_gate_closed_until_ms(const struct pulsar_gate *g);
/* The last attempt has failed, not too long ago, and nobody has reached it since; another may be under way. */
bool hulse_gate_failing(const struct pulsar_gate *g);
/* The pool ends: all are without connections. */
void hulse_gate_drop_all(struct pulsar_pool *p);
/* NULL: nothing is known of it. */
const struct pulsar_gate *
hulse_gate_find(const struct pulsar_pool *p, const struct pulsar_host *host, bool tls);

#endif
