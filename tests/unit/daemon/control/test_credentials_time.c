/* SPDX-License-Identifier: Apache-2.0 */
/* HULSE_TEST: timeout=300 */
/*
 * Goal:   a token that is fetched is replaced in time, and outlives failures as long as it is valid.
 * Method: real commands and an issuer of the test's own, tokens with seconds to live; times are checked
 *         from below only. What has to be seen within a life is tried with ever longer ones, for a
 *         machine may stand still for seconds.
 */
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "tests/support/http_server.h"
#include "tests/unit/daemon/control/credential_bed.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- lives ---- */

enum { LIFE_FIRST_S = 3, LIFE_TIMES = 4, LIFE_MAX_S = 192 };

/* `tried`: false when the machine was not fast enough for a life of so many seconds. */
static void in_time(bool (*tried)(unsigned life_s, const void *ctx), const void *ctx)
{
    unsigned life_s = LIFE_FIRST_S;

    hulse_creds.changes = 0;
    while (!tried(life_s, ctx)) {
        if (life_s >= LIFE_MAX_S) {
            fail_msg("not in time with %u seconds to live", life_s);
        }
        life_s *= LIFE_TIMES;
        hulse_credentials_remove(&hulse_creds.credentials, "main");
        (void)unlink(hulse_creds.count_path);
        hulse_creds.changes = 0;
    }
}

static uint64_t newest_generation(void)
{
    return hulse_creds_find("main")->generation;
}

/* False: its life was over before it was there. */
static bool await_alive(uint64_t generation)
{
    while (hulse_creds_status_of("main").generation != generation) {
        if (strstr(hulse_creds_status_of("main").why, "expired") != NULL) {
            return false;
        }
        hulse_creds_turn();
    }
    return true;
}

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
    assert_string_equal(hulse_creds_status_of("main").why, "token_command: exit status 1");
    hulse_creds_check_has(hulse_creds_status_of("main").complaint, "No such file");
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
    assert_string_equal(hulse_creds_status_of("main").complaint, "");
}

static bool is_replaced_before_its_end(unsigned life_s, const void *ctx)
{
    const uint64_t begin_ms = hulse_clock_wall_ms();
    char first[1024];
    char second[1024];

    (void)ctx;
    (void)snprintf(first, sizeof(first), "%s", hulse_creds_jwt_for(life_s));
    (void)snprintf(second, sizeof(second), "%s", hulse_creds_jwt_for(3600));
    hulse_creds_write_token(first);
    /* Its end counts and not the period, in either direction. */
    hulse_creds_set("main", CREDENTIAL_COMMAND, hulse_creds_counting_command(), SHORT_MS);
    const uint64_t before = newest_generation();
    if (!await_alive(before + 1)) {
        return false;
    }
    hulse_creds_check_token("main", first);
    const uint64_t end_ms = hulse_creds_status_of("main").expires_wall_ms;
    assert_true(end_ms > begin_ms);
    hulse_creds_write_token(second);
    hulse_creds_await_generation("main", before + 2);
    if (hulse_clock_wall_ms() >= end_ms) {
        return false;
    }
    hulse_creds_check_token("main", second);
    /* 4/5 of a life that is up to a second shorter. */
    assert_true(hulse_clock_wall_ms() - begin_ms >= UINT64_C(750) * (life_s - 1));
    assert_int_equal(hulse_creds_runs(NULL, 0), 2);
    assert_int_equal(hulse_creds.changes, 2);
    return true;
}

static void test_a_jwt_is_replaced_before_its_end(void **state)
{
    (void)state;
    in_time(is_replaced_before_its_end, NULL);
}

static bool outlives_failures(unsigned life_s, const void *ctx)
{
    char first[1024];

    (void)ctx;
    (void)snprintf(first, sizeof(first), "%s", hulse_creds_jwt_for(life_s));
    hulse_creds_write_token(first);
    hulse_creds_set("main", CREDENTIAL_COMMAND, hulse_creds_counting_command(), LONG_MS);
    const uint64_t before = newest_generation();
    if (!await_alive(before + 1)) {
        return false;
    }
    const uint64_t end_ms = hulse_creds_status_of("main").expires_wall_ms;
    assert_int_equal(unlink(hulse_creds.token_path), 0);
    hulse_creds_await_failures("main", 1);
    if (hulse_clock_wall_ms() >= end_ms) {
        return false;
    }
    hulse_creds_check_token("main", first);
    hulse_creds_await_generation("main", 0);
    assert_true(hulse_clock_wall_ms() >= end_ms);
    hulse_creds_check_token("main", NULL);
    assert_int_equal(hulse_creds.changes, 2);
    assert_true(hulse_creds_status_of("main").failures > 0);
    hulse_creds_write_token("third");
    hulse_creds_await_generation("main", before + 2);
    hulse_creds_check_token("main", "third");
    return true;
}

static void test_a_jwt_outlives_failures_until_its_end(void **state)
{
    (void)state;
    in_time(outlives_failures, NULL);
}

static bool ends_as_it_stands(unsigned life_s, const void *ctx)
{
    (void)ctx;
    hulse_creds_set("main", CREDENTIAL_TOKEN, hulse_creds_jwt_for(life_s), 0);
    if (!await_alive(newest_generation() + 1)) {
        return false;
    }
    hulse_creds_await_generation("main", 0);
    hulse_creds_check_token("main", NULL);
    assert_int_equal(hulse_creds.changes, 2);
    hulse_creds_check_has(hulse_creds_status_of("main").why, "expired");
    return true;
}

static void test_the_end_of_a_token_as_it_stands(void **state)
{
    (void)state;
    in_time(ends_as_it_stands, NULL);
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

/* ---- OAuth2 ---- */

/* Kinds of http_server.py, to which seconds are added. */
enum { ISSUER_FRESH = 1000, ISSUER_SAME = 2000 };

static void set_oauth2(const struct http_server *server, unsigned kind)
{
    char issuer[64];
    const struct oauth2_params oauth2 = {
        .issuer = issuer, .client_id = "hulse", .client_secret_file = hulse_creds.token_path};
    const struct credential_params params = {
        .kind = CREDENTIAL_OAUTH2, .oauth2 = &oauth2, .period_ms = LONG_MS, .timeout_ms = LONG_MS};

    (void)snprintf(issuer, sizeof(issuer), "http://127.0.0.1:%u/oidc/%u", server->port, kind);
    assert_int_equal(hulse_credentials_set(&hulse_creds.credentials, "main", &params, NULL),
                     HULSE_OK);
}

static struct secret *hold_token(void)
{
    return hulse_secret_slot_hold(&hulse_creds_find("main")->slot);
}

/* Each for so long as the issuer says. */
static bool is_fetched_in_time(unsigned life_s, const void *ctx)
{
    const struct http_server *server = ctx;
    const uint64_t begin_ms = hulse_clock_wall_ms();

    set_oauth2(server, ISSUER_FRESH + life_s);
    const uint64_t before = newest_generation();
    hulse_creds_await_generation("main", before + 1);
    const uint64_t end_ms = hulse_creds_status_of("main").expires_wall_ms;
    assert_true(end_ms >= begin_ms + UINT64_C(1000) * life_s);
    struct secret *first = hold_token();
    hulse_creds_check_has(first->data, "token-");
    hulse_creds_await_generation("main", before + 2);
    struct secret *second = hold_token();
    assert_string_not_equal(first->data, second->data);
    assert_true(hulse_clock_wall_ms() - begin_ms >= UINT64_C(750) * life_s);
    const uint64_t second_end_ms = hulse_creds_status_of("main").expires_wall_ms;
    bool seen = hulse_clock_wall_ms() < end_ms;
    if (seen) {
        set_oauth2(server, 5);
        hulse_creds_await_failures("main", 2);
        seen = hulse_clock_wall_ms() < second_end_ms;
    }
    if (seen) {
        hulse_creds_check_has(hulse_creds_status_of("main").why, "invalid_client");
        hulse_creds_check_token("main", second->data);
    }
    hulse_secret_release(&first);
    hulse_secret_release(&second);
    return seen;
}

static void test_tokens_of_an_issuer(void **state)
{
    struct http_server server;

    (void)state;
    hulse_test_http_start(&server, "127.0.0.1", NULL);
    hulse_creds_write_token("secret");
    in_time(is_fetched_in_time, &server);
    /* In the middle of a fetch. */
    set_oauth2(&server, 10);
    while (hulse_creds_find("main")->fetch.source == NULL) {
        hulse_creds_turn();
    }
    set_oauth2(&server, 9);
    assert_int_equal(hulse_creds.client.calls, 0);
    hulse_creds_await_generation("main", newest_generation() + 1);
    hulse_creds_check_token("main", "for-ever");
    hulse_test_http_stop(&server);
}

/* False: it came too late, and then its end did. */
static bool stays_until(uint64_t generation, uint64_t until_ms)
{
    while (hulse_clock_wall_ms() < until_ms) {
        const uint64_t end_ms = hulse_creds_status_of("main").expires_wall_ms;
        hulse_creds_turn();
        if (hulse_clock_wall_ms() >= end_ms) {
            return false;
        }
        assert_int_equal(hulse_creds_status_of("main").generation, generation);
        assert_int_equal(hulse_creds_status_of("main").failures, 0);
    }
    return true;
}

static bool has_an_end_that_moves(unsigned life_s, const void *ctx)
{
    set_oauth2(ctx, ISSUER_SAME + life_s);
    const uint64_t generation = newest_generation() + 1;
    hulse_creds_await_generation("main", generation);
    const uint64_t end_ms = hulse_creds_status_of("main").expires_wall_ms;
    struct secret *held = hold_token();
    const bool stays = stays_until(generation, end_ms + 1000);
    if (stays) {
        hulse_creds_check_token("main", "the-same");
        assert_true(hulse_creds_status_of("main").expires_wall_ms > end_ms + 1000);
        /* Nothing is new for those who have it. */
        assert_int_equal(hulse_creds.changes, 1);
        assert_true(hulse_secret_expires_wall_ms(held) > end_ms + 1000);
    }
    hulse_secret_release(&held);
    return stays;
}

/* The same token each time, which lives longer than was said at first. */
static void test_a_token_whose_end_moves(void **state)
{
    struct http_server server;

    (void)state;
    hulse_test_http_start(&server, "127.0.0.1", NULL);
    hulse_creds_write_token("secret");
    in_time(has_an_end_that_moves, &server);
    hulse_test_http_stop(&server);
}

/* ---- the same source again ---- */

static void test_the_same_source_again(void **state)
{
    const char *command = hulse_creds_counting_command();

    (void)state;
    hulse_creds_set("main", CREDENTIAL_COMMAND, command, SHORT_MS);
    hulse_creds_await_failures("main", 3);
    const uint64_t next_ms = hulse_timer_next(&hulse_creds.loop.timers);
    hulse_creds_set("main", CREDENTIAL_COMMAND, command, SHORT_MS);
    assert_int_equal(hulse_creds_status_of("main").failures, 3);
    assert_int_equal(hulse_timer_next(&hulse_creds.loop.timers), next_ms);
    hulse_creds_set("main", CREDENTIAL_COMMAND, "sleep 1000", SHORT_MS);
    while (hulse_creds_find("main")->command.id == 0) {
        hulse_creds_turn();
    }
    const uint64_t id = hulse_creds_find("main")->command.id;
    hulse_creds_set("main", CREDENTIAL_COMMAND, "sleep 1000", SHORT_MS);
    assert_int_equal(hulse_creds_find("main")->command.id, id);
    /* Another period is another source, and so is what comes after its removal. */
    hulse_creds_set("main", CREDENTIAL_COMMAND, "sleep 1000", LONG_MS);
    assert_int_equal(hulse_creds_find("main")->command.id, 0);
    hulse_credentials_remove(&hulse_creds.credentials, "main");
    hulse_creds_set("main", CREDENTIAL_TOKEN, "static", 0);
    hulse_creds_await_generation("main", 1);
    hulse_creds_set("main", CREDENTIAL_TOKEN, "static", 0);
    assert_int_equal(hulse_timer_next(&hulse_creds.loop.timers), HULSE_TIMER_NEVER);
    hulse_credentials_remove(&hulse_creds.credentials, "main");
    hulse_creds_set("main", CREDENTIAL_TOKEN, "static", 0);
    hulse_creds_await_generation("main", 2);
}

static void test_the_same_issuer_again(void **state)
{
    struct http_server server;

    (void)state;
    hulse_test_http_start(&server, "127.0.0.1", NULL);
    hulse_creds_write_token("secret");
    set_oauth2(&server, 10);
    while (hulse_creds_find("main")->fetch.source == NULL) {
        hulse_creds_turn();
    }
    set_oauth2(&server, 10);
    assert_int_equal(hulse_creds.client.calls, 1);
    assert_non_null(hulse_creds_find("main")->fetch.source);
    set_oauth2(&server, 9);
    assert_int_equal(hulse_creds.client.calls, 0);
    hulse_test_http_stop(&server);
}

/* ---- Athenz ---- */

static void set_athenz(const struct http_server *server, const char *domain)
{
    char url[64];
    const struct athenz_params athenz = {.zts_url = url,
                                         .provider_domain = domain,
                                         .tenant_domain = "tenant",
                                         .tenant_service = "me",
                                         .private_key_file = hulse_creds.token_path,
                                         .key_id = "0",
                                         .principal_header = "who-asks"};
    const struct credential_params params = {
        .kind = CREDENTIAL_ATHENZ, .athenz = &athenz, .period_ms = LONG_MS, .timeout_ms = LONG_MS};

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", server->port);
    assert_int_equal(hulse_credentials_set(&hulse_creds.credentials, "main", &params, NULL),
                     HULSE_OK);
}

static void test_role_tokens(void **state)
{
    struct http_server server;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    const uint64_t begin_ms = hulse_clock_wall_ms();

    (void)state;
    hulse_test_http_start(&server, "127.0.0.1", NULL);
    set_athenz(&server, "d0");
    hulse_creds_await_failures("main", 1);
    hulse_creds_check_has(hulse_creds_status_of("main").why, hulse_creds.token_path);
    FILE *f = fopen(hulse_creds.token_path, "we");
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    (void)fclose(f);
    EVP_PKEY_free(key);
    hulse_creds_await_generation("main", 1);
    struct secret *token = hold_token();
    hulse_creds_check_has(token->data, "v=S1;d=tenant;n=me;");
    hulse_secret_release(&token);
    const uint64_t end_ms = hulse_creds_status_of("main").expires_wall_ms;
    assert_true(end_ms + 1000 > begin_ms + 3600000);
    /* By the wall clock, at 4/5 of its life. */
    const uint64_t at_ms = hulse_creds_find("main")->refresh_wall_ms;
    assert_true(at_ms > begin_ms + 2800000 && at_ms < end_ms - 600000);
    /* None of these is a token, and the one before stays. */
    set_athenz(&server, "d7");
    hulse_creds_await_failures("main", 1);
    hulse_creds_check_has(hulse_creds_status_of("main").why, "expired");
    set_athenz(&server, "d5");
    hulse_creds_await_failures("main", 1);
    hulse_creds_check_has(hulse_creds_status_of("main").why, "one word");
    assert_int_equal(hulse_creds_status_of("main").generation, 1);
    /* In the middle of a fetch: the same again, and another one. */
    set_athenz(&server, "d6");
    while (hulse_creds_find("main")->role_fetch.source == NULL) {
        hulse_creds_turn();
    }
    set_athenz(&server, "d6");
    assert_int_equal(hulse_creds.client.calls, 1);
    hulse_credential_refused(hulse_creds_find("main"), 1);
    assert_int_equal(hulse_creds_find("main")->refresh_ms, 0);
    set_athenz(&server, "d0");
    assert_int_equal(hulse_creds.client.calls, 0);
    hulse_creds_await_generation("main", 2);
    hulse_test_http_stop(&server);
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
        CASE(test_tokens_of_an_issuer),
        CASE(test_a_token_whose_end_moves),
        CASE(test_the_same_source_again),
        CASE(test_the_same_issuer_again),
        CASE(test_role_tokens),
    };

    hulse_role_set(HULSE_ROLE_CONTROL);
    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
