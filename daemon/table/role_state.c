/* SPDX-License-Identifier: Apache-2.0 */
/*
 * role_state - see role_state.h.
 *
 * What is counted is relaxed because the numbers guard nothing but themselves.
 */
#include "daemon/table/role_state.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct role_state *hulse_role_state_create(const char *name)
{
    struct role_state *s =
        hulse_mem_alloc_aligned(HULSE_MEM_TABLE, alignof(struct role_state), sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    memset(s, 0, sizeof(*s));
    atomic_init(&s->holders, 1);
    (void)snprintf(s->name, sizeof(s->name), "%s", name);
    return s;
}

struct role_state *hulse_role_state_hold(struct role_state *s)
{
    const uint32_t before = atomic_fetch_add_explicit(&s->holders, 1, memory_order_relaxed);

    HULSE_ASSERT(before > 0);
    return s;
}

void hulse_role_state_release(struct role_state **state)
{
    struct role_state *s = *state;

    *state = NULL;
    if (s == NULL) {
        return;
    }
    /* SYNC(role_state.holders) release: what this holder did is done. */
    const uint32_t before = atomic_fetch_sub_explicit(&s->holders, 1, memory_order_release);
    HULSE_ASSERT(before > 0);
    if (before == 1) {
        /* SYNC(role_state.holders) acquire: the last to leave sees what the others did. */
        (void)atomic_load_explicit(&s->holders, memory_order_acquire);
        hulse_mem_free(HULSE_MEM_TABLE, s, sizeof(*s));
    }
}

bool hulse_role_state_session_take(struct role_state *s)
{
    const uint32_t max = atomic_load_explicit(&s->sessions_max, memory_order_relaxed);
    uint32_t sessions = atomic_load_explicit(&s->sessions, memory_order_relaxed);

    do {
        if (max != 0 && sessions >= max) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &s->sessions, &sessions, sessions + 1, memory_order_relaxed, memory_order_relaxed));
    return true;
}

void hulse_role_state_session_give(struct role_state *s)
{
    const uint32_t before = atomic_fetch_sub_explicit(&s->sessions, 1, memory_order_relaxed);

    HULSE_ASSERT(before > 0);
}

bool hulse_role_state_bytes_take(struct role_state *s, uint64_t bytes)
{
    const uint64_t limit = atomic_load_explicit(&s->memory_max, memory_order_relaxed);
    const uint64_t max = limit != 0 ? limit : UINT64_MAX;
    uint64_t used = atomic_load_explicit(&s->bytes, memory_order_relaxed);

    do {
        if (used > max || bytes > max - used) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &s->bytes, &used, used + bytes, memory_order_relaxed, memory_order_relaxed));
    return true;
}

void hulse_role_state_bytes_give(struct role_state *s, uint64_t bytes)
{
    const uint64_t before = atomic_fetch_sub_explicit(&s->bytes, bytes, memory_order_relaxed);

    HULSE_ASSERT(before >= bytes);
}
