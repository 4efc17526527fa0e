/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan - the frames of one segment, one behind the other, and what is broken between them.
 *
 * Works on an image that may be loaded bit by bit. Behind damage it goes on at the next header of a
 * frame that verifies: frames whose block says where they begin, otherwise any multiple of 8. Salt and place are
 * in the checksum, so payload that looks like frames is none.
 *
 * Threads: pure.
 * Trust:   the image may hold anything.
 */
#ifndef HULSE_STORE_SCAN_H
#define HULSE_STORE_SCAN_H

#include "daemon/store/block.h"
#include "daemon/store/frame.h"

#include <stdbool.h>
#include <stdint.h>

enum scan_rc {
    SCAN_FRAME,   /* whole: item.frame without body, see hulse_scan_body() */
    SCAN_DAMAGED, /* its header is good, its body is not */
    SCAN_GAP,     /* written, and no frame: [from, to) */
    SCAN_MORE,    /* load at least up to scan.need, then ask again */
    SCAN_END      /* nothing more was written in this use of the segment */
};

/* So far behind the last good block header frames are looked for whose blocks have lost theirs. */
#define SCAN_MARGIN (UINT32_C(64) << 10)

/*
 * bytes[0] is the segment's byte `base`; [from, loaded) is there, of what could be loaded up to `end`. What lies before
 * the block of `at` is not looked at any more: the owner may take it away between two calls.
 */
struct scan {
    const uint8_t *bytes;
    uint32_t base;
    uint32_t generation;
    uint32_t salt;
    uint32_t from; /* the owner's, in whole blocks, like */
    uint32_t loaded;
    uint32_t end; /* whole blocks */
    uint32_t at;  /* where it goes on */
    uint32_t need;
    uint32_t written_end; /* 0: not yet known */
};

struct scan_item {
    struct frame frame;
    uint32_t from;
    uint32_t to;
};

/* Begins at `at`, the place of a frame or the beginning of a block; [at's block, loaded) is there. */
void hulse_scan_begin(struct scan *s, uint32_t at);
enum scan_rc hulse_scan_next(struct scan *s, struct scan_item *out);
/* Copies the body of the SCAN_FRAME that came last: frame.length - FRAME_HEADER_BYTES. */
void hulse_scan_body(const struct scan *s, const struct scan_item *item, uint8_t *out);

#endif
