/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_db_internal - a database's own fields: what opens it and what writes it.
 */
#ifndef HULSE_STORE_STATE_DB_INTERNAL_H
#define HULSE_STORE_STATE_DB_INTERNAL_H

#include "daemon/store/db_file.h"
#include "daemon/store/state_db.h"

/* What the meta row of a file says. */
struct written {
    uint64_t covered;
    uint64_t indexed;
    uint64_t digest;
};

struct state_db {
    struct state_db_params params;
    struct db_file file;    /* open since the first commit */
    struct written written; /* state.mdb */
    uint64_t copy_covered;  /* by state.good */
    uint64_t room;          /* bytes that state.reserve holds */
};

/* state_db_room.c: as far as the disk has it. */
void hulse_state_db_keep_room(struct state_db *db);
/* True: there is more room on the disk than before. */
bool hulse_state_db_give_room(struct state_db *db);

#endif
