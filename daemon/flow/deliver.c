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
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/flow/retry_name.h"
#include "daemon/flow/subscriber.h"
#include "daemon/flow/wishes.h"

#include <string.h>

/* Ring bytes of a delivery beside payload and metadata: its header. */
#define RECORD_BYTES 64U
#define ESTIMATE_SHIFT 6U
/* enum hulse_verdict, as its bit. */
#define RETRY_BIT (1U << 3U)
#define REJECT_BIT (1U << 4U)

static void free_beginning(struct subscriber_beginning *b)
{
    hulse_broker_marks_let(&b->marks);
    hulse_mem_free(HULSE_MEM_TOPIC, b, b->bytes);
}

static void has_begun(struct subscriber *s)
{
    struct subscriber_beginning *b = s->beginning;
    s->beginning = NULL;
    if (b != NULL) {
        free_beginning(b);
    }
}

void hulse_subscriber_destroy(struct subscriber *s)
{
    hulse_opening_cancel(&s->opening);
    hulse_alone_fini(hulse_subscriber_alone(s));
    has_begun(s);
    hulse_dead_letter_fini(&s->dead);
    hulse_grant_release(&s->grant);
    hulse_reading_destroy(&s->reading);
    hulse_flow_schema_fini(&s->schema);
    if (s->retry != NULL) {
        hulse_mem_free(HULSE_MEM_TOPIC, s->retry, s->retry->bytes);
    }
    hulse_mem_free(HULSE_MEM_TOPIC, s, s->object_bytes);
}

static uint32_t verdicts_of(const struct subscriber *s)
{
    return s->grant.topic->verdicts | (hulse_dead_letter_configured(&s->dead) ? REJECT_BIT : 0U) |
           (hulse_dead_letter_retries(&s->dead) ? RETRY_BIT : 0U);
}

static void
broker_opened(void *ctx, hulse_status status, const char *text, const struct broker_reach *reach)
{
    struct subscriber *s = ctx;
    if (status != HULSE_OK) {
        s->events->opened(s->ctx, status, text, 0, NULL);
        hulse_subscriber_destroy(s);
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
    const uint64_t ttl_ms = d->meta.ttl_ms != 0 ? d->meta.ttl_ms : s->grant.topic->deliver_ttl_ms;
    if (__builtin_expect(ttl_ms == 0, 1)) {
        return false;
    }
    const uint64_t now_ms = hulse_clock_wall_ms();
    return now_ms > d->publish_time_ms && now_ms - d->publish_time_ms > ttl_ms;
}

/* Ended without having been seen. Its permit is used; that room is left has to be told again. */
static void expire(struct subscriber *s, struct broker_delivery *d)
{
    s->own->counters.expired += 1;
    hulse_topic_state_count(hulse_subscriber_ruled(s, d)->grant.topic_state,
                            TOPIC_EXPIRED_ON_DELIVERY);
    hulse_subscriber_pass_ack(s, d);
    s->events->ask_room(s->ctx);
}

/* Its letter could not be sent when it was here before: now, unseen. */
static bool again(struct subscriber *s, struct broker_delivery *d)
{
    struct subscriber *of = hulse_subscriber_ruled(s, d);
    const struct dead_letter_user user = hulse_subscriber_user(of);

    if (hulse_dead_letter_noted(&s->dead, d)) {
        /* Of several topics it is read already; its letter is as it was written. */
        (void)hulse_subscriber_end_reading(of, d);
    }
    return hulse_dead_letter_again(&s->dead, d, &user, of->grant.role_state);
}

static void hand_out(struct subscriber *s, struct broker_delivery *d)
{
    hulse_alone_hand_out(hulse_subscriber_alone(s), d);
    s->estimate_bytes = next_estimate(s->estimate_bytes, size_of(d));
    if (s->own != NULL) {
        s->own->counters.delivered += 1;
        s->own->counters.bytes += d->payload.bytes;
    }
    s->events->message(s->ctx, d);
}

static void arrive(struct subscriber *s, struct broker_delivery *d)
{
    if (!hulse_alone_wait(hulse_subscriber_alone(s), d)) {
        hand_out(s, d);
    }
}

/* `resolved`: of the schema that it reads with. */
static void was_read(void *ctx, struct broker_delivery *d, bool resolved)
{
    struct subscriber *s = ctx;
    if (!resolved) {
        if (s->own != NULL) {
            s->own->counters.unresolved += 1;
        }
        hulse_topic_state_count(s->grant.topic_state, TOPIC_UNRESOLVED);
    }
    arrive(s, d);
}

static void broker_message(void *ctx, struct broker_delivery *d)
{
    struct subscriber *s = ctx;
    HULSE_ASSERT(s->outstanding > 0);
    s->outstanding -= 1;
    d->marks = 0;
    if (s->lingering) {
        s->consumer->ops->give_back(s->consumer, d);
        return;
    }
    if (s->multi == NULL) {
        d->source = 0;
    }
    const struct subscriber *of = hulse_subscriber_ruled(s, d);
    if (!s->of_several && expired(of, d)) {
        expire(s, d);
        return;
    }
    if (!s->of_several && hulse_dead_letter_any(&of->dead)) {
        if (again(s, d)) {
            s->events->ask_room(s->ctx);
            return;
        }
        const bool last = hulse_dead_letter_configured(&of->dead) &&
                          d->redelivery >= of->grant.topic->redeliver_max;
        d->marks |= last ? HULSE_MARK_LAST : 0U;
    }
    if (s->reading == NULL) {
        arrive(s, d);
    } else if (!hulse_reading_take(s->reading, d)) {
        /* It comes again, when there may be memory to let it wait. */
        s->consumer->ops->give_back(s->consumer, d);
        s->events->ask_room(s->ctx);
    }
}

/* As far as the messages in line may go now. */
static void hand_out_line(struct subscriber *s)
{
    struct broker_delivery *d = NULL;

    while ((d = hulse_alone_take(hulse_subscriber_alone(s))) != NULL) {
        hand_out(s, d);
    }
}

static void ask_room(void *ctx)
{
    struct subscriber *s = ctx;
    s->events->ask_room(s->ctx);
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
    if (s->lingering) {
        hulse_subscriber_tell_settled(s); /* nobody hears it */
        hulse_subscriber_end_lingering(s);
    } else {
        hulse_subscriber_tell_settled(s); /* who hears it may close it */
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

/* NULL: no memory. */
static struct subscriber_beginning *create_beginning(const struct subscriber_params *params)
{
    const size_t align = _Alignof(struct broker_key_range);
    const size_t name_bytes = strlen(params->name) + 1;
    const size_t fixed =
        (sizeof(struct subscriber_beginning) + name_bytes + align - 1) / align * align;
    const size_t bytes = fixed + hulse_flow_wishes_bytes(params->wishes);
    struct subscriber_beginning *b = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (b == NULL) {
        return NULL;
    }
    b->bytes = bytes;
    b->start = params->start;
    b->has_after = params->after != NULL;
    if (b->has_after) {
        b->after = *params->after;
    }
    b->marks = hulse_broker_marks_hold(params->marks);
    if (params->handle_id != NULL) {
        memcpy(b->handle_id, params->handle_id, sizeof(b->handle_id));
    }
    memcpy(b->name, params->name, name_bytes);
    if (params->wishes != NULL) {
        hulse_flow_wishes_copy(&b->wishes, (char *)b + fixed, params->wishes);
    }
    return b;
}

static void init_own(struct subscriber *s, void *memory)
{
    s->own = memory;
    s->own->subscriber = s;
    hulse_alone_init(&s->own->alone, s->worker, ask_room, s);
}

static struct subscriber *create(const struct subscriber_params *params, const char *topic)
{
    const size_t align = _Alignof(struct subscriber_own);
    const size_t texts = strlen(topic) + strlen(params->subscription) + 3 +
                         (params->app == NULL ? 0 : strlen(params->app));
    const size_t fixed = (sizeof(struct subscriber) + texts + align - 1) / align * align;
    const size_t bytes = params->of_several ? sizeof(struct subscriber) + texts
                                            : fixed + sizeof(struct subscriber_own);
    struct subscriber_beginning *beginning = create_beginning(params);
    struct subscriber *s = beginning == NULL ? NULL : hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (s == NULL && beginning != NULL) {
        free_beginning(beginning);
    }
    if (s != NULL) {
        char *at = s->topic;
        s->events = params->events;
        s->ctx = params->ctx;
        s->flow = params->flow;
        s->worker = params->worker;
        s->who = *params->who;
        s->type = params->type;
        s->beginning = beginning;
        s->existing = params->existing;
        s->of_several = params->of_several;
        s->object_bytes = bytes;
        (void)copy_text(&at, topic);
        s->subscription = copy_text(&at, params->subscription);
        s->app = copy_text(&at, params->app == NULL ? "" : params->app);
        if (!params->of_several) {
            init_own(s, (char *)s + fixed);
        }
        hulse_dead_letter_init(&s->dead, &hulse_subscriber_letter_ops, s, s->worker);
        s->dead.subscription = s->subscription;
        s->dead.app = s->app;
        s->dead.counts = s->own == NULL ? NULL : s->own->counters.letters;
    }
    return s;
}

/* What the rule of the topic that its messages were of says of verdicts. Without memory it stays under its own topic's. */
static void renew_rule(struct subscriber *s)
{
    struct grant of = {0};
    struct topic_settings own = *s->grant.topic;

    hulse_grant_refresh(&of, s->flow->tables, &s->who, s->retry->rules);
    own.ack_timeout_ms = of.topic->ack_timeout_ms;
    own.nack_delay_ms = of.topic->nack_delay_ms;
    own.nack_delay_max_ms = of.topic->nack_delay_max_ms;
    own.nack_multiplier = of.topic->nack_multiplier;
    own.redeliver_max = of.topic->redeliver_max;
    hulse_grant_release(&of);
    const struct topic_settings *shared = hulse_topic_settings_share(&own);
    if (shared != NULL) {
        hulse_topic_settings_release(&s->grant.topic);
        s->grant.topic = shared;
    }
}

static void renew(struct subscriber *s)
{
    hulse_grant_refresh(&s->grant, s->flow->tables, &s->who, s->topic);
    if (s->retry != NULL && strcmp(s->retry->rules, s->topic) != 0) {
        renew_rule(s);
    }
}

/* False: no memory. */
static bool keep_retry(struct subscriber *s, const struct retry_letter *letter)
{
    if (letter == NULL) {
        return true;
    }
    const size_t bytes = sizeof(struct retry_texts) + strlen(letter->topic) + strlen(letter->of) +
                         strlen(letter->rules) + 3;
    s->retry = hulse_mem_alloc(HULSE_MEM_TOPIC, bytes);
    if (s->retry != NULL) {
        char *at = s->retry->texts;
        s->retry->bytes = bytes;
        s->retry->topic = copy_text(&at, letter->topic);
        s->retry->of = copy_text(&at, letter->of);
        s->retry->rules = copy_text(&at, letter->rules);
    }
    return s->retry != NULL;
}

static bool can_begin(const struct broker *b, enum broker_position_kind kind)
{
    const uint32_t needed = kind == BROKER_AT_PUBLISHED                       ? BROKER_CAN_SEEK
                            : kind == BROKER_AT_ID || kind == BROKER_AFTER_ID ? BROKER_CAN_START_ID
                                                                              : 0;
    return (b->ops->capabilities & needed) == needed;
}

/* Of the application, and of the topic's rule where it has a meaning. */
static hulse_status wish(const struct subscriber *s,
                         const struct broker *b,
                         struct broker_wishes *out,
                         struct error *err)
{
    *out = s->beginning->wishes;
    if ((b->ops->capabilities & BROKER_CAN_WISHES) == 0) {
        return hulse_flow_wishes_refuse(out, b, err);
    }
    out->replicated = out->replicated ||
                      (s->grant.topic->replicate_subscription_state && s->type != BROKER_READER &&
                       strncmp(s->topic, "persistent:", strlen("persistent:")) == 0);
    return HULSE_OK;
}

/* The topic has its entry: on to the broker. */
static hulse_status open_broker(struct subscriber *s, struct error *err)
{
    HULSE_ASSERT(s->grant.topic->broker < s->flow->broker_count);

    struct broker *b = s->flow->brokers[s->grant.topic->broker];
    struct subscriber_beginning *begins = s->beginning;
    struct broker_schema schema;
    hulse_status st = hulse_subscriber_letters(s, err);
    st = st == HULSE_OK ? hulse_subscriber_begin_reading(s, was_read, err) : st;
    if (st != HULSE_OK) {
        return st;
    }
    const struct topic_chunks *chunks = &s->grant.topic->chunks;
    struct broker_consumer_params below = {.topic = s->topic,
                                           .subscription = s->subscription,
                                           .name = begins->name,
                                           .type = s->type,
                                           .start = begins->start,
                                           .events = &consumer_events,
                                           .ctx = s,
                                           .schema = hulse_flow_schema_told(&s->schema, &schema),
                                           .create = s->grant.topic->auto_create && !s->existing,
                                           .chunking = {.pending_max = chunks->pending_max,
                                                        .expire_ms = chunks->expire_ms,
                                                        .auto_ack = chunks->auto_ack}};
    st = wish(s, b, &below.wishes, err);
    if (st != HULSE_OK) {
        return st;
    }
    const bool knows_ids = (b->ops->capabilities & BROKER_CAN_START_ID) != 0;
    if (begins->marks != NULL && knows_ids) {
        below.start = hulse_broker_marks_start_whole(begins->marks);
        below.marks = begins->marks;
        below.resumed = true;
    } else if (begins->has_after && knows_ids) {
        below.start = (struct broker_position){.kind = BROKER_AFTER_ID, .id = begins->after};
        below.resumed = true;
    } else if (!can_begin(b, begins->start.kind)) {
        return hulse_fail(err,
                          HULSE_UNSUPPORTED,
                          "broker %s cannot begin %s",
                          b->name,
                          begins->start.kind == BROKER_AT_PUBLISHED ? "at a time" : "at a message");
    }
    memcpy(below.handle_id, begins->handle_id, sizeof(below.handle_id));
    /* It may be told, and gone, before that returns. */
    s->beginning = NULL;
    st = b->ops->consumer_open(b, s->worker, &below, &s->consumer, err);
    free_beginning(begins);
    return st;
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
        hulse_subscriber_destroy(s);
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
    kept.wishes = &s->beginning->wishes; /* as long as it is open */
    /* It tells of itself before this returns, and may be gone then. */
    const hulse_status st =
        hulse_multi_open(&s->multi, &s->consumer, &kept, &consumer_events, s, err);
    if (st != HULSE_OK) {
        *out = NULL;
        hulse_subscriber_destroy(s);
    }
    return st;
}

static hulse_status open_one(struct subscriber **out,
                             const struct subscriber_params *params,
                             const char *topic,
                             struct error *err)
{
    struct subscriber *s = create(params, topic);
    if (s == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a subscriber");
    }
    *out = s;
    const hulse_status st = keep_retry(s, params->retry)
                                ? begin(s, err)
                                : hulse_fail(err, HULSE_NO_MEMORY, "no memory for a subscriber");
    if (st != HULSE_OK) {
        *out = NULL;
        hulse_subscriber_destroy(s);
    }
    return st;
}

/* One topic of a front end's: with its retry topic it is several. */
static hulse_status open_alone(struct subscriber **out,
                               const struct subscriber_params *params,
                               const char *topic,
                               struct error *err)
{
    struct retry_name retry;
    struct subscriber_params all = *params;
    const struct subscriber_topics none = {0};
    const hulse_status st =
        hulse_retry_name(&retry, params->flow, topic, params->subscription, err);
    if (st != HULSE_OK || retry.place == RETRY_NOWHERE) {
        return st == HULSE_OK ? open_one(out, params, topic, err) : st;
    }
    if (retry.place == RETRY_ITSELF) {
        const struct retry_letter letter = {.topic = retry.topic, .of = retry.of, .rules = topic};
        all.retry = &letter;
        return open_one(out, &all, topic, err);
    }
    all.several = &none;
    return open_several(out, &all, err);
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
    return params->of_several ? open_one(out, params, name.full, err)
                              : open_alone(out, params, name.full, err);
}

enum subscriber_change hulse_subscriber_recheck(struct subscriber *s)
{
    if (s->multi != NULL) {
        return hulse_multi_recheck(s->multi);
    }
    const uint32_t before = verdicts_of(s);
    struct error err = {0};
    renew(s);
    if (hulse_subscriber_letters(s, &err) != HULSE_OK) {
        HULSE_LOG_WARNF("letter.unconfigured",
                        hulse_log_str("topic", s->topic),
                        hulse_log_str("subscription", s->subscription),
                        hulse_log_str("why", err.text));
    }
    if ((s->grant.permissions & PERMISSION_CONSUME) == 0) {
        return SUBSCRIBER_DENIED;
    }
    return verdicts_of(s) == before ? SUBSCRIBER_SAME : SUBSCRIBER_VERDICTS;
}

uint32_t hulse_subscriber_verdicts(const struct subscriber *s)
{
    return s->multi != NULL ? hulse_multi_verdicts(s->multi) : verdicts_of(s);
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

    hand_out_line(s);
    /* What is on its way elsewhere, or in line, is had by this consumer still. */
    const uint64_t here = (uint64_t)s->dead.pending_count + s->own->alone.waiting;
    if (bytes == 0 || here >= messages) {
        return;
    }
    /* Of an unknown size one at a time; and never none, or a message larger than the room that is
     * ever told would not come at all. */
    uint64_t wanted = s->estimate_bytes == 0 ? 1 : bytes / s->estimate_bytes;
    wanted = wanted == 0 ? 1 : wanted;
    wanted = wanted > messages - here ? messages - here : wanted;
    const uint64_t coming = hulse_subscriber_coming(s);
    if (wanted > coming) {
        hulse_subscriber_permit(s, (uint32_t)(wanted - coming));
    }
}

void hulse_subscriber_permit(struct subscriber *s, uint32_t count)
{
    /* Before the call, because messages may come before it returns. */
    s->outstanding += count;
    if (s->own != NULL) {
        s->own->counters.permitted += count;
    }
    s->consumer->ops->permit(s->consumer, count);
}

static void broker_ended(void *ctx, struct broker_delivery *d)
{
    struct subscriber *s = ctx;
    if (s->of_several) {
        if (!hulse_subscriber_end_reading(s, d)) {
            s->ended(s->ctx, d);
        }
        return;
    }
    if ((d->marks & HULSE_MARK_LETTER) != 0) {
        hulse_dead_letter_lose(&s->dead, d);
        return;
    }
    const bool unseen = hulse_subscriber_end_reading(s, d);
    if ((d->marks & HULSE_MARK_LINE) != 0) {
        hulse_alone_remove(hulse_subscriber_alone(s), d);
    } else if (!unseen) {
        hulse_subscriber_let_go(s, d);
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
    hulse_subscriber_tell_settled(s); /* letters that were on their way are nobody's now */
    return st;
}

uint64_t hulse_subscriber_calls(const struct subscriber *s)
{
    return s->calls + s->dead.started;
}

uint64_t hulse_subscriber_settled(const struct subscriber *s)
{
    return s->told;
}

void hulse_subscriber_close(struct subscriber **subscriber, bool unsubscribe)
{
    struct subscriber *s = *subscriber;
    *subscriber = NULL;
    hulse_reading_destroy(&s->reading);
    if (s->dead.pending_count > 0) {
        hulse_subscriber_linger(s, unsubscribe);
        return;
    }
    if (s->consumer != NULL) {
        s->consumer->ops->consumer_close(s->consumer, unsubscribe);
    }
    hulse_subscriber_destroy(s);
}

const char *hulse_subscriber_topic(const struct subscriber *s)
{
    return s->topic;
}

const struct subscriber_counters *hulse_subscriber_counters(const struct subscriber *s)
{
    return &s->own->counters;
}
