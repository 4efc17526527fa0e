/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload_schema - see the header.
 */
#include "daemon/broker/pulsar/schema/payload_schema.h"

#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <string.h>

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

void hulse_payload_schema_learn(struct payload_schema_version *v,
                                const Pulsar__CommandProducerSuccess *success)
{
    const size_t bytes = success->has_schema_version ? success->schema_version.len : 0;

    v->bytes = bytes <= sizeof(v->data) ? (uint8_t)bytes : 0;
    if (v->bytes > 0) {
        memcpy(v->data, success->schema_version.data, v->bytes);
    }
}
