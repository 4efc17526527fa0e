/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hulse-bench - measures the shared-memory plane from end to end, and verifies what it measures.
 *
 * Every figure is the median of --repeat runs, each with a daemon and processes of its own.
 *
 * See: docs/benchmarks.md, bench/README.md.
 */
#include "bench/report.h"
#include "bench/run.h"
#include "bench/tune.h"

#include <stdio.h>
#include <stdlib.h>

#define TRACED_NS 500000000ULL
#define TRACED_COUNT 2000000ULL

/* The pass under strace; what it adds is the two counts and nothing else. */
static int count_calls(const struct bench_options *o, const struct machine *m, struct figures *into)
{
    struct bench_options pass = *o;
    struct figures counted;
    const struct run run = {.options = &pass, .machine = m, .traced = true};

    pass.duration_ns = TRACED_NS;
    pass.count = o->count > TRACED_COUNT ? TRACED_COUNT : o->count;
    const int code = hulse_bench_run_once(&run, &counted);
    into->app_syscalls = counted.app_syscalls;
    into->daemon_syscalls = counted.daemon_syscalls;
    return code;
}

static int measure(const struct bench_options *o, const struct machine *m)
{
    static struct histograms histograms;
    struct figures *runs = calloc(o->repeat, sizeof *runs);
    struct figures median;
    struct figures low;
    struct figures high;
    int code = runs == NULL ? BENCH_IO : BENCH_OK;

    hulse_histogram_init(&histograms.publish_ns);
    hulse_histogram_init(&histograms.single_ns);
    hulse_histogram_init(&histograms.receipt_ns);
    hulse_histogram_init(&histograms.end_to_end_ns);
    uint32_t done = 0;
    while (done < o->repeat && code == BENCH_OK) {
        const struct run run = {.options = o,
                                .machine = m,
                                .histograms = &histograms,
                                .idle = done == 0 && o->mode == BENCH_NULL && o->idle_ns != 0};
        code = hulse_bench_run_once(&run, &runs[done]);
        done++;
    }
    if (code == BENCH_OK && o->mode != BENCH_RING && o->syscalls) {
        code = count_calls(o, m, &runs[0]);
    }
    /* An unsound run is shown alone: a median would hide it. */
    const bool unsound = code == BENCH_LOST && done != 0 && runs[done - 1].sent >= 0;
    if (code == BENCH_OK || unsound) {
        hulse_bench_figures_median(
            &median, &low, &high, unsound ? &runs[done - 1] : runs, unsound ? 1 : o->repeat);
        const struct report report = {o, m, &median, &low, &high, &histograms};
        hulse_bench_report_people(&report);
        if (o->json && !hulse_bench_report_json(&report)) {
            code = BENCH_IO;
        }
    }
    if (code == BENCH_LOST) {
        (void)fprintf(stderr, "hulse-bench: messages were lost, doubled or out of order\n");
    }
    free(runs);
    return code;
}

int main(int argc, char **argv)
{
    struct bench_options options;
    static struct machine machine;

    const int code = hulse_bench_options(&options, argc, argv);
    if (code >= 0) {
        return code;
    }
    hulse_bench_machine_look(&machine);
    return options.mode == BENCH_TUNE ? hulse_bench_tune(&options, &machine)
                                      : measure(&options, &machine);
}
