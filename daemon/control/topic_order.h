/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_order - what the operator wants of one topic or one of its subscriptions: make it, delete it, tell
 * its figures, go elsewhere with it. Carried to the broker that the topic's rule names; the answer is a line.
 *
 * A broker that does not answer in time is waited for no longer, but its answer still comes some day:
 * until then the order exists and counts against the bound.
 *
 * Threads: control.
 */
#ifndef HULSE_CONTROL_TOPIC_ORDER_H
#define HULSE_CONTROL_TOPIC_ORDER_H

#include "daemon/admin/answer.h"
#include "daemon/admin/request.h"
#include "daemon/flow/flow.h"
#include "daemon/worker/loop.h"

#include <sys/queue.h>

/* A cluster has 18 s for all that belongs to one order. */
#define HULSE_TOPIC_ORDER_TIMEOUT_MS 20000U
#define HULSE_TOPIC_ORDERS_MAX 64U

struct topic_order;

struct topic_orders {
    struct loop *loop;
    const struct flow *flow;
    LIST_HEAD(, topic_order) open;
    uint32_t open_count;
};

void hulse_topic_orders_init(struct topic_orders *all, struct loop *loop, const struct flow *flow);
/* After the workers have ended and their answers have been run. */
void hulse_topic_orders_fini(struct topic_orders *all);
/* True for the commands that are meant here. */
bool hulse_topic_order_is(const struct admin_request *request);
/*
 * `done` comes once, never from within this call, with the answer, which is the receiver's to free;
 * empty when memory was refused even for an error. NULL: it does not come, and the answer is in *out
 * already.
 */
struct topic_order *hulse_topic_order_start(struct topic_orders *all,
                                            const struct admin_request *request,
                                            void (*done)(void *ctx, const struct admin_line *line),
                                            void *ctx,
                                            struct admin_line *out);
/* The caller no longer waits: `done` will not come. Harmless on NULL. */
void hulse_topic_order_forget(struct topic_order **order);

#endif
