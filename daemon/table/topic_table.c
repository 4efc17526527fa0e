/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_table - see topic_table.h.
 *
 * A replaced entry is still read by who found it before. Its state outlives it all the same: the
 * successor holds the state and can itself be freed only after those readers have left.
 */
#include "daemon/table/topic_table.h"

#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/core/mem.h"

#include <string.h>

static uint64_t hash_of(const char *name)
{
    const uint64_t hash = hulse_hash_text(name);

    return hash ^ (hash >> 32U);
}

static struct topic_entry *entry_of(struct cds_lfht_node *node)
{
    return caa_container_of(node, struct topic_entry, node);
}

static struct topic_entry *entry_at(struct cds_lfht_iter *it)
{
    struct cds_lfht_node *node = cds_lfht_iter_get_node(it);

    return node == NULL ? NULL : entry_of(node);
}

/* In place of liburcu's loop, which computes with a null pointer at its end. */
static struct topic_entry *first(const struct topic_table *t, struct cds_lfht_iter *it)
{
    cds_lfht_first(t->entries, it);
    return entry_at(it);
}

static struct topic_entry *next(const struct topic_table *t, struct cds_lfht_iter *it)
{
    cds_lfht_next(t->entries, it);
    return entry_at(it);
}

static int same_name(struct cds_lfht_node *node, const void *key)
{
    HULSE_TSAN_ACQUIRE(node);
    return strcmp(entry_of(node)->name, key) == 0;
}

static struct topic_entry *create(const char *name,
                                  struct topic_state *state,
                                  const struct topic_rules *rules,
                                  uint64_t generation)
{
    const size_t name_bytes = strlen(name) + 1;
    const size_t bytes = sizeof(struct topic_entry) + name_bytes;
    struct topic_entry *e = hulse_mem_zalloc(HULSE_MEM_TABLE, bytes);

    if (e != NULL) {
        e->hash = hash_of(name);
        e->generation = generation;
        e->settings = hulse_topic_settings_hold(hulse_topic_rules_find(rules, name));
        e->state = state;
        e->keeps_state = true;
        e->bytes = bytes;
        memcpy(e->name, name, name_bytes);
    }
    return e;
}

static void reclaim(struct rcu_retired *retired)
{
    struct topic_entry *e = caa_container_of(retired, struct topic_entry, retired);

    if (e->keeps_state) {
        hulse_topic_state_release(&e->state);
    }
    hulse_topic_settings_release(&e->settings);
    hulse_mem_free(HULSE_MEM_TABLE, e, e->bytes);
}

static void take_out(struct topic_table *t, struct topic_entry *e)
{
    const int failed = cds_lfht_del(t->entries, &e->node);

    HULSE_ASSERT(failed == 0);
    hulse_rcu_retire(&e->retired, reclaim);
    t->count -= 1;
}

bool hulse_topic_table_init(struct topic_table *t, uint32_t entries_max)
{
    *t = (struct topic_table){.entries = hulse_rcu_table_new(),
                              .buckets = HULSE_RCU_BUCKETS_MIN,
                              .entries_max = entries_max};
    return t->entries != NULL;
}

void hulse_topic_table_fini(struct topic_table *t)
{
    struct cds_lfht_iter it;
    struct topic_entry *e = NULL;

    hulse_rcu_read_lock();
    for (e = first(t, &it); e != NULL; e = next(t, &it)) {
        take_out(t, e);
    }
    hulse_rcu_read_unlock();
    hulse_rcu_drain();
    hulse_rcu_table_destroy(&t->entries);
}

const struct topic_entry *hulse_topic_table_find(const struct topic_table *t, const char *name)
{
    HULSE_ASSERT(hulse_rcu_reading());

    struct cds_lfht_node *node = hulse_rcu_find(t->entries, hash_of(name), same_name, name);
    return node == NULL ? NULL : entry_of(node);
}

/* About one entry a bucket; a quarter before it shrinks, so that nothing goes to and fro. */
static void resize(struct topic_table *t)
{
    uint32_t buckets = t->buckets;

    while (t->count > buckets) {
        buckets *= 2;
    }
    while (buckets > HULSE_RCU_BUCKETS_MIN && t->count < buckets / 4) {
        buckets /= 2;
    }
    if (buckets != t->buckets) {
        hulse_rcu_table_resize(t->entries, buckets);
        t->buckets = buckets;
    }
}

hulse_status hulse_topic_table_ensure(struct topic_table *t,
                                      const char *name,
                                      const struct topic_rules *rules,
                                      uint64_t generation)
{
    hulse_rcu_read_lock();
    const bool found = hulse_topic_table_find(t, name) != NULL;
    hulse_rcu_read_unlock();
    if (found) {
        return HULSE_OK;
    }
    if (t->count >= t->entries_max) {
        return HULSE_LIMIT;
    }
    struct topic_state *state = hulse_topic_state_create();
    struct topic_entry *e = state == NULL ? NULL : create(name, state, rules, generation);
    if (e == NULL) {
        if (state != NULL) {
            hulse_topic_state_release(&state);
        }
        return HULSE_NO_MEMORY;
    }
    hulse_rcu_add(t->entries, e->hash, &e->node);
    t->count += 1;
    resize(t);
    return HULSE_OK;
}

static void replace(struct topic_table *t,
                    struct cds_lfht_iter *at,
                    const struct topic_rules *rules,
                    uint64_t generation)
{
    struct topic_entry *old = entry_at(at);
    struct topic_entry *fresh = create(old->name, old->state, rules, generation);

    if (fresh == NULL) {
        return; /* readers see its old generation and look the rule up themselves */
    }
    HULSE_TSAN_RELEASE(&fresh->node);
    const int failed =
        cds_lfht_replace(t->entries, at, old->hash, same_name, old->name, &fresh->node);
    HULSE_ASSERT(failed == 0);
    old->keeps_state = false;
    hulse_rcu_retire(&old->retired, reclaim);
}

void hulse_topic_table_refresh(struct topic_table *t,
                               const struct topic_rules *rules,
                               uint64_t generation)
{
    struct cds_lfht_iter it;
    struct topic_entry *e = NULL;

    hulse_rcu_read_lock();
    for (e = first(t, &it); e != NULL;) {
        struct cds_lfht_iter at = it;
        const bool old = e->generation != generation;
        e = next(t, &it);
        if (old) {
            replace(t, &at, rules, generation);
        }
    }
    hulse_rcu_read_unlock();
}

/* True: unused long enough, and from now on nobody can take hold of it. */
static bool ended(struct topic_entry *e, uint32_t sweeps)
{
    if (hulse_topic_state_in_use(e->state)) {
        e->state->idle_sweeps = 0;
        return false;
    }
    e->state->idle_sweeps += 1;
    return e->state->idle_sweeps >= sweeps && hulse_topic_state_end(e->state);
}

void hulse_topic_table_sweep(struct topic_table *t, uint32_t sweeps)
{
    struct cds_lfht_iter it;
    struct topic_entry *e = NULL;

    hulse_rcu_read_lock();
    for (e = first(t, &it); e != NULL; e = next(t, &it)) {
        if (ended(e, sweeps)) {
            take_out(t, e);
        }
    }
    hulse_rcu_read_unlock();
    resize(t);
}
