/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: any packet with any number of descriptors through the control socket's reader.
 * Method: first byte = number of descriptors (0 to 4), rest = the packet, sent over a socket pair.
 *         Accepted means: judged good, exact descriptors; refused means: none left open.
 */
#include "shmlib/ring/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS_MAX 4U
#define PACKET_MAX ((size_t)2 * HULSE_CONTROL_MESSAGE_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void send_raw(int sock, const uint8_t *bytes, size_t len, unsigned fd_count)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } room = {.bytes = {0}};
    struct iovec vec = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr m = {.msg_iov = &vec, .msg_iovlen = 1};

    if (fd_count != 0) {
        m.msg_control = room.bytes;
        m.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        for (unsigned i = 0; i < fd_count; i++) {
            memcpy(CMSG_DATA(c) + (i * sizeof(int)), &sock, sizeof(sock));
        }
    }
    must(sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len);
}

/* The lowest free descriptor: moves up when one leaks. */
static int lowest_free(int any)
{
    const int fd = fcntl(any, F_DUPFD_CLOEXEC, 0);

    must(fd >= 0);
    (void)close(fd);
    return fd;
}

static void check_accepted(const struct hulse_packet *p, const uint8_t *bytes, size_t len)
{
    const char *why = NULL;
    struct hulse_ctl_head head;

    must(p->len == len && memcmp(p->bytes, bytes, len) == 0);
    must(hulse_control_check(p->bytes, p->len, &why) == 1);
    memcpy(&head, p->bytes, sizeof(head));
    must(len >= hulse_control_bytes(head.type) && hulse_control_bytes(head.type) != 0);
    must(p->fd_count == hulse_control_fds(head.type));
    for (unsigned i = 0; i < p->fd_count; i++) {
        must((fcntl(p->fds[i], F_GETFD) & FD_CLOEXEC) != 0);
        (void)close(p->fds[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static int pair[2] = {-1, -1};
    static struct hulse_packet p;
    const char *why = NULL;

    if (bytes == 0 || bytes > PACKET_MAX) {
        return 0;
    }
    /* Made anew each time: leak checks of the runner count descriptors at exit. */
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    const unsigned fd_count = data[0] % (FDS_MAX + 1);
    const int before = lowest_free(pair[0]);
    send_raw(pair[0], data + 1, bytes - 1, fd_count);
    const enum hulse_packet_rc rc = hulse_packet_receive(pair[1], &p, &why);
    if (rc == HULSE_PACKET_OK) {
        check_accepted(&p, data + 1, bytes - 1);
        must(p.fd_count == fd_count);
    } else {
        must(rc == HULSE_PACKET_BAD && why != NULL && p.fd_count == 0);
    }
    must(lowest_free(pair[0]) == before);
    must(hulse_packet_receive(pair[1], &p, &why) == HULSE_PACKET_NONE);
    (void)close(pair[0]);
    (void)close(pair[1]);
    return 0;
}
