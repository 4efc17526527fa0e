/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8 - see the header.
 */
#include "daemon/core/utf8.h"

#include <string.h>

/* The high bit of each byte: set in none of eight bytes of ASCII. */
#define HIGH_BITS UINT64_C(0x8080808080808080)

/* Unicode 15, table 3-7. */
size_t hulse_utf8_sequence(const uint8_t *in, size_t bytes)
{
    uint8_t low = 0x80; /* bounds of the second byte */
    uint8_t high = 0xbf;
    size_t n = 0;

    if (in[0] < 0x80) {
        return 1;
    }
    if (in[0] >= 0xc2 && in[0] <= 0xdf) {
        n = 2;
    } else if ((in[0] & 0xf0U) == 0xe0) {
        n = 3;
        low = in[0] == 0xe0 ? 0xa0 : low;
        high = in[0] == 0xed ? 0x9f : high;
    } else if (in[0] >= 0xf0 && in[0] <= 0xf4) {
        n = 4;
        low = in[0] == 0xf0 ? 0x90 : low;
        high = in[0] == 0xf4 ? 0x8f : high;
    }
    if (n == 0 || n > bytes || in[1] < low || in[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if ((in[i] & 0xc0U) != 0x80) {
            return 0;
        }
    }
    return n;
}

bool hulse_utf8_good(const void *text, size_t bytes)
{
    const uint8_t *in = text;

    for (size_t at = 0; at < bytes;) {
        uint64_t eight = HIGH_BITS;
        if (bytes - at >= sizeof(eight)) {
            memcpy(&eight, in + at, sizeof(eight));
        }
        if ((eight & HIGH_BITS) == 0) {
            at += sizeof(eight);
            continue;
        }
        const size_t n = hulse_utf8_sequence(in + at, bytes - at);
        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}
