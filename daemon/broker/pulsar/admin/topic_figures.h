/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_figures - the figures of a topic, from what the REST API says of it.
 *
 * Threads: control. Trust: the document is a broker's: what is missing or of another type counts as 0, or as not counted.
 * Limits:  10,000 subscriptions.
 */
#ifndef HULSE_PULSAR_ADMIN_TOPIC_FIGURES_H
#define HULSE_PULSAR_ADMIN_TOPIC_FIGURES_H

#include "daemon/broker/broker.h"

#include <jansson.h>

#define ADMIN_SUBSCRIPTIONS_MAX 10000U

/*
 * `document`: of …/stats, or of …/partitioned-stats, which is merged already. Names point into it. `lasting`: of a topic that
 * keeps messages, where a subscription that is not durable is a reader. PROTOCOL: not such a document; LIMIT; NO_MEMORY. *list: to be freed
 * with *list_bytes, HULSE_MEM_BROKER.
 */
hulse_status hulse_topic_figures_read(const json_t *document,
                                      bool lasting,
                                      struct broker_stats *out,
                                      struct broker_subscription_stats **list,
                                      size_t *list_bytes);

#endif
