/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alone - the line of a subscriber's messages behind a last attempt, which is handed out when nothing else is.
 *
 * What the application had begun with when it ended is a failed attempt, and a last attempt is put aside for that: so
 * whoever ends during it must have had nothing else. Therefore it waits until the application holds no message without
 * a verdict, and nothing more is handed out until its own. An application that holds messages for longer than
 * HULSE_ALONE_WAIT_MS gets it beside them: then its end is no verdict on it.
 *
 * Threads: the worker's.
 * Limits:  the line is as long as the permits that were given.
 */
#ifndef HULSE_FLOW_ALONE_H
#define HULSE_FLOW_ALONE_H

#include "daemon/broker/broker.h"
#include "daemon/worker/worker.h"

#define HULSE_ALONE_WAIT_MS 5000U

struct alone {
    struct worker *worker; /* NULL: waits without an end */
    void (*retry)(void *ctx);
    void *ctx;
    struct broker_delivery *first; /* linked by `slot` */
    struct broker_delivery *last;
    uint32_t waiting;
    uint32_t held;               /* handed out and without a verdict */
    struct broker_delivery *out; /* the last attempt that is, alone */
    bool patient;                /* `timer` runs for the first of the line */
    bool over;                   /* and is over */
    struct timer timer;
};

/* NULL stands for one that has no line: nothing waits, and nothing is counted. But for init and remove. */
/* `retry` is called when a take may give something that it did not give before. */
void hulse_alone_init(struct alone *a, struct worker *w, void (*retry)(void *ctx), void *ctx);
void hulse_alone_fini(struct alone *a);
/* A message with its marks has come: true: it stands in line now. */
bool hulse_alone_wait(struct alone *a, struct broker_delivery *d);
/* The next one to hand out; NULL: none, or not yet. */
struct broker_delivery *hulse_alone_take(struct alone *a);
/* It is handed out. */
void hulse_alone_hand_out(struct alone *a, struct broker_delivery *d);
/* It has its verdict, or was ended. */
static inline void hulse_alone_let_go(struct alone *a, const struct broker_delivery *d)
{
    if (a == NULL) {
        return;
    }
    a->held -= 1;
    if (a->out == d) {
        a->out = NULL;
    }
}
/* Of the line: it was ended by another call. */
void hulse_alone_remove(struct alone *a, struct broker_delivery *d);

#endif
