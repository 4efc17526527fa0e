/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_figures - see the header.
 */
#include "daemon/broker/pulsar/admin/topic_figures.h"

#include "daemon/core/mem.h"

#include <strings.h>

static uint64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    const json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;

    return n > 0 ? (uint64_t)n : 0;
}

static double rate(const json_t *object, const char *name)
{
    const double n = json_number_value(json_object_get(object, name));

    return n > 0 ? n : 0;
}

static uint32_t members(const json_t *object, const char *name)
{
    return (uint32_t)json_array_size(json_object_get(object, name));
}

static enum broker_subscription type_of(const json_t *subscription, bool lasting)
{
    static const struct {
        const char *name;
        enum broker_subscription type;
    } types[] = {{"Shared", BROKER_SHARED},
                 {"Failover", BROKER_FAILOVER},
                 {"Key_Shared", BROKER_KEY_SHARED}};
    const char *name = json_string_value(json_object_get(subscription, "type"));

    if (lasting && json_is_false(json_object_get(subscription, "durable"))) {
        return BROKER_READER;
    }
    for (size_t i = 0; name != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcasecmp(name, types[i].name) == 0) {
            return types[i].type;
        }
    }
    /* Without a consumer it has none. */
    return BROKER_EXCLUSIVE;
}

static void add(struct broker_topic_stats *total, const struct broker_subscription_stats *s)
{
    total->consumers += s->consumers;
    total->backlog += s->backlog;
}

hulse_status hulse_topic_figures_read(const json_t *document,
                                      bool lasting,
                                      struct broker_stats *out,
                                      struct broker_subscription_stats **list,
                                      size_t *list_bytes)
{
    json_t *subscriptions = json_object_get(document, "subscriptions");
    const size_t count = json_object_size(subscriptions);
    const char *name = NULL;
    json_t *one = NULL;
    uint32_t i = 0;

    if (!json_is_object(subscriptions)) {
        return HULSE_PROTOCOL;
    }
    if (count > ADMIN_SUBSCRIPTIONS_MAX) {
        return HULSE_LIMIT;
    }
    *list_bytes = count * sizeof(**list);
    *list = hulse_mem_zalloc(HULSE_MEM_BROKER, *list_bytes);
    if (*list == NULL) {
        return HULSE_NO_MEMORY;
    }
    out->total = (struct broker_topic_stats){
        .producers = members(document, "publishers"),
        .subscriptions = (uint32_t)count,
        .acknowledged = BROKER_UNCOUNTED,
        .dropped = BROKER_UNCOUNTED,
        .lost = BROKER_UNCOUNTED,
        .redelivered = BROKER_UNCOUNTED,
        .published = number(document, "msgInCounter"),
        .published_bytes = number(document, "bytesInCounter"),
        .delivered = number(document, "msgOutCounter"),
        .publish_rate = rate(document, "msgRateIn"),
        .delivery_rate = rate(document, "msgRateOut"),
    };
    json_object_foreach(subscriptions, name, one)
    {
        struct broker_subscription_stats *s = &(*list)[i++];
        *s = (struct broker_subscription_stats){
            .name = name,
            .type = type_of(one, lasting),
            .consumers = members(one, "consumers"),
            .backlog = number(one, "msgBacklog"),
            .unacked = number(one, "unackedMessages"),
            .delayed = number(one, "msgDelayed"),
            .delivery_rate = rate(one, "msgRateOut"),
        };
        add(&out->total, s);
    }
    out->subscriptions = *list;
    out->subscription_count = i;
    return HULSE_OK;
}
