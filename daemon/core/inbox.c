/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inbox - see the header.
 *
 * Waking is a Dekker pair. A poster stores its node, fences, then loads `sleeping`; the owner
 * stores `sleeping`, fences, then looks for nodes. One of the two sees the other, so either the
 * owner does not sleep or somebody writes the eventfd. Whoever turns `sleeping` off writes it, so
 * one sleep costs one write however many post.
 */
#include "daemon/core/inbox.h"

#include "daemon/core/assert.h"
#include "daemon/core/fence.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool hulse_inbox_init(struct inbox *in, uint32_t requests_max)
{
    HULSE_ASSERT(requests_max > 0);

    cds_wfcq_init(&in->head, &in->tail);
    atomic_init(&in->requests, 0);
    atomic_init(&in->sleeping, 0);
    in->requests_max = requests_max;
    in->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (in->fd < 0) {
        cds_wfcq_destroy(&in->head, &in->tail);
        return false;
    }
    return true;
}

void hulse_inbox_fini(struct inbox *in)
{
    if (in->fd >= 0) {
        (void)close(in->fd);
        in->fd = -1;
        cds_wfcq_destroy(&in->head, &in->tail);
    }
}

static void ring(const struct inbox *in)
{
    const uint64_t one = 1;
    ssize_t written = 0;

    do {
        written = write(in->fd, &one, sizeof(one));
    } while (written < 0 && errno == EINTR);
    /* EAGAIN would take 2^64 rings unread: the owner is awake then anyway. */
}

static void enqueue(struct inbox *in, struct inbox_node *node)
{
    cds_wfcq_node_init(&node->link);
    /* SYNC(inbox.node) release: the message before the node that carries it (in the exchange). */
    HULSE_TSAN_RELEASE(node);
    (void)cds_wfcq_enqueue(&in->head, &in->tail, &node->link);

    /* SYNC(inbox.sleeping) fence: the node before `sleeping`, against the owner's park. */
    hulse_full_fence();
    /* Relaxed because the fence orders it and the exchange decides. */
    if (atomic_load_explicit(&in->sleeping, memory_order_relaxed) != 0 &&
        atomic_exchange_explicit(&in->sleeping, 0, memory_order_relaxed) != 0) {
        ring(in);
    }
}

bool hulse_inbox_post(struct inbox *in, struct inbox_node *node)
{
    HULSE_ASSERT(node->run != NULL);

    /* Relaxed because the number bounds the queue and orders nothing. */
    uint32_t requests = atomic_load_explicit(&in->requests, memory_order_relaxed);
    do {
        if (requests >= in->requests_max) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &in->requests, &requests, requests + 1, memory_order_relaxed, memory_order_relaxed));
    node->request = true;
    enqueue(in, node);
    return true;
}

void hulse_inbox_answer(struct inbox *in, struct inbox_node *node)
{
    HULSE_ASSERT(node->run != NULL);

    node->request = false;
    enqueue(in, node);
}

static struct inbox_node *dequeue(struct inbox *in)
{
    struct cds_wfcq_node *link =
        __cds_wfcq_dequeue_nonblocking(cds_wfcq_head_cast(&in->head), &in->tail);
    /* A poster between its two stores: its node is taken in the next round. */
    if (link == NULL || link == CDS_WFCQ_WOULDBLOCK) {
        return NULL;
    }
    struct inbox_node *node = HULSE_CONTAINER(link, struct inbox_node, link);
    /* SYNC(inbox.node) acquire: the message after its node (dependent loads in liburcu). */
    HULSE_TSAN_ACQUIRE(node);
    return node;
}

/* Before run(), which may post this very node again or free it. */
static void count_down(struct inbox *in)
{
    const uint32_t requests = atomic_fetch_sub_explicit(&in->requests, 1, memory_order_relaxed);

    HULSE_ASSERT(requests > 0);
}

unsigned hulse_inbox_run(struct inbox *in, unsigned budget)
{
    for (unsigned count = 0; count < budget; count++) {
        struct inbox_node *node = dequeue(in);
        if (node == NULL) {
            return count;
        }
        if (node->request) {
            count_down(in);
        }
        node->run(node);
    }
    return budget;
}

bool hulse_inbox_park(struct inbox *in)
{
    /* Relaxed because the fence follows. */
    atomic_store_explicit(&in->sleeping, 1, memory_order_relaxed);
    /* SYNC(inbox.sleeping) fence: `sleeping` before the look for nodes, against the posters. */
    hulse_full_fence();
    return !cds_wfcq_empty(cds_wfcq_head_cast(&in->head), &in->tail);
}

void hulse_inbox_unpark(struct inbox *in)
{
    if (atomic_exchange_explicit(&in->sleeping, 0, memory_order_relaxed) != 0) {
        return; /* nobody rang */
    }
    uint64_t rings = 0;
    /* The ring may still be on its way; it then shortens a later sleep, which is harmless. */
    const ssize_t got = read(in->fd, &rings, sizeof(rings));
    (void)got;
}
