/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookups - what a worker has of them: its own queries, and the searches for the topics that it answers for.
 *
 * Threads: the worker's. Workers end one after another, and an inbox must not be touched once its worker has gone:
 *          the one that ends sends everything home that it has of others, says goodbye to each of them behind it,
 *          and waits until all have fallen quiet towards it and have sent back what it had with them. A worker that
 *          has heard a goodbye answers for the other one's topics itself.
 */
#ifndef HULSE_PULSAR_LOOKUP_LOOKUPS_H
#define HULSE_PULSAR_LOOKUP_LOOKUPS_H

#include "daemon/broker/pulsar/lookup/cache.h"
#include "daemon/broker/pulsar/lookup/crew.h"
#include "daemon/broker/pulsar/lookup/query.h"
#include "daemon/broker/pulsar/lookup/search.h"
#include "daemon/broker/pulsar/lookup/web.h"
#include "daemon/broker/pulsar/worker.h"

struct pulsar_lookups {
    struct pulsar_worker *worker;
    uint32_t index; /* of the worker */
    /* Home. */
    LIST_HEAD(, lookup_query) queries; /* all that were asked here and have not come back */
    struct lookup_query_list unsent;   /* the other worker's inbox was full */
    struct timer retry;
    bool stopping;
    bool gone[PULSAR_WORKERS_MAX]; /* said goodbye */
    struct inbox_node goodbye;
    /* There. */
    struct searches searches;
    struct lookup_cache cache;
    struct web_question_list web; /* on their way over HTTP, or forgotten there */
    struct pulsar_lookup_figures figures;
};

/* Of this broker on the running worker; NULL when they have ended. */
struct pulsar_lookups *hulse_lookups_here(struct pulsar_broker *b);
/* The worker that answers for a topic. */
uint32_t hulse_lookups_worker(uint64_t hash, uint32_t worker_count);

#endif
