/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command - what an admin request means: its answer, from the control thread's own knowledge or
 * from the workers' reports, and for drain also its effect. What is asked of one topic is
 * topic_order's, which topics there are topic_list's.
 *
 * Threads: control.
 */
#ifndef HULSE_CONTROL_COMMAND_H
#define HULSE_CONTROL_COMMAND_H

#include "daemon/admin/answer.h"
#include "daemon/admin/request.h"
#include "daemon/control/collect.h"
#include "daemon/control/credentials.h"
#include "daemon/control/crew.h"
#include "daemon/control/deep_health.h"
#include "daemon/control/reload.h"

/* What the commands may look at. */
struct command_scene {
    const struct crew *crew;
    const struct flow *flow;
    struct credentials *credentials;
    const char *version;
    uint64_t started_ms; /* CLOCK_MONOTONIC */
    struct reload *reload;
    struct deep_health *deep; /* of a health that asks */
    bool draining;
    /* Begins the drain and sets `draining`; `now`: or hastens one that has begun. */
    void (*drain)(void *ctx, bool now);
    void *ctx;
};

/* True when the answer needs the workers' reports. */
bool hulse_command_needs_reports(const struct admin_request *request);
/*
 * Fills the line. `reports` as said by hulse_command_needs_reports(), else NULL. False: memory was
 * refused even for an error.
 */
bool hulse_command_answer(const struct command_scene *scene,
                          const struct admin_request *request,
                          const struct collection *reports,
                          struct admin_line *out);
/* The figures of every worker to the log (USR1). */
void hulse_command_log(const struct command_scene *scene, const struct collection *reports);

#endif
