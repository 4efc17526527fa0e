/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - who a session is: the kernel's word about the peer at accept (SO_PEERCRED).
 */
#ifndef HULSE_FLOW_IDENTITY_H
#define HULSE_FLOW_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

struct identity {
    uid_t uid;
    gid_t gid;
    pid_t pid; /* 0 across pid namespaces; for logs only */
};

/* The daemon's own uid may do everything, nobody else anything. */
bool hulse_identity_may_produce(const struct identity *who, const char *topic);
bool hulse_identity_may_consume(const struct identity *who, const char *topic);

#endif
