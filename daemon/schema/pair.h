/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair - schemas of KEY_VALUE: two schemas in one definition, whose types are among its properties.
 *
 *     definition  [i32 bytes][of the key][i32 bytes][of the value], big endian; -1 is 0
 *     properties  key.schema.type, value.schema.type: names as "AVRO"; kv.encoding.type: INLINE or SEPARATED
 *     payload     INLINE: [i32 bytes][key][i32 bytes][value], -1 is none; SEPARATED: the value, the key is the message's
 *
 * Threads: as schema.h.
 * Trust:   definitions, properties and payloads may be anything.
 * See:     Pulsar's KeyValueSchemaInfo; Pulsar protocol, section 8.2.
 */
#ifndef HULSE_SCHEMA_PAIR_H
#define HULSE_SCHEMA_PAIR_H

#include "daemon/schema/check.h"

#include <jansson.h>

/* Reads s->definition and s->properties; fills s->pair. Without types in the properties payloads are not looked into. */
hulse_status hulse_pair_read(struct schema *s, struct error *err);
/* The two of an INLINE payload, which is checked for that. False: it is none. A NULL span is no key, or no value. */
bool hulse_pair_split(const uint8_t *payload,
                      size_t bytes,
                      struct schema_bytes *key,
                      struct schema_bytes *value);
/* A tree as compact text, terminated; malloc's, whatever jansson's is. NULL: no memory. */
char *hulse_json_text(const json_t *tree);
/* A definition of the form that Pulsar's tools keep, {"key": ..., "value": ...}; *text is malloc's. False: it is none. */
bool hulse_pair_pack(const json_t *tree, char **text, size_t *bytes);

#endif
