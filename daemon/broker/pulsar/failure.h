/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failure - what went wrong with a broker, and what follows from it, in one table.
 *
 * Threads: pure.
 * See:     ServerError in wire/pulsar_api.proto; what the official clients do about each.
 */
#ifndef HULSE_PULSAR_FAILURE_H
#define HULSE_PULSAR_FAILURE_H

#include "daemon/broker/broker.h"

#include <pulsar_api.pb-c.h>

/* What an attempt to open something does about it. */
enum pulsar_verdict {
    PULSAR_AGAIN, /* passes: tried again, the first time until the operation timeout, later for ever */
    PULSAR_CONTENDED, /* somebody else is there: the first open fails, later it is tried again */
    PULSAR_REFUSED,   /* the same, for what an operator has to change; said */
    PULSAR_QUOTA,     /* as AGAIN; what waits to be sent fails */
    PULSAR_GONE,      /* the topic: it ends */
    PULSAR_FINAL      /* terminated, fenced: it ends */
};

struct pulsar_failure {
    enum pulsar_verdict verdict;
    enum broker_class class; /* BROKER_DONE: none */
    hulse_status status;
    uint8_t outcome; /* of records that fail by it */
    bool
        gated; /* the way to the broker: the next attempt waits for its address, and for nothing else */
    char text
        [BROKER_TEXT_BYTES]; /* printable UTF-8: what the broker said, escaped, with the error's name */
};

/* Of a ServerError, one that is not known too; `message` may be NULL and is the broker's. */
void hulse_pulsar_failure_server(struct pulsar_failure *f, int32_t error, const char *message);
/* Of a connection (IO, TIMED_OUT, PROTOCOL, DENIED, CLOSED, NO_MEMORY). */
void hulse_pulsar_failure_status(struct pulsar_failure *f, hulse_status status, const char *text);

#endif
