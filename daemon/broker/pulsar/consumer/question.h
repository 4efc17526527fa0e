/* SPDX-License-Identifier: Apache-2.0 */
/*
 * question - a request of a consumer while it is on its way, and no longer: few consumers of many ask at one time.
 *
 * Threads: the worker's. Counted as HULSE_MEM_TOPIC.
 */
#ifndef HULSE_PULSAR_CONSUMER_QUESTION_H
#define HULSE_PULSAR_CONSUMER_QUESTION_H

#include "daemon/broker/pulsar/connection/connection.h"

struct pulsar_consumer;

struct question {
    struct pulsar_request request;
    struct pulsar_consumer *consumer;
};

/* In place of what was asked before. NULL: no memory. `done` ends it before anything else. */
struct pulsar_request *hulse_question_begin(struct question **at,
                                            struct pulsar_consumer *c,
                                            void (*done)(struct pulsar_request *r,
                                                         enum pulsar_reply reply,
                                                         const Pulsar__BaseCommand *answer));
/* No answer will come. *at becomes NULL; harmless on NULL. */
void hulse_question_end(struct question **at);
/* Whose it is. */
static inline struct pulsar_consumer *hulse_question_of(struct pulsar_request *r)
{
    return HULSE_CONTAINER(r, struct question, request)->consumer;
}

#endif
