/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret - see secret.h.
 *
 * A reader that has found a secret in a slot holds it before its read section ends, and the slot's
 * own hold ends only after every such section has.
 */
#include "daemon/core/secret.h"

#include "daemon/core/assert.h"

#include <stdlib.h>
#include <string.h>

struct secret *hulse_secret_create(const void *data, size_t bytes)
{
    struct secret *s = malloc(sizeof(*s) + bytes + 1);

    if (s == NULL) {
        return NULL;
    }
    memset(s, 0, sizeof(*s));
    atomic_init(&s->holders, 1);
    atomic_init(&s->expires_wall_ms, 0);
    s->bytes = bytes;
    if (bytes > 0) {
        memcpy(s->data, data, bytes);
    }
    s->data[bytes] = '\0';
    return s;
}

void hulse_secret_hold(struct secret *s)
{
    /* Relaxed because the caller, or the slot it was found in, holds it meanwhile. */
    const uint32_t before = atomic_fetch_add_explicit(&s->holders, 1, memory_order_relaxed);

    HULSE_ASSERT(before > 0 && before < UINT32_MAX);
}

void hulse_secret_release(struct secret **secret)
{
    struct secret *s = *secret;

    *secret = NULL;
    /* SYNC(secret.holders) release: what this holder did is done. */
    const uint32_t before = atomic_fetch_sub_explicit(&s->holders, 1, memory_order_release);
    HULSE_ASSERT(before > 0);
    if (before == 1) {
        /* SYNC(secret.holders) acquire: the last to leave wipes after all others have read. */
        (void)atomic_load_explicit(&s->holders, memory_order_acquire);
        explicit_bzero(s->data, s->bytes);
        free(s);
    }
}

/* Relaxed: nothing else is told by it. */
uint64_t hulse_secret_expires_wall_ms(const struct secret *s)
{
    return atomic_load_explicit(&s->expires_wall_ms, memory_order_relaxed);
}

void hulse_secret_set_expires_wall_ms(struct secret *s, uint64_t expires_wall_ms)
{
    atomic_store_explicit(&s->expires_wall_ms, expires_wall_ms, memory_order_relaxed);
}

static void no_reader_is_left(struct rcu_retired *retired)
{
    struct secret *s = HULSE_CONTAINER(retired, struct secret, retired);

    hulse_secret_release(&s);
}

void hulse_secret_slot_set(struct secret_slot *slot, struct secret *fresh)
{
    /* SYNC(secret_slot.current) release: the bytes of `fresh` before its address. */
    struct secret *before = atomic_exchange_explicit(&slot->current, fresh, memory_order_release);

    if (before != NULL) {
        hulse_rcu_retire(&before->retired, no_reader_is_left);
    }
}

struct secret *hulse_secret_slot_hold(struct secret_slot *slot)
{
    hulse_rcu_read_lock();
    /* SYNC(secret_slot.current) acquire: the address before the bytes. */
    struct secret *s = atomic_load_explicit(&slot->current, memory_order_acquire);
    if (s != NULL) {
        hulse_secret_hold(s);
    }
    hulse_rcu_read_unlock();
    return s;
}
