/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring - the single-producer single-consumer byte ring, both ends.
 *
 * Records lie in a double-mapped ring, so each is contiguous; the writer publishes one position
 * for many records. Either side works on a private handle; the peer's word is loaded only when
 * the cached value says full or empty, range-checked, and a bad value is a result, never an
 * assertion: one end of each ring belongs to a foreign process.
 *
 *      head          read            tail (published)   private tail
 *   ----|--------------|-----------------|------------------|------> position
 *       | given back   | taken, in use   | to be taken      | claimed, not yet visible
 *         by reader
 *
 * Threads: one writer, one reader, each fixed for the ring's life.
 * Trust:   the peer's word is checked (V7). Record bytes are the reader's problem: record.h.
 * Limits:  capacity is a power of two, HULSE_RING_BYTES_MIN..MAX; a record is at most half.
 * See:     ipc B4 for the order table M1..M8. No system calls here: this text is model-checked
 *          (tests/model), fuzzed and shipped.
 */
#ifndef HULSE_RING_RING_H
#define HULSE_RING_RING_H

#include "shmlib/ring/layout.h"

#include <stdbool.h>
#include <string.h>

enum hulse_ring_rc {
    HULSE_RING_OK = 0,
    HULSE_RING_FULL,
    HULSE_RING_EMPTY,
    HULSE_RING_CORRUPT /* the peer's position breaks V7 */
};

/* Writer's private end. Owner: the writing thread. Never in shared memory. */
struct hulse_ring_tx {
    uint8_t *ring;                      /* borrowed: the double mapping, 2 x capacity bytes */
    uint64_t mask;                      /* capacity - 1 */
    uint64_t tail;                      /* end of what is committed */
    uint64_t published;                 /* what the peer may see */
    uint64_t head_seen;                 /* last accepted peer position */
    _Atomic(uint64_t) *tail_word;       /* ours */
    const _Atomic(uint64_t) *head_word; /* the peer's */
};

/* Reader's private end. Owner: the reading thread. */
struct hulse_ring_rx {
    const uint8_t *ring;
    uint64_t mask;
    uint64_t read;                      /* taken up to here */
    uint64_t released;                  /* given back up to here */
    uint64_t tail_seen;                 /* last accepted peer position */
    const _Atomic(uint64_t) *tail_word; /* the peer's */
    _Atomic(uint64_t) *head_word;       /* ours */
};

static inline uint64_t hulse_ring_capacity(uint64_t mask)
{
    return mask + 1;
}

/* Bytes that may be claimed without looking at the peer. */
static inline uint64_t hulse_ring_tx_room(const struct hulse_ring_tx *tx)
{
    return tx->mask + 1 - (tx->tail - tx->head_seen);
}

/*
 * Re-reads the peer's head. CORRUPT when it went back, passed what was published, or is not a
 * multiple of the granule.
 */
static inline enum hulse_ring_rc hulse_ring_tx_refresh(struct hulse_ring_tx *tx)
{
    /* SYNC(ring.head) acquire (M4, M8): the reader no longer touches the bytes we reuse. */
    const uint64_t head = atomic_load_explicit(tx->head_word, memory_order_acquire);
    if (head - tx->head_seen > tx->published - tx->head_seen ||
        (head & (HULSE_RECORD_ALIGN - 1)) != 0) {
        return HULSE_RING_CORRUPT;
    }
    tx->head_seen = head;
    return HULSE_RING_OK;
}

/* Makes sure that `bytes` may be written at the tail; touches the peer's word only if needed. */
static inline enum hulse_ring_rc hulse_ring_tx_reserve(struct hulse_ring_tx *tx, uint64_t bytes)
{
    if (hulse_ring_tx_room(tx) >= bytes) {
        return HULSE_RING_OK;
    }
    const enum hulse_ring_rc rc = hulse_ring_tx_refresh(tx);
    if (rc != HULSE_RING_OK) {
        return rc;
    }
    return hulse_ring_tx_room(tx) >= bytes ? HULSE_RING_OK : HULSE_RING_FULL;
}

/* Address of a position; `capacity` bytes from it are contiguous. */
static inline uint8_t *hulse_ring_tx_at(const struct hulse_ring_tx *tx, uint64_t position)
{
    return tx->ring + (position & tx->mask);
}

/* Commits reserved bytes; nothing is visible before hulse_ring_tx_publish(). */
static inline void hulse_ring_tx_commit(struct hulse_ring_tx *tx, uint64_t bytes)
{
    tx->tail += bytes;
}

static inline void hulse_ring_tx_publish(struct hulse_ring_tx *tx)
{
    tx->published = tx->tail;
    /* SYNC(ring.tail) release (M1, M5): the records' bytes are visible before their position. */
    atomic_store_explicit(tx->tail_word, tx->tail, memory_order_release);
}

/*
 * Re-reads the peer's tail. CORRUPT when it went back, lies further than a capacity beyond what
 * was given back, or is not a multiple of the granule (V7).
 */
static inline enum hulse_ring_rc hulse_ring_rx_refresh(struct hulse_ring_rx *rx)
{
    /* SYNC(ring.tail) acquire (M2, M6): what lies before the position is complete. */
    const uint64_t tail = atomic_load_explicit(rx->tail_word, memory_order_acquire);
    if (tail - rx->tail_seen > rx->released + rx->mask + 1 - rx->tail_seen ||
        (tail & (HULSE_RECORD_ALIGN - 1)) != 0) {
        return HULSE_RING_CORRUPT;
    }
    rx->tail_seen = tail;
    return HULSE_RING_OK;
}

/* Bytes that may be read without looking at the peer. */
static inline uint64_t hulse_ring_rx_ready(const struct hulse_ring_rx *rx)
{
    return rx->tail_seen - rx->read;
}

static inline const uint8_t *hulse_ring_rx_at(const struct hulse_ring_rx *rx, uint64_t position)
{
    return rx->ring + (position & rx->mask);
}

/* Notes that `bytes` have been taken; they stay ours until released. */
static inline void hulse_ring_rx_take(struct hulse_ring_rx *rx, uint64_t bytes)
{
    rx->read += bytes;
}

/* Gives everything before `position` back to the writer. */
static inline void hulse_ring_rx_release(struct hulse_ring_rx *rx, uint64_t position)
{
    rx->released = position;
    /* SYNC(ring.head) release (M3, M7): we have finished reading before the bytes are reused. */
    atomic_store_explicit(rx->head_word, position, memory_order_release);
}

#endif
