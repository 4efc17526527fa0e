/* SPDX-License-Identifier: Apache-2.0 */
/*
 * appender - the end of the log: frames of one group are put behind each other in memory, then
 * written and synced together.
 *
 * A group lies in one segment. Its first block, if frames of earlier groups are in it, is written again with
 * the same bytes; its last one is filled up with zeros.
 *
 * Threads: one owner: the opener, later the writer.
 * Errors:  0, or the error number. After a failed write or sync nobody knows what the disk holds:
 *          the owner stops.
 * Limits:  APPENDER_GROUP_BYTES a group; a frame that is larger alone is written in parts.
 */
#ifndef HULSE_STORE_APPENDER_H
#define HULSE_STORE_APPENDER_H

#include "daemon/store/frame.h"
#include "daemon/store/segment.h"

#include <stdbool.h>
#include <stdint.h>

#define APPENDER_GROUP_BYTES (UINT32_C(2) << 20)

struct appender {
    const struct file_io *io;
    uint32_t segment_bytes;
    struct segment seg; /* owned: its descriptor */
    uint32_t group;     /* of the frames that are put now */
    uint32_t offset;    /* what comes next is placed behind it */
    uint32_t base;      /* where staging[0] is in the segment */
    uint32_t first;     /* of the block that offset is in; 0: none yet */
    bool begun;         /* the group has a frame */
    uint8_t *staging;
    uint64_t written; /* bytes, for the figures */
    /* The disk is full: waits a little; false: give up. NULL: at once. */
    bool (*no_space)(void *ctx);
    void *ctx;
};

/* False: no memory. */
bool hulse_appender_init(struct appender *a, const struct segment_place *at);
void hulse_appender_fini(struct appender *a);

/* Goes on at `offset` of a segment, whose descriptor it takes. No group is begun. */
int hulse_appender_enter(struct appender *a, struct segment *seg, uint32_t offset);
/* Of the next frame, and where the log ends now: number * segment_bytes + offset. */
uint64_t hulse_appender_lsn(const struct appender *a);
/* Would a frame of this length end in this segment? */
bool hulse_appender_fits(const struct appender *a, uint32_t length);
/* Would the group then be larger than it should? Never the first frame of one. */
bool hulse_appender_group_full(const struct appender *a, uint32_t length);

/*
 * Puts one frame that fits; f->length is set, generation, group and flags but FRAME_COPY are the appender's.
 * *lsn: where it begins.
 */
int hulse_appender_put(struct appender *a,
                       struct frame *f,
                       const struct store_span *body,
                       uint32_t span_count,
                       uint64_t *lsn);
/* Ends the group: one write, one sync. Nothing when it has no frame. */
int hulse_appender_sync(struct appender *a);

#endif
