/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the null broker answers every record at once, stored and numbered, and has no consumers.
 * Method: sizes around its buffer; two producers.
 */
#include "daemon/broker/null/null.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/worker/worker.h"
#include "tests/support/check.h"

#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

struct front {
    struct broker_producer *producer;
    uint32_t opened;
    uint32_t limit;
    uint32_t answered;
    uint64_t token;
    struct broker_answer answer;
};

static struct broker *broker;
static struct worker *worker;

static void
opened(void *ctx, hulse_status status, const char *text, const struct broker_limits *limits)
{
    struct front *front = ctx;
    (void)text;
    assert_int_equal(status, HULSE_OK);
    assert_non_null(front->producer);
    front->opened += 1;
    front->limit = limits->message_bytes_max;
}

static void answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct front *front = ctx;
    front->answered += 1;
    front->token = token;
    front->answer = *answer;
}

static const struct broker_producer_events events = {.opened = opened, .answered = answered};

static void open_front(struct front *front)
{
    struct error err = {0};
    const struct broker_producer_params params = {
        .topic = "t", .name = "p", .events = &events, .ctx = front};
    *front = (struct front){0};
    assert_int_equal(broker->ops->producer_open(broker, worker, &params, &front->producer, &err),
                     HULSE_OK);
    assert_int_equal(front->opened, 1);
    assert_int_equal(front->limit, 300000);
}

static void check_all(void)
{
    static const uint32_t sizes[] = {0, 1, 64, 131072, 131071, 131073, 300000, 7};
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    struct front fronts[2];
    uint8_t *payload = calloc(1, 300000);
    open_front(&fronts[0]);
    open_front(&fronts[1]);
    for (uint32_t i = 0; i < 3 * COUNT; i++) {
        for (uint32_t f = 0; f < 2; f++) {
            const struct broker_record r = {.payload = {payload, sizes[i % COUNT]},
                                            .token = 1000 + i};
            broker->ops->send(fronts[f].producer, &r);
            assert_int_equal(fronts[f].answered, i + 1);
            assert_int_equal(fronts[f].token, 1000 + i);
            assert_int_equal(fronts[f].answer.class, BROKER_DONE);
            assert_int_equal(fronts[f].answer.outcome, HULSE_OUTCOME_STORED);
            assert_true(fronts[f].answer.has_id);
            assert_int_equal(fronts[f].answer.id.ledger, 0);
            assert_int_equal(fronts[f].answer.id.entry, i);
            assert_int_equal(fronts[f].answer.id.batch, -1);
            assert_int_equal(fronts[f].answer.id.partition, 0);
        }
    }
    free(payload);
    broker->ops->producer_close(fronts[0].producer, true);
    broker->ops->producer_close(fronts[1].producer, false);
    struct broker_consumer *c = NULL;
    struct error err = {0};
    const struct broker_consumer_params params = {.topic = "t", .subscription = "s"};
    assert_int_equal(broker->ops->consumer_open(broker, worker, &params, &c, &err),
                     HULSE_UNSUPPORTED);
    assert_string_equal(err.text, "the null broker has nothing to deliver");
    const size_t cap = hulse_mem_cap();
    hulse_mem_init(hulse_mem_total());
    const struct broker_producer_params no_memory = {.topic = "t", .name = "p"};
    struct broker_producer *p = NULL;
    assert_int_equal(broker->ops->producer_open(broker, worker, &no_memory, &p, &err),
                     HULSE_NO_MEMORY);
    hulse_mem_init(cap);
}

struct null_errand {
    struct inbox_node node;
    sem_t done;
};

static void run(struct inbox_node *node)
{
    check_all();
    sem_post(&HULSE_CONTAINER(node, struct null_errand, node)->done);
}

static void test_answers_at_once(void **state)
{
    struct error err = {0};
    struct worker *peers[1] = {NULL};
    _Atomic(uint32_t) runnable = 0;
    struct null_errand errand = {.node = {.run = run}};
    (void)state;
    broker = hulse_null_create("null", 300000, &err);
    assert_non_null(broker);
    assert_true(broker->ops->healthy(broker));
    assert_string_equal(broker->ops->type, "null");
    const struct worker_params params = {.worker_count = 1,
                                         .cpu = -1,
                                         .cpu_count = 1,
                                         .module_count = 1,
                                         .modules = {broker->ops->module},
                                         .shared = {broker}};
    assert_int_equal(hulse_worker_start(&worker, &params, peers, &runnable, &err), HULSE_OK);
    sem_init(&errand.done, 0, 0);
    assert_true(hulse_worker_post(worker, &errand.node));
    while (sem_wait(&errand.done) != 0) {
    }
    sem_destroy(&errand.done);
    hulse_worker_stop(&worker);
    hulse_null_destroy(&broker);
    assert_null(broker);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
