/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed - see the header.
 */
#include "tests/unit/daemon/broker/pulsar/lookup/bed.h"

#include "daemon/broker/pulsar/lookup/lookups.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "tests/unit/daemon/core/check.h"

#include <string.h>

/* ---- the module ---- */

static void stop(void *state)
{
    struct pulsar_worker *pw = state;

    hulse_pulsar_lookups_destroy(&pw->lookups);
    hulse_pulsar_pool_destroy(&pw->pool);
    free(pw);
}

static void *start(struct worker *w, void *shared, struct error *err)
{
    struct pulsar_worker *pw = calloc(1, sizeof(*pw));

    assert_non_null(pw);
    pw->broker = shared;
    pw->worker = w;
    pw->loop = &w->loop;
    hulse_jitter_init(&pw->jitter);
    pw->pool = hulse_pulsar_pool_create(pw, err);
    assert_non_null(pw->pool);
    pw->lookups = hulse_pulsar_lookups_create(pw, err);
    assert_non_null(pw->lookups);
    return pw;
}

static void flush(void *state)
{
    struct pulsar_worker *pw = state;
    hulse_pulsar_pool_flush(pw->pool);
}

static const struct worker_module module = {
    .name = "lookups", .start = start, .stop = stop, .flush = flush};

/* ---- the bed ---- */

void hulse_lookup_bed_start(struct lookup_bed *b, const struct lookup_bed_params *params)
{
    struct error err = {0};

    memset(b, 0, sizeof(*b));
    hulse_mem_init((size_t)256 << 20U);
    b->broker = calloc(1, sizeof(*b->broker));
    assert_non_null(b->broker);
    b->broker->base.name = "main";
    b->broker->params = (struct pulsar_params){
        .service_url = params->service_url,
        .listener = params->listener,
        .http = params->http,
        .daemon_name = "test",
        .connect_timeout_ms = 10000,
        .operation_timeout_ms =
            params->operation_timeout_ms == 0 ? 20000 : params->operation_timeout_ms,
        .keep_alive_ms = 30000,
        .partitions_refresh_ms = params->partitions_refresh_ms,
        .message_bytes_max = 1U << 20U};
    assert_int_equal((params->http == NULL ? hulse_service_url_parse : hulse_admin_url_parse)(
                         params->service_url, &b->broker->service, &err),
                     HULSE_OK);
    hulse_web_desk_init(&b->broker->web, &b->broker->params);
    b->broker->web.rest.url = b->broker->service;
    hulse_pulsar_trouble_init(&b->broker->trouble);
    b->count = params->workers;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct worker_params of = {.index = i,
                                         .worker_count = b->count,
                                         .cpu = -1,
                                         .cpu_count = 2,
                                         .modules = {&module},
                                         .shared = {b->broker},
                                         .module_count = 1};
        assert_int_equal(hulse_worker_start(&b->workers[i], &of, b->workers, &b->runnable, &err),
                         HULSE_OK);
    }
}

void hulse_lookup_bed_stop_worker(struct lookup_bed *b, uint32_t worker)
{
    hulse_worker_stop(&b->workers[worker]);
}

void hulse_lookup_bed_stop(struct lookup_bed *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        hulse_worker_stop(&b->workers[i]);
    }
    hulse_pulsar_trouble_fini(&b->broker->trouble);
    free(b->broker);
}

struct errand {
    struct inbox_node node;
    struct pulsar_broker *broker;
    void (*run)(struct pulsar_worker *w, void *ctx);
    void *ctx;
    sem_t done;
};

static void run_errand(struct inbox_node *node)
{
    struct errand *e = HULSE_CONTAINER(node, struct errand, node);

    e->run(hulse_worker_state(hulse_worker_self(), &module, e->broker), e->ctx);
    (void)sem_post(&e->done);
}

static void await(sem_t *s)
{
    while (sem_wait(s) != 0) {
        /* Interrupted by a signal. */
    }
}

void hulse_lookup_bed_run(struct lookup_bed *b,
                          uint32_t worker,
                          void (*run)(struct pulsar_worker *w, void *ctx),
                          void *ctx)
{
    struct errand e = {.node = {.run = run_errand}, .broker = b->broker, .run = run, .ctx = ctx};

    (void)sem_init(&e.done, 0, 0);
    hulse_worker_answer(b->workers[worker], &e.node);
    await(&e.done);
    (void)sem_destroy(&e.done);
}

/* ---- lookups ---- */

static void lookup_done(struct pulsar_lookup *l, const struct pulsar_lookup_result *result)
{
    struct asked *a = HULSE_CONTAINER(l, struct asked, lookup);

    assert_null(l->pending);
    a->result = *result;
    a->answers += 1;
    (void)sem_post(&a->answered);
}

void hulse_asked_init(struct asked *a)
{
    memset(a, 0, sizeof(*a));
    a->lookup.done = lookup_done;
    (void)sem_init(&a->answered, 0, 0);
}

void hulse_asked_fini(struct asked *a)
{
    (void)sem_destroy(&a->answered);
}

struct start {
    struct asked *asked;
    const struct wish *wish;
};

static void start_lookup(struct pulsar_worker *w, void *ctx)
{
    const struct start *s = ctx;
    const uint32_t answers = s->asked->answers;

    assert_true(hulse_pulsar_lookup_start(
        w, &s->asked->lookup, s->wish->topic, s->wish->create, s->wish->how));
    assert_int_equal(s->asked->answers, answers); /* not within the call */
}

void hulse_lookup_bed_ask(struct lookup_bed *b,
                          uint32_t worker,
                          struct asked *a,
                          const struct wish *wish)
{
    struct start s = {.asked = a, .wish = wish};
    hulse_lookup_bed_run(b, worker, start_lookup, &s);
}

static void cancel_lookup(struct pulsar_worker *w, void *ctx)
{
    struct asked *a = ctx;

    (void)w;
    hulse_pulsar_lookup_cancel(&a->lookup);
    assert_null(a->lookup.pending);
}

void hulse_lookup_bed_cancel(struct lookup_bed *b, uint32_t worker, struct asked *a)
{
    hulse_lookup_bed_run(b, worker, cancel_lookup, a);
}

void hulse_asked_await(struct asked *a)
{
    await(&a->answered);
}
