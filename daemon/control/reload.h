/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload - the configuration read again while the daemon runs: on a signal, on request, and when
 * its file changes (`watch: true`).
 *
 * All sources are read and checked first; what is not accepted changes nothing. What is accepted is
 * applied as a whole by one call of the hook. Keys that take a restart keep their running value.
 *
 * Threads: control. Blocks: file I/O.
 * See:     interfaces 3.
 */
#ifndef HULSE_CONTROL_RELOAD_H
#define HULSE_CONTROL_RELOAD_H

#include "daemon/config/change.h"
#include "daemon/config/config.h"
#include "daemon/control/folder_watch.h"
#include "daemon/worker/loop.h"

#include <limits.h>

struct reload_params {
    struct loop *loop;
    const struct config_sources *sources;
    const struct config *initial; /* outlives the reload */
    /*
     * Makes it what the daemon follows. The one before is valid until this has returned. Not OK:
     * nothing has changed, and *err says why.
     */
    hulse_status (*apply)(void *ctx, const struct config *fresh, struct error *err);
    void *ctx;
    const char *notify_socket; /* or NULL */
};

struct reload {
    struct reload_params params;
    const struct config *running;
    struct config *own;  /* the same, once it is not the initial one */
    uint64_t generation; /* 1, and one more with each configuration that was accepted */
    bool failed;         /* the latest was not accepted */
    /* Of the latest one. */
    struct config_problems problems;
    struct config_change change;
    char path[PATH_MAX];
    struct config_stamp seen; /* the file when it was last read */
    struct folder_watch watch;
};

/* Nothing is watched yet. */
void hulse_reload_init(struct reload *r, const struct reload_params *params);
/* Watches the file if the configuration says so. */
hulse_status hulse_reload_open(struct reload *r, struct error *err);
void hulse_reload_close(struct reload *r);
/*
 * Reads, checks and applies. `trigger` is for the log. False: it was not accepted, and
 * r->problems says why.
 */
bool hulse_reload_run(struct reload *r, const char *trigger);

#endif
