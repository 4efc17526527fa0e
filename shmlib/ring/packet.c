/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet - control messages and descriptors through a SOCK_SEQPACKET socket.
 *
 * Trust: a peer may attach descriptors to any packet; every one that arrives is either handed to
 *        the caller in the exact expected number or closed here (V5).
 */
#include "shmlib/ring/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Room for exactly the descriptors of the largest message: a third one shows as MSG_CTRUNC. */
union descriptors {
    struct cmsghdr head; /* alignment */
    char bytes[CMSG_SPACE(HULSE_CONTROL_FDS_MAX * sizeof(int))];
};

void hulse_packet_drop_fds(struct hulse_packet *p)
{
    for (unsigned i = 0; i < p->fd_count; i++) {
        (void)close(p->fds[i]);
        p->fds[i] = -1;
    }
    p->fd_count = 0;
}

/* Moves received descriptors into *p. Gives false if anything else came along. */
static int gather_fds(struct hulse_packet *p, struct msghdr *m)
{
    int clean = 1;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            clean = 0;
            continue;
        }
        const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd = -1;
            memcpy(&fd, CMSG_DATA(c) + (i * sizeof(int)), sizeof(int));
            if (p->fd_count < HULSE_CONTROL_FDS_MAX) {
                p->fds[p->fd_count++] = fd;
            } else {
                (void)close(fd);
                clean = 0;
            }
        }
    }
    return clean;
}

/*
 * unix(7): MSG_CTRUNC says that the buffer was too small or that this process may open no more. As many
 * as the buffer holds: the former, the peer's fault. Fewer than the message must have: the latter, ours.
 */
static enum hulse_packet_rc judge_count(struct hulse_packet *p, int truncated, const char **why)
{
    struct hulse_ctl_head head;

    memcpy(&head, p->bytes, sizeof(head));
    const unsigned wanted = hulse_control_fds(head.type);
    if (truncated && p->fd_count < wanted) {
        hulse_packet_drop_fds(p);
        *why = HULSE_STARVED_TEXT;
        return HULSE_PACKET_STARVED;
    }
    *why = truncated ? "surplus descriptors" : "wrong number of descriptors";
    return truncated || p->fd_count != wanted ? HULSE_PACKET_BAD : HULSE_PACKET_OK;
}

static enum hulse_packet_rc refuse(struct hulse_packet *p, const char **why, const char *text)
{
    hulse_packet_drop_fds(p);
    p->len = 0;
    *why = text;
    return HULSE_PACKET_BAD;
}

/* recvmsg gives 0 for the end of the stream and for a packet of no bytes. */
static enum hulse_packet_rc judge_empty(int sock, struct hulse_packet *p, const char **why)
{
    struct pollfd state = {.fd = sock, .events = POLLRDHUP};

    if (p->fd_count == 0 && poll(&state, 1, 0) == 1 &&
        (state.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0) {
        return HULSE_PACKET_EOF;
    }
    return refuse(p, why, "empty control packet");
}

static enum hulse_packet_rc judge_errno(int error)
{
    if (error == EAGAIN || error == EWOULDBLOCK) {
        return HULSE_PACKET_NONE;
    }
    return error == ECONNRESET ? HULSE_PACKET_EOF : HULSE_PACKET_ERROR;
}

enum hulse_packet_rc hulse_packet_receive(int sock, struct hulse_packet *p, const char **why)
{
    union descriptors descriptors;
    struct iovec vec = {.iov_base = p->bytes, .iov_len = sizeof(p->bytes)};
    struct msghdr m = {.msg_iov = &vec,
                       .msg_iovlen = 1,
                       .msg_control = descriptors.bytes,
                       .msg_controllen = sizeof(descriptors.bytes)};
    ssize_t got = -1;

    *why = NULL;
    p->len = 0;
    p->fd_count = 0;
    for (unsigned i = 0; i < HULSE_CONTROL_FDS_MAX; i++) {
        p->fds[i] = -1;
    }
    do {
        got = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return judge_errno(errno);
    }
    if (!gather_fds(p, &m)) {
        return refuse(p, why, "surplus descriptors or foreign ancillary data");
    }
    if (got == 0) {
        return judge_empty(sock, p, why);
    }
    if ((m.msg_flags & MSG_TRUNC) != 0) {
        return refuse(p, why, "control message too long");
    }
    const char *wrong = NULL;
    if (!hulse_control_check(p->bytes, (size_t)got, &wrong)) {
        return refuse(p, why, wrong);
    }
    const enum hulse_packet_rc rc = judge_count(p, (m.msg_flags & MSG_CTRUNC) != 0, &wrong);
    if (rc == HULSE_PACKET_BAD) {
        return refuse(p, why, wrong);
    }
    *why = rc == HULSE_PACKET_OK ? NULL : wrong;
    p->len = (size_t)got;
    return rc;
}

static void attach_fds(struct msghdr *m, union descriptors *room, const int *fds, unsigned count)
{
    memset(room, 0, sizeof(*room));
    m->msg_control = room->bytes;
    m->msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
}

hulse_status hulse_packet_send(int sock, const void *message, const int *fds, unsigned fd_count)
{
    union descriptors room;
    struct hulse_ctl_head head;
    ssize_t sent = -1;

    memcpy(&head, message, sizeof(head));
    if (fd_count > HULSE_CONTROL_FDS_MAX || head.len < sizeof(head) ||
        head.len > HULSE_CONTROL_MESSAGE_MAX) {
        errno = EINVAL;
        return HULSE_IO;
    }
    /* sendmsg does not write through iov_base; struct iovec has no const form. */
    struct iovec vec = {.iov_base = (void *)(uintptr_t)message, .iov_len = head.len};
    struct msghdr m = {.msg_iov = &vec, .msg_iovlen = 1};
    if (fd_count != 0) {
        attach_fds(&m, &room, fds, fd_count);
    }
    do {
        sent = sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        return HULSE_OK;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return HULSE_AGAIN;
    }
    return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? HULSE_ORPHAN : HULSE_IO;
}

void hulse_packet_begin(struct hulse_packet *p, unsigned type, uint32_t req, const void *fixed)
{
    const size_t bytes = hulse_control_bytes(type);

    p->len = bytes;
    p->fd_count = 0;
    if (bytes == 0) {
        return;
    }
    const struct hulse_ctl_head head = {.type = (uint16_t)type, .len = (uint16_t)bytes, .req = req};
    memcpy(p->bytes, fixed, bytes);
    memcpy(p->bytes, &head, sizeof(head));
}

void hulse_packet_append(struct hulse_packet *p, const void *text, size_t bytes)
{
    if (p->len == 0 || bytes > sizeof(p->bytes) - p->len) {
        p->len = 0; /* stays 0: the caller sees it once, at the end */
        return;
    }
    if (bytes != 0) {
        memcpy(p->bytes + p->len, text, bytes);
    }
    p->len += bytes;
    const uint16_t len = (uint16_t)p->len;
    memcpy(p->bytes + offsetof(struct hulse_ctl_head, len), &len, sizeof(len));
}
