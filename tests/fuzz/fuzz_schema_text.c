/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever stands as a definition is read or refused within bounds; what is read can be read
 *         with itself, unless a default is needed; a second one is compared with it both ways.
 * Input:  a definition, optionally a line break of its own (0x0c) and a second one.
 */
#include "daemon/schema/compatibility.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct schema *make(const uint8_t *text, size_t bytes)
{
    const struct schema_definition d = {
        .type = SCHEMA_AVRO, .text = (const char *)text, .bytes = bytes};
    struct schema *s = NULL;
    struct error err = {0};
    const hulse_status status = hulse_schema_create(&s, &d, &err);

    if ((status == HULSE_OK) != (s != NULL) || (s == NULL && err.text[0] == '\0')) {
        abort();
    }
    return s;
}

static hulse_status compare(const struct schema *old, const struct schema *fresh)
{
    struct error err = {0};
    const hulse_status both = hulse_schema_compatible(SCHEMA_FULL, &old, 1, fresh, &err);
    const hulse_status backward = hulse_schema_compatible(SCHEMA_BACKWARD, &old, 1, fresh, &err);
    const hulse_status forward = hulse_schema_compatible(SCHEMA_FORWARD, &old, 1, fresh, &err);

    if ((both == HULSE_OK) != (backward == HULSE_OK && forward == HULSE_OK)) {
        abort();
    }
    return both;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t *cut = bytes == 0 ? NULL : memchr(data, '\f', bytes);
    const size_t first = cut == NULL ? bytes : (size_t)(cut - data);
    struct schema *a = make(data, first);
    struct schema *b = cut == NULL ? NULL : make(cut + 1, bytes - first - 1);

    if (a != NULL && compare(a, a) != HULSE_OK) {
        abort();
    }
    if (a != NULL && b != NULL) {
        (void)compare(a, b);
        (void)compare(b, a);
    }
    hulse_schema_destroy(&a);
    hulse_schema_destroy(&b);
    return 0;
}
