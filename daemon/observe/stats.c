/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats - see stats.h.
 */
#include "daemon/observe/stats.h"

#include "daemon/core/allocator.h"
#include "daemon/core/mem.h"

#include <stdlib.h>
#include <string.h>

/* JSON integers are signed. */
static json_t *integer(uint64_t value)
{
    return json_integer(value > (uint64_t)INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static void note(struct stats *s, int rc)
{
    s->failed = s->failed || rc != 0;
}

void hulse_stats_begin(struct stats *s)
{
    *s = (struct stats){
        .totals = json_object(),
        .per_worker = json_array(),
        .topics = json_object(),
        .brokers = json_array(),
        .stores = json_array(),
        .lags = json_object(),
    };
    s->failed = s->totals == NULL || s->per_worker == NULL || s->topics == NULL ||
                s->brokers == NULL || s->stores == NULL || s->lags == NULL;
}

static uint64_t together(const json_t *before, const struct figure *f)
{
    const uint64_t value = (uint64_t)json_integer_value(before);

    if (before == NULL) {
        return f->value;
    }
    switch (f->merge) {
    case MERGE_LEAST:
        return value < f->value ? value : f->value;
    case MERGE_MOST:
        return value > f->value ? value : f->value;
    case MERGE_SUM:
        break;
    }
    return value + f->value;
}

/* Adds figures to what the object has of them; their sum leaves out what has none. */
static void add_figures(struct stats *s, json_t *object, const struct figure *figures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (figures[i].own && object == s->totals) {
            continue;
        }
        const json_t *before = json_object_get(object, figures[i].name);
        note(s,
             json_object_set_new(object, figures[i].name, integer(together(before, &figures[i]))));
    }
}

static json_t *worker_object(struct stats *s, uint32_t worker, const char *state)
{
    json_t *object = json_pack("{s:I, s:s}", "worker", (json_int_t)worker, "state", state);

    s->workers++;
    if (json_array_append(s->per_worker, object) != 0) {
        s->failed = true;
    }
    return object;
}

void hulse_stats_worker(struct stats *s,
                        uint32_t worker,
                        const struct figure *figures,
                        size_t count)
{
    json_t *object = worker_object(s, worker, "ok");

    add_figures(s, object, figures, count);
    add_figures(s, s->totals, figures, count);
    json_decref(object);
}

void hulse_stats_worker_missing(struct stats *s, uint32_t worker)
{
    json_decref(worker_object(s, worker, "unresponsive"));
}

void hulse_stats_topic(struct stats *s,
                       const char *name,
                       const struct figure *figures,
                       size_t count)
{
    json_t *object = json_object_get(s->topics, name);

    if (object == NULL) {
        object = json_pack("{s:s}", "name", name);
        note(s, json_object_set_new(s->topics, name, object));
        object = json_object_get(s->topics, name);
    }
    add_figures(s, object, figures, count);
}

void hulse_stats_broker(struct stats *s, const struct stats_broker *broker)
{
    json_t *object = json_pack("{s:s, s:s, s:b}",
                               "name",
                               broker->name,
                               "type",
                               broker->type,
                               "healthy",
                               broker->healthy ? 1 : 0);

    if (broker->failure != NULL) {
        note(s, json_object_set_new(object, "last_failure", json_string(broker->failure)));
        note(s, json_object_set_new(object, "last_failure_age_s", integer(broker->failure_age_s)));
    }
    if (broker->has_token) {
        note(s, json_object_set_new(object, "token_failures", integer(broker->token_failures)));
    }
    if (broker->has_token && broker->token_failures > 0) {
        note(s, json_object_set_new(object, "token_failure", json_string(broker->token_why)));
    }
    note(s, json_array_append_new(s->brokers, object));
}

void hulse_stats_broker_figures(struct stats *s,
                                const char *name,
                                const struct figure *figures,
                                size_t count)
{
    json_t *object = NULL;
    size_t i = 0;

    json_array_foreach(s->brokers, i, object)
    {
        if (strcmp(json_string_value(json_object_get(object, "name")), name) == 0) {
            add_figures(s, object, figures, count);
        }
    }
}

void hulse_stats_lag(struct stats *s, const char *topic, const char *subscription, uint64_t entries)
{
    json_t *of_topic = json_object_get(s->lags, topic);

    if (of_topic == NULL) {
        of_topic = json_object();
        note(s, json_object_set_new(s->lags, topic, of_topic));
        of_topic = json_object_get(s->lags, topic);
    }
    const json_int_t before = json_integer_value(json_object_get(of_topic, subscription));
    note(s, json_object_set_new(of_topic, subscription, integer((uint64_t)before + entries)));
}

void hulse_stats_store(struct stats *s,
                       const char *broker,
                       const struct figure *figures,
                       size_t count)
{
    json_t *object = json_pack("{s:s}", "broker", broker);

    add_figures(s, object, figures, count);
    note(s, json_array_append_new(s->stores, object));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The topics as an array sorted by name: whole objects, or the names alone. */
static json_t *sorted_topics(struct stats *s, bool names_only)
{
    const size_t count = json_object_size(s->topics);
    const size_t bytes = count * sizeof(char *);
    json_t *array = json_array();
    size_t used = 0;

    if (count == 0) {
        return array;
    }
    const char **names = hulse_mem_alloc(HULSE_MEM_ADMIN, bytes);
    if (names == NULL) {
        s->failed = true;
        return array;
    }
    for (void *at = json_object_iter(s->topics); at != NULL && used < count;
         at = json_object_iter_next(s->topics, at)) {
        names[used++] = json_object_iter_key(at);
    }
    qsort(names, used, sizeof(names[0]), compare_names);
    for (size_t i = 0; i < used; i++) {
        note(s,
             names_only ? json_array_append_new(array, json_string(names[i]))
                        : json_array_append(array, json_object_get(s->topics, names[i])));
    }
    hulse_mem_free(HULSE_MEM_ADMIN, names, bytes);
    return array;
}

static uint64_t total(const struct stats *s, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(s->totals, name));
}

static json_t *memory(struct stats *s)
{
    json_t *object = json_pack("{s:I, s:I, s:I}",
                               "cap",
                               (json_int_t)hulse_mem_cap(),
                               "used",
                               (json_int_t)hulse_mem_total(),
                               "refused",
                               (json_int_t)hulse_mem_refused());

    for (int i = 0; i < HULSE_MEM_PURPOSES; i++) {
        const enum mem_purpose purpose = (enum mem_purpose)i;
        note(
            s,
            json_object_set_new(object, hulse_mem_name(purpose), integer(hulse_mem_used(purpose))));
    }
    return object;
}

/* Absent in a program that has not got the allocator that knows. */
static void add_allocator(struct stats *s, json_t *object)
{
    struct allocator_figures f;

    if (!hulse_allocator_figures(&f)) {
        return;
    }
    json_t *figures = json_object();
    note(s, json_object_set_new(figures, "allocated", integer(f.allocated)));
    note(s, json_object_set_new(figures, "active", integer(f.active)));
    note(s, json_object_set_new(figures, "metadata", integer(f.metadata)));
    note(s, json_object_set_new(figures, "resident", integer(f.resident)));
    note(s, json_object_set_new(figures, "mapped", integer(f.mapped)));
    note(s, json_object_set_new(figures, "retained", integer(f.retained)));
    note(s, json_object_set_new(figures, "arenas", integer(f.arenas)));
    note(s, json_object_set_new(object, "allocator", figures));
}

static void release(struct stats *s)
{
    json_decref(s->totals);
    json_decref(s->per_worker);
    json_decref(s->topics);
    json_decref(s->brokers);
    json_decref(s->stores);
    json_decref(s->lags);
    *s = (struct stats){0};
}

/* Gives the object, or NULL when anything on the way to it failed. */
static json_t *finish(struct stats *s, json_t *object)
{
    const bool failed = s->failed || object == NULL;

    release(s);
    if (failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *hulse_stats_finish(struct stats *s, const struct stats_head *head)
{
    json_t *object = json_object();

    note(s, json_object_set_new(object, "version", json_string(head->version)));
    note(s, json_object_set_new(object, "uptime_s", integer(head->uptime_s)));
    note(s, json_object_set_new(object, "workers", integer(s->workers)));
    note(s, json_object_set_new(object, "sessions", integer(total(s, "sessions"))));
    note(s, json_object_set_new(object, "channels", integer(total(s, "channels"))));
    note(s, json_object_set_new(object, "topics", sorted_topics(s, false)));
    note(s, json_object_set(object, "brokers", s->brokers));
    note(s, json_object_set(object, "consumer_lag", s->lags));
    note(s, json_object_set_new(object, "memory", memory(s)));
    note(s, json_object_set_new(object, "missed_doorbells", integer(total(s, "missed_doorbells"))));
    note(s, json_object_set_new(object, "config_generation", integer(head->config_generation)));
    note(s,
         json_object_set_new(object, "config_reload_failed", integer(head->config_reload_failed)));
    add_allocator(s, object);
    note(s, json_object_set(object, "stores", s->stores));
    note(s, json_object_set(object, "totals", s->totals));
    note(s, json_object_set(object, "per_worker", s->per_worker));
    return finish(s, object);
}

json_t *hulse_stats_finish_names(struct stats *s)
{
    return finish(s, sorted_topics(s, true));
}
