/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish_channel - records from an app's ring to flow, receipts back, ring space released.
 *
 * A record is taken only if a receipt slot is left for it, so receipts cannot overflow. Answers
 * may come in any order; receipts and ring space leave in ring order, but for channels that release
 * on read: their ring space leaves when it is read, their receipts as the answers come.
 */
#include "daemon/app/publish_channel.h"

#include "daemon/app/assembly.h"
#include "daemon/app/channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/lost.h"
#include "daemon/app/metadata.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "shmlib/ring/tlv.h"

#define NS_PER_MS UINT64_C(1000000)
/* Ring bytes of a fragment besides its piece of the message: headers and padding. */
#define FRAGMENT_OVERHEAD                                                                          \
    ((uint64_t)HULSE_PUBLISH_HEADER_BYTES + HULSE_FRAGMENT_HEADER_BYTES + HULSE_RECORD_ALIGN)

static uint64_t in_flight(const struct channel *ch)
{
    return ch->taken - ch->finished;
}

static bool posts_receipts(const struct channel *ch)
{
    return ch->receipt_mode != HULSE_RECEIPT_MODE_NONE && ch->state != CHANNEL_DRAIN && !ch->mute;
}

static uint64_t unread_receipts(const struct channel *ch)
{
    return (ch->tx.tail - ch->tx.head_seen) / HULSE_RECEIPT_BYTES;
}

bool hulse_publish_has_room(struct channel *ch)
{
    if (!posts_receipts(ch)) {
        return in_flight(ch) < ch->slots;
    }
    if (in_flight(ch) + unread_receipts(ch) < ch->slots) {
        return true;
    }
    if (hulse_ring_tx_refresh(&ch->tx) != HULSE_RING_OK ||
        ch->tx.head_seen % HULSE_RECEIPT_BYTES != 0) {
        hulse_session_doom(ch->session, HULSE_RULE_V7, "down_head out of range");
        return false;
    }
    return in_flight(ch) + unread_receipts(ch) < ch->slots;
}

/*
 * Two ways to number entries. In ring order: by a position that rises, and what is finished waits
 * for what came before it. A channel that releases on read owes no order, and one record that the
 * broker keeps must not hold up the rest: by index, from a free list.
 */
static struct inflight *entry_at(const struct channel *ch, uint64_t token)
{
    return &ch->inflight[token & (ch->slots - 1)];
}

void hulse_publish_entries_init(struct channel *ch)
{
    for (uint32_t i = 0; i < ch->slots; i++) {
        ch->inflight[i].handle = i + 1;
    }
    ch->entry_free = 0;
}

/* Adds an entry for the record that ends at the read position; outcome 0 awaits an answer. */
static struct inflight *
entry_add(struct channel *ch, uint64_t token, uint32_t handle, uint64_t *number)
{
    HULSE_ASSERT(in_flight(ch) < ch->slots);
    *number = ch->release_on_read ? ch->entry_free : ch->taken;
    struct inflight *e = entry_at(ch, *number);
    ch->entry_free = e->handle; /* means nothing in ring order */
    e->end = ch->rx.read;
    e->token = token;
    e->handle = handle;
    e->outcome = 0;
    e->silent = false;
    e->has_id = false;
    ch->taken += 1;
    ch->session->plane->in_flight += 1;
    return e;
}

/* The last one added, of a record that nobody has taken. */
static void entry_undo(struct channel *ch, uint64_t number)
{
    struct inflight *e = entry_at(ch, number);

    e->handle = ch->entry_free; /* means nothing in ring order */
    ch->entry_free = (uint32_t)(e - ch->inflight);
    ch->taken -= 1;
    ch->session->plane->in_flight -= 1;
}

static void post_receipt(struct plane *p, struct channel *ch, const struct inflight *e)
{
    /* Straight into the ring: a copy of fields just stored would wait for each of them. */
    uint8_t *at = hulse_ring_tx_at(&ch->tx, ch->tx.tail);
    *(struct hulse_receipt_record *)(void *)at = (struct hulse_receipt_record){
        .token = e->token,
        .ledger = e->has_id ? e->ledger : HULSE_NO_LEDGER,
        .entry = e->has_id ? e->entry : e->end,
        .batch = e->has_id ? e->batch : -1,
        .status = e->outcome,
        .partition = e->has_id ? e->partition : 0,
    };
    hulse_ring_tx_commit(&ch->tx, HULSE_RECEIPT_BYTES);
    ch->stats[HULSE_STAT_POSTED_RECORDS] += 1;
    ch->stats[HULSE_STAT_POSTED_BYTES] += HULSE_RECEIPT_BYTES;
    p->receipts_posted += 1;
}

static bool good(uint8_t outcome)
{
    return outcome == HULSE_OUTCOME_STORED || outcome == HULSE_OUTCOME_SPOOLED;
}

/* The entry has its outcome: counted, and told if the app wants to hear of it. */
static void settle(struct plane *p, struct channel *ch, const struct inflight *e, bool post)
{
    const bool ok = good(e->outcome);

    if (e->silent) {
        return;
    }
    ch->stats[ok ? HULSE_STAT_DONE : HULSE_STAT_FAILED] += 1;
    if (!ok && ch->state == CHANNEL_DRAIN) {
        hulse_lost_add(ch, e->handle, 1);
    }
    if (post && (!ok || ch->receipt_mode == HULSE_RECEIPT_MODE_FULL)) {
        post_receipt(p, ch, e);
    }
}

/* Release on read: finished as soon as it is answered. */
static void settle_at_once(struct channel *ch, struct inflight *e)
{
    settle(ch->session->plane, ch, e, posts_receipts(ch));
    e->handle = ch->entry_free;
    ch->entry_free = (uint32_t)(e - ch->inflight);
    ch->finished += 1;
    ch->session->plane->in_flight -= 1;
}

/*
 * A record that was offered may have been stored by the daemon before: a refusal says nothing of that.
 */
static uint8_t certain(const struct channel *ch, const struct inflight *e, uint8_t outcome)
{
    switch (outcome) {
    case HULSE_OUTCOME_STORED:
    case HULSE_OUTCOME_SPOOLED:
    case HULSE_OUTCOME_DEAD_LETTERED:
    case HULSE_OUTCOME_INTERRUPTED:
    case HULSE_OUTCOME_DROPPED:
        return outcome;
    default:
        return e->end <= ch->offered_end ? (uint8_t)HULSE_OUTCOME_FAILED_UNKNOWN : outcome;
    }
}

void hulse_publish_answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    struct channel *ch = h->channel;
    HULSE_ASSERT(ch->release_on_read ? token < ch->slots : token - ch->finished < in_flight(ch));

    struct inflight *e = entry_at(ch, token);
    HULSE_ASSERT(e->outcome == 0);
    HULSE_ASSERT(h->in_flight > 0);
    h->in_flight -= 1;
    e->outcome = certain(
        ch, e, answer->outcome != 0 ? answer->outcome : (uint8_t)HULSE_OUTCOME_FAILED_UNKNOWN);
    e->has_id = answer->has_id;
    if (answer->has_id) {
        e->ledger = answer->id.ledger;
        e->entry = answer->id.entry;
        e->batch = answer->id.batch;
        e->partition = answer->id.partition;
    }
    if (ch->release_on_read) {
        settle_at_once(ch, e);
    }
    hulse_plane_touch(ch->session->plane, ch);
}

/* What is finished from the oldest on; the ring position behind it. */
static uint64_t release_prefix(struct plane *p, struct channel *ch)
{
    const uint64_t before = ch->finished;
    const bool post = posts_receipts(ch);
    uint64_t end = ch->rx.released;

    while (ch->finished != ch->taken) {
        const struct inflight *e = entry_at(ch, ch->finished);
        if (e->outcome == 0) {
            break;
        }
        settle(p, ch, e, post);
        end = e->end;
        ch->finished += 1;
    }
    p->in_flight -= ch->finished - before;
    if (ch->finished == ch->taken) {
        /* Nothing refers to an entry: begin again at the first, which is still in the cache. */
        ch->taken = 0;
        ch->finished = 0;
    }
    return end;
}

void hulse_publish_release(struct plane *p, struct channel *ch)
{
    /* Announced at the flush, behind the receipts (M5 before M3). */
    ch->rx.released = ch->release_on_read ? ch->rx.read : release_prefix(p, ch);
}

/* An entry that has its outcome from the start. */
static void
finished_entry(struct channel *ch, uint64_t token, uint32_t handle, uint8_t outcome, bool silent)
{
    uint64_t number = 0;
    struct inflight *e = entry_add(ch, token, handle, &number);
    e->outcome = certain(ch, e, outcome);
    e->silent = silent;
    if (ch->release_on_read) {
        settle_at_once(ch, e);
    }
}

static void refuse(struct channel *ch, uint64_t token, uint32_t handle, uint8_t outcome)
{
    finished_entry(ch, token, handle, outcome, false);
}

static void silent(struct channel *ch)
{
    finished_entry(ch, 0, 0, HULSE_OUTCOME_STORED, true);
}

/* What became of the record at the read position. */
enum taking {
    TAKEN,
    LEFT, /* in the ring, until the broker has memory for it */
    DOOMED
};

/* Hands one whole message to flow; its entry is made. False: there is no memory for it. */
static bool send_message(struct channel *ch,
                         struct handle *h,
                         const struct hulse_publish_header *hdr,
                         struct broker_span payload,
                         const struct broker_meta *meta)
{
    uint64_t token = 0;
    (void)entry_add(ch, hdr->token, hdr->handle, &token);
    h->in_flight += 1;
    const struct broker_record r = {
        .payload = payload,
        .meta = meta,
        .seq = hdr->seq,
        .enqueued_ns = hdr->enqueued_ns,
        .token = token,
        .alone = (hdr->flags & HULSE_RECORD_NO_BATCH) != 0,
    };
    if (!hulse_publisher_publish(h->publisher, &r)) {
        h->in_flight -= 1;
        entry_undo(ch, token);
        return false;
    }
    return true;
}

/* Copies and judges a record's metadata (V12) into plane.meta. False: the session is doomed. */
static bool copy_meta(struct plane *p,
                      struct channel *ch,
                      const struct hulse_publish_header *hdr,
                      const uint8_t *record)
{
    const char *why = "";
    hulse_foreign_copy(p->meta, record + hdr->len - hdr->meta_len, hdr->meta_len);
    if (!hulse_tlv_check(p->meta, hdr->meta_len, HULSE_TLV_PUBLISH, &why)) {
        hulse_session_doom(ch->session, HULSE_RULE_V12, why);
        return false;
    }
    struct hulse_tlv t;
    if ((ch->session->features & HULSE_FEATURE_REPLICATION) == 0 &&
        hulse_tlv_find(p->meta, hdr->meta_len, HULSE_TAG_REPLICATE_TO, &t)) {
        hulse_session_doom(ch->session, HULSE_RULE_V12, "clusters without their feature");
        return false;
    }
    return true;
}

/* The last fragment has come: the message is sent, or refused with one receipt. False: it waits for memory. */
static bool finish_assembly(struct plane *p,
                            struct channel *ch,
                            struct handle *h,
                            const struct hulse_publish_header *hdr)
{
    struct assembly *as = &ch->assembly;
    if (as->refuse != 0) {
        refuse(ch, hdr->token, hdr->handle, as->refuse);
    } else if (h->failed) {
        refuse(ch, hdr->token, hdr->handle, h->refusal);
    } else {
        struct broker_meta meta;
        const bool has_meta = as->meta_bytes != 0;
        if (has_meta) {
            hulse_metadata_in(as->data + as->total, as->meta_bytes, p->properties, &meta);
        }
        const struct broker_span payload = {.data = as->data, .bytes = (uint32_t)as->total};
        as->whole = !send_message(ch, h, hdr, payload, has_meta ? &meta : NULL);
        if (as->whole) {
            return false;
        }
    }
    hulse_assembly_reset(as);
    return true;
}

/* Its first fragment is left in the ring: for as long as a message may be without an answer. */
static bool waits_for_memory(const struct plane *p,
                             const struct channel *ch,
                             const struct handle *h,
                             const struct hulse_publish_header *hdr,
                             const uint8_t *payload)
{
    if (ch->release_on_read || h->failed || h->publisher == NULL ||
        !hulse_assembly_must_wait(hdr, payload, h->bytes_max)) {
        return false;
    }
    const uint64_t timeout_ns = hulse_publisher_send_timeout_ms(h->publisher) * NS_PER_MS;
    const uint64_t now_ns = p->worker->loop.now_ns;
    return timeout_ns == 0 || now_ns < hdr->enqueued_ns || now_ns - hdr->enqueued_ns < timeout_ns;
}

static enum taking take_fragment(struct plane *p,
                                 struct channel *ch,
                                 struct handle *h,
                                 const struct hulse_publish_header *hdr,
                                 bool cut)
{
    const uint8_t *record = hulse_ring_rx_at(&ch->rx, ch->rx.read - hulse_record_stride(hdr->len));
    struct assembly *as = &ch->assembly;
    if (as->whole) {
        return finish_assembly(p, ch, h, hdr) ? TAKEN : LEFT;
    }
    ch->hungry =
        !as->active && waits_for_memory(p, ch, h, hdr, record + HULSE_PUBLISH_HEADER_BYTES);
    if (ch->hungry) {
        return LEFT;
    }
    if (hdr->meta_len != 0 && !copy_meta(p, ch, hdr, record)) {
        return DOOMED;
    }
    if (cut && !as->active) {
        hulse_assembly_tail(as, hdr, record + HULSE_PUBLISH_HEADER_BYTES);
    }
    switch (
        hulse_assembly_add(as, hdr, record + HULSE_PUBLISH_HEADER_BYTES, p->meta, h->bytes_max)) {
    case ASSEMBLY_BAD:
        hulse_session_doom(ch->session, HULSE_RULE_V10, "fragments out of order or inconsistent");
        return DOOMED;
    case ASSEMBLY_WHOLE:
        return finish_assembly(p, ch, h, hdr) ? TAKEN : LEFT;
    case ASSEMBLY_MORE:
        break;
    }
    /* Inner fragments are released with the last, unless the message exceeds the ring. */
    if (as->total + as->meta_bytes + as->count * FRAGMENT_OVERHEAD >
        hulse_ring_capacity(ch->rx.mask)) {
        silent(ch);
    }
    return TAKEN;
}

/* The record that ends at the read position was in the ring when it was offered. */
static bool before_this_session(const struct channel *ch)
{
    return ch->rx.read <= ch->offered_end;
}

/* Handles the record that ends at the read position, whose header is checked. */
static enum taking
handle_record(struct plane *p, struct channel *ch, const struct hulse_publish_header *hdr)
{
    const uint8_t *record = hulse_ring_rx_at(&ch->rx, ch->rx.read - hulse_record_stride(hdr->len));
    const bool cut = ch->may_cut;
    ch->may_cut = false;
    if (hdr->type == HULSE_RECORD_SKIP) {
        silent(ch);
        return TAKEN;
    }
    struct handle *h = hulse_handle_find(ch->session, hdr->handle, p->shared->limits.handles_max);
    if (ch->assembly.active && ch->assembly.handle != hdr->handle) {
        /* The app has closed the producer that was half way through a message. */
        hulse_assembly_reset(&ch->assembly);
    }
    if (before_this_session(ch) && (h == NULL || h->channel != ch || !h->offered)) {
        /* Its producer was closed while no daemon was there; the number may be another's by now. */
        if (hdr->type == HULSE_RECORD_FRAGMENT && (hdr->flags & HULSE_RECORD_LAST) == 0) {
            silent(ch);
        } else {
            refuse(ch, hdr->token, hdr->handle, HULSE_OUTCOME_FAILED_UNKNOWN);
        }
        return TAKEN;
    }
    if (h == NULL || h->channel != ch || h->state == HANDLE_OPENING) {
        hulse_session_doom(ch->session, HULSE_RULE_V11, "no such handle on this channel");
        return DOOMED;
    }
    if (hdr->type == HULSE_RECORD_FRAGMENT) {
        return take_fragment(p, ch, h, hdr, cut);
    }
    if (ch->assembly.active) {
        hulse_session_doom(ch->session, HULSE_RULE_V10, "a message between fragments");
        return DOOMED;
    }
    if (h->failed) {
        refuse(ch, hdr->token, hdr->handle, h->refusal);
        return TAKEN;
    }
    struct broker_meta meta;
    const bool has_meta = hdr->meta_len != 0;
    if (has_meta) {
        if (!copy_meta(p, ch, hdr, record)) {
            return DOOMED;
        }
        hulse_metadata_in(p->meta, hdr->meta_len, p->properties, &meta);
    }
    const struct broker_span payload = {.data = record + HULSE_PUBLISH_HEADER_BYTES,
                                        .bytes = hdr->payload_len};
    return send_message(ch, h, hdr, payload, has_meta ? &meta : NULL) ? TAKEN : LEFT;
}

/* Entries end at the read position, so it moves first; what is left there is read again. */
static enum taking
take_record(struct plane *p, struct channel *ch, const struct hulse_publish_header *hdr)
{
    const uint64_t before = ch->rx.read;

    hulse_ring_rx_take(&ch->rx, hulse_record_stride(hdr->len));
    const enum taking done = handle_record(p, ch, hdr);
    if (done == LEFT) {
        ch->rx.read = before;
    }
    return done;
}

/* True when a header could be copied and is good; ends the visit otherwise. */
static bool next_header(struct channel *ch, struct hulse_publish_header *hdr)
{
    uint64_t avail = hulse_ring_rx_ready(&ch->rx);
    if (avail == 0) {
        avail = hulse_channel_look(ch);
        if (avail == 0) {
            return false;
        }
    }
    enum hulse_rule rule = HULSE_RULE_V9;
    if (avail >= HULSE_PUBLISH_HEADER_BYTES) {
        hulse_foreign_copy(hdr, hulse_ring_rx_at(&ch->rx, ch->rx.read), sizeof(*hdr));
        rule = hulse_publish_check(hdr, avail, ch->max_record);
    }
    if (rule != HULSE_RULE_NONE) {
        hulse_session_doom(ch->session, rule, "publish record malformed");
        return false;
    }
    return true;
}

void hulse_publish_lost(struct channel *ch)
{
    if (ch->release_on_read) {
        return; /* whatever has an outcome has been settled */
    }
    for (uint64_t i = ch->finished; i != ch->taken; i++) {
        const struct inflight *e = entry_at(ch, i);
        if (e->outcome != 0 && !e->silent && !good(e->outcome)) {
            hulse_lost_add(ch, e->handle, 1);
        }
    }
}

/* The broker of the record's producer has enough: the record stays in the ring, and what is behind it too. */
static bool must_wait(const struct plane *p, const struct channel *ch, uint32_t handle)
{
    const struct handle *h = hulse_handle_find(ch->session, handle, p->shared->limits.handles_max);
    return h != NULL && h->channel == ch && h->publisher != NULL && h->state != HANDLE_OPENING &&
           !h->failed && hulse_publisher_busy(h->publisher);
}

static void block(struct plane *p, struct channel *ch, bool broker)
{
    ch->waits_broker = broker;
    if (!ch->session->doomed && !ch->blocked) {
        ch->blocked = true;
        ch->stats[HULSE_STAT_STALLS] += 1;
        hulse_plane_touch(p, ch);
    }
}

unsigned hulse_publish_visit(struct plane *p, struct channel *ch)
{
    unsigned records = 0;
    uint64_t bytes = 0;
    ch->deficit += HULSE_VISIT_BYTES;
    if (ch->deficit > HULSE_VISIT_BYTES) {
        ch->deficit = HULSE_VISIT_BYTES;
    }
    while (records < HULSE_VISIT_RECORDS && ch->deficit > 0) {
        /* One slot is kept for the record itself. */
        if (!hulse_publish_has_room(ch)) {
            block(p, ch, false);
            break;
        }
        struct hulse_publish_header hdr;
        if (!next_header(ch, &hdr)) {
            ch->blocked = false;
            break;
        }
        if (hdr.type != HULSE_RECORD_SKIP && must_wait(p, ch, hdr.handle)) {
            block(p, ch, true);
            break;
        }
        const enum taking done = take_record(p, ch, &hdr);
        if (done == LEFT) {
            block(p, ch, true);
            break;
        }
        ch->blocked = false;
        if (done == DOOMED) {
            break;
        }
        const uint64_t stride = hulse_record_stride(hdr.len);
        ch->deficit -= (int64_t)stride;
        bytes += stride;
        records += 1;
    }
    if (records > 0) {
        ch->stats[HULSE_STAT_TAKEN_RECORDS] += records;
        ch->stats[HULSE_STAT_TAKEN_BYTES] += bytes;
        p->records_taken += records;
        p->bytes_taken += bytes;
        hulse_plane_touch(p, ch);
    }
    return records;
}
