/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer - claim, commit, abort, flush: the hot path.
 *
 * A claim touches the channel's first two lines and the handle's first; the daemon's words are
 * loaded only when the ring looks full and once per flush.
 *
 * Threads: the producer's.
 */
#include "shmlib/client/producer.h"

#include "shmlib/client/meta.h"

/* The ring looks full. */
static hulse_status explain_full(hulse_producer *p, uint64_t bytes)
{
    struct hulse_channel *ch = p->handle.channel;
    const char *why = NULL;

    ch->room_wanted = bytes;
    hulse_channel_look(ch, hulse_clock_ns(CLOCK_MONOTONIC_COARSE));
    const hulse_status st = hulse_session_status(ch->session, &why);
    if (st == HULSE_REFUSED) {
        return hulse_handle_refuse(&p->handle, st, why);
    }
    if (hulse_channel_receipts_full(ch)) {
        return hulse_handle_refuse(&p->handle,
                                   HULSE_RECEIPTS,
                                   "the ring is full because receipts are unread: call "
                                   "hulse_receipts()");
    }
    return hulse_handle_refuse(
        &p->handle,
        HULSE_AGAIN,
        st == HULSE_ORPHAN ? "the ring is full and the daemon is away: call hulse_wait_space()"
                           : "the ring is full: call hulse_wait_space(), or try after a poll");
}

hulse_status hulse_producer_reserve(hulse_producer *p, uint64_t bytes)
{
    struct hulse_channel *ch = p->handle.channel;

    if (hulse_ring_tx_room(&ch->tx) >= bytes) {
        return HULSE_OK;
    }
    const hulse_status st = hulse_channel_room(ch, bytes);
    if (st == HULSE_PROTOCOL) {
        return hulse_handle_status(&p->handle);
    }
    return st == HULSE_AGAIN ? explain_full(p, bytes) : st;
}

hulse_status hulse_producer_cut(hulse_producer *p)
{
    return hulse_handle_refuse(&p->handle,
                               HULSE_BUSY,
                               "a message larger than the ring is half published: finish it with "
                               "hulse_publish_wait() and the same arguments");
}

/* First record of a flush batch: the batch's time, and once a second a look at the daemon. */
static void begin_batch(struct hulse_channel *ch)
{
    ch->enqueued_ns = hulse_clock_ns(CLOCK_MONOTONIC_COARSE);
    hulse_channel_look(ch, ch->enqueued_ns);
}

void hulse_producer_append(hulse_producer *p, const struct hulse_record_shape *shape)
{
    struct hulse_channel *ch = p->handle.channel;
    uint8_t *at = hulse_ring_tx_at(&ch->tx, ch->tx.tail);
    const uint64_t len = hulse_record_bytes(shape->payload_bytes, shape->meta_bytes);

    if (ch->tx.tail == ch->tx.published) {
        begin_batch(ch);
    }
    *(struct hulse_publish_header *)(void *)at = (struct hulse_publish_header){
        .len = (uint32_t)len,
        .type = shape->type,
        .flags = (uint8_t)(shape->flags | (shape->meta_bytes != 0 ? HULSE_RECORD_HAS_META : 0)),
        .meta_len = (uint16_t)shape->meta_bytes,
        .seq = p->handle.seq,
        .token = shape->token,
        .handle = p->handle.number,
        .payload_len = shape->payload_bytes,
        .enqueued_ns = ch->enqueued_ns,
    };
    if (shape->meta_bytes != 0) {
        hulse_meta_write(shape->meta, at + (len - shape->meta_bytes), shape->meta_bytes);
    }
    hulse_ring_tx_commit(&ch->tx, hulse_record_stride(len));
    ch->claimant = NULL;
    ch->pending += 1;
    if (shape->type == HULSE_RECORD_MESSAGE || (shape->flags & HULSE_RECORD_LAST) != 0) {
        p->handle.seq += 1;
        if (ch->ends != NULL) {
            ch->ends[ch->ends_next & ch->ends_mask] = (uint32_t)ch->tx.tail;
            ch->ends_next += 1;
        }
    }
}

hulse_status hulse_claim(hulse_producer *p, uint32_t max_bytes, void **out)
{
    if (p == NULL || out == NULL) {
        return HULSE_INVAL;
    }
    struct hulse_channel *ch = p->handle.channel;
    const uint64_t len = hulse_record_bytes(max_bytes, 0);
    hulse_status st = hulse_producer_usable(p);

    if (st != HULSE_OK) {
        return st;
    }
    if (ch->cut_at != 0) {
        return hulse_producer_cut(p);
    }
    if (max_bytes > p->handle.bytes_max || len > ch->record_max) {
        return hulse_handle_refuse(&p->handle,
                                   HULSE_TOOBIG,
                                   "the claim exceeds half the ring or the topic's limit: use "
                                   "hulse_publish() or a larger ring");
    }
    st = hulse_producer_reserve(p, hulse_record_stride(len));
    if (st != HULSE_OK) {
        return st;
    }
    ch->claimant = p;
    ch->claim_bytes = max_bytes;
    *out = hulse_ring_tx_at(&ch->tx, ch->tx.tail) + HULSE_PUBLISH_HEADER_BYTES;
    return HULSE_OK;
}

/* Metadata of a commit: judged, measured, and room for them behind the payload. */
static hulse_status fit_meta(hulse_producer *p, struct hulse_record_shape *shape)
{
    const hulse_status st = hulse_meta_fit(
        p->handle.channel->session, shape->meta, &shape->meta_bytes, &p->handle.error);

    if (st != HULSE_OK) {
        return st;
    }
    const uint64_t len = hulse_record_bytes(shape->payload_bytes, shape->meta_bytes);
    if (len > p->handle.channel->record_max) {
        return hulse_handle_refuse(
            &p->handle, HULSE_TOOBIG, "payload and metadata exceed half the ring");
    }
    if ((shape->meta->flags & HULSE_META_NO_BATCH) != 0) {
        shape->flags |= HULSE_RECORD_NO_BATCH;
    }
    return hulse_producer_reserve(p, hulse_record_stride(len));
}

hulse_status
hulse_commit(hulse_producer *p, uint32_t bytes, const struct hulse_meta *m, uint64_t token)
{
    if (p == NULL) {
        return HULSE_INVAL;
    }
    struct hulse_channel *ch = p->handle.channel;
    struct hulse_record_shape shape = {
        .meta = m, .token = token, .payload_bytes = bytes, .type = HULSE_RECORD_MESSAGE};
    hulse_status st = hulse_producer_usable(p);

    if (st != HULSE_OK) {
        return st;
    }
    if (ch->claimant != p || bytes > ch->claim_bytes) {
        return hulse_handle_refuse(
            &p->handle, HULSE_INVAL, "a commit needs a claim of at least its size");
    }
    if (m != NULL) {
        st = fit_meta(p, &shape);
        if (st != HULSE_OK) {
            return st;
        }
    }
    hulse_producer_append(p, &shape);
    if (ch->pending >= ch->flush_records || ch->tx.tail - ch->tx.published >= ch->flush_bytes) {
        hulse_channel_publish(ch);
    }
    return HULSE_OK;
}

void hulse_abort(hulse_producer *p)
{
    if (p != NULL && p->handle.channel->claimant == p) {
        p->handle.channel->claimant = NULL;
    }
}

hulse_status hulse_flush(hulse_producer *p)
{
    if (p == NULL) {
        return HULSE_INVAL;
    }
    const hulse_status st = hulse_producer_usable(p);
    if (st == HULSE_OK) {
        hulse_channel_flush(p->handle.channel);
    }
    return st;
}
