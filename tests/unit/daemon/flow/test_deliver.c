/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   permits: never more messages than permits, what is permitted fits the room that was told
 *         by the sizes seen lately, and with room something is always permitted.
 * Method: a fake broker that delivers what the test says; a random run checks the invariants after
 *         every step.
 */
#include "daemon/core/mem.h"
#include "daemon/flow/deliver.h"
#include "tests/support/fake_broker.h"
#include "tests/support/own_tables.h"
#include "tests/unit/daemon/core/check.h"

#include <unistd.h>

static struct fake_broker fake;
static struct flow flow;
static struct own_tables tables;
static struct identity me;

struct front {
    struct subscriber *subscriber;
    uint32_t opened;
    hulse_status status;
    uint32_t verdicts;
    uint32_t heard;
    uint32_t failed;
    uint64_t settled;
    struct broker_delivery *last;
    struct broker_delivery *ended;
    const struct broker_reach *reach;
    unsigned caught_up;
    unsigned sought;
    uint64_t lost;
    uint64_t room_in_event; /* asked for again, inside the event */
};

static void opened(void *ctx,
                   hulse_status status,
                   const char *text,
                   uint32_t verdicts,
                   const struct broker_reach *reach)
{
    struct front *front = ctx;
    front->reach = reach;
    assert_non_null(front->subscriber);
    assert_string_equal(text,
                        status == HULSE_UNSUPPORTED ? "refused by the fake" : "text of the fake");
    front->opened += 1;
    front->status = status;
    front->verdicts = verdicts;
    if (status != HULSE_OK) {
        front->subscriber = NULL; /* gone when this returns */
    }
}

static void message(void *ctx, struct broker_delivery *d)
{
    struct front *front = ctx;
    front->heard += 1;
    front->last = d;
    assert_true(fake.delivered <= fake.permits);
    if (front->room_in_event != 0) {
        const uint64_t bytes = front->room_in_event;
        front->room_in_event = 0;
        hulse_subscriber_room(front->subscriber, bytes, 100);
    }
}

static void failed(void *ctx, hulse_status status, const char *text)
{
    struct front *front = ctx;
    assert_string_equal(text, "why");
    front->status = status;
    front->failed += 1;
}

static void settled(void *ctx, uint64_t call)
{
    struct front *front = ctx;
    assert_true(call > front->settled);
    front->settled = call;
}

static void lost(void *ctx, uint64_t count)
{
    ((struct front *)ctx)->lost += count;
}

static void caught_up(void *ctx)
{
    ((struct front *)ctx)->caught_up += 1;
}

static void sought(void *ctx, hulse_status status, const char *text)
{
    struct front *front = ctx;
    (void)text;
    front->sought += 1;
    front->status = status;
}

static const struct subscriber_events events = {.opened = opened,
                                                .message = message,
                                                .failed = failed,
                                                .settled = settled,
                                                .caught_up = caught_up,
                                                .lost = lost,
                                                .sought = sought};

static int setup(void **state)
{
    (void)state;
    hulse_fake_init(&fake);
    flow = (struct flow){.brokers = {&fake.base},
                         .broker_count = 1,
                         .default_broker = &fake.base,
                         .default_namespace = "public/default",
                         .message_bytes_max = 1000};
    hulse_rcu_thread_begin();
    hulse_own_tables_open(&tables, &flow);
    me = (struct identity){.uid = geteuid()};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
    hulse_own_tables_close(&tables);
    hulse_rcu_thread_end();
    assert_int_equal(hulse_mem_used(HULSE_MEM_TABLE), 0);
    return 0;
}

static hulse_status
open_as(struct front *front, const char *subscription, enum broker_subscription type)
{
    struct error err = {0};
    *front = (struct front){0};
    const struct subscriber_params params = {.flow = &flow,
                                             .who = &me,
                                             .topic = "orders",
                                             .subscription = subscription,
                                             .name = "c",
                                             .type = type,
                                             .events = &events,
                                             .ctx = front};
    return hulse_subscriber_open(&front->subscriber, &params, &err);
}

static void test_opens(void **state)
{
    struct front front;
    (void)state;
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(front.opened, 1);
    /* ack, nack and drop; retry and reject need configuration */
    assert_int_equal(front.verdicts, (1U << 1U) | (1U << 2U) | (1U << 5U));
    assert_string_equal(fake.topic, "persistent://public/default/orders");
    assert_string_equal(fake.subscription, "s");
    assert_int_equal(fake.type, BROKER_SHARED);
    assert_string_equal(hulse_subscriber_topic(front.subscriber), fake.topic);
    hulse_subscriber_close(&front.subscriber, true);
    assert_null(front.subscriber);
    assert_true(fake.unsubscribed);
    assert_int_equal(open_as(&front, "", BROKER_READER), HULSE_OK);
    hulse_subscriber_close(&front.subscriber, false);
    assert_false(fake.unsubscribed);
}

/* Where a reader goes on, and what its broker says of it, pass through. */
static void test_a_reader(void **state)
{
    struct error err = {0};
    struct front front = {0};
    const struct broker_id after = {.ledger = 7, .entry = 8, .batch = -1};
    const struct subscriber_params params = {.flow = &flow,
                                             .who = &me,
                                             .topic = "orders",
                                             .subscription = "",
                                             .name = "r",
                                             .type = BROKER_READER,
                                             .after = &after,
                                             .events = &events,
                                             .ctx = &front};
    (void)state;
    fake.has_reach = true;
    fake.reach.behind = after;
    assert_int_equal(hulse_subscriber_open(&front.subscriber, &params, &err), HULSE_OK);
    assert_int_equal(fake.start.kind, BROKER_AFTER_ID);
    assert_int_equal(fake.start.id.ledger, 7);
    assert_int_equal(fake.start.id.entry, 8);
    assert_ptr_equal(front.reach, &fake.reach);
    fake.consumer.events->lost(fake.consumer.ctx, 3);
    assert_int_equal(front.lost, 3);
    fake.consumer.events->caught_up(fake.consumer.ctx);
    assert_int_equal(front.caught_up, 1);
    hulse_subscriber_close(&front.subscriber, false);
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(fake.start.kind, BROKER_LATEST);
    hulse_subscriber_close(&front.subscriber, false);
}

static void test_refusals(void **state)
{
    struct front front;
    (void)state;
    assert_int_equal(open_as(&front, "", BROKER_SHARED), HULSE_INVAL);
    assert_int_equal(open_as(&front, "s", BROKER_READER), HULSE_INVAL);
    me.uid += 1;
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_DENIED);
    me.uid -= 1;
    fake.refuse_open = HULSE_UNSUPPORTED;
    /* By event while the topic is made known, at once when it is. */
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(front.opened, 1);
    assert_int_equal(front.status, HULSE_UNSUPPORTED);
    assert_null(front.subscriber);
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_UNSUPPORTED);
    assert_null(front.subscriber);
    assert_int_equal(front.opened, 0);
    fake.refuse_open = HULSE_OK;
    fake.open_status = HULSE_BUSY;
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(front.status, HULSE_BUSY);
    assert_int_equal(fake.consumer_closes, 0);
    const size_t cap = hulse_mem_cap();
    hulse_status st = HULSE_NO_MEMORY;
    for (size_t spare = 0; st != HULSE_OK; spare += 32) {
        const size_t before = hulse_mem_total();
        hulse_mem_init(before + spare);
        st = open_as(&front, "s", BROKER_SHARED);
        hulse_mem_init(cap);
        assert_int_equal(st, front.opened > 0 ? HULSE_OK : HULSE_NO_MEMORY);
        assert_int_equal(hulse_mem_total(), before); /* nothing is left behind */
    }
    assert_int_equal(front.status, HULSE_BUSY);
}

static void test_unknown_size_is_one_at_a_time(void **state)
{
    struct front front;
    struct broker_delivery d;
    (void)state;
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_OK);
    hulse_subscriber_room(front.subscriber, 0, 100);
    hulse_subscriber_room(front.subscriber, 1 << 20, 0);
    assert_int_equal(fake.permits, 0); /* no room, no permit */
    for (unsigned i = 0; i < 3; i++) {
        hulse_subscriber_room(front.subscriber, 1 << 20, 100);
        assert_int_equal(fake.permits, 1);
    }
    hulse_fake_deliver(&fake, &d, 936); /* with its header 1000 */
    hulse_subscriber_room(front.subscriber, 10000, 100);
    assert_int_equal(fake.permits, 1 + 10);
    hulse_subscriber_room(front.subscriber, 12999, 100);
    assert_int_equal(fake.permits, 1 + 12);
    hulse_subscriber_room(front.subscriber, 5000, 100); /* nothing can be taken back */
    assert_int_equal(fake.permits, 1 + 12);
    hulse_subscriber_room(front.subscriber, 1 << 20, 15);
    assert_int_equal(fake.permits, 1 + 15); /* bounded by messages as well */
    hulse_subscriber_close(&front.subscriber, false);
}

static void test_a_message_larger_than_the_room(void **state)
{
    struct front front;
    struct broker_delivery d;
    (void)state;
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_OK);
    hulse_subscriber_room(front.subscriber, 100, 10);
    hulse_fake_deliver(&fake, &d, 5000);
    hulse_subscriber_room(front.subscriber, 100, 10);
    assert_int_equal(fake.permits, 2); /* alone, but it comes */
    hulse_subscriber_room(front.subscriber, 100, 10);
    assert_int_equal(fake.permits, 2);
    hulse_subscriber_close(&front.subscriber, false);
}

/* Permits for 1 MiB after one message of `first` and `count` of `then` ring bytes. */
static uint64_t permits_after(uint32_t first, uint32_t then, unsigned count)
{
    struct front front;
    struct broker_delivery d;
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_OK);
    for (unsigned i = 0; i <= count; i++) {
        hulse_subscriber_room(front.subscriber, 1, 1);
        hulse_fake_deliver(&fake, &d, (i == 0 ? first : then) - 64);
    }
    const uint64_t before = fake.permits;
    hulse_subscriber_room(front.subscriber, 1 << 20, UINT32_MAX);
    const uint64_t permits = fake.permits - before;
    hulse_subscriber_close(&front.subscriber, false);
    hulse_fake_init(&fake);
    return permits;
}

/* A larger message counts at once, a smaller one slowly. */
static void test_estimate(void **state)
{
    (void)state;
    assert_int_equal(permits_after(100, 100, 0), (1 << 20) / 100);
    assert_int_equal(permits_after(100, 100, 500), (1 << 20) / 100);
    assert_int_equal(permits_after(100, 10000, 1), (1 << 20) / 10000);
    assert_in_range(permits_after(10000, 100, 1), (1 << 20) / 10000, (1 << 20) / 9800);
    /* A third of the peak after 64, all of it forgotten in the end. */
    assert_in_range(permits_after(10000, 100, 64), (1 << 20) / 4000, (1 << 20) / 3300);
    assert_int_equal(permits_after(10000, 100, 2000), (1 << 20) / 100);
}

static void test_delivery_inside_permit(void **state)
{
    struct front front;
    (void)state;
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_OK);
    fake.deliver_in_permit = 36;
    hulse_subscriber_room(front.subscriber, 1000, 50);
    assert_int_equal(front.heard, 1);
    hulse_subscriber_room(front.subscriber, 1000, 50);
    assert_int_equal(front.heard, 11);
    front.room_in_event = 2000;
    hulse_subscriber_room(front.subscriber, 1000, 50);
    assert_int_equal(fake.permits, fake.delivered);
    const struct subscriber_counters *c = hulse_subscriber_counters(front.subscriber);
    assert_int_equal(c->permitted, fake.permits);
    assert_int_equal(c->delivered, fake.delivered);
    assert_int_equal(c->bytes, fake.delivered * 36);
    hulse_subscriber_close(&front.subscriber, false);
}

static void ended(void *ctx, struct broker_delivery *d)
{
    struct front *front = ctx;
    assert_null(front->ended);
    front->ended = d;
}

/* The wish and its end pass through; who cannot is not asked. */
static void test_it_is_moved(void **state)
{
    struct error err = {0};
    struct front front;
    const struct broker_position to = {.kind = BROKER_AT_PUBLISHED, .time_ms = 5};
    (void)state;
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_OK);
    assert_int_equal(hulse_subscriber_seek(front.subscriber, &to, ended, &err), HULSE_OK);
    assert_int_equal(fake.sought.time_ms, 5);
    hulse_fake_done(&fake, BROKER_SEEK, HULSE_FAILED, NULL);
    assert_int_equal(front.sought, 1);
    assert_int_equal(front.status, HULSE_FAILED);
    fake.refuse_call = HULSE_BUSY;
    assert_int_equal(hulse_subscriber_seek(front.subscriber, &to, ended, &err), HULSE_BUSY);
    fake.refuse_call = HULSE_OK;
    hulse_subscriber_close(&front.subscriber, false);
}

static bool was_active;
static bool was_ended;

static void active(void *ctx, bool on)
{
    (void)ctx;
    was_active = on;
}

static void end_of_topic(void *ctx)
{
    (void)ctx;
    was_ended = true;
}

static void test_news_of_the_subscription_pass_through(void **state)
{
    struct error err = {0};
    struct front front = {0};
    struct subscriber_events told = events;
    (void)state;
    told.active = active;
    told.end_of_topic = end_of_topic;
    const struct subscriber_params params = {.flow = &flow,
                                             .who = &me,
                                             .topic = "orders",
                                             .subscription = "s",
                                             .name = "c",
                                             .type = BROKER_FAILOVER,
                                             .events = &told,
                                             .ctx = &front};
    assert_int_equal(hulse_subscriber_open(&front.subscriber, &params, &err), HULSE_OK);
    fake.consumer.events->active(fake.consumer.ctx);
    assert_true(was_active && !was_ended);
    fake.consumer.events->inactive(fake.consumer.ctx);
    assert_false(was_active);
    fake.consumer.events->end_of_topic(fake.consumer.ctx);
    assert_true(was_ended);
    hulse_subscriber_close(&front.subscriber, false);
}

static hulse_status open_wishing(const struct broker_wishes *wishes, struct error *err)
{
    struct front front = {0};
    const struct subscriber_params params = {.flow = &flow,
                                             .who = &me,
                                             .topic = "orders",
                                             .subscription = "s",
                                             .name = "c",
                                             .type = BROKER_KEY_SHARED,
                                             .wishes = wishes,
                                             .events = &events,
                                             .ctx = &front};
    const hulse_status st = hulse_subscriber_open(&front.subscriber, &params, err);
    if (st == HULSE_OK) {
        hulse_subscriber_close(&front.subscriber, false);
    }
    return st;
}

/* To a broker that knows them, whole; by another they are refused by name. */
static void test_wishes_reach_the_broker(void **state)
{
    static const struct broker_key_range ranges[] = {{1, 2}, {3, 65535}};
    const struct broker_wishes all = {.key_ranges = ranges,
                                      .key_range_count = 2,
                                      .any_order = true,
                                      .compacted = true,
                                      .replicated = true,
                                      .priority = 7,
                                      .properties = {(const uint8_t *)"own", 3},
                                      .subscription_properties = {(const uint8_t *)"sub", 3}};
    struct broker_ops poor = *fake.base.ops;
    struct error err = {0};
    (void)state;
    fake.look_at_wishes = &all;
    assert_int_equal(open_wishing(&all, &err), HULSE_OK);
    assert_null(fake.look_at_wishes);
    poor.capabilities &= ~BROKER_CAN_WISHES;
    fake.base.ops = &poor;
    assert_int_equal(open_wishing(&(struct broker_wishes){0}, &err), HULSE_OK);
    assert_int_equal(open_wishing(&all, &err), HULSE_UNSUPPORTED);
    assert_string_equal(err.text, "a broker of type fake has no compacted topics");
    assert_int_equal(open_wishing(&(struct broker_wishes){.properties = all.properties}, &err),
                     HULSE_UNSUPPORTED);
    assert_int_equal(open_wishing(&(struct broker_wishes){.priority = -1}, &err),
                     HULSE_UNSUPPORTED);
    assert_int_equal(open_wishing(&(struct broker_wishes){.replicated = true}, &err),
                     HULSE_UNSUPPORTED);
    assert_int_equal(open_wishing(&(struct broker_wishes){.any_order = true}, &err),
                     HULSE_UNSUPPORTED);
}

static void test_verdicts(void **state)
{
    static const enum fake_verdict told[] = {
        FAKE_ACK, FAKE_NACK, FAKE_ACK, FAKE_GIVE_BACK, FAKE_CUMULATIVE};
    struct front front;
    struct broker_delivery d[5];
    (void)state;
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_OK);
    for (unsigned i = 0; i < 5; i++) {
        hulse_subscriber_room(front.subscriber, 1000, 1);
        hulse_fake_deliver(&fake, &d[i], 10);
    }
    hulse_subscriber_ack(front.subscriber, &d[0]);
    hulse_subscriber_nack(front.subscriber, &d[1], 77);
    hulse_subscriber_drop(front.subscriber, &d[2]);
    hulse_subscriber_give_back(front.subscriber, &d[3]);
    hulse_subscriber_ack_cumulative(front.subscriber, &d[4], ended);
    assert_int_equal(fake.call_count, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(fake.calls[i].verdict, told[i]);
        assert_ptr_equal(fake.calls[i].d, &d[i]);
    }
    assert_int_equal(fake.calls[1].delay_ms, 77);
    assert_ptr_equal(front.ended, &d[4]); /* with the front end's own ctx */
    assert_int_equal(hulse_subscriber_counters(front.subscriber)->dropped, 1);
    hulse_fake_consumer_failed(&fake, HULSE_CLOSED, "why");
    assert_int_equal(front.failed, 1);
    hulse_subscriber_close(&front.subscriber, false);
    assert_int_equal(fake.consumer_closes, 1);
}

/* Numbers count the calls, those that flow makes for itself included; settling comes at any time. */
static void test_verdicts_are_numbered_and_settled(void **state)
{
    const struct broker_id id = {.ledger = 3, .entry = 4, .batch = -1};
    struct front front;
    struct broker_delivery d[4];
    (void)state;
    fake.settle_later = true;
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_OK);
    for (unsigned i = 0; i < 4; i++) {
        hulse_subscriber_room(front.subscriber, 1000, 1);
        hulse_fake_deliver(&fake, &d[i], 10);
    }
    assert_int_equal(hulse_subscriber_calls(front.subscriber), 0);
    hulse_subscriber_ack(front.subscriber, &d[0]);
    assert_int_equal(hulse_subscriber_calls(front.subscriber), 1);
    hulse_subscriber_ack_id(front.subscriber, 0, &id, true);
    assert_int_equal(fake.calls[1].verdict, FAKE_ACK_ID_CUMULATIVE);
    assert_int_equal(fake.calls[1].id.entry, 4);
    hulse_subscriber_give_back(front.subscriber, &d[1]);
    assert_int_equal(hulse_subscriber_calls(front.subscriber), 2);
    hulse_subscriber_unconfigured(front.subscriber, &d[2]);
    hulse_subscriber_drop(front.subscriber, &d[3]);
    assert_int_equal(hulse_subscriber_calls(front.subscriber), 4);
    assert_int_equal(front.settled, 0);
    hulse_fake_settled(&fake, 3);
    assert_int_equal(front.settled, 3);
    assert_int_equal(hulse_subscriber_settled(front.subscriber), 3);
    fake.settle_later = false;
    hulse_fake_settled(&fake, 1);
    hulse_subscriber_ack_id(front.subscriber, 0, &id, false);
    assert_int_equal(front.settled, 5); /* within the call */
    hulse_subscriber_close(&front.subscriber, false);
}

/* Room is a ring of `capacity`; the front end reads now and then. */
static void test_random_run(void **state)
{
    uint64_t seed = test_seed();
    struct front front;
    struct broker_delivery d;
    const uint64_t capacity = 65536;
    uint64_t used = 0;
    (void)state;
    assert_int_equal(open_as(&front, "s", BROKER_SHARED), HULSE_OK);
    for (unsigned i = 0; i < 200000; i++) {
        const uint64_t outstanding = fake.permits - fake.delivered;
        const uint64_t what = test_below(&seed, 4);
        if (what == 0) {
            used -= test_below(&seed, used + 1);
        } else if (what == 1) {
            const uint64_t room = used < capacity ? capacity - used : 0;
            const uint32_t messages = (uint32_t)test_below(&seed, 300);
            hulse_subscriber_room(front.subscriber, room, messages);
            const uint64_t now = fake.permits - fake.delivered;
            assert_true(now >= outstanding);
            if (now > outstanding) {
                assert_true(room > 0 && now <= messages);
                /* One, or what fits at the smallest size there can be. */
                assert_true(now == 1 || now * 65 <= room);
            } else {
                assert_true(room == 0 || messages == 0 || now >= 1);
            }
        } else if (outstanding > 0) {
            const uint32_t bytes = 1 + (uint32_t)test_below(&seed, 500);
            hulse_fake_deliver(&fake, &d, bytes);
            used += bytes + 64;
        }
        assert_int_equal(front.heard, fake.delivered);
    }
    hulse_subscriber_close(&front.subscriber, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_opens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_size_is_one_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_message_larger_than_the_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_estimate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delivery_inside_permit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_is_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_news_of_the_subscription_pass_through, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wishes_reach_the_broker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verdicts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verdicts_are_numbered_and_settled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_run, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
