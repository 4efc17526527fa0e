/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver - the path of a message from its broker to a front end, and of its verdict back.
 *
 * The front end says how many bytes it can take; deliver turns that into message permits by an
 * estimate of the size, so that messages in flight fit what was granted plus one of them.
 *
 * With a dead-letter topic a message that has come `consume.redeliver_max` times again is handed out for the last time,
 * marked, and alone (alone.h); refused then, or rejected at any time, its copy goes to that topic (letters.h). It is
 * never put aside unseen.
 *
 * A topic with a retry topic (consume.retry_letter) is opened as several (multi.h): itself, source 0, and that one. What is
 * retried comes from there, and is under the rule of the topic that it was of.
 *
 * Messages older than their time to live are ended here and not handed out. A subscriber whose
 * permission is taken away by a change of the tables is told by hulse_subscriber_recheck().
 *
 * Threads: the worker that opened the subscriber.
 */
#ifndef HULSE_FLOW_DELIVER_H
#define HULSE_FLOW_DELIVER_H

#include "daemon/flow/flow.h"
#include "daemon/flow/letter.h"
#include "daemon/table/topic_pattern.h"

#define HULSE_LINGER_MS 5000U

struct subscriber;
struct schema_known;
struct schema_wait;

struct subscriber_counters {
    uint64_t permitted; /* messages asked of the broker; never less than delivered */
    uint64_t delivered;
    uint64_t bytes;   /* their payloads */
    uint64_t dropped; /* by verdict */
    uint64_t expired;
    uint64_t unconfigured; /* retry or reject without a topic to go to */
    uint64_t unresolved;   /* not of the schema that it reads with: handed out as written */
    uint64_t timed_out;    /* without a verdict for consume.ack_timeout */
    struct letter_count letters[LETTER_KINDS];
};

struct subscriber_events {
    /* `verdicts`: bit n = enum hulse_verdict n is configured. `reach`: broker_consumer.h. */
    void (*opened)(void *ctx,
                   hulse_status status,
                   const char *text,
                   uint32_t verdicts,
                   const struct broker_reach *reach);
    /* Owned by the front end until it ends it by one of the calls below, or closes. */
    void (*message)(void *ctx, struct broker_delivery *d);
    void (*failed)(void *ctx, hulse_status status, const char *text);
    /* Verdicts up to number `call` are final; see hulse_subscriber_calls(). NULL: nobody asks. */
    void (*settled)(void *ctx, uint64_t call);
    /* broker_consumer.h. NULL: nobody asks. */
    void (*caught_up)(void *ctx);
    void (*lost)(void *ctx, uint64_t count);
    /* Failover: it is the one that gets messages, or no longer; may come before `opened`. */
    void (*active)(void *ctx, bool active);
    void (*end_of_topic)(void *ctx);
    /* The end of a seek that returned OK. NULL: nobody seeks. */
    void (*sought)(void *ctx, hulse_status status, const char *text);
    /* Permits were used up by messages that are not handed out: tell the room again, soon. */
    void (*ask_room)(void *ctx);
    /* Of several topics, one has come: other verdicts are configured. NULL: nobody asks. */
    void (*verdicts)(void *ctx, uint32_t verdicts);
};

enum subscriber_change {
    SUBSCRIBER_SAME = 0,
    SUBSCRIBER_VERDICTS, /* other verdicts are configured: hulse_subscriber_verdicts() */
    SUBSCRIBER_DENIED    /* it may not consume any more: give back and close */
};

/* A consumer of several topics (multi.h). Texts are terminated, one behind the other, and borrowed until open returns. */
struct subscriber_topics {
    const char *names; /* beside `topic` */
    uint32_t count;
    bool is_pattern; /* `topic` is a pattern (topic_pattern.h), and source 0 */
    enum topic_pattern_mode mode;
    uint32_t max; /* topics at one time; 0 = by default */
    /* Names of sources, from 0, that an earlier daemon's consumer has had. */
    const char *known;
    uint32_t known_count;
};

/* The retry topic of a subscriber, full names; borrowed until open returns. */
struct retry_letter {
    const char *topic;
    const char *of;    /* whose messages are retried there: names are made of it */
    const char *rules; /* by whose rule */
};

struct subscriber_params {
    const struct flow *flow;
    struct worker *worker;
    const struct identity *who;
    const char *topic;        /* short or full name */
    const char *subscription; /* empty for a reader */
    const char *name;
    const char *app; /* its name for itself, in dead letters; NULL as empty */
    enum broker_subscription type;
    struct broker_position start;  /* UNSUPPORTED when the broker cannot */
    const struct broker_id *after; /* rather behind it, where the broker can; NULL = no such wish */
    struct broker_marks *marks;    /* more than `after`: of each partition; borrowed; NULL = none */
    const uint8_t *handle_id;      /* BROKER_HANDLE_ID_BYTES; NULL = none */
    const struct subscriber_topics *several; /* NULL: `topic` alone */
    bool resumed;    /* an application goes on with what an earlier daemon had */
    bool existing;   /* the topic is not made */
    bool of_several; /* flow's own: one of several, whose whole judges what has expired */
    const struct retry_letter *retry; /* the same: NULL: none */
    bool
        one_source; /* its front end cannot hear of a second topic: UNSUPPORTED where there is one */
    const struct broker_wishes *wishes; /* UNSUPPORTED when the broker knows none; NULL = none */
    const struct subscriber_events *events;
    void *ctx;
};

/*
 * As hulse_publisher_open(); BUSY comes by event. DENIED, too, without the permission to produce to the rule's
 * dead-letter topic, or to produce to its retry topic and to consume it.
 */
hulse_status hulse_subscriber_open(struct subscriber **out,
                                   const struct subscriber_params *params,
                                   struct error *err);
/*
 * The front end can take `bytes` and `messages` more than it has been handed: absolute room now, not
 * an increment. Cheap; call it whenever room changed, at most once per turn.
 */
void hulse_subscriber_room(struct subscriber *s, uint64_t bytes, uint32_t messages);
/* broker.h, copied. */
/* Flow's own: messages that were permitted and have not come, or wait for their schema. */
uint64_t hulse_subscriber_coming(const struct subscriber *s);
/* Flow's own, instead of room: `count` messages more, of one of several. */
void hulse_subscriber_permit(struct subscriber *s, uint32_t count);
void hulse_subscriber_copied(struct subscriber *s, struct broker_delivery *d);
void hulse_subscriber_ack(struct subscriber *s, struct broker_delivery *d);
void hulse_subscriber_ack_cumulative(struct subscriber *s,
                                     struct broker_delivery *d,
                                     void (*ended)(void *ctx, struct broker_delivery *d));
/* It is its last attempt: refused now, it goes to the dead-letter topic. */
bool hulse_subscriber_is_last(const struct broker_delivery *d);
/* Of a last attempt, as a verdict that did not come in time: to the dead-letter topic. */
void hulse_subscriber_nack(struct subscriber *s, struct broker_delivery *d, uint32_t delay_ms);
/* The rule's delay for a message that is refused once more (consume.nack), in milliseconds. */
uint32_t hulse_subscriber_backoff_ms(const struct subscriber *s, const struct broker_delivery *d);
/* How long the application may be without a verdict from when it began (consume.ack_timeout); 0 = as long as it takes. */
uint64_t hulse_subscriber_ack_timeout_ms(const struct subscriber *s,
                                         const struct broker_delivery *d);
/* It was: the message is refused, comes again at once, and is counted. */
void hulse_subscriber_time_out(struct subscriber *s, struct broker_delivery *d);
/* To the dead-letter topic; as unconfigured when there is none. */
void hulse_subscriber_reject(struct subscriber *s,
                             struct broker_delivery *d,
                             uint16_t code,
                             struct broker_span reason);
/* To the retry topic, or, more often than consume.redeliver_max, the dead-letter topic; as unconfigured when there is none. */
void hulse_subscriber_retry(struct subscriber *s, struct broker_delivery *d, uint32_t delay_ms);
/* A cumulative acknowledgement up to d would cover one that is on its way to the dead-letter or retry topic. */
bool hulse_subscriber_clamps(const struct subscriber *s,
                             const struct broker_id *id,
                             uint32_t source);
/* The application had begun with it and gave no verdict: it ended, or only closed its consumer. */
void hulse_subscriber_leave(struct subscriber *s, struct broker_delivery *d, bool died);
/* A verdict that is not configured and came all the same: refused with the rule's delay, counted. */
void hulse_subscriber_unconfigured(struct subscriber *s, struct broker_delivery *d);
/* Acknowledged and counted as dropped. */
void hulse_subscriber_drop(struct subscriber *s, struct broker_delivery *d);
/* Never started by the app. */
void hulse_subscriber_give_back(struct subscriber *s, struct broker_delivery *d);
/* broker.h, ack_id. `source` as of a delivery: 0 where there is one topic. */
void hulse_subscriber_ack_id(struct subscriber *s,
                             uint32_t source,
                             const struct broker_id *id,
                             bool cumulative);
/*
 * The name of a source that the front end was not told yet: it is to know it before a delivery from there. NULL: it knows, or
 * there is one topic.
 */
const char *hulse_subscriber_news(const struct subscriber *s, uint32_t source);
/* It knows now. */
void hulse_subscriber_told(struct subscriber *s, uint32_t source);
/*
 * broker.h, seek: every delivery ends by `ended` before it returns OK, and `sought` comes. UNSUPPORTED: the broker cannot; BUSY:
 * the last one is under way.
 */
hulse_status hulse_subscriber_seek(struct subscriber *s,
                                   const struct broker_position *to,
                                   void (*ended)(void *ctx, struct broker_delivery *d),
                                   struct error *err);
/*
 * Number of the last verdict that was passed to the broker, from 1; of every call above but give_back,
 * and of those that are made here. It may be settled already.
 */
uint64_t hulse_subscriber_calls(const struct subscriber *s);
/* Verdicts up to this number are final. */
uint64_t hulse_subscriber_settled(const struct subscriber *s);
/* It has, or may have, deliveries of other sources than 0. */
bool hulse_subscriber_is_several(const struct subscriber *s);
/* That of its topic, if that is one, its retry topic left out; NULL: there are several. */
const struct subscriber *hulse_subscriber_only(const struct subscriber *s);
/*
 * *out is what is told below of a topic, by its number as `source` of a delivery: borrowed for this call of the front end's. INVAL:
 * there is no such number; BUSY: the topic is not open yet; NO_TOPIC: it has gone.
 */
hulse_status hulse_subscriber_of_source(const struct subscriber *s,
                                        uint32_t source,
                                        const struct subscriber **out,
                                        struct error *err);
/* Of one topic: a version of its schema, counted from 1: held, schemas.h; NULL: it has to be asked for. */
const struct schema_known *hulse_subscriber_schema(const struct subscriber *s, uint64_t version);
/* Of one topic: hulse_schemas_ask(); 0 = the newest. It may close meanwhile. */
hulse_status hulse_subscriber_ask_schema(const struct subscriber *s,
                                         struct schema_wait **out,
                                         uint64_t version,
                                         void *owner,
                                         void (*done)(void *owner,
                                                      hulse_status status,
                                                      const char *text,
                                                      const struct schema_known *known),
                                         struct error *err);
/* Of one topic: what it reads payloads with; NULL: nothing. *out is filled, and valid while open. */
const struct broker_schema *hulse_subscriber_own_schema(const struct subscriber *s,
                                                        struct broker_schema *out);
/* The tables have changed. */
enum subscriber_change hulse_subscriber_recheck(struct subscriber *s);
/* Bit n: enum hulse_verdict n is configured; of several topics, for one of them. */
uint32_t hulse_subscriber_verdicts(const struct subscriber *s);
/* Flow's own: that has changed. */
void hulse_subscriber_tell_verdicts(struct subscriber *s);
/*
 * Gives back what has no verdict; *s becomes NULL. What is on its way to the dead-letter topic is waited for, unseen by
 * the front end, for HULSE_LINGER_MS at most.
 */
void hulse_subscriber_close(struct subscriber **s, bool unsubscribe);
/* Full topic name, or the pattern; valid while open. */
const char *hulse_subscriber_topic(const struct subscriber *s);
/* Valid while open. */
const struct subscriber_counters *hulse_subscriber_counters(const struct subscriber *s);

#endif
