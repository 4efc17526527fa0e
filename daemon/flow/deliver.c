/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver - see the header.
 *
 * A permit that was given cannot be taken back, so what counts is the estimate at the time of
 * giving. It jumps to a larger size at once and sinks by 1/64 of the difference per message: it
 * follows the mean of a steady stream from above and forgets a peak within a few hundred messages.
 */
#include "daemon/flow/deliver.h"

#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/mem.h"
#include "daemon/flow/multi.h"
#include "daemon/flow/opening.h"
#include "daemon/flow/reading.h"
#include "daemon/flow/schema.h"
#include "daemon/flow/schemas.h"
#include "daemon/flow/wishes.h"

#include <math.h>
#include <string.h>

/* Ring bytes of a delivery beside payload and metadata: its header. */
#define RECORD_BYTES 64U
#define ESTIMATE_SHIFT 6U

struct subscriber {
    struct broker_consumer *consumer; /* NULL until ops->consumer_open has set it */
    struct multi *multi;              /* of several topics: what is behind `consumer` */
    const struct subscriber_events *events;
    void *ctx;
    uint64_t estimate_bytes; /* 0 = no message seen yet */
    uint64_t outstanding;    /* permits given and not used */
    uint64_t calls;          /* verdicts passed on */
    uint64_t settled;        /* of them */
    bool opened;
    void (*ended)(void *ctx, struct broker_delivery *d); /* during ack_cumulative and seek */
    struct subscriber_counters counters;
    struct grant grant;
    struct identity who;
    const struct flow *flow;
    struct worker *worker;
    struct opening *opening;
    struct flow_schema schema;
    struct reading *reading; /* NULL: payloads are as they were written */
    enum broker_subscription type;
    struct broker_position start;
    bool has_after;
    bool existing;
    bool of_several;
    struct broker_id after;
    struct broker_wishes wishes; /* what they point to is behind the name */
    const char *subscription;    /* behind the topic, as the name */
    const char *name;
    uint8_t handle_id[BROKER_HANDLE_ID_BYTES];
    size_t object_bytes;
    char topic[]; /* terminated */
};

static void destroy(struct subscriber *s)
{
    hulse_opening_cancel(&s->opening);
    hulse_grant_release(&s->grant);
    hulse_reading_destroy(&s->reading);
    hulse_flow_schema_fini(&s->schema);
    hulse_mem_free(HULSE_MEM_TOPIC, s, s->object_bytes);
}

/* Whose rules a message is under. */
static struct subscriber *ruled(struct subscriber *s, const struct broker_delivery *d)
{
    return s->multi == NULL ? s : hulse_multi_of(s->multi, d);
}

static void
broker_opened(void *ctx, hulse_status status, const char *text, const struct broker_reach *reach)
{
    struct subscriber *s = ctx;
    if (status != HULSE_OK) {
        s->events->opened(s->ctx, status, text, 0, NULL);
        destroy(s);
        return;
    }
    s->opened = true;
    s->events->opened(s->ctx, HULSE_OK, text, hulse_subscriber_verdicts(s), reach);
}

static uint64_t size_of(const struct broker_delivery *d)
{
    return (uint64_t)d->payload.bytes + d->meta.key.bytes + d->meta.ordering_key.bytes +
           d->meta.properties.bytes + d->producer.bytes + RECORD_BYTES;
}

static uint64_t next_estimate(uint64_t estimate, uint64_t size)
{
    if (size >= estimate) {
        return size;
    }
    /* Rounded up, so that it arrives at the size. */
    return estimate - ((estimate - size + (1U << ESTIMATE_SHIFT) - 1) >> ESTIMATE_SHIFT);
}

/* Its own time to live, else the rule's. */
static bool expired(const struct subscriber *s, const struct broker_delivery *d)
{
    const uint64_t ttl_ms = d->meta.ttl_ms != 0 ? d->meta.ttl_ms : s->grant.topic.deliver_ttl_ms;
    if (__builtin_expect(ttl_ms == 0, 1)) {
        return false;
    }
    const uint64_t now_ms = hulse_clock_wall_ms();
    return now_ms > d->publish_time_ms && now_ms - d->publish_time_ms > ttl_ms;
}

/* Its payload is the broker's again. True: the front end has not seen it. */
static bool end_reading(struct subscriber *s, struct broker_delivery *d)
{
    return s->reading != NULL && hulse_reading_end(s->reading, d);
}

static void pass_ack(struct subscriber *s, struct broker_delivery *d)
{
    (void)end_reading(s, d);
    s->calls += 1;
    s->consumer->ops->ack(s->consumer, d);
}

static void pass_nack(struct subscriber *s, struct broker_delivery *d, uint32_t delay_ms)
{
    (void)end_reading(s, d);
    s->calls += 1;
    s->consumer->ops->nack(s->consumer, d, delay_ms);
}

/* Ended without having been seen. Its permit is used; that room is left has to be told again. */
static void expire(struct subscriber *s, struct broker_delivery *d)
{
    s->counters.expired += 1;
    hulse_topic_state_count(ruled(s, d)->grant.topic_state, TOPIC_EXPIRED_ON_DELIVERY);
    pass_ack(s, d);
    s->events->ask_room(s->ctx);
}

/* `resolved`: of the schema that it reads with, if it has one. */
static void hand_out(void *ctx, struct broker_delivery *d, bool resolved)
{
    struct subscriber *s = ctx;
    if (!resolved) {
        s->counters.unresolved += 1;
        hulse_topic_state_count(s->grant.topic_state, TOPIC_UNRESOLVED);
    }
    s->estimate_bytes = next_estimate(s->estimate_bytes, size_of(d));
    s->counters.delivered += 1;
    s->counters.bytes += d->payload.bytes;
    s->events->message(s->ctx, d);
}

static void broker_message(void *ctx, struct broker_delivery *d)
{
    struct subscriber *s = ctx;
    HULSE_ASSERT(s->outstanding > 0);
    s->outstanding -= 1;
    if (s->multi == NULL) {
        d->source = 0;
    }
    if (!s->of_several && expired(ruled(s, d), d)) {
        expire(s, d);
    } else if (s->reading == NULL) {
        hand_out(s, d, true);
    } else if (!hulse_reading_take(s->reading, d)) {
        /* It comes again, when there may be memory to let it wait. */
        s->consumer->ops->give_back(s->consumer, d);
        s->events->ask_room(s->ctx);
    }
}

static void broker_failed(void *ctx, hulse_status status, const char *text)
{
    struct subscriber *s = ctx;
    s->events->failed(s->ctx, status, text);
}

static void broker_settled(void *ctx, uint32_t count)
{
    struct subscriber *s = ctx;
    s->settled += count;
    HULSE_ASSERT(s->settled <= s->calls);
    if (s->events->settled != NULL) {
        s->events->settled(s->ctx, s->settled);
    }
}

static void broker_caught_up(void *ctx)
{
    struct subscriber *s = ctx;
    if (s->events->caught_up != NULL) {
        s->events->caught_up(s->ctx);
    }
}

static void broker_lost(void *ctx, uint64_t count)
{
    struct subscriber *s = ctx;
    if (s->events->lost != NULL) {
        s->events->lost(s->ctx, count);
    }
}

static void broker_active(void *ctx)
{
    struct subscriber *s = ctx;
    if (s->events->active != NULL) {
        s->events->active(s->ctx, true);
    }
}

static void broker_inactive(void *ctx)
{
    struct subscriber *s = ctx;
    if (s->events->active != NULL) {
        s->events->active(s->ctx, false);
    }
}

static void broker_end_of_topic(void *ctx)
{
    struct subscriber *s = ctx;
    if (s->events->end_of_topic != NULL) {
        s->events->end_of_topic(s->ctx);
    }
}

static void broker_done(void *ctx,
                        enum broker_errand errand,
                        hulse_status status,
                        const char *text,
                        const struct broker_id *id)
{
    struct subscriber *s = ctx;
    (void)id;
    if (errand == BROKER_SEEK) {
        s->events->sought(s->ctx, status, text);
    }
}

static const struct broker_consumer_events consumer_events = {.opened = broker_opened,
                                                              .message = broker_message,
                                                              .failed = broker_failed,
                                                              .caught_up = broker_caught_up,
                                                              .lost = broker_lost,
                                                              .active = broker_active,
                                                              .inactive = broker_inactive,
                                                              .end_of_topic = broker_end_of_topic,
                                                              .done = broker_done,
                                                              .settled = broker_settled};

/* Copies a text to *at, which moves on behind it. */
static const char *copy_text(char **at, const char *text)
{
    const size_t bytes = strlen(text) + 1;
    const char *copy = memcpy(*at, text, bytes);
    *at += bytes;
    return copy;
}

static struct subscriber *create(const struct subscriber_params *params, const char *topic)
{
    const size_t align = _Alignof(struct broker_key_range);
    const size_t texts = strlen(topic) + strlen(params->subscription) + strlen(params->name) + 3;
    const size_t fixed = (sizeof(struct subscriber) + texts + align - 1) / align * align;
    const size_t bytes = fixed + hulse_flow_wishes_bytes(params->wishes);
    struct subscriber *s = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (s != NULL) {
        char *at = s->topic;
        s->events = params->events;
        s->ctx = params->ctx;
        s->flow = params->flow;
        s->worker = params->worker;
        s->who = *params->who;
        s->type = params->type;
        s->start = params->start;
        s->has_after = params->after != NULL;
        s->existing = params->existing;
        s->of_several = params->of_several;
        if (s->has_after) {
            s->after = *params->after;
        }
        if (params->handle_id != NULL) {
            memcpy(s->handle_id, params->handle_id, sizeof(s->handle_id));
        }
        s->object_bytes = bytes;
        (void)copy_text(&at, topic);
        s->subscription = copy_text(&at, params->subscription);
        s->name = copy_text(&at, params->name);
        if (params->wishes != NULL) {
            hulse_flow_wishes_copy(&s->wishes, (char *)s + fixed, params->wishes);
        }
    }
    return s;
}

static void renew(struct subscriber *s)
{
    hulse_grant_refresh(&s->grant, s->flow->tables, &s->who, s->topic);
}

static bool can_begin(const struct broker *b, enum broker_position_kind kind)
{
    const uint32_t needed = kind == BROKER_AT_PUBLISHED                       ? BROKER_CAN_SEEK
                            : kind == BROKER_AT_ID || kind == BROKER_AFTER_ID ? BROKER_CAN_START_ID
                                                                              : 0;
    return (b->ops->capabilities & needed) == needed;
}

/* Only what has its own schema looks into payloads. */
static hulse_status begin_reading(struct subscriber *s, struct error *err)
{
    const hulse_status st =
        hulse_flow_schema_init(&s->schema, s->flow->tables, s->topic, TOPIC_SCHEMA_CONSUMED, err);
    if (st != HULSE_OK || s->schema.schema == NULL || s->flow->schemas == NULL) {
        return st;
    }
    const struct reading_params params = {.flow = s->flow,
                                          .worker = s->worker,
                                          .broker = s->grant.topic.broker,
                                          .topic = s->topic,
                                          .own = s->schema.schema,
                                          .ctx = s,
                                          .pass = hand_out};
    s->reading = hulse_reading_create(&params);
    return s->reading != NULL ? HULSE_OK
                              : hulse_fail(err, HULSE_NO_MEMORY, "no memory for a subscriber");
}

/* Of the application, and of the topic's rule where it has a meaning. */
static hulse_status wish(const struct subscriber *s,
                         const struct broker *b,
                         struct broker_wishes *out,
                         struct error *err)
{
    *out = s->wishes;
    if ((b->ops->capabilities & BROKER_CAN_WISHES) == 0) {
        return hulse_flow_wishes_refuse(out, b, err);
    }
    out->replicated = out->replicated ||
                      (s->grant.topic.replicate_subscription_state && s->type != BROKER_READER &&
                       strncmp(s->topic, "persistent:", strlen("persistent:")) == 0);
    return HULSE_OK;
}

/* The topic has its entry: on to the broker. */
static hulse_status open_broker(struct subscriber *s, struct error *err)
{
    HULSE_ASSERT(s->grant.topic.broker < s->flow->broker_count);

    struct broker *b = s->flow->brokers[s->grant.topic.broker];
    const struct topic_chunks *chunks = &s->grant.topic.chunks;
    struct broker_schema schema;
    hulse_status st = begin_reading(s, err);
    if (st != HULSE_OK) {
        return st;
    }
    struct broker_consumer_params below = {.topic = s->topic,
                                           .subscription = s->subscription,
                                           .name = s->name,
                                           .type = s->type,
                                           .start = s->start,
                                           .events = &consumer_events,
                                           .ctx = s,
                                           .schema = hulse_flow_schema_told(&s->schema, &schema),
                                           .create = s->grant.topic.auto_create && !s->existing,
                                           .chunking = {.pending_max = chunks->pending_max,
                                                        .expire_ms = chunks->expire_ms,
                                                        .auto_ack = chunks->auto_ack}};
    st = wish(s, b, &below.wishes, err);
    if (st != HULSE_OK) {
        return st;
    }
    if (s->has_after && (b->ops->capabilities & BROKER_CAN_START_ID) != 0) {
        below.start = (struct broker_position){.kind = BROKER_AFTER_ID, .id = s->after};
        below.resumed = true;
    } else if (!can_begin(b, s->start.kind)) {
        return hulse_fail(err,
                          HULSE_UNSUPPORTED,
                          "broker %s cannot begin %s",
                          b->name,
                          s->start.kind == BROKER_AT_PUBLISHED ? "at a time" : "at a message");
    }
    memcpy(below.handle_id, s->handle_id, sizeof(below.handle_id));
    return b->ops->consumer_open(b, s->worker, &below, &s->consumer, err);
}

static void go_on(void *owner, hulse_status st)
{
    struct subscriber *s = owner;
    struct error err = {0};

    renew(s);
    st = hulse_opening_judge(st, &s->grant, &s->who, PERMISSION_CONSUME, &err);
    if (st == HULSE_OK) {
        st = open_broker(s, &err);
    }
    if (st != HULSE_OK) {
        s->events->opened(s->ctx, st, err.text, 0, NULL);
        destroy(s);
    }
}

/* With *s ready but for its broker; afterwards it may be gone. */
static hulse_status begin(struct subscriber *s, struct error *err)
{
    renew(s);
    /* Before anything is made for a name. */
    const hulse_status st = hulse_opening_allowed(&s->grant, &s->who, PERMISSION_CONSUME, err);
    if (st != HULSE_OK) {
        return st;
    }
    if (s->grant.topic_state != NULL) {
        return open_broker(s, err);
    }
    const struct opening_params opening = {
        .flow = s->flow, .worker = s->worker, .topic = s->topic, .owner = s, .go_on = go_on};
    return hulse_opening_start(&s->opening, &opening, err);
}

static hulse_status
open_several(struct subscriber **out, const struct subscriber_params *params, struct error *err)
{
    struct topic_name name;
    const char *why = NULL;
    const char *topic = params->topic;
    if (!params->several->is_pattern) {
        if (!hulse_topic_name_parse(&name, topic, params->flow->default_namespace, &why)) {
            return hulse_fail(err, HULSE_INVAL, "%s", why);
        }
        topic = name.full;
    }
    struct subscriber *s = create(params, topic);
    if (s == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a subscriber");
    }
    *out = s;
    struct subscriber_params kept = *params;
    kept.wishes = &s->wishes; /* as long as it is open */
    /* It tells of itself before this returns, and may be gone then. */
    const hulse_status st =
        hulse_multi_open(&s->multi, &s->consumer, &kept, &consumer_events, s, err);
    if (st != HULSE_OK) {
        *out = NULL;
        destroy(s);
    }
    return st;
}

hulse_status hulse_subscriber_open(struct subscriber **out,
                                   const struct subscriber_params *params,
                                   struct error *err)
{
    struct topic_name name;
    const char *why = NULL;
    if ((params->type == BROKER_READER) != (params->subscription[0] == '\0')) {
        return hulse_fail(err, HULSE_INVAL, "a subscription needs a name and a reader has none");
    }
    if (params->several != NULL) {
        return open_several(out, params, err);
    }
    if (!hulse_topic_name_parse(&name, params->topic, params->flow->default_namespace, &why)) {
        return hulse_fail(err, HULSE_INVAL, "%s", why);
    }
    struct subscriber *s = create(params, name.full);
    if (s == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a subscriber");
    }
    *out = s;
    const hulse_status st = begin(s, err);
    if (st != HULSE_OK) {
        *out = NULL;
        destroy(s);
    }
    return st;
}

enum subscriber_change hulse_subscriber_recheck(struct subscriber *s)
{
    if (s->multi != NULL) {
        return hulse_multi_recheck(s->multi);
    }
    const uint32_t before = s->grant.topic.verdicts;
    renew(s);
    if ((s->grant.permissions & PERMISSION_CONSUME) == 0) {
        return SUBSCRIBER_DENIED;
    }
    return s->grant.topic.verdicts == before ? SUBSCRIBER_SAME : SUBSCRIBER_VERDICTS;
}

uint32_t hulse_subscriber_verdicts(const struct subscriber *s)
{
    return s->multi != NULL ? hulse_multi_verdicts(s->multi) : s->grant.topic.verdicts;
}

void hulse_subscriber_tell_verdicts(struct subscriber *s)
{
    if (s->events->verdicts != NULL) {
        s->events->verdicts(s->ctx, hulse_subscriber_verdicts(s));
    }
}

uint64_t hulse_subscriber_coming(const struct subscriber *s)
{
    return s->outstanding + (s->reading == NULL ? 0 : hulse_reading_waiting(s->reading));
}

void hulse_subscriber_room(struct subscriber *s, uint64_t bytes, uint32_t messages)
{
    HULSE_ASSERT(s->opened);

    if (bytes == 0) {
        return;
    }
    /* Of an unknown size one at a time; and never none, or a message larger than the room that is
     * ever told would not come at all. */
    uint64_t wanted = s->estimate_bytes == 0 ? 1 : bytes / s->estimate_bytes;
    wanted = wanted == 0 ? 1 : wanted;
    wanted = wanted > messages ? messages : wanted;
    const uint64_t coming = hulse_subscriber_coming(s);
    if (wanted > coming) {
        hulse_subscriber_permit(s, (uint32_t)(wanted - coming));
    }
}

void hulse_subscriber_permit(struct subscriber *s, uint32_t count)
{
    /* Before the call, because messages may come before it returns. */
    s->outstanding += count;
    s->counters.permitted += count;
    s->consumer->ops->permit(s->consumer, count);
}

void hulse_subscriber_copied(struct subscriber *s, struct broker_delivery *d)
{
    (void)end_reading(s, d);
    if (s->consumer->ops->copied != NULL) {
        s->consumer->ops->copied(s->consumer, d);
    }
}

void hulse_subscriber_ack(struct subscriber *s, struct broker_delivery *d)
{
    pass_ack(s, d);
}

static void broker_ended(void *ctx, struct broker_delivery *d)
{
    struct subscriber *s = ctx;
    if (!end_reading(s, d)) {
        s->ended(s->ctx, d);
    }
}

void hulse_subscriber_ack_cumulative(struct subscriber *s,
                                     struct broker_delivery *d,
                                     void (*ended)(void *ctx, struct broker_delivery *d))
{
    HULSE_ASSERT(s->ended == NULL);

    s->ended = ended;
    s->calls += 1;
    s->consumer->ops->ack_cumulative(s->consumer, d, broker_ended);
    s->ended = NULL;
}

hulse_status hulse_subscriber_seek(struct subscriber *s,
                                   const struct broker_position *to,
                                   void (*ended)(void *ctx, struct broker_delivery *d),
                                   struct error *err)
{
    HULSE_ASSERT(s->ended == NULL && s->events->sought != NULL);

    const struct broker_ops *ops = s->consumer->ops;
    if ((ops->capabilities & BROKER_CAN_SEEK) == 0) {
        return hulse_fail(
            err, HULSE_UNSUPPORTED, "a broker of type %s moves no consumer", ops->type);
    }
    s->ended = ended;
    const hulse_status st = ops->seek(s->consumer, to, broker_ended, err);
    s->ended = NULL;
    return st;
}

void hulse_subscriber_nack(struct subscriber *s, struct broker_delivery *d, uint32_t delay_ms)
{
    pass_nack(s, d, delay_ms);
}

uint32_t hulse_subscriber_backoff_ms(const struct subscriber *s, const struct broker_delivery *d)
{
    const struct subscriber *of = s->multi == NULL ? s : hulse_multi_of(s->multi, d);
    const struct topic_settings *topic = &of->grant.topic;
    const double max_ms = (double)topic->nack_delay_max_ms;
    double delay_ms = (double)topic->nack_delay_ms;

    if (delay_ms > 0 && topic->nack_multiplier > 1) {
        delay_ms *= pow(topic->nack_multiplier, (double)d->redelivery); /* infinite at most */
    }
    delay_ms = delay_ms < max_ms ? delay_ms : max_ms;
    return delay_ms < (double)UINT32_MAX ? (uint32_t)delay_ms : UINT32_MAX;
}

uint64_t hulse_subscriber_ack_timeout_ms(const struct subscriber *s,
                                         const struct broker_delivery *d)
{
    const struct subscriber *of = s->multi == NULL ? s : hulse_multi_of(s->multi, d);
    return of->grant.topic.ack_timeout_ms;
}

void hulse_subscriber_time_out(struct subscriber *s, struct broker_delivery *d)
{
    s->counters.timed_out += 1;
    hulse_topic_state_count(ruled(s, d)->grant.topic_state, TOPIC_ACK_TIMED_OUT);
    pass_nack(s, d, 0);
}

void hulse_subscriber_unconfigured(struct subscriber *s, struct broker_delivery *d)
{
    s->counters.unconfigured += 1;
    hulse_topic_state_count(ruled(s, d)->grant.topic_state, TOPIC_VERDICT_UNCONFIGURED);
    pass_nack(s, d, hulse_subscriber_backoff_ms(s, d));
}

void hulse_subscriber_drop(struct subscriber *s, struct broker_delivery *d)
{
    s->counters.dropped += 1;
    pass_ack(s, d);
}

void hulse_subscriber_give_back(struct subscriber *s, struct broker_delivery *d)
{
    (void)end_reading(s, d);
    s->consumer->ops->give_back(s->consumer, d);
}

void hulse_subscriber_ack_id(struct subscriber *s,
                             uint32_t source,
                             const struct broker_id *id,
                             bool cumulative)
{
    s->calls += 1;
    if (s->multi != NULL) {
        hulse_multi_ack_id(s->multi, source, id, cumulative);
        return;
    }
    s->consumer->ops->ack_id(s->consumer, id, cumulative);
}

const char *hulse_subscriber_news(const struct subscriber *s, uint32_t source)
{
    return s->multi == NULL ? NULL : hulse_multi_news(s->multi, source);
}

void hulse_subscriber_told(struct subscriber *s, uint32_t source)
{
    hulse_multi_told(s->multi, source);
}

uint64_t hulse_subscriber_calls(const struct subscriber *s)
{
    return s->calls;
}

uint64_t hulse_subscriber_settled(const struct subscriber *s)
{
    return s->settled;
}

const struct schema_known *hulse_subscriber_schema(const struct subscriber *s, uint64_t version)
{
    return s->flow->schemas == NULL || s->multi != NULL
               ? NULL
               : hulse_schemas_find(s->flow->schemas, s->grant.topic.broker, s->topic, version);
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
    if (s->multi != NULL) {
        return hulse_fail(err,
                          HULSE_UNSUPPORTED,
                          "of several topics: a consumer of the one alone is told its schemas");
    }
    const struct schema_question question = {.worker = s->worker,
                                             .broker = s->grant.topic.broker,
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

void hulse_subscriber_close(struct subscriber **subscriber, bool unsubscribe)
{
    struct subscriber *s = *subscriber;
    *subscriber = NULL;
    hulse_reading_destroy(&s->reading);
    if (s->consumer != NULL) {
        s->consumer->ops->consumer_close(s->consumer, unsubscribe);
    }
    destroy(s);
}

const char *hulse_subscriber_topic(const struct subscriber *s)
{
    return s->topic;
}

const struct subscriber_counters *hulse_subscriber_counters(const struct subscriber *s)
{
    return &s->counters;
}
