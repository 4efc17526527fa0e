/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict - ack, nack, retry, reject, drop: records in the consumer's up ring.
 *
 * Threads: the consumer's.
 */
#include "shmlib/client/consumer.h"
#include "shmlib/ring/tlv.h"

#include <string.h>

/* What distinguishes one verdict from another. */
struct shape {
    enum hulse_verdict verdict;
    uint8_t how;
    uint16_t reason_code;
    uint32_t delay_ms;
    const char *reason;
    size_t reason_bytes;
};

static hulse_status judge(hulse_consumer *c, const struct hulse_id *id, const struct shape *v)
{
    struct hulse_handle *h = &c->handle;
    const hulse_status st = hulse_handle_status(h);

    if (st != HULSE_OK && st != HULSE_ORPHAN && st != HULSE_REFUSED) {
        return st;
    }
    if (id == NULL || id->size < sizeof(*id)) {
        return hulse_handle_refuse(h, HULSE_INVAL, "a verdict needs the id of a delivered message");
    }
    if (c->type == HULSE_READER) {
        return hulse_handle_refuse(h, HULSE_INVAL, "a reader gives no verdicts");
    }
    if ((v->how & HULSE_HOW_CUMULATIVE) != 0 &&
        (c->type == HULSE_SHARED || c->type == HULSE_KEY_SHARED)) {
        return hulse_handle_refuse(
            h, HULSE_INVAL, "no cumulative acknowledgement on a shared subscription");
    }
    if (v->reason_bytes > HULSE_REASON_BYTES_MAX ||
        !hulse_utf8_valid((const uint8_t *)v->reason, v->reason_bytes)) {
        return hulse_handle_refuse(h, HULSE_INVAL, "a reason is UTF-8 of at most 256 bytes");
    }
    /* Relaxed because the word stands alone. */
    if ((atomic_load_explicit(&c->verdicts, memory_order_relaxed) & (1U << v->verdict)) == 0) {
        return hulse_handle_refuse(
            h, HULSE_NOT_CONFIGURED, "this topic is not configured for that verdict");
    }
    return HULSE_OK;
}

static void write_record(hulse_consumer *c, const struct hulse_id *id, const struct shape *v)
{
    struct hulse_channel *ch = c->handle.channel;
    uint8_t *at = hulse_ring_tx_at(&ch->tx, ch->tx.tail);
    const size_t meta = v->reason_bytes == 0 ? 0 : HULSE_TLV_HEADER_BYTES + v->reason_bytes;
    size_t used = 0;
    struct hulse_verdict_record record = {
        .len = (uint32_t)(HULSE_VERDICT_HEADER_BYTES + meta),
        .type = HULSE_RECORD_VERDICT,
        .meta_len = (uint16_t)meta,
        .ref = id->ref,
        .ledger = id->ledger,
        .entry = id->entry,
        .batch = id->batch,
        .source = id->source,
        .partition = id->partition,
        .verdict = (uint8_t)v->verdict,
        .how = v->how,
        .delay_ms = v->delay_ms,
        .reason_code = v->reason_code,
        .batch_size = id->batch_size,
    };
    hulse_unacked_address(c, id, &record);
    memcpy(at, &record, sizeof(record));
    if (meta != 0) {
        const struct hulse_tlv reason = {.tag = HULSE_TAG_REASON,
                                         .bytes = (uint16_t)v->reason_bytes,
                                         .value = (const uint8_t *)v->reason};
        (void)hulse_tlv_put(at + HULSE_VERDICT_HEADER_BYTES, meta, &used, &reason);
    }
    hulse_ring_tx_commit(&ch->tx, hulse_record_stride(HULSE_VERDICT_HEADER_BYTES + meta));
    hulse_unacked_judge(c, id, &record, ch->tx.tail);
}

static hulse_status give(hulse_consumer *c, const struct hulse_id *id, const struct shape *v)
{
    if (c == NULL) {
        return HULSE_INVAL;
    }
    struct hulse_channel *ch = c->handle.channel;
    const uint64_t bytes =
        hulse_record_stride(HULSE_VERDICT_HEADER_BYTES + HULSE_TLV_HEADER_BYTES + v->reason_bytes);
    hulse_status st = judge(c, id, v);
    if (st != HULSE_OK) {
        return st;
    }
    st = hulse_channel_room(ch, bytes);
    if (st == HULSE_AGAIN) {
        hulse_channel_flush(ch);
        ch->room_wanted = bytes;
        hulse_channel_look(ch, hulse_clock_ns(CLOCK_MONOTONIC_COARSE));
        const hulse_status gone = hulse_handle_status(&c->handle);
        return gone != HULSE_OK && gone != HULSE_ORPHAN
                   ? gone
                   : hulse_handle_refuse(
                         &c->handle, st, "the verdict ring is full: try after a poll");
    }
    if (st != HULSE_OK) {
        return hulse_handle_status(&c->handle);
    }
    write_record(c, id, v);
    ch->pending += 1;
    if (ch->pending >= ch->flush_records) {
        hulse_channel_publish(ch);
    }
    return HULSE_OK;
}

hulse_status hulse_ack(hulse_consumer *c, const struct hulse_id *id)
{
    return give(c, id, &(struct shape){.verdict = HULSE_VERDICT_ACK});
}

hulse_status hulse_ack_cumulative(hulse_consumer *c, const struct hulse_id *id)
{
    return give(c, id, &(struct shape){.verdict = HULSE_VERDICT_ACK, .how = HULSE_HOW_CUMULATIVE});
}

hulse_status hulse_nack(hulse_consumer *c, const struct hulse_id *id, uint32_t delay_ms)
{
    return give(c, id, &(struct shape){.verdict = HULSE_VERDICT_NACK, .delay_ms = delay_ms});
}

hulse_status hulse_retry(hulse_consumer *c, const struct hulse_id *id, uint32_t delay_ms)
{
    return give(c, id, &(struct shape){.verdict = HULSE_VERDICT_RETRY, .delay_ms = delay_ms});
}

hulse_status
hulse_reject(hulse_consumer *c, const struct hulse_id *id, uint16_t reason_code, const char *reason)
{
    return give(
        c,
        id,
        &(struct shape){
            .verdict = HULSE_VERDICT_REJECT,
            .reason_code = reason_code,
            .reason = reason,
            .reason_bytes = reason == NULL ? 0 : strnlen(reason, HULSE_REASON_BYTES_MAX + 1),
        });
}

hulse_status hulse_drop(hulse_consumer *c, const struct hulse_id *id)
{
    return give(c, id, &(struct shape){.verdict = HULSE_VERDICT_DROP});
}
