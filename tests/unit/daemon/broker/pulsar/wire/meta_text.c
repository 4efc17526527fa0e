/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta_text - see the header.
 */
#include "tests/unit/daemon/broker/pulsar/wire/meta_text.h"

#include "tests/unit/daemon/broker/pulsar/wire/text_of.h"

#include <inttypes.h>
#include <pulsar_api.pb-c.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    FILE *out;
    uint64_t has;
    bool begun;
};

static void put(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct writer *w, const char *format, ...)
{
    va_list arguments;

    (void)fputs(w->begun ? " " : "", w->out);
    w->begun = true;
    va_start(arguments, format);
    (void)vfprintf(w->out, format, arguments);
    va_end(arguments);
}

static void put_u64(struct writer *w, unsigned field, const char *name, uint64_t n)
{
    if (hulse_wire_has(w->has, field)) {
        put(w, "%s: %" PRIu64, name, n);
    }
}

static void put_i64(struct writer *w, unsigned field, const char *name, int64_t n)
{
    if (hulse_wire_has(w->has, field)) {
        put(w, "%s: %" PRId64, name, n);
    }
}

static void put_bool(struct writer *w, unsigned field, const char *name, bool set)
{
    if (hulse_wire_has(w->has, field)) {
        put(w, "%s: %s", name, set ? "true" : "false");
    }
}

/* A text of protobuf-c ends at a zero byte; bytes do not. */
static void
put_span(struct writer *w, unsigned field, const char *name, struct broker_span s, bool text)
{
    if (hulse_wire_has(w->has, field)) {
        const size_t bytes = text ? strnlen((const char *)s.data, s.bytes) : s.bytes;
        char *escaped = hulse_text_of_bytes(s.data, bytes);
        put(w, "%s: \"%s\"", name, escaped);
        free(escaped);
    }
}

static void put_properties(struct writer *w, struct wire_properties p)
{
    struct wire_property one;

    while (hulse_wire_properties_next(&p, &one)) {
        char *name = hulse_text_of_bytes(one.name.data,
                                         strnlen((const char *)one.name.data, one.name.bytes));
        char *value = hulse_text_of_bytes(one.value.data,
                                          strnlen((const char *)one.value.data, one.value.bytes));
        put(w, "properties { key: \"%s\" value: \"%s\" }", name, value);
        free(name);
        free(value);
    }
}

static void put_compression(struct writer *w, int32_t type)
{
    const ProtobufCEnumValue *known =
        protobuf_c_enum_descriptor_get_value(&pulsar__compression_type__descriptor, type);

    if (hulse_wire_has(w->has, WIRE_META_COMPRESSION)) {
        if (known != NULL) {
            put(w, "compression: %s", known->name);
        } else {
            put(w, "compression: %d", type);
        }
    }
}

char *hulse_meta_text(const struct wire_metadata *m)
{
    char *text = NULL;
    size_t bytes = 0;
    struct writer w = {.out = open_memstream(&text, &bytes), .has = m->has};
    struct wire_compacted compacted = m->compacted;
    int32_t index = 0;

    put_span(&w, WIRE_META_PRODUCER, "producer_name", m->producer_name, true);
    put_u64(&w, WIRE_META_SEQUENCE, "sequence_id", m->sequence_id);
    put_u64(&w, WIRE_META_PUBLISH_TIME, "publish_time", m->publish_time_ms);
    put_properties(&w, m->properties);
    put_span(&w, WIRE_META_REPLICATED_FROM, "replicated_from", m->replicated_from, true);
    put_span(&w, WIRE_META_KEY, "partition_key", m->key, true);
    put_compression(&w, m->compression);
    put_u64(&w, WIRE_META_UNCOMPRESSED, "uncompressed_size", m->uncompressed_bytes);
    put_i64(&w, WIRE_META_BATCH, "num_messages_in_batch", m->batch_count);
    put_u64(&w, WIRE_META_EVENT_TIME, "event_time", m->event_time_ms);
    put_span(&w, WIRE_META_SCHEMA_VERSION, "schema_version", m->schema_version, false);
    put_bool(&w, WIRE_META_KEY_BASE64, "partition_key_b64_encoded", m->key_base64);
    put_span(&w, WIRE_META_ORDERING_KEY, "ordering_key", m->ordering_key, false);
    put_i64(&w, WIRE_META_DELIVER_AT, "deliver_at_time", m->deliver_at_ms);
    put_i64(&w, WIRE_META_MARKER, "marker_type", m->marker);
    put_u64(&w, WIRE_META_TXN_LEAST, "txnid_least_bits", m->txn_least);
    put_u64(&w, WIRE_META_TXN_MOST, "txnid_most_bits", m->txn_most);
    put_u64(&w, WIRE_META_HIGHEST_SEQUENCE, "highest_sequence_id", m->highest_sequence_id);
    put_bool(&w, WIRE_META_NULL_VALUE, "null_value", m->null_value);
    put_span(&w, WIRE_META_UUID, "uuid", m->uuid, true);
    put_i64(&w, WIRE_META_CHUNKS, "num_chunks_from_msg", m->chunk_count);
    put_i64(&w, WIRE_META_CHUNKED_BYTES, "total_chunk_msg_size", m->chunked_bytes);
    put_i64(&w, WIRE_META_CHUNK, "chunk_id", m->chunk);
    put_bool(&w, WIRE_META_NULL_KEY, "null_partition_key", m->null_key);
    while (hulse_wire_compacted_next(&compacted, &index)) {
        put(&w, "compacted_batch_indexes: %d", index);
    }
    put_span(&w, WIRE_META_SCHEMA_ID, "schema_id", m->schema_id, false);
    (void)fclose(w.out);
    return text;
}

char *hulse_single_text(const struct wire_single *m)
{
    char *text = NULL;
    size_t bytes = 0;
    struct writer w = {.out = open_memstream(&text, &bytes), .has = m->has};

    put_properties(&w, m->properties);
    put_span(&w, WIRE_SINGLE_KEY, "partition_key", m->key, true);
    put_i64(&w, WIRE_SINGLE_PAYLOAD, "payload_size", m->payload_bytes);
    put_bool(&w, WIRE_SINGLE_COMPACTED_OUT, "compacted_out", m->compacted_out);
    put_u64(&w, WIRE_SINGLE_EVENT_TIME, "event_time", m->event_time_ms);
    put_bool(&w, WIRE_SINGLE_KEY_BASE64, "partition_key_b64_encoded", m->key_base64);
    put_span(&w, WIRE_SINGLE_ORDERING_KEY, "ordering_key", m->ordering_key, false);
    put_u64(&w, WIRE_SINGLE_SEQUENCE, "sequence_id", m->sequence_id);
    put_bool(&w, WIRE_SINGLE_NULL_VALUE, "null_value", m->null_value);
    put_bool(&w, WIRE_SINGLE_NULL_KEY, "null_partition_key", m->null_key);
    (void)fclose(w.out);
    return text;
}

char *hulse_entry_text(const struct wire_entry *m)
{
    char *text = NULL;
    size_t bytes = 0;
    struct writer w = {.out = open_memstream(&text, &bytes), .has = m->has};

    put_u64(&w, WIRE_ENTRY_TIMESTAMP, "broker_timestamp", m->broker_timestamp_ms);
    put_u64(&w, WIRE_ENTRY_INDEX, "index", m->index);
    (void)fclose(w.out);
    return text;
}
