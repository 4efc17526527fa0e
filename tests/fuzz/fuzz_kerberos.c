/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a line of hulse-kerberos is bytes, at most three for four characters, or nothing, whatever it is.
 * Input:  the line.
 */
#include "daemon/control/kerberos.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    /* On the heap and exact, so that AddressSanitizer sees every step too far. */
    char *line = malloc(bytes == 0 ? 1 : bytes);

    if (line == NULL) {
        abort();
    }
    if (bytes > 0) {
        memcpy(line, data, bytes);
    }
    struct secret *s = hulse_kerberos_decode(line, bytes);
    if (s != NULL) {
        if (s->bytes > bytes / 4 * 3 || s->data[s->bytes] != '\0') {
            abort();
        }
        hulse_secret_release(&s);
    }
    free(line);
    return 0;
}
