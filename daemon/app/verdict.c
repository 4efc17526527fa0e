/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict - what an app says about its deliveries, from its up ring to flow.
 *
 * Trust: a verdict names a slot, its generation and the message; all must equal the private
 *        record, else it is ignored and counted (V13). A malformed record closes the session.
 */
#include "daemon/app/internal.h"
#include "daemon/core/assert.h"
#include "shmlib/ring/tlv.h"

/* The slot a verdict speaks of, or SLOT_NONE. */
static uint32_t match(const struct channel *ch, const struct hulse_verdict_record *v)
{
    const uint64_t index = v->ref & UINT32_MAX;
    if (index >= ch->slot_count) {
        return SLOT_NONE;
    }
    const struct slot *slot = &ch->slot_table[index];
    if (slot->delivery == NULL || slot->end == 0 || slot->generation != v->ref >> 32) {
        return SLOT_NONE;
    }
    const struct broker_id *id = &slot->delivery->id;
    const bool same = v->source == slot->delivery->source && v->partition == id->partition &&
                      v->ledger == id->ledger && v->entry == id->entry && v->batch == id->batch;
    return same ? (uint32_t)index : SLOT_NONE;
}

void hulse_deliver_ended(void *ctx, struct broker_delivery *d)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    struct channel *ch = h->channel;
    const uint32_t index = (uint32_t)d->slot;
    if (ch->slot_table[index].end == 0) {
        hulse_waiting_remove(ch, index);
    }
    hulse_slot_free(ch, index);
}

static void
apply(struct plane *p, struct channel *ch, const struct hulse_verdict_record *v, uint32_t index)
{
    struct subscriber *s = ch->consumer->subscriber;
    struct broker_delivery *d = ch->slot_table[index].delivery;
    if (v->verdict == HULSE_VERDICT_ACK && (v->how & HULSE_HOW_CUMULATIVE) != 0) {
        hulse_subscriber_ack_cumulative(s, d, hulse_deliver_ended);
        return;
    }
    hulse_slot_free(ch, index);
    switch (v->verdict) {
    case HULSE_VERDICT_ACK:
        hulse_subscriber_ack(s, d);
        break;
    case HULSE_VERDICT_NACK:
        hulse_subscriber_nack(
            s, d, v->delay_ms != 0 ? v->delay_ms : hulse_subscriber_backoff_ms(s, d));
        break;
    case HULSE_VERDICT_DROP:
        hulse_subscriber_drop(s, d);
        p->verdicts_dropped += 1;
        break;
    default: /* retry and reject */
        hulse_subscriber_unconfigured(s, d);
        p->verdicts_ignored += 1;
        break;
    }
}

/* Copies and judges the record at the read position. False: none, or the session is doomed. */
static bool next_verdict(struct channel *ch, struct hulse_verdict_record *v)
{
    uint64_t avail = hulse_ring_rx_ready(&ch->rx);
    if (avail == 0) {
        avail = hulse_channel_look(ch);
        if (avail == 0) {
            return false;
        }
    }
    enum hulse_rule rule = HULSE_RULE_V9;
    if (avail >= sizeof(*v)) {
        hulse_foreign_copy(v, hulse_ring_rx_at(&ch->rx, ch->rx.read), sizeof(*v));
        rule = hulse_verdict_check(v, avail);
    }
    if (rule != HULSE_RULE_NONE) {
        hulse_session_doom(ch->session, rule, "verdict record malformed");
        return false;
    }
    return true;
}

static bool reason_valid(struct channel *ch, const struct hulse_verdict_record *v)
{
    uint8_t copy[HULSE_TLV_HEADER_BYTES + HULSE_REASON_BYTES_MAX];
    const char *why = "";
    HULSE_ASSERT(v->meta_len <= sizeof(copy));
    hulse_foreign_copy(
        copy, hulse_ring_rx_at(&ch->rx, ch->rx.read + HULSE_VERDICT_HEADER_BYTES), v->meta_len);
    if (!hulse_tlv_check(copy, v->meta_len, HULSE_TLV_VERDICT, &why)) {
        hulse_session_doom(ch->session, HULSE_RULE_V12, why);
        return false;
    }
    return true;
}

static void take_by_id(struct plane *p, struct channel *ch, const struct hulse_verdict_record *v)
{
    uint64_t call = 0;
    if (hulse_by_id_apply(ch, v, &call)) {
        ch->stats[HULSE_STAT_DONE] += 1;
    } else {
        ch->stats[HULSE_STAT_FAILED] += 1;
        p->verdicts_ignored += 1;
    }
    hulse_settle_note(ch, call);
}

unsigned hulse_verdict_take(struct plane *p, struct channel *ch, unsigned budget)
{
    unsigned taken = 0;
    uint64_t bytes = 0;
    struct hulse_verdict_record v;
    while (taken < budget && next_verdict(ch, &v)) {
        if (v.meta_len != 0 && !reason_valid(ch, &v)) {
            break;
        }
        const uint64_t stride = hulse_record_stride(v.len);
        hulse_ring_rx_take(&ch->rx, stride);
        bytes += stride;
        taken += 1;
        if ((v.how & HULSE_HOW_BY_ID) != 0) {
            take_by_id(p, ch, &v);
            budget = (v.how & HULSE_HOW_CUMULATIVE) != 0 ? taken : budget; /* V15 */
            continue;
        }
        const uint32_t index = match(ch, &v);
        if (index == SLOT_NONE) {
            ch->stats[HULSE_STAT_FAILED] += 1;
            p->verdicts_ignored += 1;
            hulse_settle_note(ch, 0);
            continue;
        }
        apply(p, ch, &v, index);
        hulse_settle_note(ch, hulse_subscriber_calls(ch->consumer->subscriber));
        ch->stats[HULSE_STAT_DONE] += 1;
    }
    if (taken > 0) {
        ch->stats[HULSE_STAT_TAKEN_RECORDS] += taken;
        ch->stats[HULSE_STAT_TAKEN_BYTES] += bytes;
        hulse_plane_touch(p, ch);
    }
    return taken;
}
