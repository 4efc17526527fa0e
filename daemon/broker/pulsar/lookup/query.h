/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query - one lookup on its way to the topic's worker and back.
 *
 *   home:  unsent -> posted ............................................ answered, freed
 *   there:           `-> of a search, or a kept answer -> answered -^
 *
 * Cancelling cuts it off from its asker and lets it travel on.
 *
 * Threads: `asker` and `at_home` are home's; the rest belongs to whoever has it.
 */
#ifndef HULSE_PULSAR_LOOKUP_QUERY_H
#define HULSE_PULSAR_LOOKUP_QUERY_H

#include "daemon/broker/pulsar/lookup/lookup.h"
#include "daemon/core/inbox.h"
#include "daemon/worker/timer.h"

#include <sys/queue.h>

struct pulsar_lookups;
struct search;

struct lookup_query {
    struct inbox_node node;
    struct pulsar_lookups *home;
    struct pulsar_lookup *asker; /* NULL: cancelled */
    LIST_ENTRY(lookup_query) at_home;
    TAILQ_ENTRY(lookup_query) link; /* unsent, or of the search */
    bool unsent;
    bool create;
    bool fresh;
    bool returned;     /* its worker stops: it is to be asked at home */
    uint32_t asked_by; /* the worker at home */
    uint64_t hash;     /* of the topic */
    uint32_t cluster;
    struct search *search; /* there */
    struct timer deadline; /* there */
    struct pulsar_lookup_result result;
    size_t bytes; /* of this object */
    char topic[];
};

TAILQ_HEAD(lookup_query_list, lookup_query);

/* There: sends it home, as `result` says. */
void hulse_lookup_query_answer(struct lookup_query *q);

#endif
