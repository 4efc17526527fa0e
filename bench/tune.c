/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tune - see tune.h.
 *
 * Recommended is the smallest ring, and with it the smallest batch, that comes within 5 % of the
 * best rate: memory is paid per channel, and a batch is latency.
 */
#include "bench/tune.h"

#include "bench/report.h"
#include "bench/run.h"

#include <stdio.h>
#include <stdlib.h>

#define GOOD_ENOUGH 0.95

static const uint32_t rings_kib[] = {64, 128, 256, 512, 1024, 2048, 4096};
static const uint32_t batches[] = {1, 4, 16, 64};
#define RINGS (sizeof rings_kib / sizeof rings_kib[0])
#define BATCHES (sizeof batches / sizeof batches[0])

struct sweep {
    struct figures cells[RINGS][BATCHES]; /* rate -1 = the batch does not fit the ring */
    unsigned best_ring;
    unsigned best_batch;
};

static bool fits(const struct bench_options *o, unsigned ring, unsigned batch)
{
    const uint64_t record = o->size + 64U;
    const uint64_t bytes = (uint64_t)rings_kib[ring] * 1024;

    return record <= bytes / 4 && batches[batch] <= bytes / 2 / record;
}

static int measure(const struct bench_options *o,
                   const struct machine *m,
                   struct sweep *s,
                   unsigned ring,
                   unsigned batch)
{
    struct bench_options cell = *o;
    struct figures *runs = calloc(o->repeat, sizeof *runs);
    struct figures low;
    struct figures high;
    int code = runs == NULL ? BENCH_IO : BENCH_OK;

    cell.ring_bytes = rings_kib[ring] * 1024;
    cell.flush = batches[batch];
    for (uint32_t i = 0; i < o->repeat && code == BENCH_OK; i++) {
        const struct run run = {.options = &cell, .machine = m};
        code = hulse_bench_run_once(&run, &runs[i]);
    }
    if (code == BENCH_OK) {
        hulse_bench_figures_median(&s->cells[ring][batch], &low, &high, runs, o->repeat);
    }
    free(runs);
    return code;
}

static void choose(struct sweep *s)
{
    double best = 0;

    for (unsigned i = 0; i < RINGS * BATCHES; i++) {
        const double rate = s->cells[i / BATCHES][i % BATCHES].rate;
        best = rate > best ? rate : best;
    }
    for (unsigned i = 0; i < RINGS * BATCHES; i++) {
        if (s->cells[i / BATCHES][i % BATCHES].rate >= best * GOOD_ENOUGH) {
            s->best_ring = i / BATCHES;
            s->best_batch = i % BATCHES;
            return;
        }
    }
}

static json_t *cells_json(const struct sweep *s)
{
    json_t *cells = json_array();

    for (unsigned i = 0; i < RINGS * BATCHES; i++) {
        const struct figures *f = &s->cells[i / BATCHES][i % BATCHES];
        if (f->rate >= 0) {
            (void)json_array_append_new(cells,
                                        json_pack("{s:i,s:i,s:f,s:f}",
                                                  "ring_size",
                                                  (int)rings_kib[i / BATCHES] * 1024,
                                                  "flush",
                                                  (int)batches[i % BATCHES],
                                                  "rate",
                                                  f->rate,
                                                  "receipt_p50_us",
                                                  f->receipt_us.p50));
        }
    }
    return cells;
}

static int print_json(const struct bench_options *o, const struct machine *m, const struct sweep *s)
{
    json_t *root = json_pack("{s:s,s:i,s:i,s:o,s:{s:i,s:i},s:f,s:o,s:s}",
                             "mode",
                             "tune",
                             "size",
                             (int)o->size,
                             "repeat",
                             (int)o->repeat,
                             "cells",
                             cells_json(s),
                             "recommended",
                             "ring_size",
                             (int)rings_kib[s->best_ring] * 1024,
                             "flush",
                             (int)batches[s->best_batch],
                             "ping_pong_ns",
                             m->ping_pong_ns,
                             "host",
                             hulse_bench_report_host(m),
                             "version",
                             HULSE_VERSION);
    const bool fine = root != NULL &&
                      json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0 &&
                      putchar('\n') != EOF && fflush(stdout) == 0;
    json_decref(root);
    return fine ? BENCH_OK : BENCH_IO;
}

static void print_row(const struct sweep *s, unsigned ring)
{
    (void)printf("  %6u KiB", rings_kib[ring]);
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        const struct figures *f = &s->cells[ring][batch];
        if (f->rate < 0) {
            (void)printf(" %18s", "-");
        } else {
            (void)printf(" %9.2f M %5.0f us", f->rate / 1e6, f->receipt_us.p50);
        }
    }
    (void)putchar('\n');
    (void)fflush(stdout);
}

int hulse_bench_tune(const struct bench_options *o, const struct machine *m)
{
    static struct sweep s;

    (void)printf(
        "hulse-bench %s, mode tune: %u B through the null broker\n", HULSE_VERSION, o->size);
    (void)printf("msg/s and median receipt; columns: records between two flushes\n\n  %10s",
                 "ring");
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        (void)printf(" %18u", batches[batch]);
    }
    (void)putchar('\n');
    for (unsigned ring = 0; ring < RINGS; ring++) {
        for (unsigned batch = 0; batch < BATCHES; batch++) {
            hulse_bench_figures_clear(&s.cells[ring][batch]);
            const int code = fits(o, ring, batch) ? measure(o, m, &s, ring, batch) : BENCH_OK;
            if (code != BENCH_OK) {
                return code;
            }
        }
        print_row(&s, ring);
    }
    choose(&s);
    (void)printf(
        "\nRecommended: a publish ring of %u KiB (session.publish_ring) and a flush every %u.\n",
        rings_kib[s.best_ring],
        batches[s.best_batch]);
    (void)printf("More in flight costs latency: the receipt's time grows with the ring.\n");
    return o->json ? print_json(o, m, &s) : BENCH_OK;
}
