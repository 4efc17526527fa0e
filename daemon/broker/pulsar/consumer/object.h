/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object - a consumer, and what its files do with it.
 *
 *   session    lookup -> attach -> SUBSCRIBE -> ready, and again after whatever ended it
 *   hands      what it has, and where it is
 *   receive    what the broker says; an entry becomes a body in `queue`
 *   chunks     several entries become one body
 *   hand_out   bodies become deliveries while flow has given permits
 *   verdicts   what becomes of deliveries: acknowledged (acks), to come again (again)
 *   errand     seek, last message id, unsubscribe
 *   stall      why nothing comes
 *   lag_watch  how far its subscription is behind
 *   fan_in     a topic with partitions: a consumer for each of them (fan_in.h)
 *
 * Threads: the worker's.
 * Order:   an event may close the consumer. Who makes one holds the object (hulse_pulsar_consumer_enter, _leave) and looks at
 *          `closed` afterwards.
 */
#ifndef HULSE_PULSAR_CONSUMER_OBJECT_H
#define HULSE_PULSAR_CONSUMER_OBJECT_H

#include "daemon/broker/pulsar/backoff.h"
#include "daemon/broker/pulsar/connection/pool.h"
#include "daemon/broker/pulsar/consumer/consumer.h"
#include "daemon/broker/pulsar/consumer/hands.h"
#include "daemon/broker/pulsar/consumer/lag.h"
#include "daemon/broker/pulsar/consumer/permits.h"
#include "daemon/broker/pulsar/consumer/question.h"
#include "daemon/broker/pulsar/consumer/wishes.h"
#include "daemon/broker/pulsar/lookup/lookup.h"
#include "daemon/broker/pulsar/schema/payload_schema.h"
#include "daemon/broker/pulsar/worker.h"

#include <assert.h>
#include <stddef.h>

struct fan_in;
struct part;

#define PULSAR_CONSUMER_MAGIC 0x70636e73U
/* Ids of one ACK or REDELIVER. */
#define PULSAR_IDS_MAX 1000U
/* Entries of which something is remembered and nothing is here. */
#define PULSAR_STRAYS_MAX 10000U
/* Messages kept here to be handed out again; with more of them the broker is asked for none. */
#define PULSAR_KEPT_MAX 50000U
/* Bytes of messages that a consumer holds, and that are kept here to be handed out again. */
#define PULSAR_HELD_BYTES (16U << 20U)
/* All of a worker, of its share of the memory cap. */
#define PULSAR_HELD_PART 4U
/* Without a message for so long the broker has not heard that everything is wanted again. */
#define PULSAR_REWIND_MS 1000U
/* What was sent before everything was asked for again has come by then. */
#define PULSAR_EPOCH_MS 10000U
/* Without a message for so long, with permits at the broker, it is asked why; then ever more rarely, up to the other. */
#define PULSAR_STALL_MS 10000U
#define PULSAR_STALL_MAX_MS 320000U
/* Between two questions that have to have the same answer. */
#define PULSAR_STALL_SURE_MS 1000U
/* Before what found no memory is tried again. */
#define PULSAR_REFUSED_MS 100U
/* Of a name that is made for it. */
#define PULSAR_READER_BYTES 18U

/* ---- deliveries ---- */

enum delivery_state {
    DELIVERY_HELD,   /* the front end has it */
    DELIVERY_KEPT,   /* refused; comes again after its delay, from here */
    DELIVERY_WAITING /* as soon as there is a permit */
};

struct delivery {
    struct broker_delivery d; /* first: what the front end holds */
    TAILQ_ENTRY(delivery) link;
    struct pulsar_consumer *consumer;
    struct body *body; /* NULL: its bytes were copied, and are not kept here */
    struct entry *entry;
    struct timer due; /* KEPT */
    uint32_t index;   /* in its entry */
    enum delivery_state state;
};

/* ---- acknowledgements ---- */

enum round_state {
    ROUND_GATHERING,
    ROUND_SENT,
    ROUND_ANSWERED /* or not worth an answer */
};

/* Entries whose acknowledgements are one command. */
struct round {
    TAILQ_ENTRY(round) link;
    struct pulsar_request request;
    struct pulsar_consumer *consumer;
    struct entry_list entries; /* by `group` */
    struct entry_list
        parts;          /* by `part_link`: of which something is acknowledged; until it is sent */
    uint32_t count;     /* of ids to be sent */
    uint32_t calls;     /* of flow, that are final with this one and all before it */
    uint64_t ledger;    /* of a cumulative one: everything up to this */
    uint64_t entry;     /* of this ledger */
    int32_t validation; /* why they are discarded; -1: they are not */
    enum round_state state;
    bool cumulative;
    bool inside;  /* a cumulative one: up to a message of that entry, which the entry knows */
    bool reaches; /* a cumulative one: ledger and entry are set */
    bool stale;   /* from before a seek: not sent again */
};

/* ---- errands ---- */

enum errand_state { ERRAND_WAITING /* for a session */, ERRAND_ASKED };

/* While one is under way. */
struct errand {
    struct pulsar_consumer *consumer;
    enum errand_state state;
    enum broker_errand kind;
    struct pulsar_request request;
    struct timer deadline;
    struct broker_position to;
    bool inner; /* nobody has asked for it: `done` does not come */
};

/* ---- silence ---- */

/* From the first question on, until its answers say that all is well; of a subscription that was made anew, for ever. */
struct suspicion {
    struct pulsar_consumer *consumer;
    struct pulsar_request request;
    uint64_t moves; /* of the ledger, when the last question was asked */
    /* What the question before that found. */
    int64_t missing; /* permits; 0: none */
    uint64_t missing_moves;
    bool unseen; /* a last message that has not come */
    uint64_t unseen_moves;
    uint64_t unseen_ledger;
    uint64_t unseen_entry;
    /* For which message the subscription was made anew. */
    bool renewed;
    bool said; /* in vain */
    uint64_t renewed_ledger;
    uint64_t renewed_entry;
};

struct stall {
    struct timer watch;
    struct suspicion *of; /* NULL: nothing is wrong */
    uint32_t period_ms;
};

/* ---- how far its subscription is behind ---- */

struct lag_watch {
    struct timer watch;
    struct question *asked;
    struct lag *of; /* NULL before its first session, and without memory */
    bool asking;    /* it has claimed that */
};

/* ---- before it is open ---- */

/* The first session has to come about within the operation timeout. */
struct first_session {
    struct pulsar_consumer *consumer;
    struct timer deadline;
    struct pulsar_failure last; /* of an attempt; no text: none has failed */
};

/* ---- the consumer ---- */

enum session_state {
    SESSION_WAITING, /* before another attempt */
    SESSION_LOOKING_UP,
    SESSION_ATTACHING,
    SESSION_SUBSCRIBING,
    SESSION_ASKING, /* a reader, for what is there */
    SESSION_READY,
    SESSION_SEEKING, /* nothing that comes counts */
    SESSION_FANNED,  /* none of its own: the topic has partitions, each with a consumer */
    SESSION_OVER,    /* for ever: verdicts have no effect */
    SESSION_CLOSING  /* nobody has it any more; the broker is being told */
};

/* Of many topics most are idle: what is needed only while something happens is made then (hands, question, errand, …). */
struct pulsar_consumer {
    struct broker_consumer base;
    uint32_t magic;
    uint32_t depth;                    /* calls on the stack that will touch it */
    TAILQ_ENTRY(pulsar_consumer) link; /* pulsar_consumers.all */
    TAILQ_ENTRY(pulsar_consumer) dirty_link;
    struct pulsar_consumers *set;
    struct pulsar_worker *worker;
    enum session_state state;
    enum broker_subscription type;
    enum broker_position_kind start_kind; /* hulse_hands_start() */
    bool dirty : 1;
    bool opened : 1;
    bool closed : 1;  /* by the front end */
    bool gone : 1;    /* to be freed when nothing on the stack will touch it */
    bool handing : 1; /* hand_out is on the stack */
    bool ending : 1;  /* `ended` is told */
    bool active : 1;
    bool end_told : 1;
    bool caught_up : 1;
    bool unsorted : 1;       /* `waiting` of its hands */
    bool unordered : 1;      /* `held` of them */
    bool closed_in_seek : 1; /* the broker has closed it, as it does before the answer */
    bool create : 1;
    bool resumed : 1;
    bool transient : 1;
    /* Every entry has the same id: none is in the table, and no broker knows it again. */
    bool non_persistent : 1;
    bool said_unreadable : 1;
    bool said_damaged_metadata : 1;
    bool said_unkept : 1;
    /* The broker sends everything again, and has not come to rewind_ledger, rewind_entry of its hands. */
    bool rewinding : 1;
    bool proved : 1;    /* this session has brought something */
    bool looked_up : 1; /* an answer that is kept is not good enough */
    bool has_seen : 1;
    const char *renew; /* why it has to begin anew when the turn ends; NULL: it has not */

    /* session */
    struct pulsar_user user;
    struct pulsar_lookup lookup;
    struct question *asked;                 /* by the session; NULL: nothing */
    const struct pulsar_endpoint *endpoint; /* shared; NULL before the first lookup */
    struct backoff backoff;
    uint32_t followed; /* assigned brokers, in a row */
    uint64_t ready_ms;
    struct timer pause; /* before another attempt, or before what found no memory is sent again */
    struct first_session *first; /* NULL: it is open, or its parts open */
    uint64_t said;               /* hash of the failure that the log has; 0: it was ready since */

    /* what is in its hands */
    struct permits permits;
    uint64_t heard_ms;    /* the last message, or the beginning of the session */
    uint64_t seen_ledger; /* the highest that came in this session */
    uint64_t seen_entry;
    struct stall stall;
    struct lag_watch lag;
    uint64_t epoch; /* of what is not Shared: how often everything was asked for again */
    struct body_tally held_bytes;
    struct hands *hands;
    struct broker_chunking chunking;
    struct errand *errand; /* NULL: none */

    struct consumer_wishes *wishes; /* NULL: none. Of a part, the whole's */
    struct payload_schema *schema;  /* in every SUBSCRIBE; NULL: none */
    struct fan_in *fan;             /* of a topic with partitions; else NULL */
    struct part *part;              /* what it is of such a one; else NULL */
    const char *subscription;
    const char *name;
    size_t object_bytes;
    char topic[]; /* and the two */
};
/* With its names it is to have room in 640 bytes, a size that the allocator has. */
static_assert(sizeof(struct pulsar_consumer) <= 560, "many of them are idle");

TAILQ_HEAD(consumer_list, pulsar_consumer);

struct pulsar_consumers {
    struct pulsar_worker *worker;
    struct consumer_list all;
    struct consumer_list dirty;
    struct pool deliveries;
    struct pool entries;
    struct pool rounds;
    struct payload_schemas schemas;
    struct shared_endpoints endpoints;
    struct body_tally held_bytes;
    size_t held_bytes_max;
    uint64_t chunk_bytes;       /* of messages in chunks that are not whole */
    uint64_t chunk_entry_bytes; /* of the entries that messages in chunks hold, or will */
    uint64_t chunk_bytes_max;
    uint64_t covering_steps; /* entries looked at one by one for what is cumulative, for tests */
    struct pulsar_consumer_figures figures;
    /* For the ids of one command. */
    Pulsar__MessageIdData ids[PULSAR_IDS_MAX];
    Pulsar__MessageIdData *id_pointers[PULSAR_IDS_MAX];
};

/* Redelivery by entry is the broker's; of an ordered subscription it is served from here, and where none is kept. */
static inline bool hulse_pulsar_consumer_shares(const struct pulsar_consumer *c)
{
    if (c->non_persistent) {
        return false;
    }
    return c->type == BROKER_SHARED || c->type == BROKER_KEY_SHARED;
}

/* It is to have its own hands. False: no memory. */
static inline bool hulse_hands_take(struct pulsar_consumer *c)
{
    return c->hands->consumer != NULL || hulse_hands_make(c);
}

static inline bool hulse_delivery_before(const struct delivery *a, const struct delivery *b)
{
    const struct entry *x = a->entry;
    const struct entry *y = b->entry;
    return x == y ? a->index < b->index
                  : hulse_entry_below(x->ledger, x->entry, y->ledger, y->entry);
}

static inline uint64_t hulse_pulsar_consumer_now_ms(const struct pulsar_consumer *c)
{
    return hulse_loop_now_ms(c->worker->loop);
}

/* consumers */
void hulse_pulsar_consumer_dirty(struct pulsar_consumer *c);
void hulse_pulsar_consumer_enter(struct pulsar_consumer *c);
/* Last touch: it is gone if it was to go. */
void hulse_pulsar_consumer_leave(struct pulsar_consumer *c);
/* Sends what the turn has gathered. */
void hulse_pulsar_consumer_flush(struct pulsar_consumer *c);
/* Frees it, sooner or later; it has no session and nothing in its hands. */
void hulse_pulsar_consumer_gone(struct pulsar_consumer *c);
/* The consumer of a partition, whose topic and events these are; everything else is the whole's. NULL: no memory. */
struct pulsar_consumer *hulse_pulsar_consumer_open_part(struct pulsar_consumer *whole,
                                                        struct part *part,
                                                        const struct broker_consumer_params *p);

/* session */
bool hulse_pulsar_session_start(struct pulsar_consumer *c);
/* What the broker has of it is not known any more: subscribes anew when the turn ends. `why` is static. */
void hulse_pulsar_consumer_renew(struct pulsar_consumer *c, const char *why);
void hulse_pulsar_session_renew(struct pulsar_consumer *c);
/* SEEK was answered. `moved`: the subscription is somewhere else now. */
void hulse_pulsar_session_after_seek(struct pulsar_consumer *c, bool moved);
/* The broker has ended it. */
void hulse_pulsar_session_closed_by_broker(struct pulsar_consumer *c,
                                           const Pulsar__CommandCloseConsumer *command);
/* The first one has come about, or will not. */
void hulse_pulsar_session_end_first(struct pulsar_consumer *c);
/* Nothing of it goes on; no word to the broker. */
void hulse_pulsar_session_abandon(struct pulsar_consumer *c);
/* It was not opened: `opened` says so, and it is gone. Last touch. */
void hulse_pulsar_session_open_failed(struct pulsar_consumer *c,
                                      hulse_status status,
                                      const char *text);
/* `failed`; verdicts have no effect any more. */
void hulse_pulsar_session_over(struct pulsar_consumer *c, hulse_status status, const char *text);

/* receive */
void hulse_receive_command(struct pulsar_user *u,
                           const Pulsar__BaseCommand *command,
                           struct broker_span rest);
/* Failover, without a session: another one may be active. */
void hulse_receive_inactive(struct pulsar_consumer *c);
/* The broker has everything of it that was not handed out. */
void hulse_receive_forget_queue(struct pulsar_consumer *c);

/* hand_out */
void hulse_hand_out(struct pulsar_consumer *c);
/* A reader goes on behind that entry, when what has come before it is handed out. */
void hulse_hand_out_behind(struct pulsar_consumer *c, uint64_t ledger, uint64_t entry);

/* verdicts */
/* No delivery is its any more, whoever has it; without a word. */
void hulse_verdicts_release_all(struct pulsar_consumer *c);
/* What is in no front end's hands: the queue, what is kept. */
void hulse_verdicts_forget_kept(struct pulsar_consumer *c);
/* A new one, in the table. NULL: no memory. */
struct entry *hulse_pulsar_consumer_entry(struct pulsar_consumer *c,
                                          uint64_t ledger,
                                          uint64_t entry,
                                          uint32_t count);
void hulse_entry_unstray(struct pulsar_consumer *c, struct entry *e);
/* Nobody refers to it. */
void hulse_entry_end(struct pulsar_consumer *c, struct entry *e);
/* The delivery is no more; its entry stays until it is reviewed. */
void hulse_delivery_let_go(struct pulsar_consumer *c, struct delivery *dl);
/* What follows from the last change of an entry; it may be gone. */
void hulse_entry_review(struct pulsar_consumer *c, struct entry *e);
/* One of it is acknowledged. */
void hulse_entry_acked(struct pulsar_consumer *c, struct entry *e, uint32_t index);
/* A reader may have everything. */
void hulse_pulsar_consumer_catch_up(struct pulsar_consumer *c);

/* again */
void hulse_again_refuse(struct pulsar_consumer *c,
                        struct delivery *dl,
                        uint32_t delay_ms,
                        bool counts);
/* The session is over: with the next one everything comes. */
void hulse_again_restart(struct pulsar_consumer *c);
/* Nothing is to come again any more: another consumer gets it. */
void hulse_again_forget(struct pulsar_consumer *c);
/* A message has come; what was asked for may begin or be complete with it. `has_epoch`: the broker says the present one. */
void hulse_again_heard(struct pulsar_consumer *c, uint64_t ledger, uint64_t entry, bool has_epoch);
/* Sorted by their ids. */
struct delivery *hulse_again_first(struct pulsar_consumer *c);
void hulse_again_send(struct pulsar_consumer *c);
/* The same after a time. */
void hulse_again_ask(struct pulsar_consumer *c, struct entry *e, uint32_t delay_ms);
/* The broker is to send it again. */
void hulse_again_now(struct pulsar_consumer *c, struct entry *e);
/* Not due any more. */
void hulse_again_stop(struct pulsar_consumer *c, struct entry *e);

/* acks */
/* All of it is acknowledged, or it is discarded (validation not -1). */
void hulse_acks_add(struct pulsar_consumer *c, struct entry *e, int32_t validation);
/* Some of it is acknowledged: a broker that keeps that hands out the rest alone. */
void hulse_acks_add_part(struct pulsar_consumer *c, struct entry *e);
void hulse_acks_end_part(struct entry *e);
/* Everything up to what is acknowledged of `last` from its beginning on; the entries in `covered`, by `group`, are part of it. */
void hulse_acks_add_cumulative(struct pulsar_consumer *c,
                               const struct entry *last,
                               struct entry_list *covered);
/* A verdict of flow's was taken: settled at once, or with the last round. May be the last touch. */
void hulse_acks_called(struct pulsar_consumer *c);
void hulse_acks_send(struct pulsar_consumer *c);
/* What was sent and not answered is to be sent again. */
void hulse_acks_unsend(struct pulsar_consumer *c);
/* Before a seek: they are not sent again, and their entries may come again. */
void hulse_acks_retire(struct pulsar_consumer *c);
/* They will have no answer: every call is settled. */
void hulse_acks_drop(struct pulsar_consumer *c);
/* What is answered. May be the last touch. */
void hulse_acks_settle(struct pulsar_consumer *c);

/* stall */
/* A session has begun; it ends. */
void hulse_stall_watch(struct pulsar_consumer *c);
void hulse_stall_stop(struct pulsar_consumer *c);
/* It is gone. */
void hulse_stall_quit(struct pulsar_consumer *c);

/* lag_watch */
/* It has a session. */
void hulse_lag_watch(struct pulsar_consumer *c);
/* It has none. */
void hulse_lag_stop(struct pulsar_consumer *c);
/* It is gone. */
void hulse_lag_quit(struct pulsar_consumer *c);
/* A message has come. */
void hulse_stall_heard(struct pulsar_consumer *c, uint64_t ledger, uint64_t entry);

/* closing */
/* Nobody wants it any more: tells the broker, then is gone. */
void hulse_pulsar_session_close(struct pulsar_consumer *c, bool unsubscribe);

/* errand */
/* There is a session, which it may end. */
void hulse_errand_ready(struct pulsar_consumer *c);
/* There is none any more, or none like it: `done`, if it is not to be asked again. */
void hulse_errand_lost(struct pulsar_consumer *c);
void hulse_errand_cancel(struct pulsar_consumer *c);
/*
 * It was moved to an entry that is not the beginning of its message: the broker is to begin earlier, at that time, and what
 * is before the entry is passed over. False: not now.
 */
bool hulse_errand_step_back(struct pulsar_consumer *c, uint64_t time_ms);

#endif
