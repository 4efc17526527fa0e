/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search_state - what a search is, for the files that make it: search (its queries, when it asks) and attempt (whom it
 * asks, and what the answer means).
 *
 * Threads: the topic's worker.
 */
#ifndef HULSE_PULSAR_LOOKUP_SEARCH_STATE_H
#define HULSE_PULSAR_LOOKUP_SEARCH_STATE_H

#include "daemon/broker/pulsar/lookup/lookups.h"
#include "daemon/broker/pulsar/lookup/reply.h"
#include "daemon/broker/pulsar/lookup/web.h"

struct search {
    LIST_ENTRY(search) link; /* of its bucket */
    struct pulsar_lookups *lookups;
    struct lookup_query_list queries;
    struct pulsar_user user;
    struct pulsar_request request;
    struct web_question *web; /* over HTTP, in place of the two; NULL: none is on its way */
    struct timer retry;
    struct backoff backoff;
    struct pulsar_endpoint to; /* whom it asks */
    uint32_t host;             /* of the service URL, of this attempt */
    uint32_t cluster;
    enum lookup_question question;
    uint32_t redirects;
    bool authoritative;
    bool create;
    bool asking; /* an attempt is under way */
    bool queued; /* it waits for one */
    TAILQ_ENTRY(search) queue;
    struct pulsar_failure last; /* of the last attempt; its class is BROKER_DONE before */
    uint64_t hash;
    size_t bytes; /* of this object */
    char topic[];
};

static inline const struct pulsar_params *hulse_search_params(const struct search *s)
{
    return &s->lookups->worker->broker->params;
}

/* ---- search.c ---- */

/* All its queries are answered, and it ends. */
void hulse_search_finish(struct search *s, const struct pulsar_lookup_result *result);
void hulse_search_finish_failed(struct search *s, const struct pulsar_failure *f);
/* The attempt has; another follows if it passes, else it ends. */
void hulse_search_attempt_failed(struct search *s, const struct pulsar_failure *f);

/* ---- attempt.c ---- */

void hulse_attempt_init(struct search *s);
/* Begins one. False: no memory. */
bool hulse_attempt_begin(struct search *s);
/* What has begun is given up. */
void hulse_attempt_leave(struct search *s);
/* The next attempts of all searches begin at another host, unless one has seen to that. */
void hulse_attempt_shun_host(struct search *s);
/* What came over HTTP. */
void hulse_attempt_answered(struct search *s, const struct lookup_reply *r);
/* How long one question may take. */
uint32_t hulse_attempt_question_ms(const struct search *s);

#endif
