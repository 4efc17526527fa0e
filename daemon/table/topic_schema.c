/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_schema - see the header.
 */
#include "daemon/table/topic_schema.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <string.h>

struct topic_schema *
hulse_topic_schema_create(uint32_t type, bool validate, const char *text, size_t bytes)
{
    struct topic_schema *s = hulse_mem_zalloc(HULSE_MEM_TABLE, sizeof(*s) + bytes);

    if (s != NULL) {
        atomic_init(&s->holders, 1);
        s->type = type;
        s->validate = validate;
        s->bytes = bytes;
        if (bytes > 0) {
            memcpy(s->text, text, bytes);
        }
    }
    return s;
}

struct topic_schema *hulse_topic_schema_hold(struct topic_schema *s)
{
    /* Relaxed because the caller's holder keeps it. */
    const uint32_t before = atomic_fetch_add_explicit(&s->holders, 1, memory_order_relaxed);

    HULSE_ASSERT(before > 0);
    return s;
}

void hulse_topic_schema_release(struct topic_schema **schema)
{
    struct topic_schema *s = *schema;

    *schema = NULL;
    /* SYNC(topic_schema.end) release: what each holder did comes before the end. */
    if (s == NULL || atomic_fetch_sub_explicit(&s->holders, 1, memory_order_release) != 1) {
        return;
    }
    /* SYNC(topic_schema.end) acquire: all of that is seen by the last one. */
    (void)atomic_load_explicit(&s->holders, memory_order_acquire);
    void *made = hulse_topic_schema_made(s);
    if (made != NULL) {
        topic_schema_unmake *unmake = atomic_load_explicit(&s->unmake, memory_order_relaxed);
        unmake(made);
    }
    hulse_mem_free(HULSE_MEM_TABLE, s, sizeof(*s) + s->bytes);
}

void *hulse_topic_schema_made(struct topic_schema *s)
{
    /* SYNC(topic_schema.made) acquire: the whole of it is seen. */
    return atomic_load_explicit(&s->made, memory_order_acquire);
}

void *hulse_topic_schema_make(struct topic_schema *s, void *made, topic_schema_unmake *unmake)
{
    void *there = NULL;

    /* Relaxed because it is the same of everybody, and `made` comes behind it. */
    atomic_store_explicit(&s->unmake, unmake, memory_order_relaxed);
    /* SYNC(topic_schema.made) release: it is whole before others see it. */
    if (atomic_compare_exchange_strong_explicit(
            &s->made, &there, made, memory_order_acq_rel, memory_order_acquire)) {
        return made;
    }
    unmake(made);
    return there;
}
