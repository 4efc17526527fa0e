/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_broker - a broker that does what the test says, when the test says it.
 *
 * One producer and one consumer. It records every call; answers, deliveries and failures are made
 * by the test, in any order, or at once where a knob says so.
 *
 * Threads: the test's.
 */
#ifndef HULSE_TESTS_SUPPORT_FAKE_BROKER_H
#define HULSE_TESTS_SUPPORT_FAKE_BROKER_H

#include "daemon/broker/broker.h"

#define FAKE_LOG_MAX 4096U

enum fake_verdict { FAKE_ACK, FAKE_CUMULATIVE, FAKE_NACK, FAKE_GIVE_BACK };

struct fake_call {
    enum fake_verdict verdict;
    struct broker_delivery *d;
    uint32_t delay_ms;
};

struct fake_broker {
    struct broker base;
    /* Knobs. */
    hulse_status refuse_open; /* returned by open, with no event */
    bool open_later;          /* the event comes with hulse_fake_opened() */
    hulse_status open_status; /* in the event */
    struct broker_limits limits;
    bool answer_at_once;
    struct broker_answer answer; /* then */
    uint32_t deliver_in_permit;  /* payload bytes; 0 = deliver by hand */
    /* What was heard. */
    struct broker_producer producer;
    struct broker_consumer consumer;
    char topic[1088];
    char subscription[64];
    enum broker_subscription type;
    uint32_t opens;
    uint32_t producer_closes;
    uint32_t consumer_closes;
    bool unsubscribed;
    uint64_t tokens[FAKE_LOG_MAX];
    uint32_t sent;
    uint64_t sent_bytes;
    uint64_t permits; /* ever given */
    uint64_t delivered;
    struct fake_call calls[FAKE_LOG_MAX];
    uint32_t call_count;
};

void hulse_fake_init(struct fake_broker *f);
/* The event of an open_later. */
void hulse_fake_producer_opened(struct fake_broker *f, hulse_status status);
void hulse_fake_consumer_opened(struct fake_broker *f, hulse_status status);
void hulse_fake_answer(struct fake_broker *f,
                       uint64_t token,
                       enum broker_class class,
                       unsigned outcome);
void hulse_fake_producer_failed(struct fake_broker *f, hulse_status status, const char *text);
void hulse_fake_consumer_failed(struct fake_broker *f, hulse_status status, const char *text);
/* Delivers `d` with `bytes` of payload. */
void hulse_fake_deliver(struct fake_broker *f, struct broker_delivery *d, uint32_t bytes);

#endif
