/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   one reader of several topics begins in each where it is told, says where each begins, goes on in each where an earlier
 *         daemon's was, and has caught up when it has in all.
 * Method: a broker of the test's own that remembers how each topic was opened, and says what the test wants of it.
 */
#include "daemon/core/mem.h"
#include "daemon/flow/deliver.h"
#include "daemon/worker/worker.h"
#include "tests/support/check.h"
#include "tests/support/own_tables.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOPICS 3U
#define MARKS_MAX 8U

/* A topic's reader, as its broker has it. */
struct end {
    struct broker_consumer base;
    struct broker_position start;
    bool resumed;
    uint32_t marks;
    struct broker_position of_partition[3]; /* that it was told to begin at */
    bool open;
};

static struct end ends[TOPICS];
static uint32_t end_count;
static bool parted;  /* the second has partitions 0 and 1 */
static bool unknown; /* the third does not say where it begins */
static struct flow flow;
static struct own_tables tables;
static struct identity me;
static struct worker worker;

static const struct broker_mark parts[] = {{.id = {.ledger = 100, .entry = 0, .partition = 0}},
                                           {.id = {.ledger = 100, .entry = 1, .partition = 1}}};

static hulse_status consumer_open(struct broker *b,
                                  struct worker *w,
                                  const struct broker_consumer_params *params,
                                  struct broker_consumer **out,
                                  struct error *err)
{
    const uint32_t index = end_count++;
    struct end *e = &ends[index];
    (void)w;
    (void)err;
    assert_true(index < TOPICS);
    assert_int_equal(params->type, BROKER_READER);
    *e = (struct end){.base = {.ops = b->ops, .events = params->events, .ctx = params->ctx},
                      .start = params->start,
                      .resumed = params->resumed,
                      .marks = params->marks == NULL ? 0 : params->marks->count,
                      .open = true};
    for (uint32_t i = 0; i < 3 && params->marks != NULL; i++) {
        e->of_partition[i] = hulse_broker_marks_start(params->marks, i);
    }
    *out = &e->base;
    struct broker_reach reach = {.behind = {.ledger = index, .entry = 10 + index}};
    if (parted && index == 1) {
        reach = (struct broker_reach){
            .behind_unknown = true, .marks = parts, .mark_count = 2, .all = true};
    }
    params->events->opened(params->ctx, HULSE_OK, "", unknown && index == 2 ? NULL : &reach);
    return HULSE_OK;
}

static void permit(struct broker_consumer *c, uint32_t count)
{
    (void)c;
    (void)count;
}

static void consumer_close(struct broker_consumer *c, bool unsubscribe)
{
    (void)unsubscribe;
    ((struct end *)(void *)c)->open = false;
}

static const struct broker_ops ops = {.type = "readers",
                                      .capabilities = UINT32_MAX,
                                      .consumer_open = consumer_open,
                                      .permit = permit,
                                      .consumer_close = consumer_close};
static struct broker broker = {.ops = &ops, .name = "readers"};

static struct {
    struct subscriber *subscriber;
    uint32_t opened;
    bool has_reach;
    struct broker_reach reach;
    struct broker_mark marks[MARKS_MAX];
    uint32_t caught_up;
    uint64_t lost;
} front;

static void opened(void *ctx,
                   hulse_status status,
                   const char *text,
                   uint32_t verdicts,
                   const struct broker_reach *reach)
{
    (void)ctx;
    (void)text;
    (void)verdicts;
    assert_int_equal(status, HULSE_OK);
    front.opened += 1;
    front.has_reach = reach != NULL;
    if (reach != NULL) {
        front.reach = *reach;
        assert_true(reach->mark_count <= MARKS_MAX);
        for (uint32_t i = 0; i < reach->mark_count; i++) {
            front.marks[i] = reach->marks[i];
        }
    }
}

static void message(void *ctx, struct broker_delivery *d)
{
    (void)ctx;
    (void)d;
    fail();
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    (void)ctx;
    (void)status;
    fail_msg("%s", text);
}

static void caught_up(void *ctx)
{
    (void)ctx;
    front.caught_up += 1;
}

static void lost(void *ctx, uint64_t count)
{
    (void)ctx;
    front.lost += count;
}

static void ask_room(void *ctx)
{
    (void)ctx;
}

static const struct subscriber_events events = {.opened = opened,
                                                .message = message,
                                                .failed = failed,
                                                .caught_up = caught_up,
                                                .lost = lost,
                                                .ask_room = ask_room};

static void answered(struct topic_request *request)
{
    assert_int_equal(request->status, HULSE_OK);
}

static int setup(void **state)
{
    static const char *const names[] = {"a", "b", "c"};
    (void)state;
    flow = (struct flow){.brokers = {&broker},
                         .broker_count = 1,
                         .default_broker = &broker,
                         .default_namespace = "public/default",
                         .message_bytes_max = 1000};
    memset(&worker, 0, sizeof(worker));
    hulse_timer_wheel_init(&worker.loop.timers, 0);
    hulse_rcu_thread_begin();
    hulse_own_tables_open(&tables, &flow);
    for (size_t i = 0; i < TOPICS; i++) {
        /* So that nobody has to wait for it on a thread that is no worker's. */
        struct topic_request request = {.answer = answered};
        (void)snprintf(
            request.name, sizeof(request.name), "persistent://public/default/%s", names[i]);
        assert_true(hulse_tables_ask(flow.tables, &request));
    }
    me = (struct identity){.uid = geteuid()};
    memset(&front, 0, sizeof(front));
    memset(ends, 0, sizeof(ends));
    end_count = 0;
    parted = false;
    unknown = false;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (front.subscriber != NULL) {
        hulse_subscriber_close(&front.subscriber, false);
    }
    for (uint32_t i = 0; i < TOPICS; i++) {
        assert_false(ends[i].open);
    }
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_SESSION), 0);
    hulse_own_tables_close(&tables);
    hulse_rcu_thread_end();
    return 0;
}

static void open_list(enum broker_position_kind start, struct broker_marks *marks)
{
    static const struct subscriber_topics several = {.names = "b\0c", .count = 2};
    const struct subscriber_params params = {.flow = &flow,
                                             .worker = &worker,
                                             .who = &me,
                                             .topic = "a",
                                             .subscription = "",
                                             .name = "c",
                                             .type = BROKER_READER,
                                             .start = {.kind = start, .time_ms = 5},
                                             .marks = marks,
                                             .resumed = marks != NULL,
                                             .several = &several,
                                             .events = &events};
    struct error err = {0};
    if (marks != NULL) {
        marks->begin = params.start;
    }
    assert_int_equal(hulse_subscriber_open(&front.subscriber, &params, &err), HULSE_OK);
    assert_int_equal(front.opened, 1);
    assert_int_equal(end_count, TOPICS);
}

static void test_it_begins_in_each_where_it_is_told(void **state)
{
    (void)state;
    open_list(BROKER_AT_PUBLISHED, NULL);
    for (uint32_t i = 0; i < TOPICS; i++) {
        assert_int_equal(ends[i].start.kind, BROKER_AT_PUBLISHED);
        assert_int_equal(ends[i].start.time_ms, 5);
        assert_false(ends[i].resumed);
    }
}

static void test_it_says_where_each_begins(void **state)
{
    (void)state;
    parted = true;
    open_list(BROKER_LATEST, NULL);
    assert_true(front.has_reach && front.reach.behind_unknown && !front.reach.has_last);
    assert_true(front.reach.all);
    assert_int_equal(front.reach.mark_count, 4);
    static const struct broker_mark wanted[] = {
        {.id = {.ledger = 0, .entry = 10}, .source = 0},
        {.id = {.ledger = 100, .entry = 0, .partition = 0}, .source = 1},
        {.id = {.ledger = 100, .entry = 1, .partition = 1}, .source = 1},
        {.id = {.ledger = 2, .entry = 12}, .source = 2}};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(front.marks[i].source, wanted[i].source);
        assert_int_equal(front.marks[i].id.ledger, wanted[i].id.ledger);
        assert_int_equal(front.marks[i].id.entry, wanted[i].id.entry);
        assert_int_equal(front.marks[i].id.partition, wanted[i].id.partition);
    }
}

static void test_it_does_not_say_what_it_does_not_know(void **state)
{
    (void)state;
    unknown = true;
    open_list(BROKER_LATEST, NULL);
    assert_int_equal(front.reach.mark_count, 2);
    assert_false(front.reach.all);
}

static void test_it_goes_on_in_each_where_it_was(void **state)
{
    struct broker_marks *marks = hulse_broker_marks_create();
    static const struct broker_mark were[] = {
        {.id = {.ledger = 7, .entry = 70}, .source = 0},
        {.id = {.ledger = 8, .entry = 80, .partition = 0}, .source = 1},
        {.id = {.ledger = 8, .entry = 82, .partition = 2}, .source = 1}};
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(hulse_broker_marks_add(marks, &were[i]));
    }
    marks->all = true;
    open_list(BROKER_LATEST, marks);
    hulse_broker_marks_let(&marks);
    assert_int_equal(ends[0].start.kind, BROKER_AFTER_ID);
    assert_int_equal(ends[0].start.id.entry, 70);
    assert_int_equal(ends[1].marks, 2);
    assert_int_equal(ends[1].of_partition[0].id.entry, 80);
    assert_int_equal(ends[1].of_partition[1].kind, BROKER_EARLIEST);
    assert_int_equal(ends[1].of_partition[2].id.entry, 82);
    assert_int_equal(ends[2].marks, 0);
    assert_int_equal(ends[2].start.kind, BROKER_LATEST);
    assert_true(ends[0].resumed && ends[1].resumed && ends[2].resumed);
}

static void test_it_has_caught_up_when_it_has_in_all(void **state)
{
    static const uint32_t order[] = {2, 0, 2, 1};
    (void)state;
    open_list(BROKER_EARLIEST, NULL);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(front.caught_up, 0);
        ends[order[i]].base.events->caught_up(ends[order[i]].base.ctx);
    }
    assert_int_equal(front.caught_up, 1);
}

static void test_what_is_lost_anywhere_is_counted(void **state)
{
    (void)state;
    open_list(BROKER_EARLIEST, NULL);
    ends[1].base.events->lost(ends[1].base.ctx, 3);
    ends[2].base.events->lost(ends[2].base.ctx, 4);
    assert_int_equal(front.lost, 7);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_it_begins_in_each_where_it_is_told),
        CASE(test_it_says_where_each_begins),
        CASE(test_it_does_not_say_what_it_does_not_know),
        CASE(test_it_goes_on_in_each_where_it_was),
        CASE(test_it_has_caught_up_when_it_has_in_all),
        CASE(test_what_is_lost_anywhere_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
