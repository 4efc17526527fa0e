/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache - see the header.
 */
#include "daemon/broker/pulsar/lookup/cache.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <string.h>

/* An endpoint has room for the longest names, so what is kept has texts of their own size. */
struct kept_answer {
    LIST_ENTRY(kept_answer) link; /* of its bucket */
    TAILQ_ENTRY(kept_answer) use;
    uint64_t hash;
    uint64_t until_ms;
    uint32_t cluster;
    uint32_t partitions;
    uint16_t physical_port;
    uint16_t logical_port;
    bool tls;
    bool proxied;
    bool create;
    size_t bytes;         /* of this object */
    const char *physical; /* in `topic`, behind the name, as the next */
    const char *logical;
    char topic[];
};

void hulse_lookup_cache_init(struct lookup_cache *c)
{
    for (uint32_t i = 0; i < LOOKUP_CACHE_BUCKETS; i++) {
        LIST_INIT(&c->buckets[i]);
    }
    TAILQ_INIT(&c->used);
    c->count = 0;
}

static void discard(struct lookup_cache *c, struct kept_answer *a)
{
    LIST_REMOVE(a, link);
    TAILQ_REMOVE(&c->used, a, use);
    c->count -= 1;
    hulse_mem_free(HULSE_MEM_BROKER, a, a->bytes);
}

void hulse_lookup_cache_fini(struct lookup_cache *c)
{
    struct kept_answer *a = NULL;

    while ((a = TAILQ_FIRST(&c->used)) != NULL) {
        discard(c, a);
    }
}

static struct kept_answer *find(const struct lookup_cache *c, const struct lookup_key *key)
{
    struct kept_answer *a = NULL;

    LIST_FOREACH(a, &c->buckets[key->hash % LOOKUP_CACHE_BUCKETS], link)
    {
        if (a->hash == key->hash && a->cluster == key->cluster &&
            strcmp(a->topic, key->topic) == 0) {
            return a;
        }
    }
    return NULL;
}

static void write_host(struct pulsar_host *h, const char *name, uint16_t port)
{
    HULSE_ASSERT(strlen(name) < sizeof(h->name));

    memcpy(h->name, name, strlen(name) + 1);
    h->port = port;
}

bool hulse_lookup_cache_find(struct lookup_cache *c,
                             const struct lookup_key *key,
                             uint64_t now_ms,
                             struct pulsar_lookup_result *out)
{
    struct kept_answer *a = find(c, key);

    if (a == NULL || (a->create && !key->create)) {
        return false;
    }
    if (now_ms >= a->until_ms) {
        discard(c, a);
        return false;
    }
    TAILQ_REMOVE(&c->used, a, use);
    TAILQ_INSERT_TAIL(&c->used, a, use);
    *out = (struct pulsar_lookup_result){
        .partitions = a->partitions, .kept_ms = (uint32_t)(a->until_ms - now_ms), .cached = true};
    write_host(&out->endpoint.physical, a->physical, a->physical_port);
    write_host(&out->endpoint.logical, a->logical, a->logical_port);
    out->endpoint.tls = a->tls;
    out->endpoint.proxied = a->proxied;
    return true;
}

void hulse_lookup_cache_put(struct lookup_cache *c,
                            const struct lookup_key *key,
                            uint64_t now_ms,
                            const struct pulsar_lookup_result *result)
{
    HULSE_ASSERT(result->failure.class == BROKER_DONE);

    const struct pulsar_endpoint *to = &result->endpoint;
    const size_t topic_bytes = strlen(key->topic) + 1;
    const size_t physical_bytes = strlen(to->physical.name) + 1;
    const size_t logical_bytes = strlen(to->logical.name) + 1;

    hulse_lookup_cache_drop(c, key);
    if (c->count == PULSAR_LOOKUP_CACHE_MAX) {
        discard(c, TAILQ_FIRST(&c->used));
    }
    const size_t bytes = sizeof(struct kept_answer) + topic_bytes + physical_bytes + logical_bytes;
    struct kept_answer *a = hulse_mem_alloc(HULSE_MEM_BROKER, bytes);
    if (a == NULL) {
        return;
    }
    *a = (struct kept_answer){.hash = key->hash,
                              .until_ms = now_ms + result->kept_ms,
                              .cluster = key->cluster,
                              .partitions = result->partitions,
                              .physical_port = to->physical.port,
                              .logical_port = to->logical.port,
                              .tls = to->tls,
                              .proxied = to->proxied,
                              .create = key->create,
                              .bytes = bytes,
                              .physical = a->topic + topic_bytes,
                              .logical = a->topic + topic_bytes + physical_bytes};
    memcpy(a->topic, key->topic, topic_bytes);
    memcpy(a->topic + topic_bytes, to->physical.name, physical_bytes);
    memcpy(a->topic + topic_bytes + physical_bytes, to->logical.name, logical_bytes);
    LIST_INSERT_HEAD(&c->buckets[key->hash % LOOKUP_CACHE_BUCKETS], a, link);
    TAILQ_INSERT_TAIL(&c->used, a, use);
    c->count += 1;
}

void hulse_lookup_cache_drop(struct lookup_cache *c, const struct lookup_key *key)
{
    struct kept_answer *a = find(c, key);

    if (a != NULL) {
        discard(c, a);
    }
}
