/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory - where a store lives: who has it, in which format it is, how the last one left it.
 *
 *   format   text: version, segment size, shards, a checksum
 *   lock     locked while somebody has it open; says who, and the epoch
 *   clean    there while nobody has it open and the last one ended as asked
 *   log/     segments, and reserve-N: their room is for when the disk has none
 *   state.*  the state database, its last good copy, and room for one more (state_db.h)
 *   backup-unfinished  in a backup until all of it is there
 *
 * Threads: one owner.
 * Trust:   every file may hold anything, or be gone.
 * Errors:  DENIED, BUSY, IO, INVAL, UNSUPPORTED, with a text.
 */
#ifndef HULSE_STORE_DIRECTORY_H
#define HULSE_STORE_DIRECTORY_H

#include "daemon/core/error.h"
#include "daemon/store/file_io.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_FORMAT_NAME "format"
/* In a backup until all of it is there. */
#define STORE_UNFINISHED_NAME "backup-unfinished"

struct directory {
    const struct file_io *io;
    int fd;
    int log_fd;
    int lock_fd;
    uint32_t segment_bytes;
    uint32_t epoch; /* the last one's, as far as the lock file knows */
    bool fresh;     /* made now */
    bool clean;     /* it was when it was opened */
    bool older;     /* of an older version; open() has raised it */
    bool restored;  /* its format file was lost or damaged; open() has made it again */
};

/*
 * Makes it if its parent exists; `segment_bytes` is that of a new one, d->io is set. Until close nobody else
 * can have it.
 */
hulse_status hulse_directory_open(struct directory *d,
                                  const char *path,
                                  uint32_t segment_bytes,
                                  struct error *err);
/* The same for who reads only: but for a lock file that is gone, nothing is written into a store. */
hulse_status hulse_directory_open_to_look(struct directory *d,
                                          const char *path,
                                          uint32_t segment_bytes,
                                          struct error *err);
void hulse_directory_close(struct directory *d);
/*
 * Would open() fail for anything but the lock? As far as it can be known while somebody else has it; changes
 * nothing. OK also where there is no directory yet.
 */
hulse_status hulse_directory_look(const char *path, struct error *err);

/* It was fresh and stays without a store. */
void hulse_directory_forget(const struct directory *d);
/* From now on it is not clean, and it is known who has it in which epoch; synced. */
hulse_status
hulse_directory_begin(struct directory *d, const char *path, uint32_t epoch, struct error *err);
/* It is clean; synced. False: it is not, which costs the next start some time. */
bool hulse_directory_end(struct directory *d);

/* Numbers of all files in log/ that are named like segments, rising. Gives *out, free() it. */
hulse_status hulse_directory_segments(const struct directory *d,
                                      uint64_t **out,
                                      size_t *count,
                                      struct error *err);
/*
 * There must have been a checkpoint of the state here: a stop as asked leaves one, and no segment is used again without.
 * `numbers`: those of the segments.
 */
bool hulse_directory_had_state(const struct directory *d, const uint64_t *numbers, size_t count);

#endif
