/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/db_check.h"

#include "daemon/core/clock.h"
#include "daemon/store/db_file.h"
#include "daemon/store/value.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a healthy disk does in a second, many times over; and what a start may cost at least. */
enum { LIMIT_MS = 30000, BYTES_PER_MS = 1024, POLL_FAST_NS = 200000, POLL_SLOW_NS = 5000000 };

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
        (void)snprintf(out->why, sizeof(out->why), "%.150s", err.text);
    } else if (!c.meta_found) {
        (void)snprintf(out->why, sizeof(out->why), "it does not say what it covers");
    } else {
        const bool sound = out->bad_rows == 0 && c.said == c.digest;
        out->verdict = sound ? DB_SOUND : DB_ROWS_BAD;
        (void)snprintf(
            out->why, sizeof(out->why), "%s", sound ? "sound" : "rows are not what was written");
    }
}

/* The child. A signal ends it, whatever its parent makes of one; nobody wants its memory on the disk. */
static _Noreturn void child(const char *path, uint32_t segment_bytes, struct db_finding *out)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT};
    const struct rlimit none = {0};
    sigset_t all;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setrlimit(RLIMIT_CORE, &none);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
        (void)signal(deadly[i], SIG_DFL);
    }
    (void)sigemptyset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    /* LMDB says on stderr which of its assertions failed; the parent says it better. */
    (void)close(STDERR_FILENO);
    check(path, segment_bytes, out);
    _exit(0);
}

static bool await(pid_t pid, uint64_t limit_ms, int *status)
{
    const uint64_t end = hulse_clock_ns() + limit_ms * 1000000U;
    uint64_t pause_ns = POLL_FAST_NS;

    for (;;) {
        const pid_t ended = waitpid(pid, status, WNOHANG);
        if (ended == pid) {
            return true;
        }
        if ((ended < 0 && errno != EINTR) || hulse_clock_ns() > end) {
            return false;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)pause_ns}, NULL);
        pause_ns = pause_ns * 2 < POLL_SLOW_NS ? pause_ns * 2 : POLL_SLOW_NS;
    }
}

static void judge(struct db_finding *out, bool ended, int status)
{
    if (!ended) {
        out->verdict = DB_UNREADABLE;
        (void)snprintf(out->why, sizeof(out->why), "reading it did not come to an end");
    } else if (WIFSIGNALED(status)) {
        out->verdict = DB_UNREADABLE;
        (void)snprintf(
            out->why, sizeof(out->why), "reading it ended with signal %d", WTERMSIG(status));
    } else if (WEXITSTATUS(status) != 0) {
        out->verdict = DB_UNREADABLE;
        (void)snprintf(out->why, sizeof(out->why), "reading it ended with %d", WEXITSTATUS(status));
    }
}

void hulse_db_check(const char *path, uint32_t segment_bytes, struct db_finding *out)
{
    struct stat info;
    int status = 0;

    *out = (struct db_finding){.verdict = DB_MISSING};
    if (stat(path, &info) != 0) {
        (void)snprintf(out->why, sizeof(out->why), "%s", strerrordesc_np(errno));
        out->verdict = errno == ENOENT ? DB_MISSING : DB_UNREADABLE;
        return;
    }
    struct db_finding *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        *out = (struct db_finding){.verdict = DB_UNREADABLE, .why = "no memory to look at it"};
        return;
    }
    shared->verdict = DB_UNREADABLE;
    (void)signal(SIGCHLD, SIG_DFL); /* Inherited as ignored, the kernel would take its end away. */
    const pid_t pid = fork();
    if (pid == 0) {
        child(path, segment_bytes, shared);
    }
    if (pid < 0) {
        *out = (struct db_finding){.verdict = DB_UNREADABLE, .why = "no process to look at it"};
    } else {
        const bool ended = await(pid, LIMIT_MS + (uint64_t)info.st_size / BYTES_PER_MS, &status);
        if (!ended) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
        }
        *out = *shared;
        out->why[sizeof(out->why) - 1] = '\0';
        judge(out, ended, status);
    }
    (void)munmap(shared, sizeof(*shared));
}
