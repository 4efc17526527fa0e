/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is called inside an event of the local broker does what it does outside.
 * Method: front ends that close, flush, send and unsubscribe in each of their events, on the topic's
 *         worker and on another; a closed one hears nothing, and the bed finds every byte again.
 */
#include "tests/unit/daemon/broker/bed.h"
#include "tests/unit/daemon/broker/bed_ask.h"
#include "tests/unit/daemon/broker/bed_pub.h"
#include "tests/unit/daemon/broker/bed_sub.h"

#include <string.h>

enum event {
    P_OPENED,
    P_ANSWERED,
    P_FLUSHED,
    P_FAILED,
    C_OPENED,
    C_MESSAGE,
    C_DONE,
    C_END,
    C_FAILED,
    EVENTS
};

#define SUBS_MAX 3U
#define ENTRIES_MAX 16U

struct taker {
    struct broker_consumer *consumer;
    bool closed;
    uint32_t count;
    uint64_t entries[ENTRIES_MAX];
    uint32_t depth; /* of message events */
};

/* A producer and consumers on one worker; `act` runs once, in the first event `when`. */
static struct front {
    uint32_t worker;
    struct broker_producer *producer;
    bool producer_closed;
    struct taker takers[SUBS_MAX];
    enum event when;
    void (*act)(void);
    bool acted;
    uint32_t sent;
    uint32_t flushes;
    uint32_t errands;
    hulse_status last_status;
    hulse_status done_status;
    uint32_t answered_at_flushed;
    uint32_t heard[EVENTS];
} front;

static struct bed bed;
static char topic[128];

static void hear(enum event e)
{
    front.heard[e] += 1;
    if (e == front.when && front.act != NULL && !front.acted) {
        front.acted = true;
        front.act();
    }
}

static void p_hear(enum event e)
{
    assert_false(front.producer_closed);
    hear(e);
}

static void p_opened(void *ctx, hulse_status st, const char *text, const struct broker_limits *l)
{
    (void)ctx;
    (void)text;
    (void)l;
    assert_int_equal(st, HULSE_OK);
    p_hear(P_OPENED);
}

static void p_answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    (void)ctx;
    (void)token;
    (void)answer;
    p_hear(P_ANSWERED);
}

static void p_flushed(void *ctx)
{
    (void)ctx;
    front.answered_at_flushed = front.heard[P_ANSWERED];
    p_hear(P_FLUSHED);
}

static void p_failed(void *ctx, hulse_status st, const char *text)
{
    (void)ctx;
    (void)st;
    (void)text;
    p_hear(P_FAILED);
}

static const struct broker_producer_events p_events = {
    .opened = p_opened, .answered = p_answered, .flushed = p_flushed, .failed = p_failed};

static void c_hear(const struct taker *t, enum event e)
{
    assert_false(t->closed);
    hear(e);
}

static void c_opened(void *ctx, hulse_status st, const char *text, const struct broker_reach *reach)
{
    (void)reach;
    (void)text;
    assert_int_equal(st, HULSE_OK);
    c_hear(ctx, C_OPENED);
}

static void c_message(void *ctx, struct broker_delivery *d)
{
    struct taker *t = ctx;
    assert_int_equal(t->depth, 0);
    t->depth += 1;
    assert_true(t->count < ENTRIES_MAX);
    t->entries[t->count] = d->id.entry;
    t->count += 1;
    c_hear(t, C_MESSAGE);
    if (!t->closed) {
        bed.broker->ops->ack(t->consumer, d);
    }
    t->depth -= 1;
}

static void c_failed(void *ctx, hulse_status st, const char *text)
{
    (void)st;
    (void)text;
    c_hear(ctx, C_FAILED);
}

static void c_end(void *ctx)
{
    c_hear(ctx, C_END);
}

static void c_done(
    void *ctx, enum broker_errand e, hulse_status st, const char *text, const struct broker_id *id)
{
    (void)e;
    (void)text;
    (void)id;
    front.done_status = st;
    c_hear(ctx, C_DONE);
}

static const struct broker_consumer_events c_events = {.opened = c_opened,
                                                       .message = c_message,
                                                       .failed = c_failed,
                                                       .end_of_topic = c_end,
                                                       .done = c_done};

/* ---- what fronts do, on their worker ---- */

static void open_producer(void *arg)
{
    struct error err = {0};
    (void)arg;
    const struct broker_producer_params params = {
        .topic = topic, .name = "p", .events = &p_events, .create = true};
    assert_int_equal(bed.broker->ops->producer_open(
                         bed.broker, bed.workers[front.worker], &params, &front.producer, &err),
                     HULSE_OK);
}

struct opening {
    uint32_t index;
    const char *subscription;
    enum broker_subscription type;
};

static void open_consumer(void *arg)
{
    const struct opening *o = arg;
    struct error err = {0};
    const struct broker_consumer_params params = {.topic = topic,
                                                  .subscription = o->subscription,
                                                  .name = "c",
                                                  .type = o->type,
                                                  .events = &c_events,
                                                  .ctx = &front.takers[o->index],
                                                  .create = true};
    assert_int_equal(
        bed.broker->ops->consumer_open(
            bed.broker, bed.workers[front.worker], &params, &front.takers[o->index].consumer, &err),
        HULSE_OK);
}

static void close_producer(void)
{
    if (front.producer != NULL) { /* the consumers come first */
        front.producer_closed = true;
        bed.broker->ops->producer_close(front.producer, false);
    }
}

static void close_taker(struct taker *t, bool unsubscribe)
{
    t->closed = true;
    bed.broker->ops->consumer_close(t->consumer, unsubscribe);
}

static void close_first(void)
{
    close_taker(&front.takers[0], false);
}

static void send_one(void)
{
    const uint64_t payload = 0;
    const struct broker_record r = {.payload = {(const uint8_t *)&payload, sizeof(payload)}};
    front.sent += 1;
    bed.broker->ops->send(front.producer, &r);
}

static void send_there(void *arg)
{
    for (uint32_t i = *(const uint32_t *)arg; i > 0 && !front.producer_closed; i--) {
        send_one();
    }
}

static void flush_now(void)
{
    struct error err = {0};
    front.last_status = bed.broker->ops->flush(front.producer, &err);
    front.flushes += front.last_status == HULSE_OK;
}

static void permit_there(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < SUBS_MAX; i++) {
        struct taker *t = &front.takers[i];
        if (t->consumer != NULL && !t->closed) {
            bed.broker->ops->permit(t->consumer, ENTRIES_MAX);
        }
    }
}

static void close_rest(void *arg)
{
    (void)arg;
    if (!front.producer_closed) {
        close_producer();
    }
    for (uint32_t i = 0; i < SUBS_MAX; i++) {
        if (front.takers[i].consumer != NULL && !front.takers[i].closed) {
            close_taker(&front.takers[i], false);
        }
    }
}

static bool heard(void *arg)
{
    const enum event e = *(const enum event *)arg;
    const struct taker *t = &front.takers[0];
    const uint32_t wanted = e == P_ANSWERED || e == C_MESSAGE ? front.sent
                            : e == P_FLUSHED                  ? front.flushes
                            : e == C_DONE                     ? front.errands
                                                              : 1;
    return front.heard[e] >= wanted || (e <= P_FAILED ? front.producer_closed : t->closed);
}

/* Heard as often as can be, or by nobody any more. */
static void wait_for(enum event e)
{
    hulse_bed_until(&bed, front.worker, heard, &e);
}

struct has {
    uint32_t index;
    uint32_t count;
};

static bool has_all(void *arg)
{
    const struct has *h = arg;
    return front.takers[h->index].count >= h->count;
}

static void start(uint32_t worker, enum event when, void (*act)(void))
{
    front = (struct front){.worker = worker, .when = when, .act = act};
    hulse_bed_start(&bed, 2, NULL);
    hulse_bed_topic(&bed, 0, "events", topic, sizeof(topic));
}

static bool have_opened(void *arg)
{
    return front.heard[C_OPENED] >= *(const uint32_t *)arg;
}

/* Consumers of subscriptions of their own, "0", "1", …, with permits; then the producer. */
static void open_all(uint32_t consumers)
{
    static const char *const names[SUBS_MAX] = {"0", "1", "2"};
    for (uint32_t i = 0; i < consumers; i++) {
        struct opening o = {.index = i, .subscription = names[i], .type = BROKER_EXCLUSIVE};
        hulse_bed_on(&bed, front.worker, open_consumer, &o);
    }
    hulse_bed_until(&bed, front.worker, have_opened, &consumers); /* permits are for open ones */
    hulse_bed_on(&bed, front.worker, permit_there, NULL);
    hulse_bed_on(&bed, front.worker, open_producer, NULL);
    wait_for(P_OPENED);
}

static void finish(void)
{
    hulse_bed_on(&bed, front.worker, close_rest, NULL);
    hulse_bed_stop(&bed);
}

/* ---- closing ---- */

static void work(void *arg)
{
    struct error err = {0};
    (void)arg;
    for (unsigned i = 0; i < 2 && !front.producer_closed; i++) {
        send_one();
    }
    if (!front.producer_closed) {
        flush_now();
    }
    if (!front.takers[0].closed) {
        front.errands += 1;
        assert_int_equal(bed.broker->ops->last_message_id(front.takers[0].consumer, &err),
                         HULSE_OK);
    }
}

static void closes(uint32_t worker, enum event when, void (*act)(void))
{
    start(worker, when, act);
    open_all(1);
    hulse_bed_on(&bed, worker, work, NULL);
    wait_for(P_ANSWERED);
    wait_for(P_FLUSHED);
    wait_for(C_MESSAGE);
    wait_for(C_DONE);
    struct broker_admin q = {.command = BROKER_ADMIN_TERMINATE, .topic = topic};
    assert_int_equal(hulse_bed_admin(&bed, &q, NULL), HULSE_OK);
    wait_for(P_FAILED);
    wait_for(C_END);
    assert_int_equal(hulse_bed_delete(&bed, topic, true), HULSE_OK);
    wait_for(C_FAILED);
    assert_true(front.acted);
    finish();
}

static void test_closing_in_each_event(void **state)
{
    (void)state;
    for (unsigned e = 0; e < EVENTS; e++) {
        for (uint32_t worker = 0; worker < 2; worker++) {
            closes(worker, (enum event)e, close_producer);
            closes(worker, (enum event)e, close_first);
        }
    }
}

static void unsubscribe_all(void)
{
    for (uint32_t i = 0; i < SUBS_MAX; i++) {
        close_taker(&front.takers[i], true);
    }
}

static void close_last(void)
{
    close_taker(&front.takers[SUBS_MAX - 1], false);
}

static void close_next(void)
{
    close_taker(&front.takers[1], true);
}

/* Others of the topic, forgotten or not, in the event of the first: who is left hears it. */
static void test_closing_others_in_a_message(void **state)
{
    (void)state;
    static const struct {
        void (*act)(void);
        uint32_t counts[SUBS_MAX];
    } cases[] = {{close_first, {1, 2, 2}},
                 {close_next, {2, 0, 2}},
                 {close_last, {2, 2, 0}},
                 {unsubscribe_all, {1, 0, 0}}};
    uint32_t one = 1;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(0, C_MESSAGE, cases[i].act);
        open_all(SUBS_MAX);
        hulse_bed_on(&bed, 0, send_there, &one);
        hulse_bed_on(&bed, 0, send_there, &one);
        wait_for(P_ANSWERED);
        for (uint32_t k = 0; k < SUBS_MAX; k++) {
            assert_int_equal(front.takers[k].count, cases[i].counts[k]);
        }
        assert_int_equal(hulse_bed_has_subscription(&bed, topic, "1"),
                         cases[i].act != close_next && cases[i].act != unsubscribe_all);
        finish();
    }
}

static void reopen_first(void)
{
    struct opening o = {.index = 2, .subscription = "0", .type = BROKER_EXCLUSIVE};
    close_first();
    open_consumer(&o); /* would be refused as BUSY before the close has its effect */
}

/* A close in an event keeps its place before an open. */
static bool reopened(void *arg)
{
    (void)arg;
    return front.heard[C_OPENED] == 2;
}

static void test_closing_and_opening_in_a_message(void **state)
{
    (void)state;
    uint32_t two = 2;
    for (uint32_t worker = 0; worker < 2; worker++) {
        start(worker, C_MESSAGE, reopen_first);
        open_all(1);
        hulse_bed_on(&bed, worker, send_there, &two);
        wait_for(P_ANSWERED);
        hulse_bed_until(&bed, worker, reopened, NULL);
        hulse_bed_on(&bed, worker, permit_there, NULL);
        hulse_bed_until(&bed, worker, has_all, &(struct has){2, 2});
        assert_int_equal(front.takers[0].count, 1);
        assert_int_equal(front.takers[2].entries[0], 0); /* given back by the close */
        finish();
    }
}

/* ---- unsubscribing ---- */

static void unsubscribe_first(void)
{
    struct error err = {0};
    front.errands += 1;
    front.last_status = bed.broker->ops->unsubscribe(front.takers[0].consumer, &err);
}

static void test_unsubscribing_in_a_message(void **state)
{
    (void)state;
    uint32_t two = 2;
    start(0, C_MESSAGE, unsubscribe_first);
    open_all(SUBS_MAX);
    hulse_bed_on(&bed, 0, send_there, &two);
    wait_for(P_ANSWERED);
    assert_int_equal(front.last_status, HULSE_OK);
    assert_int_equal(front.done_status, HULSE_OK);
    assert_int_equal(front.takers[0].count, 1);
    assert_int_equal(front.takers[1].count, 2);
    assert_int_equal(front.takers[2].count, 2);
    assert_false(hulse_bed_has_subscription(&bed, topic, "0"));
    /* Its name is free while its consumer is there. */
    struct bed_sub again;
    const struct bed_where where = {.topic = topic, .subscription = "0", .type = BROKER_SHARED};
    assert_int_equal(hulse_sub_open(&bed, &again, &where), HULSE_OK);
    hulse_sub_close(&again, false);
    finish();
}

static void unsubscribe_there(void *arg)
{
    (void)arg;
    unsubscribe_first();
}

static void test_one_errand_at_a_time(void **state)
{
    (void)state;
    struct bed_blocker blocker;
    start(1, EVENTS, NULL);
    open_all(1);
    hulse_bed_block(&bed, 0, &blocker);
    hulse_bed_on(&bed, 1, work, NULL); /* begins one */
    hulse_bed_on(&bed, 1, unsubscribe_there, NULL);
    assert_int_equal(front.last_status, HULSE_BUSY);
    front.errands = 1; /* the other one has not begun */
    hulse_bed_release(&blocker);
    wait_for(C_DONE);
    hulse_bed_on(&bed, 1, unsubscribe_there, NULL);
    assert_int_equal(front.last_status, HULSE_OK);
    wait_for(C_DONE);
    assert_int_equal(front.heard[C_DONE], 2);
    finish();
}

/* ---- flushing ---- */

static void flush_there(void *arg)
{
    (void)arg;
    flush_now();
}

static void send_and_flush(void *arg)
{
    send_there(arg);
    flush_now();
}

static void test_flushing_in_flushed(void **state)
{
    (void)state;
    uint32_t two = 2;
    for (uint32_t worker = 0; worker < 2; worker++) {
        start(worker, P_FLUSHED, flush_now);
        open_all(1);
        hulse_bed_on(&bed, worker, send_and_flush, &two);
        wait_for(P_FLUSHED);
        assert_int_equal(front.flushes, 2);
        assert_int_equal(front.heard[P_FLUSHED], 2);
        hulse_bed_on(&bed, worker, flush_there, NULL);
        assert_int_equal(front.last_status, HULSE_OK);
        wait_for(P_FLUSHED);
        assert_int_equal(front.heard[P_FLUSHED], 3);
        finish();
    }
}

/* Of a record that is being told it has its answer, of one that is being handed out not. */
static void test_flushing_in_other_events(void **state)
{
    (void)state;
    uint32_t two = 2;
    static const enum event events[] = {P_ANSWERED, C_MESSAGE};
    for (uint32_t worker = 0; worker < 2; worker++) {
        for (unsigned i = 0; i < 2; i++) {
            start(worker, events[i], flush_now);
            open_all(1);
            hulse_bed_on(&bed, worker, send_there, &two);
            wait_for(P_ANSWERED);
            wait_for(C_MESSAGE);
            wait_for(P_FLUSHED);
            assert_int_equal(front.last_status, HULSE_OK);
            assert_int_equal(front.heard[P_FLUSHED], 1);
            if (worker == 0) {
                assert_int_equal(front.answered_at_flushed, 1);
            }
            finish();
        }
    }
}

/* ---- sending ---- */

static void send_two(void)
{
    send_one();
    send_one();
}

/* Everybody sees the same order, and no message event inside another one of the same consumer. */
static void test_sending_in_a_message(void **state)
{
    (void)state;
    uint32_t one = 1;
    for (uint32_t worker = 0; worker < 2; worker++) {
        start(worker, C_MESSAGE, send_two);
        open_all(SUBS_MAX);
        hulse_bed_on(&bed, worker, send_there, &one);
        wait_for(P_ANSWERED);
        for (uint32_t k = 0; k < SUBS_MAX; k++) {
            hulse_bed_until(&bed, worker, has_all, &(struct has){k, 3});
            for (uint32_t i = 0; i < 3; i++) {
                assert_int_equal(front.takers[k].entries[i], i);
            }
        }
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closing_in_each_event),
        cmocka_unit_test(test_closing_others_in_a_message),
        cmocka_unit_test(test_closing_and_opening_in_a_message),
        cmocka_unit_test(test_unsubscribing_in_a_message),
        cmocka_unit_test(test_one_errand_at_a_time),
        cmocka_unit_test(test_flushing_in_flushed),
        cmocka_unit_test(test_flushing_in_other_events),
        cmocka_unit_test(test_sending_in_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
