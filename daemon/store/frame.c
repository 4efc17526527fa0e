/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - see the header.
 */
#include "daemon/store/frame.h"

#include "daemon/core/bytes.h"

enum {
    OFF_CRC = 0,
    OFF_LENGTH = 4,
    OFF_GENERATION = 8,
    OFF_EPOCH = 12,
    OFF_TOPIC = 16,
    OFF_POSITION = 24,
    OFF_HANDLE = 32,
    OFF_SEQ = 48,
    OFF_TIME = 56,
    OFF_GROUP = 64,
    OFF_KIND = 68,
    OFF_FLAGS = 70,
    OFF_CHECK = 72,
    OFF_RESERVED = 76
};
static_assert(OFF_RESERVED + 4 == FRAME_HEADER_BYTES, "the header's layout");

uint32_t hulse_frame_encode(const struct frame *f, uint32_t seed, uint8_t out[FRAME_HEADER_BYTES])
{
    hulse_put32(out + OFF_LENGTH, f->length);
    hulse_put32(out + OFF_GENERATION, f->generation);
    hulse_put32(out + OFF_EPOCH, f->epoch);
    hulse_put64(out + OFF_TOPIC, f->topic);
    hulse_put64(out + OFF_POSITION, f->position);
    memcpy(out + OFF_HANDLE, f->handle, STORE_HANDLE_BYTES);
    hulse_put64(out + OFF_SEQ, f->seq);
    hulse_put64(out + OFF_TIME, f->time_ms);
    hulse_put32(out + OFF_GROUP, f->group);
    hulse_put16(out + OFF_KIND, f->kind);
    hulse_put16(out + OFF_FLAGS, f->flags);
    const uint32_t check = hulse_crc32c(seed, out + OFF_LENGTH, OFF_CHECK - OFF_LENGTH);
    hulse_put32(out + OFF_CHECK, check);
    hulse_put32(out + OFF_RESERVED, 0);
    return hulse_crc32c(check, out + OFF_CHECK, FRAME_HEADER_BYTES - OFF_CHECK);
}

void hulse_frame_seal(uint8_t out[FRAME_HEADER_BYTES], uint32_t crc)
{
    hulse_put32(out + OFF_CRC, crc);
}

bool hulse_frame_decode(const uint8_t in[FRAME_HEADER_BYTES],
                        uint32_t generation,
                        uint32_t seed,
                        struct frame *out,
                        uint32_t *crc)
{
    /* First what costs least: behind damage this is asked at every eighth byte. */
    const uint32_t length = hulse_get32(in + OFF_LENGTH);

    if (hulse_get32(in + OFF_GENERATION) != generation || length < FRAME_HEADER_BYTES ||
        length - FRAME_HEADER_BYTES > STORE_BODY_MAX || hulse_get32(in + OFF_RESERVED) != 0) {
        return false;
    }
    const uint32_t check = hulse_crc32c(seed, in + OFF_LENGTH, OFF_CHECK - OFF_LENGTH);
    if (hulse_get32(in + OFF_CHECK) != check) {
        return false;
    }
    *out = (struct frame){.length = length,
                          .generation = generation,
                          .epoch = hulse_get32(in + OFF_EPOCH),
                          .topic = hulse_get64(in + OFF_TOPIC),
                          .position = hulse_get64(in + OFF_POSITION),
                          .seq = hulse_get64(in + OFF_SEQ),
                          .time_ms = hulse_get64(in + OFF_TIME),
                          .group = hulse_get32(in + OFF_GROUP),
                          .kind = hulse_get16(in + OFF_KIND),
                          .flags = hulse_get16(in + OFF_FLAGS)};
    memcpy(out->handle, in + OFF_HANDLE, STORE_HANDLE_BYTES);
    *crc = hulse_crc32c(check, in + OFF_CHECK, FRAME_HEADER_BYTES - OFF_CHECK);
    return true;
}

uint32_t hulse_frame_sum(const uint8_t in[FRAME_HEADER_BYTES])
{
    return hulse_get32(in + OFF_CRC);
}
