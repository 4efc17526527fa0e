/* SPDX-License-Identifier: Apache-2.0 */
/*
 * played_store - a store without files for its log: random frames are applied, checkpoints committed and copied,
 * segments forgotten as soon as both files cover them. What a start does is played as well.
 */
#ifndef HULSE_TESTS_STORE_PLAYED_STORE_H
#define HULSE_TESTS_STORE_PLAYED_STORE_H

#include "daemon/store/state_db.h"
#include "tests/unit/daemon/store/random_frames.h"

enum { PLAYED_SEGMENTS = 4096, PLAYED_DIR_BYTES = 64 };

struct played_store {
    struct random_frames frames;
    struct state *state;
    struct state_db *db;
    struct state_db_found found; /* by the last open */
    struct state_db_params params;
    char directory[PLAYED_DIR_BYTES];
    uint64_t now_ms;
    unsigned commits;
    unsigned reduced;                /* commits that had no room for everything */
    bool forgotten[PLAYED_SEGMENTS]; /* by number */
    bool keep_segments;              /* none is forgotten */
};

/* A directory of its own, with nothing in it. */
void hulse_played_init(struct played_store *p, uint64_t seed, uint64_t map_bytes);
/* Ends the processes' part; files stay. */
void hulse_played_stop(struct played_store *p);
/* And removes the directory. */
void hulse_played_fini(struct played_store *p);
/* Some frames; with checkpoints, copies and forgetting between. False: the log is at its end. */
bool hulse_played_run(struct played_store *p, unsigned frames);
void hulse_played_checkpoint(struct played_store *p, bool copy);
/* Opens, applies what the log still has from where it has to. */
void hulse_played_start(struct played_store *p);
/* Of a file in the directory; static. */
const char *hulse_played_path(const struct played_store *p, const char *name);

#endif
