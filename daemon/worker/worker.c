/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - see the header.
 *
 * The clock costs as much as an empty turn, so it is read after a few empty turns or after a
 * handful of work, and loop.now_ns stays a microsecond or two behind at most.
 */
#include "daemon/worker/worker.h"

#include "daemon/core/allocator.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/core/rcu.h"
#include "daemon/core/thread.h"

#include <sched.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INBOX_REQUESTS_MAX = 4096, /* posted to one worker and not yet run */
    INBOX_BUDGET = 64,         /* nodes per turn */
    POLL_NS = 20000,           /* between polls of the descriptors, … */
    POLL_NS_MAX = 160000, /* … doubled up to this while there is work and polls find nothing */
    CLOCK_CREDIT = 16,    /* the clock is read when this much is used up: */
    CLOCK_TURN = 4,       /* one turn, and one for each piece of work in it */
    IDLE_TURNS = 16,      /* before parking where spinning is not allowed: below 1 us */
    BEAT_MS = 500
};

/* The rhythm of a worker's turns; on its thread's stack. */
struct pace {
    struct worker *worker;
    struct timer beat;
    uint64_t polled_ns;
    uint64_t idle_since_ns;
    uint64_t poll_ns; /* POLL_NS to POLL_NS_MAX */
    unsigned idle_turns;
    unsigned clock_used;
};

struct stop_message {
    struct inbox_node node;
    struct worker *worker;
};

/* How the thread tells its creator that it runs, or why not. */
struct starting {
    struct worker *worker;
    struct error err;
    sem_t done;
};

static _Thread_local struct worker *self;

static inline void relax_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* ---- turns ------------------------------------------------------------------------------- */

static unsigned turn_modules(struct worker *w)
{
    unsigned done = 0;

    for (uint32_t i = 0; i < w->params.module_count; i++) {
        if (w->params.modules[i]->turn != NULL) {
            done += w->params.modules[i]->turn(w->states[i]);
        }
    }
    return done;
}

static void flush_modules(struct worker *w)
{
    for (uint32_t i = 0; i < w->params.module_count; i++) {
        if (w->params.modules[i]->flush != NULL) {
            w->params.modules[i]->flush(w->states[i]);
        }
    }
}

/* The inbox in every turn; descriptors and timers now and then. */
static unsigned look_around(struct worker *w, struct pace *pace, unsigned done)
{
    pace->clock_used += CLOCK_TURN + (done < CLOCK_CREDIT ? done : CLOCK_CREDIT);
    if (pace->clock_used >= CLOCK_CREDIT) {
        pace->clock_used = 0;
        w->loop.now_ns = hulse_clock_ns();
    }
    /* The gaps between an app's batches are no idleness yet. */
    const bool idle =
        done == 0 && pace->idle_turns != 0 && w->loop.now_ns - pace->idle_since_ns >= POLL_NS;
    if (w->loop.now_ns - pace->polled_ns < (idle ? POLL_NS : pace->poll_ns)) {
        return hulse_inbox_run(&w->loop.inbox, INBOX_BUDGET);
    }
    const unsigned handled = hulse_loop_round(&w->loop, 0);
    pace->polled_ns = w->loop.now_ns;
    if (handled != 0 || idle) {
        pace->poll_ns = POLL_NS;
    } else if (pace->poll_ns < POLL_NS_MAX) {
        pace->poll_ns *= 2;
    }
    return handled;
}

static bool spin_allowed(const struct worker *w)
{
    /* Relaxed because a late value costs one window at most. */
    return w->params.spin_always ||
           (w->params.spin_ns != 0 &&
            atomic_load_explicit(w->runnable_threads, memory_order_relaxed) <= w->params.cpu_count);
}

/* After a turn without work: has it been idle long enough to sleep? */
static bool tired(const struct worker *w, struct pace *pace)
{
    if (pace->idle_turns++ == 0) {
        pace->idle_since_ns = w->loop.now_ns;
    }
    if (w->params.spin_always) {
        return false;
    }
    if (!spin_allowed(w)) {
        return pace->idle_turns >= IDLE_TURNS;
    }
    return w->loop.now_ns - pace->idle_since_ns >= w->params.spin_ns;
}

/* Parks modules in order; stops at the first that has work. *parked: how many were asked. */
static bool park_modules(struct worker *w, uint32_t *parked)
{
    bool work = false;
    uint32_t i = 0;

    while (i < w->params.module_count && !work) {
        const struct worker_module *module = w->params.modules[i];
        work = module->park != NULL && module->park(w->states[i]);
        i++;
    }
    *parked = i;
    return work;
}

static void unpark_modules(struct worker *w, uint32_t parked)
{
    while (parked-- > 0) {
        if (w->params.modules[parked]->unpark != NULL) {
            w->params.modules[parked]->unpark(w->states[parked]);
        }
    }
}

/* Sleeps unless a module or the inbox has something after all. */
static void sleep_until_woken(struct worker *w)
{
    uint32_t parked = 0;
    unsigned handled = 0;

    if (!park_modules(w, &parked)) {
        w->parks++;
        handled = hulse_loop_round(&w->loop, -1);
    }
    unpark_modules(w, parked);
    if (handled != 0) {
        flush_modules(w);
    }
}

static void beat(struct timer *timer)
{
    struct pace *pace = HULSE_CONTAINER(timer, struct pace, beat);
    struct worker *w = pace->worker;
    const uint64_t now_ms = hulse_loop_now_ms(&w->loop);

    /* Relaxed because the watchdog compares the number and reads nothing else. */
    atomic_store_explicit(&w->beat_ms, now_ms, memory_order_relaxed);
    hulse_timer_start(&w->loop.timers, timer, now_ms + BEAT_MS);
}

static bool stopping(const struct worker *w)
{
    /* Relaxed because the worker itself sets it, from its inbox. */
    return atomic_load_explicit(&w->stopping, memory_order_relaxed) != 0;
}

static void take_turns(struct worker *w)
{
    struct pace pace = {.worker = w, .beat = {.fire = beat}, .poll_ns = POLL_NS};

    beat(&pace.beat);
    while (!stopping(w)) {
        unsigned done = turn_modules(w);
        done += look_around(w, &pace, done);
        w->turns++;
        if (done != 0) {
            flush_modules(w);
            pace.idle_turns = 0;
        } else if (tired(w, &pace)) {
            sleep_until_woken(w);
            pace.idle_turns = 0;
            pace.polled_ns = w->loop.now_ns;
        } else {
            relax_cpu();
        }
    }
    hulse_timer_stop(&w->loop.timers, &pace.beat);
}

/* ---- the thread -------------------------------------------------------------------------- */

static void stop_modules(struct worker *w, uint32_t count)
{
    while (count-- > 0) {
        if (w->params.modules[count]->stop != NULL) {
            w->params.modules[count]->stop(w->states[count]);
        }
        w->states[count] = NULL;
    }
}

static hulse_status start_modules(struct worker *w, struct error *err)
{
    for (uint32_t i = 0; i < w->params.module_count; i++) {
        const struct worker_module *module = w->params.modules[i];
        err->status = HULSE_OK;
        w->states[i] = module->start(w, w->params.shared[i], err);
        if (w->states[i] == NULL) {
            stop_modules(w, i);
            return err->status != HULSE_OK
                       ? err->status
                       : hulse_fail(err, HULSE_FAILED, "module %s did not start", module->name);
        }
    }
    return HULSE_OK;
}

static hulse_status pin(const struct worker *w, struct error *err)
{
    cpu_set_t set;

    if (w->params.cpu < 0) {
        return HULSE_OK;
    }
    CPU_ZERO(&set);
    if (w->params.cpu < CPU_SETSIZE) {
        CPU_SET((size_t)w->params.cpu, &set);
    }
    const int failed = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    if (failed != 0) {
        return hulse_fail(err,
                          HULSE_IO,
                          "worker %u cannot run on cpu %d: %s",
                          w->params.index,
                          w->params.cpu,
                          strerrordesc_np(failed));
    }
    return HULSE_OK;
}

static hulse_status attach_log(const struct worker *w, struct error *err)
{
    char name[24];

    (void)snprintf(name, sizeof(name), "worker-%u", w->params.index);
    return hulse_log_thread_attach(name)
               ? HULSE_OK
               : hulse_fail(
                     err, HULSE_NO_MEMORY, "no memory for the log of worker %u", w->params.index);
}

/* The creator sleeps in sem_wait as long as *starting is used. */
static bool begin(struct starting *starting)
{
    struct worker *w = starting->worker;

    hulse_role_set(HULSE_ROLE_WORKER);
    self = w;
    /* Before it allocates; on one that it shares it is slower, and no less right. */
    const bool own_arena = hulse_allocator_own_arena();
    hulse_status status = pin(w, &starting->err);
    if (status == HULSE_OK) {
        status = attach_log(w, &starting->err);
    }
    if (!own_arena) {
        HULSE_LOG_WARNF("allocator.shared", hulse_log_u64("worker", w->params.index));
    }
    if (status == HULSE_OK) {
        status = start_modules(w, &starting->err);
    }
    starting->err.status = status;
    (void)sem_post(&starting->done);
    return status == HULSE_OK;
}

static void *worker_main(void *argument)
{
    struct starting *starting = argument;
    struct worker *w = starting->worker;

    /* Relaxed because the number only steers spinning. */
    (void)atomic_fetch_add_explicit(w->runnable_threads, 1, memory_order_relaxed);
    hulse_rcu_thread_begin();
    if (begin(starting)) {
        take_turns(w);
        /* What was posted beside the stop still finds its modules. */
        if (hulse_inbox_run(&w->loop.inbox, INBOX_REQUESTS_MAX) != 0) {
            flush_modules(w);
        }
        stop_modules(w, w->params.module_count);
    }
    hulse_rcu_thread_end();
    (void)atomic_fetch_sub_explicit(
        w->runnable_threads, 1 + w->local_threads, memory_order_relaxed);
    hulse_log_thread_detach();
    self = NULL;
    return NULL;
}

/* ---- from other threads ------------------------------------------------------------------ */

static struct worker *create(const struct worker_params *params)
{
    /* The inbox keeps its words on cache lines of their own, more than malloc promises. */
    struct worker *w = aligned_alloc(_Alignof(struct worker), sizeof(*w));
    if (w == NULL) {
        return NULL;
    }
    memset(w, 0, sizeof(*w));
    w->params = *params;
    atomic_init(&w->stopping, 0);
    atomic_init(&w->beat_ms, hulse_clock_ns() / 1000000U);
    if (!hulse_loop_init(&w->loop, INBOX_REQUESTS_MAX)) {
        free(w);
        return NULL;
    }
    return w;
}

static void destroy(struct worker *w)
{
    hulse_loop_fini(&w->loop);
    free(w);
}

/* Starts the thread and waits for what it says. */
static hulse_status launch(struct worker *w, struct error *err)
{
    struct starting starting = {.worker = w};
    char name[16];

    (void)snprintf(name, sizeof(name), "hulse-worker%u", w->params.index % 1000U);
    (void)sem_init(&starting.done, 0, 0);
    const int failed = hulse_thread_start(&w->thread, name, worker_main, &starting);
    if (failed != 0) {
        (void)sem_destroy(&starting.done);
        return hulse_fail(
            err, HULSE_IO, "cannot start worker %u: %s", w->params.index, strerrordesc_np(failed));
    }
    while (sem_wait(&starting.done) != 0) {
        /* Interrupted by a signal of the process. */
    }
    (void)sem_destroy(&starting.done);
    if (starting.err.status != HULSE_OK) {
        (void)pthread_join(w->thread, NULL);
        return hulse_fail(err, starting.err.status, "%s", starting.err.text);
    }
    return HULSE_OK;
}

hulse_status hulse_worker_start(struct worker **out,
                                const struct worker_params *params,
                                struct worker **peers,
                                _Atomic(uint32_t) *runnable_threads,
                                struct error *err)
{
    HULSE_ASSERT(params->module_count <= HULSE_WORKER_MODULES_MAX);
    HULSE_ASSERT(params->index < params->worker_count);

    *out = NULL;
    struct worker *w = create(params);
    if (w == NULL) {
        return hulse_fail(
            err, HULSE_NO_MEMORY, "no memory or descriptors for worker %u", params->index);
    }
    w->peers = peers;
    w->runnable_threads = runnable_threads;
    peers[params->index] = w;
    const hulse_status status = launch(w, err);
    if (status != HULSE_OK) {
        peers[params->index] = NULL;
        destroy(w);
        return status;
    }
    *out = w;
    return HULSE_OK;
}

static void run_stop(struct inbox_node *node)
{
    const struct stop_message *message = HULSE_CONTAINER(node, struct stop_message, node);

    atomic_store_explicit(&message->worker->stopping, 1, memory_order_relaxed);
}

void hulse_worker_stop(struct worker **w)
{
    if (*w == NULL) {
        return;
    }
    struct stop_message message = {.node = {.run = run_stop}, .worker = *w};

    HULSE_ASSERT(self != *w);
    /* As an answer: it wakes the worker and cannot be refused. */
    hulse_inbox_answer(&(*w)->loop.inbox, &message.node);
    (void)pthread_join((*w)->thread, NULL);
    destroy(*w);
    *w = NULL;
}

bool hulse_worker_post(struct worker *w, struct inbox_node *node)
{
    return hulse_inbox_post(&w->loop.inbox, node);
}

void hulse_worker_answer(struct worker *w, struct inbox_node *node)
{
    hulse_inbox_answer(&w->loop.inbox, node);
}

/* ---- on the worker ----------------------------------------------------------------------- */

struct worker *hulse_worker_self(void)
{
    return self;
}

void *hulse_worker_state(struct worker *w, const struct worker_module *module, const void *shared)
{
    HULSE_ASSERT(self == w);

    for (uint32_t i = 0; i < w->params.module_count; i++) {
        if (w->params.modules[i] == module && (shared == NULL || w->params.shared[i] == shared)) {
            return w->states[i];
        }
    }
    return NULL;
}

void hulse_worker_threads(struct worker *w, int change)
{
    HULSE_ASSERT(self == w);
    HULSE_ASSERT(change >= 0 || w->local_threads >= (uint32_t)-change);

    /* Unsigned arithmetic wraps the way a negative change needs. */
    w->local_threads += (uint32_t)change;
    (void)atomic_fetch_add_explicit(w->runnable_threads, (uint32_t)change, memory_order_relaxed);
}

void hulse_worker_report(struct worker *w, struct worker_report *out)
{
    HULSE_ASSERT(self == w);

    out->worker = w->params.index;
    out->turns = w->turns;
    out->parks = w->parks;
    out->spin_ns = spin_allowed(w) ? w->params.spin_ns : 0;
    for (uint32_t i = 0; i < w->params.module_count; i++) {
        if (w->params.modules[i]->report != NULL) {
            w->params.modules[i]->report(w->states[i], out);
        }
    }
}
