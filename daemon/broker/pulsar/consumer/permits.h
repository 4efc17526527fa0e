/* SPDX-License-Identifier: Apache-2.0 */
/*
 * permits - how many messages flow has asked for, and where they are.
 *
 *   flow + ahead = queued + broker + what is still to be asked of the broker (wanted)
 *
 * A message in chunks costs the broker one for each; what is to come of it, and what the next one is expected to have, is
 * asked for at once (`chunks`).
 *
 * A message that comes takes from `broker` what its entry costs there, and is `queued` until it is handed out, which
 * takes one of `flow`. What is passed over leaves `queued` without that, so its permit is asked for again by itself.
 * `ahead` may come before flow has asked for it, and waits here: of a partition, whose share of what flow gives to all
 * of them is known only when its messages are here. An entry of many messages overdraws `broker`, which is below zero
 * then: what is queued beyond `flow` and `ahead` is at most what one read of the broker brings.
 *
 * Threads: pure.
 */
#ifndef HULSE_PULSAR_CONSUMER_PERMITS_H
#define HULSE_PULSAR_CONSUMER_PERMITS_H

#include "daemon/core/assert.h"

#include <stdint.h>

/* Nobody asks for more at a time; sums of the ledger stay far from their types' ends. */
#define PULSAR_PERMITS_MAX (1 << 30)

struct permits {
    int64_t flow;   /* given by flow, no message handed out for them */
    int64_t ahead;  /* not given by flow; 0 but for a partition */
    int64_t chunks; /* entries that are to come and are no messages: of those that are not whole */
    int64_t queued; /* received, to be handed out */
    int64_t broker; /* at the broker; below zero after an entry larger than that */
    uint64_t moves; /* how often `broker` has changed */
};

static inline void hulse_permits_give(struct permits *p, uint32_t count)
{
    p->flow += count;
    if (p->flow > PULSAR_PERMITS_MAX) {
        p->flow = PULSAR_PERMITS_MAX;
    }
}

/* Of an entry that came: what it costs at the broker. */
static inline void hulse_permits_charge(struct permits *p, uint32_t cost)
{
    p->broker -= cost;
    p->moves += 1;
}

static inline void hulse_permits_queue(struct permits *p, uint32_t count)
{
    p->queued += count;
}

/* Of what was queued, `count` are passed over, or forgotten. */
static inline void hulse_permits_drop(struct permits *p, uint32_t count)
{
    p->queued -= count;
    HULSE_DASSERT(p->queued >= 0);
}

/* One is handed out; of what was queued it is dropped too. */
static inline void hulse_permits_use(struct permits *p)
{
    HULSE_DASSERT(p->flow > 0);
    p->flow -= 1;
}

/* What was given and not used goes back to who gave it. */
static inline uint32_t hulse_permits_take_back(struct permits *p)
{
    const int64_t left = p->flow;
    p->flow = 0;
    return (uint32_t)left;
}

/* The subscription is a new one: the broker has none of ours. */
static inline void hulse_permits_restart(struct permits *p)
{
    p->broker = 0;
    p->moves += 1;
}

/*
 * How many to ask of the broker now: all that are wanted, once it would send for them and they are half of what it is
 * to have then, so that many small grants become few commands. Nothing is left unasked with nothing at the broker.
 */
static inline uint32_t hulse_permits_wanted(const struct permits *p)
{
    const int64_t target = p->flow + p->ahead - p->queued;
    const int64_t wanted = target + p->chunks - p->broker;
    if (target <= 0 || wanted <= 0 || (wanted < p->broker && p->broker > 0)) {
        return 0;
    }
    return (uint32_t)(wanted < PULSAR_PERMITS_MAX ? wanted : PULSAR_PERMITS_MAX);
}

static inline void hulse_permits_asked(struct permits *p, uint32_t count)
{
    p->broker += count;
    p->moves += 1;
}

/* The broker says what it has. Beyond the bound it may say what it wants. */
static inline void hulse_permits_correct(struct permits *p, int64_t available)
{
    p->broker = available > PULSAR_PERMITS_MAX    ? PULSAR_PERMITS_MAX
                : available < -PULSAR_PERMITS_MAX ? -PULSAR_PERMITS_MAX
                                                  : available;
    p->moves += 1;
}

#endif
