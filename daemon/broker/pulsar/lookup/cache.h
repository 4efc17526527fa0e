/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache - what a worker has found out, by topic.
 *
 * An answer is good for its `kept_ms`; the least lately used ones make room for others, and one that the daemon's memory
 * has no room for is not kept.
 *
 * Threads: the worker's.
 * Limits:  PULSAR_LOOKUP_CACHE_MAX topics.
 */
#ifndef HULSE_PULSAR_LOOKUP_CACHE_H
#define HULSE_PULSAR_LOOKUP_CACHE_H

#include "daemon/broker/pulsar/lookup/lookup.h"

#include <sys/queue.h>

#define LOOKUP_CACHE_BUCKETS 2048U

struct kept_answer;

struct lookup_cache {
    LIST_HEAD(, kept_answer) buckets[LOOKUP_CACHE_BUCKETS];
    TAILQ_HEAD(kept_answers, kept_answer) used; /* last used last */
    uint32_t count;
};

/* A topic; its hash is of its name. */
struct lookup_key {
    const char *topic;
    uint64_t hash;
    uint32_t cluster;
    /* Asked: to be created if need be. Kept: it may not be there yet, so only for those who would create it. */
    bool create;
};

void hulse_lookup_cache_init(struct lookup_cache *c);
void hulse_lookup_cache_fini(struct lookup_cache *c);
/* False: not known. Otherwise *out is filled, `cached` too; `kept_ms` is what is left. */
bool hulse_lookup_cache_find(struct lookup_cache *c,
                             const struct lookup_key *key,
                             uint64_t now_ms,
                             struct pulsar_lookup_result *out);
/* One without a failure; replaces what is kept. */
void hulse_lookup_cache_put(struct lookup_cache *c,
                            const struct lookup_key *key,
                            uint64_t now_ms,
                            const struct pulsar_lookup_result *result);
/* Whoever asks for it. Harmless when it is not there. */
void hulse_lookup_cache_drop(struct lookup_cache *c, const struct lookup_key *key);

#endif
