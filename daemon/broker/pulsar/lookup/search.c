/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search - see the header: the queries of a search, when it asks, and its end.
 */
#include "daemon/broker/pulsar/lookup/search.h"

#include "daemon/broker/pulsar/lookup/search_state.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <stdio.h>
#include <string.h>

static struct timer_wheel *timers_of(const struct pulsar_lookups *l)
{
    return &l->worker->loop->timers;
}

static uint64_t now_ms(const struct pulsar_lookups *l)
{
    return hulse_loop_now_ms(l->worker->loop);
}

/* ---- how many ask at once ---- */

static void retry_fire(struct timer *timer);

static void wait_and_retry(struct search *s)
{
    const uint32_t delay_ms = hulse_backoff_ms(&s->backoff, &s->lookups->worker->jitter);
    const uint32_t delay_ms_max = hulse_attempt_question_ms(s);

    hulse_timer_start(timers_of(s->lookups),
                      &s->retry,
                      now_ms(s->lookups) + (delay_ms < delay_ms_max ? delay_ms : delay_ms_max));
}

static void begin_queued(struct pulsar_lookups *l)
{
    struct searches *all = &l->searches;

    while (!l->stopping && all->asking < PULSAR_LOOKUP_ASKING_MAX && !TAILQ_EMPTY(&all->queue)) {
        struct search *s = TAILQ_FIRST(&all->queue);
        TAILQ_REMOVE(&all->queue, s, queue);
        s->queued = false;
        s->asking = hulse_attempt_begin(s);
        all->asking += s->asking ? 1U : 0U;
        if (!s->asking) {
            hulse_pulsar_failure_status(&s->last, HULSE_NO_MEMORY, "no memory to ask for a topic");
            wait_and_retry(s);
        }
    }
}

static void begin_attempt(struct search *s)
{
    HULSE_ASSERT(!s->asking && !s->queued);

    s->queued = true;
    TAILQ_INSERT_TAIL(&s->lookups->searches.queue, s, queue);
    begin_queued(s->lookups);
}

static void end_attempt(struct search *s)
{
    struct searches *all = &s->lookups->searches;

    hulse_attempt_leave(s);
    if (s->queued) {
        s->queued = false;
        TAILQ_REMOVE(&all->queue, s, queue);
    }
    if (s->asking) {
        s->asking = false;
        all->asking -= 1;
        begin_queued(s->lookups);
    }
}

/* ---- the end ---- */

static void destroy(struct search *s)
{
    HULSE_ASSERT(TAILQ_EMPTY(&s->queries));

    end_attempt(s);
    hulse_timer_stop(timers_of(s->lookups), &s->retry);
    LIST_REMOVE(s, link);
    hulse_mem_free(HULSE_MEM_BROKER, s, s->bytes);
}

/* Takes a query out; what follows is its answer. */
static void release(struct search *s, struct lookup_query *q)
{
    TAILQ_REMOVE(&s->queries, q, link);
    q->search = NULL;
    hulse_timer_stop(timers_of(s->lookups), &q->deadline);
}

void hulse_search_finish(struct search *s, const struct pulsar_lookup_result *result)
{
    while (!TAILQ_EMPTY(&s->queries)) {
        struct lookup_query *q = TAILQ_FIRST(&s->queries);
        release(s, q);
        q->result = *result;
        s->lookups->figures.failed += result->failure.class != BROKER_DONE ? 1 : 0;
        hulse_lookup_query_answer(q);
    }
    destroy(s);
}

void hulse_search_finish_failed(struct search *s, const struct pulsar_failure *f)
{
    const struct pulsar_lookup_result result = {.failure = *f};
    hulse_search_finish(s, &result);
}

/* No attempt of its own has failed: an answer has not come, or another's failure was waited for all the time. */
static void say_what_was_waited_for(const struct search *s, struct pulsar_failure *f)
{
    char host[PULSAR_HOST_TEXT_BYTES] = "no broker";
    char text[BROKER_TEXT_BYTES];

    if (s->asking && hulse_pulsar_pool_last_failure(s->lookups->worker->pool, &s->to, f)) {
        return;
    }
    if (s->asking) {
        hulse_pulsar_host_print(&s->to.physical, host);
    }
    (void)snprintf(text, sizeof(text), "%.100s: no answer in operation_timeout", host);
    hulse_pulsar_failure_status(f, HULSE_TIMED_OUT, text);
}

static void deadline_fire(struct timer *timer)
{
    struct lookup_query *q = HULSE_CONTAINER(timer, struct lookup_query, deadline);
    struct search *s = q->search;

    q->result = (struct pulsar_lookup_result){.failure = s->last};
    if (s->last.class == BROKER_DONE) {
        say_what_was_waited_for(s, &q->result.failure);
        q->result.failure.gated = true; /* it has waited long enough */
    }
    release(s, q);
    s->lookups->figures.failed++;
    hulse_lookup_query_answer(q);
    if (TAILQ_EMPTY(&s->queries)) {
        destroy(s);
    }
}

/* ---- failed attempts ---- */

static void retry_fire(struct timer *timer)
{
    begin_attempt(HULSE_CONTAINER(timer, struct search, retry));
}

void hulse_search_attempt_failed(struct search *s, const struct pulsar_failure *f)
{
    end_attempt(s);
    if (f->verdict != PULSAR_AGAIN && f->verdict != PULSAR_QUOTA) {
        hulse_search_finish_failed(s, f);
        return;
    }
    s->last = *f;
    hulse_attempt_shun_host(s);
    wait_and_retry(s);
}

/* ---- the beginning ---- */

static struct search *find(struct pulsar_lookups *l, const struct lookup_query *q)
{
    struct search *s = NULL;

    LIST_FOREACH(s, &l->searches.buckets[q->hash % SEARCH_BUCKETS], link)
    {
        if (s->hash == q->hash && s->cluster == q->cluster && s->create == q->create &&
            strcmp(s->topic, q->topic) == 0) {
            return s;
        }
    }
    return NULL;
}

static struct search *create(struct pulsar_lookups *l, const struct lookup_query *q)
{
    const size_t topic_bytes = strlen(q->topic) + 1;
    const size_t bytes = sizeof(struct search) + topic_bytes;
    struct search *s = hulse_mem_zalloc(HULSE_MEM_BROKER, bytes);

    if (s == NULL) {
        return NULL;
    }
    s->lookups = l;
    s->bytes = bytes;
    s->hash = q->hash;
    s->create = q->create;
    s->cluster = q->cluster;
    memcpy(s->topic, q->topic, topic_bytes);
    TAILQ_INIT(&s->queries);
    hulse_attempt_init(s);
    s->retry.fire = retry_fire;
    LIST_INSERT_HEAD(&l->searches.buckets[q->hash % SEARCH_BUCKETS], s, link);
    return s;
}

void hulse_searches_init(struct pulsar_lookups *l)
{
    struct searches *all = &l->searches;

    for (uint32_t i = 0; i < SEARCH_BUCKETS; i++) {
        LIST_INIT(&all->buckets[i]);
    }
    TAILQ_INIT(&all->queue);
    all->hosts[0] =
        (uint32_t)(hulse_jitter_next(&l->worker->jitter) % l->worker->broker->service.host_count);
}

void hulse_search_join(struct pulsar_lookups *l, struct lookup_query *q)
{
    struct search *s = find(l, q);
    const bool begin = s == NULL;

    if (begin) {
        s = create(l, q);
    }
    if (s == NULL) {
        hulse_pulsar_failure_status(
            &q->result.failure, HULSE_NO_MEMORY, "no memory to look a topic up");
        hulse_lookup_query_answer(q);
        return;
    }
    l->figures.collapsed += begin ? 0 : 1;
    q->search = s;
    TAILQ_INSERT_TAIL(&s->queries, q, link);
    q->deadline.fire = deadline_fire;
    hulse_timer_start(
        timers_of(l), &q->deadline, now_ms(l) + l->worker->broker->params.operation_timeout_ms);
    if (begin) {
        begin_attempt(s);
    }
}

/* ---- workers that end ---- */

static void forget(struct search *s, uint32_t worker)
{
    struct lookup_query *next = NULL;

    for (struct lookup_query *q = TAILQ_FIRST(&s->queries); q != NULL; q = next) {
        next = TAILQ_NEXT(q, link);
        if (q->asked_by == worker) {
            release(s, q);
            hulse_lookup_query_answer(q);
        }
    }
    if (TAILQ_EMPTY(&s->queries)) {
        destroy(s);
    }
}

void hulse_searches_forget(struct pulsar_lookups *l, uint32_t worker)
{
    for (uint32_t i = 0; i < SEARCH_BUCKETS; i++) {
        struct search *next = NULL;
        for (struct search *s = LIST_FIRST(&l->searches.buckets[i]); s != NULL; s = next) {
            next = LIST_NEXT(s, link);
            forget(s, worker);
        }
    }
}

static void send_back(struct search *s)
{
    while (!TAILQ_EMPTY(&s->queries)) {
        struct lookup_query *q = TAILQ_FIRST(&s->queries);
        release(s, q);
        q->returned = true;
        hulse_lookup_query_answer(q);
    }
    destroy(s);
}

void hulse_searches_return(struct pulsar_lookups *l)
{
    for (uint32_t i = 0; i < SEARCH_BUCKETS; i++) {
        while (!LIST_EMPTY(&l->searches.buckets[i])) {
            send_back(LIST_FIRST(&l->searches.buckets[i]));
        }
    }
}
