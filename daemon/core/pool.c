/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool - see the header.
 *
 * A free object holds the link to the next one in its first bytes. Under AddressSanitizer the rest
 * of it is poisoned, so a use after give is found like a use after free.
 */
#include "daemon/core/pool.h"

#include "daemon/core/assert.h"

#include <stdalign.h>

#if defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#endif

#ifdef POOL_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(address, bytes) __asan_poison_memory_region((address), (bytes))
#define UNPOISON(address, bytes) __asan_unpoison_memory_region((address), (bytes))
#else
#define POISON(address, bytes) ((void)(address), (void)(bytes))
#define UNPOISON(address, bytes) ((void)(address), (void)(bytes))
#endif

enum { OBJECT_ALIGN = 16 };

struct pool_slab {
    alignas(OBJECT_ALIGN) struct pool_slab *next;
    size_t bytes; /* of the whole slab */
};

struct pool_free {
    struct pool_free *next;
};

void hulse_pool_init(struct pool *p,
                     enum mem_purpose purpose,
                     size_t object_bytes,
                     size_t slab_objects,
                     size_t count_max)
{
    HULSE_ASSERT(object_bytes > 0 && object_bytes <= SIZE_MAX / 2);
    HULSE_ASSERT(slab_objects > 0 && slab_objects <= UINT32_MAX);

    const size_t rounded = (object_bytes + OBJECT_ALIGN - 1) & ~(size_t)(OBJECT_ALIGN - 1);
    HULSE_ASSERT(rounded <= (SIZE_MAX - sizeof(struct pool_slab)) / slab_objects);
    *p = (struct pool){
        .object_bytes = rounded,
        .slab_objects = slab_objects,
        .count_max = count_max,
        .purpose = purpose,
    };
}

void hulse_pool_fini(struct pool *p)
{
    HULSE_ASSERT(p->in_use == 0);

    while (p->slabs != NULL) {
        struct pool_slab *slab = p->slabs;
        p->slabs = slab->next;
        UNPOISON(slab, slab->bytes);
        hulse_mem_free(p->purpose, slab, slab->bytes);
    }
    p->free = NULL;
    p->count = 0;
}

static void put_free(struct pool *p, void *object)
{
    struct pool_free *free = object;

    free->next = p->free;
    p->free = free;
    POISON((char *)object + sizeof(*free), p->object_bytes - sizeof(*free));
}

static bool grow(struct pool *p)
{
    const size_t room = p->count_max - p->count;
    const size_t objects = room < p->slab_objects ? room : p->slab_objects;
    if (objects == 0) {
        return false;
    }
    const size_t bytes = sizeof(struct pool_slab) + objects * p->object_bytes;
    struct pool_slab *slab = hulse_mem_alloc(p->purpose, bytes);
    if (slab == NULL) {
        return false;
    }
    slab->next = p->slabs;
    slab->bytes = bytes;
    p->slabs = slab;
    p->count += objects;
    /* From the last to the first, so that they are taken in the order of their addresses. */
    for (size_t i = objects; i-- > 0;) {
        put_free(p, (char *)(slab + 1) + i * p->object_bytes);
    }
    return true;
}

void *hulse_pool_take(struct pool *p)
{
    if (p->free == NULL && !grow(p)) {
        return NULL;
    }
    struct pool_free *free = p->free;
    p->free = free->next;
    p->in_use++;
    UNPOISON(free, p->object_bytes);
    return free;
}

/* Whether an object of one of the slabs begins here. Used by HULSE_DASSERT only. */
static bool is_ours(const struct pool *p, const void *object)
{
    for (const struct pool_slab *slab = p->slabs; slab != NULL; slab = slab->next) {
        const uintptr_t offset = (uintptr_t)object - (uintptr_t)(slab + 1);
        if (offset < slab->bytes - sizeof(*slab)) {
            return offset % p->object_bytes == 0;
        }
    }
    return false;
}

void hulse_pool_give(struct pool *p, void *object)
{
    HULSE_ASSERT(object != NULL);
    HULSE_ASSERT(p->in_use > 0);
    HULSE_ASSERT(p->free != object);
    HULSE_DASSERT(is_ours(p, object));

    p->in_use--;
    put_free(p, object);
}
