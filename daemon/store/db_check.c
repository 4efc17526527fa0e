/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/db_check.h"

#include "daemon/core/clock.h"
#include "daemon/store/db_file.h"
#include "daemon/store/value.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * What a healthy disk does in a second, many times over; and what a start may cost at least. Who computes for a tenth of
 * that goes round in circles: it is known before the time is over where many others want to compute, too.
 */
enum { LIMIT_MS = 30000, BYTES_PER_MS = 1024, POLL_FAST_NS = 200000, POLL_SLOW_NS = 5000000 };
enum { CPU_SHARE = 10, MS_PER_S = 1000, NS_PER_MS = 1000000 };

/* With the child. */
struct shared {
    struct db_finding out;
    bool cpu_limited;
    bool walking; /* from now on it is the file that ends it */
};

struct check {
    struct db_finding *out;
    uint32_t segment_bytes;
    bool meta_found;
    uint64_t said;   /* the digest in the meta row */
    uint64_t digest; /* of the rows */
};

static enum db_visit visit(void *ctx, const struct value_row *row)
{
    struct check *c = ctx;
    struct value_meta meta;

    c->out->rows++;
    if (row->key.table == VALUE_META) {
        c->meta_found = hulse_value_meta_decode(row->value, row->value_bytes, &meta) &&
                        meta.segment_bytes == c->segment_bytes;
        c->out->covered = c->meta_found ? meta.covered : 0;
        c->said = c->meta_found ? meta.digest : 0;
    } else {
        c->digest += hulse_value_digest(row->value, row->value_bytes);
    }
    if (!hulse_value_sound(&row->key, row->value, row->value_bytes)) {
        c->out->bad_rows++;
    }
    return DB_GO_ON;
}

static void check(const char *path, uint32_t segment_bytes, struct db_finding *out)
{
    struct check c = {.out = out, .segment_bytes = segment_bytes};
    struct db_walk walk = {.visit = visit, .ctx = &c};
    struct db_file db = {0};
    struct error err = {0};
    hulse_status status = hulse_db_file_open_read(&db, path, &err);

    if (status == HULSE_OK) {
        status = hulse_db_file_walk(&db, &walk, &err);
    }
    if (status != HULSE_OK) {
        out->verdict = status == HULSE_PROTOCOL ? DB_UNREADABLE : DB_NOT_LOOKED;
        out->status = status;
        (void)snprintf(out->why, sizeof(out->why), "%.150s", err.text);
    } else if (!c.meta_found) {
        out->verdict = DB_UNREADABLE;
        (void)snprintf(out->why, sizeof(out->why), "it does not say what it covers");
    } else {
        const bool sound = out->bad_rows == 0 && c.said == c.digest;
        out->verdict = sound ? DB_SOUND : DB_ROWS_BAD;
        (void)snprintf(
            out->why, sizeof(out->why), "%s", sound ? "sound" : "rows are not what was written");
    }
}

/* The child. A signal ends it, whatever its parent makes of one; nobody wants its memory on the disk. */
static _Noreturn void
child(const char *path, uint32_t segment_bytes, uint64_t limit_ms, struct shared *shared)
{
    static const int deadly[] = {
        SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT, SIGXCPU};
    const struct rlimit none = {0};
    const struct rlimit cpu = {.rlim_cur = limit_ms / CPU_SHARE / MS_PER_S,
                               .rlim_max = limit_ms / MS_PER_S};
    sigset_t all;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* The lock of the directory among them, which whoever comes after a killed parent wants to have. */
    /* LMDB says on stderr which of its assertions failed; the parent says it better. */
    (void)close_range(STDERR_FILENO, ~0U, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
    shared->cpu_limited = setrlimit(RLIMIT_CPU, &cpu) == 0;
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
        (void)signal(deadly[i], SIG_DFL);
    }
    (void)sigemptyset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    shared->walking = true;
    check(path, segment_bytes, &shared->out);
    _exit(0);
}

/* Until the child ends or the time is over, whichever is known first; where neither can be waited for, a little. */
static void wait_for(int process, uint64_t left_ms, uint64_t *pause_ns)
{
    struct pollfd watched = {.fd = process, .events = POLLIN};

    if (process >= 0 && (poll(&watched, 1, (int)left_ms) >= 0 || errno == EINTR)) {
        return;
    }
    (void)nanosleep(&(struct timespec){.tv_nsec = (long)*pause_ns}, NULL);
    *pause_ns = *pause_ns * 2 < POLL_SLOW_NS ? *pause_ns * 2 : POLL_SLOW_NS;
}

static bool await(pid_t pid, uint64_t limit_ms, int *status)
{
    const uint64_t end_ns = hulse_clock_ns() + limit_ms * NS_PER_MS;
    const int process = pidfd_open(pid, 0);
    uint64_t pause_ns = POLL_FAST_NS;
    pid_t ended = 0;

    for (;;) {
        ended = waitpid(pid, status, WNOHANG);
        const uint64_t now_ns = hulse_clock_ns();
        if (ended == pid || (ended < 0 && errno != EINTR) || now_ns > end_ns) {
            break;
        }
        const uint64_t left_ms = (end_ns - now_ns) / NS_PER_MS + 1;
        wait_for(process, left_ms < INT_MAX ? left_ms : INT_MAX, &pause_ns);
    }
    if (process >= 0) {
        (void)close(process);
    }
    return ended == pid;
}

static void
not_looked(struct db_finding *out, hulse_status status, const char *what, const char *why)
{
    *out = (struct db_finding){.verdict = DB_NOT_LOOKED, .status = status};
    (void)snprintf(out->why, sizeof(out->why), "%s: %s", what, why);
}

static void not_looked_for(struct db_finding *out, int number, const char *what)
{
    not_looked(out, hulse_db_status(number), what, strerrordesc_np(number));
}

/* What a file does to who walks it. Any other signal was sent by somebody. */
static bool is_of_the_file(const struct shared *shared, int sign)
{
    return shared->walking &&
           (sign == SIGSEGV || sign == SIGBUS || sign == SIGABRT || sign == SIGFPE ||
            sign == SIGILL || (sign == SIGXCPU && shared->cpu_limited));
}

static void judge(const struct shared *shared, bool ended, int status, struct db_finding *out)
{
    char word[32];

    *out = shared->out;
    out->why[sizeof(out->why) - 1] = '\0';
    if (!ended) {
        not_looked(out, HULSE_IO, "reading it", "it did not come to an end");
    } else if (WIFSIGNALED(status) && is_of_the_file(shared, WTERMSIG(status))) {
        out->verdict = DB_UNREADABLE;
        (void)snprintf(
            out->why, sizeof(out->why), "reading it ended with signal %d", WTERMSIG(status));
    } else if (WIFSIGNALED(status)) {
        (void)snprintf(word, sizeof(word), "killed by signal %d", WTERMSIG(status));
        not_looked(out, HULSE_IO, "the process that read it", word);
    } else if (WEXITSTATUS(status) != 0) {
        (void)snprintf(word, sizeof(word), "ended with %d", WEXITSTATUS(status));
        not_looked(out, HULSE_IO, "the process that read it", word);
    }
}

/* True: it is one that a child may walk; else *out says what it is. */
static bool is_there(const char *path, uint64_t *bytes, struct db_finding *out)
{
    struct stat info;

    *out = (struct db_finding){.verdict = DB_UNREADABLE};
    if (stat(path, &info) != 0) {
        if (errno == ENOENT) {
            out->verdict = DB_MISSING;
            (void)snprintf(out->why, sizeof(out->why), "%s", strerrordesc_np(errno));
        } else {
            not_looked_for(out, errno, "looking for it");
        }
        return false;
    }
    if (!S_ISREG(info.st_mode) || info.st_size == 0) {
        (void)snprintf(out->why,
                       sizeof(out->why),
                       "%s",
                       S_ISREG(info.st_mode) ? "it is empty" : "it is not a file");
        return false;
    }
    *bytes = (uint64_t)info.st_size;
    return true;
}

void hulse_db_check(const char *path, uint32_t segment_bytes, struct db_finding *out)
{
    uint64_t bytes = 0;
    int status = 0;

    if (!is_there(path, &bytes, out)) {
        return;
    }
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        not_looked_for(out, errno, "no memory to look at it");
        return;
    }
    const uint64_t limit_ms = LIMIT_MS + bytes / BYTES_PER_MS;
    not_looked(&shared->out, HULSE_IO, "the process that read it", "said nothing");
    (void)signal(SIGCHLD, SIG_DFL); /* Inherited as ignored, the kernel would take its end away. */
    const pid_t pid = fork();
    if (pid == 0) {
        child(path, segment_bytes, limit_ms, shared);
    }
    if (pid < 0) {
        not_looked_for(out, errno, "no process to look at it");
    } else {
        const bool ended = await(pid, limit_ms, &status);
        if (!ended) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
        }
        judge(shared, ended, status, out);
    }
    (void)munmap(shared, sizeof(*shared));
}
