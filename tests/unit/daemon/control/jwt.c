/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt - see jwt.h.
 */
#include "tests/unit/daemon/control/jwt.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { TEXTS = 4, TEXT_BYTES = 1024 };

/* base64url without padding. */
static size_t encode(const char *in, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const size_t bytes = strlen(in);
    size_t used = 0;
    unsigned held = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < bytes; i++) {
        held = held << 8 | (uint8_t)in[i];
        for (bits += 8; bits >= 6; bits -= 6) {
            out[used++] = digits[held >> (bits - 6) & 63];
        }
    }
    if (bits > 0) {
        out[used++] = digits[held << (6 - bits) & 63];
    }
    out[used] = '\0';
    return used;
}

const char *hulse_test_jwt(const char *claims)
{
    static char texts[TEXTS][TEXT_BYTES];
    static unsigned next;
    char encoded[TEXT_BYTES - 128];
    char *text = texts[next++ % TEXTS];

    (void)encode(claims, encoded);
    (void)snprintf(text, TEXT_BYTES, "eyJhbGciOiJub25lIn0.%s.c2ln", encoded);
    return text;
}
