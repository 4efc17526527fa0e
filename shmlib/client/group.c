/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group - wait groups: one pollable descriptor each, and poll, arm and wait on it.
 *
 * Threads: a group is used by one thread at a time; handles are linked and unlinked by any, under
 *          the group's lock.
 */
#include "shmlib/client/channel.h"
#include "shmlib/client/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define LOCK_BUSY_NS (5 * HULSE_NS_PER_MS)

static int watch(int epoll, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data = {.fd = fd}};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0 || errno == EEXIST ? 0 : -1;
}

void hulse_group_alarm(struct hulse_group *g, uint64_t at_ns)
{
    const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at_ns / HULSE_NS_PER_S),
                                                 .tv_nsec = (long)(at_ns % HULSE_NS_PER_S)}};

    (void)timerfd_settime(g->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

void hulse_group_deafen(struct hulse_group *g)
{
    /* A hung-up descriptor would keep the epoll descriptor readable for ever. */
    (void)epoll_ctl(g->epoll, EPOLL_CTL_DEL, g->wake, NULL);
    (void)epoll_ctl(g->epoll, EPOLL_CTL_DEL, g->session->sock, NULL);
    /* Relaxed because who sleeps on a dead descriptor wakes at once. */
    atomic_store_explicit(&g->deaf, true, memory_order_relaxed);
}

void hulse_group_hear(struct hulse_group *g, bool wake)
{
    /* What was there before left the epoll set when its last descriptor was replaced. */
    (void)watch(g->epoll, wake ? g->wake : g->session->sock);
    if (wake) {
        atomic_store_explicit(&g->deaf, false, memory_order_relaxed);
    }
}

hulse_status
hulse_group_add(struct hulse_session *s, int wake, uint32_t wire_number, unsigned *number)
{
    struct hulse_group *g = calloc(1, sizeof(*g));

    if (g == NULL) {
        (void)close(wake);
        return hulse_session_fault(s, HULSE_NO_MEMORY, "no memory for a wait group");
    }
    *g = (struct hulse_group){.session = s,
                              .number = s->group_count,
                              .timer = -1,
                              .wire_number = wire_number,
                              .wake = wake,
                              .epoch = hulse_session_epoch(s),
                              .attached = hulse_session_word(s)};
    (void)pthread_mutex_init(&g->lock, NULL);
    g->epoll = epoll_create1(EPOLL_CLOEXEC);
    g->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (g->epoll < 0 || g->timer < 0 || watch(g->epoll, g->timer) != 0 ||
        fcntl(wake, F_SETFL, O_NONBLOCK) != 0 || watch(g->epoll, wake) != 0 ||
        watch(g->epoll, s->sock) != 0) {
        const int error = errno;
        hulse_group_free(g);
        return hulse_session_no_descriptor(s, "a wait group", error);
    }
    *number = g->number;
    hulse_fork_lock();
    s->group_count += 1;
    /* SYNC(client.group) release: the group is whole before its number is valid. */
    atomic_store_explicit(&s->groups[g->number], g, memory_order_release);
    hulse_fork_unlock();
    return HULSE_OK;
}

static bool has_pipe(void *of)
{
    struct hulse_group *g = of;
    struct hulse_session *s = g->session;

    (void)hulse_session_tend(s);
    (void)pthread_mutex_lock(&s->lock);
    const bool has = g->epoch == hulse_session_epoch(s);
    (void)pthread_mutex_unlock(&s->lock);
    return has;
}

hulse_status hulse_group_await(struct hulse_group *g)
{
    return hulse_await(g->session, has_pipe, g);
}

void hulse_group_free(struct hulse_group *g)
{
    if (g->wake >= 0) {
        (void)close(g->wake);
    }
    if (g->epoll >= 0) {
        (void)close(g->epoll);
    }
    if (g->timer >= 0) {
        (void)close(g->timer);
    }
    free(g);
}

struct hulse_group *hulse_group_find(const struct hulse_session *s, unsigned number)
{
    if (number >= HULSE_GROUPS_MAX) {
        return NULL;
    }
    /* SYNC(client.group) acquire. */
    return atomic_load_explicit(&s->groups[number], memory_order_acquire);
}

void hulse_handle_link(struct hulse_group *g, struct hulse_handle *h)
{
    h->next = g->handles;
    g->handles = h;
}

void hulse_handle_unlink(struct hulse_group *g, const struct hulse_handle *h)
{
    for (struct hulse_handle **at = &g->handles; *at != NULL; at = &(*at)->next) {
        if (*at == h) {
            *at = h->next;
            break;
        }
    }
}

hulse_status hulse_handle_status(struct hulse_handle *h)
{
    /* SYNC(client.failed) acquire: the text belongs to the status. */
    const int failed = atomic_load_explicit(&h->failed, memory_order_acquire);
    const char *why = NULL;
    const hulse_status st = hulse_session_status(h->channel->session, &why);

    if (failed != 0 && (st == HULSE_OK || st == HULSE_ORPHAN || st == HULSE_REFUSED)) {
        h->failure_told = true;
        return hulse_handle_refuse(h, failed, h->failed_text);
    }
    return st == HULSE_OK ? st : hulse_handle_refuse(h, st, why);
}

void hulse_group_drain(struct hulse_group *g)
{
    const uint64_t seen = hulse_session_word(g->session);
    uint8_t bytes[256];
    ssize_t got = 0;

    if (atomic_load_explicit(&g->deaf, memory_order_relaxed)) {
        return;
    }
    do {
        got = read(g->wake, bytes, sizeof(bytes));
    } while (got == (ssize_t)sizeof(bytes) || (got < 0 && errno == EINTR));
    if (got == 0) {
        hulse_session_orphan(g->session, seen, HULSE_AWAY);
    }
}

void hulse_group_tend(struct hulse_group *g)
{
    struct hulse_session *s = g->session;
    uint64_t fired = 0;

    const ssize_t got = read(g->timer, &fired, sizeof(fired));
    (void)got; /* whether it was the timer or not */
    (void)hulse_session_tend(s);
    if (hulse_session_state(s) != HULSE_SESSION_LIVE || hulse_group_attached(g)) {
        return;
    }
    if (pthread_mutex_trylock(&s->lock) != 0) {
        /* Whoever has it does nothing for our channels. */
        hulse_group_alarm(g, hulse_clock_ns(CLOCK_MONOTONIC) + LOCK_BUSY_NS);
        return;
    }
    const uint64_t word = hulse_session_word(s);
    uint64_t due_ns = 0;
    bool all = true;
    for (struct hulse_handle *h = g->handles; h != NULL; h = h->next) {
        const struct hulse_offer *o = &h->channel->offer;
        hulse_channel_reattach(h->channel);
        all = all && h->channel->word == word;
        if (o->stage == HULSE_OFFER_LATER && (due_ns == 0 || o->due_ns < due_ns)) {
            due_ns = o->due_ns;
        }
    }
    if (all) {
        /* Relaxed because it is only compared. */
        atomic_store_explicit(&g->attached, word, memory_order_relaxed);
    } else if (due_ns != 0) {
        hulse_group_alarm(g, due_ns);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static void flush_handles(struct hulse_group *g)
{
    for (struct hulse_handle *h = g->handles; h != NULL; h = h->next) {
        hulse_channel_flush(h->channel);
    }
}

/* Something that the thread has not been told yet, or has not taken. */
static bool handle_ready(struct hulse_handle *h)
{
    struct hulse_channel *ch = h->channel;

    /* Relaxed because the next call on the handle acquires. */
    if (atomic_load_explicit(&h->failed, memory_order_relaxed) != 0 && !h->failure_told) {
        return true;
    }
    if (ch->room_wanted != 0 && hulse_channel_room(ch, ch->room_wanted) != HULSE_AGAIN) {
        ch->room_wanted = 0;
        return true;
    }
    return !ch->paused && hulse_channel_unread(ch);
}

static hulse_status group_ready(void *of)
{
    struct hulse_group *g = of;
    bool ready = false;

    (void)pthread_mutex_lock(&g->lock);
    for (struct hulse_handle *h = g->handles; h != NULL && !ready; h = h->next) {
        ready = handle_ready(h);
    }
    (void)pthread_mutex_unlock(&g->lock);
    return ready ? HULSE_OK : HULSE_AGAIN;
}

static void group_announce(void *of)
{
    struct hulse_group *g = of;

    (void)pthread_mutex_lock(&g->lock);
    flush_handles(g);
    for (struct hulse_handle *h = g->handles; h != NULL; h = h->next) {
        hulse_channel_announce(h->channel, h->channel->room_wanted);
    }
    (void)pthread_mutex_unlock(&g->lock);
}

/* The group, if the session's rings may be touched. */
static hulse_status enter(hulse_session *s, unsigned group, struct hulse_group **g)
{
    const char *why = NULL;

    if (s == NULL) {
        return HULSE_INVAL;
    }
    const hulse_status st = hulse_session_status(s, &why);
    if (st == HULSE_CLOSED) {
        return st;
    }
    *g = hulse_group_find(s, group);
    if (*g == NULL) {
        return hulse_session_fault(s, HULSE_INVAL, "there is no wait group %u", group);
    }
    return st == HULSE_PROTOCOL ? hulse_session_fault(s, st, "%s", why) : HULSE_OK;
}

static hulse_status leave(hulse_session *s)
{
    const char *why = NULL;
    const hulse_status st = hulse_session_status(s, &why);

    return st == HULSE_OK ? st : hulse_session_fault(s, st, "%s", why);
}

int hulse_fd(const hulse_session *s, unsigned group)
{
    const struct hulse_group *g = s == NULL ? NULL : hulse_group_find(s, group);

    return g == NULL ? -1 : g->epoll;
}

hulse_status hulse_poll(hulse_session *s, unsigned group)
{
    struct hulse_group *g = NULL;
    const hulse_status st = enter(s, group, &g);

    if (st != HULSE_OK) {
        if (g != NULL) {
            hulse_group_deafen(g); /* nonsense, or a fork: there is nothing to wait for */
        }
        return st;
    }
    hulse_group_drain(g);
    hulse_group_tend(g);
    (void)pthread_mutex_lock(&g->lock);
    flush_handles(g);
    (void)pthread_mutex_unlock(&g->lock);
    return leave(s);
}

hulse_status hulse_arm(hulse_session *s, unsigned group)
{
    struct hulse_group *g = NULL;
    const hulse_status st = enter(s, group, &g);

    if (st != HULSE_OK) {
        return st;
    }
    group_announce(g);
    return group_ready(g) == HULSE_OK ? HULSE_AGAIN : HULSE_OK;
}

hulse_status hulse_wait(hulse_session *s, unsigned group, int timeout_ms)
{
    struct hulse_group *g = NULL;
    hulse_status st = enter(s, group, &g);

    if (st != HULSE_OK) {
        return st;
    }
    const struct hulse_waiter w = {
        .group = g, .ready = group_ready, .announce = group_announce, .of = g};
    st = hulse_waiter_run(&w, timeout_ms);
    return st == HULSE_REFUSED || st == HULSE_PROTOCOL ? leave(s) : st;
}

/* Asks for the pipe of one more group. Requires: lock. */
static hulse_status group_open(hulse_session *s, unsigned *group)
{
    const struct hulse_ctl_group ask = {.group = s->group_count};

    if (s->group_count == HULSE_GROUPS_MAX || s->group_count >= s->limits.groups_max) {
        return hulse_session_fault(
            s, HULSE_LIMIT, "a session has at most %u wait groups", s->group_count);
    }
    hulse_packet_begin(&s->io, HULSE_CTL_GROUP, 0, &ask);
    const hulse_status st = hulse_control_call(s, HULSE_CTL_GROUP_OK);
    if (st != HULSE_OK) {
        return st;
    }
    struct hulse_ctl_group answer;
    hulse_control_answer(s, &answer, sizeof(answer));
    return hulse_group_add(s, s->io.fds[0], answer.group, group);
}

hulse_status hulse_group_open(hulse_session *s, unsigned *group)
{
    if (s == NULL || group == NULL) {
        return HULSE_INVAL;
    }
    hulse_status st = hulse_session_await(s);
    if (st != HULSE_OK) {
        return st;
    }
    if ((s->limits.features & HULSE_FEATURE_GROUPS) == 0) {
        return hulse_session_fault(s, HULSE_UNSUPPORTED, "this daemon has one wait group only");
    }
    (void)pthread_mutex_lock(&s->lock);
    st = group_open(s, group);
    (void)pthread_mutex_unlock(&s->lock);
    return st;
}
