/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: whatever is accepted as metadata, of an entry, of a batched message or of a broker, protobuf-c accepts with the
 *         same values; keys and properties lie within the input.
 * Method: the input as all kinds of metadata, beside protobuf-c.
 */
#include "daemon/broker/pulsar/wire/metadata.h"

#include <pulsar_api.pb-c.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* protobuf-c copies a text and ends it with a zero byte; what is behind one inside is there all the same. */
static void same_text(struct broker_span s, const char *text)
{
    must((s.data == NULL) == (text == NULL));
    must(text == NULL || memcmp(s.data, text, s.bytes) == 0);
}

static void same_bytes(struct broker_span s, bool has, ProtobufCBinaryData data)
{
    must((s.data != NULL) == has);
    must(!has ||
         (s.bytes == data.len && (s.bytes == 0 || memcmp(s.data, data.data, s.bytes) == 0)));
}

static void same_properties(struct wire_properties p, size_t count, Pulsar__KeyValue *const *list)
{
    const struct wire_properties all = p;
    struct wire_property one;
    uint8_t *encoded = malloc(p.encoded_bytes + 1U);

    must(encoded != NULL && p.count == count);
    for (size_t i = 0; i < count; i++) {
        must(hulse_wire_properties_next(&p, &one));
        same_text(one.name, list[i]->key);
        same_text(one.value, list[i]->value);
    }
    must(!hulse_wire_properties_next(&p, &one));
    must(hulse_wire_properties_encode(&all, encoded) <= count);
    free(encoded);
}

static void same_list(struct wire_compacted c, const Pulsar__MessageMetadata *m)
{
    int32_t index = 0;

    must(c.count == m->n_compacted_batch_indexes);
    for (size_t i = 0; i < m->n_compacted_batch_indexes; i++) {
        must(hulse_wire_compacted_next(&c, &index) && index == m->compacted_batch_indexes[i]);
    }
    must(!hulse_wire_compacted_next(&c, &index));
}

static void same_numbers(const struct wire_metadata *m, const Pulsar__MessageMetadata *o)
{
    must(m->sequence_id == o->sequence_id && m->publish_time_ms == o->publish_time);
    must(m->compression == (int32_t)o->compression && m->event_time_ms == o->event_time);
    must(m->uncompressed_bytes == o->uncompressed_size);
    must(hulse_wire_has(m->has, WIRE_META_BATCH) == (o->has_num_messages_in_batch != 0));
    must(m->batch_count == (o->has_num_messages_in_batch ? o->num_messages_in_batch : 0));
    must(m->deliver_at_ms == o->deliver_at_time && m->marker == o->marker_type);
    must(hulse_wire_has(m->has, WIRE_META_MARKER) == (o->has_marker_type != 0));
    must(m->txn_least == o->txnid_least_bits && m->txn_most == o->txnid_most_bits);
    must(m->highest_sequence_id == o->highest_sequence_id);
    must(m->chunk == o->chunk_id && m->chunk_count == o->num_chunks_from_msg);
    must(m->chunked_bytes == o->total_chunk_msg_size);
    must(m->key_base64 == (o->partition_key_b64_encoded != 0));
    must(m->null_key == (o->null_partition_key != 0) && m->null_value == (o->null_value != 0));
}

static void try_entry(struct broker_span in)
{
    struct wire_metadata m;
    const char *why = NULL;

    if (!hulse_wire_metadata_read(in, &m, &why)) {
        must(why != NULL);
        return;
    }
    Pulsar__MessageMetadata *o = pulsar__message_metadata__unpack(NULL, in.bytes, in.data);
    if (o == NULL) {
        must(hulse_wire_encrypted(&m)); /* nobody looks into its keys here */
        return;
    }
    same_numbers(&m, o);
    same_text(m.producer_name, o->producer_name);
    same_text(m.key, o->partition_key);
    same_text(m.replicated_from, o->replicated_from);
    same_text(m.uuid, o->uuid);
    same_bytes(m.ordering_key, o->has_ordering_key, o->ordering_key);
    same_bytes(m.schema_version, o->has_schema_version, o->schema_version);
    same_bytes(m.schema_id, o->has_schema_id, o->schema_id);
    same_properties(m.properties, o->n_properties, o->properties);
    same_list(m.compacted, o);
    pulsar__message_metadata__free_unpacked(o, NULL);
}

static void try_single(struct broker_span in)
{
    struct wire_single m;
    const char *why = NULL;

    if (!hulse_wire_single_read(in, &m, &why)) {
        must(why != NULL);
        return;
    }
    Pulsar__SingleMessageMetadata *o =
        pulsar__single_message_metadata__unpack(NULL, in.bytes, in.data);
    must(o != NULL);
    must(m.payload_bytes == o->payload_size && m.event_time_ms == o->event_time);
    must(m.sequence_id == o->sequence_id);
    must(hulse_wire_has(m.has, WIRE_SINGLE_SEQUENCE) == (o->has_sequence_id != 0));
    must(m.compacted_out == (o->compacted_out != 0) && m.null_value == (o->null_value != 0));
    must(m.key_base64 == (o->partition_key_b64_encoded != 0));
    must(m.null_key == (o->null_partition_key != 0));
    same_text(m.key, o->partition_key);
    same_bytes(m.ordering_key, o->has_ordering_key, o->ordering_key);
    same_properties(m.properties, o->n_properties, o->properties);
    pulsar__single_message_metadata__free_unpacked(o, NULL);
}

static void try_added(struct broker_span in)
{
    struct wire_entry m;
    const char *why = NULL;

    if (!hulse_wire_entry_read(in, &m, &why)) {
        must(why != NULL);
        return;
    }
    Pulsar__BrokerEntryMetadata *o = pulsar__broker_entry_metadata__unpack(NULL, in.bytes, in.data);
    must(o != NULL);
    must(m.broker_timestamp_ms == o->broker_timestamp && m.index == o->index);
    must(hulse_wire_has(m.has, WIRE_ENTRY_INDEX) == (o->has_index != 0));
    pulsar__broker_entry_metadata__free_unpacked(o, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const struct broker_span in = {.data = data, .bytes = (uint32_t)bytes};

    try_entry(in);
    try_single(in);
    try_added(in);
    return 0;
}
