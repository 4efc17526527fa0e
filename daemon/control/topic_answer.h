/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_answer - one topic as the admin socket tells it.
 *
 * Threads: control; jansson's allocations count as HULSE_MEM_ADMIN.
 */
#ifndef HULSE_CONTROL_TOPIC_ANSWER_H
#define HULSE_CONTROL_TOPIC_ANSWER_H

#include "daemon/broker/broker.h"
#include "daemon/table/tables.h"

#include <jansson.h>
#include <stdbool.h>

/* {topic broker [subscription]}, where the last is not empty. NULL, here and below: memory was refused. */
json_t *
hulse_topic_answer(const char *topic, const struct broker *broker, const char *subscription);
/*
 * The same with what the broker counts, `stats`, if it counts, and what the daemon refused, if it
 * knows the topic.
 */
json_t *hulse_topic_figures(const struct tables *tables,
                            const char *topic,
                            const struct broker *broker,
                            const struct broker_stats *stats);
/* {topic broker subscriptions[names]}, of BROKER_ADMIN_SUBSCRIPTIONS. */
json_t *hulse_topic_subscriptions(const char *topic,
                                  const struct broker *broker,
                                  const struct broker_admin *admin);
bool hulse_topic_has_subscription(const struct broker_stats *stats, const char *name);
/* {topic broker subscriptions[figures]}: of one, or of all where `name` is empty. */
json_t *hulse_topic_subscription_figures(const char *topic,
                                         const struct broker *broker,
                                         const struct broker_stats *stats,
                                         const char *name);
/* {topic broker schemas[{version type created_ms}]}, of BROKER_ADMIN_SCHEMAS. Versions here and below: from 0. */
json_t *hulse_topic_schemas(const char *topic,
                            const struct broker *broker,
                            const struct broker_admin *admin);
/* {topic broker version type [definition]}; a definition is a text. */
json_t *hulse_topic_schema(const char *topic,
                           const struct broker *broker,
                           const struct broker_schema_request *schema,
                           bool with_definition);
/* Whether its definition can be told; one of KEY_VALUE cannot. */
bool hulse_topic_schema_is_text(const struct broker_schema *schema);

#endif
