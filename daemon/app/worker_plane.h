/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_plane - the applications of one worker.
 *
 *   plane ─┬─ session ─┬─ group     (wake pipe)
 *          │           ├─ handle    (a producer or consumer: publisher or subscriber of flow)
 *          │           └─ channel ──┬─ producer: in-flight table, assembly
 *          │                        └─ consumer: delivery slots, waiting list
 *          ├─ hot channels          (polled every turn)
 *          └─ touched channels      (flushed at the end of the turn)
 *
 * Threads: the worker's. Everything here is private memory.
 */
#ifndef HULSE_APP_WORKER_PLANE_H
#define HULSE_APP_WORKER_PLANE_H

#include "daemon/app/channel.h"
#include "daemon/app/plane.h"
#include "daemon/app/session.h"

#include <stdbool.h>
#include <stdint.h>

#define HULSE_PLANE_MAGIC 0x706c616eU

/* Budgets of one visit (V15, ipc B6). */
#define HULSE_VISIT_RECORDS 256U
#define HULSE_VISIT_BYTES ((int64_t)256 * 1024)
/* A hot channel without data for both of these is armed. */
#define HULSE_IDLE_POLLS 64U
#define HULSE_IDLE_NS 200000U
#define HULSE_SWEEP_MS 100U
#define HULSE_BEAT_MS 500U

struct plane {
    uint32_t magic;
    struct worker *worker;
    struct plane_shared *shared;
    struct session_list sessions;
    uint32_t session_count;
    struct channel_list hot;
    struct channel *touched;
    struct session *doomed;
    struct timer sweep;
    struct timer beat;
    bool draining;
    bool goodbye;
    bool recheck;        /* the tables changed while a consumer was opening */
    uint64_t in_flight;  /* over all channels */
    uint8_t *meta;       /* scratch: one record's metadata, HULSE_META_BYTES_MAX */
    uint8_t *properties; /* scratch: its properties for the broker */
    /* Figures for the report. */
    uint64_t records_taken;
    uint64_t bytes_taken;
    uint64_t receipts_posted;
    uint64_t deliveries_posted;
    uint64_t verdicts_ignored;
    uint64_t verdicts_dropped;
    uint64_t missed_doorbells;
    uint64_t bells;
    uint64_t wakes;
    uint64_t visits;
    uint64_t penalties;
    uint64_t rule_violations;
    uint64_t lost_after_exit;
    uint32_t channel_count;
    uint32_t producer_count;
    uint32_t consumer_count;
};

/* Puts a channel on the list that the end of the turn flushes. */
static inline void hulse_plane_touch(struct plane *p, struct channel *ch)
{
    if (!ch->touched) {
        ch->touched = true;
        ch->touched_next = p->touched;
        p->touched = ch;
    }
}
/* Polls the channel from now on. */
void hulse_plane_heat(struct plane *p, struct channel *ch);
/* Stops polling it; its state is the caller's to set. */
void hulse_plane_cool(struct plane *p, struct channel *ch);
/* After a fence: is there something to do for an armed channel? */
bool hulse_plane_armed_work(const struct channel *ch);
/* The plane of the calling worker, NULL elsewhere; for the SIGBUS handler. */
struct plane *hulse_plane_self(void);

#endif
