/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver_open - how a subscriber begins: its topic's entry, its grant, its schema and letters, then its broker.
 */
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/flow/retry_name.h"
#include "daemon/flow/subscriber.h"
#include "daemon/flow/wishes.h"

#include <string.h>

static void free_beginning(struct subscriber_beginning *b)
{
    hulse_broker_marks_let(&b->marks);
    hulse_mem_free(HULSE_MEM_TOPIC, b, b->bytes);
}

void hulse_subscriber_has_begun(struct subscriber *s)
{
    struct subscriber_beginning *b = s->beginning;
    s->beginning = NULL;
    if (b != NULL) {
        free_beginning(b);
    }
}

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
    hulse_alone_init(&s->own->alone, s->worker, hulse_subscriber_ask_room, s);
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
        hulse_letters_init(&s->letters, &hulse_subscriber_letter_ops, s, s->worker);
        s->letters.subscription = s->subscription;
        s->letters.app = s->app;
        s->letters.counts = s->own == NULL ? NULL : s->own->counters.letters;
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

void hulse_subscriber_renew(struct subscriber *s)
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
    out->replicated = out->replicated || (s->grant.topic->replicate_subscription_state &&
                                          s->type != BROKER_READER && hulse_topic_keeps(s->topic));
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
    st = st == HULSE_OK ? hulse_subscriber_begin_reading(s, hulse_subscriber_was_read, err) : st;
    if (st != HULSE_OK) {
        return st;
    }
    const struct topic_chunks *chunks = &s->grant.topic->chunks;
    struct broker_consumer_params below = {.topic = s->topic,
                                           .subscription = s->subscription,
                                           .name = begins->name,
                                           .type = s->type,
                                           .start = begins->start,
                                           .events = &hulse_subscriber_consumer_events,
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

    hulse_subscriber_renew(s);
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
    hulse_subscriber_renew(s);
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
        hulse_multi_open(&s->multi, &s->consumer, &kept, &hulse_subscriber_consumer_events, s, err);
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
