/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_ring - records from one thread to the writer, never waiting: a full ring drops and counts.
 *
 * Records lie in one piece; a zero length where the next one should begin means "go on at the
 * start".
 *
 * Threads: one puts, one peeks and releases. Limits: HULSE_LOG_RING_BYTES.
 */
#ifndef HULSE_CORE_LOG_RING_H
#define HULSE_CORE_LOG_RING_H

#include "daemon/core/log_record.h"

#include <stdalign.h>

#define HULSE_LOG_RING_BYTES 32768U
#define HULSE_LOG_NAME_BYTES 24U

struct log_ring {
    /* Written by the thread that logs. */
    alignas(64) _Atomic(uint64_t) tail;
    _Atomic(uint64_t) dropped;
    _Atomic(uint32_t) closed; /* nothing comes any more */
    uint64_t head_seen;
    char name[HULSE_LOG_NAME_BYTES];
    /* Written by the writer. */
    alignas(64) _Atomic(uint64_t) head;
    uint64_t dropped_reported;
    alignas(64) unsigned char bytes[HULSE_LOG_RING_BYTES];
};

/* Counted in HULSE_MEM_LOG; NULL over the cap. */
struct log_ring *hulse_log_ring_create(const char *name);
void hulse_log_ring_destroy(struct log_ring **ring);

/* The bytes in use afterwards, 0 when the ring is full and the record was dropped. */
size_t hulse_log_ring_put(struct log_ring *ring, const struct log_record *record);

/* Everything below this position has been put completely. */
uint64_t hulse_log_ring_tail(const struct log_ring *ring);
/* The oldest record before `until` (a tail seen earlier), NULL if there is none. */
const struct log_record *hulse_log_ring_peek(struct log_ring *ring, uint64_t until);
/* Gives back the record that peek gave. */
void hulse_log_ring_release(struct log_ring *ring, const struct log_record *record);

#endif
