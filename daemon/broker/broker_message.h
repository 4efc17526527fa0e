/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker_message - messages, their ids, and what becomes of them, as every broker sees them.
 *
 * Threads: values; who owns what is said where they are passed.
 * Trust:   records handed to send were checked by the caller; what an implementation hears from
 *          its network is its own to check.
 */
#ifndef HULSE_BROKER_BROKER_MESSAGE_H
#define HULSE_BROKER_BROKER_MESSAGE_H

#include "daemon/core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the flow layer does about a failure (features row G2). */
enum broker_class {
    BROKER_DONE = 0, /* no failure */
    BROKER_RETRY,    /* passes; the implementation suspends and gives everything back */
    BROKER_RELOOKUP, /* the topic has moved */
    BROKER_FAIL,     /* this record will never succeed */
    BROKER_BREAK,    /* counts for the circuit breaker */
    BROKER_DENIED,
    BROKER_TOO_LARGE,
    BROKER_FENCED
};

/* Of a producer's or consumer's name for itself that survives the daemon. */
#define BROKER_HANDLE_ID_BYTES 16U

struct broker_span {
    const uint8_t *data;
    uint32_t bytes;
};

/*
 * Metadata of a message. `properties` is encoded as {u16 name bytes, u16 value bytes, name, value}
 * repeated, little endian, both UTF-8.
 */
struct broker_meta {
    struct broker_span key;
    struct broker_span ordering_key;
    struct broker_span properties;
    /*
     * Of a record: the clusters it is replicated to, in place of its topic's (BROKER_CAN_REPLICATE): {u16 bytes, name}
     * repeated, UTF-8; an empty name: none but its own.
     */
    struct broker_span replicate_to;
    uint64_t event_time_ms;    /* 0 = none */
    uint64_t deliver_after_ms; /* 0 = at once */
    uint64_t ttl_ms;           /* 0 = none */
    int32_t partition;         /* explicit one, else -1 */
    bool has_key;              /* an empty key is a key */
    bool has_ordering_key;
    bool tombstone;
    bool properties_left_out; /* of a delivery: it had more, which cannot be encoded so */
};

/* Of payloads. In the order of daemon/schema's types, which flow asserts. */
enum broker_schema_type {
    BROKER_SCHEMA_BYTES = 0, /* none */
    BROKER_SCHEMA_STRING,
    BROKER_SCHEMA_JSON,
    BROKER_SCHEMA_AVRO,
    BROKER_SCHEMA_BOOLEAN,
    BROKER_SCHEMA_INT8,
    BROKER_SCHEMA_INT16,
    BROKER_SCHEMA_INT32,
    BROKER_SCHEMA_INT64,
    BROKER_SCHEMA_FLOAT,
    BROKER_SCHEMA_DOUBLE,
    BROKER_SCHEMA_DATE,
    BROKER_SCHEMA_TIME,
    BROKER_SCHEMA_TIMESTAMP,
    BROKER_SCHEMA_INSTANT,
    BROKER_SCHEMA_LOCAL_DATE,
    BROKER_SCHEMA_LOCAL_TIME,
    BROKER_SCHEMA_LOCAL_DATE_TIME,
    BROKER_SCHEMA_PROTOBUF,
    BROKER_SCHEMA_PROTOBUF_NATIVE,
    BROKER_SCHEMA_KEY_VALUE
};

struct broker_schema {
    enum broker_schema_type type;
    struct broker_span definition;
    struct broker_span properties; /* as of a message */
};

/* A message on its way in; everything is borrowed until send returns. */
struct broker_record {
    struct broker_span payload;
    const struct broker_meta *meta; /* NULL = none */
    uint64_t seq;                   /* per producer, rising */
    uint64_t enqueued_ns;           /* CLOCK_MONOTONIC_COARSE when it entered the ring */
    uint64_t token;                 /* returned in the answer */
    bool alone;                     /* not batched */
};

struct broker_id {
    uint64_t ledger;
    uint64_t entry;
    int32_t batch; /* -1 = not in a batch */
    uint16_t partition;
    uint16_t batch_size; /* not in a batch: in how many chunks it came, 0 = in none */
};

struct broker_answer {
    enum broker_class class;
    uint8_t outcome; /* enum hulse_outcome, HULSE_OUTCOME_STORED when done */
    bool has_id;
    struct broker_id id;
};

/* Of records without a key, and by which hash of it those with one (broker/common). */
enum broker_routing_mode { BROKER_ROUTING_ROUND_ROBIN = 0, BROKER_ROUTING_SINGLE };
enum broker_hashing { BROKER_HASH_JAVA = 0, BROKER_HASH_MURMUR3, BROKER_HASH_BOOST };

/*
 * Which partition of its topic a record goes to (BROKER_CAN_PARTITIONS); fixed when the producer is opened. Of an own one
 * it follows from the record alone, so whoever sends again after a restart gives what `opened` has said before.
 */
struct broker_routing {
    enum broker_routing_mode mode;
    enum broker_hashing hashing;
    uint32_t stride; /* own: records in a row without a key that go to one; 0: batch_max */
    uint32_t
        partitions; /* wished by an own one: as before, 0: those there are. Of an open one: 0: its topic has none */
};

struct broker_limits {
    uint32_t message_bytes_max;    /* payload, whole message */
    struct broker_routing routing; /* as it is for this producer */
};

/*
 * A message on its way out. It stays valid, with its bytes unless they were `copied`, until the consumer ends it
 * by ack, nack or give_back, closes, or hears it named by `ended` of ack_cumulative, redeliver_all or seek.
 * `source` and `slot` are the consumer's owner's.
 */
struct broker_delivery {
    struct broker_id id;
    struct broker_span payload;
    struct broker_meta meta;
    struct broker_span producer;
    uint64_t publish_time_ms; /* Unix epoch */
    /* What its broker says of it, if that tells its clients. */
    uint64_t broker_time_ms; /* when it was stored, Unix epoch; 0: not told */
    uint64_t index;          /* its number in its topic, or partition */
    uint64_t schema_version; /* that it was written with, counted from 1; 0 = none */
    uint32_t redelivery;
    uint32_t source; /* flow's: which of several topics it is from (flow/multi.h) */
    bool has_index;
    bool partitioned; /* its topic is: id.partition says which one of it */
    uint8_t marks;    /* flow's */
    /*
     * Flow's, false and NULL of an implementation: the payload is of the consumer's schema, whatever it was written with; and
     * what keeps it.
     */
    bool own_schema;
    void *resolved;
    uint64_t slot;
};

#endif
