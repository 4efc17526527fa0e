/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_handler - what an app asks for over the control socket.
 *
 * Trust: hulse_packet_receive() has checked form and descriptors; every number is judged here
 *        against the session's own tables. A message out of place closes the session (V5).
 */
#include "daemon/app/control_handler.h"

#include "daemon/app/attach.h"
#include "daemon/app/channel.h"
#include "daemon/app/handle.h"
#include "daemon/app/handle_request.h"
#include "daemon/app/reply.h"
#include "daemon/app/schema.h"
#include "daemon/app/seek.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Messages handled per readable event; the rest come with the next round. */
#define CONTROL_BATCH 16U

static struct channel *channel_by_id(const struct session *s, uint32_t id)
{
    struct channel *ch = NULL;
    TAILQ_FOREACH(ch, &s->channels, session_link)
    {
        if (ch->id == id) {
            return ch;
        }
    }
    return NULL;
}

const char *hulse_channel_refusal(const struct session *s, const struct hulse_ctl_open_channel *m)
{
    if (m->kind != HULSE_CHANNEL_PRODUCER && m->kind != HULSE_CHANNEL_CONSUMER) {
        return "unknown channel kind";
    }
    if (m->release > HULSE_RELEASE_ON_READ || m->receipts > HULSE_RECEIPT_MODE_FULL) {
        return "unknown release or receipt mode";
    }
    if (m->group >= s->group_count || s->groups[m->group].wake_fd < 0) {
        return "no such wait group";
    }
    return NULL;
}

hulse_status hulse_channel_reply(struct session *s, uint32_t request, const struct channel *ch)
{
    const struct hulse_ctl_channel m = {
        .channel = ch->id, .up_bytes = ch->up_bytes, .down_bytes = ch->down_bytes};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_CHANNEL, request, &m);
    /* Copies, because a queued reply closes its descriptors once it is sent. */
    p.fds[0] = fcntl(ch->fd_a, F_DUPFD_CLOEXEC, 0);
    p.fds[1] = fcntl(ch->fd_b, F_DUPFD_CLOEXEC, 0);
    p.fd_count = 2;
    if (p.fds[0] < 0 || p.fds[1] < 0) {
        for (unsigned i = 0; i < 2; i++) {
            if (p.fds[i] >= 0) {
                (void)close(p.fds[i]);
            }
        }
        return HULSE_LIMIT;
    }
    hulse_session_reply(s, &p);
    return HULSE_OK;
}

static void open_channel(struct session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_open_channel m;
    memcpy(&m, p->bytes, sizeof(m));
    const char *refusal = hulse_channel_refusal(s, &m);
    if (refusal != NULL) {
        hulse_session_reply_error(s, m.head.req, HULSE_INVAL, refusal);
        return;
    }
    struct channel *ch = NULL;
    struct error err = {0};
    hulse_status st = hulse_channel_create(s, &m, -1, &ch, &err);
    if (st == HULSE_OK && hulse_channel_reply(s, m.head.req, ch) != HULSE_OK) {
        hulse_channel_destroy(ch);
        st = hulse_fail(&err, HULSE_LIMIT, "the daemon is out of descriptors");
    }
    if (st != HULSE_OK) {
        hulse_session_reply_error(s, m.head.req, st, err.text);
    }
}

static void channel_ready(struct session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_channel_ref m;
    memcpy(&m, p->bytes, sizeof(m));
    struct channel *ch = channel_by_id(s, m.channel);
    if (ch == NULL || ch->state != CHANNEL_OPENING || ch == s->attaching) {
        hulse_session_doom(s, HULSE_RULE_V5, "CHANNEL_READY for no opening channel");
        return;
    }
    if (ch->refusal != HULSE_OK) {
        const hulse_status st = ch->refusal;
        hulse_channel_destroy(ch);
        hulse_session_reply_error(s, m.head.req, st, "no room for a handle of the channel");
        return;
    }
    const enum hulse_region_rc rc = hulse_channel_ready(ch);
    if (rc == HULSE_REGION_RC_SYSTEM || rc == HULSE_REGION_RC_KERNEL) {
        /* Ours, not the app's. */
        struct error err = {0};
        const hulse_status st = hulse_channel_no_region(rc, errno, &err);
        hulse_channel_destroy(ch);
        hulse_session_reply_error(s, m.head.req, st, err.text);
        return;
    }
    if (rc != HULSE_REGION_RC_OK) {
        hulse_session_doom(
            s, rc == HULSE_REGION_RC_HOLES ? HULSE_RULE_V2 : HULSE_RULE_V1, hulse_region_text(rc));
        return;
    }
    const struct hulse_ctl_channel_ref ok = {.channel = ch->id};
    struct hulse_packet reply;
    hulse_packet_begin(&reply, HULSE_CTL_CHANNEL_OK, m.head.req, &ok);
    hulse_session_reply(s, &reply);
    if (ch->resumed) {
        hulse_attach_begin(ch);
    }
}

/* Who closes the channel does not wait for the answer to its opening any more. */
static bool given_up(const struct handle *h)
{
    return h->state == HANDLE_OPENING && h->attach == NULL;
}

static void end_given_up(const struct channel *ch)
{
    struct session *s = ch->session;
    for (uint32_t i = 0; i < s->plane->shared->limits.handles_max; i++) {
        struct handle *h = s->handles[i];
        if (h != NULL && h->channel == ch && given_up(h)) {
            hulse_handle_destroy(&h);
        }
    }
}

/* None of its handles is wanted any more. */
static bool left_by_all(const struct channel *ch)
{
    const struct session *s = ch->session;
    uint32_t seen = 0;
    for (uint32_t i = 0; seen < ch->handle_count; i++) {
        const struct handle *h = s->handles[i];
        if (h == NULL || h->channel != ch) {
            continue;
        }
        if (h->state != HANDLE_CLOSING && !h->close_wanted && !given_up(h)) {
            return false;
        }
        seen += 1;
    }
    return true;
}

static void close_channel(struct session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_channel_ref m;
    memcpy(&m, p->bytes, sizeof(m));
    struct channel *ch = channel_by_id(s, m.channel);
    if (ch == NULL || ch->close_wanted || !left_by_all(ch)) {
        hulse_session_reply_error(s,
                                  m.head.req,
                                  HULSE_INVAL,
                                  ch == NULL ? "no such channel" : "the channel has open handles");
        return;
    }
    end_given_up(ch);
    if (ch->handle_count > 0 && ch->state != CHANNEL_OPENING) {
        ch->close_wanted = true;
        ch->close_request = m.head.req;
        return;
    }
    hulse_channel_destroy(ch);
    hulse_session_reply_ok(s, m.head.req, 0);
}

static void close_handle(struct session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_close_handle m;
    memcpy(&m, p->bytes, sizeof(m));
    struct handle *h = hulse_handle_find(s, m.handle, s->plane->shared->limits.handles_max);
    const bool returning = h != NULL && h->attach != NULL && !h->close_wanted;
    if (h == NULL || (h->state != HANDLE_OPEN && !returning)) {
        hulse_session_reply_error(s, m.head.req, HULSE_INVAL, "no such open handle");
        return;
    }
    h->request = m.head.req;
    h->unsubscribe = (m.flags & 1U) != 0;
    if (returning) {
        hulse_handle_give_up(h);
    } else {
        hulse_handle_begin_closing(h);
    }
}

static void open_group(struct session *s, const struct hulse_packet *p)
{
    struct hulse_ctl_group m;
    memcpy(&m, p->bytes, sizeof(m));
    unsigned index = 0;
    int read_fd = -1;
    const hulse_status st = hulse_session_group(s, &index, &read_fd);
    if (st != HULSE_OK) {
        hulse_session_reply_error(s, m.head.req, st, "no further wait group");
        return;
    }
    const struct hulse_ctl_group ok = {.group = index};
    struct hulse_packet reply;
    hulse_packet_begin(&reply, HULSE_CTL_GROUP_OK, m.head.req, &ok);
    reply.fds[0] = read_fd;
    reply.fd_count = 1;
    hulse_session_reply(s, &reply);
}

static void handle_message(struct session *s, struct hulse_packet *p)
{
    struct hulse_ctl_head head;
    memcpy(&head, p->bytes, sizeof(head));
    switch (head.type) {
    case HULSE_CTL_GROUP:
        open_group(s, p);
        break;
    case HULSE_CTL_OPEN_CHANNEL:
        open_channel(s, p);
        break;
    case HULSE_CTL_CHANNEL_READY:
        channel_ready(s, p);
        break;
    case HULSE_CTL_CLOSE_CHANNEL:
        close_channel(s, p);
        break;
    case HULSE_CTL_OPEN_PRODUCER:
        hulse_handle_open_producer(s, p);
        break;
    case HULSE_CTL_OPEN_CONSUMER:
        hulse_handle_open_consumer(s, p, sizeof(struct hulse_ctl_open_consumer));
        break;
    case HULSE_CTL_OPEN_CONSUMER_AT:
        hulse_handle_open_consumer(s, p, sizeof(struct hulse_ctl_open_consumer_at));
        break;
    case HULSE_CTL_OPTIONS:
        hulse_option_block_gather(s, p);
        break;
    case HULSE_CTL_SEEK:
        hulse_seek_request(s, p);
        break;
    case HULSE_CTL_GET_SCHEMA:
        hulse_schema_request(s, p);
        break;
    case HULSE_CTL_CLOSE_HANDLE:
        close_handle(s, p);
        break;
    case HULSE_CTL_ATTACH:
        hulse_attach_channel(s, p);
        break;
    case HULSE_CTL_ATTACH_HANDLE:
        hulse_attach_handle(s, p);
        break;
    case HULSE_CTL_ATTACH_SOURCES:
        hulse_attach_sources(s, p);
        break;
    case HULSE_CTL_MARKS:
        hulse_attach_marks(s, p);
        break;
    case HULSE_CTL_ATTACH_END:
        hulse_attach_end(s, p);
        break;
    case HULSE_CTL_FLUSH:
    case HULSE_CTL_STATS:
        hulse_session_reply_error(
            s, head.req, HULSE_UNSUPPORTED, "this daemon did not announce that feature");
        break;
    default:
        hulse_session_doom(s, HULSE_RULE_V5, "a message of the daemon's came from the app");
        break;
    }
}

/* V15: too many messages this second pause the socket; see hulse_session_penalty(). */
static bool over_budget(struct session *s)
{
    hulse_session_new_second(s);
    s->control_count += 1;
    return s->control_count > s->plane->shared->limits.control_per_second;
}

void hulse_session_read_control(struct session *s)
{
    struct hulse_packet p;
    for (unsigned i = 0; i < CONTROL_BATCH && !s->doomed && !s->gone; i++) {
        const char *why = "";
        switch (hulse_packet_receive(s->sock, &p, &why)) {
        case HULSE_PACKET_NONE:
            return;
        case HULSE_PACKET_EOF:
        case HULSE_PACKET_ERROR:
            hulse_session_hang_up(s);
            return;
        case HULSE_PACKET_BAD:
            hulse_session_doom(s, HULSE_RULE_V5, why);
            return;
        case HULSE_PACKET_STARVED: /* whoever needs the descriptors sees that they are not there */
        case HULSE_PACKET_OK:
            break;
        }
        handle_message(s, &p);
        for (unsigned f = 0; f < p.fd_count; f++) {
            (void)close(p.fds[f]);
        }
        if (over_budget(s)) {
            hulse_session_penalty(s, "control messages");
            return;
        }
    }
}
