/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replace - see replace.h.
 */
#include "daemon/control/replace.h"

#include "daemon/admin/protocol.h"
#include "daemon/core/clock.h"
#include "daemon/core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 10
#define ANSWER_BYTES 1024U

static const char request[] = "{\"command\":\"" HULSE_ADMIN_DRAIN "\",\"now\":true}\n";

/* The daemon that is to go, and until when. */
struct predecessor {
    const struct replace_params *params;
    uint64_t until_ms;
    int fd;    /* its admin socket; -1 = nobody listens there */
    pid_t pid; /* 0 = not seen from here */
};

static uint64_t now_ms(void)
{
    return hulse_clock_ns() / 1000000U;
}

static bool stop_pending(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/* May the wait go on? */
static hulse_status
look_at_the_time(const struct predecessor *p, const char *what, struct error *err)
{
    if (stop_pending()) {
        return hulse_fail(err, HULSE_CLOSED, "told to stop before the other daemon had gone");
    }
    if (now_ms() < p->until_ms) {
        return HULSE_OK;
    }
    return hulse_fail(err,
                      HULSE_TIMED_OUT,
                      "%s: the daemon to replace, pid %d, %s",
                      p->params->admin_socket,
                      (int)p->pid,
                      what);
}

/* ---- its admin socket ---- */

static pid_t peer_of(int fd)
{
    struct ucred peer = {0};
    socklen_t bytes = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 ? peer.pid : 0;
}

static hulse_status call(struct predecessor *p, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = p->params->admin_socket;
    const size_t bytes = strlen(path);

    if (bytes == 0 || bytes >= sizeof(address.sun_path)) {
        return hulse_fail(err, HULSE_IO, "%s: too long for a socket", path);
    }
    memcpy(address.sun_path, path, bytes + 1);
    p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0) {
        return hulse_fail(err, HULSE_IO, "socket: %s", strerrordesc_np(errno));
    }
    if (connect(p->fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        p->pid = peer_of(p->fd);
        return HULSE_OK;
    }
    const int error = errno;
    (void)close(p->fd);
    p->fd = -1;
    if (error == ENOENT || error == ECONNREFUSED) {
        return HULSE_OK;
    }
    return hulse_fail(err,
                      error == EACCES ? HULSE_DENIED : HULSE_IO,
                      "%s: %s",
                      path,
                      error == EAGAIN ? "its daemon accepts nobody" : strerrordesc_np(error));
}

/* What a whole line of the daemon means. */
static hulse_status judge(const struct predecessor *p, const char *line, struct error *err)
{
    const char *path = p->params->admin_socket;
    json_t *answer = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
    const char *status = json_string_value(json_object_get(answer, "status"));
    const char *code = json_string_value(json_object_get(answer, "code"));
    const char *detail = json_string_value(json_object_get(answer, "detail"));
    hulse_status st = HULSE_OK;

    if (status == NULL || strcmp(status, "ok") != 0) {
        const bool denied = code != NULL && strcmp(code, "HULSE_DENIED") == 0;
        st = hulse_fail(err,
                        denied ? HULSE_DENIED : HULSE_UNSUPPORTED,
                        "%s: the daemon refuses to be replaced: %.120s",
                        path,
                        detail == NULL ? "its answer is none" : detail);
    }
    json_decref(answer);
    return st;
}

/* Gives in *line what has come once it is a whole line; stays empty when the daemon hangs up. */
static hulse_status
read_answer(const struct predecessor *p, char line[ANSWER_BYTES], struct error *err)
{
    size_t have = 0;
    hulse_status st = HULSE_OK;

    while (have < ANSWER_BYTES - 1 && memchr(line, '\n', have) == NULL) {
        struct pollfd ready = {.fd = p->fd, .events = POLLIN};
        (void)poll(&ready, 1, LOOK_MS);
        const ssize_t n = recv(p->fd, line + have, ANSWER_BYTES - 1 - have, MSG_DONTWAIT);
        if (n > 0) {
            have += (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            have = 0; /* it ends as it is: there is nothing to be told */
            break;
        } else {
            st = look_at_the_time(p, "does not answer", err);
        }
        if (st != HULSE_OK) {
            return st;
        }
    }
    line[have] = '\0';
    return HULSE_OK;
}

static hulse_status tell(const struct predecessor *p, struct error *err)
{
    char line[ANSWER_BYTES];

    HULSE_LOG_STATE("daemon.replacing",
                    hulse_log_u64("pid", (uint64_t)p->pid),
                    hulse_log_str("admin_socket", p->params->admin_socket));
    const ssize_t n = send(p->fd, request, sizeof(request) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n != (ssize_t)sizeof(request) - 1 && errno == EAGAIN) {
        return hulse_fail(err, HULSE_IO, "%s: takes no request", p->params->admin_socket);
    }
    const hulse_status st = read_answer(p, line, err);
    return st == HULSE_OK && line[0] != '\0' ? judge(p, line, err) : st;
}

/* ---- its locks ---- */

/* Somebody has it. What cannot be opened is left to who wants to have it. */
static bool is_locked(const char *path, pid_t *owner)
{
    char text[24] = "";
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0) {
        return false;
    }
    /* Shared, so that two who look do not see each other. */
    const bool locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (locked && *owner == 0 && pread(fd, text, sizeof(text) - 1, 0) > 0) {
        *owner = (pid_t)strtol(text, NULL, 10);
    }
    (void)close(fd);
    return locked;
}

/* *waited: there was somebody. */
static hulse_status await_locks(struct predecessor *p, bool *waited, struct error *err)
{
    const char *what = p->fd >= 0 ? "does not end" : "does not end, and listens elsewhere";

    for (size_t i = 0; i < p->params->lock_count; i++) {
        while (is_locked(p->params->locks[i], &p->pid)) {
            const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
            const hulse_status st = look_at_the_time(p, what, err);
            if (st != HULSE_OK) {
                return st;
            }
            *waited = true;
            (void)nanosleep(&pause, NULL);
        }
    }
    return HULSE_OK;
}

hulse_status hulse_replace_run(const struct replace_params *params, struct error *err)
{
    const uint64_t began_ms = now_ms();
    struct predecessor p = {.params = params, .until_ms = began_ms + params->wait_ms, .fd = -1};
    hulse_status st = call(&p, err);
    bool waited = p.fd >= 0;

    if (st == HULSE_OK && p.fd >= 0) {
        st = tell(&p, err);
    }
    if (st == HULSE_OK) {
        st = await_locks(&p, &waited, err);
    }
    if (p.fd >= 0) {
        (void)close(p.fd);
    }
    if (st == HULSE_OK && waited) {
        HULSE_LOG_STATE("daemon.replaced",
                        hulse_log_u64("pid", (uint64_t)p.pid),
                        hulse_log_u64("took_ms", now_ms() - began_ms));
    } else if (st == HULSE_OK) {
        HULSE_LOG_STATE("daemon.nothing_to_replace",
                        hulse_log_str("admin_socket", params->admin_socket));
    }
    return st;
}
