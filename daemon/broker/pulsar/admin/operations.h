/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operations - what admin.c hands an errand to. Each begins it: OK, or nothing was begun and the errand is still the
 * caller's.
 *
 * Threads: control.
 */
#ifndef HULSE_PULSAR_ADMIN_OPERATIONS_H
#define HULSE_PULSAR_ADMIN_OPERATIONS_H

#include "daemon/broker/pulsar/admin/errand.h"

/* topics.c */
hulse_status hulse_admin_create(struct admin_errand *e, struct error *err);
hulse_status hulse_admin_delete(struct admin_errand *e, struct error *err);
hulse_status hulse_admin_unload(struct admin_errand *e, struct error *err);
/* listing.c */
hulse_status hulse_admin_topics(struct admin_errand *e, struct error *err);
hulse_status hulse_admin_namespaces(struct admin_errand *e, struct error *err);
/* stats.c: figures of a topic, and the names of its subscriptions. */
hulse_status hulse_admin_stats(struct admin_errand *e, struct error *err);
hulse_status hulse_admin_subscriptions(struct admin_errand *e, struct error *err);
/* schemas.c */
hulse_status hulse_admin_schemas(struct admin_errand *e, struct error *err);
/* subscriptions.c */
hulse_status hulse_admin_seek(struct admin_errand *e, struct error *err);
hulse_status hulse_admin_skip(struct admin_errand *e, struct error *err);
hulse_status hulse_admin_unsubscribe(struct admin_errand *e, struct error *err);

#endif
