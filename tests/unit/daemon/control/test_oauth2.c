/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the client's secret gets to the token endpoint that its issuer names, whole and nowhere
 *         else, and a token comes back or a reason without a secret in it.
 * Method: issuers of the test's own on the loopback interface, one with TLS.
 */
#include "daemon/control/oauth2.h"
#include "daemon/core/assert.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"
#include "tests/support/http_bed.h"
#include "tests/support/http_server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG_MS 60000U

struct probe {
    struct oauth2_fetch fetch;
    unsigned answers;
    hulse_status status;
    uint64_t life_ms;
    char token[1024];
    char why[768];
};

static struct http_bed bed;
static struct http_server plain;
static struct http_server tls;
static char folder[32];
static char secret_path[64];
static struct probe probe;

static void note(struct oauth2_fetch *fetch, const struct oauth2_result *result)
{
    struct probe *p = HULSE_CONTAINER(fetch, struct probe, fetch);

    p->answers++;
    p->status = result->status;
    p->life_ms = result->life_ms;
    (void)snprintf(p->token, sizeof(p->token), "%.*s", (int)result->token_bytes, result->token);
    (void)snprintf(p->why, sizeof(p->why), "%s", result->why);
}

static int set_up_all(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/hulse-oauth2-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(secret_path, sizeof(secret_path), "%s/secret", folder);
    hulse_test_http_start(&plain, "127.0.0.1", NULL);
    hulse_test_http_start(&tls, "127.0.0.1", folder);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    hulse_test_http_stop(&plain);
    hulse_test_http_stop(&tls);
    assert_true(hulse_test_folder_remove(folder));
    return 0;
}

static void write_secret(const char *text)
{
    FILE *f = fopen(secret_path, "we");

    assert_non_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    memset(&probe, 0, sizeof(probe));
    write_secret("s3cr+t&=\n");
    hulse_http_bed_start(&bed);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)hulse_http_bed_stop(&bed);
    return 0;
}

/* ---- fetches ---- */

static const char *issuer(const struct http_server *server, unsigned kind, const char *end)
{
    static char url[128];

    (void)snprintf(url,
                   sizeof(url),
                   "%s://one.test:%u/oidc/%u%s",
                   server == &tls ? "https" : "http",
                   server->port,
                   kind,
                   end);
    return url;
}

static struct oauth2_params params_for(const char *url)
{
    return (struct oauth2_params){
        .issuer = url, .client_id = "hulse", .client_secret_file = secret_path};
}

static const struct probe *fetch_within(const struct oauth2_params *params, uint32_t timeout_ms)
{
    struct oauth2_source *source = NULL;

    memset(&probe, 0, sizeof(probe));
    probe.fetch.done = note;
    assert_int_equal(hulse_oauth2_source_create(&source, params, NULL), HULSE_OK);
    assert_int_equal(hulse_oauth2_start(&probe.fetch, &bed.client, source, timeout_ms, NULL),
                     HULSE_OK);
    assert_int_equal(probe.answers, 0);
    while (probe.answers == 0) {
        (void)hulse_loop_round(&bed.loop, 1000);
    }
    assert_int_equal(probe.answers, 1);
    assert_null(probe.fetch.source);
    hulse_oauth2_source_destroy(&source);
    assert_null(source);
    return &probe;
}

static const struct probe *fetch(const struct oauth2_params *params)
{
    return fetch_within(params, LONG_MS);
}

static void check_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("no '%s' in '%s'", part, text);
    }
}

static void check_failure(unsigned kind, hulse_status status, const char *why)
{
    const struct oauth2_params params = params_for(issuer(&plain, kind, ""));
    const struct probe *p = fetch(&params);

    assert_int_equal(p->status, status);
    assert_string_equal(p->token, "");
    check_has(p->why, why);
    assert_null(strstr(p->why, "s3cr"));
}

/* ---- tests ---- */

static void test_a_token(void **state)
{
    struct oauth2_params params = params_for(issuer(&plain, 0, ""));

    (void)state;
    const struct probe *p = fetch(&params);
    assert_string_equal(p->why, "");
    assert_int_equal(p->status, HULSE_OK);
    assert_int_equal(p->life_ms, 3600000);
    assert_string_equal(
        p->token, "grant_type=client_credentials&client_id=hulse&client_secret=s3cr%2Bt%26%3D");
    /* The secret is read for each. */
    write_secret("other");
    params.issuer = issuer(&plain, 0, "/");
    params.audience = "urn:pulsar:a b";
    params.scope = "produce consume";
    p = fetch(&params);
    assert_string_equal(p->token,
                        "grant_type=client_credentials&client_id=hulse&client_secret=other"
                        "&audience=urn%3Apulsar%3Aa%20b&scope=produce%20consume");
    params = params_for(issuer(&plain, 9, ""));
    p = fetch(&params);
    assert_string_equal(p->token, "for-ever");
    assert_int_equal(p->life_ms, 0);
}

static void test_by_tls(void **state)
{
    struct oauth2_params params = params_for(issuer(&tls, 0, ""));
    char ca[64];

    (void)state;
    const struct probe *p = fetch(&params);
    assert_int_equal(p->status, HULSE_FAILED);
    check_has(p->why, "certificate");
    (void)snprintf(ca, sizeof(ca), "%s/ca.pem", folder);
    params.tls.ca_file = ca;
    p = fetch(&params);
    assert_int_equal(p->status, HULSE_OK);
    check_has(p->token, "client_id=hulse");
    /* From here on the secret does not leave TLS. */
    params.issuer = issuer(&tls, 3, "");
    p = fetch(&params);
    assert_int_equal(p->status, HULSE_DENIED);
    check_has(p->why, "not https");
}

static void test_refusals_and_nonsense(void **state)
{
    (void)state;
    check_failure(1, HULSE_DENIED, "issuer: HTTP 404");
    check_failure(2, HULSE_PROTOCOL, "no token_endpoint");
    /* Where nobody listens. */
    check_failure(3, HULSE_IO, "http://one.test:1: ");
    check_failure(5, HULSE_DENIED, "token endpoint: HTTP 401: invalid_client");
    check_failure(6, HULSE_PROTOCOL, "no access_token");
    check_failure(7, HULSE_PROTOCOL, "no access_token");
    check_failure(8, HULSE_PROTOCOL, "no bearer token");
    check_failure(11, HULSE_DENIED, "token endpoint: HTTP 400");
}

static void test_the_secret_is_missing(void **state)
{
    struct oauth2_params params = params_for(issuer(&plain, 0, ""));

    (void)state;
    assert_int_equal(unlink(secret_path), 0);
    const struct probe *p = fetch(&params);
    assert_int_equal(p->status, HULSE_IO);
    check_has(p->why, secret_path);
    write_secret("two words");
    p = fetch(&params);
    assert_int_equal(p->status, HULSE_INVAL);
    assert_null(strstr(p->why, "two"));
}

static void test_time_has_a_bound(void **state)
{
    struct oauth2_params params = params_for(issuer(&plain, 10, ""));

    (void)state;
    const struct probe *p = fetch_within(&params, 400);
    assert_int_equal(p->status, HULSE_TIMED_OUT);
    params = params_for("http://silent.test");
    assert_int_equal(fetch_within(&params, 200)->status, HULSE_TIMED_OUT);
}

static void test_cancel(void **state)
{
    struct oauth2_params params = params_for(issuer(&plain, 0, ""));
    struct oauth2_source *source = NULL;

    (void)state;
    probe.fetch.done = note;
    assert_int_equal(hulse_oauth2_source_create(&source, &params, NULL), HULSE_OK);
    assert_int_equal(hulse_oauth2_start(&probe.fetch, &bed.client, source, LONG_MS, NULL),
                     HULSE_OK);
    hulse_oauth2_cancel(&probe.fetch);
    hulse_oauth2_cancel(&probe.fetch);
    assert_int_equal(bed.client.calls, 0);
    /* When the token is under way. */
    assert_int_equal(hulse_oauth2_start(&probe.fetch, &bed.client, source, LONG_MS, NULL),
                     HULSE_OK);
    const struct http_exchange *first = probe.fetch.call.exchange;
    while (probe.fetch.call.exchange == first) {
        (void)hulse_loop_round(&bed.loop, 1000);
    }
    hulse_oauth2_cancel(&probe.fetch);
    assert_int_equal(bed.client.calls, 0);
    assert_int_equal(probe.answers, 0);
    hulse_oauth2_source_destroy(&source);
}

static void test_what_a_source_needs(void **state)
{
    struct oauth2_params params = params_for("");
    struct oauth2_source *source = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(hulse_oauth2_source_create(&source, &params, &err), HULSE_INVAL);
    check_has(err.text, "issuer");
    params = params_for("http://one.test");
    params.client_id = NULL;
    assert_int_equal(hulse_oauth2_source_create(&source, &params, &err), HULSE_INVAL);
    params = params_for("http://one.test");
    params.client_secret_file = NULL;
    assert_int_equal(hulse_oauth2_source_create(&source, &params, &err), HULSE_INVAL);
    assert_null(source);
    params = params_for("ftp://one.test");
    assert_int_equal(hulse_oauth2_source_create(&source, &params, &err), HULSE_OK);
    assert_int_equal(hulse_oauth2_start(&probe.fetch, &bed.client, source, LONG_MS, &err),
                     HULSE_INVAL);
    assert_null(probe.fetch.source);
    hulse_oauth2_source_destroy(&source);
    hulse_oauth2_source_destroy(&source);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_token),
        CASE(test_by_tls),
        CASE(test_refusals_and_nonsense),
        CASE(test_the_secret_is_missing),
        CASE(test_time_has_a_bound),
        CASE(test_cancel),
        CASE(test_what_a_source_needs),
    };

    hulse_role_set(HULSE_ROLE_CONTROL);
    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
