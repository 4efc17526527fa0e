/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrated - a topic that is another cluster's: lookup.h.
 */
#include "daemon/broker/pulsar/lookup/lookup.h"
#include "daemon/broker/pulsar/worker.h"
#include "daemon/core/log.h"

void hulse_pulsar_lookup_migrated(struct pulsar_worker *w,
                                  struct pulsar_lookup *l,
                                  const Pulsar__CommandTopicMigrated *command)
{
    struct pulsar_broker *b = w->broker;
    const char *url = b->service.tls ? command->brokerserviceurltls : command->brokerserviceurl;
    struct error err = {.text = "the broker does not say where to"};

    if (url == NULL ||
        hulse_pulsar_clusters_find(&b->clusters, &b->service, url, &l->cluster, &err) != HULSE_OK) {
        HULSE_LOG_WARNF("pulsar.migration_refused", hulse_log_str("why", err.text));
        hulse_pulsar_trouble_note(&b->trouble, "a topic was moved", err.text);
    }
}
