/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload_schema - the schema of a sender's payloads: what PRODUCER says, and the version that each entry has in its
 *                  metadata once the broker has told it. The same of a consumer, whose SUBSCRIBE says it.
 *
 * Senders of one worker with the same schema share one, and so do its consumers. Versions are of a topic, those of its partitions are the same.
 *
 * Threads: the worker's.
 * See:     Pulsar protocol, section 8.
 */
#ifndef HULSE_PULSAR_SCHEMA_PAYLOAD_SCHEMA_H
#define HULSE_PULSAR_SCHEMA_PAYLOAD_SCHEMA_H

#include "daemon/broker/broker.h"

#include <pulsar_api.pb-c.h>
#include <sys/queue.h>

/* Brokers say 8; what is longer is of an old one and means nothing. */
#define PULSAR_SCHEMA_VERSION_BYTES 16U

struct payload_schema {
    LIST_ENTRY(payload_schema) link;
    uint32_t holders;
    struct broker_schema told; /* its definition and properties are behind this */
    Pulsar__Schema message;    /* the same as the protocol has it */
    size_t object_bytes;
};

LIST_HEAD(payload_schemas, payload_schema);

struct payload_schema_version {
    uint8_t data[PULSAR_SCHEMA_VERSION_BYTES];
    uint8_t bytes; /* 0: none is known */
};

/* Held; NULL: no memory, or properties that are none. */
struct payload_schema *hulse_payload_schema_take(struct payload_schemas *all,
                                                 const struct broker_schema *told);
/* *s becomes NULL; harmless on NULL. */
void hulse_payload_schema_give(struct payload_schema **s);
/* Whether it is that one; NULL is none, of either. */
bool hulse_payload_schema_is(const struct payload_schema *s, const struct broker_schema *told);
/* From PRODUCER_SUCCESS. */
void hulse_payload_schema_learn(struct payload_schema_version *v,
                                const Pulsar__CommandProducerSuccess *success);

#endif
