/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint - where a connection goes, and for which broker it is.
 *
 * Both differ behind a proxy, and with a standalone broker that advertises a loopback address.
 */
#ifndef HULSE_PULSAR_CONNECTION_ENDPOINT_H
#define HULSE_PULSAR_CONNECTION_ENDPOINT_H

#include "daemon/broker/pulsar/connection/service_url.h"

#include <sys/queue.h>

struct pulsar_endpoint {
    struct pulsar_host physical; /* TCP goes there; TLS checks this name */
    struct pulsar_host logical;  /* owns the topics */
    bool tls;
    bool proxied; /* CONNECT names the logical one (proxy_to_broker_url) */
};

bool hulse_pulsar_endpoint_same(const struct pulsar_endpoint *a, const struct pulsar_endpoint *b);
/*
 * What was `lost` with that status waits for its address with all others when it attaches there again, and needs no
 * backoff of its own. Not so what a proxy says of a broker.
 */
bool hulse_pulsar_is_gated(const struct pulsar_endpoint *to, hulse_status status);

/* Those that users of one worker have, each there once. All zeros: none. */
struct shared_endpoint;
LIST_HEAD(shared_endpoints, shared_endpoint);

/* A copy that is counted, or the one that there is. NULL: no memory. Counted as HULSE_MEM_BROKER. */
const struct pulsar_endpoint *hulse_pulsar_endpoint_share(struct shared_endpoints *all,
                                                          const struct pulsar_endpoint *to);
/* *shared becomes NULL; harmless on NULL. */
void hulse_pulsar_endpoint_unshare(const struct pulsar_endpoint **shared);

#endif
