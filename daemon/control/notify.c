/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify - see notify.h.
 */
#include "daemon/control/notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

bool hulse_notify(const char *socket_path, const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (socket_path == NULL || (socket_path[0] != '/' && socket_path[0] != '@')) {
        return false;
    }
    const size_t path_bytes = strlen(socket_path);
    if (path_bytes < 2 || path_bytes >= sizeof(address.sun_path)) {
        return false;
    }
    memcpy(address.sun_path, socket_path, path_bytes);
    if (socket_path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    /* An abstract name has no terminating zero: its length is part of the name. */
    const socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_bytes);
    const size_t state_bytes = strlen(state);
    const ssize_t sent = sendto(fd,
                                state,
                                state_bytes,
                                MSG_NOSIGNAL | MSG_DONTWAIT,
                                (const struct sockaddr *)&address,
                                bytes);
    (void)close(fd);
    return sent == (ssize_t)state_bytes;
}
