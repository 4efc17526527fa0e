/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - the plane's objects on one worker: plane, session, group, handle, channel.
 *
 *   plane ─┬─ session ─┬─ group     (wake pipe)
 *          │           ├─ handle    (a producer or consumer: publisher or subscriber of flow)
 *          │           └─ channel ──┬─ producer: in-flight table, assembly
 *          │                        └─ consumer: delivery slots, waiting list
 *          ├─ hot channels          (polled every turn)
 *          └─ touched channels      (flushed at the end of the turn)
 *
 * Threads: the worker's. Everything here is private memory; shared words are reached through
 *          channel.rx, channel.tx and the two regions.
 * Trust:   what comes out of A or the socket is checked where it is copied (ipc C1).
 */
#ifndef HULSE_APP_INTERNAL_H
#define HULSE_APP_INTERNAL_H

#include "daemon/app/options.h"
#include "daemon/app/plane.h"
#include "daemon/app/topics.h"
#include "daemon/flow/deliver.h"
#include "daemon/flow/publish.h"
#include "daemon/table/identity.h"
#include "shmlib/ring/control.h"
#include "shmlib/ring/record.h"
#include "shmlib/ring/region.h"
#include "shmlib/ring/ring.h"

#include <sys/queue.h>

#define HULSE_PLANE_MAGIC 0x706c616eU
#define HULSE_SESSION_MAGIC 0x73657373U
#define HULSE_CHANNEL_MAGIC 0x6368616eU
#define HULSE_HANDLE_MAGIC 0x68616e64U

/* Budgets of one visit (V15, ipc B6). */
#define HULSE_VISIT_RECORDS 256U
#define HULSE_VISIT_BYTES ((int64_t)256 * 1024)
/* A hot channel without data for both of these is armed. */
#define HULSE_IDLE_POLLS 64U
#define HULSE_IDLE_NS 200000U
#define HULSE_SWEEP_MS 100U
#define HULSE_BEAT_MS 500U
/* Control answers waiting for a peer that does not read. */
#define HULSE_REPLIES_MAX 64U
/* Beyond them, of readers of many partitions. */
#define HULSE_REPLIES_MORE_MAX 520U
/*
 * Channels of a session that may be opening at one time; the library opens one after another. Those of an
 * earlier daemon come all at once.
 */
#define HULSE_OPENING_MAX 4U
/* Penalties without a quiet second between them before the session is closed. */
#define HULSE_PENALTIES_MAX 64U

struct admission;
struct session;
struct channel;

struct group {
    int wake_fd; /* write end, O_NONBLOCK; -1 = unused */
    bool wake;   /* this flush owes it a byte */
};

enum handle_state {
    HANDLE_OPENING,
    HANDLE_OPEN,
    HANDLE_CLOSING /* until the ring is taken up to close_at and nothing is in flight */
};

struct handle {
    uint32_t magic;
    uint32_t number;               /* generation << 16 | slot; of an offered one as the app says */
    uint32_t slot;                 /* index in session.handles */
    struct handle *next_displaced; /* whose slot is not the one in its number */
    enum handle_state state;
    struct channel *channel;
    struct publisher *publisher;        /* producer */
    struct subscriber *subscriber;      /* consumer */
    uint32_t in_flight;                 /* records without an answer */
    uint32_t request;                   /* to answer when opened or closed */
    uint8_t id[BROKER_HANDLE_ID_BYTES]; /* made at the first open, kept by the app */
    uint64_t close_at;                  /* up position at CLOSE_HANDLE */
    bool close_wanted;                  /* CLOSE_HANDLE came before it was open again */
    bool unsubscribe;
    bool active;           /* of a failover subscription's consumers it gets messages */
    bool failed;           /* the broker gave up on it; records are answered `refusal` */
    uint8_t refusal;       /* enum hulse_outcome */
    uint32_t bytes_max;    /* of a producer: the largest payload */
    struct attach *attach; /* attach.c: offered again, not open yet */
    bool offered;          /* by ATTACH: records before channel.offered_end may be its */
    bool lost;             /* is counted in session.lost.producers */
    uint32_t sources;      /* names that were announced or offered; indices below may be used */
    bool several;          /* topics; else source 0 is all there is */
    struct seek *seek;     /* seek.c: under way */
    struct schema_wait *schema_wait; /* schema.c: a broker is asked; NULL: none */
    uint32_t schema_request;         /* which waits for it */
};

/* A taken record until its receipt is posted. */
struct inflight {
    uint64_t end; /* up position behind the record */
    uint64_t token;
    uint64_t ledger;
    uint64_t entry;
    uint32_t handle; /* of a free entry of a channel that releases on read: the next free one */
    int32_t batch;
    uint16_t partition;
    uint8_t outcome; /* 0 = without an answer */
    bool silent;     /* skip record or inner fragment: no receipt */
    bool has_id;
};

/* Fragments of one message on their way in. */
struct assembly {
    uint8_t *data; /* NULL = no message is being assembled, or it is being discarded */
    uint64_t total;
    uint32_t meta_bytes; /* kept at data + total */
    uint64_t have;
    uint32_t next;
    uint32_t count;
    uint32_t handle;
    uint64_t token;
    bool active;
    bool tail;      /* its beginning was lost with an earlier daemon */
    bool whole;     /* its last fragment is still in the ring: there was no memory to send it */
    uint8_t refuse; /* outcome of a message that is passed over, 0 = none */
};

/* A verdict that was taken and is not final yet. */
struct settling {
    uint64_t end;  /* up position behind its record, and behind those that needed no call */
    uint64_t call; /* number of the subscriber's */
};

/* A delivery without a verdict. Index and generation make its `ref`. */
struct slot {
    struct broker_delivery *delivery; /* NULL = free */
    uint64_t end;                     /* down position behind its record; 0 = still waiting */
    uint64_t due_ms;                  /* its verdict, once its lease runs (lease.c); 0 = not yet */
    uint32_t generation;
    uint32_t next;  /* free list or waiting list, SLOT_NONE ends it */
    uint32_t prev;  /* waiting list */
    uint32_t alike; /* resumed channel: the next one in its bucket of ids */
};
#define SLOT_NONE UINT32_MAX

enum channel_state {
    CHANNEL_OPENING, /* regions made, CHANNEL_READY awaited */
    CHANNEL_HOT,     /* polled every turn */
    CHANNEL_ARMED,   /* the app rings */
    CHANNEL_DRAIN,   /* the peer has gone; polled until everything is taken and answered */
    CHANNEL_CLOSED
};

struct channel {
    /* Touched for every record. */
    uint32_t magic;
    enum channel_state state;
    enum hulse_channel_kind kind;
    uint8_t receipt_mode;
    bool release_on_read;
    bool blocked;       /* no receipt slot, no down room, a busy broker: nothing is taken */
    bool waits_broker;  /* blocked, and it is the broker: no receipt that is read helps */
    bool hungry;        /* blocked for memory, which anybody may give back */
    bool touched;       /* in plane.touched */
    bool mute;          /* its last producer is closing: no receipt is posted any more */
    bool offered;       /* by ATTACH: not among session.opening, bounded as channels are */
    bool may_cut;       /* attached, nothing taken yet: it may begin inside a message (ipc B10) */
    uint32_t reopening; /* handles that are not open again; nothing is taken before */
    struct session *session;
    struct hulse_ring_rx rx; /* up ring */
    struct hulse_ring_tx tx; /* down ring */
    uint64_t max_record;
    size_t meta_max; /* metadata of a delivery beyond it are left out */
    int64_t deficit;
    uint32_t slots;    /* receipt slots, a power of two */
    uint64_t taken;    /* entries put into `inflight` since it was last empty */
    uint64_t finished; /* entries released of these */
    struct inflight *inflight;
    uint32_t entry_free; /* release on read: the first free entry */
    uint64_t stats[HULSE_STAT_COUNT];
    uint64_t lost; /* by a reader */

    /* Touched per visit. */
    uint64_t epoch;        /* of B.armed */
    uint64_t flushed_head; /* up_head and down_tail at the last flush */
    uint64_t flushed_tail;
    uint32_t idle_polls;
    uint64_t idle_since_ns;
    uint64_t want; /* announced down_want, for the bell */
    bool swept;    /* the last sweep saw unrung data */
    TAILQ_ENTRY(channel) hot_link;
    TAILQ_ENTRY(channel) session_link;
    struct channel *touched_next;
    struct channel *flushed_next;
    bool flushed;

    /* Producer. */
    struct assembly assembly;
    /* Consumer. */
    struct handle *consumer;
    struct slot *slot_table;
    uint32_t slot_count;
    uint32_t slots_used;
    uint32_t slot_free;
    uint32_t waiting_first; /* deliveries the ring has no room for yet */
    uint32_t waiting_last;
    uint64_t waiting_bytes;
    uint64_t fragment_at; /* payload bytes of the first waiting one already written */
    uint32_t fragment_index;
    uint32_t reassembly_bytes;
    bool reader;
    struct by_id *by_id;  /* NULL until a verdict waits */
    uint32_t *id_buckets; /* behind the slots: deliveries by id, in a resumed channel */
    uint32_t id_mask;
    uint8_t notes; /* HULSE_RECORD_…, of a skip that is to be written when the ring has room */
    /* A ring as large as the records that the up ring can hold; entries [settled, unsettled). */
    struct settling *settlings;
    uint32_t settling_mask;
    uint64_t settled;
    uint64_t unsettled;

    /* Rare. */
    uint32_t id;
    unsigned group;
    uint32_t handle_count;
    uint32_t closing;  /* handles in HANDLE_CLOSING */
    bool close_wanted; /* CLOSE_CHANNEL came: it ends with its last handle */
    uint32_t close_request;
    int fd_a; /* until CHANNEL_READY */
    int fd_b;
    struct hulse_region a;
    struct hulse_region b;
    uint32_t up_bytes;
    uint32_t down_bytes;
    size_t table_bytes; /* of inflight or slot_table with what is behind it */
    size_t slot_bytes;  /* of inflight or slot_table alone */
    uint64_t start;     /* up position to begin at (ATTACH) */
    uint64_t
        offered_end; /* up_tail at ATTACH: deliveries begin when verdicts before it are applied */
    uint64_t inode;  /* of A, of an attached channel */
    bool resumed;    /* attached, not opened */
    hulse_status refusal; /* OK, or why it cannot go on: no room for one of its handles */
};

TAILQ_HEAD(channel_list, channel);

struct reply {
    STAILQ_ENTRY(reply) link;
    struct hulse_packet packet;
};

/* What was not stored of the records of an app that has gone. */
struct lost {
    uint64_t records;
    uint32_t producers; /* that have some */
    char topic[192];    /* of the first of them, truncated */
};

struct session {
    uint32_t magic;
    uint64_t number;
    struct plane *plane;
    struct identity who;
    struct role_state *role; /* held; NULL = none */
    struct bucket_pair rate; /* of this application, over its producers */
    char name[64];           /* escaped on output, truncated */
    uint64_t features;
    int sock;
    int bell;
    struct watch sock_watch;
    struct watch bell_watch;
    bool sock_watched;
    bool bell_watched;
    bool want_write;
    bool gone;     /* the socket is closed; channels drain */
    bool doomed;   /* closed at the end of this turn */
    bool farewell; /* doomed, and the last event is being sent */
    enum hulse_rule rule;
    const char *why; /* static */
    struct group *groups;
    unsigned group_count;
    struct handle **handles; /* handles_max entries */
    struct handle *displaced;
    uint16_t generation; /* of the last number whose generation was not the app's choice */
    uint32_t handle_count;
    struct channel_list channels;
    uint32_t channel_count;
    uint32_t
        opening;  /* channels in CHANNEL_OPENING, those offered left out: two descriptors each */
    bool resumed; /* HELLO said so: ATTACH and verdicts by id may come */
    bool attach_refused;         /* what belongs to a refused ATTACH is passed over */
    struct channel *attaching;   /* between its ATTACH and ATTACH_END */
    uint32_t attach_handles;     /* since then */
    struct option_block options; /* of a request that has not come yet */
    uint32_t next_channel;
    uint64_t bytes; /* regions and tables */
    STAILQ_HEAD(, reply) replies;
    unsigned reply_count;
    unsigned replies_more; /* of them, beyond HULSE_REPLIES_MAX */
    struct lost lost;
    /* V15 */
    uint64_t budget_second;
    uint32_t control_count;
    uint32_t empty_bells;
    uint32_t penalties;
    uint64_t last_penalty_second;
    struct timer penalty;
    TAILQ_ENTRY(session) link;
    struct session *doomed_next;
};

TAILQ_HEAD(session_list, session);

struct plane {
    uint32_t magic;
    struct worker *worker;
    struct plane_shared *shared;
    struct session_list sessions;
    uint32_t session_count;
    struct channel_list hot;
    struct channel *touched;
    struct session *doomed;
    struct timer sweep;
    struct timer beat;
    bool draining;
    bool goodbye;
    bool recheck;        /* the tables changed while a consumer was opening */
    uint64_t in_flight;  /* over all channels */
    uint8_t *meta;       /* scratch: one record's metadata, HULSE_META_BYTES_MAX */
    uint8_t *properties; /* scratch: its properties for the broker */
    /* Figures for the report. */
    uint64_t records_taken;
    uint64_t bytes_taken;
    uint64_t receipts_posted;
    uint64_t deliveries_posted;
    uint64_t verdicts_ignored;
    uint64_t verdicts_dropped;
    uint64_t missed_doorbells;
    uint64_t bells;
    uint64_t wakes;
    uint64_t visits;
    uint64_t penalties;
    uint64_t rule_violations;
    uint64_t lost_after_exit;
    uint32_t channel_count;
    uint32_t producer_count;
    uint32_t consumer_count;
};

/* ---- plane.c ---- */

/* Puts a channel on the list that the end of the turn flushes. */
static inline void hulse_plane_touch(struct plane *p, struct channel *ch)
{
    if (!ch->touched) {
        ch->touched = true;
        ch->touched_next = p->touched;
        p->touched = ch;
    }
}
/* Polls the channel from now on. */
void hulse_plane_heat(struct plane *p, struct channel *ch);
/* Stops polling it; its state is the caller's to set. */
void hulse_plane_cool(struct plane *p, struct channel *ch);
/* After a fence: is there something to do for an armed channel? */
bool hulse_plane_armed_work(const struct channel *ch);
/* The plane of the calling worker, NULL elsewhere; for the SIGBUS handler. */
struct plane *hulse_plane_self(void);

/* ---- recheck.c ---- */

/* The tables have changed: closes consumers that may not go on, tells who has other verdicts. */
void hulse_plane_recheck(struct plane *p);
/* Closes an open consumer on the broker's side: what it holds goes back, the app hears why and closes its handle. */
void hulse_consumer_end(struct handle *h, hulse_status status, const char *text);

/* ---- session.c ---- */

/* Makes the session of an admission, whose descriptor and memory it takes. */
void hulse_session_admit(struct plane *p, struct admission *a);
/* Closes the session at the end of this turn because it broke a rule. */
void hulse_session_doom(struct session *s, enum hulse_rule rule, const char *why);
/* Ends doomed sessions; called at the end of a turn. */
void hulse_session_reap(struct plane *p);
/* The peer has gone: channels drain, and the session is freed with the last. */
void hulse_session_hang_up(struct session *s);
/* Budgets start anew with each second; a quiet one takes a penalty back. */
void hulse_session_new_second(struct session *s);
/* V15: neither socket nor bell is watched for 1..10 ms; too many in a row doom the session. */
void hulse_session_penalty(struct session *s, const char *what);
/* Frees everything at once, without draining. */
void hulse_session_destroy(struct session *s);
/* Looks at the bell's channels; returns how many became hot. */
unsigned hulse_session_answer_bell(struct session *s);
/* Makes one more wait group and hands out its read end. LIMIT or IO on failure. */
hulse_status hulse_session_group(struct session *s, unsigned *index, int *read_fd);

/* ---- reply.c ---- */

/* Sends or queues a packet; its descriptors are closed once sent. */
void hulse_session_reply(struct session *s, struct hulse_packet *p);
void hulse_session_reply_ok(struct session *s, uint32_t request, uint64_t value);
void hulse_session_reply_error(struct session *s,
                               uint32_t request,
                               hulse_status status,
                               const char *text);
void hulse_session_event(struct session *s,
                         enum hulse_event event,
                         const struct handle *h,
                         hulse_status status,
                         const char *text);
/* ACTIVE, of an open consumer. */
void hulse_session_active(const struct handle *h);
/* CONSUMER_CHANGED: other verdicts are configured for an open consumer. */
void hulse_session_verdicts(const struct handle *h, uint32_t verdicts);
/* Sends what is queued; called when the socket takes more. */
/* One of many that are given at once, and count beyond HULSE_REPLIES_MAX. */
void hulse_session_reply_more(struct session *s, struct hulse_packet *p);
void hulse_session_drain_replies(struct session *s);
void hulse_session_drop_replies(struct session *s);

/* ---- control_handler.c ---- */

/* Reads and handles control messages within the budget. */
void hulse_session_read_control(struct session *s);

/* ---- handle.c ---- */

/* Generation 0: any. NULL: handles_max reached or no memory. */
struct handle *hulse_handle_create(struct session *s, struct channel *ch, uint32_t generation);
/* Under a number of an earlier daemon's that is not in use. NULL: handles_max reached or no memory. */
struct handle *hulse_handle_adopt(struct session *s, struct channel *ch, uint32_t number);
/* Among those that found their slot taken when they came back. */
struct handle *hulse_handle_find_displaced(const struct session *s, uint32_t number);
/* Copies a string member of a message to a terminated buffer; false unless it is UTF-8 text. */
bool hulse_handle_text(char *to, size_t capacity, const uint8_t *from, size_t bytes);

/* What a producer is opened with. */
struct producer_wish {
    const char *topic;
    struct broker_routing routing; /* as an earlier daemon said; no partitions: none did */
    enum broker_access access;
    char initial_subscription[HULSE_NAME_BYTES_MAX + 1]; /* "": none */
};

struct hulse_tlv;
/* hulse_option_block_consumer() makes it, hulse_option_wish_free() frees it. */
struct wish_room {
    uint8_t *bytes; /* ranges of keys, properties of the consumer, of the subscription */
    size_t size;
    size_t range_at; /* of each the next free byte */
    size_t own_at;
    size_t subscription_at;
};

/* What a consumer is opened with. */
struct consumer_wish {
    const char *topic;
    const char *subscription;
    const char *name;
    enum broker_subscription type;
    struct broker_position start;
    const struct broker_id *after; /* a reader goes on behind it; NULL = none */
    struct broker_marks *marks;    /* the same of each partition; borrowed; NULL = none */
    uint32_t reassembly_bytes;
    uint32_t unacked_max;
    struct topics_wish topics; /* HULSE_OPTION_TOPIC, _PATTERN, _TOPICS_MAX */
    struct broker_wishes wishes;
    struct wish_room room; /* what they point to, of options that may stand more than once */
};
/* Begin to open the flow side. A status other than OK: nothing was begun. */
hulse_status
hulse_handle_start_producer(struct handle *h, const struct producer_wish *wish, struct error *err);
hulse_status
hulse_handle_start_consumer(struct handle *h, const struct consumer_wish *wish, struct error *err);
void hulse_handle_destroy(struct handle **h);
/* By the number an app used; NULL when there is none (V11). */
static inline struct handle *
hulse_handle_find(const struct session *s, uint32_t number, uint32_t handles_max)
{
    const uint32_t slot = number & 0xffffU;
    struct handle *h = slot < handles_max ? s->handles[slot] : NULL;
    return h != NULL && h->number == number ? h : hulse_handle_find_displaced(s, number);
}
/* Opens the flow side; answers `request` now or by event. */
void hulse_handle_open_producer(struct session *s, const struct hulse_packet *p);
/* `fixed`: bytes before the names, of OPEN_CONSUMER or of OPEN_CONSUMER_AT, which begins alike. */
void hulse_handle_open_consumer(struct session *s, const struct hulse_packet *p, size_t fixed);
/* CLOSE_HANDLE of an open one: closed when what was published before is taken and answered. */
void hulse_handle_begin_closing(struct handle *h);
/* CLOSE_HANDLE of one that is not open again: a consumer is given up, a producer has records. */
void hulse_handle_give_up(struct handle *h);
/* It was opened again, or refused for good, and is not wanted any more. */
void hulse_handle_finish_giving_up(struct handle *h);
/*
 * Finishes handles in HANDLE_CLOSING whose records are all taken and answered, then the channel if it was
 * closed.
 */
void hulse_handle_finish_closing(struct channel *ch);

/* ---- seek.c: positions ---- */

/* A position as an app says it; false: there is no such start, or it has parts that it should not have. */
bool hulse_position_parse(uint8_t start,
                          const struct hulse_ctl_position *at,
                          struct broker_position *out);
/* SEEK: answered when the consumer has moved, or cannot. */
void hulse_seek_request(struct session *s, const struct hulse_packet *p);
/* Begins when the verdicts that were given before are taken. */
void hulse_seek_visit(struct channel *ch);
/* Flow's event. */
void hulse_seek_done(void *ctx, hulse_status status, const char *text);
/* Without an answer. Harmless when none is under way. */
void hulse_seek_forget(struct handle *h);

/* ---- marks.c ---- */

/* What the app is to know before READER: where it begins in each partition. `reach` NULL: nothing. */
void hulse_marks_tell(struct handle *h, const struct broker_reach *reach);
/* An id of a batch says how large it is, or it is taken for the whole entry's: what is offered again does not know, so at least this. */
static inline uint16_t hulse_batch_at_least(int32_t batch)
{
    return batch < 0 ? 0 : batch < UINT16_MAX ? (uint16_t)(batch + 1) : UINT16_MAX;
}
/* Adds what MARKS say. PROTOCOL: they cannot be; NO_MEMORY. */
hulse_status hulse_marks_hear(struct broker_marks *to, const struct hulse_packet *p);

/* ---- schema.c ---- */

/* GET_SCHEMA: answered now, or when the broker has said it. */
void hulse_schema_request(struct session *s, const struct hulse_packet *p);

/* ---- attach.c: regions and handles of an earlier daemon's session ---- */

/* Takes p->fds. What it does not like dooms the session (V6 and C1). */
void hulse_attach_channel(struct session *s, struct hulse_packet *p);
void hulse_attach_handle(struct session *s, const struct hulse_packet *p);
void hulse_attach_sources(struct session *s, const struct hulse_packet *p);
void hulse_attach_marks(struct session *s, const struct hulse_packet *p);
void hulse_attach_end(struct session *s, const struct hulse_packet *p);
/* The channel is live: its handles are opened again. */
void hulse_attach_begin(struct channel *ch);
/* An offered handle is open. */
void hulse_attach_opened(struct handle *h);
/* It could not be opened: tried again for a while, or refused for good. Forgets h->attach then. */
void hulse_attach_failed(struct handle *h, hulse_status status, const char *text);
void hulse_attach_free(struct handle *h);

/* ---- control_handler.c ---- */

/* What is impossible in a channel that is asked for, or NULL. */
const char *hulse_channel_refusal(const struct session *s, const struct hulse_ctl_open_channel *m);
/* Sends CHANNEL; LIMIT without descriptors, and nothing is sent. */
hulse_status hulse_channel_reply(struct session *s, uint32_t request, const struct channel *ch);

/* ---- channel.c ---- */

/*
 * Makes regions and tables; gives the channel in CHANNEL_OPENING. `fd_a` < 0: make A as well; else
 * it is taken, also on failure.
 */
hulse_status hulse_channel_create(struct session *s,
                                  const struct hulse_ctl_open_channel *ask,
                                  int fd_a,
                                  struct channel **out,
                                  struct error *err);
/* Its rings exceed what the configuration allows, whatever there is room for. */
bool hulse_channel_too_large(const struct session *s, const struct hulse_ctl_open_channel *ask);
/* What the daemon or its system lacks for a region, for the app; `number` is the errno of SYSTEM. */
hulse_status hulse_channel_no_region(enum hulse_region_rc rc, int number, struct error *err);
/* Before CHANNEL_READY: begins at an up position (ATTACH). */
void hulse_channel_start_at(struct channel *ch, uint64_t position);
/* CHANNEL_READY: seals A, checks both, maps A. KIND, SIZE, HOLES: the app broke V1 or V2. SYSTEM: errno says why. */
enum hulse_region_rc hulse_channel_ready(struct channel *ch);
/*
 * The peer has gone: what was committed or judged until now is taken in the visits that follow;
 * then the channel ends, and gives back what has no verdict.
 */
void hulse_channel_drain(struct channel *ch);
/* Closes the flow side of all its handles, unmaps and frees. */
void hulse_channel_destroy(struct channel *ch);
/* How much the app has committed, by another look; 0: nothing, or the session is doomed (V7). */
uint64_t hulse_channel_look(struct channel *ch);
/* True when a draining channel has nothing left to do. */
bool hulse_channel_drained(const struct channel *ch);
/* Charges session and role for memory beside the tables; false when it is over their quota. */
bool hulse_channel_charge(struct channel *ch, uint64_t bytes);
void hulse_channel_discharge(struct channel *ch, uint64_t bytes);
/* The state word of B. */
void hulse_channel_state(struct channel *ch, enum hulse_region_state state, unsigned reason);

/* ---- publish_channel.c ---- */

/* Counts as lost what has a bad outcome and was not told. The channel ends. */
void hulse_publish_lost(struct channel *ch);
/* One bounded visit; returns the records taken. */
unsigned hulse_publish_visit(struct plane *p, struct channel *ch);
/* All entries are free. */
void hulse_publish_entries_init(struct channel *ch);
/* Publisher's answer. */
void hulse_publish_answered(void *ctx, uint64_t token, const struct broker_answer *answer);
/* Posts receipts of the finished prefix and gives its ring space back. */
void hulse_publish_release(struct plane *p, struct channel *ch);
/* Bytes of receipts the app has not read, by the cached or a fresh look; for parking. */
bool hulse_publish_has_room(struct channel *ch);

/* ---- lost.c ---- */

/* Records of a producer, by its handle's number, whose app has gone were not stored. */
void hulse_lost_add(struct channel *ch, uint32_t number, uint64_t records);
/* The channel ends: everything that is left of an app that has gone. Its handles are there still. */
void hulse_lost_rest(struct channel *ch);
/* The session ends: one line, if anything was lost. */
void hulse_lost_tell(const struct session *s);

/* ---- assembly.c ---- */

enum assembly_rc {
    ASSEMBLY_MORE,  /* taken, not complete */
    ASSEMBLY_WHOLE, /* complete, or to be refused with `refuse` */
    ASSEMBLY_BAD    /* V10 */
};
enum assembly_rc hulse_assembly_add(struct assembly *as,
                                    const struct hulse_publish_header *h,
                                    const uint8_t *payload,
                                    const uint8_t *meta,
                                    uint64_t message_bytes_max);
/* A fragment that is not the first of its message, of which the beginning is lost: INTERRUPTED. */
void hulse_assembly_tail(struct assembly *as,
                         const struct hulse_publish_header *h,
                         const uint8_t *payload);
void hulse_assembly_reset(struct assembly *as);
/* A first fragment: there is no memory for its message and a copy of it now, and there may be later. */
bool hulse_assembly_must_wait(const struct hulse_publish_header *h,
                              const uint8_t *payload,
                              uint64_t message_bytes_max);

/* ---- metadata.c ---- */

/* Appends {u16 name bytes, u16 value bytes, name, value} of a valid PROPERTY; never longer than its TLV. */
uint32_t hulse_property_in(const struct hulse_tlv *t, uint8_t *out);
/* Translates checked TLVs; `properties` is scratch of at least `bytes`. */
void hulse_metadata_in(const uint8_t *tlvs,
                       size_t bytes,
                       uint8_t *properties,
                       struct broker_meta *out);
/*
 * Writes a delivery's metadata as TLVs into at most `capacity` bytes of `out`; returns the
 * bytes, and sets *left_out when properties did not fit.
 */
size_t
hulse_metadata_out(const struct broker_delivery *d, uint8_t *out, size_t capacity, bool *left_out);
/* Upper bound of what hulse_metadata_out() writes. */
size_t hulse_metadata_bytes(const struct broker_delivery *d, size_t capacity);

/* ---- deliver_channel.c ---- */

/* Subscriber's message. */
void hulse_deliver_message(void *ctx, struct broker_delivery *d);
/* Subscriber event: the app finds it behind what was delivered before. */
void hulse_deliver_caught_up(void *ctx);
void hulse_deliver_end_of_topic(void *ctx);
void hulse_deliver_lost(void *ctx, uint64_t count);
/* One bounded visit: verdicts, then waiting deliveries; returns the work done. */
unsigned hulse_deliver_visit(struct plane *p, struct channel *ch);
/* Tells the subscriber what room there is. */
void hulse_deliver_room(struct channel *ch);
/* Gives back what the app held; what it had started counts as an attempt. */
void hulse_deliver_give_back_all(struct channel *ch);
/* A delivery that a call on many of them has ended; flow's callback. */
void hulse_deliver_ended(void *ctx, struct broker_delivery *d);
/* Position at which the app should ring once it has released, 0 = no wish. */
uint64_t hulse_deliver_want(const struct channel *ch);

/*
 * Forgets every delivery and offers `count` slots, 0 or more than there are = all. Generations go
 * on, so that late verdicts match nothing.
 */
void hulse_slots_init(struct channel *ch, uint32_t count);
/* Down position up to which the app says to have begun; between what it released and what it was given. */
uint64_t hulse_deliver_started(const struct channel *ch);
/* Takes a delivery out of the waiting list. */
void hulse_waiting_remove(struct channel *ch, uint32_t index);

/* ---- settle.c ---- */

/* Bytes of the ring of `settlings` of a consumer's channel. */
size_t hulse_settle_bytes(uint32_t up_bytes);
/* Every record that was taken is the app's again. */
void hulse_settle_reset(struct channel *ch);
/* The record that ends at the read position was applied by call number `call`, 0 = by none. */
void hulse_settle_note(struct channel *ch, uint64_t call);
/* Subscriber's event. */
void hulse_settle_settled(void *ctx, uint64_t call);
/* No verdict waits for its broker. */
static inline bool hulse_settle_done(const struct channel *ch)
{
    return ch->settled == ch->unsettled;
}

/* ---- by_id.c ---- */

/*
 * A verdict that names the message. *call is the number of the subscriber's call that it came to, 0 =
 * none. False: ignored.
 */
bool hulse_by_id_apply(struct channel *ch, const struct hulse_verdict_record *v, uint64_t *call);
/* The first comes before the second, or is it, in their partition's order. */
bool hulse_by_id_up_to(const struct broker_delivery *d,
                       const struct broker_id *id,
                       uint32_t source);
/* Bytes of the buckets for as many slots. */
size_t hulse_by_id_bucket_bytes(uint32_t slots);
/* No slot has a delivery. */
void hulse_by_id_reset(struct channel *ch, uint32_t slots);
/* A slot has got its delivery, or is about to lose it. */
void hulse_by_id_enter(struct channel *ch, uint32_t index);
void hulse_by_id_leave(struct channel *ch, uint32_t index);
/* A verdict waited for this delivery, and has ended it. */
bool hulse_by_id_meets(struct channel *ch, struct broker_delivery *d);
/* Counts and drops what has waited for a minute. */
void hulse_by_id_expire(struct channel *ch, uint64_t now_ms);
void hulse_by_id_free(struct channel *ch);

/* ---- lease.c ---- */

/* Refuses what the application has had without a verdict for longer than its topic's rule allows. */
void hulse_lease_expire(struct channel *ch, uint64_t now_ms);

/* ---- verdict.c ---- */

/* Takes up to `budget` verdicts, and one that looks at every slot is the last of its visit. */
unsigned hulse_verdict_take(struct plane *p, struct channel *ch, unsigned budget);
/* Frees a slot. */
void hulse_slot_free(struct channel *ch, uint32_t index);

#endif
