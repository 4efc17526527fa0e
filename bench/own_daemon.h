/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own_daemon - a hulsed of the benchmark's own, in a private directory, and its end.
 */
#ifndef HULSE_BENCH_OWN_DAEMON_H
#define HULSE_BENCH_OWN_DAEMON_H

#include "bench/options.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct own_daemon {
    pid_t pid; /* 0 = not ours, or not started */
    char directory[64];
    char socket[96];
    bool quiet;      /* its warnings are expected: a hostile session is beside */
    double ready_ms; /* from exec to the first session that opens */
};

/*
 * Starts it (or with --socket only notes the socket) and waits until a session opens. False: said
 * why on stderr.
 */
bool hulse_bench_own_daemon_start(struct own_daemon *d, const struct bench_options *o);
/* TERM, wait, remove the directory. False: it did not end with 0. */
bool hulse_bench_own_daemon_stop(struct own_daemon *d);

#endif
