/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crew - see crew.h.
 */
#include "bench/crew.h"

#include "bench/machine.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_NS 1000000 /* the leader's look at its members */

struct crew *hulse_bench_crew_create(void)
{
    struct crew *crew = mmap(NULL,
                             sizeof *crew,
                             PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                             -1,
                             0);
    return crew == MAP_FAILED ? NULL : crew;
}

/* Takes note of a member that has ended. */
static void bury(struct crew_member *m, int status)
{
    m->gone = true;
    m->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (m->code != 0) {
        (void)fprintf(stderr,
                      "hulse-bench: process %d: %s (exit %d)\n",
                      (int)m->pid,
                      m->error[0] != '\0' ? m->error : "ended",
                      m->code);
    }
}

void hulse_bench_crew_destroy(struct crew **crew)
{
    struct crew *c = *crew;

    *crew = NULL;
    for (uint32_t i = 0; i < c->count; i++) {
        if (!c->members[i].gone) {
            (void)kill(c->members[i].pid, SIGKILL);
            (void)waitpid(c->members[i].pid, NULL, 0);
        }
    }
    (void)munmap(c, sizeof *c);
}

struct crew_member *hulse_bench_crew_add(
    struct crew *crew, enum crew_role role, int cpu, crew_work work, const void *arg)
{
    if (crew->count == CREW_MEMBERS_MAX) {
        return NULL;
    }
    struct crew_member *m = &crew->members[crew->count];
    m->role = role;
    hulse_histogram_init(&m->publish_ns);
    hulse_histogram_init(&m->single_ns);
    hulse_histogram_init(&m->receipt_ns);
    hulse_histogram_init(&m->end_to_end_ns);
    for (uint32_t i = 0; i < crew->count; i++) {
        m->index += crew->members[i].role == role;
    }
    (void)fflush(NULL);
    const pid_t leader = getpid();
    const pid_t pid = fork();
    if (pid < 0) {
        return NULL;
    }
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != leader) {
            _exit(1);
        }
        if (cpu >= 0) {
            hulse_bench_machine_pin_self(cpu);
        }
        m->pid = getpid();
        const int code = work(crew, m, arg);
        _exit(code);
    }
    m->pid = pid;
    crew->count++;
    return m;
}

static bool reached(const struct crew_member *m, enum crew_phase phase)
{
    if (m->role != CREW_PUBLISHER && phase != CREW_HOLD) {
        return true;
    }
    /* SYNC(bench.reached) acquire: what the member wrote in the phase is complete. */
    return atomic_load_explicit(&m->reached, memory_order_acquire) > (uint32_t)phase;
}

bool hulse_bench_crew_await(struct crew *crew, enum crew_phase phase)
{
    for (;;) {
        bool all = true;
        for (uint32_t i = 0; i < crew->count; i++) {
            struct crew_member *m = &crew->members[i];
            int status = 0;
            if (!m->gone && waitpid(m->pid, &status, WNOHANG) == m->pid) {
                bury(m, status);
            }
            if (m->gone) {
                return false;
            }
            all = all && reached(m, phase);
        }
        if (all) {
            return true;
        }
        const struct timespec pause = {.tv_nsec = POLL_NS};
        (void)nanosleep(&pause, NULL);
    }
}

void hulse_bench_crew_open(struct crew *crew, enum crew_phase phase)
{
    /* SYNC(bench.phase) release: what the leader prepared. */
    atomic_store_explicit(&crew->phase, phase, memory_order_release);
    (void)syscall(SYS_futex, &crew->phase, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool hulse_bench_crew_finish(struct crew *crew)
{
    bool fine = true;

    hulse_bench_crew_open(crew, CREW_END);
    for (uint32_t i = 0; i < crew->count; i++) {
        struct crew_member *m = &crew->members[i];
        int status = 0;
        if (!m->gone && waitpid(m->pid, &status, 0) == m->pid) {
            bury(m, status);
        }
        fine = fine && m->code == 0;
    }
    return fine;
}

void hulse_bench_crew_arrive(struct crew *crew, struct crew_member *me, enum crew_phase phase)
{
    /* SYNC(bench.reached) release: this member's figures. */
    atomic_store_explicit(&me->reached, (uint32_t)phase + 1, memory_order_release);
    for (;;) {
        /* SYNC(bench.phase) acquire: what the leader prepared. */
        const uint32_t open = atomic_load_explicit(&crew->phase, memory_order_acquire);
        if (open > (uint32_t)phase) {
            return;
        }
        (void)syscall(SYS_futex, &crew->phase, FUTEX_WAIT, open, NULL, NULL, 0);
    }
}

void hulse_bench_crew_ready(struct crew *crew, struct crew_member *me)
{
    (void)crew;
    atomic_store_explicit(&me->reached, CREW_HOLD + 1, memory_order_release);
}

int hulse_bench_crew_fail(struct crew_member *me, enum bench_exit code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): started one line above. */
    (void)vsnprintf(me->error, sizeof me->error, format, args);
    va_end(args);
    return (int)code;
}

int hulse_bench_crew_library_failed(struct crew_member *me,
                                    const char *what,
                                    hulse_status rc,
                                    const hulse_session *session,
                                    const char *handle_error)
{
    const char *why = session != NULL ? hulse_last_error(session) : hulse_open_error();

    return hulse_bench_crew_fail(me,
                                 BENCH_UNREACHABLE,
                                 "%s: %s: %s",
                                 what,
                                 hulse_status_text(rc),
                                 handle_error != NULL ? handle_error : why);
}

enum bench_exit hulse_bench_crew_code(const struct crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        const int code = crew->members[i].code;
        if (code != 0) {
            return code == BENCH_LOST || code == BENCH_UNREACHABLE ? (enum bench_exit)code
                                                                   : BENCH_IO;
        }
    }
    return BENCH_OK;
}
