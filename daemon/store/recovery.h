/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recovery - reads the log behind the checkpoint into the state, and finds where it ends.
 *
 * A group is written only when the one before it is synced. So what is broken in the last group of the log was
 * perhaps never finished: the log ends before it, and what is left of it is overwritten with zeros, so that it
 * cannot come back when other records stand before it. What is broken earlier is damage: skipped and counted.
 *
 * Threads: the opener.
 * Trust:   every file may hold anything, or be gone.
 */
#ifndef HULSE_STORE_RECOVERY_H
#define HULSE_STORE_RECOVERY_H

#include "daemon/core/error.h"
#include "daemon/store/segment.h"
#include "daemon/store/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recovery {
    /* In. */
    struct segment_place at;
    const uint64_t *numbers; /* of the files, rising */
    size_t count;
    struct state *state;
    uint64_t from;  /* the checkpoint's lsn; 0: none */
    bool look_only; /* nothing is overwritten */
    uint32_t
        ended_in; /* a clean stop of this epoch is the end: nothing behind it is looked at; 0: unknown */
    /* In and out. */
    struct store_report *report;
    /* Out. */
    uint64_t
        end_number; /* the segment that the log ends in; 0: there is none, a new one begins it */
    uint32_t end_offset;
    uint64_t last_number; /* nothing above was ever used */
    uint32_t group;       /* the next one */
    uint32_t epoch;       /* the greatest seen */
    bool ended;           /* its last record says that it was stopped as asked */
    /* Its own: segments in the index as it was loaded that are not there, and may have been used again. */
    uint64_t *missing;
    size_t missing_count;
    bool missing_known;
};

hulse_status hulse_recover(struct recovery *r, struct error *err);

/*
 * Parts of it. What segments have lost that hold messages by the index, before anything is written to them; 0, or the
 * error number. Then those behind the checkpoint that are not there.
 */
int hulse_recovery_judge_segments(struct recovery *r);
/*
 * A cursor is about to go back, or one comes: segments that nobody waits for and that are not there were used again before
 * that, and are not missed by it.
 */
void hulse_recovery_forget_segments(struct recovery *r);
void hulse_recovery_count_missing(struct recovery *r);

#endif
