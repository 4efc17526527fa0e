/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8 - strict validation (contract in tlv.h).
 *
 * Trust: the input is foreign bytes with an end; nothing past it is read.
 * See:   the table of well-formed sequences in Unicode 15, section 3.9 (table 3-7).
 */
#include "shmlib/ring/tlv.h"

#include <string.h>

/* Bytes of the well-formed sequence at `in`, 0 when there is none. */
static size_t sequence_bytes(const uint8_t *in, size_t bytes)
{
    const uint8_t lead = in[0];
    uint8_t low =
        0x80; /* bounds of the second byte: these exclude overlong, surrogates, > 10FFFF */
    uint8_t high = 0xBF;
    size_t n = 0;

    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        n = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        n = 3;
        low = lead == 0xE0 ? 0xA0 : low;
        high = lead == 0xED ? 0x9F : high;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        n = 4;
        low = lead == 0xF0 ? 0x90 : low;
        high = lead == 0xF4 ? 0x8F : high;
    }
    if (n == 0 || n > bytes || in[1] < low || in[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if ((in[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return n;
}

bool hulse_utf8_valid(const uint8_t *in, size_t bytes)
{
    size_t at = 0;

    while (at < bytes) {
        /* Names are nearly always ASCII: eight at a time. */
        uint64_t eight = 0;
        if (bytes - at >= sizeof(eight)) {
            memcpy(&eight, in + at, sizeof(eight));
            if ((eight & 0x8080808080808080ULL) == 0) {
                at += sizeof(eight);
                continue;
            }
        }
        const size_t n = sequence_bytes(in + at, bytes - at);
        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}
