/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema - see the header.
 */
#include "daemon/flow/schema.h"

#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/flow/schemas.h"
#include "daemon/schema/source.h"

#include <assert.h>

static_assert((int)CONFIG_SCHEMA_TYPES == (int)SCHEMA_TYPES &&
                  (int)BROKER_SCHEMA_KEY_VALUE == (int)SCHEMA_KEY_VALUE &&
                  (int)BROKER_SCHEMA_AVRO == (int)SCHEMA_AVRO &&
                  (int)BROKER_SCHEMA_LOCAL_DATE_TIME == (int)SCHEMA_LOCAL_DATE_TIME,
              "a rule's types, a schema's and a broker's are in one order");

static void unmake(void *made)
{
    struct schema *s = made;

    hulse_mem_give(HULSE_MEM_TABLE, hulse_schema_memory(s));
    hulse_schema_destroy(&s);
}

/* A file without a type beside it is Avro's, unless it says what it is. */
static hulse_status make(struct topic_schema *held, struct error *err)
{
    const struct schema_definition d = {
        .type = held->type == CONFIG_SCHEMA_NONE ? SCHEMA_AVRO : (enum schema_type)held->type,
        .text = held->text,
        .bytes = held->bytes};
    struct schema *made = NULL;

    const hulse_status st = hulse_schema_create_from(&made, &d, err);
    if (st != HULSE_OK) {
        return st;
    }
    if (!hulse_mem_take(HULSE_MEM_TABLE, hulse_schema_memory(made))) {
        hulse_schema_destroy(&made);
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for the topic's schema");
    }
    (void)hulse_topic_schema_make(held, made, unmake);
    return HULSE_OK;
}

hulse_status hulse_flow_schema_init(struct flow_schema *s,
                                    const struct tables *tables,
                                    const char *topic,
                                    enum topic_schema_use use,
                                    struct error *err)
{
    hulse_status st = HULSE_OK;

    *s = (struct flow_schema){.held = hulse_tables_schema(tables, topic, use)};
    if (s->held == NULL || hulse_flow_schema_is_auto(s)) {
        return HULSE_OK;
    }
    if (hulse_topic_schema_made(s->held) == NULL) {
        st = make(s->held, err);
    }
    if (st != HULSE_OK) {
        hulse_topic_schema_release(&s->held);
        return st;
    }
    s->schema = hulse_topic_schema_made(s->held);
    s->validate = s->held->validate;
    return HULSE_OK;
}

void hulse_flow_schema_fini(struct flow_schema *s)
{
    hulse_topic_schema_release(&s->held);
    hulse_schema_known_release(&s->known);
    *s = (struct flow_schema){0};
}

bool hulse_flow_schema_is_auto(const struct flow_schema *s)
{
    return s->held != NULL && s->held->type == CONFIG_SCHEMA_AUTO;
}

void hulse_flow_schema_adopt(struct flow_schema *s, const struct schema_known *known)
{
    s->known = known;
    s->schema = known->schema;
    s->validate = known->schema != NULL;
}

const struct broker_schema *hulse_flow_schema_told(const struct flow_schema *s,
                                                   struct broker_schema *out)
{
    if (s->known != NULL && s->known->told.type != BROKER_SCHEMA_BYTES) {
        *out = s->known->told;
        return out;
    }
    if (s->schema == NULL) {
        return NULL;
    }
    const struct schema_definition d = hulse_schema_definition(s->schema);
    *out = (struct broker_schema){
        .type = (enum broker_schema_type)d.type,
        .definition = {.data = (const uint8_t *)d.text, .bytes = (uint32_t)d.bytes},
        .properties = {.data = (const uint8_t *)d.properties,
                       .bytes = (uint32_t)d.properties_bytes}};
    return out;
}

const char *hulse_flow_schema_type_name(const struct broker_schema *s)
{
    return hulse_schema_type_name((enum schema_type)s->type);
}

void hulse_flow_schema_tell(const struct schema *s, struct broker_span payload, const char *topic)
{
    struct schema_fault fault;

    if (!hulse_schema_check(s, payload.data, payload.bytes, &fault)) {
        HULSE_LOG_WARNF("publish.invalid_schema",
                        hulse_log_str("topic", topic),
                        hulse_log_str("path", fault.path),
                        hulse_log_str("why", fault.why));
    }
}
