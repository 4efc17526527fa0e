/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a segment may hold anything: a scan ends, stays in the image, goes forward, and finds the same whether all is
 *         loaded at once or bit by bit.
 * Method: first byte = how; the rest is the image behind the segment's own header. With an odd one frames get
 *         their checksums, so that what is behind a good header is reached too; with bit 1 block headers as well.
 */
#include "daemon/core/bytes.h"
#include "daemon/store/scan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { IMAGE_MAX = 64 * 1024, GENERATION = 5, SALT = 0x1234567 };

static uint8_t image[IMAGE_MAX];
static uint8_t part[IMAGE_MAX];
static uint8_t body[IMAGE_MAX];

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Gives what stands here the checksums of a frame; returns where it ends. */
static uint64_t repair(uint64_t at, uint32_t end)
{
    uint8_t *header = image + at;
    struct frame f;
    uint32_t crc = 0;

    hulse_put32(header + 4, FRAME_HEADER_BYTES + hulse_get32(header + 4) % 6000);
    hulse_put32(header + 8, GENERATION);
    hulse_put32(header + 72, hulse_crc32c(hulse_frame_seed(SALT, (uint32_t)at), header + 4, 68));
    hulse_put32(header + 76, 0);
    must(hulse_frame_decode(header, GENERATION, hulse_frame_seed(SALT, (uint32_t)at), &f, &crc));
    const uint64_t behind = hulse_block_behind(at, f.length);
    if (behind > end) {
        return end;
    }
    uint32_t left = f.length - FRAME_HEADER_BYTES;
    for (uint64_t from = at + FRAME_HEADER_BYTES; left > 0;) {
        from += from % BLOCK_BYTES == 0 ? BLOCK_HEADER_BYTES : 0;
        const uint32_t here = left < hulse_block_left(from) ? left : hulse_block_left(from);
        crc = hulse_crc32c(crc, image + from, here);
        left -= here;
        from += here;
    }
    /* One in eight stays damaged. */
    hulse_frame_seal(header, header[16] % 8 == 0 ? crc ^ 1 : crc);
    return behind;
}

static void prepare(uint8_t how, uint32_t end)
{
    if ((how & 2) != 0) {
        for (uint32_t at = BLOCK_BYTES; at < end; at += BLOCK_BYTES) {
            const struct block_id id = {.offset = at, .generation = GENERATION, .salt = SALT};
            hulse_block_put(image + at, &id, hulse_get16(image + at + 4));
        }
    }
    if ((how & 1) != 0) {
        uint64_t at = hulse_block_place(BLOCK_BYTES);
        while (at + FRAME_HEADER_BYTES <= end) {
            /* Some are left out: there the scan has to find its way. */
            at = image[at] % 4 == 0 ? at + 512 : repair(at, end);
            at = hulse_block_place(at);
        }
    }
}

static struct scan begin(const uint8_t *bytes, uint32_t loaded, uint32_t end)
{
    struct scan s = {
        .bytes = bytes, .generation = GENERATION, .salt = SALT, .loaded = loaded, .end = end};

    hulse_scan_begin(&s, BLOCK_BYTES);
    return s;
}

/* What has to be loaded is loaded, and no more. */
static enum scan_rc next_in_part(struct scan *s, struct scan_item *item)
{
    enum scan_rc rc = SCAN_MORE;

    while ((rc = hulse_scan_next(s, item)) == SCAN_MORE) {
        must(s->need > s->loaded && s->need <= s->end);
        memcpy(part + s->loaded, image + s->loaded, s->need - s->loaded);
        s->loaded = s->need;
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct scan_item item = {0};
    struct scan_item again = {0};
    enum scan_rc rc = SCAN_END;

    if (bytes < 1 || bytes > IMAGE_MAX - BLOCK_BYTES) {
        return 0;
    }
    const uint32_t used = BLOCK_BYTES + (uint32_t)bytes - 1;
    const uint32_t end = (used + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    memset(image, 0, sizeof(image));
    memset(part, 0xEE, sizeof(part));
    memcpy(image + BLOCK_BYTES, data + 1, bytes - 1);
    prepare(data[0], end);

    struct scan whole = begin(image, end, end);
    struct scan loaded = begin(part, BLOCK_BYTES, end);
    for (uint32_t at = BLOCK_BYTES; (rc = hulse_scan_next(&whole, &item)) != SCAN_END;) {
        must(rc != SCAN_MORE && item.from >= at && item.to > item.from && item.to <= end);
        at = item.to;
        must(next_in_part(&loaded, &again) == rc);
        must(again.from == item.from && again.to == item.to);
        if (rc != SCAN_GAP) {
            must(item.frame.generation == GENERATION && item.frame.group == again.frame.group);
        }
        if (rc == SCAN_FRAME) {
            hulse_scan_body(&whole, &item, body);
        }
    }
    must(next_in_part(&loaded, &again) == SCAN_END);
    return 0;
}
