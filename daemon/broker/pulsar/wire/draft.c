/* SPDX-License-Identifier: Apache-2.0 */
/*
 * draft - metadata that are to be written; see metadata.h. Fields are in the order of their numbers.
 */
#include "daemon/broker/pulsar/wire/field.h"
#include "daemon/broker/pulsar/wire/metadata.h"
#include "daemon/core/assert.h"

#include <string.h>

/* What other clients write where a message stays in its cluster. */
static const struct broker_span to_none = {.data = (const uint8_t *)"__local__", .bytes = 9};

enum { CLUSTER_HEAD_BYTES = 2 };
enum { TAG_BYTES_MAX = 2, SPAN_OVERHEAD_MAX = TAG_BYTES_MAX + 5, NUMBERS = 15, SPANS = 5 };

void hulse_wire_draft_record(struct wire_draft *d, const struct broker_record *r)
{
    const struct broker_meta *meta = r->meta;

    d->uncompressed_bytes = r->payload.bytes;
    d->has_uncompressed_bytes = true;
    if (meta == NULL) {
        return;
    }
    d->properties = meta->properties;
    d->key = meta->key;
    d->key_form = hulse_wire_key_form(meta->has_key, meta->key);
    d->ordering_key = meta->ordering_key;
    d->has_ordering_key = meta->has_ordering_key;
    d->replicate_to = meta->replicate_to;
    d->event_time_ms = meta->event_time_ms;
    d->null_value = meta->tombstone;
}

static struct broker_span cluster_at(struct broker_span clusters, uint32_t from)
{
    uint16_t bytes = 0;

    memcpy(&bytes, clusters.data + from, sizeof(bytes));
    return (struct broker_span){.data = clusters.data + from + CLUSTER_HEAD_BYTES, .bytes = bytes};
}

/* What put_clusters writes at most. */
static uint64_t clusters_room(struct broker_span clusters)
{
    struct broker_span name = {0};
    uint64_t room = 0;

    for (uint32_t from = 0; from < clusters.bytes; from += CLUSTER_HEAD_BYTES + name.bytes) {
        name = cluster_at(clusters, from);
        room += SPAN_OVERHEAD_MAX + (name.bytes == 0 ? to_none.bytes : name.bytes);
    }
    return room;
}

uint64_t hulse_wire_draft_room(const struct wire_draft *d)
{
    const uint64_t fixed = (uint64_t)NUMBERS * (TAG_BYTES_MAX + WIRE_VARINT_BYTES_MAX) +
                           (uint64_t)SPANS * SPAN_OVERHEAD_MAX;

    return fixed + d->producer_name.bytes + hulse_wire_properties_room(d->properties) +
           hulse_wire_key_bytes(d->key_form, d->key) + d->ordering_key.bytes +
           d->schema_version.bytes + d->uuid.bytes + clusters_room(d->replicate_to);
}

static uint8_t *put_clusters(uint8_t *at, struct broker_span clusters)
{
    struct broker_span name = {0};

    for (uint32_t from = 0; from < clusters.bytes; from += CLUSTER_HEAD_BYTES + name.bytes) {
        name = cluster_at(clusters, from);
        at = hulse_wire_put_span(at, WIRE_META_REPLICATE_TO, name.bytes == 0 ? to_none : name);
    }
    return at;
}

static uint8_t *put_chunk(uint8_t *at, const struct wire_draft *d)
{
    HULSE_ASSERT(d->chunk >= 0 && d->chunk < d->chunk_count && d->chunked_bytes >= 0);

    at = hulse_wire_put_span(at, WIRE_META_UUID, d->uuid);
    at = hulse_wire_put_number(at, WIRE_META_CHUNKS, (uint32_t)d->chunk_count);
    at = hulse_wire_put_number(at, WIRE_META_CHUNKED_BYTES, (uint32_t)d->chunked_bytes);
    return hulse_wire_put_number(at, WIRE_META_CHUNK, (uint32_t)d->chunk);
}

static uint8_t *put_unless_zero(uint8_t *at, uint32_t number, uint64_t n)
{
    return n == 0 ? at : hulse_wire_put_number(at, number, n);
}

/*
 * A broker that opens a topic with deduplication takes the number in each entry there is for that of a message which it
 * has whole (MessageDeduplication.replayCursor), and would drop the last chunk, when that comes at last, as a copy. So
 * those before it say the number before; while the topic is open a broker goes by the command's.
 */
static bool is_not_the_last(const struct wire_draft *d)
{
    return d->chunk + 1 < d->chunk_count;
}

uint8_t *hulse_wire_draft_put(uint8_t *at, const struct wire_draft *d)
{
    const bool before = is_not_the_last(d);
    const uint64_t sequence = d->sequence_id - (before ? 1U : 0U);

    HULSE_ASSERT(d->compression >= 0 && d->deliver_at_ms >= 0);
    HULSE_ASSERT(d->batch_count == 0 || (d->deliver_at_ms == 0 && d->chunk_count == 0));

    at = hulse_wire_put_span(at, WIRE_META_PRODUCER, d->producer_name);
    at = hulse_wire_put_number(at, WIRE_META_SEQUENCE, sequence);
    at = hulse_wire_put_number(at, WIRE_META_PUBLISH_TIME, d->publish_time_ms);
    at = hulse_wire_properties_put(at, WIRE_META_PROPERTIES, d->properties);
    at = hulse_wire_key_put(at, WIRE_META_KEY, d->key_form, d->key);
    at = put_clusters(at, d->replicate_to);
    at = put_unless_zero(at, WIRE_META_COMPRESSION, (uint32_t)d->compression);
    if (d->has_uncompressed_bytes) {
        at = hulse_wire_put_number(at, WIRE_META_UNCOMPRESSED, d->uncompressed_bytes);
    }
    at = put_unless_zero(at, WIRE_META_BATCH, d->batch_count);
    at = put_unless_zero(at, WIRE_META_EVENT_TIME, d->event_time_ms);
    if (d->schema_version.bytes > 0) {
        at = hulse_wire_put_span(at, WIRE_META_SCHEMA_VERSION, d->schema_version);
    }
    at = put_unless_zero(at, WIRE_META_KEY_BASE64, hulse_wire_key_is_base64(d->key_form));
    if (d->has_ordering_key) {
        at = hulse_wire_put_span(at, WIRE_META_ORDERING_KEY, d->ordering_key);
    }
    at = put_unless_zero(at, WIRE_META_DELIVER_AT, (uint64_t)d->deliver_at_ms);
    if (d->batch_count > 0) {
        at = hulse_wire_put_number(at, WIRE_META_HIGHEST_SEQUENCE, d->highest_sequence_id);
    } else if (before && d->sequence_id == 0) {
        /* The highest of both counts, as signed numbers, and without this it is 0. */
        at = hulse_wire_put_number(at, WIRE_META_HIGHEST_SEQUENCE, sequence);
    }
    at = put_unless_zero(at, WIRE_META_NULL_VALUE, d->null_value);
    return d->chunk_count > 0 ? put_chunk(at, d) : at;
}
