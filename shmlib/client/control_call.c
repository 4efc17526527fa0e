/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_call - one request over the control socket and its answer.
 *
 * Threads: under the session lock. Blocks up to the connect timeout.
 * Trust:   packets are checked by shmlib/ring; an answer of another type than the request's ends
 *          the session.
 */
#include "shmlib/client/clock.h"
#include "shmlib/client/marks.h"
#include "shmlib/client/session.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define SLICE_MS 1000

void hulse_control_answer(const struct hulse_session *s, void *out, size_t bytes)
{
    memcpy(out, s->io.bytes, bytes);
}

/* Waits for the socket. OK also when nothing came yet. */
static hulse_status await(struct hulse_session *s, short events, struct hulse_deadline deadline)
{
    struct pollfd at = {.fd = s->sock, .events = events};
    const int left = hulse_deadline_left(deadline, SLICE_MS);

    if (left == 0) {
        s->overdue = true;
        return hulse_session_fault(s, HULSE_TIMED_OUT, "hulsed has not answered in time");
    }
    (void)poll(&at, 1, left);
    return HULSE_OK;
}

static hulse_status orphaned(struct hulse_session *s)
{
    hulse_session_orphan(s, hulse_session_word(s), HULSE_AWAY);
    return hulse_session_fault(s, HULSE_ORPHAN, "the daemon has gone meanwhile: try again");
}

static hulse_status send_within(struct hulse_session *s,
                                const struct hulse_packet *p,
                                int fd,
                                struct hulse_deadline deadline)
{
    for (;;) {
        hulse_status st = hulse_packet_send(s->sock, p->bytes, &fd, fd < 0 ? 0 : 1);
        if (st == HULSE_ORPHAN) {
            return orphaned(s);
        }
        if (st == HULSE_IO) {
            return hulse_session_fault(s, st, "cannot write to hulsed: errno %d", errno);
        }
        if (st == HULSE_OK) {
            return st;
        }
        st = await(s, POLLOUT, deadline);
        if (st != HULSE_OK) {
            return st;
        }
    }
}

hulse_status hulse_control_send(struct hulse_session *s, const struct hulse_packet *p, int fd)
{
    return p->len == 0 ? hulse_session_fault(s, HULSE_INVAL, "the names are too long")
                       : send_within(s, p, fd, hulse_deadline_in(s->timeout_ms));
}

static hulse_status refused(struct hulse_session *s)
{
    struct hulse_ctl_refused r;

    hulse_control_answer(s, &r, sizeof(r));
    return hulse_session_fault(
        s,
        r.status < 0 ? r.status : HULSE_REFUSED,
        "hulsed refuses the session: %.*s (it speaks ABI %u to %u, this library %u to %u)",
        (int)r.text_len,
        (const char *)s->io.bytes + sizeof(r),
        (unsigned)r.abi_min,
        (unsigned)r.abi_max,
        HULSE_ABI_MIN,
        HULSE_ABI_MAX);
}

static hulse_status failed(struct hulse_session *s)
{
    struct hulse_ctl_err e;

    hulse_control_answer(s, &e, sizeof(e));
    const hulse_status st = e.status < 0 ? e.status : HULSE_PROTOCOL;
    if (e.text_len == 0) {
        return hulse_session_fault(s, st, "%s", hulse_status_text(st));
    }
    return hulse_session_fault(
        s, st, "%.*s", (int)e.text_len, (const char *)s->io.bytes + sizeof(e));
}

static hulse_status broken(struct hulse_session *s, const char *why)
{
    hulse_session_end(s, HULSE_SESSION_BROKEN, why);
    return hulse_session_fault(s, HULSE_PROTOCOL, "hulsed broke the protocol: %s", why);
}

/* Judges the packet in s->io. AGAIN: it was not the answer. */
static hulse_status judge(struct hulse_session *s, uint32_t req, unsigned answer)
{
    struct hulse_ctl_head head;

    hulse_control_answer(s, &head, sizeof(head));
    if (head.type == HULSE_CTL_REFUSED) {
        return refused(s);
    }
    if (head.type == HULSE_CTL_MARKS && head.req == req && s->opening != NULL) {
        hulse_marks_take(s->opening, &s->io);
        return HULSE_AGAIN;
    }
    if (head.type == HULSE_CTL_EVENT || head.req != req) {
        hulse_session_event(s, &s->io);
        return HULSE_AGAIN;
    }
    if (head.type == HULSE_CTL_ERR) {
        return failed(s);
    }
    /* An older daemon has less to say of a reader. */
    if (head.type != answer && (answer != HULSE_CTL_READER || head.type != HULSE_CTL_CONSUMER)) {
        hulse_session_event(s, &s->io);
        return broken(s, "an answer of the wrong type");
    }
    return HULSE_OK;
}

static hulse_status call_in(struct hulse_session *s, unsigned answer, int timeout_ms)
{
    s->overdue = false;
    const hulse_status st = hulse_control_call_by(s, answer, hulse_deadline_in(timeout_ms));

    return st == HULSE_TIMED_OUT && s->overdue
               ? hulse_session_fault(s, st, "hulsed has not answered in %d ms", timeout_ms)
               : st;
}

hulse_status hulse_control_call(struct hulse_session *s, unsigned answer)
{
    return call_in(s, answer, s->timeout_ms);
}

hulse_status hulse_control_call_open(struct hulse_session *s, unsigned answer)
{
    return call_in(s, answer, s->open_timeout_ms);
}

hulse_status
hulse_control_call_by(struct hulse_session *s, unsigned answer, struct hulse_deadline deadline)
{
    const uint32_t req = ++s->req;
    const char *why = NULL;

    if (hulse_session_state(s) != HULSE_SESSION_LIVE) {
        /* Whoever had the lock before saw the daemon go; the socket may be the next one's already. */
        return hulse_session_fault(s, HULSE_ORPHAN, "the daemon has gone meanwhile: try again");
    }
    if (s->io.len == 0) {
        return hulse_session_fault(s, HULSE_INVAL, "the names are too long for one message");
    }
    memcpy(s->io.bytes + offsetof(struct hulse_ctl_head, req), &req, sizeof(req));
    hulse_status st = send_within(s, &s->io, -1, deadline);
    while (st == HULSE_OK) {
        switch (hulse_packet_receive(s->sock, &s->io, &why)) {
        case HULSE_PACKET_OK:
            st = judge(s, req, answer);
            if (st != HULSE_AGAIN) {
                return st;
            }
            st = HULSE_OK;
            break;
        case HULSE_PACKET_NONE:
            st = await(s, POLLIN, deadline);
            break;
        case HULSE_PACKET_EOF:
            return orphaned(s);
        case HULSE_PACKET_STARVED:
            hulse_resume_again(s, why);
            return hulse_session_fault(s, HULSE_LIMIT, "%s", why);
        case HULSE_PACKET_BAD:
            return broken(s, why);
        case HULSE_PACKET_ERROR:
            return hulse_session_fault(s, HULSE_IO, "cannot read from hulsed: errno %d", errno);
        }
    }
    return st;
}
