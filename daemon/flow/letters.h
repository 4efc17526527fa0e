/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letters - what one subscriber puts aside or wants to see later: to which topic, what is on its way there, what has to try
 * again.
 *
 *   begin ──▶ letter_post ──stored──▶ ack ──settled──▶ final
 *     │            └────────not─────▶ nack, and a note: when it comes again a dead letter is begun anew, unseen by the
 *     │                               application; what was to be retried is the application's
 *     ├ no memory: as not stored; its bytes were let go: nack and a note, and when it comes again it is begun anew
 *     └ to be retried later, and the retry topic's broker delays nothing: the same, when its delay is over
 *
 * A message is acknowledged when its copy is stored and not before, so it may be there twice, and is never lost. Its
 * verdict counts as one call of the subscriber (deliver.h): final with the acknowledgement, in the order of the calls.
 *
 * The retry topic is what the rule said when the subscriber was opened: its consumer of that topic (multi.h) was opened then.
 *
 * Threads: the worker's.
 * Limits:  HULSE_KEPT_BYTES of a subscriber's messages are kept for a copy until their verdict; one beyond it comes again
 *          first. HULSE_NOTES_MAX notes: of the oldest the application sees its message once more.
 */
#ifndef HULSE_FLOW_LETTERS_H
#define HULSE_FLOW_LETTERS_H

#include "daemon/flow/letter_post.h"

#define HULSE_KEPT_BYTES ((uint64_t)16 * 1024 * 1024)
#define HULSE_NOTES_MAX 1024U
/* Until what could not be sent comes again, at least: its topic is troubled. */
#define HULSE_PUT_OFF_MS 1000U

/* broker_delivery.marks, from when a message comes until its last verdict. */
#define HULSE_MARK_LAST 1U    /* its last attempt */
#define HULSE_MARK_ALONE 2U   /* the application holds nothing else */
#define HULSE_MARK_LINE 4U    /* waits to be handed out (alone.h) */
#define HULSE_MARK_KEPT 8U    /* its bytes are counted */
#define HULSE_MARK_COPIED 16U /* its bytes were let go */
#define HULSE_MARK_LETTER 32U /* a letter of it is on its way; `slot` points to it */

/* Of a message that is unacknowledged for want of its copy. */
struct note {
    TAILQ_ENTRY(note) link;
    struct broker_id id;
    uint32_t source;
    enum letter_kind kind;
    enum letter_cause cause;
    uint16_t code;
    bool plain;  /* it is handed out again, and clamps until then */
    bool waited; /* when it comes */
    uint32_t delay_ms;
    uint32_t detail_bytes;
    uint8_t detail[];
};

/* The subscriber's side; both verdicts are its calls. */
struct letters;
struct letters_ops {
    void (*ack)(void *ctx, struct broker_delivery *d);
    /* `delay_ms` 0: as its rule says, and not at once, for its topic is troubled. */
    void (*nack)(void *ctx, struct broker_delivery *d, uint32_t delay_ms);
    /* Those of the topic that it is of: itself, where there is one. */
    const struct letters *(*names)(void *ctx, const struct broker_delivery *d);
    uint64_t (*calls)(void *ctx); /* made on its consumer so far */
    /* Everything is as it was before: room may have come, or the last letter gone. It may end the subscriber. */
    void (*ended)(void *ctx);
};

struct letters {
    const struct letters_ops *ops;
    void *ctx;
    struct letter_post *post; /* NULL: none on this worker */
    const struct flow *flow;
    const char *subscription;
    const char *app;
    struct topic_state *topic_state; /* counts them; borrowed */
    char *topics[LETTER_KINDS];      /* NULL: none is configured */
    char *source;                    /* base name of the subscriber's topic */
    uint32_t pending_count;
    uint32_t note_count;
    bool delays; /* the retry topic's broker does */
    struct letter_list pending;
    uint64_t started;
    uint64_t final; /* of these, the first ones */
    uint64_t kept_bytes;
    TAILQ_HEAD(, note) notes;
    struct letter_count *counts; /* the subscriber's, by kind; NULL: it sends none */
};

/* Who consumes what. Borrowed until the end; of the grant until the call returns. */
struct letter_user {
    const struct flow *flow;
    const struct identity *who;
    const char *topic;
    const char *rules; /* the topic whose rule it is under */
    const char *of;    /* the topic that names are made of; of a retry topic that of its messages */
    const char *retry; /* full name of its retry topic; NULL = none */
    const char *subscription;      /* empty: a reader, which has none */
    uint32_t retries_max;          /* what was retried more often is a dead letter */
    const struct reading *reading; /* NULL: payloads are not read */
};

void hulse_letters_init(struct letters *l,
                        const struct letters_ops *ops,
                        void *ctx,
                        struct worker *worker);
/*
 * From the tables. INVAL: the template gives no topic's name here; DENIED: it may not produce there, or not consume its
 * retry topic; NO_MEMORY. Then it has none, as when nothing is configured or the topic is its own dead-letter topic.
 */
hulse_status
hulse_letters_configure(struct letters *l, const struct letter_user *user, struct error *err);
static inline bool hulse_letters_has_dead(const struct letters *l)
{
    return l->topics[LETTER_DEAD] != NULL;
}
static inline bool hulse_letters_has_retry(const struct letters *l)
{
    return l->topics[LETTER_RETRY] != NULL;
}
/* Of either kind. */
static inline bool hulse_letters_has_any(const struct letters *l)
{
    return hulse_letters_has_dead(l) || hulse_letters_has_retry(l);
}
/* The front end has copied it: false: its bytes may go. Only while either is configured. */
bool hulse_letters_keep(struct letters *l, struct broker_delivery *d);
/* It has had its last verdict, or was ended: its bytes count no more. */
void hulse_letters_let_go(struct letters *l, struct broker_delivery *d);
/* It was retried too often, and is a dead letter. What was let go says so when it comes again. */
bool hulse_letters_is_over(const struct letters *names,
                           const struct broker_delivery *d,
                           const struct letter_reason *why,
                           const struct letter_user *user);
/* Sends its copy, while that kind is configured; one that is over as a dead letter. */
void hulse_letters_begin(struct letters *l,
                         struct broker_delivery *d,
                         const struct letter_reason *reason,
                         const struct letter_user *user,
                         struct role_state *role);
/* Not sent, for it could not be consumed there: it comes again after its delay. */
void hulse_letters_put_off(struct letters *l,
                           struct broker_delivery *d,
                           const struct letter_reason *reason,
                           const char *why);
/* It has come again after it could not be put aside, and is to be begun anew. */
bool hulse_letters_noted(const struct letters *l, const struct broker_delivery *d);
/* So it has: begun anew. False: it is handed out. */
bool hulse_letters_again(struct letters *l,
                         struct broker_delivery *d,
                         const struct letter_user *user,
                         struct role_state *role);
/* Nobody will see it again, so nothing waits for its copy. */
void hulse_letters_forget(struct letters *l, const struct broker_delivery *d);
/* The same of all: what comes next is the application's. */
void hulse_letters_forget_all(struct letters *l);
/* A delivery marked LETTER was ended by another call. What is settled may be more then. */
void hulse_letters_lose(struct letters *l, struct broker_delivery *d);
/* One with that id or a lower one in its partition is unfinished: a cumulative acknowledgement must not cover it. */
bool hulse_letters_clamps(const struct letters *l, const struct broker_id *id, uint32_t source);
/* How many of the subscriber's calls are final, when so many on its consumer are. */
uint64_t hulse_letters_settled(struct letters *l, uint64_t calls);
/* Forgets everything; what was sent goes its way. */
void hulse_letters_fini(struct letters *l);

#endif
