/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema - what a topic's rule says of its payloads, for one publisher or subscriber.
 *
 * It is the rule's at the time of the open: what the broker knows either by does not change under it.
 *
 * Threads: the worker of either; what was read of a definition is shared by all of them.
 */
#ifndef HULSE_FLOW_SCHEMA_H
#define HULSE_FLOW_SCHEMA_H

#include "daemon/broker/broker.h"
#include "daemon/schema/schema.h"
#include "daemon/table/tables.h"

struct schema_known;

struct flow_schema {
    struct topic_schema *held;        /* NULL: none */
    const struct schema *schema;      /* of it; NULL: none */
    const struct schema_known *known; /* the topic's own, with AUTO */
    bool validate;
};

/*
 * INVAL: the definition is none; NO_MEMORY. Gives it up with hulse_flow_schema_fini(). With CONFIG_SCHEMA_AUTO there is none yet:
 * hulse_flow_schema_is_auto().
 */
hulse_status hulse_flow_schema_init(struct flow_schema *s,
                                    const struct tables *tables,
                                    const char *topic,
                                    enum topic_schema_use use,
                                    struct error *err);
void hulse_flow_schema_fini(struct flow_schema *s);
/* It is to be what the topic has. */
bool hulse_flow_schema_is_auto(const struct flow_schema *s);
/* That is this, which it takes; payloads are checked if they can be. */
void hulse_flow_schema_adopt(struct flow_schema *s, const struct schema_known *known);
/* As brokers are told; NULL without one. *out is filled, and borrows from `s`. */
const struct broker_schema *hulse_flow_schema_told(const struct flow_schema *s,
                                                   struct broker_schema *out);
/* In the words of Pulsar's tools: static. */
const char *hulse_flow_schema_type_name(const struct broker_schema *s);
/* A payload does not fit: the field is logged. */
void hulse_flow_schema_tell(const struct schema *s, struct broker_span payload, const char *topic);

#endif
