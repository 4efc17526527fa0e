/* SPDX-License-Identifier: Apache-2.0 */
/*
 * small_file - the small text files of a store's directory: read, replaced as a whole, numbers in them.
 *
 * Threads: any; nothing is shared.
 * Trust:   a file may hold anything, or be gone.
 */
#ifndef HULSE_STORE_SMALL_FILE_H
#define HULSE_STORE_SMALL_FILE_H

#include "daemon/core/error.h"
#include "daemon/store/file_io.h"

#include <stdint.h>

enum { SMALL_FILE_BYTES = 256 };

/* Up to SMALL_FILE_BYTES - 1 bytes, terminated. 0, or the error number. */
int hulse_small_file_read(int directory, const char *name, char out[SMALL_FILE_BYTES]);
/* The whole file at once: nobody sees half of it, also after a power cut. 0, or the error number. */
int hulse_small_file_replace(const struct file_io *io,
                             int directory,
                             const char *name,
                             const char *text);
/* Over the old text of a file that is there, in the block that it has: a full disk has room for that. 0, or the error number. */
int hulse_small_file_overwrite(const struct file_io *io,
                               int directory,
                               const char *name,
                               const char *text);
/* The number behind `word` in a text; 0 when there is none, or one that is none of ours. */
uint64_t hulse_small_file_number(const char *text, const char *word);
/* What a failed call means to somebody who reads the message: DENIED or IO. */
hulse_status
hulse_small_file_refuse(struct error *err, int number, const char *path, const char *what);

#endif
