/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_hash - see the header.
 */
#include "daemon/broker/common/key_hash.h"

#include "daemon/core/bytes.h"

#include <limits.h>

/* ---- java ---- */

#define SURROGATES_FROM 0x10000U

/* Bytes of the character that begins there; 1 for a byte that begins none. */
static uint32_t character(const uint8_t *at, uint32_t left, uint32_t *code)
{
    const uint8_t first = at[0];
    const uint32_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;

    *code = first;
    if (bytes == 1 || bytes > left) {
        return 1;
    }
    uint32_t value = first & (0xffU >> (bytes + 1));
    for (uint32_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0U) != 0x80) {
            return 1;
        }
        value = value << 6U | (at[i] & 0x3fU);
    }
    *code = value;
    return bytes;
}

static uint32_t java(struct broker_span key)
{
    uint32_t hash = 0;
    uint32_t code = 0;

    for (uint32_t at = 0; at < key.bytes;) {
        at += character(key.data + at, key.bytes - at, &code);
        if (code >= SURROGATES_FROM) {
            hash = 31 * hash + (0xd800U | ((code - SURROGATES_FROM) >> 10U));
            code = 0xdc00U | (code & 0x3ffU);
        }
        hash = 31 * hash + code;
    }
    return hash;
}

/* ---- murmur3 ---- */

static uint32_t rotated(uint32_t x, unsigned by)
{
    return x << by | x >> (32U - by);
}

static uint32_t murmur3_mixed(uint32_t k)
{
    return rotated(k * 0xcc9e2d51U, 15) * 0x1b873593U;
}

static uint32_t murmur3(struct broker_span key)
{
    const uint32_t whole = key.bytes & ~3U;
    uint32_t hash = 0;
    uint32_t tail = 0;

    for (uint32_t at = 0; at < whole; at += 4) {
        hash = rotated(hash ^ murmur3_mixed(hulse_get32(key.data + at)), 13) * 5 + 0xe6546b64U;
    }
    for (uint32_t at = key.bytes; at > whole; at--) {
        tail = tail << 8U | key.data[at - 1];
    }
    hash ^= murmur3_mixed(tail);
    hash ^= key.bytes;
    hash = (hash ^ hash >> 16U) * 0x85ebca6bU;
    hash = (hash ^ hash >> 13U) * 0xc2b2ae35U;
    return hash ^ hash >> 16U;
}

/* ---- boost ---- */

#define BOOST_STEP UINT64_C(0x9e3779b97f4a7c15)
#define BOOST_FACTOR UINT64_C(0xdf442d22ce4859b9)

__extension__ typedef unsigned __int128 wide;

static uint64_t boost_mixed(uint64_t x)
{
    const wide product = (wide)x * BOOST_FACTOR;
    return (uint64_t)product ^ (uint64_t)(product >> 64U);
}

/* The last bytes, of which there are fewer than eight. */
static uint64_t boost_tail(const uint8_t *p, uint32_t n)
{
    if (n >= 4) {
        return (uint64_t)hulse_get32(p + (n - 4)) << ((n - 4) * 8) | hulse_get32(p);
    }
    if (n == 0) {
        return 0;
    }
    const uint32_t x1 = (n - 1) & 2U;
    const uint32_t x2 = n >> 1U;
    return (uint64_t)p[x1] << (x1 * 8) | (uint64_t)p[x2] << (x2 * 8) | p[0];
}

static uint64_t boost(struct broker_span key)
{
    const uint8_t *p = key.data;
    uint32_t n = key.bytes;
    uint64_t w = boost_mixed(BOOST_STEP);
    uint64_t hash = w ^ n;

    for (; n >= 8; p += 8, n -= 8) {
        w += BOOST_STEP;
        hash ^= boost_mixed(hulse_get64(p) + w);
    }
    w += BOOST_STEP;
    hash ^= boost_mixed(boost_tail(p, n) + w);
    return boost_mixed(hash + w);
}

uint32_t hulse_key_hash(enum broker_hashing kind, struct broker_span key)
{
    switch (kind) {
    case BROKER_HASH_MURMUR3:
        return murmur3(key) & INT_MAX;
    case BROKER_HASH_BOOST:
        return (uint32_t)boost(key) & INT_MAX;
    case BROKER_HASH_JAVA:
        break;
    }
    return java(key) & INT_MAX;
}
