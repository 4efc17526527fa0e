/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer - a publishing handle: what its files share.
 *
 * Threads: its owner; hulse_mt_publish() brings the channel's mutex.
 */
#ifndef HULSE_CLIENT_PRODUCER_H
#define HULSE_CLIENT_PRODUCER_H

#include "shmlib/client/channel.h"

struct hulse_producer {
    struct hulse_handle handle;
};

/* What a record says beside its payload. */
struct hulse_record_shape {
    const struct hulse_meta *meta; /* NULL or measured */
    uint64_t token;
    uint32_t payload_bytes;
    uint32_t meta_bytes;
    uint8_t type;  /* message or fragment */
    uint8_t flags; /* FIRST, LAST, NO_BATCH */
};

/* Length of a record with this payload and metadata. */
static inline uint64_t hulse_record_bytes(uint64_t payload_bytes, uint64_t meta_bytes)
{
    return HULSE_PUBLISH_HEADER_BYTES +
           (meta_bytes == 0 ? payload_bytes : hulse_record_stride(payload_bytes) + meta_bytes);
}

/* BUSY, with text: a message larger than the ring is half published. */
hulse_status hulse_producer_cut(hulse_producer *p);

/* OK also without a daemon: the ring is still there. */
static inline hulse_status hulse_producer_usable(hulse_producer *p)
{
    /* Relaxed because the slow path acquires. */
    if (hulse_channel_attached(p->handle.channel) &&
        atomic_load_explicit(&p->handle.failed, memory_order_relaxed) == 0) {
        return HULSE_OK;
    }
    return hulse_handle_usable(&p->handle);
}

/* Room for `bytes` at the tail, or AGAIN, RECEIPTS, ORPHAN, PROTOCOL with the handle's text. */
hulse_status hulse_producer_reserve(hulse_producer *p, uint64_t bytes);
/* Writes header and metadata around the payload at the tail and moves the tail; no flush. */
void hulse_producer_append(hulse_producer *p, const struct hulse_record_shape *shape);
/* Flushes, then waits until hulse_producer_reserve(bytes) would succeed. */
hulse_status hulse_producer_await(hulse_producer *p, uint64_t bytes, int timeout_ms);
/* Flushes and waits for every verdict, throwing receipts away: the end of a producer. */
hulse_status hulse_producer_settle(hulse_producer *p, int timeout_ms);

#endif
