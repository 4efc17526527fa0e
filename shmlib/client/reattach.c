/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reattach - a channel's way from a daemon that has gone to the next one.
 *
 *     NONE --ATTACH + A, handles, sources, end--> SENT --CHANNEL + B--> CAME --mapped, READY-->
 *     READY --CHANNEL_OK--> AGREED --taken into use--> attached
 *     SENT, READY --no room--> LATER --1 ms … 1 s, full jitter--> SENT
 *     SENT --never--> REFUSED
 *
 * Region A is the log: what the old daemon has not given a verdict on lies in it still. How far that
 * went is the larger of its up_head and the end of the last message that has a receipt; receipts
 * precede up_head, so nothing is sent again that the application was told of. Until the new B is in
 * use the rings look at `parked`: nothing comes, nothing is given back, publishing goes on.
 *
 * Threads: the channel's owner, under the session lock; answers are noted by whoever reads the socket.
 * See:     ipc B8.
 */
#include "shmlib/client/consumer.h"
#include "shmlib/ring/record.h"

#include <string.h>
#include <unistd.h>

#define OLDER "the daemon that is there is older and knows none of the options of this handle"

/* ---- leaving the old daemon ---- */

bool hulse_channel_stuck(const struct hulse_channel *ch)
{
    return ch->old_count == HULSE_OLDS_MAX && ch->bw != &ch->parked && !hulse_channel_attached(ch);
}

void hulse_channel_drop_old(struct hulse_channel *ch)
{
    hulse_region_unmap(&ch->olds[0].b);
    ch->old_count -= 1;
    memmove(&ch->olds[0], &ch->olds[1], ch->old_count * sizeof(ch->olds[0]));
}

/* A position of the ring that the daemon named, if it lies in what has no release yet. */
static uint64_t within(const struct hulse_channel *ch, uint64_t from, uint64_t end)
{
    return end - from <= ch->tx.published - from ? end : from;
}

/* The end of the last message with a receipt, or `from`. Forgets the messages that have one. */
static uint64_t receipted(struct hulse_channel *ch, uint64_t from)
{
    const uint64_t count = ch->rx.tail_seen / HULSE_RECEIPT_BYTES;
    struct hulse_receipt_record last;

    if (count == 0 || ch->ask.release == HULSE_RELEASE_ON_READ) {
        return from;
    }
    if (ch->ends != NULL) {
        ch->ends_base += count;
        if (ch->ends_next - ch->ends_base > ch->ends_mask) {
            return from; /* nonsense, or long released */
        }
        const uint32_t end = ch->ends[(ch->ends_base - 1) & ch->ends_mask];
        return within(ch, from, from + (uint32_t)(end - (uint32_t)from));
    }
    memcpy(&last, hulse_ring_rx_at(&ch->rx, ch->rx.tail_seen - HULSE_RECEIPT_BYTES), sizeof(last));
    return last.ledger == HULSE_NO_LEDGER ? within(ch, from, last.entry) : from;
}

/* Receipts that were not read stay readable in their region. */
static void keep_receipts(struct hulse_channel *ch)
{
    if (hulse_ring_rx_ready(&ch->rx) == 0) {
        hulse_region_unmap(&ch->b);
        return;
    }
    ch->olds[ch->old_count] = (struct hulse_old){.b = ch->b, .rx = ch->rx};
    ch->olds[ch->old_count].rx.head_word = &ch->parked_head;
    ch->old_count += 1;
    ch->b = (struct hulse_region){0};
}

/* What a daemon counted. */
static void keep_counters(struct hulse_channel *ch)
{
    /* Relaxed because the acquire of up_head ordered it. */
    const uint64_t failed =
        atomic_load_explicit(&ch->bw->stats[HULSE_STAT_FAILED], memory_order_relaxed);

    ch->failed_kept += failed - ch->failed_seen;
    ch->failed_seen = 0;
    for (unsigned i = 0; i < HULSE_STAT_COUNT; i++) {
        ch->stats_kept[i] += atomic_load_explicit(&ch->bw->stats[i], memory_order_relaxed);
    }
    ch->lost_kept += atomic_load_explicit(&ch->bw->lost, memory_order_relaxed);
}

/* False: not yet, or the daemon left nonsense and the session has ended. */
static bool detach(struct hulse_channel *ch)
{
    if (ch->old_count == HULSE_OLDS_MAX) {
        return false;
    }
    if (hulse_ring_tx_refresh(&ch->tx) != HULSE_RING_OK ||
        hulse_ring_rx_refresh(&ch->rx) != HULSE_RING_OK) {
        (void)hulse_channel_broken(ch, "a daemon that has gone left impossible positions");
        return false;
    }
    keep_counters(ch);
    uint64_t resume_from = ch->tx.head_seen;
    if (ch->ask.kind == HULSE_CHANNEL_PRODUCER) {
        if (ch->rx.tail_seen % HULSE_RECEIPT_BYTES != 0) {
            (void)hulse_channel_broken(ch, "the receipt ring's position is impossible");
            return false;
        }
        resume_from = receipted(ch, resume_from);
        keep_receipts(ch);
    } else {
        hulse_consumer_detach(ch);
    }
    memset(&ch->parked, 0, sizeof(ch->parked));
    /* Relaxed because nobody else looks at it. */
    atomic_store_explicit(&ch->parked.up_head, resume_from, memory_order_relaxed);
    ch->tx.head_seen = resume_from;
    hulse_channel_bind(ch);
    return true;
}

/* ---- offering ---- */

/* A stale word would be held against us (V7), or ring for nothing. */
static void reset_words(const struct hulse_channel *ch)
{
    struct hulse_region_a *a = hulse_region_a(&ch->a);

    /* Relaxed because the daemon hears of the region by the message that follows. */
    atomic_store_explicit(&a->down_head, 0, memory_order_relaxed);
    atomic_store_explicit(&a->down_started, 0, memory_order_relaxed);
    atomic_store_explicit(&a->wake_at, 0, memory_order_relaxed);
    atomic_store_explicit(&a->space_at, 0, memory_order_relaxed);
    atomic_store_explicit(&a->state, HULSE_REGION_OPEN, memory_order_relaxed);
}

/* Verdicts that no daemon has taken name deliveries of one that is gone: by their ids from now on. */
static void mark_by_id(struct hulse_channel *ch)
{
    uint64_t at = ch->tx.head_seen;

    while (at != ch->tx.tail) {
        struct hulse_verdict_record *v =
            (struct hulse_verdict_record *)(void *)hulse_ring_tx_at(&ch->tx, at);
        v->how |= HULSE_HOW_BY_ID;
        at += hulse_record_stride(v->len);
    }
}

static bool send_attach(struct hulse_channel *ch)
{
    struct hulse_session *s = ch->session;
    const struct hulse_ctl_attach m = {
        .kind = ch->ask.kind,
        .release = ch->ask.release,
        .receipts = ch->ask.receipts,
        .up_bytes = ch->ask.up_bytes,
        .down_bytes = ch->ask.down_bytes,
        .group = ch->group->wire_number,
        .resume_from = ch->tx.head_seen,
        .up_tail = ch->tx.published,
    };
    struct hulse_packet p;

    ch->offer.req = ++s->req;
    hulse_packet_begin(&p, HULSE_CTL_ATTACH, ch->offer.req, &m);
    return hulse_control_send(s, &p, ch->fd_a) == HULSE_OK;
}

/* What a consumer's ATTACH_HANDLE is followed by. */
static bool send_places(struct hulse_session *s, struct hulse_consumer *c, bool marks)
{
    return hulse_sources_offer(s, c) &&
           (!marks || hulse_marks_offer(s, &c->marks, c->handle.number));
}

static bool send_handle(struct hulse_session *s, struct hulse_handle *h)
{
    struct hulse_consumer *c =
        h->kind == HULSE_CHANNEL_CONSUMER ? (struct hulse_consumer *)(void *)h : NULL;
    const bool marks = c != NULL && s->marks && c->marks.count != 0;
    struct hulse_ctl_attach_handle offer = h->offer;
    struct hulse_packet p;

    if (marks) {
        hulse_position_offer(&offer, c->start, &c->start_at);
    }

    if ((offer.flags & HULSE_ATTACH_HAS_START) != 0 && !s->positions) {
        /* An older daemon: rather too much than too little. */
        hulse_position_offer(&offer, HULSE_EARLIEST, &(struct hulse_ctl_position){0});
    }
    if (!s->resume.routing) {
        offer.partitions = 0;
        offer.stride = 0;
        offer.routing = 0;
        offer.hashing = 0;
    }
    h->offer_req = ++s->req;
    if (hulse_option_list_send(s, &h->options, h->offer_req) != HULSE_OK) {
        return false;
    }
    hulse_packet_begin(&p, HULSE_CTL_ATTACH_HANDLE, h->offer_req, &offer);
    hulse_packet_append(
        &p, h->names, (size_t)h->offer.topic_len + h->offer.subscription_len + h->offer.name_len);
    return hulse_control_send(s, &p, -1) == HULSE_OK && (c == NULL || send_places(s, c, marks));
}

/* Also those that have failed: their records want an answer. */
static bool send_handles(struct hulse_channel *ch)
{
    struct hulse_session *s = ch->session;
    struct hulse_ctl_attach_end end = {0};
    struct hulse_packet p;

    for (struct hulse_handle *h = ch->group->handles; h != NULL; h = h->next) {
        if (h->channel == ch) {
            if (!send_handle(s, h)) {
                return false;
            }
            end.handles += 1;
        }
    }
    hulse_packet_begin(&p, HULSE_CTL_ATTACH_END, ++s->req, &end);
    return hulse_control_send(s, &p, -1) == HULSE_OK;
}

static void
fail_handles(const struct hulse_channel *ch, hulse_status status, const char *text, size_t bytes)
{
    for (struct hulse_handle *h = ch->group->handles; h != NULL; h = h->next) {
        if (h->channel == ch) {
            hulse_handle_fail(h, status, text, bytes);
        }
    }
}

/* An older daemon would open its handles as if nothing had been asked for: they end, and what is in the ring stays there. */
static bool not_understood(struct hulse_channel *ch)
{
    bool unknown = false;

    for (const struct hulse_handle *h = ch->group->handles; h != NULL; h = h->next) {
        unknown = unknown || (h->channel == ch && h->options.used != 0);
    }
    if (!unknown || ch->session->options) {
        return false;
    }
    ch->offer.stage = HULSE_OFFER_REFUSED;
    fail_handles(ch, HULSE_UNSUPPORTED, OLDER, sizeof(OLDER) - 1);
    return true;
}

static void forget_offer(struct hulse_channel *ch)
{
    if (ch->offer.fd_b >= 0) {
        (void)close(ch->offer.fd_b);
    }
    hulse_region_unmap(&ch->offer.b);
    ch->offer = (struct hulse_offer){.fd_b = -1};
}

static void take_into_use(struct hulse_channel *ch)
{
    struct hulse_offer *o = &ch->offer;

    ch->b = o->b;
    o->b = (struct hulse_region){0};
    ch->number = o->number;
    ch->word = ((uint64_t)o->epoch << HULSE_EPOCH_SHIFT) | HULSE_SESSION_LIVE;
    o->stage = HULSE_OFFER_NONE;
    ch->offers_refused = 0;
    hulse_channel_bind(ch);
    /* What was published since the offer rang no bell. */
    if (hulse_doorbell_publisher(ch->armed, &ch->last_rung)) {
        hulse_channel_ring(ch);
    }
}

static void offer(struct hulse_channel *ch, uint32_t epoch)
{
    if (ch->offer.stage == HULSE_OFFER_AGREED) {
        take_into_use(ch); /* that daemon has gone too, and may have done something */
    }
    forget_offer(ch);
    if (ch->group->epoch != epoch) {
        return; /* its pipe comes first */
    }
    if (ch->bw != &ch->parked && !detach(ch)) {
        return;
    }
    if (ch->ask.kind == HULSE_CHANNEL_CONSUMER) {
        mark_by_id(ch);
    }
    if (ch->tx.tail != ch->tx.published) {
        hulse_ring_tx_publish(&ch->tx);
        ch->pending = 0;
    }
    reset_words(ch);
    ch->offer.epoch = epoch;
    if (not_understood(ch)) {
        return;
    }
    ch->offer.stage = HULSE_OFFER_SENT;
    if (!send_attach(ch) || !send_handles(ch)) {
        hulse_resume_again(ch->session, HULSE_AWAY);
    }
}

/* ---- taking the new one into use ---- */

static void map_new(struct hulse_channel *ch)
{
    struct hulse_session *s = ch->session;
    struct hulse_offer *o = &ch->offer;
    enum hulse_region_rc rc = hulse_region_map(&o->b, o->fd_b, o->down_bytes, false);

    (void)close(o->fd_b);
    o->fd_b = -1;
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_populate(&o->b, false);
    }
    const struct hulse_ctl_channel_ref ready = {.channel = o->number};
    struct hulse_packet p;
    o->req = ++s->req;
    o->stage = HULSE_OFFER_READY;
    hulse_packet_begin(&p, HULSE_CTL_CHANNEL_READY, o->req, &ready);
    if (rc != HULSE_REGION_RC_OK || hulse_control_send(s, &p, -1) != HULSE_OK) {
        hulse_resume_again(s, "a channel could not be attached; the next try is awaited");
    }
}

void hulse_channel_reattach(struct hulse_channel *ch)
{
    const uint64_t word = hulse_session_word(ch->session);
    const uint32_t epoch = (uint32_t)(word >> HULSE_EPOCH_SHIFT);

    if (ch->word == word || (word & HULSE_STATE_MASK) != HULSE_SESSION_LIVE ||
        pthread_mutex_trylock(&ch->mt) != 0) {
        return;
    }
    const bool again =
        ch->offer.stage == HULSE_OFFER_LATER && hulse_clock_ns(CLOCK_MONOTONIC) >= ch->offer.due_ns;
    if (ch->offer.epoch != epoch || ch->offer.stage == HULSE_OFFER_NONE || again) {
        offer(ch, epoch);
    } else if (ch->offer.stage == HULSE_OFFER_CAME) {
        map_new(ch);
    } else if (ch->offer.stage == HULSE_OFFER_AGREED) {
        take_into_use(ch);
    }
    (void)pthread_mutex_unlock(&ch->mt);
}

void hulse_channel_drive(struct hulse_channel *ch)
{
    struct hulse_session *s = ch->session;
    const int state = hulse_session_state(s);

    if (state >= HULSE_SESSION_BROKEN ||
        (state != HULSE_SESSION_LIVE &&
         /* Relaxed because it is compared with the clock only. */
         hulse_clock_ns(CLOCK_MONOTONIC_COARSE) <
             atomic_load_explicit(&s->resume.due_ns, memory_order_relaxed) &&
         atomic_load_explicit(&s->deaf, memory_order_relaxed))) {
        return;
    }
    (void)hulse_session_tend(s);
    if (pthread_mutex_trylock(&s->lock) == 0) {
        hulse_channel_reattach(ch);
        (void)pthread_mutex_unlock(&s->lock);
    }
}

static bool there(void *of)
{
    struct hulse_channel *ch = of;

    if (!hulse_channel_attached(ch)) {
        hulse_channel_drive(ch);
    }
    return hulse_channel_attached(ch);
}

hulse_status hulse_channel_await(struct hulse_channel *ch)
{
    return hulse_await(ch->session, there, ch);
}

/* ---- answers ---- */

/* What may be otherwise in a while, without a word of anybody's. */
static bool passes(int status)
{
    return status == HULSE_LIMIT || status == HULSE_NO_MEMORY || status == HULSE_IO ||
           status == HULSE_BUSY || status == HULSE_AGAIN || status == HULSE_TIMED_OUT;
}

/* The daemon has forgotten the offer. */
static void refused(struct hulse_channel *ch, const struct hulse_packet *p)
{
    struct hulse_ctl_err e;
    const char *text = (const char *)p->bytes + sizeof(e);

    memcpy(&e, p->bytes, sizeof(e));
    if (!passes(e.status)) {
        /* What is in the ring stays there. */
        ch->offer.stage = HULSE_OFFER_REFUSED;
        fail_handles(ch, e.status, text, e.text_len);
        return;
    }
    const uint64_t wait_ms = hulse_resume_backoff_ms(ch->session, ch->offers_refused);
    (void)hulse_session_fault(ch->session,
                              e.status,
                              "hulsed has no room for a channel yet, and is asked again: %.*s",
                              (int)e.text_len,
                              text);
    ch->offers_refused += 1;
    ch->offer.stage = HULSE_OFFER_LATER;
    ch->offer.due_ns = hulse_clock_ns(CLOCK_MONOTONIC) + (wait_ms * HULSE_NS_PER_MS);
}

static bool channel_came(struct hulse_channel *ch, struct hulse_packet *p)
{
    struct hulse_ctl_channel answer;

    memcpy(&answer, p->bytes, sizeof(answer));
    (void)close(p->fds[0]); /* A, which we have */
    ch->offer.fd_b = p->fds[1];
    p->fd_count = 0;
    ch->offer.number = answer.channel;
    ch->offer.down_bytes = answer.down_bytes;
    ch->offer.stage = HULSE_OFFER_CAME;
    return answer.up_bytes == ch->ask.up_bytes && answer.down_bytes == ch->ask.down_bytes;
}

bool hulse_channel_answer(struct hulse_channel *ch, struct hulse_packet *p, uint32_t req)
{
    struct hulse_ctl_head head;
    bool good = false;

    if (ch->offer.req != req ||
        (ch->offer.stage != HULSE_OFFER_SENT && ch->offer.stage != HULSE_OFFER_READY)) {
        return false;
    }
    memcpy(&head, p->bytes, sizeof(head));
    if (head.type == HULSE_CTL_CHANNEL && ch->offer.stage == HULSE_OFFER_SENT) {
        good = channel_came(ch, p);
    } else if (head.type == HULSE_CTL_CHANNEL_OK && ch->offer.stage == HULSE_OFFER_READY) {
        ch->offer.stage = HULSE_OFFER_AGREED;
        good = true;
    } else if (head.type == HULSE_CTL_ERR) {
        refused(ch, p);
        good = true;
    }
    if (!good) {
        hulse_resume_again(ch->session, "a channel could not be attached; the next try is awaited");
    }
    hulse_group_alarm(ch->group, 1);
    return true;
}
