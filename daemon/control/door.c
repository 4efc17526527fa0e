/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door - see door.h.
 */
#include "daemon/control/door.h"

#include "daemon/core/assert.h"
#include "daemon/core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections taken in one round of the loop. */
#define ACCEPT_BUDGET 64U

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Back to the free list; the admission has been dealt with. */
static void release(struct newcomer *n)
{
    struct door *d = n->door;

    HULSE_ASSERT(n->admission == NULL);
    hulse_timer_stop(&d->loop->timers, &n->timer);
    TAILQ_REMOVE(&d->waiting, n, link);
    TAILQ_INSERT_HEAD(&d->free, n, link);
}

static void put_out(struct newcomer *n)
{
    hulse_loop_remove(n->door->loop, &n->watch);
    hulse_admit_destroy(&n->admission);
    release(n);
}

static void refuse(struct door *d, struct admission *a, hulse_status status, const char *text)
{
    hulse_admit_refuse(a, status, text);
    d->refused++;
    HULSE_LOG_WARNF("session.refused",
                    hulse_log_str("why", text),
                    hulse_log_u64("uid", (uint64_t)a->who.uid),
                    hulse_log_i64("pid", (int64_t)a->who.pid));
}

/* Its HELLO is there and valid: to the worker with the fewest sessions. */
static void place(struct door *d, struct admission *a)
{
    char text[64];
    struct error err = {0};

    if (hulse_admit_role(a, &err) != HULSE_OK) {
        refuse(d, a, err.status, err.text);
    } else if (hulse_crew_sessions(d->crew) >= d->plane->limits.sessions_max) {
        (void)snprintf(
            text, sizeof(text), "session.sessions_max %u reached", d->plane->limits.sessions_max);
        refuse(d, a, HULSE_LIMIT, text);
    } else if (hulse_admit_post(&a, hulse_crew_choose(d->crew))) {
        d->admitted++;
    } else {
        refuse(d, a, HULSE_LIMIT, "the worker's inbox is full");
    }
    if (a != NULL) {
        hulse_admit_destroy(&a);
    }
}

static void listen_to_newcomer(struct newcomer *n)
{
    struct door *d = n->door;
    struct admission *a = n->admission;
    struct error err = {0};
    const hulse_status st = hulse_admit_read(a, &err);

    if (st == HULSE_AGAIN) {
        return;
    }
    /* From here on the descriptor is the worker's, or closed. */
    hulse_loop_remove(d->loop, &n->watch);
    n->admission = NULL;
    release(n);
    if (st == HULSE_OK) {
        place(d, a);
        return;
    }
    if (st != HULSE_ORPHAN) {
        d->refused++;
        HULSE_LOG_WARNF("session.refused",
                        hulse_log_str("why", err.text),
                        hulse_log_u64("uid", (uint64_t)a->who.uid),
                        hulse_log_i64("pid", (int64_t)a->who.pid));
    }
    hulse_admit_destroy(&a);
}

static void newcomer_fired(struct watch *watch, uint32_t events)
{
    (void)events;
    listen_to_newcomer(HULSE_CONTAINER(watch, struct newcomer, watch));
}

static void newcomer_timed_out(struct timer *timer)
{
    struct newcomer *n = HULSE_CONTAINER(timer, struct newcomer, timer);

    n->door->timed_out++;
    HULSE_LOG_WARNF("newcomer.silent",
                    hulse_log_u64("uid", (uint64_t)n->admission->who.uid),
                    hulse_log_i64("pid", (int64_t)n->admission->who.pid));
    put_out(n);
}

static bool identify(int fd, struct identity *who)
{
    struct ucred peer;
    socklen_t bytes = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) {
        return false;
    }
    *who = (struct identity){.uid = peer.uid, .gid = peer.gid, .pid = peer.pid};
    return true;
}

static struct newcomer *free_newcomer(struct door *d)
{
    if (TAILQ_EMPTY(&d->free)) {
        d->timed_out++;
        put_out(TAILQ_FIRST(&d->waiting));
    }
    return TAILQ_FIRST(&d->free);
}

static void let_in(struct door *d, int fd)
{
    struct identity who;

    d->accepted++;
    if (!identify(fd, &who)) {
        (void)close(fd);
        return;
    }
    struct admission *a = hulse_admit_create(d->plane, fd, &who);
    if (a == NULL) {
        d->refused++; /* the memory cap; the descriptor is closed */
        return;
    }
    struct newcomer *n = free_newcomer(d);
    n->watch.fd = fd;
    if (!hulse_loop_add(d->loop, &n->watch, EPOLLIN)) {
        hulse_admit_destroy(&a);
        return;
    }
    n->admission = a;
    TAILQ_REMOVE(&d->free, n, link);
    TAILQ_INSERT_TAIL(&d->waiting, n, link);
    hulse_timer_start(
        &d->loop->timers, &n->timer, hulse_loop_now_ms(d->loop) + HULSE_DOOR_HELLO_MS);
    /* Most have said HELLO by now. */
    listen_to_newcomer(n);
}

/* No descriptor is left: takes one connection with the reserve, to say so and close it. */
static void turn_away(struct door *d, int error)
{
    struct identity who;

    HULSE_LOG_ERRORF("accept.failed", hulse_log_str("why", strerrordesc_np(error)));
    if (d->reserve_fd < 0) {
        d->reserve_fd = open_reserve();
    }
    if (d->reserve_fd < 0) {
        /* Left pending it would fire without end. */
        (void)hulse_loop_modify(d->loop, &d->watch, 0);
        hulse_timer_start(
            &d->loop->timers, &d->pause, hulse_loop_now_ms(d->loop) + HULSE_DOOR_PAUSE_MS);
        return;
    }
    (void)close(d->reserve_fd);
    const int fd = accept4(d->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct admission *a = NULL;
    if (fd >= 0 && identify(fd, &who)) {
        a = hulse_admit_create(d->plane, fd, &who);
    } else if (fd >= 0) {
        (void)close(fd);
    }
    if (a != NULL) {
        struct error err = {0};
        /* A peer whose HELLO is left unread would see a reset instead of the reason. */
        (void)!hulse_admit_read(a, &err);
        hulse_admit_refuse(a, HULSE_LIMIT, "the daemon has no descriptors left");
        hulse_admit_destroy(&a);
    }
    d->refused++;
    d->reserve_fd = open_reserve();
}

static void door_fired(struct watch *watch, uint32_t events)
{
    struct door *d = HULSE_CONTAINER(watch, struct door, watch);

    (void)events;
    for (unsigned i = 0; i < ACCEPT_BUDGET; i++) {
        const int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            let_in(d, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            turn_away(d, errno);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void pause_over(struct timer *timer)
{
    struct door *d = HULSE_CONTAINER(timer, struct door, pause);

    (void)hulse_loop_modify(d->loop, &d->watch, EPOLLIN);
}

bool hulse_door_init(struct door *d,
                     struct loop *loop,
                     struct crew *crew,
                     struct plane_shared *plane)
{
    *d = (struct door){.loop = loop, .crew = crew, .plane = plane};
    TAILQ_INIT(&d->waiting);
    TAILQ_INIT(&d->free);
    for (unsigned i = 0; i < HULSE_DOOR_NEWCOMERS_MAX; i++) {
        struct newcomer *n = &d->newcomers[i];
        n->door = d;
        n->watch.fire = newcomer_fired;
        n->timer.fire = newcomer_timed_out;
        TAILQ_INSERT_TAIL(&d->free, n, link);
    }
    d->reserve_fd = open_reserve();
    return d->reserve_fd >= 0;
}

bool hulse_door_open(struct door *d, int listen_fd)
{
    HULSE_ASSERT(!d->open);
    d->watch.fd = listen_fd;
    d->watch.fire = door_fired;
    d->pause.fire = pause_over;
    d->open = hulse_loop_add(d->loop, &d->watch, EPOLLIN);
    return d->open;
}

void hulse_door_close(struct door *d)
{
    if (d->open) {
        hulse_loop_remove(d->loop, &d->watch);
        hulse_timer_stop(&d->loop->timers, &d->pause);
        d->open = false;
    }
    while (!TAILQ_EMPTY(&d->waiting)) {
        put_out(TAILQ_FIRST(&d->waiting));
    }
}

void hulse_door_fini(struct door *d)
{
    hulse_door_close(d);
    if (d->reserve_fd >= 0) {
        (void)close(d->reserve_fd);
        d->reserve_fd = -1;
    }
}
