/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen - a unix socket that one daemon at a time listens on.
 *
 * A lock on PATH.lock is held while the socket is ours, so that two daemons that start at once
 * cannot both replace a stale file. A live one, with or without the lock, is refused and named.
 *
 * Threads: control (main).
 * Trust:   the directory is the operator's; what lies at the path may be anything.
 */
#ifndef HULSE_CONTROL_LISTEN_H
#define HULSE_CONTROL_LISTEN_H

#include "daemon/core/error.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

#define HULSE_LISTEN_PATH_BYTES sizeof(((struct sockaddr_un *)NULL)->sun_path)
#define HULSE_LISTEN_LOCK_PATH_BYTES (HULSE_LISTEN_PATH_BYTES + sizeof(".lock"))
#define HULSE_LISTEN_NO_GROUP ((gid_t)-1)

struct listen_params {
    const char *path;
    int type; /* SOCK_SEQPACKET, SOCK_STREAM */
    mode_t mode;
    gid_t group; /* or HULSE_LISTEN_NO_GROUP */
};

struct listen_socket {
    int fd; /* nonblocking; -1 = closed */
    int lock_fd;
    dev_t device; /* of the file we made */
    ino_t inode;
    char path[HULSE_LISTEN_PATH_BYTES];
};

#define HULSE_LISTEN_CLOSED                                                                        \
    {                                                                                              \
        .fd = -1, .lock_fd = -1                                                                    \
    }

/*
 * Makes the directory (0755, last component only) and the socket. BUSY: somebody listens there,
 * *err has the pid. IO: something else failed. *out is closed on failure.
 */
hulse_status
hulse_listen_open(struct listen_socket *out, const struct listen_params *params, struct error *err);
/* Removes the file if it is still ours, closes and unlocks. Harmless when closed. */
void hulse_listen_close(struct listen_socket *l);
/* Where the lock of a socket's path is. */
void hulse_listen_lock_path(const char *path, char out[HULSE_LISTEN_LOCK_PATH_BYTES]);
/* A group's number from its name or digits. */
hulse_status hulse_listen_group(const char *text, gid_t *out, struct error *err);

#endif
