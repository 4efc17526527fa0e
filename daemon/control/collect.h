/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collect - asks every worker for its report and waits at most 2 s for the answers.
 *
 * A worker that does not answer in time is left out, and is not asked again before it has
 * answered: what it owes is bounded by the collections that were open at once.
 *
 * Threads: control; a request runs on its worker and comes back in its own node.
 * Owns:    the reports, until the collection is freed.
 */
#ifndef HULSE_CONTROL_COLLECT_H
#define HULSE_CONTROL_COLLECT_H

#include "daemon/control/crew.h"
#include "daemon/worker/loop.h"
#include "daemon/worker/report.h"

#include <sys/queue.h>

#define HULSE_COLLECT_TIMEOUT_MS 2000U
/* Open at once, those included that nobody waits for any more. */
#define HULSE_COLLECT_OPEN_MAX 1024U

struct collector;

enum inquiry_state {
    INQUIRY_ASKED = 0,
    INQUIRY_ANSWERED,
    INQUIRY_REFUSED /* its inbox is full, or it owes an older answer */
};

struct inquiry {
    struct inbox_node node;
    struct collection *collection;
    struct worker_report report; /* valid when ANSWERED */
    uint32_t worker;
    enum inquiry_state state;
};

struct collection {
    LIST_ENTRY(collection) link;
    struct collector *collector;
    struct timer timer;
    /* NULL once it was called, or when nobody waits any more. */
    void (*done)(void *ctx, struct collection *c);
    void *ctx;
    bool gave_up;  /* timed out with answers owed */
    uint32_t owed; /* answers */
    uint32_t count;
    struct inquiry inquiries[];
};

struct collector {
    struct loop *loop;
    const struct crew *crew;
    LIST_HEAD(, collection) open;
    uint32_t open_count;
    uint32_t overdue[HULSE_PLANE_WORKERS_MAX]; /* answers owed to collections that gave up */
};

void hulse_collector_init(struct collector *c, struct loop *loop, const struct crew *crew);
/* After the workers have ended and their answers have been run. */
void hulse_collector_fini(struct collector *c);
/*
 * `done` comes once, never from within this call; the collection is borrowed during it. NULL over
 * the memory cap, or when too many are open.
 */
struct collection *
hulse_collect_start(struct collector *c, void (*done)(void *ctx, struct collection *c), void *ctx);
/* The caller no longer waits: `done` will not come. */
void hulse_collect_forget(struct collection **c);

#endif
