/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch_writer - see the header. Pulsar protocol, section 5.6.
 */
#include "daemon/broker/pulsar/wire/batch_writer.h"

#include "daemon/broker/pulsar/wire/field.h"
#include "daemon/core/assert.h"

/* All fields of SingleMessageMetadata have a tag of one byte. */
enum { SIZE_BYTES = 4, NUMBERS = 5, SPANS = 2, SPAN_OVERHEAD_MAX = 1 + 5 };

static const struct broker_meta no_meta = {.partition = -1};

void hulse_wire_batch_begin(struct wire_batch *b, uint8_t *buffer, uint32_t room)
{
    *b = (struct wire_batch){.room = room};
    b->data = buffer;
}

static uint64_t
room_of(const struct broker_record *r, const struct broker_meta *meta, enum wire_key_form form)
{
    const uint64_t fixed = SIZE_BYTES + (uint64_t)NUMBERS * (1 + WIRE_VARINT_BYTES_MAX) +
                           (uint64_t)SPANS * SPAN_OVERHEAD_MAX;

    return fixed + hulse_wire_properties_room(meta->properties) +
           hulse_wire_key_bytes(form, meta->key) + meta->ordering_key.bytes + r->payload.bytes;
}

uint64_t hulse_wire_batch_room(const struct broker_record *r)
{
    const struct broker_meta *meta = r->meta != NULL ? r->meta : &no_meta;

    return room_of(r, meta, hulse_wire_key_form(meta->has_key, meta->key));
}

/* The keys that stand in what was just written, for the metadata of the batch. */
static void keep_keys(struct wire_batch *b,
                      const struct broker_meta *meta,
                      enum wire_key_form form,
                      const uint8_t *key_end,
                      const uint8_t *ordering_end)
{
    const uint64_t bytes = hulse_wire_key_bytes(form, meta->key);

    b->key = (struct broker_span){.data = key_end - bytes, .bytes = (uint32_t)bytes};
    b->key_form = form == WIRE_KEY_BYTES ? WIRE_KEY_BASE64 : form;
    b->ordering_key = (struct broker_span){.data = ordering_end - meta->ordering_key.bytes,
                                           .bytes = meta->ordering_key.bytes};
    b->has_ordering_key = meta->has_ordering_key;
}

bool hulse_wire_batch_add(struct wire_batch *b, const struct broker_record *r, uint64_t sequence_id)
{
    const struct broker_meta *meta = r->meta != NULL ? r->meta : &no_meta;
    const enum wire_key_form form = hulse_wire_key_form(meta->has_key, meta->key);

    HULSE_ASSERT(b->count == 0 || sequence_id > b->last_sequence_id);
    HULSE_ASSERT(meta->has_ordering_key || meta->ordering_key.bytes == 0);
    if (room_of(r, meta, form) > b->room - b->bytes) {
        return false;
    }
    uint8_t *const begin = b->data + b->bytes;
    uint8_t *at = begin + SIZE_BYTES;

    at = hulse_wire_properties_put(at, WIRE_SINGLE_PROPERTIES, meta->properties);
    at = hulse_wire_key_put(at, WIRE_SINGLE_KEY, form, meta->key);
    const uint8_t *const key_end = at;
    at = hulse_wire_put_number(at, WIRE_SINGLE_PAYLOAD, r->payload.bytes);
    if (meta->event_time_ms != 0) {
        at = hulse_wire_put_number(at, WIRE_SINGLE_EVENT_TIME, meta->event_time_ms);
    }
    if (hulse_wire_key_is_base64(form)) {
        at = hulse_wire_put_number(at, WIRE_SINGLE_KEY_BASE64, 1);
    }
    if (meta->has_ordering_key) {
        at = hulse_wire_put_span(at, WIRE_SINGLE_ORDERING_KEY, meta->ordering_key);
    }
    const uint8_t *const ordering_end = at;
    at = hulse_wire_put_number(at, WIRE_SINGLE_SEQUENCE, sequence_id);
    if (meta->tombstone) {
        at = hulse_wire_put_number(at, WIRE_SINGLE_NULL_VALUE, 1);
    }
    hulse_put32_big(begin, (uint32_t)(at - begin - SIZE_BYTES));
    at = hulse_wire_put_raw(at, r->payload.data, r->payload.bytes);
    b->bytes = (uint32_t)(at - b->data);
    HULSE_ASSERT(b->bytes <= b->room);
    if (b->count == 0) {
        b->first_sequence_id = sequence_id;
        keep_keys(b, meta, form, key_end, ordering_end);
    }
    b->last_sequence_id = sequence_id;
    b->payload_bytes += r->payload.bytes;
    b->count += 1;
    return true;
}

void hulse_wire_batch_draft(const struct wire_batch *b, struct wire_draft *d)
{
    HULSE_ASSERT(b->count > 0);

    d->batch_count = b->count;
    d->sequence_id = b->first_sequence_id;
    d->highest_sequence_id = b->last_sequence_id;
    d->uncompressed_bytes = b->bytes;
    d->has_uncompressed_bytes = true;
    d->key = b->key;
    d->key_form = b->key_form;
    d->ordering_key = b->ordering_key;
    d->has_ordering_key = b->has_ordering_key;
}
