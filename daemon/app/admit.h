/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit - from an accepted connection to a session on a worker.
 *
 * Threads: control, up to hulse_admit_post().
 * Trust:   the packet was checked by hulse_packet_receive(); its meaning is checked here.
 */
#ifndef HULSE_APP_ADMIT_H
#define HULSE_APP_ADMIT_H

#include "daemon/app/plane.h"
#include "daemon/core/inbox.h"
#include "daemon/table/identity.h"
#include "shmlib/ring/control.h"

struct admission {
    struct inbox_node node;
    struct plane_shared *shared;
    struct worker *worker;
    int fd;           /* owned; nonblocking */
    uint64_t session; /* number, unique in this process, from 1 */
    struct identity who;
    struct role_state *role; /* held, with a session of it taken; NULL = none */
    struct hulse_packet hello;
};

/* Gives an admission for a connection, taking the descriptor; NULL over the memory cap. */
struct admission *
hulse_admit_create(struct plane_shared *shared, int fd, const struct identity *who);
/*
 * Reads HELLO if it is there. OK: filled in and valid. AGAIN: not yet. REFUSED: a REFUSED was sent
 * where that makes sense (no common version, not a HELLO); destroy it. ORPHAN: the peer has gone.
 */
hulse_status hulse_admit_read(struct admission *a, struct error *err);
/*
 * Finds the role that uid, gid and the token of HELLO give. DENIED: a token of no role. LIMIT: the
 * role's sessions_max is reached.
 */
hulse_status hulse_admit_role(struct admission *a, struct error *err);
/* Sends REFUSED with a status and text, without waiting. */
void hulse_admit_refuse(struct admission *a, hulse_status status, const char *text);
/*
 * Hands it to a worker, which counts as one of its sessions from now on; *a becomes NULL. False:
 * the worker's inbox is full; *a is still the caller's.
 */
bool hulse_admit_post(struct admission **a, struct worker *w);
/* Closes and frees; *a becomes NULL. */
void hulse_admit_destroy(struct admission **a);

#endif
