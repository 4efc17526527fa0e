/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crew - the workers: how many, on which CPUs, with which modules.
 *
 * Threads: control. Constant between start and stop.
 */
#ifndef HULSE_CONTROL_CREW_H
#define HULSE_CONTROL_CREW_H

#include "daemon/app/plane.h"
#include "daemon/config/config.h"
#include "daemon/core/inbox.h"
#include "daemon/worker/worker.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct crew {
    struct plane_shared *plane;
    uint32_t count;
    uint64_t spin_ns;
    bool spin_always;
    uint32_t cpu_count;
    cpu_set_t cpus; /* that the process may use */
    bool pin;
    struct worker *workers[HULSE_PLANE_WORKERS_MAX];
    struct inbox_node nudges[HULSE_PLANE_WORKERS_MAX];
    _Atomic(uint32_t) runnable_threads;
};

/* Restricts the process to workers.cpus; INVAL: this host has none of them. */
hulse_status hulse_crew_restrict(struct crew *crew, const struct config *config, struct error *err);
/* hulse_crew_restrict(), and decides the numbers; spinning is measured here. */
hulse_status hulse_crew_plan(struct crew *crew, const struct config *config, struct error *err);
/* Starts all; stops those that did start when one does not. */
hulse_status hulse_crew_start(struct crew *crew, struct plane_shared *plane, struct error *err);
void hulse_crew_stop(struct crew *crew);

/* Sessions placed on a worker, and on all. */
uint32_t hulse_crew_sessions_of(const struct crew *crew, uint32_t worker);
uint32_t hulse_crew_sessions(const struct crew *crew);
/* The worker with the fewest sessions, the lowest number among equals. */
struct worker *hulse_crew_choose(const struct crew *crew);

/* Tells the workers to finish. Once. */
void hulse_crew_drain(struct crew *crew);
bool hulse_crew_drained(const struct crew *crew);

#endif
