/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes - numbers in bytes: little endian in rings, logs and values, big endian in keys, which sort as bytes,
 *         and in the protocol of Pulsar.
 *
 * Threads: pure functions.
 */
#ifndef HULSE_CORE_BYTES_H
#define HULSE_CORE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void hulse_put16(uint8_t *out, uint16_t n)
{
    n = htole16(n);
    memcpy(out, &n, sizeof(n));
}

static inline void hulse_put32(uint8_t *out, uint32_t n)
{
    n = htole32(n);
    memcpy(out, &n, sizeof(n));
}

static inline void hulse_put64(uint8_t *out, uint64_t n)
{
    n = htole64(n);
    memcpy(out, &n, sizeof(n));
}

static inline uint16_t hulse_get16(const uint8_t *in)
{
    uint16_t n = 0;
    memcpy(&n, in, sizeof(n));
    return le16toh(n);
}

static inline uint32_t hulse_get32(const uint8_t *in)
{
    uint32_t n = 0;
    memcpy(&n, in, sizeof(n));
    return le32toh(n);
}

static inline uint64_t hulse_get64(const uint8_t *in)
{
    uint64_t n = 0;
    memcpy(&n, in, sizeof(n));
    return le64toh(n);
}

static inline void hulse_put16_big(uint8_t *out, uint16_t n)
{
    n = htobe16(n);
    memcpy(out, &n, sizeof(n));
}

static inline void hulse_put32_big(uint8_t *out, uint32_t n)
{
    n = htobe32(n);
    memcpy(out, &n, sizeof(n));
}

static inline void hulse_put64_big(uint8_t *out, uint64_t n)
{
    n = htobe64(n);
    memcpy(out, &n, sizeof(n));
}

static inline uint16_t hulse_get16_big(const uint8_t *in)
{
    uint16_t n = 0;
    memcpy(&n, in, sizeof(n));
    return be16toh(n);
}

static inline uint32_t hulse_get32_big(const uint8_t *in)
{
    uint32_t n = 0;
    memcpy(&n, in, sizeof(n));
    return be32toh(n);
}

static inline uint64_t hulse_get64_big(const uint8_t *in)
{
    uint64_t n = 0;
    memcpy(&n, in, sizeof(n));
    return be64toh(n);
}

#endif
