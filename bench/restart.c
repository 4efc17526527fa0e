/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restart - see restart.h.
 */
#include "bench/restart.h"

#include "bench/backlog.h"
#include "bench/goal.h"
#include "bench/own_daemon.h"
#include "bench/publisher.h"

#include <stdio.h>

#define BARE_NS 100000000ULL
#define FILL_PATIENCE 100U

/* Publishes o->count messages, each with its receipt. */
static int fill(const struct worker_job *job, struct figures *f)
{
    struct crew *crew = hulse_bench_crew_create();

    if (crew == NULL ||
        hulse_bench_crew_add(crew, CREW_PUBLISHER, -1, hulse_bench_publisher_work, job) == NULL) {
        (void)fprintf(stderr, "hulse-bench: cannot fork\n");
        if (crew != NULL) {
            hulse_bench_crew_destroy(&crew);
        }
        return BENCH_IO;
    }
    bool fine = true;
    for (enum crew_phase phase = CREW_HOLD; fine && phase < CREW_END; phase++) {
        hulse_bench_crew_open(crew, phase);
        fine = hulse_bench_crew_await(crew, phase);
    }
    fine = hulse_bench_crew_finish(crew) && fine;
    hulse_bench_figures_count(f, crew, job->options);
    const int code = fine ? (hulse_bench_figures_sound(f) ? BENCH_OK : BENCH_LOST)
                          : (int)hulse_bench_crew_code(crew);
    hulse_bench_crew_destroy(&crew);
    return code;
}

static bool start_again(struct own_daemon *d, const struct bench_options *o, struct figures *f)
{
    const uint64_t from_ns = hulse_bench_machine_now_ns();

    if (o->kill) {
        hulse_bench_own_daemon_kill(d);
    } else if (!hulse_bench_own_daemon_end(d)) {
        return false;
    }
    f->stop_ms = (double)(hulse_bench_machine_now_ns() - from_ns) / 1e6;
    if (!hulse_bench_own_daemon_again(d, o) || !hulse_bench_own_daemon_ready(d)) {
        return false;
    }
    f->restart_ms = d->ready_ms;
    return true;
}

static int perform(struct own_daemon *d, const struct bench_options *o, struct figures *f)
{
    struct bench_options options = *o;
    const struct worker_job job = {&options, d->socket, FILL_PATIENCE};

    options.mode = BENCH_DURABLE;
    options.warmup_ns = 0;
    f->ready_ms = d->ready_ms;
    if (!hulse_bench_backlog_keep(&job)) {
        return BENCH_UNREACHABLE;
    }
    const int code = fill(&job, f);
    if (code != BENCH_OK) {
        return code;
    }
    return start_again(d, o, f) ? hulse_bench_backlog_read(&job, f) : (int)BENCH_UNREACHABLE;
}

int hulse_bench_restart(const struct run *run, const struct disk *disk, struct figures *f)
{
    static struct goal goal;
    struct own_daemon daemon;

    hulse_bench_goal_init(&goal);
    if (!hulse_bench_goal_measure(&goal, disk, BARE_NS)) {
        return BENCH_IO;
    }
    hulse_bench_goal_figures(&goal, f);
    if (!hulse_bench_own_daemon_start(&daemon, run->options, disk->directory)) {
        return BENCH_UNREACHABLE;
    }
    int code = perform(&daemon, run->options, f);
    if (!hulse_bench_own_daemon_stop(&daemon) && code == BENCH_OK) {
        code = BENCH_UNREACHABLE;
    }
    return code;
}
