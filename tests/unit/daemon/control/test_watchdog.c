/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a worker that does not beat is found; one that does is not; a watchdog that was itself held up
 *         blames nobody; the service manager hears as long as all is well.
 * Method: the judging functions at their edges; a crew of beats that the test sets, a clock that is the
 *         loop's.
 */
#include "daemon/control/watchdog.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void test_who_is_late(void **state)
{
    (void)state;
    assert_int_equal(hulse_watchdog_late_ms(1000, 400, 0), 600);
    assert_int_equal(hulse_watchdog_late_ms(1000, 400, 700), 300); /* forgiven until then */
    assert_int_equal(hulse_watchdog_late_ms(1000, 1000, 0), 0);
    assert_int_equal(hulse_watchdog_late_ms(1000, 1500, 0), 0); /* a beat just after the look */
    assert_false(hulse_watchdog_held_up(2000, 0, 1000));
    assert_true(hulse_watchdog_held_up(2001, 0, 1000));
}

static void test_what_the_service_manager_wants(void **state)
{
    char own[32];
    char other[32];

    (void)state;
    (void)snprintf(own, sizeof(own), "%d", (int)getpid());
    (void)snprintf(other, sizeof(other), "%d", (int)getpid() + 1);
    assert_int_equal(hulse_watchdog_notify_ms("30000000", NULL), 15000);
    assert_int_equal(hulse_watchdog_notify_ms("30000000", own), 15000);
    assert_int_equal(hulse_watchdog_notify_ms("30000000", other), 0);
    assert_int_equal(hulse_watchdog_notify_ms(NULL, NULL), 0);
    assert_int_equal(hulse_watchdog_notify_ms("", NULL), 0);
    assert_int_equal(hulse_watchdog_notify_ms("-5", NULL), 0);
    assert_int_equal(hulse_watchdog_notify_ms("12x", NULL), 0);
    assert_int_equal(hulse_watchdog_notify_ms("99999999999999999999999", NULL), 0);
    assert_int_equal(hulse_watchdog_notify_ms("1999", NULL), 0);
}

static uint32_t blamed;
static unsigned cries;

static void stuck(void *ctx, uint32_t worker, uint64_t late_ms)
{
    (void)ctx;
    assert_true(late_ms > 5000);
    blamed = worker;
    cries += 1;
}

/* A socket that hears what is told to the service manager. */
static int listen_at(char *path, size_t path_bytes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)snprintf(path, path_bytes, "@hulse-watchdog-%d", (int)getpid());
    memcpy(address.sun_path, path, strlen(path));
    address.sun_path[0] = '\0';
    assert_int_equal(bind(fd,
                          (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))),
                     0);
    return fd;
}

static unsigned told(int fd)
{
    char text[32];
    unsigned count = 0;
    ssize_t bytes = 0;

    while ((bytes = recv(fd, text, sizeof(text), 0)) > 0) {
        assert_memory_equal(text, "WATCHDOG=1", (size_t)bytes);
        count++;
    }
    return count;
}

static void test_a_stuck_worker_is_found(void **state)
{
    enum { WORKERS = 3 };
    struct worker *workers = calloc(WORKERS, sizeof(*workers));
    struct crew crew = {.count = WORKERS};
    struct loop loop;
    struct watchdog watchdog = {0};
    char path[64];
    const int fd = listen_at(path, sizeof(path));

    (void)state;
    assert_non_null(workers);
    assert_true(hulse_loop_init(&loop, 16));
    hulse_watchdog_stop(&watchdog); /* not started */
    (void)hulse_loop_round(&loop, 0);
    const uint64_t begin_ms = hulse_loop_now_ms(&loop);
    for (unsigned i = 0; i < WORKERS; i++) {
        crew.workers[i] = &workers[i];
    }
    const struct watchdog_params params = {.loop = &loop,
                                           .crew = &crew,
                                           .timeout_ms = 5000,
                                           .notify_socket = path,
                                           .notify_every_ms = 800,
                                           .stuck = stuck};
    hulse_watchdog_start(&watchdog, &params);
    for (uint64_t ms = 800; ms <= 8000; ms += 800) { /* worker 1 beats once and never again */
        loop.now_ns = (begin_ms + ms) * 1000000U;
        for (unsigned i = 0; i < WORKERS; i++) {
            atomic_store(&workers[i].beat_ms, begin_ms + (i == 1 ? 800 : ms));
        }
        watchdog.timer.fire(&watchdog.timer);
    }
    assert_int_equal(blamed, 1);
    assert_int_equal(cries, 3); /* at 6400 and beyond it is more than 5000 late */
    assert_int_equal(told(fd), 7);
    /* The process was stopped for an hour: nobody is to blame, and each gets its time anew. */
    loop.now_ns += UINT64_C(3600000) * 1000000U;
    watchdog.timer.fire(&watchdog.timer);
    assert_int_equal(cries, 3);
    assert_int_equal(told(fd), 1);
    hulse_watchdog_stop(&watchdog);
    hulse_loop_fini(&loop);
    (void)close(fd);
    free(workers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_late),
        cmocka_unit_test(test_what_the_service_manager_wants),
        cmocka_unit_test(test_a_stuck_worker_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
