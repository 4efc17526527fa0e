/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letter - one message's copy for a dead-letter or retry topic: what is in it beside the message itself.
 *
 * Key, ordering key, event time and properties are the message's. Added, unless they are there: REAL_TOPIC,
 * REAL_SUBSCRIPTION, ORIGIN_MESSAGE_ID and its misspelt twin ORIGIN_MESSAGE_IDY_TIME, as Pulsar's Java client
 * (ConsumerImpl.getPropertiesMap). Of a retry, which RECONSUMETIMES counts, that and DELAY_TIME in milliseconds are put in
 * place of what was there, as that client does; its time to live goes on. Of a dead letter: hulse-first-failure, unless it
 * is there, and, of this failure, hulse-reason, hulse-detail, hulse-attempts, hulse-host, hulse-app.
 *
 * Threads: the worker's.
 * Limits:  its memory counts as HULSE_MEM_MESSAGE.
 */
#ifndef HULSE_FLOW_LETTER_H
#define HULSE_FLOW_LETTER_H

#include "daemon/broker/broker.h"
#include "daemon/table/topic_rules.h"

#include <sys/queue.h>

/* Of RECONSUMETIMES: Java's clients read one more, too. */
#define HULSE_RETRIES_MAX (INT32_MAX - 1)

/* Why a message is put aside; `hulse-reason` of its copy. */
enum letter_cause {
    LETTER_REJECTED = 0, /* the application said so */
    LETTER_REFUSED,      /* it refused the last attempt */
    LETTER_TIMED_OUT,    /* it gave no verdict on it */
    LETTER_DIED,         /* it ended during it */
    LETTER_RETRIED,      /* it wanted it later, once more; of a retry letter the only one */
    LETTER_CAUSES
};

struct letter_reason {
    enum letter_kind kind;
    enum letter_cause cause;
    uint16_t code;             /* of a rejection; 0 = none */
    uint32_t delay_ms;         /* LETTER_RETRIED: until it is wanted */
    bool waited;               /* so long it has */
    struct broker_span detail; /* UTF-8 */
};

/* Of one kind. */
struct letter_count {
    uint64_t stored; /* and what they are of acknowledged */
    uint64_t failed; /* it comes again */
};

/* Whose message it is; borrowed. */
struct letter_source {
    const char *topic; /* full name, of a partition without its suffix */
    const char *subscription;
    const char *host; /* name of this daemon */
    const char *app;
    uint64_t now_ms; /* Unix epoch */
};

struct letter_outlet;

struct letter {
    /* letter_post's, from send until done. */
    TAILQ_ENTRY(letter) link;
    struct letter_outlet *outlet;
    bool sent;
    uint64_t due_ms; /* unsent: until then */
    void (*done)(void *ctx, struct letter *l, const char *why);
    void *ctx;
    /* Its maker's. */
    struct broker_delivery *d; /* NULL: was ended meanwhile by another call */
    TAILQ_ENTRY(letter) pending;
    struct broker_id id;
    uint32_t source;
    uint64_t calls_before; /* calls on the consumer before it began */
    uint64_t last_call;    /* that ends it, once it was made */
    bool ended;
    enum letter_kind kind;
    enum letter_cause cause;
    uint16_t code;
    uint32_t delay_ms;
    bool waited;
    uint64_t ttl_ms;         /* what is left of it, of a retry; 0 = none */
    uint32_t detail_bytes;   /* behind the properties */
    uint32_t property_bytes; /* as of a message */
    size_t object_bytes;
    uint8_t data[];
};

TAILQ_HEAD(letter_list, letter);

/* How often a message was retried, by its own RECONSUMETIMES; of what is no such number: 0. */
uint32_t hulse_letter_retries(struct broker_span properties);
/* Of a delivery whose bytes are there. NULL: no memory. */
struct letter *hulse_letter_create(struct broker_delivery *d,
                                   const struct letter_source *from,
                                   const struct letter_reason *why);
/* *l becomes NULL. */
void hulse_letter_free(struct letter **l);
/* Why it was made; the detail is the letter's own. */
struct letter_reason hulse_letter_reason(const struct letter *l);

#endif
