/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compression - of payloads: LZ4 blocks, zlib streams, zstd frames, raw snappy blocks.
 *
 * The contexts of zstd and zlib are made when they are first needed and used again: a fresh one costs five times
 * a small payload.
 *
 * Threads: one for each set of contexts.
 * Trust:   compressed bytes may be anything. How large the payload becomes is known and judged before its
 *          buffer is allocated; nothing is written behind it.
 */
#ifndef HULSE_PULSAR_WIRE_COMPRESSION_H
#define HULSE_PULSAR_WIRE_COMPRESSION_H

#include "daemon/broker/broker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pulsar's default levels. */
#define WIRE_ZSTD_LEVEL 3

struct wire_contexts;

enum wire_compression_rc {
    WIRE_COMPRESSION_OK,
    WIRE_COMPRESSION_TOO_LARGE, /* says that it becomes larger than allowed */
    WIRE_COMPRESSION_BAD,       /* cannot be decompressed, or not to what it says */
    WIRE_COMPRESSION_UNKNOWN,   /* a type that this client does not have */
    WIRE_COMPRESSION_NO_MEMORY
};

/* Owned by a worker. NULL: no memory. */
struct wire_contexts *hulse_wire_contexts_create(void);
void hulse_wire_contexts_destroy(struct wire_contexts **c);

/* What compress writes at most; 0: no such type, or NONE. */
uint64_t hulse_wire_compress_bound(int32_t type, uint32_t bytes);
/* OK: *bytes were written. `room` is at least the bound. */
enum wire_compression_rc hulse_wire_compress(struct wire_contexts *c,
                                             int32_t type,
                                             struct broker_span in,
                                             uint8_t *out,
                                             uint64_t room,
                                             uint32_t *bytes);

/*
 * Whether `in` may become `uncompressed_bytes`: not more than `max`, and what the format itself says of its size
 * does not differ. Allocate after OK only. Not for NONE, which is the payload as it is.
 */
enum wire_compression_rc hulse_wire_decompress_check(int32_t type,
                                                     struct broker_span in,
                                                     uint32_t uncompressed_bytes,
                                                     uint32_t max);
/* Into `out` of exactly `uncompressed_bytes`; anything else than that many is BAD. */
enum wire_compression_rc hulse_wire_decompress(struct wire_contexts *c,
                                               int32_t type,
                                               struct broker_span in,
                                               uint8_t *out,
                                               uint32_t uncompressed_bytes);

#endif
