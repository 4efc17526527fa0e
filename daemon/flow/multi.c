/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multi - see the header: the whole, and what it is asked for.
 */
#include "daemon/flow/multi_state.h"

#include <stdio.h>
#include <string.h>

static struct multi *of_consumer(struct broker_consumer *c)
{
    struct multi *m = (struct multi *)(void *)c;
    HULSE_DASSERT(!m->closed);
    return m;
}

uint64_t hulse_multi_now_ms(const struct multi *m)
{
    return m->as.worker == NULL ? 0 : hulse_loop_now_ms(&m->as.worker->loop);
}

static struct member *member_of(const struct multi *m, const struct broker_delivery *d)
{
    const uint32_t source = d->source & ~MULTI_WAITS;
    HULSE_ASSERT(source < m->count && m->members[source] != NULL);
    return m->members[source];
}

/* ---- the end ---- */

static void close_all(struct multi *m)
{
    hulse_multi_unwatch(m);
    if (hulse_timer_pending(&m->rest)) {
        hulse_timer_stop(&m->as.worker->loop.timers, &m->rest);
    }
    for (uint32_t i = 0; i < m->count; i++) {
        struct member *b = m->members[i];
        if (b != NULL && b->subscriber != NULL) {
            hulse_subscriber_close(&b->subscriber, m->unsubscribe);
        }
    }
}

void hulse_multi_leave(struct multi *m)
{
    m->depth -= 1;
    if (m->depth > 0 || !m->closed) {
        return;
    }
    close_all(m);
    hulse_multi_forget_members(m);
    hulse_call_order_fini(&m->calls);
    hulse_broker_marks_let(&m->as.marks);
    hulse_broker_marks_let(&m->begins);
    hulse_topic_pattern_free(&m->pattern);
    hulse_mem_free(HULSE_MEM_TOPIC, m, m->bytes);
}

static void consumer_close(struct broker_consumer *c, bool unsubscribe)
{
    struct multi *m = of_consumer(c);
    hulse_multi_enter(m);
    m->closed = true;
    m->unsubscribe = unsubscribe;
    /* At once, for nothing of the front end is touched after this. */
    close_all(m);
    hulse_multi_leave(m);
}

void hulse_multi_fail(struct multi *m, hulse_status status, const char *text)
{
    if (m->over || m->closed) {
        return;
    }
    m->over = true;
    if (m->opened) {
        m->base.events->failed(m->base.ctx, status, text);
        return;
    }
    m->base.events->opened(m->base.ctx, status, text, NULL);
    m->closed = true; /* its subscriber has gone */
}

void hulse_multi_consider_open(struct multi *m)
{
    const bool listed = !m->is_pattern || m->all_heard;
    if (m->opened || m->over || !listed || m->first_round > 0 || m->filling) {
        return;
    }
    if (m->is_pattern && m->refusal != HULSE_OK && m->wanted == 0) {
        hulse_multi_fail(m, m->refusal, m->refusal_text);
        return;
    }
    struct broker_reach reach = {.behind_unknown = true};
    struct broker_marks *begins = m->begins;
    if (begins != NULL) {
        reach.marks = begins->at;
        reach.mark_count = begins->count;
        reach.all = begins->all;
    }
    m->opened = true;
    m->begins = NULL;
    hulse_broker_marks_let(&m->as.marks);
    m->base.events->opened(m->base.ctx, HULSE_OK, "", begins != NULL ? &reach : NULL);
    hulse_broker_marks_let(&begins);
}

/* ---- verdicts ---- */

/* A call that will be settled, on a message that the front end has. */
static struct member *call(struct multi *m, const struct broker_delivery *d)
{
    struct member *b = member_of(m, d);
    hulse_call_order_add(&m->calls, &b->credit);
    b->calls += 1;
    return b;
}

void hulse_multi_tell_settled(struct multi *m)
{
    const uint32_t count = hulse_call_order_take(&m->calls);
    if (count > 0 && !m->closed) {
        m->base.events->settled(m->base.ctx, count);
    }
}

/* After a call, which may have closed everything. */
static void done_with(struct multi *m, struct member *b)
{
    if (!m->closed) {
        hulse_member_lighter(b);
    }
    hulse_multi_leave(m);
}

static void copied(struct broker_consumer *c, struct broker_delivery *d)
{
    hulse_subscriber_copied(member_of(of_consumer(c), d)->subscriber, d);
}

static void ack(struct broker_consumer *c, struct broker_delivery *d)
{
    struct multi *m = of_consumer(c);
    struct member *b = call(m, d);
    hulse_multi_enter(m);
    b->held -= 1;
    hulse_subscriber_ack(b->subscriber, d);
    done_with(m, b);
}

static void nack(struct broker_consumer *c, struct broker_delivery *d, uint32_t delay_ms)
{
    struct multi *m = of_consumer(c);
    struct member *b = call(m, d);
    hulse_multi_enter(m);
    b->held -= 1;
    hulse_subscriber_nack(b->subscriber, d, delay_ms);
    done_with(m, b);
}

static void give_back(struct broker_consumer *c, struct broker_delivery *d)
{
    struct multi *m = of_consumer(c);
    struct member *b = member_of(m, d);
    hulse_multi_enter(m);
    b->held -= 1;
    hulse_subscriber_give_back(b->subscriber, d);
    done_with(m, b);
}

/* One of its topic's deliveries; what waits here is nobody else's. */
static void ended(void *ctx, struct broker_delivery *d)
{
    struct member *b = ctx;
    struct multi *m = b->multi;
    if ((d->source & MULTI_WAITS) != 0) {
        hulse_member_unlink(b, d);
        return;
    }
    b->held -= 1;
    m->told_ended(m->base.ctx, d);
}

static void ack_cumulative(struct broker_consumer *c,
                           struct broker_delivery *d,
                           void (*told)(void *ctx, struct broker_delivery *d))
{
    struct multi *m = of_consumer(c);
    struct member *b = call(m, d);
    hulse_multi_enter(m);
    m->ending = true;
    m->told_ended = told;
    hulse_subscriber_ack_cumulative(b->subscriber, d, ended);
    m->ending = false;
    if (!m->closed) {
        hulse_member_top_up(b);
        hulse_multi_hand_out(m);
    }
    done_with(m, b);
}

void hulse_multi_ack_id(struct multi *m,
                        uint32_t source,
                        const struct broker_id *id,
                        bool cumulative)
{
    struct member *b = source < m->count ? m->members[source] : NULL;
    hulse_multi_enter(m);
    if (b == NULL || (b->state != MEMBER_OPEN && b->state != MEMBER_LEAVING)) {
        hulse_call_order_add(&m->calls, NULL);
        hulse_multi_tell_settled(m);
    } else {
        hulse_call_order_add(&m->calls, &b->credit);
        b->calls += 1;
        hulse_subscriber_ack_id(b->subscriber, source, id, cumulative);
    }
    hulse_multi_leave(m);
}

/* ---- seek ---- */

void hulse_multi_sought(struct multi *m, hulse_status status, const char *text)
{
    struct multi_errand *e = &m->errand;
    if (status != HULSE_OK && e->status == HULSE_OK) {
        e->status = status;
        (void)snprintf(e->text, sizeof(e->text), "%s", text);
    }
    e->left -= 1;
    if (e->left == 0 && e->active) {
        e->active = false;
        m->base.events->done(m->base.ctx, BROKER_SEEK, e->status, e->text, NULL);
    }
}

/* A message is of the topic itself: what is to be retried stays where it is. */
static bool is_moved(const struct member *b, const struct broker_position *to)
{
    const bool by_id = to->kind == BROKER_AT_ID || to->kind == BROKER_AFTER_ID;
    return b != NULL && b->state == MEMBER_OPEN && (!by_id || b->source == 0);
}

static void seek_one(struct member *b, const struct broker_position *to)
{
    struct multi_errand *e = &b->multi->errand;
    struct error err = {0};
    e->left += 1;
    b->seeking = true;
    const hulse_status st = hulse_subscriber_seek(b->subscriber, to, ended, &err);
    if (st != HULSE_OK) {
        b->seeking = false;
        char line[MULTI_TEXT_BYTES];
        (void)snprintf(line, sizeof(line), "%.120s: %.120s", b->name, err.text);
        hulse_multi_sought(b->multi, st, line);
        return;
    }
    hulse_member_top_up(b);
}

static hulse_status seek(struct broker_consumer *c,
                         const struct broker_position *to,
                         void (*told)(void *ctx, struct broker_delivery *d),
                         struct error *err)
{
    struct multi *m = of_consumer(c);
    if (!m->only && (to->kind == BROKER_AT_ID || to->kind == BROKER_AFTER_ID)) {
        return hulse_fail(err, HULSE_UNSUPPORTED, "an id is of one topic, and this is of several");
    }
    if (m->errand.active) {
        return hulse_fail(err, HULSE_BUSY, "another order is under way");
    }
    if (m->over) {
        return hulse_fail(err, HULSE_CLOSED, "the consumer has ended");
    }
    /* One for whoever begins it. */
    m->errand = (struct multi_errand){.active = true, .left = 1};
    hulse_multi_enter(m);
    m->ending = true;
    m->told_ended = told;
    for (uint32_t i = 0; i < m->count && !m->closed; i++) {
        if (is_moved(m->members[i], to)) {
            seek_one(m->members[i], to);
        }
    }
    m->ending = false;
    if (!m->closed) {
        hulse_multi_sought(m, HULSE_OK, "");
    }
    if (!m->closed) {
        hulse_multi_hand_out(m);
    }
    hulse_multi_leave(m);
    return HULSE_OK;
}

static const struct broker_ops ops = {.type = "multi",
                                      .capabilities = BROKER_CAN_CONSUME | BROKER_CAN_SEEK,
                                      .permit = hulse_multi_permit,
                                      .copied = copied,
                                      .ack = ack,
                                      .ack_cumulative = ack_cumulative,
                                      .nack = nack,
                                      .give_back = give_back,
                                      .seek = seek,
                                      .consumer_close = consumer_close};

/* ---- rules ---- */

struct subscriber *hulse_multi_of(const struct multi *m, const struct broker_delivery *d)
{
    return member_of(m, d)->subscriber;
}

hulse_status hulse_multi_at(const struct multi *m,
                            uint32_t source,
                            const struct subscriber **out,
                            struct error *err)
{
    const struct member *b = source < m->count ? m->members[source] : NULL;
    if (b == NULL) {
        return hulse_fail(err, HULSE_INVAL, "the consumer has no topic of that number");
    }
    if (b->state == MEMBER_OPEN || b->state == MEMBER_LEAVING) {
        *out = b->subscriber;
        return HULSE_OK;
    }
    return b->state == MEMBER_IDLE
               ? hulse_fail(err, HULSE_NO_TOPIC, "%.200s has gone", b->name)
               : hulse_fail(err, HULSE_BUSY, "%.200s is being opened: try again", b->name);
}

struct subscriber *hulse_multi_only(const struct multi *m)
{
    return m->only && m->count > 0 ? m->members[0]->subscriber : NULL;
}

uint32_t hulse_multi_verdicts(const struct multi *m)
{
    return m->verdicts;
}

const char *hulse_multi_news(const struct multi *m, uint32_t source)
{
    const struct member *b = source < m->count ? m->members[source] : NULL;
    return b == NULL || b->told ? NULL : b->name;
}

void hulse_multi_told(struct multi *m, uint32_t source)
{
    if (source < m->count && m->members[source] != NULL) {
        m->members[source]->told = true;
    }
}

enum subscriber_change hulse_multi_recheck(struct multi *m)
{
    const uint32_t before = m->verdicts;
    bool denied = false;
    hulse_multi_enter(m);
    m->verdicts = HULSE_VERDICTS_ALWAYS;
    for (uint32_t i = 0; i < m->count; i++) {
        struct member *b = m->members[i];
        if (b == NULL || b->state != MEMBER_OPEN) {
            continue;
        }
        if (hulse_subscriber_recheck(b->subscriber) == SUBSCRIBER_DENIED) {
            denied = true;
            if (m->is_pattern) {
                b->listed = false;
                hulse_member_leave(b);
            }
            continue;
        }
        m->verdicts |= hulse_subscriber_verdicts(b->subscriber);
    }
    const bool same = m->verdicts == before;
    hulse_multi_list_again(m); /* what was passed over may be consumed now */
    hulse_multi_leave(m);
    return denied && !m->is_pattern ? SUBSCRIBER_DENIED
           : same                   ? SUBSCRIBER_SAME
                                    : SUBSCRIBER_VERDICTS;
}

/* ---- the beginning ---- */

static void rest_fire(struct timer *t)
{
    struct multi *m = HULSE_CONTAINER(t, struct multi, rest);
    const uint64_t now_ms = hulse_multi_now_ms(m);
    uint64_t next_ms = UINT64_MAX;
    for (uint32_t i = 0; i < m->count; i++) {
        struct member *b = m->members[i];
        if (b == NULL || b->state != MEMBER_RESTING) {
            continue;
        }
        if (b->due_ms <= now_ms) {
            b->state = MEMBER_QUEUED;
            TAILQ_INSERT_TAIL(&m->queue, b, link);
        } else {
            next_ms = b->due_ms < next_ms ? b->due_ms : next_ms;
        }
    }
    if (m->list_ms != 0 && m->list_ms <= now_ms) {
        m->list_ms = 0;
        hulse_multi_list_again(m);
    } else if (m->list_ms != 0) {
        next_ms = m->list_ms < next_ms ? m->list_ms : next_ms;
    }
    if (next_ms != UINT64_MAX) {
        hulse_timer_start(&m->as.worker->loop.timers, &m->rest, next_ms);
    }
    hulse_multi_fill(m);
}

static const char *keep(char **at, const char *text)
{
    const size_t bytes = strlen(text) + 1;
    const char *copy = memcpy(*at, text, bytes);
    *at += bytes;
    return copy;
}

static struct multi *create(const struct subscriber_params *params,
                            const struct broker_consumer_events *events,
                            void *ctx)
{
    const size_t bytes =
        sizeof(struct multi) + strlen(params->subscription) + strlen(params->name) + 2;
    struct multi *m = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (m == NULL) {
        return NULL;
    }
    char *at = m->texts;
    m->bytes = bytes;
    m->base = (struct broker_consumer){.ops = &ops, .events = events, .ctx = ctx};
    m->who = *params->who;
    m->as = *params;
    m->as.who = &m->who;
    m->as.several = NULL;
    m->as.after = NULL; /* it names no topic */
    m->as.marks = hulse_broker_marks_hold(params->marks);
    if (params->handle_id != NULL) {
        memcpy(m->handle_id, params->handle_id, sizeof(m->handle_id));
        m->as.handle_id = m->handle_id;
    }
    m->as.subscription = keep(&at, params->subscription);
    m->as.name = keep(&at, params->name);
    m->is_pattern = params->several->is_pattern;
    m->max = params->several->max != 0 ? params->several->max
             : m->is_pattern           ? MULTI_TOPICS_DEFAULT
                                       : params->several->count + 1;
    m->numbers = m->max;
    m->only = !m->is_pattern && params->several->count == 0;
    m->first_source = m->is_pattern ? 1 : 0;
    m->verdicts = HULSE_VERDICTS_ALWAYS;
    m->rest.fire = rest_fire;
    TAILQ_INIT(&m->queue);
    TAILQ_INIT(&m->ready);
    return m;
}

static hulse_status want_name(struct multi *m, const char *text, struct error *err)
{
    struct topic_name name;
    const char *why = NULL;
    if (!hulse_topic_name_parse(&name, text, m->as.flow->default_namespace, &why)) {
        return hulse_fail(err, HULSE_INVAL, "%s", why);
    }
    if (hulse_multi_find(m, name.full) != NULL) {
        return hulse_fail(err, HULSE_INVAL, "%s stands twice among the topics", name.full);
    }
    if (m->count >= m->max) {
        return hulse_fail(err, HULSE_LIMIT, "more than %u topics", (unsigned)m->max);
    }
    struct member *b = hulse_multi_add(m, name.full);
    if (b == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a topic");
    }
    b->listed = true;
    hulse_member_want(b);
    return HULSE_OK;
}

/* The numbers that an earlier daemon has given, from the first that is not the front end's to know. */
static hulse_status keep_known(struct multi *m,
                               const struct subscriber_topics *several,
                               uint32_t first,
                               struct error *err)
{
    const char *at = several->known;
    for (uint32_t i = 0; i < several->known_count && i < MULTI_TOPICS_MAX + m->first_source; i++) {
        if (i >= first) {
            m->old += 1;
            struct member *b = hulse_multi_add(m, at);
            if (b == NULL) {
                return hulse_fail(err, HULSE_NO_MEMORY, "no memory for the names of topics");
            }
            b->told = true;
            b->kept = true;
        }
        at += strlen(at) + 1;
    }
    return HULSE_OK;
}

/* Those of the list that are another's, then those that are not in it. */
static hulse_status pair_list(struct multi *m, uint32_t named, struct error *err)
{
    hulse_status st = HULSE_OK;
    for (uint32_t i = 0; i < 2 * named && st == HULSE_OK; i++) {
        st = hulse_member_pair(m->members[i % named], i >= named, err);
    }
    return st;
}

static hulse_status
want_list(struct multi *m, const struct subscriber_params *params, struct error *err)
{
    const char *at = params->several->names;
    const uint32_t named = params->several->count + 1;
    hulse_status st = want_name(m, params->topic, err);
    for (uint32_t i = 0; i < params->several->count && st == HULSE_OK; i++) {
        st = want_name(m, at, err);
        at += strlen(at) + 1;
    }
    st = st == HULSE_OK ? keep_known(m, params->several, named, err) : st;
    st = st == HULSE_OK ? pair_list(m, named, err) : st;
    for (uint32_t i = 0; i < named && st == HULSE_OK; i++) {
        m->topics += m->members[i]->parent == MULTI_NONE ? 1 : 0;
        hulse_member_pair_again(m->members[i]);
    }
    return st;
}

static hulse_status
begin(struct multi *m, const struct subscriber_params *params, struct error *err)
{
    const char *why = NULL;
    const bool reader = params->type == BROKER_READER;
    if (reader && m->is_pattern) {
        return hulse_fail(err, HULSE_INVAL, "a reader reads topics by name, not by a pattern");
    }
    if (m->max > MULTI_TOPICS_MAX) {
        return hulse_fail(
            err, HULSE_LIMIT, "a consumer of more than %u topics", (unsigned)MULTI_TOPICS_MAX);
    }
    if (!m->only && (params->start.kind == BROKER_AT_ID || params->start.kind == BROKER_AFTER_ID)) {
        return hulse_fail(err, HULSE_UNSUPPORTED, "an id is of one topic, and this is of several");
    }
    if (!m->only && params->start.kind == BROKER_AT_PUBLISHED && !reader) {
        /* Of a pattern each topic would be refused by itself, time and again. */
        return hulse_fail(
            err,
            HULSE_UNSUPPORTED,
            "several topics begin at their earliest or latest message; seek moves them");
    }
    if (reader) {
        m->begins = hulse_broker_marks_create();
        if (m->begins == NULL) {
            return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a consumer");
        }
        m->begins->all = true; /* until one is missing */
    }
    if (!m->is_pattern) {
        return want_list(m, params, err);
    }
    if (!hulse_topic_pattern_parse(&m->pattern,
                                   params->topic,
                                   params->several->mode,
                                   params->flow->default_namespace,
                                   &why)) {
        return hulse_fail(err, HULSE_INVAL, "%s", why);
    }
    const hulse_status st = keep_known(m, params->several, m->first_source, err);
    return st != HULSE_OK ? st : hulse_multi_watch(m, err);
}

hulse_status hulse_multi_open(struct multi **out,
                              struct broker_consumer **consumer,
                              const struct subscriber_params *params,
                              const struct broker_consumer_events *events,
                              void *ctx,
                              struct error *err)
{
    struct multi *m = create(params, events, ctx);
    if (m == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a consumer");
    }
    *out = m;
    *consumer = &m->base;
    hulse_multi_enter(m);
    const hulse_status st = begin(m, params, err);
    if (st != HULSE_OK) {
        *out = NULL;
        *consumer = NULL;
        m->closed = true; /* nothing was told */
    } else if (!m->is_pattern) {
        hulse_multi_fill(m);
    }
    hulse_multi_leave(m);
    return st;
}
