/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer - deliveries in place: next, batches, release.
 *
 *      released          freed_to          handed_to     rx.read          tail
 *   -------|-----------------|-----------------|-------------|----------------|---> position
 *          | to be published | held by the app | skips and   | not looked at
 *          | with the batch  |                 | fragments   |
 *
 * Threads: the consumer's.
 * Trust:   a header is copied once and judged; lengths are compared with the bytes that are there.
 */
#include "shmlib/client/consumer.h"

#include "shmlib/client/meta.h"
#include "shmlib/client/wait.h"
#include "shmlib/ring/record.h"

#define DELIVERY_FLAGS                                                                             \
    (HULSE_RECORD_FIRST | HULSE_RECORD_LAST | HULSE_RECORD_HAS_META | HULSE_RECORD_NO_BATCH |      \
     HULSE_RECORD_LAST_ATTEMPT | HULSE_RECORD_LEFT_OUT)

/* NULL when the copied header describes a record within the bytes that are there. */
static const char *judge(const struct hulse_delivery_header *h, uint64_t ready, uint32_t handle)
{
    const uint64_t body =
        h->meta_len == 0 ? h->payload_len : hulse_record_stride(h->payload_len) + h->meta_len;

    if (h->len < HULSE_DELIVERY_HEADER_BYTES || hulse_record_stride(h->len) > ready) {
        return "a delivery of impossible length";
    }
    if (h->type == HULSE_RECORD_SKIP) {
        return NULL;
    }
    if ((h->type != HULSE_RECORD_MESSAGE && h->type != HULSE_RECORD_FRAGMENT) ||
        (h->flags & ~DELIVERY_FLAGS) != 0 || h->handle != handle) {
        return "a delivery of unknown kind";
    }
    if (body != h->len - HULSE_DELIVERY_HEADER_BYTES || h->meta_len > HULSE_META_BYTES_MAX ||
        (h->type == HULSE_RECORD_FRAGMENT && h->payload_len < HULSE_FRAGMENT_HEADER_BYTES)) {
        return "a delivery whose lengths do not add up";
    }
    return NULL;
}

static hulse_status broken(hulse_consumer *c, const char *why)
{
    (void)hulse_channel_broken(c->handle.channel, why);
    return hulse_handle_refuse(&c->handle, HULSE_PROTOCOL, why);
}

/* The next record's header. AGAIN: none is there. */
static hulse_status peek(hulse_consumer *c, struct hulse_delivery_header *h)
{
    struct hulse_channel *ch = c->handle.channel;
    const char *why = NULL;

    if (!hulse_channel_unread(ch)) {
        return HULSE_AGAIN;
    }
    const uint64_t ready = hulse_ring_rx_ready(&ch->rx);
    if (hulse_session_state(ch->session) == HULSE_SESSION_BROKEN) {
        (void)hulse_handle_status(&c->handle);
        return HULSE_PROTOCOL;
    }
    if (ready < HULSE_DELIVERY_HEADER_BYTES) {
        return broken(c, "a delivery without a header");
    }
    hulse_foreign_copy(h, hulse_ring_rx_at(&ch->rx, ch->rx.read), sizeof(*h));
    why = judge(h, ready, c->handle.number);
    return why == NULL ? HULSE_OK : broken(c, why);
}

/*
 * The source's name; an unknown one has been announced on the socket, so that is read first. AGAIN:
 * another thread is reading it.
 */
static hulse_status source_name(hulse_consumer *c, uint32_t index, const char **name)
{
    *name = hulse_sources_get(&c->sources, index);
    if (*name != NULL) {
        return HULSE_OK;
    }
    if (hulse_session_tend(c->handle.channel->session) == HULSE_AGAIN) {
        return HULSE_AGAIN;
    }
    *name = hulse_sources_get(&c->sources, index);
    return *name != NULL ? HULSE_OK : broken(c, "a delivery from a source that was not announced");
}

static void fill(struct hulse_message *m, const struct hulse_delivery_header *h, const char *topic)
{
    *m = (struct hulse_message){
        .size = sizeof(*m),
        .id = {.size = sizeof(m->id),
               .ledger = h->ledger,
               .entry = h->entry,
               .batch = h->batch,
               .partition = h->partition,
               .batch_size = h->batch_size,
               .ref = h->ref,
               .source = h->source},
        .publish_time_ms = h->publish_time,
        .redelivery_count = h->redelivery,
        .flags = ((h->flags & HULSE_RECORD_LAST_ATTEMPT) != 0 ? HULSE_MESSAGE_LAST_ATTEMPT : 0) |
                 ((h->flags & HULSE_RECORD_LEFT_OUT) != 0 ? HULSE_MESSAGE_PROPERTIES_LEFT_OUT : 0),
        .topic = topic,
    };
}

/* Everything before the first message that the application holds may go back. */
static void set_give(hulse_consumer *c)
{
    struct hulse_channel *ch = c->handle.channel;

    const uint64_t freed = c->freed_to > c->base ? c->freed_to - c->base : 0;
    const uint64_t to = c->freed_to >= c->handed_to ? ch->rx.read : freed;
    ch->give_to = to > ch->give_to ? to : ch->give_to;
}

static bool at_end(const hulse_consumer *c, const struct hulse_id *id)
{
    if (!c->has_end || id->ledger != c->end.ledger) {
        return c->has_end && id->ledger > c->end.ledger;
    }
    return id->entry > c->end.entry || (id->entry == c->end.entry && id->batch >= c->end.batch);
}

hulse_status hulse_reader_caught_up(hulse_consumer *c)
{
    if (c == NULL) {
        return HULSE_INVAL;
    }
    if (c->type != HULSE_READER) {
        return hulse_handle_refuse(&c->handle, HULSE_INVAL, "only a reader catches up");
    }
    if (c->caught_up) {
        return HULSE_OK;
    }
    /* Relaxed because the word stands alone. */
    return atomic_load_explicit(&c->told, memory_order_relaxed)
               ? HULSE_AGAIN
               : hulse_handle_refuse(
                     &c->handle, HULSE_UNSUPPORTED, "the daemon is older and does not say it");
}

hulse_status hulse_end_of_topic(const hulse_consumer *c)
{
    return c == NULL ? HULSE_INVAL : c->ended ? HULSE_OK : HULSE_AGAIN;
}

hulse_status hulse_consumer_active(const hulse_consumer *c)
{
    if (c == NULL) {
        return HULSE_INVAL;
    }
    /* Relaxed because the word stands alone. */
    return c->type != HULSE_FAILOVER || atomic_load_explicit(&c->active, memory_order_relaxed)
               ? HULSE_OK
               : HULSE_AGAIN;
}

/* What a record that is no message says; a message says that the topic's end was not it. */
static void hear(hulse_consumer *c, const struct hulse_delivery_header *h)
{
    const bool stale = c->handle.channel->rx.read < c->stale_to;

    if (h->type != HULSE_RECORD_SKIP) {
        c->ended = c->ended && stale;
        return;
    }
    c->caught_up = c->caught_up || (h->flags & HULSE_RECORD_CAUGHT_UP) != 0;
    c->ended = c->ended || (!stale && (h->flags & HULSE_RECORD_END_OF_TOPIC) != 0);
}

static void take(hulse_consumer *c, const struct hulse_delivery_header *h)
{
    hulse_ring_rx_take(&c->handle.channel->rx, hulse_record_stride(h->len));
}

static void give_if_large(hulse_consumer *c)
{
    struct hulse_channel *ch = c->handle.channel;

    if (c->unreleased >= HULSE_BATCH_RECORDS ||
        ch->give_to - ch->rx.released >= HULSE_BATCH_BYTES) {
        c->unreleased = 0;
        hulse_channel_give(ch, ch->give_to);
    }
}

/* The next daemon lets a reader go on behind it. */
static void remember_last(hulse_consumer *c, const struct hulse_id *id)
{
    struct hulse_ctl_attach_handle *offer = &c->handle.offer;

    offer->flags = HULSE_ATTACH_HAS_LAST;
    offer->last_ledger = id->ledger;
    offer->last_entry = id->entry;
    offer->last_batch = id->batch;
    offer->last_partition = id->partition;
    hulse_marks_set(&c->marks,
                    &(struct hulse_ctl_mark){.ledger = id->ledger,
                                             .entry = id->entry,
                                             .batch = id->batch,
                                             .source = id->source,
                                             .partition = id->partition});
}

/* Hands out what *m describes; it ends where the ring has been read to. */
static hulse_status hand_out(hulse_consumer *c, struct hulse_message *m)
{
    struct hulse_channel *ch = c->handle.channel;

    if (m->meta_bytes != 0 && !hulse_meta_read(m)) {
        return broken(c, "metadata of a delivery overrun their record");
    }
    m->end = c->base + ch->rx.read;
    c->handed_to = m->end;
    if (c->type != HULSE_READER) {
        hulse_unacked_hand_out(c, &m->id);
    } else {
        remember_last(c, &m->id);
        c->caught_up = c->caught_up || at_end(c, &m->id);
    }
    /* Relaxed because it is a hint for the case that we die. */
    atomic_store_explicit(&hulse_region_a(&ch->a)->down_started, ch->rx.read, memory_order_relaxed);
    return HULSE_OK;
}

static hulse_status
take_message(hulse_consumer *c, const struct hulse_delivery_header *h, struct hulse_message *m)
{
    struct hulse_channel *ch = c->handle.channel;
    const uint8_t *at = hulse_ring_rx_at(&ch->rx, ch->rx.read);

    m->data = at + HULSE_DELIVERY_HEADER_BYTES;
    m->data_bytes = h->payload_len;
    m->meta = at + (h->len - h->meta_len);
    m->meta_bytes = h->meta_len;
    c->assembly.next_index = 0; /* the daemon may give a fragmented message up */
    take(c, h);
    return hand_out(c, m);
}

/* AGAIN: the message is not whole yet. */
static hulse_status
take_fragment(hulse_consumer *c, const struct hulse_delivery_header *h, struct hulse_message *m)
{
    struct hulse_channel *ch = c->handle.channel;
    const char *why = NULL;
    const hulse_status st =
        hulse_assembly_take(&c->assembly,
                            h,
                            hulse_ring_rx_at(&ch->rx, ch->rx.read) + HULSE_DELIVERY_HEADER_BYTES,
                            &why);

    if (st == HULSE_PROTOCOL) {
        return broken(c, why);
    }
    take(c, h);
    set_give(c);
    give_if_large(c);
    if (st == HULSE_OK) {
        hulse_assembly_finish(&c->assembly, m);
        c->held_to = c->base + ch->rx.read;
        return hand_out(c, m);
    }
    return st;
}

/* Nothing to hand out: a moment to send what waits for a batch. */
static hulse_status nothing(hulse_consumer *c)
{
    struct hulse_channel *ch = c->handle.channel;

    c->unreleased = 0;
    hulse_unacked_retire(c);
    hulse_channel_flush(ch);
    hulse_channel_look(ch, hulse_clock_ns(CLOCK_MONOTONIC_COARSE));
    const hulse_status st = hulse_handle_status(&c->handle);
    if (st == HULSE_ORPHAN) {
        return hulse_handle_refuse(
            &c->handle, HULSE_AGAIN, "no message is there, and the daemon is away");
    }
    return st == HULSE_OK ? hulse_handle_refuse(&c->handle, HULSE_AGAIN, "no message is there")
                          : st;
}

/* A failed handle, or a session whose ring must not be touched. */
static hulse_status usable(hulse_consumer *c)
{
    if (hulse_channel_attached(c->handle.channel) &&
        /* Relaxed because the slow path acquires. */
        atomic_load_explicit(&c->handle.failed, memory_order_relaxed) == 0) {
        return HULSE_OK;
    }
    return hulse_handle_usable(&c->handle);
}

/* AGAIN, or what makes waiting useless. */
static hulse_status not_yet(hulse_consumer *c)
{
    const hulse_status st = usable(c);

    return st == HULSE_OK ? HULSE_AGAIN : st;
}

hulse_status hulse_next(hulse_consumer *c, struct hulse_message *m)
{
    struct hulse_delivery_header h;

    if (c == NULL || m == NULL || m->size < sizeof(*m)) {
        return HULSE_INVAL;
    }
    hulse_status st = usable(c);
    while (st == HULSE_OK) {
        st = peek(c, &h);
        if (st == HULSE_AGAIN) {
            return nothing(c);
        }
        if (st != HULSE_OK) {
            return st;
        }
        hear(c, &h);
        if (h.type == HULSE_RECORD_SKIP || c->handle.channel->rx.read < c->stale_to ||
            hulse_unacked_suppresses(c, &h)) {
            take(c, &h);
            set_give(c);
            continue;
        }
        if (h.type == HULSE_RECORD_FRAGMENT && c->held_to != 0) {
            c->handle.channel->paused = true;
            return hulse_handle_refuse(
                &c->handle, HULSE_AGAIN, "release the large message before the next one");
        }
        const char *topic = NULL;
        st = source_name(c, h.source, &topic);
        if (st != HULSE_OK) {
            return st;
        }
        fill(m, &h, topic);
        if (h.type == HULSE_RECORD_MESSAGE) {
            return take_message(c, &h, m);
        }
        st = take_fragment(c, &h, m);
        if (st != HULSE_AGAIN) {
            return st;
        }
        st = HULSE_OK;
    }
    return st;
}

void hulse_release(hulse_consumer *c, const struct hulse_message *last)
{
    if (c == NULL || last == NULL || last->end <= c->freed_to || last->end > c->handed_to ||
        hulse_session_state(c->handle.channel->session) == HULSE_SESSION_FORKED) {
        return;
    }
    c->freed_to = last->end;
    if (c->held_to != 0 && c->freed_to >= c->held_to) {
        c->held_to = 0;
        c->handle.channel->paused = false;
    }
    struct hulse_channel *ch = c->handle.channel;
    while (ch->old_count != 0 && c->freed_to >= ch->olds[0].held_to) {
        hulse_channel_drop_old(ch);
    }
    c->unreleased += 1;
    set_give(c);
    give_if_large(c);
}

void hulse_consumer_detach(struct hulse_channel *ch)
{
    hulse_consumer *c = NULL;
    for (struct hulse_handle *h = ch->group->handles; h != NULL && c == NULL; h = h->next) {
        c = h->channel == ch ? (hulse_consumer *)(void *)h : NULL;
    }
    if (c == NULL || c->freed_to >= c->handed_to) {
        hulse_region_unmap(&ch->b);
    } else {
        ch->olds[ch->old_count] = (struct hulse_old){.b = ch->b, .held_to = c->handed_to};
        ch->old_count += 1;
        ch->b = (struct hulse_region){0};
    }
    if (c != NULL) {
        /* What was not handed out comes again. */
        c->base += ch->rx.read;
        c->resumed = true;
        c->unreleased = 0;
        c->assembly.next_index = 0;
        c->stale_to = 0;
    }
    ch->paused = false;
}

/* ---- waiting ------------------------------------------------------------------------------ */

static void announce(void *of)
{
    const hulse_consumer *c = of;
    struct hulse_channel *ch = c->handle.channel;

    hulse_channel_flush(ch);
    hulse_channel_announce(ch, hulse_ring_capacity(ch->tx.mask));
}

static hulse_status delivery_ready(void *of)
{
    hulse_consumer *c = of;

    return hulse_channel_unread(c->handle.channel) ? HULSE_OK : not_yet(c);
}

static hulse_status verdicts_ready(void *of)
{
    hulse_consumer *c = of;
    const hulse_status st = hulse_channel_settled(c->handle.channel);

    return st == HULSE_AGAIN ? not_yet(c) : st;
}

static hulse_status
wait_for(hulse_consumer *c, hulse_status (*ready)(void *of), struct hulse_deadline deadline)
{
    const struct hulse_waiter w = {
        .group = c->handle.channel->group, .ready = ready, .announce = announce, .of = c};
    const hulse_status st = hulse_waiter_run(&w, hulse_deadline_left(deadline, INT32_MAX));

    if (st == HULSE_TIMED_OUT) {
        return hulse_handle_refuse(&c->handle, st, "nothing came in time");
    }
    return st == HULSE_OK ? st : hulse_handle_status(&c->handle);
}

static hulse_status attached(void *of)
{
    hulse_consumer *c = of;

    return hulse_channel_attached(c->handle.channel) ? HULSE_OK : not_yet(c);
}

hulse_status hulse_consumer_await(hulse_consumer *c, struct hulse_deadline deadline)
{
    return attached(c) == HULSE_OK ? HULSE_OK : wait_for(c, attached, deadline);
}

hulse_status hulse_next_wait(hulse_consumer *c, struct hulse_message *m, int timeout_ms)
{
    const struct hulse_deadline deadline = hulse_deadline_in(timeout_ms);
    hulse_status st = hulse_next(c, m);

    while (st == HULSE_AGAIN) {
        if (c->handle.channel->paused) {
            return st; /* no wait can end that */
        }
        st = wait_for(c, delivery_ready, deadline);
        if (st == HULSE_OK) {
            st = hulse_next(c, m);
        }
    }
    return st;
}

/* Payload bytes of the next message, 0 when there is none or it is not whole. */
static size_t next_bytes(hulse_consumer *c)
{
    struct hulse_delivery_header h;

    return peek(c, &h) == HULSE_OK && h.type == HULSE_RECORD_MESSAGE ? h.payload_len : 0;
}

hulse_status hulse_next_batch(hulse_consumer *c,
                              struct hulse_message *out,
                              unsigned max,
                              size_t max_bytes,
                              int timeout_ms,
                              unsigned *count)
{
    size_t bytes = 0;
    unsigned n = 0;

    if (c == NULL || out == NULL || max == 0 || count == NULL) {
        return HULSE_INVAL;
    }
    *count = 0;
    out[0].size = sizeof(out[0]);
    hulse_status st = hulse_next_wait(c, &out[0], timeout_ms);
    while (st == HULSE_OK) {
        bytes += out[n].data_bytes;
        n += 1;
        if (n == max || bytes >= max_bytes || next_bytes(c) > max_bytes - bytes) {
            break;
        }
        out[n].size = sizeof(out[n]);
        st = hulse_next(c, &out[n]);
    }
    *count = n;
    return n != 0 ? HULSE_OK : st;
}

hulse_status hulse_consumer_flush(hulse_consumer *c)
{
    if (c == NULL) {
        return HULSE_INVAL;
    }
    const hulse_status st = usable(c);
    if (st == HULSE_OK) {
        c->unreleased = 0;
        hulse_channel_flush(c->handle.channel);
    }
    return st;
}

hulse_status hulse_consumer_sync(hulse_consumer *c, int timeout_ms)
{
    const hulse_status st = hulse_consumer_flush(c);

    return st == HULSE_OK ? wait_for(c, verdicts_ready, hulse_deadline_in(timeout_ms)) : st;
}
