/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_check - is a database file fit to be read? A child process finds out, because LMDB's pages have no checksum and one
 * flipped bit may end whoever reads them.
 *
 * Damage is what is proven: by what was read, or by a child that it ended. No process, no memory, no permission, a child
 * that was killed: these say nothing about the file.
 *
 * Thread: main, before the filter of the sandbox. Blocks: as long as reading the file takes, at most until the limit.
 */
#ifndef HULSE_STORE_DB_CHECK_H
#define HULSE_STORE_DB_CHECK_H

#include "daemon/core/error.h"

#include <stdbool.h>
#include <stdint.h>

enum db_verdict {
    DB_SOUND = 0,
    DB_MISSING,    /* no such file */
    DB_ROWS_BAD,   /* can be walked; some rows are not what was written */
    DB_UNREADABLE, /* it cannot be walked, or its meta row is bad, or it ended who walked it */
    DB_NOT_LOOKED  /* nobody knows: nothing may be made of it */
};

struct db_finding {
    enum db_verdict verdict;
    hulse_status status; /* when NOT_LOOKED: IO, NO_MEMORY or DENIED */
    uint64_t covered;    /* of its meta row; when SOUND or ROWS_BAD */
    uint64_t rows;
    uint64_t bad_rows;
    char why[160];
};

void hulse_db_check(const char *path, uint32_t segment_bytes, struct db_finding *out);

#endif
