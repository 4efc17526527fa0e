/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdicts - what becomes of deliveries and their entries.
 */
#include "daemon/broker/pulsar/consumer/object.h"

static struct pulsar_consumer *consumer_of(struct broker_consumer *base)
{
    struct pulsar_consumer *c = (struct pulsar_consumer *)(void *)base;
    HULSE_ASSERT(c->magic == PULSAR_CONSUMER_MAGIC && !c->closed);
    return c;
}

static struct delivery *delivery_of(struct broker_delivery *d)
{
    return (struct delivery *)(void *)d;
}

/* ---- entries ---- */

struct entry *hulse_pulsar_consumer_entry(struct pulsar_consumer *c,
                                          uint64_t ledger,
                                          uint64_t entry,
                                          uint32_t count)
{
    struct entry *e = hulse_hands_take(c) ? hulse_entry_create(&c->set->entries, count) : NULL;
    if (e != NULL) {
        e->consumer = c;
        e->ledger = ledger;
        e->entry = entry;
        if (!c->non_persistent) {
            hulse_entry_link(&c->hands->entries, e);
        }
    }
    return e;
}

void hulse_entry_unstray(struct pulsar_consumer *c, struct entry *e)
{
    e->forgotten = false;
    if (e->stray) {
        e->stray = false;
        TAILQ_REMOVE(&c->hands->strays, e, group);
        c->hands->stray_count -= 1;
    }
}

void hulse_entry_end(struct pulsar_consumer *c, struct entry *e)
{
    hulse_entry_unstray(c, e);
    hulse_again_stop(c, e);
    hulse_acks_end_part(e);
    hulse_entry_unlink(&c->hands->entries, e);
    hulse_entry_free(&c->set->entries, e);
}

/* What it knew of comes again as a whole; what waited for its delay now, because nobody would ask for it later. */
static void forget_stray(struct pulsar_consumer *c, struct entry *e)
{
    if (e->due || hulse_timer_pending(&e->again)) {
        hulse_entry_unstray(c, e);
        e->forgotten = true;
        hulse_again_now(c, e);
    } else {
        hulse_entry_end(c, e);
    }
}

void hulse_entry_review(struct pulsar_consumer *c, struct entry *e)
{
    if (e->refs > 0 || e->in_round) {
        hulse_entry_unstray(c, e);
        return;
    }
    if (e->chunked != NULL) {
        hulse_chunks_let_go(c, e);
    }
    const bool again = e->due || hulse_timer_pending(&e->again);
    const bool remembered = again || ((e->acked > 0 || e->refused > 0 || e->owed) && !e->forgotten);
    if (!e->linked || e->acked == e->count || !remembered) {
        hulse_entry_end(c, e);
    } else if (!e->stray && !e->forgotten) {
        e->stray = true;
        TAILQ_INSERT_TAIL(&c->hands->strays, e, group);
        c->hands->stray_count += 1;
        if (c->hands->stray_count > PULSAR_STRAYS_MAX) {
            forget_stray(c, TAILQ_FIRST(&c->hands->strays));
        }
    }
}

/* All of it is acknowledged. */
static void complete(struct pulsar_consumer *c, struct entry *e)
{
    hulse_entry_unstray(c, e);
    hulse_again_stop(c, e);
    if (!c->non_persistent) {
        hulse_acks_add(c, e, -1);
    }
    if (e->chunked != NULL) {
        hulse_chunks_acked(c, e);
    }
}

void hulse_entry_acked(struct pulsar_consumer *c, struct entry *e, uint32_t index)
{
    if (hulse_entry_ack(e, index) && e->acked == e->count) {
        complete(c, e);
    }
}

/* ---- deliveries ---- */

void hulse_delivery_let_go(struct pulsar_consumer *c, struct delivery *dl)
{
    struct entry *e = dl->entry;
    if (dl->state == DELIVERY_HELD) {
        TAILQ_REMOVE(&c->hands->held, dl, link);
        c->unordered = c->unordered && !TAILQ_EMPTY(&c->hands->held);
    } else {
        hulse_timer_stop(&c->worker->loop->timers, &dl->due);
        if (dl->state == DELIVERY_KEPT) {
            TAILQ_REMOVE(&c->hands->kept, dl, link);
        } else {
            TAILQ_REMOVE(&c->hands->waiting, dl, link);
        }
        c->hands->kept_count -= 1;
        hulse_pulsar_consumer_dirty(c); /* permits may have waited for that */
    }
    hulse_entry_set_out(e, dl->index, false);
    e->refs -= 1;
    if (dl->body != NULL) {
        hulse_body_release(dl->body);
    }
    hulse_pool_give(&c->set->deliveries, dl);
}

static void let_go_all_of(struct pulsar_consumer *c, struct delivery_list *list)
{
    struct delivery *dl = NULL;
    while ((dl = TAILQ_FIRST(list)) != NULL) {
        struct entry *e = dl->entry;
        hulse_delivery_let_go(c, dl);
        hulse_entry_review(c, e);
    }
}

void hulse_verdicts_forget_kept(struct pulsar_consumer *c)
{
    let_go_all_of(c, &c->hands->kept);
    let_go_all_of(c, &c->hands->waiting);
}

void hulse_verdicts_release_all(struct pulsar_consumer *c)
{
    struct entry *e = NULL;
    hulse_receive_forget_queue(c);
    hulse_verdicts_forget_kept(c);
    let_go_all_of(c, &c->hands->held);
    hulse_chunks_end(c);
    while ((e = TAILQ_FIRST(&c->hands->entries.all)) != NULL) {
        hulse_entry_end(c, e);
    }
}

void hulse_pulsar_consumer_catch_up(struct pulsar_consumer *c)
{
    const struct broker_id *last = &c->hands->reach.last;
    if (c->type != BROKER_READER || c->caught_up || !c->opened || c->rewinding ||
        (!c->hands->knows_reach && !c->non_persistent)) {
        return;
    }
    if (c->hands->reach.has_last) {
        const struct entry *first = TAILQ_FIRST(&c->hands->entries.all);
        if (!c->hands->has_last ||
            hulse_entry_below(
                c->hands->last.ledger, c->hands->last.entry, last->ledger, last->entry) ||
            (c->hands->last.ledger == last->ledger && c->hands->last.entry == last->entry &&
             c->hands->last.batch >= 0 && c->hands->last.batch < last->batch) ||
            (first != NULL &&
             !hulse_entry_below(last->ledger, last->entry, first->ledger, first->entry))) {
            return;
        }
    }
    c->caught_up = true;
    if (c->base.events->caught_up != NULL) {
        c->base.events->caught_up(c->base.ctx);
    }
}

/* ---- calls ---- */

/* The end of a call with a verdict. Last touch. */
static void called(struct pulsar_consumer *c)
{
    hulse_pulsar_consumer_enter(c);
    hulse_pulsar_consumer_catch_up(c);
    if (!c->closed) {
        hulse_acks_called(c);
    }
    hulse_pulsar_consumer_leave(c);
}

/* What is handed out again from here needs its bytes still, as far as they find room. */
static bool keeps_bytes(struct pulsar_consumer *c, struct body *b)
{
    const struct pulsar_consumers *set = c->set;
    if (hulse_pulsar_consumer_shares(c)) {
        return false;
    }
    if (b->kept == NULL && (c->held_bytes.bytes + b->bytes > PULSAR_HELD_BYTES ||
                            set->held_bytes.bytes + b->bytes > set->held_bytes_max)) {
        return false;
    }
    hulse_body_keep(b, &c->held_bytes);
    return true;
}

void hulse_pulsar_consumer_copied(struct broker_consumer *consumer, struct broker_delivery *d)
{
    struct delivery *dl = delivery_of(d);
    HULSE_DASSERT(dl->consumer == consumer_of(consumer) && dl->body != NULL);
    if (!keeps_bytes(consumer_of(consumer), dl->body)) {
        hulse_body_release(dl->body);
        dl->body = NULL;
        d->payload = (struct broker_span){0};
        d->meta = (struct broker_meta){.partition = -1};
        d->producer = (struct broker_span){0};
    }
}

/* One delivery is acknowledged. */
static void ack(struct pulsar_consumer *c, struct delivery *dl)
{
    struct entry *e = dl->entry;
    const uint32_t index = dl->index;
    hulse_delivery_let_go(c, dl);
    if (c->state != SESSION_OVER && !e->in_round) {
        hulse_entry_acked(c, e, index);
        hulse_acks_add_part(c, e);
    }
    hulse_entry_review(c, e);
}

void hulse_pulsar_consumer_ack(struct broker_consumer *consumer, struct broker_delivery *d)
{
    struct pulsar_consumer *c = consumer_of(consumer);
    ack(c, delivery_of(d));
    called(c);
}

static void refuse(struct pulsar_consumer *c, struct delivery *dl, uint32_t delay_ms, bool counts)
{
    HULSE_DASSERT(dl->consumer == c && dl->state == DELIVERY_HELD);
    if (c->state == SESSION_OVER) {
        struct entry *e = dl->entry;
        hulse_delivery_let_go(c, dl);
        hulse_entry_review(c, e);
        return;
    }
    hulse_again_refuse(c, dl, delay_ms, counts);
}

void hulse_pulsar_consumer_nack(struct broker_consumer *consumer,
                                struct broker_delivery *d,
                                uint32_t delay_ms)
{
    struct pulsar_consumer *c = consumer_of(consumer);
    refuse(c, delivery_of(d), delay_ms, true);
    called(c);
}

void hulse_pulsar_consumer_give_back(struct broker_consumer *consumer, struct broker_delivery *d)
{
    refuse(consumer_of(consumer), delivery_of(d), 0, false);
}

void hulse_pulsar_consumer_redeliver_all(struct broker_consumer *consumer,
                                         void (*ended)(void *ctx, struct broker_delivery *d))
{
    struct pulsar_consumer *c = consumer_of(consumer);
    struct delivery *dl = NULL;
    c->ending = true;
    while ((dl = TAILQ_FIRST(&c->hands->held)) != NULL) {
        ended(c->base.ctx, &dl->d);
        refuse(c, dl, 0, true);
    }
    c->ending = false;
    hulse_hand_out(c);
}

/* ---- cumulative ---- */

static bool is_above(const struct delivery *dl, uint64_t ledger, uint64_t entry, uint32_t index)
{
    const struct entry *e = dl->entry;
    return hulse_entry_below(ledger, entry, e->ledger, e->entry) ||
           (e->ledger == ledger && e->entry == entry && dl->index > index);
}

/* Those of a list that are not above; `ended`: told. Their entries are to be reviewed by whoever calls. */
static void end_up_to(struct pulsar_consumer *c,
                      struct delivery_list *list,
                      const struct delivery *last,
                      void (*ended)(void *ctx, struct broker_delivery *d))
{
    const bool unordered = list != &c->hands->held || c->unordered;
    const struct entry *e = last->entry;
    struct delivery *next = NULL;
    for (struct delivery *dl = TAILQ_FIRST(list); dl != NULL; dl = next) {
        next = TAILQ_NEXT(dl, link);
        if (is_above(dl, e->ledger, e->entry, last->index)) {
            if (!unordered) {
                return;
            }
            continue;
        }
        if (dl == last) {
            continue;
        }
        if (ended != NULL) {
            ended(c->base.ctx, &dl->d);
        }
        if (hulse_pulsar_consumer_shares(c) || c->state == SESSION_OVER) {
            ack(c, dl);
        } else {
            (void)hulse_entry_ack(dl->entry, dl->index);
            hulse_delivery_let_go(c, dl); /* its entry is covered */
        }
    }
}

/* A message whose end is behind *last: nothing may say that everything before that is acknowledged. */
static bool is_crossed(const struct pulsar_consumer *c, const struct entry *last)
{
    const struct entry *e = NULL;
    if (TAILQ_EMPTY(&c->hands->chunks.gathering) && TAILQ_EMPTY(&c->hands->chunks.given_up) &&
        TAILQ_EMPTY(&c->hands->chunks.whole)) {
        return false;
    }
    TAILQ_FOREACH(e, &c->hands->entries.all, link)
    {
        if (hulse_entry_below(e->ledger, e->entry, last->ledger, last->entry) &&
            hulse_chunks_reach_beyond(e, last)) {
            return true;
        }
    }
    return false;
}

/* It is acknowledged by itself, whatever it belongs to. False: no memory, and it is forgotten. */
static bool cover_one(struct pulsar_consumer *c, struct entry *e)
{
    if (e->chunked != NULL) {
        hulse_chunks_leave(c, e);
    }
    for (uint32_t i = 0; i < e->count; i++) {
        (void)hulse_entry_ack(e, i);
    }
    complete(c, e);
    const bool told = e->in_round;
    hulse_entry_review(c, e);
    return told;
}

/* The same one by one, around what reaches beyond. */
static void cover_each(struct pulsar_consumer *c, struct entry *last, uint32_t index)
{
    struct entry *next = NULL;
    for (struct entry *e = TAILQ_FIRST(&c->hands->entries.all); e != NULL; e = next) {
        next = TAILQ_NEXT(e, link); /* what is told touches no other entry */
        c->set->covering_steps += 1;
        const bool below = hulse_entry_below(e->ledger, e->entry, last->ledger, last->entry);
        if (!below && !c->hands->entries.unordered) {
            break;
        }
        if (below && !hulse_chunks_reach_beyond(e, last) && !cover_one(c, e)) {
            return; /* it begins anew */
        }
    }
    for (uint32_t i = 0; i <= index; i++) {
        (void)hulse_entry_ack(last, i);
    }
    if (last->acked == last->count && !last->in_round) {
        complete(c, last);
    }
    hulse_acks_add_part(c, last);
    hulse_entry_review(c, last);
}

/* Entry e, up to index, and every one before it. */
static void cover(struct pulsar_consumer *c, struct entry *last, uint32_t index)
{
    if (is_crossed(c, last)) {
        cover_each(c, last, index);
        return;
    }
    struct entry_list covered;
    struct entry *next = NULL;
    TAILQ_INIT(&covered);
    for (uint32_t i = 0; i <= index; i++) {
        (void)hulse_entry_ack(last, i);
    }
    for (struct entry *e = TAILQ_FIRST(&c->hands->entries.all); e != NULL; e = next) {
        next = TAILQ_NEXT(e, link);
        if (e != last && !hulse_entry_below(e->ledger, e->entry, last->ledger, last->entry)) {
            if (!c->hands->entries.unordered) {
                break;
            }
            continue;
        }
        if (e == last && e->acked < e->count) {
            continue;
        }
        for (uint32_t i = 0; e != last && i < e->count; i++) {
            (void)hulse_entry_ack(e, i);
        }
        if (e->chunked != NULL) {
            hulse_chunks_leave(c, e);
        }
        hulse_entry_unstray(c, e);
        hulse_again_stop(c, e);
        hulse_entry_take_out(&c->hands->entries, e);
        TAILQ_INSERT_TAIL(&covered, e, group);
    }
    if (!last->in_round || !TAILQ_EMPTY(&covered)) {
        hulse_acks_add_cumulative(c, last, &covered);
    }
    hulse_entry_review(c, last);
}

/* By ids, which order what a broker keeps. */
static void end_cumulatively(struct pulsar_consumer *c,
                             struct delivery *last,
                             void (*ended)(void *ctx, struct broker_delivery *d))
{
    struct entry *e = last->entry;
    const uint32_t index = last->index;
    end_up_to(c, &c->hands->held, last, ended);
    end_up_to(c, &c->hands->kept, last, NULL);
    end_up_to(c, &c->hands->waiting, last, NULL);
    ended(c->base.ctx, &last->d);
    if (hulse_pulsar_consumer_shares(c) || c->state == SESSION_OVER) {
        ack(c, last);
    } else {
        hulse_delivery_let_go(c, last);
        cover(c, e, index);
    }
}

/* In the order of handing out. */
static void end_in_order(struct pulsar_consumer *c,
                         const struct delivery *last,
                         void (*ended)(void *ctx, struct broker_delivery *d))
{
    struct delivery *dl = NULL;
    do {
        dl = TAILQ_FIRST(&c->hands->held);
        ended(c->base.ctx, &dl->d);
        ack(c, dl);
    } while (dl != last);
}

void hulse_pulsar_consumer_ack_cumulative(struct broker_consumer *consumer,
                                          struct broker_delivery *d,
                                          void (*ended)(void *ctx, struct broker_delivery *d))
{
    struct pulsar_consumer *c = consumer_of(consumer);
    c->ending = true;
    if (c->non_persistent) {
        end_in_order(c, delivery_of(d), ended);
    } else {
        end_cumulatively(c, delivery_of(d), ended);
    }
    c->ending = false;
    hulse_pulsar_consumer_enter(c);
    hulse_hand_out(c);
    if (!c->closed) {
        called(c);
    }
    hulse_pulsar_consumer_leave(c);
}

/* ---- by id ---- */

/* What is known of it, or from now on. NULL: it is one of a batch of unknown size, or no memory. */
static struct entry *entry_of_id(struct pulsar_consumer *c, const struct broker_id *id)
{
    struct entry *e = hulse_entry_find(&c->hands->entries, id->ledger, id->entry);
    const bool batch = id->batch >= 0;
    if (e == NULL && (!batch || id->batch_size > 0)) {
        e = hulse_pulsar_consumer_entry(c, id->ledger, id->entry, batch ? id->batch_size : 1);
    }
    return e;
}

static void ack_id(struct pulsar_consumer *c, const struct broker_id *id, bool cumulative)
{
    const struct entry *known = hulse_entry_find(&c->hands->entries, id->ledger, id->entry);
    if (id->batch < 0 && id->batch_size > 1 && !cumulative &&
        (known == NULL || (known->chunked == NULL && !known->in_round))) {
        (void)hulse_chunks_ack_id(c, id); /* its other entries are not known; it comes again */
        return;
    }
    struct entry *e = entry_of_id(c, id);
    if (e == NULL) {
        return; /* it comes again */
    }
    const bool whole = id->batch < 0;
    const uint32_t index = whole ? e->count - 1 : (uint32_t)id->batch;
    if (e->in_round || index >= e->count) {
        hulse_entry_review(c, e);
        return;
    }
    if (cumulative && !hulse_pulsar_consumer_shares(c)) {
        cover(c, e, index);
        return;
    }
    for (uint32_t i = whole ? 0 : index; i <= index && !e->in_round; i++) {
        hulse_entry_acked(c, e, i);
    }
    hulse_acks_add_part(c, e);
    hulse_entry_review(c, e);
}

void hulse_pulsar_consumer_ack_id(struct broker_consumer *consumer,
                                  const struct broker_id *id,
                                  bool cumulative)
{
    struct pulsar_consumer *c = consumer_of(consumer);
    if (c->state != SESSION_OVER && !c->non_persistent) {
        ack_id(c, id, cumulative);
    }
    called(c);
}
