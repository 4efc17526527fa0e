/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect - from nothing to an agreed version: find the socket, HELLO, WELCOME.
 *
 * Threads: the opening one; nobody else knows the session yet.
 * Trust:   WELCOME's numbers are checked before they are kept.
 */
#include "shmlib/client/clock.h"
#include "shmlib/client/options.h"
#include "shmlib/client/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG_RETRY_MS 5

/* The socket's path by options, environment and user; 0 when it does not fit. */
static int find_path(const struct hulse_options *o, struct sockaddr_un *to)
{
    const char *env = secure_getenv("HULSE_SOCKET");
    const char *run = secure_getenv("XDG_RUNTIME_DIR");
    const size_t room = sizeof(to->sun_path);
    int bytes = 0;

    if (o->socket[0] != '\0') {
        bytes = snprintf(to->sun_path, room, "%s", o->socket);
    } else if (env != NULL && env[0] != '\0') {
        bytes = snprintf(to->sun_path, room, "%s", env);
    } else if (geteuid() == 0) {
        bytes = snprintf(to->sun_path, room, "/run/hulse/hulse.sock");
    } else if (run != NULL && run[0] == '/') {
        bytes = snprintf(to->sun_path, room, "%s/hulse/hulse.sock", run);
    } else {
        bytes = snprintf(to->sun_path, room, "/run/user/%u/hulse/hulse.sock", (unsigned)geteuid());
    }
    return bytes > 0 && (size_t)bytes < room;
}

static hulse_status connect_failed(struct hulse_session *s, int error, const char *path)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
        return hulse_session_fault(
            s, HULSE_NO_DAEMON, "no daemon listens on %s: start hulsed or set HULSE_SOCKET", path);
    case EACCES:
    case EPERM:
        return hulse_session_fault(
            s, HULSE_DENIED, "no permission to connect to %s: join the socket's group", path);
    case EPROTOTYPE:
        return hulse_session_fault(s, HULSE_NO_DAEMON, "%s is not the socket of a hulsed", path);
    case EAGAIN:
        return hulse_session_fault(s, HULSE_TIMED_OUT, "hulsed does not accept on %s", path);
    default:
        return hulse_session_fault(s, HULSE_IO, "cannot connect to %s: errno %d", path, error);
    }
}

static hulse_status connect_socket(struct hulse_session *s, const struct hulse_options *o)
{
    struct sockaddr_un *address = &s->resume.address;
    const struct hulse_deadline deadline = hulse_deadline_in(s->timeout_ms);

    address->sun_family = AF_UNIX;
    if (!find_path(o, address)) {
        return hulse_session_fault(s, HULSE_INVAL, "the path of the daemon's socket is too long");
    }
    hulse_fork_lock();
    s->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int none = errno;
    hulse_fork_unlock();
    if (s->sock < 0) {
        return hulse_session_no_descriptor(s, "a socket", none);
    }
    for (;;) {
        if (connect(s->sock, (const struct sockaddr *)address, sizeof(*address)) == 0) {
            return HULSE_OK;
        }
        const int error = errno;
        if (error == EINTR) {
            continue;
        }
        /* EAGAIN: the listener's backlog is full. */
        if (error != EAGAIN || hulse_deadline_left(deadline, BACKLOG_RETRY_MS) == 0) {
            return connect_failed(s, error, address->sun_path);
        }
        (void)poll(NULL, 0, BACKLOG_RETRY_MS);
    }
}

static void write_hello(struct hulse_session *s, const struct hulse_options *o)
{
    const char *name = o->name[0] != '\0' ? o->name : program_invocation_short_name;
    const char *env = secure_getenv("SERVICE_NAME");
    const char *service = env != NULL ? env : "";
    struct hulse_ctl_hello hello = {
        .abi_min = HULSE_ABI_MIN,
        .abi_max = HULSE_ABI_MAX,
        .features = HULSE_FEATURES,
        .name_len = (uint16_t)strnlen(name, HULSE_NAME_BYTES_MAX),
        .service_len = (uint16_t)strnlen(service, HULSE_NAME_BYTES_MAX),
        .token_len = (uint16_t)strnlen(o->token, HULSE_TOKEN_BYTES_MAX),
    };

    hulse_packet_begin(&s->io, HULSE_CTL_HELLO, 0, &hello);
    hulse_packet_append(&s->io, name, hello.name_len);
    hulse_packet_append(&s->io, service, hello.service_len);
    hulse_packet_append(&s->io, o->token, hello.token_len);
    /* For the daemons that follow. */
    hello.flags = HULSE_HELLO_RESUME;
    s->resume.hello = s->io;
    memcpy(s->resume.hello.bytes + offsetof(struct hulse_ctl_hello, flags),
           &hello.flags,
           sizeof(hello.flags));
}

static hulse_status accept_welcome(struct hulse_session *s)
{
    unsigned group = 0;
    const int wake = s->io.fds[1];

    s->bell = s->io.fds[0];
    hulse_control_answer(s, &s->limits, sizeof(s->limits));
    s->schemas = (s->limits.features & HULSE_FEATURE_SCHEMAS) != 0;
    s->topic_schemas = (s->limits.features & HULSE_FEATURE_TOPIC_SCHEMAS) != 0;
    s->positions = (s->limits.features & HULSE_FEATURE_POSITIONS) != 0;
    s->options = (s->limits.features & HULSE_FEATURE_OPTIONS) != 0;
    s->marks = (s->limits.features & HULSE_FEATURE_MARKS) != 0;
    /* Relaxed because nobody else knows the session yet. */
    atomic_store_explicit(&s->replication,
                          (s->limits.features & HULSE_FEATURE_REPLICATION) != 0,
                          memory_order_relaxed);
    atomic_store_explicit(&s->id, s->limits.session, memory_order_relaxed);
    if (s->limits.abi < HULSE_ABI_MIN || s->limits.abi > HULSE_ABI_MAX) {
        (void)close(wake);
        return hulse_session_fault(
            s, HULSE_PROTOCOL, "the daemon chose ABI %u, not offered", (unsigned)s->limits.abi);
    }
    (void)fcntl(s->bell, F_SETFL, O_NONBLOCK);
    return hulse_group_add(s, wake, 0, &group);
}

hulse_status hulse_session_connect(struct hulse_session *s, const struct hulse_options *o)
{
    hulse_status st = connect_socket(s, o);

    if (st != HULSE_OK) {
        return st;
    }
    write_hello(s, o);
    st = hulse_control_call(s, HULSE_CTL_WELCOME);
    return st == HULSE_OK ? accept_welcome(s) : st;
}
