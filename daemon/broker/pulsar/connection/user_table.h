/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_table - the attached users of a worker by their ids.
 *
 * Threads: the worker's. Counted as HULSE_MEM_BROKER.
 */
#ifndef HULSE_PULSAR_CONNECTION_USER_TABLE_H
#define HULSE_PULSAR_CONNECTION_USER_TABLE_H

#include "daemon/broker/pulsar/connection/connection.h"

LIST_HEAD(pulsar_user_list, pulsar_user);

/* All zero: empty. */
struct user_table {
    struct pulsar_user_list *buckets;
    uint32_t bucket_count; /* 0 or a power of two */
    uint32_t count;
};

/* False: no memory. */
bool hulse_user_table_add(struct user_table *t, struct pulsar_user *u);
void hulse_user_table_remove(struct user_table *t, struct pulsar_user *u);
struct pulsar_user *
hulse_user_table_find(const struct user_table *t, enum pulsar_user_kind kind, uint64_t id);
/* Of one that is empty. */
void hulse_user_table_fini(struct user_table *t);

#endif
