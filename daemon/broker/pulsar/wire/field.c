/* SPDX-License-Identifier: Apache-2.0 */
/*
 * field - see the header.
 */
#include "daemon/broker/pulsar/wire/field.h"

/* Tags and sizes have 32 bits, and no more bytes than those need: protobuf-c reads no more. */
enum { SHORT_BYTES_MAX = 5 };

static bool get_short(struct broker_span *in, uint64_t *out)
{
    const uint32_t before = in->bytes;

    return hulse_wire_get_varint(in, out) && before - in->bytes <= SHORT_BYTES_MAX;
}

/* A fixed number of `bytes` bytes, little endian. */
static bool get_fixed(struct broker_span *in, uint32_t bytes, uint64_t *out)
{
    uint64_t n = 0;

    if (in->bytes < bytes) {
        return false;
    }
    memcpy(&n, in->data, bytes);
    in->data += bytes;
    in->bytes -= bytes;
    *out = le64toh(n);
    return true;
}

static bool get_counted(struct broker_span *in, struct broker_span *out)
{
    uint64_t bytes = 0;

    if (!get_short(in, &bytes) || bytes > in->bytes) {
        return false;
    }
    *out = (struct broker_span){.data = in->data, .bytes = (uint32_t)bytes};
    in->data += bytes;
    in->bytes -= (uint32_t)bytes;
    return true;
}

enum wire_field_rc hulse_wire_field_next(struct broker_span *in, struct wire_field *out)
{
    uint64_t tag = 0;
    bool good = false;

    if (in->bytes == 0) {
        return WIRE_FIELD_END;
    }
    if (!get_short(in, &tag) || tag >> 3U == 0 || tag >> 3U > WIRE_FIELD_NUMBER_MAX) {
        return WIRE_FIELD_BAD;
    }
    *out = (struct wire_field){.number = (uint32_t)(tag >> 3U), .kind = (enum wire_kind)(tag & 7U)};
    switch (out->kind) {
    case WIRE_VARINT:
        good = hulse_wire_get_varint(in, &out->value);
        break;
    case WIRE_FIXED64:
        good = get_fixed(in, 8, &out->value);
        break;
    case WIRE_COUNTED:
        good = get_counted(in, &out->bytes);
        break;
    case WIRE_FIXED32:
        good = get_fixed(in, 4, &out->value);
        break;
    default:
        break;
    }
    return good ? WIRE_FIELD_OK : WIRE_FIELD_BAD;
}
