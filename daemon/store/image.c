/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image - see the header.
 */
#include "daemon/store/image.h"

#include "daemon/core/assert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BYTES = 256 << 10 }; /* stays in a CPU's own cache */

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
static void load_near(struct image *im, uint32_t from, uint32_t to)
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

static bool is_zero(const uint8_t *bytes, size_t count)
{
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/* Where something may be that is not zero, at `from` or behind it. */
static uint32_t next_data(const struct image *im, uint32_t from, uint32_t to)
{
    const off_t at = lseek(im->seg.fd, (off_t)from, SEEK_DATA);

    if (at < 0) {
        return errno == ENXIO ? to : from; /* nothing more, or it is not known */
    }
    return at >= (off_t)to ? to : (uint32_t)at - (uint32_t)at % BLOCK_BYTES;
}

/*
 * The same for the whole rest of a segment, which is mostly what it was filled with. Zeros are not
 * copied: the memory has them, and a page fault for each costs more than reading it.
 */
static void load_far(struct image *im, uint32_t from, uint32_t to)
{
    uint8_t *piece = malloc(PIECE_BYTES);

    while (piece != NULL && (from = next_data(im, from, to)) < to) {
        const uint32_t bytes = to - from < PIECE_BYTES ? to - from : PIECE_BYTES;
        size_t got = 0;
        if (hulse_file_read(im->seg.fd, piece, bytes, from, &got) != 0) {
            load_near(im, from, from + bytes);
        } else if (!is_zero(piece, got)) {
            memcpy(im->bytes + from, piece, got);
        }
        from += bytes;
    }
    if (piece == NULL) {
        load_near(im, from, to);
    }
    free(piece);
}

enum scan_rc hulse_image_next(struct image *im, struct scan_item *out)
{
    struct scan *s = &im->scan;
    enum scan_rc rc = SCAN_END;

    while ((rc = hulse_scan_next(s, out)) == SCAN_MORE) {
        HULSE_ASSERT(s->need > s->loaded && s->need <= s->end);
        uint32_t to = s->need;
        if (to - s->loaded < im->ahead) {
            to = s->end - s->loaded < im->ahead ? s->end : s->loaded + im->ahead;
        }
        to += (BLOCK_BYTES - to % BLOCK_BYTES) % BLOCK_BYTES;
        if (s->need == s->end) {
            load_far(im, s->loaded, to);
        } else {
            load_near(im, s->loaded, to);
        }
        s->loaded = to;
    }
    return rc;
}
