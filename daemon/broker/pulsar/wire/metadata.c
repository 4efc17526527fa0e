/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata - see the header. Pulsar protocol, sections 2.3, 5.6, 5.8.
 */
#include "daemon/broker/pulsar/wire/metadata.h"

#include "daemon/broker/pulsar/wire/field.h"

#include <stddef.h>

enum slot_type {
    SLOT_UNKNOWN = 0,
    SLOT_U64,
    SLOT_I64,
    SLOT_U32,
    SLOT_I32,
    SLOT_BOOL,
    SLOT_SPAN,
    SLOT_PROPERTIES,
    SLOT_COMPACTED,
    SLOT_NOTED /* counted bytes of which only the presence is kept */
};

struct slot {
    enum slot_type type;
    size_t offset;
};

#define SLOT(kind, member)                                                                         \
    {                                                                                              \
        .type = (kind), .offset = offsetof(struct wire_metadata, member)                           \
    }
static const struct slot metadata_slots[] = {
    [WIRE_META_PRODUCER] = SLOT(SLOT_SPAN, producer_name),
    [WIRE_META_SEQUENCE] = SLOT(SLOT_U64, sequence_id),
    [WIRE_META_PUBLISH_TIME] = SLOT(SLOT_U64, publish_time_ms),
    [WIRE_META_PROPERTIES] = SLOT(SLOT_PROPERTIES, properties),
    [WIRE_META_REPLICATED_FROM] = SLOT(SLOT_SPAN, replicated_from),
    [WIRE_META_KEY] = SLOT(SLOT_SPAN, key),
    [WIRE_META_REPLICATE_TO] = {.type = SLOT_NOTED},
    [WIRE_META_COMPRESSION] = SLOT(SLOT_I32, compression),
    [WIRE_META_UNCOMPRESSED] = SLOT(SLOT_U32, uncompressed_bytes),
    [WIRE_META_BATCH] = SLOT(SLOT_I32, batch_count),
    [WIRE_META_EVENT_TIME] = SLOT(SLOT_U64, event_time_ms),
    [WIRE_META_ENCRYPTION] = {.type = SLOT_NOTED},
    [WIRE_META_ENCRYPTION_ALGO] = {.type = SLOT_NOTED},
    [WIRE_META_ENCRYPTION_PARAM] = {.type = SLOT_NOTED},
    [WIRE_META_SCHEMA_VERSION] = SLOT(SLOT_SPAN, schema_version),
    [WIRE_META_KEY_BASE64] = SLOT(SLOT_BOOL, key_base64),
    [WIRE_META_ORDERING_KEY] = SLOT(SLOT_SPAN, ordering_key),
    [WIRE_META_DELIVER_AT] = SLOT(SLOT_I64, deliver_at_ms),
    [WIRE_META_MARKER] = SLOT(SLOT_I32, marker),
    [WIRE_META_TXN_LEAST] = SLOT(SLOT_U64, txn_least),
    [WIRE_META_TXN_MOST] = SLOT(SLOT_U64, txn_most),
    [WIRE_META_HIGHEST_SEQUENCE] = SLOT(SLOT_U64, highest_sequence_id),
    [WIRE_META_NULL_VALUE] = SLOT(SLOT_BOOL, null_value),
    [WIRE_META_UUID] = SLOT(SLOT_SPAN, uuid),
    [WIRE_META_CHUNKS] = SLOT(SLOT_I32, chunk_count),
    [WIRE_META_CHUNKED_BYTES] = SLOT(SLOT_I32, chunked_bytes),
    [WIRE_META_CHUNK] = SLOT(SLOT_I32, chunk),
    [WIRE_META_NULL_KEY] = SLOT(SLOT_BOOL, null_key),
    [WIRE_META_COMPACTED] = SLOT(SLOT_COMPACTED, compacted),
    [WIRE_META_SCHEMA_ID] = SLOT(SLOT_SPAN, schema_id),
};
#undef SLOT

#define SLOT(kind, member)                                                                         \
    {                                                                                              \
        .type = (kind), .offset = offsetof(struct wire_single, member)                             \
    }
static const struct slot single_slots[] = {
    [WIRE_SINGLE_PROPERTIES] = SLOT(SLOT_PROPERTIES, properties),
    [WIRE_SINGLE_KEY] = SLOT(SLOT_SPAN, key),
    [WIRE_SINGLE_PAYLOAD] = SLOT(SLOT_I32, payload_bytes),
    [WIRE_SINGLE_COMPACTED_OUT] = SLOT(SLOT_BOOL, compacted_out),
    [WIRE_SINGLE_EVENT_TIME] = SLOT(SLOT_U64, event_time_ms),
    [WIRE_SINGLE_KEY_BASE64] = SLOT(SLOT_BOOL, key_base64),
    [WIRE_SINGLE_ORDERING_KEY] = SLOT(SLOT_SPAN, ordering_key),
    [WIRE_SINGLE_SEQUENCE] = SLOT(SLOT_U64, sequence_id),
    [WIRE_SINGLE_NULL_VALUE] = SLOT(SLOT_BOOL, null_value),
    [WIRE_SINGLE_NULL_KEY] = SLOT(SLOT_BOOL, null_key),
};
#undef SLOT

#define SLOT(kind, member)                                                                         \
    {                                                                                              \
        .type = (kind), .offset = offsetof(struct wire_entry, member)                              \
    }
static const struct slot entry_slots[] = {
    [WIRE_ENTRY_TIMESTAMP] = SLOT(SLOT_U64, broker_timestamp_ms),
    [WIRE_ENTRY_INDEX] = SLOT(SLOT_U64, index),
};
#undef SLOT

/* A field as it stood in the input. */
struct place {
    const uint8_t *tag;
    const uint8_t *end;
};

/* One number, or many in counted bytes. */
static bool
take_compacted(struct wire_compacted *c, const struct place *place, const struct wire_field *f)
{
    struct broker_span packed = f->bytes;
    uint64_t index = 0;
    uint32_t count = 1;

    if (f->kind == WIRE_COUNTED) {
        for (count = 0; packed.bytes > 0; count++) {
            if (!hulse_wire_get_varint(&packed, &index)) {
                return false;
            }
        }
    } else if (f->kind != WIRE_VARINT) {
        return false;
    }
    if (c->fields.data == NULL) {
        c->fields.data = place->tag;
    }
    c->fields.bytes = (uint32_t)(place->end - c->fields.data);
    c->count += count;
    return true;
}

static void set_number(uint8_t *to, enum slot_type type, uint64_t n)
{
    const uint32_t low = (uint32_t)n;
    const bool set = n != 0;

    switch (type) {
    case SLOT_BOOL:
        memcpy(to, &set, sizeof(set));
        break;
    case SLOT_U32:
    case SLOT_I32:
        memcpy(to, &low, sizeof(low));
        break;
    default:
        memcpy(to, &n, sizeof(n));
        break;
    }
}

/* False: it is not of its type. */
static bool
fill(void *out, const struct slot *slot, const struct place *place, const struct wire_field *f)
{
    uint8_t *const to = (uint8_t *)out + slot->offset;

    switch (slot->type) {
    case SLOT_SPAN:
        memcpy(to, &f->bytes, sizeof(f->bytes));
        return f->kind == WIRE_COUNTED;
    case SLOT_PROPERTIES:
        return f->kind == WIRE_COUNTED &&
               hulse_wire_properties_take((void *)to, f->number, place->tag, f->bytes);
    case SLOT_NOTED:
        return f->kind == WIRE_COUNTED;
    case SLOT_COMPACTED:
        return take_compacted((void *)to, place, f);
    default:
        set_number(to, slot->type, f->value);
        return f->kind == WIRE_VARINT;
    }
}

/* A kind of metadata, and what is said of those that are not. */
struct kind {
    const struct slot *slots;
    size_t count;
    uint64_t required;
    const char *undecodable;
    const char *mistyped;
    const char *incomplete;
};

static bool read_fields(
    const struct kind *kind, struct broker_span in, void *out, uint64_t *has, const char **why)
{
    struct place place = {.tag = in.data};
    enum wire_field_rc rc = WIRE_FIELD_OK;
    struct wire_field f;

    for (; (rc = hulse_wire_field_next(&in, &f)) == WIRE_FIELD_OK; place.tag = place.end) {
        place.end = in.data;
        if (f.number >= kind->count || kind->slots[f.number].type == SLOT_UNKNOWN) {
            continue;
        }
        if (!fill(out, &kind->slots[f.number], &place, &f)) {
            *why = kind->mistyped;
            return false;
        }
        *has |= UINT64_C(1) << f.number;
    }
    if (rc == WIRE_FIELD_BAD) {
        *why = kind->undecodable;
        return false;
    }
    if ((*has & kind->required) != kind->required) {
        *why = kind->incomplete;
        return false;
    }
    return true;
}

bool hulse_wire_metadata_read(struct broker_span in, struct wire_metadata *out, const char **why)
{
    static const struct kind kind = {.slots = metadata_slots,
                                     .count = sizeof(metadata_slots) / sizeof(metadata_slots[0]),
                                     .required = UINT64_C(1) << WIRE_META_PRODUCER |
                                                 UINT64_C(1) << WIRE_META_SEQUENCE |
                                                 UINT64_C(1) << WIRE_META_PUBLISH_TIME,
                                     .undecodable = "message metadata cannot be decoded",
                                     .mistyped = "a field of message metadata is not of its type",
                                     .incomplete = "message metadata lack a required field"};

    memset(out, 0, sizeof(*out));
    return read_fields(&kind, in, out, &out->has, why);
}

bool hulse_wire_single_read(struct broker_span in, struct wire_single *out, const char **why)
{
    static const struct kind kind = {
        .slots = single_slots,
        .count = sizeof(single_slots) / sizeof(single_slots[0]),
        .required = UINT64_C(1) << WIRE_SINGLE_PAYLOAD,
        .undecodable = "a batched message's metadata cannot be decoded",
        .mistyped = "a field of a batched message's metadata is not of its type",
        .incomplete = "a batched message does not say how large it is"};

    memset(out, 0, sizeof(*out));
    return read_fields(&kind, in, out, &out->has, why);
}

bool hulse_wire_entry_read(struct broker_span in, struct wire_entry *out, const char **why)
{
    static const struct kind kind = {.slots = entry_slots,
                                     .count = sizeof(entry_slots) / sizeof(entry_slots[0]),
                                     .undecodable = "broker entry metadata cannot be decoded",
                                     .mistyped =
                                         "a field of broker entry metadata is not of its type"};

    memset(out, 0, sizeof(*out));
    return read_fields(&kind, in, out, &out->has, why);
}

bool hulse_wire_compacted_next(struct wire_compacted *c, int32_t *index)
{
    struct wire_field f;
    uint64_t value = 0;

    while (c->packed.bytes == 0) {
        if (hulse_wire_field_next(&c->fields, &f) != WIRE_FIELD_OK) {
            return false;
        }
        if (f.number != WIRE_META_COMPACTED) {
            continue;
        }
        if (f.kind == WIRE_VARINT) {
            *index = (int32_t)(uint32_t)f.value;
            return true;
        }
        c->packed = f.bytes;
    }
    if (!hulse_wire_get_varint(&c->packed, &value)) {
        return false;
    }
    *index = (int32_t)(uint32_t)value;
    return true;
}
