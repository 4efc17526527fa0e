/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_writer - see the header.
 *
 * Sleeping is a Dekker pair like the inbox's, on a futex: a thread that logs moves its ring's tail,
 * fences, looks at `state`; this thread sets `state`, fences, looks at the tails.
 *
 * The mutex guards the table of rings and is never held while stderr is written: a reader of stderr
 * that stops must not stop a thread that starts or ends.
 */
#include "daemon/core/log_writer.h"

#include "daemon/core/assert.h"
#include "daemon/core/clock.h"
#include "daemon/core/fence.h"
#include "daemon/core/log_format.h"
#include "daemon/core/thread.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    NAP_NS = 10000000,     /* 10 ms: lines of a burst are written together */
    STDERR_WAIT_MS = 1000, /* a non-blocking stderr that takes nothing for so long loses lines */
    WAKE_BYTES = HULSE_LOG_RING_BYTES / 2
};

enum state { WORKING = 0, NAPPING, SLEEPING };

/* Whole lines up to PIPE_BUF: those a pipe takes in one piece. */
struct output {
    size_t used;
    uint64_t lines;
    char bytes[PIPE_BUF];
};

static struct {
    _Atomic(uint32_t) state; /* the futex */
    _Atomic(uint32_t) stop;
    _Atomic(uint32_t) running;
    _Atomic(uint64_t) lost; /* lines that stderr did not take */
    _Atomic(uint32_t) format;
    pthread_t thread;
    sem_t ended; /* by the thread, when it is about to end */
    pthread_mutex_t rings_lock;
    struct log_ring *rings[HULSE_LOG_THREADS_MAX];
    size_t ring_count;
    pthread_mutex_t stderr_lock; /* a line longer than PIPE_BUF is not mixed with another */
} writer = {
    .rings_lock = PTHREAD_MUTEX_INITIALIZER,
    .stderr_lock = PTHREAD_MUTEX_INITIALIZER,
};

/* ---- stderr ------------------------------------------------------------------------------ */

/* The journal says through which stream it is connected: "device:inode". */
static bool stderr_is_journal(void)
{
    /* The environment does not change after start. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char *end = NULL;

    if (stream == NULL || fstat(STDERR_FILENO, &st) != 0) {
        return false;
    }
    const unsigned long long device = strtoull(stream, &end, 10);
    return *end == ':' && device == st.st_dev && strtoull(end + 1, NULL, 10) == st.st_ino;
}

static struct log_style style_now(void)
{
    /* Relaxed because the value stands alone. */
    return (struct log_style){
        .format = (enum log_format)atomic_load_explicit(&writer.format, memory_order_relaxed),
        .priority = stderr_is_journal(),
    };
}

/* False: stderr is gone or takes nothing. */
static bool write_all(const char *bytes, size_t count)
{
    while (count > 0) {
        const ssize_t written = write(STDERR_FILENO, bytes, count);
        if (written > 0) {
            bytes += written;
            count -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
            if (poll(&ready, 1, STDERR_WAIT_MS) <= 0) {
                return false;
            }
        } else if (written == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* False: the lines are lost, and counted. */
static bool write_lines(const char *bytes, size_t count, uint64_t lines)
{
    (void)pthread_mutex_lock(&writer.stderr_lock);
    const bool taken = write_all(bytes, count);
    (void)pthread_mutex_unlock(&writer.stderr_lock);
    if (!taken) {
        /* Relaxed because it is only a number. */
        (void)atomic_fetch_add_explicit(&writer.lost, lines, memory_order_relaxed);
    }
    return taken;
}

static bool flush(struct output *out)
{
    const bool taken = out->used == 0 || write_lines(out->bytes, out->used, out->lines);

    out->used = 0;
    out->lines = 0;
    return taken;
}

static void emit(struct output *out,
                 const struct log_record *r,
                 const char *thread,
                 const struct log_style *style)
{
    char line[HULSE_LOG_LINE_BYTES];
    const size_t bytes = hulse_log_format_line(r, thread, style, line);

    if (bytes > sizeof(out->bytes) - out->used) {
        (void)flush(out);
    }
    if (bytes > sizeof(out->bytes)) {
        (void)write_lines(line, bytes, 1);
        return;
    }
    memcpy(out->bytes + out->used, line, bytes);
    out->used += bytes;
    out->lines++;
}

static void
emit_dropped(struct output *out, const char *thread, uint64_t lines, const struct log_style *style)
{
    static const struct log_site site = {.event = "log.dropped", .level = HULSE_LOG_WARN};
    const struct log_field field = hulse_log_u64("lines", lines);
    union log_record_room room;

    hulse_log_record_build(&room, &site, &field, 1, hulse_clock_wall_ns());
    emit(out, &room.record, thread, style);
    out->lines += lines - 1;
}

/* Lines that stderr did not take; told in a piece of its own, to know whether it was taken. */
static void report_lost(struct output *out, const struct log_style *style)
{
    const uint64_t lost = atomic_load_explicit(&writer.lost, memory_order_relaxed);
    if (lost == 0) {
        return;
    }
    (void)flush(out);
    emit_dropped(out, "log", lost, style);
    out->lines = 0;
    if (flush(out)) {
        (void)atomic_fetch_sub_explicit(&writer.lost, lost, memory_order_relaxed);
    }
}

void hulse_log_writer_direct(const struct log_record *r, const char *thread)
{
    const struct log_style style = style_now();
    char line[HULSE_LOG_LINE_BYTES];

    (void)write_lines(line, hulse_log_format_line(r, thread, &style, line), 1);
}

/* ---- one round --------------------------------------------------------------------------- */

struct merge {
    size_t count;
    struct log_ring *rings[HULSE_LOG_THREADS_MAX];
    uint64_t until[HULSE_LOG_THREADS_MAX];
};

/* What is there now; a ring stays until sweep() frees it. */
static void look(struct merge *m)
{
    (void)pthread_mutex_lock(&writer.rings_lock);
    m->count = writer.ring_count;
    memcpy(m->rings, writer.rings, m->count * sizeof(struct log_ring *));
    (void)pthread_mutex_unlock(&writer.rings_lock);
    for (size_t i = 0; i < m->count; i++) {
        m->until[i] = hulse_log_ring_tail(m->rings[i]);
    }
}

/* The ring whose oldest record is the oldest of all; NULL when all are done. */
static struct log_ring *oldest(const struct merge *m, const struct log_record **record)
{
    struct log_ring *ring = NULL;

    *record = NULL;
    for (size_t i = 0; i < m->count; i++) {
        const struct log_record *r = hulse_log_ring_peek(m->rings[i], m->until[i]);
        if (r != NULL && (*record == NULL || r->wall_ns < (*record)->wall_ns)) {
            *record = r;
            ring = m->rings[i];
        }
    }
    return ring;
}

static uint64_t dropped_by(const struct log_ring *ring)
{
    /* Relaxed because it is only a number. */
    return atomic_load_explicit(&ring->dropped, memory_order_relaxed);
}

static bool is_closed(const struct log_ring *ring)
{
    /* SYNC(log.closed) acquire: the owner's last access is over. */
    return atomic_load_explicit(&ring->closed, memory_order_acquire) != 0;
}

static bool is_empty(struct log_ring *ring)
{
    return hulse_log_ring_peek(ring, hulse_log_ring_tail(ring)) == NULL &&
           dropped_by(ring) == ring->dropped_reported;
}

static void report_dropped(const struct merge *m, struct output *out, const struct log_style *style)
{
    for (size_t i = 0; i < m->count; i++) {
        struct log_ring *ring = m->rings[i];
        HULSE_ASSERT(ring != NULL);
        const uint64_t dropped = dropped_by(ring);
        if (dropped != ring->dropped_reported) {
            emit_dropped(out, ring->name, dropped - ring->dropped_reported, style);
            ring->dropped_reported = dropped;
        }
    }
}

/* Frees the rings that are closed and have nothing left to say. */
static void sweep(void)
{
    (void)pthread_mutex_lock(&writer.rings_lock);
    for (size_t i = writer.ring_count; i-- > 0;) {
        struct log_ring *ring = writer.rings[i];
        if (is_closed(ring) && is_empty(ring)) {
            writer.rings[i] = writer.rings[--writer.ring_count];
            hulse_log_ring_destroy(&ring);
        }
    }
    (void)pthread_mutex_unlock(&writer.rings_lock);
}

/* Writes what the rings hold at its begin; gives the number of lines. */
static unsigned round_once(void)
{
    static struct output out; /* only one thread writes at a time: the log thread, or its stopper */
    const struct log_style style = style_now();
    const struct log_record *record = NULL;
    struct merge m;
    unsigned lines = 0;

    look(&m);
    for (struct log_ring *ring = oldest(&m, &record); ring != NULL; ring = oldest(&m, &record)) {
        emit(&out, record, ring->name, &style);
        hulse_log_ring_release(ring, record);
        lines++;
    }
    report_dropped(&m, &out, &style);
    report_lost(&out, &style);
    (void)flush(&out);
    sweep();
    return lines;
}

/* ---- sleeping ---------------------------------------------------------------------------- */

static void futex_wait(enum state state, const struct timespec *timeout)
{
    (void)syscall(SYS_futex, &writer.state, FUTEX_WAIT_PRIVATE, state, timeout, NULL, 0);
}

/* Turns the thread to work if it is not working. */
static void wake(void)
{
    /* Relaxed because fences order it against the tails and `stop`. */
    if (atomic_exchange_explicit(&writer.state, WORKING, memory_order_relaxed) != WORKING) {
        (void)syscall(SYS_futex, &writer.state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

/* Also a closed ring: it is to be freed. */
static bool anything_waiting(void)
{
    struct merge m;

    look(&m);
    for (size_t i = 0; i < m.count; i++) {
        if (is_closed(m.rings[i]) || !is_empty(m.rings[i])) {
            return true;
        }
    }
    return false;
}

static bool stop_asked(void)
{
    /* SYNC(log.stop) acquire: what the stopper logged before. */
    return atomic_load_explicit(&writer.stop, memory_order_acquire) != 0;
}

static void rest(enum state state)
{
    static const struct timespec nap = {.tv_nsec = NAP_NS};

    atomic_store_explicit(&writer.state, state, memory_order_relaxed);
    /* SYNC(log.state) fence: `state` before the tails and `stop`, against wake. */
    hulse_full_fence();
    if (!stop_asked() && (state == NAPPING || !anything_waiting())) {
        futex_wait(state, state == NAPPING ? &nap : NULL);
    }
    atomic_store_explicit(&writer.state, WORKING, memory_order_relaxed);
}

void hulse_log_writer_wake(size_t used_bytes)
{
    /* SYNC(log.state) fence: the tail before `state`, against rest. */
    hulse_full_fence();
    const uint32_t state = atomic_load_explicit(&writer.state, memory_order_relaxed);
    if (state == SLEEPING || (state == NAPPING && used_bytes >= WAKE_BYTES)) {
        wake();
    }
}

static void *writer_main(void *argument)
{
    (void)argument;
    hulse_role_set(HULSE_ROLE_LOG);
    for (;;) {
        /* Asked first: what was logged before the stop is in this round. */
        const bool last = stop_asked();
        const unsigned lines = round_once();
        if (last) {
            (void)sem_post(&writer.ended);
            return NULL;
        }
        rest(lines != 0 ? NAPPING : SLEEPING);
    }
}

/* ---- start, stop, rings ------------------------------------------------------------------ */

bool hulse_log_writer_running(void)
{
    /* Relaxed because a late value only sends a line the other way. */
    return atomic_load_explicit(&writer.running, memory_order_relaxed) != 0;
}

bool hulse_log_writer_start(enum log_format format)
{
    HULSE_ASSERT(!hulse_log_writer_running());

    atomic_store_explicit(&writer.format, (uint32_t)format, memory_order_relaxed);
    atomic_store_explicit(&writer.stop, 0, memory_order_relaxed);
    atomic_store_explicit(&writer.state, WORKING, memory_order_relaxed);
    HULSE_ASSERT(sem_init(&writer.ended, 0, 0) == 0);
    if (hulse_thread_start(&writer.thread, "hulse-log", writer_main, NULL) != 0) {
        return false;
    }
    (void)pthread_mutex_lock(&writer.rings_lock);
    atomic_store_explicit(&writer.running, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&writer.rings_lock);
    return true;
}

/* False: it has not ended, as inside a write that nobody takes. */
static bool ends_within(uint32_t timeout_ms)
{
    struct timespec until;
    int rc = 0;

    HULSE_ASSERT(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += timeout_ms / 1000U;
    until.tv_nsec += (long)(timeout_ms % 1000U) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec += 1;
        until.tv_nsec -= 1000000000L;
    }
    do {
        rc = sem_clockwait(&writer.ended, CLOCK_MONOTONIC, &until);
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
}

bool hulse_log_writer_stop(uint32_t timeout_ms)
{
    if (!hulse_log_writer_running()) {
        return true;
    }
    /* SYNC(log.stop) release: what was logged before is seen by the last round. */
    atomic_store_explicit(&writer.stop, 1, memory_order_release);
    /* SYNC(log.state) fence: `stop` before `state`, against rest. */
    hulse_full_fence();
    wake();
    if (!ends_within(timeout_ms)) {
        return false;
    }
    (void)pthread_join(writer.thread, NULL);
    (void)pthread_mutex_lock(&writer.rings_lock);
    atomic_store_explicit(&writer.running, 0, memory_order_relaxed);
    (void)pthread_mutex_unlock(&writer.rings_lock);
    /* Threads that have not ended may have logged meanwhile. */
    (void)round_once();
    return true;
}

bool hulse_log_writer_add(struct log_ring *ring)
{
    (void)pthread_mutex_lock(&writer.rings_lock);
    const bool room = writer.ring_count < HULSE_LOG_THREADS_MAX;
    if (room) {
        writer.rings[writer.ring_count++] = ring;
    }
    (void)pthread_mutex_unlock(&writer.rings_lock);
    return room;
}

void hulse_log_writer_close(struct log_ring *ring)
{
    /* SYNC(log.closed) release: this thread's last access is over. */
    atomic_store_explicit(&ring->closed, 1, memory_order_release);
    if (hulse_log_writer_running()) {
        hulse_log_writer_wake(HULSE_LOG_RING_BYTES);
    } else {
        sweep();
    }
}
