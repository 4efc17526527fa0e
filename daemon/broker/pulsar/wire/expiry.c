/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expiry - see the header.
 */
#include "daemon/broker/pulsar/wire/expiry.h"

#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HEADER_BYTES = 4, NAME_BYTES = sizeof(WIRE_EXPIRY_NAME) - 1, DIGITS_MAX = 19 };

uint32_t hulse_wire_expiry_put(uint8_t out[WIRE_EXPIRY_BYTES_MAX], uint64_t at_ms)
{
    char digits[DIGITS_MAX + 2];
    const int count = snprintf(digits, sizeof(digits), "%" PRIu64, at_ms);

    HULSE_ASSERT(count > 0 && (size_t)count < sizeof(digits));
    hulse_put16(out, NAME_BYTES);
    hulse_put16(out + 2, (uint16_t)count);
    memcpy(out + HEADER_BYTES, WIRE_EXPIRY_NAME, NAME_BYTES);
    memcpy(out + HEADER_BYTES + NAME_BYTES, digits, (size_t)count);
    return HEADER_BYTES + NAME_BYTES + (uint32_t)count;
}

/* 0: it is none. */
static uint64_t number_of(const uint8_t *text, uint32_t bytes)
{
    uint64_t n = 0;

    if (bytes > DIGITS_MAX) {
        return 0;
    }
    for (uint32_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return 0;
        }
        n = n * 10 + (uint64_t)(text[i] - '0');
    }
    return n;
}

uint64_t hulse_wire_expiry_find(struct broker_span properties)
{
    uint64_t found = 0;

    while (properties.bytes >= HEADER_BYTES) {
        const uint32_t name = hulse_get16(properties.data);
        const uint32_t value = hulse_get16(properties.data + 2);
        const uint8_t *const text = properties.data + HEADER_BYTES;

        HULSE_ASSERT(name + value <= properties.bytes - HEADER_BYTES);
        if (name == NAME_BYTES && memcmp(text, WIRE_EXPIRY_NAME, NAME_BYTES) == 0) {
            found = number_of(text + name, value);
        }
        properties.data += HEADER_BYTES + name + value;
        properties.bytes -= HEADER_BYTES + name + value;
    }
    return found;
}
