/* SPDX-License-Identifier: Apache-2.0 */
/*
 * letter - one message's copy for a dead-letter topic: what is in it beside the message itself.
 *
 * Key, ordering key, event time and properties are the message's. Added, unless they are there: REAL_TOPIC,
 * REAL_SUBSCRIPTION, ORIGIN_MESSAGE_ID and its misspelt twin ORIGIN_MESSAGE_IDY_TIME, as Pulsar's Java client
 * (ConsumerImpl.getPropertiesMap) and hulse-first-failure; and, of this failure, hulse-reason, hulse-detail,
 * hulse-attempts, hulse-host, hulse-app.
 *
 * Threads: the worker's.
 * Limits:  its memory counts as HULSE_MEM_MESSAGE.
 */
#ifndef HULSE_FLOW_LETTER_H
#define HULSE_FLOW_LETTER_H

#include "daemon/broker/broker.h"

#include <sys/queue.h>

/* Why a message is put aside; `hulse-reason` of its copy. */
enum letter_cause {
    LETTER_REJECTED = 0, /* the application said so */
    LETTER_REFUSED,      /* it refused the last attempt */
    LETTER_TIMED_OUT,    /* it gave no verdict on it */
    LETTER_DIED,         /* it ended during it */
    LETTER_CAUSES
};

struct letter_reason {
    enum letter_cause cause;
    uint16_t code;             /* of a rejection; 0 = none */
    struct broker_span detail; /* UTF-8 */
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
    enum letter_cause cause;
    uint16_t code;
    uint32_t detail_bytes;   /* behind the properties */
    uint32_t property_bytes; /* as of a message */
    size_t object_bytes;
    uint8_t data[];
};

TAILQ_HEAD(letter_list, letter);

/* Of a delivery whose bytes are there. NULL: no memory. */
struct letter *hulse_letter_create(struct broker_delivery *d,
                                   const struct letter_source *from,
                                   const struct letter_reason *why);
/* *l becomes NULL. */
void hulse_letter_free(struct letter **l);
/* Why it was made; the detail is the letter's own. */
struct letter_reason hulse_letter_reason(const struct letter *l);

#endif
