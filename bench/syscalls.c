/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscalls - see syscalls.h.
 */
#include "bench/syscalls.h"

#include "bench/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ATTACH_NS_MAX 5000000000ULL
#define PIDS_MAX 160U

static bool traced(const char *status_path)
{
    char line[128];
    bool found = false;

    FILE *f = fopen(status_path, "re");
    if (f == NULL) {
        return true; /* a thread that has ended */
    }
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "TracerPid:", 10) == 0) {
            found = strtol(line + 10, NULL, 10) != 0;
            break;
        }
    }
    (void)fclose(f);
    return found;
}

static bool all_traced(pid_t pid)
{
    char path[320];
    bool all = true;

    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return false;
    }
    const struct dirent *e = NULL;
    while (all && (e = readdir(dir)) != NULL) {
        if (e->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)pid, e->d_name);
            all = traced(path);
        }
    }
    (void)closedir(dir);
    return all;
}

static void become_strace(const struct syscalls *s, const pid_t *pids, unsigned count)
{
    static char numbers[PIDS_MAX][16];
    const char *arguments[(2 * PIDS_MAX) + 8] = {"strace", "-f", "-c", "-o", s->file};
    unsigned n = 5;

    for (unsigned i = 0; i < count && i < PIDS_MAX; i++) {
        (void)snprintf(numbers[i], sizeof numbers[i], "%d", (int)pids[i]);
        arguments[n++] = "-p";
        arguments[n++] = numbers[i];
    }
    const int quiet = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (quiet >= 0) {
        (void)dup2(quiet, STDOUT_FILENO);
        (void)dup2(quiet, STDERR_FILENO);
    }
    (void)execvp("strace", (char *const *)arguments);
    _exit(127);
}

static void end_tracer(struct syscalls *s)
{
    if (s->tracer != 0) {
        (void)kill(s->tracer, SIGINT);
        (void)waitpid(s->tracer, NULL, 0);
        s->tracer = 0;
    }
}

bool hulse_bench_syscalls_begin(struct syscalls *s, const pid_t *pids, unsigned count)
{
    *s = (struct syscalls){0};
    (void)snprintf(s->file, sizeof s->file, "/tmp/hulse-bench.strace.XXXXXX");
    const int fd = mkstemp(s->file);
    if (fd < 0) {
        return false;
    }
    (void)close(fd);
    (void)fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        become_strace(s, pids, count);
    }
    s->tracer = pid > 0 ? pid : 0;
    const uint64_t until_ns = hulse_bench_machine_now_ns() + ATTACH_NS_MAX;
    bool all = false;
    while (s->tracer != 0 && !all && hulse_bench_machine_now_ns() < until_ns) {
        const struct timespec nap = {.tv_nsec = 2000000};
        (void)nanosleep(&nap, NULL);
        if (waitpid(s->tracer, NULL, WNOHANG) == s->tracer) {
            s->tracer = 0;
            break;
        }
        all = true;
        for (unsigned i = 0; i < count; i++) {
            all = all && all_traced(pids[i]);
        }
    }
    if (!all) {
        end_tracer(s);
        (void)unlink(s->file);
    }
    return all;
}

/* Rows are: % time, seconds, usecs/call, calls, [errors,] name; the last one is the total. */
static double sum_of(const char *file)
{
    char line[256];
    double calls = 0;

    FILE *f = fopen(file, "re");
    if (f == NULL) {
        return -1;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        char *at = line;
        char *end = NULL;
        double column[4];
        unsigned n = 0;
        for (; n < 4; n++) {
            column[n] = strtod(at, &end);
            if (end == at) {
                break;
            }
            at = end;
        }
        if (n == 4 && strstr(line, " total\n") == NULL) {
            calls += column[3];
        }
    }
    (void)fclose(f);
    return calls;
}

double hulse_bench_syscalls_end(struct syscalls *s)
{
    if (s->tracer == 0) {
        return -1;
    }
    end_tracer(s);
    const double calls = sum_of(s->file);
    (void)unlink(s->file);
    return calls;
}
