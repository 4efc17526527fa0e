/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   one daemon at a time has a socket; a stale one is replaced, a live one named, anything
 *         else left alone; mode and group are as asked; nothing is left behind.
 * Method: sockets in a temporary directory, held by this process, by a child, or by nobody.
 */
#include "daemon/control/listen.h"
#include "tests/support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static char path[96];
static char lock_path[104];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/hulse-listen-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/run/a.sock", dir);
    (void)snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
    return 0;
}

static int tear_down(void **state)
{
    char run[80];

    (void)state;
    (void)snprintf(run, sizeof(run), "%s/run", dir);
    (void)unlink(path);
    (void)unlink(lock_path);
    (void)rmdir(run);
    /* Fails when a test left something behind. */
    assert_int_equal(rmdir(dir), 0);
    return 0;
}

static hulse_status open_with(struct listen_socket *l, mode_t mode, int type, struct error *err)
{
    const struct listen_params params = {
        .path = path, .type = type, .mode = mode, .group = HULSE_LISTEN_NO_GROUP};

    return hulse_listen_open(l, &params, err);
}

static hulse_status open_plain(struct listen_socket *l, struct error *err)
{
    return open_with(l, 0660, SOCK_SEQPACKET, err);
}

static int connect_to(const char *where, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    memcpy(address.sun_path, where, strlen(where) + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* A bound socket file at the path; the descriptor listens when asked to. */
static int make_socket(int type, bool listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    if (listening) {
        assert_int_equal(listen(fd, 4), 0);
    }
    return fd;
}

static void make_run_directory(void)
{
    char run[80];

    (void)snprintf(run, sizeof(run), "%s/run", dir);
    assert_int_equal(mkdir(run, 0755), 0);
}

static bool exists(const char *what)
{
    struct stat info;

    return lstat(what, &info) == 0;
}

static void test_opens_and_leaves_nothing(void **state)
{
    struct listen_socket l = HULSE_LISTEN_CLOSED;
    struct error err = {0};

    (void)state;
    assert_int_equal(open_plain(&l, &err), HULSE_OK);
    const int fd = connect_to(path, SOCK_SEQPACKET);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_true((fcntl(l.fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(l.fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(l.lock_fd, F_GETFD) & FD_CLOEXEC) != 0);
    hulse_listen_close(&l);
    assert_false(exists(path));
    assert_false(exists(lock_path));
    hulse_listen_close(&l);
}

static void test_mode_whatever_the_umask(void **state)
{
    static const mode_t modes[] = {0660, 0600, 0666, 0777, 0640};
    static const mode_t masks[] = {0, 0022, 0077, 0777};

    (void)state;
    for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
        for (size_t u = 0; u < sizeof(masks) / sizeof(masks[0]); u++) {
            struct listen_socket l = HULSE_LISTEN_CLOSED;
            struct stat info;
            if (m == 0 && u == 0) {
                make_run_directory(); /* with a usable mode */
            }
            const mode_t before = umask(masks[u]);
            assert_int_equal(open_with(&l, modes[m], SOCK_STREAM, NULL), HULSE_OK);
            assert_int_equal(umask(before), masks[u]);
            assert_int_equal(lstat(path, &info), 0);
            assert_int_equal(info.st_mode & 07777, modes[m]);
            hulse_listen_close(&l);
        }
    }
}

static void test_group(void **state)
{
    const struct listen_params params = {
        .path = path, .type = SOCK_SEQPACKET, .mode = 0660, .group = getgid()};
    struct listen_socket l = HULSE_LISTEN_CLOSED;
    struct error err = {0};
    struct stat info;
    gid_t gid = 1;

    (void)state;
    assert_int_equal(hulse_listen_open(&l, &params, &err), HULSE_OK);
    assert_int_equal(lstat(path, &info), 0);
    assert_int_equal(info.st_gid, getgid());
    hulse_listen_close(&l);

    assert_int_equal(hulse_listen_group("root", &gid, &err), HULSE_OK);
    assert_int_equal(gid, 0);
    assert_int_equal(hulse_listen_group("4711", &gid, &err), HULSE_OK);
    assert_int_equal(gid, 4711);
    assert_int_equal(hulse_listen_group("no-such-group-here", &gid, &err), HULSE_INVAL);
    assert_int_equal(hulse_listen_group("4294967295", &gid, &err), HULSE_INVAL);
    assert_int_equal(hulse_listen_group("-1", &gid, &err), HULSE_INVAL);
    assert_int_equal(gid, 4711);
}

static void test_a_stale_file_is_replaced(void **state)
{
    struct listen_socket l = HULSE_LISTEN_CLOSED;
    struct error err = {0};

    (void)state;
    make_run_directory();
    (void)close(make_socket(SOCK_SEQPACKET, true));
    assert_true(exists(path));
    assert_int_equal(open_plain(&l, &err), HULSE_OK);
    const int fd = connect_to(path, SOCK_SEQPACKET);
    assert_true(fd >= 0);
    (void)close(fd);
    hulse_listen_close(&l);
}

static void test_a_stale_lock_does_not_matter(void **state)
{
    struct listen_socket l = HULSE_LISTEN_CLOSED;

    (void)state;
    make_run_directory();
    FILE *file = fopen(lock_path, "we");
    assert_non_null(file);
    assert_true(fputs("999999\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(open_plain(&l, NULL), HULSE_OK);
    hulse_listen_close(&l);
    assert_false(exists(lock_path));
}

static void check_named(const struct error *err, pid_t pid)
{
    char text[32];

    assert_int_equal(err->status, HULSE_BUSY);
    (void)snprintf(text, sizeof(text), "pid %d", (int)pid);
    if (strstr(err->text, text) == NULL) {
        fail_msg("'%s' does not name %s", err->text, text);
    }
}

static void test_a_second_one_is_refused_with_the_pid(void **state)
{
    struct listen_socket first = HULSE_LISTEN_CLOSED;
    struct listen_socket second = HULSE_LISTEN_CLOSED;
    struct error err = {0};

    (void)state;
    assert_int_equal(open_plain(&first, &err), HULSE_OK);
    assert_int_equal(open_plain(&second, &err), HULSE_BUSY);
    check_named(&err, getpid());
    assert_int_equal(second.fd, -1);
    assert_int_equal(second.lock_fd, -1);
    /* The refused one has taken nothing away. */
    const int fd = connect_to(path, SOCK_SEQPACKET);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_true(exists(lock_path));
    hulse_listen_close(&first);
    assert_int_equal(open_plain(&second, &err), HULSE_OK);
    hulse_listen_close(&second);
}

static void test_a_live_one_without_a_lock_is_refused(void **state)
{
    struct listen_socket l = HULSE_LISTEN_CLOSED;
    struct error err = {0};

    (void)state;
    make_run_directory();
    const int other = make_socket(SOCK_SEQPACKET, true);
    assert_int_equal(open_plain(&l, &err), HULSE_BUSY);
    check_named(&err, getpid());
    assert_true(exists(path));
    assert_false(exists(lock_path));
    (void)close(other);
}

static void test_another_type_of_socket_is_left_alone(void **state)
{
    struct listen_socket l = HULSE_LISTEN_CLOSED;
    struct error err = {0};

    (void)state;
    make_run_directory();
    const int other = make_socket(SOCK_STREAM, true);
    assert_int_equal(open_plain(&l, &err), HULSE_BUSY);
    assert_true(exists(path));
    (void)close(other);
}

static void test_the_lock_alone_keeps_others_out(void **state)
{
    struct listen_socket l = HULSE_LISTEN_CLOSED;
    struct error err = {0};

    (void)state;
    /* A daemon between lock and listen: its pid is in the lock file. */
    make_run_directory();
    const int lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(lock_fd, LOCK_EX), 0);
    assert_int_equal(write(lock_fd, "4711\n", 5), 5);
    assert_int_equal(open_plain(&l, &err), HULSE_BUSY);
    check_named(&err, 4711);
    (void)close(lock_fd);
}

static void test_a_file_of_another_kind_is_left_alone(void **state)
{
    struct listen_socket l = HULSE_LISTEN_CLOSED;
    struct error err = {0};

    (void)state;
    make_run_directory();
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(open_plain(&l, &err), HULSE_IO);
    assert_non_null(strstr(err.text, "not a socket"));
    assert_true(exists(path));
    assert_false(exists(lock_path));
}

static void test_no_directory_to_be_had(void **state)
{
    struct listen_socket l = HULSE_LISTEN_CLOSED;
    struct error err = {0};
    char deep[128];
    const struct listen_params params = {
        .path = deep, .type = SOCK_SEQPACKET, .mode = 0660, .group = HULSE_LISTEN_NO_GROUP};

    (void)state;
    (void)snprintf(deep, sizeof(deep), "%s/none/run/a.sock", dir);
    assert_int_equal(hulse_listen_open(&l, &params, &err), HULSE_IO);
    assert_non_null(strstr(err.text, "none/run"));
}

static void test_a_successor_keeps_its_file(void **state)
{
    struct listen_socket l = HULSE_LISTEN_CLOSED;

    (void)state;
    assert_int_equal(open_plain(&l, NULL), HULSE_OK);
    /* Somebody else has put a socket of his own there. */
    assert_int_equal(unlink(path), 0);
    const int other = make_socket(SOCK_SEQPACKET, true);
    hulse_listen_close(&l);
    assert_true(exists(path));
    (void)close(other);
}

/* Ten processes at once, several times: exactly one wins each time. */
static void race(int go, int end, int result)
{
    struct listen_socket l = HULSE_LISTEN_CLOSED;
    char byte = 0;

    (void)!read(go, &byte, 1);
    const hulse_status st = open_plain(&l, NULL);
    byte = (char)(st == HULSE_OK ? 'w' : st == HULSE_BUSY ? 'b' : '?');
    (void)!write(result, &byte, 1);
    /* The winner keeps it until all have tried. */
    (void)!read(end, &byte, 1);
    hulse_listen_close(&l);
    _exit(0);
}

static void race_once(void)
{
    enum { RACERS = 10 };
    pid_t pids[RACERS];
    int go[2];
    int end[2];
    int result[2];
    unsigned winners = 0;
    char byte = 0;

    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    assert_int_equal(pipe2(end, O_CLOEXEC), 0);
    assert_int_equal(pipe2(result, O_CLOEXEC), 0);
    for (unsigned i = 0; i < RACERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            (void)close(end[1]);
            race(go[0], end[0], result[1]);
        }
    }
    assert_int_equal(write(go[1], "gggggggggg", RACERS), RACERS);
    for (unsigned i = 0; i < RACERS; i++) {
        assert_int_equal(read(result[0], &byte, 1), 1);
        assert_true(byte == 'w' || byte == 'b');
        winners += byte == 'w';
    }
    (void)close(end[1]);
    for (unsigned i = 0; i < RACERS; i++) {
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    }
    (void)close(go[0]);
    (void)close(go[1]);
    (void)close(end[0]);
    (void)close(result[0]);
    (void)close(result[1]);
    assert_int_equal(winners, 1);
}

static void test_one_of_many_wins(void **state)
{
    (void)state;
    make_run_directory();
    for (unsigned i = 0; i < 20; i++) {
        race_once();
        if (i % 2 == 0) {
            /* The next ones find a stale socket. */
            (void)close(make_socket(SOCK_SEQPACKET, true));
        } else {
            (void)unlink(path);
        }
    }
}

/* Takes and gives back the path again and again. Gives 0 unless it lost what it held. */
static int take_turns(void)
{
    unsigned had = 0;

    for (unsigned i = 0; i < 4000 && had < 400; i++) {
        struct listen_socket l = HULSE_LISTEN_CLOSED;
        struct stat socket_info;
        struct stat lock_info;
        struct stat held;
        if (open_plain(&l, NULL) != HULSE_OK) {
            continue;
        }
        had++;
        const bool mine = lstat(path, &socket_info) == 0 && socket_info.st_ino == l.inode &&
                          lstat(lock_path, &lock_info) == 0 && fstat(l.lock_fd, &held) == 0 &&
                          lock_info.st_ino == held.st_ino;
        hulse_listen_close(&l);
        if (!mine) {
            return 1;
        }
    }
    return 0;
}

static void test_what_one_holds_the_others_leave_alone(void **state)
{
    enum { TAKERS = 4 };
    pid_t pids[TAKERS];
    int status = 0;

    (void)state;
    make_run_directory();
    for (unsigned i = 0; i < TAKERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            _exit(take_turns());
        }
    }
    for (unsigned i = 0; i < TAKERS; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_opens_and_leaves_nothing),
        CASE(test_mode_whatever_the_umask),
        CASE(test_group),
        CASE(test_a_stale_file_is_replaced),
        CASE(test_a_stale_lock_does_not_matter),
        CASE(test_a_second_one_is_refused_with_the_pid),
        CASE(test_a_live_one_without_a_lock_is_refused),
        CASE(test_another_type_of_socket_is_left_alone),
        CASE(test_the_lock_alone_keeps_others_out),
        CASE(test_a_file_of_another_kind_is_left_alone),
        CASE(test_no_directory_to_be_had),
        CASE(test_a_successor_keeps_its_file),
        CASE(test_one_of_many_wins),
        CASE(test_what_one_holds_the_others_leave_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
