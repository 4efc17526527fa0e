/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message - a message in memory, and its deliveries.
 *
 * The first delivery lies in the message, so a topic with one subscription makes one allocation per
 * message. Counts are two: the topic's worker counts its own references without atomics and is
 * itself one of `workers`, which other workers share.
 */
#include "daemon/broker/local/internal.h"
#include "daemon/core/clock.h"

#include <string.h>

#define WALL_CHECK_MS 100U

/* The wall clock is read again now and then only. */
uint64_t hulse_local_wall_ms(struct local_worker *lw)
{
    const uint64_t now_ms = hulse_local_now_ms(lw);
    if (lw->wall_offset_ms == 0 || now_ms - lw->wall_checked_ms >= WALL_CHECK_MS) {
        lw->wall_offset_ms = hulse_clock_wall_ms() - now_ms;
        lw->wall_checked_ms = now_ms;
    }
    return now_ms + lw->wall_offset_ms;
}

static struct broker_span put(uint8_t **to, struct broker_span from)
{
    const struct broker_span here = {.data = *to, .bytes = from.bytes};
    if (from.bytes != 0) {
        memcpy(*to, from.data, from.bytes);
        *to += from.bytes;
    }
    return here;
}

static void put_meta(struct message *m, uint8_t **to, const struct broker_meta *meta, uint64_t now)
{
    struct broker_meta *mine = &m->first.d.meta;
    *mine = *meta;
    mine->key = put(to, meta->key);
    mine->ordering_key = put(to, meta->ordering_key);
    mine->properties = put(to, meta->properties);
    if (meta->ttl_ms != 0) {
        m->expires_ms = meta->ttl_ms > UINT64_MAX - now ? UINT64_MAX : now + meta->ttl_ms;
    }
}

struct message *hulse_message_create(struct local_worker *lw,
                                     const struct producer *p,
                                     const struct broker_record *r)
{
    size_t bytes = sizeof(struct message) + (size_t)r->payload.bytes + p->name_bytes;
    if (r->meta != NULL) {
        bytes +=
            (size_t)r->meta->key.bytes + r->meta->ordering_key.bytes + r->meta->properties.bytes;
    }
    struct message *m = hulse_mem_alloc(HULSE_MEM_MESSAGE, bytes);
    if (m == NULL) {
        return NULL;
    }
    uint8_t *at = m->data;
    /* Relaxed because nobody else knows the message. */
    atomic_store_explicit(&m->workers, 1, memory_order_relaxed);
    m->refs = 1;
    m->bytes = bytes;
    m->expires_ms = 0;
    m->producer = NULL;
    m->token = r->token;
    m->seq = r->seq;
    m->round = p->rounds;
    m->outcome = HULSE_OUTCOME_FAILED_NOT_SENT;
    m->first_used = false;
    m->first.d = (struct broker_delivery){
        .id = {.ledger = lw->broker->epoch_ms, .batch = -1},
        .payload = put(&at, r->payload),
        .meta = {.partition = -1},
        .publish_time_ms = hulse_local_wall_ms(lw),
    };
    if (r->meta != NULL) {
        put_meta(m, &at, r->meta, hulse_local_now_ms(lw));
    }
    m->first.d.producer =
        put(&at, (struct broker_span){.data = (const uint8_t *)p->name, .bytes = p->name_bytes});
    return m;
}

void hulse_message_let_go(struct message *m)
{
    /* SYNC(message.workers) acquire: the last one sees what the others did with it. */
    if (atomic_load_explicit(&m->workers, memory_order_acquire) != 1) {
        /* SYNC(message.workers) release: what this worker did with it comes before. */
        if (atomic_fetch_sub_explicit(&m->workers, 1, memory_order_acq_rel) != 1) {
            return;
        }
    }
    hulse_mem_free(HULSE_MEM_MESSAGE, m, m->bytes);
}

void hulse_message_drop(struct message *m)
{
    HULSE_ASSERT(m->refs > 0);
    m->refs -= 1;
    if (m->refs == 0) {
        hulse_message_let_go(m);
    }
}

struct delivery *hulse_delivery_take(struct local_worker *lw)
{
    struct delivery *dl = hulse_pool_take(&lw->deliveries);
    if (dl != NULL) {
        dl->memory = DELIVERY_IN_POOL;
        return dl;
    }
    dl = hulse_mem_alloc(HULSE_MEM_MESSAGE, sizeof(*dl));
    if (dl != NULL) {
        dl->memory = DELIVERY_ALLOCATED;
    }
    return dl;
}

void hulse_delivery_free(struct local_worker *lw, struct delivery *dl)
{
    if (dl->memory == DELIVERY_IN_POOL) {
        hulse_pool_give(&lw->deliveries, dl);
    } else if (dl->memory == DELIVERY_ALLOCATED) {
        hulse_mem_free(HULSE_MEM_MESSAGE, dl, sizeof(*dl));
    }
}

struct delivery *hulse_delivery_create(struct local_worker *lw, struct message *m)
{
    struct delivery *dl = &m->first;
    if (!m->first_used) {
        m->first_used = true;
        dl->memory = DELIVERY_IN_MESSAGE;
    } else {
        dl = hulse_delivery_take(lw);
        if (dl == NULL) {
            return NULL;
        }
        dl->d = m->first.d;
        dl->d.redelivery = 0;
    }
    dl->message = m;
    dl->seat = NULL;
    dl->consumer = NULL;
    dl->origin = NULL;
    dl->again = false;
    dl->ended = false;
    m->refs += 1;
    return dl;
}
