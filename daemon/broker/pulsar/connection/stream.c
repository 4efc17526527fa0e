/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream - see the header.
 */
#include "daemon/broker/pulsar/connection/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int hulse_stream_open(struct stream *s, const union resolver_address *to)
{
    const bool v6 = to->any.sa_family == AF_INET6;
    const int on = 1;

    const int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        (connect(fd, &to->any, v6 ? sizeof(to->v6) : sizeof(to->v4)) != 0 &&
         errno != EINPROGRESS)) {
        const int error = errno;
        (void)close(fd);
        return error;
    }
    *s = (struct stream){.fd = fd};
    return 0;
}

int hulse_stream_connected(const struct stream *s)
{
    int error = 0;
    socklen_t bytes = sizeof(error);

    return getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 ? error : errno;
}

bool hulse_stream_secure(struct stream *s, SSL_CTX *ctx, const char *host, bool any_host)
{
    s->tls = hulse_tls_stream_create(ctx, s->fd, host, any_host);
    return s->tls != NULL;
}

static enum stream_rc judge(struct stream *s)
{
    s->error = errno;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? STREAM_AGAIN : STREAM_FAILED;
}

enum stream_rc hulse_stream_read(struct stream *s, void *out, size_t room, size_t *got)
{
    if (s->tls != NULL) {
        return hulse_tls_stream_read(s->tls, out, room, got);
    }
    const ssize_t n = recv(s->fd, out, room, 0);

    if (n > 0) {
        *got = (size_t)n;
        return STREAM_OK;
    }
    if (n == 0) {
        return STREAM_ENDED;
    }
    return judge(s);
}

enum stream_rc
hulse_stream_write(struct stream *s, const struct iovec *parts, size_t count, size_t *taken)
{
    if (s->tls != NULL) {
        return hulse_tls_stream_write(s->tls, parts, count, taken);
    }
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                                   .msg_iovlen = count};
    const ssize_t n = sendmsg(s->fd, &message, MSG_NOSIGNAL);

    if (n > 0) {
        *taken = (size_t)n;
        return STREAM_OK;
    }
    return n == 0 ? STREAM_AGAIN : judge(s);
}

bool hulse_stream_owes(const struct stream *s)
{
    return s->tls != NULL && hulse_tls_stream_owes(s->tls);
}

bool hulse_stream_holds(const struct stream *s)
{
    return s->tls != NULL && hulse_tls_stream_holds(s->tls);
}

const char *hulse_stream_why(const struct stream *s)
{
    return s->tls != NULL ? hulse_tls_stream_why(s->tls) : strerrordesc_np(s->error);
}

void hulse_stream_close(struct stream *s)
{
    if (s->fd >= 0) {
        hulse_tls_stream_free(s->tls);
        (void)close(s->fd);
        *s = (struct stream){.fd = -1};
    }
}
