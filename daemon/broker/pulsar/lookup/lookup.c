/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup - queries between the worker that asks and the topic's; lookups.h says how workers end.
 */
#include "daemon/broker/pulsar/lookup/lookup.h"

#include "daemon/broker/pulsar/lookup/lookups.h"
#include "daemon/core/assert.h"
#include "daemon/core/hash.h"
#include "daemon/core/mem.h"

#include <string.h>
#include <time.h>

/* Between attempts on an inbox that is full, and looks at one that is awaited. */
#define UNSENT_MS 1U
#define CLOSE_NAP_NS 50000
#define CLOSE_BUDGET 64U

struct pulsar_lookups *hulse_lookups_here(struct pulsar_broker *b)
{
    const struct worker *self = hulse_worker_self();

    HULSE_ASSERT(self != NULL);
    /* Relaxed because this very worker wrote it. */
    return atomic_load_explicit(&b->crew.lookups[self->params.index], memory_order_relaxed);
}

uint32_t hulse_lookups_worker(uint64_t hash, uint32_t worker_count)
{
    return (uint32_t)((hash ^ (hash >> 32U)) % worker_count);
}

static struct pulsar_crew *crew_of(const struct pulsar_lookups *l)
{
    return &l->worker->broker->crew;
}

/* ---- there ---- */

static void run_there(struct inbox_node *node)
{
    struct lookup_query *q = HULSE_CONTAINER(node, struct lookup_query, node);
    struct pulsar_lookups *l = hulse_lookups_here(q->home->worker->broker);

    if (l->stopping) {
        q->returned = true;
        hulse_lookup_query_answer(q);
        return;
    }
    const struct lookup_key key = {
        .topic = q->topic, .hash = q->hash, .cluster = q->cluster, .create = q->create};
    l->figures.asked++;
    if (q->fresh) {
        hulse_lookup_cache_drop(&l->cache, &key);
    } else if (hulse_lookup_cache_find(
                   &l->cache, &key, hulse_loop_now_ms(l->worker->loop), &q->result)) {
        l->figures.cached++;
        hulse_lookup_query_answer(q);
        return;
    }
    hulse_search_join(l, q);
}

/* ---- home ---- */

static void free_query(struct lookup_query *q)
{
    LIST_REMOVE(q, at_home);
    hulse_mem_free(HULSE_MEM_BROKER, q, q->bytes);
}

static void go_here(struct pulsar_lookups *l, struct lookup_query *q)
{
    q->node.run = run_there;
    hulse_worker_answer(l->worker->worker, &q->node);
}

/* False: the other worker's inbox is full. */
static bool go_there(struct pulsar_lookups *l, struct lookup_query *q)
{
    const uint32_t to = hulse_lookups_worker(q->hash, l->worker->worker->params.worker_count);

    if (to == l->index || l->gone[to]) {
        go_here(l, q);
        return true;
    }
    q->node.run = run_there;
    return hulse_worker_post(l->worker->worker->peers[to], &q->node);
}

static void put_aside(struct pulsar_lookups *l, struct lookup_query *q)
{
    q->unsent = true;
    TAILQ_INSERT_TAIL(&l->unsent, q, link);
    if (!hulse_timer_pending(&l->retry)) {
        hulse_timer_start(
            &l->worker->loop->timers, &l->retry, hulse_loop_now_ms(l->worker->loop) + UNSENT_MS);
    }
}

/* One turn over those that could not go, in their order. */
static void send_unsent(struct pulsar_lookups *l)
{
    struct lookup_query_list list = TAILQ_HEAD_INITIALIZER(list);

    TAILQ_CONCAT(&list, &l->unsent, link);
    while (!TAILQ_EMPTY(&list)) {
        struct lookup_query *q = TAILQ_FIRST(&list);
        TAILQ_REMOVE(&list, q, link);
        q->unsent = false;
        if (!go_there(l, q)) {
            put_aside(l, q);
        }
    }
}

static void retry_fire(struct timer *timer)
{
    send_unsent(HULSE_CONTAINER(timer, struct pulsar_lookups, retry));
}

static void tell(struct lookup_query *q, const struct pulsar_lookup_result *result)
{
    struct pulsar_lookup *asker = q->asker;

    q->asker = NULL;
    if (asker != NULL) {
        asker->pending = NULL;
        asker->done(asker, result);
    }
}

static void run_back(struct inbox_node *node)
{
    struct lookup_query *q = HULSE_CONTAINER(node, struct lookup_query, node);
    struct pulsar_lookups *l = q->home;

    if (q->returned && q->asker != NULL && !l->stopping) {
        q->returned = false;
        go_here(l, q);
        return;
    }
    tell(q, &q->result);
    free_query(q);
}

void hulse_lookup_query_answer(struct lookup_query *q)
{
    q->node.run = run_back;
    hulse_worker_answer(q->home->worker->worker, &q->node);
}

bool hulse_pulsar_lookup_start(struct pulsar_worker *w,
                               struct pulsar_lookup *l,
                               const char *topic,
                               bool create,
                               enum pulsar_lookup_how how)
{
    HULSE_ASSERT(l->pending == NULL);
    HULSE_ASSERT(w->worker == hulse_worker_self());

    struct pulsar_lookups *all = w->lookups;
    const size_t topic_bytes = strlen(topic) + 1;
    const size_t bytes = sizeof(struct lookup_query) + topic_bytes;
    struct lookup_query *q = all->stopping ? NULL : hulse_mem_zalloc(HULSE_MEM_BROKER, bytes);
    if (q == NULL) {
        return false;
    }
    q->bytes = bytes;
    q->home = all;
    q->asked_by = all->index;
    q->asker = l;
    q->create = create;
    q->fresh = how == PULSAR_LOOKUP_FRESH;
    q->hash = hulse_hash_text(topic);
    q->cluster = l->cluster;
    memcpy(q->topic, topic, topic_bytes);
    l->pending = q;
    LIST_INSERT_HEAD(&all->queries, q, at_home);
    if (!go_there(all, q)) {
        put_aside(all, q);
    }
    return true;
}

void hulse_pulsar_lookup_cancel(struct pulsar_lookup *l)
{
    struct lookup_query *q = l->pending;

    if (q == NULL) {
        return;
    }
    l->pending = NULL;
    q->asker = NULL;
    if (q->unsent) {
        TAILQ_REMOVE(&q->home->unsent, q, link);
        free_query(q);
    }
}

void hulse_pulsar_lookups_count(struct pulsar_lookups *l, bool grown)
{
    l->figures.grown += grown ? 1 : 0;
    l->figures.shrunk += grown ? 0 : 1;
}

void hulse_pulsar_lookups_figures(const struct pulsar_lookups *l, struct pulsar_lookup_figures *out)
{
    *out = l->figures;
}

/* ---- the life of a worker ---- */

static void be_quiet(struct pulsar_lookups *l, uint32_t to)
{
    /* SYNC(pulsar.quiet) release: every access to that worker's inbox comes before. */
    atomic_store_explicit(&crew_of(l)->quiet[l->index][to], true, memory_order_release);
}

static bool is_quiet(const struct pulsar_lookups *l, uint32_t from)
{
    /* SYNC(pulsar.quiet) acquire: what that worker did to this one's inbox is over. */
    return atomic_load_explicit(&crew_of(l)->quiet[from][l->index], memory_order_acquire);
}

/* On another worker. What this one sent before has been served; nothing goes there after. */
static void goodbye_there(struct inbox_node *node)
{
    const struct pulsar_lookups *theirs = HULSE_CONTAINER(node, struct pulsar_lookups, goodbye);
    struct pulsar_lookups *l = hulse_lookups_here(theirs->worker->broker);
    const uint32_t gone = theirs->index;

    l->gone[gone] = true;
    hulse_searches_forget(l, gone);
    send_unsent(l);
    be_quiet(l, gone);
}

/* Another worker whose inbox may be touched. */
static bool is_peer(const struct pulsar_lookups *l, uint32_t i)
{
    /* Relaxed because all workers start before anything is asked, and what ended has said goodbye. */
    return i != l->index && !l->gone[i] &&
           atomic_load_explicit(&crew_of(l)->lookups[i], memory_order_relaxed) != NULL;
}

static unsigned run_inbox(struct pulsar_lookups *l)
{
    const unsigned done = hulse_inbox_run(&l->worker->loop->inbox, CLOSE_BUDGET);
    if (done == 0) {
        const struct timespec nap = {.tv_nsec = CLOSE_NAP_NS};
        (void)nanosleep(&nap, NULL);
    }
    return done;
}

/* Its askers hear that it is over; what has not left ends here. */
static void close_queries(struct pulsar_lookups *l)
{
    struct pulsar_lookup_result result = {.partitions = 0};
    struct lookup_query *q = NULL;
    struct lookup_query *next = NULL;

    hulse_pulsar_failure_status(&result.failure, HULSE_CLOSED, "the daemon is stopping");
    do {
        /* From the beginning after each: an asker may cancel another one. */
        LIST_FOREACH(q, &l->queries, at_home)
        {
            if (q->asker != NULL) {
                break;
            }
        }
        if (q != NULL) {
            tell(q, &result);
        }
    } while (q != NULL);
    for (q = TAILQ_FIRST(&l->unsent); q != NULL; q = next) {
        next = TAILQ_NEXT(q, link);
        TAILQ_REMOVE(&l->unsent, q, link);
        free_query(q);
    }
}

static void part_from_peers(struct pulsar_lookups *l)
{
    const uint32_t count = l->worker->worker->params.worker_count;

    l->goodbye.run = goodbye_there;
    for (uint32_t i = 0; i < count; i++) {
        if (is_peer(l, i)) {
            hulse_worker_answer(l->worker->worker->peers[i], &l->goodbye);
            while (!is_quiet(l, i)) {
                (void)run_inbox(l);
            }
        }
    }
    /* What they sent before they fell quiet, and what comes back to this worker from itself. */
    while (!LIST_EMPTY(&l->queries)) {
        (void)run_inbox(l);
    }
}

void hulse_pulsar_lookups_destroy(struct pulsar_lookups **l)
{
    struct pulsar_lookups *all = *l;

    if (all == NULL) {
        return;
    }
    all->stopping = true;
    close_queries(all);
    hulse_searches_return(all);
    hulse_web_close(all);
    part_from_peers(all);
    hulse_lookup_cache_fini(&all->cache);
    hulse_timer_stop(&all->worker->loop->timers, &all->retry);
    atomic_store_explicit(&crew_of(all)->lookups[all->index], NULL, memory_order_relaxed);
    hulse_mem_free(HULSE_MEM_BROKER, all, sizeof(*all));
    *l = NULL;
}

struct pulsar_lookups *hulse_pulsar_lookups_create(struct pulsar_worker *w, struct error *err)
{
    const uint32_t count = w->worker->params.worker_count;

    if (count > PULSAR_WORKERS_MAX) {
        (void)hulse_fail(err, HULSE_LIMIT, "at most %u workers", PULSAR_WORKERS_MAX);
        return NULL;
    }
    struct pulsar_lookups *l = hulse_mem_zalloc(HULSE_MEM_BROKER, sizeof(*l));
    if (l == NULL) {
        (void)hulse_fail(err, HULSE_NO_MEMORY, "no memory for the lookups of a worker");
        return NULL;
    }
    l->worker = w;
    l->index = w->worker->params.index;
    LIST_INIT(&l->queries);
    TAILQ_INIT(&l->unsent);
    LIST_INIT(&l->web);
    l->retry.fire = retry_fire;
    hulse_searches_init(l);
    hulse_lookup_cache_init(&l->cache);
    struct pulsar_crew *crew = crew_of(l);
    for (uint32_t i = 0; i < count; i++) {
        atomic_store_explicit(&crew->quiet[i][l->index], false, memory_order_relaxed);
    }
    /* Relaxed because control, which reads them, waits for the start and for the end. */
    atomic_store_explicit(&crew->count, count, memory_order_relaxed);
    atomic_store_explicit(&crew->lookups[l->index], l, memory_order_relaxed);
    return l;
}
