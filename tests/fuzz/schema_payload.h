/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_payload - what fuzz_schema_avro and fuzz_schema_json share.
 */
#ifndef HULSE_FUZZ_SCHEMA_PAYLOAD_H
#define HULSE_FUZZ_SCHEMA_PAYLOAD_H

#include "daemon/schema/schema.h"

#include <stdlib.h>
#include <string.h>

/* Input: a definition, a form feed, the payload. A verdict is a yes, or a no with its reason. */
static inline void schema_payload_check(enum schema_type type, const uint8_t *data, size_t bytes)
{
    const uint8_t *cut = bytes == 0 ? NULL : memchr(data, '\f', bytes);
    if (cut == NULL) {
        return;
    }
    const struct schema_definition d = {
        .type = type, .text = (const char *)data, .bytes = (size_t)(cut - data)};
    struct schema *s = NULL;
    if (hulse_schema_create(&s, &d, NULL) != HULSE_OK) {
        return;
    }
    const size_t payload_bytes = bytes - d.bytes - 1;
    uint8_t *payload = malloc(payload_bytes == 0 ? 1 : payload_bytes); /* exact */
    if (payload == NULL) {
        abort();
    }
    memcpy(payload, cut + 1, payload_bytes);
    struct schema_fault fault = {.path = "", .why = NULL};
    const bool good = hulse_schema_check(s, payload, payload_bytes, &fault);
    if (good != (fault.why == NULL) || memchr(fault.path, 0, sizeof(fault.path)) == NULL) {
        abort();
    }
    free(payload);
    hulse_schema_destroy(&s);
}

#endif
