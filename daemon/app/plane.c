/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plane - the worker module: visits hot channels, flushes touched ones, parks, sweeps, beats.
 *
 * Order at the end of a turn (ipc B4): for every touched channel receipts and deliveries are
 * published (M5), then ring space is given back (M3); then one fence for all of them; then the wake
 * words are read (M12) and each wait group gets at most one byte (V14).
 */
#include "daemon/app/plane.h"

#include "daemon/app/admit.h"
#include "daemon/app/by_id.h"
#include "daemon/app/channel.h"
#include "daemon/app/deliver_channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/lease.h"
#include "daemon/app/publish_channel.h"
#include "daemon/app/reply.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "shmlib/ring/doorbell.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static _Thread_local struct plane *self;

struct plane *hulse_plane_self(void)
{
    return self;
}

void hulse_plane_heat(struct plane *p, struct channel *ch)
{
    ch->idle_polls = 0;
    ch->idle_since_ns = p->worker->loop.now_ns;
    ch->swept = false;
    if (ch->state == CHANNEL_HOT || ch->state == CHANNEL_DRAIN) {
        return;
    }
    if (ch->state == CHANNEL_ARMED) {
        hulse_doorbell_disarm(&hulse_region_b(&ch->b)->armed, &ch->epoch);
    }
    ch->state = CHANNEL_HOT;
    TAILQ_INSERT_TAIL(&p->hot, ch, hot_link);
}

void hulse_plane_cool(struct plane *p, struct channel *ch)
{
    if (ch->state == CHANNEL_HOT || ch->state == CHANNEL_DRAIN) {
        TAILQ_REMOVE(&p->hot, ch, hot_link);
    }
    struct channel **at = &p->touched;
    while (*at != NULL && *at != ch) {
        at = &(*at)->touched_next;
    }
    if (*at == ch) {
        *at = ch->touched_next;
    }
    ch->touched = false;
}

/* Arms one channel; the caller fences and re-checks. Leaves the hot list. */
static void arm(struct plane *p, struct channel *ch)
{
    struct hulse_region_b *b = hulse_region_b(&ch->b);
    TAILQ_REMOVE(&p->hot, ch, hot_link);
    ch->state = CHANNEL_ARMED;
    ch->swept = false;
    if (!ch->blocked) {
        /* What a blocked one waits for is no publish: its bell would be empty (ipc B6). */
        hulse_doorbell_arm(&b->armed, &ch->epoch);
    }
    ch->want = 0;
    if (ch->kind == HULSE_CHANNEL_CONSUMER) {
        ch->want = hulse_deliver_want(ch);
    } else if (ch->blocked && !ch->waits_broker && ch->tx.tail != ch->tx.head_seen) {
        ch->want = ch->tx.head_seen + HULSE_RECEIPT_BYTES;
    }
    if (ch->want != 0) {
        /* Relaxed because the caller's fence follows (M14). */
        atomic_store_explicit(&b->down_want, ch->want, memory_order_relaxed);
    }
}

bool hulse_plane_armed_work(const struct channel *ch)
{
    /* Relaxed because the fence of M10/M14 ordered them and the visit loads them with acquire. */
    const uint64_t tail = atomic_load_explicit(ch->rx.tail_word, memory_order_relaxed);
    const uint64_t head = atomic_load_explicit(ch->tx.head_word, memory_order_relaxed);
    const bool more = tail != ch->rx.read && !ch->blocked;
    return more || (ch->want != 0 && head >= ch->want);
}

/* A hot channel without data for a while is armed by itself. */
static void rest(struct plane *p, struct channel *ch)
{
    ch->idle_polls += 1;
    if (ch->idle_polls < HULSE_IDLE_POLLS ||
        p->worker->loop.now_ns - ch->idle_since_ns < HULSE_IDLE_NS) {
        return;
    }
    arm(p, ch);
    /* SYNC(doorbell.armed) fence: armed before the re-check of up_tail (M10). */
    hulse_doorbell_fence();
    if (hulse_plane_armed_work(ch)) {
        hulse_plane_heat(p, ch);
    }
}

static void drained(struct channel *ch)
{
    struct session *s = ch->session;
    hulse_channel_destroy(ch);
    if (s->channel_count == 0) {
        hulse_session_doom(s, HULSE_RULE_NONE, "");
    }
}

static unsigned visit(struct plane *p, struct channel *ch)
{
    const unsigned work = ch->kind == HULSE_CHANNEL_PRODUCER ? hulse_publish_visit(p, ch)
                                                             : hulse_deliver_visit(p, ch);
    if (work > 0) {
        ch->idle_polls = 0;
        ch->idle_since_ns = p->worker->loop.now_ns;
        p->visits += 1;
    }
    return work;
}

/* A stopping daemon takes nothing more from the living; who has gone cannot publish it again. */
static bool takes(const struct plane *p, const struct channel *ch)
{
    return !ch->session->doomed && ch->reopening == 0 &&
           (!p->draining || ch->kind != HULSE_CHANNEL_PRODUCER || ch->state == CHANNEL_DRAIN);
}

static bool anyone_drains(const struct plane *p)
{
    const struct channel *ch = NULL;
    TAILQ_FOREACH(ch, &p->hot, hot_link)
    {
        if (ch->state == CHANNEL_DRAIN) {
            return true;
        }
    }
    return false;
}

/* Tells every session that the daemon is going to stop; nothing more is taken. */
static void begin_drain(struct plane *p)
{
    struct session *s = NULL;
    p->draining = true;
    TAILQ_FOREACH(s, &p->sessions, link)
    {
        struct channel *ch = NULL;
        TAILQ_FOREACH(ch, &s->channels, session_link)
        {
            if (ch->state != CHANNEL_OPENING) {
                hulse_channel_state(ch, HULSE_REGION_DRAINING, 0);
            }
        }
        hulse_session_event(s, HULSE_EVENT_DRAIN, NULL, HULSE_OK, "the daemon is stopping");
    }
}

/* Nothing more is taken or answered here. */
static void say_goodbye(struct plane *p)
{
    struct session *s = NULL;
    TAILQ_FOREACH(s, &p->sessions, link)
    {
        hulse_session_event(s, HULSE_EVENT_GOODBYE, NULL, HULSE_OK, "");
    }
    p->goodbye = true;
}

/* Apps whose end the loop has not told yet. */
static void see_hang_ups(struct plane *p)
{
    struct session *s = NULL;
    TAILQ_FOREACH(s, &p->sessions, link)
    {
        struct pollfd sock = {.fd = s->sock, .events = POLLRDHUP};
        if (!s->gone && poll(&sock, 1, 0) > 0) {
            hulse_session_hang_up(s);
        }
    }
}

/* Whether all is taken and answered. An app that ended before TERM may not have been heard of. */
static bool is_drained(struct plane *p)
{
    if (p->in_flight > 0 || anyone_drains(p)) {
        return false;
    }
    see_hang_ups(p);
    return !anyone_drains(p);
}

static void check_phase(struct plane *p)
{
    /* Relaxed because the word says all there is to know. */
    const uint32_t phase = atomic_load_explicit(&p->shared->phase, memory_order_relaxed);
    if (phase == PLANE_DRAINING && !p->draining) {
        begin_drain(p);
    }
    if (p->draining && !p->goodbye && is_drained(p)) {
        say_goodbye(p);
        /* SYNC(plane.drained) release: what was said before is on the sockets. */
        atomic_store_explicit(
            &p->shared->workers[p->worker->params.index].drained, 1, memory_order_release);
    }
}

static unsigned plane_turn(void *state)
{
    struct plane *p = state;
    unsigned work = 0;
    struct channel *next = NULL;
    check_phase(p);
    for (struct channel *ch = TAILQ_FIRST(&p->hot); ch != NULL; ch = next) {
        next = TAILQ_NEXT(ch, hot_link);
        if (!takes(p, ch)) {
            continue;
        }
        const unsigned n = visit(p, ch);
        work += n;
        if (n > 0 || ch->session->doomed) {
            continue;
        }
        if (ch->state == CHANNEL_DRAIN) {
            if (hulse_channel_drained(ch)) {
                drained(ch);
                work += 1;
            }
        } else if (!ch->blocked) {
            rest(p, ch);
        }
    }
    /* The end of the last flush may have ended sessions or touched channels: this turn flushes. */
    return work + (p->doomed != NULL || p->touched != NULL ? 1 : 0);
}

/* Stores what a touched channel has produced: M5, then statistics, then M3. */
static void publish_channel(struct plane *p, struct channel *ch)
{
    struct hulse_region_b *b = hulse_region_b(&ch->b);
    if (ch->kind == HULSE_CHANNEL_PRODUCER) {
        hulse_publish_release(p, ch);
    } else {
        hulse_deliver_room(ch);
    }
    /* Relaxed because the release of down_tail orders it before what comes behind the loss. */
    atomic_store_explicit(&b->lost, ch->lost, memory_order_relaxed);
    if (ch->tx.tail != ch->tx.published) {
        hulse_ring_tx_publish(&ch->tx);
    }
    for (unsigned i = 0; i < HULSE_STAT_COUNT; i++) {
        /* Relaxed because the release of up_head below orders them for hulse_sync(). */
        atomic_store_explicit(&b->stats[i], ch->stats[i], memory_order_relaxed);
    }
    /* Relaxed because it is a statistic. */
    atomic_store_explicit(&b->up_read, ch->rx.read, memory_order_relaxed);
    if (ch->rx.released != ch->flushed_head) {
        hulse_ring_rx_release(&ch->rx, ch->rx.released);
    }
}

/* After the fence: does the channel's group wait for what was just published? */
static void wake(struct channel *ch)
{
    const struct hulse_region_a *a = hulse_region_a(&ch->a);
    struct session *s = ch->session;
    if (hulse_doorbell_crossed(&a->wake_at, ch->flushed_tail, ch->tx.published) ||
        hulse_doorbell_crossed(&a->space_at, ch->flushed_head, ch->rx.released)) {
        struct group *g = &s->groups[ch->group];
        if (!g->wake && g->wake_fd >= 0) {
            g->wake = true;
            s->plane->wakes += 1;
            /* EAGAIN: the pipe is full of wake-ups already. EPIPE: the hang-up follows. */
            const ssize_t n = write(g->wake_fd, "", 1);
            (void)n;
        }
    }
    ch->flushed_tail = ch->tx.published;
    ch->flushed_head = ch->rx.released;
}

static void plane_flush(void *state)
{
    struct plane *p = state;
    struct channel *flushed = NULL;
    while (p->touched != NULL) {
        struct channel *ch = p->touched;
        p->touched = ch->touched_next;
        ch->touched = false;
        if (ch->state == CHANNEL_OPENING || ch->a.base == NULL) {
            continue;
        }
        publish_channel(p, ch);
        if (!ch->flushed) {
            ch->flushed = true;
            ch->flushed_next = flushed;
            flushed = ch;
        }
    }
    if (flushed != NULL) {
        /* SYNC(doorbell.want) fence: down_tail and up_head before the wake words (M12). */
        hulse_doorbell_fence();
    }
    for (struct channel *ch = flushed; ch != NULL; ch = ch->flushed_next) {
        ch->flushed = false;
        wake(ch);
    }
    for (struct channel *ch = flushed; ch != NULL;) {
        struct channel *next = ch->flushed_next;
        ch->session->groups[ch->group].wake = false;
        if (ch->blocked && ch->state == CHANNEL_ARMED) {
            hulse_plane_heat(p, ch);
        }
        if (ch->closing > 0 || ch->close_wanted) {
            hulse_handle_finish_closing(ch);
        }
        ch = next;
    }
    if (p->doomed != NULL) {
        hulse_session_reap(p);
    }
}

static bool plane_park(void *state)
{
    struct plane *p = state;
    struct channel *next = NULL;
    struct channel *last = NULL;
    TAILQ_HEAD(, channel) armed = TAILQ_HEAD_INITIALIZER(armed);
    for (struct channel *ch = TAILQ_FIRST(&p->hot); ch != NULL; ch = next) {
        next = TAILQ_NEXT(ch, hot_link);
        if (ch->state != CHANNEL_DRAIN) {
            arm(p, ch);
            TAILQ_INSERT_TAIL(&armed, ch, hot_link);
        }
        last = ch;
    }
    if (last == NULL) {
        return false;
    }
    /* SYNC(doorbell.armed) fence: armed and down_want before the re-checks (M10, M14). */
    hulse_doorbell_fence();
    bool work = false;
    for (struct channel *ch = TAILQ_FIRST(&armed); ch != NULL && !work;
         ch = TAILQ_NEXT(ch, hot_link)) {
        work = takes(p, ch) && hulse_plane_armed_work(ch);
    }
    for (struct channel *ch = TAILQ_FIRST(&armed); ch != NULL; ch = next) {
        next = TAILQ_NEXT(ch, hot_link);
        TAILQ_REMOVE(&armed, ch, hot_link);
        if (work) {
            hulse_plane_heat(p, ch);
        }
    }
    return work;
}

/* B.armed was set, the app published, and no bell came for two sweeps: a lost wake-up. */
static void sweep_channel(struct plane *p, struct channel *ch)
{
    if (ch->state != CHANNEL_ARMED || !takes(p, ch)) {
        return;
    }
    if (!hulse_plane_armed_work(ch)) {
        ch->swept = false;
    } else if (!ch->swept) {
        /* The app may be about to ring: it gets until the next sweep. */
        ch->swept = true;
    } else {
        ch->stats[HULSE_STAT_MISSED_DOORBELLS] += 1;
        p->missed_doorbells += 1;
        HULSE_LOG_WARNF("doorbell.missed",
                        hulse_log_u64("session", ch->session->number),
                        hulse_log_u64("channel", ch->id));
        hulse_plane_heat(p, ch);
        hulse_plane_touch(p, ch);
    }
}

static void sweep(struct timer *t)
{
    struct plane *p = HULSE_CONTAINER(t, struct plane, sweep);
    struct session *s = NULL;
    TAILQ_FOREACH(s, &p->sessions, link)
    {
        struct channel *next = NULL;
        for (struct channel *ch = TAILQ_FIRST(&s->channels); ch != NULL; ch = next) {
            next = TAILQ_NEXT(ch, session_link);
            sweep_channel(p, ch);
        }
    }
    hulse_timer_start(
        &p->worker->loop.timers, t, hulse_loop_now_ms(&p->worker->loop) + HULSE_SWEEP_MS);
}

/* Heartbeat of every channel, and the phase that control may have changed. */
static void beat_channel(struct plane *p, struct channel *ch, uint64_t now_ms)
{
    /* Relaxed because it announces nothing but itself. */
    atomic_store_explicit(&hulse_region_b(&ch->b)->beat_ms, now_ms, memory_order_relaxed);
    hulse_by_id_expire(ch, now_ms);
    hulse_lease_expire(ch, now_ms);
    if (ch->hungry) {
        hulse_plane_touch(p, ch);
    }
}

static void beat(struct timer *t)
{
    struct plane *p = HULSE_CONTAINER(t, struct plane, beat);
    const uint64_t now_ms = hulse_loop_now_ms(&p->worker->loop);
    struct session *s = NULL;
    TAILQ_FOREACH(s, &p->sessions, link)
    {
        struct channel *ch = NULL;
        TAILQ_FOREACH(ch, &s->channels, session_link)
        {
            if (ch->state != CHANNEL_OPENING) {
                beat_channel(p, ch, now_ms);
            }
        }
    }
    hulse_timer_start(&p->worker->loop.timers, t, now_ms + HULSE_BEAT_MS);
}

static void *plane_start(struct worker *w, void *shared, struct error *err)
{
    struct plane *p = hulse_mem_zalloc(HULSE_MEM_SESSION, sizeof(*p));
    uint8_t *scratch = hulse_mem_alloc(HULSE_MEM_SESSION, 2 * (size_t)HULSE_META_BYTES_MAX);
    if (p == NULL || scratch == NULL) {
        hulse_mem_free(HULSE_MEM_SESSION, p, sizeof(*p));
        hulse_mem_free(HULSE_MEM_SESSION, scratch, 2 * (size_t)HULSE_META_BYTES_MAX);
        (void)hulse_fail(err, HULSE_NO_MEMORY, "memory_max is too small for a worker");
        return NULL;
    }
    p->magic = HULSE_PLANE_MAGIC;
    p->worker = w;
    p->shared = shared;
    p->meta = scratch;
    p->properties = scratch + HULSE_META_BYTES_MAX;
    TAILQ_INIT(&p->sessions);
    TAILQ_INIT(&p->hot);
    p->sweep.fire = sweep;
    p->beat.fire = beat;
    const uint64_t now_ms = hulse_loop_now_ms(&w->loop);
    hulse_timer_start(&w->loop.timers, &p->sweep, now_ms + HULSE_SWEEP_MS);
    hulse_timer_start(&w->loop.timers, &p->beat, now_ms + HULSE_BEAT_MS);
    self = p;
    return p;
}

static void plane_stop(void *state)
{
    struct plane *p = state;
    HULSE_ASSERT(p->magic == HULSE_PLANE_MAGIC);
    see_hang_ups(p); /* what they left is lost like that of the others */
    if (p->draining && !p->goodbye) {
        say_goodbye(p); /* the time is over, and some records have no answer */
    }
    while (!TAILQ_EMPTY(&p->sessions)) {
        hulse_session_destroy(TAILQ_FIRST(&p->sessions));
    }
    hulse_timer_stop(&p->worker->loop.timers, &p->sweep);
    hulse_timer_stop(&p->worker->loop.timers, &p->beat);
    self = NULL;
    hulse_mem_free(HULSE_MEM_SESSION, p->meta, 2 * (size_t)HULSE_META_BYTES_MAX);
    p->magic = 0;
    hulse_mem_free(HULSE_MEM_SESSION, p, sizeof(*p));
}

static void plane_report(void *state, struct worker_report *out)
{
    const struct plane *p = state;
    out->sessions += p->session_count;
    out->channels += p->channel_count;
    out->producers += p->producer_count;
    out->consumers += p->consumer_count;
    out->records_taken += p->records_taken;
    out->bytes_taken += p->bytes_taken;
    out->receipts_posted += p->receipts_posted;
    out->deliveries_posted += p->deliveries_posted;
    out->verdicts_ignored += p->verdicts_ignored;
    out->verdicts_dropped += p->verdicts_dropped;
    out->missed_doorbells += p->missed_doorbells;
    out->bells += p->bells;
    out->wakes += p->wakes;
    out->visits += p->visits;
    out->penalties += p->penalties;
    out->rule_violations += p->rule_violations;
    out->lost_after_exit += p->lost_after_exit;
}

const struct worker_module hulse_plane_module = {.name = "plane",
                                                 .start = plane_start,
                                                 .stop = plane_stop,
                                                 .turn = plane_turn,
                                                 .flush = plane_flush,
                                                 .park = plane_park,
                                                 .report = plane_report};
