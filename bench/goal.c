/* SPDX-License-Identifier: Apache-2.0 */
/*
 * goal - see goal.h.
 */
#include "bench/goal.h"

#include "daemon/worker/spin.h"

#define PARK_TURNS 5U
#define PARKS_PER_MESSAGE 4.0

void hulse_bench_goal_init(struct goal *g)
{
    hulse_histogram_init(&g->bare_ns);
    hulse_histogram_init(&g->park_ns);
}

bool hulse_bench_goal_measure(struct goal *g, const struct disk *disk, uint64_t duration_ns)
{
    for (unsigned i = 0; i < PARK_TURNS; i++) {
        const uint64_t park_ns = hulse_spin_measure_ns();
        if (park_ns != 0) {
            hulse_histogram_record(&g->park_ns, park_ns);
        }
    }
    return hulse_bench_disk_measure(disk, duration_ns, &g->bare_ns);
}

void hulse_bench_goal_figures(const struct goal *g, struct figures *f)
{
    struct percentiles park;

    hulse_bench_figures_percentiles(&f->bare_us, &g->bare_ns, 1e3);
    hulse_bench_figures_percentiles(&park, &g->park_ns, 1e3);
    f->park_us = park.p50;
    if (f->bare_us.p50 > 0 && f->park_us > 0) {
        f->goal_us = f->bare_us.p50 + (PARKS_PER_MESSAGE * f->park_us);
        f->goal_ratio = f->receipt_us.p50 > 0 ? f->receipt_us.p50 / f->goal_us : -1;
    }
}
