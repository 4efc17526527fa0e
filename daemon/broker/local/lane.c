/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lane - ops from one worker to another, in order, many at a time.
 *
 * An op is embedded in what it carries, so adding one cannot fail and the number of ops is bounded
 * by the number of their carriers. A batch is a request in the peer's inbox and its answer in the
 * same node; when the peer's inbox is full or all batches are under way, ops stay in the lane.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <stddef.h>
#include <time.h>

#define CLOSE_NAP_NS 50000
#define CLOSE_BUDGET 64U

/* The same broker's state on this worker. */
static struct local_worker *peer_here(const struct local_worker *theirs)
{
    return hulse_worker_state(hulse_worker_self(), &hulse_local_module, theirs->broker);
}

static struct worker *peer_of(const struct lane *lane)
{
    return lane->home->worker->peers[lane->peer];
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
        hulse_op_complete(lw, op);
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
    struct local_worker *lw = peer_here(batch->lane->home);
    for (struct link *l = batch->ops.next; l != &batch->ops; l = l->next) {
        hulse_op_serve(lw, HULSE_CONTAINER(l, struct op, link));
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
        hulse_op_complete(lw, op);
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
    struct local_worker *lw = peer_here(theirs->home);
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
