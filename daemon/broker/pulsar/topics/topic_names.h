/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_names - names as a broker lists them, with partitions as the topic they are of.
 *
 * Threads: pure.
 * Trust:   the names are a broker's. What is no name of a topic at all is left out; the rest is for who asked to judge.
 */
#ifndef HULSE_PULSAR_TOPICS_TOPIC_NAMES_H
#define HULSE_PULSAR_TOPICS_TOPIC_NAMES_H

#include "daemon/broker/broker.h"

#include <stdbool.h>

/* More of them are not looked at; a topic is in the next list, too, as others are deleted. */
#define TOPIC_NAMES_MAX 200000U

struct topic_names {
    char *names;
    size_t bytes;
    size_t room;
    uint32_t count;
    size_t last; /* where the last one begins */
};

/* False: no memory. Free them in either case. */
bool hulse_topic_names_add(struct topic_names *n, size_t count, char *const *names);
void hulse_topic_names_free(struct topic_names *n);

#endif
