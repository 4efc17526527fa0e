/* SPDX-License-Identifier: Apache-2.0 */
/*
 * properties - see the header.
 */
#include "daemon/broker/pulsar/wire/properties.h"

#include "daemon/broker/pulsar/wire/field.h"
#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"
#include "shmlib/ring/tlv.h"

enum { NAME = 1, VALUE = 2, HEADER_BYTES = 4 };

static bool parse(struct broker_span field, struct wire_property *out)
{
    struct wire_field f;
    enum wire_field_rc rc = WIRE_FIELD_OK;

    *out = (struct wire_property){0};
    while ((rc = hulse_wire_field_next(&field, &f)) == WIRE_FIELD_OK) {
        if (f.number != NAME && f.number != VALUE) {
            continue;
        }
        if (f.kind != WIRE_COUNTED) {
            return false;
        }
        *(f.number == NAME ? &out->name : &out->value) = f.bytes;
    }
    return rc == WIRE_FIELD_END && out->name.data != NULL && out->value.data != NULL;
}

static bool holdable(const struct wire_property *p)
{
    return p->name.bytes > 0 && p->name.bytes <= UINT16_MAX && p->value.bytes <= UINT16_MAX &&
           hulse_utf8_valid(p->name.data, p->name.bytes) &&
           hulse_utf8_valid(p->value.data, p->value.bytes);
}

bool hulse_wire_properties_take(struct wire_properties *p,
                                uint32_t number,
                                const uint8_t *tag,
                                struct broker_span field)
{
    struct wire_property one;

    if (!parse(field, &one)) {
        return false;
    }
    if (p->count == 0) {
        p->fields.data = tag;
        p->number = number;
    }
    HULSE_ASSERT(p->number == number);
    p->fields.bytes = (uint32_t)(field.data + field.bytes - p->fields.data);
    p->count += 1;
    if (holdable(&one)) {
        p->encoded_bytes += (uint64_t)HEADER_BYTES + one.name.bytes + one.value.bytes;
    }
    return true;
}

bool hulse_wire_properties_next(struct wire_properties *p, struct wire_property *out)
{
    struct wire_field f;

    while (hulse_wire_field_next(&p->fields, &f) == WIRE_FIELD_OK) {
        if (f.number == p->number) {
            return parse(f.bytes, out);
        }
    }
    return false;
}

/* The encoding is that of the rings: little endian. */
uint32_t hulse_wire_properties_encode(const struct wire_properties *p, uint8_t *out)
{
    struct wire_properties left = *p;
    struct wire_property one;
    uint32_t left_out = 0;
    const uint8_t *const begin = out;

    while (hulse_wire_properties_next(&left, &one)) {
        if (!holdable(&one)) {
            left_out++;
            continue;
        }
        hulse_put16(out, (uint16_t)one.name.bytes);
        hulse_put16(out + 2, (uint16_t)one.value.bytes);
        out = hulse_wire_put_raw(out + HEADER_BYTES, one.name.data, one.name.bytes);
        out = hulse_wire_put_raw(out, one.value.data, one.value.bytes);
    }
    HULSE_ASSERT((uint64_t)(out - begin) == p->encoded_bytes);
    return left_out;
}

uint8_t *hulse_wire_properties_put(uint8_t *at, uint32_t number, struct broker_span encoded)
{
    while (encoded.bytes > 0) {
        HULSE_ASSERT(encoded.bytes >= HEADER_BYTES);
        const uint32_t name = hulse_get16(encoded.data);
        const uint32_t value = hulse_get16(encoded.data + 2);
        HULSE_ASSERT(name + value <= encoded.bytes - HEADER_BYTES);
        const uint8_t *const text = encoded.data + HEADER_BYTES;

        at = hulse_wire_put_tag(at, number, WIRE_COUNTED);
        at = hulse_wire_put_varint(at,
                                   (uint64_t)2 + hulse_wire_varint_bytes(name) + name +
                                       hulse_wire_varint_bytes(value) + value);
        at = hulse_wire_put_span(at, NAME, (struct broker_span){.data = text, .bytes = name});
        at = hulse_wire_put_span(
            at, VALUE, (struct broker_span){.data = text + name, .bytes = value});
        encoded.data += HEADER_BYTES + name + value;
        encoded.bytes -= HEADER_BYTES + name + value;
    }
    return at;
}
