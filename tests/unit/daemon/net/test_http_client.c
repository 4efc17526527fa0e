/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   requests go out as told and come back whole, or say why not; nothing outside (a server
 *         that is slow, talks too much or is not who it should be, the environment) can hold up the
 *         loop, take more than it may, or make a thread.
 * Method: real servers, one with TLS, on the loopback interface, found through a name server of the
 *         test's own.
 */
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "daemon/net/http_client.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"
#include "tests/support/http_bed.h"
#include "tests/support/http_server.h"
#include "tests/support/runtime.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG_MS 60000U
#define ANSWER_MAX 65536U

struct probe {
    struct http_call call;
    unsigned answers;
    hulse_status status;
    unsigned code;
    size_t bytes;
    char body[ANSWER_MAX + 1];
    char why[768];
};

static struct http_bed bed;
static struct http_server plain;
static struct http_server tls;
static char folder[32];
static struct probe probes[HULSE_HTTP_CALLS_MAX + 1];

static void note(struct http_call *call, const struct http_result *result)
{
    struct probe *p = HULSE_CONTAINER(call, struct probe, call);

    p->answers++;
    p->status = result->status;
    p->code = result->code;
    p->bytes = result->body_bytes;
    memcpy(p->body, result->body, result->body_bytes);
    p->body[p->bytes] = '\0';
    (void)snprintf(p->why, sizeof(p->why), "%s", result->why);
}

static int set_up_all(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/hulse-http-XXXXXX");
    assert_non_null(mkdtemp(folder));
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

static int set_up(void **state)
{
    (void)state;
    memset(probes, 0, sizeof(probes));
    hulse_http_bed_start(&bed);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(hulse_http_bed_stop(&bed), HULSE_TIMER_NEVER);
    assert_int_equal(hulse_mem_used(HULSE_MEM_HTTP), 0);
    return 0;
}

/* ---- requests ---- */

static const char *url_of(const char *host, unsigned port, const char *path)
{
    static char url[512];

    (void)snprintf(
        url, sizeof(url), "%s%s:%u%s", port == tls.port ? "https://" : "http://", host, port, path);
    return url;
}

static hulse_status begin(struct probe *p, const struct http_request *request)
{
    memset(p, 0, sizeof(*p));
    p->call.done = note;
    const hulse_status st = hulse_http_client_start(&bed.client, &p->call, request, NULL);
    assert_int_equal(p->answers, 0);
    return st;
}

static struct http_request get(const char *url)
{
    return (struct http_request){.url = url, .timeout_ms = LONG_MS, .answer_bytes_max = ANSWER_MAX};
}

static void await(const struct probe *p)
{
    while (p->answers == 0) {
        (void)hulse_loop_round(&bed.loop, 1000);
    }
    assert_int_equal(p->answers, 1);
    assert_null(p->call.exchange);
}

static const struct probe *ask(const struct http_request *request)
{
    struct probe *p = &probes[0];

    assert_int_equal(begin(p, request), HULSE_OK);
    await(p);
    if (p->status != HULSE_OK) {
        assert_int_equal(p->code, 0);
        assert_int_equal(p->bytes, 0);
        assert_true(p->why[0] != '\0');
    }
    return p;
}

static const struct probe *fetch(const char *path)
{
    const struct http_request request = get(url_of("one.test", plain.port, path));

    return ask(&request);
}

static void check_body(const struct probe *p, const char *body)
{
    assert_string_equal(p->why, "");
    assert_int_equal(p->status, HULSE_OK);
    assert_int_equal(p->code, 200);
    assert_string_equal(p->body, body);
}

static void check_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("no '%s' in '%s'", part, text);
    }
}

/* ---- what goes out and comes back ---- */

static void test_get(void **state)
{
    (void)state;
    check_body(fetch("/hello"), "hello");
    check_body(fetch("/size/0"), "");
    const struct probe *p = fetch("/echo?q=1");
    check_has(p->body, "GET\n/echo?q=1\n");
    check_has(p->body, "Host: one.test:");
    p = fetch("/status/404");
    assert_int_equal(p->status, HULSE_OK);
    assert_int_equal(p->code, 404);
    assert_string_equal(p->body, "status");
}

static void test_post_and_headers(void **state)
{
    static const char *const headers[] = {
        "Content-Type: application/json", "Authorization: Bearer abc", NULL};
    struct http_request request = get(url_of("one.test", plain.port, "/echo"));
    static char large[2000000];

    (void)state;
    request.method = HTTP_POST;
    request.headers = headers;
    request.body = "{\"a\":1}";
    request.body_bytes = 7;
    const struct probe *p = ask(&request);
    check_has(p->body, "POST\n/echo\n");
    check_has(p->body, "Content-Type: application/json\n");
    check_has(p->body, "Authorization: Bearer abc\n");
    check_has(p->body, "\n\n{\"a\":1}");
    request.body_bytes = 0;
    check_has(ask(&request)->body, "Content-Length: 0\n");
    memset(large, 'z', sizeof(large));
    request.body = large;
    request.body_bytes = sizeof(large);
    p = ask(&request);
    check_has(p->body, "\n\n2000000");
    assert_null(strstr(p->body, "Expect"));
}

static void test_hosts_without_a_lookup(void **state)
{
    struct http_request request = get(url_of("127.0.0.1", plain.port, "/hello"));

    (void)state;
    check_body(ask(&request), "hello");
    request.url = url_of("localhost", plain.port, "/hello");
    check_body(ask(&request), "hello");
    assert_int_equal(atomic_load(&bed.dns.queries), 0);
    request.url = url_of("[::1]", 1, "/");
    const struct probe *p = ask(&request);
    assert_int_equal(p->status, HULSE_IO);
    check_has(p->why, "http://[::1]:1: ");
}

/* Of both.test's addresses only one is served. */
static void test_every_address_is_tried(void **state)
{
    struct http_server second;

    (void)state;
    hulse_test_http_start(&second, "127.0.0.2", NULL);
    const struct http_request request = get(url_of("both.test", second.port, "/hello"));
    check_body(ask(&request), "hello");
    hulse_test_http_stop(&second);
}

static void test_many_at_once(void **state)
{
    const int threads = hulse_test_count_threads();
    struct error err = {0};
    const struct http_request request = get(url_of("one.test", plain.port, "/size/20000"));

    (void)state;
    for (unsigned i = 0; i < HULSE_HTTP_CALLS_MAX; i++) {
        assert_int_equal(begin(&probes[i], &request), HULSE_OK);
    }
    struct probe *last = &probes[HULSE_HTTP_CALLS_MAX];
    assert_int_equal(hulse_http_client_start(&bed.client, &last->call, &request, &err),
                     HULSE_LIMIT);
    check_has(err.text, "32");
    for (unsigned i = 0; i < HULSE_HTTP_CALLS_MAX; i++) {
        while (probes[i].answers == 0) {
            (void)hulse_loop_round(&bed.loop, 1000);
            assert_int_equal(hulse_test_count_threads(), threads);
        }
        await(&probes[i]);
        assert_int_equal(probes[i].status, HULSE_OK);
        assert_int_equal(probes[i].bytes, 20000);
    }
}

/* ---- what must not happen ---- */

static void test_redirects_are_not_followed(void **state)
{
    (void)state;
    const struct probe *p = fetch("/redirect");
    assert_int_equal(p->status, HULSE_OK);
    assert_int_equal(p->code, 302);
}

/* Where a proxy would be, nobody listens. No other thread reads the environment here. */
/* NOLINTBEGIN(concurrency-mt-unsafe) */
static void test_the_environment_names_no_proxy(void **state)
{
    (void)state;
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    (void)setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    check_body(fetch("/hello"), "hello");
    (void)unsetenv("http_proxy");
    (void)unsetenv("ALL_PROXY");
}
/* NOLINTEND(concurrency-mt-unsafe) */

static void test_only_urls_of_ours(void **state)
{
    static const char *const urls[] = {
        "",
        "one.test/hello",
        "ftp://one.test/",
        "file:///etc/passwd",
        "http://",

        "http://user@one.test/",
        "http://user:word@one.test/",
        "http://one.test:0/",
        "http://one.test:65536/",
        "http://one.test./",
        "http://on\xc3\xa9.test/",
        "http://one%2etest:x/",
        "http://one.test/a b",
        "gopher://one.test:70/",
    };
    static const char *const forged[] = {"X: a\r\nY: b", NULL};
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        const struct http_request request = get(urls[i]);
        if (begin(&probes[0], &request) != HULSE_INVAL) {
            fail_msg("taken: %s", urls[i]);
        }
        assert_null(probes[0].call.exchange);
    }
    struct http_request request = get(url_of("one.test", plain.port, "/hello"));
    request.headers = forged;
    assert_int_equal(hulse_http_client_start(&bed.client, &probes[0].call, &request, &err),
                     HULSE_INVAL);
    check_has(err.text, "control character");
}

static void test_answers_have_bounds(void **state)
{
    struct http_request request = get(url_of("one.test", plain.port, "/size/1000"));

    (void)state;
    request.answer_bytes_max = 1000;
    assert_int_equal(ask(&request)->bytes, 1000);
    request.answer_bytes_max = 999;
    const struct probe *p = ask(&request);
    assert_int_equal(p->status, HULSE_TOOBIG);
    check_has(p->why, "too large");
    request.url = url_of("one.test", plain.port, "/stream/60000");
    request.answer_bytes_max = 60000;
    assert_int_equal(ask(&request)->bytes, 60000);
    request.answer_bytes_max = 59999;
    assert_int_equal(ask(&request)->status, HULSE_TOOBIG);
    request.url = url_of("one.test", plain.port, "/head/60");
    assert_int_equal(ask(&request)->status, HULSE_OK);
    request.url = url_of("one.test", plain.port, "/head/70");
    assert_int_equal(ask(&request)->status, HULSE_TOOBIG);
}

static void test_time_has_a_bound(void **state)
{
    static const char *const paths[] = {"/slow", "/drip"};
    struct http_request request = get(NULL);

    (void)state;
    request.timeout_ms = 300;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        request.url = url_of("one.test", plain.port, paths[i]);
        const struct probe *p = ask(&request);
        assert_int_equal(p->status, HULSE_TIMED_OUT);
        check_has(p->why, "http://one.test:");
        check_has(p->why, "within 300 ms");
        assert_null(strstr(p->why, paths[i]));
    }
    /* While its host is still being looked up. */
    request.url = url_of("silent.test", plain.port, "/hello");
    assert_int_equal(ask(&request)->status, HULSE_TIMED_OUT);
    check_body(fetch("/hello"), "hello");
}

static void test_failures_say_whom_and_why(void **state)
{
    struct http_request request = get(url_of("one.test", 1, "/secret?token=x"));

    (void)state;
    const struct probe *p = ask(&request);
    assert_int_equal(p->status, HULSE_IO);
    check_has(p->why, "http://one.test:1: ");
    check_has(p->why, "connect");
    assert_null(strstr(p->why, "secret"));
    assert_null(strstr(p->why, "token"));
    request.url = url_of("none.test", 80, "/");
    p = ask(&request);
    assert_int_equal(p->status, HULSE_FAILED);
    check_has(p->why, "http://none.test:80: none.test: Domain name not found");
    assert_int_equal(fetch("/cut")->status, HULSE_IO);
    p = fetch("/noise");
    assert_int_equal(p->status, HULSE_PROTOCOL);
}

/* ---- TLS ---- */

static const char *file(const char *name)
{
    static char paths[4][64];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static const struct probe *fetch_tls(const char *host, const char *path, const char *ca)
{
    struct http_request request = get(url_of(host, tls.port, path));

    request.tls.ca_file = ca == NULL ? NULL : file(ca);
    return ask(&request);
}

static void check_tls_failure(const struct probe *p, const char *why)
{
    assert_int_equal(p->status, HULSE_FAILED);
    check_has(p->why, why);
}

static void test_servers_prove_who_they_are(void **state)
{
    (void)state;
    check_body(fetch_tls("one.test", "/hello", "ca.pem"), "hello");
    check_body(fetch_tls("127.0.0.1", "/hello", "ca.pem"), "hello");
    /* Not even over the connection that was just made. */
    check_tls_failure(fetch_tls("one.test", "/hello", "other.pem"), "certificate");
    check_tls_failure(fetch_tls("one.test", "/hello", NULL), "certificate");
    check_tls_failure(fetch_tls("one.test", "/hello", "missing.pem"), "missing.pem");
}

static void test_names_in_certificates(void **state)
{
    struct http_request request = get(url_of("many.test", tls.port, "/hello"));

    (void)state;
    request.tls.ca_file = file("ca.pem");
    check_tls_failure(ask(&request), "many.test");
    request.tls.any_host = true;
    check_body(ask(&request), "hello");
    /* Still by an authority of ours. */
    request.tls.ca_file = file("other.pem");
    check_tls_failure(ask(&request), "certificate");
}

static void test_certificates_of_ours(void **state)
{
    struct http_request request = get(url_of("one.test", tls.port, "/peer"));

    (void)state;
    request.tls.ca_file = file("ca.pem");
    check_body(ask(&request), "nobody");
    request.tls.cert_file = file("client.pem");
    request.tls.key_file = file("client.key");
    check_body(ask(&request), "client");
    request.tls.cert_file = file("none.pem");
    assert_int_equal(ask(&request)->status, HULSE_FAILED);
}

/* ---- cancel, done, the end ---- */

static void test_cancel(void **state)
{
    struct http_request request = get(url_of("one.test", plain.port, "/slow"));

    (void)state;
    assert_int_equal(begin(&probes[1], &request), HULSE_OK);
    /* Before its lookup has ended, and when it waits for the answer. */
    hulse_http_client_cancel(&probes[1].call);
    hulse_http_client_cancel(&probes[1].call);
    assert_int_equal(begin(&probes[2], &request), HULSE_OK);
    check_body(fetch("/hello"), "hello");
    hulse_http_client_cancel(&probes[2].call);
    check_body(fetch("/hello"), "hello");
    assert_int_equal(probes[1].answers + probes[2].answers, 0);
    assert_int_equal(bed.client.calls, 0);
}

static void start_and_cancel(struct http_call *call, const struct http_result *result)
{
    struct http_request request = get(url_of("one.test", plain.port, "/hello"));

    note(call, result);
    hulse_http_client_cancel(&probes[1].call);
    call->done = note;
    HULSE_CONTAINER(call, struct probe, call)->answers = 0;
    assert_int_equal(hulse_http_client_start(&bed.client, call, &request, NULL), HULSE_OK);
}

static void test_done_may_do_anything(void **state)
{
    struct http_request request = get(url_of("one.test", plain.port, "/status/201"));

    (void)state;
    assert_int_equal(begin(&probes[0], &request), HULSE_OK);
    request.url = url_of("one.test", plain.port, "/slow");
    assert_int_equal(begin(&probes[1], &request), HULSE_OK);
    probes[0].call.done = start_and_cancel;
    while (probes[0].code != 200) {
        (void)hulse_loop_round(&bed.loop, 1000);
    }
    check_body(&probes[0], "hello");
    assert_int_equal(probes[1].answers, 0);
}

static void test_connections_are_kept_and_then_closed(void **state)
{
    const int before = hulse_test_count_descriptors();

    (void)state;
    assert_null(bed.client.multi);
    check_body(fetch("/hello"), "hello");
    const int kept = hulse_test_count_descriptors();
    assert_true(kept > before);
    check_body(fetch("/hello"), "hello");
    assert_int_equal(hulse_test_count_descriptors(), kept);
    while (bed.client.multi != NULL) {
        (void)hulse_loop_round(&bed.loop, 1000);
    }
    assert_int_equal(hulse_test_count_descriptors(), before);
    assert_int_equal(hulse_timer_next(&bed.loop.timers), HULSE_TIMER_NEVER);
    check_body(fetch("/hello"), "hello");
}

static void test_fini_while_busy(void **state)
{
    const int before = hulse_test_count_descriptors();
    struct http_request request = get(url_of("one.test", plain.port, "/drip"));

    (void)state;
    assert_int_equal(begin(&probes[1], &request), HULSE_OK);
    check_body(fetch("/hello"), "hello");
    request.url = url_of("silent.test", plain.port, "/hello");
    assert_int_equal(begin(&probes[2], &request), HULSE_OK);
    hulse_http_client_fini(&bed.client);
    hulse_resolver_fini(&bed.resolver);
    (void)hulse_loop_round(&bed.loop, 0);
    assert_int_equal(hulse_test_count_descriptors(), before);
    assert_int_equal(probes[1].answers + probes[2].answers, 0);
}

static void test_close_answers_what_is_on_its_way(void **state)
{
    struct http_request request = get(url_of("one.test", plain.port, "/drip"));

    (void)state;
    assert_int_equal(begin(&probes[1], &request), HULSE_OK);
    request.url = url_of("silent.test", plain.port, "/hello");
    assert_int_equal(begin(&probes[2], &request), HULSE_OK);
    hulse_http_client_close(&bed.client);
    for (unsigned i = 1; i <= 2; i++) {
        assert_int_equal(probes[i].answers, 1);
        assert_int_equal(probes[i].status, HULSE_CLOSED);
    }
    assert_int_equal(begin(&probes[3], &request), HULSE_CLOSED);
    assert_int_equal(bed.client.calls, 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_get),
        CASE(test_post_and_headers),
        CASE(test_hosts_without_a_lookup),
        CASE(test_every_address_is_tried),
        CASE(test_many_at_once),
        CASE(test_redirects_are_not_followed),
        CASE(test_the_environment_names_no_proxy),
        CASE(test_only_urls_of_ours),
        CASE(test_answers_have_bounds),
        CASE(test_time_has_a_bound),
        CASE(test_failures_say_whom_and_why),
        CASE(test_servers_prove_who_they_are),
        CASE(test_names_in_certificates),
        CASE(test_certificates_of_ours),
        CASE(test_cancel),
        CASE(test_done_may_do_anything),
        CASE(test_connections_are_kept_and_then_closed),
        CASE(test_fini_while_busy),
        CASE(test_close_answers_what_is_on_its_way),
    };

    hulse_role_set(HULSE_ROLE_CONTROL);
    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
