/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message_codec - see the header.
 */
#include "daemon/broker/local/message_codec.h"

#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"

#define VERSION 1U
#define HAS_KEY 1U
#define HAS_ORDERING_KEY 2U
#define TOMBSTONE 4U
#define KNOWN (HAS_KEY | HAS_ORDERING_KEY | TOMBSTONE)

enum {
    AT_VERSION = 0,
    AT_FLAGS = 1,
    AT_PRODUCER = 2,
    AT_PAYLOAD = 4,
    AT_KEY = 8,
    AT_ORDERING_KEY = 12,
    AT_PROPERTIES = 16,
    AT_PARTITION = 20,
    AT_EVENT_TIME = 24,
    AT_EXPIRES = 32
};

void hulse_message_encode(uint8_t out[MESSAGE_HEADER_BYTES],
                          const struct broker_delivery *d,
                          uint64_t expires_ms)
{
    const struct broker_meta *meta = &d->meta;
    HULSE_DASSERT(d->producer.bytes <= UINT16_MAX);
    out[AT_VERSION] = VERSION;
    out[AT_FLAGS] = (uint8_t)((meta->has_key ? HAS_KEY : 0U) |
                              (meta->has_ordering_key ? HAS_ORDERING_KEY : 0U) |
                              (meta->tombstone ? TOMBSTONE : 0U));
    hulse_put16(out + AT_PRODUCER, (uint16_t)d->producer.bytes);
    hulse_put32(out + AT_PAYLOAD, d->payload.bytes);
    hulse_put32(out + AT_KEY, meta->key.bytes);
    hulse_put32(out + AT_ORDERING_KEY, meta->ordering_key.bytes);
    hulse_put32(out + AT_PROPERTIES, meta->properties.bytes);
    hulse_put32(out + AT_PARTITION, (uint32_t)meta->partition);
    hulse_put64(out + AT_EVENT_TIME, meta->event_time_ms);
    hulse_put64(out + AT_EXPIRES, expires_ms);
}

/* Pairs, one behind the other, that end where the block ends. */
static bool properties_are_whole(struct broker_span p)
{
    size_t at = 0;
    while (at < p.bytes) {
        const size_t left = p.bytes - at;
        if (left < 2 * sizeof(uint16_t)) {
            return false;
        }
        const size_t name = hulse_get16(p.data + at);
        const size_t value = hulse_get16(p.data + at + sizeof(uint16_t));
        if (name == 0 || name + value > left - 2 * sizeof(uint16_t)) {
            return false;
        }
        at += 2 * sizeof(uint16_t) + name + value;
    }
    return true;
}

static struct broker_span take(const uint8_t **at, uint32_t bytes)
{
    const struct broker_span here = {.data = *at, .bytes = bytes};
    *at += bytes;
    return here;
}

bool hulse_message_decode(const uint8_t *body,
                          size_t bytes,
                          struct broker_delivery *d,
                          uint64_t *expires_ms,
                          const char **why)
{
    if (bytes < MESSAGE_HEADER_BYTES) {
        *why = "shorter than a message's header";
        return false;
    }
    const unsigned flags = body[AT_FLAGS];
    if (body[AT_VERSION] != VERSION || (flags & ~KNOWN) != 0) {
        *why = "a message of another version";
        return false;
    }
    const uint32_t payload = hulse_get32(body + AT_PAYLOAD);
    const uint32_t key = hulse_get32(body + AT_KEY);
    const uint32_t ordering_key = hulse_get32(body + AT_ORDERING_KEY);
    const uint32_t properties = hulse_get32(body + AT_PROPERTIES);
    const uint16_t producer = hulse_get16(body + AT_PRODUCER);
    const uint64_t parts = (uint64_t)payload + key + ordering_key + properties + producer;
    if (parts != bytes - MESSAGE_HEADER_BYTES) {
        *why = "a message's parts are not its body";
        return false;
    }
    if ((key != 0 && (flags & HAS_KEY) == 0) ||
        (ordering_key != 0 && (flags & HAS_ORDERING_KEY) == 0)) {
        *why = "a message with a key that it does not have";
        return false;
    }
    const uint8_t *at = body + MESSAGE_HEADER_BYTES;
    d->payload = take(&at, payload);
    d->meta = (struct broker_meta){
        .key = take(&at, key),
        .ordering_key = take(&at, ordering_key),
        .properties = take(&at, properties),
        .event_time_ms = hulse_get64(body + AT_EVENT_TIME),
        .partition = (int32_t)hulse_get32(body + AT_PARTITION),
        .has_key = (flags & HAS_KEY) != 0,
        .has_ordering_key = (flags & HAS_ORDERING_KEY) != 0,
        .tombstone = (flags & TOMBSTONE) != 0,
    };
    d->producer = take(&at, producer);
    *expires_ms = hulse_get64(body + AT_EXPIRES);
    if (!properties_are_whole(d->meta.properties)) {
        *why = "a message's properties are not pairs";
        return false;
    }
    return true;
}
