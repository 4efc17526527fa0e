/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan - see the header.
 */
#include "daemon/store/scan.h"

#include "daemon/core/assert.h"

#include <string.h>

void hulse_scan_begin(struct scan *s, uint32_t at)
{
    HULSE_ASSERT(s->end % BLOCK_BYTES == 0 && s->loaded <= s->end);
    HULSE_ASSERT(at % FRAME_ALIGNMENT == 0);
    s->at = at < BLOCK_BYTES ? BLOCK_BYTES : at;
    s->need = 0;
    s->written_end = 0;
}

static const uint8_t *at_offset(const struct scan *s, uint32_t offset)
{
    return s->bytes + (offset - s->base);
}

static bool is_block(const struct scan *s, uint32_t offset, uint16_t *first)
{
    const struct block_id id = {.offset = offset, .generation = s->generation, .salt = s->salt};

    return hulse_block_valid(at_offset(s, offset), &id, first);
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/* Is there a header of a frame here, and does the frame end before the image does? */
static bool header_at(const struct scan *s, uint32_t offset, struct frame *f, uint32_t *crc)
{
    return hulse_frame_decode(
               at_offset(s, offset), s->generation, hulse_frame_seed(s->salt, offset), f, crc) &&
           hulse_block_behind(offset, f->length) <= s->end;
}

/* The part of a body that lies in one block, and where the next one is. */
static uint32_t part_of(uint32_t *at, uint32_t bytes, uint32_t *next)
{
    if (*at % BLOCK_BYTES == 0) {
        *at += BLOCK_HEADER_BYTES;
    }
    const uint32_t left = hulse_block_left(*at);
    const uint32_t part = bytes < left ? bytes : left;
    *next = *at + part;
    return part;
}

static bool body_is_whole(const struct scan *s, uint32_t start, uint32_t length, uint32_t crc)
{
    uint32_t at = start + FRAME_HEADER_BYTES;

    for (uint32_t bytes = length - FRAME_HEADER_BYTES; bytes > 0;) {
        uint32_t next = 0;
        const uint32_t part = part_of(&at, bytes, &next);
        crc = hulse_crc32c(crc, at_offset(s, at), part);
        bytes -= part;
        at = next;
    }
    return crc == hulse_frame_sum(at_offset(s, start));
}

void hulse_scan_body(const struct scan *s, const struct scan_item *item, uint8_t *out)
{
    uint32_t at = item->from + FRAME_HEADER_BYTES;

    for (uint32_t bytes = item->frame.length - FRAME_HEADER_BYTES; bytes > 0;) {
        uint32_t next = 0;
        const uint32_t part = part_of(&at, bytes, &next);
        memcpy(out, at_offset(s, at), part);
        out += part;
        bytes -= part;
        at = next;
    }
}

/* The first header in [from, end of its block); 0: none. */
static uint32_t probe_block(const struct scan *s, uint32_t from)
{
    const uint32_t block_end = from - from % BLOCK_BYTES + BLOCK_BYTES;
    struct frame f;
    uint32_t crc = 0;

    for (uint32_t at = from; at + FRAME_HEADER_BYTES <= block_end; at += FRAME_ALIGNMENT) {
        if (header_at(s, at, &f, &crc)) {
            return at;
        }
    }
    return 0;
}

/*
 * Behind the last block that was written in this use; from the back, for any may be damaged. Blocks at the end may have
 * lost their headers and kept frames.
 */
static uint32_t find_written_end(const struct scan *s)
{
    /* In the middle of a block there were frames in it, whatever its header says. */
    const uint32_t here = s->at % BLOCK_BYTES == 0 ? s->at : s->at + hulse_block_left(s->at);
    uint32_t end = s->end;
    uint16_t first = 0;

    while (end > here && !is_block(s, end - BLOCK_BYTES, &first)) {
        end -= BLOCK_BYTES;
    }
    uint32_t block = s->end - end > SCAN_MARGIN ? end + SCAN_MARGIN : s->end;
    while (block > end && probe_block(s, block - BLOCK_BYTES + BLOCK_HEADER_BYTES) == 0) {
        block -= BLOCK_BYTES;
    }
    return block;
}

/* The next header behind `from`, or where the written part ends. */
static uint32_t resync(const struct scan *s, uint32_t from)
{
    uint32_t at = from + FRAME_ALIGNMENT;

    if (at % BLOCK_BYTES != 0) {
        const uint32_t found = probe_block(s, at);
        if (found != 0) {
            return found;
        }
        at += hulse_block_left(at);
    }
    for (; at < s->written_end; at += BLOCK_BYTES) {
        uint16_t first = 0;
        uint32_t begin = BLOCK_HEADER_BYTES;
        if (is_block(s, at, &first)) {
            if (first == 0) {
                continue;
            }
            begin = first;
        }
        const uint32_t found = probe_block(s, at + begin);
        if (found != 0) {
            return found;
        }
    }
    return s->written_end;
}

static enum scan_rc want(struct scan *s, uint32_t need)
{
    s->need = need;
    return SCAN_MORE;
}

static enum scan_rc no_frame(struct scan *s, uint32_t start, struct scan_item *out)
{
    if (s->loaded < s->end) {
        return want(s, s->end);
    }
    if (s->written_end == 0) {
        s->written_end = find_written_end(s);
    }
    const uint32_t left = start % BLOCK_BYTES == 0 ? 0 : hulse_block_left(start);
    if (start >= s->written_end ||
        (start + left == s->written_end && is_zero(at_offset(s, start), left))) {
        return SCAN_END;
    }
    out->from = start;
    out->to = resync(s, start);
    s->at = out->to;
    return SCAN_GAP;
}

enum scan_rc hulse_scan_next(struct scan *s, struct scan_item *out)
{
    const uint64_t start = hulse_block_place(s->at);
    uint32_t crc = 0;

    if (start + FRAME_HEADER_BYTES > s->end) {
        return SCAN_END;
    }
    if (start + FRAME_HEADER_BYTES > s->loaded) {
        return want(s, (uint32_t)start + FRAME_HEADER_BYTES);
    }
    if (!header_at(s, (uint32_t)start, &out->frame, &crc)) {
        return no_frame(s, (uint32_t)start, out);
    }
    const uint32_t behind = (uint32_t)hulse_block_behind(start, out->frame.length);
    if (behind > s->loaded) {
        return want(s, behind);
    }
    out->from = (uint32_t)start;
    out->to = behind;
    s->at = behind;
    return body_is_whole(s, out->from, out->frame.length, crc) ? SCAN_FRAME : SCAN_DAMAGED;
}
