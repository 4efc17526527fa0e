/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - one application: its socket, bell, wake pipes and what it opened.
 *
 * Three ends: the peer hangs up (channels drain, then it is freed), it breaks a rule (closed at the
 * end of the turn), the worker stops (freed at once).
 *
 * Trust: the bell is watched edge-triggered and never read (V4); the wake pipe's write end is ours
 *        alone.
 */
#include "daemon/app/session.h"

#include "daemon/app/admit.h"
#include "daemon/app/channel.h"
#include "daemon/app/control_handler.h"
#include "daemon/app/handle.h"
#include "daemon/app/lost.h"
#include "daemon/app/reply.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"
#include "shmlib/ring/doorbell.h"
#include "shmlib/ring/tlv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SUPPORTED_FEATURES                                                                         \
    (HULSE_FEATURE_FRAGMENTS | HULSE_FEATURE_GROUPS | HULSE_FEATURE_RESUME |                       \
     HULSE_FEATURE_READER | HULSE_FEATURE_POSITIONS | HULSE_FEATURE_ROUTING |                      \
     HULSE_FEATURE_OPTIONS | HULSE_FEATURE_REPLICATION | HULSE_FEATURE_SCHEMAS |                   \
     HULSE_FEATURE_MARKS | HULSE_FEATURE_TOPIC_SCHEMAS | HULSE_FEATURE_RETRY)
#define PENALTY_MS_MAX 10U

static void log_closed(const struct session *s, const char *why)
{
    HULSE_LOG_INFOF("session.closed",
                    hulse_log_u64("session", s->number),
                    hulse_log_str("app", s->name),
                    hulse_log_u64("pid", (uint64_t)s->who.pid),
                    hulse_log_str("why", why));
}

void hulse_session_doom(struct session *s, enum hulse_rule rule, const char *why)
{
    if (s->doomed) {
        return;
    }
    s->doomed = true;
    s->rule = rule;
    s->why = why;
    s->doomed_next = s->plane->doomed;
    s->plane->doomed = s;
}

hulse_status hulse_session_group(struct session *s, unsigned *index, int *read_fd)
{
    const unsigned max = s->plane->shared->limits.groups_max;
    int ends[2];
    if (s->group_count == max) {
        return HULSE_LIMIT;
    }
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return HULSE_IO;
    }
    *index = s->group_count;
    *read_fd = ends[0];
    s->groups[s->group_count] = (struct group){.wake_fd = ends[1]};
    s->group_count += 1;
    return HULSE_OK;
}

unsigned hulse_session_answer_bell(struct session *s)
{
    unsigned woken = 0;
    struct channel *ch = NULL;
    /*
     * Which channel rang is not known, and its app will not ring again for this epoch, even when what
     * it rang for was taken before: so every armed one gets a new epoch before it is looked at.
     */
    TAILQ_FOREACH(ch, &s->channels, session_link)
    {
        if (ch->state == CHANNEL_ARMED && !ch->blocked) {
            hulse_doorbell_arm(&hulse_region_b(&ch->b)->armed, &ch->epoch);
        }
    }
    /* SYNC(doorbell.armed) fence: the new epochs before the re-check of up_tail (M10). */
    hulse_doorbell_fence();
    TAILQ_FOREACH(ch, &s->channels, session_link)
    {
        if (ch->state == CHANNEL_ARMED && hulse_plane_armed_work(ch)) {
            hulse_plane_heat(s->plane, ch);
            woken += 1;
        }
    }
    return woken;
}

void hulse_session_new_second(struct session *s)
{
    const uint64_t second = s->plane->worker->loop.now_ns / 1000000000U;
    if (second == s->budget_second) {
        return;
    }
    if (s->last_penalty_second + 1 < second && s->penalties > 0) {
        s->penalties -= 1;
    }
    s->budget_second = second;
    s->control_count = 0;
    s->empty_bells = 0;
}

void hulse_session_penalty(struct session *s, const char *what)
{
    struct loop *l = &s->plane->worker->loop;
    s->penalties += 1;
    s->plane->penalties += 1;
    s->last_penalty_second = s->budget_second;
    HULSE_LOG_WARNF("session.penalty",
                    hulse_log_u64("session", s->number),
                    hulse_log_str("app", s->name),
                    hulse_log_str("for", what));
    if (s->penalties > HULSE_PENALTIES_MAX) {
        hulse_session_doom(s, HULSE_RULE_V15, "floods control messages or bells");
        return;
    }
    if (s->sock_watched) {
        hulse_loop_remove(l, &s->sock_watch);
        s->sock_watched = false;
    }
    if (s->bell_watched) {
        hulse_loop_remove(l, &s->bell_watch);
        s->bell_watched = false;
    }
    s->control_count = 0;
    s->empty_bells = 0;
    const uint64_t pause_ms = s->penalties < PENALTY_MS_MAX ? s->penalties : PENALTY_MS_MAX;
    hulse_timer_start(&l->timers, &s->penalty, hulse_loop_now_ms(l) + pause_ms);
}

static bool watch(struct session *s)
{
    struct loop *l = &s->plane->worker->loop;
    s->sock_watched =
        hulse_loop_add(l, &s->sock_watch, EPOLLIN | EPOLLRDHUP | (s->want_write ? EPOLLOUT : 0U));
    s->bell_watched = hulse_loop_add(l, &s->bell_watch, EPOLLIN | EPOLLET);
    return s->sock_watched && s->bell_watched;
}

static void penalty_over(struct timer *t)
{
    struct session *s = HULSE_CONTAINER(t, struct session, penalty);
    HULSE_ASSERT(s->magic == HULSE_SESSION_MAGIC);
    if (!watch(s)) {
        hulse_session_doom(s, HULSE_RULE_V15, "cannot be watched again");
        return;
    }
    /* A bell that rang meanwhile gave no edge. */
    (void)hulse_session_answer_bell(s);
}

static void sock_fired(struct watch *w, uint32_t events)
{
    struct session *s = HULSE_CONTAINER(w, struct session, sock_watch);
    HULSE_ASSERT(s->magic == HULSE_SESSION_MAGIC);
    if (s->doomed) {
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        hulse_session_drain_replies(s);
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        hulse_session_read_control(s);
    }
}

static void bell_fired(struct watch *w, uint32_t events)
{
    (void)events;
    struct session *s = HULSE_CONTAINER(w, struct session, bell_watch);
    HULSE_ASSERT(s->magic == HULSE_SESSION_MAGIC);
    s->plane->bells += 1;
    if (s->doomed || hulse_session_answer_bell(s) > 0) {
        return;
    }
    hulse_session_new_second(s);
    s->empty_bells += 1;
    if (s->empty_bells > s->plane->shared->limits.bells_per_second) {
        hulse_session_penalty(s, "empty bells");
    }
}

static void close_descriptors(struct session *s)
{
    struct loop *l = &s->plane->worker->loop;
    hulse_timer_stop(&l->timers, &s->penalty);
    if (s->sock_watched) {
        hulse_loop_remove(l, &s->sock_watch);
        s->sock_watched = false;
    }
    if (s->bell_watched) {
        hulse_loop_remove(l, &s->bell_watch);
        s->bell_watched = false;
    }
    hulse_session_drop_replies(s);
    for (unsigned i = 0; i < s->group_count; i++) {
        (void)close(s->groups[i].wake_fd);
        s->groups[i].wake_fd = -1;
    }
    if (s->bell >= 0) {
        (void)close(s->bell);
        s->bell = -1;
    }
    if (s->sock >= 0) {
        (void)close(s->sock);
        s->sock = -1;
    }
}

/* What the app says of itself: a lie changes nothing but what becomes of its own records. */
static bool goes_on_elsewhere(const struct session *s)
{
    const struct channel *ch = NULL;
    TAILQ_FOREACH(ch, &s->channels, session_link)
    {
        /* Relaxed because it announces nothing but itself. */
        if (ch->a.base != NULL &&
            atomic_load_explicit(&hulse_region_a(&ch->a)->state, memory_order_relaxed) ==
                HULSE_REGION_OPENING) {
            return true;
        }
    }
    return false;
}

void hulse_session_hang_up(struct session *s)
{
    if (s->gone) {
        return;
    }
    s->gone = true;
    log_closed(s, "hang-up");
    close_descriptors(s);
    if (s->plane->goodbye && goes_on_elsewhere(s)) {
        /* It was told so, and offers there whatever was not taken here. */
        hulse_session_doom(s, HULSE_RULE_NONE, "");
        return;
    }
    struct channel *next = NULL;
    for (struct channel *ch = TAILQ_FIRST(&s->channels); ch != NULL; ch = next) {
        next = TAILQ_NEXT(ch, session_link);
        hulse_channel_drain(ch);
    }
    if (s->channel_count == 0) {
        hulse_session_doom(s, HULSE_RULE_NONE, "");
    }
}

static size_t handles_bytes(const struct plane *p)
{
    return p->shared->limits.handles_max * sizeof(struct handle *);
}

static size_t groups_bytes(const struct plane *p)
{
    return p->shared->limits.groups_max * sizeof(struct group);
}

static void free_memory(struct session *s)
{
    hulse_mem_free(HULSE_MEM_SESSION, s->handles, handles_bytes(s->plane));
    hulse_mem_free(HULSE_MEM_SESSION, s->groups, groups_bytes(s->plane));
    hulse_option_block_free(&s->options);
    s->magic = 0;
    hulse_mem_free(HULSE_MEM_SESSION, s, sizeof(*s));
}

void hulse_session_destroy(struct session *s)
{
    struct plane *p = s->plane;
    while (!TAILQ_EMPTY(&s->channels)) {
        struct channel *ch = TAILQ_FIRST(&s->channels);
        if (ch->state != CHANNEL_OPENING) { /* whose pages are not there yet */
            hulse_channel_state(ch, HULSE_REGION_CLOSED, (unsigned)s->rule);
        }
        hulse_channel_destroy(ch);
    }
    hulse_lost_tell(s);
    close_descriptors(s);
    TAILQ_REMOVE(&p->sessions, s, link);
    p->session_count -= 1;
    hulse_worker_threads(p->worker, -1);
    atomic_fetch_sub_explicit(&p->shared->workers[p->worker->params.index].sessions,
                              1,
                              memory_order_relaxed); /* because it is a load figure */
    if (s->role != NULL) {
        hulse_role_state_session_give(s->role);
        hulse_role_state_release(&s->role);
    }
    free_memory(s);
}

/* Logs the broken rule and tells the app, if it still listens. */
static void report_violation(struct session *s)
{
    char text[96];

    s->plane->rule_violations += 1;
    HULSE_LOG_WARNF("session.violation",
                    hulse_log_u64("session", s->number),
                    hulse_log_str("app", s->name),
                    hulse_log_u64("pid", (uint64_t)s->who.pid),
                    hulse_log_u64("rule", (uint64_t)s->rule),
                    hulse_log_str("why", s->why));
    (void)snprintf(text, sizeof(text), "rule V%d: %s", (int)s->rule, s->why);
    s->farewell = true;
    hulse_session_event(s, HULSE_EVENT_HANDLE_FAILED, NULL, HULSE_PROTOCOL, text);
}

void hulse_session_reap(struct plane *p)
{
    while (p->doomed != NULL) {
        struct session *s = p->doomed;
        p->doomed = s->doomed_next;
        if (s->rule != HULSE_RULE_NONE) {
            report_violation(s);
        }
        hulse_session_destroy(s);
    }
}

/* WELCOME with the bell and group 0's pipe. */
static void welcome(struct session *s, uint32_t request, int wake_read)
{
    const struct plane_shared *sh = s->plane->shared;
    const struct plane_limits *l = &sh->limits;
    const struct hulse_ctl_welcome m = {.abi = HULSE_ABI_MAX,
                                        .worker = (uint16_t)s->plane->worker->params.index,
                                        .channels_max = l->channels_max,
                                        .session = s->number,
                                        .generation = sh->generation,
                                        .features = s->features,
                                        .ring_max = l->ring_max,
                                        .receipts_max = l->receipts_max,
                                        .groups_max = l->groups_max,
                                        .handles_max = l->handles_max,
                                        .publish_ring = l->publish_ring,
                                        .receipts = l->receipts,
                                        .deliver_ring = l->deliver_ring,
                                        .verdict_ring = l->verdict_ring,
                                        .unacked_max = l->unacked_max,
                                        .message_max = sh->flow->message_bytes_max};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_WELCOME, request, &m);
    p.fds[0] = fcntl(s->bell, F_DUPFD_CLOEXEC, 0);
    p.fds[1] = wake_read;
    p.fd_count = 2;
    if (p.fds[0] < 0) {
        (void)close(wake_read);
        hulse_session_doom(s, HULSE_RULE_NONE, "");
        return;
    }
    hulse_session_reply(s, &p);
}

/* Fills in what HELLO says; the name is cut, and left empty unless it is UTF-8 text. */
static void introduce(struct session *s, const struct admission *a)
{
    struct hulse_ctl_hello m;
    memcpy(&m, a->hello.bytes, sizeof(m));
    const uint8_t *name = a->hello.bytes + sizeof(m);
    size_t bytes = m.name_len;
    if (bytes > sizeof(s->name) - 1) {
        bytes = sizeof(s->name) - 1;
        while (bytes > 0 && (name[bytes] & 0xc0U) == 0x80U) {
            bytes -= 1; /* not inside a character */
        }
    }
    if (memchr(name, 0, bytes) == NULL && hulse_utf8_valid(name, bytes)) {
        memcpy(s->name, name, bytes);
        s->name[bytes] = '\0';
    }
    s->features = m.features & SUPPORTED_FEATURES;
    s->resumed = (m.flags & HULSE_HELLO_RESUME) != 0;
}

static struct session *allocate(struct plane *p)
{
    struct session *s = hulse_mem_zalloc(HULSE_MEM_SESSION, sizeof(*s));
    void *handles = hulse_mem_zalloc(HULSE_MEM_SESSION, handles_bytes(p));
    void *groups = hulse_mem_zalloc(HULSE_MEM_SESSION, groups_bytes(p));
    if (s == NULL || handles == NULL || groups == NULL) {
        hulse_mem_free(HULSE_MEM_SESSION, s, sizeof(*s));
        hulse_mem_free(HULSE_MEM_SESSION, handles, handles_bytes(p));
        hulse_mem_free(HULSE_MEM_SESSION, groups, groups_bytes(p));
        return NULL;
    }
    s->magic = HULSE_SESSION_MAGIC;
    s->plane = p;
    s->handles = handles;
    s->groups = groups;
    s->sock = -1;
    s->bell = -1;
    TAILQ_INIT(&s->channels);
    STAILQ_INIT(&s->replies);
    return s;
}

/* Tells the app why it gets no session and lets go of its place. */
static void refuse(struct plane *p, struct admission *a, hulse_status status, const char *text)
{
    hulse_admit_refuse(a, status, text);
    /* Relaxed because it is a load figure. */
    atomic_fetch_sub_explicit(
        &p->shared->workers[p->worker->params.index].sessions, 1, memory_order_relaxed);
    hulse_admit_destroy(&a);
}

/* Bell and first wait group; false without descriptors, and nothing is kept then. */
static bool make_descriptors(struct session *s, int *wake_read)
{
    unsigned group = 0;
    s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->bell >= 0 && hulse_session_group(s, &group, wake_read) == HULSE_OK) {
        return true;
    }
    if (s->bell >= 0) {
        (void)close(s->bell);
    }
    return false;
}

void hulse_session_admit(struct plane *p, struct admission *a)
{
    const uint32_t request = ((const struct hulse_ctl_head *)(void *)a->hello.bytes)->req;
    struct session *s = p->goodbye ? NULL : allocate(p);
    int wake_read = -1;
    if (s == NULL) {
        refuse(p,
               a,
               p->goodbye ? HULSE_REFUSED : HULSE_NO_MEMORY,
               p->goodbye ? "the daemon is stopping" : "memory_max is reached");
        return;
    }
    if (!make_descriptors(s, &wake_read)) {
        free_memory(s);
        refuse(p, a, HULSE_LIMIT, "the daemon is out of descriptors");
        return;
    }
    s->number = a->session;
    s->who = a->who;
    s->role = a->role;
    a->role = NULL;
    introduce(s, a);
    s->sock = a->fd;
    a->fd = -1;
    hulse_admit_destroy(&a);
    s->sock_watch = (struct watch){.fd = s->sock, .fire = sock_fired};
    s->bell_watch = (struct watch){.fd = s->bell, .fire = bell_fired};
    s->penalty.fire = penalty_over;
    TAILQ_INSERT_TAIL(&p->sessions, s, link);
    p->session_count += 1;
    hulse_worker_threads(p->worker, 1);
    if (!watch(s)) {
        (void)close(wake_read);
        hulse_session_doom(s, HULSE_RULE_NONE, "");
        return;
    }
    HULSE_LOG_INFOF("session.open",
                    hulse_log_u64("session", s->number),
                    hulse_log_str("app", s->name),
                    hulse_log_u64("pid", (uint64_t)s->who.pid),
                    hulse_log_u64("uid", s->who.uid),
                    hulse_log_str("role", s->role == NULL ? "" : s->role->name));
    welcome(s, request, wake_read);
}
