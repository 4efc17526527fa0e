/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client - how requests come to a store and answers go back.
 *
 * Answers stand in a queue of the client's before they are announced: their number is added to
 * `answered`, and who finds it at 0 puts the client's node into its inbox. The owner takes as many as
 * were announced. Who announces may ring after the owner has had the last answer, so the end of a
 * client waits for that.
 */
#include "daemon/core/assert.h"
#include "daemon/store/store_internal.h"

#include <sched.h>

#define ONE_REQUEST UINT64_C(1)
#define ONE_READ (UINT64_C(1) << 32)

/* ---- the client's thread ----------------------------------------------------------------- */

/* The next node of a queue that certainly has one; who put it there may be between its two stores. */
static struct cds_wfcq_node *dequeue(struct cds_wfcq_head *head, struct cds_wfcq_tail *tail)
{
    for (;;) {
        struct cds_wfcq_node *node = __cds_wfcq_dequeue_nonblocking(cds_wfcq_head_cast(head), tail);
        if (node != CDS_WFCQ_WOULDBLOCK) {
            return node;
        }
        (void)sched_yield();
    }
}

static void deliver(struct inbox_node *node)
{
    struct store_client *c = HULSE_CONTAINER(node, struct store_client, node);
    /* SYNC(store.answered) acquire: the answers before their number. */
    /* SYNC(store.node) release: the inbox has read the node before it may be put in again. */
    const uint64_t answered = atomic_exchange_explicit(&c->answered, 0, memory_order_acq_rel);
    const uint32_t requests = (uint32_t)answered;
    const uint32_t reads = (uint32_t)(answered >> 32);

    HULSE_ASSERT(requests + reads <= c->under_way);
    for (uint32_t i = 0; i < requests; i++) {
        struct cds_wfcq_node *link = dequeue(&c->done_head, &c->done_tail);
        struct store_request *rq = HULSE_CONTAINER(link, struct store_request, link);
        c->under_way--;
        rq->done(rq);
    }
    for (uint32_t i = 0; i < reads; i++) {
        struct cds_wfcq_node *link = dequeue(&c->read_head, &c->read_tail);
        struct store_read *rd = HULSE_CONTAINER(link, struct store_read, link);
        c->under_way--;
        rd->done(rd);
    }
}

void hulse_store_client_init(struct store_client *c, struct store *s, struct inbox *home)
{
    *c = (struct store_client){.store = s, .home = home, .node.run = deliver};
    cds_wfcq_init(&c->head, &c->tail);
    cds_wfcq_init(&c->done_head, &c->done_tail);
    cds_wfcq_init(&c->read_head, &c->read_tail);
}

void hulse_store_client_fini(struct store_client *c)
{
    HULSE_ASSERT(c->under_way == 0);
    /* SYNC(store.ringing) acquire: who announced the last answer may still be about to ring. */
    while (atomic_load_explicit(&c->ringing, memory_order_acquire) != 0) {
        (void)sched_yield();
    }
    cds_wfcq_destroy(&c->head, &c->tail);
    cds_wfcq_destroy(&c->done_head, &c->done_tail);
    cds_wfcq_destroy(&c->read_head, &c->read_tail);
}

void hulse_store_submit(struct store_client *c, struct store_request *rq)
{
    HULSE_ASSERT(rq->done != NULL);
    rq->client = c;
    rq->status = HULSE_OK;
    cds_wfcq_node_init(&rq->link);
    (void)cds_wfcq_enqueue(&c->head, &c->tail, &rq->link);
    c->collected++;
    c->under_way++;
    c->eager = c->eager || !rq->lazy;
}

/* Nobody serves it any more: whoever comes late ends it. */
static void refuse_if_closed(struct store *s)
{
    /* Relaxed because the sleeper's fence before it orders it against the queues. */
    if (atomic_load_explicit(&s->closed, memory_order_relaxed) != 0) {
        (void)pthread_mutex_lock(&s->lock);
        hulse_store_refuse_all(s);
        (void)pthread_mutex_unlock(&s->lock);
    }
}

void hulse_store_flush(struct store_client *c)
{
    struct store *s = c->store;
    const bool eager = c->eager;

    if (c->collected == 0) {
        return;
    }
    c->collected = 0;
    c->eager = false;
    /* SYNC(store.submitted) release: requests before their links (in the exchange). */
    HULSE_TSAN_RELEASE(&s->submitted_tail);
    (void)__cds_wfcq_splice_blocking(cds_wfcq_head_cast(&s->submitted_head),
                                     &s->submitted_tail,
                                     cds_wfcq_head_cast(&c->head),
                                     &c->tail);
    hulse_sleeper_wake(&s->writer_sleep, eager);
    refuse_if_closed(s);
}

void hulse_store_read_submit(struct store_client *c, struct store_read *rd)
{
    struct store *s = c->store;

    HULSE_ASSERT(rd->done != NULL);
    rd->client = c;
    rd->status = HULSE_OK;
    rd->buffer = NULL;
    rd->buffer_bytes = 0;
    rd->filled = 0;
    rd->count = 0;
    rd->damaged = 0;
    rd->damaged_behind = 0;
    rd->next = rd->from;
    c->under_way++;
    cds_wfcq_node_init(&rd->link);
    /* SYNC(store.reads) release: the read before its link (in the exchange). */
    HULSE_TSAN_RELEASE(&s->reads_tail);
    (void)cds_wfcq_enqueue(&s->reads_head, &s->reads_tail, &rd->link);
    hulse_sleeper_wake(&s->reader_sleep, true);
    refuse_if_closed(s);
}

/* ---- the store's threads ----------------------------------------------------------------- */

/* NULL: there is none, or it is between two stores of its client, which then wakes. */
static struct cds_wfcq_node *take_link(struct cds_wfcq_head *head, struct cds_wfcq_tail *tail)
{
    struct cds_wfcq_node *link = __cds_wfcq_dequeue_nonblocking(cds_wfcq_head_cast(head), tail);

    return link == CDS_WFCQ_WOULDBLOCK ? NULL : link;
}

struct store_request *hulse_store_take(struct store *s)
{
    struct cds_wfcq_node *link = take_link(&s->submitted_head, &s->submitted_tail);

    if (link == NULL) {
        return NULL;
    }
    /* SYNC(store.submitted) acquire: requests after their links (dependent loads in liburcu). */
    HULSE_TSAN_ACQUIRE(&s->submitted_tail);
    return HULSE_CONTAINER(link, struct store_request, link);
}

struct store_read *hulse_store_take_read(struct store *s)
{
    struct cds_wfcq_node *link = take_link(&s->reads_head, &s->reads_tail);

    if (link == NULL) {
        return NULL;
    }
    /* SYNC(store.reads) acquire: the read after its link (dependent loads in liburcu). */
    HULSE_TSAN_ACQUIRE(&s->reads_tail);
    return HULSE_CONTAINER(link, struct store_read, link);
}

static void announce(struct store_client *c, uint64_t count)
{
    /* Relaxed because the number is added after it: who has had the answers sees it. */
    (void)atomic_fetch_add_explicit(&c->ringing, 1, memory_order_relaxed);
    /* SYNC(store.answered) release: the answers before their number. */
    /* SYNC(store.node) acquire: at 0 the node is out of the inbox. */
    if (atomic_fetch_add_explicit(&c->answered, count, memory_order_acq_rel) == 0) {
        hulse_inbox_answer(c->home, &c->node);
    }
    /* SYNC(store.ringing) release: every access to the client and its inbox comes before. */
    (void)atomic_fetch_sub_explicit(&c->ringing, 1, memory_order_release);
}

void hulse_store_answer(struct store_client **answered,
                        struct store_request *rq,
                        hulse_status status)
{
    struct store_client *c = rq->client;

    rq->status = status;
    cds_wfcq_node_init(&rq->link);
    (void)cds_wfcq_enqueue(&c->done_head, &c->done_tail, &rq->link);
    if (c->answers++ == 0) {
        c->next_answered = *answered;
        *answered = c;
    }
}

void hulse_store_announce(struct store_client **answered)
{
    for (struct store_client *c = *answered; c != NULL;) {
        struct store_client *next = c->next_answered;
        const uint32_t count = c->answers;
        c->answers = 0;
        announce(c, count * ONE_REQUEST);
        c = next;
    }
    *answered = NULL;
}

void hulse_store_answer_read(struct store_read *rd, hulse_status status)
{
    struct store_client *c = rd->client;

    rd->status = status;
    cds_wfcq_node_init(&rd->link);
    (void)cds_wfcq_enqueue(&c->read_head, &c->read_tail, &rd->link);
    announce(c, ONE_READ);
}

void hulse_store_refuse_all(struct store *s)
{
    struct store_client *answered = NULL;

    for (struct store_request *rq = hulse_store_take(s); rq != NULL; rq = hulse_store_take(s)) {
        hulse_store_answer(&answered, rq, HULSE_CLOSED);
    }
    hulse_store_announce(&answered);
    for (struct store_read *rd = hulse_store_take_read(s); rd != NULL;
         rd = hulse_store_take_read(s)) {
        hulse_store_answer_read(rd, HULSE_CLOSED);
    }
}
