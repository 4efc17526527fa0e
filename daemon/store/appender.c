/* SPDX-License-Identifier: Apache-2.0 */
/*
 * appender - see the header.
 */
#include "daemon/store/appender.h"

#include "daemon/core/assert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 4096 };
static_assert(APPENDER_GROUP_BYTES % BLOCK_BYTES == 0, "staging holds whole blocks");

bool hulse_appender_init(struct appender *a, const struct segment_place *at)
{
    *a = (struct appender){.io = at->io, .segment_bytes = at->segment_bytes, .seg.fd = -1};
    a->staging = aligned_alloc(PAGE_BYTES, APPENDER_GROUP_BYTES);
    return a->staging != NULL;
}

void hulse_appender_fini(struct appender *a)
{
    hulse_segment_close(&a->seg);
    free(a->staging);
    a->staging = NULL;
}

static struct block_id id_of(const struct appender *a, uint32_t block)
{
    return (struct block_id){
        .offset = block, .generation = (uint32_t)a->seg.number, .salt = a->seg.salt};
}

static uint8_t *at_offset(const struct appender *a, uint32_t offset)
{
    HULSE_ASSERT(offset >= a->base && offset - a->base <= APPENDER_GROUP_BYTES);
    return a->staging + (offset - a->base);
}

int hulse_appender_enter(struct appender *a, struct segment *seg, uint32_t offset)
{
    const uint32_t in_block = offset % BLOCK_BYTES;

    HULSE_ASSERT(!a->begun);
    HULSE_ASSERT(offset >= BLOCK_BYTES && offset <= a->segment_bytes);
    hulse_segment_close(&a->seg);
    a->seg = *seg;
    seg->fd = -1;
    a->offset = offset;
    a->base = offset - in_block;
    a->first = 0;
    if (in_block == 0) {
        return 0;
    }
    size_t got = 0;
    const int failed = hulse_file_read(a->seg.fd, a->staging, BLOCK_BYTES, a->base, &got);
    if (failed != 0 || got != BLOCK_BYTES) {
        return failed != 0 ? failed : EIO;
    }
    const struct block_id id = id_of(a, a->base);
    uint16_t first = 0;
    if (!hulse_block_valid(a->staging, &id, &first)) {
        /* Damaged, but its frames are not: whoever looks for them begins behind the header. */
        first = BLOCK_HEADER_BYTES;
        hulse_block_put(a->staging, &id, first);
    }
    a->first = first;
    return 0;
}

uint64_t hulse_appender_lsn(const struct appender *a)
{
    return a->seg.number * a->segment_bytes + a->offset;
}

bool hulse_appender_fits(const struct appender *a, uint32_t length)
{
    return hulse_block_behind(hulse_block_place(a->offset), length) <= a->segment_bytes;
}

bool hulse_appender_group_full(const struct appender *a, uint32_t length)
{
    const uint64_t behind = hulse_block_behind(hulse_block_place(a->offset), length);

    return a->begun && behind - a->base > APPENDER_GROUP_BYTES;
}

/* From `end` on; 0: the header says enough. */
static uint32_t next_reach(const struct appender *a, uint32_t end)
{
    const uint32_t step = hulse_segment_reach_step(a->segment_bytes);

    if (a->seg.reach == 0 || a->seg.reach >= end) {
        return 0;
    }
    return end + step < a->segment_bytes ? (end + step) / BLOCK_BYTES * BLOCK_BYTES
                                         : a->segment_bytes;
}

/* A sync that takes the header's next reach along; 0: there is none. */
static int sync_with_reach(struct appender *a, uint32_t next)
{
    int failed = 0;

    if (next != 0) {
        failed = hulse_segment_put_reach(a->io, &a->seg, a->segment_bytes, next);
    }
    if (failed == 0) {
        failed = a->io->sync(a->seg.fd);
    }
    a->seg.reach = failed == 0 && next != 0 ? next : a->seg.reach;
    return failed;
}

/* Nothing is written where the header on the disk does not say that there may be something. */
static int reach(struct appender *a, uint32_t end)
{
    const uint32_t next = next_reach(a, end);

    return next == 0 ? 0 : sync_with_reach(a, next);
}

/* The sync of a group; the header says more in time. */
static int sync_and_reach(struct appender *a, uint32_t end)
{
    const uint32_t ahead = end + hulse_segment_reach_step(a->segment_bytes) / 2;

    return sync_with_reach(a, next_reach(a, ahead < a->segment_bytes ? ahead : a->segment_bytes));
}

/* Writes the blocks that are complete, [base, end). */
static int write_blocks(struct appender *a, uint32_t end)
{
    HULSE_ASSERT(end % BLOCK_BYTES == 0);
    if (end == a->base) {
        return 0;
    }
    int failed = reach(a, end);
    if (failed != 0) {
        return failed;
    }
    do {
        /* Nothing of it was synced, so it can be written again. */
        failed = a->io->write(a->seg.fd, a->staging, end - a->base, a->base);
    } while ((failed == ENOSPC || failed == EDQUOT) && a->no_space != NULL && a->no_space(a->ctx));
    if (failed == 0) {
        a->written += end - a->base;
    }
    return failed;
}

static int begin_block(struct appender *a)
{
    if (a->offset - a->base == APPENDER_GROUP_BYTES) {
        const int failed = write_blocks(a, a->offset);
        if (failed != 0) {
            return failed;
        }
        a->base = a->offset;
    }
    const struct block_id id = id_of(a, a->offset);
    hulse_block_put(at_offset(a, a->offset), &id, 0);
    a->first = 0;
    a->offset += BLOCK_HEADER_BYTES;
    return 0;
}

/* `bytes` NULL: zeros. */
static int put_bytes(struct appender *a, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        if (a->offset % BLOCK_BYTES == 0) {
            const int failed = begin_block(a);
            if (failed != 0) {
                return failed;
            }
        }
        const uint32_t left = hulse_block_left(a->offset);
        const uint32_t part = count < left ? (uint32_t)count : left;
        if (bytes != NULL) {
            memcpy(at_offset(a, a->offset), bytes, part);
            bytes += part;
        } else {
            memset(at_offset(a, a->offset), 0, part);
        }
        a->offset += part;
        count -= part;
    }
    return 0;
}

/* Goes to where the next frame begins and says so in its block. */
static int begin_frame(struct appender *a)
{
    int failed = 0;

    if (a->offset % BLOCK_BYTES != 0 && hulse_block_left(a->offset) < FRAME_HEADER_BYTES) {
        failed = put_bytes(a, NULL, hulse_block_left(a->offset));
    }
    if (failed == 0 && a->offset % BLOCK_BYTES == 0) {
        failed = begin_block(a);
    }
    if (failed == 0 && a->first == 0) {
        const uint32_t block = a->offset - a->offset % BLOCK_BYTES;
        const struct block_id id = id_of(a, block);
        a->first = a->offset - block;
        hulse_block_put(at_offset(a, block), &id, (uint16_t)a->first);
    }
    return failed;
}

int hulse_appender_put(struct appender *a,
                       struct frame *f,
                       const struct store_span *body,
                       uint32_t span_count,
                       uint64_t *lsn)
{
    uint8_t header[FRAME_HEADER_BYTES];

    HULSE_ASSERT(hulse_appender_fits(a, f->length));
    int failed = begin_frame(a);
    f->generation = (uint32_t)a->seg.number;
    f->group = a->group;
    f->flags = (uint16_t)((f->flags & FRAME_COPY) | (a->begun ? 0U : FRAME_FIRST_OF_GROUP));
    a->begun = true;
    *lsn = hulse_appender_lsn(a);

    uint32_t crc = hulse_frame_encode(f, hulse_frame_seed(a->seg.salt, a->offset), header);
    size_t bytes = sizeof(header);
    for (uint32_t i = 0; i < span_count; i++) {
        crc = hulse_crc32c(crc, body[i].data, body[i].bytes);
        bytes += body[i].bytes;
    }
    HULSE_ASSERT(bytes == f->length);
    hulse_frame_seal(header, crc);

    if (failed == 0) {
        failed = put_bytes(a, header, sizeof(header));
    }
    for (uint32_t i = 0; i < span_count && failed == 0; i++) {
        failed = put_bytes(a, body[i].data, body[i].bytes);
    }
    const uint32_t over = f->length % FRAME_ALIGNMENT;
    if (failed == 0 && over != 0) {
        failed = put_bytes(a, NULL, FRAME_ALIGNMENT - over);
    }
    return failed;
}

int hulse_appender_sync(struct appender *a)
{
    if (!a->begun) {
        return 0;
    }
    const uint32_t in_block = a->offset % BLOCK_BYTES;
    const uint32_t end = in_block == 0 ? a->offset : a->offset + BLOCK_BYTES - in_block;
    if (end != a->offset) {
        memset(at_offset(a, a->offset), 0, end - a->offset);
    }
    int failed = write_blocks(a, end);
    if (failed == 0) {
        failed = sync_and_reach(a, end);
    }
    if (failed != 0) {
        return failed;
    }
    a->begun = false;
    a->group++;
    if (in_block != 0) {
        const uint32_t block = a->offset - in_block;
        if (block != a->base) {
            memcpy(a->staging, at_offset(a, block), BLOCK_BYTES);
            a->base = block;
        }
    } else {
        a->base = a->offset;
    }
    return 0;
}
