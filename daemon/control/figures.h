/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures - a worker's report as named numbers, which is all that observe/ knows of it.
 *
 * Threads: any; pure functions.
 */
#ifndef HULSE_CONTROL_FIGURES_H
#define HULSE_CONTROL_FIGURES_H

#include "daemon/observe/figure.h"
#include "daemon/worker/report.h"

#include <stddef.h>

#define HULSE_FIGURES_MAX 24U

/* Both give the number of figures written, at most HULSE_FIGURES_MAX. */
size_t hulse_figures_of_worker(const struct worker_report *r, struct figure *out);
size_t hulse_figures_of_topic(const struct topic_report *r, struct figure *out);

#endif
