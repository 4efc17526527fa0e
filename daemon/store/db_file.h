/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_file - one LMDB file with the rows of a checkpoint: read as a whole, written by one.
 *
 * Files are opened without LMDB's lock file: the store's own lock keeps others away. Reading one whose pages may
 * hold anything can end the process: db_check.h finds out in another one.
 *
 * Threads: one at a time.
 */
#ifndef HULSE_STORE_DB_FILE_H
#define HULSE_STORE_DB_FILE_H

#include "daemon/core/error.h"
#include "daemon/store/checkpoint.h"

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

struct db_file {
    MDB_env *env;
    MDB_dbi tables[VALUE_TABLES];
};

/* Opens for writing, made when it is not there. */
hulse_status
hulse_db_file_open(struct db_file *db, const char *path, uint64_t map_bytes, struct error *err);
/* Opens what is there to be read alone. PROTOCOL: it is damaged; anything else says nothing about it. */
hulse_status hulse_db_file_open_read(struct db_file *db, const char *path, struct error *err);
void hulse_db_file_close(struct db_file *db);

enum db_visit { DB_GO_ON = 0, DB_STOP };

struct db_walk {
    /* Each row of each table in the order of tables and keys, the meta row too; not checked in any way. */
    enum db_visit (*visit)(void *ctx, const struct value_row *row);
    void *ctx;
    uint64_t rows;
};

/* PROTOCOL: the tables are not what they say they are (order of keys, number of rows). */
hulse_status hulse_db_file_walk(const struct db_file *db, struct db_walk *walk, struct error *err);

/* What LMDB or the system says, as a status: LIMIT for a full map, NO_MEMORY, DENIED, PROTOCOL for damage, else IO. */
hulse_status hulse_db_status(int rc);
hulse_status hulse_db_fail(struct error *err, int rc, const char *what);

#endif
