/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_log - see the header.
 */
#include "tests/unit/daemon/store/memory_log.h"

#include "tests/unit/daemon/core/check.h"
#include "tests/unit/daemon/store/store_bed.h"

#include <string.h>

static uint8_t memory[MEMORY_LOG_BYTES];

static int write_memory(int fd, const void *bytes, size_t count, uint64_t offset)
{
    (void)fd;
    assert_true(offset + count <= sizeof(memory));
    memcpy(memory + offset, bytes, count);
    return 0;
}

static int sync_nothing(int fd)
{
    (void)fd;
    return 0;
}

static const struct file_io io = {.write = write_memory, .sync = sync_nothing};

void hulse_memory_log_init(struct memory_log *log, uint32_t number)
{
    const struct segment_place at = {.segment_bytes = MEMORY_LOG_BYTES, .io = &io};
    struct segment seg = {.number = number, .salt = 0x5A17C0DE, .fd = -1};

    memset(memory, 0, sizeof(memory));
    log->bytes = memory;
    log->count = 0;
    assert_true(hulse_appender_init(&log->end, &at));
    hulse_segment_header_put(&seg, MEMORY_LOG_BYTES, memory);
    assert_int_equal(hulse_appender_enter(&log->end, &seg, BLOCK_BYTES), 0);
    log->end.group = 7;
}

void hulse_memory_log_fini(struct memory_log *log)
{
    hulse_appender_fini(&log->end);
}

void hulse_memory_log_put(struct memory_log *log, uint32_t body_bytes)
{
    static uint8_t body[MEMORY_LOG_BYTES];
    struct memory_frame *made = &log->frames[log->count];
    const struct store_span spans[2] = {
        {.data = body, .bytes = body_bytes / 2},
        {.data = body + body_bytes / 2, .bytes = body_bytes - body_bytes / 2}};
    struct frame f = {.length = FRAME_HEADER_BYTES + body_bytes,
                      .epoch = 3,
                      .topic = 1,
                      .position = log->count,
                      .kind = STORE_MESSAGE};
    uint64_t lsn = 0;

    assert_true(log->count < MEMORY_LOG_FRAMES);
    hulse_bed_fill(body, body_bytes, 1, log->count);
    const bool first = !log->end.begun;
    assert_int_equal(hulse_appender_put(&log->end, &f, spans, 2, &lsn), 0);
    *made = (struct memory_frame){.from = (uint32_t)(lsn % MEMORY_LOG_BYTES),
                                  .to = log->end.offset,
                                  .body_bytes = body_bytes,
                                  .group = log->end.group,
                                  .first = first};
    log->count++;
}

void hulse_memory_log_sync(struct memory_log *log)
{
    assert_int_equal(hulse_appender_sync(&log->end), 0);
}

void hulse_memory_log_fill(struct memory_log *log, uint64_t *random, uint32_t bytes)
{
    static const uint32_t sizes[] = {1, 200, 1200, 5000, 20000};

    while (log->end.offset < bytes) {
        for (uint64_t left = 1 + test_below(random, 6); left > 0; left--) {
            const uint32_t below = sizes[test_below(random, COUNT_OF(sizes))];
            const uint32_t body_bytes = (uint32_t)test_below(random, below);
            if (hulse_appender_fits(&log->end, FRAME_HEADER_BYTES + body_bytes)) {
                hulse_memory_log_put(log, body_bytes);
            }
        }
        hulse_memory_log_sync(log);
    }
}

struct scan hulse_memory_log_scan(const struct memory_log *log, const uint8_t *bytes)
{
    struct scan s = {.bytes = bytes,
                     .generation = (uint32_t)log->end.seg.number,
                     .salt = log->end.seg.salt,
                     .loaded = MEMORY_LOG_BYTES,
                     .end = MEMORY_LOG_BYTES};

    hulse_scan_begin(&s, BLOCK_BYTES);
    return s;
}
