/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint - see the header.
 */
#include "daemon/broker/pulsar/connection/endpoint.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

bool hulse_pulsar_endpoint_same(const struct pulsar_endpoint *a, const struct pulsar_endpoint *b)
{
    return a->tls == b->tls && a->proxied == b->proxied &&
           hulse_pulsar_host_same(&a->physical, &b->physical) &&
           hulse_pulsar_host_same(&a->logical, &b->logical);
}

bool hulse_pulsar_is_gated(const struct pulsar_endpoint *to, hulse_status status)
{
    return !to->proxied && (status == HULSE_IO || status == HULSE_TIMED_OUT ||
                            status == HULSE_PROTOCOL || status == HULSE_DENIED);
}

struct shared_endpoint {
    struct pulsar_endpoint to; /* first: what its users have */
    uint32_t users;
    LIST_ENTRY(shared_endpoint) link;
};

/* A worker has few of them: one for each broker of its clusters. */
const struct pulsar_endpoint *hulse_pulsar_endpoint_share(struct shared_endpoints *all,
                                                          const struct pulsar_endpoint *to)
{
    struct shared_endpoint *e = NULL;

    LIST_FOREACH(e, all, link)
    {
        if (hulse_pulsar_endpoint_same(&e->to, to)) {
            e->users += 1;
            return &e->to;
        }
    }
    e = hulse_mem_alloc(HULSE_MEM_BROKER, sizeof(*e));
    if (e == NULL) {
        return NULL;
    }
    *e = (struct shared_endpoint){.to = *to, .users = 1};
    LIST_INSERT_HEAD(all, e, link);
    return &e->to;
}

void hulse_pulsar_endpoint_unshare(const struct pulsar_endpoint **shared)
{
    struct shared_endpoint *e = (struct shared_endpoint *)(uintptr_t)*shared;

    *shared = NULL;
    if (e == NULL) {
        return;
    }
    HULSE_ASSERT(e->users > 0);
    e->users -= 1;
    if (e->users == 0) {
        LIST_REMOVE(e, link);
        hulse_mem_free(HULSE_MEM_BROKER, e, sizeof(*e));
    }
}
