/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compression - see the header. Pulsar protocol, section 5.7.
 */
#include "daemon/broker/pulsar/wire/compression.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <limits.h>
#include <lz4.h>
#include <pulsar_api.pb-c.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

struct wire_contexts {
    ZSTD_CCtx *zstd_out;
    ZSTD_DCtx *zstd_in;
    z_stream zlib_out;
    z_stream zlib_in;
    bool has_zlib_out;
    bool has_zlib_in;
};

struct wire_contexts *hulse_wire_contexts_create(void)
{
    return hulse_mem_zalloc(HULSE_MEM_BROKER, sizeof(struct wire_contexts));
}

void hulse_wire_contexts_destroy(struct wire_contexts **c)
{
    struct wire_contexts *gone = *c;

    *c = NULL;
    if (gone == NULL) {
        return;
    }
    (void)ZSTD_freeCCtx(gone->zstd_out);
    (void)ZSTD_freeDCtx(gone->zstd_in);
    if (gone->has_zlib_out) {
        (void)deflateEnd(&gone->zlib_out);
    }
    if (gone->has_zlib_in) {
        (void)inflateEnd(&gone->zlib_in);
    }
    hulse_mem_free(HULSE_MEM_BROKER, gone, sizeof(*gone));
}

/* ---- out --------------------------------------------------------------------------------- */

uint64_t hulse_wire_compress_bound(int32_t type, uint32_t bytes)
{
    if (bytes > LZ4_MAX_INPUT_SIZE) {
        return 0;
    }
    switch (type) {
    case PULSAR__COMPRESSION_TYPE__LZ4:
        return (uint64_t)LZ4_compressBound((int)bytes);
    case PULSAR__COMPRESSION_TYPE__ZLIB:
        return compressBound(bytes);
    case PULSAR__COMPRESSION_TYPE__ZSTD:
        return ZSTD_compressBound(bytes);
    case PULSAR__COMPRESSION_TYPE__SNAPPY:
        return snappy_max_compressed_length(bytes);
    default:
        return 0;
    }
}

static enum wire_compression_rc deflate_all(
    struct wire_contexts *c, struct broker_span in, uint8_t *out, uint64_t room, uint64_t *bytes)
{
    z_stream *const z = &c->zlib_out;

    if (!c->has_zlib_out) {
        if (deflateInit(z, Z_DEFAULT_COMPRESSION) != Z_OK) {
            return WIRE_COMPRESSION_NO_MEMORY;
        }
        c->has_zlib_out = true;
    }
    const int reset = deflateReset(z);
    HULSE_ASSERT(reset == Z_OK);
    z->next_in = (z_const Bytef *)(uintptr_t)in.data;
    z->avail_in = in.bytes;
    z->next_out = out;
    z->avail_out = room > UINT_MAX ? UINT_MAX : (uInt)room;
    /* The bound is for exactly this call. */
    const int rc = deflate(z, Z_FINISH);
    HULSE_ASSERT(rc == Z_STREAM_END);
    *bytes = z->total_out;
    return WIRE_COMPRESSION_OK;
}

static enum wire_compression_rc zstd_all(
    struct wire_contexts *c, struct broker_span in, uint8_t *out, uint64_t room, uint64_t *bytes)
{
    if (c->zstd_out == NULL) {
        c->zstd_out = ZSTD_createCCtx();
    }
    if (c->zstd_out == NULL) {
        return WIRE_COMPRESSION_NO_MEMORY;
    }
    const size_t made =
        ZSTD_compressCCtx(c->zstd_out, out, room, in.data, in.bytes, WIRE_ZSTD_LEVEL);
    if (ZSTD_isError(made)) {
        return WIRE_COMPRESSION_NO_MEMORY; /* nothing else can fail with room for the bound */
    }
    *bytes = made;
    return WIRE_COMPRESSION_OK;
}

enum wire_compression_rc hulse_wire_compress(struct wire_contexts *c,
                                             int32_t type,
                                             struct broker_span in,
                                             uint8_t *out,
                                             uint64_t room,
                                             uint32_t *bytes)
{
    static const uint8_t nothing = 0;
    const uint64_t bound = hulse_wire_compress_bound(type, in.bytes);
    enum wire_compression_rc rc = WIRE_COMPRESSION_OK;
    uint64_t made = 0;

    if (bound == 0) {
        return WIRE_COMPRESSION_UNKNOWN;
    }
    HULSE_ASSERT(room >= bound);
    if (in.data == NULL) {
        in.data = &nothing;
    }
    if (type == PULSAR__COMPRESSION_TYPE__LZ4) {
        made = (uint64_t)LZ4_compress_default(
            (const char *)in.data, (char *)out, (int)in.bytes, (int)bound);
    } else if (type == PULSAR__COMPRESSION_TYPE__SNAPPY) {
        size_t size = room;
        const snappy_status done =
            snappy_compress((const char *)in.data, in.bytes, (char *)out, &size);
        HULSE_ASSERT(done == SNAPPY_OK);
        made = size;
    } else if (type == PULSAR__COMPRESSION_TYPE__ZLIB) {
        rc = deflate_all(c, in, out, room, &made);
    } else {
        rc = zstd_all(c, in, out, room, &made);
    }
    HULSE_ASSERT(rc != WIRE_COMPRESSION_OK || (made > 0 && made <= bound));
    *bytes = (uint32_t)made;
    return rc;
}

/* ---- in ---------------------------------------------------------------------------------- */

enum wire_compression_rc hulse_wire_decompress_check(int32_t type,
                                                     struct broker_span in,
                                                     uint32_t uncompressed_bytes,
                                                     uint32_t max)
{
    HULSE_ASSERT(max <= INT_MAX);

    if (hulse_wire_compress_bound(type, 0) == 0) {
        return WIRE_COMPRESSION_UNKNOWN;
    }
    if (uncompressed_bytes > max) {
        return WIRE_COMPRESSION_TOO_LARGE;
    }
    if (in.bytes == 0 && uncompressed_bytes == 0) {
        return WIRE_COMPRESSION_OK;
    }
    if (in.bytes == 0 || in.bytes > INT_MAX) {
        return WIRE_COMPRESSION_BAD;
    }
    if (type == PULSAR__COMPRESSION_TYPE__SNAPPY) {
        size_t told = 0;
        if (snappy_uncompressed_length((const char *)in.data, in.bytes, &told) != SNAPPY_OK ||
            told != uncompressed_bytes) {
            return WIRE_COMPRESSION_BAD;
        }
    }
    if (type == PULSAR__COMPRESSION_TYPE__ZSTD) {
        const unsigned long long told = ZSTD_getFrameContentSize(in.data, in.bytes);
        if (told == ZSTD_CONTENTSIZE_ERROR ||
            (told != ZSTD_CONTENTSIZE_UNKNOWN && told > uncompressed_bytes)) {
            return WIRE_COMPRESSION_BAD;
        }
    }
    return WIRE_COMPRESSION_OK;
}

/*
 * Java ends its streams with a flush, without a last block and its sum: good is what gave so many bytes and
 * has no more. One byte of room beyond them shows that.
 */
static enum wire_compression_rc
inflate_all(struct wire_contexts *c, struct broker_span in, uint8_t *out, uint32_t bytes)
{
    z_stream *const z = &c->zlib_in;
    uint8_t beyond = 0;

    if (!c->has_zlib_in) {
        if (inflateInit(z) != Z_OK) {
            return WIRE_COMPRESSION_NO_MEMORY;
        }
        c->has_zlib_in = true;
    }
    const int reset = inflateReset(z);
    HULSE_ASSERT(reset == Z_OK);
    z->next_in = (z_const Bytef *)(uintptr_t)in.data;
    z->avail_in = in.bytes;
    z->next_out = bytes == 0 ? &beyond : out;
    z->avail_out = bytes == 0 ? 1 : bytes;
    int rc = inflate(z, Z_SYNC_FLUSH);
    if (rc == Z_OK && bytes > 0 && z->avail_out == 0) {
        z->next_out = &beyond;
        z->avail_out = 1;
        rc = inflate(z, Z_SYNC_FLUSH);
    }
    if (rc == Z_MEM_ERROR) {
        return WIRE_COMPRESSION_NO_MEMORY;
    }
    /* Z_BUF_ERROR: there was nothing more to do. */
    const bool whole = rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR;
    return whole && z->total_out == bytes ? WIRE_COMPRESSION_OK : WIRE_COMPRESSION_BAD;
}

static enum wire_compression_rc
unzstd_all(struct wire_contexts *c, struct broker_span in, uint8_t *out, uint32_t bytes)
{
    if (c->zstd_in == NULL) {
        c->zstd_in = ZSTD_createDCtx();
    }
    if (c->zstd_in == NULL) {
        return WIRE_COMPRESSION_NO_MEMORY;
    }
    return ZSTD_decompressDCtx(c->zstd_in, out, bytes, in.data, in.bytes) == bytes
               ? WIRE_COMPRESSION_OK
               : WIRE_COMPRESSION_BAD;
}

enum wire_compression_rc hulse_wire_decompress(struct wire_contexts *c,
                                               int32_t type,
                                               struct broker_span in,
                                               uint8_t *out,
                                               uint32_t uncompressed_bytes)
{
    uint8_t none = 0;
    const enum wire_compression_rc rc =
        hulse_wire_decompress_check(type, in, uncompressed_bytes, INT_MAX);

    /* What has no bytes was found to be nothing: no library is asked. */
    if (rc != WIRE_COMPRESSION_OK || in.bytes == 0) {
        return rc;
    }
    if (uncompressed_bytes == 0) {
        out = &none; /* the libraries want a place even for nothing */
    }
    if (type == PULSAR__COMPRESSION_TYPE__LZ4) {
        return LZ4_decompress_safe(
                   (const char *)in.data, (char *)out, (int)in.bytes, (int)uncompressed_bytes) ==
                       (int)uncompressed_bytes
                   ? WIRE_COMPRESSION_OK
                   : WIRE_COMPRESSION_BAD;
    }
    if (type == PULSAR__COMPRESSION_TYPE__SNAPPY) {
        size_t room = uncompressed_bytes;
        return snappy_uncompress((const char *)in.data, in.bytes, (char *)out, &room) ==
                           SNAPPY_OK &&
                       room == uncompressed_bytes
                   ? WIRE_COMPRESSION_OK
                   : WIRE_COMPRESSION_BAD;
    }
    return type == PULSAR__COMPRESSION_TYPE__ZLIB ? inflate_all(c, in, out, uncompressed_bytes)
                                                  : unzstd_all(c, in, out, uncompressed_bytes);
}
