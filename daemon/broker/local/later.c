/* SPDX-License-Identifier: Apache-2.0 */
/*
 * later - answers that come when the store has answered.
 *
 * The op, node or call that asked has returned by then. What was asked belongs to the topic's worker
 * until an op of its own carries the answer home.
 */
#include "daemon/broker/local/ask.h"
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#define NO_MEMORY_TEXT "no memory for a request"

static struct later *create(struct link *waiting, enum later_kind kind, uint32_t home)
{
    struct later *l = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*l));
    if (l != NULL) {
        l->kind = kind;
        l->home = home;
        hulse_link_append(waiting, &l->link);
    }
    return l;
}

void hulse_later_open(struct open_request *rq, struct link *waiting)
{
    if (rq->later != NULL) {
        hulse_link_append(waiting, &rq->later->link);
        return;
    }
    const bool copied = rq->object_bytes == 0;
    struct open_request *mine = copied ? hulse_open_copy(rq) : rq;
    struct later *l =
        mine == NULL
            ? NULL
            : create(waiting, rq->producer != NULL ? LATER_PRODUCER : LATER_CONSUMER, rq->worker);
    if (l == NULL) {
        if (copied && mine != NULL) {
            hulse_open_free(mine);
        }
        rq->status = HULSE_NO_MEMORY;
        rq->text = NO_MEMORY_TEXT;
        return;
    }
    l->again = true;
    l->rq = mine;
    mine->later = l;
    rq->later = l;
}

void hulse_later_ask(struct ask *a, struct link *waiting, bool again)
{
    if (a->later != NULL) {
        a->later->again = again;
        hulse_link_append(waiting, &a->later->link);
        return;
    }
    struct later *l = create(waiting, LATER_ASK, a->from_control ? LATER_CONTROL : a->from);
    if (l == NULL) {
        hulse_ask_refuse(a, HULSE_NO_MEMORY, NO_MEMORY_TEXT);
        return;
    }
    l->again = again;
    l->ask = a;
    a->later = l;
}

void hulse_later_errand(struct consumer *c, struct link *waiting, struct topic *topic)
{
    struct later *l = create(waiting, LATER_ERRAND, c->worker->index);
    if (l == NULL) {
        c->errand.status = HULSE_NO_MEMORY;
        c->errand.text = NO_MEMORY_TEXT;
        return;
    }
    l->consumer = c;
    l->topic = topic;
    c->errand.later = l;
}

/* At home: tells. The request is gone afterwards. */
static void tell(struct later *l)
{
    switch (l->kind) {
    case LATER_PRODUCER:
        hulse_producer_opened(l->rq);
        hulse_open_free(l->rq);
        break;
    case LATER_CONSUMER:
        hulse_consumer_opened(l->rq);
        hulse_open_free(l->rq);
        break;
    case LATER_ASK:
        hulse_ask_done(l->ask);
        break;
    case LATER_ERRAND:
        hulse_errand_done(l->consumer);
        break;
    }
}

static void set_result(struct later *l, hulse_status status, const char *text)
{
    switch (l->kind) {
    case LATER_PRODUCER:
    case LATER_CONSUMER:
        l->rq->status = status;
        l->rq->text = text;
        break;
    case LATER_ASK:
        hulse_ask_refuse(l->ask, status, text);
        break;
    case LATER_ERRAND:
        l->consumer->errand.status = status;
        l->consumer->errand.text = text;
        if (l->topic != NULL) {
            l->consumer->errand.has_id = hulse_topic_last(l->topic, &l->consumer->errand.id);
        }
        break;
    }
}

/* Once more; false: it waits again. */
static bool serve_again(struct local_worker *lw, struct later *l)
{
    switch (l->kind) {
    case LATER_PRODUCER:
        hulse_topic_attach_producer(lw, l->rq);
        break;
    case LATER_CONSUMER:
        hulse_topic_attach_consumer(lw, l->rq);
        break;
    case LATER_ASK:
        hulse_ask_serve(lw, l->ask);
        break;
    case LATER_ERRAND:
        HULSE_ASSERT(false);
    }
    return hulse_link_empty(&l->link);
}

static void answer(struct local_worker *lw, struct later *l)
{
    if (l->home == LATER_CONTROL) {
        hulse_ask_answer(l->ask);
        hulse_later_returned(l);
    } else if (l->home == lw->index) {
        tell(l);
        hulse_later_returned(l);
    } else {
        hulse_lane_add(lw, l->home, &l->op, OP_LATER);
    }
}

void hulse_later_serve(struct local_worker *lw,
                       struct link *waiting,
                       hulse_status status,
                       const char *text)
{
    struct link mine;
    hulse_link_init(&mine);
    hulse_link_prepend_all(&mine, waiting);
    while (!hulse_link_empty(&mine)) {
        struct later *l = HULSE_CONTAINER(mine.next, struct later, link);
        hulse_link_remove(&l->link);
        if (status == HULSE_OK && l->again && !lw->stopping) {
            if (!serve_again(lw, l)) {
                continue;
            }
        } else if (status == HULSE_OK && l->again) {
            set_result(l, HULSE_CLOSED, hulse_store_text(HULSE_CLOSED));
        } else {
            set_result(l, status, text);
        }
        answer(lw, l);
    }
}

void hulse_later_arrived(struct local_worker *lw, struct later *l)
{
    HULSE_ASSERT(lw->awaited > 0);
    lw->awaited -= 1;
    tell(l);
}

void hulse_later_returned(struct later *l)
{
    hulse_mem_free(HULSE_MEM_TOPIC, l, sizeof(*l));
}
