/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - one line from the admin socket, parsed.
 *
 * Threads: any; pure function but for jansson's allocations.
 * Trust:   the bytes may be anything; the sender has the daemon's uid or is root.
 */
#ifndef HULSE_ADMIN_REQUEST_H
#define HULSE_ADMIN_REQUEST_H

#include "daemon/core/error.h"

#include <stddef.h>

#define HULSE_ADMIN_NAMESPACE_BYTES 512U

enum admin_command {
    ADMIN_STATS = 0,
    ADMIN_HEALTH,
    ADMIN_TOPICS_LIST,
    ADMIN_CONFIG,
    ADMIN_RELOAD,
    ADMIN_DRAIN
};

struct admin_request {
    enum admin_command command;
    char namespace_name[HULSE_ADMIN_NAMESPACE_BYTES]; /* topics.list; empty = all */
};

/*
 * Parses one line without its newline. INVAL: malformed, a member missing, surplus or of the wrong
 * type; UNSUPPORTED: a command that is not known. *err has the detail.
 */
hulse_status
hulse_admin_parse(const char *line, size_t bytes, struct admin_request *out, struct error *err);

#endif
