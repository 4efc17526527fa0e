/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict - what an app says about its deliveries, from its up ring to flow.
 *
 * Trust: a verdict names a slot, its generation and the message; all must equal the private
 *        record, else it is ignored and counted (V13). A malformed record closes the session.
 */
#include "daemon/app/verdict.h"

#include "daemon/app/by_id.h"
#include "daemon/app/channel.h"
#include "daemon/app/deliver_channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/session.h"
#include "daemon/app/settle.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "shmlib/ring/tlv.h"

/* A record and, of a rejection, the reason in it. */
struct verdict {
    struct hulse_verdict_record record;
    struct broker_span reason;
    uint8_t meta[HULSE_TLV_HEADER_BYTES + HULSE_REASON_BYTES_MAX];
};

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

/*
 * Each of the channel's up to that one by itself: what is on its way to another topic lies before it and is not
 * acknowledged until it is there. What came and went again, refused, comes again.
 */
static void ack_each(struct channel *ch, const struct broker_id *last, uint32_t source)
{
    for (uint32_t i = 0; i < ch->slot_count && ch->slots_used > 0; i++) {
        struct broker_delivery *d = ch->slot_table[i].delivery;
        if (d != NULL && hulse_by_id_up_to(d, last, source)) {
            hulse_deliver_ended(ch->consumer, d);
            hulse_subscriber_ack(ch->consumer->subscriber, d);
        }
    }
}

/* A cumulative acknowledgement that must leave some out. False: it is none. */
static bool apply_all(struct channel *ch, const struct hulse_verdict_record *v, uint32_t index)
{
    const struct broker_id last = ch->slot_table[index].delivery->id;
    const bool all = v->verdict == HULSE_VERDICT_ACK && (v->how & HULSE_HOW_CUMULATIVE) != 0 &&
                     hulse_subscriber_clamps(ch->consumer->subscriber, &last, v->source);
    if (all) {
        ack_each(ch, &last, v->source);
    }
    return all;
}

static void apply(struct plane *p, struct channel *ch, const struct verdict *given, uint32_t index)
{
    const struct hulse_verdict_record *v = &given->record;
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
    case HULSE_VERDICT_REJECT:
        if ((hulse_subscriber_verdicts(s) & (1U << HULSE_VERDICT_REJECT)) == 0) {
            p->verdicts_ignored += 1;
        }
        hulse_subscriber_reject(s, d, v->reason_code, given->reason);
        break;
    default: /* retry */
        if ((hulse_subscriber_verdicts(s) & (1U << HULSE_VERDICT_RETRY)) == 0) {
            p->verdicts_ignored += 1;
        }
        hulse_subscriber_retry(s, d, v->delay_ms);
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

/* False: the session is doomed. */
static bool read_reason(struct channel *ch, struct verdict *given)
{
    const uint16_t bytes = given->record.meta_len;
    const char *why = "";
    struct hulse_tlv tlv;
    HULSE_ASSERT(bytes <= sizeof(given->meta));
    hulse_foreign_copy(
        given->meta, hulse_ring_rx_at(&ch->rx, ch->rx.read + HULSE_VERDICT_HEADER_BYTES), bytes);
    if (!hulse_tlv_check(given->meta, bytes, HULSE_TLV_VERDICT, &why)) {
        hulse_session_doom(ch->session, HULSE_RULE_V12, why);
        return false;
    }
    if (hulse_tlv_find(given->meta, bytes, HULSE_TAG_REASON, &tlv)) {
        given->reason = (struct broker_span){.data = tlv.value, .bytes = tlv.bytes};
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
    struct verdict given;
    const struct hulse_verdict_record *v = &given.record;
    while (taken < budget && next_verdict(ch, &given.record)) {
        given.reason = (struct broker_span){0};
        if (v->meta_len != 0 && !read_reason(ch, &given)) {
            break;
        }
        const uint64_t stride = hulse_record_stride(v->len);
        hulse_ring_rx_take(&ch->rx, stride);
        bytes += stride;
        taken += 1;
        if ((v->how & HULSE_HOW_BY_ID) != 0) {
            take_by_id(p, ch, v);
            budget = (v->how & HULSE_HOW_CUMULATIVE) != 0 ? taken : budget; /* V15 */
            continue;
        }
        const uint32_t index = match(ch, v);
        if (index == SLOT_NONE) {
            ch->stats[HULSE_STAT_FAILED] += 1;
            p->verdicts_ignored += 1;
            hulse_settle_note(ch, 0);
            continue;
        }
        if (apply_all(ch, v, index)) {
            budget = taken; /* V15 */
        } else {
            apply(p, ch, &given, index);
        }
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
