/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats - the figures of a topic, and the names of its subscriptions, which are among them.
 */
#include "daemon/broker/pulsar/admin/names.h"
#include "daemon/broker/pulsar/admin/operations.h"
#include "daemon/broker/pulsar/admin/topic_figures.h"
#include "daemon/core/mem.h"

#include <string.h>

static bool lasts(const char *topic)
{
    return strncmp(topic, "persistent:", strlen("persistent:")) == 0;
}

static void end_without(struct admin_errand *e, hulse_status status)
{
    switch (status) {
    case HULSE_LIMIT:
        hulse_admin_errand_end(e, status, "the topic has more than 10000 subscriptions");
        break;
    case HULSE_NO_MEMORY:
        hulse_admin_errand_end(e, status, "no memory for the figures");
        break;
    default:
        hulse_admin_errand_end_odd(e);
        break;
    }
}

/* The names stay valid with the document, which the answer holds until the errand has ended. */
static void got_stats(struct admin_errand *e, const struct rest_answer *a)
{
    struct broker_subscription_stats *list = NULL;
    const hulse_status st =
        hulse_topic_figures_read(a->json, lasts(e->stats->topic), e->stats, &list, &e->block_bytes);

    e->block = list;
    if (st == HULSE_OK) {
        hulse_admin_errand_end(e, HULSE_OK, "");
    } else {
        end_without(e, st);
    }
}

static void ask(struct admin_errand *e,
                const char *topic,
                void (*answered)(struct admin_errand *e, const struct rest_answer *a))
{
    (void)hulse_admin_errand_path(e, NULL, topic);
    hulse_rest_path_add(&e->call.path,
                        e->partitions != 0 ? "/partitioned-stats?perPartition=false" : "/stats");
    hulse_admin_errand_ask_on(e, HTTP_GET, NULL, answered);
}

static void ask_for_stats(struct admin_errand *e)
{
    ask(e, e->stats->topic, got_stats);
}

hulse_status hulse_admin_stats(struct admin_errand *e, struct error *err)
{
    return hulse_admin_errand_begin(e, e->stats->topic, ask_for_stats, err);
}

/* ---- the names alone ---- */

static json_t *names_of(const struct broker_stats *stats)
{
    json_t *names = json_object();

    for (uint32_t i = 0; names != NULL && i < stats->subscription_count; i++) {
        const struct broker_subscription_stats *s = &stats->subscriptions[i];
        if (s->type != BROKER_READER && json_object_set_new(names, s->name, json_true()) != 0) {
            json_decref(names);
            names = NULL;
        }
    }
    return names;
}

static void got_subscriptions(struct admin_errand *e, const struct rest_answer *a)
{
    struct broker_stats stats = {.topic = e->admin->topic};
    struct broker_subscription_stats *list = NULL;
    size_t bytes = 0;
    const hulse_status st =
        hulse_topic_figures_read(a->json, lasts(e->admin->topic), &stats, &list, &bytes);

    if (st != HULSE_OK) {
        end_without(e, st);
        return;
    }
    e->results = names_of(&stats);
    hulse_mem_free(HULSE_MEM_BROKER, list, bytes);
    if (e->results != NULL && hulse_admin_names_give(e, e->results)) {
        hulse_admin_errand_end(e, HULSE_OK, "");
    } else {
        end_without(e, HULSE_NO_MEMORY);
    }
}

static void ask_for_subscriptions(struct admin_errand *e)
{
    ask(e, e->admin->topic, got_subscriptions);
}

hulse_status hulse_admin_subscriptions(struct admin_errand *e, struct error *err)
{
    return hulse_admin_errand_begin(e, e->admin->topic, ask_for_subscriptions, err);
}
