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
    const char *data; /* borrowed: directory of its log; NULL = none */
    int notify_fd;    /* where it says that it is ready; -1 = nowhere */
    bool quiet;       /* its warnings are expected: a hostile session is beside, or it is killed */
    uint64_t exec_ns;
    double ready_ms; /* from exec to the first session that opens */
};

/*
 * Starts it (or with --socket only notes the socket) and waits until a session opens. False: said
 * why on stderr.
 */
bool hulse_bench_own_daemon_start(struct own_daemon *d,
                                  const struct bench_options *o,
                                  const char *data);
/* TERM, wait, remove the directory. False: it did not end with 0. */
bool hulse_bench_own_daemon_stop(struct own_daemon *d);

/* TERM and wait: the directory stays for the next one. False: it did not end with 0. */
bool hulse_bench_own_daemon_end(struct own_daemon *d);
/* SIGKILL and wait. */
void hulse_bench_own_daemon_kill(struct own_daemon *d);
/* Starts it once more, as it was, and does not wait. False: said why on stderr. */
bool hulse_bench_own_daemon_again(struct own_daemon *d, const struct bench_options *o);
/* Waits until a session opens; d->ready_ms is the time since exec. False: said why. */
bool hulse_bench_own_daemon_ready(struct own_daemon *d);
/*
 * Waits until it says that it is ready, without disturbing it; gives the milliseconds since exec,
 * or -1 after having said why.
 */
double hulse_bench_own_daemon_await_notice(struct own_daemon *d);

#endif
