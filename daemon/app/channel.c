/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel - a pair of rings: made, handed over, checked, drained, freed.
 *
 * A and B are made here. B is mapped and sealed before it is sent (V3). A is mapped only after the
 * app has populated it, it was sealed and every block was seen to exist (V1, V2). The daemon touches no
 * page of either before that, so that the pages are the app's.
 */
#include "daemon/app/channel.h"

#include "daemon/app/assembly.h"
#include "daemon/app/by_id.h"
#include "daemon/app/deliver_channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/lost.h"
#include "daemon/app/publish_channel.h"
#include "daemon/app/session.h"
#include "daemon/app/settle.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <errno.h>
#include <unistd.h>

static bool is_power_of_two(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

bool hulse_channel_too_large(const struct session *s, const struct hulse_ctl_open_channel *ask)
{
    const struct plane_limits *l = &s->plane->shared->limits;
    const bool producer = ask->kind == HULSE_CHANNEL_PRODUCER;
    return ask->up_bytes > l->ring_max ||
           ask->down_bytes > (producer ? l->receipts_max * HULSE_RECEIPT_BYTES : l->ring_max);
}

/* Sizes as asked, or the defaults; INVAL or LIMIT when they break a bound. */
static hulse_status sizes(const struct session *s,
                          const struct hulse_ctl_open_channel *ask,
                          uint32_t *up,
                          uint32_t *down,
                          struct error *err)
{
    const struct plane_limits *l = &s->plane->shared->limits;
    const bool producer = ask->kind == HULSE_CHANNEL_PRODUCER;
    const uint32_t up_default = producer ? l->publish_ring : l->verdict_ring;
    const uint32_t down_default = producer ? l->receipts * HULSE_RECEIPT_BYTES : l->deliver_ring;
    *up = ask->up_bytes != 0 ? ask->up_bytes : up_default;
    *down = ask->down_bytes != 0 ? ask->down_bytes : down_default;
    if (!is_power_of_two(*up) || !is_power_of_two(*down) || *up < HULSE_RING_BYTES_MIN ||
        *down < HULSE_RING_BYTES_MIN) {
        return hulse_fail(err,
                          HULSE_INVAL,
                          "ring sizes must be powers of two of at least %u bytes",
                          HULSE_RING_BYTES_MIN);
    }
    if (hulse_channel_too_large(s, ask)) {
        return hulse_fail(
            err,
            HULSE_LIMIT,
            "ring of %u and %u bytes exceeds session.ring_max (%u) or receipts_max (%u)",
            *up,
            *down,
            l->ring_max,
            l->receipts_max);
    }
    return HULSE_OK;
}

static size_t table_bytes(const struct session *s, enum hulse_channel_kind kind, uint32_t down)
{
    return kind == HULSE_CHANNEL_PRODUCER
               ? down / HULSE_RECEIPT_BYTES * sizeof(struct inflight)
               : s->plane->shared->limits.unacked_max * sizeof(struct slot);
}

/* Of a consumer: its settlings, then the buckets of its deliveries. */
static size_t behind_slots(const struct session *s, enum hulse_channel_kind kind, uint32_t up)
{
    return kind == HULSE_CHANNEL_PRODUCER
               ? 0
               : hulse_settle_bytes(up) +
                     hulse_by_id_bucket_bytes(s->plane->shared->limits.unacked_max);
}

/* False when it is over the quota of the session or its role. */
static bool charge(struct session *s, uint64_t bytes)
{
    if (bytes > s->plane->shared->limits.session_bytes_max - s->bytes ||
        (s->role != NULL && !hulse_role_state_bytes_take(s->role, bytes))) {
        return false;
    }
    s->bytes += bytes;
    return true;
}

static void discharge(struct session *s, uint64_t bytes)
{
    s->bytes -= bytes;
    if (s->role != NULL) {
        hulse_role_state_bytes_give(s->role, bytes);
    }
}

bool hulse_channel_charge(struct channel *ch, uint64_t bytes)
{
    return charge(ch->session, bytes);
}

void hulse_channel_discharge(struct channel *ch, uint64_t bytes)
{
    discharge(ch->session, bytes);
}

hulse_status hulse_channel_no_region(enum hulse_region_rc rc, int number, struct error *err)
{
    if (rc == HULSE_REGION_RC_KERNEL) {
        return hulse_fail(err, HULSE_UNSUPPORTED, "%s", hulse_region_text(rc));
    }
    if (rc != HULSE_REGION_RC_SYSTEM) {
        return hulse_fail(err, HULSE_INVAL, "%s", hulse_region_text(rc));
    }
    switch (number) {
    case EMFILE:
    case ENFILE:
        return hulse_fail(err, HULSE_LIMIT, "the daemon is out of descriptors");
    case ENOMEM:
    case ENOSPC:
        return hulse_fail(err, HULSE_NO_MEMORY, "the daemon has no memory for a ring");
    default:
        return hulse_fail(
            err, HULSE_IO, "the daemon cannot have a ring: %s", strerrordesc_np(number));
    }
}

/* Makes the two memfds; B mapped and sealed. */
static hulse_status make_regions(struct channel *ch, int fd_a, struct error *err)
{
    enum hulse_region_rc rc = HULSE_REGION_RC_OK;
    ch->fd_a = fd_a;
    if (fd_a < 0) {
        rc = hulse_region_create(&ch->fd_a, "hulse-a", ch->up_bytes);
    }
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_create(&ch->fd_b, "hulse-b", ch->down_bytes);
    }
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_map(&ch->b, ch->fd_b, ch->down_bytes, true);
    }
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_seal(ch->fd_b);
    }
    if (rc == HULSE_REGION_RC_OK) {
        return HULSE_OK;
    }
    return hulse_channel_no_region(rc, errno, err);
}

static void rings_init(struct channel *ch)
{
    struct hulse_region_b *b = hulse_region_b(&ch->b);
    const bool producer = ch->kind == HULSE_CHANNEL_PRODUCER;
    ch->rx = (struct hulse_ring_rx){.mask = ch->up_bytes - 1, .head_word = &b->up_head};
    ch->tx = (struct hulse_ring_tx){
        .ring = ch->b.ring, .mask = ch->down_bytes - 1, .tail_word = &b->down_tail};
    ch->max_record = (producer ? ch->up_bytes : ch->down_bytes) / 2;
    ch->meta_max =
        ch->max_record / 4 < HULSE_META_BYTES_MAX ? ch->max_record / 4 : HULSE_META_BYTES_MAX;
    ch->slots = producer ? ch->down_bytes / HULSE_RECEIPT_BYTES : 0;
    if (producer && ch->release_on_read) {
        hulse_publish_entries_init(ch);
    }
}

/* The channel object with its table, not in any list; NULL with *err filled. */
static struct channel *
allocate(struct session *s, const struct hulse_ctl_open_channel *ask, struct error *err)
{
    const struct plane_limits *l = &s->plane->shared->limits;
    uint32_t up = 0;
    uint32_t down = 0;
    if (sizes(s, ask, &up, &down, err) != HULSE_OK) {
        return NULL;
    }
    const size_t slots = table_bytes(s, ask->kind, down);
    const size_t tables = slots + behind_slots(s, ask->kind, up);
    const uint64_t bytes = (uint64_t)up + down + 2ULL * HULSE_CONTROL_BYTES + tables;
    if (s->channel_count >= l->channels_max || bytes > l->session_bytes_max - s->bytes) {
        (void)hulse_fail(err,
                         HULSE_LIMIT,
                         "session.channels_max (%u) or session.memory_max is reached",
                         l->channels_max);
        return NULL;
    }
    if (s->role != NULL && !hulse_role_state_bytes_take(s->role, bytes)) {
        (void)hulse_fail(err, HULSE_LIMIT, "memory_max of role %s is reached", s->role->name);
        return NULL;
    }
    struct channel *ch = hulse_mem_zalloc(HULSE_MEM_CHANNEL, sizeof(*ch));
    void *table = hulse_mem_zalloc(HULSE_MEM_CHANNEL, tables);
    if (ch == NULL || table == NULL) {
        if (s->role != NULL) {
            hulse_role_state_bytes_give(s->role, bytes);
        }
        hulse_mem_free(HULSE_MEM_CHANNEL, ch, sizeof(*ch));
        hulse_mem_free(HULSE_MEM_CHANNEL, table, tables);
        (void)hulse_fail(err, HULSE_NO_MEMORY, "memory_max of the daemon is reached");
        return NULL;
    }
    *ch = (struct channel){.magic = HULSE_CHANNEL_MAGIC,
                           .state = CHANNEL_OPENING,
                           .kind = ask->kind,
                           .receipt_mode = ask->receipts,
                           .release_on_read = ask->release == HULSE_RELEASE_ON_READ,
                           .session = s,
                           .id = ++s->next_channel,
                           .group = ask->group,
                           .fd_a = -1,
                           .fd_b = -1,
                           .up_bytes = up,
                           .down_bytes = down,
                           .table_bytes = tables,
                           .slot_bytes = slots};
    if (ch->kind == HULSE_CHANNEL_PRODUCER) {
        ch->inflight = table;
    } else {
        ch->slot_table = table;
        ch->settlings = (struct settling *)(void *)((uint8_t *)table + slots);
        ch->id_buckets = (uint32_t *)(void *)((uint8_t *)table + slots + hulse_settle_bytes(up));
        hulse_slots_init(ch, 0);
    }
    return ch;
}

static uint64_t charged_bytes(const struct channel *ch)
{
    return (uint64_t)ch->up_bytes + ch->down_bytes + 2ULL * HULSE_CONTROL_BYTES + ch->table_bytes;
}

hulse_status hulse_channel_create(struct session *s,
                                  const struct hulse_ctl_open_channel *ask,
                                  int fd_a,
                                  struct channel **out,
                                  struct error *err)
{
    struct channel *ch = NULL;
    const bool offered = fd_a >= 0;
    if (offered || s->opening < HULSE_OPENING_MAX) {
        ch = allocate(s, ask, err);
    } else {
        (void)hulse_fail(err, HULSE_LIMIT, "%u channels are opening already", s->opening);
    }
    if (ch == NULL) {
        if (fd_a >= 0) {
            (void)close(fd_a);
        }
        return err->status;
    }
    TAILQ_INSERT_TAIL(&s->channels, ch, session_link);
    s->channel_count += 1;
    ch->offered = offered;
    s->opening += offered ? 0 : 1;
    s->bytes += charged_bytes(ch);
    s->plane->channel_count += 1;
    const hulse_status st = make_regions(ch, fd_a, err);
    if (st != HULSE_OK) {
        hulse_channel_destroy(ch);
        return st;
    }
    rings_init(ch);
    *out = ch;
    return HULSE_OK;
}

void hulse_channel_start_at(struct channel *ch, uint64_t position)
{
    HULSE_ASSERT(ch->state == CHANNEL_OPENING);
    ch->start = position;
    ch->rx.read = position;
    ch->rx.released = position;
    ch->rx.tail_seen = position;
    ch->flushed_head = position;
}

/* Seals A and judges both; an app that has forbidden sealing is at fault itself. */
static enum hulse_region_rc judge_regions(const struct channel *ch)
{
    enum hulse_region_rc rc = hulse_region_seal(ch->fd_a);
    if (rc == HULSE_REGION_RC_SYSTEM && errno == EPERM) {
        return HULSE_REGION_RC_KIND;
    }
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_check(ch->fd_a, ch->up_bytes, true);
    }
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_check(ch->fd_b, ch->down_bytes, true);
    }
    return rc;
}

enum hulse_region_rc hulse_channel_ready(struct channel *ch)
{
    HULSE_ASSERT(ch->state == CHANNEL_OPENING);
    enum hulse_region_rc rc = judge_regions(ch);
    if (rc == HULSE_REGION_RC_OK) {
        rc = hulse_region_map(&ch->a, ch->fd_a, ch->up_bytes, false);
    }
    const int number = errno;
    (void)close(ch->fd_a);
    (void)close(ch->fd_b);
    ch->fd_a = -1;
    ch->fd_b = -1;
    if (rc != HULSE_REGION_RC_OK) {
        errno = number;
        return rc;
    }
    ch->session->opening -= ch->offered ? 0 : 1;
    struct hulse_region_a *a = hulse_region_a(&ch->a);
    ch->rx.ring = ch->a.ring;
    ch->rx.tail_word = &a->up_tail;
    ch->tx.head_word = &a->down_head;
    struct hulse_region_b *b = hulse_region_b(&ch->b);
    /* Relaxed because the app hears of the channel by CHANNEL_OK on the socket. */
    atomic_store_explicit(&b->up_head, ch->start, memory_order_relaxed);
    atomic_store_explicit(&b->up_read, ch->start, memory_order_relaxed);
    hulse_channel_state(ch, HULSE_REGION_OPEN, 0);
    hulse_plane_heat(ch->session->plane, ch);
    return HULSE_REGION_RC_OK;
}

void hulse_channel_state(struct channel *ch, enum hulse_region_state state, unsigned reason)
{
    /* Relaxed because it announces nothing but itself. */
    atomic_store_explicit(&hulse_region_b(&ch->b)->state,
                          (uint32_t)state | reason << HULSE_REGION_REASON_SHIFT,
                          memory_order_relaxed);
}

void hulse_channel_drain(struct channel *ch)
{
    if (ch->state == CHANNEL_OPENING) {
        hulse_channel_destroy(ch);
        return;
    }
    hulse_plane_heat(ch->session->plane, ch);
    ch->state = CHANNEL_DRAIN;
    ch->blocked = false;
    ch->hungry = false;
    /* Once: who hung up may still hold the ring, and would be read for ever. */
    if (hulse_ring_rx_refresh(&ch->rx) != HULSE_RING_OK) {
        hulse_session_doom(ch->session, HULSE_RULE_V7, "up_tail out of range");
    }
}

uint64_t hulse_channel_look(struct channel *ch)
{
    if (ch->state == CHANNEL_DRAIN) {
        return 0; /* hulse_channel_drain() has seen the last position that counts */
    }
    if (hulse_ring_rx_refresh(&ch->rx) != HULSE_RING_OK) {
        hulse_session_doom(ch->session, HULSE_RULE_V7, "up_tail out of range");
        return 0;
    }
    return hulse_ring_rx_ready(&ch->rx);
}

bool hulse_channel_drained(const struct channel *ch)
{
    return hulse_ring_rx_ready(&ch->rx) == 0 && ch->taken == ch->finished;
}

static void close_handles(struct channel *ch)
{
    struct session *s = ch->session;
    const uint32_t max = s->plane->shared->limits.handles_max;
    for (uint32_t i = 0; i < max && ch->handle_count > 0; i++) {
        if (s->handles[i] != NULL && s->handles[i]->channel == ch) {
            hulse_handle_destroy(&s->handles[i]);
        }
    }
}

void hulse_channel_destroy(struct channel *ch)
{
    struct session *s = ch->session;
    struct plane *p = s->plane;
    if (ch->consumer != NULL && ch->consumer->subscriber != NULL && ch->slots_used > 0) {
        hulse_deliver_give_back_all(ch);
    }
    hulse_lost_rest(ch);
    if (s->attaching == ch) {
        s->attaching = NULL;
    }
    close_handles(ch);
    hulse_by_id_free(ch);
    hulse_assembly_reset(&ch->assembly);
    hulse_plane_cool(p, ch);
    s->opening -= ch->state == CHANNEL_OPENING && !ch->offered ? 1 : 0;
    ch->state = CHANNEL_CLOSED;
    p->in_flight -= ch->taken - ch->finished;
    hulse_region_unmap(&ch->a);
    hulse_region_unmap(&ch->b);
    if (ch->fd_a >= 0) {
        (void)close(ch->fd_a);
    }
    if (ch->fd_b >= 0) {
        (void)close(ch->fd_b);
    }
    TAILQ_REMOVE(&s->channels, ch, session_link);
    s->channel_count -= 1;
    discharge(s, charged_bytes(ch));
    p->channel_count -= 1;
    hulse_mem_free(HULSE_MEM_CHANNEL,
                   ch->kind == HULSE_CHANNEL_PRODUCER ? (void *)ch->inflight
                                                      : (void *)ch->slot_table,
                   ch->table_bytes);
    ch->magic = 0;
    hulse_mem_free(HULSE_MEM_CHANNEL, ch, sizeof(*ch));
}
