/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer - the publisher's end: straight into a topic of this worker, by lane into another's.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"
#include "daemon/core/hash.h"

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

static hulse_status check_params(const struct broker_producer_params *params, struct error *err)
{
    if (params->access != BROKER_ACCESS_SHARED) {
        return hulse_fail(
            err, HULSE_UNSUPPORTED, "topics of the local broker have shared producers");
    }
    if (params->own && !hulse_topic_is_persistent(params->topic)) {
        return hulse_fail(err, HULSE_UNSUPPORTED, "non-persistent topics have no deduplication");
    }
    if (params->own && params->name[0] == '\0' && hulse_handle_is_none(params->handle_id)) {
        return hulse_fail(err, HULSE_INVAL, "deduplication needs a producer's name");
    }
    const char *initial = params->initial_subscription;
    if (initial != NULL && initial[0] != '\0' && !hulse_topic_is_persistent(params->topic)) {
        return hulse_fail(
            err, HULSE_INVAL, "a non-persistent topic keeps nothing for an initial subscription");
    }
    if (strlen(params->name) > UINT16_MAX) {
        return hulse_fail(err, HULSE_INVAL, "the producer's name is too long");
    }
    return HULSE_OK;
}

/* Every handle is deduplicated; an own producer without one is known by its name. */
static void choose_handle(const struct broker_producer_params *params,
                          uint8_t id[BROKER_HANDLE_ID_BYTES])
{
    memcpy(id, params->handle_id, BROKER_HANDLE_ID_BYTES);
    if (params->own && hulse_handle_is_none(id)) {
        uint64_t half[2] = {HULSE_HASH_START, ~HULSE_HASH_START};
        for (const char *c = params->name; *c != '\0'; c++) {
            half[0] = hulse_hash_byte(half[0], *c);
            half[1] = hulse_hash_byte(half[1], *c);
        }
        memcpy(id, half, BROKER_HANDLE_ID_BYTES);
    }
}

hulse_status hulse_local_producer_open(struct broker *b,
                                       struct worker *w,
                                       const struct broker_producer_params *params,
                                       struct broker_producer **out,
                                       struct error *err)
{
    struct local_worker *lw = hulse_worker_state(w, &hulse_local_module, b);
    uint64_t hash = 0;
    const hulse_status st = hulse_open_check(b, params->topic, &hash, err);
    if (st != HULSE_OK || check_params(params, err) != HULSE_OK) {
        return err->status;
    }
    const char *initial = params->initial_subscription;
    struct producer *p = create(b, lw, params);
    if (p == NULL) {
        return hulse_fail(err, HULSE_NO_MEMORY, "no memory for a producer");
    }
    p->owner = (uint32_t)(hash % lw->worker_count);
    p->remote = p->owner != lw->index;
    struct open_request rq = {.producer = p,
                              .hash = hash,
                              .topic = params->topic,
                              .subscription = initial == NULL ? "" : initial,
                              .type = BROKER_SHARED,
                              .start = {.kind = BROKER_EARLIEST},
                              .create = params->create,
                              .worker = lw->index};
    choose_handle(params, rq.handle_id);
    if (!p->remote) {
        hulse_link_append(&lw->producers, &p->link);
        hulse_topic_attach_producer(lw, &rq);
        *out = &p->base;
        if (rq.later == NULL) {
            hulse_producer_opened(&rq);
        }
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

/* Closed, and nothing is under way or stands in an event above us. */
static void release(struct producer *p)
{
    if (p->closed && p->state == END_GONE && p->pending == 0 && p->in_events == 0) {
        destroy(p);
    }
}

/* Closed by the front end, and its topic has it open. */
static void close_open(struct producer *p)
{
    if (p->remote) {
        hulse_lane_add(p->worker, p->owner, &p->close_op, OP_CLOSE_PRODUCER);
        return;
    }
    hulse_topic_detach_producer(p->topic, p->handle, p->forget);
    p->state = END_GONE;
    release(p);
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
    p->handle = rq->opened_handle;
    if (p->closed) {
        close_open(p);
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

/*
 * The answer of a pending record; `round` is the number of flushes that were begun before it was
 * sent, so the flush under way waits for it when that is one less than now.
 */
void hulse_producer_stored(struct producer *p,
                           uint64_t token,
                           uint32_t round,
                           const struct broker_answer *answer)
{
    /* A flush that begins in `answered` is not for this one. */
    const bool counts = p->flush_left != 0 && round != p->rounds;
    HULSE_ASSERT(p->magic == LOCAL_PRODUCER_MAGIC && p->pending > 0);
    p->pending -= 1;
    p->in_events += 1;
    if (!p->closed) {
        p->base.events->answered(p->base.ctx, token, answer);
    }
    if (counts) {
        p->flush_left -= 1;
        if (p->flush_left == 0 && !p->closed) {
            p->base.events->flushed(p->base.ctx);
        }
    }
    p->in_events -= 1;
    release(p);
}

static void finish(
    struct producer *p, uint64_t token, uint32_t round, uint8_t outcome, const struct broker_id *id)
{
    const bool stored = outcome == HULSE_OUTCOME_STORED;
    const struct broker_answer answer = {.class = stored ? BROKER_DONE : BROKER_FAIL,
                                         .outcome = outcome,
                                         .has_id = stored,
                                         .id = *id};
    hulse_producer_stored(p, token, round, &answer);
}

/* To the store of this worker, which answers. */
static void store_here(struct producer *p, struct message *m)
{
    const struct publication_from from = {
        .producer = p, .handle = p->handle, .worker = p->worker->index};
    const uint64_t token = m->token;
    p->pending += 1;
    if (!hulse_publication_begin(p->topic, m, &from)) {
        hulse_message_drop(m);
        p->pending -= 1;
        refuse(p, token, BROKER_FAIL, HULSE_OUTCOME_NO_MEMORY);
    }
}

static void publish_here(struct producer *p, const struct broker_record *r)
{
    struct message *m = hulse_message_create(p->worker, p, r);
    if (m == NULL) {
        refuse(p, r->token, BROKER_FAIL, HULSE_OUTCOME_NO_MEMORY);
        return;
    }
    if (p->topic->durable != NULL) {
        store_here(p, m);
        return;
    }
    const uint64_t token = r->token;
    const uint32_t round = p->rounds;
    const struct broker_id id = {
        .ledger = p->worker->broker->epoch_ms, .entry = p->topic->next_entry, .batch = -1};
    p->pending += 1; /* a consumer's event may close or flush the producer */
    hulse_topic_publish(p->topic, m);
    finish(p, token, round, HULSE_OUTCOME_STORED, &id);
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

bool hulse_local_send(struct broker_producer *producer, const struct broker_record *r)
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
    return true;
}

void hulse_producer_answered(struct message *m)
{
    struct producer *p = m->producer;
    HULSE_ASSERT(p->magic == LOCAL_PRODUCER_MAGIC);
    const uint64_t token = m->token;
    const uint32_t round = m->round;
    const uint8_t outcome = m->outcome;
    const struct broker_id id = m->first.d.id;
    p->pending_bytes -= m->bytes;
    hulse_message_let_go(m);
    if (outcome == LOCAL_OUTCOME_LATER) {
        p->worker->awaited += 1;
    } else {
        finish(p, token, round, outcome, &id);
    }
}

hulse_status hulse_local_flush(struct broker_producer *producer, struct error *err)
{
    struct producer *p = producer_of(producer);
    HULSE_DASSERT(!p->closed);
    if (p->flush_left != 0) {
        return hulse_fail(err, HULSE_BUSY, "a flush is under way");
    }
    p->flush_left = p->pending;
    p->rounds += 1;
    if (p->flush_left == 0) {
        p->base.events->flushed(p->base.ctx);
    }
    return HULSE_OK;
}

void hulse_local_producer_close(struct broker_producer *producer, bool forget)
{
    struct producer *p = producer_of(producer);
    HULSE_ASSERT(!p->closed);
    p->closed = true;
    p->forget = forget;
    if (p->state == END_OPENING) {
        return; /* its request is under way; see opened */
    }
    if (p->state == END_GONE) {
        release(p);
    } else {
        close_open(p);
    }
}

void hulse_producer_closed(struct producer *p)
{
    HULSE_ASSERT(p->closed);
    p->state = END_GONE; /* with the close never having left, the last answer ends it */
    release(p);
}
