/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish_channel - records from an app's ring to flow, receipts back, ring space released.
 *
 * A record is taken only if a receipt slot is left for it, so receipts cannot overflow. Answers
 * may come in any order; receipts and ring space leave in ring order.
 */
#include "daemon/app/internal.h"
#include "daemon/core/assert.h"
#include "shmlib/ring/tlv.h"

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

static struct inflight *entry_at(const struct channel *ch, uint64_t position)
{
    return &ch->inflight[position & (ch->slots - 1)];
}

/* Appends an entry that ends at the current read position; outcome 0 awaits an answer. */
static struct inflight *entry_add(struct channel *ch, uint64_t token, uint32_t handle)
{
    HULSE_ASSERT(in_flight(ch) < ch->slots);
    struct inflight *e = entry_at(ch, ch->taken);
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

void hulse_publish_answered(void *ctx, uint64_t token, const struct broker_answer *answer)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    struct channel *ch = h->channel;
    HULSE_ASSERT(token - ch->finished < in_flight(ch));

    struct inflight *e = entry_at(ch, token);
    HULSE_ASSERT(e->outcome == 0);
    HULSE_ASSERT(h->in_flight > 0);
    h->in_flight -= 1;
    e->outcome = answer->outcome != 0 ? answer->outcome : (uint8_t)HULSE_OUTCOME_FAILED_UNKNOWN;
    e->has_id = answer->has_id;
    if (answer->has_id) {
        e->ledger = answer->id.ledger;
        e->entry = answer->id.entry;
        e->batch = answer->id.batch;
        e->partition = answer->id.partition;
    }
    hulse_plane_touch(ch->session->plane, ch);
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

void hulse_publish_release(struct plane *p, struct channel *ch)
{
    const uint64_t before = ch->finished;
    const bool post = posts_receipts(ch);
    uint64_t end = ch->rx.released;
    while (ch->finished != ch->taken) {
        const struct inflight *e = entry_at(ch, ch->finished);
        if (e->outcome == 0) {
            break;
        }
        if (!e->silent) {
            const bool ok = good(e->outcome);
            ch->stats[ok ? HULSE_STAT_DONE : HULSE_STAT_FAILED] += 1;
            if (post && (!ok || ch->receipt_mode == HULSE_RECEIPT_MODE_FULL)) {
                post_receipt(p, ch, e);
            }
        }
        end = e->end;
        ch->finished += 1;
    }
    p->in_flight -= ch->finished - before;
    if (ch->finished == ch->taken) {
        /* Nothing refers to an entry: begin again at the first, which is still in the cache. */
        ch->taken = 0;
        ch->finished = 0;
    }
    if (ch->release_on_read) {
        end = ch->rx.read;
    }
    ch->rx.released = end; /* announced at the flush, behind the receipts (M5 before M3) */
}

static void refuse(struct channel *ch, uint64_t token, uint32_t handle, uint8_t outcome)
{
    entry_add(ch, token, handle)->outcome = outcome;
}

static void silent(struct channel *ch)
{
    struct inflight *e = entry_add(ch, 0, 0);
    e->outcome = HULSE_OUTCOME_STORED;
    e->silent = true;
}

/* Hands one whole message to flow; its entry is the next. */
static void send_message(struct channel *ch,
                         struct handle *h,
                         const struct hulse_publish_header *hdr,
                         struct broker_span payload,
                         const struct broker_meta *meta)
{
    const uint64_t token = ch->taken;
    entry_add(ch, hdr->token, hdr->handle);
    h->in_flight += 1;
    const struct broker_record r = {
        .payload = payload,
        .meta = meta,
        .seq = hdr->seq,
        .enqueued_ns = hdr->enqueued_ns,
        .token = token,
        .alone = (hdr->flags & HULSE_RECORD_NO_BATCH) != 0,
    };
    hulse_publisher_publish(h->publisher, &r);
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
    return true;
}

/* The last fragment has come: the message is sent, or refused with one receipt. */
static void finish_assembly(struct plane *p,
                            struct channel *ch,
                            struct handle *h,
                            const struct hulse_publish_header *hdr)
{
    struct assembly *as = &ch->assembly;
    if (as->refuse != 0) {
        refuse(ch, hdr->token, hdr->handle, as->refuse);
    } else if (h->failed) {
        refuse(ch, hdr->token, hdr->handle, HULSE_OUTCOME_FENCED);
    } else {
        struct broker_meta meta;
        const bool has_meta = as->meta_bytes != 0;
        if (has_meta) {
            hulse_metadata_in(as->data + as->total, as->meta_bytes, p->properties, &meta);
        }
        const struct broker_span payload = {.data = as->data, .bytes = (uint32_t)as->total};
        send_message(ch, h, hdr, payload, has_meta ? &meta : NULL);
    }
    hulse_assembly_reset(as);
}

/* False: the session is doomed. */
static bool take_fragment(struct plane *p,
                          struct channel *ch,
                          struct handle *h,
                          const struct hulse_publish_header *hdr,
                          const uint8_t *record)
{
    struct assembly *as = &ch->assembly;
    if (hdr->meta_len != 0 && !copy_meta(p, ch, hdr, record)) {
        return false;
    }
    const uint64_t max = p->shared->flow->message_bytes_max;
    switch (hulse_assembly_add(as, hdr, record + HULSE_PUBLISH_HEADER_BYTES, p->meta, max)) {
    case ASSEMBLY_BAD:
        hulse_session_doom(ch->session, HULSE_RULE_V10, "fragments out of order or inconsistent");
        return false;
    case ASSEMBLY_WHOLE:
        finish_assembly(p, ch, h, hdr);
        return true;
    case ASSEMBLY_MORE:
        break;
    }
    /* Inner fragments are released with the last, unless the message exceeds the ring. */
    if (as->total + as->meta_bytes + as->count * FRAGMENT_OVERHEAD >
        hulse_ring_capacity(ch->rx.mask)) {
        silent(ch);
    }
    return true;
}

/* Handles the record at the read position, whose header is checked. False: doomed. */
static bool take_record(struct plane *p, struct channel *ch, const struct hulse_publish_header *hdr)
{
    const uint8_t *record = hulse_ring_rx_at(&ch->rx, ch->rx.read);
    hulse_ring_rx_take(&ch->rx, hulse_record_stride(hdr->len));
    if (hdr->type == HULSE_RECORD_SKIP) {
        silent(ch);
        return true;
    }
    struct handle *h = hulse_handle_find(ch->session, hdr->handle, p->shared->limits.handles_max);
    if (h == NULL || h->channel != ch || h->state == HANDLE_OPENING) {
        hulse_session_doom(ch->session, HULSE_RULE_V11, "no such handle on this channel");
        return false;
    }
    if (hdr->type == HULSE_RECORD_FRAGMENT) {
        return take_fragment(p, ch, h, hdr, record);
    }
    if (ch->assembly.active) {
        hulse_session_doom(ch->session, HULSE_RULE_V10, "a message between fragments");
        return false;
    }
    if (h->failed) {
        refuse(ch, hdr->token, hdr->handle, HULSE_OUTCOME_FENCED);
        return true;
    }
    struct broker_meta meta;
    const bool has_meta = hdr->meta_len != 0;
    if (has_meta) {
        if (!copy_meta(p, ch, hdr, record)) {
            return false;
        }
        hulse_metadata_in(p->meta, hdr->meta_len, p->properties, &meta);
    }
    const struct broker_span payload = {.data = record + HULSE_PUBLISH_HEADER_BYTES,
                                        .bytes = hdr->payload_len};
    send_message(ch, h, hdr, payload, has_meta ? &meta : NULL);
    return true;
}

/* True when a header could be copied and is good; ends the visit otherwise. */
static bool next_header(struct channel *ch, struct hulse_publish_header *hdr)
{
    uint64_t avail = hulse_ring_rx_ready(&ch->rx);
    if (avail == 0) {
        if (ch->state == CHANNEL_DRAIN) {
            return false; /* hulse_channel_drain() has seen the last position that counts */
        }
        if (hulse_ring_rx_refresh(&ch->rx) != HULSE_RING_OK) {
            hulse_session_doom(ch->session, HULSE_RULE_V7, "up_tail out of range");
            return false;
        }
        avail = hulse_ring_rx_ready(&ch->rx);
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

uint64_t hulse_publish_unread(const struct channel *ch)
{
    struct hulse_ring_rx rx = ch->rx;
    struct hulse_publish_header hdr;
    uint64_t records = 0;
    while (hulse_ring_rx_ready(&rx) >= HULSE_PUBLISH_HEADER_BYTES) {
        hulse_foreign_copy(&hdr, hulse_ring_rx_at(&rx, rx.read), sizeof(hdr));
        if (hulse_publish_check(&hdr, hulse_ring_rx_ready(&rx), ch->max_record) !=
            HULSE_RULE_NONE) {
            break;
        }
        hulse_ring_rx_take(&rx, hulse_record_stride(hdr.len));
        records += 1;
    }
    return records;
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
            if (!ch->session->doomed && !ch->blocked) {
                ch->blocked = true;
                ch->stats[HULSE_STAT_STALLS] += 1;
                hulse_plane_touch(p, ch);
            }
            break;
        }
        ch->blocked = false;
        struct hulse_publish_header hdr;
        if (!next_header(ch, &hdr)) {
            break;
        }
        if (!take_record(p, ch, &hdr)) {
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
