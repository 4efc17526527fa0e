/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - see the header.
 */
#include "daemon/broker/pulsar/wire/key.h"

#include "daemon/broker/pulsar/wire/field.h"
#include "shmlib/ring/tlv.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum wire_key_form hulse_wire_key_form(bool has_key, struct broker_span key)
{
    if (!has_key) {
        return WIRE_KEY_NONE;
    }
    return hulse_utf8_valid(key.data, key.bytes) ? WIRE_KEY_TEXT : WIRE_KEY_BYTES;
}

uint64_t hulse_wire_key_bytes(enum wire_key_form form, struct broker_span key)
{
    switch (form) {
    case WIRE_KEY_TEXT:
    case WIRE_KEY_BASE64:
        return key.bytes;
    case WIRE_KEY_BYTES:
        return ((uint64_t)key.bytes + 2) / 3 * 4;
    default:
        return 0;
    }
}

static uint8_t *put_base64(uint8_t *at, struct broker_span key)
{
    while (key.bytes > 0) {
        const uint32_t have = key.bytes < 3 ? key.bytes : 3;
        uint32_t bits = 0;
        for (uint32_t i = 0; i < 3; i++) {
            bits = bits << 8U | (i < have ? key.data[i] : 0U);
        }
        for (uint32_t i = 0; i < 4; i++) {
            at[i] = i <= have ? (uint8_t)digits[bits >> (18 - 6 * i) & 63U] : '=';
        }
        at += 4;
        key.data += have;
        key.bytes -= have;
    }
    return at;
}

void hulse_wire_key_encode(uint8_t *out, struct broker_span key)
{
    (void)put_base64(out, key);
}

uint8_t *
hulse_wire_key_put(uint8_t *at, uint32_t number, enum wire_key_form form, struct broker_span key)
{
    switch (form) {
    case WIRE_KEY_TEXT:
    case WIRE_KEY_BASE64:
        return hulse_wire_put_span(at, number, key);
    case WIRE_KEY_BYTES:
        at = hulse_wire_put_tag(at, number, WIRE_COUNTED);
        return put_base64(hulse_wire_put_varint(at, hulse_wire_key_bytes(form, key)), key);
    default:
        return at;
    }
}

/* 64: not a digit. */
static uint32_t digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - (uint32_t)'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - (uint32_t)'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - (uint32_t)'0' + 52;
    }
    return c == '+' ? 62 : (c == '/' ? 63 : 64);
}

bool hulse_wire_key_decode(struct broker_span text, uint8_t *out, uint32_t *bytes)
{
    uint32_t padding = 0;
    uint8_t *at = out;

    if (text.bytes % 4 != 0) {
        return false;
    }
    while (padding < 2 && padding < text.bytes && text.data[text.bytes - 1 - padding] == '=') {
        padding++;
    }
    for (uint32_t i = 0; i < text.bytes; i += 4) {
        const uint32_t have = i + 4 == text.bytes ? 4 - padding : 4;
        uint32_t bits = 0;
        for (uint32_t k = 0; k < 4; k++) {
            const uint32_t value = k < have ? digit(text.data[i + k]) : 0;
            if (value > 63) {
                return false;
            }
            bits = bits << 6U | value;
        }
        for (uint32_t k = 0; k + 1 < have; k++) {
            *at++ = (uint8_t)(bits >> (16 - 8 * k));
        }
    }
    *bytes = (uint32_t)(at - out);
    return true;
}
