/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door - where applications come in: accept, HELLO, placement on a worker.
 *
 * A newcomer has 2 s for its HELLO. There are at most 64 at a time; one more puts out the oldest,
 * so that silent connections cannot keep out those that talk.
 *
 * Threads: control.
 * Trust:   who the peer is comes from the kernel (SO_PEERCRED); the rest is hulse_admit_read()'s.
 */
#ifndef HULSE_CONTROL_DOOR_H
#define HULSE_CONTROL_DOOR_H

#include "daemon/app/admit.h"
#include "daemon/control/crew.h"
#include "daemon/worker/loop.h"

#include <sys/queue.h>

#define HULSE_DOOR_NEWCOMERS_MAX 64U
#define HULSE_DOOR_HELLO_MS 2000U
#define HULSE_DOOR_PAUSE_MS 1000U

struct door;

struct newcomer {
    struct watch watch;
    struct timer timer;
    struct door *door;
    struct admission *admission;
    TAILQ_ENTRY(newcomer) link; /* waiting, oldest first, or free */
};

TAILQ_HEAD(newcomer_list, newcomer);

struct door {
    struct watch watch; /* of the listening socket */
    struct timer pause; /* while descriptors are used up, the reserve included */
    struct loop *loop;
    struct crew *crew;
    struct plane_shared *plane;
    int reserve_fd; /* given up for a moment when descriptors run out */
    bool open;
    struct newcomer_list waiting;
    struct newcomer_list free;
    uint64_t accepted;
    uint64_t admitted;
    uint64_t refused;
    uint64_t timed_out; /* no HELLO in time, or put out by newer ones */
    struct newcomer newcomers[HULSE_DOOR_NEWCOMERS_MAX];
};

/* False: no descriptor for the reserve. Harmless to fini afterwards. */
bool hulse_door_init(struct door *d,
                     struct loop *loop,
                     struct crew *crew,
                     struct plane_shared *plane);
/* Begins to accept from a listening socket, which stays the caller's. */
bool hulse_door_open(struct door *d, int listen_fd);
/* Accepts nothing more and drops newcomers. Harmless when closed. */
void hulse_door_close(struct door *d);
void hulse_door_fini(struct door *d);

#endif
