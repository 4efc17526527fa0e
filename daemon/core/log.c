/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - see the header.
 */
#include "daemon/core/log.h"

#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log_writer.h"

#include <string.h>

static _Atomic(int) level_max = HULSE_LOG_INFO;
static _Thread_local struct log_ring *thread_ring;

bool hulse_log_start(enum log_level level, enum log_format format)
{
    hulse_log_level_set(level);
    return hulse_log_writer_start(format);
}

bool hulse_log_stop(void)
{
    return hulse_log_writer_stop(HULSE_LOG_STOP_MS);
}

void hulse_log_level_set(enum log_level level)
{
    /* Relaxed because a line more or less does not matter. */
    atomic_store_explicit(&level_max, (int)level, memory_order_relaxed);
}

bool hulse_log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&level_max, memory_order_relaxed);
}

bool hulse_log_thread_attach(const char *name)
{
    HULSE_ASSERT(thread_ring == NULL);

    struct log_ring *ring = hulse_log_ring_create(name);
    if (ring == NULL) {
        return false;
    }
    if (!hulse_log_writer_add(ring)) {
        hulse_log_ring_destroy(&ring);
        return false;
    }
    thread_ring = ring;
    return true;
}

void hulse_log_thread_detach(void)
{
    if (thread_ring != NULL) {
        hulse_log_writer_close(thread_ring);
        thread_ring = NULL;
    }
}

struct log_field hulse_log_bytes(const char *key, const void *value, size_t bytes)
{
    return (struct log_field){
        .key = key, .kind = HULSE_LOG_STRING, .text = value, .text_bytes = bytes};
}

struct log_field hulse_log_str(const char *key, const char *value)
{
    return hulse_log_bytes(key, value, value == NULL ? 0 : strlen(value));
}

/* Counts the line in its site's second; false: too many in it. */
static bool may_pass(struct log_site *site)
{
    if (site->per_second == 0) {
        return true;
    }
    const uint64_t second = hulse_clock_coarse_ns() / 1000000000U;
    /* Relaxed because the numbers guard nothing but themselves. */
    uint64_t window = atomic_load_explicit(&site->window, memory_order_relaxed);
    uint64_t next = 0;
    do {
        const bool same = window >> 32 == (second & UINT32_MAX);
        const uint64_t lines = same ? window & UINT32_MAX : 0;
        if (lines >= site->per_second) {
            (void)atomic_fetch_add_explicit(&site->suppressed, 1, memory_order_relaxed);
            return false;
        }
        next = second << 32 | (lines + 1);
    } while (!atomic_compare_exchange_weak_explicit(
        &site->window, &window, next, memory_order_relaxed, memory_order_relaxed));
    return true;
}

void hulse_log_write(struct log_site *site, const struct log_field *fields, size_t count)
{
    union log_record_room room;

    if (!may_pass(site)) {
        return;
    }
    hulse_log_record_build(&room, site, fields, count, hulse_clock_wall_ns());
    if (site->per_second != 0) {
        room.record.suppressed =
            atomic_exchange_explicit(&site->suppressed, 0, memory_order_relaxed);
    }
    if (thread_ring == NULL || !hulse_log_writer_running()) {
        hulse_log_writer_direct(&room.record, thread_ring == NULL ? "-" : thread_ring->name);
        return;
    }
    const size_t used = hulse_log_ring_put(thread_ring, &room.record);
    if (used != 0) {
        hulse_log_writer_wake(used);
    } else if (room.record.suppressed != 0) {
        /* The line is lost and counted by the ring; what it would have said is kept. */
        (void)atomic_fetch_add_explicit(
            &site->suppressed, room.record.suppressed, memory_order_relaxed);
    }
}
