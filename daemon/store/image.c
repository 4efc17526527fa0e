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
    return hulse_segment_open(at, &im->seg, false);
}

void hulse_image_close(struct image *im)
{
    hulse_segment_close(&im->seg);
}

/* Whole blocks that are there, as far as this use of the segment may have come. */
static uint32_t file_end(const struct image *im)
{
    struct stat st;

    if (fstat(im->seg.fd, &st) != 0 || st.st_size <= 0) {
        return 0;
    }
    const uint64_t bytes = (uint64_t)st.st_size;
    const uint32_t end =
        bytes >= im->segment_bytes ? im->segment_bytes : (uint32_t)(bytes - bytes % BLOCK_BYTES);
    return im->seg.reach != 0 && im->seg.reach < end ? im->seg.reach : end;
}

void hulse_image_begin(struct image *im, uint32_t at, uint32_t end)
{
    struct scan *s = &im->scan;

    HULSE_ASSERT(im->seg.fd >= 0 && end <= im->segment_bytes);
    const uint32_t from = s->bytes == NULL ? 0 : s->from;
    if (s->bytes != NULL && s->loaded > from) {
        (void)madvise(im->bytes + from, s->loaded - from, MADV_DONTNEED);
    }
    *s = (struct scan){.bytes = im->bytes,
                       .generation = (uint32_t)im->seg.number,
                       .salt = im->seg.salt,
                       .end = end == 0 ? file_end(im) : end};
    s->from = at < BLOCK_BYTES ? BLOCK_BYTES : at - at % BLOCK_BYTES;
    if (s->from > s->end) {
        s->from = s->end;
    }
    s->loaded = s->from;
    hulse_scan_begin(s, at);
}

/* Reads [from, to); a block that cannot be read stays zero. */
static void load(struct image *im, uint32_t from, uint32_t to)
{
    size_t got = 0;

    if (hulse_file_read(im->seg.fd, im->bytes + from, to - from, from, &got) == 0) {
        return;
    }
    for (uint32_t block = from; block < to; block += BLOCK_BYTES) {
        if (hulse_file_read(im->seg.fd, im->bytes + block, BLOCK_BYTES, block, &got) != 0) {
            im->unreadable += BLOCK_BYTES;
        }
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
        if (hulse_file_read(im->seg.fd, header, sizeof(header), id.offset, &got) == 0 &&
            hulse_block_valid(header, &id, &first)) {
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

enum scan_rc hulse_image_next(struct image *im, struct scan_item *out)
{
    struct scan *s = &im->scan;
    enum scan_rc rc = SCAN_END;

    while ((rc = hulse_scan_next(s, out)) == SCAN_MORE) {
        HULSE_ASSERT(s->need > s->loaded && s->need <= s->end);
        if (s->need == s->end && s->end - s->loaded > 2 * SCAN_MARGIN) {
            shorten(im);
        }
        uint32_t to = s->need;
        if (to - s->loaded < im->ahead) {
            to = s->end - s->loaded < im->ahead ? s->end : s->loaded + im->ahead;
        }
        to += (BLOCK_BYTES - to % BLOCK_BYTES) % BLOCK_BYTES;
        load(im, s->loaded, to);
        s->loaded = to;
    }
    return rc;
}
