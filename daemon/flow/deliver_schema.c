/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver_schema - the schemas of a subscriber's topics: the one that it reads with, and those that its broker tells.
 */
#include "daemon/flow/schemas.h"
#include "daemon/flow/subscriber.h"

/* Only what has its own schema looks into payloads. */
hulse_status
hulse_subscriber_begin_reading(struct subscriber *s,
                               void (*pass)(void *ctx, struct broker_delivery *d, bool resolved),
                               struct error *err)
{
    const hulse_status st =
        hulse_flow_schema_init(&s->schema, s->flow->tables, s->topic, TOPIC_SCHEMA_CONSUMED, err);
    if (st != HULSE_OK || s->schema.schema == NULL || s->flow->schemas == NULL) {
        return st;
    }
    const struct reading_params params = {.flow = s->flow,
                                          .worker = s->worker,
                                          .broker = s->grant.topic->broker,
                                          .topic = s->topic,
                                          .own = s->schema.schema,
                                          .ctx = s,
                                          .pass = pass};
    s->reading = hulse_reading_create(&params);
    return s->reading != NULL ? HULSE_OK
                              : hulse_fail(err, HULSE_NO_MEMORY, "no memory for a subscriber");
}

hulse_status hulse_subscriber_of_source(const struct subscriber *s,
                                        uint32_t source,
                                        const struct subscriber **out,
                                        struct error *err)
{
    if (s->multi != NULL) {
        return hulse_multi_at(s->multi, source, out, err);
    }
    *out = s;
    return source == 0 ? HULSE_OK
                       : hulse_fail(err, HULSE_INVAL, "the consumer has no topic of that number");
}

bool hulse_subscriber_is_several(const struct subscriber *s)
{
    return s->multi != NULL;
}

const struct subscriber *hulse_subscriber_only(const struct subscriber *s)
{
    return s->multi == NULL ? s : hulse_multi_only(s->multi);
}

const struct schema_known *hulse_subscriber_schema(const struct subscriber *s, uint64_t version)
{
    return s->flow->schemas == NULL
               ? NULL
               : hulse_schemas_find(s->flow->schemas, s->grant.topic->broker, s->topic, version);
}

hulse_status hulse_subscriber_ask_schema(const struct subscriber *s,
                                         struct schema_wait **out,
                                         uint64_t version,
                                         void *owner,
                                         void (*done)(void *owner,
                                                      hulse_status status,
                                                      const char *text,
                                                      const struct schema_known *known),
                                         struct error *err)
{
    const struct schema_question question = {.worker = s->worker,
                                             .broker = s->grant.topic->broker,
                                             .topic = s->topic,
                                             .version = version,
                                             .owner = owner,
                                             .done = done};

    *out = NULL;
    return s->flow->schemas == NULL
               ? hulse_fail(err, HULSE_UNSUPPORTED, "schemas are not asked for")
               : hulse_schemas_ask(s->flow->schemas, out, &question, err);
}

const struct broker_schema *hulse_subscriber_own_schema(const struct subscriber *s,
                                                        struct broker_schema *out)
{
    return hulse_flow_schema_told(&s->schema, out);
}
