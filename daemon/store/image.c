/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image - see the header.
 */
#include "daemon/store/image.h"

#include "daemon/core/assert.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

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
    const uint32_t from = s->bytes == NULL ? 0 : s->from;
    if (s->bytes != NULL && s->loaded > from) {
        (void)madvise(im->bytes + from, s->loaded - from, MADV_DONTNEED);
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

/* Reads [from, to). */
static void load(struct image *im, uint32_t from, uint32_t to)
{
    size_t got = 0;

    int failed = im->io->read(im->seg.fd, im->bytes + from, to - from, from, &got);
    if (failed == 0 || !may_be_lost(im, failed)) {
        return;
    }
    for (uint32_t block = from; block < to; block += BLOCK_BYTES) {
        failed = im->io->read(im->seg.fd, im->bytes + block, BLOCK_BYTES, block, &got);
        if (!may_be_lost(im, failed)) {
            return;
        }
        im->unreadable += failed == 0 ? 0 : BLOCK_BYTES;
    }
}

/*
 * The scan wants to see the rest of the segment, most of which was perhaps never written: looks at the block headers alone,
 * from the back, and forgets what lies far behind the last one.
 */
static void shorten(struct image *im)
{
    struct scan *s = &im->scan;
    uint32_t block = s->end;
    uint16_t first = 0;

    for (; block > s->loaded; block -= BLOCK_BYTES) {
        uint8_t header[BLOCK_HEADER_BYTES] = {0};
        size_t got = 0;
        const struct block_id id = {
            .offset = block - BLOCK_BYTES, .generation = s->generation, .salt = s->salt};
        const int failed = im->io->read(im->seg.fd, header, sizeof(header), id.offset, &got);
        if (!may_be_lost(im, failed)) {
            return;
        }
        if (failed == 0 && hulse_block_valid(header, &id, &first)) {
            break;
        }
    }
    if (s->end - block > SCAN_MARGIN) {
        s->end = block + SCAN_MARGIN;
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
