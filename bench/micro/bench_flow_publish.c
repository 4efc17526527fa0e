/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_flow_publish - the publish path of flow down to the null broker and its answer back.
 *
 * Conservation: every record is answered once, stored, with rising entries.
 */
#include "bench/micro/micro.h"
#include "daemon/broker/null/null.h"
#include "daemon/core/assert.h"
#include "daemon/flow/publish.h"
#include "daemon/worker/worker.h"
#include "tests/support/own_tables.h"

#include <semaphore.h>

struct bench {
    struct inbox_node node;
    sem_t done;
    void (*call)(struct bench *b);
    struct worker *worker;
    struct flow flow;
    struct publisher *publisher;
    uint32_t bytes;
    uint64_t ops;
    uint64_t answered;
    uint64_t next_entry;
};

static void run(struct inbox_node *node)
{
    struct bench *b = HULSE_CONTAINER(node, struct bench, node);
    b->call(b);
    sem_post(&b->done);
}

static void on_worker(struct bench *b, void (*call)(struct bench *b))
{
    b->node.run = run;
    b->call = call;
    hulse_worker_answer(b->worker, &b->node);
    while (sem_wait(&b->done) != 0) {
    }
}

static void
opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    (void)ctx;
    (void)limits;
    micro_require(status == HULSE_OK, text);
}

static void answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct bench *b = ctx;
    micro_require(token == b->answered && answer->outcome == HULSE_OUTCOME_STORED, "an answer");
    micro_require(answer->id.entry == b->next_entry, "entries rise by one");
    b->next_entry += 1;
    b->answered += 1;
}

static const struct publisher_events events = {.opened = opened, .answered = answered};

static void open_publisher(struct bench *b)
{
    const struct identity who = {.uid = geteuid()};
    struct error err = {0};
    const struct publisher_params params = {.flow = &b->flow,
                                            .worker = b->worker,
                                            .who = &who,
                                            .topic = "bench",
                                            .name = "bench",
                                            .events = &events,
                                            .ctx = b};
    micro_require(hulse_publisher_open(&b->publisher, &params, &err) == HULSE_OK, err.text);
}

static void close_publisher(struct bench *b)
{
    hulse_publisher_close(&b->publisher);
}

static void publish(struct bench *b)
{
    /* Sources walk as a ring would. */
    static uint8_t ring[512 * 1024 + 1024];
    uint32_t at = 0;
    for (uint64_t i = 0; i < b->ops; i++) {
        const struct broker_record r = {.payload = {ring + at, b->bytes}, .seq = i, .token = i};
        hulse_publisher_publish(b->publisher, &r);
        at = (at + b->bytes + 40) & (512 * 1024 - 1);
    }
}

static void body(void *argument, uint64_t ops)
{
    struct bench *b = argument;
    b->ops = ops;
    b->answered = 0;
    on_worker(b, publish);
    micro_require(b->answered == ops, "every record is answered");
}

int main(int argc, char **argv)
{
    struct micro m;
    struct error err = {0};
    struct bench b = {0};
    struct worker *peers[1] = {NULL};
    _Atomic(uint32_t) runnable = 0;
    micro_begin(&m, "flow_publish", argc, argv);
    struct broker *null = hulse_null_create("null", 1U << 20U, &err);
    micro_require(null != NULL, err.text);
    b.flow = (struct flow){.brokers = {null},
                           .broker_count = 1,
                           .default_broker = null,
                           .default_namespace = "public/default",
                           .message_bytes_max = 1U << 20U};
    static struct own_tables tables;
    hulse_rcu_thread_begin();
    hulse_own_tables_open(&tables, &b.flow);
    const struct worker_params params = {.worker_count = 1,
                                         .cpu = -1,
                                         .cpu_count = 1,
                                         .module_count = 1,
                                         .modules = {null->ops->module},
                                         .shared = {null}};
    micro_require(hulse_worker_start(&b.worker, &params, peers, &runnable, &err) == HULSE_OK,
                  err.text);
    sem_init(&b.done, 0, 0);
    on_worker(&b, open_publisher);
    b.bytes = 64;
    micro_run(&m, "null_64", micro_ops(&m, 20000000, 10000), body, &b);
    b.bytes = 1024;
    micro_run(&m, "null_1024", micro_ops(&m, 5000000, 10000), body, &b);
    on_worker(&b, close_publisher);
    hulse_worker_stop(&b.worker);
    hulse_own_tables_close(&tables);
    hulse_rcu_thread_end();
    hulse_null_destroy(&null);
    sem_destroy(&b.done);
    return micro_end(&m);
}
