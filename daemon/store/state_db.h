/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_db - checkpoints of the state on the disk: `state.mdb`, and `state.good`, its last good copy.
 *
 *   open: child looks at state.mdb ──sound──▶ loaded
 *                │ damaged: set aside as state.mdb.damaged-N
 *                └─ state.good ──sound──▶ loaded, the log from where it was made
 *                        │ damaged as well: the rows that are sound, and the whole log; else the log alone
 *
 * A file that cannot be looked at (no process, no memory, no permission) is not damaged: the open fails, and both stay as
 * they are.
 *
 * The first commit after an open writes a new file and puts it in the other's place: damage in pages that nobody
 * reads is not written upon.
 *
 * Beside them lies `state.reserve`, which only holds room on the disk for one more of each: on a full one a commit or a
 * copy uses it.
 *
 * Threads: open by main before others exist; commit, copy and close by one at a time.
 * Limits:  the file grows up to map_bytes. A commit that meets that leaves the growing part out.
 */
#ifndef HULSE_STORE_STATE_DB_H
#define HULSE_STORE_STATE_DB_H

#include "daemon/core/error.h"
#include "daemon/store/state.h"

#include <stdbool.h>
#include <stdint.h>

#define STATE_DB_MAP_BYTES (UINT64_C(1) << 36U)
#define STATE_DB_DAMAGED_MAX 4U /* files that are kept of each kind; the oldest goes */

struct state_db;

struct state_db_params {
    const char *directory; /* borrowed while open */
    uint32_t segment_bytes;
    uint32_t handle_ttl_ms;
    uint64_t map_bytes; /* 0: STATE_DB_MAP_BYTES */
    bool look_only;     /* open sets nothing aside */
    bool had_one;       /* there was a state in this directory: not to find one is a loss */
};

/* What an open found. */
struct state_db_found {
    bool none;       /* neither was there, and nothing says that there ever was one */
    bool loaded;     /* one of the two was, whole or in part */
    bool state_lost; /* state.mdb was missing or damaged, and is set aside */
    bool copy_lost;  /* so was state.good */
    bool copy_used;
    uint64_t bad_rows;   /* left out */
    uint64_t scan_from;  /* the log has to be applied from here: 0 = from its beginning */
    uint64_t covered;    /* what state.mdb, or the copy in its place, said of itself */
    char state_why[160]; /* in words, when lost */
    char copy_why[160];
};

/* Gives *out and *state, an empty one when nothing could be read. NO_MEMORY, DENIED or IO: nothing is known of them. */
hulse_status hulse_state_db_open(struct state_db **out,
                                 struct state **state,
                                 const struct state_db_params *params,
                                 struct state_db_found *found,
                                 struct error *err);
/*
 * Writes a checkpoint and syncs it. LIMIT: only topics and cursors had room: segments that it covers are covered, and
 * hulse_state_all_changed() has to be called. Any other failure: nothing was changed, the same has to be called.
 */
hulse_status
hulse_state_db_commit(struct state_db *db, const struct checkpoint *cp, struct error *err);
/* A whole checkpoint into a directory where nobody has a store. */
hulse_status hulse_state_db_write(const struct state_db_params *params,
                                  const struct checkpoint *cp,
                                  struct error *err);
/* Makes state.good a copy of what was committed last, read through before it takes the other's place. */
hulse_status hulse_state_db_copy(struct state_db *db, struct error *err);
/* Up to where the log is not needed for the state: by both files. 0: not at all. */
uint64_t hulse_state_db_covered(const struct state_db *db);
uint64_t hulse_state_db_copy_covered(const struct state_db *db);
void hulse_state_db_close(struct state_db **db);

#endif
