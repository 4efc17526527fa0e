/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply - packets to the app: sent at once, queued within a bound when the socket is full.
 *
 * A peer that does not read its replies is closed when HULSE_REPLIES_MAX wait, those left out that one request has many of.
 */
#include "daemon/app/reply.h"

#include "daemon/app/channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/log.h"
#include "daemon/core/mem.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void close_fds(struct hulse_packet *p)
{
    for (unsigned i = 0; i < p->fd_count; i++) {
        (void)close(p->fds[i]);
    }
    p->fd_count = 0;
}

static void queue(struct session *s, struct hulse_packet *p)
{
    struct reply *r = NULL;
    if (s->reply_count < HULSE_REPLIES_MAX + s->replies_more) {
        r = hulse_mem_alloc(HULSE_MEM_SESSION, sizeof(*r));
    }
    if (r == NULL) {
        close_fds(p);
        hulse_session_doom(s, HULSE_RULE_V15, "control replies are not read");
        return;
    }
    r->packet = *p;
    STAILQ_INSERT_TAIL(&s->replies, r, link);
    s->reply_count += 1;
    if (!s->want_write) {
        s->want_write = true;
        /* Under a penalty nothing is watched; its end asks for what is wanted. */
        if (s->sock_watched) {
            (void)hulse_loop_modify(
                &s->plane->worker->loop, &s->sock_watch, EPOLLIN | EPOLLRDHUP | EPOLLOUT);
        }
    }
}

/* An answer that cannot be sent ends the session; who has gone is noticed by the hang-up. */
static void lost(struct session *s, hulse_status st)
{
    if (st != HULSE_OK && st != HULSE_ORPHAN && !s->doomed) {
        HULSE_LOG_WARNF("session.reply_failed",
                        hulse_log_u64("session", s->number),
                        hulse_log_str("why", hulse_status_text(st)));
        hulse_session_doom(s, HULSE_RULE_NONE, "");
    }
}

void hulse_session_reply(struct session *s, struct hulse_packet *p)
{
    if (s->gone || (s->doomed && !s->farewell) || p->len == 0) {
        close_fds(p);
        return;
    }
    if (s->reply_count > 0) {
        queue(s, p);
        return;
    }
    const hulse_status st = hulse_packet_send(s->sock, p->bytes, p->fds, p->fd_count);
    if (st == HULSE_AGAIN) {
        queue(s, p);
        return;
    }
    close_fds(p);
    lost(s, st);
}

void hulse_session_reply_more(struct session *s, struct hulse_packet *p)
{
    s->replies_more += s->replies_more < HULSE_REPLIES_MORE_MAX ? 1 : 0;
    hulse_session_reply(s, p);
    s->replies_more = s->reply_count == 0 ? 0 : s->replies_more;
}

/* Deliveries that waited for the name of their topic to be sent. */
static void heat_waiting(struct session *s)
{
    struct channel *ch = NULL;
    TAILQ_FOREACH(ch, &s->channels, session_link)
    {
        if (ch->kind == HULSE_CHANNEL_CONSUMER && ch->waiting_first != SLOT_NONE &&
            ch->state == CHANNEL_ARMED) {
            hulse_plane_heat(s->plane, ch);
        }
    }
}

void hulse_session_drain_replies(struct session *s)
{
    while (s->reply_count > 0) {
        struct reply *r = STAILQ_FIRST(&s->replies);
        const hulse_status st =
            hulse_packet_send(s->sock, r->packet.bytes, r->packet.fds, r->packet.fd_count);
        if (st == HULSE_AGAIN) {
            return;
        }
        lost(s, st);
        close_fds(&r->packet);
        STAILQ_REMOVE_HEAD(&s->replies, link);
        s->reply_count -= 1;
        hulse_mem_free(HULSE_MEM_SESSION, r, sizeof(*r));
    }
    s->replies_more = 0;
    if (s->want_write) {
        s->want_write = false;
        (void)hulse_loop_modify(&s->plane->worker->loop, &s->sock_watch, EPOLLIN | EPOLLRDHUP);
    }
    heat_waiting(s);
}

void hulse_session_drop_replies(struct session *s)
{
    while (!STAILQ_EMPTY(&s->replies)) {
        struct reply *r = STAILQ_FIRST(&s->replies);
        STAILQ_REMOVE_HEAD(&s->replies, link);
        close_fds(&r->packet);
        hulse_mem_free(HULSE_MEM_SESSION, r, sizeof(*r));
    }
    s->reply_count = 0;
    s->replies_more = 0;
}

void hulse_session_reply_ok(struct session *s, uint32_t request, uint64_t value)
{
    const struct hulse_ctl_ok m = {.value = value};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_OK, request, &m);
    hulse_session_reply(s, &p);
}

static uint16_t text_bytes(const char *text)
{
    return (uint16_t)strnlen(text, HULSE_TEXT_BYTES_MAX);
}

void hulse_session_reply_error(struct session *s,
                               uint32_t request,
                               hulse_status status,
                               const char *text)
{
    const struct hulse_ctl_err m = {.status = status, .text_len = text_bytes(text)};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_ERR, request, &m);
    hulse_packet_append(&p, text, m.text_len);
    hulse_session_reply(s, &p);
}

static void send_event(struct session *s, struct hulse_ctl_event m, const char *text)
{
    struct hulse_packet p;
    m.text_len = text_bytes(text);
    hulse_packet_begin(&p, HULSE_CTL_EVENT, 0, &m);
    hulse_packet_append(&p, text, m.text_len);
    hulse_session_reply(s, &p);
}

void hulse_session_event(struct session *s,
                         enum hulse_event event,
                         const struct handle *h,
                         hulse_status status,
                         const char *text)
{
    const struct hulse_ctl_event m = {
        .event = (uint16_t)event, .handle = h != NULL ? h->number : 0, .status = status};
    send_event(s, m, text);
}

void hulse_session_active(const struct handle *h)
{
    const struct hulse_ctl_event m = {
        .event = HULSE_EVENT_ACTIVE, .handle = h->number, .arg = h->active ? 1 : 0};
    send_event(h->channel->session, m, "");
}

void hulse_session_verdicts(const struct handle *h, uint32_t verdicts)
{
    const struct hulse_ctl_event m = {
        .event = HULSE_EVENT_CONSUMER_CHANGED, .handle = h->number, .arg = verdicts};
    send_event(h->channel->session, m, "");
}
