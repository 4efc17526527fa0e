/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool - fixed-size objects of one thread, from slabs that grow up to a bound.
 *
 * Threads: one owner. Limits: count_max objects; take gives NULL beyond it or over the memory cap.
 */
#ifndef HULSE_CORE_POOL_H
#define HULSE_CORE_POOL_H

#include "daemon/core/mem.h"

#include <stddef.h>
#include <stdint.h>

struct pool_slab;
struct pool_free;

struct pool {
    struct pool_slab *slabs;
    struct pool_free *free;
    size_t object_bytes;
    size_t slab_objects;
    size_t count_max;
    size_t count; /* objects in slabs */
    size_t in_use;
    enum mem_purpose purpose;
};

/* object_bytes is rounded up to 16; slab_objects are taken from the system at a time. */
void hulse_pool_init(struct pool *p,
                     enum mem_purpose purpose,
                     size_t object_bytes,
                     size_t slab_objects,
                     size_t count_max);
/* Everything must have been given back. */
void hulse_pool_fini(struct pool *p);
/* Uninitialised memory, 16-aligned, or NULL. */
void *hulse_pool_take(struct pool *p);
void hulse_pool_give(struct pool *p, void *object);

#endif
