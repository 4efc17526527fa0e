/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata - of an entry (MessageMetadata, and the broker's own), and of a message inside a batch
 * (SingleMessageMetadata).
 *
 * Read and written by hand: what is read borrows from the input, nothing is allocated, keys and properties keep
 * their zero bytes.
 *
 * Threads: pure.
 * Trust:   read judges bytes that may be anything.
 */
#ifndef HULSE_PULSAR_WIRE_METADATA_H
#define HULSE_PULSAR_WIRE_METADATA_H

#include "daemon/broker/broker.h"
#include "daemon/broker/pulsar/wire/key.h"
#include "daemon/broker/pulsar/wire/properties.h"

#include <stdbool.h>
#include <stdint.h>

/* Field numbers of MessageMetadata; a bit in `has` each. */
enum wire_metadata_field {
    WIRE_META_PRODUCER = 1,
    WIRE_META_SEQUENCE = 2,
    WIRE_META_PUBLISH_TIME = 3,
    WIRE_META_PROPERTIES = 4,
    WIRE_META_REPLICATED_FROM = 5,
    WIRE_META_KEY = 6,
    WIRE_META_REPLICATE_TO = 7,
    WIRE_META_COMPRESSION = 8,
    WIRE_META_UNCOMPRESSED = 9,
    WIRE_META_BATCH = 11,
    WIRE_META_EVENT_TIME = 12,
    WIRE_META_ENCRYPTION = 13,
    WIRE_META_ENCRYPTION_ALGO = 14,
    WIRE_META_ENCRYPTION_PARAM = 15,
    WIRE_META_SCHEMA_VERSION = 16,
    WIRE_META_KEY_BASE64 = 17,
    WIRE_META_ORDERING_KEY = 18,
    WIRE_META_DELIVER_AT = 19,
    WIRE_META_MARKER = 20,
    WIRE_META_TXN_LEAST = 22,
    WIRE_META_TXN_MOST = 23,
    WIRE_META_HIGHEST_SEQUENCE = 24,
    WIRE_META_NULL_VALUE = 25,
    WIRE_META_UUID = 26,
    WIRE_META_CHUNKS = 27,
    WIRE_META_CHUNKED_BYTES = 28,
    WIRE_META_CHUNK = 29,
    WIRE_META_NULL_KEY = 30,
    WIRE_META_COMPACTED = 31,
    WIRE_META_SCHEMA_ID = 32
};

/* Field numbers of SingleMessageMetadata. */
enum wire_single_field {
    WIRE_SINGLE_PROPERTIES = 1,
    WIRE_SINGLE_KEY = 2,
    WIRE_SINGLE_PAYLOAD = 3,
    WIRE_SINGLE_COMPACTED_OUT = 4,
    WIRE_SINGLE_EVENT_TIME = 5,
    WIRE_SINGLE_KEY_BASE64 = 6,
    WIRE_SINGLE_ORDERING_KEY = 7,
    WIRE_SINGLE_SEQUENCE = 8,
    WIRE_SINGLE_NULL_VALUE = 9,
    WIRE_SINGLE_NULL_KEY = 10
};

/* Field numbers of BrokerEntryMetadata. */
enum wire_entry_field { WIRE_ENTRY_TIMESTAMP = 1, WIRE_ENTRY_INDEX = 2 };

/* compacted_batch_indexes, in either of their forms; all zero: none. */
struct wire_compacted {
    struct broker_span
        fields; /* from the first to the end of the last, other fields between them */
    struct broker_span packed; /* what is left of one that has many */
    uint32_t count;
};

/* What is absent is zero, which is the default of all but num_messages_in_batch. */
struct wire_metadata {
    uint64_t has; /* 1 << field, of what was there */
    struct broker_span producer_name;
    uint64_t sequence_id;
    uint64_t publish_time_ms;
    struct wire_properties properties;
    struct broker_span replicated_from;
    struct broker_span key; /* text as it stands there; key.h when key_base64 */
    struct broker_span ordering_key;
    int32_t compression; /* Pulsar__CompressionType, or something newer */
    uint32_t uncompressed_bytes;
    int32_t batch_count; /* its presence says that the payload is a batch */
    uint64_t event_time_ms;
    struct broker_span schema_version;
    struct broker_span schema_id;
    int64_t deliver_at_ms;
    int32_t marker;
    uint64_t txn_least;
    uint64_t txn_most;
    uint64_t highest_sequence_id;
    struct broker_span uuid;
    int32_t chunk_count;
    int32_t chunked_bytes;
    int32_t chunk;
    struct wire_compacted compacted; /* which messages of a batch are left */
    bool key_base64;
    bool null_key;
    bool null_value;
};

struct wire_single {
    uint64_t has;
    struct wire_properties properties;
    struct broker_span key;
    struct broker_span ordering_key;
    int32_t payload_bytes;
    uint64_t event_time_ms;
    uint64_t sequence_id;
    bool compacted_out; /* a placeholder, no message */
    bool key_base64;
    bool null_key;
    bool null_value;
};

/* What a broker adds to an entry, where it is told to. */
struct wire_entry {
    uint64_t has;
    uint64_t broker_timestamp_ms; /* when it was stored */
    uint64_t index;               /* of its last message in the topic */
};

static inline bool hulse_wire_has(uint64_t has, uint32_t field)
{
    return (has >> field & 1U) != 0;
}

/* Of a message that is encrypted the payload is not ours to read. */
static inline bool hulse_wire_encrypted(const struct wire_metadata *m)
{
    return hulse_wire_has(m->has, WIRE_META_ENCRYPTION);
}

/*
 * False: not such metadata, *why a static text; the connection is good, only this entry is not. Unknown fields
 * are skipped. Nothing is concluded from what the fields say.
 */
bool hulse_wire_metadata_read(struct broker_span in, struct wire_metadata *out, const char **why);
bool hulse_wire_single_read(struct broker_span in, struct wire_single *out, const char **why);
bool hulse_wire_entry_read(struct broker_span in, struct wire_entry *out, const char **why);
/* Takes the first of *c off; false: there is none. */
bool hulse_wire_compacted_next(struct wire_compacted *c, int32_t *index);

/* Metadata that are to be written; zero members are left out. Borrowed until put returns. */
struct wire_draft {
    struct broker_span producer_name;
    uint64_t sequence_id; /* a chunk that is not the last one says the number before */
    uint64_t publish_time_ms;
    struct broker_span properties; /* encoded as in broker_meta */
    struct broker_span key;
    struct broker_span ordering_key;
    struct broker_span replicate_to; /* encoded as in broker_meta; not in a batch */
    enum wire_key_form key_form;
    int32_t compression;
    uint32_t uncompressed_bytes;
    uint32_t batch_count; /* 0: not a batch */
    uint64_t event_time_ms;
    struct broker_span schema_version;
    int64_t deliver_at_ms;
    uint64_t highest_sequence_id; /* written in a batch */
    struct broker_span uuid;
    int32_t chunk_count; /* 0: not a chunk */
    int32_t chunked_bytes;
    int32_t chunk;
    bool has_uncompressed_bytes;
    bool has_ordering_key;
    bool null_value;
};

/* Sets what a message that is sent alone takes from its record: not names, ids, times of the sender. */
void hulse_wire_draft_record(struct wire_draft *d, const struct broker_record *r);
/* What put writes at most. */
uint64_t hulse_wire_draft_room(const struct wire_draft *d);
/* Gives the place behind. */
uint8_t *hulse_wire_draft_put(uint8_t *at, const struct wire_draft *d);

#endif
