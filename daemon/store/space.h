/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space - which segment files there are: in use, spare, prepared as the next one; and who may have one more.
 *
 * Threads: whoever holds the store's lock, but for what is said otherwise.
 * Limits:  files_max files; SPACE_RESERVE of them are for control records alone.
 */
#ifndef HULSE_STORE_SPACE_H
#define HULSE_STORE_SPACE_H

#include "daemon/store/segment.h"
#include "daemon/store/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPACE_RESERVE 2U
#define SPACE_FILES_MIN 8U

struct space {
    uint32_t segment_bytes;
    size_t files_max;
    uint64_t *used; /* numbers, rising; the last one is written to */
    size_t used_count;
    uint64_t *spare;
    size_t spare_count;
    struct segment next; /* fd -1: not ready */
    bool preparing;      /* the reader makes one */
    uint64_t reading;    /* the reader reads it: 0 = none */
    bool held;           /* a backup copies what is used: nothing becomes spare */
    uint64_t covered;    /* checkpoint and copy cover the log below; 0: there is no checkpoint */
    uint64_t wait_for;   /* one is free when checkpoint and copy cover this; 0: none waits */
};

/* `files`: how many there are already, which may be more than files_max. False: no memory. */
bool hulse_space_init(struct space *sp, uint64_t size_max, uint32_t segment_bytes, size_t files);
void hulse_space_fini(struct space *sp);

void hulse_space_add_used(struct space *sp, uint64_t number);
void hulse_space_add_spare(struct space *sp, uint64_t number);
/* May the log grow into one more segment? */
bool hulse_space_may_grow(const struct space *sp, bool message);
/* Takes the prepared one, which is used now. False: it is not ready. */
bool hulse_space_enter_next(struct space *sp, struct segment *out);
/* Makes spare what nobody needs; returns how many. */
size_t hulse_space_free(struct space *sp, struct state *state);

/* What the reader has to do to prepare the next one. */
enum space_task { SPACE_NOTHING, SPACE_REUSE, SPACE_CREATE };
/* Sets sp->preparing and *number; *old is the file that is used again. */
enum space_task hulse_space_begin_next(struct space *sp, uint64_t *number, uint64_t *old);
/* It is ready (fd >= 0), or failed: `old` is spare again when it was reused. */
void hulse_space_end_next(struct space *sp, struct segment *seg, uint64_t old);

#endif
