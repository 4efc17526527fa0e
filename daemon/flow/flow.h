/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow - what front ends see of brokers: the set of brokers and which of them a topic belongs to.
 *
 * Threads: made by main before the workers start, constant afterwards.
 */
#ifndef HULSE_FLOW_FLOW_H
#define HULSE_FLOW_FLOW_H

#include "daemon/broker/broker.h"
#include "daemon/core/error.h"

#define HULSE_FLOW_BROKERS_MAX 8U

struct flow {
    struct broker *brokers[HULSE_FLOW_BROKERS_MAX];
    unsigned broker_count;
    const struct broker *default_broker;
    const char *default_namespace; /* "public/default" */
    uint32_t message_bytes_max;    /* largest payload of one message */
};

/* The broker of a topic, by its full name; NULL with *err filled when there is none. */
struct broker *hulse_flow_route(const struct flow *f, const char *topic, struct error *err);

#endif
