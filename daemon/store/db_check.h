/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_check - is a database file fit to be read? A child process finds out, because LMDB's pages have no checksum and one
 * flipped bit may end whoever reads them.
 *
 * Thread: main, before the filter of the sandbox. Blocks: as long as reading the file takes, at most until the limit.
 */
#ifndef HULSE_STORE_DB_CHECK_H
#define HULSE_STORE_DB_CHECK_H

#include <stdbool.h>
#include <stdint.h>

enum db_verdict {
    DB_SOUND = 0,
    DB_MISSING,   /* no such file */
    DB_ROWS_BAD,  /* can be walked; some rows are not what was written */
    DB_UNREADABLE /* cannot be walked, or its meta row is bad, or the child died or took too long */
};

struct db_finding {
    enum db_verdict verdict;
    uint64_t covered; /* of its meta row; when SOUND or ROWS_BAD */
    uint64_t rows;
    uint64_t bad_rows;
    char why[160];
};

void hulse_db_check(const char *path, uint32_t segment_bytes, struct db_finding *out);

#endif
