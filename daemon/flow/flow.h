/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow - what front ends see of brokers: the set of them, and the tables that say which topic belongs
 * to which and who may do what.
 *
 * Threads: made before the workers start, constant afterwards; what the tables hold changes.
 */
#ifndef HULSE_FLOW_FLOW_H
#define HULSE_FLOW_FLOW_H

#include "daemon/broker/broker.h"
#include "daemon/core/error.h"
#include "daemon/table/tables.h"

#define HULSE_FLOW_BROKERS_MAX 8U

struct schemas;

struct flow {
    struct broker *brokers[HULSE_FLOW_BROKERS_MAX]; /* in the order of the tables' broker_names */
    unsigned broker_count;
    const struct broker *default_broker;
    const char *default_namespace; /* "public/default" */
    const char *service;           /* this daemon's name; NULL as empty */
    uint32_t message_bytes_max;    /* largest payload of one message */
    uint32_t chunked_bytes_max;    /* of one that goes in chunks, where its topic does that */
    struct tables *tables;
    struct schemas *schemas; /* NULL: none are asked for */
};

#endif
