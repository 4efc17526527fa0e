/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_ring - see the header.
 */
#include "daemon/core/log_ring.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <stdio.h>
#include <string.h>

enum { MASK = HULSE_LOG_RING_BYTES - 1 };

_Static_assert((HULSE_LOG_RING_BYTES & MASK) == 0, "positions are masked");
_Static_assert(HULSE_LOG_RING_BYTES >= 4 * HULSE_LOG_RECORD_BYTES, "a ring holds some records");

struct log_ring *hulse_log_ring_create(const char *name)
{
    struct log_ring *ring =
        hulse_mem_alloc_aligned(HULSE_MEM_LOG, alignof(struct log_ring), sizeof(*ring));

    if (ring == NULL) {
        return NULL;
    }
    /* Not the bytes: their pages cost nothing until they are used. */
    memset(ring, 0, offsetof(struct log_ring, bytes));
    (void)snprintf(ring->name, sizeof(ring->name), "%s", name);
    return ring;
}

void hulse_log_ring_destroy(struct log_ring **ring)
{
    hulse_mem_free(HULSE_MEM_LOG, *ring, sizeof(**ring));
    *ring = NULL;
}

size_t hulse_log_ring_put(struct log_ring *ring, const struct log_record *record)
{
    /* Relaxed because this thread is the only writer of both. */
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    const size_t to_end = HULSE_LOG_RING_BYTES - (size_t)(tail & MASK);
    const size_t skip = to_end < record->bytes ? to_end : 0;
    const uint64_t end = tail + skip + record->bytes;
    if (end - ring->head_seen > HULSE_LOG_RING_BYTES) {
        /* SYNC(log.head) acquire: what is overwritten has been read. */
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (end - ring->head_seen > HULSE_LOG_RING_BYTES) {
            const uint64_t dropped = atomic_load_explicit(&ring->dropped, memory_order_relaxed);
            atomic_store_explicit(&ring->dropped, dropped + 1, memory_order_relaxed);
            return 0;
        }
    }
    if (skip != 0) {
        memset(ring->bytes + (tail & MASK), 0, sizeof(record->bytes));
        tail += skip;
    }
    memcpy(ring->bytes + (tail & MASK), record, record->bytes);
    /* SYNC(log.tail) release: the record before its end. */
    atomic_store_explicit(&ring->tail, end, memory_order_release);
    return (size_t)(end - ring->head_seen);
}

uint64_t hulse_log_ring_tail(const struct log_ring *ring)
{
    /* SYNC(log.tail) acquire: records up to here are complete. */
    return atomic_load_explicit(&ring->tail, memory_order_acquire);
}

static void move_head(struct log_ring *ring, uint64_t head)
{
    /* SYNC(log.head) release: reading is over before the room is free. */
    atomic_store_explicit(&ring->head, head, memory_order_release);
}

static const struct log_record *record_at(const struct log_ring *ring, uint64_t position)
{
    return (const struct log_record *)(ring->bytes + (position & MASK));
}

const struct log_record *hulse_log_ring_peek(struct log_ring *ring, uint64_t until)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    if (head >= until) {
        return NULL;
    }
    const struct log_record *record = record_at(ring, head);
    if (record->bytes == 0) {
        /* The rest was too short; a record follows, for no tail lies between the two. */
        head = (head | MASK) + 1;
        move_head(ring, head);
        record = record_at(ring, head);
    }
    HULSE_ASSERT(record->bytes >= sizeof(*record) && record->bytes <= until - head);
    return record;
}

void hulse_log_ring_release(struct log_ring *ring, const struct log_record *record)
{
    const uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    HULSE_ASSERT(record == record_at(ring, head));
    move_head(ring, head + record->bytes);
}
