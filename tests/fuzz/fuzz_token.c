/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   looking for a token or a password never reads past its text, and what is found is a word, or a line, inside it.
 * Input:  the text.
 */
#include "daemon/control/token.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    /* On the heap and exact, so that AddressSanitizer sees every step too far. */
    char *text = malloc(bytes == 0 ? 1 : bytes);
    struct token token;

    if (text == NULL) {
        abort();
    }
    if (bytes > 0) {
        memcpy(text, data, bytes);
    }
    if (hulse_token_parse(&token, text, bytes, NULL) == HULSE_OK) {
        if (token.bytes == 0 || token.bytes > HULSE_TOKEN_BYTES_MAX || token.data < text ||
            token.data + token.bytes > text + bytes ||
            memchr(token.data, ' ', token.bytes) != NULL ||
            memchr(token.data, '\n', token.bytes) != NULL) {
            abort();
        }
    }
    if (hulse_token_parse_client(&token, text, bytes, NULL) == HULSE_OK &&
        (token.bytes == 0 || token.data < text || token.data + token.bytes > text + bytes)) {
        abort();
    }
    if (bytes > 0) {
        memcpy(text, data, bytes);
    }
    if (hulse_token_parse_password(&token, text, bytes, NULL) == HULSE_OK) {
        if (token.bytes == 0 || token.bytes > HULSE_TOKEN_BYTES_MAX || token.data != text ||
            token.bytes > bytes || memchr(token.data, '\n', token.bytes) != NULL) {
            abort();
        }
    }
    free(text);
    return 0;
}
