/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload_schema - see the header.
 */
#include "daemon/broker/pulsar/schema/payload_schema.h"

#include "daemon/broker/pulsar/schema/types.h"
#include "daemon/core/assert.h"
#include "daemon/core/bytes.h"
#include "daemon/core/mem.h"

#include <string.h>

#define PROPERTY_HEADER_BYTES 4U

static bool same_span(struct broker_span a, struct broker_span b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

bool hulse_payload_schema_is(const struct payload_schema *s, const struct broker_schema *told)
{
    if (s == NULL || told == NULL) {
        return s == NULL && told == NULL;
    }
    return s->told.type == told->type && same_span(s->told.definition, told->definition) &&
           same_span(s->told.properties, told->properties);
}

/* ---- properties, as protobuf-c wants them ---- */

struct property {
    struct broker_span name;
    struct broker_span value;
};

/* The next one of *left; false: it is none, or nothing is left. */
static bool next_property(struct broker_span *left, struct property *out)
{
    if (left->bytes < PROPERTY_HEADER_BYTES) {
        return false;
    }
    const uint32_t name_bytes = hulse_get16(left->data);
    const uint32_t value_bytes = hulse_get16(left->data + 2);
    const uint32_t bytes = PROPERTY_HEADER_BYTES + name_bytes + value_bytes;
    if (bytes > left->bytes) {
        return false;
    }
    out->name = (struct broker_span){left->data + PROPERTY_HEADER_BYTES, name_bytes};
    out->value = (struct broker_span){out->name.data + name_bytes, value_bytes};
    left->data += bytes;
    left->bytes -= bytes;
    return true;
}

/* False: they are none. */
static bool count_properties(struct broker_span properties, size_t *count)
{
    struct property p;

    *count = 0;
    while (next_property(&properties, &p)) {
        *count += 1;
    }
    return properties.bytes == 0;
}

static char *copy_text(char **at, struct broker_span text)
{
    char *copy = *at;

    if (text.bytes > 0) {
        memcpy(copy, text.data, text.bytes);
    }
    copy[text.bytes] = '\0';
    *at += text.bytes + 1;
    return copy;
}

/* `room`: for the pointers, the pairs, and the texts with a zero behind each. */
static void fill_message(struct payload_schema *s, size_t count, void *room)
{
    Pulsar__KeyValue **each = room;
    Pulsar__KeyValue *pairs = (Pulsar__KeyValue *)(void *)(each + count);
    char *text = (char *)(pairs + count);
    struct broker_span left = s->told.properties;
    struct property p;

    hulse_pulsar_schema_fill(&s->told, &s->message);
    for (size_t i = 0; i < count && next_property(&left, &p); i++) {
        pulsar__key_value__init(&pairs[i]);
        pairs[i].key = copy_text(&text, p.name);
        pairs[i].value = copy_text(&text, p.value);
        each[i] = &pairs[i];
    }
    s->message.n_properties = count;
    s->message.properties = each;
}

static struct payload_schema *create(const struct broker_schema *told)
{
    const size_t definition = told->definition.bytes;
    const size_t properties = told->properties.bytes;
    size_t count = 0;

    if (!count_properties(told->properties, &count)) {
        return NULL;
    }
    /* A text and its zero take less than the property has with its lengths. */
    const size_t room =
        count * (sizeof(Pulsar__KeyValue *) + sizeof(Pulsar__KeyValue)) + properties;
    const size_t bytes = sizeof(struct payload_schema) + room + definition + properties;
    struct payload_schema *s = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (s == NULL) {
        return NULL;
    }
    uint8_t *at = (uint8_t *)(s + 1) + room;
    if (definition > 0) {
        memcpy(at, told->definition.data, definition);
    }
    if (properties > 0) {
        memcpy(at + definition, told->properties.data, properties);
    }
    s->object_bytes = bytes;
    s->told.type = told->type;
    s->told.definition = (struct broker_span){at, (uint32_t)definition};
    s->told.properties = (struct broker_span){at + definition, (uint32_t)properties};
    fill_message(s, count, s + 1);
    return s;
}

/* ---- those of a worker ---- */

struct payload_schema *hulse_payload_schema_take(struct payload_schemas *all,
                                                 const struct broker_schema *told)
{
    struct payload_schema *s = NULL;

    LIST_FOREACH(s, all, link)
    {
        if (hulse_payload_schema_is(s, told)) {
            s->holders += 1;
            return s;
        }
    }
    s = create(told);
    if (s != NULL) {
        s->holders = 1;
        LIST_INSERT_HEAD(all, s, link);
    }
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
        hulse_mem_free(HULSE_MEM_TOPIC, s, s->object_bytes);
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
