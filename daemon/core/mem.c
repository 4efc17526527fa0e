/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem - see the header.
 *
 * All orders are relaxed because the numbers guard nothing but themselves: memory travels between
 * threads by other means. The sum has a word of its own, so the cap holds at every instant.
 */
#include "daemon/core/mem.h"

#include "daemon/core/assert.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Of the cap. */
#define SPARED_PART 16U

static struct {
    alignas(64) _Atomic(size_t) total;
    _Atomic(size_t) cap;
    _Atomic(uint64_t) refused;
    alignas(64) _Atomic(size_t) used[HULSE_MEM_PURPOSES];
} mem = {.cap = SIZE_MAX}; /* no cap before the configuration has been read */

static const char *const purpose_names[HULSE_MEM_PURPOSES] = {
    [HULSE_MEM_SESSION] = "session",
    [HULSE_MEM_CHANNEL] = "channel",
    [HULSE_MEM_REASSEMBLY] = "reassembly",
    [HULSE_MEM_MESSAGE] = "message",
    [HULSE_MEM_TOPIC] = "topic",
    [HULSE_MEM_TABLE] = "table",
    [HULSE_MEM_ADMIN] = "admin",
    [HULSE_MEM_HTTP] = "http",
    [HULSE_MEM_LOG] = "log",
    [HULSE_MEM_STORE] = "store",
    [HULSE_MEM_BROKER] = "broker",
};

void hulse_mem_init(size_t cap_bytes)
{
    atomic_store_explicit(&mem.cap, cap_bytes, memory_order_relaxed);
    atomic_store_explicit(&mem.refused, 0, memory_order_relaxed);
}

static bool take(enum mem_purpose purpose, size_t bytes, size_t cap)
{
    HULSE_ASSERT((unsigned)purpose < HULSE_MEM_PURPOSES);

    size_t total = atomic_load_explicit(&mem.total, memory_order_relaxed);
    do {
        if (total > cap || bytes > cap - total) {
            (void)atomic_fetch_add_explicit(&mem.refused, 1, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &mem.total, &total, total + bytes, memory_order_relaxed, memory_order_relaxed));
    (void)atomic_fetch_add_explicit(&mem.used[purpose], bytes, memory_order_relaxed);
    return true;
}

bool hulse_mem_take(enum mem_purpose purpose, size_t bytes)
{
    return take(purpose, bytes, hulse_mem_cap());
}

void hulse_mem_give(enum mem_purpose purpose, size_t bytes)
{
    HULSE_ASSERT((unsigned)purpose < HULSE_MEM_PURPOSES);

    const size_t used = atomic_fetch_sub_explicit(&mem.used[purpose], bytes, memory_order_relaxed);
    HULSE_ASSERT(used >= bytes);
    (void)atomic_fetch_sub_explicit(&mem.total, bytes, memory_order_relaxed);
}

/* The system said no after the cap had said yes. */
static void *refused_by_system(enum mem_purpose purpose, size_t bytes)
{
    hulse_mem_give(purpose, bytes);
    (void)atomic_fetch_add_explicit(&mem.refused, 1, memory_order_relaxed);
    return NULL;
}

static void *alloc_taken(enum mem_purpose purpose, size_t bytes)
{
    void *memory = malloc(bytes == 0 ? 1 : bytes);
    return memory != NULL ? memory : refused_by_system(purpose, bytes);
}

void *hulse_mem_alloc(enum mem_purpose purpose, size_t bytes)
{
    return hulse_mem_take(purpose, bytes) ? alloc_taken(purpose, bytes) : NULL;
}

void *hulse_mem_alloc_sparing(enum mem_purpose purpose, size_t bytes)
{
    const size_t cap = hulse_mem_cap();

    return take(purpose, bytes, cap - cap / SPARED_PART) ? alloc_taken(purpose, bytes) : NULL;
}

bool hulse_mem_has_sparing(size_t bytes)
{
    const size_t cap = hulse_mem_cap();
    const size_t total = hulse_mem_total();
    const size_t most = cap - cap / SPARED_PART;

    return total <= most && bytes <= most - total;
}

void *hulse_mem_zalloc(enum mem_purpose purpose, size_t bytes)
{
    if (!hulse_mem_take(purpose, bytes)) {
        return NULL;
    }
    void *memory = calloc(1, bytes == 0 ? 1 : bytes);
    return memory != NULL ? memory : refused_by_system(purpose, bytes);
}

void *hulse_mem_alloc_aligned(enum mem_purpose purpose, size_t alignment, size_t bytes)
{
    HULSE_ASSERT(bytes != 0 && bytes % alignment == 0);

    if (!hulse_mem_take(purpose, bytes)) {
        return NULL;
    }
    void *memory = aligned_alloc(alignment, bytes);
    return memory != NULL ? memory : refused_by_system(purpose, bytes);
}

void hulse_mem_free(enum mem_purpose purpose, void *memory, size_t bytes)
{
    if (memory != NULL) {
        free(memory);
        hulse_mem_give(purpose, bytes);
    }
}

size_t hulse_mem_used(enum mem_purpose purpose)
{
    HULSE_ASSERT((unsigned)purpose < HULSE_MEM_PURPOSES);
    return atomic_load_explicit(&mem.used[purpose], memory_order_relaxed);
}

size_t hulse_mem_total(void)
{
    return atomic_load_explicit(&mem.total, memory_order_relaxed);
}

size_t hulse_mem_cap(void)
{
    return atomic_load_explicit(&mem.cap, memory_order_relaxed);
}

uint64_t hulse_mem_refused(void)
{
    return atomic_load_explicit(&mem.refused, memory_order_relaxed);
}

const char *hulse_mem_name(enum mem_purpose purpose)
{
    HULSE_ASSERT((unsigned)purpose < HULSE_MEM_PURPOSES);
    return purpose_names[purpose];
}
