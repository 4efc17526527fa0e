/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_table - name -> entry, a hash table under RCU.
 *
 * An entry is constant once published; a change is a new entry in its place, which takes over its
 * state. A topic that no handle has used for a while is taken out.
 *
 * Threads: find: readers registered with RCU, inside a read section. The rest: the one writer.
 * Limits:  entries_max.
 */
#ifndef HULSE_TABLE_TOPIC_TABLE_H
#define HULSE_TABLE_TOPIC_TABLE_H

#include "daemon/core/rcu.h"
#include "daemon/table/topic_rules.h"
#include "daemon/table/topic_state.h"

struct topic_entry {
    struct cds_lfht_node node;
    struct rcu_retired retired;
    uint64_t hash;
    uint64_t generation;                   /* of the reading that `settings` come from */
    const struct topic_settings *settings; /* held */
    struct topic_state *state;
    bool keeps_state; /* false: its successor has taken it over; the writer's */
    size_t bytes;
    char name[];
};

struct topic_table {
    struct cds_lfht *entries;
    uint32_t count;
    uint32_t buckets;
    uint32_t entries_max;
};

/* False without memory. */
bool hulse_topic_table_init(struct topic_table *t, uint32_t entries_max);
/* No reader is left. */
void hulse_topic_table_fini(struct topic_table *t);
/* NULL: there is none. Borrows until the read section ends. */
const struct topic_entry *hulse_topic_table_find(const struct topic_table *t, const char *name);
/* Makes an entry unless there is one. LIMIT, NO_MEMORY. */
hulse_status hulse_topic_table_ensure(struct topic_table *t,
                                      const char *name,
                                      const struct topic_rules *rules,
                                      uint64_t generation);
/* Every entry anew from these rules; one for which there is no memory stays as it is. */
void hulse_topic_table_refresh(struct topic_table *t,
                               const struct topic_rules *rules,
                               uint64_t generation);
/* Takes out what was found unused `sweeps` times in a row. */
void hulse_topic_table_sweep(struct topic_table *t, uint32_t sweeps);

#endif
