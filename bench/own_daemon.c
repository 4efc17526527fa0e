/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own_daemon - see own_daemon.h.
 *
 * The daemon is pinned by its leader after it is ready: one that is born with a single CPU
 * decides never to spin.
 */
#include "bench/own_daemon.h"

#include "bench/machine.h"
#include "bench/workload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <hulse/hulse.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_NS_MAX 60000000000ULL /* a log may have to be read */
#define STOP_NS_MAX 35000000000ULL
#define LOOK_NS 100000 /* between two attempts to connect */
#define NOTICE_LOOK_MS 10
#define LOG_LINES_MAX 10U
#define ARGUMENTS_MAX (2U * BENCH_SETS_MAX + 32U)

static void nap(long ns)
{
    const struct timespec t = {.tv_nsec = ns};
    (void)nanosleep(&t, NULL);
}

/* The program: --hulsed, else beside this one, else the name for PATH. */
static void find_program(char *out, size_t bytes, const struct bench_options *o)
{
    char self[PATH_MAX];

    if (o->hulsed != NULL) {
        (void)snprintf(out, bytes, "%s", o->hulsed);
        return;
    }
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        char *slash = strrchr(self, '/');
        if (slash != NULL) {
            *slash = '\0';
            const int written = snprintf(out, bytes, "%s/hulsed", self);
            if (written > 0 && (size_t)written < bytes && access(out, X_OK) == 0) {
                return;
            }
        }
    }
    (void)snprintf(out, bytes, "hulsed");
}

/* Arguments of the daemon; texts live in `room`. */
struct arguments {
    char *list[ARGUMENTS_MAX];
    unsigned count;
    char room[2 * PATH_MAX + 4096];
    size_t used;
};

static void push(struct arguments *a, const char *text)
{
    const size_t bytes = strlen(text) + 1;

    if (a->count + 1 < ARGUMENTS_MAX && a->used + bytes <= sizeof a->room) {
        memcpy(a->room + a->used, text, bytes);
        a->list[a->count++] = a->room + a->used;
        a->list[a->count] = NULL;
        a->used += bytes;
    }
}

static void push_set(struct arguments *a, const char *key, const char *value)
{
    char text[PATH_MAX + 64];

    (void)snprintf(text, sizeof text, "%s=%s", key, value);
    push(a, "--set");
    push(a, text);
}

static void push_number(struct arguments *a, const char *key, uint64_t value)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    push_set(a, key, text);
}

static uint64_t power_of_two_from(uint64_t least, uint64_t wish)
{
    uint64_t n = least;
    while (n < wish) {
        n *= 2;
    }
    return n;
}

/* The benchmark's own wishes first, so that --set of the user wins. */
static void build(struct arguments *a, const struct own_daemon *d, const struct bench_options *o)
{
    const uint32_t ring = hulse_bench_ring_bytes(o);
    char program[PATH_MAX];
    char admin[128];

    find_program(program, sizeof program, o);
    push(a, program);
    push_set(a, "listen.socket", d->socket);
    (void)snprintf(admin, sizeof admin, "%s/admin.sock", d->directory);
    push_set(a, "listen.admin_socket", admin);
    push_set(a, "log.level", "warn");
    push_set(a, "drain_timeout", "0");
    /* strace and /proc/PID/smaps_rollup, without being root. */
    push_set(a, "sandbox.dumpable", "true");
    if (o->mode != BENCH_LOCAL && d->data == NULL) {
        push_set(a, "default_broker", "null");
    }
    if (d->data != NULL) {
        push_set(a, "brokers.local.directory", d->data);
    } else {
        push_set(a, "brokers.local.durability", "memory");
    }
    push_number(a, "session.ring_max", power_of_two_from(32ULL * 1024 * 1024, ring));
    push_number(a, "session.receipts_max", power_of_two_from(65536, hulse_bench_receipts(o)));
    if (ring > 16ULL * 1024 * 1024) {
        push_number(a, "session.memory_max", 8ULL * ring);
        push_number(a, "memory_max", 1ULL << 30);
    }
    for (uint32_t i = 0; i < o->set_count; i++) {
        push(a, "--set");
        push(a, o->sets[i]);
    }
}

static void notify_path(char *out, size_t bytes, const struct own_daemon *d)
{
    (void)snprintf(out, bytes, "%s/notify", d->directory);
}

/* Without it nothing but the notice is missing. */
static int notify_open(const struct own_daemon *d)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    notify_path(address.sun_path, sizeof address.sun_path, d);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void become(struct arguments *a, const struct own_daemon *d, pid_t leader)
{
    char log[96];
    char notify[96];

    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != leader) {
        _exit(1);
    }
    /* Lets strace attach where only descendants may be traced. */
    (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    (void)snprintf(log, sizeof log, "%s/log", d->directory);
    const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
    }
    notify_path(notify, sizeof notify, d);
    (void)setenv("NOTIFY_SOCKET", notify, 1);
    (void)execvp(a->list[0], a->list);
    (void)dprintf(STDERR_FILENO, "%s: %s\n", a->list[0], strerror(errno));
    _exit(127);
}

static void show_log(const struct own_daemon *d)
{
    char path[96];
    char line[1024];

    (void)snprintf(path, sizeof path, "%s/log", d->directory);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return;
    }
    for (unsigned i = 0; i < LOG_LINES_MAX && fgets(line, sizeof line, f) != NULL; i++) {
        (void)fprintf(stderr, "hulsed: %s", line);
    }
    (void)fclose(f);
}

static hulse_status try_session(const char *path)
{
    hulse_options *options = hulse_options_new();
    hulse_session *session = NULL;

    if (options == NULL) {
        return HULSE_NO_MEMORY;
    }
    hulse_status rc = hulse_options_socket(options, path);
    if (rc == HULSE_OK) {
        rc = hulse_open(&session, options);
    }
    hulse_options_free(&options);
    if (rc == HULSE_OK) {
        (void)hulse_close(&session, 0);
    }
    return rc;
}

/* It ended by itself, or never was. */
static bool has_gone(struct own_daemon *d)
{
    int status = 0;

    if (d->pid != 0 && waitpid(d->pid, &status, WNOHANG) == d->pid) {
        d->pid = 0;
    }
    return d->pid == 0;
}

static void no_daemon(const struct own_daemon *d, const char *why)
{
    (void)fprintf(stderr, "hulse-bench: no daemon on %s: %s\n", d->socket, why);
    if (d->directory[0] != '\0') {
        show_log(d);
    }
}

bool hulse_bench_own_daemon_ready(struct own_daemon *d)
{
    const bool own = d->pid != 0;

    for (;;) {
        const hulse_status rc = try_session(d->socket);
        const uint64_t now_ns = hulse_bench_machine_now_ns();
        if (rc == HULSE_OK) {
            d->ready_ms = (double)(now_ns - d->exec_ns) / 1e6;
            return true;
        }
        if (has_gone(d) || now_ns - d->exec_ns > READY_NS_MAX) {
            no_daemon(d, own && d->pid == 0 ? "it ended at once" : hulse_open_error());
            return false;
        }
        nap(LOOK_NS);
    }
}

double hulse_bench_own_daemon_await_notice(struct own_daemon *d)
{
    struct pollfd wait = {.fd = d->notify_fd, .events = POLLIN};

    while (wait.fd >= 0) {
        char state[64] = "";
        const int ready = poll(&wait, 1, NOTICE_LOOK_MS);
        const uint64_t now_ns = hulse_bench_machine_now_ns();
        if (ready > 0 && recv(wait.fd, state, sizeof state - 1, MSG_DONTWAIT) > 0 &&
            strcmp(state, "READY=1") == 0) {
            return (double)(now_ns - d->exec_ns) / 1e6;
        }
        if (has_gone(d) || now_ns - d->exec_ns > READY_NS_MAX) {
            break;
        }
    }
    no_daemon(d, d->pid == 0 ? "it ended at once" : "it does not say that it is ready");
    return -1;
}

bool hulse_bench_own_daemon_again(struct own_daemon *d, const struct bench_options *o)
{
    static struct arguments arguments;
    char old[64];

    arguments = (struct arguments){0};
    build(&arguments, d, o);
    while (d->notify_fd >= 0 && recv(d->notify_fd, old, sizeof old, MSG_DONTWAIT) > 0) {
        /* What its predecessor said. */
    }
    (void)fflush(NULL);
    const pid_t leader = getpid();
    d->exec_ns = hulse_bench_machine_now_ns();
    const pid_t pid = fork();
    if (pid == 0) {
        become(&arguments, d, leader);
    }
    if (pid < 0) {
        (void)fprintf(stderr, "hulse-bench: fork: %s\n", strerror(errno));
        return false;
    }
    d->pid = pid;
    return true;
}

bool hulse_bench_own_daemon_start(struct own_daemon *d,
                                  const struct bench_options *o,
                                  const char *data)
{
    *d = (struct own_daemon){.data = data,
                             .notify_fd = -1,
                             .exec_ns = hulse_bench_machine_now_ns(),
                             .quiet = o->beside >= BENCH_BESIDE_BELLS || o->mode == BENCH_RESUME ||
                                      o->kill};
    if (o->socket != NULL) {
        (void)snprintf(d->socket, sizeof d->socket, "%s", o->socket);
        return hulse_bench_own_daemon_ready(d);
    }
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(d->directory,
                   sizeof d->directory,
                   "%.40s/hulse-bench.XXXXXX",
                   tmp != NULL && strlen(tmp) <= 40 ? tmp : "/tmp");
    if (mkdtemp(d->directory) == NULL) {
        (void)fprintf(stderr, "hulse-bench: %s: %s\n", d->directory, strerror(errno));
        d->directory[0] = '\0';
        return false;
    }
    (void)snprintf(d->socket, sizeof d->socket, "%s/hulse.sock", d->directory);
    d->notify_fd = notify_open(d);
    if (!hulse_bench_own_daemon_again(d, o) || !hulse_bench_own_daemon_ready(d)) {
        (void)hulse_bench_own_daemon_stop(d);
        return false;
    }
    return true;
}

/* Waits with a bound; the daemon has been told to end. */
static bool await_end(const struct own_daemon *d)
{
    const uint64_t until_ns = hulse_bench_machine_now_ns() + STOP_NS_MAX;
    int status = 0;

    while (waitpid(d->pid, &status, WNOHANG) == 0) {
        if (hulse_bench_machine_now_ns() > until_ns) {
            (void)fprintf(stderr, "hulse-bench: hulsed does not end; killed\n");
            (void)kill(d->pid, SIGKILL);
            (void)waitpid(d->pid, &status, 0);
            return false;
        }
        nap(1000000);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        (void)fprintf(stderr, "hulse-bench: hulsed ended with status 0x%x\n", (unsigned)status);
        return false;
    }
    return true;
}

static void remove_directory(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *e = NULL;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (e->d_name[0] != '.') {
            (void)unlinkat(dirfd(dir), e->d_name, 0);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    (void)rmdir(path);
}

bool hulse_bench_own_daemon_end(struct own_daemon *d)
{
    if (d->pid == 0) {
        return true;
    }
    (void)kill(d->pid, SIGTERM);
    const bool fine = await_end(d);
    d->pid = 0;
    return fine;
}

void hulse_bench_own_daemon_kill(struct own_daemon *d)
{
    if (d->pid != 0) {
        (void)kill(d->pid, SIGKILL);
        (void)waitpid(d->pid, NULL, 0);
        d->pid = 0;
    }
}

bool hulse_bench_own_daemon_stop(struct own_daemon *d)
{
    const bool ran = d->pid != 0;

    const bool fine = hulse_bench_own_daemon_end(d);
    /* Nothing but warnings is in it, and a benchmark deserves none. */
    if (ran && (!d->quiet || !fine)) {
        show_log(d);
    }
    if (d->notify_fd >= 0) {
        (void)close(d->notify_fd);
        d->notify_fd = -1;
    }
    if (d->directory[0] != '\0') {
        remove_directory(d->directory);
        d->directory[0] = '\0';
    }
    return fine;
}
