/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - partition keys: text where they are UTF-8, else base64 (RFC 4648 section 4, padded) beside a flag.
 *
 * Threads: pure.
 * Trust:   decode judges bytes that may be anything.
 */
#ifndef HULSE_PULSAR_WIRE_KEY_H
#define HULSE_PULSAR_WIRE_KEY_H

#include "daemon/broker/broker.h"

#include <stdbool.h>
#include <stdint.h>

/* How a key stands in metadata. */
enum wire_key_form {
    WIRE_KEY_NONE = 0,
    WIRE_KEY_TEXT,
    WIRE_KEY_BYTES, /* is made base64 when it is written */
    WIRE_KEY_BASE64 /* is so already */
};

/* Of a record's key. */
enum wire_key_form hulse_wire_key_form(bool has_key, struct broker_span key);
/* Of the text that stands in metadata. */
uint64_t hulse_wire_key_bytes(enum wire_key_form form, struct broker_span key);
/* Writes the base64 of a key, hulse_wire_key_bytes of WIRE_KEY_BYTES. */
void hulse_wire_key_encode(uint8_t *out, struct broker_span key);
/* Writes field `number`, unless there is none. The flag beside it is the caller's. */
uint8_t *
hulse_wire_key_put(uint8_t *at, uint32_t number, enum wire_key_form form, struct broker_span key);

static inline bool hulse_wire_key_is_base64(enum wire_key_form form)
{
    return form == WIRE_KEY_BYTES || form == WIRE_KEY_BASE64;
}

/* What decode writes at most. */
static inline uint32_t hulse_wire_key_decoded_max(uint32_t text_bytes)
{
    return text_bytes / 4 * 3;
}

/* False: not base64; what is written then says nothing. */
bool hulse_wire_key_decode(struct broker_span text, uint8_t *out, uint32_t *bytes);

#endif
