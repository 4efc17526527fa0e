/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/daemon_process.h"

#include "tests/support/runtime.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SETTINGS_MAX 16
#define ANSWER_BYTES (1024 * 1024)
#define TRIES 1000

static void pause_ms(long ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL);
}

static bool connects(const char *path, int type)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    const bool ok = connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
    (void)close(fd);
    return ok;
}

static _Noreturn void
run_daemon(const struct daemon_process *d, const char *program, const char *const *settings)
{
    char socket_set[128];
    char admin_set[128];
    char store_set[128];
    const char *argv[2 * SETTINGS_MAX + 12];
    int n = 0;
    /* A test that aborts leaves no daemon behind. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(socket_set, sizeof(socket_set), "listen.socket=%s", d->socket);
    (void)snprintf(admin_set, sizeof(admin_set), "listen.admin_socket=%s", d->admin);
    argv[n++] = program;
    argv[n++] = "--set";
    argv[n++] = socket_set;
    argv[n++] = "--set";
    argv[n++] = admin_set;
    (void)snprintf(store_set, sizeof(store_set), "brokers.local.directory=%s/store", d->dir);
    argv[n++] = "--set";
    argv[n++] = store_set;
    /* Tests read its files in /proc, and need not be root. */
    argv[n++] = "--set";
    argv[n++] = "sandbox.dumpable=true";
    for (int i = 0; settings != NULL && settings[i] != NULL && i < SETTINGS_MAX; i++) {
        argv[n++] = "--set";
        argv[n++] = settings[i];
    }
    argv[n] = NULL;
    (void)execv(program, (char *const *)(void *)argv);
    perror(program);
    _exit(127);
}

void hulse_test_daemon_again(struct daemon_process *d, const char *const *settings)
{
    char program[512];
    const char *build = getenv("HULSE_BUILD_DIR");
    (void)snprintf(program, sizeof(program), "%s/hulsed", build == NULL ? "build/debug" : build);
    HULSE_TEST_SKIP_UNLESS(access(program, X_OK) == 0, "hulsed is not built");
    d->pid = fork();
    if (d->pid == 0) {
        run_daemon(d, program, settings);
    }
    for (int i = 0; i < TRIES; i++) {
        if (connects(d->socket, SOCK_SEQPACKET) && connects(d->admin, SOCK_STREAM)) {
            return;
        }
        if (!hulse_test_daemon_alive(d)) {
            break;
        }
        pause_ms(10);
    }
    (void)fprintf(stderr, "hulsed did not become ready\n");
    abort();
}

void hulse_test_daemon_start(struct daemon_process *d, const char *const *settings)
{
    (void)snprintf(d->dir, sizeof(d->dir), "/tmp/hulse-test-XXXXXX");
    if (mkdtemp(d->dir) == NULL) {
        perror("mkdtemp");
        abort();
    }
    (void)snprintf(d->socket, sizeof(d->socket), "%s/hulse.sock", d->dir);
    (void)snprintf(d->admin, sizeof(d->admin), "%s/admin.sock", d->dir);
    hulse_test_daemon_again(d, settings);
}

void hulse_test_daemon_kill(struct daemon_process *d)
{
    int status = 0;
    (void)kill(d->pid, SIGKILL);
    while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR) {
    }
}

bool hulse_test_daemon_alive(const struct daemon_process *d)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)d->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

bool hulse_test_daemon_stop(struct daemon_process *d)
{
    int status = 0;
    char command[160];
    (void)kill(d->pid, SIGTERM);
    while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR) {
    }
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", d->dir);
    const int removed = system(command); /* NOLINT(cert-env33-c): a path of our own making */
    return removed == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The answer to `stats`, terminated; empty when there is none. */
static void ask(const struct daemon_process *d, char *answer)
{
    static const char request[] = "{\"command\":\"stats\"}\n";
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", d->admin);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t used = 0;
    if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0 &&
        write(fd, request, sizeof(request) - 1) == (ssize_t)sizeof(request) - 1) {
        ssize_t n = 0;
        while (used < ANSWER_BYTES - 1 &&
               (n = read(fd, answer + used, ANSWER_BYTES - 1 - used)) > 0) {
            used += (size_t)n;
            if (answer[used - 1] == '\n') {
                break;
            }
        }
    }
    answer[used] = '\0';
    (void)close(fd);
}

uint64_t hulse_test_daemon_stat(const struct daemon_process *d, const char *key)
{
    static char answer[ANSWER_BYTES];
    char wanted[96];
    (void)snprintf(wanted, sizeof(wanted), "\"%s\":", key);
    ask(d, answer);
    const char *at = strstr(answer, wanted);
    return at == NULL ? 0 : strtoull(at + strlen(wanted), NULL, 10);
}

bool hulse_test_daemon_stat_reaches(const struct daemon_process *d, const char *key, uint64_t least)
{
    for (int i = 0; i < TRIES; i++) {
        if (hulse_test_daemon_stat(d, key) >= least) {
            return true;
        }
        pause_ms(10);
    }
    return false;
}
