/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_order - see topic_order.h.
 */
#include "daemon/control/topic_order.h"

#include "daemon/control/topic_answer.h"
#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/schema/pair.h"
#include "daemon/schema/source.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct topic_order {
    LIST_ENTRY(topic_order) link;
    struct topic_orders *all;
    struct timer timer;
    /* NULL once it was called, or when nobody waits any more. */
    void (*done)(void *ctx, const struct admin_line *line);
    void *ctx;
    enum admin_command command;
    union {
        struct broker_admin admin;
        struct broker_stats stats;
        struct broker_schema_request schema;
    };
    struct schema *made; /* of what is put */
    struct broker *broker;
    bool starting; /* within start */
    bool answered;
    struct admin_line line; /* while starting */
    struct topic_name name;
    char subscription[HULSE_ADMIN_SUBSCRIPTION_BYTES];
};

void hulse_topic_orders_init(struct topic_orders *all, struct loop *loop, const struct flow *flow)
{
    *all = (struct topic_orders){.loop = loop, .flow = flow};
    LIST_INIT(&all->open);
}

void hulse_topic_orders_fini(struct topic_orders *all)
{
    HULSE_ASSERT(LIST_EMPTY(&all->open) && all->open_count == 0);
}

/* What the commands are for a broker. */
static const struct {
    bool here;
    enum { ASK_ORDER, ASK_FIGURES, ASK_SCHEMA, PUT_SCHEMA } how;
    enum broker_admin_command order; /* of ASK_ORDER */
} meanings[ADMIN_COMMANDS] = {
    [ADMIN_TOPICS_CREATE] = {.here = true, .order = BROKER_ADMIN_CREATE},
    [ADMIN_TOPICS_DELETE] = {.here = true, .order = BROKER_ADMIN_DELETE},
    [ADMIN_TOPICS_UNLOAD] = {.here = true, .order = BROKER_ADMIN_UNLOAD},
    [ADMIN_TOPICS_STATS] = {.here = true, .how = ASK_FIGURES},
    [ADMIN_SUBS_LIST] = {.here = true, .order = BROKER_ADMIN_SUBSCRIPTIONS},
    [ADMIN_SUBS_STATS] = {.here = true, .how = ASK_FIGURES},
    [ADMIN_SUBS_SEEK] = {.here = true, .order = BROKER_ADMIN_SEEK},
    [ADMIN_SUBS_SKIP] = {.here = true, .order = BROKER_ADMIN_SKIP},
    [ADMIN_SUBS_DELETE] = {.here = true, .order = BROKER_ADMIN_UNSUBSCRIBE},
    [ADMIN_SCHEMA_LIST] = {.here = true, .order = BROKER_ADMIN_SCHEMAS},
    [ADMIN_SCHEMA_GET] = {.here = true, .how = ASK_SCHEMA},
    [ADMIN_SCHEMA_PUT] = {.here = true, .how = PUT_SCHEMA},
};

bool hulse_topic_order_is(const struct admin_request *request)
{
    return meanings[request->command].here;
}

static void destroy(struct topic_order *o)
{
    hulse_timer_stop(&o->all->loop->timers, &o->timer);
    LIST_REMOVE(o, link);
    o->all->open_count -= 1;
    hulse_schema_destroy(&o->made);
    hulse_mem_free(HULSE_MEM_ADMIN, o, sizeof(*o));
}

/* ---- the broker's answer ---- */

#define LOG_TOPIC(event)                                                                           \
    HULSE_LOG_STATE(                                                                               \
        event, hulse_log_str("topic", o->name.full), hulse_log_str("broker", o->broker->name))
#define LOG_SUBSCRIPTION(event)                                                                    \
    HULSE_LOG_STATE(event,                                                                         \
                    hulse_log_str("topic", o->name.full),                                          \
                    hulse_log_str("subscription", o->subscription),                                \
                    hulse_log_str("broker", o->broker->name))

static void log_change_of_topic(const struct topic_order *o)
{
    switch (o->command) {
    case ADMIN_TOPICS_CREATE:
        LOG_TOPIC("topic.created");
        break;
    case ADMIN_TOPICS_DELETE:
        LOG_TOPIC("topic.deleted");
        break;
    case ADMIN_TOPICS_UNLOAD:
        LOG_TOPIC("topic.unloaded");
        break;
    case ADMIN_SCHEMA_PUT:
        LOG_TOPIC("schema.put");
        break;
    default:
        break;
    }
}

static void log_change(const struct topic_order *o)
{
    switch (o->command) {
    case ADMIN_SUBS_SEEK:
        LOG_SUBSCRIPTION("subscription.sought");
        break;
    case ADMIN_SUBS_SKIP:
        LOG_SUBSCRIPTION("subscription.skipped");
        break;
    case ADMIN_SUBS_DELETE:
        LOG_SUBSCRIPTION("subscription.deleted");
        break;
    default:
        log_change_of_topic(o);
        break;
    }
}

/* What the broker has answered well. */
static void compose_result(const struct topic_order *o, struct admin_line *line)
{
    const char *topic = o->name.full;

    switch (o->command) {
    case ADMIN_TOPICS_STATS:
        (void)hulse_admin_answer(
            line, hulse_topic_figures(o->all->flow->tables, topic, o->broker, &o->stats));
        break;
    case ADMIN_SUBS_LIST:
        (void)hulse_admin_answer(line, hulse_topic_subscriptions(topic, o->broker, &o->admin));
        break;
    case ADMIN_SUBS_STATS:
        if (o->subscription[0] != '\0' &&
            !hulse_topic_has_subscription(&o->stats, o->subscription)) {
            (void)hulse_admin_answer_error(
                line, HULSE_NO_TOPIC, "the topic has no subscription of this name");
            break;
        }
        (void)hulse_admin_answer(
            line, hulse_topic_subscription_figures(topic, o->broker, &o->stats, o->subscription));
        break;
    case ADMIN_SCHEMA_LIST:
        (void)hulse_admin_answer(line, hulse_topic_schemas(topic, o->broker, &o->admin));
        break;
    case ADMIN_SCHEMA_GET:
        if (!hulse_topic_schema_is_text(&o->schema.schema)) {
            (void)hulse_admin_answer_error(
                line, HULSE_UNSUPPORTED, "the schema's definition is no text");
            break;
        }
        (void)hulse_admin_answer(line, hulse_topic_schema(topic, o->broker, &o->schema, true));
        break;
    case ADMIN_SCHEMA_PUT:
        (void)hulse_admin_answer(line, hulse_topic_schema(topic, o->broker, &o->schema, false));
        break;
    default:
        (void)hulse_admin_answer(line, hulse_topic_answer(topic, o->broker, o->subscription));
        break;
    }
}

static void
compose(const struct topic_order *o, const struct broker_request *r, struct admin_line *line)
{
    if (r->status != HULSE_OK) {
        (void)hulse_admin_answer_error(line, r->status, r->text);
    } else {
        compose_result(o, line);
    }
}

static void answer(struct topic_order *o, const struct broker_request *r)
{
    if (r->status == HULSE_OK) {
        log_change(o);
    }
    if (o->starting) {
        compose(o, r, &o->line);
        o->answered = true;
        return;
    }
    if (o->done != NULL) {
        struct admin_line line = {0};
        void (*done)(void *ctx, const struct admin_line *line) = o->done;
        void *ctx = o->ctx;
        compose(o, r, &line);
        destroy(o);
        done(ctx, &line);
        return;
    }
    destroy(o);
}

static void admin_done(struct broker_request *r)
{
    answer(HULSE_CONTAINER(r, struct topic_order, admin.request), r);
}

static void stats_done(struct broker_request *r)
{
    answer(HULSE_CONTAINER(r, struct topic_order, stats.request), r);
}

static void schema_done(struct broker_request *r)
{
    answer(HULSE_CONTAINER(r, struct topic_order, schema.request), r);
}

static void timed_out(struct timer *timer)
{
    struct topic_order *o = HULSE_CONTAINER(timer, struct topic_order, timer);
    void (*done)(void *ctx, const struct admin_line *line) = o->done;
    struct admin_line line = {0};

    o->done = NULL;
    if (done != NULL) {
        (void)hulse_admin_answer_error(&line,
                                       HULSE_TIMED_OUT,
                                       "the broker has not answered yet; it may still do what was "
                                       "asked for");
        done(o->ctx, &line);
    }
}

/* ---- begin ---- */

/* What is put, in the form of Pulsar's tools: it outlives the request of the operator, and is judged here first. */
static hulse_status
make_schema(struct topic_order *o, const struct admin_request *request, struct error *err)
{
    json_t *form = json_pack("{s:s, s:s#, s:O?}",
                             "type",
                             request->type,
                             "schema",
                             request->definition,
                             (int)request->definition_bytes,
                             "properties",
                             request->properties);
    char *text = form == NULL ? NULL : hulse_json_text(form);
    struct schema_definition d = {.type = SCHEMA_AVRO, .text = text};

    json_decref(form);
    if (text == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a schema");
    }
    d.bytes = strlen(text);
    const hulse_status st = hulse_schema_create_from(&o->made, &d, err);
    free(text);
    return st;
}

static hulse_status
ask_about_schema(struct topic_order *o, const struct admin_request *request, struct error *err)
{
    struct broker *b = o->broker;
    enum schema_type type = SCHEMA_BYTES;

    o->schema = (struct broker_schema_request){
        .request = {.home = &o->all->loop->inbox, .done = schema_done},
        .topic = o->name.full,
        .version = request->version,
    };
    if (meanings[request->command].how == ASK_SCHEMA) {
        return b->ops->schema_get(b, &o->schema, err);
    }
    if (!hulse_schema_type_find(request->type, &type)) {
        return hulse_fail(err, HULSE_INVAL, "type: there is none of that name");
    }
    const hulse_status st = make_schema(o, request, err);
    if (st != HULSE_OK) {
        return st;
    }
    const struct schema_definition d = hulse_schema_definition(o->made);
    o->schema.schema = (struct broker_schema){
        .type = (enum broker_schema_type)d.type,
        .definition = {.data = (const uint8_t *)d.text, .bytes = (uint32_t)d.bytes},
        .properties = {.data = (const uint8_t *)d.properties,
                       .bytes = (uint32_t)d.properties_bytes},
    };
    return b->ops->schema_put(b, &o->schema, err);
}

static hulse_status
ask(struct topic_order *o, const struct admin_request *request, struct error *err)
{
    struct broker *b = o->broker;

    if (meanings[request->command].how == ASK_SCHEMA ||
        meanings[request->command].how == PUT_SCHEMA) {
        return ask_about_schema(o, request, err);
    }
    if (meanings[request->command].how == ASK_FIGURES) {
        o->stats = (struct broker_stats){
            .request = {.home = &o->all->loop->inbox, .done = stats_done}, .topic = o->name.full};
        return b->ops->stats(b, &o->stats, err);
    }
    o->admin = (struct broker_admin){
        .request = {.home = &o->all->loop->inbox, .done = admin_done},
        .command = meanings[request->command].order,
        .topic = o->name.full,
        .subscription = o->subscription,
        .position = request->position,
        .count = request->count,
        .partitions = request->partitions,
        .force = request->force,
    };
    return b->ops->admin(b, &o->admin, err);
}

/* A broker that keeps no figures: what the daemon itself has counted is told, if anything, and why it is no more. */
static bool
answer_without_broker(const struct topic_order *o, const char *why, struct admin_line *out)
{
    struct topic_settings settings;
    uint64_t refused[TOPIC_REFUSALS];

    if (o->command != ADMIN_TOPICS_STATS ||
        !hulse_tables_inspect(o->all->flow->tables, o->name.full, &settings, refused)) {
        return false;
    }
    json_t *object = hulse_topic_figures(o->all->flow->tables, o->name.full, o->broker, NULL);
    if (object != NULL && json_object_set_new(object, "missing", json_string(why)) != 0) {
        json_decref(object);
        object = NULL;
    }
    (void)hulse_admin_answer(out, object);
    return true;
}

/* NULL with the answer in *out. */
static struct topic_order *
create(struct topic_orders *all, const struct admin_request *request, struct admin_line *out)
{
    struct topic_name name;
    const char *why = NULL;

    if (!hulse_topic_name_parse(&name, request->topic, all->flow->default_namespace, &why)) {
        (void)hulse_admin_answer_error(out, HULSE_INVAL, why);
        return NULL;
    }
    struct topic_order *o = all->open_count >= HULSE_TOPIC_ORDERS_MAX
                                ? NULL
                                : hulse_mem_zalloc(HULSE_MEM_ADMIN, sizeof(*o));
    if (o == NULL) {
        (void)hulse_admin_answer_error(
            out, HULSE_NO_MEMORY, "memory_max is reached, or too many requests are waiting");
        return NULL;
    }
    struct topic_settings settings;
    uint64_t refused[TOPIC_REFUSALS];
    (void)hulse_tables_inspect(all->flow->tables, name.full, &settings, refused);
    o->all = all;
    o->command = request->command;
    o->broker = all->flow->brokers[settings.broker];
    o->name = name;
    memcpy(o->subscription, request->subscription, sizeof(o->subscription));
    o->timer.fire = timed_out;
    LIST_INSERT_HEAD(&all->open, o, link);
    all->open_count += 1;
    return o;
}

struct topic_order *hulse_topic_order_start(struct topic_orders *all,
                                            const struct admin_request *request,
                                            void (*done)(void *ctx, const struct admin_line *line),
                                            void *ctx,
                                            struct admin_line *out)
{
    struct error err = {0};
    struct topic_order *o = create(all, request, out);

    if (o == NULL) {
        return NULL;
    }
    o->starting = true;
    const hulse_status st = ask(o, request, &err);
    o->starting = false;
    if (st == HULSE_OK && !o->answered) {
        o->done = done;
        o->ctx = ctx;
        hulse_timer_start(&all->loop->timers,
                          &o->timer,
                          hulse_loop_now_ms(all->loop) + HULSE_TOPIC_ORDER_TIMEOUT_MS);
        return o;
    }
    if (st == HULSE_OK) {
        *out = o->line;
    } else if (st != HULSE_UNSUPPORTED || !answer_without_broker(o, err.text, out)) {
        (void)hulse_admin_answer_error(out, st, err.text);
    }
    destroy(o);
    return NULL;
}

void hulse_topic_order_forget(struct topic_order **order)
{
    if (*order != NULL) {
        (*order)->done = NULL;
    }
    *order = NULL;
}
