/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential_bed - see credential_bed.h.
 */
#include "tests/unit/daemon/control/credential_bed.h"

#include "daemon/core/clock.h"
#include "tests/unit/daemon/control/jwt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct credential_bed hulse_creds;

static void note(void *ctx, const char *name)
{
    assert_ptr_equal(ctx, &hulse_creds.changes);
    hulse_creds.changes++;
    (void)snprintf(hulse_creds.changed_name, sizeof(hulse_creds.changed_name), "%s", name);
}

int hulse_creds_set_up(void **state)
{
    const struct credential_surroundings around = {
        .loop = &hulse_creds.loop,
        .helper = &hulse_creds.helper,
        .http = &hulse_creds.client,
        .backoff_ms = BACKOFF_MS,
        .changed = note,
        .ctx = &hulse_creds.changes,
    };

    (void)state;
    hulse_creds.changes = 0;
    (void)snprintf(hulse_creds.dir, sizeof(hulse_creds.dir), "/tmp/hulse-cred-XXXXXX");
    assert_non_null(mkdtemp(hulse_creds.dir));
    (void)snprintf(
        hulse_creds.token_path, sizeof(hulse_creds.token_path), "%s/token", hulse_creds.dir);
    (void)snprintf(
        hulse_creds.count_path, sizeof(hulse_creds.count_path), "%s/count", hulse_creds.dir);
    assert_int_equal(hulse_helper_fork(&hulse_creds.helper, NULL), HULSE_OK);
    hulse_rcu_thread_begin();
    assert_true(hulse_rcu_writer_start());
    assert_true(hulse_loop_init(&hulse_creds.loop, 16));
    assert_int_equal(hulse_helper_attach(&hulse_creds.helper, &hulse_creds.loop, NULL), HULSE_OK);
    hulse_resolver_init(&hulse_creds.resolver,
                        &hulse_creds.loop,
                        &(const struct resolver_params){.timeout_ms = 1000});
    hulse_http_client_init(&hulse_creds.client, &hulse_creds.loop, &hulse_creds.resolver);
    hulse_credentials_init(&hulse_creds.credentials, &around);
    return 0;
}

int hulse_creds_tear_down(void **state)
{
    (void)state;
    hulse_credentials_fini(&hulse_creds.credentials);
    hulse_http_client_fini(&hulse_creds.client);
    hulse_resolver_fini(&hulse_creds.resolver);
    const uint64_t next_ms = hulse_timer_next(&hulse_creds.loop.timers);
    hulse_helper_close(&hulse_creds.helper);
    hulse_loop_fini(&hulse_creds.loop);
    hulse_rcu_writer_stop();
    hulse_rcu_thread_end();
    (void)unlink(hulse_creds.token_path);
    (void)unlink(hulse_creds.count_path);
    assert_int_equal(rmdir(hulse_creds.dir), 0);
    assert_int_equal(next_ms, HULSE_TIMER_NEVER);
    return 0;
}

void hulse_creds_set(const char *name,
                     enum credential_kind kind,
                     const char *text,
                     uint32_t period_ms)
{
    const struct credential_params params = {
        .kind = kind, .text = text, .period_ms = period_ms, .timeout_ms = LONG_MS};
    struct error err = {0};

    if (hulse_credentials_set(&hulse_creds.credentials, name, &params, &err) != HULSE_OK) {
        fail_msg("%s", err.text);
    }
}

struct credential *hulse_creds_find(const char *name)
{
    struct credential *c = hulse_credentials_find(&hulse_creds.credentials, name);

    assert_non_null(c);
    return c;
}

struct credential_status hulse_creds_status_of(const char *name)
{
    struct credential_status status;

    hulse_credential_status(hulse_creds_find(name), &status);
    return status;
}

void hulse_creds_turn(void)
{
    (void)hulse_loop_round(&hulse_creds.loop, 1000);
}

void hulse_creds_await_generation(const char *name, uint64_t generation)
{
    while (hulse_creds_status_of(name).generation != generation) {
        hulse_creds_turn();
    }
}

void hulse_creds_await_failures(const char *name, uint32_t failures)
{
    while (hulse_creds_status_of(name).failures < failures) {
        hulse_creds_turn();
    }
}

void hulse_creds_check_token(const char *name, const char *expected)
{
    struct secret *s = hulse_secret_slot_hold(&hulse_creds_find(name)->slot);

    if (expected == NULL) {
        assert_null(s);
        return;
    }
    assert_non_null(s);
    assert_string_equal(s->data, expected);
    assert_int_equal(s->generation, hulse_creds_status_of(name).generation);
    assert_int_equal(hulse_secret_expires_wall_ms(s), hulse_creds_status_of(name).expires_wall_ms);
    hulse_secret_release(&s);
}

void hulse_creds_check_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("no '%s' in '%s'", part, text);
    }
}

/* As programs that change a secret do it: whole or not at all. */
void hulse_creds_write_token(const char *text)
{
    char fresh[80];

    (void)snprintf(fresh, sizeof(fresh), "%s.new", hulse_creds.token_path);
    FILE *f = fopen(fresh, "we");
    assert_non_null(f);
    (void)fprintf(f, "%s\n", text);
    (void)fclose(f);
    assert_int_equal(rename(fresh, hulse_creds.token_path), 0);
}

/* Prints the file and notes the time of each run; fails without a file. */
const char *hulse_creds_counting_command(void)
{
    static char command[256];

    (void)snprintf(command,
                   sizeof(command),
                   "date +%%s%%3N >> %s; cat %s",
                   hulse_creds.count_path,
                   hulse_creds.token_path);
    return command;
}

/* When the command ran, in ms since 1970. Returns how often. */
unsigned hulse_creds_runs(uint64_t *times_ms, unsigned max)
{
    char line[32];
    unsigned count = 0;
    FILE *f = fopen(hulse_creds.count_path, "re");

    if (f == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), f) != NULL) {
        if (count < max) {
            times_ms[count] = strtoull(line, NULL, 10);
        }
        count++;
    }
    (void)fclose(f);
    return count;
}

const char *hulse_creds_jwt_for(uint64_t seconds)
{
    char claims[96];
    static unsigned serial;

    (void)snprintf(claims,
                   sizeof(claims),
                   "{\"jti\":%u,\"exp\":%" PRIu64 "}",
                   ++serial,
                   hulse_clock_wall_ms() / 1000 + seconds);
    return hulse_test_jwt(claims);
}
