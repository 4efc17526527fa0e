/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocator - see the header.
 */
#include "daemon/core/allocator.h"

#ifdef HULSE_JEMALLOC

#include <jemalloc/jemalloc.h>

#include <stdatomic.h>
#include <stddef.h>

/* The daemon's library is linked into programs without jemalloc, too: NULL there. */
#pragma weak mallctl

static _Atomic(uint64_t) arenas_made;

static bool present(void)
{
    return mallctl != NULL;
}

bool hulse_allocator_background(void)
{
    bool on = true;

    return !present() || mallctl("background_thread", NULL, NULL, &on, sizeof(on)) == 0;
}

bool hulse_allocator_own_arena(void)
{
    unsigned arena = 0;
    size_t bytes = sizeof(arena);

    if (!present()) {
        return true;
    }
    if (mallctl("arenas.create", &arena, &bytes, NULL, 0) != 0 ||
        mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena)) != 0) {
        return false;
    }
    /* Relaxed because it is a count to show. */
    (void)atomic_fetch_add_explicit(&arenas_made, 1, memory_order_relaxed);
    return true;
}

static uint64_t figure(const char *name)
{
    size_t value = 0;
    size_t bytes = sizeof(value);

    return mallctl(name, &value, &bytes, NULL, 0) == 0 ? value : 0;
}

bool hulse_allocator_figures(struct allocator_figures *out)
{
    uint64_t epoch = 1;
    size_t bytes = sizeof(epoch);

    /* Without a new epoch the figures are those of the last one. */
    if (!present() || mallctl("epoch", &epoch, &bytes, &epoch, sizeof(epoch)) != 0) {
        return false;
    }
    *out = (struct allocator_figures){
        .allocated = figure("stats.allocated"),
        .active = figure("stats.active"),
        .metadata = figure("stats.metadata"),
        .resident = figure("stats.resident"),
        .mapped = figure("stats.mapped"),
        .retained = figure("stats.retained"),
        .arenas = atomic_load_explicit(&arenas_made, memory_order_relaxed),
    };
    return true;
}

#else

bool hulse_allocator_background(void)
{
    return true;
}

bool hulse_allocator_own_arena(void)
{
    return true;
}

bool hulse_allocator_figures(struct allocator_figures *out)
{
    (void)out;
    return false;
}

#endif
