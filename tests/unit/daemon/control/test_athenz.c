/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a principal token is signed with the tenant's key and shown to the ZTS alone, and a role token comes back or
 *         a reason without a secret in it; a credential of this kind has the end that the ZTS said.
 * Method: a ZTS of the test's own, one with TLS, that answers with who asked; the signature is checked with OpenSSL.
 */
#include "daemon/control/athenz.h"
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"
#include "tests/support/http_bed.h"
#include "tests/support/http_server.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG_MS 60000U

struct probe {
    struct athenz_fetch fetch;
    unsigned answers;
    hulse_status status;
    uint64_t expires_wall_ms;
    char token[2048];
    char why[768];
};

static struct http_bed bed;
static struct http_server plain;
static struct http_server tls;
static char folder[32];
static char key_path[64];
static char ca_path[64];
static char cert_path[64];
static EVP_PKEY *key;
static struct probe probe;

static void note(struct athenz_fetch *fetch, const struct athenz_result *result)
{
    struct probe *p = HULSE_CONTAINER(fetch, struct probe, fetch);

    p->answers++;
    p->status = result->status;
    p->expires_wall_ms = result->expires_wall_ms;
    (void)snprintf(p->token, sizeof(p->token), "%.*s", (int)result->token_bytes, result->token);
    (void)snprintf(p->why, sizeof(p->why), "%s", result->why);
}

static void write_key(const EVP_CIPHER *cipher)
{
    FILE *f = fopen(key_path, "we");
    char word[] = "word";

    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, key, cipher, NULL, 0, NULL, word), 1);
    (void)fclose(f);
}

static int set_up_all(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/hulse-athenz-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(ca_path, sizeof(ca_path), "%s/ca.pem", folder);
    (void)snprintf(cert_path, sizeof(cert_path), "%s/client.pem", folder);
    hulse_test_http_start(&plain, "127.0.0.1", NULL);
    hulse_test_http_start(&tls, "127.0.0.1", folder);
    key = EVP_RSA_gen(2048);
    assert_non_null(key);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    hulse_test_http_stop(&plain);
    hulse_test_http_stop(&tls);
    assert_true(hulse_test_folder_remove(folder));
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    memset(&probe, 0, sizeof(probe));
    (void)snprintf(key_path, sizeof(key_path), "%s/tenant.key", folder);
    write_key(NULL);
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

static const char *url_of(const struct http_server *server, const char *end)
{
    static char url[128];

    (void)snprintf(url,
                   sizeof(url),
                   "%s://one.test:%u%s",
                   server == &tls ? "https" : "http",
                   server->port,
                   end);
    return url;
}

static struct athenz_params params_for(const char *url, const char *domain)
{
    return (struct athenz_params){.zts_url = url,
                                  .provider_domain = domain,
                                  .tenant_domain = "Some.Domain",
                                  .tenant_service = "Me",
                                  .private_key_file = key_path,
                                  .key_id = "K1",
                                  .principal_header = "who-asks"};
}

static const struct probe *fetch_within(const struct athenz_params *params, uint32_t timeout_ms)
{
    struct athenz_source *source = NULL;

    memset(&probe, 0, sizeof(probe));
    probe.fetch.done = note;
    assert_int_equal(hulse_athenz_source_create(&source, params, NULL), HULSE_OK);
    assert_int_equal(hulse_athenz_start(&probe.fetch, &bed.client, source, timeout_ms, NULL),
                     HULSE_OK);
    assert_int_equal(probe.answers, 0);
    while (probe.answers == 0) {
        (void)hulse_loop_round(&bed.loop, 1000);
    }
    assert_int_equal(probe.answers, 1);
    assert_null(probe.fetch.source);
    hulse_athenz_source_destroy(&source);
    assert_null(source);
    return &probe;
}

static void check_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("no '%s' in '%s'", part, text);
    }
}

static void check_failure(const char *domain, hulse_status status, const char *why)
{
    const struct athenz_params params = params_for(url_of(&plain, ""), domain);
    const struct probe *p = fetch_within(&params, LONG_MS);

    assert_int_equal(p->status, status);
    assert_string_equal(p->token, "");
    check_has(p->why, why);
    assert_null(strstr(p->why, "v=S1"));
}

/* ---- tests ---- */

/* As Athenz does it: over the text before the signature. */
static void check_signature(char *token)
{
    unsigned char signature[512];
    char *end = strstr(token, ";s=");
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    assert_non_null(end);
    *end = '\0';
    end += 3;
    assert_null(strpbrk(end, "+/="));
    unsigned padding = 0;
    for (char *at = end; *at != '\0'; at++) {
        padding += *at == '-' ? 1 : 0;
        *at = (char)(*at == '.' ? '+' : *at == '_' ? '/' : *at == '-' ? '=' : *at);
    }
    const int bytes = EVP_DecodeBlock(signature, (unsigned char *)end, (int)strlen(end));
    assert_int_equal(bytes - (int)padding, 256);
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(
        EVP_DigestVerify(context, signature, 256, (const unsigned char *)token, strlen(token)), 1);
    EVP_MD_CTX_free(context);
}

static void test_a_role_token(void **state)
{
    static const char *const ends[] = {"", "/", "/zts/v1", "/zts/v1/"};
    const uint64_t now_ms = hulse_clock_wall_ms();

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const struct athenz_params params = params_for(url_of(&plain, ends[i]), "d0");
        const struct probe *p = fetch_within(&params, LONG_MS);
        char times[64];
        assert_string_equal(p->why, "");
        assert_int_equal(p->status, HULSE_OK);
        assert_true(p->expires_wall_ms + 1000 > now_ms + 3600000);
        check_has(p->token, "v=S1;d=some.domain;n=me;a=");
        const char *begin = strstr(p->token, ";t=");
        const uint64_t from = strtoull(begin + 3, NULL, 10);
        assert_true((from + 1) * 1000 > now_ms);
        (void)snprintf(times,
                       sizeof(times),
                       ";t=%llu;e=%llu;k=k1;s=",
                       (unsigned long long)from,
                       (unsigned long long)from + 3600);
        check_has(p->token, times);
        check_signature(probe.token);
    }
}

static void test_each_has_a_salt_of_its_own(void **state)
{
    const struct athenz_params params = params_for(url_of(&plain, ""), "d0");
    char first[17];

    (void)state;
    (void)snprintf(
        first, sizeof(first), "%s", strstr(fetch_within(&params, LONG_MS)->token, ";a=") + 3);
    const char *second = strstr(fetch_within(&params, LONG_MS)->token, ";a=") + 3;
    assert_int_equal(strspn(first, "0123456789abcdef"), 16);
    assert_int_equal(second[16], ';');
    assert_int_not_equal(memcmp(first, second, 16), 0);
}

static void test_refusals_and_nonsense(void **state)
{
    (void)state;
    check_failure("d1", HULSE_DENIED, "ZTS: HTTP 403");
    check_failure("d2", HULSE_PROTOCOL, "no token");
    check_failure("d3", HULSE_PROTOCOL, "no expiryTime");
    check_failure("d4", HULSE_PROTOCOL, "no token");
    const struct athenz_params params = params_for("http://one.test:1", "d0");
    assert_int_equal(fetch_within(&params, LONG_MS)->status, HULSE_IO);
}

static void test_a_certificate(void **state)
{
    struct athenz_params params = params_for(url_of(&tls, ""), "d8");

    (void)state;
    params.tenant_domain = NULL;
    params.tenant_service = NULL;
    params.cert_file = cert_path;
    params.ca_file = ca_path;
    (void)snprintf(key_path, sizeof(key_path), "%s/client.key", folder);
    const struct probe *p = fetch_within(&params, LONG_MS);
    assert_string_equal(p->why, "");
    assert_string_equal(p->token, "client/nobody");
    params.ca_file = NULL;
    p = fetch_within(&params, LONG_MS);
    assert_int_equal(p->status, HULSE_FAILED);
    check_has(p->why, "certificate");
}

static void check_key(hulse_status status, const char *why)
{
    const struct athenz_params params = params_for(url_of(&plain, ""), "d0");
    struct athenz_source *source = NULL;
    struct error err = {0};

    assert_int_equal(hulse_athenz_key_check(key_path, &err), status);
    check_has(err.text, why);
    memset(&err, 0, sizeof(err));
    assert_int_equal(hulse_athenz_source_create(&source, &params, NULL), HULSE_OK);
    assert_int_equal(hulse_athenz_start(&probe.fetch, &bed.client, source, LONG_MS, &err), status);
    check_has(err.text, why);
    assert_null(probe.fetch.source);
    assert_int_equal(bed.client.calls, 0);
    hulse_athenz_source_destroy(&source);
}

static void test_a_key_that_is_none(void **state)
{
    (void)state;
    assert_int_equal(hulse_athenz_key_check(key_path, NULL), HULSE_OK);
    write_key(EVP_aes_256_cbc());
    check_key(HULSE_INVAL, "without a passphrase");
    FILE *f = fopen(key_path, "we");
    (void)fputs("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", f);
    (void)fclose(f);
    check_key(HULSE_INVAL, "not a private key");
    assert_int_equal(unlink(key_path), 0);
    check_key(HULSE_IO, "No such file");
}

static void test_time_has_a_bound_and_it_can_be_cancelled(void **state)
{
    const struct athenz_params params = params_for(url_of(&plain, ""), "d6");
    struct athenz_source *source = NULL;

    (void)state;
    assert_int_equal(fetch_within(&params, 400)->status, HULSE_TIMED_OUT);
    memset(&probe, 0, sizeof(probe));
    probe.fetch.done = note;
    assert_int_equal(hulse_athenz_source_create(&source, &params, NULL), HULSE_OK);
    assert_int_equal(hulse_athenz_start(&probe.fetch, &bed.client, source, LONG_MS, NULL),
                     HULSE_OK);
    hulse_athenz_cancel(&probe.fetch);
    hulse_athenz_cancel(&probe.fetch);
    assert_int_equal(bed.client.calls, 0);
    assert_int_equal(probe.answers, 0);
    hulse_athenz_source_destroy(&source);
}

static void test_what_a_source_needs_and_is(void **state)
{
    struct athenz_params params = params_for("", "d0");
    struct athenz_source *source = NULL;
    struct athenz_source *other = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(hulse_athenz_source_create(&source, &params, &err), HULSE_INVAL);
    check_has(err.text, "zts_url");
    params = params_for("http://one.test", "d0");
    params.tenant_service = NULL;
    assert_int_equal(hulse_athenz_source_create(&source, &params, &err), HULSE_INVAL);
    check_has(err.text, "tenant_service");
    assert_null(source);
    params = params_for("http://one.test", "d0");
    assert_int_equal(hulse_athenz_source_create(&source, &params, &err), HULSE_OK);
    const char **const members[] = {&params.zts_url,
                                    &params.provider_domain,
                                    &params.tenant_domain,
                                    &params.tenant_service,
                                    &params.private_key_file,
                                    &params.key_id,
                                    &params.cert_file,
                                    &params.ca_file,
                                    &params.principal_header};
    assert_int_equal(hulse_athenz_source_create(&other, &params, &err), HULSE_OK);
    assert_true(hulse_athenz_source_equal(source, other));
    hulse_athenz_source_destroy(&other);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const char *before = *members[i];
        *members[i] = "another";
        assert_int_equal(hulse_athenz_source_create(&other, &params, &err), HULSE_OK);
        assert_false(hulse_athenz_source_equal(source, other));
        hulse_athenz_source_destroy(&other);
        *members[i] = before;
    }
    hulse_athenz_source_destroy(&source);
    hulse_athenz_source_destroy(&source);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_role_token),
        CASE(test_each_has_a_salt_of_its_own),
        CASE(test_refusals_and_nonsense),
        CASE(test_a_certificate),
        CASE(test_a_key_that_is_none),
        CASE(test_time_has_a_bound_and_it_can_be_cancelled),
        CASE(test_what_a_source_needs_and_is),
    };

    hulse_role_set(HULSE_ROLE_CONTROL);
    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
