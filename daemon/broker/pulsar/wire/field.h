/* SPDX-License-Identifier: Apache-2.0 */
/*
 * field - numbers of the Pulsar protocol and fields of protobuf messages, in and out of bytes.
 *
 * For what is written and read once for every message or batch; everything else is protobuf-c's (command.h).
 * Whoever writes has made sure that there is room.
 *
 * Threads: pure.
 * Trust:   next judges bytes that may be anything; it is at least as strict as protobuf-c.
 */
#ifndef HULSE_PULSAR_WIRE_FIELD_H
#define HULSE_PULSAR_WIRE_FIELD_H

#include "daemon/broker/broker.h"
#include "daemon/core/bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WIRE_VARINT_BYTES_MAX 10U
#define WIRE_FIELD_NUMBER_MAX ((1U << 29U) - 1U)

enum wire_kind { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_COUNTED = 2, WIRE_FIXED32 = 5 };

struct wire_field {
    uint32_t number;
    enum wire_kind kind;
    uint64_t value;           /* unless counted */
    struct broker_span bytes; /* when counted; borrowed from the input */
};

enum wire_field_rc { WIRE_FIELD_OK, WIRE_FIELD_END, WIRE_FIELD_BAD };

/* ---- out --------------------------------------------------------------------------------- */

/* Each gives the place behind what it wrote. */
static inline uint8_t *hulse_wire_put_varint(uint8_t *at, uint64_t n)
{
    while (n >= 0x80) {
        *at++ = (uint8_t)(n | 0x80);
        n >>= 7U;
    }
    *at++ = (uint8_t)n;
    return at;
}

static inline uint8_t *hulse_wire_put_tag(uint8_t *at, uint32_t number, enum wire_kind kind)
{
    return hulse_wire_put_varint(at, number << 3U | (uint32_t)kind);
}

static inline uint8_t *hulse_wire_put_number(uint8_t *at, uint32_t number, uint64_t n)
{
    return hulse_wire_put_varint(hulse_wire_put_tag(at, number, WIRE_VARINT), n);
}

static inline uint8_t *hulse_wire_put_raw(uint8_t *at, const uint8_t *data, uint32_t bytes)
{
    if (bytes > 0) {
        memcpy(at, data, bytes);
    }
    return at + bytes;
}

static inline uint8_t *hulse_wire_put_span(uint8_t *at, uint32_t number, struct broker_span s)
{
    at = hulse_wire_put_varint(hulse_wire_put_tag(at, number, WIRE_COUNTED), s.bytes);
    return hulse_wire_put_raw(at, s.data, s.bytes);
}

static inline uint32_t hulse_wire_varint_bytes(uint64_t n)
{
    return (uint32_t)(63 - __builtin_clzll(n | 1)) / 7 + 1;
}

/* ---- in ---------------------------------------------------------------------------------- */

/* Moves in->data; false: not a number of 64 bits, or not all of it is there. */
static inline bool hulse_wire_get_varint(struct broker_span *in, uint64_t *out)
{
    uint64_t n = 0;
    const uint32_t most = in->bytes < WIRE_VARINT_BYTES_MAX ? in->bytes : WIRE_VARINT_BYTES_MAX;

    for (uint32_t i = 0; i < most; i++) {
        const uint8_t byte = in->data[i];
        n |= (uint64_t)(byte & 0x7fU) << (7 * i);
        if (byte < 0x80) {
            in->data += i + 1;
            in->bytes -= i + 1;
            *out = n;
            return i < WIRE_VARINT_BYTES_MAX - 1 || byte <= 1;
        }
    }
    return false;
}

/* The first field of *in, which is moved behind it. Groups, which nobody has, are BAD. */
enum wire_field_rc hulse_wire_field_next(struct broker_span *in, struct wire_field *out);

#endif
