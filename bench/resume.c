/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resume - see resume.h.
 */
#include "bench/resume.h"

#include "bench/backlog.h"
#include "bench/goal.h"
#include "bench/own_daemon.h"
#include "bench/survivor.h"

#include <stdio.h>
#include <time.h>

#define BARE_NS 100000000ULL
#define STEADY_MIN_NS 30000000L /* between a resume and the next kill */
#define STEADY_SPAN_NS 50000000L
#define RESUME_NS_MAX 40000000000ULL
#define LOOK_NS 200000L
#define SEED 0x9e3779b97f4a7c15ULL

struct show {
    const struct bench_options *o;
    struct own_daemon daemon;
    struct crew *crew;
    struct survivor_board *board;
    struct histogram start_ns;
    uint64_t random;
};

static void nap(long ns)
{
    const struct timespec t = {.tv_nsec = ns};
    (void)nanosleep(&t, NULL);
}

/* Some moment of its work; the same ones in every run. */
static long steady_ns(struct show *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return STEADY_MIN_NS + (long)(s->random % (uint64_t)STEADY_SPAN_NS);
}

static bool await_resumed(struct show *s, uint32_t kills)
{
    const uint64_t until_ns = hulse_bench_machine_now_ns() + RESUME_NS_MAX;

    for (;;) {
        /* SYNC(bench.resumed) acquire: the histograms. */
        if (atomic_load_explicit(&s->board->resumed, memory_order_acquire) == kills) {
            return true;
        }
        if (!hulse_bench_crew_await(s->crew, CREW_HOLD)) {
            return false;
        }
        if (hulse_bench_machine_now_ns() > until_ns) {
            (void)fprintf(stderr, "hulse-bench: no receipt after kill number %u\n", kills);
            return false;
        }
        nap(LOOK_NS);
    }
}

/* One kill, from the steady state to the first receipt of the next daemon. */
static int kill_once(struct show *s, uint32_t number)
{
    nap(steady_ns(s));
    s->board->kill_ns = hulse_bench_machine_now_ns();
    hulse_bench_own_daemon_kill(&s->daemon);
    /* SYNC(bench.killed) release: kill_ns, and the daemon's end. */
    atomic_store_explicit(&s->board->killed, number, memory_order_release);
    if (!hulse_bench_own_daemon_again(&s->daemon, s->o)) {
        return BENCH_UNREACHABLE;
    }
    const double start_ms = hulse_bench_own_daemon_await_notice(&s->daemon);
    if (start_ms < 0) {
        return BENCH_UNREACHABLE;
    }
    hulse_histogram_record(&s->start_ns, (uint64_t)(start_ms * 1e6));
    return await_resumed(s, number) ? BENCH_OK : BENCH_LOST;
}

static int with_crew(struct show *s, struct figures *f)
{
    struct bench_options options = *s->o;
    const struct survivor_job job = {{&options, s->daemon.socket, 0}, s->board};

    options.mode = BENCH_DURABLE;
    if (!hulse_bench_backlog_keep(&job.worker)) {
        return BENCH_UNREACHABLE;
    }
    if (hulse_bench_crew_add(s->crew, CREW_PUBLISHER, -1, hulse_bench_survivor_work, &job) ==
        NULL) {
        (void)fprintf(stderr, "hulse-bench: cannot fork\n");
        return BENCH_IO;
    }
    int code = hulse_bench_crew_await(s->crew, CREW_HOLD) ? BENCH_OK : BENCH_UNREACHABLE;
    hulse_bench_crew_open(s->crew, CREW_WARM);
    for (uint32_t i = 1; i <= s->o->kills && code == BENCH_OK; i++) {
        code = kill_once(s, i);
    }
    const bool fine = hulse_bench_crew_finish(s->crew);
    hulse_bench_figures_count(f, s->crew, &options);
    if (code != BENCH_OK || !fine) {
        return code != BENCH_OK ? code : (int)hulse_bench_crew_code(s->crew);
    }
    hulse_bench_figures_percentiles(&f->start_ms, &s->start_ns, 1e6);
    hulse_bench_figures_percentiles(&f->resume_ms, &s->board->resume_ns, 1e6);
    hulse_bench_figures_percentiles(&f->outage_ms, &s->board->outage_ns, 1e6);
    return hulse_bench_backlog_read(&job.worker, f);
}

static int with_daemon(struct show *s, struct figures *f)
{
    int code = BENCH_IO;

    f->ready_ms = s->daemon.ready_ms;
    s->crew = hulse_bench_crew_create();
    s->board = hulse_bench_survivor_board_create();
    if (s->crew != NULL && s->board != NULL) {
        code = with_crew(s, f);
    }
    if (s->crew != NULL) {
        hulse_bench_crew_destroy(&s->crew);
    }
    if (s->board != NULL) {
        hulse_bench_survivor_board_destroy(&s->board);
    }
    return code;
}

int hulse_bench_resume(const struct run *run, const struct disk *disk, struct figures *f)
{
    static struct goal goal;
    static struct show show;

    show = (struct show){.o = run->options, .random = SEED};
    hulse_histogram_init(&show.start_ns);
    hulse_bench_goal_init(&goal);
    if (!hulse_bench_goal_measure(&goal, disk, BARE_NS)) {
        return BENCH_IO;
    }
    hulse_bench_goal_figures(&goal, f);
    if (!hulse_bench_own_daemon_start(&show.daemon, run->options, disk->directory)) {
        return BENCH_UNREACHABLE;
    }
    int code = with_daemon(&show, f);
    if (!hulse_bench_own_daemon_stop(&show.daemon) && code == BENCH_OK) {
        code = BENCH_UNREACHABLE;
    }
    return code;
}
