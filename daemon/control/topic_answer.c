/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_answer - see topic_answer.h.
 */
#include "daemon/control/topic_answer.h"

#include "daemon/core/assert.h"
#include "daemon/core/utf8.h"
#include "daemon/schema/source.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* As in the table of daemon/flow/README.md. */
static const char *const refusals[TOPIC_REFUSALS] = {
    [TOPIC_REFUSED_DENIED] = "denied",
    [TOPIC_REFUSED_TOO_LARGE] = "too_large",
    [TOPIC_REFUSED_UNSUPPORTED] = "unsupported",
    [TOPIC_REFUSED_EXPIRED] = "expired",
    [TOPIC_REFUSED_APP_RATE] = "app_rate",
    [TOPIC_REFUSED_ROLE_RATE] = "role_rate",
    [TOPIC_REFUSED_TOPIC_RATE] = "topic_rate",
    [TOPIC_REFUSED_SCHEMA] = "schema",
    [TOPIC_REFUSED_DROPPED] = "dropped",
    [TOPIC_EXPIRED_ON_DELIVERY] = "expired_on_delivery",
    [TOPIC_VERDICT_UNCONFIGURED] = "verdict_unconfigured",
    [TOPIC_ACK_TIMED_OUT] = "ack_timed_out",
    [TOPIC_UNRESOLVED] = "unresolved",
    [TOPIC_DEAD_LETTERED] = "dead_lettered",
    [TOPIC_DEAD_LETTER_FAILED] = "dead_letter_failed",
    [TOPIC_RETRIED] = "retried",
    [TOPIC_RETRY_FAILED] = "retry_failed",
};

static const char *const types[] = {
    [BROKER_EXCLUSIVE] = "exclusive",
    [BROKER_SHARED] = "shared",
    [BROKER_FAILOVER] = "failover",
    [BROKER_KEY_SHARED] = "key_shared",
    [BROKER_READER] = "reader",
};

/* JSON integers are signed. */
static json_int_t integer(uint64_t value)
{
    return value > (uint64_t)INT64_MAX ? INT64_MAX : (json_int_t)value;
}

/* What the broker does not count is left out. */
static bool set(json_t *object, const char *name, uint64_t value)
{
    return value == BROKER_UNCOUNTED ||
           json_object_set_new(object, name, json_integer(integer(value))) == 0;
}

static bool set_rate(json_t *object, const char *name, double value)
{
    return json_object_set_new(object, name, json_real(value)) == 0;
}

static bool add_total(json_t *object, const struct broker_topic_stats *t)
{
    return set(object, "producers", t->producers) && set(object, "consumers", t->consumers) &&
           json_object_set_new(object, "terminated", json_boolean(t->terminated)) == 0 &&
           set(object, "published", t->published) &&
           set(object, "published_bytes", t->published_bytes) &&
           set(object, "delivered", t->delivered) && set(object, "redelivered", t->redelivered) &&
           set(object, "acknowledged", t->acknowledged) && set(object, "dropped", t->dropped) &&
           set(object, "lost", t->lost) && set(object, "backlog", t->backlog) &&
           set_rate(object, "publish_rate", t->publish_rate) &&
           set_rate(object, "delivery_rate", t->delivery_rate);
}

static json_t *subscription(const struct broker_subscription_stats *s)
{
    HULSE_ASSERT(s->type <= BROKER_READER);
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f}",
                     "name",
                     s->name,
                     "type",
                     types[s->type],
                     "consumers",
                     (json_int_t)s->consumers,
                     "backlog",
                     integer(s->backlog),
                     "unacked",
                     integer(s->unacked),
                     "delayed",
                     integer(s->delayed),
                     "delivery_rate",
                     s->delivery_rate);
}

static bool is_meant(const struct broker_subscription_stats *s, const char *name)
{
    return name[0] == '\0' || strcmp(s->name, name) == 0;
}

/* One of this name, or all where it is empty. */
static bool add_subscriptions(json_t *object, const struct broker_stats *stats, const char *name)
{
    json_t *list = json_array();
    bool whole = json_object_set_new(object, "subscriptions", list) == 0;

    for (uint32_t i = 0; whole && i < stats->subscription_count; i++) {
        const struct broker_subscription_stats *s = &stats->subscriptions[i];
        whole = !is_meant(s, name) || json_array_append_new(list, subscription(s)) == 0;
    }
    return whole;
}

static bool add_refused(json_t *object, const struct tables *tables, const char *topic)
{
    struct topic_settings settings;
    uint64_t counts[TOPIC_REFUSALS];

    if (!hulse_tables_inspect(tables, topic, &settings, counts)) {
        return true;
    }
    json_t *refused = json_object();
    bool whole = json_object_set_new(object, "refused", refused) == 0;
    for (unsigned i = 0; whole && i < TOPIC_REFUSALS; i++) {
        whole = set(refused, refusals[i], counts[i]);
    }
    return whole;
}

json_t *hulse_topic_answer(const char *topic, const struct broker *broker, const char *subscription)
{
    return json_pack("{s:s, s:s, s:s*}",
                     "topic",
                     topic,
                     "broker",
                     broker->name,
                     "subscription",
                     subscription[0] == '\0' ? NULL : subscription);
}

/* The object, or NULL when it did not become whole. */
static json_t *if_whole(json_t *object, bool whole)
{
    if (!whole) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *hulse_topic_subscriptions(const char *topic,
                                  const struct broker *broker,
                                  const struct broker_admin *admin)
{
    json_t *object = hulse_topic_answer(topic, broker, "");
    const char *name = admin->names;
    bool whole = object != NULL && json_object_set_new(object, "subscriptions", json_array()) == 0;
    json_t *list = json_object_get(object, "subscriptions");

    for (uint32_t i = 0; whole && i < admin->name_count; i++) {
        whole = json_array_append_new(list, json_string(name)) == 0;
        name += strlen(name) + 1;
    }
    return if_whole(object, whole);
}

static const char *type_name(enum broker_schema_type type)
{
    return hulse_schema_type_name((enum schema_type)type);
}

/* The operator counts from 0, as Pulsar's tools do. */
static json_int_t told_version(uint64_t version)
{
    HULSE_ASSERT(version > 0);
    return integer(version - 1);
}

static json_t *schema_version(const struct broker_schema_version *v)
{
    json_t *object =
        json_pack("{s:I, s:s}", "version", told_version(v->version), "type", type_name(v->type));

    if (object != NULL && v->created_ms != 0 && !set(object, "created_ms", v->created_ms)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *hulse_topic_schemas(const char *topic,
                            const struct broker *broker,
                            const struct broker_admin *admin)
{
    json_t *object = hulse_topic_answer(topic, broker, "");
    bool whole = object != NULL && json_object_set_new(object, "schemas", json_array()) == 0;
    json_t *list = json_object_get(object, "schemas");

    for (uint32_t i = 0; whole && i < admin->schema_count; i++) {
        whole = json_array_append_new(list, schema_version(&admin->schemas[i])) == 0;
    }
    return if_whole(object, whole);
}

json_t *hulse_topic_schema(const char *topic,
                           const struct broker *broker,
                           const struct broker_schema_request *schema,
                           bool with_definition)
{
    const struct broker_schema *s = &schema->schema;
    const struct schema_definition d = {.type = (enum schema_type)s->type,
                                        .text = (const char *)s->definition.data,
                                        .bytes = s->definition.bytes,
                                        .properties = (const char *)s->properties.data,
                                        .properties_bytes = s->properties.bytes};
    json_t *object = hulse_topic_answer(topic, broker, "");
    json_t *definition = NULL;
    json_t *properties = NULL;
    bool whole =
        object != NULL &&
        json_object_set_new(object, "version", json_integer(told_version(schema->version))) == 0 &&
        json_object_set_new(object, "type", json_string(type_name(s->type))) == 0;

    if (whole && with_definition) {
        whole = hulse_schema_form(&d, &definition, &properties) &&
                json_object_set(object, "definition", definition) == 0 &&
                json_object_set(object, "properties", properties) == 0;
        json_decref(definition);
        json_decref(properties);
    }
    return if_whole(object, whole);
}

bool hulse_topic_schema_is_text(const struct broker_schema *schema)
{
    const struct broker_span text = schema->definition;

    return schema->type == BROKER_SCHEMA_KEY_VALUE || text.bytes == 0 ||
           (hulse_utf8_good(text.data, text.bytes) && memchr(text.data, '\0', text.bytes) == NULL);
}

bool hulse_topic_has_subscription(const struct broker_stats *stats, const char *name)
{
    for (uint32_t i = 0; i < stats->subscription_count; i++) {
        if (is_meant(&stats->subscriptions[i], name)) {
            return true;
        }
    }
    return false;
}

json_t *hulse_topic_subscription_figures(const char *topic,
                                         const struct broker *broker,
                                         const struct broker_stats *stats,
                                         const char *name)
{
    json_t *object = hulse_topic_answer(topic, broker, "");

    return if_whole(object, object != NULL && add_subscriptions(object, stats, name));
}

json_t *hulse_topic_figures(const struct tables *tables,
                            const char *topic,
                            const struct broker *broker,
                            const struct broker_stats *stats)
{
    json_t *object = hulse_topic_answer(topic, broker, "");
    const bool whole = object != NULL &&
                       (stats == NULL || (add_total(object, &stats->total) &&
                                          add_subscriptions(object, stats, ""))) &&
                       add_refused(object, tables, topic);

    return if_whole(object, whole);
}
