/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64 - RFC 4648 section 4, padded. Pure functions.
 */
#ifndef HULSE_CLI_BASE64_H
#define HULSE_CLI_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Characters that `bytes` become, without a terminating zero. */
size_t hulse_cli_base64_encoded(size_t bytes);
/* Writes exactly hulse_cli_base64_encoded(bytes) characters. */
void hulse_cli_base64_encode(const void *in, size_t bytes, char *out);
/*
 * Decodes strictly (padding required, no other characters, unused bits zero). `out` has room for
 * 3 * (length / 4). False: not base64.
 */
bool hulse_cli_base64_decode(const char *in, size_t length, void *out, size_t *out_bytes);

#endif
