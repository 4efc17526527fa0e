/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures - rates, measured when somebody asks, so that counting costs the data path nothing.
 *
 * Threads: the topic's worker.
 */
#ifndef HULSE_BROKER_LOCAL_FIGURES_H
#define HULSE_BROKER_LOCAL_FIGURES_H

#include "daemon/broker/local/objects.h"

/*
 * Per second since the last measurement, when that is a second ago or more; else what it was then.
 */
double hulse_rate_read(struct rate *r, uint64_t now_ms, uint64_t count);

#endif
