/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dedup - which records of which handles a topic has taken.
 *
 * A handle's sequence ids rise. A record is a copy when its id is not above the highest that was
 * taken. It is known to be stored when it is one of those without a gap up to the highest that was
 * stored: one that was refused leaves a gap, and of those before it nobody knows any more.
 *
 *   taken   given to the store, in order
 *   stored  the store has said so, in the same order
 *
 * Threads: the topic's worker.
 * Limits:  memory is counted as HULSE_MEM_TOPIC; a handle stays while it has users, and until it is
 *          forgotten or was not seen for a day once it has stored something.
 */
#ifndef HULSE_BROKER_LOCAL_DEDUP_H
#define HULSE_BROKER_LOCAL_DEDUP_H

#include "daemon/broker/broker.h"

#include <stdbool.h>
#include <stdint.h>

/* A handle that nobody has seen for so long is forgotten; the store's is the same. */
#define HANDLE_TTL_MS (UINT64_C(24) * 60U * 60U * 1000U)

struct handle {
    struct handle *next; /* in its bucket */
    uint8_t id[BROKER_HANDLE_ID_BYTES];
    uint64_t taken;  /* one above the highest, 0 = none */
    uint64_t stored; /* the same: all of [stored_from, stored) are */
    uint64_t stored_from;
    uint64_t ends_ms; /* loop time: without users it is forgotten then */
    uint32_t users;   /* producers and records under way */
    bool forgotten;   /* will not come back: goes with its last user */
};

/* All zeros is an empty table. */
struct dedup {
    struct handle **buckets;
    uint32_t bucket_count; /* a power of two */
    uint32_t count;
};

bool hulse_handle_is_none(const uint8_t id[BROKER_HANDLE_ID_BYTES]);
/* The handle, made if need be; NULL over the memory cap. */
struct handle *hulse_dedup_get(struct dedup *d, const uint8_t id[BROKER_HANDLE_ID_BYTES]);
struct handle *hulse_dedup_find(const struct dedup *d, const uint8_t id[BROKER_HANDLE_ID_BYTES]);
/* Frees one without users. */
void hulse_dedup_remove(struct dedup *d, struct handle *h);
/* Frees all that nobody uses and whose end has come; returns how many. */
uint32_t hulse_dedup_expire(struct dedup *d, uint64_t now_ms);
/* Frees all, used or not. */
void hulse_dedup_clear(struct dedup *d);

/* True: it is new and counts as taken from here on. False: a copy. */
bool hulse_handle_take(struct handle *h, uint64_t seq);
void hulse_handle_stored(struct handle *h, uint64_t seq);
/* Of an earlier start: [from, seq] is stored, and nothing above. */
void hulse_handle_restore(struct handle *h, uint64_t from, uint64_t seq);
bool hulse_handle_has_stored(const struct handle *h, uint64_t seq);

#endif
