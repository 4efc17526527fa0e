/* SPDX-License-Identifier: Apache-2.0 */
/*
 * types - types of schemas, here and on the wire, and their versions.
 *
 * Threads: pure functions.
 * See:     Pulsar protocol, section 8.
 */
#ifndef HULSE_PULSAR_SCHEMA_TYPES_H
#define HULSE_PULSAR_SCHEMA_TYPES_H

#include "daemon/broker/broker.h"

#include <pulsar_api.pb-c.h>

#define PULSAR_VERSION_BYTES 8U

/* A schema as the protocol has it; borrows the definition. */
void hulse_pulsar_schema_fill(const struct broker_schema *s, Pulsar__Schema *out);
/* False: a type that is not known here. */
bool hulse_pulsar_schema_type(Pulsar__Schema__Type type, enum broker_schema_type *out);
/* Brokers count from 0, we from 1. False: that is none. */
bool hulse_pulsar_version_read(const ProtobufCBinaryData *in, uint64_t *out);
void hulse_pulsar_version_write(uint64_t version, uint8_t out[PULSAR_VERSION_BYTES]);

#endif
