/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_table - see the header. Ids are counted up, so their low bits are as good as a hash.
 */
#include "daemon/broker/pulsar/connection/user_table.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

enum { BUCKETS_FIRST = 64 };

static struct pulsar_user_list *bucket_of(const struct user_table *t, uint64_t id)
{
    return &t->buckets[id & (t->bucket_count - 1U)];
}

static bool grow(struct user_table *t)
{
    struct user_table larger = {.bucket_count =
                                    t->bucket_count == 0 ? BUCKETS_FIRST : 2 * t->bucket_count,
                                .count = t->count};
    struct pulsar_user *u = NULL;

    larger.buckets =
        hulse_mem_zalloc(HULSE_MEM_BROKER, larger.bucket_count * sizeof(*larger.buckets));
    if (larger.buckets == NULL) {
        return t->bucket_count != 0;
    }
    for (uint32_t i = 0; i < t->bucket_count; i++) {
        while ((u = LIST_FIRST(&t->buckets[i])) != NULL) {
            LIST_REMOVE(u, by_id);
            LIST_INSERT_HEAD(bucket_of(&larger, u->id), u, by_id);
        }
    }
    hulse_mem_free(HULSE_MEM_BROKER, t->buckets, t->bucket_count * sizeof(*t->buckets));
    *t = larger;
    return true;
}

bool hulse_user_table_add(struct user_table *t, struct pulsar_user *u)
{
    /* Without memory for more buckets the chains grow. */
    if (t->count >= t->bucket_count && !grow(t)) {
        return false;
    }
    t->count++;
    LIST_INSERT_HEAD(bucket_of(t, u->id), u, by_id);
    return true;
}

void hulse_user_table_remove(struct user_table *t, struct pulsar_user *u)
{
    HULSE_ASSERT(t->count > 0);
    t->count--;
    LIST_REMOVE(u, by_id);
}

struct pulsar_user *
hulse_user_table_find(const struct user_table *t, enum pulsar_user_kind kind, uint64_t id)
{
    struct pulsar_user *u = NULL;

    if (t->bucket_count == 0) {
        return NULL;
    }
    LIST_FOREACH(u, bucket_of(t, id), by_id)
    {
        if (u->id == id && u->kind == kind) {
            return u;
        }
    }
    return NULL;
}

void hulse_user_table_fini(struct user_table *t)
{
    HULSE_ASSERT(t->count == 0);
    hulse_mem_free(HULSE_MEM_BROKER, t->buckets, t->bucket_count * sizeof(*t->buckets));
    *t = (struct user_table){0};
}
