/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - one record of the log: a header of 80 bytes and a body, padded to 8.
 *
 * Little endian. The checksum is CRC32C over everything behind it, begun with the segment's salt: a
 * frame of another segment, or of an earlier use of this one, does not verify, and nobody who
 * cannot read the store can make one that does.
 *
 * Threads: pure.
 * Trust:   decode judges bytes that may be anything.
 */
#ifndef HULSE_STORE_FRAME_H
#define HULSE_STORE_FRAME_H

#include "daemon/store/store_request.h"

#include <stdbool.h>
#include <stdint.h>

#define FRAME_HEADER_BYTES 80U
#define FRAME_ALIGNMENT 8U

/* Beyond those of store_request.h. */
enum frame_kind {
    FRAME_EPOCH = 64, /* a start: epoch in the header; body: record_epoch */
    FRAME_CLEAN       /* a stop: everything before is checkpointed */
};

#define FRAME_FIRST_OF_GROUP 1U

/*
 * off  0 u32 crc        4 u32 length, header + body, without padding
 *      8 u32 generation 12 u32 epoch
 *     16 u64 topic      24 u64 position
 *     32 16  handle     48 u64 seq
 *     56 u64 time_ms    64 u32 group
 *     68 u16 kind       70 u16 flags
 *     72 u64 reserved, 0
 */
struct frame {
    uint32_t length;
    uint32_t generation;
    uint32_t epoch;
    uint64_t topic;
    uint64_t position;
    uint8_t handle[STORE_HANDLE_BYTES];
    uint64_t seq;
    uint64_t time_ms;
    uint32_t group;
    uint16_t kind; /* enum store_kind or frame_kind */
    uint16_t flags;
    const uint8_t *body; /* contiguous; length - FRAME_HEADER_BYTES */
};

#endif
