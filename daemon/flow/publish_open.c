/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish_open - how a publisher begins: its topic's entry, its grant, its schema, then its broker; and what the tables say of it.
 */
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/flow/publisher.h"
#include "daemon/flow/schemas.h"

#include <string.h>

static struct publisher *create(const struct publisher_params *params, const char *topic)
{
    const size_t topic_bytes = strlen(topic) + 1;
    const size_t name_bytes = strlen(params->name) + 1;
    const char *initial = params->initial_subscription != NULL ? params->initial_subscription : "";
    const size_t initial_bytes = strlen(initial) + 1;
    const size_t bytes = sizeof(struct publisher) + topic_bytes + name_bytes + initial_bytes;
    struct publisher *p = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (p != NULL) {
        p->events = params->events;
        p->ctx = params->ctx;
        p->flow = params->flow;
        p->tables = params->flow->tables;
        p->worker = params->worker;
        p->who = *params->who;
        p->app_rate = params->app_rate;
        p->object_bytes = bytes;
        if (params->handle_id != NULL) {
            memcpy(p->handle_id, params->handle_id, sizeof(p->handle_id));
        }
        p->routing = params->routing;
        memcpy(p->topic, topic, topic_bytes);
        memcpy(p->topic + topic_bytes, params->name, name_bytes);
        p->name = p->topic + topic_bytes;
        memcpy(p->topic + topic_bytes + name_bytes, initial, initial_bytes);
        p->initial_subscription = p->topic + topic_bytes + name_bytes;
        p->access = params->access;
        p->as_written = params->as_written;
        p->schema.known = hulse_schema_known_hold(params->schema);
        hulse_hold_init(&p->hold, 0, params->hold_records);
    }
    return p;
}

static bool limited(const struct bucket_rates *rates)
{
    return rates->message_ticks > 0 || rates->byte_ticks > 0;
}

/* Debts made at a rate that is not in force any more. */
static void
forgive(struct publisher *p, const struct grant *before, const struct bucket_rates *topic_rate)
{
    struct grant *g = &p->grant;
    const uint64_t now = hulse_publisher_now_ns(p);

    if (before->generation == 0) {
        return; /* it has just been opened */
    }
    if (p->app_rate != NULL && !hulse_bucket_rates_same(&before->app_rate, &g->app_rate)) {
        hulse_bucket_pair_forgive(p->app_rate, now);
    }
    if (g->role_state != NULL && !hulse_bucket_rates_same(&before->role_rate, &g->role_rate)) {
        hulse_bucket_pair_forgive(&g->role_state->rate, now);
    }
    if (g->topic_state != NULL && !hulse_bucket_rates_same(topic_rate, &g->topic->rate)) {
        hulse_bucket_pair_forgive(&g->topic_state->rate, now);
    }
}

void hulse_publisher_refresh(struct publisher *p)
{
    struct grant *g = &p->grant;
    const struct grant before = *g; /* its rates; what it holds may be given up */
    const struct bucket_rates topic_rate =
        g->topic == NULL ? (struct bucket_rates){0} : g->topic->rate;

    hulse_grant_refresh(g, p->flow->tables, &p->who, p->topic);
    HULSE_ASSERT(g->topic != NULL);
    forgive(p, &before, &topic_rate);
    p->generation = g->generation;
    p->hold.bytes_max = g->topic->pending_bytes;
    const bool rate = limited(&g->topic->rate) || limited(&g->role_rate) ||
                      (p->app_rate != NULL && limited(&g->app_rate));
    p->asks = ((g->permissions & PERMISSION_PRODUCE) == 0 ? ASK_DENIED : 0U) |
              (g->topic->ttl_ms != 0 ? ASK_TTL : 0U) | (rate ? ASK_RATE : 0U) |
              (p->hold.records_max != 0 ? ASK_HOLD : 0U) | (p->schema.validate ? ASK_SCHEMA : 0U);
}

static_assert((int)CONFIG_PLAIN == (int)BROKER_PLAIN && (int)CONFIG_LZ4 == (int)BROKER_LZ4 &&
                  (int)CONFIG_ZLIB == (int)BROKER_ZLIB && (int)CONFIG_ZSTD == (int)BROKER_ZSTD &&
                  (int)CONFIG_SNAPPY == (int)BROKER_SNAPPY,
              "a rule's compression is the broker's");

static_assert((int)CONFIG_ROUND_ROBIN == (int)BROKER_ROUTING_ROUND_ROBIN &&
                  (int)CONFIG_SINGLE == (int)BROKER_ROUTING_SINGLE &&
                  (int)CONFIG_JAVASTRING == (int)BROKER_HASH_JAVA &&
                  (int)CONFIG_MURMUR3 == (int)BROKER_HASH_MURMUR3 &&
                  (int)CONFIG_BOOST == (int)BROKER_HASH_BOOST,
              "so is how it finds a partition");

static struct broker_gathering gathering_of(const struct topic_gathering *g)
{
    return (struct broker_gathering){.compression = (enum broker_compression)g->compression,
                                     .batch_max = g->batch_max,
                                     .batch_bytes = g->batch_bytes,
                                     .by_key = g->batch_by == CONFIG_BY_KEY,
                                     .batch_delay_ms = g->batch_delay_ms,
                                     .eager_max = g->eager_max,
                                     .pending_max = g->pending_max,
                                     .pending_bytes = g->pending_bytes,
                                     .send_timeout_ms = g->send_timeout_ms,
                                     .chunking = g->chunking};
}

/* What was fixed when it was opened first, else the rule's. */
static struct broker_routing routing_of(const struct publisher *p)
{
    const struct topic_gathering *g = &p->grant.topic->gathering;

    if (p->routing.partitions != 0) {
        return p->routing;
    }
    return (struct broker_routing){.mode = (enum broker_routing_mode)g->routing,
                                   .hashing = (enum broker_hashing)g->hashing};
}

static hulse_status
judge_wishes(const struct publisher *p, uint32_t capabilities, struct error *err)
{
    if (p->access != BROKER_ACCESS_SHARED && (capabilities & BROKER_CAN_EXCLUSIVE) == 0) {
        return hulse_fail(err, HULSE_UNSUPPORTED, "its broker knows no exclusive producer");
    }
    if (p->initial_subscription[0] != '\0' && (capabilities & BROKER_CAN_INITIAL) == 0) {
        return hulse_fail(
            err, HULSE_UNSUPPORTED, "its broker creates no subscription with a producer");
    }
    /* Brokers take it, and make none. */
    if (p->initial_subscription[0] != '\0' && !hulse_topic_keeps(p->topic)) {
        return hulse_fail(
            err, HULSE_INVAL, "a non-persistent topic keeps nothing for an initial subscription");
    }
    return HULSE_OK;
}

hulse_status hulse_publisher_open_producer(struct publisher *p,
                                           const struct broker_schema *schema,
                                           struct broker_producer **out,
                                           struct error *err)
{
    struct broker *b = p->flow->brokers[p->grant.topic->broker];
    struct broker_producer_params below = {.topic = p->topic,
                                           .name = p->name,
                                           .events = &hulse_publisher_producer_events,
                                           .ctx = p,
                                           .create = p->grant.topic->auto_create,
                                           .own = p->grant.topic->own_producers,
                                           .access = p->access,
                                           .initial_subscription = p->initial_subscription,
                                           .schema = schema,
                                           .gathering = gathering_of(&p->grant.topic->gathering),
                                           .routing = routing_of(p)};
    memcpy(below.handle_id, p->handle_id, sizeof(below.handle_id));
    return b->ops->producer_open(b, p->worker, &below, out, err);
}

/* With its schema, if it has one: on to the broker. */
static hulse_status open_first(struct publisher *p, struct error *err)
{
    struct broker *b = p->flow->brokers[p->grant.topic->broker];
    struct broker_schema schema;

    p->broker = p->grant.topic->broker;
    p->asks |= p->schema.validate ? ASK_SCHEMA : 0U;
    p->bytes_max = p->grant.topic->gathering.chunking ? p->flow->chunked_bytes_max
                                                      : p->flow->message_bytes_max;
    p->send = b->ops->send;
    p->replicates = (b->ops->capabilities & BROKER_CAN_REPLICATE) != 0;
    p->delays = (b->ops->capabilities & BROKER_CAN_DELAY) != 0 && hulse_topic_keeps(p->topic);
    return hulse_publisher_open_producer(
        p, hulse_flow_schema_told(&p->schema, &schema), &p->producer, err);
}

static void open_failed(struct publisher *p, hulse_status st, const char *text)
{
    p->events->opened(p->ctx, st, text, NULL);
    hulse_publisher_destroy(p);
}

/* The topic's own schema, if it has one. */
static void
heard_schema(void *owner, hulse_status status, const char *text, const struct schema_known *known)
{
    struct publisher *p = owner;
    struct error err = {0};

    if (status == HULSE_OK) {
        hulse_flow_schema_adopt(&p->schema, known);
    } else if (status != HULSE_NO_TOPIC) {
        open_failed(p, status, text);
        return;
    }
    const hulse_status st = open_first(p, &err);
    if (st != HULSE_OK) {
        open_failed(p, st, err.text);
    }
}

/* The topic has its entry: on to the broker. */
static hulse_status open_broker(struct publisher *p, struct error *err)
{
    HULSE_ASSERT(p->grant.topic->broker < p->flow->broker_count);

    const struct schema_question question = {.worker = p->worker,
                                             .broker = p->grant.topic->broker,
                                             .topic = p->topic,
                                             .owner = p,
                                             .done = heard_schema};
    hulse_status st =
        judge_wishes(p, p->flow->brokers[p->grant.topic->broker]->ops->capabilities, err);
    if (st == HULSE_OK && !p->as_written) {
        st = hulse_flow_schema_init(&p->schema, p->tables, p->topic, TOPIC_SCHEMA_PUBLISHED, err);
    }
    if (st != HULSE_OK) {
        return st;
    }
    if (!hulse_flow_schema_is_auto(&p->schema)) {
        return open_first(p, err);
    }
    return p->flow->schemas == NULL
               ? hulse_fail(err, HULSE_UNSUPPORTED, "schemas are not asked for")
               : hulse_schemas_ask(p->flow->schemas, &p->schema_wait, &question, err);
}

static void go_on(void *owner, hulse_status st)
{
    struct publisher *p = owner;
    struct error err = {0};

    hulse_publisher_refresh(p);
    st = hulse_opening_judge(st, &p->grant, &p->who, PERMISSION_PRODUCE, &err);
    if (st == HULSE_OK) {
        st = open_broker(p, &err);
    }
    if (st != HULSE_OK) {
        open_failed(p, st, err.text);
    }
}

/* With *p ready but for its broker; afterwards it may be gone. */
static hulse_status begin(struct publisher *p, struct error *err)
{
    hulse_publisher_refresh(p);
    /* Before anything is made for a name. */
    const hulse_status st = hulse_opening_allowed(&p->grant, &p->who, PERMISSION_PRODUCE, err);
    if (st != HULSE_OK) {
        return st;
    }
    if (p->grant.topic_state != NULL) {
        return open_broker(p, err);
    }
    const struct opening_params opening = {
        .flow = p->flow, .worker = p->worker, .topic = p->topic, .owner = p, .go_on = go_on};
    return hulse_opening_start(&p->opening, &opening, err);
}

hulse_status hulse_publisher_open(struct publisher **out,
                                  const struct publisher_params *params,
                                  struct error *err)
{
    struct topic_name name;
    const char *why = NULL;
    if (!hulse_topic_name_parse(&name, params->topic, params->flow->default_namespace, &why)) {
        return hulse_fail(err, HULSE_INVAL, "%s", why);
    }
    struct publisher *p = create(params, name.full);
    if (p == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a publisher");
    }
    *out = p;
    const hulse_status st = begin(p, err);
    if (st != HULSE_OK) {
        *out = NULL;
        hulse_publisher_destroy(p);
    }
    return st;
}
