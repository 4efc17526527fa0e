/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender - a producer on the wire: the way to its topic's owner and back to it, and what it sends.
 *
 *   held -> looking -> attaching -> opening -> ready ---- receipts
 *             ^           | ^          |         |  |
 *             `- waiting <--|----------´---------´  |   lost, closed by the broker, refused for now
 *                         | `-------- moving <------´   to another connection, with nothing unanswered
 *                         `-> dead: the topic is gone or terminated, somebody fenced it
 *
 * Ready and unused for a minute it is parked, and waiting again with its next record.
 *
 * Until it was ready once, what does not pass ends it and its producers' opens; so does the operation timeout.
 * Afterwards only what never passes does. What it has to send waits meanwhile.
 *
 * Its parts: sender (this machine), gather (records into entries), outbox (entries on their way, and their time),
 * receipts (what the broker says of them), by_key (a batch for each key), chunks (several entries for one message).
 *
 * Owns:    itself until its last producer is closed and nothing is unanswered; it ends in a timer, never within a call
 *          or an event.
 * Threads: the worker's.
 * See:     Pulsar protocol, section 5.
 */
#ifndef HULSE_PULSAR_PRODUCER_SENDER_H
#define HULSE_PULSAR_PRODUCER_SENDER_H

#include "daemon/broker/pulsar/producer/by_key.h"
#include "daemon/broker/pulsar/producer/entry.h"
#include "daemon/broker/pulsar/producer/handle.h"
#include "daemon/broker/pulsar/producer/stall.h"
#include "daemon/broker/pulsar/schema/payload_schema.h"
#include "daemon/broker/pulsar/worker.h"

/* Daemon's name, and boot id and number or the application's name and a handle id. A longer wish is refused. */
#define PULSAR_SENDER_NAME_BYTES 576U

enum pulsar_sender_state {
    SENDER_HELD, /* another of its name sends its last */
    SENDER_WAITING,
    SENDER_LOOKING,
    SENDER_ATTACHING,
    SENDER_OPENING,
    SENDER_READY,
    SENDER_MOVING, /* closed there, once the broker says so */
    SENDER_PARKED, /* closed, until there is something to send */
    SENDER_DEAD
};

struct pulsar_sender {
    /* Touched for every record. */
    enum pulsar_sender_state state;
    bool own;    /* sequence ids are the records' */
    bool chunks; /* what is too large for one message goes as several */
    bool dirty;
    bool push;                    /* what is gathered goes, whatever is unanswered */
    struct pulsar_entry *open;    /* gathering; NULL: nothing is */
    struct wire_batch batch;      /* of it */
    uint32_t head_room;           /* of it */
    struct pulsar_by_key *by_key; /* NULL: a batch has whatever keys come */
    uint32_t aside_count;         /* records in other batches that grow */
    uint32_t aside_payload_bytes;
    uint64_t open_deadline_ns;             /* of the first record that is gathered */
    uint32_t name_bytes;                   /* without its end */
    struct payload_schema_version version; /* of `schema` */
    int64_t sequence;                      /* the last that was given; -1: none */
    int64_t
        floor; /* up to here the broker may have them from an earlier life; before it is `met`, all */
    uint64_t spread_ns;                /* by which deadlines in one entry may differ */
    struct broker_gathering gathering; /* defaults filled in */
    /* The outbox. */
    struct pulsar_entries entries; /* in the order of sending; the sent ones come first */
    struct pulsar_entry *unsent;   /* the first that is */
    struct pulsar_entries kept;    /* chunks with a receipt, of the message whose rest is first */
    struct pulsar_entries leaving; /* answered, with pieces that are out */
    uint32_t in_flight;            /* sent on this connection and unanswered */
    uint64_t in_flight_bytes;
    uint32_t out_count; /* pieces */
    uint64_t out_bytes;
    bool resending; /* when all pieces are back */
    bool copied;    /* the broker has said so within the message whose chunks are `kept` */
    bool expiring;
    uint32_t hint_bytes; /* of the last batch */
    uint32_t hint_slots;
    uint32_t checksum_errors; /* since the last receipt */
    struct timer delay;
    struct timer expiry;
    struct pulsar_stall stall;
    bool apart;    /* on a connection of its own, or to go there */
    bool moving;   /* sends nothing more on this connection */
    bool anew;     /* `moving` to where it was, once the broker has said all of what it had */
    bool used;     /* since the last look for those that are not */
    bool parked;   /* since it was ready last */
    uint32_t idle; /* looks in a row */
    /* The machine. */
    struct pulsar_senders *all;
    struct pulsar_user user;
    struct pulsar_lookup lookup;
    struct pulsar_request request;
    struct pulsar_endpoint endpoint;
    struct backoff backoff;
    struct timer retry;
    struct timer limit; /* of the first open */
    struct timer reap;
    struct pulsar_failure failure; /* the last; of a dead one, what records fail by */
    uint64_t said;                 /* hash of the failure that the log has; 0: it was ready since */
    bool blamed;                   /* it has broken the connection itself */
    uint64_t epoch;
    uint64_t topic_epoch;
    bool has_topic_epoch;
    bool was_ready; /* or is taken for one that was */
    bool met;       /* a broker has opened it */
    bool proved;    /* answered since it is ready */
    uint64_t ready_ms;
    uint32_t followed; /* assigned brokers, in a row */
    bool fresh;        /* the kept lookup has proved wrong */
    bool create;
    bool named;  /* by its producer */
    bool queued; /* the broker has it wait for those who are there */
    enum broker_access access;
    struct payload_schema *schema;        /* NULL: none */
    uint32_t message_bytes_max;           /* of metadata and payload; of the last connection */
    LIST_HEAD(, pulsar_producer) waiting; /* for `opened` */
    LIST_HEAD(, pulsar_producer) producers;
    LIST_ENTRY(pulsar_sender) link;
    TAILQ_ENTRY(pulsar_sender) dirty_link;
    char name[PULSAR_SENDER_NAME_BYTES];
    const char *initial_subscription; /* behind the topic; "": none */
    uint32_t topic_bytes;             /* of both, with their ends */
    char topic[];
};

/* What failed records are told. */
struct pulsar_end {
    enum broker_class class;
    uint8_t sent;   /* outcome of what a broker may have */
    uint8_t unsent; /* of the rest */
};

/* ---- the machine: sender.c, and how it ends: ending.c ---- */

/* Begins; `opened` will come for those who wait. */
void hulse_pulsar_sender_start(struct pulsar_sender *s);
/*
 * The producer waits for `opened`, or hears it now: when it was ready once, or with a `bytes_max` other than 0, with which
 * it takes records until it knows better.
 */
void hulse_pulsar_sender_join(struct pulsar_sender *s,
                              struct pulsar_producer *p,
                              uint32_t bytes_max);
/* The broker has closed it or refused what was sent: again, at once to `assigned` if there is one. */
void hulse_pulsar_sender_reopen(struct pulsar_sender *s, const char *assigned);
/* The same without a new owner, where receipts of what was sent before must not be taken for those of what goes again. */
void hulse_pulsar_sender_begin_anew(struct pulsar_sender *s);
/* It is `moving` and nothing is unanswered any more: to a connection of its own, or back. */
void hulse_pulsar_sender_moves(struct pulsar_sender *s);
/* Never ready, its topic has partitions: its producers go on with those, and it ends. */
void hulse_pulsar_sender_hand_over(struct pulsar_sender *s,
                                   const struct pulsar_lookup_result *found);
/* Off its connection, and nothing is on its way to another. */
void hulse_pulsar_sender_leave(struct pulsar_sender *s);
/* The broker breaks the protocol towards it: its connection ends, and it waits for longer than the others there. */
void hulse_pulsar_sender_accuse(struct pulsar_sender *s, const char *text);
/* The broker closes it, should it have it; before `leave`. */
void hulse_pulsar_sender_close_wire(struct pulsar_sender *s);

/* ---- ending.c ---- */

/* It never sends again: answers all there is, then tells its producers. */
void hulse_pulsar_sender_die(struct pulsar_sender *s, const struct pulsar_failure *f);
/* Ends soon if nobody needs it any more. */
void hulse_pulsar_sender_check(struct pulsar_sender *s);
/* With all that it has; nobody hears of it. */
void hulse_pulsar_sender_destroy(struct pulsar_sender *s);
/* Its timer for that. */
void hulse_pulsar_sender_reap(struct timer *timer);

/* ---- gather.c ---- */

/* An open producer's record. May answer it at once. False: there is no memory for it now, and the producer starves. */
bool hulse_pulsar_gather(struct pulsar_sender *s,
                         struct pulsar_producer *p,
                         const struct broker_record *r);
/* What is gathered becomes an entry of the outbox. */
void hulse_pulsar_gather_seal(struct pulsar_sender *s);

/* ---- outbox.c ---- */

void hulse_pulsar_outbox_append(struct pulsar_sender *s, struct pulsar_entry *e);
/* Sends what may go now. */
void hulse_pulsar_outbox_flush(struct pulsar_sender *s);
/* Everything again, in order, on the connection it is ready on. */
void hulse_pulsar_outbox_resend(struct pulsar_sender *s);
/* Its connection is gone or not its any more: nothing is in flight. */
void hulse_pulsar_outbox_detached(struct pulsar_sender *s);
/* Takes an entry out; it is answered next. */
void hulse_pulsar_outbox_take(struct pulsar_sender *s, struct pulsar_entry *e);
void hulse_pulsar_outbox_stored(struct pulsar_sender *s,
                                struct pulsar_entry *e,
                                const struct broker_id *id); /* NULL: none */
void hulse_pulsar_outbox_failed(struct pulsar_sender *s,
                                struct pulsar_entry *e,
                                const struct pulsar_end *end);
/* One that is in the list fails; of chunks the whole message does. */
void hulse_pulsar_outbox_fail(struct pulsar_sender *s,
                              struct pulsar_entry *e,
                              const struct pulsar_end *end);
/* All there is, gathered or not. */
void hulse_pulsar_outbox_fail_all(struct pulsar_sender *s, const struct pulsar_end *end);
/* Fails what is too old, and looks again when the next one is. */
void hulse_pulsar_outbox_expire(struct pulsar_sender *s);
/* A record with that deadline is here. */
void hulse_pulsar_outbox_watch(struct pulsar_sender *s, uint64_t deadline_ns);

/* ---- receipts.c ---- */

void hulse_pulsar_receipt(struct pulsar_sender *s, const Pulsar__CommandSendReceipt *r);
/* It is ready or moves. */
void hulse_pulsar_send_error(struct pulsar_sender *s, const Pulsar__CommandSendError *e);
/* The first entry is refused as damaged: it goes again, and what is behind it. */
void hulse_pulsar_refused_again(struct pulsar_sender *s);

#endif
