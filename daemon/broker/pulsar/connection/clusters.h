/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clusters - where topics may be: the cluster of the configuration, which is number 0, and those that it has moved
 * topics to (TOPIC_MIGRATED).
 *
 * Threads: any. What a number means never changes; whoever gets one has seen it added, or was told by who has.
 * Trust:   the text is a broker's. It is a service URL of the same kind, with TLS where ours has it, or it is refused.
 * Limits:  15 others; none is ever forgotten.
 */
#ifndef HULSE_PULSAR_CONNECTION_CLUSTERS_H
#define HULSE_PULSAR_CONNECTION_CLUSTERS_H

#include "daemon/broker/pulsar/connection/service_url.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define PULSAR_CLUSTERS_MAX 16U

struct pulsar_clusters {
    pthread_mutex_t lock;
    uint32_t other_count;
    struct service_url *others[PULSAR_CLUSTERS_MAX - 1];
};

void hulse_pulsar_clusters_init(struct pulsar_clusters *c);
void hulse_pulsar_clusters_fini(struct pulsar_clusters *c);
/* The number of a cluster by one of its texts; `own` is number 0. INVAL, LIMIT, NO_MEMORY with what is wrong. */
hulse_status hulse_pulsar_clusters_find(struct pulsar_clusters *c,
                                        const struct service_url *own,
                                        const char *text,
                                        uint32_t *out,
                                        struct error *err);
/* One that was found. */
const struct service_url *hulse_pulsar_clusters_at(const struct pulsar_clusters *c,
                                                   const struct service_url *own,
                                                   uint32_t number);

#endif
