/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_order - what the operator wants of the store: check it, copy it. A thread of its own does it, for as long
 * as it takes; one at a time.
 *
 * Threads: control.
 */
#ifndef HULSE_CONTROL_STORE_ORDER_H
#define HULSE_CONTROL_STORE_ORDER_H

#include "daemon/admin/answer.h"
#include "daemon/admin/request.h"
#include "daemon/core/inbox.h"
#include "daemon/store/look.h"
#include "daemon/worker/loop.h"

#include <pthread.h>
#include <stdatomic.h>

/* The only one; embedded in whoever takes orders. */
struct store_order {
    struct loop *loop;
    struct store *store; /* NULL: there is none */
    bool under_way;
    /* NULL: nobody waits. */
    void (*done)(void *ctx, const struct admin_line *line);
    void *ctx;
    pthread_t thread;
    struct inbox_node node;
    _Atomic(uint32_t) stop;
    struct admin_request request;
    /* The thread's until it has answered. */
    hulse_status status;
    struct error err;
    struct store_findings findings;
    struct store_backup backup;
};

void hulse_store_order_init(struct store_order *o, struct loop *loop, struct store *store);
/* Asks the thread to stop, waits for its end. While inbox and store are there. */
void hulse_store_order_fini(struct store_order *o);
/* True for the commands that are meant here. */
bool hulse_store_order_is(const struct admin_request *request);
/*
 * True: `done` comes once, never from within this call, with the answer, which is the receiver's to free; empty
 * when memory was refused even for an error. False: it does not come, and the answer is in *out already.
 */
bool hulse_store_order_start(struct store_order *o,
                             const struct admin_request *request,
                             void (*done)(void *ctx, const struct admin_line *line),
                             void *ctx,
                             struct admin_line *out);
/* This caller no longer waits; the work goes on. Harmless when another one does. */
void hulse_store_order_forget(struct store_order *o, const void *ctx);

#endif
