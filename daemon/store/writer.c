/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer - the thread that stores: takes what was submitted, makes groups of it, waits when there is nothing or no room.
 */
#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/store/copy.h"

#include <string.h>
#include <time.h>

enum { NS_PER_MS = 1000000, DISK_FULL_NAP_NS = 100000000 };

void hulse_store_fail(struct store *s, const char *what, int number)
{
    /* Relaxed because it orders nothing: who hears IO hears it by an answer. */
    if (atomic_exchange_explicit(&s->failed, 1, memory_order_relaxed) == 0) {
        HULSE_LOG_ERRORF("store.failed",
                         hulse_log_str("directory", s->path),
                         hulse_log_str("call", what),
                         hulse_log_str("error", strerrordesc_np(number)),
                         hulse_log_str("consequence", "nothing is stored until a restart"));
    }
}

/* ---- lists ------------------------------------------------------------------------------- */

static void append(struct request_list *list, struct store_request *rq)
{
    rq->link.next = NULL;
    if (list->first == NULL) {
        list->first = rq;
    } else {
        list->last->link.next = &rq->link;
    }
    list->last = rq;
}

static struct store_request *behind(const struct store_request *rq)
{
    return rq->link.next == NULL ? NULL
                                 : HULSE_CONTAINER(rq->link.next, struct store_request, link);
}

static void drop_first(struct request_list *list)
{
    list->first = behind(list->first);
}

/* ---- taking ------------------------------------------------------------------------------ */

static void take(struct store *s)
{
    struct writer *w = &s->writer;

    for (struct store_request *rq = hulse_store_take(s); rq != NULL; rq = hulse_store_take(s)) {
        if (w->pending.first == NULL && rq->lazy) {
            w->lazy_until_ns = hulse_clock_ns() + (uint64_t)s->params.lazy_ms * NS_PER_MS;
        }
        w->eager = w->eager || !rq->lazy;
        append(&w->pending, rq);
    }
}

static void count_parked(struct store *s, int64_t change)
{
    /* Relaxed because it is a figure. */
    atomic_fetch_add_explicit(&s->counts.parked, (uint64_t)change, memory_order_relaxed);
}

/* Those that wait for room, as far as there is some. GROUP_TAKEN: none waits any more. */
static enum group_rc serve_parked(struct store *s)
{
    struct writer *w = &s->writer;

    while (w->parked.first != NULL) {
        struct store_request *rq = w->parked.first;
        struct store_request *next = behind(rq); /* an answered one may be gone */
        const bool message = rq->kind == STORE_MESSAGE;
        const enum group_rc rc = hulse_group_add(s, rq);
        if (rc != GROUP_TAKEN) {
            return rc;
        }
        w->parked.first = next;
        count_parked(s, message ? -1 : 0);
    }
    return GROUP_TAKEN;
}

/* What may go on although messages wait: control records, but not the barriers behind them. */
static enum group_rc serve_pending(struct store *s)
{
    struct writer *w = &s->writer;

    while (w->pending.first != NULL) {
        struct store_request *rq = w->pending.first;
        struct store_request *next = behind(rq);
        const bool message = rq->kind == STORE_MESSAGE;
        const bool may_wait = message || rq->kind == STORE_BARRIER;
        enum group_rc rc = GROUP_NO_ROOM;
        if (!may_wait || w->parked.first == NULL) {
            rc = hulse_group_add(s, rq);
        }
        if (rc == GROUP_CLOSED || (rc == GROUP_NO_ROOM && !may_wait)) {
            return rc;
        }
        w->pending.first = next;
        if (rc == GROUP_NO_ROOM) {
            append(&w->parked, rq);
            count_parked(s, message ? 1 : 0);
        }
    }
    w->eager = false;
    return GROUP_TAKEN;
}

/* ---- rounds ------------------------------------------------------------------------------ */

static void refuse(struct store *s, struct request_list *list, hulse_status status)
{
    while (list->first != NULL) {
        struct store_request *rq = list->first;
        drop_first(list);
        hulse_store_answer(&s->writer.answered, rq, status);
    }
    hulse_store_announce(&s->writer.answered);
}

static void refuse_everything(struct store *s, hulse_status status)
{
    struct writer *w = &s->writer;

    refuse(s, &w->parked, status);
    refuse(s, &w->pending, status);
    atomic_store_explicit(&s->counts.parked, 0, memory_order_relaxed);
    w->eager = false;
}

/* Is there room for messages, here or further on? Under the lock. */
static bool has_room(struct store *s)
{
    const struct appender *end = &s->writer.end;
    const bool here = end->seg.fd >= 0 && hulse_appender_fits(end, FRAME_HEADER_BYTES);

    return (here && hulse_space_takes(&s->space, SPACE_MESSAGE)) ||
           hulse_space_may_grow(&s->space, SPACE_MESSAGE) ||
           hulse_space_may_move_on(&s->space, s->state);
}

/*
 * Segments that nobody needs any more become room: after each rotation, and in a full store whenever something may have
 * made some. True: there is more than before.
 */
static bool look_for_space(struct store *s)
{
    struct writer *w = &s->writer;
    const bool waiting = w->parked.first != NULL || w->pending.first != NULL;

    if (!w->look_for_space && !((waiting || w->full) && w->changed)) {
        return false;
    }
    w->look_for_space = false;
    w->changed = false;
    (void)pthread_mutex_lock(&s->lock);
    const size_t freed = hulse_space_free(&s->space, s->state);
    const uint64_t used = s->space.used_count;
    const bool room = has_room(s);
    const bool uncovered = s->space.wait_for != 0;
    (void)pthread_mutex_unlock(&s->lock);
    atomic_store_explicit(&s->counts.used, used, memory_order_relaxed);
    /* Who waits may be larger than what is left here; he says it when he finds room. */
    if (room && w->full && w->parked.first == NULL) {
        hulse_group_note_full(s, false);
    }
    if (freed > 0 || waiting || uncovered) {
        hulse_store_call_reader(s);
    }
    return freed > 0;
}

/* Stores one group. False: nothing could be done now. */
static bool serve(struct store *s)
{
    struct writer *w = &s->writer;
    const struct store_request *parked = w->parked.first;
    const struct store_request *pending = w->pending.first;

    if (!hulse_store_healthy(s)) {
        refuse_everything(s, HULSE_IO);
        return false;
    }
    if (hulse_copy_is_due(s)) {
        (void)hulse_copy_add(s);
    }
    if (serve_parked(s) != GROUP_CLOSED && serve_pending(s) == GROUP_TAKEN) {
        (void)hulse_copy_add(s);
    }
    const bool moved =
        w->entry_count > 0 || w->parked.first != parked || w->pending.first != pending;
    hulse_group_end(s);
    hulse_copy_stored(s);
    if (!hulse_store_healthy(s)) {
        refuse_everything(s, HULSE_IO);
    }
    return moved;
}

static bool stop_asked(const struct store *s)
{
    /* SYNC(store.stop_writer) acquire: what the stopper submitted before. */
    return atomic_load_explicit(&s->stop_writer, memory_order_acquire) != 0;
}

enum asked { ASKED_TO_STOP = 1, ASKED_TO_LEAVE = 2 };

/* What it was told to do: bits of enum asked. */
static unsigned asked(const struct store *s)
{
    const bool leave = atomic_load_explicit(&s->leaving, memory_order_relaxed) != 0;

    return (stop_asked(s) ? (unsigned)ASKED_TO_STOP : 0U) | (leave ? (unsigned)ASKED_TO_LEAVE : 0U);
}

static uint32_t news(const struct store *s)
{
    /* SYNC(store.news) acquire: what the reader has done. */
    return atomic_load_explicit(&s->news, memory_order_acquire);
}

/* Sleeps until there is something to look at, or `for_ns` are over (0: no limit). */
static void rest(struct store *s, uint64_t for_ns, unsigned asked_before)
{
    const struct writer *w = &s->writer;
    const enum sleeper_state how = for_ns != 0 ? SLEEPER_NAPPING : SLEEPER_SLEEPING;

    hulse_sleeper_prepare(&s->writer_sleep, how);
    if (!cds_wfcq_empty(cds_wfcq_head_cast(&s->submitted_head), &s->submitted_tail) ||
        news(s) != w->news || asked(s) != asked_before) {
        hulse_sleeper_call_off(&s->writer_sleep);
        return;
    }
    hulse_sleeper_sleep(&s->writer_sleep, how, for_ns);
}

/* How long what there is may still wait for company; 0: no longer. */
static uint64_t patience_ns(const struct store *s)
{
    const struct writer *w = &s->writer;

    if (w->eager || w->pending.first == NULL || stop_asked(s)) {
        return 0;
    }
    const uint64_t now_ns = hulse_clock_ns();
    return now_ns < w->lazy_until_ns ? w->lazy_until_ns - now_ns : 0;
}

/* At the end: is room on its way for what still waits? */
static bool room_is_coming(struct store *s)
{
    if (atomic_load_explicit(&s->hurry, memory_order_relaxed) == 0 ||
        (s->writer.parked.first == NULL && s->writer.pending.first == NULL)) {
        return false;
    }
    (void)pthread_mutex_lock(&s->lock);
    const bool coming = s->space.preparing || s->space.next.fd >= 0;
    (void)pthread_mutex_unlock(&s->lock);
    return coming;
}

/* Returns false when it is over. */
static bool work(struct store *s)
{
    struct writer *w = &s->writer;
    const unsigned asked_now = asked(s);

    if (news(s) != w->news) {
        w->news = news(s);
        w->look_for_space = true;
    }
    take(s);
    const uint64_t wait_ns = patience_ns(s);
    if (wait_ns != 0) {
        rest(s, wait_ns, asked_now);
        return true;
    }
    bool moved = serve(s);
    moved = look_for_space(s) || moved;
    hulse_store_checkpoint(s);
    if (moved) {
        return true;
    }
    const bool waiting = w->parked.first != NULL || w->pending.first != NULL;
    if (waiting && (asked_now & ASKED_TO_LEAVE) != 0 && !room_is_coming(s)) {
        refuse_everything(s, HULSE_CLOSED);
        return true;
    }
    if ((asked_now & ASKED_TO_STOP) != 0 && !room_is_coming(s)) {
        return false;
    }
    rest(s, 0, asked_now);
    return true;
}

/* Preallocated files have their space; on file systems that copy on write even they can lack it. */
static bool wait_for_disk(void *ctx)
{
    struct store *s = ctx;
    const struct timespec nap = {.tv_nsec = DISK_FULL_NAP_NS};

    HULSE_LOG_WARNF("store.disk_full", hulse_log_str("directory", s->path));
    atomic_store_explicit(&s->counts.full, 1, memory_order_relaxed);
    (void)nanosleep(&nap, NULL);
    return !stop_asked(s);
}

void *hulse_store_writer_run(void *store)
{
    struct store *s = store;

    s->writer.end.no_space = wait_for_disk;
    s->writer.end.ctx = s;
    (void)hulse_log_thread_attach("store writer");
    while (work(s)) {
    }
    refuse_everything(s, HULSE_CLOSED);
    hulse_log_thread_detach();
    return NULL;
}
