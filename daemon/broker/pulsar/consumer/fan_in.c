/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fan_in - the consumers of a topic's partitions, and what they say.
 */
#include "daemon/broker/pulsar/consumer/fan_in.h"

#include "daemon/core/log.h"
#include "daemon/core/mem.h"

#include <stdio.h>
#include <string.h>

/* "-partition-", an index, a zero. */
#define SUFFIX_BYTES 24U
#define TOPIC_BYTES_MAX 4096U

/* ---- events of a part ---- */

/* No part any more. */
static struct pulsar_consumer *let_go(struct part *p)
{
    struct pulsar_consumer *c = p->consumer;
    hulse_fan_out_not_ready(p);
    p->consumer = NULL;
    c->part = NULL;
    c->wishes = NULL;
    return c;
}

static void all_opened(struct fan_in *f)
{
    struct pulsar_consumer *whole = f->whole;
    whole->opened = true;
    hulse_pulsar_consumer_enter(whole);
    HULSE_LOG_INFOF("pulsar.consumer_of_partitions",
                    hulse_log_str("topic", whole->topic),
                    hulse_log_str("subscription", whole->subscription),
                    hulse_log_u64("partitions", f->count));
    struct broker_marks *begins = f->begins;
    struct broker_reach reach = {.behind_unknown = true};
    if (begins != NULL) {
        reach.marks = begins->at;
        reach.mark_count = begins->count;
        reach.all = begins->count == f->first_count;
    }
    f->begins = NULL;
    if (whole->hands->marks != NULL) {
        hulse_broker_marks_let(&whole->hands->marks);
    }
    whole->base.events->opened(whole->base.ctx, HULSE_OK, "", begins != NULL ? &reach : NULL);
    hulse_broker_marks_let(&begins);
    hulse_pulsar_consumer_leave(whole);
}

/* Where a reader of it begins; not known for want of memory, too. */
static void note_begin(struct part *p, const struct broker_reach *reach)
{
    struct broker_mark mark = {0};
    if (p->fan->begins == NULL || reach == NULL || reach->behind_unknown) {
        return;
    }
    mark.id = reach->behind;
    mark.id.partition = (uint16_t)p->index;
    (void)hulse_broker_marks_add(p->fan->begins, &mark);
}

static void
opened(void *ctx, hulse_status status, const char *text, const struct broker_reach *reach)
{
    struct part *p = ctx;
    struct fan_in *f = p->fan;
    if (status != HULSE_OK) {
        (void)let_go(p);
        if (!f->whole->opened) {
            hulse_pulsar_session_open_failed(f->whole, status, text);
        }
        return;
    }
    p->opened = true;
    hulse_fan_out_opened(p);
    if (p->late) {
        return;
    }
    note_begin(p, reach);
    f->opened += 1;
    if (f->opened == f->first_count) {
        all_opened(f);
    }
}

static void message(void *ctx, struct broker_delivery *d)
{
    struct part *p = ctx;
    struct fan_in *f = p->fan;
    d->id.partition = (uint16_t)p->index;
    d->partitioned = true;
    p->used += 1;
    f->turn_bytes += d->payload.bytes;
    f->whole->base.events->message(f->whole->base.ctx, d);
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    const struct part *p = ctx;
    struct fan_in *f = p->fan;
    if (!f->over) {
        f->over = true;
        f->whole->base.events->failed(f->whole->base.ctx, status, text);
    }
}

static void settled(void *ctx, uint32_t count)
{
    struct part *p = ctx;
    hulse_call_order_settle(&p->fan->calls, &p->credit, count);
    hulse_fan_in_tell_settled(p->fan);
}

static void active(void *ctx)
{
    const struct part *p = ctx;
    struct fan_in *f = p->fan;
    const struct broker_consumer *whole = &f->whole->base;
    f->active += 1;
    if (f->active == 1 && whole->events->active != NULL) {
        whole->events->active(whole->ctx);
    }
}

static void inactive(void *ctx)
{
    const struct part *p = ctx;
    struct fan_in *f = p->fan;
    const struct broker_consumer *whole = &f->whole->base;
    f->active -= 1;
    if (f->active == 0 && whole->events->inactive != NULL) {
        whole->events->inactive(whole->ctx);
    }
}

static void caught_up(void *ctx)
{
    const struct part *p = ctx;
    struct fan_in *f = p->fan;
    const struct broker_consumer *whole = &f->whole->base;
    f->caught_up += p->late ? 0 : 1;
    if (!p->late && f->caught_up == f->first_count && whole->events->caught_up != NULL) {
        whole->events->caught_up(whole->ctx);
    }
}

static void lost(void *ctx, uint64_t count)
{
    const struct part *p = ctx;
    const struct broker_consumer *whole = &p->fan->whole->base;
    if (whole->events->lost != NULL) {
        whole->events->lost(whole->ctx, count);
    }
}

static void end_of_topic(void *ctx)
{
    struct part *p = ctx;
    struct fan_in *f = p->fan;
    const struct broker_consumer *whole = &f->whole->base;
    p->ended = true;
    f->ended += 1;
    if (f->ended == f->count && whole->events->end_of_topic != NULL) {
        whole->events->end_of_topic(whole->ctx);
    }
}

void hulse_fan_in_not_ended(struct part *p)
{
    p->fan->ended -= p->ended ? 1 : 0;
    p->ended = false;
}

static const struct broker_consumer_events events = {.opened = opened,
                                                     .message = message,
                                                     .failed = failed,
                                                     .settled = settled,
                                                     .active = active,
                                                     .inactive = inactive,
                                                     .caught_up = caught_up,
                                                     .lost = lost,
                                                     .end_of_topic = end_of_topic,
                                                     .done = hulse_fan_errand_done};

void hulse_fan_in_tell_settled(struct fan_in *f)
{
    const struct broker_consumer *whole = &f->whole->base;
    const uint32_t count = hulse_call_order_take(&f->calls);
    if (count > 0 && whole->events->settled != NULL) {
        whole->events->settled(whole->ctx, count);
    }
}

/* ---- parts ---- */

bool hulse_fan_in_open_part(struct fan_in *f, struct part *p, struct broker_position start)
{
    struct pulsar_consumer *whole = f->whole;
    char topic[TOPIC_BYTES_MAX + SUFFIX_BYTES];
    const int bytes =
        snprintf(topic, sizeof(topic), "%s-partition-%u", whole->topic, (unsigned)p->index);
    if (bytes < 0 || (size_t)bytes >= sizeof(topic)) {
        return false;
    }
    const struct broker_consumer_params params = {
        .topic = topic,
        .subscription = whole->subscription,
        .name = whole->name,
        .type = whole->type,
        .start = start,
        .events = &events,
        .ctx = p,
        .create = whole->create,
        .schema = whole->schema == NULL ? NULL : &whole->schema->told,
        .transient = whole->transient,
        .chunking = whole->chunking};
    p->consumer = hulse_pulsar_consumer_open_part(whole, p, &params);
    return p->consumer != NULL;
}

bool hulse_fan_in_reserve(struct fan_in *f, uint32_t count)
{
    struct part **parts = hulse_mem_zalloc(HULSE_MEM_TOPIC, count * sizeof(struct part *));
    if (parts == NULL) {
        return false;
    }
    if (f->count > 0) {
        memcpy(parts, f->parts, f->count * sizeof(struct part *));
    }
    for (uint32_t i = f->count; i < count; i++) {
        parts[i] = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(struct part));
        if (parts[i] == NULL) {
            for (; i > f->count; i--) {
                hulse_mem_free(HULSE_MEM_TOPIC, parts[i - 1], sizeof(struct part));
            }
            hulse_mem_free(HULSE_MEM_TOPIC, parts, count * sizeof(struct part *));
            return false;
        }
        parts[i]->fan = f;
        parts[i]->index = i;
    }
    if (f->parts != NULL) {
        hulse_mem_free(HULSE_MEM_TOPIC, f->parts, f->count * sizeof(struct part *));
    }
    f->parts = parts;
    f->count = count;
    return true;
}

/* An id is one partition's. With another one's nothing of this one is known: everything, so that nothing is missed. */
static struct broker_position start_of(const struct pulsar_consumer *whole, uint32_t index)
{
    const struct broker_position *s = &whole->hands->start;
    const bool names = whole->start_kind == BROKER_AT_ID || whole->start_kind == BROKER_AFTER_ID;
    if (whole->hands->marks != NULL) {
        return hulse_broker_marks_start(whole->hands->marks, index);
    }
    if (names && s->id.partition != index) {
        return (struct broker_position){.kind = BROKER_EARLIEST};
    }
    return whole->hands->consumer != NULL ? *s
                                          : (struct broker_position){.kind = whole->start_kind};
}

static bool open_all(struct fan_in *f, uint32_t partitions)
{
    if (!hulse_fan_in_reserve(f, partitions)) {
        return false;
    }
    if (f->whole->type == BROKER_READER) {
        f->begins = hulse_broker_marks_create();
        if (f->begins == NULL) {
            return false;
        }
    }
    f->first_count = partitions;
    for (uint32_t i = 0; i < partitions; i++) {
        if (!hulse_fan_in_open_part(f, f->parts[i], start_of(f->whole, i))) {
            return false;
        }
    }
    return true;
}

/* ---- the whole ---- */

static void close_whole(struct broker_consumer *base, bool unsubscribe)
{
    struct pulsar_consumer *c = (struct pulsar_consumer *)(void *)base;
    HULSE_ASSERT(c->magic == PULSAR_CONSUMER_MAGIC && !c->closed && !c->fan->ending);
    c->closed = true;
    hulse_fan_in_close(c->fan, unsubscribe);
    hulse_pulsar_consumer_gone(c);
}

static struct fan_in *create(struct pulsar_consumer *whole)
{
    struct fan_in *f = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*f));
    if (f != NULL) {
        f->whole = whole;
        TAILQ_INIT(&f->ready);
        f->ops = *whole->base.ops;
        f->ops.permit = hulse_fan_out_permit;
        f->ops.consumer_close = close_whole;
        hulse_fan_calls_use(&f->ops);
        hulse_fan_errand_use(&f->ops);
    }
    return f;
}

void hulse_fan_in_begin(struct pulsar_consumer *c, const struct pulsar_lookup_result *known)
{
    c->state = SESSION_FANNED;
    if (known->partitions > FAN_PARTITIONS_MAX) {
        hulse_pulsar_session_open_failed(
            c, HULSE_UNSUPPORTED, "the topic has more partitions than this version consumes");
        return;
    }
    c->fan = create(c);
    if (c->fan == NULL) {
        hulse_pulsar_session_open_failed(c, HULSE_NO_MEMORY, "no memory for partitions");
        return;
    }
    c->base.ops = &c->fan->ops;
    hulse_pulsar_consumer_enter(c);
    if (open_all(c->fan, known->partitions)) {
        hulse_fan_grow_watch(c->fan, known);
    } else {
        hulse_pulsar_session_open_failed(c, HULSE_NO_MEMORY, "no memory for partitions");
    }
    hulse_pulsar_consumer_leave(c);
}

void hulse_fan_in_close(struct fan_in *f, bool unsubscribe)
{
    f->over = true;
    hulse_pulsar_watch_stop(&f->watch);
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->parts[i]->consumer != NULL) {
            struct pulsar_consumer *c = let_go(f->parts[i]);
            hulse_pulsar_consumer_close(&c->base, unsubscribe);
        }
    }
}

void hulse_fan_in_free(struct fan_in **fan)
{
    struct fan_in *f = *fan;
    *fan = NULL;
    if (f == NULL) {
        return;
    }
    for (uint32_t i = 0; i < f->count; i++) {
        HULSE_ASSERT(f->parts[i]->consumer == NULL);
        hulse_mem_free(HULSE_MEM_TOPIC, f->parts[i], sizeof(struct part));
    }
    if (f->parts != NULL) {
        hulse_mem_free(HULSE_MEM_TOPIC, f->parts, f->count * sizeof(struct part *));
    }
    hulse_call_order_fini(&f->calls);
    hulse_broker_marks_let(&f->begins);
    hulse_mem_free(HULSE_MEM_TOPIC, f, sizeof(*f));
}
