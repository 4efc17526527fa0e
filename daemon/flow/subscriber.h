/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscriber - what a subscriber is to the files that make it up: deliver and deliver_…
 *
 * Threads: the worker's. Nobody else includes this.
 */
#ifndef HULSE_FLOW_SUBSCRIBER_H
#define HULSE_FLOW_SUBSCRIBER_H

#include "daemon/flow/alone.h"
#include "daemon/flow/deliver.h"
#include "daemon/flow/letters.h"
#include "daemon/flow/multi.h"
#include "daemon/flow/opening.h"
#include "daemon/flow/reading.h"
#include "daemon/flow/schema.h"

#include <assert.h>

/* What its broker is told when it opens, and nobody needs afterwards. Of several topics the whole keeps it. */
struct subscriber_beginning {
    struct broker_position start;
    struct broker_id after;
    struct broker_marks *marks; /* NULL: `after` is all that is known */
    bool has_after;
    uint8_t handle_id[BROKER_HANDLE_ID_BYTES];
    struct broker_wishes wishes; /* what they point to is behind the name */
    size_t bytes;
    char name[]; /* terminated */
};

/* Of a front end's, behind the object. One of several topics has none: the whole has it for all of them. */
struct subscriber_own {
    struct subscriber *subscriber;
    struct alone alone;
    struct letter_guest guest; /* lingering */
    struct timer linger;
    struct subscriber_counters counters;
};

/* Of what has a retry topic; terminated, and behind it. */
struct retry_texts {
    size_t bytes;
    const char *topic;
    const char *of;
    const char *rules;
    char texts[];
};

struct subscriber {
    struct broker_consumer *consumer; /* NULL until ops->consumer_open has set it */
    struct multi *multi;              /* of several topics: what is behind `consumer` */
    const struct subscriber_events *events;
    void *ctx;
    uint64_t estimate_bytes; /* 0 = no message seen yet */
    uint64_t outstanding;    /* permits given and not used */
    uint64_t calls;          /* verdicts passed on */
    uint64_t settled;        /* of them */
    uint64_t told;           /* the front end's calls that are final, letters among them */
    bool opened;
    bool lingering; /* the front end has gone; until the last letter has */
    bool in_letter; /* a letter's end is being passed on */
    bool unsubscribe;
    struct subscriber_own *own; /* NULL: one of several */
    struct letters letters;
    struct retry_texts *retry; /* NULL: none, and it is under its own topic's rule */
    void (*ended)(void *ctx, struct broker_delivery *d); /* during ack_cumulative and seek */
    struct grant grant;
    struct identity who;
    const struct flow *flow;
    struct worker *worker;
    struct opening *opening;
    struct subscriber_beginning *beginning; /* NULL: it has begun */
    struct flow_schema schema;
    struct reading *reading; /* NULL: payloads are as they were written */
    enum broker_subscription type;
    bool existing;
    bool of_several;
    const char *subscription; /* behind the topic, as the next */
    const char *app;
    size_t object_bytes;
    char topic[]; /* terminated */
};
/* With its names one of several topics is to have room in 640 bytes, a size that the allocator has. */
static_assert(sizeof(struct subscriber) <= 512, "many of them are idle");

/* Where its messages wait behind a last attempt; NULL: the whole's. */
static inline struct alone *hulse_subscriber_alone(struct subscriber *s)
{
    return s->own == NULL ? NULL : &s->own->alone;
}

/* Whose rules a message is under. */
static inline struct subscriber *hulse_subscriber_ruled(struct subscriber *s,
                                                        const struct broker_delivery *d)
{
    return s->multi == NULL ? s : hulse_multi_of(s->multi, d);
}

/* Its payload is the broker's again. True: the front end has not seen it. */
static inline bool hulse_subscriber_end_reading(struct subscriber *s, struct broker_delivery *d)
{
    return s->reading != NULL && hulse_reading_end(s->reading, d);
}

/* Calls on its consumer, which are numbered. */
static inline void hulse_subscriber_pass_ack(struct subscriber *s, struct broker_delivery *d)
{
    (void)hulse_subscriber_end_reading(s, d);
    s->calls += 1;
    s->consumer->ops->ack(s->consumer, d);
}

static inline void
hulse_subscriber_pass_nack(struct subscriber *s, struct broker_delivery *d, uint32_t delay_ms)
{
    (void)hulse_subscriber_end_reading(s, d);
    s->calls += 1;
    s->consumer->ops->nack(s->consumer, d, delay_ms);
}

/* For whom letters are. */
static inline struct letter_user hulse_subscriber_user(const struct subscriber *s)
{
    return (struct letter_user){.flow = s->flow,
                                .who = &s->who,
                                .topic = s->topic,
                                .rules = s->retry == NULL ? s->topic : s->retry->rules,
                                .of = s->retry == NULL ? s->topic : s->retry->of,
                                .retry = s->retry == NULL ? NULL : s->retry->topic,
                                .subscription = s->subscription,
                                .retries_max = s->grant.topic->redeliver_max,
                                .reading = s->reading};
}

/* ---- deliver.c ---- */

extern const struct broker_consumer_events hulse_subscriber_consumer_events;

void hulse_subscriber_destroy(struct subscriber *s);
/* There may be room again. */
void hulse_subscriber_ask_room(void *ctx);
/* reading.h, `pass`. */
void hulse_subscriber_was_read(void *ctx, struct broker_delivery *d, bool resolved);

/* ---- deliver_open.c ---- */

/* What it began with goes. */
void hulse_subscriber_has_begun(struct subscriber *s);
/* What the tables say now. */
void hulse_subscriber_renew(struct subscriber *s);

/* ---- deliver_schema.c ---- */

/* What its rule says of payloads, and that `pass` gets them so; reading.h. */
hulse_status
hulse_subscriber_begin_reading(struct subscriber *s,
                               void (*pass)(void *ctx, struct broker_delivery *d, bool resolved),
                               struct error *err);

/* ---- deliver_verdict.c ---- */

/* The front end has ended it. */
void hulse_subscriber_let_go(struct subscriber *s, struct broker_delivery *d);

/* ---- deliver_letter.c ---- */

extern const struct letters_ops hulse_subscriber_letter_ops;

/* What the tables say of dead letters. */
hulse_status hulse_subscriber_letters(struct subscriber *s, struct error *err);
/* To the front end, when more of its calls are final. */
void hulse_subscriber_tell_settled(struct subscriber *s);
/* Its letters are on their way: what they are of would be handed out again if it closed now. */
void hulse_subscriber_linger(struct subscriber *s, bool unsubscribe);
/* It may be gone then: the last letter of one whose front end has gone has its end. */
void hulse_subscriber_end_lingering(struct subscriber *s);

#endif
