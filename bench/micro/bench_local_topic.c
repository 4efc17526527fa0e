/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_local_topic - a message through a topic in memory on one worker: send, hand out, ack.
 *
 * Conservation: every message is answered, delivered in order and acknowledged exactly once.
 */
#include "bench/micro/micro.h"
#include "daemon/broker/local/local.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/worker/worker.h"

#include <semaphore.h>

#define TOPIC "non-persistent://public/default/bench"
#define SUBSCRIPTIONS_MAX 4U
#define WINDOW_MAX 1024U

struct bench;

struct receiver {
    struct bench *bench;
    struct broker_consumer *consumer;
    uint64_t received;
    struct broker_delivery *held[WINDOW_MAX];
    uint32_t held_count;
};

struct bench {
    struct inbox_node node;
    sem_t done;
    void (*call)(struct bench *b);
    struct worker *worker;
    struct broker *broker;
    struct broker_producer *producer;
    struct receiver receivers[SUBSCRIPTIONS_MAX];
    uint32_t subscriptions;
    uint32_t bytes;
    uint32_t window; /* acknowledged in groups of so many */
    uint64_t ops;
    uint64_t answered;
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

static void producer_opened(void *ctx,
                            hulse_status status,
                            const char *text,
                            const struct broker_limits *limits)
{
    (void)ctx;
    (void)limits;
    micro_require(status == HULSE_OK, text);
}

static void answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct bench *b = ctx;
    micro_require(token == b->answered && answer->outcome == HULSE_OUTCOME_STORED, "an answer");
    b->answered += 1;
}

static void
consumer_opened(void *ctx, hulse_status status, const char *text, const struct broker_reach *reach)
{
    (void)reach;
    (void)ctx;
    micro_require(status == HULSE_OK, text);
}

static void message(void *ctx, struct broker_delivery *d)
{
    struct receiver *r = ctx;
    uint64_t number = 0;
    memcpy(&number, d->payload.data, sizeof(number));
    micro_require(number == r->received, "messages come in order");
    r->received += 1;
    r->held[r->held_count++] = d;
}

static const struct broker_producer_events producer_events = {.opened = producer_opened,
                                                              .answered = answered};
static const struct broker_consumer_events consumer_events = {.opened = consumer_opened,
                                                              .message = message};

static void open_all(struct bench *b)
{
    struct error err = {0};
    const struct broker_producer_params pp = {
        .topic = TOPIC, .name = "bench", .events = &producer_events, .ctx = b, .create = true};
    micro_require(b->broker->ops->producer_open(b->broker, b->worker, &pp, &b->producer, &err) ==
                      HULSE_OK,
                  err.text);
    for (uint32_t i = 0; i < b->subscriptions; i++) {
        struct receiver *r = &b->receivers[i];
        const char name[2] = {(char)('a' + i), '\0'};
        const struct broker_consumer_params cp = {.topic = TOPIC,
                                                  .subscription = name,
                                                  .name = "bench",
                                                  .type = BROKER_SHARED,
                                                  .events = &consumer_events,
                                                  .ctx = r,
                                                  .create = true};
        micro_require(b->broker->ops->consumer_open(
                          b->broker, b->worker, &cp, &r->consumer, &err) == HULSE_OK,
                      err.text);
        b->broker->ops->permit(r->consumer, b->window);
    }
}

static void close_all(struct bench *b)
{
    b->broker->ops->producer_close(b->producer, false);
    for (uint32_t i = 0; i < b->subscriptions; i++) {
        b->broker->ops->consumer_close(b->receivers[i].consumer, true);
    }
}

static void ack_window(struct bench *b)
{
    for (uint32_t i = 0; i < b->subscriptions; i++) {
        struct receiver *r = &b->receivers[i];
        for (uint32_t j = 0; j < r->held_count; j++) {
            b->broker->ops->ack(r->consumer, r->held[j]);
        }
        b->broker->ops->permit(r->consumer, r->held_count);
        r->held_count = 0;
    }
}

static void pump(struct bench *b)
{
    uint8_t payload[4096] = {0};
    for (uint64_t i = 0; i < b->ops; i++) {
        memcpy(payload, &i, sizeof(i));
        const struct broker_record r = {.payload = {payload, b->bytes}, .seq = i, .token = i};
        b->broker->ops->send(b->producer, &r);
        if ((i + 1) % b->window == 0) {
            ack_window(b);
        }
    }
    ack_window(b);
}

static void body(void *argument, uint64_t ops)
{
    struct bench *b = argument;
    b->ops = ops;
    b->answered = 0;
    for (uint32_t i = 0; i < b->subscriptions; i++) {
        b->receivers[i] = (struct receiver){.bench = b};
    }
    on_worker(b, open_all);
    on_worker(b, pump);
    on_worker(b, close_all);
    micro_require(b->answered == ops, "every message is answered");
    for (uint32_t i = 0; i < b->subscriptions; i++) {
        micro_require(b->receivers[i].received == ops, "every message is delivered");
    }
}

static void measure(struct micro *m, struct bench *b, const char *name, uint64_t full)
{
    micro_run(m, name, micro_ops(m, full, 10000), body, b);
}

int main(int argc, char **argv)
{
    struct micro m;
    struct error err = {0};
    struct bench b = {0};
    struct worker *peers[1] = {NULL};
    _Atomic(uint32_t) runnable = 0;
    struct local_params lp;
    micro_begin(&m, "local_topic", argc, argv);
    hulse_local_params_default(&lp);
    b.broker = hulse_local_create("local", &lp, &err);
    micro_require(b.broker != NULL, err.text);
    const struct worker_params params = {.worker_count = 1,
                                         .cpu = -1,
                                         .cpu_count = 1,
                                         .module_count = 1,
                                         .modules = {b.broker->ops->module},
                                         .shared = {b.broker}};
    micro_require(hulse_worker_start(&b.worker, &params, peers, &runnable, &err) == HULSE_OK,
                  err.text);
    sem_init(&b.done, 0, 0);
    b.subscriptions = 1;
    b.bytes = 64;
    b.window = 64;
    measure(&m, &b, "send_ack_64_window_64", 5000000);
    b.window = 1;
    measure(&m, &b, "send_ack_64_window_1", 5000000);
    b.window = WINDOW_MAX;
    measure(&m, &b, "send_ack_64_window_1024", 5000000);
    b.bytes = 1024;
    b.window = 64;
    measure(&m, &b, "send_ack_1024_window_64", 2000000);
    b.bytes = 64;
    b.subscriptions = SUBSCRIPTIONS_MAX;
    measure(&m, &b, "four_subscriptions", 1000000);
    hulse_worker_stop(&b.worker);
    hulse_local_destroy(&b.broker);
    sem_destroy(&b.done);
    micro_require(hulse_mem_used(HULSE_MEM_MESSAGE) == 0, "no message is left");
    return micro_end(&m);
}
