/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multi_state - what the files of multi share.
 *
 *   multi          the whole: opens, is asked, closes
 *   multi_member   one topic: opens, fails, goes
 *   multi_out      messages and permits
 *   multi_pattern  which topics match
 *   multi_retry    their retry topics
 *
 * Threads: the worker's.
 * Order:   who makes an event holds the whole (hulse_multi_enter, _leave) and looks at `closed` afterwards.
 */
#ifndef HULSE_FLOW_MULTI_STATE_H
#define HULSE_FLOW_MULTI_STATE_H

#include "daemon/core/assert.h"
#include "daemon/core/call_order.h"
#include "daemon/core/mem.h"
#include "daemon/flow/multi.h"
#include "daemon/flow/retry_name.h"
#include "daemon/table/topic_pattern.h"
#include "daemon/worker/worker.h"

#include <sys/queue.h>

/* Topics that are being opened at one time. */
#define MULTI_OPENING_MAX 256U
/* Before a topic that could not be opened is tried again: doubles. */
#define MULTI_REST_MS 1000U
#define MULTI_REST_MS_MAX 60000U
#define MULTI_TEXT_BYTES 256U
/* In `source` of a delivery that waits here; its `slot` is the next one then. */
#define MULTI_WAITS (UINT32_C(1) << 31U)
#define MULTI_NONE UINT32_MAX

enum member_state {
    MEMBER_IDLE,    /* a name with a number, and nothing more */
    MEMBER_QUEUED,  /* to be opened, in `queue` */
    MEMBER_BEHIND,  /* to be opened when its companion is, or has failed */
    MEMBER_RESTING, /* to be opened again when its time has come */
    MEMBER_OPENING,
    MEMBER_OPEN,
    MEMBER_LEAVING /* not wanted, until nothing of it is in the front end's hands and all is settled */
};

/* A topic and its number. It stays where it is; with another name when it is idle and numbers are used up. */
struct member {
    struct multi *multi;
    struct subscriber *subscriber; /* NULL unless OPENING, OPEN, LEAVING */
    char *name;
    TAILQ_ENTRY(member) link;      /* of `queue`, or of `ready` */
    struct broker_delivery *first; /* that wait */
    struct broker_delivery *last;
    struct call_credit credit;
    uint64_t calls; /* of the subscriber's since it was opened */
    uint64_t settled;
    uint64_t due_ms;   /* RESTING */
    uint64_t since_ms; /* of `used` */
    uint32_t source;
    uint32_t alike;     /* the next one in its bucket */
    uint32_t companion; /* its retry topic's source; MULTI_NONE: none */
    uint32_t parent;    /* as a companion, of which topic; MULTI_NONE: it is none */
    uint32_t held;      /* deliveries that the front end has */
    uint32_t waiting;
    uint32_t ahead; /* how many may be under way and waiting */
    uint32_t used;
    uint32_t rest_ms;
    uint8_t broker; /* that has listed it */
    enum member_state state;
    bool ready;
    bool listed; /* by the list that is being looked at, or the last */
    bool told;
    bool first_round; /* whole is not open before it was tried */
    bool late;        /* it came after the others: from its beginning */
    bool failed;
    bool seeking;
    bool active;
    bool ended; /* terminated and acknowledged */
    bool caught_up;
    bool kept; /* named by an earlier daemon, and not wanted since */
};

TAILQ_HEAD(member_list, member);

struct multi_watch {
    struct multi *multi;
    struct broker_topics *topics;
    uint8_t broker;
    bool heard;
    bool listed; /* at least once */
};

struct multi_errand {
    bool active;
    uint32_t left;
    hulse_status status;
    char text[MULTI_TEXT_BYTES];
};

struct multi {
    struct broker_consumer base; /* first: what its subscriber has */
    struct subscriber_params as; /* of each topic; its strings are below */
    struct identity who;
    uint8_t handle_id[BROKER_HANDLE_ID_BYTES];
    uint32_t depth;
    bool closed;
    bool unsubscribe;
    bool opened; /* told */
    bool over;   /* so is a failure */
    bool ending; /* `ended` is told */
    bool handing;
    bool filling; /* topics are being opened */
    bool asked;   /* a permit was given ever */
    void (*told_ended)(void *ctx, struct broker_delivery *d);
    struct member **members; /* by source */
    uint32_t count;
    uint32_t room;
    uint32_t first_source; /* of the topics: 1 where 0 is the pattern */
    uint32_t max;
    uint32_t numbers;  /* that may be given: max, and one for each companion that there was */
    uint32_t old;      /* and those of members that are `kept`, which are nobody else's */
    uint32_t topics;   /* of a list, companions left out */
    uint32_t *buckets; /* `room` of them */
    struct member_list queue;
    struct member_list ready;
    uint32_t opening;
    uint32_t first_round; /* members of it that were not tried yet */
    uint32_t wanted;      /* members that are not idle and not leaving */
    uint32_t companions;  /* of them */
    uint32_t open;
    uint32_t active; /* of Failover, those that get messages */
    uint32_t ended;  /* members that are */
    /* Of readers. */
    uint32_t caught_up;
    struct broker_marks *begins; /* until it is open: where its topics begin */
    uint32_t verdicts;
    struct call_order calls;
    uint64_t pool;
    uint64_t pool_top;
    uint64_t ahead; /* over all, beyond one each */
    struct multi_errand errand;
    struct timer rest;
    uint64_t list_ms; /* the list is asked for then; 0: it is not */
    bool only;        /* one topic, and its companion */
    /* Of a pattern. */
    bool is_pattern;
    bool all_heard;
    bool default_failed; /* the broker of whatever no rule sends elsewhere has told nothing */
    struct topic_pattern pattern;
    struct multi_watch watches[HULSE_FLOW_BROKERS_MAX];
    uint32_t watch_count;
    uint32_t denied; /* of the last list */
    uint32_t over_max;
    uint64_t said; /* what the log has of the last list */
    hulse_status refusal;
    char refusal_text[MULTI_TEXT_BYTES];
    size_t bytes;
    char texts[];
};

static inline void hulse_multi_enter(struct multi *m)
{
    m->depth += 1;
}
/* May be the last touch. */
void hulse_multi_leave(struct multi *m);
uint64_t hulse_multi_now_ms(const struct multi *m);
/* `opened`, if it is time. May close everything. */
void hulse_multi_consider_open(struct multi *m);
/* It cannot open, or cannot go on. May close everything. */
void hulse_multi_fail(struct multi *m, hulse_status status, const char *text);
void hulse_multi_tell_settled(struct multi *m);
/* An order to all has ended with one of them. */
void hulse_multi_sought(struct multi *m, hulse_status status, const char *text);

/* multi_member: */
struct member *hulse_multi_find(const struct multi *m, const char *name);
/* One with a number, idle; NULL: no memory, or all numbers are taken. */
struct member *hulse_multi_add(struct multi *m, const char *name);
/* Opens as many of those that are to be opened as may be at one time. May close everything. */
void hulse_multi_fill(struct multi *m);
/* It is to be consumed. */
void hulse_member_want(struct member *b);
/* It is not `kept` any more: its number is one of the others. */
void hulse_member_unkeep(struct member *b);
/* It is not. May close its subscriber. */
void hulse_member_leave(struct member *b);
/* The front end, or a broker, is done with something of it. */
void hulse_member_lighter(struct member *b);
void hulse_multi_forget_members(struct multi *m);

/* multi_retry: */
/* Topics that there may be with their companions. */
uint32_t hulse_multi_most(const struct multi *m);
/* Its place among the wanted is another one: by 1 or -1. */
void hulse_member_count(struct member *b, int by);
/*
 * Gives a topic that is to be consumed its companion, which is to be consumed then. `add`: though it is no topic of the whole
 * yet. UNSUPPORTED, LIMIT, NO_MEMORY; INVAL: hulse_retry_name().
 */
hulse_status hulse_member_pair(struct member *b, bool add, struct error *err);
/* It has one that is not consumed: again. */
void hulse_member_pair_again(struct member *b);
/* To be opened: not yet, its companion comes first. */
bool hulse_member_is_behind(const struct member *b);
/* It was tried: those behind it may be. */
void hulse_member_let_follow(struct member *c);
/* For its opening: *out, which points into *name; false: it has none. INVAL. */
hulse_status hulse_member_letter(const struct member *b,
                                 struct retry_name *name,
                                 struct retry_letter *out,
                                 bool *has,
                                 struct error *err);
/* Its number is another topic's from now on. */
void hulse_member_unpair(struct member *b);

/* multi_out: */
void hulse_multi_message(void *ctx, struct broker_delivery *d);
/* Permits of the topic anew, as many as it should have. May close everything. */
void hulse_member_top_up(struct member *b);
void hulse_member_give_back_waiting(struct member *b);
void hulse_multi_permit(struct broker_consumer *c, uint32_t count);
/* Takes a waiting one out. */
void hulse_member_unlink(struct member *b, struct broker_delivery *d);
void hulse_multi_hand_out(struct multi *m);

/* multi_pattern: */
hulse_status hulse_multi_watch(struct multi *m, struct error *err);
void hulse_multi_unwatch(struct multi *m);
/* Of every broker, soon. */
void hulse_multi_list_again(struct multi *m);

#endif
