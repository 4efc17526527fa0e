/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish - the copying calls: one message, a larger one in fragments, many with one flush.
 *
 * A message that fits a record is one; a larger one becomes fragments of a quarter of the ring
 * with one sequence number and one token, metadata on the first. What fits the ring goes in whole
 * or not at all; only a message larger than the ring trickles in as the daemon makes room.
 *
 * Threads: the producer's; hulse_mt_publish() any.
 */
#include "shmlib/client/meta.h"
#include "shmlib/client/producer.h"

#include <string.h>

/* How a message lies in the ring. */
struct plan {
    const uint8_t *data;
    size_t bytes;
    struct hulse_record_shape shape; /* of the first record */
    uint64_t chunk_bytes;            /* payload of each fragment but the last; 0 = one record */
    uint32_t count;
    uint64_t ring_bytes; /* all records with their padding */
    bool exceeds_ring;   /* the daemon gives fragments back one by one */
};

/* What the daemon adds to each fragment when it judges whether a message exceeds the ring. */
#define FRAGMENT_OVERHEAD                                                                          \
    ((uint64_t)HULSE_PUBLISH_HEADER_BYTES + HULSE_FRAGMENT_HEADER_BYTES + HULSE_RECORD_ALIGN)

static uint64_t fragment_stride(uint64_t part_bytes, uint64_t meta_bytes)
{
    return hulse_record_stride(
        hulse_record_bytes(HULSE_FRAGMENT_HEADER_BYTES + part_bytes, meta_bytes));
}

static hulse_status plan_fragments(hulse_producer *p, struct plan *plan)
{
    const struct hulse_channel *ch = p->handle.channel;
    const uint64_t chunk =
        (ch->record_max / 2) - HULSE_PUBLISH_HEADER_BYTES - HULSE_FRAGMENT_HEADER_BYTES;
    const uint64_t meta = plan->shape.meta_bytes;

    if ((ch->session->limits.features & HULSE_FEATURE_FRAGMENTS) == 0 ||
        hulse_record_bytes(HULSE_FRAGMENT_HEADER_BYTES + chunk, meta) > ch->record_max) {
        return hulse_handle_refuse(&p->handle,
                                   HULSE_TOOBIG,
                                   "payload and metadata exceed half the ring: use a larger ring");
    }
    const uint64_t count = (plan->bytes + chunk - 1) / chunk;
    const uint64_t last = plan->bytes - ((count - 1) * chunk);
    plan->chunk_bytes = chunk;
    plan->count = (uint32_t)count;
    plan->shape.type = HULSE_RECORD_FRAGMENT;
    plan->ring_bytes = count == 1 ? fragment_stride(last, meta)
                                  : fragment_stride(chunk, meta) + fragment_stride(last, 0) +
                                        ((count - 2) * fragment_stride(chunk, 0));
    plan->exceeds_ring =
        plan->bytes + (count * FRAGMENT_OVERHEAD) > hulse_ring_capacity(ch->tx.mask);
    return HULSE_OK;
}

/* Is this the message that is half published? */
static bool goes_on(const hulse_producer *p, const struct hulse_item *item)
{
    const struct hulse_channel *ch = p->handle.channel;

    return ch->cut_owner == p && ch->cut_token == item->token && ch->cut_bytes == item->bytes;
}

/* Judges the message; on OK *plan says what to write. `item` has data, bytes, meta and token. */
static hulse_status make_plan(hulse_producer *p, const struct hulse_item *item, struct plan *plan)
{
    hulse_status st = hulse_producer_usable(p);

    *plan = (struct plan){
        .data = item->data,
        .bytes = item->bytes,
        .shape = {.meta = item->meta, .token = item->token, .type = HULSE_RECORD_MESSAGE},
        .count = 1,
    };
    if (st != HULSE_OK) {
        return st;
    }
    if (p->handle.channel->cut_at != 0 && !goes_on(p, item)) {
        return hulse_producer_cut(p);
    }
    if (item->data == NULL && item->bytes != 0) {
        return hulse_handle_refuse(&p->handle, HULSE_INVAL, "the payload is missing");
    }
    if (item->bytes > p->handle.bytes_max) {
        return hulse_handle_refuse(
            &p->handle, HULSE_TOOBIG, "the message exceeds hulse_message_max()");
    }
    if (item->meta != NULL) {
        st = hulse_meta_fit(
            p->handle.channel->session, item->meta, &plan->shape.meta_bytes, &p->handle.error);
        if (st != HULSE_OK) {
            return st;
        }
        if ((item->meta->flags & HULSE_META_NO_BATCH) != 0) {
            plan->shape.flags = HULSE_RECORD_NO_BATCH;
        }
    }
    const uint64_t len = hulse_record_bytes(item->bytes, plan->shape.meta_bytes);
    if (len > p->handle.channel->record_max) {
        return plan_fragments(p, plan);
    }
    plan->shape.payload_bytes = (uint32_t)item->bytes;
    plan->ring_bytes = hulse_record_stride(len);
    return HULSE_OK;
}

/* Writes fragment number `index` at the tail; there is room. */
static void put_fragment(hulse_producer *p, const struct plan *plan, uint32_t index)
{
    struct hulse_channel *ch = p->handle.channel;
    const uint64_t from = index * plan->chunk_bytes;
    const bool last = index + 1 == plan->count;
    const uint64_t part = last ? plan->bytes - from : plan->chunk_bytes;
    struct hulse_record_shape shape = plan->shape;
    uint8_t *at = hulse_ring_tx_at(&ch->tx, ch->tx.tail) + HULSE_PUBLISH_HEADER_BYTES;

    *(struct hulse_fragment_header *)(void *)at = (struct hulse_fragment_header){
        .index = index, .count = plan->count, .total_len = plan->bytes};
    memcpy(at + HULSE_FRAGMENT_HEADER_BYTES, plan->data + from, part);
    shape.payload_bytes = (uint32_t)(HULSE_FRAGMENT_HEADER_BYTES + part);
    shape.flags |=
        (uint8_t)((index == 0 ? HULSE_RECORD_FIRST : 0) | (last ? HULSE_RECORD_LAST : 0));
    if (index != 0) {
        shape.meta_bytes = 0;
    }
    hulse_producer_append(p, &shape);
}

/* Writes all of it; there is room. */
static void put_all(hulse_producer *p, const struct plan *plan)
{
    struct hulse_channel *ch = p->handle.channel;

    if (plan->chunk_bytes == 0) {
        uint8_t *at = hulse_ring_tx_at(&ch->tx, ch->tx.tail) + HULSE_PUBLISH_HEADER_BYTES;
        if (plan->bytes != 0) {
            memcpy(at, plan->data, plan->bytes);
        }
        hulse_producer_append(p, &plan->shape);
        return;
    }
    for (uint32_t i = 0; i < plan->count; i++) {
        put_fragment(p, plan, i);
    }
}

/* Room for the whole plan, or why not. */
static hulse_status reserve_plan(hulse_producer *p, const struct plan *plan)
{
    struct hulse_channel *ch = p->handle.channel;

    if (ch->cut_at != 0) {
        return hulse_producer_cut(p);
    }
    if (plan->ring_bytes > hulse_ring_capacity(ch->tx.mask)) {
        return hulse_handle_refuse(&p->handle,
                                   HULSE_TOOBIG,
                                   plan->exceeds_ring
                                       ? "the message exceeds the ring: use hulse_publish_wait()"
                                       : "payload and metadata exceed the ring: use a larger ring");
    }
    return hulse_producer_reserve(p, plan->ring_bytes);
}

/* Copies one message in, without a flush. */
static hulse_status put_item(hulse_producer *p, const struct hulse_item *item)
{
    struct plan plan;
    hulse_status st = make_plan(p, item, &plan);

    if (st == HULSE_OK) {
        st = reserve_plan(p, &plan);
    }
    if (st == HULSE_OK) {
        put_all(p, &plan);
    }
    return st;
}

hulse_status hulse_publish(
    hulse_producer *p, const void *data, size_t bytes, const struct hulse_meta *m, uint64_t token)
{
    const struct hulse_item item = {
        .size = sizeof(item), .data = data, .bytes = bytes, .meta = m, .token = token};

    if (p == NULL) {
        return HULSE_INVAL;
    }
    const hulse_status st = put_item(p, &item);
    if (st == HULSE_OK) {
        hulse_channel_publish(p->handle.channel);
    }
    return st;
}

/*
 * A message larger than the ring: each fragment as there is room. What is in the ring cannot be
 * taken back, so a message whose time ran out is remembered and the next call goes on with it.
 */
static hulse_status
trickle(hulse_producer *p, const struct plan *plan, struct hulse_deadline deadline)
{
    struct hulse_channel *ch = p->handle.channel;

    ch->cut_owner = p;
    ch->cut_token = plan->shape.token;
    ch->cut_bytes = plan->bytes;
    for (uint32_t i = ch->cut_at; i < plan->count; i++) {
        const uint64_t bytes =
            fragment_stride(plan->chunk_bytes, i == 0 ? plan->shape.meta_bytes : 0);
        const hulse_status st =
            hulse_producer_await(p, bytes, hulse_deadline_left(deadline, INT32_MAX));
        if (st != HULSE_OK) {
            return st;
        }
        put_fragment(p, plan, i);
        ch->cut_at = i + 1;
    }
    ch->cut_at = 0;
    return HULSE_OK;
}

hulse_status hulse_publish_wait(hulse_producer *p,
                                const void *data,
                                size_t bytes,
                                const struct hulse_meta *m,
                                uint64_t token,
                                int timeout_ms)
{
    const struct hulse_item item = {
        .size = sizeof(item), .data = data, .bytes = bytes, .meta = m, .token = token};
    struct plan plan;

    if (p == NULL) {
        return HULSE_INVAL;
    }
    hulse_status st = make_plan(p, &item, &plan);
    if (st != HULSE_OK) {
        return st;
    }
    if (plan.exceeds_ring && plan.ring_bytes > hulse_ring_capacity(p->handle.channel->tx.mask)) {
        st = trickle(p, &plan, hulse_deadline_in(timeout_ms));
    } else {
        st = reserve_plan(p, &plan);
        if (st == HULSE_AGAIN) {
            st = hulse_producer_await(p, plan.ring_bytes, timeout_ms);
        }
        if (st == HULSE_OK) {
            put_all(p, &plan);
        }
    }
    hulse_channel_publish(p->handle.channel);
    return st;
}

/* The next one may go in all the same. */
static bool is_of_the_item(hulse_status st)
{
    return st == HULSE_INVAL || st == HULSE_TOOBIG || st == HULSE_UNSUPPORTED;
}

hulse_status
hulse_publish_many(hulse_producer *p, struct hulse_item *items, size_t count, size_t *accepted)
{
    hulse_status st = HULSE_OK;
    size_t in = 0;

    if (p == NULL || accepted == NULL || (items == NULL && count != 0)) {
        return HULSE_INVAL;
    }
    for (size_t i = 0; i < count; i++) {
        if (st != HULSE_OK) {
            items[i].status = HULSE_AGAIN;
            continue;
        }
        items[i].status = items[i].size < sizeof(items[i]) ? HULSE_INVAL : put_item(p, &items[i]);
        if (items[i].status == HULSE_OK) {
            in += 1;
        } else if (!is_of_the_item(items[i].status)) {
            st = items[i].status;
        }
    }
    *accepted = in;
    if (in != 0) {
        hulse_channel_publish(p->handle.channel);
    }
    return st;
}

/* The mutex within the timeout. */
static hulse_status lock_within(pthread_mutex_t *m, int timeout_ms)
{
    struct timespec until = {0};

    if (pthread_mutex_trylock(m) == 0) {
        return HULSE_OK;
    }
    if (timeout_ms < 0) {
        (void)pthread_mutex_lock(m);
        return HULSE_OK;
    }
    (void)clock_gettime(CLOCK_REALTIME, &until); /* the clock of pthread_mutex_timedlock */
    const uint64_t ns = (uint64_t)until.tv_nsec + ((uint64_t)timeout_ms * HULSE_NS_PER_MS);
    until.tv_sec += (time_t)(ns / HULSE_NS_PER_S);
    until.tv_nsec = (long)(ns % HULSE_NS_PER_S);
    return pthread_mutex_timedlock(m, &until) == 0 ? HULSE_OK : HULSE_TIMED_OUT;
}

hulse_status hulse_mt_publish(hulse_producer *p,
                              const void *data,
                              size_t bytes,
                              const struct hulse_meta *m,
                              uint64_t token,
                              int timeout_ms)
{
    if (p == NULL) {
        return HULSE_INVAL;
    }
    struct hulse_channel *ch = p->handle.channel;
    if (hulse_session_state(ch->session) == HULSE_SESSION_FORKED) {
        return HULSE_CLOSED; /* the mutex may have been held by a thread of the parent */
    }
    const struct hulse_deadline deadline = hulse_deadline_in(timeout_ms);
    hulse_status st = lock_within(&ch->mt, timeout_ms);
    if (st == HULSE_OK) {
        const int left_ms = timeout_ms < 0 ? timeout_ms : hulse_deadline_left(deadline, timeout_ms);
        /* Relaxed because the mutex orders it. */
        atomic_store_explicit(&ch->mt_held, true, memory_order_relaxed);
        st = hulse_publish_wait(p, data, bytes, m, token, left_ms);
        atomic_store_explicit(&ch->mt_held, false, memory_order_relaxed);
        (void)pthread_mutex_unlock(&ch->mt);
    }
    return st;
}
