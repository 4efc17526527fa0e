/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool_state - what a pool is, for the files of this folder.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_CONNECTION_POOL_STATE_H
#define HULSE_PULSAR_CONNECTION_POOL_STATE_H

#include "daemon/broker/pulsar/connection/connection_state.h"
#include "daemon/broker/pulsar/connection/tls_context.h"
#include "daemon/broker/pulsar/worker.h"

struct pulsar_pool {
    struct pulsar_worker *worker;
    struct loop *loop;
    const struct pulsar_params *params;
    struct resolver resolver;
    LIST_HEAD(, pulsar_connection) connections;
    LIST_HEAD(, pulsar_gate) gates;
    struct pulsar_connection_queue dirty;
    struct tls_context tls;
    struct timer renewal; /* of connections that began with other files */
    struct user_table users;
    struct wire_arena arena; /* the command that is being handled */
    uint64_t user_id;        /* given last */
    uint64_t request_id;
    bool closing;
    struct pulsar_pool_figures figures;
};

/* Looks at the files. Not OK: there is nothing to use, with *err filled. renewal.c */
hulse_status hulse_pool_update_tls(struct pulsar_pool *p, struct error *err);
void hulse_pool_renewal_init(struct pulsar_pool *p);

#endif
