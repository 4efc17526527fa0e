/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish - see the header.
 *
 * publish is called for every message: no clock, no allocation, no lock, but for what a rule asks
 * for. The publisher may be closed by whoever hears an answer, so nothing of it is touched after an
 * event, but where `closed` says that it was not.
 */
#include "daemon/flow/publish.h"

#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "daemon/flow/outcome.h"
#include "daemon/flow/publisher.h"
#include "daemon/flow/schemas.h"
#include "daemon/worker/worker.h"

#include <string.h>

#define NS_PER_MS 1000000U

/* Records of a producer that drops the oldest which the broker may have without an answer. */
#define HOLD_OUTSTANDING_MAX 1024U

static void destroy(struct publisher *p)
{
    hulse_opening_cancel(&p->opening);
    hulse_schemas_forget(&p->schema_wait);
    hulse_hold_fini(&p->hold);
    hulse_flow_schema_fini(&p->schema);
    hulse_grant_release(&p->grant);
    hulse_mem_free(HULSE_MEM_TOPIC, p, p->object_bytes);
}

static void
broker_opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    struct publisher *p = ctx;
    if (p->opened) {
        hulse_publisher_renewal_opened(p, status, text);
        return;
    }
    if (status != HULSE_OK) {
        p->events->opened(p->ctx, status, text, NULL);
        destroy(p);
        return;
    }
    if (limits->message_bytes_max < p->bytes_max) {
        p->bytes_max = limits->message_bytes_max;
    }
    p->opened = true;
    p->partitioned = limits->routing.partitions > 0;
    const struct broker_limits both = {.message_bytes_max = p->bytes_max,
                                       .routing = limits->routing};
    p->events->opened(p->ctx, HULSE_OK, text, &both);
}

static bool pump(struct publisher *p);

/* One of the broker's places is free again. False: whoever heard of it has closed the publisher. */
static bool settle(struct publisher *p)
{
    if (p->outstanding > 0) {
        p->outstanding -= 1;
    }
    return p->pumping || pump(p);
}

/* To whoever waits for it, which may be the last one of a producer. */
static void tell(struct publisher *p, uint64_t token, const struct broker_answer *answer)
{
    bool closed = false;
    bool *before = p->closed;

    if (__builtin_expect(!hulse_publisher_is_renewing(p), 1) || !hulse_publisher_renew(p)) {
        p->events->answered(p->ctx, token, answer);
        return;
    }
    p->closed = &closed;
    p->events->answered(p->ctx, token, answer);
    if (!closed) {
        p->closed = before;
        hulse_publisher_go_on(p);
    } else if (before != NULL) {
        *before = true;
    }
}

static void broker_answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct publisher *p = ctx;
    if (__builtin_expect((p->asks & ASK_HOLD) != 0, 0) && !settle(p)) {
        return;
    }
    if (__builtin_expect(answer->outcome == HULSE_OUTCOME_STORED, 1)) {
        p->counters.stored += 1;
        tell(p, token, answer);
        return;
    }
    struct broker_answer told = *answer;
    if (told.outcome == 0) {
        told.outcome = hulse_outcome_of(told.class);
    }
    if (told.outcome == HULSE_OUTCOME_STORED) {
        p->counters.stored += 1;
    } else {
        p->counters.failed += 1;
    }
    tell(p, token, &told);
}

static void broker_failed(void *ctx, hulse_status status, const char *text)
{
    struct publisher *p = ctx;
    p->events->failed(p->ctx, status, text);
}

static void broker_fenced(void *ctx, const char *text)
{
    struct publisher *p = ctx;
    if (p->events->fenced != NULL) {
        p->events->fenced(p->ctx, text);
    } else {
        broker_failed(ctx, HULSE_BUSY, text);
    }
}

/* What was given back is told to the front end, which has the record still. */
static void broker_given_back(void *ctx, const struct broker_given_back *back)
{
    const struct broker_answer answer = {.class = BROKER_RETRY,
                                         .outcome = back->unknown ? HULSE_OUTCOME_FAILED_UNKNOWN
                                                                  : HULSE_OUTCOME_FAILED_NOT_SENT};
    broker_answered(ctx, back->record->token, &answer);
}

/* Meanwhile what waits goes on waiting; anything else the broker answers at once itself. */
static void broker_suspended(void *ctx, enum broker_class class, const char *text)
{
    struct publisher *p = ctx;
    p->suspended = true;
    (void)class;
    (void)text;
}

static void broker_resumed(void *ctx)
{
    struct publisher *p = ctx;
    p->suspended = false;
    if ((p->asks & ASK_HOLD) != 0 && !p->pumping) {
        (void)pump(p);
    }
}

void hulse_publisher_go_on(struct publisher *p)
{
    if ((p->asks & ASK_HOLD) != 0) {
        if (!p->pumping) {
            (void)pump(p);
        }
    } else if (p->events->freed != NULL) {
        p->events->freed(p->ctx);
    }
}

static void broker_freed(void *ctx)
{
    hulse_publisher_go_on(ctx);
}

static const struct broker_producer_events producer_events = {.opened = broker_opened,
                                                              .answered = broker_answered,
                                                              .failed = broker_failed,
                                                              .fenced = broker_fenced,
                                                              .suspended = broker_suspended,
                                                              .given_back = broker_given_back,
                                                              .resumed = broker_resumed,
                                                              .freed = broker_freed};

/* ---- open ---- */

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

static uint64_t now_ns(const struct publisher *p)
{
    return p->worker != NULL ? p->worker->loop.now_ns : hulse_clock_ns();
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
    const uint64_t now = now_ns(p);

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

/* From the tables: what may be done and what has to be asked from now on. */
static void renew(struct publisher *p)
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

static bool keeps_nothing(const struct publisher *p)
{
    return strncmp(p->topic, "non-persistent:", 15) == 0;
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
    if (p->initial_subscription[0] != '\0' && keeps_nothing(p)) {
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
                                           .events = &producer_events,
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
    p->delays = (b->ops->capabilities & BROKER_CAN_DELAY) != 0 && !keeps_nothing(p);
    return hulse_publisher_open_producer(
        p, hulse_flow_schema_told(&p->schema, &schema), &p->producer, err);
}

static void open_failed(struct publisher *p, hulse_status st, const char *text)
{
    p->events->opened(p->ctx, st, text, NULL);
    destroy(p);
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

    renew(p);
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
    renew(p);
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
        destroy(p);
    }
    return st;
}

uint64_t hulse_publisher_send_timeout_ms(const struct publisher *p)
{
    return p->grant.topic->gathering.send_timeout_ms;
}

/* ---- publish ---- */

static void refuse(struct publisher *p, uint64_t token, enum publish_check why)
{
    const struct refusal *refusal = hulse_refusal_of(why);
    const struct broker_answer answer = {.class = refusal->class, .outcome = refusal->outcome};
    p->counters.refused[why] += 1;
    hulse_topic_state_count(p->grant.topic_state, refusal->counter);
    p->events->answered(p->ctx, token, &answer);
}

/* Its own time to live, else the rule's, in milliseconds; 0 = for ever. */
static uint64_t ttl_of(const struct publisher *p, const struct broker_record *r)
{
    return r->meta != NULL && r->meta->ttl_ms != 0 ? r->meta->ttl_ms : p->grant.topic->ttl_ms;
}

/* An application, its role, the topic: what one bucket gave goes back when a later one refuses. */
static enum publish_check take_rates(struct publisher *p, uint32_t bytes)
{
    struct grant *g = &p->grant;
    const uint64_t now = now_ns(p);

    if (p->app_rate != NULL && !hulse_bucket_pair_take(p->app_rate, &g->app_rate, now, bytes)) {
        return PUBLISH_APP_RATE;
    }
    enum publish_check why = PUBLISH_CHECKS;
    if (g->role_state != NULL &&
        !hulse_bucket_pair_take(&g->role_state->rate, &g->role_rate, now, bytes)) {
        why = PUBLISH_ROLE_RATE;
    } else if (!hulse_bucket_pair_take(&g->topic_state->rate, &g->topic->rate, now, bytes)) {
        why = PUBLISH_TOPIC_RATE;
        if (g->role_state != NULL) {
            hulse_bucket_pair_give(&g->role_state->rate, &g->role_rate, bytes);
        }
    }
    if (why != PUBLISH_CHECKS && p->app_rate != NULL) {
        hulse_bucket_pair_give(p->app_rate, &g->app_rate, bytes);
    }
    return why;
}

/* Of a record that was not taken after all. */
static void give_rates(struct publisher *p, uint32_t bytes)
{
    struct grant *g = &p->grant;

    if (p->app_rate != NULL) {
        hulse_bucket_pair_give(p->app_rate, &g->app_rate, bytes);
    }
    if (g->role_state != NULL) {
        hulse_bucket_pair_give(&g->role_state->rate, &g->role_rate, bytes);
    }
    hulse_bucket_pair_give(&g->topic_state->rate, &g->topic->rate, bytes);
}

/* Of a topic without partitions number 0 is all of it. */
static bool names_no_partition(const struct publisher *p, const struct broker_meta *meta)
{
    return meta->partition > 0 && !p->partitioned;
}

/* Clusters by name, and there are none; that it stays in its own is then so anyway. */
static bool names_no_cluster(const struct publisher *p, const struct broker_meta *meta)
{
    return meta->replicate_to.bytes > sizeof(uint16_t) && !p->replicates;
}

/* It wishes something that not every topic can do. */
static bool is_asked(const struct publisher *p, const struct broker_meta *meta)
{
    return (meta->ttl_ms | meta->deliver_after_ms | meta->replicate_to.bytes) != 0 ||
           names_no_partition(p, meta);
}

/* A tombstone has no payload that could fit. */
static bool fits(const struct publisher *p, const struct schema *s, const struct broker_record *r)
{
    struct schema_fault fault;

    return (p->asks & ASK_SCHEMA) == 0 || s == NULL || (r->meta != NULL && r->meta->tombstone) ||
           hulse_schema_check(s, r->payload.data, r->payload.bytes, &fault);
}

/* PUBLISH_CHECKS: nothing is against it; *later: but something has to be known before. */
static enum publish_check judge(struct publisher *p, const struct broker_record *r, bool *later)
{
    if ((p->asks & ASK_DENIED) != 0) {
        return PUBLISH_DENIED;
    }
    if (r->payload.bytes > p->bytes_max) {
        return PUBLISH_TOO_LARGE;
    }
    if (r->meta != NULL && ((r->meta->deliver_after_ms != 0 && !p->delays) ||
                            names_no_partition(p, r->meta) || names_no_cluster(p, r->meta))) {
        return PUBLISH_UNSUPPORTED;
    }
    const uint64_t ttl_ms = ttl_of(p, r);
    if (ttl_ms != 0) {
        const uint64_t now = now_ns(p);
        if (now > r->enqueued_ns && (now - r->enqueued_ns) / NS_PER_MS > ttl_ms) {
            return PUBLISH_EXPIRED;
        }
    }
    const struct schema *s = hulse_publisher_schema(p);
    if (!fits(p, s, r)) {
        *later = hulse_publisher_ask_again(p);
        if (*later) {
            return PUBLISH_CHECKS;
        }
        hulse_flow_schema_tell(s, r->payload, p->topic);
        return PUBLISH_INVALID;
    }
    *later = hulse_publisher_is_renewing(p) && (p->asks & ASK_HOLD) == 0;
    if (*later) {
        return PUBLISH_CHECKS;
    }
    return (p->asks & ASK_RATE) != 0 ? take_rates(p, r->payload.bytes) : PUBLISH_CHECKS;
}

/* The broker takes one more of a producer that drops the oldest. */
static bool has_room(const struct publisher *p)
{
    return !p->suspended && !p->producer->busy && p->outstanding < HOLD_OUTSTANDING_MAX &&
           (!hulse_publisher_is_renewing(p) || p->renewal.behind > 0);
}

static struct held *take_held(struct publisher *p)
{
    struct held *first = hulse_hold_take(&p->hold);

    p->renewal.behind -= first != NULL && p->renewal.behind > 0 ? 1 : 0;
    return first;
}

/* Sends what waits while the broker has room. False: the publisher was closed meanwhile. */
static bool pump(struct publisher *p)
{
    bool closed = false;
    bool *before = p->closed;

    p->pumping = true;
    p->closed = &closed;
    while (has_room(p)) {
        const uint32_t behind = p->renewal.behind;
        struct held *first = take_held(p);
        if (first == NULL) {
            break;
        }
        p->outstanding += 1;
        if (!p->send(p->producer, &first->record)) {
            p->outstanding -= 1;
            hulse_hold_put_back(&p->hold, first);
            p->renewal.behind = behind;
            break;
        }
        hulse_hold_free(first);
        if (closed) {
            if (before != NULL) {
                *before = true;
            }
            return false;
        }
    }
    p->pumping = false;
    p->closed = before;
    return true;
}

/* To the broker if it has room and nothing waits, else to the end of the queue. */
static void hold(struct publisher *p, const struct broker_record *r)
{
    if (p->hold.records == 0 && has_room(p)) {
        p->outstanding += 1;
        if (p->send(p->producer, r)) {
            return;
        }
        p->outstanding -= 1;
    }
    if (hulse_hold_bytes(r) > p->hold.bytes_max) {
        refuse(p, r->token, PUBLISH_DROPPED); /* room made for it would not be enough */
        return;
    }
    if (!hulse_hold_put(&p->hold, r)) {
        refuse(p, r->token, PUBLISH_NO_MEMORY);
        return;
    }
    bool closed = false;
    bool *before = p->closed;
    p->closed = &closed;
    while (!closed && hulse_hold_over(&p->hold)) {
        struct held *oldest = take_held(p);
        const uint64_t token = oldest->record.token;
        hulse_hold_free(oldest);
        refuse(p, token, PUBLISH_DROPPED);
    }
    if (!closed) {
        p->closed = before;
        if (hulse_publisher_is_renewing(p) && hulse_publisher_renew(p)) {
            hulse_publisher_go_on(p);
        }
    } else if (before != NULL) {
        *before = true;
    }
}

/* False: it was not taken. */
static bool pass(struct publisher *p, const struct broker_record *r)
{
    if ((p->asks & ASK_HOLD) != 0) {
        hold(p, r);
        return true;
    }
    if (p->send(p->producer, r)) {
        return true;
    }
    if ((p->asks & ASK_RATE) != 0) {
        give_rates(p, r->payload.bytes);
    }
    return false;
}

/* Something has to be asked of this record. False: it was not taken. */
static bool publish_asked(struct publisher *p, const struct broker_record *r)
{
    bool later = false;
    const enum publish_check why = judge(p, r, &later);

    if (later) {
        return false;
    }
    if (why != PUBLISH_CHECKS) {
        refuse(p, r->token, why);
        return true;
    }
    if (p->grant.topic->ttl_ms == 0 || (r->meta != NULL && r->meta->ttl_ms != 0)) {
        return pass(p, r);
    }
    /* The rule's time to live goes with it. */
    struct broker_record with = *r;
    struct broker_meta meta = {.partition = -1};
    if (r->meta != NULL) {
        meta = *r->meta;
    }
    meta.ttl_ms = p->grant.topic->ttl_ms;
    with.meta = &meta;
    return pass(p, &with);
}

bool hulse_publisher_publish(struct publisher *p, const struct broker_record *r)
{
    HULSE_DASSERT(p->opened);

    bool taken = false;

    p->counters.published += 1;
    p->counters.bytes += r->payload.bytes;
    if (__builtin_expect(hulse_tables_generation(p->tables) != p->generation, 0)) {
        renew(p);
    }
    if (__builtin_expect(p->asks != 0 || r->payload.bytes > p->bytes_max ||
                             (r->meta != NULL && is_asked(p, r->meta)),
                         0)) {
        taken = publish_asked(p, r);
    } else {
        taken = p->send(p->producer, r);
    }
    if (__builtin_expect(!taken, 0)) {
        p->counters.published -= 1;
        p->counters.bytes -= r->payload.bytes;
    }
    return taken;
}

bool hulse_publisher_busy(const struct publisher *p)
{
    return (p->producer->busy || hulse_publisher_is_renewing(p)) && (p->asks & ASK_HOLD) == 0;
}

void hulse_publisher_forget(struct publisher *p)
{
    p->forget = true;
}

void hulse_publisher_close(struct publisher **publisher)
{
    struct publisher *p = *publisher;
    *publisher = NULL;
    if (p->closed != NULL) {
        *p->closed = true;
    }
    hulse_publisher_renewal_fini(p);
    if (p->producer != NULL) {
        p->producer->ops->producer_close(p->producer, p->forget);
    }
    destroy(p);
}

const char *hulse_publisher_topic(const struct publisher *p)
{
    return p->topic;
}

const struct publisher_counters *hulse_publisher_counters(const struct publisher *p)
{
    return &p->counters;
}
