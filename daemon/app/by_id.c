/* SPDX-License-Identifier: Apache-2.0 */
/*
 * by_id - verdicts on deliveries of an earlier daemon, which name the message (ipc B8 step 6).
 *
 * One that ends a message is applied at once: to the delivery, if this daemon has made one, else by its id.
 * The others need a delivery to speak of: they wait for it in a table, at most a minute, and are
 * counted when it does not come; the message is unacknowledged then, as it was.
 *
 * Limits: as many wait as the consumer may hold messages.
 */
#include "daemon/app/by_id.h"

#include "daemon/app/channel.h"
#include "daemon/app/deliver_channel.h"
#include "daemon/app/session.h"
#include "daemon/app/verdict.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"
#include "shmlib/ring/id_table.h"

#define WAIT_MS 60000U

static struct hulse_id_key key_of(const struct broker_id *id, uint32_t source)
{
    return (struct hulse_id_key){.ledger = id->ledger,
                                 .entry = id->entry,
                                 .batch = id->batch,
                                 .source = source,
                                 .partition = id->partition};
}

static struct hulse_id_key key_of_delivery(const struct broker_delivery *d)
{
    return key_of(&d->id, d->source);
}

bool hulse_by_id_up_to(const struct broker_delivery *d, const struct broker_id *id, uint32_t source)
{
    const struct hulse_id_key x = key_of_delivery(d);
    const struct hulse_id_key y = key_of(id, source);
    return hulse_id_up_to(&x, &y);
}

/* ---- deliveries ---- */

size_t hulse_by_id_bucket_bytes(uint32_t slots)
{
    return hulse_id_buckets(slots) * sizeof(uint32_t);
}

void hulse_by_id_reset(struct channel *ch, uint32_t slots)
{
    const uint32_t count = hulse_id_buckets(slots);
    ch->id_mask = count - 1;
    for (uint32_t i = 0; ch->resumed && i < count; i++) {
        ch->id_buckets[i] = SLOT_NONE;
    }
}

static uint32_t *bucket_of(const struct channel *ch, const struct hulse_id_key *key)
{
    return &ch->id_buckets[hulse_id_hash(key) & ch->id_mask];
}

void hulse_by_id_enter(struct channel *ch, uint32_t index)
{
    if (ch->resumed) {
        const struct hulse_id_key key = key_of_delivery(ch->slot_table[index].delivery);
        uint32_t *bucket = bucket_of(ch, &key);
        ch->slot_table[index].alike = *bucket;
        *bucket = index;
    }
}

void hulse_by_id_leave(struct channel *ch, uint32_t index)
{
    if (!ch->resumed) {
        return;
    }
    const struct hulse_id_key key = key_of_delivery(ch->slot_table[index].delivery);
    uint32_t *at = bucket_of(ch, &key);
    while (*at != index) {
        HULSE_ASSERT(*at != SLOT_NONE);
        at = &ch->slot_table[*at].alike;
    }
    *at = ch->slot_table[index].alike;
}

/* ---- verdicts that wait ---- */

struct waiting_verdict {
    uint64_t until_ms;
    uint32_t delay_ms;
    uint16_t reason_code;
    uint8_t verdict;
};

struct by_id {
    struct hulse_id_table ids;
    struct waiting_verdict *verdicts; /* by node */
    size_t bytes;
};

static struct by_id *create(struct channel *ch)
{
    const uint32_t capacity = ch->slot_count;
    const size_t ids = hulse_id_table_bytes(capacity);
    const size_t table = (ids + 7U) & ~(size_t)7U;
    const size_t bytes = sizeof(struct by_id) + table + capacity * sizeof(struct waiting_verdict);
    if (!hulse_channel_charge(ch, bytes)) {
        return NULL;
    }
    struct by_id *t = hulse_mem_zalloc(HULSE_MEM_CHANNEL, bytes);
    if (t == NULL) {
        hulse_channel_discharge(ch, bytes);
    } else {
        uint8_t *at = (uint8_t *)(t + 1);
        t->bytes = bytes;
        hulse_id_table_init(&t->ids, at, capacity);
        t->verdicts = (struct waiting_verdict *)(void *)(at + table);
    }
    return t;
}

void hulse_by_id_free(struct channel *ch)
{
    struct by_id *t = ch->by_id;
    if (t != NULL) {
        ch->session->plane->verdicts_ignored += t->ids.used;
        ch->by_id = NULL;
        hulse_channel_discharge(ch, t->bytes);
        hulse_mem_free(HULSE_MEM_CHANNEL, t, t->bytes);
    }
}

void hulse_by_id_expire(struct channel *ch, uint64_t now_ms)
{
    struct by_id *t = ch->by_id;
    for (uint32_t i = 0; t != NULL && i < t->ids.high && t->ids.used != 0; i++) {
        if (t->ids.nodes[i].used && now_ms >= t->verdicts[i].until_ms) {
            hulse_id_remove(&t->ids, i);
            ch->session->plane->verdicts_ignored += 1;
        }
    }
}

static struct broker_id id_of(const struct hulse_verdict_record *v)
{
    return (struct broker_id){.ledger = v->ledger,
                              .entry = v->entry,
                              .batch = v->batch,
                              .partition = v->partition,
                              .batch_size = v->batch_size};
}

/* False: no room for it. */
static bool wait(struct channel *ch, const struct hulse_verdict_record *v)
{
    const struct broker_id id = id_of(v);
    const struct hulse_id_key key = key_of(&id, v->source);
    if (ch->by_id == NULL) {
        ch->by_id = create(ch);
        if (ch->by_id == NULL) {
            return false;
        }
    }
    struct by_id *t = ch->by_id;
    uint32_t node = hulse_id_find(&t->ids, &key);
    if (node == HULSE_ID_NONE) {
        node = hulse_id_add(&t->ids, &key);
    }
    if (node == HULSE_ID_NONE) {
        return false;
    }
    t->verdicts[node] = (struct waiting_verdict){
        .until_ms = hulse_loop_now_ms(&ch->session->plane->worker->loop) + WAIT_MS,
        .delay_ms = v->delay_ms,
        .reason_code = v->reason_code,
        .verdict = v->verdict};
    return true;
}

/* The application refuses it, or wishes it elsewhere. */
static void refuse(struct channel *ch, struct broker_delivery *d, const struct waiting_verdict *v)
{
    struct subscriber *s = ch->consumer->subscriber;
    if (v->verdict == HULSE_VERDICT_NACK) {
        hulse_subscriber_nack(
            s, d, v->delay_ms != 0 ? v->delay_ms : hulse_subscriber_backoff_ms(s, d));
    } else if (v->verdict == HULSE_VERDICT_REJECT &&
               (hulse_subscriber_verdicts(s) & (1U << HULSE_VERDICT_REJECT)) != 0) {
        hulse_subscriber_reject(s, d, v->reason_code, (struct broker_span){0});
    } else if (v->verdict == HULSE_VERDICT_RETRY &&
               (hulse_subscriber_verdicts(s) & (1U << HULSE_VERDICT_RETRY)) != 0) {
        hulse_subscriber_retry(s, d, v->delay_ms);
    } else {
        hulse_subscriber_unconfigured(s, d);
        ch->session->plane->verdicts_ignored += 1;
    }
}

bool hulse_by_id_meets(struct channel *ch, struct broker_delivery *d)
{
    struct by_id *t = ch->by_id;
    if (t == NULL || t->ids.used == 0) {
        return false;
    }
    const struct hulse_id_key key = key_of_delivery(d);
    const uint32_t node = hulse_id_find(&t->ids, &key);
    if (node == HULSE_ID_NONE) {
        return false;
    }
    const struct waiting_verdict v = t->verdicts[node];
    hulse_id_remove(&t->ids, node);
    refuse(ch, d, &v);
    return true;
}

/* Takes a delivery out of wherever this channel has it. */
static struct broker_delivery *take(struct channel *ch, uint32_t index)
{
    struct broker_delivery *d = ch->slot_table[index].delivery;
    if (ch->slot_table[index].end == 0) {
        hulse_waiting_remove(ch, index);
    }
    hulse_slot_free(ch, index);
    return d;
}

static uint32_t find(const struct channel *ch, const struct hulse_id_key *key)
{
    for (uint32_t i = *bucket_of(ch, key); i != SLOT_NONE; i = ch->slot_table[i].alike) {
        const struct hulse_id_key each = key_of_delivery(ch->slot_table[i].delivery);
        if (hulse_id_same(&each, key)) {
            return i;
        }
    }
    return SLOT_NONE;
}

static void
ack_up_to(struct channel *ch, const struct broker_id *id, const struct hulse_id_key *key)
{
    for (uint32_t i = 0; i < ch->slot_count && ch->slots_used > 0; i++) {
        const struct broker_delivery *d = ch->slot_table[i].delivery;
        if (d == NULL) {
            continue;
        }
        const struct hulse_id_key each = key_of_delivery(d);
        if (hulse_id_up_to(&each, key)) {
            hulse_subscriber_ack(ch->consumer->subscriber, take(ch, i));
        }
    }
    if (!hulse_subscriber_clamps(ch->consumer->subscriber, id, key->source)) {
        hulse_subscriber_ack_id(ch->consumer->subscriber, key->source, id, true);
    }
}

bool hulse_by_id_apply(struct channel *ch, const struct hulse_verdict_record *v, uint64_t *call)
{
    *call = 0;
    if (!ch->resumed || ch->consumer == NULL || ch->consumer->subscriber == NULL ||
        v->source >= ch->consumer->sources) {
        return false;
    }
    struct subscriber *s = ch->consumer->subscriber;
    const struct broker_id id = id_of(v);
    const struct hulse_id_key key = key_of(&id, v->source);
    const bool ends = v->verdict == HULSE_VERDICT_ACK || v->verdict == HULSE_VERDICT_DROP;
    if (ends && (v->how & HULSE_HOW_CUMULATIVE) != 0) {
        ack_up_to(ch, &id, &key);
        *call = hulse_subscriber_calls(s);
        return true;
    }
    const uint32_t index = find(ch, &key);
    if (!ends && index == SLOT_NONE) {
        return wait(ch, v);
    }
    if (!ends) {
        refuse(ch,
               take(ch, index),
               &(struct waiting_verdict){
                   .delay_ms = v->delay_ms, .reason_code = v->reason_code, .verdict = v->verdict});
    } else if (index == SLOT_NONE) {
        hulse_subscriber_ack_id(s, v->source, &id, false);
    } else {
        hulse_subscriber_ack(s, take(ch, index));
    }
    ch->session->plane->verdicts_dropped += v->verdict == HULSE_VERDICT_DROP ? 1 : 0;
    *call = hulse_subscriber_calls(s);
    return true;
}
