/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker - the one interface behind which every broker stands.
 *
 * An implementation is a table of functions over objects of its own. No call blocks. What it can do
 * is said by its capability bits; a call beyond them is refused with UNSUPPORTED and a text.
 * Everything is answered by an event on the calling thread.
 *
 * Threads: producers and consumers belong to the worker that opened them; requests as their header
 *          says; healthy from any.
 * See:     broker_message.h, broker_producer.h, broker_consumer.h, broker_request.h; design
 *          section 6; README.md beside this file.
 */
#ifndef HULSE_BROKER_BROKER_H
#define HULSE_BROKER_BROKER_H

#include "daemon/broker/broker_consumer.h"
#include "daemon/broker/broker_message.h"
#include "daemon/broker/broker_producer.h"
#include "daemon/broker/broker_request.h"
#include "daemon/broker/broker_topics.h"

struct broker;
struct worker;
struct worker_module;

#define BROKER_CAN_CONSUME (1U << 0U) /* without it the calls on a consumer are NULL */
#define BROKER_CAN_FAILOVER (1U << 1U)
#define BROKER_CAN_KEY_SHARED (1U << 2U)
#define BROKER_CAN_DURABLE (1U << 3U)    /* messages and subscriptions survive the daemon */
#define BROKER_CAN_SEEK (1U << 4U)       /* seek, and a start at a time */
#define BROKER_CAN_EXCLUSIVE (1U << 5U)  /* access other than shared */
#define BROKER_CAN_DEDUP (1U << 6U)      /* own producers */
#define BROKER_CAN_PARTITIONS (1U << 7U) /* topics with more than one */
#define BROKER_CAN_SCHEMA (1U << 8U)
#define BROKER_CAN_STATS (1U << 9U)
#define BROKER_CAN_ADMIN (1U << 10U)
#define BROKER_CAN_POLICY (1U << 11U)
#define BROKER_CAN_START_ID (1U << 13U) /* a start at or behind an id, where messages are kept */
#define BROKER_CAN_WISHES                                                                          \
    (1U << 15U) /* struct broker_wishes; without it flow refuses the consumer */
#define BROKER_CAN_INITIAL (1U << 16U) /* a subscription that a producer creates */
#define BROKER_CAN_REPLICATE                                                                       \
    (1U << 14U) /* clusters, which a record may choose; without it flow refuses one that does */
#define BROKER_CAN_DELAY (1U << 12U) /* deliver_after_ms; without it flow refuses the record */

#define BROKER_FIGURES_MAX 32U
#define BROKER_TROUBLE_BYTES 512U

struct broker_figure {
    const char *name; /* static */
    uint64_t value;
};

/* What went wrong last, for people. */
struct broker_trouble {
    uint64_t at_ms;                  /* hulse_clock_ns() / 1000000 */
    char text[BROKER_TROUBLE_BYTES]; /* UTF-8 */
};

struct broker_ops {
    const char *type;      /* "null", "local", … */
    uint32_t capabilities; /* BROKER_CAN_… */
    /* The module that must run on every worker, or NULL. Its shared pointer is the broker. */
    const struct worker_module *module;

    /* ---- producers ---- */

    /*
     * Begin to open; *out is set before the first event. A status other than OK means that
     * nothing was begun and no event will come.
     */
    hulse_status (*producer_open)(struct broker *b,
                                  struct worker *w,
                                  const struct broker_producer_params *params,
                                  struct broker_producer **out,
                                  struct error *err);
    /*
     * After `opened`. The record and all it points to are borrowed until this returns. False: there is no memory for it now.
     * Nothing of it was taken, the producer is `busy` and `freed` comes; then it is sent again.
     */
    bool (*send)(struct broker_producer *p, const struct broker_record *r);
    /* After `opened`. One at a time: BUSY before the last one's `flushed`. */
    hulse_status (*flush)(struct broker_producer *p, struct error *err);
    /*
     * No further event; records without an answer are finished by the implementation. `forget`: its
     * handle id will not come back, so nothing has to be remembered of it.
     */
    void (*producer_close)(struct broker_producer *p, bool forget);

    /* ---- consumers: all but close after `opened` ---- */

    hulse_status (*consumer_open)(struct broker *b,
                                  struct worker *w,
                                  const struct broker_consumer_params *params,
                                  struct broker_consumer **out,
                                  struct error *err);
    /* `count` more messages may come. */
    void (*permit)(struct broker_consumer *c, uint32_t count);
    /*
     * The front end has copied its bytes and will not look at them again: only what is no span stays valid.
     * NULL: it makes no difference.
     */
    void (*copied)(struct broker_consumer *c, struct broker_delivery *d);
    void (*ack)(struct broker_consumer *c, struct broker_delivery *d);
    /* Everything of its partition up to and with d; the deliveries it ends are told through `ended`, d last. */
    void (*ack_cumulative)(struct broker_consumer *c,
                           struct broker_delivery *d,
                           void (*ended)(void *ctx, struct broker_delivery *d));
    /* Handled and refused: again after delay_ms, its redelivery count one higher. */
    void (*nack)(struct broker_consumer *c, struct broker_delivery *d, uint32_t delay_ms);
    /*
     * Acknowledges a message by its id, with no delivery at hand: a verdict that a consumer of an
     * earlier daemon gave. `cumulative`: all up to it, as ack_cumulative without telling. Ended wherever
     * it waits; held by a consumer, this one included: when that one lets it go. Of a message that is not
     * known, or was acknowledged: no effect.
     */
    void (*ack_id)(struct broker_consumer *c, const struct broker_id *id, bool cumulative);
    /* Never started by the app: again at once, elsewhere if possible, count unchanged. */
    void (*give_back)(struct broker_consumer *c, struct broker_delivery *d);
    /* A nack without delay for all that has no verdict, told through `ended`. */
    void (*redeliver_all)(struct broker_consumer *c,
                          void (*ended)(void *ctx, struct broker_delivery *d));
    /*
     * Errands: OK means that `done` will come; BUSY that another is under way. Seek ends all
     * deliveries before it returns OK, told through `ended`. Unsubscribe ends with BUSY while the
     * subscription has other consumers, with INVAL on a reader; what this one holds stays valid
     * until it closes. Of a topic with partitions all are asked, and the first failure is told; a
     * seek to an id moves the partition that it names alone.
     */
    hulse_status (*seek)(struct broker_consumer *c,
                         const struct broker_position *to,
                         void (*ended)(void *ctx, struct broker_delivery *d),
                         struct error *err);
    hulse_status (*last_message_id)(struct broker_consumer *c, struct error *err);
    hulse_status (*unsubscribe)(struct broker_consumer *c, struct error *err);
    /*
     * Gives back what has no verdict; no further event. With `unsubscribe` the subscription goes
     * too unless it has other consumers, which nobody hears of.
     */
    void (*consumer_close)(struct broker_consumer *c, bool unsubscribe);

    /* ---- topics of a namespace (broker_topics.h); all NULL: the broker cannot tell them ---- */

    /* `listed` or `failed` will come; *out is set before the first event. */
    hulse_status (*topics_watch)(struct broker *b,
                                 struct worker *w,
                                 const struct broker_topics_params *params,
                                 struct broker_topics **out,
                                 struct error *err);
    /* Lists all of them anew, soon. */
    void (*topics_again)(struct broker *b, struct broker_topics *t);
    /* No further event. */
    void (*topics_close)(struct broker *b, struct broker_topics *t);

    /* ---- requests ---- */

    hulse_status (*topic_lookup)(struct broker *b, struct broker_lookup *q, struct error *err);
    hulse_status (*stats)(struct broker *b, struct broker_stats *q, struct error *err);
    hulse_status (*schema_get)(struct broker *b,
                               struct broker_schema_request *q,
                               struct error *err);
    hulse_status (*schema_put)(struct broker *b,
                               struct broker_schema_request *q,
                               struct error *err);
    hulse_status (*admin)(struct broker *b, struct broker_admin *q, struct error *err);
    /* Of the store it has: their number, at most BROKER_FIGURES_MAX; 0 = it has none. Any thread. */
    uint32_t (*store_figures)(const struct broker *b, struct broker_figure *out);
    /* Usable now? Any thread. */
    bool (*healthy)(const struct broker *b);
    /* False: nothing went wrong yet. Any thread. NULL: it does not say. */
    bool (*trouble)(struct broker *b, struct broker_trouble *out);
    /* Files that it reads while it runs may have changed: look again. On each worker. NULL: it reads none. */
    void (*refresh)(struct broker *b, struct worker *w);
};

/* Embedded first in an implementation's broker. Made by main, constant afterwards. */
struct broker {
    const struct broker_ops *ops;
    const char *name; /* key below `brokers` */
};

#endif
