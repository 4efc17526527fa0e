/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image - a segment's file, read as far as the scan goes.
 *
 * Memory of the size of a segment is reserved, not taken: what the scan has passed makes room for what comes, so that as
 * much is used as is read at once, or as damage asks for. More than the former is given back when another place is begun.
 * A file that is shorter than the log came in it ends with a gap.
 *
 * Threads: one owner.
 * Errors:  0, or the error number; as hulse_segment_open(). A read that fails ends the scan with `failed`, and says
 *          nothing about the file. When it is `lenient`, what the disk cannot read (EIO) counts as zeros, block by block.
 */
#ifndef HULSE_STORE_IMAGE_H
#define HULSE_STORE_IMAGE_H

#include "daemon/store/scan.h"
#include "daemon/store/segment.h"

#include <stdint.h>

struct image {
    struct segment seg;
    uint8_t *bytes; /* segment_bytes are mapped */
    uint32_t segment_bytes;
    uint32_t ahead; /* how much is read at once */
    uint32_t used;  /* of bytes, in whole blocks */
    struct scan scan;
    const struct file_io *io; /* of the segment that is open */
    bool lenient;             /* the owner's choice */
    int failed;               /* a read since the beginning: SCAN_END is none */
    uint32_t missing_from;    /* the file ends before the log did */
    uint32_t missing_to;      /* the same: not, or told */
    uint64_t unreadable;      /* bytes */
};

/* ENOMEM, or 0. No segment is open. */
int hulse_image_init(struct image *im, uint32_t segment_bytes, uint32_t ahead);
void hulse_image_fini(struct image *im);
/* Another segment; the one before is closed, whatever comes of it. */
int hulse_image_open(struct image *im, const struct segment_place *at, uint64_t number);
void hulse_image_close(struct image *im);
/* `end`: what is behind it is none of the scan's business; 0: the end of the file. */
void hulse_image_begin(struct image *im, uint32_t at, uint32_t end);
/* Never SCAN_MORE. At SCAN_END im->failed is to be looked at. */
enum scan_rc hulse_image_next(struct image *im, struct scan_item *out);

#endif
