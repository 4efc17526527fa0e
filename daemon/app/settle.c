/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settle - up_head of a verdict ring: it passes a verdict when that survives the daemon (ipc B8).
 *
 * Until then the app keeps the record and would offer it again. A broker that keeps nothing settles
 * within the call, and nothing is noted here.
 *
 * Limits: the records that the up ring can hold unreleased, each of at least a header.
 */
#include "daemon/app/settle.h"

#include "daemon/app/channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"

static uint32_t entries(uint32_t up_bytes)
{
    uint32_t count = 1;
    while (count < up_bytes / HULSE_VERDICT_HEADER_BYTES) {
        count *= 2;
    }
    return count;
}

size_t hulse_settle_bytes(uint32_t up_bytes)
{
    return entries(up_bytes) * sizeof(struct settling);
}

static struct settling *entry_at(const struct channel *ch, uint64_t number)
{
    return &ch->settlings[number & ch->settling_mask];
}

void hulse_settle_reset(struct channel *ch)
{
    ch->settling_mask = entries(ch->up_bytes) - 1;
    ch->settled = 0;
    ch->unsettled = 0;
    ch->rx.released = ch->rx.read;
}

void hulse_settle_note(struct channel *ch, uint64_t call)
{
    HULSE_ASSERT(call == 0 || ch->consumer->subscriber != NULL);
    const bool final = call == 0 || call <= hulse_subscriber_settled(ch->consumer->subscriber);
    if (hulse_settle_done(ch) && final) {
        ch->rx.released = ch->rx.read;
        return;
    }
    if (call == 0) {
        entry_at(ch, ch->unsettled - 1)->end = ch->rx.read;
        return;
    }
    HULSE_ASSERT(ch->unsettled - ch->settled <= ch->settling_mask);
    *entry_at(ch, ch->unsettled) = (struct settling){.end = ch->rx.read, .call = call};
    ch->unsettled += 1;
}

void hulse_settle_settled(void *ctx, uint64_t call)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    struct channel *ch = h->channel;
    while (!hulse_settle_done(ch) && entry_at(ch, ch->settled)->call <= call) {
        ch->rx.released = entry_at(ch, ch->settled)->end;
        ch->settled += 1;
        hulse_plane_touch(ch->session->plane, ch);
    }
}
