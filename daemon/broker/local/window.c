/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window - the part of a persistent topic that a subscription has in memory.
 *
 * A message that is stored goes straight into the window of those that have read up to it and have
 * room. The others are behind: nothing is dropped, and when half of the window is free again the
 * store is asked for what follows. Without consumers the window is empty.
 *
 * Positions that the store does not have are acknowledged when they are passed: those that were
 * refused when they were given, and those that are damaged, which is said and counted. A read that
 * fails says nothing about what is there and is made again.
 */
#include "daemon/broker/local/durable.h"
#include "daemon/broker/local/internal.h"
#include "daemon/core/log.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define READ_MESSAGES 256U
#define READ_BYTES (1U << 20U)
/* Between tries to read what cannot be read, doubling; and how long until what the disk refuses is given up. */
#define READ_PAUSE_MIN_MS 100U
#define READ_PAUSE_MAX_MS 5000U
#define READ_GIVE_UP_MS 60000U

static struct local_worker *worker_of(const struct subscription *sub)
{
    return sub->topic->worker;
}

/* ---- from memory ---- */

void hulse_window_offer(struct subscription *sub, struct message *m)
{
    struct cursor *c = sub->cursor;
    const uint64_t position = m->first.d.id.entry;
    if (sub->over || c->creation != NULL) {
        return;
    }
    if (sub->seat_count == 0 || position != c->next_read) {
        hulse_window_refill(sub);
    } else if (hulse_subscription_keep(sub, m) != NULL) {
        c->next_read = position + 1;
    } else if (sub->held == 0) {
        hulse_cursor_retry_later(
            sub); /* no memory, and nobody whose verdict would make it read on */
    } else {
        c->needs = m->bytes;
        hulse_window_starve(sub);
    }
}

void hulse_window_skip(struct subscription *sub, uint64_t position)
{
    if (!sub->over) {
        hulse_cursor_end(sub, position, position + 1);
        if (sub->cursor->next_read == position) {
            sub->cursor->next_read = position + 1;
        }
    }
}

/* ---- from the store ---- */

/* Where it lies now instead of in the read's buffer. */
static void rebase(struct broker_span *span, const uint8_t *from, const uint8_t *to)
{
    span->data = to + (span->data - from);
}

/* NULL over the memory cap. `d` points into the body. */
static struct message *create(const struct store_message *from, const struct broker_delivery *d)
{
    const uint8_t *parts = from->body + MESSAGE_HEADER_BYTES;
    const size_t parts_bytes = from->body_bytes - MESSAGE_HEADER_BYTES;
    struct message *m = hulse_mem_alloc(HULSE_MEM_MESSAGE, sizeof(*m) + parts_bytes);
    if (m == NULL) {
        return NULL;
    }
    /* Relaxed because nobody else knows the message. */
    atomic_store_explicit(&m->workers, 1, memory_order_relaxed);
    m->refs = 1;
    m->bytes = sizeof(*m) + parts_bytes;
    m->expires_ms = 0;
    m->producer = NULL;
    m->first_used = false;
    m->first.d = *d;
    m->first.d.id = (struct broker_id){.ledger = from->epoch, .entry = from->position, .batch = -1};
    m->first.d.publish_time_ms = from->time_ms;
    if (parts_bytes != 0) {
        memcpy(m->data, parts, parts_bytes);
    }
    rebase(&m->first.d.payload, parts, m->data);
    rebase(&m->first.d.meta.key, parts, m->data);
    rebase(&m->first.d.meta.ordering_key, parts, m->data);
    rebase(&m->first.d.meta.properties, parts, m->data);
    rebase(&m->first.d.producer, parts, m->data);
    return m;
}

/* By the loop's clock, which only knows now; what has expired did so a moment ago. */
static uint64_t expires_here(struct local_worker *lw, uint64_t expires_ms)
{
    const uint64_t wall_ms = hulse_local_wall_ms(lw);
    const uint64_t now_ms = hulse_local_now_ms(lw);
    if (expires_ms == 0) {
        return 0;
    }
    if (expires_ms <= wall_ms) {
        return now_ms == 0 ? 1 : now_ms;
    }
    const uint64_t left_ms = expires_ms - wall_ms;
    return left_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + left_ms;
}

enum taken { TAKEN, TAKEN_NO_ROOM, TAKEN_NO_MEMORY };

/* What a read came by that is damaged. */
struct damage {
    uint64_t first;
    uint64_t end;
    uint64_t messages; /* of them */
};

static void say_lost(struct subscription *sub, const struct damage *d, const char *why)
{
    if (d->messages == 0) {
        return;
    }
    sub->topic->counters.lost += d->messages;
    if (sub->type == BROKER_READER && sub->seat_count != 0) {
        hulse_seat_tell_lost(HULSE_CONTAINER(sub->seats.next, struct seat, link), d->messages);
    }
    HULSE_LOG_ERRORF("subscription.messages_lost",
                     hulse_log_str("topic", sub->topic->name),
                     hulse_log_str("subscription", sub->name),
                     hulse_log_u64("first", d->first),
                     hulse_log_u64("last", d->end - 1),
                     hulse_log_u64("messages", d->messages),
                     hulse_log_str("why", why));
}

/* Passes what is not there up to `end`; `damaged` of it were there once. */
static void pass(struct subscription *sub, uint64_t end, uint32_t damaged, struct damage *d)
{
    struct cursor *c = sub->cursor;
    const uint64_t first = hulse_ranges_next_gap(&c->acknowledged, c->next_read);
    if (damaged != 0 && first < end) {
        const uint64_t open = end - first - hulse_ranges_count(&c->acknowledged, first, end);
        d->first = d->messages == 0 ? first : d->first;
        d->end = end;
        d->messages += damaged < open ? damaged : open;
    }
    hulse_cursor_end(sub, c->next_read, end);
    c->next_read = end;
}

static enum taken take(struct subscription *sub, const struct store_message *from)
{
    struct cursor *c = sub->cursor;
    struct broker_delivery d = {0};
    uint64_t expires_ms = 0;
    const char *why = NULL;
    if (!hulse_message_decode(from->body, from->body_bytes, &d, &expires_ms, &why)) {
        const struct damage one = {
            .first = from->position, .end = from->position + 1, .messages = 1};
        say_lost(sub, &one, why);
        hulse_cursor_end(sub, from->position, from->position + 1);
        return TAKEN;
    }
    struct message *m = create(from, &d);
    if (m == NULL) {
        return TAKEN_NO_MEMORY;
    }
    m->expires_ms = expires_here(worker_of(sub), expires_ms);
    struct delivery *dl = hulse_subscription_keep(sub, m);
    if (dl != NULL) {
        dl->d.redelivery = hulse_counts_get(&c->redelivered, from->position);
        dl->again = dl->d.redelivery != 0;
    } else {
        c->needs = m->bytes;
    }
    hulse_message_drop(m);
    return dl == NULL ? TAKEN_NO_ROOM : TAKEN;
}

/* All of a read, as far as it can be taken. */
static enum taken take_all(struct subscription *sub, struct damage *d)
{
    struct cursor *c = sub->cursor;
    struct store_message each;
    size_t at = 0;
    while (hulse_store_read_next(&c->read, &at, &each)) {
        if (each.position < c->next_read || each.position >= c->read.end) {
            continue;
        }
        pass(sub, each.position, each.damaged, d);
        const enum taken taken =
            hulse_ranges_has(&c->acknowledged, each.position) ? TAKEN : take(sub, &each);
        if (taken != TAKEN) {
            return taken;
        }
        c->next_read = each.position + 1;
    }
    if (c->read.next > c->next_read) {
        pass(sub, c->read.next, c->read.damaged_behind, d);
    }
    return TAKEN;
}

/* Nothing is known of what is there: later again, at ever longer intervals. */
static void read_again(struct subscription *sub)
{
    struct cursor *c = sub->cursor;
    if (c->read_pause_ms == 0) {
        c->read_fails_from_ms = hulse_local_now_ms(worker_of(sub));
        c->read_pause_ms = READ_PAUSE_MIN_MS;
    } else if (c->read_pause_ms < READ_PAUSE_MAX_MS / 2) {
        c->read_pause_ms *= 2;
    } else {
        c->read_pause_ms = READ_PAUSE_MAX_MS;
    }
    hulse_cursor_retry_after(sub, c->read_pause_ms);
}

static void take_messages(struct subscription *sub)
{
    struct damage d = {0};
    sub->cursor->read_pause_ms = 0;
    sub->cursor->needs = 0;
    if (take_all(sub, &d) == TAKEN_NO_MEMORY) {
        hulse_cursor_retry_later(sub);
    }
    say_lost(sub, &d, "damaged in the store");
    hulse_subscription_wake(sub);
    hulse_subscription_mark(sub); /* perhaps all of it is acknowledged now */
}

static void take_read(struct subscription *sub)
{
    struct cursor *c = sub->cursor;
    switch (c->read.status) {
    case HULSE_OK:
        take_messages(sub);
        break;
    case HULSE_NO_MEMORY:
        hulse_cursor_retry_later(sub);
        break;
    case HULSE_IO:
    case HULSE_BUSY:
        read_again(sub);
        break;
    default:
        HULSE_ASSERT(c->read.status == HULSE_CLOSED);
    }
}

/* The disk has refused for so long that it will not give it any more. */
static bool gives_up(const struct subscription *sub)
{
    const struct cursor *c = sub->cursor;
    return c->read_pause_ms != 0 &&
           hulse_local_now_ms(worker_of(sub)) - c->read_fails_from_ms >= READ_GIVE_UP_MS;
}

static void done(struct store_read *read)
{
    struct cursor *c = HULSE_CONTAINER(read, struct cursor, read);
    struct subscription *sub = c->sub;
    struct topic *topic = sub->topic;
    c->reading = false;
    c->busy -= 1;
    hulse_window_unreserve(sub);
    if (c->read_for == c->generation && !sub->over) {
        take_read(sub);
    }
    hulse_store_read_free(read);
    hulse_window_refill(sub);
    hulse_subscription_consider(sub);
    hulse_durable_ended(topic);
}

/* At most half of it waits, and there is a place. */
static bool wants_more(const struct subscription *sub)
{
    const uint32_t messages_max = worker_of(sub)->broker->params.subscription_messages_max;
    const uint64_t waiting_bytes = sub->held_bytes - sub->handed_bytes;
    return sub->held == 0 ||
           (sub->held - sub->handed_out <= messages_max / 2 &&
            waiting_bytes <= hulse_window_share(sub) / 2 && sub->held < messages_max);
}

/* No more than goes in; the store gives one message at least. */
static void read_on(struct subscription *sub)
{
    struct cursor *c = sub->cursor;
    const uint64_t room = hulse_window_room(sub);
    const uint32_t bytes = room < READ_BYTES ? (uint32_t)room : READ_BYTES;
    const uint64_t messages = room / sizeof(struct message) + 1;
    hulse_window_reserve(sub, bytes);
    c->reading = true;
    c->read_for = c->generation;
    c->busy += 1;
    sub->topic->durable->under_way += 1;
    c->read = (struct store_read){.done = done,
                                  .topic = sub->topic->durable->id,
                                  .from = c->next_read,
                                  .end = sub->topic->durable->committed,
                                  .messages_max =
                                      messages < READ_MESSAGES ? (uint32_t)messages : READ_MESSAGES,
                                  .bytes_max = bytes,
                                  .give_up = gives_up(sub)};
    hulse_store_read_submit(&worker_of(sub)->store, &c->read);
}

void hulse_window_refill(struct subscription *sub)
{
    struct cursor *c = sub->cursor;
    const uint64_t committed = sub->topic->durable->committed;
    if (c->next_read >= committed || c->reading || sub->seat_count == 0 || sub->over || c->dead ||
        hulse_timer_pending(&c->retry) || worker_of(sub)->stopping || !wants_more(sub)) {
        return;
    }
    if (sub->held != 0 && !hulse_window_worth_reading(sub)) {
        hulse_window_starve(sub);
        return;
    }
    const uint64_t gap = hulse_ranges_next_gap(&c->acknowledged, c->next_read);
    c->next_read = gap < committed ? gap : committed;
    if (c->next_read < committed) {
        read_on(sub);
    }
}

/* ---- out ---- */

void hulse_window_empty(struct subscription *sub)
{
    struct cursor *c = sub->cursor;
    if (sub->seat_count != 0 || sub->returning != 0 || sub->over) {
        return;
    }
    HULSE_ASSERT(sub->handed_out == 0);
    (void)hulse_subscription_shed(sub);
    c->generation += 1;
    c->needs = 0;
    c->forgetful = false; /* what was not noted comes again, and who called is gone */
    c->by_id = false;
    c->next_read = hulse_ranges_next_gap(&c->acknowledged, 0);
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Positions with consumers, rising; NULL without memory. */
static uint64_t *held_positions(const struct subscription *sub)
{
    uint64_t *held = calloc(sub->handed_out + 1U, sizeof(*held));
    uint32_t count = 0;
    for (struct link *s = sub->seats.next; held != NULL && s != &sub->seats; s = s->next) {
        const struct seat *seat = HULSE_CONTAINER(s, struct seat, link);
        for (struct link *l = seat->outstanding.next; l != &seat->outstanding; l = l->next) {
            held[count] = HULSE_CONTAINER(l, struct delivery, link)->d.id.entry;
            count += 1;
        }
    }
    if (held != NULL) {
        held[count] = UINT64_MAX;
        qsort(held, count, sizeof(*held), compare);
    }
    return held;
}

bool hulse_window_truncate(struct subscription *sub)
{
    struct cursor *c = sub->cursor;
    const uint64_t committed = sub->topic->durable->committed;
    if (sub->over || c->creation != NULL) {
        return true;
    }
    uint64_t *held = held_positions(sub);
    if (held == NULL) {
        return false;
    }
    uint64_t from = 0;
    for (uint32_t i = 0; from < committed; i++) {
        const uint64_t end = held[i] < committed ? held[i] : committed;
        hulse_cursor_end(sub, from, end);
        from = end == committed ? end : end + 1;
    }
    free(held);
    hulse_subscription_drop_waiting(sub);
    c->generation += 1;
    c->next_read = committed;
    c->needs = 0;
    c->by_id = true; /* what is on its way back */
    return true;
}
