/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader - the thread beside the writer: serves reads, prepares the next segment, commits checkpoints.
 */
#include "daemon/core/clock.h"
#include "daemon/core/log.h"
#include "daemon/store/copy.h"
#include "daemon/store/read.h"

#include <string.h>

#define RETRY_NS UINT64_C(200000000) /* after the disk refused a segment */
#define FILL_RESTS 3U /* times as long as a piece of zeros took, so that the log has the disk */

void hulse_store_call_writer(struct store *s)
{
    /* SYNC(store.news) release: what was done before its news. */
    atomic_fetch_add_explicit(&s->news, 1, memory_order_release);
    hulse_sleeper_wake(&s->writer_sleep, true);
}

void hulse_store_call_reader(struct store *s)
{
    /* SYNC(store.orders) release: what there is to do before its number. */
    atomic_fetch_add_explicit(&s->orders, 1, memory_order_release);
    hulse_sleeper_wake(&s->reader_sleep, true);
}

static uint32_t orders(const struct store *s)
{
    /* SYNC(store.orders) acquire: what there is to do. */
    return atomic_load_explicit(&s->orders, memory_order_acquire);
}

static bool serve_reads(struct store *s)
{
    bool any = false;

    for (struct store_read *rd = hulse_store_take_read(s); rd != NULL;
         rd = hulse_store_take_read(s)) {
        const hulse_status status = hulse_store_serve_read(s, rd);
        hulse_store_answer_read(rd, status);
        any = true;
    }
    return any;
}

static bool stop_asked(const struct store *s)
{
    /* SYNC(store.stop_reader) acquire: what was submitted before. */
    return atomic_load_explicit(&s->stop_reader, memory_order_acquire) != 0;
}

static bool is_hurried(const struct store *s)
{
    /* Relaxed because it only makes a file less good. */
    return atomic_load_explicit(&s->hurry, memory_order_relaxed) != 0;
}

/*
 * Sleeps until there is something to do, or `for_ns` are over (0: no limit). `seen`: the orders before the last look
 * for something.
 */
static void rest(struct store *s, uint64_t for_ns, uint32_t seen, bool filling)
{
    hulse_sleeper_prepare(&s->reader_sleep, SLEEPER_SLEEPING);
    if (!cds_wfcq_empty(cds_wfcq_head_cast(&s->reads_head), &s->reads_tail) || stop_asked(s) ||
        orders(s) != seen || (filling && is_hurried(s))) {
        hulse_sleeper_call_off(&s->reader_sleep);
        return;
    }
    hulse_sleeper_sleep(&s->reader_sleep, SLEEPER_SLEEPING, for_ns);
}

static bool commit(struct store *s)
{
    if (!hulse_store_commit(s)) {
        return false;
    }
    hulse_store_call_writer(s);
    return true;
}

/* ---- the next segment -------------------------------------------------------------------- */

static bool may_try(const struct store *s)
{
    return s->reader.failed_ns == 0 || hulse_clock_ns() - s->reader.failed_ns >= RETRY_NS;
}

static void note_failure(struct store *s, int failed, bool reused)
{
    if (failed != 0 && s->reader.failed_ns == 0) {
        HULSE_LOG_WARNF("store.no_segment",
                        hulse_log_str("directory", s->path),
                        hulse_log_str("error", strerrordesc_np(failed)));
    }
    s->reader.failed_ns = failed == 0 ? 0 : hulse_clock_ns();
    s->reader.reuse_failed = failed != 0 && reused;
}

/* Between two pieces of zeros: who reads, a checkpoint and the log itself go first. */
static bool go_on(void *ctx, uint64_t took_ns)
{
    struct store *s = ctx;
    const uint64_t until_ns = hulse_clock_ns() + (FILL_RESTS * took_ns);

    for (;;) {
        const uint32_t seen = orders(s);
        (void)serve_reads(s);
        (void)commit(s);
        if (is_hurried(s) || stop_asked(s)) {
            return false;
        }
        const uint64_t now_ns = hulse_clock_ns();
        if (now_ns >= until_ns) {
            return true;
        }
        rest(s, until_ns - now_ns, seen, true);
    }
}

static int
do_task(struct store *s, enum space_task task, struct segment *seg, uint64_t number, uint64_t old)
{
    const struct segment_filling filling = {.go_on = go_on, .ctx = s};

    seg->number = number;
    switch (task) {
    case SPACE_REUSE:
        return hulse_segment_reuse(&s->place, old, seg);
    case SPACE_PUT_BY:
        return hulse_segment_put_by(&s->place, old, number);
    case SPACE_RESERVE_MAKE:
        return hulse_segment_reserve(&s->place, number);
    default:
        return hulse_segment_create(&s->place, seg, &filling);
    }
}

static bool prepare_space(struct store *s)
{
    struct segment seg = {.fd = -1, .epoch = s->epoch};
    uint64_t number = 0;
    uint64_t old = 0;
    const bool may_create = may_try(s);

    if (!may_create && s->reader.reuse_failed) {
        return false;
    }
    (void)pthread_mutex_lock(&s->lock);
    const enum space_task task = hulse_space_begin(&s->space, may_create, &number, &old);
    (void)pthread_mutex_unlock(&s->lock);
    if (task == SPACE_NOTHING) {
        s->reader.failed_ns = may_create ? 0 : s->reader.failed_ns;
        return false;
    }
    const int failed = do_task(s, task, &seg, number, old);
    const bool is_next = task == SPACE_REUSE || task == SPACE_CREATE;
    (void)pthread_mutex_lock(&s->lock);
    hulse_space_end(&s->space, is_next ? &seg : NULL, number, old, failed);
    (void)pthread_mutex_unlock(&s->lock);
    if (failed != 0 || old == 0) {
        note_failure(s, failed, old != 0);
    }
    hulse_store_call_writer(s);
    return true;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* How long until something is done by itself, or what failed is tried again; 0: nothing is. */
static uint64_t patience_ns(const struct store *s)
{
    uint64_t for_ns = hulse_copy_patience_ns(s);

    if (s->reader.failed_ns != 0) {
        for_ns = sooner(for_ns, RETRY_NS);
    }
    return s->reader.state_failed_ns != 0 ? sooner(for_ns, STORE_STATE_RETRY_NS) : for_ns;
}

/* One part of it, in front of which reads had their turn. */
static bool copy(struct store *s)
{
    if (!hulse_copy_turn(s)) {
        return false;
    }
    hulse_store_call_writer(s);
    return true;
}

/* ---- the thread -------------------------------------------------------------------------- */

void *hulse_store_reader_run(void *store)
{
    struct store *s = store;

    (void)hulse_log_thread_attach("store reader");
    for (;;) {
        const uint32_t seen = orders(s);
        const bool stopping = stop_asked(s);
        bool any = serve_reads(s);
        any = (!stopping && prepare_space(s)) || any;
        any = (!stopping && commit(s)) || any;
        any = (!stopping && copy(s)) || any;
        if (any) {
            continue;
        }
        if (stopping) {
            break;
        }
        rest(s, patience_ns(s), seen, false);
    }
    hulse_log_thread_detach();
    return NULL;
}
