/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whoever replaces a daemon asks it once, believes only its locks, waits no longer than it may,
 *         and says which of the many ways it went wrong.
 * Method: an admin socket and lock files of the test's own; a thread plays the daemon and answers by
 *         script.
 */
#include "daemon/control/replace.h"
#include "tests/support/check.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SHORT_MS 50
#define LONG_MS 20000

static const char wanted[] = "{\"command\":\"drain\",\"now\":true}\n";
static const char yes[] = "{\"status\":\"ok\",\"result\":{\"draining\":true}}\n";

static char dir[64];
static char admin[96];
static char locks[2][96];

/* The daemon: what it says, and what it does then. */
struct daemon_play {
    const char *answer; /* NULL = hangs up; "" = is silent */
    size_t pieces;      /* the answer comes in so many */
    bool goes;          /* lets go of the locks behind the answer */
    int listener;
    int held[2];
    char heard[64];
};

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/hulse-replace-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(admin, sizeof(admin), "%s/admin.sock", dir);
    (void)snprintf(locks[0], sizeof(locks[0]), "%s/a.lock", dir);
    (void)snprintf(locks[1], sizeof(locks[1]), "%s/b.lock", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(admin);
    (void)unlink(locks[0]);
    (void)unlink(locks[1]);
    assert_int_equal(rmdir(dir), 0);
    return 0;
}

static hulse_status replace(uint64_t wait_ms, struct error *err)
{
    const char *const paths[] = {locks[0], locks[1]};
    const struct replace_params params = {
        .admin_socket = admin, .locks = paths, .lock_count = 2, .wait_ms = wait_ms};

    return hulse_replace_run(&params, err);
}

/* Locked as a daemon does it, with a pid in it. */
static int hold(const char *path)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "4711\n", 5), 5);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    return fd;
}

static void let_go(int *fd)
{
    (void)close(*fd);
    *fd = -1;
}

static void assert_free(const char *path)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    (void)close(fd);
}

static void *play(void *ctx)
{
    struct daemon_play *d = ctx;
    const int fd = accept(d->listener, NULL, NULL);
    const ssize_t n = recv(fd, d->heard, sizeof(d->heard) - 1, 0);

    d->heard[n > 0 ? n : 0] = '\0';
    if (d->answer != NULL) {
        const size_t bytes = strlen(d->answer);
        const size_t piece = bytes / d->pieces + 1;
        for (size_t at = 0; at < bytes; at += piece) {
            const size_t left = bytes - at;
            (void)!send(fd, d->answer + at, left < piece ? left : piece, MSG_NOSIGNAL);
            (void)usleep(2000);
        }
    }
    if (d->answer != NULL && d->answer[0] == '\0') {
        char byte = 0;
        (void)!recv(fd, &byte, 1, 0); /* until it gives up */
    }
    (void)close(fd);
    if (d->goes) {
        let_go(&d->held[0]);
        (void)usleep(20000);
        let_go(&d->held[1]);
    }
    return NULL;
}

/* Both locks, an admin socket, and one conversation. */
static hulse_status replace_played(struct daemon_play *d, uint64_t wait_ms, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;

    d->pieces = d->pieces == 0 ? 1 : d->pieces;
    d->held[0] = hold(locks[0]);
    d->held[1] = hold(locks[1]);
    d->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, admin, strlen(admin) + 1);
    assert_int_equal(bind(d->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(d->listener, 4), 0);
    assert_int_equal(pthread_create(&thread, NULL, play, d), 0);
    const hulse_status st = replace(wait_ms, err);
    if (st == HULSE_OK) {
        assert_free(locks[0]);
        assert_free(locks[1]); /* the last one too was waited for */
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)close(d->listener);
    assert_string_equal(d->heard, wanted);
    return st;
}

static void end_play(struct daemon_play *d)
{
    for (size_t i = 0; i < 2; i++) {
        if (d->held[i] >= 0) {
            let_go(&d->held[i]);
        }
    }
}

static void assert_says(const struct error *err, const char *words)
{
    if (strstr(err->text, words) == NULL) {
        fail_msg("'%s' is not in '%s'", words, err->text);
    }
}

static void test_nobody_is_there(void **state)
{
    (void)state;
    assert_int_equal(replace(LONG_MS, NULL), HULSE_OK);
    /* What a killed daemon leaves: a socket without a listener, locks without an owner. */
    struct daemon_play d = {.answer = yes, .goes = true};
    assert_int_equal(replace_played(&d, LONG_MS, NULL), HULSE_OK);
    assert_int_equal(replace(LONG_MS, NULL), HULSE_OK);
}

static void test_it_is_asked_and_goes(void **state)
{
    (void)state;
    struct daemon_play d = {.answer = yes, .goes = true, .pieces = 7};
    struct error err = {0};
    assert_int_equal(replace_played(&d, LONG_MS, &err), HULSE_OK);
}

static void test_it_ends_without_an_answer(void **state)
{
    (void)state;
    struct daemon_play d = {.answer = NULL, .goes = true};
    assert_int_equal(replace_played(&d, LONG_MS, NULL), HULSE_OK);
}

static void test_it_says_yes_and_stays(void **state)
{
    (void)state;
    struct daemon_play d = {.answer = yes};
    struct error err = {0};
    assert_int_equal(replace_played(&d, SHORT_MS, &err), HULSE_TIMED_OUT);
    assert_says(&err, "does not end");
    end_play(&d);
}

static void test_it_is_silent(void **state)
{
    (void)state;
    struct daemon_play d = {.answer = ""};
    struct error err = {0};
    assert_int_equal(replace_played(&d, SHORT_MS, &err), HULSE_TIMED_OUT);
    assert_says(&err, "does not answer");
    end_play(&d);
}

static void test_it_refuses(void **state)
{
    static const struct {
        const char *answer;
        hulse_status status;
        const char *words;
    } cases[] = {
        {"{\"status\":\"error\",\"code\":\"HULSE_DENIED\",\"detail\":\"not yours\"}\n",
         HULSE_DENIED,
         "not yours"},
        {"{\"status\":\"error\",\"code\":\"HULSE_INVAL\",\"detail\":\"drain: unknown member "
         "'now'\"}\n",
         HULSE_UNSUPPORTED,
         "unknown member 'now'"},
        {"{\"status\":\"error\"}\n", HULSE_UNSUPPORTED, "refuses"},
        {"{\"status\":7}\n", HULSE_UNSUPPORTED, "refuses"},
        {"220 smtp\n", HULSE_UNSUPPORTED, "refuses"},
        {"\n", HULSE_UNSUPPORTED, "refuses"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct daemon_play d = {.answer = cases[i].answer};
        struct error err = {0};
        assert_int_equal(replace_played(&d, LONG_MS, &err), cases[i].status);
        assert_says(&err, cases[i].words);
        end_play(&d);
        assert_int_equal(unlink(admin), 0);
    }
}

static void test_it_talks_without_an_end(void **state)
{
    static char endless[5000];
    struct daemon_play d = {.answer = endless};
    struct error err = {0};

    (void)state;
    memset(endless, '{', sizeof(endless) - 1);
    assert_int_equal(replace_played(&d, LONG_MS, &err), HULSE_UNSUPPORTED);
    end_play(&d);
}

static void test_one_that_listens_elsewhere_is_named(void **state)
{
    struct error err = {0};
    int held = hold(locks[1]);

    (void)state;
    assert_int_equal(replace(SHORT_MS, &err), HULSE_TIMED_OUT);
    assert_says(&err, "pid 4711");
    assert_says(&err, "listens elsewhere");
    let_go(&held);
}

static void test_a_stop_comes_first(void **state)
{
    struct error err = {0};
    const struct timespec at_once = {0};
    sigset_t stop;
    sigset_t before;
    int held = hold(locks[0]);

    (void)state;
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &stop, &before), 0);
    assert_int_equal(raise(SIGTERM), 0);
    assert_int_equal(replace(LONG_MS, &err), HULSE_CLOSED);
    /* Still there for who handles it. */
    assert_int_equal(sigtimedwait(&stop, NULL, &at_once), SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    let_go(&held);
}

static void test_a_path_that_cannot_be_is_told(void **state)
{
    struct error err = {0};

    (void)state;
    admin[0] = '\0';
    assert_int_equal(replace(LONG_MS, &err), HULSE_IO);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_nobody_is_there),
        CASE(test_it_is_asked_and_goes),
        CASE(test_it_ends_without_an_answer),
        CASE(test_it_says_yes_and_stays),
        CASE(test_it_is_silent),
        CASE(test_it_refuses),
        CASE(test_it_talks_without_an_end),
        CASE(test_one_that_listens_elsewhere_is_named),
        CASE(test_a_stop_comes_first),
        CASE(test_a_path_that_cannot_be_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
