/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ending - how a sender ends: with its topic, before it was ever open, or because nobody needs it any more.
 */
#include "daemon/broker/pulsar/producer/partitions.h"
#include "daemon/broker/pulsar/producer/senders.h"
#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "daemon/worker/worker.h"

#include <string.h>

static struct timer_wheel *wheel(const struct pulsar_sender *s)
{
    return &s->all->pw->loop->timers;
}

static uint64_t now_ms(const struct pulsar_sender *s)
{
    return hulse_loop_now_ms(s->all->pw->loop);
}

/* The open has failed: the producers are gone, and it ends. */
static void refuse_all(struct pulsar_sender *s, const struct pulsar_failure *f)
{
    HULSE_LOG_WARNF(
        "pulsar.producer_refused", hulse_log_str("topic", s->topic), hulse_log_str("why", f->text));
    s->state = SENDER_DEAD;
    s->failure = *f;
    LIST_REMOVE(s, link);
    LIST_INSERT_HEAD(&s->all->dead, s, link);
    hulse_timer_stop(wheel(s), &s->limit);
    while (!LIST_EMPTY(&s->waiting)) {
        struct pulsar_producer *p = LIST_FIRST(&s->waiting);
        LIST_REMOVE(p, link);
        p->base.events->opened(p->base.ctx, f->status, s->failure.text, NULL);
        hulse_pulsar_handle_destroy(p);
    }
    hulse_pulsar_sender_check(s);
}

/* Each of its producers hears of it once; in that any may be closed. */
static void tell_all(struct pulsar_sender *s)
{
    const struct pulsar_failure failure = s->failure;
    LIST_HEAD(, pulsar_producer) told = LIST_HEAD_INITIALIZER(told);

    while (!LIST_EMPTY(&s->producers)) {
        struct pulsar_producer *p = LIST_FIRST(&s->producers);
        LIST_REMOVE(p, link);
        LIST_INSERT_HEAD(&told, p, link);
        if (failure.class == BROKER_FENCED) {
            p->base.events->fenced(p->base.ctx, failure.text);
        } else {
            p->base.events->failed(p->base.ctx, failure.status, failure.text);
        }
    }
    while (!LIST_EMPTY(&told)) {
        struct pulsar_producer *p = LIST_FIRST(&told);
        LIST_REMOVE(p, link);
        LIST_INSERT_HEAD(&s->producers, p, link);
    }
}

void hulse_pulsar_sender_die(struct pulsar_sender *s, const struct pulsar_failure *f)
{
    const struct pulsar_failure failure = *f;
    const struct pulsar_end end = {
        .class = failure.class, .sent = failure.outcome, .unsent = failure.outcome};

    if (s->state == SENDER_DEAD) {
        return;
    }
    hulse_pulsar_trouble_note(&s->all->pw->broker->trouble, s->topic, failure.text);
    hulse_pulsar_sender_close_wire(s);
    hulse_pulsar_sender_leave(s);
    if (!s->was_ready) {
        refuse_all(s, &failure);
        return;
    }
    HULSE_LOG_WARNF("pulsar.producer_ended",
                    hulse_log_str("topic", s->topic),
                    hulse_log_str("why", failure.text));
    s->state = SENDER_DEAD;
    s->failure = failure;
    LIST_REMOVE(s, link);
    LIST_INSERT_HEAD(&s->all->dead, s, link);
    hulse_pulsar_outbox_fail_all(s, &end);
    tell_all(s);
    hulse_pulsar_sender_check(s);
}

static struct broker_producer_params params_of(const struct pulsar_sender *s,
                                               const struct pulsar_producer *p)
{
    struct broker_producer_params params = {.topic = s->topic,
                                            .name = s->named ? s->name : "",
                                            .create = s->create,
                                            .own = s->own,
                                            .access = s->access,
                                            .initial_subscription = s->initial_subscription,
                                            .gathering = s->gathering,
                                            .schema = s->schema == NULL ? NULL : &s->schema->told,
                                            .routing = p->routing};
    return params;
}

void hulse_pulsar_sender_hand_over(struct pulsar_sender *s,
                                   const struct pulsar_lookup_result *found)
{
    s->state = SENDER_DEAD;
    LIST_REMOVE(s, link);
    LIST_INSERT_HEAD(&s->all->dead, s, link);
    hulse_timer_stop(wheel(s), &s->limit);
    while (!LIST_EMPTY(&s->waiting)) {
        struct pulsar_producer *p = LIST_FIRST(&s->waiting);
        const struct broker_producer_params params = params_of(s, p);
        LIST_REMOVE(p, link);
        p->sender = NULL;
        hulse_pulsar_partitions_begin(s->all, p, &params, found);
    }
    hulse_pulsar_sender_check(s);
}

static bool needed(const struct pulsar_sender *s)
{
    return !LIST_EMPTY(&s->waiting) || !LIST_EMPTY(&s->producers) || !TAILQ_EMPTY(&s->entries) ||
           s->open != NULL;
}

void hulse_pulsar_sender_check(struct pulsar_sender *s)
{
    if (!needed(s) && !hulse_timer_pending(&s->reap)) {
        hulse_timer_start(wheel(s), &s->reap, now_ms(s));
    }
}

static void forget_entry(struct pulsar_sender *s, struct pulsar_entry *e)
{
    for (uint32_t i = 0; !e->over && i < e->count; i++) {
        hulse_pulsar_handle_forget(&e->slots[i]);
    }
    if (e->out) {
        e->sender = NULL;
    } else {
        hulse_pulsar_entry_destroy(&s->all->blocks, e);
    }
}

/* What is not sealed yet. */
static void forget_gathered(struct pulsar_sender *s)
{
    do {
        if (s->open != NULL) {
            forget_entry(s, s->open);
            s->open = NULL;
        }
    } while (s->by_key != NULL && hulse_pulsar_by_key_next(s));
    hulse_pulsar_by_key_destroy(&s->by_key);
}

static void forget_entries(struct pulsar_sender *s, struct pulsar_entries *list)
{
    while (!TAILQ_EMPTY(list)) {
        struct pulsar_entry *e = TAILQ_FIRST(list);
        TAILQ_REMOVE(list, e, link);
        forget_entry(s, e);
    }
}

static void forget_producers(struct pulsar_sender *s)
{
    while (!LIST_EMPTY(&s->waiting)) {
        struct pulsar_producer *p = LIST_FIRST(&s->waiting);
        LIST_REMOVE(p, link);
        hulse_pulsar_handle_close(p);
    }
    while (!LIST_EMPTY(&s->producers)) {
        struct pulsar_producer *p = LIST_FIRST(&s->producers);
        LIST_REMOVE(p, link);
        hulse_pulsar_handle_close(p);
    }
}

/* A producer of this name may come now. */
static void begin_held(struct pulsar_senders *all, const struct pulsar_sender *gone)
{
    const uint32_t bucket = hulse_pulsar_senders_bucket(gone->topic);
    struct pulsar_sender *s = NULL;

    if (!gone->named) {
        return;
    }
    LIST_FOREACH(s, &all->buckets[bucket], link)
    {
        if (s->state == SENDER_HELD && strcmp(s->topic, gone->topic) == 0 &&
            strcmp(s->name, gone->name) == 0) {
            s->state = SENDER_WAITING;
            hulse_timer_start(wheel(s), &s->retry, now_ms(s));
            return;
        }
    }
}

void hulse_pulsar_sender_destroy(struct pulsar_sender *s)
{
    struct pulsar_senders *all = s->all;

    hulse_pulsar_sender_leave(s);
    hulse_timer_stop(wheel(s), &s->limit);
    hulse_timer_stop(wheel(s), &s->reap);
    hulse_timer_stop(wheel(s), &s->expiry);
    forget_producers(s);
    forget_gathered(s);
    forget_entries(s, &s->entries);
    forget_entries(s, &s->kept);
    forget_entries(s, &s->leaving);
    if (s->dirty) {
        TAILQ_REMOVE(&all->dirty, s, dirty_link);
    }
    LIST_REMOVE(s, link);
    begin_held(all, s);
    hulse_payload_schema_give(&s->schema);
    hulse_mem_free(HULSE_MEM_TOPIC, s, sizeof(*s) + s->topic_bytes);
}

void hulse_pulsar_sender_reap(struct timer *timer)
{
    struct pulsar_sender *s = HULSE_CONTAINER(timer, struct pulsar_sender, reap);

    if (!needed(s)) {
        hulse_pulsar_sender_close_wire(s);
        hulse_pulsar_sender_destroy(s);
    }
}
