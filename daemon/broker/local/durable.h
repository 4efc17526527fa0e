/* SPDX-License-Identifier: Apache-2.0 */
/*
 * durable - what persistent topics have beside those in memory.
 *
 *   topic ── durable_topic ── dedup ── handle
 *     │           └─ order (with the store) ── later (who waits for it)
 *     ├── publication (with the store) ── message
 *     └── subscription ── cursor ── window (the subscription's queue and heaps)
 *
 * A subscription's queue and heaps are a window onto the topic: all positions below `next_read` are
 * acknowledged, in the window, or with a consumer.
 *
 * Threads: the topic's worker.
 */
#ifndef HULSE_BROKER_LOCAL_DURABLE_H
#define HULSE_BROKER_LOCAL_DURABLE_H

#include "daemon/broker/local/counts.h"
#include "daemon/broker/local/dedup.h"
#include "daemon/broker/local/message_codec.h"
#include "daemon/broker/local/objects.h"
#include "daemon/core/ranges.h"
#include "daemon/store/store.h"

struct ask;

/* ---- what waits for the store ---- */

enum later_kind { LATER_PRODUCER, LATER_CONSUMER, LATER_ASK, LATER_ERRAND };

/* An answer that comes after the op, node or call that asked has returned. */
struct later {
    struct link link; /* order.waiting */
    struct op op;     /* OP_LATER, to `home` */
    enum later_kind kind;
    uint32_t home;       /* worker, or LATER_CONTROL */
    bool again;          /* is served once more; else the order's end is the answer */
    struct topic *topic; /* LATER_ERRAND: of the last message */
    union {
        struct open_request *rq;
        struct ask *ask;
        struct consumer *consumer;
    };
};

#define LATER_CONTROL UINT32_MAX

/* A control record under way. */
struct order {
    struct store_request rq;
    struct topic *topic;
    struct subscription *sub;                    /* STORE_SUBSCRIPTION_… */
    struct link waiting;                         /* struct later */
    void (*ended)(struct order *o, bool stored); /* before those who wait; may be NULL */
    bool embedded;                               /* in a cursor */
};

/* A record under way: STORE_MESSAGE, or STORE_BARRIER for a copy. */
struct publication {
    struct store_request rq;
    struct op op; /* OP_STORED, to the producer's worker */
    struct topic *topic;
    struct message *message;
    struct handle *handle;
    struct producer *producer; /* of worker `worker` */
    uint64_t token;
    uint32_t round;
    uint32_t worker;
    struct broker_answer answer;
    uint8_t header[MESSAGE_HEADER_BYTES];
};

/* ---- topic ---- */

struct durable_topic {
    struct topic *topic;
    uint64_t id;             /* of the store */
    uint64_t first_position; /* nothing below is there */
    uint64_t committed;      /* all below is stored or never will be */
    uint64_t found_next;     /* what an earlier start gave is below */
    struct broker_id last;   /* the newest message */
    bool has_last;
    bool last_known; /* else the store is asked: it is of an earlier start */
    struct store_read last_read;
    bool reading_last;
    struct link askers;     /* struct later: for the last message */
    uint32_t under_way;     /* requests and reads */
    uint32_t readers;       /* made so far */
    struct order *creation; /* under way: who comes waits */
    struct dedup dedup;
};

/* ---- subscription ---- */

/* Changes of a cursor: those of one are collected while those of the other are stored. */
struct cursor_change {
    struct ranges acknowledged;
    struct store_count *counts;
    uint32_t count;
    uint32_t room;
};

struct cursor {
    struct subscription *sub;
    uint64_t id;            /* of the store */
    char reader[24];        /* its name in the store, where a reader needs one */
    struct order *creation; /* under way: who comes waits */
    struct order removal;
    struct ranges acknowledged; /* needs no delivery, whether stored or not */
    struct counts redelivered;
    struct link changed; /* local_worker.changed */
    struct cursor_change fresh;
    struct cursor_change stored; /* being stored */
    struct store_request ack;
    struct store_request again;
    uint32_t storing;          /* of the two, not back */
    hulse_status group_status; /* the worse of the two */
    bool dead;                 /* nothing is stored any more */
    bool
        forgetful; /* an end was not noted, for want of memory: nothing is settled while there are seats */
    bool unsent; /* `fresh` has not all that is new: the next group has all that is acknowledged */
    bool removed;
    struct timer retry; /* when there was no memory, or no room */
    /* The window. */
    uint64_t next_read;
    struct store_read read;
    bool reading;
    uint64_t needs;       /* what comes next did not go in and has so many bytes; 0: not known */
    uint64_t reserved;    /* for the read that is under way */
    struct link windowed; /* local_worker.windowed, while something is in it */
    struct link starved;  /* local_worker.starved or .woken, while it waits for memory */
    bool by_id;           /* something that may be in the window was acknowledged by id */
    uint32_t generation;  /* of the window: one more when it, or its tail, is emptied */
    uint32_t read_for;    /* generation that the read is for */
    uint32_t busy;        /* requests and reads that borrow this */
    uint32_t
        read_pause_ms; /* before a read is tried again that has failed; 0: the last one has not */
    uint64_t read_fails_from_ms; /* loop time */
};

/* ---- later.c ---- */

/*
 * The request waits in a list (order.waiting, durable_topic.askers). One that lies on the stack is
 * copied. Without memory it is refused at once and waits for nothing.
 */
void hulse_later_open(struct open_request *rq, struct link *waiting);
void hulse_later_ask(struct ask *a, struct link *waiting, bool again);
/* `topic`: whose last message is asked for, else NULL. */
void hulse_later_errand(struct consumer *c, struct link *waiting, struct topic *topic);
/* What they wait for has ended; the list becomes empty. */
void hulse_later_serve(struct local_worker *lw,
                       struct link *waiting,
                       hulse_status status,
                       const char *text);
/* OP_LATER: where the request came from, and back. */
void hulse_later_arrived(struct local_worker *lw, struct later *l);
void hulse_later_returned(struct later *l);

/* ---- order.c ---- */

/* NULL over the memory cap. Goes by hulse_order_give. */
struct order *hulse_order_create(struct topic *topic, enum store_kind kind);
void hulse_order_init(struct order *o, struct topic *topic, enum store_kind kind);
void hulse_order_give(struct order *o);
/* Static texts for who asked. */
const char *hulse_store_text(hulse_status status);

/* ---- durable_topic.c ---- */

bool hulse_topic_is_persistent(const char *name);
/* False: no memory. */
bool hulse_durable_init(struct topic *topic);
/* Its creation is under way. False: no memory. */
bool hulse_durable_create(struct topic *topic);
void hulse_durable_free(struct topic *topic);
/* To a subscription that has just been made: the request waits for the store, or was refused. */
void hulse_durable_subscribe(struct subscription *sub, struct open_request *rq);
/* Gives rq->opened_handle. False: refused. */
bool hulse_durable_attach_producer(struct topic *topic, struct open_request *rq);
/* A user of the handle is gone; `forget`: and it will not come back. */
void hulse_handle_leave(struct topic *topic, struct handle *h, bool forget);
/* Every subscription takes it as far as it has read. Takes the caller's ref. */
void hulse_durable_offer(struct topic *topic, struct message *m);
uint64_t hulse_durable_backlog(const struct topic *topic);
/* For delete, terminate, truncate; NULL over the memory cap. Freed as memory when it is not given. */
struct order *hulse_durable_prepare(struct topic *topic, enum broker_admin_command command);
/* Delete and terminate are done in memory by now. `a` is answered when it is stored. */
void hulse_durable_order(struct order *o, struct ask *a);
/* Finds the last message in the store; who asks waits in `askers`. */
void hulse_durable_find_last(struct topic *topic);
/* A request of a topic has ended. The topic may be gone in a later turn. */
void hulse_durable_ended(struct topic *topic);

/* ---- durable_load.c: in the module's start ---- */

/* This worker's topics of the store. False with *err. */
bool hulse_durable_load(struct local_worker *lw, struct error *err);
/* The clock of handles that nobody has seen. */
void hulse_handles_start(struct local_worker *lw);

/* ---- publication.c ---- */

struct publication_from {
    struct producer *producer;
    struct handle *handle;
    uint32_t worker;
};

/* Takes the caller's ref of the message. False: no memory, the ref is still the caller's. */
bool hulse_publication_begin(struct topic *topic,
                             struct message *m,
                             const struct publication_from *from);
/* OP_STORED: at the producer's worker, and back. */
void hulse_publication_arrived(struct local_worker *lw, struct publication *pub);
void hulse_publication_returned(struct local_worker *lw, struct publication *pub);

/* ---- cursor.c ---- */

/* To a subscription that has just been made; all below `start` counts as acknowledged. */
bool hulse_cursor_create(struct subscription *sub, uint64_t start);
void hulse_cursor_free(struct subscription *sub);
/* [first, end) is acknowledged, and stored as such in time. */
void hulse_cursor_end(struct subscription *sub, uint64_t first, uint64_t end);
/* Redelivered `count` times by now. */
void hulse_cursor_again(struct subscription *sub, uint64_t position, uint32_t count);
/* Something of it has changed: looked at when the turn ends. */
void hulse_cursor_touch(struct subscription *sub);
/* After a pause what is due is stored, and the window read on. */
void hulse_cursor_retry_later(struct subscription *sub);
void hulse_cursor_retry_after(struct subscription *sub, uint32_t pause_ms);
/* An acknowledgement by id (broker.h). */
void hulse_cursor_ack_id(struct subscription *sub, uint64_t position, bool cumulative);
/* Gives what has changed to the store, for all cursors of a worker. */
void hulse_cursors_commit(struct local_worker *lw);
/* Removes it from the store, unless it is gone there already. */
struct order *hulse_cursor_remove(struct subscription *sub);
/* What is stored and not acknowledged. */
uint64_t hulse_cursor_backlog(const struct subscription *sub);
bool hulse_cursor_has_all(const struct subscription *sub);
/* Nothing of it is with the store. */
bool hulse_cursor_idle(const struct subscription *sub);

/* ---- window_memory.c ---- */

/* Something has come into a window, or has left it. */
void hulse_window_charge(struct subscription *sub, uint64_t bytes);
void hulse_window_discharge(struct subscription *sub, uint64_t bytes);
/* For a read that is given to the store, until it is back. */
void hulse_window_reserve(struct subscription *sub, uint64_t bytes);
void hulse_window_unreserve(struct subscription *sub);
/* Of the windows' part of memory_max, for one that has something; all else is left to publishers. */
uint64_t hulse_window_share(const struct subscription *sub);
/* How much more may be in it now. */
uint64_t hulse_window_room(const struct subscription *sub);
bool hulse_window_fits(const struct subscription *sub, uint64_t bytes);
/* What comes next goes in, and enough of it for a read. */
bool hulse_window_worth_reading(const struct subscription *sub);
/* It was refused for want of memory: in a turn, windows above their share are cut, and it reads on. */
void hulse_window_starve(struct subscription *sub);
/* A portion of that; how much was done, and whether some is left. */
unsigned hulse_windows_turn(struct local_worker *lw);
bool hulse_windows_wait(const struct local_worker *lw);

/* ---- window.c ---- */

/* A message that has just been stored. */
void hulse_window_offer(struct subscription *sub, struct message *m);
/* A position that is not there, and never will be. */
void hulse_window_skip(struct subscription *sub, uint64_t position);
/* Reads on, if there is something and room for it. */
void hulse_window_refill(struct subscription *sub);
/* Without seats and with nothing of it on the way: forgets what waits, which is read again. */
void hulse_window_empty(struct subscription *sub);
/* What no consumer holds is acknowledged. False: no memory, nothing has changed. */
bool hulse_window_truncate(struct subscription *sub);

#endif
