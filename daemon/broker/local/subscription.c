/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscription - what one subscription has of its topic's messages and who gets the next one.
 *
 * A message is in exactly one place: the queue (never handed out), the redelivery heap (handed out
 * before; lowest position first), the delayed heap, or a seat. It is charged to the bound from
 * offer to finish.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <stddef.h>
#include <string.h>

/* In one timer event. */
#define DELAYED_MAX 1024U
#define EXPIRED_MAX 1024U
/* How often the heads are looked at, and how soon again after a full portion. */
#define EXPIRY_MS 1000U
#define EXPIRY_MORE_MS 1U

static void release(struct subscription *sub)
{
    struct topic *topic = sub->topic;
    HULSE_ASSERT(sub->held == 0 && sub->held_bytes == 0);
    hulse_link_remove(&sub->dirty);
    hulse_link_remove(&sub->link);
    hulse_ended_ids_free(&sub->ended_ids);
    if (sub->cursor != NULL) {
        hulse_cursor_free(sub);
    }
    hulse_mem_free(HULSE_MEM_TOPIC, sub, sub->object_bytes);
    hulse_topic_consider(topic);
}

/* ---- what is held ---- */

static void charge(struct subscription *sub, uint64_t bytes)
{
    if (sub->cursor != NULL) {
        hulse_window_charge(sub, bytes);
    }
    sub->held += 1;
    sub->held_bytes += bytes;
    sub->topic->held += 1;
}

static void discharge(struct subscription *sub, uint32_t count, uint64_t bytes)
{
    sub->held -= count;
    sub->held_bytes -= bytes;
    sub->topic->held -= count;
    if (sub->cursor != NULL) {
        hulse_window_discharge(sub, bytes);
    }
}

static void unused_fire(struct timer *timer)
{
    struct subscription *sub = HULSE_CONTAINER(timer, struct subscription, unused);
    hulse_subscription_forget(sub);
}

static void stop_timer(struct subscription *sub, struct timer *timer)
{
    if (hulse_timer_pending(timer)) {
        hulse_timer_stop(&sub->topic->worker->worker->loop.timers, timer);
    }
}

/* ---- delay ---- */

static void start_delay(struct subscription *sub)
{
    if (sub->delayed.root != NULL) {
        hulse_timer_start(
            &sub->topic->worker->worker->loop.timers, &sub->delay, sub->delayed.root->key);
    }
}

static bool is_over(const struct subscription *sub, const struct delivery *dl)
{
    return dl->message->expires_ms != 0 &&
           hulse_local_now_ms(sub->topic->worker) >= dl->message->expires_ms;
}

/* Acknowledged by its id. */
static bool is_ended(const struct subscription *sub, const struct delivery *dl)
{
    if (sub->cursor != NULL) {
        return sub->cursor->by_id && hulse_ranges_has(&sub->cursor->acknowledged, dl->d.id.entry);
    }
    return dl->ended ||
           (sub->ended_ids != NULL && hulse_ended_ids_has(sub->ended_ids, dl->d.id.entry));
}

static void delay_fire(struct timer *timer)
{
    struct subscription *sub = HULSE_CONTAINER(timer, struct subscription, delay);
    const uint64_t now_ms = hulse_local_now_ms(sub->topic->worker);
    for (unsigned i = 0; i < DELAYED_MAX; i++) {
        if (sub->delayed.root == NULL || sub->delayed.root->key > now_ms) {
            break;
        }
        struct heap_node *node = hulse_heap_pop(&sub->delayed);
        struct delivery *dl = HULSE_CONTAINER(node, struct delivery, node);
        sub->delayed_count -= 1;
        if (is_over(sub, dl)) {
            hulse_subscription_finish(sub, dl, &sub->topic->counters.dropped);
        } else {
            hulse_heap_push(&sub->redelivery, node, dl->d.id.entry);
        }
    }
    start_delay(sub);
    hulse_subscription_wake(sub);
}

static void delay(struct subscription *sub, struct delivery *dl, uint32_t delay_ms)
{
    /* Rounded up past the millisecond that has begun: never early. */
    uint64_t due_ms = hulse_local_now_ms(sub->topic->worker) + delay_ms + 1;
    if (dl->message->expires_ms != 0 && dl->message->expires_ms < due_ms) {
        due_ms = dl->message->expires_ms; /* to be dropped */
    }
    if (sub->delayed.root == NULL || dl->d.id.entry < sub->delayed_low) {
        sub->delayed_low = dl->d.id.entry;
    }
    hulse_heap_push(&sub->delayed, &dl->node, due_ms);
    sub->delayed_count += 1;
    if (sub->delayed.root == &dl->node) {
        start_delay(sub);
    }
}

/*
 * Acknowledges what is delayed below an entry. The heap is by time, so all of it is walked: up to
 * subscription_messages_max, and only when there may be one.
 */
static void end_delayed_below(struct subscription *sub, uint64_t entry)
{
    struct heap rest = {NULL};
    if (sub->delayed.root == NULL || sub->delayed_low >= entry) {
        return;
    }
    sub->delayed_low = UINT64_MAX;
    while (sub->delayed.root != NULL) {
        struct heap_node *node = hulse_heap_shed(&sub->delayed);
        if (node == NULL) {
            continue;
        }
        struct delivery *dl = HULSE_CONTAINER(node, struct delivery, node);
        if (dl->d.id.entry < entry) {
            sub->delayed_count -= 1;
            hulse_subscription_finish(sub, dl, &sub->topic->counters.acknowledged);
            continue;
        }
        hulse_heap_push(&rest, node, node->key);
        if (dl->d.id.entry < sub->delayed_low) {
            sub->delayed_low = dl->d.id.entry;
        }
    }
    sub->delayed = rest;
    stop_timer(sub, &sub->delay);
    start_delay(sub);
}

/* ---- time to live ---- */

/* Drops the expired that are next to be handed out, up to `max`; returns how many. */
static unsigned drop_expired(struct subscription *sub, unsigned max)
{
    uint64_t *dropped = &sub->topic->counters.dropped;
    unsigned done = 0;
    while (done < max && sub->redelivery.root != NULL) {
        struct delivery *dl = HULSE_CONTAINER(sub->redelivery.root, struct delivery, node);
        if (!is_over(sub, dl)) {
            break;
        }
        (void)hulse_heap_pop(&sub->redelivery);
        hulse_subscription_finish(sub, dl, dropped);
        done += 1;
    }
    while (done < max && !hulse_link_empty(&sub->queue)) {
        struct delivery *dl = HULSE_CONTAINER(sub->queue.next, struct delivery, link);
        if (!is_over(sub, dl)) {
            break;
        }
        hulse_link_remove(&dl->link);
        hulse_subscription_finish(sub, dl, dropped);
        done += 1;
    }
    return done;
}

/* Runs as long as anything is held, once a message could expire. */
static void start_expiry(struct subscription *sub, uint32_t after_ms)
{
    struct local_worker *lw = sub->topic->worker;
    hulse_timer_start(&lw->worker->loop.timers, &sub->expiry, hulse_local_now_ms(lw) + after_ms);
}

static void expiry_fire(struct timer *timer)
{
    struct subscription *sub = HULSE_CONTAINER(timer, struct subscription, expiry);
    const bool more = drop_expired(sub, EXPIRED_MAX) == EXPIRED_MAX;
    if (sub->held != 0) {
        start_expiry(sub, more ? EXPIRY_MORE_MS : EXPIRY_MS);
    }
}

/* ---- life ---- */

struct subscription *
hulse_subscription_create(struct topic *topic, const char *name, enum broker_subscription type)
{
    const size_t name_bytes = strlen(name) + 1;
    const size_t bytes = sizeof(struct subscription) + name_bytes;
    struct subscription *sub = hulse_mem_zalloc(HULSE_MEM_TOPIC, bytes);
    if (sub == NULL) {
        return NULL;
    }
    sub->topic = topic;
    sub->type = type;
    sub->delivery_rate.since_ms = hulse_local_now_ms(topic->worker);
    sub->object_bytes = bytes;
    sub->delay.fire = delay_fire;
    sub->unused.fire = unused_fire;
    sub->expiry.fire = expiry_fire;
    hulse_link_init(&sub->dirty);
    hulse_link_init(&sub->seats);
    hulse_link_init(&sub->ready);
    hulse_link_init(&sub->queue);
    memcpy(sub->name, name, name_bytes);
    hulse_link_append(&topic->subscriptions, &sub->link);
    topic->subscription_count += 1;
    return sub;
}

/* The next one in the order of handing out, whether expired or not; NULL when none waits. */
static struct delivery *take_waiting(struct subscription *sub)
{
    struct heap_node *node = hulse_heap_pop(&sub->redelivery);
    if (node != NULL) {
        return HULSE_CONTAINER(node, struct delivery, node);
    }
    if (hulse_link_empty(&sub->queue)) {
        return NULL;
    }
    struct link *l = sub->queue.next;
    hulse_link_remove(l);
    return HULSE_CONTAINER(l, struct delivery, link);
}

/* Something is no longer held. */
static void settle(struct subscription *sub)
{
    struct topic *topic = sub->topic;
    if (sub->cursor != NULL) {
        hulse_window_refill(sub);
    }
    if (sub->held != 0 || sub->doomed) {
        return;
    }
    if (sub->seat_count == 0) {
        hulse_subscription_consider(sub);
        hulse_topic_consider(topic);
    } else if (topic->end != TOPIC_LIVE) {
        hulse_subscription_mark(sub);
    }
}

uint32_t hulse_subscription_shed(struct subscription *sub)
{
    struct topic *topic = sub->topic;
    const uint32_t waiting = sub->held - sub->handed_out;
    if (waiting == 0) {
        return 0;
    }
    stop_timer(sub, &sub->delay);
    hulse_waste_add_list(topic->worker, &sub->queue);
    hulse_waste_add_heap(topic->worker, &sub->redelivery);
    hulse_waste_add_heap(topic->worker, &sub->delayed);
    sub->delayed_count = 0;
    discharge(sub, waiting, sub->held_bytes - sub->handed_bytes);
    return waiting;
}

void hulse_subscription_drop_waiting(struct subscription *sub)
{
    const uint32_t waiting = hulse_subscription_shed(sub);
    if (waiting != 0) {
        sub->topic->counters.dropped += waiting;
        settle(sub);
    }
}

void hulse_subscription_cease(struct subscription *sub)
{
    HULSE_ASSERT(sub->seat_count != 0 && !sub->over);

    sub->over = true;
    sub->topic->subscription_count -= 1;
    stop_timer(sub, &sub->expiry);
    hulse_subscription_drop_waiting(sub);
    while (!hulse_link_empty(&sub->ready)) {
        struct seat *seat = HULSE_CONTAINER(sub->ready.next, struct seat, ready);
        hulse_link_remove(&seat->ready);
        seat->permits = 0;
    }
}

void hulse_subscription_forget(struct subscription *sub)
{
    HULSE_ASSERT(sub->seat_count == 0 && !sub->doomed);

    sub->topic->subscription_count -= sub->over ? 0 : 1;
    sub->over = true;
    sub->doomed = true;
    stop_timer(sub, &sub->unused);
    stop_timer(sub, &sub->expiry);
    hulse_subscription_drop_waiting(sub);
    /* Freed in a turn, because whoever calls out to a consumer may still hold it. */
    hulse_subscription_mark(sub);
}

void hulse_subscription_bury(struct subscription *sub)
{
    HULSE_ASSERT(sub->doomed && sub->topic->worker->dispatching == 0);
    if (sub->returning == 0 && (sub->cursor == NULL || hulse_cursor_idle(sub))) {
        release(sub);
    }
}

void hulse_subscription_remove(struct subscription *sub)
{
    HULSE_ASSERT(sub->returning == 0);
    if (!sub->doomed) {
        hulse_subscription_forget(sub);
    }
    hulse_subscription_bury(sub);
}

void hulse_subscription_consider(struct subscription *sub)
{
    if (sub->doomed) {
        hulse_subscription_mark(sub);
        return;
    }
    if (sub->cursor != NULL) {
        hulse_window_empty(sub);
        return;
    }
    if (sub->seat_count != 0 || sub->held != 0) {
        stop_timer(sub, &sub->unused);
    } else if (!hulse_timer_pending(&sub->unused)) {
        struct local_worker *lw = sub->topic->worker;
        hulse_timer_start(&lw->worker->loop.timers,
                          &sub->unused,
                          hulse_local_now_ms(lw) + lw->broker->params.unused_ms);
    }
}

/* ---- in ---- */

static inline bool anything_waits(const struct subscription *sub)
{
    return sub->redelivery.root != NULL || !hulse_link_empty(&sub->queue);
}

static inline bool may_hand_out(const struct subscription *sub)
{
    return sub->returning == 0 && !hulse_link_empty(&sub->ready);
}

static bool fits(const struct subscription *sub, const struct message *m)
{
    const struct local_params *params = &sub->topic->worker->broker->params;
    return sub->held < params->subscription_messages_max &&
           sub->held_bytes + m->bytes <= params->subscription_bytes_max &&
           (sub->cursor == NULL || hulse_window_fits(sub, m->bytes));
}

/* Within the bounds, perhaps instead of what has expired. */
static bool has_room(struct subscription *sub, const struct message *m)
{
    return fits(sub, m) || (drop_expired(sub, LOCAL_DISPATCH_MAX) != 0 && fits(sub, m));
}

struct delivery *hulse_subscription_keep(struct subscription *sub, struct message *m)
{
    struct topic *topic = sub->topic;
    /* Nothing of a persistent topic is lost because it is larger than the bound. */
    const bool room = has_room(sub, m) || (sub->cursor != NULL && sub->held == 0);
    struct delivery *dl = room ? hulse_delivery_create(topic->worker, m) : NULL;
    if (dl == NULL) {
        return NULL;
    }
    dl->sub = sub;
    charge(sub, m->bytes);
    hulse_link_append(&sub->queue, &dl->link);
    if (m->expires_ms != 0 && !hulse_timer_pending(&sub->expiry)) {
        start_expiry(sub, EXPIRY_MS);
    }
    return dl;
}

void hulse_subscription_unkeep(struct subscription *sub, struct delivery *dl)
{
    struct message *m = dl->message;
    hulse_link_remove(&dl->link);
    discharge(sub, 1, m->bytes);
    hulse_delivery_free(sub->topic->worker, dl);
    hulse_message_drop(m);
}

void hulse_subscription_offer(struct subscription *sub, struct message *m)
{
    if (sub->over) {
        return;
    }
    if (sub->seat_count == 0 || hulse_subscription_keep(sub, m) == NULL) {
        sub->topic->counters.dropped += 1;
    }
}

void hulse_subscription_requeue(struct subscription *sub, struct delivery *dl, uint32_t delay_ms)
{
    dl->seat = NULL;
    if (sub->doomed || sub->over) {
        hulse_subscription_finish(sub, dl, &sub->topic->counters.dropped);
        return;
    }
    if (dl->d.id.entry < sub->ended_below || is_ended(sub, dl)) {
        /* It was with another consumer, or on the way to one, when it was acknowledged. */
        hulse_subscription_finish(sub, dl, &sub->topic->counters.acknowledged);
    } else if (delay_ms == 0) {
        hulse_heap_push(&sub->redelivery, &dl->node, dl->d.id.entry);
        hulse_subscription_wake(sub);
    } else {
        delay(sub, dl, delay_ms);
    }
}

/* ---- out ---- */

void hulse_subscription_finish(struct subscription *sub, struct delivery *dl, uint64_t *counter)
{
    struct message *m = dl->message;
    struct topic *topic = sub->topic;
    HULSE_ASSERT(sub->held > 0 && sub->held_bytes >= m->bytes);
    *counter += 1;
    if (sub->cursor != NULL && !sub->over) {
        hulse_cursor_end(sub, dl->d.id.entry, dl->d.id.entry + 1);
    }
    discharge(sub, 1, m->bytes);
    hulse_delivery_free(topic->worker, dl);
    hulse_message_drop(m);
    settle(sub);
}

void hulse_subscription_push(struct subscription *sub)
{
    if (!may_hand_out(sub) || !anything_waits(sub)) {
        return;
    }
    const bool next = sub->redelivery.root == NULL && sub->queue.next == sub->queue.prev;
    if (next && sub->topic->worker->dispatching == 0) {
        (void)hulse_subscription_dispatch(sub);
    } else {
        hulse_subscription_mark(sub); /* not before the others, not from inside an event */
    }
}

unsigned hulse_subscription_dispatch(struct subscription *sub)
{
    unsigned done = 0;
    while (done < LOCAL_DISPATCH_MAX && may_hand_out(sub)) {
        struct delivery *dl = take_waiting(sub);
        if (dl == NULL) {
            break;
        }
        if (is_ended(sub, dl)) {
            hulse_subscription_finish(sub, dl, &sub->topic->counters.acknowledged);
        } else if (is_over(sub, dl)) {
            hulse_subscription_finish(sub, dl, &sub->topic->counters.dropped);
        } else {
            hulse_seat_hand_out(HULSE_CONTAINER(sub->ready.next, struct seat, ready), dl);
        }
        done += 1;
    }
    hulse_subscription_wake(sub);
    if (sub->cursor != NULL) {
        hulse_window_refill(sub);
    }
    return done;
}

void hulse_subscription_mark(struct subscription *sub)
{
    if (hulse_link_empty(&sub->dirty)) {
        hulse_link_append(&sub->topic->worker->dirty, &sub->dirty);
    }
}

void hulse_subscription_wake(struct subscription *sub)
{
    if (may_hand_out(sub) && anything_waits(sub)) {
        hulse_subscription_mark(sub);
    }
}

void hulse_subscription_tell_caught_up(struct subscription *sub)
{
    if (sub->type != BROKER_READER || sub->over || sub->seat_count == 0) {
        return;
    }
    struct seat *seat = HULSE_CONTAINER(sub->seats.next, struct seat, link);
    const bool caught_up = sub->cursor == NULL ||
                           hulse_ranges_next_gap(&sub->cursor->acknowledged, 0) >= sub->catch_up;
    if (caught_up && !seat->told_caught_up) {
        hulse_seat_tell_caught_up(seat);
    }
}

void hulse_subscription_tell_end(struct subscription *sub)
{
    const bool all = sub->cursor != NULL ? hulse_cursor_has_all(sub) : sub->held == 0;
    if (sub->topic->end != TOPIC_TERMINATED || !all || sub->over) {
        return;
    }
    struct link *l = sub->seats.next;
    while (l != &sub->seats && HULSE_CONTAINER(l, struct seat, link)->told_end) {
        l = l->next;
    }
    if (l != &sub->seats) {
        hulse_subscription_mark(
            sub); /* for the next one, because telling may end the subscription */
        hulse_seat_tell_end(HULSE_CONTAINER(l, struct seat, link));
    }
}

void hulse_subscription_end_below(struct subscription *sub, uint64_t entry)
{
    if (entry > sub->ended_below) {
        sub->ended_below = entry;
    }
    if (sub->cursor != NULL && !sub->over) {
        hulse_cursor_end(sub, 0, entry);
    }
    end_delayed_below(sub, sub->ended_below);
    while (sub->redelivery.root != NULL && sub->redelivery.root->key < sub->ended_below) {
        struct delivery *dl =
            HULSE_CONTAINER(hulse_heap_pop(&sub->redelivery), struct delivery, node);
        hulse_subscription_finish(sub, dl, &sub->topic->counters.acknowledged);
    }
    /* Never handed out: only an acknowledgement by id reaches so far. */
    while (!hulse_link_empty(&sub->queue)) {
        struct delivery *dl = HULSE_CONTAINER(sub->queue.next, struct delivery, link);
        if (dl->d.id.entry >= sub->ended_below) {
            break;
        }
        hulse_link_remove(&dl->link);
        hulse_subscription_finish(sub, dl, &sub->topic->counters.acknowledged);
    }
}
