/* SPDX-License-Identifier: Apache-2.0 */
/*
 * park_unpark - two processes that go to sleep as often as they can, over the real ring, doorbell,
 * eventfd and pipe. Shared by S4 (must lose no wake) and S5 (without fences: must lose one).
 *
 * Rings are tiny (16 records up, 32 receipts down) by a small mask in the private handles, so every
 * kind of sleep happens: the daemon for records (armed) and for room (down_want), the application
 * for room (space_at) and for receipts (wake_at). Both sides wait for the other's answer before
 * they go on, so a lost wake is never repaired by the next one.
 *
 * A wake is lost when a sleeper's time ran out, the awaited position had moved, and no wake came
 * within a further grace time, which covers a waker that was stopped between its two steps.
 */
#ifndef HULSE_TESTS_STRESS_PARK_UNPARK_H
#define HULSE_TESTS_STRESS_PARK_UNPARK_H

#include "shmlib/ring/doorbell.h"
#include "shmlib/ring/region.h"
#include "shmlib/ring/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define UP_BYTES 1024U
#define DOWN_BYTES 1024U
#define RECORD_BYTES 64U
#define RECEIPT_SLOTS (DOWN_BYTES / HULSE_RECEIPT_BYTES)
#define OUTSTANDING_MAX 40U
#define SLEEP_MS 200

/* In memory that both processes share; each member has one writer. */
struct park_results {
    _Atomic(uint64_t) daemon_parks;
    _Atomic(uint64_t) daemon_missed;
    _Atomic(uint64_t) app_parks;
    _Atomic(uint64_t) app_missed;
    _Atomic(uint64_t) acknowledged;
    _Atomic(int) stop; /* the parent's budget is used up, or a wake was lost and that is enough */
};

struct park_run {
    uint64_t messages;
    int grace_ms;
    bool stop_at_miss;
    int cpu_daemon; /* -1: anywhere */
    int cpu_app;
    int fd_a;
    int fd_b;
    int bell;
    int wake[2];
    struct park_results *results;
};

struct park_side {
    const struct park_run *run;
    struct hulse_region a;
    struct hulse_region b;
    struct hulse_region_a *words_a;
    struct hulse_region_b *words_b;
    uint64_t random;
    int epoll; /* the daemon's */
};

static void park_must(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "failed: %s (errno %d)\n", what, errno);
        abort();
    }
}

static void park_count(_Atomic(uint64_t) *counter)
{
    /* Relaxed because it is a statistic with one writer. */
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static uint64_t park_read(const _Atomic(uint64_t) *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static bool park_stopped(const struct park_run *run)
{
    return atomic_load_explicit(&run->results->stop, memory_order_relaxed) != 0;
}

static uint64_t park_draw(struct park_side *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return s->random;
}

/*
 * A short random delay, so that the two sides meet at every offset. Never between a store and its
 * fence: there it would drain the store buffer and hide what the fence is for.
 */
static void park_dither(struct park_side *s)
{
    const uint64_t draw = park_draw(s);

    if (draw % 512 == 0) {
        (void)sched_yield();
    }
    for (uint64_t n = (draw >> 16) % 128; n > 0; n--) {
        atomic_signal_fence(memory_order_seq_cst);
    }
}

/*
 * How often to look before going to sleep: of every magnitude up to the time that waking a sleeper
 * takes, so that a side is often still awake, and just about to sleep, when its answer comes.
 */
static uint64_t park_patience(struct park_side *s)
{
    const uint64_t draw = park_draw(s);

    return (draw >> 8) % (1ULL << (draw % 14));
}

static void park_pin(int cpu)
{
    cpu_set_t set;

    if (cpu < 0) {
        return;
    }
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    park_must(sched_setaffinity(0, sizeof(set), &set) == 0, "sched_setaffinity");
}

static void park_attach(struct park_side *s, const struct park_run *run, bool app)
{
    const uint32_t bytes = HULSE_RING_BYTES_MIN;

    memset(s, 0, sizeof(*s));
    s->run = run;
    s->random = app ? 0x9e3779b97f4a7c15ULL : 0xbf58476d1ce4e5b9ULL;
    park_must(hulse_region_map(&s->a, run->fd_a, bytes, app) == HULSE_REGION_RC_OK, "map A");
    park_must(hulse_region_map(&s->b, run->fd_b, bytes, !app) == HULSE_REGION_RC_OK, "map B");
    s->words_a = hulse_region_a(&s->a);
    s->words_b = hulse_region_b(&s->b);
    park_pin(app ? run->cpu_app : run->cpu_daemon);
}

static void park_detach(struct park_side *s)
{
    hulse_region_unmap(&s->a);
    hulse_region_unmap(&s->b);
}

/* A lost wake ends the negative control: it has shown what it had to. */
static void park_missed(const struct park_side *s, _Atomic(uint64_t) *counter)
{
    park_count(counter);
    if (s->run->stop_at_miss) {
        atomic_store_explicit(&s->run->results->stop, 1, memory_order_relaxed);
    }
}

/* ---- the application ---- */

struct park_app {
    struct park_side side;
    struct hulse_ring_tx up;
    struct hulse_ring_rx down;
    uint64_t rung;
    uint64_t sent;
    uint64_t acknowledged;
};

static void park_ring_bell(const struct park_side *s)
{
    const uint64_t one = 1;

    park_must(write(s->run->bell, &one, sizeof(one)) == sizeof(one), "bell");
}

static bool park_wake_pipe(const struct park_side *s, int timeout_ms)
{
    struct pollfd p = {.fd = s->run->wake[0], .events = POLLIN};
    char bytes[64];
    bool woken = false;

    if (poll(&p, 1, timeout_ms) <= 0) {
        return false;
    }
    while (read(p.fd, bytes, sizeof(bytes)) > 0) {
        woken = true;
    }
    return woken || (p.revents & POLLHUP) != 0;
}

/* Sleeps until the daemon wakes; the caller has announced and re-checked. */
static void park_app_sleep(struct park_side *s, const _Atomic(uint64_t) *word, uint64_t seen)
{
    struct park_results *results = s->run->results;

    park_count(&results->app_parks);
    while (!park_stopped(s->run)) {
        if (park_wake_pipe(s, SLEEP_MS)) {
            return;
        }
        /* SYNC(ring.tail) acquire or SYNC(ring.head) acquire: a re-check like the caller's. */
        if (atomic_load_explicit(word, memory_order_acquire) != seen) {
            if (!park_wake_pipe(s, s->run->grace_ms)) {
                park_missed(s, &results->app_missed);
            }
            return;
        }
    }
}

static void park_app_flush(struct park_app *app)
{
    hulse_ring_tx_publish(&app->up);
    if (hulse_doorbell_publisher(&app->side.words_b->armed, &app->rung)) {
        park_ring_bell(&app->side);
    }
}

static void park_app_wait_room(struct park_app *app)
{
    struct park_side *s = &app->side;

    hulse_doorbell_announce(&s->words_a->space_at, app->up.head_seen + RECORD_BYTES);
    park_must(hulse_ring_tx_refresh(&app->up) == HULSE_RING_OK, "up_head");
    if (hulse_ring_tx_room(&app->up) < RECORD_BYTES) {
        park_app_sleep(s, &s->words_b->up_head, app->up.head_seen);
    }
}

/* Takes what is there. Gives whether there was anything. */
static bool park_app_receipts(struct park_app *app)
{
    const uint64_t before = app->down.released;

    park_must(hulse_ring_rx_refresh(&app->down) == HULSE_RING_OK, "down_tail");
    if (hulse_ring_rx_ready(&app->down) == 0) {
        return false;
    }
    while (hulse_ring_rx_ready(&app->down) != 0) {
        uint64_t seq = 0;
        memcpy(&seq, hulse_ring_rx_at(&app->down, app->down.read), sizeof(seq));
        park_must(seq == app->acknowledged, "receipt in order");
        app->acknowledged++;
        hulse_ring_rx_take(&app->down, HULSE_RECEIPT_BYTES);
    }
    hulse_ring_rx_release(&app->down, app->down.read);
    hulse_doorbell_fence(); /* M15 */
    if (hulse_doorbell_crossed(&app->side.words_b->down_want, before, app->down.released)) {
        park_ring_bell(&app->side);
    }
    return true;
}

static void park_app_wait_receipt(struct park_app *app)
{
    struct park_side *s = &app->side;

    for (uint64_t looks = park_patience(s) + 1; looks > 0; looks--) {
        if (park_app_receipts(app)) {
            return;
        }
    }
    hulse_doorbell_announce(&s->words_a->wake_at, app->down.tail_seen + 1);
    park_must(hulse_ring_rx_refresh(&app->down) == HULSE_RING_OK, "down_tail");
    if (hulse_ring_rx_ready(&app->down) == 0) {
        park_app_sleep(s, &s->words_b->down_tail, app->down.tail_seen);
    }
    (void)park_app_receipts(app);
}

/* Commits one record; waits for room, or for receipts when the daemon may wait for us. */
static void park_app_send(struct park_app *app)
{
    while (!park_stopped(app->side.run)) {
        const enum hulse_ring_rc rc = hulse_ring_tx_reserve(&app->up, RECORD_BYTES);
        park_must(rc != HULSE_RING_CORRUPT, "up_head");
        if (rc == HULSE_RING_OK) {
            memcpy(hulse_ring_tx_at(&app->up, app->up.tail), &app->sent, sizeof(app->sent));
            hulse_ring_tx_commit(&app->up, RECORD_BYTES);
            app->sent++;
            return;
        }
        park_app_flush(app);
        if (app->sent - app->acknowledged >= RECEIPT_SLOTS) {
            park_app_wait_receipt(app);
        } else {
            park_app_wait_room(app);
        }
    }
}

static void park_app_run(const struct park_run *run)
{
    static struct park_app app;
    struct park_side *s = &app.side;

    park_attach(s, run, true);
    app.up = (struct hulse_ring_tx){.ring = s->a.ring,
                                    .mask = UP_BYTES - 1,
                                    .tail_word = &s->words_a->up_tail,
                                    .head_word = &s->words_b->up_head};
    app.down = (struct hulse_ring_rx){.ring = s->b.ring,
                                      .mask = DOWN_BYTES - 1,
                                      .tail_word = &s->words_b->down_tail,
                                      .head_word = &s->words_a->down_head};
    while (app.acknowledged < run->messages && !park_stopped(run)) {
        const uint64_t draw = park_draw(s);
        /* Mostly one record and its answer, where each wake counts; sometimes up to the brim. */
        uint64_t burst = draw % 4 == 0 ? 1 + (draw >> 8) % OUTSTANDING_MAX : 1;
        while (burst-- > 0 && app.sent < run->messages &&
               app.sent - app.acknowledged < OUTSTANDING_MAX) {
            park_app_send(&app);
        }
        park_app_flush(&app);
        while (app.acknowledged < app.sent && !park_stopped(run)) {
            park_app_wait_receipt(&app);
        }
        atomic_store_explicit(&run->results->acknowledged, app.acknowledged, memory_order_relaxed);
        park_dither(s);
    }
    park_detach(s);
}

/* ---- the daemon ---- */

struct park_daemon {
    struct park_side side;
    struct hulse_ring_rx up;
    struct hulse_ring_tx down;
    uint64_t epoch;
};

/* The bell is edge-triggered and never read (V4). */
static bool park_bell_rang(const struct park_side *s, int timeout_ms)
{
    struct epoll_event event;

    return epoll_wait(s->epoll, &event, 1, timeout_ms) == 1;
}

static void park_daemon_sleep(struct park_side *s, const _Atomic(uint64_t) *word, uint64_t seen)
{
    struct park_results *results = s->run->results;

    park_count(&results->daemon_parks);
    while (!park_stopped(s->run) && park_read(&results->acknowledged) < s->run->messages) {
        if (park_bell_rang(s, SLEEP_MS)) {
            return;
        }
        /* SYNC(ring.tail) acquire or SYNC(ring.head) acquire: the sweep's re-check. */
        if (atomic_load_explicit(word, memory_order_acquire) != seen) {
            if (!park_bell_rang(s, s->run->grace_ms)) {
                park_missed(s, &results->daemon_missed);
            }
            return;
        }
    }
}

/* M10: armed, fence, re-check, sleep. */
static void park_daemon_idle(struct park_daemon *d)
{
    struct park_side *s = &d->side;

    hulse_doorbell_arm(&s->words_b->armed, &d->epoch);
    hulse_doorbell_fence();
    park_must(hulse_ring_rx_refresh(&d->up) == HULSE_RING_OK, "up_tail");
    if (hulse_ring_rx_ready(&d->up) == 0) {
        park_daemon_sleep(s, &s->words_a->up_tail, d->up.tail_seen);
    }
    hulse_doorbell_disarm(&s->words_b->armed, &d->epoch);
}

/* M14: no receipt slot is left. */
static void park_daemon_blocked(struct park_daemon *d)
{
    struct park_side *s = &d->side;

    hulse_doorbell_announce(&s->words_b->down_want, d->down.head_seen + HULSE_RECEIPT_BYTES);
    park_must(hulse_ring_tx_refresh(&d->down) == HULSE_RING_OK, "down_head");
    if (hulse_ring_tx_room(&d->down) < HULSE_RECEIPT_BYTES) {
        park_daemon_sleep(s, &s->words_a->down_head, d->down.head_seen);
    }
}

/* M12: receipts, release, one fence, at most one byte into the pipe. */
static void park_daemon_flush(struct park_daemon *d)
{
    struct park_side *s = &d->side;
    const uint64_t down_before = d->down.published;
    const uint64_t up_before = d->up.released;

    hulse_ring_tx_publish(&d->down);
    hulse_ring_rx_release(&d->up, d->up.read);
    hulse_doorbell_fence();
    const bool receipts =
        hulse_doorbell_crossed(&s->words_a->wake_at, down_before, d->down.published);
    const bool room = hulse_doorbell_crossed(&s->words_a->space_at, up_before, d->up.released);
    if ((receipts || room) && write(s->run->wake[1], "w", 1) != 1) {
        park_must(errno == EAGAIN || errno == EPIPE, "wake");
    }
}

static bool park_daemon_take(struct park_daemon *d)
{
    park_must(hulse_ring_rx_refresh(&d->up) == HULSE_RING_OK, "up_tail");
    while (hulse_ring_rx_ready(&d->up) != 0) {
        const enum hulse_ring_rc rc = hulse_ring_tx_reserve(&d->down, HULSE_RECEIPT_BYTES);
        park_must(rc != HULSE_RING_CORRUPT, "down_head");
        if (rc == HULSE_RING_FULL) {
            return false;
        }
        memcpy(hulse_ring_tx_at(&d->down, d->down.tail),
               hulse_ring_rx_at(&d->up, d->up.read),
               sizeof(uint64_t));
        hulse_ring_tx_commit(&d->down, HULSE_RECEIPT_BYTES);
        hulse_ring_rx_take(&d->up, RECORD_BYTES);
    }
    return true;
}

static void park_daemon_run(const struct park_run *run)
{
    static struct park_daemon d;
    struct park_side *s = &d.side;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    uint64_t patience = 0;

    park_attach(s, run, false);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    park_must(epoll_ctl(s->epoll, EPOLL_CTL_ADD, run->bell, &event) == 0, "epoll");
    d.epoch = 0;
    d.up = (struct hulse_ring_rx){.ring = s->a.ring,
                                  .mask = UP_BYTES - 1,
                                  .tail_word = &s->words_a->up_tail,
                                  .head_word = &s->words_b->up_head};
    d.down = (struct hulse_ring_tx){.ring = s->b.ring,
                                    .mask = DOWN_BYTES - 1,
                                    .tail_word = &s->words_b->down_tail,
                                    .head_word = &s->words_a->down_head};
    while (!park_stopped(run) && park_read(&run->results->acknowledged) < run->messages) {
        const bool room = park_daemon_take(&d);
        const bool moved = d.up.read != d.up.released;
        if (moved) {
            park_daemon_flush(&d);
            patience = park_patience(s);
        }
        if (!room) {
            park_daemon_blocked(&d);
        } else if (!moved && patience == 0) {
            park_daemon_idle(&d);
        } else if (!moved) {
            patience--;
        }
    }
    (void)close(s->epoll);
    park_detach(s);
}

/* ---- one run ---- */

static void park_open(struct park_run *run)
{
    const uint32_t bytes = HULSE_RING_BYTES_MIN;

    park_must(hulse_region_create(&run->fd_a, "hulse-a", bytes) == HULSE_REGION_RC_OK, "A");
    park_must(hulse_region_create(&run->fd_b, "hulse-b", bytes) == HULSE_REGION_RC_OK, "B");
    run->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    park_must(run->bell >= 0 && pipe2(run->wake, O_CLOEXEC | O_NONBLOCK) == 0, "descriptors");
    run->results = mmap(
        NULL, sizeof(*run->results), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    park_must(run->results != MAP_FAILED, "mmap");
}

static void park_close(struct park_run *run)
{
    (void)munmap(run->results, sizeof(*run->results));
    (void)close(run->fd_a);
    (void)close(run->fd_b);
    (void)close(run->bell);
    (void)close(run->wake[0]);
    (void)close(run->wake[1]);
}

/* Runs both sides to the end. Gives the number of lost wakes. */
static uint64_t park_unpark(struct park_run *run, const char *name)
{
    int status = 0;

    park_open(run);
    struct park_results *r = run->results;
    const pid_t child = fork();
    park_must(child >= 0, "fork");
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        park_app_run(run);
        _exit(0);
    }
    park_daemon_run(run);
    park_must(waitpid(child, &status, 0) == child, "waitpid");
    park_must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the application's side");
    const uint64_t missed = park_read(&r->daemon_missed) + park_read(&r->app_missed);
    (void)printf("%s: messages=%llu daemon parks=%llu missed=%llu, app parks=%llu missed=%llu\n",
                 name,
                 (unsigned long long)park_read(&r->acknowledged),
                 (unsigned long long)park_read(&r->daemon_parks),
                 (unsigned long long)park_read(&r->daemon_missed),
                 (unsigned long long)park_read(&r->app_parks),
                 (unsigned long long)park_read(&r->app_missed));
    park_close(run);
    return missed;
}

/* The first two CPUs this process may use; the same twice when there is one. */
static int park_cpus(int cpus[2])
{
    cpu_set_t set;
    int found = 0;

    park_must(sched_getaffinity(0, sizeof(set), &set) == 0, "sched_getaffinity");
    for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++) {
        if (CPU_ISSET((size_t)cpu, &set)) {
            cpus[found++] = cpu;
        }
    }
    if (found == 1) {
        cpus[1] = cpus[0];
    }
    return found;
}

#endif
