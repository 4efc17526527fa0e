/* SPDX-License-Identifier: Apache-2.0 */
/* base64 - RFC 4648 (contract in base64.h). */
#include "shmlib/cli/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t hulse_cli_base64_encoded(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

void hulse_cli_base64_encode(const void *in, size_t bytes, char *out)
{
    const uint8_t *from = in;

    for (size_t i = 0; i < bytes; i += 3) {
        const size_t n = bytes - i < 3 ? bytes - i : 3;
        const uint32_t group = (uint32_t)from[i] << 16 | (n > 1 ? (uint32_t)from[i + 1] << 8 : 0U) |
                               (n > 2 ? (uint32_t)from[i + 2] : 0U);
        *out++ = alphabet[group >> 18 & 63];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = (char)(n > 1 ? alphabet[group >> 6 & 63] : '=');
        *out++ = (char)(n > 2 ? alphabet[group & 63] : '=');
    }
}

static int digit_of(char c)
{
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);

    return at == NULL ? -1 : (int)(at - alphabet);
}

bool hulse_cli_base64_decode(const char *in, size_t length, void *out, size_t *out_bytes)
{
    uint8_t *to = out;
    size_t written = 0;

    if (length % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < length; i += 4) {
        const bool last = i + 4 == length;
        const size_t pad = !last || in[i + 3] != '=' ? 0 : in[i + 2] == '=' ? 2 : 1;
        uint32_t group = 0;
        for (size_t k = 0; k < 4 - pad; k++) {
            const int digit = digit_of(in[i + k]);
            if (digit < 0) {
                return false;
            }
            group |= (uint32_t)digit << (18 - 6 * k);
        }
        if ((group & ((1U << (8 * pad)) - 1)) != 0) {
            return false; /* two spellings of one value */
        }
        for (size_t k = 0; k < 3 - pad; k++) {
            to[written] = (uint8_t)(group >> (16 - 8 * k));
            written++;
        }
    }
    *out_bytes = written;
    return true;
}
