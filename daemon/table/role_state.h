/* SPDX-License-Identifier: Apache-2.0 */
/*
 * role_state - what a role keeps over reloads: its bucket, and what its sessions take.
 *
 * Threads: any; the limits are written by the writer of the tables.
 */
#ifndef HULSE_TABLE_ROLE_STATE_H
#define HULSE_TABLE_ROLE_STATE_H

#include "daemon/table/bucket.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#define HULSE_ROLE_NAME_BYTES 128U

struct role_state {
    _Atomic(uint32_t) holders;
    /* 0 = no limit; written by the writer of the tables. */
    _Atomic(uint32_t) sessions_max;
    _Atomic(uint64_t) memory_max;
    _Atomic(uint32_t) sessions;
    _Atomic(uint64_t) bytes; /* rings and tables of its sessions */
    alignas(64) struct bucket_pair rate;
    char name[HULSE_ROLE_NAME_BYTES]; /* cut to fit, for people */
};

/* With one holder; NULL over the memory cap. */
struct role_state *hulse_role_state_create(const char *name);
struct role_state *hulse_role_state_hold(struct role_state *s);
/* *s becomes NULL; harmless on NULL. */
void hulse_role_state_release(struct role_state **s);

/* One more session, or some bytes more; false over the role's limit. */
bool hulse_role_state_session_take(struct role_state *s);
void hulse_role_state_session_give(struct role_state *s);
bool hulse_role_state_bytes_take(struct role_state *s, uint64_t bytes);
void hulse_role_state_bytes_give(struct role_state *s, uint64_t bytes);

#endif
