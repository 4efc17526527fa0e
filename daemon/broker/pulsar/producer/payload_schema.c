/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload_schema - see the header.
 */
#include "daemon/broker/pulsar/producer/payload_schema.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <string.h>

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

bool hulse_payload_schema_is(const struct payload_schema *s, const struct broker_schema *told)
{
    if (s == NULL || told == NULL) {
        return s == NULL && told == NULL;
    }
    return s->told.type == told->type && s->told.definition.bytes == told->definition.bytes &&
           (told->definition.bytes == 0 ||
            memcmp(s->told.definition.data, told->definition.data, told->definition.bytes) == 0);
}

struct payload_schema *hulse_payload_schema_take(struct payload_schemas *all,
                                                 const struct broker_schema *told)
{
    const uint32_t bytes = told->definition.bytes;
    struct payload_schema *s = NULL;

    HULSE_ASSERT((unsigned)told->type < sizeof(types) / sizeof(types[0]));
    LIST_FOREACH(s, all, link)
    {
        if (hulse_payload_schema_is(s, told)) {
            s->holders += 1;
            return s;
        }
    }
    s = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*s) + bytes);
    if (s == NULL) {
        return NULL;
    }
    uint8_t *definition = (uint8_t *)(s + 1);
    if (bytes > 0) {
        memcpy(definition, told->definition.data, bytes);
    }
    s->holders = 1;
    s->told.type = told->type;
    s->told.definition = (struct broker_span){.data = definition, .bytes = bytes};
    LIST_INSERT_HEAD(all, s, link);
    return s;
}

void hulse_payload_schema_give(struct payload_schema **schema)
{
    struct payload_schema *s = *schema;

    *schema = NULL;
    if (s == NULL) {
        return;
    }
    HULSE_ASSERT(s->holders > 0);
    s->holders -= 1;
    if (s->holders == 0) {
        LIST_REMOVE(s, link);
        hulse_mem_free(HULSE_MEM_TOPIC, s, sizeof(*s) + s->told.definition.bytes);
    }
}

void hulse_payload_schema_fill(const struct payload_schema *s, Pulsar__Schema *out)
{
    static char no_name[] = ""; /* counts for nothing where schemas are compared */

    pulsar__schema__init(out);
    out->name = no_name;
    out->type = types[s->told.type];
    out->schema_data.data = (uint8_t *)(uintptr_t)s->told.definition.data;
    out->schema_data.len = s->told.definition.bytes;
}

void hulse_payload_schema_learn(struct payload_schema_version *v,
                                const Pulsar__CommandProducerSuccess *success)
{
    const size_t bytes = success->has_schema_version ? success->schema_version.len : 0;

    v->bytes = bytes <= sizeof(v->data) ? (uint8_t)bytes : 0;
    if (v->bytes > 0) {
        memcpy(v->data, success->schema_version.data, v->bytes);
    }
}
