/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain - the steps from TERM to the end of the process (ipc B8, item 7).
 *
 *   SERVING ── TERM ──▶ WAITING ── no session, timeout − 3 s, or hastened ──▶ FINISHING ── all
 *   workers drained, or 2 s ──▶ DONE
 *
 * Threads: control. Pure: it only decides; control acts on the step it is told.
 */
#ifndef HULSE_CONTROL_DRAIN_H
#define HULSE_CONTROL_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

/* Kept back from drain_timeout for what follows the wait. */
#define HULSE_DRAIN_RESERVE_MS 3000U
#define HULSE_DRAIN_FINISH_MS 2000U

enum drain_step {
    DRAIN_SERVING = 0,
    DRAIN_WAITING,   /* not ready for new work, but everything is served */
    DRAIN_FINISHING, /* workers take nothing more and wait for receipts */
    DRAIN_DONE       /* stop the workers */
};

struct drain {
    enum drain_step step;
    uint64_t wait_until_ms;
    uint64_t finish_until_ms;
};

/* A request to stop. False: it is not the first; end at once. */
bool hulse_drain_begin(struct drain *d, uint64_t now_ms, uint64_t timeout_ms);
/* Sessions are waited for no longer; changes nothing unless they are. */
void hulse_drain_hasten(struct drain *d, uint64_t now_ms);
/* Gives the step in force; moves by at most one step. */
enum drain_step
hulse_drain_advance(struct drain *d, uint64_t now_ms, uint32_t sessions, bool all_drained);

#endif
