/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry - schemas of topics at their brokers: GET_SCHEMA and GET_OR_CREATE_SCHEMA for whoever asks.
 *
 * Threads: as broker_request.h says.
 * Limits:  properties of schemas are not told, and none are put; a topic that is not there gets no schema (NO_TOPIC).
 * Trust:   definitions are the broker's; they are copied, up to SCHEMA_DEFINITION_BYTES_MAX, and not read.
 */
#ifndef HULSE_PULSAR_SCHEMA_REGISTRY_H
#define HULSE_PULSAR_SCHEMA_REGISTRY_H

#include "daemon/broker/broker.h"

/* Of struct broker_ops. */
hulse_status
hulse_pulsar_schema_get(struct broker *b, struct broker_schema_request *q, struct error *err);
hulse_status
hulse_pulsar_schema_put(struct broker *b, struct broker_schema_request *q, struct error *err);

#endif
