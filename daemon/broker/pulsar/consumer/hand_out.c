/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hand_out - messages to the front end, one for each permit: first what is to come again from here, then
 * what has been received, in its order.
 */
#include "daemon/broker/pulsar/consumer/fan_in.h"
#include "daemon/core/log.h"

/* Its last touch of whatever it was given may be the event. */
static void deliver(struct pulsar_consumer *c, struct delivery *dl)
{
    const struct delivery *before = TAILQ_LAST(&c->hands->held, delivery_list);
    c->unordered = c->unordered || (before != NULL && hulse_delivery_before(dl, before));
    dl->state = DELIVERY_HELD;
    TAILQ_INSERT_TAIL(&c->hands->held, dl, link);
    c->base.events->message(c->base.ctx, &dl->d);
}

/* ---- again ---- */

static bool hand_out_again(struct pulsar_consumer *c)
{
    struct delivery *dl = hulse_again_first(c);
    while (dl != NULL && hulse_entry_is_acked(dl->entry, dl->index)) {
        struct entry *e = dl->entry; /* by its id, meanwhile */
        hulse_delivery_let_go(c, dl);
        hulse_entry_review(c, e);
        dl = hulse_again_first(c);
    }
    if (dl == NULL) {
        return false;
    }
    TAILQ_REMOVE(&c->hands->waiting, dl, link);
    c->hands->kept_count -= 1;
    hulse_pulsar_consumer_dirty(c); /* permits may have waited for that */
    hulse_permits_use(&c->permits);
    deliver(c, dl);
    return true;
}

/* ---- new ---- */

static void end_body(struct pulsar_consumer *c, struct body *b)
{
    struct entry *e = b->entry;
    STAILQ_REMOVE_HEAD(&c->hands->queue, link);
    hulse_permits_drop(&c->permits, b->left);
    b->left = 0;
    e->refs -= 1;
    hulse_body_release(b);
    hulse_entry_review(c, e);
}

/* One of what was counted. */
static void unqueue(struct pulsar_consumer *c, struct body *b)
{
    if (b->left > 0) {
        b->left -= 1;
        hulse_permits_drop(&c->permits, 1);
    }
}

/* A message of the body is none: it counts as acknowledged. */
static void pass_over(struct pulsar_consumer *c, struct body *b, uint32_t index)
{
    unqueue(c, b);
    hulse_entry_acked(c, b->entry, index);
}

/* It was passed over as a whole: it was told of before. */
static bool is_below_floor(struct pulsar_consumer *c, const struct body *b)
{
    return c->hands->floor.batch < 0 &&
           hulse_floor_passes(
               &c->hands->floor, b->entry->ledger, b->entry->entry, -1, b->meta.publish_time_ms);
}

static uint64_t ack_rest(struct entry *e, uint32_t from)
{
    uint64_t count = 0;
    for (uint32_t i = from; i < e->count; i++) {
        count += !hulse_entry_is_out(e, i) && hulse_entry_ack(e, i);
    }
    return count;
}

/* What is behind the last message that could be read is lost. May be the last touch of the consumer. */
static void give_up_rest(struct pulsar_consumer *c, struct body *b, const char *why)
{
    struct entry *e = b->entry;
    const bool known = is_below_floor(c, b);
    const uint64_t lost = ack_rest(e, b->next);
    if (lost > 0 && e->acked == e->count && !e->in_round && !c->non_persistent) {
        hulse_again_stop(c, e);
        hulse_acks_add(c, e, PULSAR__COMMAND_ACK__VALIDATION_ERROR__BatchDeSerializeError);
    }
    if (lost > 0 && !known) {
        c->set->figures.discarded += 1;
        c->set->figures.corrupted_batch += 1;
        c->hands->last.ledger = e->ledger;
        c->hands->last.entry = e->entry;
        c->hands->last.batch = -1; /* nothing of it is to be read again */
        c->hands->has_last = true;
        HULSE_LOG_WARNF("pulsar.batch_damaged",
                        hulse_log_str("topic", c->topic),
                        hulse_log_u64("ledger", e->ledger),
                        hulse_log_u64("entry", e->entry),
                        hulse_log_u64("lost", lost),
                        hulse_log_str("why", why));
    }
    end_body(c, b);
    if (lost > 0 && !known && c->type == BROKER_READER && c->base.events->lost != NULL) {
        c->base.events->lost(c->base.ctx, lost);
    }
}

/* Of the batch; of a message in chunks, how many. */
static uint16_t size_told(const struct body *b)
{
    const uint32_t size = b->batch ? b->count : b->chunks;
    if (size <= UINT16_MAX) {
        return (uint16_t)size;
    }
    return b->batch ? 0 : UINT16_MAX;
}

static void name(const struct body *b, uint32_t index, struct broker_id *id)
{
    const struct entry *e = b->entry;
    *id = (struct broker_id){.ledger = e->ledger,
                             .entry = e->entry,
                             .batch = b->batch ? (int32_t)index : -1,
                             .partition = b->partition,
                             .batch_size = size_told(b)};
}

/* What was asked for again may come behind others: it goes back to that only with a session, whose order is the topic's. */
static void move_on(struct hands *h, const struct broker_id *id, bool owed)
{
    const struct broker_id *last = &h->last;
    const bool back =
        hulse_entry_below(id->ledger, id->entry, last->ledger, last->entry) ||
        (id->ledger == last->ledger && id->entry == last->entry && id->batch < last->batch);
    if (!h->has_last || !back || (!h->moved && !owed)) {
        h->last = *id;
        h->has_last = true;
        h->moved = true;
    }
}

/* True: it was handed out. */
static bool hand_out_one(struct pulsar_consumer *c, struct body *b, const struct body_message *m)
{
    struct entry *e = b->entry;
    const int32_t batch = b->batch ? (int32_t)m->index : -1;
    if (hulse_entry_is_acked(e, m->index) || hulse_entry_is_out(e, m->index)) {
        return false;
    }
    struct broker_id id;
    name(b, m->index, &id);
    move_on(c->hands, &id, e->owed);
    if (m->passed_over ||
        (!e->owed && hulse_floor_passes(
                         &c->hands->floor, e->ledger, e->entry, batch, b->meta.publish_time_ms))) {
        if (c->hands->floor.set && c->hands->floor.below_too) {
            c->hands->has_last =
                c->hands->had_last; /* of before where it began: nothing goes on from there */
            c->hands->last = c->hands->before_last;
        }
        pass_over(c, b, m->index);
        return false;
    }
    struct delivery *dl = hulse_pool_take(&c->set->deliveries);
    if (dl == NULL || !hulse_body_fill(b, m, &dl->d)) {
        if (dl != NULL) {
            hulse_pool_give(&c->set->deliveries, dl);
        }
        c->hands->has_last = c->hands->had_last;
        c->hands->last = c->hands->before_last;
        hulse_pulsar_consumer_renew(c, "no memory for messages");
        return false;
    }
    dl->d.id = id;
    dl->d.redelivery += e->refused;
    dl->consumer = c;
    dl->body = b;
    dl->entry = e;
    dl->index = m->index;
    dl->due = (struct timer){0};
    hulse_entry_set_out(e, m->index, true);
    e->refs += 1;
    b->refs += 1;
    unqueue(c, b);
    hulse_permits_use(&c->permits);
    if (hulse_body_is_read(b)) {
        end_body(c, b);
    }
    deliver(c, dl);
    return true;
}

/* The next message that is one. False: nothing is left, or nothing may be handed out now. */
static bool hand_out_new(struct pulsar_consumer *c)
{
    struct body *b = NULL;
    while (c->renew == NULL && (b = STAILQ_FIRST(&c->hands->queue)) != NULL) {
        struct body_message m;
        const char *why = NULL;
        c->hands->before_last = c->hands->last;
        c->hands->had_last = c->hands->has_last;
        const enum wire_batch_rc rc = hulse_body_next(b, &m, &why);
        if (rc == WIRE_BATCH_OK) {
            b->next = m.index + 1;
            if (hand_out_one(c, b, &m)) {
                return true;
            }
        } else if (rc == WIRE_BATCH_END) {
            end_body(c, b);
        } else {
            give_up_rest(c, b, why);
            return true; /* the event may have changed everything */
        }
    }
    return false;
}

/* ---- passed over ---- */

static bool is_behind(bool has, const struct broker_id *last, const struct broker_id *id)
{
    return !has || hulse_entry_below(last->ledger, last->entry, id->ledger, id->entry);
}

static void go_on(struct pulsar_consumer *c)
{
    struct hands *h = c->hands;
    if (!h->passes || !STAILQ_EMPTY(&h->queue)) {
        return;
    }
    h->passes = false;
    if (is_behind(h->has_last, &h->last, &h->passed)) {
        h->last = h->passed;
        h->has_last = true;
    }
}

void hulse_hand_out_behind(struct pulsar_consumer *c, uint64_t ledger, uint64_t entry)
{
    const struct broker_id id = {.ledger = ledger, .entry = entry, .batch = -1};
    struct hands *h = c->hands;
    if (c->type == BROKER_READER && is_behind(h->passes, &h->passed, &id)) {
        h->passes = true;
        h->passed = id;
        go_on(c);
    }
}

/* ---- all ---- */

void hulse_hand_out(struct pulsar_consumer *c)
{
    if (c->handing || c->ending) {
        return;
    }
    hulse_pulsar_consumer_enter(c);
    c->handing = true;
    while (!c->closed && c->state != SESSION_OVER && c->permits.flow > 0 &&
           (hand_out_again(c) || hand_out_new(c))) {
    }
    c->handing = false;
    if (!c->closed) {
        go_on(c);
        hulse_pulsar_consumer_catch_up(c);
    }
    if (!c->closed && c->part != NULL) {
        hulse_fan_out_ready(c->part);
    }
    hulse_pulsar_consumer_leave(c);
}
