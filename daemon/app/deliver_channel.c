/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver_channel - messages from flow into the app's down ring.
 *
 * Each delivery has a slot until its verdict. What the ring has no room for waits in a list of the
 * channel's own, within the bytes that the subscriber was told (ipc B7), and is never dropped for
 * redelivery. A message larger than a record goes as fragments while room comes up, and meanwhile the next one may come,
 * if half of the memory cap stays free; one that the app has no buffer for ends the consumer.
 */
#include "daemon/app/deliver_channel.h"

#include "daemon/app/by_id.h"
#include "daemon/app/channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/metadata.h"
#include "daemon/app/recheck.h"
#include "daemon/app/seek.h"
#include "daemon/app/session.h"
#include "daemon/app/settle.h"
#include "daemon/app/verdict.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <inttypes.h>
#include <stdio.h>

void hulse_slots_init(struct channel *ch, uint32_t count)
{
    const uint32_t all = (uint32_t)(ch->slot_bytes / sizeof(struct slot));
    ch->slot_count = count == 0 || count > all ? all : count;
    for (uint32_t i = 0; i < all; i++) {
        struct slot *slot = &ch->slot_table[i];
        slot->delivery = NULL;
        slot->end = 0;
        slot->next = i + 1 < ch->slot_count ? i + 1 : SLOT_NONE;
    }
    ch->slots_used = 0;
    ch->slot_free = 0;
    ch->waiting_first = SLOT_NONE;
    ch->waiting_last = SLOT_NONE;
    ch->waiting_bytes = 0;
    ch->fragment_at = 0;
    ch->fragment_index = 0;
    hulse_by_id_reset(ch, all);
    ch->notes = 0;
    hulse_settle_reset(ch);
}

static uint64_t slot_ref(const struct channel *ch, uint32_t index)
{
    return ((uint64_t)ch->slot_table[index].generation << 32) | index;
}

static uint64_t delivery_bytes(const struct channel *ch, const struct broker_delivery *d)
{
    return HULSE_DELIVERY_HEADER_BYTES + hulse_record_stride(d->payload.bytes) +
           hulse_record_stride(hulse_metadata_bytes(d, ch->meta_max));
}

/* Reserves ring bytes; false when there is no room or the app lied about its position. */
static bool reserve(struct channel *ch, uint64_t bytes)
{
    const enum hulse_ring_rc rc = hulse_ring_tx_reserve(&ch->tx, bytes);
    if (rc == HULSE_RING_CORRUPT) {
        hulse_session_doom(ch->session, HULSE_RULE_V7, "down_head out of range");
    }
    return rc == HULSE_RING_OK;
}

/*
 * The header at the tail, where the room is reserved, as far as it is known. Written in place: a
 * copy of fields just stored would wait for each of them.
 */
static struct hulse_delivery_header *begin_record(const struct channel *ch, uint32_t index)
{
    const struct broker_delivery *d = ch->slot_table[index].delivery;
    void *at = hulse_ring_tx_at(&ch->tx, ch->tx.tail);
    struct hulse_delivery_header *hdr = at;
    *hdr = (struct hulse_delivery_header){
        .type = HULSE_RECORD_MESSAGE,
        .flags = hulse_subscriber_is_last(d) ? HULSE_RECORD_LAST_ATTEMPT : 0,
        .ref = slot_ref(ch, index),
        .ledger = d->id.ledger,
        .entry = d->id.entry,
        .batch = d->id.batch,
        .partition = d->id.partition,
        .batch_size = d->id.batch_size,
        .handle = ch->consumer->number,
        .redelivery = d->redelivery,
        .publish_time = d->publish_time_ms,
        .source = d->source,
    };
    return hdr;
}

/* Completes the record that was begun with payload part and metadata. */
static void write_record(struct channel *ch,
                         struct hulse_delivery_header *hdr,
                         const struct hulse_fragment_header *fragment,
                         struct broker_span part,
                         const struct broker_delivery *with_meta)
{
    uint8_t *record = (uint8_t *)hdr;
    uint64_t at = HULSE_DELIVERY_HEADER_BYTES;
    if (fragment != NULL) {
        memcpy(record + at, fragment, sizeof(*fragment));
        at += sizeof(*fragment);
    }
    if (part.bytes != 0) {
        memcpy(record + at, part.data, part.bytes);
    }
    at += part.bytes;
    hdr->payload_len = (uint32_t)(at - HULSE_DELIVERY_HEADER_BYTES);
    if (with_meta != NULL && hulse_metadata_bytes(with_meta, ch->meta_max) != 0) {
        bool left_out = false;
        const uint64_t meta_at = hulse_record_stride(at);
        hdr->meta_len =
            (uint16_t)hulse_metadata_out(with_meta, record + meta_at, ch->meta_max, &left_out);
        hdr->flags |= left_out ? HULSE_RECORD_LEFT_OUT : 0;
        at = hdr->meta_len != 0 ? meta_at + hdr->meta_len : at;
    }
    hdr->len = (uint32_t)at;
    hulse_ring_tx_commit(&ch->tx, hulse_record_stride(at));
    ch->stats[HULSE_STAT_POSTED_RECORDS] += 1;
    ch->stats[HULSE_STAT_POSTED_BYTES] += at;
}

/* Writes as many fragments as there is room for; true when the last one is in the ring. */
static bool write_fragments(struct channel *ch, uint32_t index)
{
    const struct broker_delivery *d = ch->slot_table[index].delivery;
    const uint32_t piece_max =
        (uint32_t)(ch->max_record / 2) - HULSE_DELIVERY_HEADER_BYTES - HULSE_FRAGMENT_HEADER_BYTES;
    const uint32_t count = (d->payload.bytes + piece_max - 1) / piece_max;
    while (ch->fragment_index < count) {
        const bool last = ch->fragment_index + 1 == count;
        const uint64_t left = d->payload.bytes - ch->fragment_at;
        const uint32_t piece = last ? (uint32_t)left : piece_max;
        const bool first = ch->fragment_index == 0;
        const uint64_t meta =
            first ? hulse_record_stride(hulse_metadata_bytes(d, ch->meta_max)) : 0;
        if (!reserve(ch, ch->max_record / 2 + meta)) {
            return false;
        }
        struct hulse_delivery_header *hdr = begin_record(ch, index);
        hdr->type = HULSE_RECORD_FRAGMENT;
        hdr->flags |= (uint8_t)((first ? HULSE_RECORD_FIRST : 0) | (last ? HULSE_RECORD_LAST : 0));
        const struct hulse_fragment_header fragment = {
            .index = ch->fragment_index, .count = count, .total_len = d->payload.bytes};
        const struct broker_span part = {.data = d->payload.data + ch->fragment_at, .bytes = piece};
        write_record(ch, hdr, &fragment, part, first ? d : NULL);
        ch->fragment_at += piece;
        ch->fragment_index += 1;
    }
    ch->fragment_at = 0;
    ch->fragment_index = 0;
    return true;
}

/* Neither a record nor fragments can carry it to this app. */
static bool is_too_large(const struct channel *ch, const struct broker_delivery *d)
{
    return d->payload.bytes > ch->reassembly_bytes && delivery_bytes(ch, d) > ch->max_record;
}

/*
 * Nobody may take it for handled: the app hears of it where the message stands, behind all that it was given, and
 * whoever opens next with a larger buffer gets it.
 */
static void refuse_too_large(struct channel *ch)
{
    const uint32_t index = ch->waiting_first;
    char text[160];
    if (index == SLOT_NONE || ch->tx.head_seen != ch->tx.tail ||
        !is_too_large(ch, ch->slot_table[index].delivery) || ch->consumer->state != HANDLE_OPEN ||
        ch->consumer->subscriber == NULL) {
        return;
    }
    (void)snprintf(text,
                   sizeof(text),
                   "a message of %" PRIu64 " bytes needs a larger reassembly buffer than %" PRIu32
                   ", and was not handed out",
                   (uint64_t)ch->slot_table[index].delivery->payload.bytes,
                   ch->reassembly_bytes);
    hulse_consumer_end(ch->consumer, HULSE_TOOBIG, text);
}

/* True when the delivery is in the ring. */
static bool try_write(struct channel *ch, uint32_t index)
{
    struct slot *slot = &ch->slot_table[index];
    struct broker_delivery *d = slot->delivery;
    const uint64_t bytes = delivery_bytes(ch, d);
    if (ch->consumer->several && !hulse_source_tell(ch, d->source)) {
        return false;
    }
    if (bytes <= ch->max_record) {
        if (!reserve(ch, bytes)) {
            return false;
        }
        write_record(ch, begin_record(ch, index), NULL, d->payload, d);
    } else if (is_too_large(ch, d) || !write_fragments(ch, index)) {
        return false;
    }
    slot->end = ch->tx.tail;
    ch->session->plane->deliveries_posted += 1;
    if (ch->reader) {
        hulse_slot_free(ch, index);
        hulse_subscriber_ack(ch->consumer->subscriber, d);
    } else {
        hulse_subscriber_copied(ch->consumer->subscriber, d);
    }
    return true;
}

static uint32_t slot_take(struct channel *ch, struct broker_delivery *d)
{
    const uint32_t index = ch->slot_free;
    HULSE_ASSERT(index != SLOT_NONE);
    struct slot *slot = &ch->slot_table[index];
    ch->slot_free = slot->next;
    ch->slots_used += 1;
    slot->delivery = d;
    slot->generation += 1;
    slot->end = 0;
    slot->due_ms = 0;
    slot->next = SLOT_NONE;
    d->slot = index;
    hulse_by_id_enter(ch, index);
    return index;
}

void hulse_slot_free(struct channel *ch, uint32_t index)
{
    struct slot *slot = &ch->slot_table[index];
    HULSE_ASSERT(slot->delivery != NULL);
    hulse_by_id_leave(ch, index);
    slot->delivery = NULL;
    slot->next = ch->slot_free;
    ch->slot_free = index;
    ch->slots_used -= 1;
    hulse_plane_touch(ch->session->plane, ch);
}

void hulse_deliver_message(void *ctx, struct broker_delivery *d)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    struct channel *ch = h->channel;
    if (hulse_by_id_meets(ch, d)) {
        hulse_plane_touch(ch->session->plane, ch); /* its permit is used */
        return;
    }
    const uint32_t index = slot_take(ch, d);
    hulse_plane_touch(ch->session->plane, ch);
    if (ch->waiting_first == SLOT_NONE && try_write(ch, index)) {
        return;
    }
    ch->waiting_bytes += delivery_bytes(ch, d);
    ch->slot_table[index].prev = SLOT_NONE;
    if (ch->waiting_first == SLOT_NONE) {
        ch->waiting_first = index;
        ch->stats[HULSE_STAT_STALLS] += 1;
    } else {
        ch->slot_table[ch->waiting_last].next = index;
        ch->slot_table[index].prev = ch->waiting_last;
    }
    ch->waiting_last = index;
    /* An armed channel was armed without a wish for room; only a visit makes it one. */
    hulse_plane_heat(ch->session->plane, ch);
}

/* What stands behind all that was delivered before. False: no room yet. */
static bool write_notes(struct channel *ch)
{
    if (!reserve(ch, HULSE_DELIVERY_HEADER_BYTES)) {
        return false;
    }
    *(struct hulse_delivery_header *)(void *)hulse_ring_tx_at(&ch->tx, ch->tx.tail) =
        (struct hulse_delivery_header){.len = HULSE_DELIVERY_HEADER_BYTES,
                                       .type = HULSE_RECORD_SKIP,
                                       .flags = ch->notes,
                                       .handle = ch->consumer->number};
    hulse_ring_tx_commit(&ch->tx, HULSE_DELIVERY_HEADER_BYTES);
    ch->notes = 0;
    return true;
}

static void note(struct channel *ch, uint8_t flag)
{
    hulse_plane_touch(ch->session->plane, ch);
    ch->notes |= flag;
    /* Not between the fragments of a later message. */
    if (ch->waiting_first == SLOT_NONE && write_notes(ch)) {
        return;
    }
    hulse_plane_heat(ch->session->plane, ch);
}

void hulse_deliver_caught_up(void *ctx)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    if ((h->channel->session->features & HULSE_FEATURE_READER) != 0) {
        note(h->channel, HULSE_RECORD_CAUGHT_UP);
    }
}

void hulse_deliver_end_of_topic(void *ctx)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    note(h->channel, HULSE_RECORD_END_OF_TOPIC);
}

void hulse_deliver_lost(void *ctx, uint64_t count)
{
    struct handle *h = ctx;
    HULSE_ASSERT(h->magic == HULSE_HANDLE_MAGIC);
    h->channel->lost += count;
    hulse_plane_touch(h->channel->session->plane, h->channel);
}

void hulse_waiting_remove(struct channel *ch, uint32_t index)
{
    const struct slot *slot = &ch->slot_table[index];
    const bool first = ch->waiting_first == index;
    if (first) {
        ch->waiting_first = slot->next;
    } else {
        ch->slot_table[slot->prev].next = slot->next;
    }
    if (ch->waiting_last == index) {
        ch->waiting_last = first ? SLOT_NONE : slot->prev;
    } else {
        ch->slot_table[slot->next].prev = slot->prev;
    }
    ch->waiting_bytes -= delivery_bytes(ch, slot->delivery);
    if (first) {
        /* Its fragments end here; the app drops them with the next message's first. */
        ch->fragment_at = 0;
        ch->fragment_index = 0;
    }
}

static unsigned write_waiting(struct channel *ch)
{
    unsigned written = 0;
    while (ch->waiting_first != SLOT_NONE && written < HULSE_VISIT_RECORDS) {
        const uint32_t index = ch->waiting_first;
        struct slot *slot = &ch->slot_table[index];
        const uint32_t next = slot->next;
        const uint64_t bytes = delivery_bytes(ch, slot->delivery);
        /* Off the list first: writing may end the delivery, and its slot serve another one. */
        ch->waiting_first = next;
        ch->waiting_bytes -= bytes;
        if (!try_write(ch, index)) {
            ch->waiting_first = index;
            ch->waiting_bytes += bytes;
            break;
        }
        written += 1;
    }
    if (ch->notes != 0 && ch->waiting_first == SLOT_NONE && write_notes(ch)) {
        written += 1;
    }
    return written;
}

static bool wants_room(const struct channel *ch)
{
    return ch->waiting_first != SLOT_NONE || ch->notes != 0 ||
           hulse_ring_tx_room(&ch->tx) < hulse_ring_capacity(ch->tx.mask) / 2;
}

unsigned hulse_deliver_visit(struct plane *p, struct channel *ch)
{
    /* Without a consumer too: what is not taken would keep the worker awake. */
    unsigned work = hulse_verdict_take(p, ch, HULSE_VISIT_RECORDS);
    hulse_seek_visit(ch);
    if (!ch->session->doomed && ch->state != CHANNEL_DRAIN && wants_room(ch)) {
        const uint64_t before = ch->tx.head_seen;
        if (hulse_ring_tx_refresh(&ch->tx) != HULSE_RING_OK) {
            hulse_session_doom(ch->session, HULSE_RULE_V7, "down_head out of range");
            return work;
        }
        /* In every visit: the list may be longer than one visit writes. */
        const unsigned written = write_waiting(ch);
        refuse_too_large(ch);
        if (written > 0 || ch->tx.head_seen != before) {
            work += 1 + written;
            hulse_plane_touch(p, ch);
        }
    }
    return work;
}

/*
 * Of what waits, the bytes of the one that goes in fragments: they leave for as long as the app takes, and a broker that
 * is asked only then would have nothing on its way. One more of its size is a good guess; for want of memory it waits.
 */
static uint64_t leaving_bytes(const struct channel *ch)
{
    if (ch->waiting_first == SLOT_NONE) {
        return 0;
    }
    const struct broker_delivery *d = ch->slot_table[ch->waiting_first].delivery;
    const uint64_t bytes = delivery_bytes(ch, d);
    return bytes > ch->max_record && hulse_mem_total() + bytes <= hulse_mem_cap() / 2 ? bytes : 0;
}

void hulse_deliver_room(struct channel *ch)
{
    if (ch->consumer == NULL || ch->consumer->state != HANDLE_OPEN ||
        ch->consumer->subscriber == NULL || ch->state == CHANNEL_DRAIN || ch->session->doomed ||
        ch->rx.read < ch->offered_end) {
        return;
    }
    const uint64_t overflow = ch->session->plane->shared->limits.deliver_overflow_bytes;
    const uint64_t room = hulse_ring_tx_room(&ch->tx) + overflow;
    const uint64_t waiting = ch->waiting_bytes - leaving_bytes(ch);
    hulse_subscriber_room(ch->consumer->subscriber,
                          room > waiting ? room - waiting : 0,
                          ch->slot_count - ch->slots_used);
}

uint64_t hulse_deliver_want(const struct channel *ch)
{
    if (!wants_room(ch)) {
        return 0;
    }
    /* Half a ring free takes any record. */
    const uint64_t half = ch->tx.tail - hulse_ring_capacity(ch->tx.mask) / 2;
    return half > ch->tx.head_seen && half <= ch->tx.tail ? half : ch->tx.head_seen + 1;
}

uint64_t hulse_deliver_started(const struct channel *ch)
{
    /* A hint (V7): clamped to what was delivered and not yet released. Relaxed because nothing is read through it. */
    const uint64_t started =
        atomic_load_explicit(&hulse_region_a(&ch->a)->down_started, memory_order_relaxed);
    if (started > ch->tx.published) {
        return ch->tx.published;
    }
    return started < ch->tx.head_seen ? ch->tx.head_seen : started;
}

void hulse_deliver_give_back_all(struct channel *ch)
{
    const bool died = ch->state == CHANNEL_DRAIN; /* it gave no verdict and never will */
    const uint64_t started = hulse_deliver_started(ch);
    for (uint32_t i = 0; i < ch->slot_count && ch->slots_used > 0; i++) {
        struct slot *slot = &ch->slot_table[i];
        struct broker_delivery *d = slot->delivery;
        if (d == NULL) {
            continue;
        }
        const bool was_started = slot->end != 0 && slot->end <= started;
        hulse_slot_free(ch, i);
        if (was_started) {
            hulse_subscriber_leave(ch->consumer->subscriber, d, died);
        } else {
            hulse_subscriber_give_back(ch->consumer->subscriber, d);
        }
    }
    ch->waiting_first = SLOT_NONE;
    ch->waiting_bytes = 0;
    ch->fragment_at = 0;
    ch->fragment_index = 0;
}
