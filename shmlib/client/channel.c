/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel - opening the pair of regions, and everything off the shortest path.
 *
 * Threads: opening and closing under the session lock; the rest by the handle's thread.
 * Trust:   sizes in the daemon's answer are checked before anything is mapped.
 */
#include "shmlib/client/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_NS HULSE_NS_PER_S
#define BEAT_OLD_MS 2000U

/* Maps A writable and B for reading, and makes every page exist (and be charged) here. */
static hulse_status
map_regions(struct hulse_channel *ch, const struct hulse_ctl_channel *answer, int fd_b)
{
    enum hulse_region_rc rc = hulse_region_map(&ch->a, ch->fd_a, answer->up_bytes, true);

    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_map(&ch->b, fd_b, answer->down_bytes, false);
    }
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_populate(&ch->a, true);
    }
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_populate(&ch->b, false);
    }
    if (rc == HULSE_REGION_RC_OK) {
        return HULSE_OK;
    }
    const hulse_status st = rc == HULSE_REGION_RC_KERNEL   ? HULSE_UNSUPPORTED
                            : rc == HULSE_REGION_RC_SYSTEM ? HULSE_NO_MEMORY
                                                           : HULSE_PROTOCOL;
    return hulse_session_fault(ch->session,
                               st,
                               "cannot map a channel: %s (errno %d)",
                               hulse_region_text(rc),
                               rc == HULSE_REGION_RC_SYSTEM ? errno : 0);
}

void hulse_channel_bind(struct hulse_channel *ch)
{
    struct hulse_region_a *a = hulse_region_a(&ch->a);
    const bool there = ch->b.base != NULL;

    ch->bw = there ? hulse_region_b(&ch->b) : &ch->parked;
    ch->tx.head_word = &ch->bw->up_head;
    ch->armed = &ch->bw->armed;
    ch->last_rung = 0;
    ch->rx = (struct hulse_ring_rx){
        .ring = ch->b.ring,
        .mask = ch->ask.down_bytes - 1,
        .tail_word = &ch->bw->down_tail,
        .head_word = there ? &a->down_head : &ch->parked_head,
    };
    ch->give_to = 0;
}

static void bind_rings(struct hulse_channel *ch)
{
    struct hulse_region_a *a = hulse_region_a(&ch->a);

    ch->tx = (struct hulse_ring_tx){
        .ring = ch->a.ring,
        .mask = ch->a.ring_bytes - 1,
        .tail_word = &a->up_tail,
    };
    ch->record_max = ch->a.ring_bytes / 2;
    hulse_channel_bind(ch);
}

/* One entry for each message that the ring can hold. */
static hulse_status keep_ends(struct hulse_channel *ch)
{
    uint32_t count = 1;

    if (ch->ask.kind != HULSE_CHANNEL_PRODUCER || ch->receipts != HULSE_RECEIPT_MODE_FULL ||
        ch->ask.release != HULSE_RELEASE_ON_VERDICT) {
        return HULSE_OK;
    }
    while (count < ch->a.ring_bytes / HULSE_PUBLISH_HEADER_BYTES) {
        count *= 2;
    }
    ch->ends = calloc(count, sizeof(*ch->ends));
    ch->ends_mask = count - 1;
    return ch->ends != NULL
               ? HULSE_OK
               : hulse_session_fault(ch->session, HULSE_NO_MEMORY, "no memory for a channel");
}

static void describe(struct hulse_channel *ch, uint32_t kind)
{
    hulse_region_a(&ch->a)->ident = (struct hulse_region_ident){
        .magic = HULSE_REGION_MAGIC,
        .abi = ch->session->limits.abi,
        .kind = kind,
        .up_bytes = ch->a.ring_bytes,
        .down_bytes = ch->b.ring_bytes,
        .channel = ch->number,
        /* Relaxed because it is informational. */
        .session = atomic_load_explicit(&ch->session->id, memory_order_relaxed),
    };
}

static hulse_status negotiate(struct hulse_channel *ch, struct hulse_ctl_open_channel *ask)
{
    struct hulse_session *s = ch->session;
    struct hulse_ctl_channel answer;

    hulse_packet_begin(&s->io, HULSE_CTL_OPEN_CHANNEL, 0, ask);
    hulse_status st = hulse_control_call(s, HULSE_CTL_CHANNEL);
    if (st != HULSE_OK) {
        return st;
    }
    hulse_control_answer(s, &answer, sizeof(answer));
    ch->fd_a = s->io.fds[0];
    ch->number = answer.channel;
    st = map_regions(ch, &answer, s->io.fds[1]);
    (void)close(s->io.fds[1]);
    ch->ask = *ask;
    ch->ask.up_bytes = answer.up_bytes;
    ch->ask.down_bytes = answer.down_bytes;
    if (st == HULSE_OK) {
        bind_rings(ch);
        describe(ch, ask->kind);
        st = keep_ends(ch);
    }
    if (st == HULSE_OK) {
        const struct hulse_ctl_channel_ref ready = {.channel = ch->number};
        hulse_packet_begin(&s->io, HULSE_CTL_CHANNEL_READY, 0, &ready);
        st = hulse_control_call(s, HULSE_CTL_CHANNEL_OK);
    }
    return st;
}

/* Its holder asks for it again when it drives a re-attach. */
static void init_mutex(pthread_mutex_t *m)
{
    pthread_mutexattr_t kind;

    (void)pthread_mutexattr_init(&kind);
    (void)pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(m, &kind);
    (void)pthread_mutexattr_destroy(&kind);
}

hulse_status hulse_channel_open(struct hulse_session *s,
                                struct hulse_channel **out,
                                struct hulse_ctl_open_channel *ask,
                                unsigned group)
{
    struct hulse_channel *ch = aligned_alloc(64, sizeof(*ch));

    if (ch == NULL) {
        return hulse_session_fault(s, HULSE_NO_MEMORY, "no memory for a channel");
    }
    memset(ch, 0, sizeof(*ch));
    ch->session = s;
    ch->fd_a = -1;
    ch->offer.fd_b = -1;
    ch->word = hulse_session_word(s);
    ch->group = hulse_group_find(s, group);
    ch->receipts = ask->receipts;
    init_mutex(&ch->mt);
    ask->group = ch->group->wire_number;
    const hulse_status st = negotiate(ch, ask);
    if (st != HULSE_OK) {
        hulse_channel_close(&ch, hulse_deadline_in(s->timeout_ms));
        return st;
    }
    *out = ch;
    return HULSE_OK;
}

bool hulse_channel_offered(const struct hulse_channel *ch)
{
    const uint64_t word = hulse_session_word(ch->session);

    return hulse_channel_attached(ch) ||
           ((word & HULSE_STATE_MASK) == HULSE_SESSION_LIVE &&
            ch->offer.epoch == (uint32_t)(word >> HULSE_EPOCH_SHIFT) &&
            ch->offer.stage >= HULSE_OFFER_SENT && ch->offer.stage <= HULSE_OFFER_AGREED);
}

void hulse_channel_close(struct hulse_channel **ch, struct hulse_deadline answer)
{
    struct hulse_session *s = (*ch)->session;
    const bool attached = hulse_channel_attached(*ch);
    char why[sizeof(s->fault)]; /* what was said before is what its user wants to know */

    /* The number of what was just sent is not known: its late answer is answered by the same. */
    if ((*ch)->fd_a >= 0 && hulse_channel_offered(*ch) &&
        (attached || (*ch)->offer.stage != HULSE_OFFER_SENT)) {
        const struct hulse_ctl_channel_ref close = {.channel = attached ? (*ch)->number
                                                                        : (*ch)->offer.number};
        if ((*ch)->a.base != NULL) {
            /* Relaxed because the request that follows is what the daemon acts on. */
            atomic_store_explicit(
                &hulse_region_a(&(*ch)->a)->state, HULSE_REGION_CLOSING, memory_order_relaxed);
        }
        (void)pthread_mutex_lock(&s->fault_lock);
        memcpy(why, s->fault, sizeof(why));
        (void)pthread_mutex_unlock(&s->fault_lock);
        hulse_packet_begin(&s->io, HULSE_CTL_CLOSE_CHANNEL, 0, &close);
        (void)hulse_control_call_by(s, HULSE_CTL_OK, attached ? answer : hulse_deadline_in(0));
        (void)hulse_session_fault(s, HULSE_OK, "%s", why);
    }
    hulse_channel_free(ch);
}

void hulse_channel_free(struct hulse_channel **ch)
{
    struct hulse_channel *gone = *ch;

    *ch = NULL;
    if (hulse_session_state(gone->session) != HULSE_SESSION_FORKED) {
        hulse_region_unmap(&gone->a);
        hulse_region_unmap(&gone->b);
        hulse_region_unmap(&gone->offer.b);
        while (gone->old_count != 0) {
            hulse_channel_drop_old(gone);
        }
        (void)pthread_mutex_destroy(&gone->mt);
        if (gone->fd_a >= 0) {
            (void)close(gone->fd_a);
        }
        if (gone->offer.fd_b >= 0) {
            (void)close(gone->offer.fd_b);
        }
    }
    free(gone->ends);
    free(gone);
}

void hulse_channel_ring(struct hulse_channel *ch)
{
    const uint64_t one = 1;

    /* A full counter means that the bell rings already. */
    const ssize_t put = write(ch->session->bell, &one, sizeof(one));
    (void)put;
    ch->bells += 1;
}

void hulse_channel_give(struct hulse_channel *ch, uint64_t position)
{
    const uint64_t before = ch->rx.released;

    hulse_ring_rx_release(&ch->rx, position);
    /* SYNC(doorbell.armed) fence: down_head before down_want, against the daemon's park (M15). */
    hulse_doorbell_fence();
    if (hulse_doorbell_crossed(&ch->bw->down_want, before, position)) {
        hulse_channel_ring(ch);
    }
}

hulse_status hulse_channel_broken(struct hulse_channel *ch, const char *why)
{
    hulse_session_end(ch->session, HULSE_SESSION_BROKEN, why);
    return HULSE_PROTOCOL;
}

bool hulse_channel_unread(struct hulse_channel *ch)
{
    if (hulse_ring_rx_ready(&ch->rx) != 0 ||
        (ch->old_count != 0 && ch->ask.kind == HULSE_CHANNEL_PRODUCER)) {
        return true;
    }
    if (hulse_ring_rx_refresh(&ch->rx) != HULSE_RING_OK) {
        (void)hulse_channel_broken(ch, "the down ring's position is impossible");
        return true;
    }
    return hulse_ring_rx_ready(&ch->rx) != 0;
}

hulse_status hulse_channel_room(struct hulse_channel *ch, uint64_t bytes)
{
    switch (hulse_ring_tx_reserve(&ch->tx, bytes)) {
    case HULSE_RING_OK:
        return HULSE_OK;
    case HULSE_RING_FULL:
        return HULSE_AGAIN;
    default:
        return hulse_channel_broken(ch, "the up ring's position is impossible");
    }
}

void hulse_channel_announce(struct hulse_channel *ch, uint64_t room_bytes)
{
    struct hulse_region_a *a = hulse_region_a(&ch->a);
    const uint64_t capacity = hulse_ring_capacity(ch->tx.mask);

    if (room_bytes != 0 && ch->tx.tail + room_bytes > capacity) {
        hulse_doorbell_announce(&a->space_at, ch->tx.tail + room_bytes - capacity);
    }
    hulse_doorbell_announce(&a->wake_at, ch->rx.tail_seen + 1);
}

hulse_status hulse_channel_settled(struct hulse_channel *ch)
{
    if (ch->tx.head_seen == ch->tx.tail) {
        return HULSE_OK;
    }
    if (hulse_ring_tx_refresh(&ch->tx) != HULSE_RING_OK) {
        return hulse_channel_broken(ch, "the up ring's position is impossible");
    }
    return ch->tx.head_seen == ch->tx.tail ? HULSE_OK : HULSE_AGAIN;
}

bool hulse_channel_receipts_full(struct hulse_channel *ch)
{
    if (ch->receipts == HULSE_RECEIPT_MODE_NONE || !hulse_channel_unread(ch)) {
        return false;
    }
    if (hulse_channel_stuck(ch)) {
        return true;
    }
    (void)hulse_ring_rx_refresh(&ch->rx);
    return hulse_ring_rx_ready(&ch->rx) >= hulse_ring_capacity(ch->rx.mask);
}

void hulse_channel_look(struct hulse_channel *ch, uint64_t now_ns)
{
    if (!hulse_channel_attached(ch)) {
        hulse_channel_drive(ch);
        return;
    }
    if (now_ns < ch->look_at_ns) {
        return;
    }
    ch->look_at_ns = now_ns + LOOK_NS;
    /* Relaxed because an old value only causes one more look. */
    const uint64_t beat_ms = atomic_load_explicit(&ch->bw->beat_ms, memory_order_relaxed);
    if (now_ns / HULSE_NS_PER_MS > beat_ms + BEAT_OLD_MS) {
        hulse_session_look(ch->session);
    }
}
