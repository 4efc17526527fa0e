/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen - see listen.h.
 */
#include "daemon/control/listen.h"

#include "daemon/core/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define BACKLOG 256
#define LOCK_ATTEMPTS 16

static hulse_status fail_call(struct error *err, const char *call, const char *path)
{
    return hulse_fail(err, HULSE_IO, "%s: %s: %s", path, call, strerrordesc_np(errno));
}

void hulse_listen_lock_path(const char *path, char out[HULSE_LISTEN_LOCK_PATH_BYTES])
{
    (void)snprintf(out, HULSE_LISTEN_LOCK_PATH_BYTES, "%s.lock", path);
}

static bool fill_address(struct sockaddr_un *address, const char *path)
{
    const size_t bytes = strlen(path);

    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    if (bytes == 0 || bytes >= sizeof(address->sun_path)) {
        return false;
    }
    memcpy(address->sun_path, path, bytes + 1);
    return true;
}

/* The process that listens at the path; 0 = nobody answers, -1 = somebody unknown. */
static pid_t find_listener(const char *path, int type)
{
    struct sockaddr_un address;
    struct ucred peer = {0};
    socklen_t bytes = sizeof(peer);
    pid_t pid = 0;

    if (!fill_address(&address, path)) {
        return -1;
    }
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        const int rc = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes);
        pid = rc == 0 && peer.pid > 0 ? peer.pid : -1;
    } else if (errno != ECONNREFUSED && errno != ENOENT) {
        pid = -1; /* a full backlog, another socket type, no permission: not ours to remove */
    }
    (void)close(fd);
    return pid;
}

static hulse_status fail_busy(struct error *err, const char *path, pid_t pid)
{
    if (pid > 0) {
        return hulse_fail(
            err, HULSE_BUSY, "%s: another daemon listens there, pid %d", path, (int)pid);
    }
    return hulse_fail(err, HULSE_BUSY, "%s: another process uses this path", path);
}

/* The pid that a daemon wrote into its lock, 0 when it has not. */
static pid_t read_lock_pid(int lock_fd)
{
    char text[24] = "";
    const ssize_t n = pread(lock_fd, text, sizeof(text) - 1, 0);

    return n <= 0 ? 0 : (pid_t)strtol(text, NULL, 10);
}

static void write_lock_pid(int lock_fd)
{
    char text[24];
    const int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    /* The pid is a courtesy to the reader of an error message; the lock works without it. */
    if (ftruncate(lock_fd, 0) == 0) {
        (void)!pwrite(lock_fd, text, (size_t)n, 0);
    }
}

/* True when the locked file is still the one at the path: its last owner removes it. */
static bool is_current(int lock_fd, const char *lock_path)
{
    struct stat ours;
    struct stat theirs;

    return fstat(lock_fd, &ours) == 0 && stat(lock_path, &theirs) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

static hulse_status take_lock(struct listen_socket *out, int type, struct error *err)
{
    char lock_path[HULSE_LISTEN_LOCK_PATH_BYTES];

    hulse_listen_lock_path(out->path, lock_path);
    for (unsigned attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
        const int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            return fail_call(err, "open", lock_path);
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            const int error = errno;
            const pid_t listener = find_listener(out->path, type);
            const pid_t pid = listener > 0 ? listener : read_lock_pid(fd);
            (void)close(fd);
            errno = error;
            return error == EWOULDBLOCK ? fail_busy(err, out->path, pid)
                                        : fail_call(err, "flock", lock_path);
        }
        if (is_current(fd, lock_path)) {
            out->lock_fd = fd;
            return HULSE_OK;
        }
        (void)close(fd);
    }
    return hulse_fail(err, HULSE_BUSY, "%s: daemons start and end there all the time", out->path);
}

/* Under the lock. Removes a socket that nobody listens on. */
static hulse_status clear_path(const char *path, int type, struct error *err)
{
    struct stat info;

    if (lstat(path, &info) != 0) {
        return errno == ENOENT ? HULSE_OK : fail_call(err, "stat", path);
    }
    if (!S_ISSOCK(info.st_mode)) {
        return hulse_fail(err, HULSE_IO, "%s: exists and is not a socket", path);
    }
    const pid_t pid = find_listener(path, type);
    if (pid != 0) {
        return fail_busy(err, path, pid);
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return fail_call(err, "unlink", path);
    }
    return HULSE_OK;
}

static hulse_status make_directory(const char *path, struct error *err)
{
    char directory[HULSE_LISTEN_PATH_BYTES];
    const char *slash = strrchr(path, '/');

    if (slash == NULL || slash == path) {
        return HULSE_OK;
    }
    (void)snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
    if (mkdir(directory, 0755) != 0 && errno != EEXIST) {
        return fail_call(err, "mkdir", directory);
    }
    return HULSE_OK;
}

static hulse_status
bind_socket(struct listen_socket *out, const struct listen_params *params, struct error *err)
{
    struct sockaddr_un address;
    struct stat info;

    if (!fill_address(&address, out->path)) {
        return hulse_fail(err, HULSE_IO, "%s: too long for a socket", out->path);
    }
    out->fd = socket(AF_UNIX, params->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (out->fd < 0) {
        return fail_call(err, "socket", out->path);
    }
    /* The file takes its mode from the socket: it never exists wider than asked, whatever the
     * umask, which is the whole process's and so left alone. */
    if (fchmod(out->fd, params->mode & 0600) != 0 ||
        bind(out->fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        return fail_call(err, "bind", out->path);
    }
    if (lstat(out->path, &info) != 0) {
        return fail_call(err, "stat", out->path);
    }
    out->device = info.st_dev;
    out->inode = info.st_ino;
    if (params->group != HULSE_LISTEN_NO_GROUP &&
        lchown(out->path, (uid_t)-1, params->group) != 0) {
        return fail_call(err, "chown", out->path);
    }
    if (listen(out->fd, BACKLOG) != 0) {
        return fail_call(err, "listen", out->path);
    }
    if (chmod(out->path, params->mode) != 0) {
        return fail_call(err, "chmod", out->path);
    }
    return HULSE_OK;
}

hulse_status
hulse_listen_open(struct listen_socket *out, const struct listen_params *params, struct error *err)
{
    hulse_status st = HULSE_OK;

    HULSE_ASSERT(strlen(params->path) < HULSE_LISTEN_PATH_BYTES);
    *out = (struct listen_socket)HULSE_LISTEN_CLOSED;
    (void)snprintf(out->path, sizeof(out->path), "%s", params->path);
    st = make_directory(out->path, err);
    if (st == HULSE_OK) {
        st = take_lock(out, params->type, err);
    }
    if (st == HULSE_OK) {
        st = clear_path(out->path, params->type, err);
    }
    if (st == HULSE_OK) {
        write_lock_pid(out->lock_fd);
        st = bind_socket(out, params, err);
    }
    if (st != HULSE_OK) {
        hulse_listen_close(out);
    }
    return st;
}

void hulse_listen_close(struct listen_socket *l)
{
    char lock_path[HULSE_LISTEN_LOCK_PATH_BYTES];
    struct stat info;

    if (l->inode != 0 && lstat(l->path, &info) == 0 && info.st_dev == l->device &&
        info.st_ino == l->inode) {
        (void)unlink(l->path);
    }
    if (l->fd >= 0) {
        (void)close(l->fd);
    }
    if (l->lock_fd >= 0) {
        /* While the lock is held; who opened the old file meanwhile sees that it has gone. */
        hulse_listen_lock_path(l->path, lock_path);
        (void)unlink(lock_path);
        (void)close(l->lock_fd);
    }
    *l = (struct listen_socket)HULSE_LISTEN_CLOSED;
}

hulse_status hulse_listen_group(const char *text, gid_t *out, struct error *err)
{
    struct group entry;
    struct group *found = NULL;
    char buffer[4096];
    char *end = NULL;

    errno = 0;
    const unsigned long number = strtoul(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0') {
        if (errno != 0 || number >= (gid_t)-1) {
            return hulse_fail(err, HULSE_INVAL, "listen.group: '%.48s' is no group number", text);
        }
        *out = (gid_t)number;
        return HULSE_OK;
    }
    if (getgrnam_r(text, &entry, buffer, sizeof(buffer), &found) != 0 || found == NULL) {
        return hulse_fail(err, HULSE_INVAL, "listen.group: no group '%.48s' on this host", text);
    }
    *out = entry.gr_gid;
    return HULSE_OK;
}
