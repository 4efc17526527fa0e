/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   how far a subscription is behind is asked once a period, by one of its consumers, and never twice at a time; what
 *         was answered is reported until the last of them has gone.
 * Method: the table alone; then the connection is played by the test (stage.h).
 */
#include "tests/unit/daemon/broker/pulsar/consumer/front.h"

#include <string.h>

#define PERIOD_MS 1000U

static const struct front_where shared = {.type = BROKER_SHARED};

static int set_up(void **state)
{
    (void)state;
    hulse_stage_start();
    stage.broker.params.lag_period_ms = PERIOD_MS;
    return 0;
}

static void one_asks_for_all_that_have_joined(void **state)
{
    static struct lag_table t;
    const uint64_t five = 5;
    (void)state;
    hulse_lag_table_init(&t);
    struct lag *a = hulse_lag_join(&t, "topic-partition-1", 5, "s");
    struct lag *b = hulse_lag_join(&t, "topic-partition-1", 5, "s");
    struct lag *c = hulse_lag_join(&t, "topic-partition-1", 5, "other");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_true(hulse_lag_claim(&t, a, 100));
    assert_false(hulse_lag_claim(&t, b, 100));
    assert_true(hulse_lag_claim(&t, c, 100));
    hulse_lag_end(&t, a, &five, 200);
    hulse_lag_end(&t, c, NULL, 200);
    assert_false(hulse_lag_claim(&t, b, 199));
    assert_true(hulse_lag_claim(&t, b, 200));
    hulse_lag_end(&t, b, NULL, 300);
    struct worker_report r = {0};
    hulse_lag_leave(&t, &a);
    assert_null(a);
    hulse_lag_report(&t, &r);
    assert_int_equal(r.subscription_count, 1); /* of the other one nothing is known */
    assert_string_equal(r.subscriptions[0].topic, "topic");
    assert_string_equal(r.subscriptions[0].subscription, "s");
    assert_int_equal(r.subscriptions[0].lag, 5);
    hulse_report_fini(&r);
    hulse_lag_leave(&t, &b);
    hulse_lag_report(&t, &r);
    assert_int_equal(r.subscription_count, 0);
    hulse_lag_leave(&t, &c);
    hulse_lag_leave(&t, &c);
    hulse_lag_table_fini(&t);
    assert_int_equal(hulse_mem_used(HULSE_MEM_ADMIN), 0);
}

static uint64_t asked(void)
{
    return hulse_stage_next(TYPE(CONSUMER_STATS))->consumerstats->request_id;
}

/* What is reported of it; -1: nothing. */
static int64_t known(void)
{
    struct worker_report r = {0};
    hulse_lag_report(&stage.broker.lags, &r);
    const int64_t lag = r.subscription_count == 0 ? -1 : (int64_t)r.subscriptions[0].lag;
    if (r.subscription_count != 0) {
        assert_string_equal(r.subscriptions[0].topic, STAGE_TOPIC);
        assert_string_equal(r.subscriptions[0].subscription, "s");
    }
    hulse_report_fini(&r);
    return lag;
}

static void it_is_asked_once_a_period(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_stage_wait(PERIOD_MS);
    uint64_t request = asked();
    hulse_stage_wait(3 * PERIOD_MS);
    hulse_stage_nothing(); /* not before the answer */
    assert_int_equal(known(), -1);
    hulse_stage_stats(request, (struct stage_stats){.has_backlog = true, .backlog = 7});
    assert_int_equal(known(), 7);
    hulse_stage_wait(2 * PERIOD_MS);
    request = asked();
    hulse_stage_stats(request, (struct stage_stats){.error = true});
    assert_int_equal(known(), 7);
    hulse_stage_wait(2 * PERIOD_MS);
    hulse_stage_time_out(asked());
    hulse_stage_wait(2 * PERIOD_MS);
    hulse_stage_stats(asked(), (struct stage_stats){.has_backlog = true, .backlog = 0});
    assert_int_equal(known(), 0);
}

static void another_session_asks_again(void **state)
{
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_stage_wait(PERIOD_MS);
    (void)asked();
    hulse_stage_lose();
    hulse_stage_wait(1000);
    hulse_stage_session();
    hulse_stage_wait(2 * PERIOD_MS);
    hulse_stage_stats(asked(), (struct stage_stats){.has_backlog = true, .backlog = 1});
    assert_int_equal(known(), 1);
}

/* And leaves the question to another one. */
static void who_closes_asks_no_more(void **state)
{
    struct lag_table *t = &stage.broker.lags;
    (void)state;
    hulse_front_open(&shared, 0);
    hulse_stage_wait(PERIOD_MS);
    (void)asked();
    struct lag *other = hulse_lag_join(t, STAGE_TOPIC, strlen(STAGE_TOPIC), "s");
    assert_false(hulse_lag_claim(t, other, UINT64_MAX));
    front.consumer->ops->consumer_close(front.consumer, false);
    front.consumer = NULL;
    hulse_stage_turn();
    const Pulsar__CommandCloseConsumer *close =
        hulse_stage_next(TYPE(CLOSE_CONSUMER))->close_consumer;
    assert_true(hulse_lag_claim(t, other, UINT64_MAX));
    hulse_stage_success(close->request_id);
    hulse_stage_wait(3 * PERIOD_MS);
    hulse_stage_nothing();
    assert_int_equal(known(), -1);
    hulse_lag_leave(t, &other);
}

static void a_reader_has_no_subscription(void **state)
{
    (void)state;
    hulse_front_open(&(struct front_where){.type = BROKER_READER}, 1);
    hulse_stage_wait(3 * PERIOD_MS);
    hulse_stage_nothing();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, hulse_front_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_asks_for_all_that_have_joined),
                                       TEST(it_is_asked_once_a_period),
                                       TEST(another_session_asks_again),
                                       TEST(who_closes_asks_no_more),
                                       TEST(a_reader_has_no_subscription)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
