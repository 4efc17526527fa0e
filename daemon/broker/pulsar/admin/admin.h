/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin - the requests of broker_request.h that a cluster answers by its REST API, for the table of functions.
 *
 * Threads: control. Without a URL of HTTP they are UNSUPPORTED.
 */
#ifndef HULSE_PULSAR_ADMIN_ADMIN_H
#define HULSE_PULSAR_ADMIN_ADMIN_H

#include "daemon/broker/broker.h"

/* With an admin_url, or a service URL of HTTP. */
#define PULSAR_ADMIN_CAPABILITIES (BROKER_CAN_STATS | BROKER_CAN_ADMIN)

hulse_status hulse_pulsar_admin(struct broker *b, struct broker_admin *q, struct error *err);
hulse_status hulse_pulsar_stats(struct broker *b, struct broker_stats *q, struct error *err);

#endif
