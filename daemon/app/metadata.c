/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata - between the rings' TLVs and the broker interface's metadata.
 *
 * Trust: input TLVs were checked by hulse_tlv_check() on this very copy.
 */
#include "daemon/app/metadata.h"

#include "daemon/flow/flow.h"
#include "shmlib/ring/control.h"
#include "shmlib/ring/record.h"
#include "shmlib/ring/tlv.h"

static struct broker_span span(const struct hulse_tlv *t)
{
    return (struct broker_span){.data = t->value, .bytes = t->bytes};
}

uint32_t hulse_property_in(const struct hulse_tlv *t, uint8_t *out)
{
    const uint8_t *name = NULL;
    const uint8_t *value = NULL;
    size_t name_bytes = 0;
    size_t value_bytes = 0;
    hulse_tlv_property(t, &name, &name_bytes, &value, &value_bytes);
    const uint16_t lengths[2] = {(uint16_t)name_bytes, (uint16_t)value_bytes};
    memcpy(out, lengths, sizeof(lengths));
    memcpy(out + sizeof(lengths), name, name_bytes);
    memcpy(out + sizeof(lengths) + name_bytes, value, value_bytes);
    return (uint32_t)(sizeof(lengths) + name_bytes + value_bytes);
}

/* {u16 bytes, name} for each; never longer than the TLVs. */
static size_t clusters_in(const uint8_t *tlvs, size_t bytes, uint8_t *out)
{
    size_t at = 0;
    size_t used = 0;
    struct hulse_tlv t;
    while (hulse_tlv_next(tlvs, bytes, &at, &t) == 1) {
        if (t.tag == HULSE_TAG_REPLICATE_TO) {
            memcpy(out + used, &t.bytes, sizeof(t.bytes));
            memcpy(out + used + sizeof(t.bytes), t.value, t.bytes);
            used += sizeof(t.bytes) + t.bytes;
        }
    }
    return used;
}

void hulse_metadata_in(const uint8_t *tlvs,
                       size_t bytes,
                       uint8_t *properties,
                       struct broker_meta *out)
{
    *out = (struct broker_meta){.partition = -1};
    size_t at = 0;
    size_t used = 0;
    bool clusters = false;
    struct hulse_tlv t;
    while (hulse_tlv_next(tlvs, bytes, &at, &t) == 1) {
        switch (t.tag) {
        case HULSE_TAG_KEY:
            out->key = span(&t);
            out->has_key = true;
            break;
        case HULSE_TAG_ORDERING_KEY:
            out->ordering_key = span(&t);
            out->has_ordering_key = true;
            break;
        case HULSE_TAG_EVENT_TIME:
            out->event_time_ms = hulse_tlv_number(&t);
            break;
        case HULSE_TAG_PROPERTY:
            used += hulse_property_in(&t, properties + used);
            break;
        case HULSE_TAG_DELIVER_AFTER:
            out->deliver_after_ms = hulse_tlv_number(&t);
            break;
        case HULSE_TAG_PARTITION:
            out->partition = (int32_t)(hulse_tlv_number(&t) & INT32_MAX);
            break;
        case HULSE_TAG_TTL:
            out->ttl_ms = hulse_tlv_number(&t);
            break;
        case HULSE_TAG_TOMBSTONE:
            out->tombstone = true;
            break;
        case HULSE_TAG_REPLICATE_TO:
            clusters = true;
            break;
        default:
            break;
        }
    }
    out->properties = (struct broker_span){.data = properties, .bytes = (uint32_t)used};
    if (clusters) {
        out->replicate_to.data = properties + used;
        out->replicate_to.bytes = (uint32_t)clusters_in(tlvs, bytes, properties + used);
    }
}

/* Where a delivery's metadata go. */
struct sink {
    uint8_t *out;
    size_t capacity;
    size_t at;
};

static bool put(struct sink *k, uint8_t tag, const void *value, size_t bytes)
{
    const struct hulse_tlv t = {.tag = tag, .bytes = (uint16_t)bytes, .value = value};
    return bytes <= UINT16_MAX && hulse_tlv_put(k->out, k->capacity, &k->at, &t);
}

/* Properties as TLVs, in their order; false when one did not fit. */
static bool put_properties(struct sink *k, struct broker_span in)
{
    size_t from = 0;
    while (from < in.bytes) {
        uint16_t lengths[2];
        memcpy(lengths, in.data + from, sizeof(lengths));
        const size_t body = (size_t)lengths[0] + lengths[1];
        const size_t total = HULSE_TLV_HEADER_BYTES + sizeof(uint16_t) + body;
        if (body > UINT16_MAX - sizeof(uint16_t) || total > k->capacity - k->at) {
            return false;
        }
        uint8_t *to = k->out + k->at;
        const uint16_t head[3] = {
            HULSE_TAG_PROPERTY, (uint16_t)(sizeof(uint16_t) + body), lengths[0]};
        memcpy(to, head, sizeof(head));
        memcpy(to + sizeof(head), in.data + from + sizeof(lengths), body);
        k->at += total;
        from += sizeof(lengths) + body;
    }
    return true;
}

size_t hulse_metadata_bytes(const struct broker_delivery *d, size_t capacity)
{
    const struct broker_meta *m = &d->meta;
    size_t bytes = 0;
    bytes += m->has_key ? HULSE_TLV_HEADER_BYTES + m->key.bytes : 0;
    bytes += m->has_ordering_key ? HULSE_TLV_HEADER_BYTES + m->ordering_key.bytes : 0;
    bytes += m->event_time_ms != 0 ? HULSE_TLV_HEADER_BYTES + sizeof(uint64_t) : 0;
    bytes += m->tombstone ? HULSE_TLV_HEADER_BYTES : 0;
    bytes += d->broker_time_ms != 0 ? HULSE_TLV_HEADER_BYTES + sizeof(uint64_t) : 0;
    bytes += d->has_index ? HULSE_TLV_HEADER_BYTES + sizeof(uint64_t) : 0;
    bytes += d->schema_version != 0 ? HULSE_TLV_HEADER_BYTES + sizeof(uint64_t) : 0;
    bytes += d->own_schema ? HULSE_TLV_HEADER_BYTES : 0;
    bytes += d->producer.bytes != 0 ? HULSE_TLV_HEADER_BYTES + d->producer.bytes : 0;
    /* A property's own head grows from 4 bytes to 6. */
    bytes += m->properties.bytes + m->properties.bytes / 2;
    return bytes < capacity ? bytes : capacity;
}

/* `out` is written through the sink. NOLINTBEGIN(readability-non-const-parameter) */
size_t
hulse_metadata_out(const struct broker_delivery *d, uint8_t *out, size_t capacity, bool *left_out)
/* NOLINTEND(readability-non-const-parameter) */
{
    const struct broker_meta *m = &d->meta;
    struct sink sink = {.out = out, .capacity = capacity};
    bool fits = true;
    if (m->has_key) {
        fits = put(&sink, HULSE_TAG_KEY, m->key.data, m->key.bytes) && fits;
    }
    if (m->has_ordering_key) {
        fits =
            put(&sink, HULSE_TAG_ORDERING_KEY, m->ordering_key.data, m->ordering_key.bytes) && fits;
    }
    if (m->event_time_ms != 0) {
        fits = put(&sink, HULSE_TAG_EVENT_TIME, &m->event_time_ms, sizeof(uint64_t)) && fits;
    }
    if (m->tombstone) {
        fits = put(&sink, HULSE_TAG_TOMBSTONE, "", 0) && fits;
    }
    if (d->broker_time_ms != 0) {
        fits = put(&sink, HULSE_TAG_BROKER_TIME, &d->broker_time_ms, sizeof(uint64_t)) && fits;
    }
    if (d->has_index) {
        fits = put(&sink, HULSE_TAG_INDEX, &d->index, sizeof(uint64_t)) && fits;
    }
    if (d->own_schema) {
        fits = put(&sink, HULSE_TAG_OWN_SCHEMA, "", 0) && fits;
    }
    if (d->schema_version != 0) {
        const uint64_t version = d->schema_version - 1;
        fits = put(&sink, HULSE_TAG_SCHEMA_VERSION, &version, sizeof(version)) && fits;
    }
    if (d->producer.bytes != 0) {
        fits = put(&sink, HULSE_TAG_PRODUCER, d->producer.data, d->producer.bytes) && fits;
    }
    if (m->properties.bytes != 0) {
        fits = put_properties(&sink, m->properties) && fits;
    }
    *left_out = !fits || m->properties_left_out;
    return sink.at;
}
