/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seat - a consumer as its subscription sees it: permits, and what it holds without a verdict.
 *
 * A delivery that is on the way to another worker is left alone until its op is back: that worker
 * reads it. When its seat was closed meanwhile, the subscription hands out nothing until then
 * (`returning`), so that what comes back keeps its place.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <stddef.h>

struct seat *hulse_seat_create(struct subscription *sub, struct consumer *c, uint32_t worker)
{
    struct seat *seat = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*seat));
    if (seat == NULL) {
        return NULL;
    }
    seat->magic = LOCAL_SEAT_MAGIC;
    seat->sub = sub;
    seat->consumer = c;
    seat->worker = worker;
    seat->remote = worker != sub->topic->worker->index;
    hulse_link_init(&seat->ready);
    hulse_link_init(&seat->outstanding);
    hulse_link_append(&sub->seats, &seat->link);
    sub->seat_count += 1;
    sub->topic->seats += 1;
    hulse_subscription_consider(sub);
    return seat;
}

static void add_permits(struct seat *seat, uint32_t count)
{
    if (seat->sub->over) {
        return;
    }
    if (seat->permits == 0 && count != 0) {
        hulse_link_append(&seat->sub->ready, &seat->ready);
    }
    seat->permits = hulse_local_add_permits(seat->permits, count);
}

void hulse_seat_permit(struct seat *seat, uint32_t count)
{
    HULSE_ASSERT(seat->magic == LOCAL_SEAT_MAGIC && !seat->closed);
    add_permits(seat, count);
    if (seat->sub->topic->worker->dispatching == 0) {
        (void)hulse_subscription_dispatch(seat->sub);
    } else {
        /* From inside a message event: no recursion. */
        hulse_subscription_wake(seat->sub);
    }
}

/* An app has it, or is about to. */
static void count_delivered(struct subscription *sub, struct delivery *dl)
{
    struct topic_counters *counters = &sub->topic->counters;
    sub->delivered += 1;
    counters->delivered += 1;
    counters->redelivered += dl->again;
    dl->again = true;
}

static void to_local(struct local_worker *lw, struct consumer *c, struct delivery *dl)
{
    count_delivered(dl->sub, dl);
    lw->dispatching += 1;
    c->base.events->message(c->base.ctx, &dl->d);
    lw->dispatching -= 1;
}

static void to_remote(struct local_worker *lw, struct seat *seat, struct delivery *dl)
{
    dl->consumer = seat->consumer;
    dl->arrival = ARRIVAL_CLOSING;
    dl->lost = seat->lost;
    seat->lost_carried = seat->lost;
    seat->in_transit += 1;
    /* Relaxed because this worker holds the message itself. */
    (void)atomic_fetch_add_explicit(&dl->message->workers, 1, memory_order_relaxed);
    hulse_lane_add(lw, seat->worker, &dl->op, OP_DELIVER);
}

void hulse_seat_hand_out(struct seat *seat, struct delivery *dl)
{
    struct subscription *sub = seat->sub;
    struct topic *topic = sub->topic;
    HULSE_DASSERT(seat->permits > 0);

    if (dl->d.id.entry < seat->last_entry) {
        seat->unordered = true;
    }
    seat->last_entry = dl->d.id.entry;
    dl->seat = seat;
    sub->handed_out += 1;
    sub->handed_bytes += dl->message->bytes;
    hulse_link_append(&seat->outstanding, &dl->link);
    seat->permits -= 1;
    if (seat->permits == 0) {
        hulse_link_remove(&seat->ready);
    } else if (seat->ready.next != seat->ready.prev) {
        hulse_link_remove(&seat->ready);
        hulse_link_append(&sub->ready, &seat->ready);
    }
    if (seat->remote) {
        to_remote(topic->worker, seat, dl);
    } else {
        to_local(topic->worker, seat->consumer, dl);
    }
}

static void take_out(struct seat *seat, struct delivery *dl)
{
    hulse_link_remove(&dl->link);
    seat->sub->handed_out -= 1;
    seat->sub->handed_bytes -= dl->message->bytes;
    if (hulse_link_empty(&seat->outstanding)) {
        seat->unordered = false;
        seat->last_entry = 0;
    }
}

/* Somebody else is asked first. */
static void step_back(struct seat *seat)
{
    if (seat->permits != 0) {
        hulse_link_remove(&seat->ready);
        hulse_link_append(&seat->sub->ready, &seat->ready);
    }
}

void hulse_seat_verdict(struct delivery *dl, enum verdict verdict, uint32_t delay_ms)
{
    struct seat *seat = dl->seat;
    HULSE_ASSERT(seat != NULL && seat->magic == LOCAL_SEAT_MAGIC);
    struct subscription *sub = seat->sub;
    take_out(seat, dl);
    switch (verdict) {
    case VERDICT_ACK:
        hulse_subscription_finish(sub, dl, &sub->topic->counters.acknowledged);
        break;
    case VERDICT_ACK_CUMULATIVE:
        if (sub->type != BROKER_SHARED) {
            hulse_subscription_end_below(sub, dl->d.id.entry + 1);
        }
        hulse_subscription_finish(sub, dl, &sub->topic->counters.acknowledged);
        break;
    case VERDICT_NACK:
        dl->d.redelivery += 1;
        if (sub->cursor != NULL) {
            hulse_cursor_again(sub, dl->d.id.entry, dl->d.redelivery);
        }
        hulse_subscription_requeue(sub, dl, delay_ms);
        break;
    case VERDICT_GIVE_BACK:
        step_back(seat);
        hulse_subscription_requeue(sub, dl, 0);
        break;
    }
}

void hulse_seat_ack_cumulative(struct seat *seat,
                               struct delivery *dl,
                               void (*ended)(void *ctx, struct broker_delivery *d))
{
    HULSE_ASSERT(seat->magic == LOCAL_SEAT_MAGIC && dl->seat == seat);
    struct local_worker *lw = seat->sub->topic->worker;
    const uint64_t entry = dl->d.id.entry;
    const bool unordered = seat->unordered;
    struct link *next = NULL;
    /* Permits given meanwhile hand out later: the list only loses what is ended here. */
    lw->dispatching += 1;
    for (struct link *l = seat->outstanding.next; l != &seat->outstanding; l = next) {
        struct delivery *each = HULSE_CONTAINER(l, struct delivery, link);
        next = l->next;
        if (each->d.id.entry > entry && !unordered) {
            break;
        }
        if (each->d.id.entry <= entry && each != dl) {
            ended(seat->consumer->base.ctx, &each->d);
            hulse_seat_verdict(each, VERDICT_ACK, 0);
        }
    }
    ended(seat->consumer->base.ctx, &dl->d);
    hulse_seat_verdict(dl, VERDICT_ACK_CUMULATIVE, 0);
    lw->dispatching -= 1;
}

void hulse_seat_redeliver_all(struct seat *seat,
                              void (*ended)(void *ctx, struct broker_delivery *d))
{
    struct local_worker *lw = seat->sub->topic->worker;
    HULSE_ASSERT(seat->magic == LOCAL_SEAT_MAGIC && !seat->remote);
    /* Permits given meanwhile hand out later: what is taken back here does not come again here. */
    lw->dispatching += 1;
    while (!hulse_link_empty(&seat->outstanding)) {
        struct delivery *dl = HULSE_CONTAINER(seat->outstanding.next, struct delivery, link);
        ended(seat->consumer->base.ctx, &dl->d);
        hulse_seat_verdict(dl, VERDICT_NACK, 0);
    }
    lw->dispatching -= 1;
}

static void send_news(struct seat *seat, struct news *news, enum op_kind kind)
{
    news->under_way = true;
    news->lost = seat->lost;
    seat->lost_carried = seat->lost;
    seat->in_transit += 1;
    hulse_lane_add(seat->sub->topic->worker, seat->worker, &news->op, kind);
}

void hulse_seat_tell_end(struct seat *seat)
{
    seat->told_end = true;
    if (seat->remote) {
        send_news(seat, &seat->end, OP_END_OF_TOPIC);
    } else {
        hulse_consumer_end_of_topic(seat->consumer);
    }
}

void hulse_seat_tell_caught_up(struct seat *seat)
{
    seat->told_caught_up = true;
    if (seat->remote) {
        send_news(seat, &seat->caught_up, OP_CAUGHT_UP);
    } else {
        hulse_consumer_caught_up(seat->consumer);
    }
}

void hulse_seat_tell_lost(struct seat *seat, uint64_t count)
{
    seat->lost += count;
    if (!seat->remote) {
        hulse_consumer_lost(seat->consumer, count);
    } else if (!seat->loss.under_way) {
        send_news(seat, &seat->loss, OP_LOST);
    }
}

static void free_closed(struct seat *seat)
{
    seat->magic = 0;
    hulse_mem_free(HULSE_MEM_TOPIC, seat, sizeof(*seat));
}

void hulse_seat_returned(struct delivery *dl)
{
    struct seat *seat = dl->seat;
    HULSE_ASSERT(seat != NULL && seat->magic == LOCAL_SEAT_MAGIC && seat->in_transit > 0);
    /* A consumer that has closed takes nothing: its close was on the way before this reached it. */
    HULSE_ASSERT(dl->arrival != ARRIVAL_TAKEN || !seat->closed);

    struct subscription *sub = seat->sub;
    dl->consumer = NULL;
    seat->in_transit -= 1;
    if (dl->arrival == ARRIVAL_TAKEN) {
        count_delivered(sub, dl);
    } else {
        hulse_message_let_go(dl->message);
    }
    if (!seat->closed) {
        /* After CLOSING it stays outstanding: the close gives it back with the others. */
        if (dl->arrival == ARRIVAL_NO_MEMORY) {
            take_out(seat, dl);
            hulse_subscription_requeue(sub, dl, LOCAL_REFUSED_MS);
            add_permits(seat, 1);
        }
        return;
    }
    take_out(seat, dl);
    hulse_subscription_requeue(sub, dl, 0);
    sub->returning -= 1;
    if (seat->in_transit == 0) {
        free_closed(seat);
    }
    if (sub->returning == 0) {
        hulse_subscription_wake(sub);
        hulse_subscription_consider(sub); /* buries it when it was forgotten */
    }
}

static void news_returned(struct seat *seat, struct news *news)
{
    HULSE_ASSERT(seat->magic == LOCAL_SEAT_MAGIC && news->under_way);
    news->under_way = false;
    seat->in_transit -= 1;
    if (seat->closed && seat->in_transit == 0) {
        free_closed(seat);
    }
}

void hulse_seat_end_returned(struct seat *seat)
{
    news_returned(seat, &seat->end);
}

void hulse_seat_caught_up_returned(struct seat *seat)
{
    news_returned(seat, &seat->caught_up);
}

void hulse_seat_lost_returned(struct seat *seat)
{
    const bool more = !seat->closed && seat->lost != seat->lost_carried;
    news_returned(seat, &seat->loss);
    if (more) {
        send_news(seat, &seat->loss, OP_LOST);
    }
}

void hulse_seat_called(struct seat *seat)
{
    if (seat->sub->over) {
        hulse_seat_settled(seat, 1); /* it has no effect any more */
        return;
    }
    seat->calls += 1;
    hulse_cursor_touch(seat->sub);
}

static void tell_settled(struct seat *seat)
{
    seat->settle_under_way = true;
    seat->settled_told = seat->settled;
    seat->settled = 0;
    seat->in_transit += 1;
    hulse_lane_add(seat->sub->topic->worker, seat->worker, &seat->settle_op, OP_SETTLED);
}

void hulse_seat_settled(struct seat *seat, uint32_t count)
{
    HULSE_ASSERT(seat->magic == LOCAL_SEAT_MAGIC && !seat->closed);
    if (count == 0) {
        return;
    }
    if (!seat->remote) {
        hulse_consumer_settled(seat->consumer, count);
        return;
    }
    seat->settled += count;
    if (!seat->settle_under_way) {
        tell_settled(seat);
    }
}

void hulse_seat_settled_returned(struct seat *seat)
{
    HULSE_ASSERT(seat->magic == LOCAL_SEAT_MAGIC && seat->settle_under_way);
    seat->settle_under_way = false;
    seat->in_transit -= 1;
    if (!seat->closed && seat->settled != 0) {
        tell_settled(seat);
    } else if (seat->closed && seat->in_transit == 0) {
        free_closed(seat);
    }
}

/* Its consumer will be gone. True: it was recalled. */
static bool recall(struct seat *seat, struct op *op, bool under_way)
{
    if (!under_way || op->posted) {
        return false;
    }
    hulse_lane_recall(op);
    seat->in_transit -= 1;
    return true;
}

static void recall_news(struct seat *seat, struct news *news)
{
    if (recall(seat, &news->op, news->under_way)) {
        news->under_way = false;
    }
}

/* Gives back what its consumer has, and what never left this worker. */
static void give_back_all(struct seat *seat)
{
    struct subscription *sub = seat->sub;
    struct link *next = NULL;
    for (struct link *l = seat->outstanding.next; l != &seat->outstanding; l = next) {
        struct delivery *dl = HULSE_CONTAINER(l, struct delivery, link);
        next = l->next;
        if (seat->remote && dl->consumer != NULL) {
            if (dl->op.posted) {
                sub->returning += 1;
                continue;
            }
            hulse_lane_recall(&dl->op);
            dl->consumer = NULL;
            hulse_message_let_go(dl->message);
            seat->in_transit -= 1;
        }
        take_out(seat, dl);
        hulse_subscription_requeue(sub, dl, 0);
    }
    recall_news(seat, &seat->end);
    recall_news(seat, &seat->caught_up);
    recall_news(seat, &seat->loss);
    if (recall(seat, &seat->settle_op, seat->settle_under_way)) {
        seat->settle_under_way = false;
    }
}

void hulse_seat_close(struct seat *seat, bool unsubscribe)
{
    struct subscription *sub = seat->sub;
    struct topic *topic = sub->topic;
    HULSE_ASSERT(seat->magic == LOCAL_SEAT_MAGIC && !seat->closed);

    seat->closed = true;
    seat->permits = 0;
    hulse_link_remove(&seat->ready);
    hulse_link_remove(&seat->link);
    sub->seat_count -= 1;
    topic->seats -= 1;
    give_back_all(seat);
    if (seat->in_transit == 0) {
        free_closed(seat);
    }
    if (sub->seat_count == 0 && (unsubscribe || sub->transient || sub->over)) {
        if (sub->cursor != NULL) {
            (void)hulse_cursor_remove(sub);
        }
        hulse_subscription_forget(sub);
    } else {
        hulse_subscription_consider(sub);
    }
    hulse_topic_consider(topic);
}
