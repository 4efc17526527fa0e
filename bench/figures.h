/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures - the results of one run, and the median of several.
 *
 * Every number is a double, so that one loop takes the medians; a negative one is unknown.
 */
#ifndef HULSE_BENCH_FIGURES_H
#define HULSE_BENCH_FIGURES_H

#include "bench/crew.h"
#include "bench/options.h"

struct percentiles {
    double p50;
    double p90;
    double p99;
    double p999;
    double max;
};

struct figures {
    /* Measured part. */
    double seconds;
    double measured; /* messages */
    double rate;     /* messages per second, settled */
    struct percentiles publish_ns;
    struct percentiles single_ns;
    struct percentiles receipt_us;
    struct percentiles end_to_end_us;
    double app_cpu_us; /* per message */
    double daemon_cpu_us;
    /* At its end. */
    double app_pss_mb;
    double daemon_pss_mb;
    double app_rss_mb;
    double daemon_rss_mb;
    /* Whole run, warm-up included. */
    double sent;
    double stored;
    double received;
    double lost;
    double duplicates;
    double out_of_order;
    double failed;
    double missed_doorbells;
    double client_rechecks;
    double neighbour;        /* what the session beside did */
    double neighbour_closed; /* times it was thrown out */
    /* Of a daemon of our own. */
    double ready_ms;
    double idle_anon_shmem_mb;
    double idle_rss_mb;
    double idle_cpu_percent;
    /* Of the disk. */
    double written_per_byte;    /* by the daemon, of payload in the measured part */
    struct percentiles bare_us; /* an fdatasync by itself, in the same run */
    double park_us;             /* one park and unpark of a thread */
    double goal_us;             /* of one message at a time: bare + 4 parks */
    double goal_ratio;          /* receipt p50 by the goal */
    /* Of daemons that ended. */
    double stop_ms;               /* TERM to its end */
    double restart_ms;            /* exec until a session opens, with the log */
    double backlog_rate;          /* messages per second read back from the log */
    struct percentiles start_ms;  /* exec until it says that it is ready */
    struct percentiles resume_ms; /* hang-up seen to the first receipt of the next daemon */
    struct percentiles outage_ms; /* the same from the kill */
    /* Of a pass of their own. */
    double app_syscalls; /* per message */
    double daemon_syscalls;
};
#define FIGURES_COUNT (sizeof(struct figures) / sizeof(double))

/* All histograms of a run, or of several, added up. */
struct histograms {
    struct histogram publish_ns;
    struct histogram single_ns;
    struct histogram receipt_ns;
    struct histogram end_to_end_ns;
};

/* All unknown. */
void hulse_bench_figures_clear(struct figures *f);
/* Adds a member's histograms. */
void hulse_bench_figures_merge(struct histograms *all, const struct crew_member *m);
void hulse_bench_figures_percentiles(struct percentiles *out,
                                     const struct histogram *h,
                                     double unit);
/* Median of each number over `count` runs; *low and *high its extremes. */
void hulse_bench_figures_median(struct figures *median,
                                struct figures *low,
                                struct figures *high,
                                const struct figures *runs,
                                unsigned count);
/* Counts and time of the publishers; lost, doubled, out of order and corrupt of everybody. */
void hulse_bench_figures_count(struct figures *f,
                               const struct crew *crew,
                               const struct bench_options *o);
/* Conservation holds. */
bool hulse_bench_figures_sound(const struct figures *f);

#endif
