/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats - a channel's counters, read out of region B without asking the daemon.
 *
 * Threads: the handle's.
 */
#include "shmlib/client/consumer.h"
#include "shmlib/client/producer.h"

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

    if (out == NULL || out->size < sizeof(*out)) {
        return HULSE_INVAL;
    }
    if (hulse_session_state(ch->session) == HULSE_SESSION_FORKED) {
        return HULSE_CLOSED;
    }
    *out = (struct hulse_stats){
        .size = sizeof(*out),
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
    };
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
