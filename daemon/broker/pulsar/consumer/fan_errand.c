/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fan_errand - what a consumer of partitions is asked for: of all of them, or of the one that an id names. It has ended
 * when all have, with the first failure if there was one.
 */
#include "daemon/broker/pulsar/consumer/fan_in.h"

#include <stdio.h>

static struct fan_in *fan_of(struct broker_consumer *base)
{
    struct pulsar_consumer *whole = (struct pulsar_consumer *)(void *)base;
    HULSE_ASSERT(whole->magic == PULSAR_CONSUMER_MAGIC && !whole->closed);
    return whole->fan;
}

/* ---- answers ---- */

static void note_failure(struct fan_errand *e, hulse_status status, const char *text)
{
    if (e->status == HULSE_OK) {
        e->status = status;
        (void)snprintf(e->text, sizeof(e->text), "%.*s", (int)sizeof(e->text) - 1, text);
    }
}

/* The latest by its ledger, whose numbers rise over all topics of a cluster. */
static void note_id(struct fan_errand *e, const struct broker_id *id, uint32_t index)
{
    if (!e->has_id || hulse_entry_below(e->id.ledger, e->id.entry, id->ledger, id->entry)) {
        e->has_id = true;
        e->id = *id;
        e->id.partition = (uint16_t)index;
    }
}

/* One answer less to wait for. May be the last touch. */
static void answered(struct fan_in *f)
{
    struct fan_errand *e = &f->errand;
    const struct broker_consumer *whole = &f->whole->base;
    e->left -= 1;
    if (e->left > 0) {
        return;
    }
    e->active = false;
    if (e->kind == BROKER_UNSUBSCRIBE && e->status == HULSE_OK) {
        f->over = true;
    }
    if (whole->events->done != NULL) {
        const struct broker_id id = e->id;
        whole->events->done(whole->ctx,
                            e->kind,
                            e->status,
                            e->text,
                            e->status == HULSE_OK && e->has_id ? &id : NULL);
    }
}

void hulse_fan_errand_done(void *ctx,
                           enum broker_errand kind,
                           hulse_status status,
                           const char *text,
                           const struct broker_id *id)
{
    const struct part *p = ctx;
    struct fan_errand *e = &p->fan->errand;
    HULSE_ASSERT(e->active && e->kind == kind && e->left > 0);
    if (status != HULSE_OK) {
        note_failure(e, status, text);
    } else if (id != NULL) {
        note_id(e, id, p->index);
    }
    answered(p->fan);
}

/* ---- asking ---- */

static hulse_status begin(struct fan_in *f, enum broker_errand kind, struct error *err)
{
    if (f->errand.active) {
        return hulse_fail(err, HULSE_BUSY, "another order is under way");
    }
    if (f->over) {
        return hulse_fail(err, HULSE_CLOSED, "the consumer has ended");
    }
    /* One for whoever begins it. */
    f->errand = (struct fan_errand){.active = true, .kind = kind, .left = 1};
    hulse_pulsar_consumer_enter(f->whole);
    return HULSE_OK;
}

/* All were asked. May be the last touch. */
static hulse_status begun(struct fan_in *f, struct error *err)
{
    struct fan_errand *e = &f->errand;
    hulse_status st = HULSE_OK;
    if (e->left > 1 || e->status == HULSE_OK) {
        answered(f);
    } else {
        e->active = false;
        st = hulse_fail(err, e->status, "%s", e->text);
    }
    hulse_pulsar_consumer_leave(f->whole);
    return st;
}

static void ask(struct part *p, hulse_status (*what)(struct broker_consumer *c, struct error *err))
{
    struct fan_errand *e = &p->fan->errand;
    struct error err = {0};
    e->left += 1;
    const hulse_status st = what(&p->consumer->base, &err);
    if (st != HULSE_OK) {
        e->left -= 1;
        note_failure(e, st, err.text);
    }
}

static hulse_status ask_all(struct fan_in *f,
                            enum broker_errand kind,
                            hulse_status (*what)(struct broker_consumer *c, struct error *err),
                            struct error *err)
{
    const hulse_status st = begin(f, kind, err);
    if (st != HULSE_OK) {
        return st;
    }
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->parts[i]->consumer != NULL && f->parts[i]->opened) {
            ask(f->parts[i], what);
        }
    }
    return begun(f, err);
}

static hulse_status last_message_id(struct broker_consumer *base, struct error *err)
{
    return ask_all(
        fan_of(base), BROKER_LAST_MESSAGE_ID, hulse_pulsar_consumer_last_message_id, err);
}

static hulse_status unsubscribe(struct broker_consumer *base, struct error *err)
{
    struct fan_in *f = fan_of(base);
    if (f->whole->type == BROKER_READER) {
        return hulse_fail(err, HULSE_INVAL, "a reader has no subscription");
    }
    return ask_all(f, BROKER_UNSUBSCRIBE, hulse_pulsar_consumer_unsubscribe, err);
}

/* ---- seek ---- */

/* Its position stays; what it has out comes again, uncounted. */
static void stay(struct part *p)
{
    struct pulsar_consumer *c = p->consumer;
    struct delivery *dl = NULL;
    c->ending = true;
    while ((dl = TAILQ_FIRST(&c->hands->held)) != NULL) {
        hulse_fan_calls_ended(p, &dl->d);
        hulse_pulsar_consumer_give_back(&c->base, &dl->d);
    }
    c->ending = false;
}

static void seek_part(struct part *p, const struct broker_position *to)
{
    struct fan_errand *e = &p->fan->errand;
    struct error err = {0};
    e->left += 1;
    const hulse_status st =
        hulse_pulsar_consumer_seek(&p->consumer->base, to, hulse_fan_calls_ended, &err);
    if (st != HULSE_OK) {
        e->left -= 1;
        note_failure(e, st, err.text);
        stay(p);
    }
}

static hulse_status seek(struct broker_consumer *base,
                         const struct broker_position *to,
                         void (*ended)(void *ctx, struct broker_delivery *d),
                         struct error *err)
{
    struct fan_in *f = fan_of(base);
    const bool names = to->kind == BROKER_AT_ID || to->kind == BROKER_AFTER_ID;
    if (names && (to->id.partition >= f->count || !f->parts[to->id.partition]->opened)) {
        return hulse_fail(err, HULSE_INVAL, "the topic has no partition %u", to->id.partition);
    }
    hulse_status st = begin(f, BROKER_SEEK, err);
    if (st != HULSE_OK) {
        return st;
    }
    f->ending = true;
    f->told = ended;
    for (uint32_t i = 0; i < f->count; i++) {
        struct part *p = f->parts[i];
        if (p->consumer == NULL || !p->opened) {
            continue;
        }
        if (names && i != to->id.partition) {
            stay(p);
        } else {
            seek_part(p, to);
        }
    }
    f->ending = false;
    hulse_pulsar_consumer_enter(f->whole);
    st = begun(f, err);
    if (!f->whole->closed) {
        hulse_fan_out(f);
    }
    hulse_pulsar_consumer_leave(f->whole);
    return st;
}

void hulse_fan_errand_use(struct broker_ops *ops)
{
    ops->last_message_id = last_message_id;
    ops->unsubscribe = unsubscribe;
    ops->seek = seek;
}
