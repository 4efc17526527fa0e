/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space - which segment files there are: in use, spare, prepared as the next one, in reserve; and who may have one more.
 *
 * The reserve is files that have their space on the disk. Messages take no segment unless it is whole; control records
 * take the next one from it when there is no other, so that acknowledgements make room also on a full disk. One
 * is left for a start, which has to write before it can free anything.
 *
 * A store that may have many files has one more there when it gets tight, for what is moved out of segments that are mostly dead
 * (copy.h): it makes more room than it takes. Messages leave it when there are no more files to be had; when control records
 * have used it, what is moved takes one of theirs. With few files
 * what is moved has the room that messages have: when they have none, nothing is moved.
 *
 * Threads: whoever holds the store's lock, but for what is said otherwise.
 * Limits:  files_max files, the reserve included; a store that has more already still has its reserve.
 */
#ifndef HULSE_STORE_SPACE_H
#define HULSE_STORE_SPACE_H

#include "daemon/store/segment.h"
#include "daemon/store/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPACE_RESERVE 3U
#define SPACE_RESERVE_START 1U           /* of these, for a start */
#define SPACE_NAMES (SPACE_RESERVE + 1U) /* of these files, with the one for what is moved */
#define SPACE_FILES_MIN 8U
#define SPACE_FILES_MANY 20U /* so many have one for what is moved */

/* Who wants to write. */
enum space_user { SPACE_CONTROL, SPACE_COPY, SPACE_MESSAGE };

struct space {
    uint32_t segment_bytes;
    size_t files_max;
    size_t room;    /* of both lists */
    uint64_t *used; /* numbers, rising; the last one is written to */
    size_t used_count;
    uint64_t *spare;
    size_t spare_count;
    struct segment next;       /* fd -1: not ready */
    bool reserve[SPACE_NAMES]; /* is the file of SEGMENT_RESERVE(i) there? */
    bool no_disk;              /* the last file that was to be made had no room on the disk */
    bool preparing;            /* the reader makes a file */
    bool in_hand;              /* of one that was there */
    bool taking;               /* out of the reserve, for the next segment */
    uint64_t reading;          /* the reader reads it: 0 = none */
    bool held;                 /* a backup copies what is used: nothing becomes spare */
    bool kept;                 /* one was needed by those two alone: who ends tells the writer */
    uint64_t covered;  /* checkpoint and copy cover the log below; 0: there is no checkpoint */
    uint64_t wait_for; /* one is free when checkpoint and copy cover this; 0: none waits */
};

/* `files`: how many there are already, which may be more than files_max. False: no memory. */
bool hulse_space_init(struct space *sp, uint64_t size_max, uint32_t segment_bytes, size_t files);
void hulse_space_fini(struct space *sp);

void hulse_space_add_used(struct space *sp, uint64_t number);
void hulse_space_add_spare(struct space *sp, uint64_t number);
/* May the segment in use be written to by them? */
bool hulse_space_takes(const struct space *sp, enum space_user user);
/* May the log grow into one more segment, which is there or will be? */
bool hulse_space_may_grow(const struct space *sp, enum space_user user);
/*
 * Messages only: may the log leave the segment in use, of which nobody needs anything, for the prepared one although the
 * reserve lacks a file? What is left becomes that file; until then the new segment takes no messages.
 */
bool hulse_space_may_move_on(const struct space *sp, struct state *state);
/* Is more than half of what messages may have in use? */
bool hulse_space_is_tight(const struct space *sp);
/* Takes the prepared one, which is used now. False: it is not ready. */
bool hulse_space_enter_next(struct space *sp, struct segment *out);
/* Makes spare what nobody needs; returns how many. */
size_t hulse_space_free(struct space *sp, struct state *state);

/* What the reader has to do: the next segment first, then the reserve. */
enum space_task {
    SPACE_NOTHING,
    SPACE_REUSE,  /* the file of *old becomes the next segment, *number */
    SPACE_CREATE, /* *number is made */
    SPACE_PUT_BY, /* the file of *old becomes *number, of the reserve */
    SPACE_RESERVE_MAKE
};
/* Sets sp->preparing, *number and *old (0: none). `may_create`: not so soon after the disk had no room. */
enum space_task
hulse_space_begin(struct space *sp, bool may_create, uint64_t *number, uint64_t *old);
/* What was begun has ended, or failed with an error number; `seg`: of the next segment, else NULL. */
void hulse_space_end(
    struct space *sp, struct segment *seg, uint64_t number, uint64_t old, int failed);

#endif
