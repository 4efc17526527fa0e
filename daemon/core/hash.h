/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash - FNV-1a with 64 bits, byte by byte: for tables of names. Its low bits are weak, so whoever
 * chooses by them mixes the high ones in. Not against an adversary who looks for collisions.
 *
 * Threads: pure functions.
 */
#ifndef HULSE_CORE_HASH_H
#define HULSE_CORE_HASH_H

#include <stdint.h>

#define HULSE_HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t hulse_hash_byte(uint64_t hash, char byte)
{
    return (hash ^ (unsigned char)byte) * UINT64_C(0x100000001b3);
}

/* Of a terminated text. */
static inline uint64_t hulse_hash_text(const char *text)
{
    uint64_t hash = HULSE_HASH_START;

    for (; *text != '\0'; text++) {
        hash = hulse_hash_byte(hash, *text);
    }
    return hash;
}

#endif
