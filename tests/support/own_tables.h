/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own_tables - tables for a test or benchmark without a control thread: a wish for a topic's entry is
 * served at once, by whoever asks.
 *
 * Nothing here knows of cmocka: what a test itself got wrong ends the process.
 *
 * Threads: one asker at a time. Each thread that reads, the test's own too, is registered with RCU.
 */
#ifndef HULSE_TESTS_SUPPORT_OWN_TABLES_H
#define HULSE_TESTS_SUPPORT_OWN_TABLES_H

#include "daemon/flow/flow.h"

#include <stdio.h>
#include <stdlib.h>

struct own_tables {
    struct config config; /* defaults; change it before apply */
    struct flow *flow;
    const char *names[HULSE_FLOW_BROKERS_MAX];
};

static inline bool hulse_own_tables_serve(void *ctx, struct inbox_node *node)
{
    (void)ctx;
    node->run(node);
    return true;
}

/* Makes flow->tables for its brokers, with the default configuration. */
static inline void hulse_own_tables_open(struct own_tables *t, struct flow *flow)
{
    char *no_environment[] = {NULL};
    struct error err = {0};

    hulse_config_init(&t->config, no_environment);
    t->flow = flow;
    struct tables_params params = {
        .config = &t->config,
        .brokers = {.names = t->names, .count = flow->broker_count},
        .post = hulse_own_tables_serve,
    };
    for (unsigned i = 0; i < flow->broker_count; i++) {
        t->names[i] = flow->brokers[i]->name != NULL ? flow->brokers[i]->name : "";
        if (flow->brokers[i] == flow->default_broker) {
            params.brokers.default_broker = i;
        }
    }
    if (hulse_tables_create(&flow->tables, &params, &err) != HULSE_OK) {
        (void)fprintf(stderr, "own_tables: %s\n", err.text);
        abort();
    }
}

/* Applies `config` as it stands now. */
static inline hulse_status hulse_own_tables_apply(struct own_tables *t)
{
    struct error err = {0};

    return hulse_tables_apply(t->flow->tables, &t->config, &err);
}

/* No reader is left. On the thread that opened. */
static inline void hulse_own_tables_close(struct own_tables *t)
{
    hulse_tables_destroy(&t->flow->tables);
}

#endif
