/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replace - before the start: the daemon that runs here is asked to go, and is waited for.
 *
 * It is asked by its admin socket to drain at once (ipc B8, item 7). That it has gone is told by its
 * locks alone, which also holds where its process cannot be seen, as between containers.
 *
 * Threads: main, before the daemon's own; stop signals are blocked.
 * Trust:   who listens at the admin socket is the operator's; its answer may be anything.
 */
#ifndef HULSE_CONTROL_REPLACE_H
#define HULSE_CONTROL_REPLACE_H

#include "daemon/core/error.h"

#include <stddef.h>
#include <stdint.h>

/* Two seconds for receipts and five for its workers to end, and what a busy host adds. */
#define HULSE_REPLACE_WAIT_MS 10000U

struct replace_params {
    const char *admin_socket;
    const char *const
        *locks; /* files that a daemon has locked as long as it runs; may be missing */
    size_t lock_count;
    uint64_t wait_ms; /* for all of it */
};

/*
 * OK: nobody has any of the locks, be it that there was no daemon. Otherwise nothing may be opened:
 * DENIED the daemon does not listen to us, UNSUPPORTED it refuses, TIMED_OUT it did not answer or
 * did not go, CLOSED a stop signal came first and is still pending, IO the rest.
 */
hulse_status hulse_replace_run(const struct replace_params *params, struct error *err);

#endif
