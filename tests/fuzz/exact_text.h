/* SPDX-License-Identifier: Apache-2.0 */
/* exact_text - a text on the heap, of exactly its bytes, so that AddressSanitizer sees every step too far. */
#ifndef HULSE_TESTS_FUZZ_EXACT_TEXT_H
#define HULSE_TESTS_FUZZ_EXACT_TEXT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Terminated; to be freed. */
static inline char *exact_text(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    if (text == NULL) {
        abort();
    }
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    return text;
}

#endif
