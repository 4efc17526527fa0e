/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deep_health - whether the default broker answers: the topic that the configuration names is looked up, and the
 * namespaces of a tenant are counted where it has an API for that.
 *
 * What was found is told again for 10 s. A broker that does not answer in time is waited for no longer; until it does the
 * check exists and counts against the bound.
 *
 * Threads: control.
 */
#ifndef HULSE_CONTROL_DEEP_HEALTH_H
#define HULSE_CONTROL_DEEP_HEALTH_H

#include "daemon/admin/answer.h"
#include "daemon/config/config.h"
#include "daemon/flow/flow.h"
#include "daemon/worker/loop.h"

#include <sys/queue.h>

#define HULSE_DEEP_HEALTH_KEPT_MS 10000U
#define HULSE_DEEP_HEALTH_MAX 32U

enum deep_api { DEEP_API_NONE = 0, DEEP_API_HEALTHY, DEEP_API_UNHEALTHY };

struct deep_findings {
    bool broker_healthy;
    char broker_error[BROKER_TROUBLE_BYTES]; /* unless healthy */
    enum deep_api api;
    char api_error[BROKER_TEXT_BYTES]; /* UNHEALTHY */
    uint32_t namespaces;               /* HEALTHY */
};

struct deep_check;

struct deep_health {
    struct loop *loop;
    const struct flow *flow;
    struct broker *broker;       /* the default one */
    const struct config *config; /* of the start */
    char tenant[HULSE_CONFIG_TEXT_BYTES];
    bool found; /* there are findings, of found_ms */
    uint64_t found_ms;
    struct deep_findings findings;
    LIST_HEAD(, deep_check) open;
    uint32_t open_count;
};

void hulse_deep_health_init(struct deep_health *all,
                            struct loop *loop,
                            const struct flow *flow,
                            const struct config *config);
/* After the workers have ended and their answers have been run. */
void hulse_deep_health_fini(struct deep_health *all);
/*
 * {pulsar_broker, admin_api, namespaces_count}, or {pulsar_broker:"unhealthy", error, …}. `done` and *out as
 * hulse_topic_order_start().
 */
struct deep_check *hulse_deep_health_start(struct deep_health *all,
                                           void (*done)(void *ctx, const struct admin_line *line),
                                           void *ctx,
                                           struct admin_line *out);
/* The caller no longer waits: `done` will not come. Harmless on NULL. */
void hulse_deep_health_forget(struct deep_check **check);

#endif
