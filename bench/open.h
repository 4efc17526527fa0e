/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open - a session and its handles as the options want them.
 *
 * Each gives the library's status; what was opened before a failure stays open.
 */
#ifndef HULSE_BENCH_OPEN_H
#define HULSE_BENCH_OPEN_H

#include "bench/options.h"

#include <hulse/hulse.h>

hulse_status
hulse_bench_open_session(hulse_session **session, const char *socket, const char *name);
/* On the topic of publisher `index`. */
hulse_status hulse_bench_open_producer(hulse_session *session,
                                       hulse_producer **producer,
                                       const struct bench_options *o,
                                       uint32_t index);
/* On the topic of consumer `index`: Exclusive, or Shared when it is not alone there. */
hulse_status hulse_bench_open_consumer(hulse_session *session,
                                       hulse_consumer **consumer,
                                       const struct bench_options *o,
                                       uint32_t index);

#endif
