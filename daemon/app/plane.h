/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plane - the shared-memory plane's module on every worker, and what control tells it.
 *
 * Control accepts a connection, reads and checks HELLO (admit.h), picks the worker with the fewest
 * sessions and posts the admission there; from then on session, channels and descriptors belong to
 * that worker.
 *
 * Threads: struct plane_shared is made by main; members are constant or atomic as said.
 * See:     ipc B1..B7; daemon/app/README.md.
 */
#ifndef HULSE_APP_PLANE_H
#define HULSE_APP_PLANE_H

#include "daemon/flow/flow.h"
#include "daemon/worker/worker.h"

#include <stdatomic.h>
#include <stdint.h>

#define HULSE_PLANE_WORKERS_MAX 64U

/* Defaults and ceilings of sessions and channels; from `session:` of the configuration. */
struct plane_limits {
    uint32_t publish_ring; /* bytes */
    uint32_t deliver_ring;
    uint32_t verdict_ring;
    uint32_t receipts; /* slots */
    uint32_t unacked_max;
    uint32_t ring_max;
    uint32_t receipts_max;
    uint32_t channels_max;           /* per session */
    uint32_t handles_max;            /* per session */
    uint32_t groups_max;             /* per session */
    uint64_t session_bytes_max;      /* `memory_max`: regions and tables of one session */
    uint32_t sessions_max;           /* over all workers */
    uint32_t deliver_overflow_bytes; /* waiting beyond the ring, per consumer */
    uint32_t control_per_second;     /* control messages of one session */
    uint32_t bells_per_second;       /* empty bells of one session before a penalty */
};

enum plane_phase {
    PLANE_SERVING = 0,
    PLANE_DRAINING /* tell the apps, take nothing more, wait for receipts, say goodbye */
};

struct plane_worker_state {
    alignas(64) _Atomic(uint32_t) sessions; /* control adds at placement, the worker subtracts */
    _Atomic(uint32_t) drained;              /* by the worker: nothing in flight and goodbye said */
    /* That the tables have changed, on its way to the worker. */
    struct inbox_node change;
    _Atomic(bool) change_posted;
    struct worker *worker; /* whom it goes to */
};

struct plane_shared {
    const struct flow *flow;
    struct plane_limits limits;
    uint64_t generation;     /* of this daemon process, never 0 */
    _Atomic(uint32_t) phase; /* enum plane_phase; control writes, then nudges the workers */
    struct plane_worker_state workers[HULSE_PLANE_WORKERS_MAX];
};

/* Thread: control, after hulse_tables_apply(). Each worker looks at its handles soon. */
void hulse_plane_tables_changed(struct plane_shared *shared,
                                struct worker *const *workers,
                                uint32_t count);

/* The module; its shared pointer is a struct plane_shared. */
extern const struct worker_module hulse_plane_module;

/*
 * Thread: main, once, before workers start. Installs the SIGBUS handler (V18) and ignores SIGPIPE
 * and SIGIO (V19).
 */
hulse_status hulse_plane_signals(struct error *err);

#endif
