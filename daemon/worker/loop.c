/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - see the header.
 */
#include "daemon/worker/loop.h"

#include "daemon/core/assert.h"
#include "daemon/core/clock.h"

#include <limits.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    INBOX_BUDGET = 256, /* nodes per round */
    NS_PER_MS = 1000000
};

/* The edge only ends a sleep: every round runs the inbox. */
static void inbox_rang(struct watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
}

bool hulse_loop_init(struct loop *l, uint32_t inbox_requests_max)
{
    l->fetched_count = 0;
    l->now_ns = hulse_clock_ns();
    hulse_timer_wheel_init(&l->timers, hulse_loop_now_ms(l));
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0) {
        return false;
    }
    if (!hulse_inbox_init(&l->inbox, inbox_requests_max)) {
        (void)close(l->epoll_fd);
        return false;
    }
    l->inbox_watch = (struct watch){.fd = l->inbox.fd, .fire = inbox_rang};
    if (!hulse_loop_add(l, &l->inbox_watch, EPOLLIN | EPOLLET)) {
        hulse_inbox_fini(&l->inbox);
        (void)close(l->epoll_fd);
        return false;
    }
    return true;
}

void hulse_loop_fini(struct loop *l)
{
    hulse_loop_remove(l, &l->inbox_watch);
    hulse_inbox_fini(&l->inbox);
    (void)close(l->epoll_fd);
    l->epoll_fd = -1;
}

static bool control(const struct loop *l, int operation, struct watch *w, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = w};

    HULSE_ASSERT(w->fire != NULL);
    return epoll_ctl(l->epoll_fd, operation, w->fd, &event) == 0;
}

bool hulse_loop_add(struct loop *l, struct watch *w, uint32_t events)
{
    return control(l, EPOLL_CTL_ADD, w, events);
}

bool hulse_loop_modify(struct loop *l, struct watch *w, uint32_t events)
{
    return control(l, EPOLL_CTL_MOD, w, events);
}

void hulse_loop_remove(struct loop *l, struct watch *w)
{
    (void)control(l, EPOLL_CTL_DEL, w, 0);
    for (unsigned i = 0; i < l->fetched_count; i++) {
        if (l->fetched[i] == w) {
            l->fetched[i] = NULL;
        }
    }
}

/* The sleep in milliseconds, cut by the next timer. epoll_wait rounds up, so none is early. */
static int sleep_ms(const struct loop *l, int timeout_ms)
{
    const uint64_t next_ms = hulse_timer_next(&l->timers);
    const uint64_t now_ms = hulse_clock_ns() / NS_PER_MS;
    const uint64_t asked_ms = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms;
    if (next_ms <= now_ms) {
        return 0;
    }
    const uint64_t until_timer_ms = next_ms == HULSE_TIMER_NEVER ? UINT64_MAX : next_ms - now_ms;
    const uint64_t wait_ms = asked_ms < until_timer_ms ? asked_ms : until_timer_ms;
    if (wait_ms == UINT64_MAX) {
        return -1;
    }
    return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}

/* Gives the number of events; interrupted or failed is none. */
static unsigned fetch(struct loop *l, struct epoll_event *events, int timeout_ms)
{
    int count = 0;

    if (timeout_ms == 0) {
        count = epoll_wait(l->epoll_fd, events, (int)HULSE_LOOP_EVENTS, 0);
    } else {
        const bool waiting = hulse_inbox_park(&l->inbox);
        const int wait_ms = waiting ? 0 : sleep_ms(l, timeout_ms);
        count = epoll_wait(l->epoll_fd, events, (int)HULSE_LOOP_EVENTS, wait_ms);
        hulse_inbox_unpark(&l->inbox);
    }
    return count > 0 ? (unsigned)count : 0;
}

static unsigned fire_all(struct loop *l, const struct epoll_event *events, unsigned count)
{
    unsigned handled = 0;

    for (unsigned i = 0; i < count; i++) {
        l->fetched[i] = events[i].data.ptr;
    }
    l->fetched_count = count;
    for (unsigned i = 0; i < count; i++) {
        /* A watch handled before this one may have removed it, with its memory. */
        struct watch *w = l->fetched[i];
        if (w != NULL && w != &l->inbox_watch) {
            w->fire(w, events[i].events);
            handled++;
        }
    }
    l->fetched_count = 0;
    return handled;
}

unsigned hulse_loop_round(struct loop *l, int timeout_ms)
{
    struct epoll_event events[HULSE_LOOP_EVENTS];

    HULSE_ASSERT(l->fetched_count == 0);
    const unsigned count = fetch(l, events, timeout_ms);
    l->now_ns = hulse_clock_ns();
    unsigned handled = fire_all(l, events, count);
    handled += hulse_inbox_run(&l->inbox, INBOX_BUDGET);
    handled += hulse_timer_advance(&l->timers, hulse_loop_now_ms(l));
    return handled;
}
