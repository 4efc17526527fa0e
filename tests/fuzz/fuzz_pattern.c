/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   matching a glob never reads past its texts, always ends, and says what a matcher says that
 *         tries everything, where that one can be afforded.
 * Input:  glob, a newline, text.
 */
#include "daemon/table/pattern.h"
#include "tests/fuzz/exact_text.h"
#include "tests/support/naive_pattern.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NAIVE_BYTES_MAX 10U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t *newline = bytes == 0 ? NULL : memchr(data, '\n', bytes);
    if (newline == NULL || memchr(data, 0, bytes) != NULL || bytes > 2048) {
        return 0;
    }
    const size_t pattern_bytes = (size_t)(newline - data);
    char *pattern = exact_text(data, pattern_bytes);
    char *text = exact_text(newline + 1, bytes - pattern_bytes - 1);
    const bool matches = hulse_pattern_match(pattern, text);
    if (pattern_bytes <= NAIVE_BYTES_MAX && strlen(text) <= NAIVE_BYTES_MAX &&
        matches != naive_pattern_match(pattern, text)) {
        abort();
    }
    const size_t prefix = hulse_pattern_prefix_bytes(pattern);
    const size_t suffix = hulse_pattern_suffix_bytes(pattern);
    const size_t text_bytes = strlen(text);
    if (prefix + suffix > pattern_bytes ||
        (matches &&
         (prefix > text_bytes || suffix > text_bytes || memcmp(pattern, text, prefix) != 0 ||
          memcmp(pattern + pattern_bytes - suffix, text + text_bytes - suffix, suffix) != 0))) {
        abort();
    }
    free(pattern);
    free(text);
    return 0;
}
