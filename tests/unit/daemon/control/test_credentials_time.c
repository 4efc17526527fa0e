/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a token that is fetched is replaced in time, and outlives failures as long as it is valid.
 * Method: real commands, JWTs with seconds to live; times are checked
 *         from below only.
 */
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "tests/unit/daemon/control/credential_bed.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- commands ---- */

static void test_a_command_at_every_period(void **state)
{
    (void)state;
    hulse_creds_write_token("first");
    hulse_creds_set("main", CREDENTIAL_COMMAND, hulse_creds_counting_command(), SHORT_MS);
    hulse_creds_await_generation("main", 1);
    hulse_creds_check_token("main", "first");
    while (hulse_creds_runs(NULL, 0) < 4) {
        hulse_creds_turn();
    }
    assert_int_equal(hulse_creds.changes, 1);
    hulse_creds_write_token("second");
    hulse_creds_await_generation("main", 2);
    hulse_creds_check_token("main", "second");
}

static void test_a_command_that_fails(void **state)
{
    uint64_t at_ms[5] = {0};

    (void)state;
    hulse_creds_write_token("first");
    hulse_creds_set("main", CREDENTIAL_COMMAND, hulse_creds_counting_command(), SHORT_MS);
    hulse_creds_await_generation("main", 1);
    assert_int_equal(unlink(hulse_creds.token_path), 0);
    hulse_creds_await_failures("main", 1);
    hulse_creds_check_has(hulse_creds_status_of("main").why, "exit status 1: ");
    hulse_creds_check_has(hulse_creds_status_of("main").why, "No such file");
    const unsigned first = hulse_creds_runs(NULL, 0) - 1;
    assert_true(first >= 1);
    /* Ever more rarely, the token before still in force. */
    hulse_creds_await_failures("main", 4);
    hulse_creds_check_token("main", "first");
    assert_int_equal(hulse_creds.changes, 1);
    assert_int_equal(unlink(hulse_creds.count_path), 0);
    hulse_creds_await_failures("main", 5);
    assert_int_equal(hulse_creds_runs(at_ms, 5), 1);
    const uint64_t before_ms = at_ms[0];
    hulse_creds_await_failures("main", 6);
    assert_int_equal(hulse_creds_runs(at_ms, 5), 2);
    /* The fifth failure waits 16 times as long as the first; a clock's tick is forgiven. */
    assert_true(at_ms[1] - before_ms >= 16 * BACKOFF_MS - 10);
    hulse_creds_write_token("second");
    hulse_creds_await_generation("main", 2);
    hulse_creds_check_token("main", "second");
    assert_int_equal(hulse_creds_status_of("main").failures, 0);
}

static void test_a_jwt_is_replaced_before_its_end(void **state)
{
    const uint64_t begin_ms = hulse_clock_wall_ms();
    char first[1024];
    char second[1024];

    (void)state;
    (void)snprintf(first, sizeof(first), "%s", hulse_creds_jwt_for(5));
    (void)snprintf(second, sizeof(second), "%s", hulse_creds_jwt_for(3600));
    hulse_creds_write_token(first);
    /* Its end counts and not the period, in either direction. */
    hulse_creds_set("main", CREDENTIAL_COMMAND, hulse_creds_counting_command(), SHORT_MS);
    hulse_creds_await_generation("main", 1);
    hulse_creds_check_token("main", first);
    const uint64_t end_ms = hulse_creds_status_of("main").expires_wall_ms;
    assert_true(end_ms > begin_ms);
    hulse_creds_write_token(second);
    hulse_creds_await_generation("main", 2);
    hulse_creds_check_token("main", second);
    assert_true(hulse_clock_wall_ms() < end_ms);
    /* 4/5 of at least four seconds. */
    assert_true(hulse_clock_wall_ms() - begin_ms >= 3000);
    assert_int_equal(hulse_creds_runs(NULL, 0), 2);
    assert_int_equal(hulse_creds.changes, 2);
}

static void test_a_jwt_outlives_failures_until_its_end(void **state)
{
    char first[1024];

    (void)state;
    (void)snprintf(first, sizeof(first), "%s", hulse_creds_jwt_for(3));
    hulse_creds_write_token(first);
    hulse_creds_set("main", CREDENTIAL_COMMAND, hulse_creds_counting_command(), LONG_MS);
    hulse_creds_await_generation("main", 1);
    const uint64_t end_ms = hulse_creds_status_of("main").expires_wall_ms;
    assert_int_equal(unlink(hulse_creds.token_path), 0);
    hulse_creds_await_failures("main", 1);
    hulse_creds_check_token("main", first);
    hulse_creds_await_generation("main", 0);
    assert_true(hulse_clock_wall_ms() >= end_ms);
    hulse_creds_check_token("main", NULL);
    assert_int_equal(hulse_creds.changes, 2);
    assert_true(hulse_creds_status_of("main").failures > 0);
    hulse_creds_write_token("third");
    hulse_creds_await_generation("main", 2);
    hulse_creds_check_token("main", "third");
}

static void test_the_end_of_a_token_as_it_stands(void **state)
{
    (void)state;
    hulse_creds_set("main", CREDENTIAL_TOKEN, hulse_creds_jwt_for(2), 0);
    hulse_creds_await_generation("main", 1);
    hulse_creds_await_generation("main", 0);
    hulse_creds_check_token("main", NULL);
    assert_int_equal(hulse_creds.changes, 2);
    hulse_creds_check_has(hulse_creds_status_of("main").why, "expired");
}

static void test_a_lost_helper(void **state)
{
    (void)state;
    hulse_creds_set("main", CREDENTIAL_COMMAND, "sleep 1000", LONG_MS);
    hulse_creds_turn();
    assert_int_equal(kill(hulse_creds.helper.pid, SIGKILL), 0);
    hulse_creds_await_failures("main", 2);
    hulse_creds_check_has(hulse_creds_status_of("main").why, "helper process has ended");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, hulse_creds_set_up, hulse_creds_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_command_at_every_period),
        CASE(test_a_command_that_fails),
        CASE(test_a_jwt_is_replaced_before_its_end),
        CASE(test_a_jwt_outlives_failures_until_its_end),
        CASE(test_the_end_of_a_token_as_it_stands),
        CASE(test_a_lost_helper),
    };

    hulse_role_set(HULSE_ROLE_CONTROL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
