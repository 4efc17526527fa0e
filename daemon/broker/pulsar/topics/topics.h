/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topics - which topics a namespace has, and what comes and goes: WATCH_TOPIC_LIST where the broker has it, else and besides
 * GET_TOPICS_OF_NAMESPACE from time to time.
 *
 * Threads: the worker's.
 * See:     protocol 9; PulsarClientImpl and TopicListWatcher of the official client.
 */
#ifndef HULSE_PULSAR_TOPICS_TOPICS_H
#define HULSE_PULSAR_TOPICS_TOPICS_H

#include "daemon/broker/broker.h"

/* Of a worker. */
struct pulsar_topic_figures {
    uint64_t watches;  /* namespaces that are watched now */
    uint64_t watchers; /* of them at a broker that tells what changes */
    uint64_t lists;    /* that came */
    uint64_t updates;  /* told by brokers */
    uint64_t failed;   /* questions without a list */
};

/* Of struct broker_ops. */
hulse_status hulse_pulsar_topics_watch(struct broker *b,
                                       struct worker *w,
                                       const struct broker_topics_params *params,
                                       struct broker_topics **out,
                                       struct error *err);
void hulse_pulsar_topics_again(struct broker *b, struct broker_topics *base);
void hulse_pulsar_topics_close(struct broker *b, struct broker_topics *base);

#endif
