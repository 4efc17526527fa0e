/* SPDX-License-Identifier: Apache-2.0 */
/*
 * by_hand_thread - a worker's thread for a test to run on, from its inbox.
 *
 * Threads: the test's starts, runs and stops it; `body` is run on the worker's.
 */
#ifndef HULSE_TESTS_UNIT_APP_BY_HAND_THREAD_H
#define HULSE_TESTS_UNIT_APP_BY_HAND_THREAD_H

#include "daemon/core/inbox.h"
#include "daemon/worker/worker.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#define HAND_NEED(condition)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct hand_thread {
    struct worker *worker;
    struct worker *peers[1];
    _Atomic(uint32_t) runnable;
};

struct hand_errand {
    struct inbox_node node;
    int (*body)(struct worker *w, void *ctx);
    void *ctx;
    struct worker *worker;
    int result;
    sem_t done;
};

static inline void hand_thread_start(struct hand_thread *t)
{
    struct error err = {0};
    const struct worker_params params = {.worker_count = 1, .cpu = -1, .cpu_count = 1};
    *t = (struct hand_thread){0};
    HAND_NEED(hulse_worker_start(&t->worker, &params, t->peers, &t->runnable, &err) == HULSE_OK);
}

static inline void hand_run_node(struct inbox_node *node)
{
    struct hand_errand *c = HULSE_CONTAINER(node, struct hand_errand, node);
    c->result = c->body(c->worker, c->ctx);
    (void)sem_post(&c->done);
}

/* Runs `body` on the worker's thread, and waits. */
static inline int
hand_thread_run(struct hand_thread *t, int (*body)(struct worker *w, void *ctx), void *ctx)
{
    struct hand_errand c = {
        .node = {.run = hand_run_node}, .body = body, .ctx = ctx, .worker = t->worker};
    (void)sem_init(&c.done, 0, 0);
    HAND_NEED(hulse_worker_post(t->worker, &c.node));
    while (sem_wait(&c.done) != 0) {
    }
    (void)sem_destroy(&c.done);
    return c.result;
}

static inline void hand_thread_stop(struct hand_thread *t)
{
    hulse_worker_stop(&t->worker);
}

#endif
