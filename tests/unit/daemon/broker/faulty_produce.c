/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faulty_produce - producers of the faulty broker.
 */
#include "tests/unit/daemon/broker/faulty_objects.h"

#include <string.h>

struct faulty_producer {
    struct broker_producer base;
    struct broker_producer *inner;
    enum fault fault;
    uint32_t limit;
    uint32_t answers;
    bool failed;
    bool closed;
    bool flushing;
};

static struct faulty_producer *of(struct broker_producer *p)
{
    return (struct faulty_producer *)(void *)p;
}

/* ---- events of the inner one ---- */

static void
opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    struct faulty_producer *p = ctx;
    if (status == HULSE_OK) {
        p->limit = limits->message_bytes_max;
    }
    p->base.events->opened(p->base.ctx, status, text, limits);
    if (status != HULSE_OK) {
        free(p);
    }
}

static void answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct faulty_producer *p = ctx;
    struct broker_answer told = *answer;
    p->answers += 1;
    if ((p->fault == FAULT_ANSWER_LOST && p->answers == 3) ||
        (p->fault == FAULT_REFUSAL_LOST && p->failed)) {
        return;
    }
    if (p->fault == FAULT_ANSWER_WITHOUT_ID) {
        told.has_id = false;
    }
    if (p->fault == FAULT_IDS_REPEAT) {
        told.id.entry -= p->answers / 4;
    }
    p->base.events->answered(p->base.ctx, token, &told);
    if (p->fault == FAULT_ANSWER_TWICE && p->answers == 3) {
        p->base.events->answered(p->base.ctx, token, &told);
    }
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    struct faulty_producer *p = ctx;
    p->failed = true;
    if (p->fault != FAULT_PRODUCER_UNTOLD) {
        p->base.events->failed(p->base.ctx, status, text);
    }
    if (p->fault == FAULT_PRODUCER_TOLD_TWICE) {
        p->base.events->failed(p->base.ctx, status, text);
    }
}

static void flushed(void *ctx)
{
    struct faulty_producer *p = ctx;
    p->flushing = false;
    if (p->fault != FAULT_FLUSH_EARLY && p->fault != FAULT_FLUSH_LOST) {
        p->base.events->flushed(p->base.ctx);
    }
}

static const struct broker_producer_events events = {
    .opened = opened, .answered = answered, .failed = failed, .flushed = flushed};

/* ---- calls ---- */

hulse_status hulse_faulty_producer_open(struct broker *b,
                                        struct worker *w,
                                        const struct broker_producer_params *params,
                                        struct broker_producer **out,
                                        struct error *err)
{
    const struct faulty *f = hulse_faulty_of(b);
    struct faulty_producer *p = calloc(1, sizeof(*p));
    struct broker_producer_params below = *params;
    HULSE_ASSERT(p != NULL);
    p->base = (struct broker_producer){.ops = b->ops, .events = params->events, .ctx = params->ctx};
    p->fault = f->fault;
    below.events = &events;
    below.ctx = p;
    if (f->fault == FAULT_CREATE_ALWAYS) {
        below.create = true;
    } else if (f->fault == FAULT_NAME_TAKEN && params->topic[0] == '\0') {
        below.topic = "non-persistent://public/default/empty";
    } else if (f->fault == FAULT_ACCESS_TAKEN) {
        below.access = BROKER_ACCESS_SHARED;
    } else if (f->fault == FAULT_OWN_TAKEN) {
        below.own = false;
    } else if (f->fault == FAULT_COPY_STORED) {
        below.own = false;
        memset(below.handle_id, 0, sizeof(below.handle_id));
    }
    *out = &p->base;
    const hulse_status st = f->inner->ops->producer_open(f->inner, w, &below, &p->inner, err);
    if (st != HULSE_OK) {
        free(p);
    }
    return st;
}

bool hulse_faulty_send(struct broker_producer *producer, const struct broker_record *r)
{
    struct faulty_producer *p = of(producer);
    if (p->fault == FAULT_LIMIT_ONE_LESS && r->payload.bytes >= p->limit) {
        const struct broker_answer answer = {.class = BROKER_TOO_LARGE,
                                             .outcome = HULSE_OUTCOME_TOO_LARGE};
        p->base.events->answered(p->base.ctx, r->token, &answer);
        return true;
    }
    return p->inner->ops->send(p->inner, r);
}

hulse_status hulse_faulty_flush(struct broker_producer *producer, struct error *err)
{
    struct faulty_producer *p = of(producer);
    if (p->fault == FAULT_FLUSH_TWICE_TAKEN && p->flushing) {
        return HULSE_OK;
    }
    p->flushing = true;
    const hulse_status st = p->inner->ops->flush(p->inner, err);
    if (st == HULSE_OK && p->fault == FAULT_FLUSH_EARLY) {
        p->base.events->flushed(p->base.ctx);
    }
    return st;
}

void hulse_faulty_producer_close(struct broker_producer *producer, bool forget)
{
    struct faulty_producer *p = of(producer);
    p->inner->ops->producer_close(p->inner, forget);
    if (p->fault == FAULT_LATE_ANSWER && p->answers != 0) {
        const struct broker_answer answer = {.class = BROKER_FAIL,
                                             .outcome = HULSE_OUTCOME_FAILED_UNKNOWN};
        p->base.events->answered(p->base.ctx, 0, &answer);
    }
    free(p);
}
