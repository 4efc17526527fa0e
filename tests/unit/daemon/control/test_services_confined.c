/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HULSE_TEST: not=asan not=tsan
 * Goal:   what control does for brokers later (names, TLS, tokens from files and commands) needs
 *         nothing that the filter refuses.
 * Method: a child loads the filter before any of it is used for the first time: libraries start
 *         lazily. Real servers, the real helper.
 */
#include "daemon/control/sandbox.h"
#include "daemon/core/assert.h"
#include "tests/support/dns_server.h"
#include "tests/support/folder.h"
#include "tests/support/http_server.h"
#include "tests/unit/daemon/control/credential_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 60000U

static struct http_server tls;
static char folder[32];

struct fetch {
    struct http_call call;
    bool done;
    hulse_status status;
    unsigned code;
    char why[256];
};

static void fetched(struct http_call *call, const struct http_result *result)
{
    struct fetch *f = HULSE_CONTAINER(call, struct fetch, call);

    f->done = true;
    f->status = result->status;
    f->code = result->code;
    (void)snprintf(f->why, sizeof(f->why), "%s", result->why == NULL ? "" : result->why);
}

static void check(bool holds, const char *what, const char *why)
{
    if (!holds) {
        (void)fprintf(stderr, "under the filter: %s: %s\n", what, why);
        _exit(1);
    }
}

static struct fetch fetch(struct http_client *client, const char *ca_file)
{
    char url[64];
    struct fetch f = {.call.done = fetched};
    const struct http_request request = {
        .url = url, .timeout_ms = WAIT_MS, .answer_bytes_max = 65536, .tls = {.ca_file = ca_file}};

    (void)snprintf(url, sizeof(url), "https://one.test:%u/hello", tls.port);
    check(hulse_http_client_start(client, &f.call, &request, NULL) == HULSE_OK, "start", url);
    while (!f.done) {
        (void)hulse_loop_round(&hulse_creds.loop, 1000);
    }
    return f;
}

static void confined(void)
{
    void *state = NULL;
    struct dns_server dns;
    struct resolver resolver;
    struct http_client client;
    struct resolver_params params = {.timeout_ms = 10000, .tries = 1};
    char ca_file[64];

    hulse_role_set(HULSE_ROLE_CONTROL);
    (void)alarm(WAIT_MS / 1000); /* what is refused is tried for ever */
    (void)snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", folder);
    check(hulse_creds_set_up(&state) == 0, "set up", "");
    hulse_test_dns_start(&dns);
    params.servers = dns.address;
    hulse_resolver_init(&resolver, &hulse_creds.loop, &params);
    hulse_http_client_init(&client, &hulse_creds.loop, &resolver);
    check(hulse_sandbox_filter_load() == 0, "load", "");
    check(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2, "no filter", "");

    hulse_creds_write_token("of-a-file");
    hulse_creds_set("file", CREDENTIAL_FILE, hulse_creds.token_path, LONG_MS);
    hulse_creds_await_generation("file", 1);
    hulse_creds_set("command", CREDENTIAL_COMMAND, "echo of-a-command", LONG_MS);
    hulse_creds_await_generation("command", 1);
    hulse_creds_check_token("command", "of-a-command");
    struct fetch f = fetch(&client, ca_file);
    check(f.status == HULSE_OK && f.code == 200, "https", f.why);
    f = fetch(&client, NULL); /* what the system trusts, which is not this one */
    check(strstr(f.why, "certificate") != NULL, "the system's authorities", f.why);

    hulse_http_client_fini(&client);
    hulse_resolver_fini(&resolver);
    hulse_test_dns_stop(&dns);
    check(hulse_creds_tear_down(&state) == 0, "tear down", "");
}

static void test_services_work_under_the_filter(void **state)
{
    int status = 0;

    (void)state;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        confined();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int set_up_all(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/hulse-conf-XXXXXX");
    assert_non_null(mkdtemp(folder));
    hulse_test_http_start(&tls, "127.0.0.1", folder);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    hulse_test_http_stop(&tls);
    assert_true(hulse_test_folder_remove(folder));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services_work_under_the_filter),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
