/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format - which version a store is of, and how large its segments are: a text, and the headers of the segments, which outweigh
 * it.
 *
 * Threads: any; nothing is shared.
 * Trust:   every file may hold anything, or be gone.
 */
#ifndef HULSE_STORE_FORMAT_H
#define HULSE_STORE_FORMAT_H

#include "daemon/store/directory.h"

#include <stdbool.h>
#include <stdint.h>

struct format {
    uint32_t segment_bytes; /* 0: nobody says */
    bool fresh;             /* there is none yet, and no segment */
    bool older;    /* of a version before this one: it is raised before anything is written */
    bool restored; /* its file is lost or damaged; this is what the segments say */
};

bool hulse_format_has_size(uint64_t segment_bytes);
/*
 * What the format is; changes nothing. A directory without log/ (d->log_fd < 0) has no segments. DENIED, IO (the file and all
 * segments are unreadable, too), UNSUPPORTED: of a newer version.
 */
hulse_status hulse_format_judge(const struct directory *d,
                                const char *path,
                                struct format *out,
                                struct error *err);
/* As this version has it, synced; on a full disk over the old text. 0, or the error number. */
int hulse_format_write(const struct file_io *io, int directory, uint32_t segment_bytes);

#endif
