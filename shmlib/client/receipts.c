/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receipts - verdicts on what was published: reading them, and waiting for them or for room.
 *
 * Threads: the producer's.
 * Trust:   positions are checked by the ring, and here for the receipts' granule; an outcome that
 *          is not known counts as "unknown".
 */
#include "shmlib/client/producer.h"
#include "shmlib/client/wait.h"

#include <string.h>

static void fill_receipt(struct hulse_receipt *out, const struct hulse_receipt_record *r)
{
    const bool known = r->status >= HULSE_OUTCOME_STORED && r->status <= HULSE_OUTCOME_UNSUPPORTED;
    const bool has_id = r->ledger != HULSE_NO_LEDGER;

    *out = (struct hulse_receipt){
        .size = sizeof(*out),
        .token = r->token,
        .outcome = known ? r->status : HULSE_OUTCOME_FAILED_UNKNOWN,
        .id = {.size = sizeof(out->id),
               .ledger = r->ledger,
               .entry = has_id ? r->entry : HULSE_NO_LEDGER,
               .batch = r->batch,
               .partition = r->partition},
    };
}

/* Copies up to `max` receipts out of one ring; nonsense ends the session. */
static unsigned take_receipts(struct hulse_channel *ch,
                              struct hulse_ring_rx *rx,
                              struct hulse_receipt *out,
                              unsigned max)
{
    unsigned n = 0;

    while (n < max && hulse_ring_rx_ready(rx) != 0) {
        struct hulse_receipt_record r;
        if (hulse_ring_rx_ready(rx) % HULSE_RECEIPT_BYTES != 0) {
            (void)hulse_channel_broken(ch, "the receipt ring's position is impossible");
        }
        if (hulse_session_state(ch->session) == HULSE_SESSION_BROKEN) {
            break;
        }
        memcpy(&r, hulse_ring_rx_at(rx, rx->read), sizeof(r));
        hulse_ring_rx_take(rx, sizeof(r));
        fill_receipt(&out[n], &r);
        n += 1;
    }
    return n;
}

/* Those of daemons that have gone come first. */
static unsigned take_old(struct hulse_channel *ch, struct hulse_receipt *out, unsigned max)
{
    unsigned n = 0;

    while (ch->old_count != 0 && n < max) {
        n += take_receipts(ch, &ch->olds[0].rx, &out[n], max - n);
        if (hulse_ring_rx_ready(&ch->olds[0].rx) == 0) {
            hulse_channel_drop_old(ch);
        } else if (n < max) {
            break;
        }
    }
    return n;
}

hulse_status
hulse_receipts(hulse_producer *p, struct hulse_receipt *out, unsigned max, unsigned *count)
{
    if (p == NULL || count == NULL || (out == NULL && max != 0)) {
        return HULSE_INVAL;
    }
    *count = 0;
    struct hulse_channel *ch = p->handle.channel;
    if (hulse_session_state(ch->session) >= HULSE_SESSION_BROKEN) {
        return hulse_handle_status(&p->handle);
    }
    unsigned n = take_old(ch, out, max);
    if (ch->old_count == 0 && n < max && hulse_channel_unread(ch)) {
        n += take_receipts(ch, &ch->rx, &out[n], max - n);
    }
    *count = n;
    ch->give_to = ch->rx.read;
    if (ch->give_to - ch->rx.released >= (uint64_t)HULSE_BATCH_RECORDS * HULSE_RECEIPT_BYTES) {
        hulse_channel_give(ch, ch->give_to);
    }
    if (n != 0) {
        return HULSE_OK;
    }
    hulse_channel_look(ch, hulse_clock_ns(CLOCK_MONOTONIC_COARSE));
    const hulse_status st = hulse_handle_status(&p->handle);
    return st == HULSE_ORPHAN ? HULSE_OK : st;
}

/* ---- waiting ------------------------------------------------------------------------------ */

struct wish {
    hulse_producer *p;
    uint64_t bytes; /* room at the tail; the whole ring = everything has its verdict */
};

static void announce(void *of)
{
    const struct wish *w = of;

    hulse_channel_flush(w->p->handle.channel);
    hulse_channel_announce(w->p->handle.channel, w->bytes);
}

static hulse_status room_ready(void *of)
{
    const struct wish *w = of;
    struct hulse_channel *ch = w->p->handle.channel;
    hulse_status st = hulse_channel_room(ch, w->bytes);

    if (st != HULSE_AGAIN) {
        return st;
    }
    st = hulse_producer_usable(w->p);
    if (st != HULSE_OK) {
        return st;
    }
    return hulse_channel_receipts_full(ch) ? HULSE_RECEIPTS : HULSE_AGAIN;
}

static hulse_status verdicts_ready(void *of)
{
    const struct wish *w = of;
    struct hulse_channel *ch = w->p->handle.channel;
    hulse_status st = hulse_channel_settled(ch);

    if (st != HULSE_AGAIN) {
        return st;
    }
    st = hulse_producer_usable(w->p);
    if (st != HULSE_OK) {
        return st;
    }
    return hulse_channel_receipts_full(ch) ? HULSE_RECEIPTS : HULSE_AGAIN;
}

/* The same for the end of a producer: nobody will read the receipts. */
static hulse_status closing_ready(void *of)
{
    const struct wish *w = of;
    struct hulse_channel *ch = w->p->handle.channel;

    while (ch->old_count != 0) {
        hulse_channel_drop_old(ch);
    }
    if (hulse_channel_unread(ch)) {
        hulse_ring_rx_take(&ch->rx, hulse_ring_rx_ready(&ch->rx));
        ch->give_to = ch->rx.read;
        hulse_channel_give(ch, ch->give_to);
    }
    return hulse_channel_settled(ch);
}

/* A shared producer's wait is for one channel of a group that belongs to another thread. */
static struct hulse_channel *alone(struct hulse_channel *ch)
{
    /* Relaxed because the mutex orders it. */
    return atomic_load_explicit(&ch->mt_held, memory_order_relaxed) ? ch : NULL;
}

static hulse_status wait_for(struct wish *w, hulse_status (*ready)(void *of), int timeout_ms)
{
    struct hulse_handle *h = &w->p->handle;
    const struct hulse_waiter waiter = {.group = h->channel->group,
                                        .channel = alone(h->channel),
                                        .ready = ready,
                                        .announce = announce,
                                        .of = w};
    hulse_status st = hulse_producer_usable(w->p);

    if (st != HULSE_OK) {
        return st;
    }
    hulse_channel_flush(h->channel);
    st = hulse_waiter_run(&waiter, timeout_ms);
    switch (st) {
    case HULSE_OK:
        return st;
    case HULSE_RECEIPTS:
        return hulse_handle_refuse(h, st, "receipts are unread: call hulse_receipts()");
    case HULSE_TIMED_OUT:
        return hulse_handle_refuse(h,
                                   st,
                                   hulse_channel_attached(h->channel)
                                       ? "the daemon was not done in time"
                                       : "no daemon came back in time");
    default:
        (void)hulse_handle_status(h);
        return st;
    }
}

hulse_status hulse_producer_await(hulse_producer *p, uint64_t bytes, int timeout_ms)
{
    struct wish w = {.p = p, .bytes = bytes};

    return wait_for(&w, room_ready, timeout_ms);
}

hulse_status hulse_wait_space(hulse_producer *p, uint32_t max_bytes, int timeout_ms)
{
    if (p == NULL) {
        return HULSE_INVAL;
    }
    const uint64_t len = hulse_record_bytes(max_bytes, 0);
    if (max_bytes > p->handle.bytes_max || len > p->handle.channel->record_max) {
        return hulse_handle_refuse(&p->handle, HULSE_TOOBIG, "no claim of this size is possible");
    }
    return hulse_producer_await(p, hulse_record_stride(len), timeout_ms);
}

/* Failures since the last call. The caller has seen up_head, which the counter precedes. */
static uint64_t take_failures(struct hulse_channel *ch)
{
    /* Relaxed because the acquire of up_head ordered it. */
    const uint64_t now =
        atomic_load_explicit(&ch->bw->stats[HULSE_STAT_FAILED], memory_order_relaxed);
    const uint64_t failed = now - ch->failed_seen + ch->failed_kept;

    ch->failed_seen = now;
    ch->failed_kept = 0;
    return failed;
}

hulse_status hulse_sync(hulse_producer *p, int timeout_ms, uint64_t *failed)
{
    if (p == NULL) {
        return HULSE_INVAL;
    }
    struct hulse_channel *ch = p->handle.channel;
    struct wish w = {.p = p, .bytes = hulse_ring_capacity(ch->tx.mask)};
    const hulse_status st = wait_for(&w, verdicts_ready, timeout_ms);

    if (failed != NULL) {
        *failed = 0;
    }
    if (st != HULSE_OK) {
        return st;
    }
    const uint64_t count = take_failures(ch);
    if (failed != NULL) {
        *failed = count;
    }
    return count == 0 ? HULSE_OK
                      : hulse_handle_refuse(&p->handle,
                                            HULSE_FAILED,
                                            "some messages failed: the receipts say which");
}

hulse_status hulse_producer_settle(hulse_producer *p, int timeout_ms)
{
    struct hulse_channel *ch = p->handle.channel;
    struct wish w = {.p = p, .bytes = hulse_ring_capacity(ch->tx.mask)};
    const hulse_status st = wait_for(&w, closing_ready, timeout_ms);

    if (st != HULSE_OK) {
        return st;
    }
    return take_failures(ch) == 0 ? HULSE_OK : HULSE_FAILED;
}
