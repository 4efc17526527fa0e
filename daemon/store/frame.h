/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - one record of the log: a header of 80 bytes and a body, padded to 8.
 *
 * Little endian. The checksum is CRC32C over everything behind it, begun with the segment's salt and the
 * frame's place: a frame of another segment, of an earlier use of this one, or a copy in somebody's payload
 * does not verify, and nobody who cannot read the store can make one that does. The header has a
 * checksum of its own, so that a damaged body costs one record and its length can still be believed.
 *
 * Threads: pure.
 * Trust:   decode judges bytes that may be anything.
 */
#ifndef HULSE_STORE_FRAME_H
#define HULSE_STORE_FRAME_H

#include "daemon/core/crc32c.h"
#include "daemon/store/store_request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER_BYTES 80U
#define FRAME_ALIGNMENT 8U

/* Beyond those of store_request.h. */
enum frame_kind {
    FRAME_EPOCH = 64, /* a start: epoch in the header; body: record_epoch */
    FRAME_CLEAN       /* a stop: everything before is checkpointed */
};

#define FRAME_FIRST_OF_GROUP 1U
/* Of a message that was moved: it stands for the one before it of the same topic and position. */
#define FRAME_COPY 2U

/*
 * off  0 u32 crc        4 u32 length, header + body, without padding
 *      8 u32 generation 12 u32 epoch
 *     16 u64 topic      24 u64 position
 *     32 16  handle     48 u64 seq
 *     56 u64 time_ms    64 u32 group
 *     68 u16 kind       70 u16 flags
 *     72 u32 check, CRC32C over 4..71   76 u32 reserved, 0
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

/* What the checksums of a frame begin with that is at `offset` of a segment. */
static inline uint32_t hulse_frame_seed(uint32_t salt, uint32_t offset)
{
    return salt ^ offset;
}

/*
 * Writes the header but for the checksum over all, and returns that one so far: the caller goes on
 * with hulse_crc32c() over the body and ends with hulse_frame_seal().
 */
uint32_t hulse_frame_encode(const struct frame *f, uint32_t seed, uint8_t out[FRAME_HEADER_BYTES]);
void hulse_frame_seal(uint8_t out[FRAME_HEADER_BYTES], uint32_t crc);

/*
 * False: not the header of a frame of this generation at this place. Otherwise all but the body is set, and
 * *crc is as in encode: the body is good when it ends at hulse_frame_sum().
 */
bool hulse_frame_decode(const uint8_t in[FRAME_HEADER_BYTES],
                        uint32_t generation,
                        uint32_t seed,
                        struct frame *out,
                        uint32_t *crc);
uint32_t hulse_frame_sum(const uint8_t in[FRAME_HEADER_BYTES]);

/* Groups are numbered around 2^32. */
static inline bool hulse_group_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

#endif
