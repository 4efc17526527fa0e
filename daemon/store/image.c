/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image - see the header.
 */
#include "daemon/store/image.h"

#include "daemon/core/assert.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { PIECE_BYTES = 64 << 10 };
static_assert(PIECE_BYTES <= 2 * SCAN_MARGIN, "a piece fits in front of the end");

int hulse_image_init(struct image *im, uint32_t segment_bytes, uint32_t ahead)
{
    *im = (struct image){.seg.fd = -1, .segment_bytes = segment_bytes, .ahead = ahead};
    void *bytes = mmap(NULL,
                       segment_bytes,
                       PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                       -1,
                       0);
    if (bytes == MAP_FAILED) {
        return errno;
    }
    im->bytes = bytes;
    return 0;
}

void hulse_image_fini(struct image *im)
{
    hulse_image_close(im);
    if (im->bytes != NULL) {
        (void)munmap(im->bytes, im->segment_bytes);
        im->bytes = NULL;
    }
}

int hulse_image_open(struct image *im, const struct segment_place *at, uint64_t number)
{
    hulse_image_close(im);
    im->seg = (struct segment){.number = number, .fd = -1};
    im->io = at->io;
    return hulse_segment_open(at, &im->seg, false);
}

void hulse_image_close(struct image *im)
{
    hulse_segment_close(&im->seg);
}

/* Whole blocks that are there. */
static uint32_t blocks_there(struct image *im)
{
    struct stat st;

    if (fstat(im->seg.fd, &st) != 0) {
        im->failed = errno;
        return 0;
    }
    const uint64_t bytes = st.st_size <= 0 ? 0 : (uint64_t)st.st_size;
    return bytes >= im->segment_bytes ? im->segment_bytes : (uint32_t)(bytes - bytes % BLOCK_BYTES);
}

void hulse_image_begin(struct image *im, uint32_t at, uint32_t end)
{
    struct scan *s = &im->scan;

    HULSE_ASSERT(im->seg.fd >= 0 && end <= im->segment_bytes);
    if (im->used > im->ahead) {
        (void)madvise(im->bytes + im->ahead, im->used - im->ahead, MADV_DONTNEED);
        im->used = im->ahead;
    }
    im->failed = 0;
    const uint32_t there = blocks_there(im);
    if (end == 0) {
        const uint32_t reach = im->seg.reach;
        end = reach != 0 && reach < im->segment_bytes ? reach : im->segment_bytes;
    }
    im->missing_from = there > at ? there : at;
    if (im->missing_from < BLOCK_BYTES) {
        im->missing_from = BLOCK_BYTES; /* a header that was cut short may be readable */
    }
    im->missing_to = end;
    *s = (struct scan){.bytes = im->bytes,
                       .generation = (uint32_t)im->seg.number,
                       .salt = im->seg.salt,
                       .end = end < there ? end : there};
    s->from = at < BLOCK_BYTES ? BLOCK_BYTES : at - at % BLOCK_BYTES;
    if (s->from > s->end) {
        s->from = s->end;
    }
    s->base = s->from;
    s->loaded = s->from;
    hulse_scan_begin(s, at);
}

/* What a read of one block came to. False: im->failed. */
static bool may_be_lost(struct image *im, int failed)
{
    if (failed == 0 || (failed == EIO && im->lenient)) {
        return true;
    }
    im->failed = failed;
    return false;
}

/* The memory for [from, to) of the segment, behind what is loaded. */
static uint8_t *room_for(struct image *im, uint32_t from, uint32_t to)
{
    const uint32_t base = im->scan.base;

    HULSE_ASSERT(from >= base && to - base <= im->segment_bytes);
    im->used = im->used > to - base ? im->used : to - base;
    return im->bytes + (from - base);
}

/* What there is none of is zeros, whatever the memory has held. */
static int read_zeroed(struct image *im, uint8_t *bytes, uint32_t count, uint32_t from)
{
    size_t got = 0;
    const int failed = im->io->read(im->seg.fd, bytes, count, from, &got);

    got = failed == 0 ? got : 0;
    memset(bytes + got, 0, count - got);
    return failed;
}

/* Reads [from, to). */
static void load(struct image *im, uint32_t from, uint32_t to)
{
    uint8_t *bytes = room_for(im, from, to);
    int failed = read_zeroed(im, bytes, to - from, from);

    if (failed == 0 || !may_be_lost(im, failed)) {
        return;
    }
    for (uint32_t block = from; block < to; block += BLOCK_BYTES) {
        failed = read_zeroed(im, bytes + (block - from), BLOCK_BYTES, block);
        if (!may_be_lost(im, failed)) {
            return;
        }
        im->unreadable += failed == 0 ? 0 : BLOCK_BYTES;
    }
}

/* What the scan has passed is given up for what is still needed, as soon as that is not more. */
static void slide(struct image *im)
{
    struct scan *s = &im->scan;
    const uint32_t here = s->at - s->at % BLOCK_BYTES;

    if (here <= s->from || here > s->loaded || s->loaded - here > here - s->base) {
        return;
    }
    memcpy(im->bytes, im->bytes + (here - s->base), s->loaded - here);
    s->base = here;
    s->from = here;
}

/*
 * Behind the last block of [from, to) that has a good header; `from`: there is none. The memory is borrowed from what is
 * loaded next.
 */
static uint32_t last_block(struct image *im, uint32_t from, uint32_t to)
{
    const struct scan *s = &im->scan;
    uint8_t *bytes = room_for(im, s->loaded, s->loaded + (to - from));
    const int failed = read_zeroed(im, bytes, to - from, from);
    uint16_t first = 0;

    for (uint32_t end = to; may_be_lost(im, failed) && end > from; end -= BLOCK_BYTES) {
        const struct block_id id = {
            .offset = end - BLOCK_BYTES, .generation = s->generation, .salt = s->salt};
        uint8_t *header = bytes + (id.offset - from);
        if (failed != 0) {
            /* Of the piece only one block may be lost. */
            (void)may_be_lost(im, read_zeroed(im, header, BLOCK_HEADER_BYTES, id.offset));
        }
        if (hulse_block_valid(header, &id, &first)) {
            return end;
        }
    }
    return from;
}

/*
 * The scan wants to see the rest of the segment, most of which was perhaps never written: looks for the last good block
 * header, a piece at a time from the back, and forgets what lies far behind it.
 */
static void shorten(struct image *im)
{
    struct scan *s = &im->scan;
    uint32_t to = s->end;
    uint32_t found = s->loaded;

    while (im->failed == 0 && to > s->loaded) {
        const uint32_t from = to - s->loaded > PIECE_BYTES ? to - PIECE_BYTES : s->loaded;
        found = last_block(im, from, to);
        if (found != from) {
            break;
        }
        to = from;
    }
    if (im->failed != 0) {
        return;
    }
    if (s->end - found > SCAN_MARGIN) {
        s->end = found + SCAN_MARGIN;
    }
    if (s->need > s->end) {
        s->need = s->end;
    }
}

/* Reads on, as far as the scan needs and a little more. */
static void load_on(struct image *im)
{
    struct scan *s = &im->scan;

    HULSE_ASSERT(s->need > s->loaded && s->need <= s->end);
    slide(im);
    if (s->need == s->end && s->end - s->loaded > 2 * SCAN_MARGIN) {
        shorten(im);
    }
    uint32_t to = s->need;
    if (to - s->loaded < im->ahead) {
        to = s->end - s->loaded < im->ahead ? s->end : s->loaded + im->ahead;
    }
    to += (BLOCK_BYTES - to % BLOCK_BYTES) % BLOCK_BYTES;
    if (im->failed == 0) {
        load(im, s->loaded, to);
        s->loaded = to;
    }
}

enum scan_rc hulse_image_next(struct image *im, struct scan_item *out)
{
    enum scan_rc rc = SCAN_END;

    while (im->failed == 0 && (rc = hulse_scan_next(&im->scan, out)) == SCAN_MORE) {
        load_on(im);
    }
    if (im->failed != 0) {
        return SCAN_END;
    }
    if (rc == SCAN_END && im->missing_from < im->missing_to) {
        out->from = im->missing_from;
        out->to = im->missing_to;
        im->missing_from = im->missing_to;
        return SCAN_GAP;
    }
    return rc;
}
