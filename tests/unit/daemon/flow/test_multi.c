/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   one consumer of several topics: every message once and under its topic's number, verdicts where they belong and
 *         settled in the order of the calls, permits never beyond what the front end has room for; topics that fail, come and go.
 * Method: a broker of the test's own with a consumer for each topic, which delivers, fails and lists what the test says; a
 *         random run that checks the sums after every step.
 */
#include "daemon/core/mem.h"
#include "daemon/flow/deliver.h"
#include "daemon/worker/worker.h"
#include "tests/support/check.h"
#include "tests/support/own_tables.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ENDS_MAX 32U
#define MESSAGES_MAX 20000U

/* A topic's consumer, as its broker has it. */
struct end {
    struct broker_consumer base;
    char topic[128];
    bool open;
    bool create;
    enum broker_position_kind start;
    uint32_t permits;
    uint32_t acked;
    uint32_t nacked;
    uint32_t given_back;
    uint32_t unsettled;
    uint32_t sought;
};

struct topic_watch {
    struct broker_topics base;
    bool open;
    uint32_t again;
    char pattern[128];
};

static struct end ends[ENDS_MAX];
static uint32_t end_count;
static struct topic_watch watch;
static struct broker_delivery messages[MESSAGES_MAX];
static uint32_t message_count;
static bool settle_later;
static bool open_later;
static const char *refused; /* a topic that cannot be opened */
static struct flow flow;
static struct own_tables tables;
static struct identity me;
static struct worker worker;

static struct end *of(struct broker_consumer *c)
{
    return (struct end *)(void *)c;
}

static hulse_status consumer_open(struct broker *b,
                                  struct worker *w,
                                  const struct broker_consumer_params *params,
                                  struct broker_consumer **out,
                                  struct error *err)
{
    struct end *e = &ends[end_count++];
    (void)w;
    (void)err;
    assert_true(end_count <= ENDS_MAX);
    *e = (struct end){.base = {.ops = b->ops, .events = params->events, .ctx = params->ctx},
                      .create = params->create,
                      .start = params->start.kind};
    (void)snprintf(e->topic, sizeof(e->topic), "%s", params->topic);
    *out = &e->base;
    if (!open_later) {
        const bool bad = refused != NULL && strcmp(refused, params->topic) == 0;
        e->open = !bad;
        params->events->opened(params->ctx, bad ? HULSE_BUSY : HULSE_OK, bad ? "taken" : "", NULL);
    }
    return HULSE_OK;
}

static void permit(struct broker_consumer *c, uint32_t count)
{
    of(c)->permits += count;
}

static void settle(struct end *e)
{
    e->unsettled += 1;
    if (!settle_later) {
        e->unsettled -= 1;
        e->base.events->settled(e->base.ctx, 1);
    }
}

static void ack(struct broker_consumer *c, struct broker_delivery *d)
{
    assert_true(of(c)->open);
    assert_int_equal(d->id.ledger, (uint64_t)(of(c) - ends));
    of(c)->acked += 1;
    settle(of(c));
}

/* Everything of this consumer that is not ended, up to d. */
static void ack_cumulative(struct broker_consumer *c,
                           struct broker_delivery *d,
                           void (*ended)(void *ctx, struct broker_delivery *d))
{
    const uint64_t ledger = (uint64_t)(of(c) - ends);
    const uint64_t last = d->id.entry;
    for (uint32_t i = 0; i < message_count; i++) {
        struct broker_delivery *each = &messages[i];
        if (each->id.ledger == ledger && each->id.entry <= last && each->redelivery == 0) {
            each->redelivery = 1; /* ended */
            ended(c->ctx, each);
        }
    }
    of(c)->acked += 1;
    settle(of(c));
}

static void nack(struct broker_consumer *c, struct broker_delivery *d, uint32_t delay_ms)
{
    (void)delay_ms;
    assert_int_equal(d->id.ledger, (uint64_t)(of(c) - ends));
    of(c)->nacked += 1;
    settle(of(c));
}

static void ack_id(struct broker_consumer *c, const struct broker_id *id, bool cumulative)
{
    (void)id;
    (void)cumulative;
    of(c)->acked += 1;
    settle(of(c));
}

static void give_back(struct broker_consumer *c, struct broker_delivery *d)
{
    (void)d;
    of(c)->given_back += 1;
}

static hulse_status seek(struct broker_consumer *c,
                         const struct broker_position *to,
                         void (*ended)(void *ctx, struct broker_delivery *d),
                         struct error *err)
{
    const uint64_t ledger = (uint64_t)(of(c) - ends);
    (void)to;
    (void)err;
    for (uint32_t i = 0; i < message_count; i++) {
        if (messages[i].id.ledger == ledger && messages[i].redelivery == 0) {
            messages[i].redelivery = 1;
            ended(c->ctx, &messages[i]);
        }
    }
    of(c)->sought += 1;
    return HULSE_OK;
}

static void consumer_close(struct broker_consumer *c, bool unsubscribe)
{
    (void)unsubscribe;
    assert_true(of(c)->open || open_later);
    of(c)->open = false;
}

static hulse_status topics_watch(struct broker *b,
                                 struct worker *w,
                                 const struct broker_topics_params *params,
                                 struct broker_topics **out,
                                 struct error *err)
{
    (void)b;
    (void)w;
    (void)err;
    watch =
        (struct topic_watch){.base = {.events = params->events, .ctx = params->ctx}, .open = true};
    (void)snprintf(watch.pattern, sizeof(watch.pattern), "%s", params->pattern);
    *out = &watch.base;
    return HULSE_OK;
}

static void topics_again(struct broker *b, struct broker_topics *t)
{
    (void)b;
    (void)t;
    watch.again += 1;
}

static void topics_close(struct broker *b, struct broker_topics *t)
{
    (void)b;
    (void)t;
    watch.open = false;
}

static const struct broker_ops ops = {.type = "several",
                                      .capabilities = UINT32_MAX,
                                      .consumer_open = consumer_open,
                                      .permit = permit,
                                      .ack = ack,
                                      .ack_cumulative = ack_cumulative,
                                      .nack = nack,
                                      .ack_id = ack_id,
                                      .give_back = give_back,
                                      .seek = seek,
                                      .consumer_close = consumer_close,
                                      .topics_watch = topics_watch,
                                      .topics_again = topics_again,
                                      .topics_close = topics_close};
static struct broker broker = {.ops = &ops, .name = "several"};

struct front {
    struct subscriber *subscriber;
    uint32_t opened;
    uint32_t failed;
    uint32_t sought;
    hulse_status status;
    char text[256];
    struct broker_delivery *held[MESSAGES_MAX];
    uint32_t held_count;
    uint32_t heard;
    uint64_t settled;
    bool close_in_message;
};
static struct front front;

static void opened(void *ctx,
                   hulse_status status,
                   const char *text,
                   uint32_t verdicts,
                   const struct broker_reach *reach)
{
    (void)ctx;
    (void)reach;
    front.opened += 1;
    front.status = status;
    (void)snprintf(front.text, sizeof(front.text), "%s", text);
    if (status != HULSE_OK) {
        front.subscriber = NULL;
    } else {
        assert_int_equal(verdicts, HULSE_VERDICTS_ALWAYS);
    }
}

static void message(void *ctx, struct broker_delivery *d)
{
    (void)ctx;
    d->slot = front.held_count;
    front.held[front.held_count++] = d;
    front.heard += 1;
    if (front.close_in_message) {
        hulse_subscriber_give_back(front.subscriber, d);
        hulse_subscriber_close(&front.subscriber, false);
    }
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    (void)ctx;
    front.failed += 1;
    front.status = status;
    (void)snprintf(front.text, sizeof(front.text), "%s", text);
}

static void settled(void *ctx, uint64_t call)
{
    (void)ctx;
    assert_true(call > front.settled);
    front.settled = call;
}

static void sought(void *ctx, hulse_status status, const char *text)
{
    (void)ctx;
    (void)text;
    front.sought += 1;
    front.status = status;
}

static void ask_room(void *ctx)
{
    (void)ctx;
}

static const struct subscriber_events events = {.opened = opened,
                                                .message = message,
                                                .failed = failed,
                                                .settled = settled,
                                                .sought = sought,
                                                .ask_room = ask_room};

static void drop_held(uint64_t slot)
{
    front.held_count -= 1;
    front.held[slot] = front.held[front.held_count];
    front.held[slot]->slot = slot;
}

static void ended(void *ctx, struct broker_delivery *d)
{
    (void)ctx;
    drop_held(d->slot);
}

static void judge(uint64_t slot, bool good)
{
    struct broker_delivery *d = front.held[slot];
    drop_held(slot);
    d->redelivery = 1;
    if (good) {
        hulse_subscriber_ack(front.subscriber, d);
    } else {
        hulse_subscriber_nack(front.subscriber, d, 5);
    }
}

static void deliver(struct end *e)
{
    struct broker_delivery *d = &messages[message_count];
    assert_true(e->open && e->permits > 0 && message_count < MESSAGES_MAX);
    *d = (struct broker_delivery){
        .id = {.ledger = (uint64_t)(e - ends), .entry = message_count, .batch = -1},
        .source = 0xffff};
    message_count += 1;
    e->permits -= 1;
    e->base.events->message(e->base.ctx, d);
}

static void answered(struct topic_request *request)
{
    assert_int_equal(request->status, HULSE_OK);
}

/* So that nobody has to wait for it on a thread that is no worker's. */
static void make_entry(const char *topic)
{
    struct topic_request request = {.answer = answered};
    (void)snprintf(request.name, sizeof(request.name), "persistent://public/default/%s", topic);
    assert_true(hulse_tables_ask(flow.tables, &request));
}

static int setup(void **state)
{
    static const char *const topics[] = {
        "a", "b", "c", "d", "e", "f", "g", "a1", "a2", "a3", "a5", "a7", "a9"};
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
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        make_entry(topics[i]);
    }
    me = (struct identity){.uid = geteuid()};
    memset(&front, 0, sizeof(front));
    end_count = 0;
    message_count = 0;
    settle_later = false;
    open_later = false;
    refused = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (front.subscriber != NULL) {
        hulse_subscriber_close(&front.subscriber, false);
    }
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_BROKER), 0);
    assert_false(watch.open);
    assert_int_equal(worker.loop.timers.count, 0);
    hulse_own_tables_close(&tables);
    hulse_rcu_thread_end();
    return 0;
}

static hulse_status open_as(const char *topic,
                            const struct subscriber_topics *several,
                            enum broker_subscription type,
                            struct error *err)
{
    const struct subscriber_params params = {.flow = &flow,
                                             .worker = &worker,
                                             .who = &me,
                                             .topic = topic,
                                             .subscription = type == BROKER_READER ? "" : "s",
                                             .name = "c",
                                             .type = type,
                                             .several = several,
                                             .events = &events};
    return hulse_subscriber_open(&front.subscriber, &params, err);
}

static void open_list(const char *topic, const char *others, uint32_t count)
{
    const struct subscriber_topics several = {.names = others, .count = count};
    struct error err = {0};
    assert_int_equal(open_as(topic, &several, BROKER_SHARED, &err), HULSE_OK);
}

static void open_pattern(const char *pattern, uint32_t max)
{
    const struct subscriber_topics several = {.is_pattern = true, .max = max};
    struct error err = {0};
    assert_int_equal(open_as(pattern, &several, BROKER_SHARED, &err), HULSE_OK);
}

#define SPACE "persistent://public/default/"

static void list(const char *names, uint32_t count)
{
    const struct broker_topic_names all = {.names = names, .count = count};
    watch.base.events->listed(watch.base.ctx, &all);
}

static struct end *end_of(const char *topic)
{
    for (uint32_t i = 0; i < end_count; i++) {
        if (ends[i].open && strcmp(ends[i].topic, topic) == 0) {
            return &ends[i];
        }
    }
    return NULL;
}

/* ---- lists ---- */

static void test_a_list_opens_when_all_are_open(void **state)
{
    (void)state;
    open_later = true;
    open_list("a", "b\0c", 2);
    assert_int_equal(end_count, 3);
    assert_string_equal(hulse_subscriber_topic(front.subscriber), SPACE "a");
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(front.opened, 0);
        ends[i].open = true;
        ends[i].base.events->opened(ends[i].base.ctx, HULSE_OK, "", NULL);
    }
    assert_int_equal(front.opened, 1);
    assert_string_equal(hulse_subscriber_news(front.subscriber, 2), SPACE "c");
    hulse_subscriber_told(front.subscriber, 2);
    assert_null(hulse_subscriber_news(front.subscriber, 2));
    assert_null(hulse_subscriber_news(front.subscriber, 3));
}

static void test_one_that_is_refused_fails_the_list(void **state)
{
    (void)state;
    refused = SPACE "b";
    open_list("a", "b\0c", 2);
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_BUSY);
    assert_string_equal(front.text, SPACE "b: taken");
    assert_false(ends[0].open);
}

static void test_one_that_fails_ends_the_list(void **state)
{
    (void)state;
    open_list("a", "b", 1);
    ends[1].base.events->failed(ends[1].base.ctx, HULSE_NO_TOPIC, "deleted");
    ends[0].base.events->failed(ends[0].base.ctx, HULSE_NO_TOPIC, "deleted");
    assert_int_equal(front.failed, 1);
    assert_string_equal(front.text, SPACE "b: deleted");
}

static void test_what_cannot_be(void **state)
{
    const struct subscriber_topics same = {.names = SPACE "a", .count = 1};
    const struct subscriber_topics few = {.names = "b\0c", .count = 2, .max = 2};
    const struct subscriber_topics many = {.names = "b", .count = 1, .max = 10001};
    const struct subscriber_topics pattern = {.is_pattern = true};
    struct error err = {0};
    (void)state;
    assert_int_equal(open_as("a-.*", &pattern, BROKER_READER, &err), HULSE_INVAL);
    assert_int_equal(open_as("a", &same, BROKER_SHARED, &err), HULSE_INVAL);
    assert_int_equal(open_as("a", &few, BROKER_SHARED, &err), HULSE_LIMIT);
    assert_int_equal(open_as("a", &many, BROKER_SHARED, &err), HULSE_LIMIT);
    assert_int_equal(open_as("(", &pattern, BROKER_SHARED, &err), HULSE_INVAL);
    assert_int_equal(open_as("x*/y/z", &pattern, BROKER_SHARED, &err), HULSE_INVAL);
    assert_int_equal(front.opened, 0);
}

/* ---- messages and verdicts ---- */

static void test_each_topic_may_send_one_ahead(void **state)
{
    (void)state;
    open_list("a", "b\0c", 2);
    assert_int_equal(ends[0].permits + ends[1].permits + ends[2].permits, 0);
    hulse_subscriber_room(front.subscriber, 1, 1);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(ends[i].permits, 1);
        deliver(&ends[i]);
    }
    /* There was room for one; the others wait, and their topics have no further permit. */
    assert_int_equal(front.heard, 1);
    assert_int_equal(ends[0].permits, 1);
    assert_int_equal(ends[1].permits + ends[2].permits, 0);
    hulse_subscriber_room(front.subscriber, 1U << 20U, 10);
    assert_int_equal(front.heard, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(front.held[i]->source, i);
        assert_int_equal(ends[i].permits, 1);
    }
}

static void test_verdicts_reach_their_topic_and_are_settled_in_order(void **state)
{
    (void)state;
    open_list("a", "b", 1);
    hulse_subscriber_room(front.subscriber, 1U << 20U, 10);
    deliver(&ends[0]);
    hulse_subscriber_room(front.subscriber, 1U << 20U, 10);
    deliver(&ends[1]);
    settle_later = true;
    judge(0, true);
    judge(0, false);
    assert_int_equal(ends[0].acked, 1);
    assert_int_equal(ends[1].nacked, 1);
    assert_int_equal(hulse_subscriber_calls(front.subscriber), 2);
    ends[1].base.events->settled(ends[1].base.ctx, 1);
    assert_int_equal(front.settled, 0);
    ends[0].base.events->settled(ends[0].base.ctx, 1);
    assert_int_equal(front.settled, 2);
}

static void test_cumulative_is_of_one_topic(void **state)
{
    (void)state;
    open_list("a", "b", 1);
    for (uint32_t i = 0; i < 4; i++) {
        hulse_subscriber_room(front.subscriber, 1U << 20U, 10);
        deliver(&ends[i % 2]);
    }
    assert_int_equal(front.held_count, 4);
    hulse_subscriber_ack_cumulative(front.subscriber, front.held[2], ended);
    assert_int_equal(front.held_count, 2);
    assert_int_equal(front.held[0]->source, 1);
    assert_int_equal(front.held[1]->source, 1);
}

static void test_by_id_of_a_topic_that_is_not_there(void **state)
{
    const struct broker_id id = {.ledger = 1};
    (void)state;
    open_list("a", "b", 1);
    hulse_subscriber_ack_id(front.subscriber, 1, &id, false);
    assert_int_equal(ends[1].acked, 1);
    hulse_subscriber_ack_id(front.subscriber, 7, &id, false);
    assert_int_equal(front.settled, 2);
}

static void test_all_of_them_seek(void **state)
{
    const struct broker_position begin = {.kind = BROKER_EARLIEST};
    const struct broker_position id = {.kind = BROKER_AT_ID};
    struct error err = {0};
    (void)state;
    open_list("a", "b", 1);
    hulse_subscriber_room(front.subscriber, 1, 1);
    deliver(&ends[0]);
    deliver(&ends[1]); /* waits */
    assert_int_equal(hulse_subscriber_seek(front.subscriber, &id, ended, &err), HULSE_UNSUPPORTED);
    assert_int_equal(hulse_subscriber_seek(front.subscriber, &begin, ended, &err), HULSE_OK);
    assert_int_equal(front.held_count, 0);
    assert_int_equal(hulse_subscriber_seek(front.subscriber, &begin, ended, &err), HULSE_BUSY);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(front.sought, 0);
        ends[i].base.events->done(ends[i].base.ctx, BROKER_SEEK, HULSE_OK, "", NULL);
    }
    assert_int_equal(front.sought, 1);
    /* What waited is nobody's; its permit is given anew. */
    hulse_subscriber_room(front.subscriber, 1U << 20U, 5);
    assert_int_equal(front.heard, 1);
    assert_int_equal(ends[1].permits, 1);
}

static void test_may_be_closed_in_a_message(void **state)
{
    (void)state;
    open_list("a", "b", 1);
    hulse_subscriber_room(front.subscriber, 1, 1);
    front.close_in_message = true;
    deliver(&ends[1]);
    assert_null(front.subscriber);
    assert_false(ends[0].open || ends[1].open);
}

/* ---- patterns ---- */

static void test_a_pattern_follows_its_list(void **state)
{
    (void)state;
    open_pattern("a.*", 0);
    assert_string_equal(watch.pattern, "public/default/a.*");
    assert_int_equal(front.opened, 0);
    list(SPACE "a1\0" SPACE "b\0" SPACE "a1\0persistent://x/y/a\0nonsense\0" SPACE "__a", 6);
    assert_int_equal(front.opened, 1);
    assert_int_equal(end_count, 1);
    assert_false(ends[0].create);
    assert_int_equal(ends[0].start, BROKER_LATEST);
    list(SPACE "a2\0" SPACE "a1", 2);
    assert_int_equal(end_count, 2);
    assert_int_equal(ends[1].start, BROKER_EARLIEST);
    list(SPACE "a2", 1);
    assert_null(end_of(SPACE "a1"));
    assert_non_null(end_of(SPACE "a2"));
    /* What comes back is another topic, under its old number. */
    list(SPACE "a2\0" SPACE "a1", 2);
    assert_int_equal(end_count, 3);
    assert_int_equal(ends[2].start, BROKER_EARLIEST);
    hulse_subscriber_room(front.subscriber, 1U << 20U, 10);
    deliver(&ends[2]);
    assert_int_equal(front.held[0]->source, 1);
}

static void test_what_is_held_keeps_its_number(void **state)
{
    (void)state;
    open_pattern("a.*", 2);
    list(SPACE "a1\0" SPACE "a2", 2);
    hulse_subscriber_room(front.subscriber, 1U << 20U, 10);
    deliver(end_of(SPACE "a1"));
    settle_later = true;
    list(SPACE "a2\0" SPACE "a3", 2);
    assert_non_null(end_of(SPACE "a1"));
    assert_null(end_of(SPACE "a3")); /* both numbers are in use */
    judge(0, true);
    list(SPACE "a2\0" SPACE "a3", 2);
    assert_null(end_of(SPACE "a3")); /* still: the verdict is not settled */
    struct end *first = end_of(SPACE "a1");
    first->base.events->settled(first->base.ctx, 1);
    assert_null(end_of(SPACE "a1"));
    list(SPACE "a2\0" SPACE "a3", 2);
    assert_non_null(end_of(SPACE "a3"));
    assert_string_equal(hulse_subscriber_news(front.subscriber, 1), SPACE "a3");
}

static void test_one_that_fails_is_tried_again(void **state)
{
    (void)state;
    refused = SPACE "a2";
    open_pattern("a.*", 0);
    list(SPACE "a1\0" SPACE "a2", 2);
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_OK);
    assert_int_equal(end_count, 2);
    refused = NULL;
    worker.loop.now_ns = UINT64_C(999) * 1000000;
    (void)hulse_timer_advance(&worker.loop.timers, 999);
    assert_int_equal(end_count, 2);
    worker.loop.now_ns = UINT64_C(1000) * 1000000;
    (void)hulse_timer_advance(&worker.loop.timers, 1000);
    assert_int_equal(end_count, 3);
    /* One that ends later goes, and the list is asked for. */
    ends[0].base.events->failed(ends[0].base.ctx, HULSE_NO_TOPIC, "deleted");
    assert_int_equal(front.failed, 0);
    assert_false(ends[0].open);
    assert_int_equal(watch.again, 0);
    worker.loop.now_ns = UINT64_C(2000) * 1000000;
    (void)hulse_timer_advance(&worker.loop.timers, 2000);
    assert_int_equal(watch.again, 1);
}

static void test_no_list_no_consumer(void **state)
{
    (void)state;
    open_pattern("a.*", 0);
    watch.base.events->failed(watch.base.ctx, HULSE_DENIED, "not yours");
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_DENIED);
    assert_string_equal(front.text, "not yours");
}

static void test_numbers_of_an_earlier_daemon(void **state)
{
    const struct subscriber_topics several = {
        .is_pattern = true, .known = "a.*\0" SPACE "a9\0" SPACE "a5", .known_count = 3};
    struct error err = {0};
    (void)state;
    assert_int_equal(open_as("a.*", &several, BROKER_SHARED, &err), HULSE_OK);
    list(SPACE "a5\0" SPACE "a7", 2);
    hulse_subscriber_room(front.subscriber, 1U << 20U, 10);
    deliver(end_of(SPACE "a5"));
    assert_int_equal(front.held[0]->source, 2);
    assert_null(hulse_subscriber_news(front.subscriber, 2));
    hulse_subscriber_room(front.subscriber, 1U << 20U, 10);
    deliver(end_of(SPACE "a7"));
    assert_int_equal(front.held[1]->source, 3);
    assert_string_equal(hulse_subscriber_news(front.subscriber, 3), SPACE "a7");
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1;
    return (uint32_t)(*seed >> 33U);
}

static void step(uint64_t *seed, uint32_t told)
{
    struct end *e = &ends[next_random(seed) % end_count];
    switch (next_random(seed) % 4) {
    case 0:
        hulse_subscriber_room(front.subscriber, (uint64_t)64 * told, told);
        break;
    case 1:
        if (e->permits > 0 && message_count < MESSAGES_MAX) {
            deliver(e);
        }
        break;
    case 2:
        if (front.held_count > 0) {
            judge(next_random(seed) % front.held_count, next_random(seed) % 3 != 0);
        }
        break;
    default:
        if (e->unsettled > 0) {
            e->unsettled -= 1;
            e->base.events->settled(e->base.ctx, 1);
        }
        break;
    }
}

static void test_at_random(void **state)
{
    uint64_t seed = 7;
    (void)state;
    open_list("a", "b\0c\0d\0e\0f\0g", 6);
    settle_later = true;
    for (uint32_t i = 0; i < 40000; i++) {
        const struct subscriber_counters *c = hulse_subscriber_counters(front.subscriber);
        step(&seed, 1 + i % 50);
        worker.loop.now_ns += 100000;
        uint64_t ahead = 0;
        uint64_t unsettled = 0;
        for (uint32_t k = 0; k < end_count; k++) {
            ahead += ends[k].permits;
            unsettled += ends[k].unsettled;
        }
        assert_true(front.heard <= c->permitted);
        const uint64_t waiting = message_count - front.heard;
        assert_true(ahead + waiting <= 7U + 2U * 50U);
        assert_true(front.settled + unsettled <= hulse_subscriber_calls(front.subscriber));
    }
    for (uint32_t k = 0; k < end_count; k++) {
        if (ends[k].unsettled > 0) {
            ends[k].base.events->settled(ends[k].base.ctx, ends[k].unsettled);
            ends[k].unsettled = 0;
        }
    }
    assert_int_equal(front.settled, hulse_subscriber_calls(front.subscriber));
    hulse_subscriber_room(front.subscriber, 1U << 30U, 100000);
    assert_int_equal(front.heard, message_count);
    assert_true(message_count > 5000);
    settle_later = false;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_list_opens_when_all_are_open),
        CASE(test_one_that_is_refused_fails_the_list),
        CASE(test_one_that_fails_ends_the_list),
        CASE(test_what_cannot_be),
        CASE(test_each_topic_may_send_one_ahead),
        CASE(test_verdicts_reach_their_topic_and_are_settled_in_order),
        CASE(test_cumulative_is_of_one_topic),
        CASE(test_by_id_of_a_topic_that_is_not_there),
        CASE(test_all_of_them_seek),
        CASE(test_may_be_closed_in_a_message),
        CASE(test_a_pattern_follows_its_list),
        CASE(test_what_is_held_keeps_its_number),
        CASE(test_one_that_fails_is_tried_again),
        CASE(test_no_list_no_consumer),
        CASE(test_numbers_of_an_earlier_daemon),
        CASE(test_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
