/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - a thread that owns sessions, broker connections and everything on their path.
 *
 * One bounded turn after another: modules visit their hot work, descriptors are polled now and
 * then, modules flush. When nothing was done for the spin window, modules park (arm what would wake
 * them) and the worker sleeps in epoll_wait. Parking spins only while runnable threads do not
 * exceed the CPUs (ipc B6).
 *
 * Threads: the worker's own, but for start, stop and hulse_worker_post().
 * See:     ipc B6, design section 2.
 */
#ifndef HULSE_WORKER_WORKER_H
#define HULSE_WORKER_WORKER_H

#include "daemon/core/error.h"
#include "daemon/worker/loop.h"
#include "daemon/worker/report.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct worker;

/* Something that works on a worker: the shared-memory plane, a broker implementation. */
struct worker_module {
    const char *name;
    /* Makes the module's state for a worker; NULL with *err filled. On the worker's thread. */
    void *(*start)(struct worker *w, void *shared, struct error *err);
    /* Releases everything; called after the last turn, in reverse order of start. */
    void (*stop)(void *state);
    /* One bounded round; returns the amount of work done. May be NULL, as those below. */
    unsigned (*turn)(void *state);
    /* Ends a turn that did work anywhere: publishes what the turn produced. */
    void (*flush)(void *state);
    /*
     * Before sleeping: arms everything; true = there is work after all. Each park is followed by an
     * unpark; what ended the sleep (descriptors, inbox, timers) has been handled by then.
     */
    bool (*park)(void *state);
    void (*unpark)(void *state);
    /* Adds the module's figures. */
    void (*report)(void *state, struct worker_report *out);
};

#define HULSE_WORKER_MODULES_MAX 12U

struct worker_params {
    uint32_t index;
    uint32_t worker_count;
    int cpu;            /* pin to it, or -1 */
    uint64_t spin_ns;   /* 0 = never spin */
    bool spin_always;   /* `spin.mode: busy`: never sleeps, never parks */
    uint32_t cpu_count; /* CPUs the process may use */
    const struct worker_module *modules[HULSE_WORKER_MODULES_MAX];
    void *shared[HULSE_WORKER_MODULES_MAX]; /* passed to start */
    uint32_t module_count;
};

struct worker {
    struct loop loop;
    struct worker_params params;
    void *states[HULSE_WORKER_MODULES_MAX];
    pthread_t thread;
    _Atomic(uint32_t) stopping;
    /* Threads that want a CPU besides this worker: apps attached to this worker. Own thread. */
    uint32_t local_threads;
    /* The same over all workers; shared by them, relaxed. */
    _Atomic(uint32_t) *runnable_threads;
    _Atomic(uint64_t) beat_ms; /* heartbeat for the watchdog */
    uint64_t turns;
    uint64_t parks;
    struct worker **peers; /* all workers by index; complete before the first message */
};

/*
 * Creates the thread and waits until its modules have started. Gives: *out, also peers[index].
 * *runnable_threads counts the worker and its app threads until it is stopped.
 */
hulse_status hulse_worker_start(struct worker **out,
                                const struct worker_params *params,
                                struct worker **peers,
                                _Atomic(uint32_t) *runnable_threads,
                                struct error *err);
/*
 * Ends the loop, stops the modules in reverse order, joins, frees; *w becomes NULL. What was posted
 * before has run. peers[] keeps the address: stop posters first. Not from a worker.
 */
void hulse_worker_stop(struct worker **w);
/* Any thread. False: the inbox is full. */
bool hulse_worker_post(struct worker *w, struct inbox_node *node);
void hulse_worker_answer(struct worker *w, struct inbox_node *node);
/* Thread: worker. The running worker, NULL elsewhere. */
struct worker *hulse_worker_self(void);
/*
 * Thread: worker. The state of a module by its definition and by what it was started with, which may be NULL where the
 * definition is there once; NULL if not loaded.
 */
void *hulse_worker_state(struct worker *w, const struct worker_module *module, const void *shared);
/* Thread: worker. An app thread came (+1) or went (-1). */
void hulse_worker_threads(struct worker *w, int change);
/* Thread: worker. Asks every module. */
void hulse_worker_report(struct worker *w, struct worker_report *out);

#endif
