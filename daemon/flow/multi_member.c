/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multi_member - one topic of several: it has a number, is opened, rests when it cannot be, and goes.
 */
#include "daemon/core/hash.h"
#include "daemon/core/log.h"
#include "daemon/flow/multi_state.h"

#include <string.h>

#define ROOM_MIN 8U

/* ---- by name ---- */

static uint32_t *bucket_of(const struct multi *m, const char *name)
{
    const uint64_t hash = hulse_hash_text(name);
    return &m->buckets[(hash ^ (hash >> 32U)) & (m->room - 1)];
}

struct member *hulse_multi_find(const struct multi *m, const char *name)
{
    uint32_t at = m->room == 0 ? MULTI_NONE : *bucket_of(m, name);
    while (at != MULTI_NONE && strcmp(m->members[at]->name, name) != 0) {
        at = m->members[at]->alike;
    }
    return at == MULTI_NONE ? NULL : m->members[at];
}

static void enter_bucket(struct multi *m, struct member *b)
{
    uint32_t *bucket = bucket_of(m, b->name);
    b->alike = *bucket;
    *bucket = b->source;
}

static void leave_bucket(struct multi *m, const struct member *b)
{
    uint32_t *at = bucket_of(m, b->name);
    while (*at != b->source) {
        at = &m->members[*at]->alike;
    }
    *at = b->alike;
}

static void free_tables(struct multi *m)
{
    hulse_mem_free(HULSE_MEM_TOPIC, m->members, m->room * sizeof(struct member *));
    hulse_mem_free(HULSE_MEM_TOPIC, m->buckets, m->room * sizeof(uint32_t));
}

static bool grow(struct multi *m)
{
    const uint32_t room = m->room == 0 ? ROOM_MIN : 2 * m->room;
    struct member **members = hulse_mem_zalloc(HULSE_MEM_TOPIC, room * sizeof(struct member *));
    uint32_t *buckets = hulse_mem_alloc(HULSE_MEM_TOPIC, room * sizeof(uint32_t));
    if (members == NULL || buckets == NULL) {
        hulse_mem_free(HULSE_MEM_TOPIC, members, room * sizeof(struct member *));
        hulse_mem_free(HULSE_MEM_TOPIC, buckets, room * sizeof(uint32_t));
        return false;
    }
    if (m->count > 0) {
        memcpy(members, m->members, m->count * sizeof(struct member *));
    }
    free_tables(m);
    m->members = members;
    m->buckets = buckets;
    m->room = room;
    memset(buckets, 0xff, room * sizeof(uint32_t));
    for (uint32_t i = 0; i < m->count; i++) {
        if (members[i] != NULL) {
            enter_bucket(m, members[i]);
        }
    }
    return true;
}

static char *copy_of(const char *name)
{
    const size_t bytes = strlen(name) + 1;
    char *copy = hulse_mem_alloc(HULSE_MEM_TOPIC, bytes);
    if (copy != NULL) {
        memcpy(copy, name, bytes);
    }
    return copy;
}

static void free_name(struct member *b)
{
    hulse_mem_free(HULSE_MEM_TOPIC, b->name, strlen(b->name) + 1);
}

void hulse_member_unkeep(struct member *b)
{
    if (b->kept) {
        b->kept = false;
        b->multi->old -= 1;
        b->multi->numbers += 1;
    }
}

/* Its calls are all settled, so what waits for their order goes on. `kept`: the application may have verdicts on its messages yet. */
static struct member *find_idle(const struct multi *m, bool kept)
{
    for (uint32_t i = m->first_source; i < m->count; i++) {
        struct member *b = m->members[i];
        if (b != NULL && b->state == MEMBER_IDLE && b->kept == kept) {
            return b;
        }
    }
    return NULL;
}

/* The number of one that is idle. */
static struct member *reuse(struct multi *m, const char *name)
{
    struct member *b = find_idle(m, false);
    if (b == NULL && m->count >= MULTI_TOPICS_MAX + m->first_source) {
        b = find_idle(m, true); /* there are no others at all */
    }
    char *copy = b == NULL ? NULL : copy_of(name);
    if (copy == NULL) {
        return NULL;
    }
    hulse_member_unkeep(b);
    hulse_member_unpair(b);
    leave_bucket(m, b);
    free_name(b);
    b->name = copy;
    b->told = false;
    enter_bucket(m, b);
    return b;
}

struct member *hulse_multi_add(struct multi *m, const char *name)
{
    const uint32_t source = m->count > m->first_source ? m->count : m->first_source;
    const uint32_t most =
        m->numbers + m->old < MULTI_TOPICS_MAX ? m->numbers + m->old : MULTI_TOPICS_MAX;
    if (source >= most + m->first_source) {
        return reuse(m, name);
    }
    while (source >= m->room) {
        if (!grow(m)) {
            return NULL;
        }
    }
    struct member *b = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*b));
    char *copy = b == NULL ? NULL : copy_of(name);
    if (copy == NULL) {
        hulse_mem_free(HULSE_MEM_TOPIC, b, sizeof(*b));
        return NULL;
    }
    b->multi = m;
    b->name = copy;
    b->source = source;
    b->companion = MULTI_NONE;
    b->parent = MULTI_NONE;
    m->members[source] = b;
    m->count = source + 1;
    enter_bucket(m, b);
    return b;
}

static void free_member(struct member *b)
{
    HULSE_ASSERT(b->subscriber == NULL);
    free_name(b);
    hulse_mem_free(HULSE_MEM_TOPIC, b, sizeof(*b));
}

void hulse_multi_forget_members(struct multi *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->members[i] != NULL) {
            free_member(m->members[i]);
        }
    }
    free_tables(m);
    m->members = NULL;
    m->buckets = NULL;
    m->room = 0;
    m->count = 0;
}

/* ---- opening ---- */

static void tried(struct member *b)
{
    if (b->first_round) {
        b->first_round = false;
        b->multi->first_round -= 1;
    }
}

static void fire_at(struct multi *m, uint64_t due_ms)
{
    if (!hulse_timer_pending(&m->rest) || m->rest.due_ms > due_ms) {
        hulse_timer_start(&m->as.worker->loop.timers, &m->rest, due_ms);
    }
}

static void rest(struct member *b)
{
    struct multi *m = b->multi;
    b->rest_ms = b->rest_ms == 0                      ? MULTI_REST_MS
                 : b->rest_ms > MULTI_REST_MS_MAX / 2 ? MULTI_REST_MS_MAX
                                                      : 2 * b->rest_ms;
    b->state = MEMBER_RESTING;
    b->due_ms = hulse_multi_now_ms(m) + b->rest_ms;
    fire_at(m, b->due_ms);
}

/* At most so often, whatever a topic does. */
static void list_soon(struct multi *m)
{
    if (m->list_ms == 0) {
        m->list_ms = hulse_multi_now_ms(m) + MULTI_REST_MS;
        fire_at(m, m->list_ms);
    }
}

/* Nothing is wanted of it any more. */
static void idle(struct member *b)
{
    b->state = MEMBER_IDLE;
    b->rest_ms = 0;
    hulse_member_count(b, -1);
}

/* It is closed, or was never open. */
static void not_opened(struct member *b, hulse_status status, const char *text)
{
    struct multi *m = b->multi;
    char line[MULTI_TEXT_BYTES];

    b->subscriber = NULL;
    tried(b);
    b->state = MEMBER_IDLE;
    hulse_member_let_follow(b);
    if (!m->is_pattern) {
        (void)snprintf(line, sizeof(line), "%.120s: %.120s", b->name, text);
        hulse_multi_fail(m, status, line);
        return;
    }
    if (!b->listed || status == HULSE_NO_TOPIC) {
        idle(b); /* it has gone meanwhile; if not, the next list has it */
        return;
    }
    HULSE_LOG_WARNF("consumer.topic_not_opened",
                    hulse_log_str("topic", b->name),
                    hulse_log_str("subscription", m->as.subscription),
                    hulse_log_str("why", text));
    if (status == HULSE_DENIED) {
        m->denied += 1;
        idle(b);
        return;
    }
    rest(b);
}

static void add_verdicts(struct multi *m, uint32_t verdicts)
{
    const uint32_t before = m->verdicts;
    m->verdicts |= verdicts;
    if (m->opened && m->verdicts != before) {
        hulse_subscriber_tell_verdicts(m->base.ctx);
    }
}

/* Where a reader begins in a topic. */
static void note_begins(struct member *b, const struct broker_reach *reach)
{
    struct broker_marks *begins = b->multi->begins;
    if (begins == NULL) {
        return;
    }
    bool all = reach != NULL && (reach->all || !reach->behind_unknown);
    if (reach != NULL && !reach->behind_unknown) {
        const struct broker_mark mark = {.id = reach->behind, .source = b->source};
        all = hulse_broker_marks_add(begins, &mark);
    }
    for (uint32_t i = 0; reach != NULL && i < reach->mark_count; i++) {
        const struct broker_mark mark = {.id = reach->marks[i].id, .source = b->source};
        all = hulse_broker_marks_add(begins, &mark) && all;
    }
    begins->all = begins->all && all;
}

static void opened(void *ctx,
                   hulse_status status,
                   const char *text,
                   uint32_t verdicts,
                   const struct broker_reach *reach)
{
    struct member *b = ctx;
    struct multi *m = b->multi;
    m->opening -= 1;
    hulse_multi_enter(m);
    if (status != HULSE_OK) {
        not_opened(b, status, text);
    } else {
        tried(b);
        b->rest_ms = 0;
        b->calls = 0;
        b->settled = 0;
        b->failed = false;
        m->open += 1;
        add_verdicts(m, verdicts);
        note_begins(b, reach);
        b->ahead = 1;
        b->state = MEMBER_OPEN;
        hulse_member_let_follow(b);
        if (b->listed) {
            hulse_member_top_up(b);
        } else {
            hulse_member_leave(b); /* it has gone meanwhile */
        }
    }
    if (!m->closed) {
        hulse_multi_consider_open(m);
    }
    if (!m->closed) {
        hulse_multi_fill(m);
    }
    hulse_multi_leave(m);
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    struct member *b = ctx;
    struct multi *m = b->multi;
    char line[MULTI_TEXT_BYTES];

    b->failed = true;
    hulse_multi_enter(m);
    if (m->is_pattern) {
        HULSE_LOG_STATE("consumer.topic_ended",
                        hulse_log_str("topic", b->name),
                        hulse_log_str("subscription", m->as.subscription),
                        hulse_log_str("why", text));
        b->listed = false;
        hulse_member_leave(b);
        list_soon(m); /* it may be there all the same */
    } else {
        (void)snprintf(line, sizeof(line), "%.120s: %.120s", b->name, text);
        hulse_multi_fail(m, status, line);
    }
    hulse_multi_leave(m);
}

static void settled(void *ctx, uint64_t call)
{
    struct member *b = ctx;
    struct multi *m = b->multi;
    const uint64_t count = call - b->settled;
    b->settled = call;
    hulse_multi_enter(m);
    hulse_call_order_settle(&m->calls, &b->credit, (uint32_t)count);
    hulse_multi_tell_settled(m);
    if (!m->closed) {
        hulse_member_lighter(b);
    }
    hulse_multi_leave(m);
}

static void sought(void *ctx, hulse_status status, const char *text)
{
    struct member *b = ctx;
    b->seeking = false;
    if (status == HULSE_OK && b->ended) {
        b->ended = false; /* there may be something again */
        b->multi->ended -= 1;
    }
    hulse_multi_sought(b->multi, status, text);
}

/* A message has gone back for want of memory: its permit is used. */
static void ask_room(void *ctx)
{
    hulse_member_top_up(ctx);
}

/* Of any, and of none. May close everything. */
static void tell_active(struct multi *m, bool active)
{
    const uint32_t before = m->active;
    void (*event)(void *ctx) = active ? m->base.events->active : m->base.events->inactive;
    m->active = active ? before + 1 : before - 1;
    if ((before == 0 || m->active == 0) && event != NULL) {
        event(m->base.ctx);
    }
}

static void active(void *ctx, bool is)
{
    struct member *b = ctx;
    struct multi *m = b->multi;
    if (b->active != is) {
        b->active = is;
        hulse_multi_enter(m);
        tell_active(m, is);
        hulse_multi_leave(m);
    }
}

/* Of a list: of all of them, whatever may be retried still. A pattern has none, for others may come. */
static void end_of_topic(void *ctx)
{
    struct member *b = ctx;
    struct multi *m = b->multi;
    m->ended += b->ended || b->parent != MULTI_NONE ? 0 : 1;
    b->ended = b->parent == MULTI_NONE;
    if (!m->is_pattern && m->ended == m->topics && b->ended &&
        m->base.events->end_of_topic != NULL) {
        m->base.events->end_of_topic(m->base.ctx);
    }
}

/* Of all of them. */
static void caught_up(void *ctx)
{
    struct member *b = ctx;
    struct multi *m = b->multi;
    m->caught_up += b->caught_up ? 0 : 1;
    b->caught_up = true;
    if (m->caught_up == m->count && m->base.events->caught_up != NULL) {
        m->base.events->caught_up(m->base.ctx);
    }
}

static void lost(void *ctx, uint64_t count)
{
    const struct member *b = ctx;
    if (b->multi->base.events->lost != NULL) {
        b->multi->base.events->lost(b->multi->base.ctx, count);
    }
}

static const struct subscriber_events events = {.opened = opened,
                                                .caught_up = caught_up,
                                                .lost = lost,
                                                .active = active,
                                                .end_of_topic = end_of_topic,
                                                .message = hulse_multi_message,
                                                .failed = failed,
                                                .settled = settled,
                                                .sought = sought,
                                                .ask_room = ask_room};

static hulse_status open_subscriber(struct member *b, struct error *err)
{
    const struct multi *m = b->multi;
    const bool is_companion = b->parent != MULTI_NONE;
    struct subscriber_params params = m->as;
    struct retry_name name;
    struct retry_letter letter;
    bool has = false;

    params.topic = b->name;
    params.events = &events;
    params.ctx = b;
    params.of_several = true;
    params.existing = m->is_pattern && !is_companion;
    /* A position is of the topic itself. */
    if (b->late || (is_companion && params.start.kind != BROKER_LATEST)) {
        params.start = (struct broker_position){.kind = BROKER_EARLIEST};
    }
    const hulse_status st = hulse_member_letter(b, &name, &letter, &has, err);
    if (st != HULSE_OK) {
        return st;
    }
    params.retry = has ? &letter : NULL;
    params.marks = m->as.marks == NULL ? NULL : hulse_broker_marks_of(m->as.marks, b->source);
    const bool poor = m->as.marks != NULL && params.marks == NULL;
    const hulse_status begun = poor ? hulse_fail(err, HULSE_NO_MEMORY, "no memory for a topic")
                                    : hulse_subscriber_open(&b->subscriber, &params, err);
    hulse_broker_marks_let(&params.marks);
    return begun;
}

static void open_one(struct member *b)
{
    struct multi *m = b->multi;
    struct error err = {0};

    if (m->is_pattern && hulse_member_is_behind(b)) {
        b->state = MEMBER_BEHIND;
        return;
    }
    b->state = MEMBER_OPENING;
    m->opening += 1;
    const hulse_status st = open_subscriber(b, &err);
    if (st != HULSE_OK) {
        m->opening -= 1;
        not_opened(b, st, err.text);
    }
}

void hulse_multi_fill(struct multi *m)
{
    if (m->filling) {
        return;
    }
    hulse_multi_enter(m);
    m->filling = true;
    while (!m->closed && !m->over && m->opening < MULTI_OPENING_MAX && !TAILQ_EMPTY(&m->queue)) {
        struct member *b = TAILQ_FIRST(&m->queue);
        TAILQ_REMOVE(&m->queue, b, link);
        open_one(b);
    }
    m->filling = false;
    if (!m->closed) {
        hulse_multi_consider_open(m);
    }
    hulse_multi_leave(m);
}

/* ---- wanted, and not any more ---- */

static void queue(struct member *b)
{
    b->state = MEMBER_QUEUED;
    TAILQ_INSERT_TAIL(&b->multi->queue, b, link);
}

void hulse_member_want(struct member *b)
{
    if (b->state == MEMBER_LEAVING) {
        if (!b->failed) {
            b->state = MEMBER_OPEN;
            hulse_member_count(b, 1);
            b->multi->open += 1;
            hulse_member_top_up(b);
        }
        return; /* else as soon as the front end is done with the old one: the next list has it */
    }
    if (b->state == MEMBER_IDLE) {
        hulse_member_count(b, 1);
        if (!b->multi->opened && !b->first_round) {
            b->first_round = true;
            b->multi->first_round += 1;
        }
        queue(b);
    }
}

static void close_one(struct member *b)
{
    struct multi *m = b->multi;
    hulse_subscriber_close(&b->subscriber, false);
    m->ahead -= b->ahead - 1;
    b->ahead = 0;
    b->state = MEMBER_IDLE;
    if (b->active) {
        b->active = false;
        tell_active(m, false);
    }
    if (b->seeking) {
        b->seeking = false;
        hulse_multi_sought(m, HULSE_CLOSED, "a topic has gone meanwhile");
    }
}

void hulse_member_lighter(struct member *b)
{
    if (b->state == MEMBER_LEAVING && b->held == 0 && b->calls == b->settled && !b->multi->ending) {
        close_one(b);
        if (b->listed) {
            hulse_multi_list_again(b->multi); /* it has come back meanwhile */
        }
    }
}

void hulse_member_leave(struct member *b)
{
    struct multi *m = b->multi;
    switch (b->state) {
    case MEMBER_QUEUED:
        TAILQ_REMOVE(&m->queue, b, link);
        tried(b);
        idle(b);
        hulse_member_let_follow(b);
        break;
    case MEMBER_BEHIND:
        tried(b);
        idle(b);
        break;
    case MEMBER_RESTING:
        idle(b);
        break;
    case MEMBER_OPEN:
        m->open -= 1;
        hulse_member_count(b, -1);
        b->state = MEMBER_LEAVING;
        hulse_member_give_back_waiting(b);
        hulse_member_lighter(b);
        break;
    default: /* OPENING: its list says so when it is open */
        break;
    }
}
