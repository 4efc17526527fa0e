/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - see run.h.
 *
 * Where the processes run: the daemon on the second CPU, everybody else in turn on the others.
 */
#include "bench/run.h"

#include "bench/goal.h"
#include "bench/neighbour.h"
#include "bench/own_daemon.h"
#include "bench/publisher.h"
#include "bench/receiver.h"
#include "bench/restart.h"
#include "bench/resume.h"
#include "bench/ring_pair.h"
#include "bench/syscalls.h"
#include "bench/usage.h"
#include "bench/workload.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PATIENCE_OWN_CPU 100000U /* looks, about 4 ms, when everybody has a CPU */
#define PATIENCE_SHARED_CPU 100U
#define BARE_NS 100000000ULL      /* of bare syncs, a note beside the figures */
#define BARE_SYNC_NS 500000000ULL /* where they are the goal, before and after */

/* What exists during one run. */
struct stage {
    const struct run *run;
    const struct bench_options *o;
    struct own_daemon daemon;
    struct disk disk;
    struct ring_pair pair;
    struct worker_job job;
    struct crew *crew;
    struct syscalls app_calls;
    struct syscalls daemon_calls;
    bool app_traced;
    bool daemon_traced;
    uint64_t app_cpu_ns;
    uint64_t daemon_cpu_ns;
    double written; /* by the daemon */
};

static bool has_daemon(const struct bench_options *o)
{
    return o->mode != BENCH_RING;
}

static bool has_disk(const struct bench_options *o)
{
    return (o->mode & BENCH_DISK_MODES) != 0;
}

/* CPU of the n-th process that is not the daemon; -1 = leave it. */
static int app_cpu(const struct stage *s, unsigned n)
{
    const struct machine *m = s->run->machine;

    if (!s->o->pin || m->cpu_count < 2) {
        return -1;
    }
    if (!has_daemon(s->o)) {
        return hulse_bench_machine_cpu(m, n);
    }
    const unsigned turn = n % ((unsigned)m->cpu_count - 1);
    return hulse_bench_machine_cpu(m, turn == 0 ? 0 : turn + 1);
}

static uint32_t patience(const struct stage *s)
{
    if (has_disk(s->o)) {
        /* The CPU is wanted for the log while a message waits for the disk. */
        return s->o->mode == BENCH_SYNC ? 0 : PATIENCE_SHARED_CPU;
    }
    const unsigned busy = s->o->mode == BENCH_RING    ? 2
                          : s->o->mode == BENCH_LOCAL ? s->o->publishers + s->o->consumers + 1
                                                      : s->o->publishers + 1;
    const unsigned beside = s->o->beside == BENCH_BESIDE_NOBODY ? 0 : 1;
    return busy + beside <= (unsigned)s->run->machine->cpu_count ? PATIENCE_OWN_CPU
                                                                 : PATIENCE_SHARED_CPU;
}

static bool add(struct stage *s, enum crew_role role, int cpu, crew_work work)
{
    const void *arg = has_daemon(s->o) ? (const void *)&s->job : (const void *)&s->pair;

    if (hulse_bench_crew_add(s->crew, role, cpu, work, arg) == NULL) {
        (void)fprintf(stderr, "hulse-bench: cannot fork\n");
        return false;
    }
    return true;
}

static bool hire(struct stage *s)
{
    bool fine = true;

    if (s->o->mode == BENCH_RING) {
        return add(s, CREW_CONSUMER, app_cpu(s, 1), hulse_bench_ring_pair_reader) &&
               add(s, CREW_PUBLISHER, app_cpu(s, 0), hulse_bench_ring_pair_writer);
    }
    const uint32_t consumers = hulse_bench_receives(s->o) ? s->o->consumers : 0;
    for (uint32_t i = 0; fine && i < consumers; i++) {
        fine = add(s, CREW_CONSUMER, app_cpu(s, s->o->publishers + i), hulse_bench_receiver_work);
    }
    if (fine && s->o->beside != BENCH_BESIDE_NOBODY) {
        fine = add(s, CREW_OTHER, -1, hulse_bench_neighbour_work);
    }
    for (uint32_t i = 0; fine && i < s->o->publishers; i++) {
        fine = add(s, CREW_PUBLISHER, app_cpu(s, i), hulse_bench_publisher_work);
    }
    return fine;
}

static void nap_ns(uint64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / 1000000000),
                            .tv_nsec = (long)(ns % 1000000000)};
    while (nanosleep(&left, &left) != 0) {
    }
}

/* One open session with one producer, nobody does anything. */
static bool measure_idle(struct stage *s, struct figures *f)
{
    struct crew *crew = hulse_bench_crew_create();
    const struct bench_options idle_options = {
        .mode = BENCH_NULL, .size = 64, .topics = 1, .publishers = 1, .flush = 16};
    const struct worker_job job = {&idle_options, s->daemon.socket, 1};
    struct usage memory;

    if (crew == NULL) {
        return false;
    }
    bool fine =
        hulse_bench_crew_add(crew, CREW_PUBLISHER, -1, hulse_bench_publisher_work, &job) != NULL &&
        hulse_bench_crew_await(crew, CREW_HOLD);
    if (fine) {
        /* Its start has settled after a moment. */
        nap_ns(200000000);
        const uint64_t before_ns = hulse_bench_usage_cpu_ns(s->daemon.pid);
        nap_ns(s->o->idle_ns);
        const uint64_t used_ns = hulse_bench_usage_cpu_ns(s->daemon.pid) - before_ns;
        f->idle_cpu_percent = 100 * (double)used_ns / (double)s->o->idle_ns;
        if (hulse_bench_usage_memory(s->daemon.pid, &memory)) {
            f->idle_anon_shmem_mb = memory.anon_shmem_mb;
            f->idle_rss_mb = memory.rss_mb;
        }
    }
    hulse_bench_crew_destroy(&crew);
    return fine;
}

static uint64_t apps_cpu_ns(const struct stage *s)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < s->crew->count; i++) {
        if (s->crew->members[i].role != CREW_OTHER) {
            total += hulse_bench_usage_cpu_ns(s->crew->members[i].pid);
        }
    }
    return total;
}

static void begin_measure(struct stage *s)
{
    if (s->run->traced) {
        pid_t pids[CREW_MEMBERS_MAX];
        unsigned n = 0;
        for (uint32_t i = 0; i < s->crew->count; i++) {
            if (s->crew->members[i].role != CREW_OTHER) {
                pids[n++] = s->crew->members[i].pid;
            }
        }
        s->app_traced = hulse_bench_syscalls_begin(&s->app_calls, pids, n);
        s->daemon_traced =
            s->daemon.pid != 0 && hulse_bench_syscalls_begin(&s->daemon_calls, &s->daemon.pid, 1);
    }
    s->app_cpu_ns = apps_cpu_ns(s);
    s->daemon_cpu_ns = s->daemon.pid != 0 ? hulse_bench_usage_cpu_ns(s->daemon.pid) : 0;
    s->written = has_disk(s->o) ? hulse_bench_usage_written(s->daemon.pid) : -1;
}

static void add_memory(double *pss, double *rss, pid_t pid)
{
    struct usage memory;

    if (hulse_bench_usage_memory(pid, &memory)) {
        *pss = (*pss < 0 ? 0 : *pss) + memory.pss_mb;
        *rss = (*rss < 0 ? 0 : *rss) + memory.rss_mb;
    }
}

/* Everybody is still there, and nobody does anything. */
static void end_measure(struct stage *s, struct figures *f)
{
    double messages = 0;

    for (uint32_t i = 0; i < s->crew->count; i++) {
        const struct crew_member *m = &s->crew->members[i];
        if (m->role != CREW_OTHER) {
            messages += m->role == CREW_PUBLISHER ? (double)m->measured_sent : 0;
            add_memory(&f->app_pss_mb, &f->app_rss_mb, m->pid);
        }
    }
    if (messages > 0) {
        f->app_cpu_us = (double)(apps_cpu_ns(s) - s->app_cpu_ns) / 1e3 / messages;
        if (s->app_traced) {
            f->app_syscalls = hulse_bench_syscalls_end(&s->app_calls) / messages;
        }
    }
    if (s->daemon.pid != 0 && messages > 0) {
        const uint64_t cpu_ns = hulse_bench_usage_cpu_ns(s->daemon.pid) - s->daemon_cpu_ns;
        f->daemon_cpu_us = (double)cpu_ns / 1e3 / messages;
        const double written = s->written < 0 ? -1 : hulse_bench_usage_written(s->daemon.pid);
        if (written >= 0) {
            f->written_per_byte = (written - s->written) / (messages * s->o->size);
        }
        add_memory(&f->daemon_pss_mb, &f->daemon_rss_mb, s->daemon.pid);
        if (s->daemon_traced) {
            f->daemon_syscalls = hulse_bench_syscalls_end(&s->daemon_calls) / messages;
        }
    }
}

static void collect(struct stage *s, struct figures *f)
{
    static struct histograms all;

    hulse_histogram_init(&all.publish_ns);
    hulse_histogram_init(&all.single_ns);
    hulse_histogram_init(&all.receipt_ns);
    hulse_histogram_init(&all.end_to_end_ns);
    for (uint32_t i = 0; i < s->crew->count; i++) {
        const struct crew_member *m = &s->crew->members[i];
        if (m->role == CREW_OTHER) {
            f->neighbour = (double)m->sent;
            f->neighbour_closed = (double)m->stalls;
            continue;
        }
        hulse_bench_figures_merge(&all, m);
        if (s->run->histograms != NULL) {
            hulse_bench_figures_merge(s->run->histograms, m);
        }
    }
    hulse_bench_figures_percentiles(&f->publish_ns, &all.publish_ns, 1);
    hulse_bench_figures_percentiles(&f->single_ns, &all.single_ns, 1);
    hulse_bench_figures_percentiles(&f->receipt_us, &all.receipt_ns, 1e3);
    hulse_bench_figures_percentiles(&f->end_to_end_us, &all.end_to_end_ns, 1e3);
    hulse_bench_figures_count(f, s->crew, s->o);
}

/* Somebody failed; when messages are missing the figures say how many. */
static int give_up(struct stage *s, struct figures *f)
{
    (void)hulse_bench_crew_finish(s->crew);
    const enum bench_exit code = hulse_bench_crew_code(s->crew);
    if (code == BENCH_LOST) {
        collect(s, f);
    }
    return code == BENCH_OK ? (int)BENCH_IO : (int)code;
}

static int perform(struct stage *s, struct figures *f)
{
    if (!hire(s)) {
        return BENCH_IO;
    }
    for (enum crew_phase phase = CREW_HOLD; phase < CREW_END; phase++) {
        if (phase == CREW_MEASURE) {
            begin_measure(s);
        }
        hulse_bench_crew_open(s->crew, phase);
        const bool fine = hulse_bench_crew_await(s->crew, phase);
        if (phase == CREW_MEASURE) {
            end_measure(s, f);
        }
        if (!fine) {
            return give_up(s, f);
        }
    }
    if (!hulse_bench_crew_finish(s->crew)) {
        return give_up(s, f);
    }
    collect(s, f);
    return hulse_bench_figures_sound(f) ? BENCH_OK : BENCH_LOST;
}

static int with_crew(struct stage *s, struct figures *f)
{
    s->crew = hulse_bench_crew_create();
    if (s->crew == NULL) {
        return BENCH_IO;
    }
    s->pair.patience = patience(s);
    s->job = (struct worker_job){s->o, s->daemon.socket, patience(s)};
    const int code = perform(s, f);
    hulse_bench_crew_destroy(&s->crew);
    return code;
}

/* The crew's work between two turns of the disk alone. */
static int with_disk(struct stage *s, struct figures *f)
{
    static struct goal goal;
    const uint64_t bare_ns = s->o->mode == BENCH_SYNC ? BARE_SYNC_NS : BARE_NS;

    hulse_bench_goal_init(&goal);
    if (s->run->traced) {
        return with_crew(s, f);
    }
    if (!hulse_bench_goal_measure(&goal, &s->disk, bare_ns)) {
        return BENCH_IO;
    }
    const int code = with_crew(s, f);
    if (code == BENCH_OK && s->o->mode == BENCH_SYNC &&
        !hulse_bench_goal_measure(&goal, &s->disk, bare_ns)) {
        return BENCH_IO;
    }
    hulse_bench_goal_figures(&goal, f);
    return code;
}

static int with_daemon(struct stage *s, struct figures *f)
{
    const char *data = has_disk(s->o) ? s->disk.directory : NULL;

    if (!hulse_bench_own_daemon_start(&s->daemon, s->o, data)) {
        return BENCH_UNREACHABLE;
    }
    f->ready_ms = s->daemon.pid != 0 ? s->daemon.ready_ms : -1;
    if (s->run->idle && s->daemon.pid != 0 && !measure_idle(s, f)) {
        return BENCH_UNREACHABLE;
    }
    if (s->daemon.pid != 0 && s->o->pin && s->run->machine->cpu_count >= 2) {
        hulse_bench_machine_pin_process(s->daemon.pid, hulse_bench_machine_cpu(s->run->machine, 1));
    }
    return has_disk(s->o) ? with_disk(s, f) : with_crew(s, f);
}

static int on_stage(struct stage *s, struct figures *f)
{
    if (!has_daemon(s->o)) {
        const int code =
            hulse_bench_ring_pair_open(&s->pair, s->o) ? with_crew(s, f) : (int)BENCH_IO;
        hulse_bench_ring_pair_close(&s->pair);
        return code;
    }
    int code = with_daemon(s, f);
    if (!hulse_bench_own_daemon_stop(&s->daemon) && code == BENCH_OK) {
        code = BENCH_UNREACHABLE;
    }
    return code;
}

int hulse_bench_run_once(const struct run *run, struct figures *out)
{
    struct stage s = {.run = run, .o = run->options, .pair = {.fd_a = -1, .fd_b = -1}};

    hulse_bench_figures_clear(out);
    if (!has_disk(run->options)) {
        return on_stage(&s, out);
    }
    int code = hulse_bench_disk_open(&s.disk, run->options->directory);
    if (code != BENCH_OK) {
        return code;
    }
    code = run->options->mode == BENCH_RESTART  ? hulse_bench_restart(run, &s.disk, out)
           : run->options->mode == BENCH_RESUME ? hulse_bench_resume(run, &s.disk, out)
                                                : on_stage(&s, out);
    hulse_bench_disk_close(&s.disk);
    return code;
}
