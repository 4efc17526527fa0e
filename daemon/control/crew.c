/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crew - see crew.h.
 */
#include "daemon/control/crew.h"

#include "daemon/config/cpu_list.h"
#include "daemon/core/assert.h"
#include "daemon/flow/letter_post.h"
#include "daemon/worker/spin.h"

#include <errno.h>
#include <string.h>

hulse_status hulse_crew_restrict(struct crew *crew, const struct config *config, struct error *err)
{
    const char *why = "";

    if (config->workers.cpus[0] != '\0') {
        if (!hulse_cpu_list_parse(config->workers.cpus, &crew->cpus, &why)) {
            return hulse_fail(err, HULSE_INVAL, "workers.cpus: %s", why);
        }
        if (sched_setaffinity(0, sizeof(crew->cpus), &crew->cpus) != 0) {
            return hulse_fail(err,
                              HULSE_INVAL,
                              "workers.cpus: %s: %s",
                              config->workers.cpus,
                              strerrordesc_np(errno));
        }
    }
    if (sched_getaffinity(0, sizeof(crew->cpus), &crew->cpus) != 0) {
        return hulse_fail(err, HULSE_IO, "sched_getaffinity: %s", strerrordesc_np(errno));
    }
    return HULSE_OK;
}

static uint64_t spin_window(const struct config *config, const struct cpu_limits *limits)
{
    switch (config->spin.mode) {
    case CONFIG_SPIN_OFF:
        return 0;
    case CONFIG_SPIN_BUSY:
        return config->spin.max_ns;
    default:
        return hulse_spin_window_ns(limits, config->spin.min_ns, config->spin.max_ns);
    }
}

hulse_status hulse_crew_plan(struct crew *crew, const struct config *config, struct error *err)
{
    struct cpu_limits limits;

    memset(crew, 0, sizeof(*crew));
    atomic_init(&crew->runnable_threads, 0);
    const hulse_status st = hulse_crew_restrict(crew, config, err);
    if (st != HULSE_OK) {
        return st;
    }
    hulse_cpu_limits(&limits);
    crew->count =
        config->workers.count != 0 ? config->workers.count : hulse_cpu_workers_auto(&limits);
    HULSE_ASSERT(crew->count >= 1 && crew->count <= HULSE_PLANE_WORKERS_MAX);
    crew->cpu_count = hulse_cpu_usable(&limits);
    crew->pin = config->workers.pin;
    crew->spin_always = config->spin.mode == CONFIG_SPIN_BUSY;
    crew->spin_ns = spin_window(config, &limits);
    return HULSE_OK;
}

/* The worker's CPU: the n-th of the mask, starting over when there are more workers. */
static int cpu_of(const struct crew *crew, uint32_t worker)
{
    uint32_t left = worker % (uint32_t)CPU_COUNT(&crew->cpus);

    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((unsigned)cpu, &crew->cpus) && left-- == 0) {
            return cpu;
        }
    }
    return -1;
}

/* Each module once: several brokers may be of one implementation. */
static void
add_module(struct worker_params *params, const struct worker_module *module, void *shared)
{
    for (uint32_t i = 0; i < params->module_count; i++) {
        if (params->modules[i] == module && params->shared[i] == shared) {
            return;
        }
    }
    HULSE_ASSERT(params->module_count < HULSE_WORKER_MODULES_MAX);
    params->modules[params->module_count] = module;
    params->shared[params->module_count] = shared;
    params->module_count++;
}

hulse_status hulse_crew_start(struct crew *crew, struct plane_shared *plane, struct error *err)
{
    struct worker_params params = {
        .worker_count = crew->count,
        .spin_ns = crew->spin_ns,
        .spin_always = crew->spin_always,
        .cpu_count = crew->cpu_count,
    };

    crew->plane = plane;
    /* Brokers first: the plane's sessions use them and are stopped before them, and so are dead letters. */
    for (unsigned i = 0; i < plane->flow->broker_count; i++) {
        struct broker *broker = plane->flow->brokers[i];
        if (broker->ops->module != NULL) {
            add_module(&params, broker->ops->module, broker);
        }
    }
    add_module(&params, &hulse_letter_module, (void *)(uintptr_t)plane->flow);
    add_module(&params, &hulse_plane_module, plane);
    for (uint32_t i = 0; i < crew->count; i++) {
        params.index = i;
        params.cpu = crew->pin ? cpu_of(crew, i) : -1;
        const hulse_status st = hulse_worker_start(
            &crew->workers[i], &params, crew->workers, &crew->runnable_threads, err);
        if (st != HULSE_OK) {
            hulse_crew_stop(crew);
            return st;
        }
    }
    return HULSE_OK;
}

void hulse_crew_stop(struct crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        if (crew->workers[i] != NULL) {
            hulse_worker_stop(&crew->workers[i]);
        }
    }
}

uint32_t hulse_crew_sessions_of(const struct crew *crew, uint32_t worker)
{
    /* Relaxed because it is a count to compare, and nothing is read on the strength of it. */
    return atomic_load_explicit(&crew->plane->workers[worker].sessions, memory_order_relaxed);
}

uint32_t hulse_crew_sessions(const struct crew *crew)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < crew->count; i++) {
        sum += hulse_crew_sessions_of(crew, i);
    }
    return sum;
}

struct worker *hulse_crew_choose(const struct crew *crew)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < crew->count; i++) {
        if (hulse_crew_sessions_of(crew, i) < hulse_crew_sessions_of(crew, best)) {
            best = i;
        }
    }
    return crew->workers[best];
}

/* Runs on the worker; that it is awake is all that was wanted. */
static void wake_up(struct inbox_node *node)
{
    (void)node;
}

void hulse_crew_drain(struct crew *crew)
{
    /* Relaxed because the word says all there is to know. */
    atomic_store_explicit(&crew->plane->phase, PLANE_DRAINING, memory_order_relaxed);
    for (uint32_t i = 0; i < crew->count; i++) {
        crew->nudges[i].run = wake_up;
        /* A full inbox belongs to a worker that is awake already. */
        (void)hulse_worker_post(crew->workers[i], &crew->nudges[i]);
    }
}

bool hulse_crew_drained(const struct crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        /* SYNC(plane.drained) acquire: the worker's last receipts were posted before. */
        if (atomic_load_explicit(&crew->plane->workers[i].drained, memory_order_acquire) == 0) {
            return false;
        }
    }
    return true;
}
