/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures - what this client has counted on one worker, as named numbers for `hulse stats`.
 *
 * Each folder has a struct of figures; a number that is added there has no build before it has a name here.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_PULSAR_FIGURES_H
#define HULSE_PULSAR_FIGURES_H

#include "daemon/broker/pulsar/worker.h"

void hulse_pulsar_figures_report(struct pulsar_worker *pw, struct worker_report *out);

#endif
