/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_place - the database files of a store's directory: their names, and how one takes another's place.
 *
 * Threads: any, one at a time for one directory.
 */
#ifndef HULSE_STORE_DB_PLACE_H
#define HULSE_STORE_DB_PLACE_H

#include "daemon/core/error.h"

#include <stdbool.h>

#define DB_PATH_BYTES 4096U

enum db_name { DB_STATE = 0, DB_COPY, DB_STATE_NEW, DB_COPY_NEW, DB_RESERVE };

/* False: the path is too long; *out is empty then. */
bool hulse_db_path(char out[DB_PATH_BYTES], const char *directory, enum db_name name);
/* Renames, so that it is so after a power cut as well. */
hulse_status
hulse_db_replace(const char *directory, enum db_name from, enum db_name to, struct error *err);
/* Out of the way, to NAME.damaged-N for somebody to look at; the oldest of too many goes. */
void hulse_db_set_aside(const char *directory, enum db_name name);

#endif
