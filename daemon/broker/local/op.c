/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op - what the ops of lanes do, on the peer and when they are back.
 */
#include "daemon/broker/local/ask.h"
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

static void serve_publish(struct message *m)
{
    if (m->topic->end != TOPIC_LIVE) {
        m->outcome = hulse_topic_refusal(m->topic->end);
        return;
    }
    /* Relaxed because its home holds the message itself. */
    (void)atomic_fetch_add_explicit(&m->workers, 1, memory_order_relaxed);
    m->outcome = HULSE_OUTCOME_STORED;
    if (m->topic->durable == NULL) {
        hulse_topic_publish(m->topic, m);
        return;
    }
    const struct publication_from from = {.producer = m->producer,
                                          .handle = m->producer->handle,
                                          .worker = m->producer->worker->index};
    m->outcome = LOCAL_OUTCOME_LATER;
    if (!hulse_publication_begin(m->topic, m, &from)) {
        m->outcome = HULSE_OUTCOME_NO_MEMORY;
        hulse_message_let_go(m);
    }
}

static void detach_producer(const struct producer *p)
{
    hulse_topic_detach_producer(p->topic, p->handle, p->forget);
}

/* What the topic's worker sends. */
static void serve_news(struct local_worker *lw, struct op *op)
{
    switch (op->kind) {
    case OP_DELIVER:
        hulse_consumer_receive(lw, HULSE_CONTAINER(op, struct delivery, op));
        break;
    case OP_ENDED:
        hulse_notice_arrived(lw, HULSE_CONTAINER(op, struct notice, op));
        break;
    case OP_END_OF_TOPIC: {
        const struct seat *seat = HULSE_CONTAINER(op, struct seat, end.op);
        hulse_consumer_lost_by_then(seat->consumer, seat->end.lost);
        hulse_consumer_end_of_topic(seat->consumer);
        break;
    }
    case OP_CAUGHT_UP: {
        const struct seat *seat = HULSE_CONTAINER(op, struct seat, caught_up.op);
        hulse_consumer_lost_by_then(seat->consumer, seat->caught_up.lost);
        hulse_consumer_caught_up(seat->consumer);
        break;
    }
    case OP_LOST: {
        const struct seat *seat = HULSE_CONTAINER(op, struct seat, loss.op);
        hulse_consumer_lost_by_then(seat->consumer, seat->loss.lost);
        break;
    }
    case OP_LATER:
        hulse_later_arrived(lw, HULSE_CONTAINER(op, struct later, op));
        break;
    case OP_STORED:
        hulse_publication_arrived(lw, HULSE_CONTAINER(op, struct publication, op));
        break;
    case OP_SETTLED: {
        const struct seat *seat = HULSE_CONTAINER(op, struct seat, settle_op);
        hulse_consumer_settled(seat->consumer, seat->settled_told);
        break;
    }
    default:
        HULSE_ASSERT(false);
    }
}

/* On the peer. A worker that stops takes nothing new in. */
void hulse_op_serve(struct local_worker *lw, struct op *op)
{
    switch (op->kind) {
    case OP_OPEN_PRODUCER:
        if (!lw->stopping) {
            hulse_topic_attach_producer(lw, HULSE_CONTAINER(op, struct open_request, op));
        }
        break;
    case OP_OPEN_CONSUMER:
        if (!lw->stopping) {
            hulse_topic_attach_consumer(lw, HULSE_CONTAINER(op, struct open_request, op));
        }
        break;
    case OP_CLOSE_PRODUCER:
        detach_producer(HULSE_CONTAINER(op, struct producer, close_op));
        break;
    case OP_CLOSE_CONSUMER: {
        const struct consumer *c = HULSE_CONTAINER(op, struct consumer, close_op);
        hulse_seat_close(c->seat, c->unsubscribe);
        break;
    }
    case OP_PUBLISH:
        if (!lw->stopping) {
            serve_publish(HULSE_CONTAINER(op, struct message, op));
        }
        break;
    case OP_PERMIT:
        if (!lw->stopping) {
            const struct consumer *c = HULSE_CONTAINER(op, struct consumer, permit_op);
            hulse_seat_permit(c->seat, c->permit_count);
        }
        break;
    case OP_VERDICT: {
        const struct delivery *dl = HULSE_CONTAINER(op, struct delivery, op);
        struct seat *seat = dl->origin->seat;
        hulse_seat_verdict(dl->origin, (enum verdict)dl->verdict, dl->delay_ms);
        if (dl->call && seat->sub->cursor != NULL) {
            hulse_seat_called(seat);
        }
        break;
    }
    case OP_ACK_ID: {
        const struct ack_id *a = HULSE_CONTAINER(op, struct ack_id, op);
        hulse_ack_id_serve(a);
        if (a->seat->sub->cursor != NULL) {
            hulse_seat_called(a->seat);
        }
        break;
    }
    case OP_ERRAND:
        if (!lw->stopping) {
            hulse_errand_serve(HULSE_CONTAINER(op, struct consumer, errand.op));
        }
        break;
    case OP_ASK:
        if (!lw->stopping) {
            hulse_ask_serve(lw, HULSE_CONTAINER(op, struct ask, op));
        }
        break;
    default:
        serve_news(lw, op);
    }
}

/* It is not answered yet: an OP_LATER is owed, and until then it belongs to the other worker. */
static bool comes_later(struct local_worker *lw, const struct later *later)
{
    lw->awaited += later != NULL;
    return later != NULL;
}

static void complete_news(struct local_worker *lw, struct op *op)
{
    switch (op->kind) {
    case OP_DELIVER:
        hulse_seat_returned(HULSE_CONTAINER(op, struct delivery, op));
        break;
    case OP_ENDED:
        hulse_notice_returned(HULSE_CONTAINER(op, struct notice, op));
        break;
    case OP_END_OF_TOPIC:
        hulse_seat_end_returned(HULSE_CONTAINER(op, struct seat, end.op));
        break;
    case OP_CAUGHT_UP:
        hulse_seat_caught_up_returned(HULSE_CONTAINER(op, struct seat, caught_up.op));
        break;
    case OP_LOST:
        hulse_seat_lost_returned(HULSE_CONTAINER(op, struct seat, loss.op));
        break;
    case OP_LATER:
        hulse_later_returned(HULSE_CONTAINER(op, struct later, op));
        break;
    case OP_STORED:
        hulse_publication_returned(lw, HULSE_CONTAINER(op, struct publication, op));
        break;
    case OP_SETTLED:
        hulse_seat_settled_returned(HULSE_CONTAINER(op, struct seat, settle_op));
        break;
    default:
        HULSE_ASSERT(false);
    }
}

/* At home again. */
void hulse_op_complete(struct local_worker *lw, struct op *op)
{
    struct open_request *rq = NULL;
    switch (op->kind) {
    case OP_OPEN_PRODUCER:
        rq = HULSE_CONTAINER(op, struct open_request, op);
        if (!comes_later(lw, rq->later)) {
            hulse_producer_opened(rq);
            hulse_open_free(rq);
        }
        break;
    case OP_OPEN_CONSUMER:
        rq = HULSE_CONTAINER(op, struct open_request, op);
        if (!comes_later(lw, rq->later)) {
            hulse_consumer_opened(rq);
            hulse_open_free(rq);
        }
        break;
    case OP_CLOSE_PRODUCER:
        hulse_producer_closed(HULSE_CONTAINER(op, struct producer, close_op));
        break;
    case OP_CLOSE_CONSUMER:
        hulse_consumer_closed(HULSE_CONTAINER(op, struct consumer, close_op));
        break;
    case OP_PUBLISH:
        hulse_producer_answered(HULSE_CONTAINER(op, struct message, op));
        break;
    case OP_PERMIT:
        hulse_consumer_permitted(HULSE_CONTAINER(op, struct consumer, permit_op));
        break;
    case OP_VERDICT:
        hulse_delivery_free(lw, HULSE_CONTAINER(op, struct delivery, op));
        break;
    case OP_ACK_ID:
        hulse_mem_free(
            HULSE_MEM_TOPIC, HULSE_CONTAINER(op, struct ack_id, op), sizeof(struct ack_id));
        break;
    case OP_ERRAND: {
        struct consumer *c = HULSE_CONTAINER(op, struct consumer, errand.op);
        if (!comes_later(lw, c->errand.later)) {
            hulse_errand_done(c);
        }
        break;
    }
    case OP_ASK: {
        struct ask *a = HULSE_CONTAINER(op, struct ask, op);
        if (!comes_later(lw, a->later)) {
            hulse_ask_back(lw, a);
        }
        break;
    }
    default:
        complete_news(lw, op);
    }
}
