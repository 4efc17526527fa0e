/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection - one connection to a broker, shared by the producers, or the consumers, of one worker.
 *
 *   resolving, dialling -> handshake -> ready -> gone
 *            `---------------`-----------`--------^     I/O, keep-alive, a bad frame, nobody uses it any more
 *
 * It belongs to the pool (pool.h), which makes one when its first user attaches, and is never seen again after `lost`.
 * A new attempt is a new connection; when, is the users' matter and the pool's, which keeps one address from being
 * tried more often than its backoff allows.
 *
 * Threads: the worker's.
 * Order:   callbacks come from the loop, or from the flush of the worker's module, never from within a call of this
 *          header. In each of them any user may be attached or detached and any request cancelled, the own ones too.
 * Trust:   what comes is judged by wire/; a bad frame ends the connection with PROTOCOL and is counted. An id that no
 *          user has is ignored.
 */
#ifndef HULSE_PULSAR_CONNECTION_CONNECTION_H
#define HULSE_PULSAR_CONNECTION_CONNECTION_H

#include "daemon/broker/pulsar/connection/endpoint.h"
#include "daemon/broker/pulsar/wire/command.h"
#include "daemon/worker/timer.h"

#include <sys/queue.h>

struct pulsar_connection;
struct pulsar_user;

/* ---- users --------------------------------------------------------------------------------- */

enum pulsar_user_kind {
    PULSAR_USER_PRODUCER, /* id is its producer_id */
    PULSAR_USER_CONSUMER, /* id is its consumer_id */
    PULSAR_USER_WATCHER,  /* id is its watcher_id */
    PULSAR_USER_OTHER     /* lookups and the like: only requests, no id */
};

struct pulsar_user_events {
    /* CONNECTED has come, perhaps long ago. At most once for each attach. */
    void (*ready)(struct pulsar_user *u);
    /*
     * The connection is gone, or there never was one. The user is detached, its pieces are released, its requests
     * were answered with PULSAR_REPLY_LOST. `status`: IO, TIMED_OUT, PROTOCOL, DENIED (authentication), CLOSED
     * (the worker stops).
     */
    void (*lost)(struct pulsar_user *u, hulse_status status, const char *text);
    /*
     * A command that names the user: receipts, messages, closings and notices. `rest` is what stands behind the command
     * of a MESSAGE (frame.h). Both are borrowed until this returns. NULL for OTHER.
     */
    void (*command)(struct pulsar_user *u,
                    const Pulsar__BaseCommand *command,
                    struct broker_span rest);
};

/* One that uses a connection; embedded in its owner. Zeros before the first attach but for the first three. */
struct pulsar_user {
    const struct pulsar_user_events *events;
    uint64_t id; /* of its kind unique on its worker: hulse_pulsar_user_id() */
    enum pulsar_user_kind kind;
    bool told;                            /* `ready` */
    struct pulsar_connection *connection; /* NULL: detached */
    LIST_ENTRY(pulsar_user) link;         /* of the connection */
    LIST_ENTRY(pulsar_user) by_id;
};

/* No event comes any more; its pieces and requests go on. Harmless when detached. */
void hulse_pulsar_detach(struct pulsar_user *u);
/* CONNECTED has come: commands and pieces may be sent. */
bool hulse_pulsar_ready(const struct pulsar_connection *c);

/* ---- what is known of a ready connection ------------------------------------------------------ */

struct pulsar_peer {
    int32_t protocol_version;
    uint32_t message_bytes_max;
    bool partitions_without_creation; /* feature flag 5 */
    bool topic_watchers;              /* 4 */
    bool topic_watcher_reconcile;     /* 7: WATCH_TOPIC_LIST may come again with the same watcher */
};

const struct pulsar_peer *hulse_pulsar_peer(const struct pulsar_connection *c);
/* "host:port" of the broker, for people. */
const char *hulse_pulsar_connection_name(const struct pulsar_connection *c);

/* ---- out ------------------------------------------------------------------------------------ */

/* Bytes of whole frames that are sent as they are; embedded in its owner, who leaves it alone until `released`. */
struct pulsar_piece {
    STAILQ_ENTRY(pulsar_piece) link;
    const uint8_t *data;
    uint32_t bytes;
    /* All was written, or the connection is gone. May free the piece, and send it again elsewhere. */
    void (*released)(struct pulsar_piece *piece, bool written);
};

/* Both in the order of the calls, when the worker's turn ends; on a ready connection. */
void hulse_pulsar_send(struct pulsar_connection *c, struct pulsar_piece *piece);
/* Encoded before it returns. False: no memory, or it is gone; nothing was sent. */
bool hulse_pulsar_command(struct pulsar_connection *c, const Pulsar__BaseCommand *command);
/* Sent and not yet written. */
uint64_t hulse_pulsar_unwritten(const struct pulsar_connection *c);
/* It breaks the protocol, as its user has seen: ends with PROTOCOL. `text` is copied. */
void hulse_pulsar_break(struct pulsar_connection *c, const char *text);

/* ---- requests ------------------------------------------------------------------------------- */

enum pulsar_reply {
    PULSAR_REPLY_ANSWER,   /* any command with the request's id: an ERROR too */
    PULSAR_REPLY_LOST,     /* the connection; whether it was heard is not known */
    PULSAR_REPLY_TIMED_OUT /* an answer that comes later is ignored: undo what it may have done */
};

struct pulsar_request {
    /* `answer` is borrowed until this returns; NULL unless ANSWER. Once; not after cancel. */
    void (*done)(struct pulsar_request *r,
                 enum pulsar_reply reply,
                 const Pulsar__BaseCommand *answer);
    uint64_t id;
    struct pulsar_connection *connection; /* NULL: not on its way */
    LIST_ENTRY(pulsar_request) link;
    struct timer deadline;
};

/* For the command's request_id; sets r->id. */
uint64_t hulse_pulsar_request_id(struct pulsar_connection *c, struct pulsar_request *r);
/* Sends the command, which has that id. False: no memory, or it is gone; done() does not come. */
bool hulse_pulsar_ask(struct pulsar_connection *c,
                      struct pulsar_request *r,
                      const Pulsar__BaseCommand *command,
                      uint32_t timeout_ms);
/* done() does not come; an answer is ignored. Harmless when it is not on its way. */
void hulse_pulsar_cancel(struct pulsar_request *r);
/* Within its `done`, with an answer: another one to the same request is awaited, as long as it takes. */
void hulse_pulsar_await_another(struct pulsar_connection *c, struct pulsar_request *r);

#endif
