/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema - what the payloads of a topic look like: read from its definition once, then payloads are
 *          checked against it.
 *
 * A definition of JSON, AVRO or PROTOBUF is a schema of Avro as JSON text. The primitive types have none; that of KEY_VALUE
 * is two, and payloads are looked into when the properties name their types (pair.h). Payloads of PROTOBUF and
 * PROTOBUF_NATIVE are not looked into: their schemas travel, every payload fits.
 *
 * Threads: a schema is constant once it is made; any number of threads may read it.
 * Trust:   definitions and payloads may be anything.
 * Limits:  below. Work is in proportion to the bytes of a payload.
 */
#ifndef HULSE_SCHEMA_SCHEMA_H
#define HULSE_SCHEMA_SCHEMA_H

#include "daemon/core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEMA_DEFINITION_BYTES_MAX (512U << 10U)
/* Of a file with one: quotes are escaped there. */
#define SCHEMA_SOURCE_BYTES_MAX (1024U << 10U)
#define SCHEMA_PROPERTIES_BYTES_MAX (64U << 10U) /* encoded as broker_meta's */
#define SCHEMA_NODES_MAX 16384U                  /* types and fields of one definition, each */
#define SCHEMA_DEFAULTS_BYTES_MAX (1U << 20U)    /* encoded */
#define SCHEMA_RECORD_FIELDS_MAX 1024U
#define SCHEMA_UNION_TYPES_MAX 256U
#define SCHEMA_NAME_BYTES_MAX 512U    /* with its namespace */
#define SCHEMA_DEPTH_MAX 64U          /* of a definition */
#define SCHEMA_RECORDS_DEPTH_MAX 256U /* records that always stand within each other */
#define SCHEMA_VALUE_DEPTH_MAX 128U   /* of a payload */

enum schema_type {
    SCHEMA_BYTES = 0,
    SCHEMA_STRING,
    SCHEMA_JSON,
    SCHEMA_AVRO,
    SCHEMA_BOOLEAN,
    SCHEMA_INT8,
    SCHEMA_INT16,
    SCHEMA_INT32,
    SCHEMA_INT64,
    SCHEMA_FLOAT,
    SCHEMA_DOUBLE,
    SCHEMA_DATE,
    SCHEMA_TIME,
    SCHEMA_TIMESTAMP,
    SCHEMA_INSTANT,
    SCHEMA_LOCAL_DATE,
    SCHEMA_LOCAL_TIME,
    SCHEMA_LOCAL_DATE_TIME,
    SCHEMA_PROTOBUF,
    SCHEMA_PROTOBUF_NATIVE,
    SCHEMA_KEY_VALUE,
    SCHEMA_TYPES
};

struct schema;

/* Borrows the text and the properties. */
struct schema_definition {
    enum schema_type type;
    const char *text; /* not terminated */
    size_t bytes;
    const char
        *properties; /* {u16 name bytes, u16 value bytes, name, value}, little endian, repeated */
    size_t properties_bytes;
};

/* Bytes of somebody else's. */
struct schema_bytes {
    const uint8_t *data;
    size_t bytes;
};

/* Where a payload does not fit, and why. */
struct schema_fault {
    char path[192];  /* as in items[2].price; empty: the payload as a whole. Terminated, UTF-8 */
    const char *why; /* static */
};

/*
 * Reads a definition. Gives: *out on HULSE_OK; return it with hulse_schema_destroy().
 * HULSE_INVAL: it is none, with place and reason; HULSE_TOOBIG: above a limit; HULSE_NO_MEMORY.
 * Blocks: never; allocates.
 */
hulse_status
hulse_schema_create(struct schema **out, const struct schema_definition *d, struct error *err);
void hulse_schema_destroy(struct schema **schema);

/* What it was made from; lives as long as it. */
struct schema_definition hulse_schema_definition(const struct schema *s);
/* Bytes that it holds. */
size_t hulse_schema_memory(const struct schema *s);

/* Whether a payload fits; else *fault is filled. Allocates nothing. */
bool hulse_schema_check(const struct schema *s,
                        const uint8_t *payload,
                        size_t bytes,
                        struct schema_fault *fault);

/* "AVRO", "INT32", ...: static; the words that Pulsar's tools use. */
const char *hulse_schema_type_name(enum schema_type type);
/* The type of such a name, in any case. False: there is none. */
bool hulse_schema_type_find(const char *name, enum schema_type *out);

#endif
