/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report - the figures for people, and as one JSON object.
 */
#ifndef HULSE_BENCH_REPORT_H
#define HULSE_BENCH_REPORT_H

#include "bench/figures.h"
#include "bench/machine.h"

#include <jansson.h>

struct report {
    const struct bench_options *options;
    const struct machine *machine;
    const struct figures *median;
    const struct figures *low;
    const struct figures *high;
    const struct histograms *histograms; /* of all runs */
};

/* Table and histograms on stdout. */
void hulse_bench_report_people(const struct report *r);
/* The object's line on stdout. False: it could not be written. */
bool hulse_bench_report_json(const struct report *r);
/* {cpus, kernel, cpu_model}, a new reference. */
json_t *hulse_bench_report_host(const struct machine *m);

#endif
