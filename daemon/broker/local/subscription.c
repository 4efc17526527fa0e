/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscription - what one subscription has of its topic's messages and who gets the next one.
 *
 * A message is in exactly one place: the queue (never handed out), the redelivery heap (handed out
 * before; lowest position first), the delayed heap, or a seat. It is charged to the bound from
 * offer to finish.
 */
#include "daemon/broker/local/internal.h"

#include <stddef.h>
#include <string.h>

/* Of the delayed heap in one timer event. */
#define DELAYED_MAX 1024U

static void release(struct subscription *sub)
{
    struct topic *topic = sub->topic;
    HULSE_ASSERT(sub->held == 0 && sub->held_bytes == 0);
    hulse_link_remove(&sub->dirty);
    hulse_link_remove(&sub->link);
    hulse_mem_free(HULSE_MEM_TOPIC, sub, sub->object_bytes);
    hulse_topic_consider(topic);
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
        hulse_heap_push(&sub->redelivery, node, dl->d.id.entry);
    }
    start_delay(sub);
    hulse_subscription_wake(sub);
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
    hulse_link_init(&sub->dirty);
    hulse_link_init(&sub->seats);
    hulse_link_init(&sub->ready);
    hulse_link_init(&sub->queue);
    memcpy(sub->name, name, name_bytes);
    hulse_link_append(&topic->subscriptions, &sub->link);
    topic->subscription_count += 1;
    return sub;
}

/* The next one in the order of handing out, whether still good or not; NULL when none waits. */
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

void hulse_subscription_drop_waiting(struct subscription *sub)
{
    stop_timer(sub, &sub->delay);
    struct heap_node *node = NULL;
    while ((node = hulse_heap_pop(&sub->delayed)) != NULL) {
        hulse_heap_push(&sub->redelivery, node, 0);
    }
    sub->delayed_count = 0;
    struct delivery *dl = NULL;
    while ((dl = take_waiting(sub)) != NULL) {
        hulse_subscription_finish(sub, dl, &sub->topic->counters.dropped);
    }
}

void hulse_subscription_cease(struct subscription *sub)
{
    HULSE_ASSERT(sub->seat_count != 0 && !sub->over);

    sub->over = true;
    sub->topic->subscription_count -= 1;
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
    hulse_subscription_drop_waiting(sub);
    /* Freed in a turn, because whoever calls out to a consumer may still hold it. */
    hulse_subscription_mark(sub);
}

void hulse_subscription_bury(struct subscription *sub)
{
    HULSE_ASSERT(sub->doomed && sub->topic->worker->dispatching == 0);
    if (sub->returning == 0) {
        release(sub);
    }
}

void hulse_subscription_consider(struct subscription *sub)
{
    if (sub->doomed) {
        hulse_subscription_mark(sub);
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

static bool is_over(const struct subscription *sub, const struct delivery *dl)
{
    return dl->message->expires_ms != 0 &&
           hulse_local_now_ms(sub->topic->worker) >= dl->message->expires_ms;
}

void hulse_subscription_offer(struct subscription *sub, struct message *m)
{
    struct topic *topic = sub->topic;
    const struct local_params *params = &topic->worker->broker->params;
    if (sub->over) {
        return;
    }
    const bool kept = sub->seat_count != 0 && sub->held < params->subscription_messages_max &&
                      sub->held_bytes + m->bytes <= params->subscription_bytes_max;
    struct delivery *dl = kept ? hulse_delivery_create(topic->worker, m) : NULL;
    if (dl == NULL) {
        topic->counters.dropped += 1;
        return;
    }
    dl->sub = sub;
    sub->held += 1;
    sub->held_bytes += m->bytes;
    topic->held += 1;
    hulse_link_append(&sub->queue, &dl->link);
}

void hulse_subscription_requeue(struct subscription *sub, struct delivery *dl, uint32_t delay_ms)
{
    dl->seat = NULL;
    if (sub->doomed || sub->over) {
        hulse_subscription_finish(sub, dl, &sub->topic->counters.dropped);
        return;
    }
    if (delay_ms == 0) {
        hulse_heap_push(&sub->redelivery, &dl->node, dl->d.id.entry);
        hulse_subscription_wake(sub);
        return;
    }
    /* Rounded up past the millisecond that has begun: never early. */
    const uint64_t due_ms = hulse_local_now_ms(sub->topic->worker) + delay_ms + 1;
    hulse_heap_push(&sub->delayed, &dl->node, due_ms);
    sub->delayed_count += 1;
    if (sub->delayed.root == &dl->node) {
        start_delay(sub);
    }
}

/* ---- out ---- */

void hulse_subscription_finish(struct subscription *sub, struct delivery *dl, uint64_t *counter)
{
    struct message *m = dl->message;
    struct topic *topic = sub->topic;
    HULSE_ASSERT(sub->held > 0 && sub->held_bytes >= m->bytes);
    *counter += 1;
    sub->held -= 1;
    sub->held_bytes -= m->bytes;
    topic->held -= 1;
    hulse_delivery_free(topic->worker, dl);
    hulse_message_drop(m);
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

/* The next one that is still to be handed out. */
static struct delivery *take_good(struct subscription *sub)
{
    struct delivery *dl = NULL;
    while ((dl = take_waiting(sub)) != NULL) {
        if (dl->d.id.entry < sub->ended_below) {
            hulse_subscription_finish(sub, dl, &sub->topic->counters.acknowledged);
        } else if (is_over(sub, dl)) {
            hulse_subscription_finish(sub, dl, &sub->topic->counters.dropped);
        } else {
            break;
        }
    }
    return dl;
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
        struct delivery *dl = take_good(sub);
        if (dl == NULL) {
            break;
        }
        hulse_seat_hand_out(HULSE_CONTAINER(sub->ready.next, struct seat, ready), dl);
        done += 1;
    }
    hulse_subscription_wake(sub);
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

void hulse_subscription_tell_end(struct subscription *sub)
{
    if (sub->topic->end != TOPIC_TERMINATED || sub->held != 0 || sub->over) {
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
    while (sub->redelivery.root != NULL && sub->redelivery.root->key < sub->ended_below) {
        struct delivery *dl =
            HULSE_CONTAINER(hulse_heap_pop(&sub->redelivery), struct delivery, node);
        hulse_subscription_finish(sub, dl, &sub->topic->counters.acknowledged);
    }
}
