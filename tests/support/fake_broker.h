/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_broker - a broker that does what the test says, when the test says it.
 *
 * One producer and one consumer, and one request of each kind. It records every call; answers,
 * deliveries, failures and every other event are made by the test, in any order, or at once where a
 * knob says so. It judges nothing: what a broker must do is in the conformance suite.
 *
 * Threads: the test's.
 */
#ifndef HULSE_TESTS_SUPPORT_FAKE_BROKER_H
#define HULSE_TESTS_SUPPORT_FAKE_BROKER_H

#include "daemon/broker/broker.h"

#define FAKE_LOG_MAX 4096U

enum fake_verdict {
    FAKE_ACK,
    FAKE_CUMULATIVE,
    FAKE_NACK,
    FAKE_GIVE_BACK,
    FAKE_REDELIVER_ALL,
    FAKE_ACK_ID,
    FAKE_ACK_ID_CUMULATIVE
};

struct fake_call {
    enum fake_verdict verdict;
    struct broker_delivery *d; /* NULL with an id */
    uint32_t delay_ms;
    struct broker_id id;
};

struct fake_broker {
    struct broker base;
    /* Knobs. */
    hulse_status refuse_open; /* returned by open, with no event */
    hulse_status refuse_call; /* returned by flush, errands and requests, with no event */
    bool open_later;          /* the event comes with hulse_fake_opened() */
    hulse_status open_status; /* in the event */
    struct broker_limits limits;
    bool answer_at_once;
    bool no_memory;              /* records are not taken */
    struct broker_answer answer; /* then */
    uint32_t deliver_in_permit;  /* payload bytes; 0 = deliver by hand */
    struct broker_reach reach;   /* told at a consumer's open */
    bool has_reach;
    struct broker_delivery *seek_ends[4];       /* told by `ended` of a seek */
    const struct broker_wishes *look_at_wishes; /* the next consumer's are these; NULL again then */
    bool settle_later;                          /* the events come with hulse_fake_settled() */
    /* What was heard. */
    struct broker_producer producer;
    struct broker_consumer consumer;
    char topic[1088];
    char initial[256]; /* of the producer that was opened last */
    char subscription[64];
    enum broker_subscription type;
    struct broker_position start;
    bool create;
    bool transient;
    uint8_t handle_id[BROKER_HANDLE_ID_BYTES];
    uint32_t opens;
    enum broker_schema_type schema_type; /* of the last producer */
    uint32_t flushes;
    uint32_t errands[BROKER_UNSUBSCRIBE + 1];
    struct broker_position sought;
    uint32_t producer_closes;
    uint32_t producer_forgets; /* of them */
    uint32_t consumer_closes;
    bool unsubscribed;
    uint64_t tokens[FAKE_LOG_MAX];
    uint32_t sent;
    uint64_t sent_bytes;
    uint64_t permits; /* ever given */
    uint64_t delivered;
    struct fake_call calls[FAKE_LOG_MAX];
    uint32_t call_count;
    /* Requests that wait for their `done`; NULL: none. */
    struct broker_lookup *lookup;
    struct broker_stats *stats;
    struct broker_schema_request *schema;
    struct broker_admin *admin;
};

void hulse_fake_init(struct fake_broker *f);
/* The event of an open_later. */
void hulse_fake_producer_opened(struct fake_broker *f, hulse_status status);
/* With `reach` when it has one. */
void hulse_fake_consumer_opened(struct fake_broker *f, hulse_status status);
void hulse_fake_answer(struct fake_broker *f,
                       uint64_t token,
                       enum broker_class class,
                       unsigned outcome);
void hulse_fake_producer_failed(struct fake_broker *f, hulse_status status, const char *text);
void hulse_fake_consumer_failed(struct fake_broker *f, hulse_status status, const char *text);
void hulse_fake_fenced(struct fake_broker *f, const char *text);
void hulse_fake_suspended(struct fake_broker *f, enum broker_class class);
void hulse_fake_given_back(struct fake_broker *f, uint64_t token, bool unknown);
void hulse_fake_resumed(struct fake_broker *f);
void hulse_fake_freed(struct fake_broker *f);
void hulse_fake_flushed(struct fake_broker *f);
void hulse_fake_active(struct fake_broker *f, bool active);
void hulse_fake_end_of_topic(struct fake_broker *f);
/* The events of a settle_later. */
void hulse_fake_settled(struct fake_broker *f, uint32_t count);
void hulse_fake_done(struct fake_broker *f,
                     enum broker_errand errand,
                     hulse_status status,
                     const struct broker_id *id);
/* Ends a request of the test's choice, in one of the four; its results are filled in before. */
void hulse_fake_request_done(struct broker_request *request, hulse_status status);
/* Delivers `d` with `bytes` of payload. */
void hulse_fake_deliver(struct fake_broker *f, struct broker_delivery *d, uint32_t bytes);

#endif
