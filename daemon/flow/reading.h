/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reading - what a subscriber with a schema of its own (consume.schema) gets of its messages.
 *
 *   Avro     written with another version of the topic's schema: turned into the subscriber's; with the same one: as it is
 *   others   as they are, if they fit the subscriber's
 *
 * Such a message is marked `own_schema`. One that cannot be turned into it, or does not fit, is handed out as it was written,
 * without the mark, logged and counted: nothing is lost, and the application judges. So is one whose schema its broker
 * does not tell; it is asked again when a second has passed. While a schema is asked for, messages wait, so their order stays.
 *
 * Threads: the subscriber's worker.
 * Limits:  READING_VERSIONS_MAX versions are remembered; a payload becomes at most the larger of flow's bounds.
 * See:     daemon/schema/transcode.h; Pulsar's MultiVersionAvroReader.
 */
#ifndef HULSE_FLOW_READING_H
#define HULSE_FLOW_READING_H

#include "daemon/flow/flow.h"

#define READING_VERSIONS_MAX 64U

struct reading;
struct schema;
struct schema_known;

struct reading_params {
    const struct flow *flow;
    struct worker *worker;
    uint32_t broker;
    const char *topic; /* full name; these outlive the reading */
    const struct schema *own;
    void *ctx;
    /* In the order of taking; `resolved` false: as it was written, for a reason that was logged. May do anything. */
    void (*pass)(void *ctx, struct broker_delivery *d, bool resolved);
};

/* NULL: no memory. */
struct reading *hulse_reading_create(const struct reading_params *params);
/* Everything has ended, or does with the consumer: payloads are the broker's again. *r becomes NULL; harmless on NULL. */
void hulse_reading_destroy(struct reading **r);
/* Passes it on, now or later. False: no memory to let it wait; it is the caller's. */
bool hulse_reading_take(struct reading *r, struct broker_delivery *d);
/* It ends, or its bytes were copied: its payload is the broker's again. True: nobody has seen it, it was waiting. */
bool hulse_reading_end(struct reading *r, struct broker_delivery *d);
/* What a message was written with, if that was needed to read it: borrowed, for as long as nothing else is read. NULL: it was not. */
const struct schema_known *hulse_reading_schema(const struct reading *r,
                                                const struct broker_delivery *d);
/* Messages that wait. */
uint32_t hulse_reading_waiting(const struct reading *r);

#endif
