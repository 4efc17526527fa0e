/* SPDX-License-Identifier: Apache-2.0 */
/*
 * types - see the header.
 */
#include "daemon/broker/pulsar/schema/types.h"

#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"

static const Pulsar__Schema__Type types[] = {
    [BROKER_SCHEMA_BYTES] = PULSAR__SCHEMA__TYPE__None,
    [BROKER_SCHEMA_STRING] = PULSAR__SCHEMA__TYPE__String,
    [BROKER_SCHEMA_JSON] = PULSAR__SCHEMA__TYPE__Json,
    [BROKER_SCHEMA_AVRO] = PULSAR__SCHEMA__TYPE__Avro,
    [BROKER_SCHEMA_BOOLEAN] = PULSAR__SCHEMA__TYPE__Bool,
    [BROKER_SCHEMA_INT8] = PULSAR__SCHEMA__TYPE__Int8,
    [BROKER_SCHEMA_INT16] = PULSAR__SCHEMA__TYPE__Int16,
    [BROKER_SCHEMA_INT32] = PULSAR__SCHEMA__TYPE__Int32,
    [BROKER_SCHEMA_INT64] = PULSAR__SCHEMA__TYPE__Int64,
    [BROKER_SCHEMA_FLOAT] = PULSAR__SCHEMA__TYPE__Float,
    [BROKER_SCHEMA_DOUBLE] = PULSAR__SCHEMA__TYPE__Double,
    [BROKER_SCHEMA_DATE] = PULSAR__SCHEMA__TYPE__Date,
    [BROKER_SCHEMA_TIME] = PULSAR__SCHEMA__TYPE__Time,
    [BROKER_SCHEMA_TIMESTAMP] = PULSAR__SCHEMA__TYPE__Timestamp,
    [BROKER_SCHEMA_INSTANT] = PULSAR__SCHEMA__TYPE__Instant,
    [BROKER_SCHEMA_LOCAL_DATE] = PULSAR__SCHEMA__TYPE__LocalDate,
    [BROKER_SCHEMA_LOCAL_TIME] = PULSAR__SCHEMA__TYPE__LocalTime,
    [BROKER_SCHEMA_LOCAL_DATE_TIME] = PULSAR__SCHEMA__TYPE__LocalDateTime,
    [BROKER_SCHEMA_PROTOBUF] = PULSAR__SCHEMA__TYPE__Protobuf,
    [BROKER_SCHEMA_PROTOBUF_NATIVE] = PULSAR__SCHEMA__TYPE__ProtobufNative,
    [BROKER_SCHEMA_KEY_VALUE] = PULSAR__SCHEMA__TYPE__KeyValue,
};
#define TYPES (sizeof(types) / sizeof(types[0]))

void hulse_pulsar_schema_fill(const struct broker_schema *s, Pulsar__Schema *out)
{
    static char no_name[] = ""; /* counts for nothing where schemas are compared */

    HULSE_ASSERT((unsigned)s->type < TYPES);
    pulsar__schema__init(out);
    out->name = no_name;
    out->type = types[s->type];
    out->schema_data.data = (uint8_t *)(uintptr_t)s->definition.data;
    out->schema_data.len = s->definition.bytes;
}

bool hulse_pulsar_schema_type(Pulsar__Schema__Type type, enum broker_schema_type *out)
{
    for (size_t i = 0; i < TYPES; i++) {
        if (types[i] == type) {
            *out = (enum broker_schema_type)i;
            return true;
        }
    }
    return false;
}

bool hulse_pulsar_version_read(const ProtobufCBinaryData *in, uint64_t *out)
{
    if (in->len != PULSAR_VERSION_BYTES) {
        return false;
    }
    const uint64_t version = hulse_get64_big(in->data);
    *out = version + 1;
    return version < (uint64_t)INT64_MAX;
}

void hulse_pulsar_version_write(uint64_t version, uint8_t out[PULSAR_VERSION_BYTES])
{
    HULSE_ASSERT(version > 0);
    hulse_put64_big(out, version - 1);
}
