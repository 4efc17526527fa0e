/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body - see the header.
 */
#include "daemon/broker/pulsar/consumer/body.h"

#include "daemon/broker/pulsar/schema/types.h"
#include "daemon/broker/pulsar/wire/expiry.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <pulsar_api.pb-c.h>
#include <string.h>

#define SIDE_BYTES_MAX 65536U

/* Bytes that one message or several share. */
struct body_side {
    struct body_side *next;
    uint32_t room;
    uint32_t used;
    uint8_t data[];
};

static struct body *create(const struct wire_message *message, uint64_t payload_bytes)
{
    const size_t bytes = sizeof(struct body) + message->metadata.bytes + payload_bytes;
    struct body *b = hulse_mem_alloc(HULSE_MEM_BROKER, bytes);
    if (b != NULL) {
        memset(b, 0, sizeof(*b));
        b->object_bytes = bytes;
        b->bytes = bytes;
        b->refs = 1;
        b->metadata_bytes = message->metadata.bytes;
        if (message->metadata.bytes > 0) {
            memcpy(b->data, message->metadata.data, message->metadata.bytes);
        }
    }
    return b;
}

static enum body_rc of_compression(enum wire_compression_rc rc, const char **why)
{
    switch (rc) {
    case WIRE_COMPRESSION_OK:
        return BODY_OK;
    case WIRE_COMPRESSION_TOO_LARGE:
        *why = "it becomes too large";
        return BODY_TOO_LARGE;
    case WIRE_COMPRESSION_BAD:
        *why = "it cannot be decompressed";
        return BODY_DAMAGED;
    case WIRE_COMPRESSION_UNKNOWN:
        *why = "an unknown compression";
        return BODY_UNKNOWN;
    case WIRE_COMPRESSION_NO_MEMORY:
        break;
    }
    *why = "no memory";
    return BODY_NO_MEMORY;
}

/* The payload behind the metadata of *b, which was made for it. */
static enum body_rc put_payload(struct body *b,
                                struct wire_contexts *contexts,
                                const struct wire_message *message,
                                const struct wire_metadata *m,
                                const char **why)
{
    uint8_t *at = b->data + message->metadata.bytes;
    if (m->compression == PULSAR__COMPRESSION_TYPE__NONE) {
        if (message->payload.bytes > 0) {
            memcpy(at, message->payload.data, message->payload.bytes);
        }
        b->payload = (struct broker_span){at, message->payload.bytes};
        return BODY_OK;
    }
    b->payload = (struct broker_span){at, m->uncompressed_bytes};
    return of_compression(
        hulse_wire_decompress(
            contexts, m->compression, message->payload, at, m->uncompressed_bytes),
        why);
}

/* Its metadata, of the copy, and its batch. */
static enum body_rc begin(struct body *b, const struct wire_message *message, const char **why)
{
    if (!hulse_wire_metadata_read(
            (struct broker_span){b->data, message->metadata.bytes}, &b->meta, why)) {
        return BODY_METADATA;
    }
    b->count = 1;
    b->batch = hulse_wire_has(b->meta.has, WIRE_META_BATCH);
    if (b->batch) {
        if (!hulse_wire_batch_open(&b->reader, &b->meta, b->payload, why)) {
            return BODY_BATCH;
        }
        b->count = b->reader.batch_count;
    }
    return BODY_OK;
}

enum body_rc hulse_body_create(struct body **out,
                               struct wire_contexts *contexts,
                               const struct wire_message *message,
                               const struct wire_metadata *m,
                               uint32_t bytes_max,
                               const char **why)
{
    uint64_t payload_bytes = message->payload.bytes;
    if (m->compression != PULSAR__COMPRESSION_TYPE__NONE) {
        const enum body_rc rc =
            of_compression(hulse_wire_decompress_check(
                               m->compression, message->payload, m->uncompressed_bytes, bytes_max),
                           why);
        if (rc != BODY_OK) {
            return rc;
        }
        payload_bytes = m->uncompressed_bytes;
    }
    struct body *b = create(message, payload_bytes);
    if (b == NULL) {
        *why = "no memory";
        return BODY_NO_MEMORY;
    }
    enum body_rc rc = put_payload(b, contexts, message, m, why);
    if (rc == BODY_OK) {
        rc = begin(b, message, why);
    }
    if (rc != BODY_OK) {
        hulse_body_release(b);
        return rc;
    }
    *out = b;
    return BODY_OK;
}

/* ---- of several ---- */

struct body *hulse_body_begin(const struct wire_message *first, uint32_t payload_bytes)
{
    struct body *b = create(first, payload_bytes);
    if (b != NULL) {
        b->payload.data = b->data + b->metadata_bytes;
    }
    return b;
}

void hulse_body_append(struct body *b, struct broker_span part)
{
    HULSE_ASSERT((uint64_t)b->metadata_bytes + b->payload.bytes + part.bytes <=
                 b->object_bytes - sizeof(*b));
    memcpy(b->data + b->metadata_bytes + b->payload.bytes, part.data, part.bytes);
    b->payload.bytes += part.bytes;
}

enum body_rc hulse_body_finish(struct body **b,
                               struct wire_contexts *contexts,
                               uint32_t bytes_max,
                               const char **why)
{
    const struct wire_message message = {.metadata = {(*b)->data, (*b)->metadata_bytes},
                                         .payload = (*b)->payload};
    struct wire_metadata m;
    struct body *whole = NULL;
    if (!hulse_wire_metadata_read(message.metadata, &m, why)) {
        return BODY_METADATA;
    }
    if (m.compression == PULSAR__COMPRESSION_TYPE__NONE) {
        return begin(*b, &message, why);
    }
    const enum body_rc rc = hulse_body_create(&whole, contexts, &message, &m, bytes_max, why);
    if (rc == BODY_OK) {
        hulse_body_release(*b);
        *b = whole;
    }
    return rc;
}

static void count_kept(struct body_tally *tally, size_t more, size_t less)
{
    for (struct body_tally *t = tally; t != NULL; t = t->all) {
        HULSE_DASSERT(t->bytes >= less);
        t->bytes += more;
        t->bytes -= less;
    }
}

void hulse_body_keep(struct body *b, struct body_tally *tally)
{
    if (b->kept == NULL) {
        b->kept = tally;
        count_kept(tally, b->bytes, 0);
    }
}

void hulse_body_release(struct body *b)
{
    HULSE_DASSERT(b->refs > 0);
    b->refs -= 1;
    if (b->refs != 0) {
        return;
    }
    count_kept(b->kept, 0, b->bytes);
    while (b->sides != NULL) {
        struct body_side *s = b->sides;
        b->sides = s->next;
        hulse_mem_free(HULSE_MEM_BROKER, s, sizeof(*s) + s->room);
    }
    hulse_mem_free(HULSE_MEM_BROKER, b, b->object_bytes);
}

enum wire_batch_rc hulse_body_next(struct body *b, struct body_message *out, const char **why)
{
    if (!b->batch) {
        if (b->taken) {
            return WIRE_BATCH_END;
        }
        b->taken = true;
        out->index = 0;
        out->passed_over = false;
        out->single_meta = false;
        out->payload = b->payload;
        return WIRE_BATCH_OK;
    }
    struct wire_batch_message m;
    const enum wire_batch_rc rc = hulse_wire_batch_next(&b->reader, &m, why);
    if (rc == WIRE_BATCH_OK) {
        out->index = m.index;
        out->passed_over = m.meta.compacted_out;
        out->single_meta = true;
        out->single = m.meta;
        out->payload = m.payload;
    }
    return rc;
}

/* ---- what a delivery says --------------------------------------------------------------- */

static uint8_t *side_take(struct body *b, uint32_t bytes)
{
    struct body_side *s = b->sides;
    if (s == NULL || s->room - s->used < bytes) {
        /* Those behind it will want about as much. */
        const uint64_t all = (uint64_t)bytes * (b->left > 0 ? b->left : 1);
        const uint32_t room = all < SIDE_BYTES_MAX
                                  ? (uint32_t)all
                                  : (bytes > SIDE_BYTES_MAX ? bytes : SIDE_BYTES_MAX);
        s = hulse_mem_alloc(HULSE_MEM_BROKER, sizeof(*s) + room);
        if (s == NULL) {
            return NULL;
        }
        b->bytes += sizeof(*s) + room;
        count_kept(b->kept, sizeof(*s) + room, 0);
        s->next = b->sides;
        s->room = room;
        s->used = 0;
        b->sides = s;
    }
    uint8_t *at = s->data + s->used;
    s->used += bytes;
    return at;
}

/* What both kinds of metadata say. */
struct said {
    struct wire_properties properties;
    struct broker_span key;
    struct broker_span ordering_key;
    uint64_t event_time_ms;
    bool has_key;
    bool has_ordering_key;
    bool key_base64;
    bool null_value;
    bool left_out; /* properties that no record holds */
};

static void hear(const struct body *b, const struct body_message *m, struct said *out)
{
    if (m->single_meta) {
        const struct wire_single *s = &m->single;
        *out = (struct said){.properties = s->properties,
                             .key = s->key,
                             .ordering_key = s->ordering_key,
                             .event_time_ms = s->event_time_ms,
                             .has_key = hulse_wire_has(s->has, WIRE_SINGLE_KEY),
                             .has_ordering_key = hulse_wire_has(s->has, WIRE_SINGLE_ORDERING_KEY),
                             .key_base64 = s->key_base64,
                             .null_value = s->null_value};
        return;
    }
    const struct wire_metadata *w = &b->meta;
    *out = (struct said){.properties = w->properties,
                         .key = w->key,
                         .ordering_key = w->ordering_key,
                         .event_time_ms = w->event_time_ms,
                         .has_key = hulse_wire_has(w->has, WIRE_META_KEY),
                         .has_ordering_key = hulse_wire_has(w->has, WIRE_META_ORDERING_KEY),
                         .key_base64 = w->key_base64,
                         .null_value = w->null_value};
}

/* Into the encoding of broker_meta. A key that says to be base64 and is not stays as it stands there. */
static bool convert(struct body *b, struct said *s, struct broker_span *properties)
{
    const uint32_t encoded = (uint32_t)s->properties.encoded_bytes;
    const bool decode = s->has_key && s->key_base64;
    const uint32_t decoded_max = decode ? hulse_wire_key_decoded_max(s->key.bytes) : 0;
    *properties = (struct broker_span){0};
    s->left_out = encoded == 0 && s->properties.count > 0;
    if (encoded == 0 && decoded_max == 0) {
        return true;
    }
    uint8_t *at = side_take(b, encoded + decoded_max);
    if (at == NULL) {
        return false;
    }
    if (encoded > 0) {
        s->left_out = hulse_wire_properties_encode(&s->properties, at) > 0;
        *properties = (struct broker_span){at, encoded};
    }
    uint32_t bytes = 0;
    if (decoded_max > 0 && hulse_wire_key_decode(s->key, at + encoded, &bytes)) {
        s->key = (struct broker_span){at + encoded, bytes};
    }
    return true;
}

/* 0: none, or one of the long form that brokers before 2.4 gave. */
static uint64_t schema_version(const struct wire_metadata *m)
{
    const ProtobufCBinaryData told = {.len = m->schema_version.bytes,
                                      .data = (uint8_t *)(uintptr_t)m->schema_version.data};
    uint64_t version = 0;
    return hulse_pulsar_version_read(&told, &version) ? version : 0;
}

/* 0: none. */
static uint64_t ttl_ms(uint64_t expires_ms, uint64_t publish_time_ms)
{
    if (expires_ms == 0) {
        return 0;
    }
    return expires_ms > publish_time_ms ? expires_ms - publish_time_ms : 1;
}

/* A broker counts messages, and numbers an entry as its last one. */
static void
fill_added(const struct body *b, const struct body_message *m, struct broker_delivery *d)
{
    const uint32_t behind = b->count - 1 - m->index;
    d->broker_time_ms = b->added.broker_timestamp_ms;
    d->has_index = hulse_wire_has(b->added.has, WIRE_ENTRY_INDEX) && b->added.index >= behind;
    d->index = d->has_index ? b->added.index - behind : 0;
}

bool hulse_body_fill(struct body *b, const struct body_message *m, struct broker_delivery *d)
{
    struct said s;
    struct broker_span properties;
    hear(b, m, &s);
    if (!convert(b, &s, &properties)) {
        return false;
    }
    const uint64_t expires_ms = hulse_wire_expiry_find(properties);
    d->payload = m->payload;
    d->meta = (struct broker_meta){.key = s.key,
                                   .ordering_key = s.ordering_key,
                                   .properties = properties,
                                   .event_time_ms = s.event_time_ms,
                                   .ttl_ms = ttl_ms(expires_ms, b->meta.publish_time_ms),
                                   .partition = -1,
                                   .has_key = s.has_key,
                                   .has_ordering_key = s.has_ordering_key,
                                   .tombstone = s.null_value,
                                   .properties_left_out = s.left_out};
    d->producer = b->meta.producer_name;
    d->schema_version = schema_version(&b->meta);
    d->own_schema = false;
    d->resolved = NULL;
    d->publish_time_ms = b->meta.publish_time_ms;
    d->redelivery = b->redelivery;
    d->partitioned = false;
    fill_added(b, m, d);
    d->slot = 0;
    return true;
}
