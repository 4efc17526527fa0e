/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_list - the topics of all brokers, of a tenant or of a namespace: each broker is asked, one after the other, and
 * those that do not tell are named with why.
 *
 * A broker that does not answer in time is waited for no longer; until it does the list exists and counts
 * against the bound.
 *
 * Threads: control.
 */
#ifndef HULSE_CONTROL_TOPIC_LIST_H
#define HULSE_CONTROL_TOPIC_LIST_H

#include "daemon/admin/answer.h"
#include "daemon/admin/request.h"
#include "daemon/flow/flow.h"
#include "daemon/worker/loop.h"

#include <sys/queue.h>

#define HULSE_TOPIC_LIST_TIMEOUT_MS 20000U
#define HULSE_TOPIC_LISTS_MAX 32U

struct topic_list;

struct topic_lists {
    struct loop *loop;
    const struct flow *flow;
    LIST_HEAD(, topic_list) open;
    uint32_t open_count;
};

void hulse_topic_lists_init(struct topic_lists *all, struct loop *loop, const struct flow *flow);
/* After the workers have ended and their answers have been run. */
void hulse_topic_lists_fini(struct topic_lists *all);
/*
 * `namespace_name`: as BROKER_ADMIN_TOPICS. `done` and *out as hulse_topic_order_start().
 */
struct topic_list *hulse_topic_list_start(struct topic_lists *all,
                                          const char *namespace_name,
                                          void (*done)(void *ctx, const struct admin_line *line),
                                          void *ctx,
                                          struct admin_line *out);
/* The caller no longer waits: `done` will not come. Harmless on NULL. */
void hulse_topic_list_forget(struct topic_list **list);

#endif
