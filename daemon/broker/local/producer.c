/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer - the publisher's end: straight into a topic of this worker, by lane into another's.
 */
#include "daemon/broker/local/internal.h"

#include <string.h>

static struct producer *producer_of(struct broker_producer *base)
{
    struct producer *p = (struct producer *)(void *)base;
    HULSE_ASSERT(p->magic == LOCAL_PRODUCER_MAGIC);
    return p;
}

static void destroy(struct producer *p)
{
    HULSE_ASSERT(p->pending == 0 && p->in_events == 0);
    hulse_link_remove(&p->link);
    p->magic = 0;
    hulse_mem_free(HULSE_MEM_TOPIC, p, sizeof(*p) + p->name_bytes);
}

static struct producer *
create(struct broker *b, struct local_worker *lw, const struct broker_producer_params *params)
{
    const size_t name_bytes = strlen(params->name);
    struct producer *p = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*p) + name_bytes);
    if (p == NULL) {
        return NULL;
    }
    p->base = (struct broker_producer){.ops = b->ops, .events = params->events, .ctx = params->ctx};
    p->magic = LOCAL_PRODUCER_MAGIC;
    p->state = END_OPENING;
    p->worker = lw;
    p->name_bytes = (uint32_t)name_bytes;
    memcpy(p->name, params->name, name_bytes);
    hulse_link_init(&p->link);
    return p;
}

hulse_status hulse_local_producer_open(struct broker *b,
                                       struct worker *w,
                                       const struct broker_producer_params *params,
                                       struct broker_producer **out,
                                       struct error *err)
{
    struct local_worker *lw = hulse_worker_state(w, &hulse_local_module);
    uint64_t hash = 0;
    const hulse_status st = hulse_open_check(params->topic, &hash, err);
    if (st != HULSE_OK) {
        return st;
    }
    if (params->own || params->access != BROKER_ACCESS_SHARED) {
        return hulse_fail(err,
                          HULSE_UNSUPPORTED,
                          "non-persistent topics have shared producers without deduplication");
    }
    if (strlen(params->name) > UINT16_MAX) {
        return hulse_fail(err, HULSE_INVAL, "the producer's name is too long");
    }
    struct producer *p = create(b, lw, params);
    if (p == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a producer");
    }
    p->owner = (uint32_t)(hash % lw->worker_count);
    p->remote = p->owner != lw->index;
    struct open_request rq = {.producer = p,
                              .hash = hash,
                              .topic = params->topic,
                              .subscription = "",
                              .create = params->create,
                              .worker = lw->index};
    if (!p->remote) {
        hulse_link_append(&lw->producers, &p->link);
        hulse_topic_attach_producer(lw, &rq);
        *out = &p->base;
        hulse_producer_opened(&rq);
        return HULSE_OK;
    }
    struct open_request *travelling = hulse_open_copy(&rq);
    if (travelling == NULL) {
        destroy(p);
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a producer");
    }
    hulse_link_append(&lw->producers, &p->link);
    *out = &p->base;
    hulse_lane_add(lw, p->owner, &travelling->op, OP_OPEN_PRODUCER);
    return HULSE_OK;
}

void hulse_producer_opened(struct open_request *rq)
{
    struct producer *p = rq->producer;
    HULSE_ASSERT(p->magic == LOCAL_PRODUCER_MAGIC && p->state == END_OPENING);
    if (rq->status != HULSE_OK) {
        if (!p->closed) {
            p->base.events->opened(p->base.ctx, rq->status, rq->text, NULL);
        }
        destroy(p);
        return;
    }
    p->state = END_OPEN;
    p->topic = rq->opened_topic;
    if (p->closed) {
        hulse_lane_add(p->worker, p->owner, &p->close_op, OP_CLOSE_PRODUCER);
        return;
    }
    const struct broker_limits limits = {.message_bytes_max =
                                             p->worker->broker->params.message_bytes_max};
    p->base.events->opened(p->base.ctx, HULSE_OK, rq->text, &limits);
}

static void refuse(struct producer *p, uint64_t token, enum broker_class class, uint8_t outcome)
{
    const struct broker_answer answer = {.class = class, .outcome = outcome};
    p->base.events->answered(p->base.ctx, token, &answer);
}

static void answer_stored(struct producer *p, uint64_t token, const struct broker_id *id)
{
    const struct broker_answer answer = {
        .class = BROKER_DONE, .outcome = HULSE_OUTCOME_STORED, .has_id = true, .id = *id};
    p->base.events->answered(p->base.ctx, token, &answer);
}

/*
 * One that was pending at the flush has its answer. Publishes come back from another worker in the
 * order of sending. On the topic's own worker a later one may be answered inside an event of an
 * earlier one, so that those which were pending are the last to end.
 */
static bool ends_flush(struct producer *p, bool counts)
{
    if (p->flush_left == 0) {
        return false;
    }
    if (p->remote) {
        p->flush_left -= counts;
        return counts && p->flush_left == 0;
    }
    if (p->pending < p->flush_left) {
        p->flush_left = p->pending;
    }
    return p->flush_left == 0;
}

/* Closed, and nothing is under way or stands in an event above us. */
static void release(struct producer *p)
{
    if (p->closed && p->state == END_GONE && p->pending == 0 && p->in_events == 0) {
        destroy(p);
    }
}

/* The answer of a pending record. */
static void finish(struct producer *p, uint64_t token, uint8_t outcome, const struct broker_id *id)
{
    /* A flush that begins in `answered` is not for this one. */
    const bool counts = p->flush_left != 0;
    HULSE_ASSERT(p->pending > 0);
    p->pending -= 1;
    p->in_events += 1;
    if (p->closed) {
        /* Nobody wants to know. */
    } else if (outcome == HULSE_OUTCOME_STORED) {
        answer_stored(p, token, id);
    } else {
        refuse(p, token, BROKER_FAIL, outcome);
    }
    if (ends_flush(p, counts) && !p->closed) {
        p->base.events->flushed(p->base.ctx);
    }
    p->in_events -= 1;
    release(p);
}

static void publish_here(struct producer *p, const struct broker_record *r)
{
    struct message *m = hulse_message_create(p->worker, p, r);
    if (m == NULL) {
        refuse(p, r->token, BROKER_FAIL, HULSE_OUTCOME_NO_MEMORY);
        return;
    }
    const uint64_t token = r->token;
    const struct broker_id id = {
        .ledger = p->worker->broker->epoch_s, .entry = p->topic->next_entry, .batch = -1};
    p->pending += 1; /* a consumer's event may close or flush the producer */
    hulse_topic_publish(p->topic, m);
    finish(p, token, HULSE_OUTCOME_STORED, &id);
}

static void send_by_lane(struct producer *p, const struct broker_record *r)
{
    if (p->worker->lanes[p->owner].gone) {
        /* Before the producer hears of it. The lane would answer it before those that are due. */
        refuse(p, r->token, BROKER_FAIL, HULSE_OUTCOME_FAILED_NOT_SENT);
        return;
    }
    if (p->pending_bytes >= p->worker->broker->params.producer_pending_bytes_max) {
        refuse(p, r->token, BROKER_FAIL, HULSE_OUTCOME_QUOTA_EXCEEDED);
        return;
    }
    struct message *m = hulse_message_create(p->worker, p, r);
    if (m == NULL) {
        refuse(p, r->token, BROKER_FAIL, HULSE_OUTCOME_NO_MEMORY);
        return;
    }
    m->producer = p;
    m->topic = p->topic;
    p->pending += 1;
    p->pending_bytes += m->bytes;
    hulse_lane_add(p->worker, p->owner, &m->op, OP_PUBLISH);
}

void hulse_local_send(struct broker_producer *producer, const struct broker_record *r)
{
    struct producer *p = producer_of(producer);
    HULSE_DASSERT(!p->closed);
    if (__builtin_expect(p->state != END_OPEN, 0)) {
        refuse(p,
               r->token,
               BROKER_FAIL,
               p->state == END_ENDED ? p->refusal : HULSE_OUTCOME_FAILED_NOT_SENT);
    } else if (p->remote) {
        send_by_lane(p, r);
    } else {
        publish_here(p, r);
    }
}

void hulse_producer_answered(struct message *m)
{
    struct producer *p = m->producer;
    HULSE_ASSERT(p->magic == LOCAL_PRODUCER_MAGIC);
    const uint64_t token = m->token;
    const uint8_t outcome = m->outcome;
    const struct broker_id id = m->first.d.id;
    p->pending_bytes -= m->bytes;
    hulse_message_let_go(m);
    finish(p, token, outcome, &id);
}

hulse_status hulse_local_flush(struct broker_producer *producer, struct error *err)
{
    struct producer *p = producer_of(producer);
    HULSE_DASSERT(!p->closed);
    if (p->flush_left != 0) {
        return hulse_fail(err, HULSE_BUSY, "a flush is under way");
    }
    p->flush_left = p->pending;
    if (p->flush_left == 0) {
        p->base.events->flushed(p->base.ctx);
    }
    return HULSE_OK;
}

void hulse_local_producer_close(struct broker_producer *producer)
{
    struct producer *p = producer_of(producer);
    HULSE_ASSERT(!p->closed);
    p->closed = true;
    if (p->state == END_OPENING) {
        return; /* its request is under way; see opened */
    }
    if (!p->remote) {
        hulse_topic_detach_producer(p->topic);
        p->state = END_GONE;
        release(p);
    } else if (p->state != END_GONE) {
        hulse_lane_add(p->worker, p->owner, &p->close_op, OP_CLOSE_PRODUCER);
    } else {
        release(p);
    }
}

void hulse_producer_closed(struct producer *p)
{
    HULSE_ASSERT(p->closed);
    p->state = END_GONE; /* with the close never having left, the last answer ends it */
    release(p);
}
