/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/daemon_process.h"

#include "tests/support/folder.h"
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
#define SET_BYTES 256
#define ANSWER_BYTES (1024 * 1024)
#define TRIES 1000

static void find_program(char *out, size_t out_bytes)
{
    /* No thread changes the environment. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    const char *build = getenv("HULSE_BUILD_DIR");
    (void)snprintf(out, out_bytes, "%s/hulsed", build == NULL ? "build/debug" : build);
}

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

/* `value` with the directory in the place of {dir}. */
static void expand(const struct daemon_process *d, const char *value, char *out, size_t out_bytes)
{
    const char *at = strstr(value, "{dir}");
    if (at == NULL) {
        (void)snprintf(out, out_bytes, "%s", value);
    } else {
        (void)snprintf(out, out_bytes, "%.*s%s%s", (int)(at - value), value, d->dir, at + 5);
    }
}

static _Noreturn void run_daemon(const struct daemon_process *d, bool replace)
{
    static char sets[SETTINGS_MAX][SET_BYTES];
    static char variables[SETTINGS_MAX][SET_BYTES];
    char socket_set[128];
    char admin_set[128];
    char store_set[128];
    char program[512];
    const char *argv[2 * SETTINGS_MAX + 13];
    int n = 0;
    /* A test that aborts leaves no daemon behind. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    find_program(program, sizeof(program));
    (void)snprintf(socket_set, sizeof(socket_set), "listen.socket=%s", d->socket);
    (void)snprintf(admin_set, sizeof(admin_set), "listen.admin_socket=%s", d->admin);
    argv[n++] = program;
    if (replace) {
        argv[n++] = "--replace";
    }
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
    for (int i = 0; d->settings != NULL && d->settings[i] != NULL && i < SETTINGS_MAX; i++) {
        expand(d, d->settings[i], sets[i], sizeof(sets[i]));
        argv[n++] = "--set";
        argv[n++] = sets[i];
    }
    argv[n] = NULL;
    for (int i = 0; d->environment != NULL && d->environment[i] != NULL && i < SETTINGS_MAX; i++) {
        expand(d, d->environment[i], variables[i], sizeof(variables[i]));
        (void)putenv(variables[i]); /* NOLINT(concurrency-mt-unsafe): a child, before exec */
    }
    (void)execv(program, (char *const *)(void *)argv);
    perror(program);
    _exit(127);
}

void hulse_test_daemon_prepare(struct daemon_process *d, const char *const *settings)
{
    char program[512];
    *d = (struct daemon_process){.settings = settings};
    find_program(program, sizeof(program));
    HULSE_TEST_SKIP_UNLESS(access(program, X_OK) == 0, "hulsed is not built");
    (void)snprintf(d->dir, sizeof(d->dir), "/tmp/hulse-test-XXXXXX");
    if (mkdtemp(d->dir) == NULL) {
        perror("mkdtemp");
        abort();
    }
    (void)snprintf(d->socket, sizeof(d->socket), "%s/hulse.sock", d->dir);
    (void)snprintf(d->admin, sizeof(d->admin), "%s/admin.sock", d->dir);
}

static void fork_daemon(struct daemon_process *d, bool replace)
{
    d->pid = fork();
    if (d->pid == 0) {
        run_daemon(d, replace);
    }
}

void hulse_test_daemon_launch(struct daemon_process *d)
{
    fork_daemon(d, false);
}

bool hulse_test_daemon_ready(const struct daemon_process *d)
{
    for (int i = 0; i < TRIES; i++) {
        if (connects(d->socket, SOCK_SEQPACKET) && connects(d->admin, SOCK_STREAM)) {
            return true;
        }
        if (!hulse_test_daemon_alive(d)) {
            break;
        }
        pause_ms(10);
    }
    return false;
}

static void await_ready(const struct daemon_process *d)
{
    if (!hulse_test_daemon_ready(d)) {
        (void)fprintf(stderr, "hulsed did not become ready\n");
        abort();
    }
}

void hulse_test_daemon_again(struct daemon_process *d, const char *const *settings)
{
    d->settings = settings;
    hulse_test_daemon_launch(d);
    await_ready(d);
}

bool hulse_test_daemon_replace(struct daemon_process *d, const char *const *settings)
{
    const struct daemon_process old = *d;
    int status = 0;
    d->settings = settings;
    fork_daemon(d, true);
    while (hulse_test_daemon_alive(&old) && hulse_test_daemon_alive(d)) {
        pause_ms(1);
    }
    await_ready(d);
    while (waitpid(old.pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void hulse_test_daemon_start(struct daemon_process *d, const char *const *settings)
{
    hulse_test_daemon_prepare(d, settings);
    hulse_test_daemon_again(d, settings);
}

void hulse_test_daemon_kill(struct daemon_process *d)
{
    (void)kill(d->pid, SIGKILL);
    while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    d->pid = 0;
}

bool hulse_test_daemon_alive(const struct daemon_process *d)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)d->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

bool hulse_test_daemon_stop(struct daemon_process *d)
{
    int status = 0;
    if (d->pid != 0) {
        (void)kill(d->pid, SIGTERM);
        while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    return hulse_test_folder_remove(d->dir) && WIFEXITED(status) && WEXITSTATUS(status) == 0;
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
