/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search - finding one topic's owner, for all queries that want to know it.
 *
 *   attach to a service host -> PARTITIONED_METADATA -> LOOKUP -> found
 *          ^                                            |  `-> redirected: attach there, LOOKUP
 *          `-- backoff, or the next host -- failed <----'
 *
 * Each query has its own deadline; a search without queries ends.
 *
 * Threads: the topic's worker.
 * Limits:  PULSAR_REDIRECTS_MAX redirects in one attempt; PULSAR_LOOKUP_ASKING_MAX attempts at once, the others wait in
 *          their order.
 */
#ifndef HULSE_PULSAR_LOOKUP_SEARCH_H
#define HULSE_PULSAR_LOOKUP_SEARCH_H

#include "daemon/broker/pulsar/connection/clusters.h"
#include "daemon/broker/pulsar/lookup/query.h"

#define SEARCH_BUCKETS 1024U

struct pulsar_lookups;
struct search;

/* Of a worker. */
struct searches {
    LIST_HEAD(, search) buckets[SEARCH_BUCKETS];
    TAILQ_HEAD(, search) queue; /* for an attempt */
    uint32_t asking;
    uint32_t hosts[PULSAR_CLUSTERS_MAX]; /* of each service URL: where the next attempt begins */
};

void hulse_searches_init(struct pulsar_lookups *l);
/* The query comes in: joins a search, or begins one. */
void hulse_search_join(struct pulsar_lookups *l, struct lookup_query *q);
/* Sends the queries of one worker home with nothing found; `worker` may be this one. */
void hulse_searches_forget(struct pulsar_lookups *l, uint32_t worker);
/* Sends all queries back, to be asked at home. */
void hulse_searches_return(struct pulsar_lookups *l);

#endif
