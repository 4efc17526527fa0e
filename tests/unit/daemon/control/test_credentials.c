/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a broker's token is there, follows its file, changes its source, and is told to nobody.
 * Method: real files, the real helper; explicit_bzero() of the test's own tells what was wiped.
 */
#include "daemon/control/broker_token.h"
#include "daemon/control/token.h"
#include "daemon/core/assert.h"
#include "tests/unit/daemon/control/credential_bed.h"
#include "tests/unit/daemon/control/jwt.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what was wiped: in place of libc's ---- */

static const char *watched; /* a text that must be wiped */
static _Atomic(unsigned) watched_wiped;

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
void explicit_bzero(void *memory, size_t bytes)
{
    const void *seen = memory;

    /* libc promises that it is not read. */
    __asm__ volatile("" : "+r"(seen));
    if (watched != NULL && memmem(seen, bytes, watched, strlen(watched)) != NULL) {
        (void)atomic_fetch_add(&watched_wiped, 1);
    }
    memset(memory, 0, bytes);
    __asm__ volatile("" : : "r"(memory) : "memory");
}

/* ---- static tokens ---- */

static void test_a_token_as_it_stands(void **state)
{
    (void)state;
    hulse_creds_set("main", CREDENTIAL_TOKEN, "abc", 0);
    /* From the hulse_creds.loop, never from within the call. */
    hulse_creds_check_token("main", NULL);
    assert_int_equal(hulse_creds.changes, 0);
    hulse_creds_await_generation("main", 1);
    hulse_creds_check_token("main", "abc");
    assert_int_equal(hulse_creds.changes, 1);
    assert_string_equal(hulse_creds.changed_name, "main");
    assert_int_equal(hulse_timer_next(&hulse_creds.loop.timers), HULSE_TIMER_NEVER);
    hulse_creds_set("main", CREDENTIAL_TOKEN, "def", 0);
    hulse_creds_check_token("main", "abc");
    hulse_creds_await_generation("main", 2);
    hulse_creds_check_token("main", "def");
    hulse_creds_set("other", CREDENTIAL_TOKEN, "two words", 0);
    hulse_creds_await_failures("other", 1);
    hulse_creds_check_has(hulse_creds_status_of("other").why, "one word");
    hulse_creds_check_token("other", NULL);
    assert_int_equal(hulse_timer_next(&hulse_creds.loop.timers), HULSE_TIMER_NEVER);
}

static void test_what_has_expired_is_no_token(void **state)
{
    (void)state;
    hulse_creds_set("main", CREDENTIAL_TOKEN, hulse_test_jwt("{\"exp\":1000000000}"), 0);
    hulse_creds_await_failures("main", 1);
    hulse_creds_check_has(hulse_creds_status_of("main").why, "expired");
    hulse_creds_check_token("main", NULL);
    assert_int_equal(hulse_creds.changes, 0);
}

/* ---- files ---- */

static void test_a_file_is_followed(void **state)
{
    (void)state;
    hulse_creds_set("main", CREDENTIAL_FILE, hulse_creds.token_path, SHORT_MS);
    hulse_creds_await_failures("main", 2);
    hulse_creds_check_has(hulse_creds_status_of("main").why, hulse_creds.token_path);
    hulse_creds_write_token("first");
    hulse_creds_await_generation("main", 1);
    assert_int_equal(hulse_creds_status_of("main").failures, 0);
    assert_string_equal(hulse_creds_status_of("main").why, "");
    hulse_creds_check_token("main", "first");
    /* The same again is no change. */
    hulse_creds_write_token("first");
    assert_int_equal(unlink(hulse_creds.token_path), 0);
    hulse_creds_await_failures("main", 1);
    hulse_creds_check_token("main", "first");
    hulse_creds_write_token("first");
    while (hulse_creds_status_of("main").failures > 0) {
        hulse_creds_turn();
    }
    assert_int_equal(hulse_creds.changes, 1);
    hulse_creds_write_token("second");
    hulse_creds_await_generation("main", 2);
    hulse_creds_check_token("main", "second");
    assert_int_equal(hulse_creds.changes, 2);
}

/* Its folder tells, not its period; also of a file that is renamed into place. */
static void test_a_change_of_a_file_is_seen_at_once(void **state)
{
    char fresh[sizeof(hulse_creds.token_path) + 8];

    (void)state;
    hulse_creds_write_token("first");
    hulse_creds_set("main", CREDENTIAL_FILE, hulse_creds.token_path, LONG_MS);
    hulse_creds_await_generation("main", 1);
    hulse_creds_write_token("second");
    hulse_creds_await_generation("main", 2);
    hulse_creds_check_token("main", "second");
    hulse_creds_write_token("third");
    (void)snprintf(fresh, sizeof(fresh), "%s.new", hulse_creds.token_path);
    assert_int_equal(rename(hulse_creds.token_path, fresh), 0);
    hulse_creds_await_failures("main", 1);
    assert_int_equal(rename(fresh, hulse_creds.token_path), 0);
    hulse_creds_await_generation("main", 3);
    hulse_creds_check_token("main", "third");
}

static void set_basic(const char *user)
{
    const struct credential_params params = {.kind = CREDENTIAL_BASIC,
                                             .text = hulse_creds.token_path,
                                             .user = user,
                                             .period_ms = SHORT_MS};
    struct error err = {0};

    assert_int_equal(hulse_credentials_set(&hulse_creds.credentials, "main", &params, &err),
                     HULSE_OK);
}

static void test_a_password_follows_its_file(void **state)
{
    (void)state;
    set_basic("me");
    hulse_creds_await_failures("main", 2);
    hulse_creds_write_token("first one ");
    hulse_creds_await_generation("main", 1);
    hulse_creds_check_token("main", "me:first one ");
    hulse_creds_write_token("second");
    hulse_creds_await_generation("main", 2);
    hulse_creds_check_token("main", "me:second");
    set_basic("me");
    assert_int_equal(hulse_creds_status_of("main").generation, 2);
    set_basic("you");
    hulse_creds_await_generation("main", 3);
    hulse_creds_check_token("main", "you:second");
    hulse_creds_write_token("");
    hulse_creds_await_failures("main", 1);
    hulse_creds_check_has(hulse_creds_status_of("main").why, "no password");
    hulse_creds_check_token("main", "you:second");
}

static void test_files_that_are_none(void **state)
{
    static char large[HULSE_TOKEN_BYTES_MAX + 100];

    (void)state;
    assert_int_equal(mkfifo(hulse_creds.token_path, 0600), 0);
    hulse_creds_set("main", CREDENTIAL_FILE, hulse_creds.token_path, SHORT_MS);
    hulse_creds_await_failures("main", 1);
    hulse_creds_check_has(hulse_creds_status_of("main").why, "not a regular file");
    memset(large, 'x', sizeof(large) - 1);
    hulse_creds_write_token(large);
    while (strstr(hulse_creds_status_of("main").why, "bytes and more") == NULL) {
        hulse_creds_turn();
    }
    large[HULSE_TOKEN_BYTES_MAX] = '\0';
    hulse_creds_write_token(large);
    hulse_creds_await_generation("main", 1);
    hulse_creds_check_token("main", large);
}

/* ---- other sources, refusals ---- */

static void test_another_source(void **state)
{
    (void)state;
    hulse_creds_set("main", CREDENTIAL_TOKEN, "first", 0);
    hulse_creds_await_generation("main", 1);
    hulse_creds_set("main", CREDENTIAL_COMMAND, "sleep 1000; echo never", LONG_MS);
    while (hulse_creds_find("main")->command.id == 0) {
        hulse_creds_turn();
    }
    hulse_creds_check_token("main", "first");
    hulse_creds_set("main", CREDENTIAL_COMMAND, "echo second", LONG_MS);
    assert_int_equal(hulse_creds_find("main")->command.id, 0);
    hulse_creds_check_token("main", "first");
    hulse_creds_await_generation("main", 2);
    hulse_creds_check_token("main", "second");
    hulse_creds_set("main", CREDENTIAL_COMMAND, "sleep 1000", LONG_MS);
    while (hulse_creds_find("main")->command.id == 0) {
        hulse_creds_turn();
    }
    hulse_credentials_remove(&hulse_creds.credentials, "main");
    hulse_creds_check_token("main", NULL);
    assert_int_equal(hulse_creds_find("main")->command.id, 0);
    assert_int_equal(hulse_creds.changes, 2);
    assert_int_equal(hulse_timer_next(&hulse_creds.loop.timers), HULSE_TIMER_NEVER);
    /* Its number is not used again. */
    hulse_creds_set("main", CREDENTIAL_TOKEN, "third", 0);
    hulse_creds_await_generation("main", 3);
    hulse_credentials_remove(&hulse_creds.credentials, "nobody");
}

/* A worker tells that a broker has refused it. */
static void test_a_worker_tells_of_a_refused_token(void **state)
{
    struct broker_token token = {
        .broker = "main",
        .source = {.kind = CREDENTIAL_FILE, .text = hulse_creds.token_path, .period_ms = LONG_MS}};
    struct error err = {0};
    (void)state;
    hulse_creds_write_token("first");
    assert_int_equal(hulse_broker_tokens_begin(
                         &token, 1, &hulse_creds.credentials, &hulse_creds.loop.inbox, &err),
                     HULSE_OK);
    assert_ptr_equal(token.slot, &hulse_creds_find("main")->slot);
    hulse_creds_await_generation("main", 1);
    hulse_creds_write_token("second");
    hulse_broker_token_refused(&token, 1);
    hulse_broker_token_refused(&token, 1); /* another worker, before control has heard of it */
    hulse_creds_await_generation("main", 2);
    hulse_creds_check_token("main", "second");
}

static void test_a_refused_token_is_fetched_again(void **state)
{
    uint64_t at_ms[3] = {0};

    (void)state;
    hulse_creds_write_token("first");
    hulse_creds_set("main", CREDENTIAL_COMMAND, hulse_creds_counting_command(), LONG_MS);
    hulse_creds_await_generation("main", 1);
    /* Not on account of one that is out of force, and not at once. */
    hulse_credential_refused(hulse_creds_find("main"), 7);
    const uint64_t next_ms = hulse_timer_next(&hulse_creds.loop.timers);
    hulse_credential_refused(hulse_creds_find("main"), 1);
    hulse_credential_refused(hulse_creds_find("main"), 1);
    assert_true(hulse_timer_next(&hulse_creds.loop.timers) < next_ms);
    hulse_creds_write_token("second");
    hulse_creds_await_generation("main", 2);
    assert_int_equal(hulse_creds_runs(at_ms, 3), 2);
    assert_true(at_ms[1] - at_ms[0] >= 900);
    /* What stands in the configuration does not change by itself. */
    hulse_creds_set("main", CREDENTIAL_TOKEN, "third", 0);
    hulse_creds_await_generation("main", 3);
    hulse_credential_refused(hulse_creds_find("main"), 3);
    assert_int_equal(hulse_timer_next(&hulse_creds.loop.timers), HULSE_TIMER_NEVER);
}

static void test_bounds(void **state)
{
    static char long_text[HULSE_HELPER_COMMAND_BYTES + 1];
    struct credential_params params = {.kind = CREDENTIAL_TOKEN, .text = ""};
    struct error err = {0};
    char name[16];

    (void)state;
    assert_int_equal(hulse_credentials_set(&hulse_creds.credentials, "a", &params, &err),
                     HULSE_INVAL);
    assert_null(hulse_credentials_find(&hulse_creds.credentials, "a"));
    memset(long_text, 'x', sizeof(long_text) - 1);
    params = (struct credential_params){
        .kind = CREDENTIAL_COMMAND, .text = long_text, .period_ms = 1, .timeout_ms = 1};
    assert_int_equal(hulse_credentials_set(&hulse_creds.credentials, "a", &params, &err),
                     HULSE_INVAL);
    hulse_creds_check_has(err.text, "4095");
    params = (struct credential_params){.kind = CREDENTIAL_TOKEN, .text = "x"};
    assert_int_equal(hulse_credentials_set(&hulse_creds.credentials, "", &params, &err),
                     HULSE_INVAL);
    assert_int_equal(hulse_credentials_set(&hulse_creds.credentials, long_text, &params, &err),
                     HULSE_INVAL);
    for (unsigned i = 0; i < HULSE_CREDENTIALS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "b%u", i);
        hulse_creds_set(name, CREDENTIAL_TOKEN, name, 0);
    }
    assert_int_equal(hulse_credentials_set(&hulse_creds.credentials, "more", &params, &err),
                     HULSE_LIMIT);
    hulse_creds_check_has(err.text, "16");
    hulse_creds_await_generation("b15", 1);
    hulse_creds_check_token("b0", "b0");
    hulse_creds_check_token("b15", "b15");
}

/* ---- secrecy ---- */

static void test_what_is_replaced_is_wiped(void **state)
{
    (void)state;
    watched = "watched-secret";
    atomic_store(&watched_wiped, 0);
    hulse_creds_write_token(watched);
    hulse_creds_set("main", CREDENTIAL_FILE, hulse_creds.token_path, SHORT_MS);
    hulse_creds_await_generation("main", 1);
    /* The buffer it was read into. */
    const unsigned read = atomic_load(&watched_wiped);
    assert_true(read >= 1);
    struct secret *held = hulse_secret_slot_hold(&hulse_creds_find("main")->slot);
    hulse_creds_write_token("another");
    hulse_creds_await_generation("main", 2);
    hulse_rcu_drain();
    assert_int_equal(atomic_load(&watched_wiped), read);
    hulse_secret_release(&held);
    assert_int_equal(atomic_load(&watched_wiped), read + 1);
    /* What stood in the configuration. */
    hulse_creds_set("main", CREDENTIAL_TOKEN, watched, 0);
    hulse_creds_await_generation("main", 3);
    atomic_store(&watched_wiped, 0);
    hulse_credentials_remove(&hulse_creds.credentials, "main");
    hulse_rcu_drain();
    assert_int_equal(atomic_load(&watched_wiped), 2);
}

/* Everything that is logged meanwhile, on a standard error of our own. */
static void test_nothing_of_it_is_logged(void **state)
{
    static char text[65536];
    const int real = dup(STDERR_FILENO);
    const int own = memfd_create("stderr", MFD_CLOEXEC);

    (void)state;
    assert_true(real >= 0 && own >= 0 && dup2(own, STDERR_FILENO) >= 0);
    hulse_creds_set("main", CREDENTIAL_COMMAND, "echo tell-nobody", LONG_MS);
    hulse_creds_await_generation("main", 1);
    hulse_creds_set("main", CREDENTIAL_COMMAND, "echo tell-nobody; exit 3", LONG_MS);
    hulse_creds_await_failures("main", 2);
    hulse_creds_set("main", CREDENTIAL_COMMAND, "echo tell-nobody >&2; exit 4", LONG_MS);
    hulse_creds_await_failures("main", 1);
    /* But the operator may see it, until it is over. */
    assert_string_equal(hulse_creds_status_of("main").complaint, "tell-nobody");
    hulse_creds_set("main", CREDENTIAL_TOKEN, "tell-nobody else", 0);
    assert_string_equal(hulse_creds_status_of("main").complaint, "");
    hulse_creds_await_failures("main", 1);
    assert_true(dup2(real, STDERR_FILENO) >= 0);
    const ssize_t bytes = pread(own, text, sizeof(text) - 1, 0);
    (void)close(real);
    (void)close(own);
    assert_true(bytes > 0);
    hulse_creds_check_has(text, "credential.changed");
    hulse_creds_check_has(text, "credential.failed");
    hulse_creds_check_has(text, "exit status 3");
    hulse_creds_check_has(text, "exit status 4");
    assert_null(strstr(text, "tell-nobody"));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, hulse_creds_set_up, hulse_creds_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_token_as_it_stands),
        CASE(test_what_has_expired_is_no_token),
        CASE(test_a_file_is_followed),
        CASE(test_a_change_of_a_file_is_seen_at_once),
        CASE(test_files_that_are_none),
        CASE(test_a_password_follows_its_file),
        CASE(test_another_source),
        CASE(test_a_refused_token_is_fetched_again),
        CASE(test_a_worker_tells_of_a_refused_token),
        CASE(test_bounds),
        CASE(test_what_is_replaced_is_wiped),
        CASE(test_nothing_of_it_is_logged),
    };

    hulse_role_set(HULSE_ROLE_CONTROL);
    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
