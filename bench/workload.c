/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload - see workload.h.
 */
#include "bench/workload.h"

#include "shmlib/ring/layout.h"

#include <stdio.h>

#define DEFAULT_RING_BYTES (512U * 1024)
#define DEFAULT_RECEIPTS 4096U
#define META_ROOM_BYTES 96U /* of a delivery: producer name, key */
#define WINDOW_MAX 4096U

uint32_t hulse_bench_ring_bytes(const struct bench_options *o)
{
    if (o->ring_bytes != 0) {
        return o->ring_bytes;
    }
    /* A record is at most half a ring; with eight of them the two sides still overlap. */
    const uint64_t record = (uint64_t)o->size + HULSE_DELIVERY_HEADER_BYTES;
    const uint64_t wish = (o->window > 8 && o->mode != BENCH_LOCAL ? o->window : 8) * record;
    uint32_t bytes = DEFAULT_RING_BYTES;
    while (bytes < wish && bytes < HULSE_RING_BYTES_MAX) {
        bytes *= 2;
    }
    return bytes;
}

uint32_t hulse_bench_receipts(const struct bench_options *o)
{
    uint32_t slots = DEFAULT_RECEIPTS;

    if (o->receipts != 0 || o->window <= DEFAULT_RECEIPTS) {
        return o->receipts;
    }
    while (slots < o->window && slots < BENCH_RECEIPTS_MAX) {
        slots *= 2;
    }
    return slots;
}

void hulse_bench_topic(char *out, size_t bytes, const struct bench_options *o, uint32_t n)
{
    (void)snprintf(out,
                   bytes,
                   "%s://public/default/bench-%u",
                   o->mode == BENCH_LOCAL ? "non-persistent" : "persistent",
                   n % o->topics);
}

uint64_t hulse_bench_window(const struct bench_options *o)
{
    if (o->window != 0) {
        return o->window;
    }
    if (o->mode != BENCH_LOCAL) {
        return UINT64_MAX;
    }
    const uint64_t record =
        hulse_record_stride(o->size) + HULSE_DELIVERY_HEADER_BYTES + META_ROOM_BYTES;
    const uint64_t beside = (o->publishers + o->topics - 1) / o->topics;
    uint64_t window = hulse_bench_ring_bytes(o) / 2 / record;
    window = window > WINDOW_MAX ? WINDOW_MAX : window;
    return window / beside > 0 ? window / beside : 1;
}

uint64_t hulse_bench_share(uint64_t total, uint32_t publishers, uint32_t index)
{
    return (total / publishers) + (index < total % publishers ? 1 : 0);
}

bool hulse_bench_receives(const struct bench_options *o)
{
    return o->mode == BENCH_LOCAL || (o->mode == BENCH_DURABLE && o->consumers != 0);
}

bool hulse_bench_shared(const struct bench_options *o)
{
    return hulse_bench_receives(o) && o->consumers > o->topics;
}
