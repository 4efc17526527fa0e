/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats - a channel's counters, read out of region B without asking the daemon.
 *
 * Threads: the handle's.
 */
#include "shmlib/client/consumer.h"
#include "shmlib/client/producer.h"

#include <stddef.h>
#include <string.h>

/* What the first programs knew of it. */
#define STATS_BYTES_MIN offsetof(struct hulse_stats, lost)

/* Over all daemons that the channel has had. */
static uint64_t stat_of(const struct hulse_channel *ch, enum hulse_region_stat index)
{
    /* Relaxed because each counter stands alone. */
    return ch->stats_kept[index] +
           atomic_load_explicit(&ch->bw->stats[index], memory_order_relaxed);
}

static hulse_status read_stats(const struct hulse_handle *h, struct hulse_stats *out)
{
    const struct hulse_channel *ch = h->channel;

    if (out == NULL || out->size < STATS_BYTES_MIN) {
        return HULSE_INVAL;
    }
    const size_t bytes = out->size < sizeof(*out) ? out->size : sizeof(*out);
    if (hulse_session_state(ch->session) == HULSE_SESSION_FORKED) {
        return HULSE_CLOSED;
    }
    const struct hulse_stats all = {
        .size = bytes,
        .taken_records = stat_of(ch, HULSE_STAT_TAKEN_RECORDS),
        .taken_bytes = stat_of(ch, HULSE_STAT_TAKEN_BYTES),
        .done = stat_of(ch, HULSE_STAT_DONE),
        .failed = stat_of(ch, HULSE_STAT_FAILED),
        .posted_records = stat_of(ch, HULSE_STAT_POSTED_RECORDS),
        .posted_bytes = stat_of(ch, HULSE_STAT_POSTED_BYTES),
        .stalls = stat_of(ch, HULSE_STAT_STALLS),
        .missed_doorbells = stat_of(ch, HULSE_STAT_MISSED_DOORBELLS),
        .client_rechecks = ch->group->rechecks,
        .bells = ch->bells,
        /* Relaxed because the acquire of down_tail orders it before what comes behind the loss. */
        .lost = ch->lost_kept + atomic_load_explicit(&ch->bw->lost, memory_order_relaxed),
    };
    memcpy(out, &all, bytes);
    return HULSE_OK;
}

hulse_status hulse_producer_stats(const hulse_producer *p, struct hulse_stats *out)
{
    return p == NULL ? HULSE_INVAL : read_stats(&p->handle, out);
}

hulse_status hulse_consumer_stats(const hulse_consumer *c, struct hulse_stats *out)
{
    return c == NULL ? HULSE_INVAL : read_stats(&c->handle, out);
}
