/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures - see figures.h.
 */
#include "bench/figures.h"

#include "bench/tally.h"
#include "bench/workload.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct figures) % sizeof(double) == 0, "nothing but doubles");

/* The structs as arrays of doubles. */
union cells {
    struct figures figures;
    double cell[FIGURES_COUNT];
};

void hulse_bench_figures_clear(struct figures *f)
{
    union cells c;

    for (size_t i = 0; i < FIGURES_COUNT; i++) {
        c.cell[i] = -1;
    }
    *f = c.figures;
}

void hulse_bench_figures_merge(struct histograms *all, const struct crew_member *m)
{
    hulse_histogram_merge(&all->publish_ns, &m->publish_ns);
    hulse_histogram_merge(&all->single_ns, &m->single_ns);
    hulse_histogram_merge(&all->receipt_ns, &m->receipt_ns);
    hulse_histogram_merge(&all->end_to_end_ns, &m->end_to_end_ns);
}

void hulse_bench_figures_percentiles(struct percentiles *out,
                                     const struct histogram *h,
                                     double unit)
{
    if (h->count == 0) {
        *out = (struct percentiles){-1, -1, -1, -1, -1};
        return;
    }
    out->p50 = (double)hulse_histogram_percentile(h, 50) / unit;
    out->p90 = (double)hulse_histogram_percentile(h, 90) / unit;
    out->p99 = (double)hulse_histogram_percentile(h, 99) / unit;
    out->p999 = (double)hulse_histogram_percentile(h, 99.9) / unit;
    out->max = (double)h->max / unit;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

void hulse_bench_figures_median(struct figures *median,
                                struct figures *low,
                                struct figures *high,
                                const struct figures *runs,
                                unsigned count)
{
    double *column = calloc(count, sizeof *column);
    union cells mid;
    union cells least;
    union cells most;

    hulse_bench_figures_clear(&mid.figures);
    least = mid;
    most = mid;
    for (size_t i = 0; column != NULL && i < FIGURES_COUNT; i++) {
        unsigned known = 0;
        for (unsigned run = 0; run < count; run++) {
            union cells c = {.figures = runs[run]};
            if (c.cell[i] >= 0) {
                column[known++] = c.cell[i];
            }
        }
        if (known != 0) {
            qsort(column, known, sizeof *column, ascending);
            mid.cell[i] = (column[(known - 1) / 2] + column[known / 2]) / 2;
            least.cell[i] = column[0];
            most.cell[i] = column[known - 1];
        }
    }
    free(column);
    *median = mid.figures;
    *low = least.figures;
    *high = most.figures;
}

/* What the consumers together got from one publisher. */
static void judge_shared(struct figures *f, const struct crew *crew, const struct crew_member *p)
{
    uint64_t received = 0;
    uint64_t sum = 0;

    for (uint32_t c = 0; c < BENCH_WORKERS_MAX; c++) {
        const struct crew_progress *progress = &crew->progress[c][p->index];
        /* Relaxed because the consumers have ended. */
        received += atomic_load_explicit(&progress->received, memory_order_relaxed);
        sum += progress->sum;
    }
    f->lost += received < p->sent ? (double)(p->sent - received) : 0;
    f->duplicates += received > p->sent ? (double)(received - p->sent) : 0;
    if (received == p->sent && sum != hulse_bench_tally_expected(p->sent)) {
        /* As many too few as too many; how many the sum cannot say. */
        f->lost += 1;
        f->duplicates += 1;
    }
}

static void add_publisher(struct figures *f, const struct crew_member *m)
{
    f->sent += (double)m->sent;
    f->measured += (double)m->measured_sent;
    f->stored += (double)m->stored;
    f->failed += (double)m->failed;
    f->out_of_order += (double)m->receipts_wrong;
}

void hulse_bench_figures_count(struct figures *f,
                               const struct crew *crew,
                               const struct bench_options *o)
{
    const bool receivers = hulse_bench_receives(o) || o->mode == BENCH_RING;
    uint64_t from_ns = UINT64_MAX;
    uint64_t to_ns = 0;

    f->measured = f->sent = f->stored = f->failed = f->received = f->lost = f->duplicates = 0;
    f->out_of_order = f->missed_doorbells = f->client_rechecks = 0;
    for (uint32_t i = 0; i < crew->count; i++) {
        const struct crew_member *m = &crew->members[i];
        f->missed_doorbells += (double)m->missed_doorbells;
        f->client_rechecks += (double)m->client_rechecks;
        if (m->role == CREW_PUBLISHER) {
            add_publisher(f, m);
            from_ns = m->from_ns < from_ns ? m->from_ns : from_ns;
            to_ns = m->to_ns > to_ns ? m->to_ns : to_ns;
            if (hulse_bench_shared(o)) {
                judge_shared(f, crew, m);
            }
        } else if (m->role == CREW_CONSUMER) {
            f->received += (double)m->received;
            f->duplicates += (double)m->duplicates;
            f->out_of_order += (double)m->out_of_order;
        }
    }
    if (!receivers) {
        f->lost = f->sent > f->stored ? f->sent - f->stored : 0;
        f->duplicates = f->stored > f->sent ? f->stored - f->sent : 0;
        f->received = -1;
    } else if (!(hulse_bench_shared(o))) {
        f->lost = f->sent - (f->received - f->duplicates);
    }
    if (o->mode == BENCH_RING || (receivers && o->wait == BENCH_WAIT_ACCEPTED)) {
        f->stored = -1;
    }
    f->seconds = (double)(to_ns - from_ns) / 1e9;
    f->rate = f->seconds > 0 ? f->measured / f->seconds : 0;
}

bool hulse_bench_figures_sound(const struct figures *f)
{
    return f->lost == 0 && f->duplicates == 0 && f->out_of_order == 0 && f->failed <= 0 &&
           (f->stored < 0 || f->stored == f->sent) && (f->received < 0 || f->received == f->sent);
}
