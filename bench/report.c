/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - see report.h.
 */
#include "bench/report.h"

#include "bench/disk.h"
#include "bench/workload.h"

#include <stdio.h>

#define BAR_COLUMNS 48
#define OCTAVES 64U

/* ---- for people --------------------------------------------------------------------------- */

static void row(const char *what, double value, int decimals, const char *unit)
{
    char text[32] = "-";

    if (value >= 0) {
        (void)snprintf(text, sizeof text, "%.*f", decimals, value);
    }
    (void)printf("  %-34s %14s %s\n", what, text, unit);
}

static void percentiles_row(const char *what, const struct percentiles *p)
{
    if (p->p50 >= 0) {
        (void)printf("  %-34s %9.2f %9.2f %9.2f %9.2f %11.2f\n",
                     what,
                     p->p50,
                     p->p90,
                     p->p99,
                     p->p999,
                     p->max);
    }
}

static void histogram_bars(const char *title, const struct histogram *h)
{
    uint64_t octaves[OCTAVES] = {0};
    uint64_t most = 0;
    unsigned first = OCTAVES;
    unsigned last = 0;

    if (h->count == 0) {
        return;
    }
    for (size_t i = 0; i < HULSE_HISTOGRAM_BUCKETS; i++) {
        if (h->buckets[i] == 0) {
            continue;
        }
        const uint64_t end = hulse_histogram_bucket_end(i);
        const unsigned octave = end == 0 ? 0 : 63U - (unsigned)__builtin_clzll(end);
        octaves[octave] += h->buckets[i];
        most = octaves[octave] > most ? octaves[octave] : most;
        first = octave < first ? octave : first;
        last = octave;
    }
    (void)printf("\n%s, %llu values\n", title, (unsigned long long)h->count);
    for (unsigned i = first; i <= last; i++) {
        const unsigned columns = (unsigned)((double)octaves[i] * BAR_COLUMNS / (double)most + 0.5);
        (void)printf(
            "  >= %12llu ns %7.3f %% |", 1ULL << i, 100.0 * (double)octaves[i] / (double)h->count);
        for (unsigned c = 0; c < columns; c++) {
            (void)putchar('#');
        }
        (void)putchar('\n');
    }
}

static void head(const struct report *r)
{
    const struct bench_options *o = r->options;
    const struct machine *m = r->machine;

    (void)printf(
        "hulse-bench %s, mode %s: %u B", HULSE_VERSION, hulse_bench_mode_name(o->mode), o->size);
    if (o->mode != BENCH_RING) {
        (void)printf(", %u publishers, %u topics", o->publishers, o->topics);
    }
    if (hulse_bench_receives(o)) {
        (void)printf(", %u consumers", o->consumers);
    }
    const uint64_t window = hulse_bench_window(o);
    if (window != UINT64_MAX && (hulse_bench_receives(o) || o->window != 0)) {
        (void)printf(", window %llu", (unsigned long long)window);
    }
    (void)printf(", ring %u KiB, a flush every %u, %u runs\n",
                 hulse_bench_ring_bytes(o) / 1024,
                 o->flush,
                 o->repeat);
    (void)printf("%s, %d CPUs, Linux %s; cache line there and back %.0f ns, clock %.0f ns\n\n",
                 m->cpu_model,
                 m->cpu_count,
                 m->kernel,
                 m->ping_pong_ns,
                 m->clock_ns);
}

static void daemon_rows(const struct figures *f)
{
    if (f->ready_ms >= 0) {
        row("daemon ready after", f->ready_ms, 1, "ms");
    }
    if (f->idle_rss_mb >= 0) {
        row("daemon idle: RssAnon + RssShmem", f->idle_anon_shmem_mb, 2, "MB");
        row("daemon idle: RSS", f->idle_rss_mb, 2, "MB");
        row("daemon idle: CPU", f->idle_cpu_percent, 2, "%");
    }
}

static void disk_rows(const struct bench_options *o, const struct figures *f)
{
    char filesystem[32];

    hulse_bench_disk_filesystem(o->directory, filesystem, sizeof filesystem);
    (void)printf("  %-34s %14s\n", "disk", filesystem);
    row("written by the daemon", f->written_per_byte, 3, "bytes per payload byte");
    if (o->mode == BENCH_SYNC) {
        row("one park and unpark", f->park_us, 2, "us");
        row("goal: bare + 4 parks, at p50", f->goal_us, 2, "us");
        row("receipt p50 by the goal", f->goal_ratio, 3, "");
    }
    if (o->mode == BENCH_RESTART) {
        row(o->kill ? "killed after" : "stopped after", f->stop_ms, 1, "ms");
        row("ready again after", f->restart_ms, 1, "ms");
    }
    row("backlog read back", f->backlog_rate, 0, "msg/s");
}

void hulse_bench_report_people(const struct report *r)
{
    const struct figures *f = r->median;

    head(r);
    (void)printf("  %-34s %14.0f msg/s", "rate", f->rate);
    if (r->options->repeat > 1) {
        (void)printf("  (%.0f to %.0f)", r->low->rate, r->high->rate);
    }
    (void)putchar('\n');
    row("measured", f->measured, 0, "messages");
    row("sent, warm-up included", f->sent, 0, "messages");
    row("stored", f->stored, 0, "messages");
    row("received", f->received, 0, "messages");
    (void)printf("  %-34s %14.0f / %.0f / %.0f\n",
                 "lost / duplicates / out of order",
                 f->lost,
                 f->duplicates,
                 f->out_of_order);
    row("app CPU", f->app_cpu_us, 4, "us per message");
    row("app memory, PSS / RSS", f->app_pss_mb, 2, "MB PSS");
    row("", f->app_rss_mb, 2, "MB RSS");
    if (r->options->mode != BENCH_RING) {
        row("daemon CPU", f->daemon_cpu_us, 4, "us per message");
        row("daemon memory, PSS / RSS", f->daemon_pss_mb, 2, "MB PSS");
        row("", f->daemon_rss_mb, 2, "MB RSS");
        row("app system calls", f->app_syscalls, 6, "per message");
        row("daemon system calls", f->daemon_syscalls, 6, "per message");
        row("missed doorbells", f->missed_doorbells, 0, "(must be 0)");
        row("wake-ups that came late", f->client_rechecks, 0, "(must be 0)");
        daemon_rows(f);
    }
    if ((r->options->mode & BENCH_DISK_MODES) != 0) {
        disk_rows(r->options, f);
    }
    if (f->neighbour >= 0 && r->options->beside != BENCH_BESIDE_NOBODY) {
        (void)printf("  %-34s %14.0f times, thrown out %.0f times\n",
                     hulse_bench_beside_name(r->options->beside),
                     f->neighbour,
                     f->neighbour_closed);
    }
    (void)printf("\n  %-34s %9s %9s %9s %9s %11s\n", "", "p50", "p90", "p99", "p99.9", "max");
    percentiles_row("claim + commit, ns", &f->publish_ns);
    percentiles_row("single publish with flush, ns", &f->single_ns);
    percentiles_row("receipt, us", &f->receipt_us);
    percentiles_row("end to end, us", &f->end_to_end_us);
    percentiles_row("bare fdatasync, us", &f->bare_us);
    percentiles_row("next daemon says ready, ms", &f->start_ms);
    percentiles_row("kill to first receipt, ms", &f->outage_ms);
    percentiles_row("hang-up to first receipt, ms", &f->resume_ms);
    histogram_bars("claim + commit", &r->histograms->publish_ns);
    histogram_bars("single publish with flush", &r->histograms->single_ns);
    histogram_bars("receipt", &r->histograms->receipt_ns);
    histogram_bars("end to end", &r->histograms->end_to_end_ns);
    (void)putchar('\n');
}

/* ---- JSON --------------------------------------------------------------------------------- */

static json_t *number(double value)
{
    return value < 0 ? json_null() : json_real(value);
}

static json_t *whole(double value)
{
    return value < 0 ? json_null() : json_integer((json_int_t)value);
}

static json_t *percentiles(const struct percentiles *p)
{
    if (p->p50 < 0) {
        return json_null();
    }
    return json_pack("{s:f,s:f,s:f,s:f,s:f}",
                     "p50",
                     p->p50,
                     "p90",
                     p->p90,
                     "p99",
                     p->p99,
                     "p999",
                     p->p999,
                     "max",
                     p->max);
}

static json_t *both(double app, double hulsed)
{
    return json_pack("{s:o,s:o}", "app", number(app), "daemon", number(hulsed));
}

json_t *hulse_bench_report_host(const struct machine *m)
{
    return json_pack(
        "{s:i,s:s,s:s}", "cpus", m->cpu_count, "kernel", m->kernel, "cpu_model", m->cpu_model);
}

static bool put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static bool put_setting(json_t *root, const struct bench_options *o)
{
    const uint64_t window = hulse_bench_window(o);
    const bool receives = hulse_bench_receives(o) || o->mode == BENCH_RING;

    return put(root, "mode", json_string(hulse_bench_mode_name(o->mode))) &&
           put(root, "size", json_integer(o->size)) &&
           put(root, "publishers", json_integer(o->publishers)) &&
           put(root, "consumers", json_integer(receives ? o->consumers : 0)) &&
           put(root, "window", whole(window == UINT64_MAX ? -1.0 : (double)window)) &&
           put(root, "ring_size", json_integer(hulse_bench_ring_bytes(o))) &&
           put(root, "flush", json_integer(o->flush)) &&
           put(root, "repeat", json_integer(o->repeat)) &&
           put(root, "beside", json_string(hulse_bench_beside_name(o->beside)));
}

static bool put_counts(json_t *root, const struct report *r)
{
    const struct figures *f = r->median;

    return put(root, "seconds", number(f->seconds)) && put(root, "measured", whole(f->measured)) &&
           put(root, "sent", whole(f->sent)) && put(root, "stored", whole(f->stored)) &&
           put(root, "received", whole(f->received)) && put(root, "lost", whole(f->lost)) &&
           put(root, "duplicates", whole(f->duplicates)) &&
           put(root, "out_of_order", whole(f->out_of_order)) &&
           put(root, "rate", number(f->rate)) && put(root, "rate_min", number(r->low->rate)) &&
           put(root, "rate_max", number(r->high->rate));
}

static bool put_costs(json_t *root, const struct figures *f)
{
    json_t *idle = f->idle_rss_mb < 0 ? json_null()
                                      : json_pack("{s:f,s:f,s:f}",
                                                  "anon_shmem_mb",
                                                  f->idle_anon_shmem_mb,
                                                  "rss_mb",
                                                  f->idle_rss_mb,
                                                  "cpu_percent",
                                                  f->idle_cpu_percent);
    json_t *beside = f->neighbour < 0 ? json_null()
                                      : json_pack("{s:o,s:o}",
                                                  "done",
                                                  whole(f->neighbour),
                                                  "thrown_out",
                                                  whole(f->neighbour_closed));

    return put(root, "idle", idle) && put(root, "neighbour", beside) &&
           put(root, "publish_ns", percentiles(&f->publish_ns)) &&
           put(root, "publish_single_ns", percentiles(&f->single_ns)) &&
           put(root, "receipt_us", percentiles(&f->receipt_us)) &&
           put(root, "end_to_end_us", percentiles(&f->end_to_end_us)) &&
           put(root, "cpu_us_per_message", both(f->app_cpu_us, f->daemon_cpu_us)) &&
           put(root, "pss_mb", both(f->app_pss_mb, f->daemon_pss_mb)) &&
           put(root, "rss_mb", both(f->app_rss_mb, f->daemon_rss_mb)) &&
           put(root, "syscalls_per_message", both(f->app_syscalls, f->daemon_syscalls)) &&
           put(root, "missed_doorbells", whole(f->missed_doorbells)) &&
           put(root, "client_rechecks", whole(f->client_rechecks)) &&
           put(root, "ready_ms", number(f->ready_ms));
}

static bool put_disk(json_t *root, const struct bench_options *o, const struct figures *f)
{
    char filesystem[32];

    if ((o->mode & BENCH_DISK_MODES) == 0) {
        return true;
    }
    hulse_bench_disk_filesystem(o->directory, filesystem, sizeof filesystem);
    json_t *disk =
        json_pack("{s:s,s:o}", "filesystem", filesystem, "fdatasync_us", percentiles(&f->bare_us));
    bool fine = put(root, "disk", disk) && put(root, "park_us", number(f->park_us)) &&
                put(root, "written_per_byte", number(f->written_per_byte));
    if (o->mode == BENCH_SYNC) {
        fine = fine && put(root, "goal_us", number(f->goal_us)) &&
               put(root, "goal_ratio", number(f->goal_ratio));
    }
    if (o->mode == BENCH_RESTART) {
        fine = fine && put(root, "kill", json_boolean(o->kill)) &&
               put(root, "stop_ms", number(f->stop_ms)) &&
               put(root, "restart_ms", number(f->restart_ms));
    }
    if (o->mode == BENCH_RESUME) {
        fine = fine && put(root, "kills", json_integer(o->kills)) &&
               put(root, "start_ms", percentiles(&f->start_ms)) &&
               put(root, "outage_ms", percentiles(&f->outage_ms)) &&
               put(root, "resume_ms", percentiles(&f->resume_ms));
    }
    return fine && put(root, "backlog_rate", number(f->backlog_rate));
}

bool hulse_bench_report_json(const struct report *r)
{
    json_t *root = json_object();
    const bool fine = put_setting(root, r->options) && put_counts(root, r) &&
                      put_costs(root, r->median) && put_disk(root, r->options, r->median) &&
                      put(root, "ping_pong_ns", number(r->machine->ping_pong_ns)) &&
                      put(root, "clock_ns", number(r->machine->clock_ns)) &&
                      put(root, "host", hulse_bench_report_host(r->machine)) &&
                      put(root, "version", json_string(HULSE_VERSION)) &&
                      json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
    json_decref(root);
    return fine && putchar('\n') != EOF && fflush(stdout) == 0;
}
