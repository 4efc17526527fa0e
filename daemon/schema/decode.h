/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode - a payload as JSON, for people.
 *
 * As Pulsar's JSON schema has it: unions are the plain value; bytes and fixed are text with a character of U+0000 to
 * U+00FF for each byte; numbers that JSON does not know are "NaN", "Infinity" and "-Infinity"; logical types are the
 * numbers and bytes that they stand on. DATE, TIME and TIMESTAMP are milliseconds, LOCAL_DATE days, LOCAL_TIME
 * nanoseconds, INSTANT {"seconds", "nanos"}, LOCAL_DATE_TIME {"days", "nanos"}; a pair is {"key", "value"}.
 *
 * Threads: any.
 * Trust:   the payload is checked first.
 */
#ifndef HULSE_SCHEMA_DECODE_H
#define HULSE_SCHEMA_DECODE_H

#include "daemon/schema/schema.h"

#include <jansson.h>

/*
 * NULL with *fault filled: it does not fit; with fault->why NULL: no memory. UNSUPPORTED types, bytes and Protobuf, do not
 * fit either. `key`: the message's, of a pair that is SEPARATED; may be NULL.
 */
json_t *hulse_schema_decode(const struct schema *s,
                            struct schema_bytes payload,
                            struct schema_bytes key,
                            struct schema_fault *fault);

#endif
