/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cursor - what a persistent subscription has acknowledged, and how the store hears of it.
 *
 * Changes are collected and given to the store when a turn ends, one group at a time: while it is
 * stored the next one grows. When a group is stored, the calls that were made before it was given are
 * settled.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"

#include <stddef.h>

#define COUNTS_MIN 16U
#define RETRY_MS 100U

static struct local_worker *worker_of(const struct cursor *c)
{
    return c->sub->topic->worker;
}

/* ---- changes ---- */

static size_t counts_bytes(uint32_t room)
{
    return (size_t)room * sizeof(struct store_count);
}

static void change_clear(struct cursor_change *change)
{
    hulse_ranges_clear(&change->acknowledged);
    hulse_mem_free(HULSE_MEM_TOPIC, change->counts, counts_bytes(change->room));
    *change = (struct cursor_change){0};
}

static bool change_is_empty(const struct cursor_change *change)
{
    return change->acknowledged.count == 0 && change->count == 0;
}

/* False: no memory. */
static bool change_add_count(struct cursor_change *change, uint64_t position, uint32_t count)
{
    if (change->count == change->room) {
        const uint32_t room = change->room == 0 ? COUNTS_MIN : change->room * 2;
        struct store_count *wider = hulse_mem_alloc(HULSE_MEM_TOPIC, counts_bytes(room));
        if (wider == NULL) {
            return false;
        }
        for (uint32_t i = 0; i < change->count; i++) {
            wider[i] = change->counts[i];
        }
        hulse_mem_free(HULSE_MEM_TOPIC, change->counts, counts_bytes(change->room));
        change->counts = wider;
        change->room = room;
    }
    change->counts[change->count] = (struct store_count){.position = position, .count = count};
    change->count += 1;
    return true;
}

/* ---- life ---- */

static void retry_fire(struct timer *timer)
{
    struct cursor *c = HULSE_CONTAINER(timer, struct cursor, retry);
    hulse_cursor_touch(c->sub);
    hulse_window_refill(c->sub);
}

bool hulse_cursor_create(struct subscription *sub, uint64_t start)
{
    struct cursor *c = hulse_mem_zalloc(HULSE_MEM_TOPIC, sizeof(*c));
    if (c == NULL || !hulse_ranges_add(&c->acknowledged, 0, start)) {
        hulse_mem_free(HULSE_MEM_TOPIC, c, sizeof(*c));
        return false;
    }
    c->sub = sub;
    c->next_read = start;
    c->retry.fire = retry_fire;
    hulse_link_init(&c->changed);
    hulse_link_init(&c->windowed);
    hulse_link_init(&c->starved);
    sub->cursor = c;
    return true;
}

void hulse_cursor_free(struct subscription *sub)
{
    struct cursor *c = sub->cursor;
    HULSE_ASSERT(hulse_cursor_idle(sub));
    hulse_link_remove(&c->changed);
    hulse_link_remove(&c->starved);
    if (hulse_timer_pending(&c->retry)) {
        hulse_timer_stop(&worker_of(c)->worker->loop.timers, &c->retry);
    }
    hulse_ranges_clear(&c->acknowledged);
    hulse_counts_clear(&c->redelivered);
    change_clear(&c->fresh);
    change_clear(&c->stored);
    hulse_mem_free(HULSE_MEM_TOPIC, c, sizeof(*c));
    sub->cursor = NULL;
}

bool hulse_cursor_idle(const struct subscription *sub)
{
    return sub->cursor->busy == 0;
}

struct order *hulse_cursor_remove(struct subscription *sub)
{
    struct cursor *c = sub->cursor;
    struct topic *topic = sub->topic;
    if (c->removed || topic->end == TOPIC_DELETED || topic->worker->ending) {
        return NULL;
    }
    struct order *o = &c->removal;
    c->removed = true;
    hulse_order_init(o, topic, STORE_SUBSCRIPTION_DELETE);
    o->embedded = true;
    o->sub = sub;
    o->rq.subscription = c->id;
    o->rq.transient = sub->transient;
    hulse_order_give(o);
    return o;
}

/* ---- in ---- */

void hulse_cursor_touch(struct subscription *sub)
{
    struct cursor *c = sub->cursor;
    if (hulse_link_empty(&c->changed) && c->storing == 0) {
        hulse_link_append(&worker_of(c)->changed, &c->changed);
    }
}

void hulse_cursor_end(struct subscription *sub, uint64_t first, uint64_t end)
{
    struct cursor *c = sub->cursor;
    if (hulse_ranges_next_gap(&c->acknowledged, first) >= end) {
        return;
    }
    if (!hulse_ranges_add(&c->acknowledged, first, end)) {
        c->forgetful = true; /* without memory it comes again, and nobody is told otherwise */
    } else if (!hulse_ranges_add(&c->fresh.acknowledged, first, end)) {
        c->unsent = true;
    }
    hulse_counts_remove_range(&c->redelivered, first, end);
    hulse_cursor_touch(sub);
    if (sub->type == BROKER_READER && first < sub->catch_up) {
        hulse_subscription_mark(sub); /* perhaps it has caught up */
    }
}

void hulse_cursor_again(struct subscription *sub, uint64_t position, uint32_t count)
{
    struct cursor *c = sub->cursor;
    if (sub->over) {
        return;
    }
    /* Without memory it is known as long as the message is in the window: after that it begins anew. */
    (void)hulse_counts_set(&c->redelivered, position, count);
    (void)change_add_count(&c->fresh, position, count);
    hulse_cursor_touch(sub);
}

void hulse_cursor_ack_id(struct subscription *sub, uint64_t position, bool cumulative)
{
    struct cursor *c = sub->cursor;
    if (position >= sub->topic->durable->committed) {
        return;
    }
    if (cumulative && sub->type != BROKER_SHARED) {
        hulse_subscription_end_below(sub, position + 1);
    } else if (!hulse_ranges_has(&c->acknowledged, position)) {
        hulse_cursor_end(sub, position, position + 1);
    }
    /* What is in the window is found to be acknowledged when it leaves its place. */
    c->by_id = c->by_id || position < c->next_read || cumulative;
    hulse_subscription_wake(sub);
}

/* ---- to the store ---- */

/* Tells what is due. An event may close any seat, so after one the walk begins anew. */
static void tell_due(struct subscription *sub)
{
    struct link *l = sub->seats.next;
    while (l != &sub->seats) {
        struct seat *seat = HULSE_CONTAINER(l, struct seat, link);
        const uint32_t due = seat->calls_due;
        l = l->next;
        if (due != 0) {
            seat->calls_due = 0;
            hulse_seat_settled(seat, due);
            l = sub->seats.next;
        }
    }
}

/* What was given to the store has to be given once more. */
static void take_calls_back(struct cursor *c)
{
    for (struct link *l = c->sub->seats.next; l != &c->sub->seats; l = l->next) {
        struct seat *seat = HULSE_CONTAINER(l, struct seat, link);
        seat->calls += seat->calls_storing;
        seat->calls_storing = 0;
    }
}

/* Calls whose group is stored; `all`: of a subscription that is over, where they have no effect. */
static void settle(struct cursor *c, bool all)
{
    struct subscription *sub = c->sub;
    if ((c->forgetful || c->unsent) && !all) {
        take_calls_back(c);
        return;
    }
    for (struct link *l = sub->seats.next; l != &sub->seats; l = l->next) {
        struct seat *seat = HULSE_CONTAINER(l, struct seat, link);
        seat->calls_due += seat->calls_storing + (all ? seat->calls : 0);
        seat->calls_storing = 0;
        seat->calls = all ? 0 : seat->calls;
    }
    tell_due(sub);
}

/* The group was refused: it is a part of the next one. */
static void take_back(struct cursor *c)
{
    for (uint32_t i = 0; i < c->fresh.count; i++) {
        const struct store_count *count = &c->fresh.counts[i];
        (void)change_add_count(&c->stored, count->position, count->count);
    }
    c->unsent |= !hulse_ranges_add_all(&c->stored.acknowledged, &c->fresh.acknowledged);
    change_clear(&c->fresh);
    c->fresh = c->stored;
    c->stored = (struct cursor_change){0};
    take_calls_back(c);
}

void hulse_cursor_retry_after(struct subscription *sub, uint32_t pause_ms)
{
    struct cursor *c = sub->cursor;
    struct local_worker *lw = worker_of(c);
    if (!hulse_timer_pending(&c->retry)) {
        hulse_timer_start(&lw->worker->loop.timers, &c->retry, hulse_local_now_ms(lw) + pause_ms);
    }
}

void hulse_cursor_retry_later(struct subscription *sub)
{
    hulse_cursor_retry_after(sub, RETRY_MS);
}

static void group_ended(struct cursor *c)
{
    const hulse_status status = c->group_status;
    c->group_status = HULSE_OK;
    if (status == HULSE_OK) {
        change_clear(&c->stored);
        settle(c, false);
    } else {
        take_back(c);
    }
    if (status == HULSE_LIMIT || status == HULSE_NO_MEMORY) {
        hulse_cursor_retry_later(c->sub);
    } else if (status != HULSE_OK) {
        c->dead = true; /* the store, or the topic, has ended: nothing is final any more */
    } else {
        hulse_cursor_touch(c->sub);
    }
}

static void done(struct cursor *c, hulse_status status)
{
    struct topic *topic = c->sub->topic;
    c->storing -= 1;
    c->busy -= 1;
    if (status != HULSE_OK) {
        c->group_status = status;
    }
    if (c->storing == 0) {
        group_ended(c);
    }
    hulse_subscription_consider(c->sub);
    hulse_durable_ended(topic);
}

static void ack_done(struct store_request *rq)
{
    done(HULSE_CONTAINER(rq, struct cursor, ack), rq->status);
}

static void again_done(struct store_request *rq)
{
    done(HULSE_CONTAINER(rq, struct cursor, again), rq->status);
}

static void give(struct cursor *c, struct store_request *rq)
{
    c->storing += 1;
    c->busy += 1;
    c->sub->topic->durable->under_way += 1;
    hulse_store_submit(&worker_of(c)->store, rq);
}

static struct store_request request(const struct cursor *c, enum store_kind kind)
{
    return (struct store_request){.kind = kind,
                                  .lazy = true,
                                  .transient = c->sub->transient,
                                  .topic = c->sub->topic->durable->id,
                                  .subscription = c->id};
}

/* False: no memory yet. */
static bool send_all(struct cursor *c)
{
    hulse_ranges_clear(&c->fresh.acknowledged);
    c->unsent = !hulse_ranges_copy(&c->fresh.acknowledged, &c->acknowledged);
    return !c->unsent;
}

static void commit(struct cursor *c)
{
    struct subscription *sub = c->sub;
    if (c->unsent && !send_all(c)) {
        hulse_cursor_retry_later(sub);
        return;
    }
    c->stored = c->fresh;
    c->fresh = (struct cursor_change){0};
    for (struct link *l = sub->seats.next; l != &sub->seats; l = l->next) {
        struct seat *seat = HULSE_CONTAINER(l, struct seat, link);
        seat->calls_storing = seat->calls;
        seat->calls = 0;
    }
    /* Counts first: what is acknowledged has none. */
    if (c->stored.count != 0) {
        c->again = request(c, STORE_REDELIVERED);
        c->again.done = again_done;
        c->again.counts = c->stored.counts;
        c->again.count = c->stored.count;
        give(c, &c->again);
    }
    if (c->stored.acknowledged.count != 0) {
        c->ack = request(c, STORE_ACK);
        c->ack.done = ack_done;
        c->ack.ranges = &c->stored.acknowledged;
        give(c, &c->ack);
    }
    if (c->storing == 0) {
        settle(c, false); /* calls without effect */
    }
}

static bool has_calls(const struct subscription *sub)
{
    for (struct link *l = sub->seats.next; l != &sub->seats; l = l->next) {
        if (HULSE_CONTAINER(l, struct seat, link)->calls != 0) {
            return true;
        }
    }
    return false;
}

void hulse_cursors_commit(struct local_worker *lw)
{
    struct link changed;
    hulse_link_init(&changed);
    hulse_link_prepend_all(&changed, &lw->changed);
    while (!hulse_link_empty(&changed)) {
        struct cursor *c = HULSE_CONTAINER(changed.next, struct cursor, changed);
        hulse_link_remove(&c->changed);
        if (c->sub->over) {
            settle(c, true);
        } else if (!c->dead && (c->unsent || !change_is_empty(&c->fresh) || has_calls(c->sub))) {
            commit(c);
        }
    }
}

/* ---- out ---- */

uint64_t hulse_cursor_backlog(const struct subscription *sub)
{
    const uint64_t committed = sub->topic->durable->committed;
    return committed - hulse_ranges_count(&sub->cursor->acknowledged, 0, committed);
}

bool hulse_cursor_has_all(const struct subscription *sub)
{
    return hulse_ranges_next_gap(&sub->cursor->acknowledged, 0) >= sub->topic->next_entry;
}
