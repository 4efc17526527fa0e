/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret - bytes that nobody else should see, immutable and counted, and the place where threads
 * find the newest.
 *
 * The last to release a secret wipes and frees it. A slot holds the one in force; whoever wants it
 * takes hold of it and may keep it as long as it likes, whatever the slot gets meanwhile. Never
 * logged: `generation` is what may be told about it.
 *
 * Threads: a secret: any. A slot: written by one thread, the one that may retire (rcu.h), read by
 *          any thread that has begun to read.
 */
#ifndef HULSE_CORE_SECRET_H
#define HULSE_CORE_SECRET_H

#include "daemon/core/rcu.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Constant but for `holders` and the end once it is in a slot. */
struct secret {
    struct rcu_retired retired; /* the slot's hold, when it has another one */
    _Atomic(uint32_t) holders;
    uint64_t generation; /* grows with each one that a slot gets; the maker's to set */
    _Atomic(uint64_t) expires_wall_ms; /* see below */
    size_t bytes;
    char data[]; /* terminated */
};

struct secret_slot {
    _Atomic(struct secret *) current; /* NULL = none */
};

/* A copy with one holder, without an end; NULL without memory. */
struct secret *hulse_secret_create(const void *data, size_t bytes);
/* Of one that is held already. */
void hulse_secret_hold(struct secret *s);
/* *s becomes NULL. */
void hulse_secret_release(struct secret **s);

/* When it ends, in ms since 1970; 0 = no end is known. The maker may set it again at any time. */
uint64_t hulse_secret_expires_wall_ms(const struct secret *s);
void hulse_secret_set_expires_wall_ms(struct secret *s, uint64_t expires_wall_ms);

/* Takes the caller's hold of `fresh`; NULL empties the slot. The one before is let go. */
void hulse_secret_slot_set(struct secret_slot *slot, struct secret *fresh);
/* The one in force, held for the caller; NULL when there is none. Not inside a read section. */
struct secret *hulse_secret_slot_hold(struct secret_slot *slot);

#endif
