/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image - a segment's file, read as far as the scan goes.
 *
 * Memory of the size of a segment is reserved, not taken; what was read is given back when another place is begun.
 * What the disk cannot read counts as zeros, block by block.
 *
 * Threads: one owner.
 * Errors:  0, or the error number; as hulse_segment_open().
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
    struct scan scan;
    uint64_t unreadable; /* bytes */
};

/* ENOMEM, or 0. No segment is open. */
int hulse_image_init(struct image *im, uint32_t segment_bytes, uint32_t ahead);
void hulse_image_fini(struct image *im);
/* Another segment; the one before is closed, whatever comes of it. */
int hulse_image_open(struct image *im, const struct segment_place *at, uint64_t number);
void hulse_image_close(struct image *im);
/* `end`: what is behind it is none of the scan's business; 0: the end of the file. */
void hulse_image_begin(struct image *im, uint32_t at, uint32_t end);
/* Never SCAN_MORE. */
enum scan_rc hulse_image_next(struct image *im, struct scan_item *out);

#endif
