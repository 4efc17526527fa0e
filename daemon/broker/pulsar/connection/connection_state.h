/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection_state - what a connection is, for the files that make it.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_CONNECTION_CONNECTION_STATE_H
#define HULSE_PULSAR_CONNECTION_CONNECTION_STATE_H

#include "daemon/broker/pulsar/connection/connection.h"
#include "daemon/broker/pulsar/connection/dial.h"
#include "daemon/broker/pulsar/connection/gate.h"
#include "daemon/broker/pulsar/connection/inflow.h"
#include "daemon/broker/pulsar/connection/outflow.h"
#include "daemon/broker/pulsar/connection/pool.h"
#include "daemon/broker/pulsar/connection/user_table.h"
#include "daemon/broker/pulsar/wire/frame.h"

#define PULSAR_CONNECTION_TEXT_BYTES 256U
#define PULSAR_REQUEST_BUCKETS 256U
/* Java's, and ours: without users and requests. */
#define PULSAR_IDLE_MS 60000U
/* After so long a connection was a good one, and its end begins a new series of failures. */
#define PULSAR_STEADY_MS 10000U
/* One that became ready has proved that much: no more failures of those before it count, 1.6 s at most. */
#define PULSAR_FAILURES_READY 3U

enum connection_state {
    CONNECTION_WAITING, /* at its gate */
    CONNECTION_DIALLING,
    CONNECTION_HANDSHAKE,
    CONNECTION_READY,
    CONNECTION_GONE
};

LIST_HEAD(pulsar_request_list, pulsar_request);

struct pulsar_connection {
    struct pulsar_pool *pool;
    LIST_ENTRY(pulsar_connection) link; /* of the pool */
    struct pulsar_gate *gate;
    TAILQ_ENTRY(pulsar_connection) at_gate; /* while WAITING */
    TAILQ_ENTRY(pulsar_connection) in_dirty;
    bool dirty;   /* has something to write that nobody has tried to write */
    bool blocked; /* the kernel's buffer is full */
    enum connection_state state;
    enum pulsar_purpose purpose;
    struct pulsar_endpoint endpoint;
    char name[PULSAR_HOST_TEXT_BYTES]; /* of the logical broker */

    struct dial dial;
    struct stream stream;
    struct watch watch;
    struct inflow in;
    struct outflow out;
    struct pulsar_peer peer;

    struct pulsar_user_list untold; /* `ready` is to come */
    struct pulsar_user_list users;
    uint32_t user_count; /* of both */
    uint32_t request_count;
    struct pulsar_request_list requests[PULSAR_REQUEST_BUCKETS];

    struct timer turn; /* untold users, what broke it, what is still to be read */
    struct timer tick; /* end of the handshake; keep-alive */
    struct timer idle;
    bool heard;             /* something, since the last tick */
    bool pinged;            /* at the last tick */
    uint64_t ping_ns;       /* when the first PING was written that has no PONG; 0: none */
    uint64_t round_trip_us; /* smoothed; 0: none was measured */
    bool paused;            /* no memory to read with: the turn tries again */
    uint32_t wanted;        /* bytes that the frame has which is being read */
    uint32_t challenges;
    struct login *login; /* by steps of somebody else's; NULL: none is under way */
    uint64_t ready_ms;
    uint64_t generation;                     /* of the token that was shown */
    uint32_t tls_generation;                 /* of the files that it began with */
    bool renewed;                            /* it ends because those have changed */
    hulse_status broken;                     /* it ends at the turn */
    char text[PULSAR_CONNECTION_TEXT_BYTES]; /* why */
};

/* ---- its life: connection.c ---- */

/* WAITING at its gate. NULL: no memory. */
struct pulsar_connection *hulse_connection_create(struct pulsar_pool *p,
                                                  const struct pulsar_endpoint *to,
                                                  enum pulsar_purpose purpose);
/* Its turn at the gate has come. */
void hulse_connection_begin(struct pulsar_connection *c);
void hulse_connection_became_ready(struct pulsar_connection *c);
/*
 * Ends and frees it: from the loop or the flush, outside of every callback. OK: nobody needs it. `text` may lie in what
 * the connection holds.
 */
void hulse_connection_end(struct pulsar_connection *c, hulse_status status, const char *text);
/* The same, at the next turn: from anywhere. The first one counts. */
void hulse_connection_break(struct pulsar_connection *c, hulse_status status, const char *text);
/* There is something for its turn. */
void hulse_connection_turn(struct pulsar_connection *c);
void hulse_connection_add_user(struct pulsar_connection *c, struct pulsar_user *u);
/* A user or a request has gone. */
void hulse_connection_less_used(struct pulsar_connection *c);

/* ---- its bytes: traffic.c ---- */

/* The stream is open. False: the loop does not take it; errno. */
bool hulse_connection_listen(struct pulsar_connection *c);
/* There is something to write: the flush will. */
void hulse_connection_dirty(struct pulsar_connection *c);
/* A PONG has come. */
void hulse_connection_ponged(struct pulsar_connection *c);
/* Both may end it: it is not looked at again after false. */
bool hulse_connection_write(struct pulsar_connection *c);
bool hulse_connection_read(struct pulsar_connection *c);

/* ---- its commands ---- */

/* Says CONNECT. handshake.c */
void hulse_handshake_begin(struct pulsar_connection *c);
/* Not READY yet. */
void hulse_handshake_command(struct pulsar_connection *c, const Pulsar__BaseCommand *command);
void hulse_handshake_challenge(struct pulsar_connection *c,
                               const Pulsar__CommandAuthChallenge *challenge);
/* Nobody waits for its login any more. */
void hulse_handshake_forget(struct pulsar_connection *c);
/* Why its time is over. */
const char *hulse_handshake_lateness(const struct pulsar_connection *c);
/* An ERROR that is about the whole connection. */
void hulse_handshake_refused(struct pulsar_connection *c, const Pulsar__CommandError *error);
/* READY. dispatch.c */
void hulse_dispatch_command(struct pulsar_connection *c,
                            const Pulsar__BaseCommand *command,
                            struct broker_span rest);
/* request.c. False: nobody waits for it. */
bool hulse_request_answered(struct pulsar_connection *c,
                            uint64_t id,
                            const Pulsar__BaseCommand *answer);
void hulse_request_lose_all(struct pulsar_connection *c);

#endif
