/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c - see the header.
 */
#include "daemon/core/crc32c.h"

#include <isa-l/crc.h>

/* ISA-L counts in int. */
enum { PIECE = 1 << 30 };

uint32_t hulse_crc32c(uint32_t crc, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;

    while (count > PIECE) {
        /* It only reads; its prototype has forgotten to say so. */
        crc = crc32_iscsi((unsigned char *)(uintptr_t)at, PIECE, crc);
        at += PIECE;
        count -= PIECE;
    }
    return crc32_iscsi((unsigned char *)(uintptr_t)at, (int)count, crc);
}
