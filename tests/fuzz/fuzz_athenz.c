/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what a ZTS answers is a token with an end, or refused with a reason, whatever it is.
 * Input:  the body.
 */
#include "daemon/control/athenz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    /* On the heap and exact, so that AddressSanitizer sees every step too far. */
    char *body = malloc(bytes == 0 ? 1 : bytes);
    char *token = NULL;
    size_t token_bytes = 0;
    uint64_t end_ms = 0;
    struct error err = {0};

    if (body == NULL) {
        abort();
    }
    if (bytes > 0) {
        memcpy(body, data, bytes);
    }
    const hulse_status st =
        hulse_athenz_read_answer(body, bytes, &token, &token_bytes, &end_ms, &err);
    if (st == HULSE_OK ? token == NULL || token[token_bytes] != '\0' || end_ms == 0
                       : token != NULL || err.text[0] == '\0') {
        abort();
    }
    free(token);
    free(body);
    return 0;
}
