/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lane - ops from one worker to another, in order, many at a time.
 *
 * An op is embedded in what it carries, so adding one cannot fail and the number of ops is bounded
 * by the number of their carriers. A batch is a request in the peer's inbox and its answer in the
 * same node; when the peer's inbox is full or all batches are under way, ops stay in the lane.
 */
#include "daemon/broker/local/ask.h"
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <stddef.h>
#include <time.h>

#define CLOSE_NAP_NS 50000
#define CLOSE_BUDGET 64U

static struct local_worker *local_here(void)
{
    return hulse_worker_state(hulse_worker_self(), &hulse_local_module);
}

static struct worker *peer_of(const struct lane *lane)
{
    return lane->home->worker->peers[lane->peer];
}

/* ---- what ops do ---- */

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
    const struct publication_from from = {
        .producer = m->producer, .handle = m->producer->handle, .worker = m->producer->worker->index};
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

/* On the peer. A worker that stops takes nothing new in. */
static void serve(struct local_worker *lw, struct op *op)
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
    case OP_DELIVER:
        hulse_consumer_receive(lw, HULSE_CONTAINER(op, struct delivery, op));
        break;
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
    case OP_ENDED:
        hulse_notice_arrived(lw, HULSE_CONTAINER(op, struct notice, op));
        break;
    case OP_END_OF_TOPIC:
        hulse_consumer_end_of_topic(HULSE_CONTAINER(op, struct seat, end_op)->consumer);
        break;
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
    case OP_KINDS:
        HULSE_ASSERT(false);
    }
}

/* It is not answered yet: an OP_LATER is owed, and until then it belongs to the other worker. */
static bool comes_later(struct local_worker *lw, const struct later *later)
{
    lw->awaited += later != NULL;
    return later != NULL;
}

/* At home again. */
static void complete(struct local_worker *lw, struct op *op)
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
    case OP_DELIVER:
        hulse_seat_returned(HULSE_CONTAINER(op, struct delivery, op));
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
            hulse_ask_done(a);
        }
        break;
    }
    case OP_ENDED:
        hulse_notice_returned(HULSE_CONTAINER(op, struct notice, op));
        break;
    case OP_END_OF_TOPIC:
        hulse_seat_end_returned(HULSE_CONTAINER(op, struct seat, end_op));
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
    case OP_KINDS:
        HULSE_ASSERT(false);
    }
}

static void complete_all(struct local_worker *lw, struct link *ops)
{
    struct link mine;
    hulse_link_init(&mine);
    hulse_link_prepend_all(&mine, ops);
    while (!hulse_link_empty(&mine)) {
        struct op *op = HULSE_CONTAINER(mine.next, struct op, link);
        hulse_link_remove(&op->link);
        op->posted = false;
        complete(lw, op);
    }
}

/* ---- batches ---- */

/* At home: the answer. */
static void run_back(struct inbox_node *node)
{
    struct batch *batch = HULSE_CONTAINER(node, struct batch, node);
    struct lane *lane = batch->lane;
    batch->in_flight = false;
    lane->in_flight -= 1;
    complete_all(lane->home, &batch->ops);
}

/* On the peer: the request. */
static void run_there(struct inbox_node *node)
{
    struct batch *batch = HULSE_CONTAINER(node, struct batch, node);
    struct worker *home = batch->lane->home->worker;
    struct local_worker *lw = local_here();
    for (struct link *l = batch->ops.next; l != &batch->ops; l = l->next) {
        serve(lw, HULSE_CONTAINER(l, struct op, link));
    }
    node->run = run_back;
    hulse_worker_answer(home, node);
}

void hulse_lane_init(struct lane *lane, struct local_worker *home, uint32_t peer)
{
    *lane = (struct lane){.home = home, .peer = peer};
    hulse_link_init(&lane->ops);
    for (uint32_t i = 0; i < LOCAL_LANE_BATCHES; i++) {
        lane->batches[i].lane = lane;
        hulse_link_init(&lane->batches[i].ops);
    }
}

void hulse_lane_add(struct local_worker *lw, uint32_t peer, struct op *op, enum op_kind kind)
{
    struct lane *lane = &lw->lanes[peer];
    op->kind = kind;
    op->posted = false;
    if (lane->gone) {
        hulse_link_init(&op->link);
        complete(lw, op);
        return;
    }
    hulse_link_append(&lane->ops, &op->link);
}

void hulse_lane_recall(struct op *op)
{
    HULSE_ASSERT(!op->posted);
    hulse_link_remove(&op->link);
}

/* Marks up to LOCAL_BATCH_OPS of the lane as posted and gives the last of them. */
static struct link *mark(struct lane *lane)
{
    struct link *last = &lane->ops;
    for (uint32_t i = 0; i < LOCAL_BATCH_OPS && last->next != &lane->ops; i++) {
        last = last->next;
        HULSE_CONTAINER(last, struct op, link)->posted = true;
    }
    return last;
}

/* False: the peer's inbox is full and the ops are back in the lane. */
static bool post(struct lane *lane, struct batch *batch)
{
    hulse_link_prepend_range(&batch->ops, lane->ops.next, mark(lane));
    batch->node.run = run_there;
    batch->in_flight = true;
    lane->in_flight += 1;
    if (hulse_worker_post(peer_of(lane), &batch->node)) {
        return true;
    }
    batch->in_flight = false;
    lane->in_flight -= 1;
    for (struct link *l = batch->ops.next; l != &batch->ops; l = l->next) {
        HULSE_CONTAINER(l, struct op, link)->posted = false;
    }
    hulse_link_prepend_all(&lane->ops, &batch->ops);
    return false;
}

static void flush(struct lane *lane)
{
    while (!hulse_link_empty(&lane->ops)) {
        /* They come back in the order they went, so the next one is free or none is. */
        struct batch *batch = &lane->batches[lane->next];
        if (batch->in_flight) {
            return; /* its return ends a turn, which flushes */
        }
        if (!post(lane, batch)) {
            struct local_worker *lw = lane->home;
            if (!hulse_timer_pending(&lw->retry)) {
                hulse_timer_start(
                    &lw->worker->loop.timers, &lw->retry, hulse_local_now_ms(lw) + LOCAL_RETRY_MS);
            }
            return;
        }
        lane->next = (lane->next + 1) % LOCAL_LANE_BATCHES;
    }
}

void hulse_lanes_flush(struct local_worker *lw)
{
    for (uint32_t i = 0; i < lw->worker_count; i++) {
        flush(&lw->lanes[i]);
    }
}

/* ---- the end ---- */

void hulse_store_flush_here(struct local_worker *lw)
{
    if (lw->broker->store != NULL) {
        hulse_cursors_commit(lw);
        hulse_store_flush(&lw->store);
    }
}

/* The last thing this worker does to the other one: it may be gone right after. */
static void be_quiet(struct local_worker *lw, uint32_t to)
{
    /* SYNC(local.quiet) release: every access to that worker's inbox comes before. */
    atomic_store_explicit(&lw->broker->quiet[lw->index][to], true, memory_order_release);
}

static bool is_quiet(const struct local_worker *lw, uint32_t from)
{
    /* SYNC(local.quiet) acquire: what that worker did to this one's inbox is over. */
    return atomic_load_explicit(&lw->broker->quiet[from][lw->index], memory_order_acquire);
}

/* On the peer. What the other one sent before has been served; nothing from here ever after. */
static void goodbye_there(struct inbox_node *node)
{
    const struct lane *theirs = HULSE_CONTAINER(node, struct lane, goodbye);
    struct local_worker *lw = local_here();
    const uint32_t gone = theirs->home->index;
    struct lane *mine = &lw->lanes[gone];
    mine->gone = true;
    complete_all(lw, &mine->ops);
    hulse_ending_worker_gone(lw, gone);
    be_quiet(lw, gone);
}

static unsigned run_inbox(struct local_worker *lw)
{
    hulse_store_flush_here(lw);

    const unsigned done = hulse_inbox_run(&lw->worker->loop.inbox, CLOSE_BUDGET);
    if (done == 0) {
        const struct timespec nap = {.tv_nsec = CLOSE_NAP_NS};
        (void)nanosleep(&nap, NULL);
    }
    return done;
}

static bool under_way(const struct local_worker *lw)
{
    if (lw->awaited != 0 || lw->store.under_way != 0) {
        return true;
    }
    for (uint32_t i = 0; i < lw->worker_count; i++) {
        if (lw->lanes[i].in_flight != 0 || !hulse_link_empty(&lw->lanes[i].ops)) {
            return true;
        }
    }
    return false;
}

/* Another worker that runs or ran. */
static bool is_peer(const struct local_worker *lw, uint32_t i)
{
    /* Relaxed because all workers start before anything is opened on one. */
    return i != lw->index && atomic_load_explicit(&lw->broker->started[i], memory_order_relaxed);
}

void hulse_lanes_close(struct local_worker *lw)
{
    HULSE_ASSERT_ROLE(HULSE_ROLE_WORKER);
    HULSE_ASSERT(lw->stopping);

    while (under_way(lw)) {
        hulse_lanes_flush(lw);
        (void)run_inbox(lw);
    }
    for (uint32_t i = 0; i < lw->worker_count; i++) {
        struct lane *lane = &lw->lanes[i];
        if (is_peer(lw, i) && !lane->gone) {
            lane->goodbye.run = goodbye_there;
            hulse_worker_answer(peer_of(lane), &lane->goodbye);
        }
    }
    for (uint32_t i = 0; i < lw->worker_count; i++) {
        while (is_peer(lw, i) && !is_quiet(lw, i)) {
            (void)run_inbox(lw);
        }
    }
    /* What they sent before they fell quiet; they wait for the answers. */
    while (run_inbox(lw) != 0) {
    }
    for (uint32_t i = 0; i < lw->worker_count; i++) {
        be_quiet(lw, i);
    }
}

void hulse_lanes_settle(struct local_worker *lw)
{
    do {
        (void)run_inbox(lw);
    } while (lw->store.under_way != 0 || !hulse_link_empty(&lw->changed));
}
