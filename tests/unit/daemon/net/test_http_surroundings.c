/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a host whose first address swallows packets is reached by its next one in time, and the
 *         environment cannot have the keys of TLS written down.
 * Method: a socket whose full backlog makes the kernel drop what comes; real servers on the loopback
 *         interface, found through a name server of the test's own.
 */
#include "daemon/core/assert.h"
#include "daemon/net/http_client.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"
#include "tests/support/http_bed.h"
#include "tests/support/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct probe {
    struct http_call call;
    bool done;
    hulse_status status;
    unsigned code;
    char why[768];
};

static struct http_bed bed;

static void note(struct http_call *call, const struct http_result *result)
{
    struct probe *p = HULSE_CONTAINER(call, struct probe, call);

    p->done = true;
    p->status = result->status;
    p->code = result->code;
    (void)snprintf(p->why, sizeof(p->why), "%s", result->why);
}

static int set_up(void **state)
{
    (void)state;
    hulse_http_bed_start(&bed);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)hulse_http_bed_stop(&bed);
    return 0;
}

static struct probe ask(const struct http_request *request)
{
    struct probe p = {.call.done = note};

    assert_int_equal(hulse_http_client_start(&bed.client, &p.call, request, NULL), HULSE_OK);
    while (!p.done) {
        (void)hulse_loop_round(&bed.loop, 1000);
    }
    return p;
}

/* ---- an address that swallows packets ---- */

/* Listens without ever taking anybody in; the places of its backlog are taken by the test. */
struct swallower {
    struct sockaddr_in address;
    int fd;
    int guests[8];
    unsigned guest_count;
};

/* False: the backlog is full. */
static bool take_a_place(struct swallower *s)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd set = {.fd = fd, .events = POLLOUT};

    assert_true(fd >= 0);
    s->guests[s->guest_count++] = fd;
    assert_int_equal(connect(fd, (const struct sockaddr *)&s->address, sizeof(s->address)), -1);
    assert_int_equal(errno, EINPROGRESS);
    return poll(&set, 1, 200) == 1;
}

static void start_swallowing(struct swallower *s, const char *address, unsigned port)
{
    *s = (struct swallower){
        .address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)},
        .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
    };
    socklen_t bytes = sizeof(s->address);

    assert_int_equal(inet_pton(AF_INET, address, &s->address.sin_addr), 1);
    assert_int_equal(bind(s->fd, (const struct sockaddr *)&s->address, bytes), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&s->address, &bytes), 0);
    assert_int_equal(listen(s->fd, 0), 0);
    while (take_a_place(s)) {
        assert_true(s->guest_count < sizeof(s->guests) / sizeof(s->guests[0]));
    }
}

static void stop_swallowing(struct swallower *s)
{
    while (s->guest_count > 0) {
        (void)close(s->guests[--s->guest_count]);
    }
    (void)close(s->fd);
}

static void test_an_address_that_swallows_packets(void **state)
{
    struct http_server healthy;
    struct swallower lame;
    char url[64];
    const struct http_request request = {.url = url, .timeout_ms = 5000, .answer_bytes_max = 1000};

    (void)state;
    hulse_test_http_start(&healthy, "127.0.0.2", NULL);
    start_swallowing(&lame, "127.0.0.3", healthy.port);
    (void)snprintf(url, sizeof(url), "http://lame.test:%u/hello", healthy.port);
    const uint64_t begin_ms = hulse_loop_now_ms(&bed.loop);
    const struct probe p = ask(&request);
    assert_string_equal(p.why, "");
    assert_int_equal(p.status, HULSE_OK);
    assert_int_equal(p.code, 200);
    /* The first one was tried, and for a while. */
    assert_true(hulse_loop_now_ms(&bed.loop) - begin_ms >= 500);
    stop_swallowing(&lame);
    hulse_test_http_stop(&healthy);
}

/* Neither has all of a long time, and it is said how long they had. */
static void test_no_address_has_all_of_the_time(void **state)
{
    struct swallower first;
    struct swallower second;
    char url[64];
    const struct http_request request = {.url = url, .timeout_ms = 60000, .answer_bytes_max = 1000};

    (void)state;
    start_swallowing(&first, "127.0.0.3", 0);
    start_swallowing(&second, "127.0.0.2", ntohs(first.address.sin_port));
    (void)snprintf(url, sizeof(url), "http://lame.test:%u/", ntohs(first.address.sin_port));
    const uint64_t begin_ms = hulse_loop_now_ms(&bed.loop);
    const struct probe p = ask(&request);
    assert_int_equal(p.status, HULSE_TIMED_OUT);
    assert_non_null(strstr(p.why, "no connection within "));
    assert_true(hulse_loop_now_ms(&bed.loop) - begin_ms < 30000);
    stop_swallowing(&first);
    stop_swallowing(&second);
}

/* ---- the environment ---- */

/* Nobody else reads the environment here. */
/* NOLINTBEGIN(concurrency-mt-unsafe) */
static void test_keys_of_tls_are_not_written_down(void **state)
{
    static char text[4096];
    char folder[] = "/tmp/hulse-keys-XXXXXX";
    char keys[64];
    char ca[64];
    char url[64];
    struct http_server tls;
    const struct http_request request = {
        .url = url, .timeout_ms = 60000, .answer_bytes_max = 1000, .tls = {.ca_file = ca}};
    const int real = dup(STDERR_FILENO);
    const int own = memfd_create("stderr", MFD_CLOEXEC);

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(keys, sizeof(keys), "%s/keys", folder);
    (void)snprintf(ca, sizeof(ca), "%s/ca.pem", folder);
    hulse_test_http_start(&tls, "127.0.0.1", folder);
    (void)snprintf(url, sizeof(url), "https://one.test:%u/hello", tls.port);
    (void)setenv("SSLKEYLOGFILE", keys, 1);
    hulse_http_client_fini(&bed.client);
    assert_true(real >= 0 && own >= 0 && dup2(own, STDERR_FILENO) >= 0);
    hulse_http_client_init(&bed.client, &bed.loop, &bed.resolver);
    assert_true(dup2(real, STDERR_FILENO) >= 0);
    const struct probe p = ask(&request);
    assert_string_equal(p.why, "");
    assert_int_equal(p.code, 200);
    assert_int_equal(access(keys, F_OK), -1);
    assert_null(getenv("SSLKEYLOGFILE"));
    assert_true(pread(own, text, sizeof(text) - 1, 0) > 0);
    assert_non_null(strstr(text, "SSLKEYLOGFILE"));
    assert_null(strstr(text, folder));
    (void)close(real);
    (void)close(own);
    hulse_test_http_stop(&tls);
    assert_true(hulse_test_folder_remove(folder));
}
/* NOLINTEND(concurrency-mt-unsafe) */

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_an_address_that_swallows_packets),
        CASE(test_no_address_has_all_of_the_time),
        CASE(test_keys_of_tls_are_not_written_down),
    };

    hulse_role_set(HULSE_ROLE_CONTROL);
    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
