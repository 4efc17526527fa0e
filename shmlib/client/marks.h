/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marks - where a reader is in each partition of its topics, for the next daemon.
 *
 * Threads: the reader's; while it is being opened, under the session lock.
 * Owns:    32 bytes for each partition, twice as many at most; zeros are none.
 * Limits:  HULSE_MARKS_TOTAL_MAX. What has no mark, also for want of memory, begins anew with the next daemon.
 */
#ifndef HULSE_CLIENT_MARKS_H
#define HULSE_CLIENT_MARKS_H

#include "shmlib/ring/control.h"

#include <stdbool.h>

struct hulse_session;

struct hulse_marks {
    struct hulse_ctl_mark *at; /* in the order of (source, partition) */
    uint32_t count;
    uint32_t room;
    uint32_t last; /* that was set */
    bool all;      /* HULSE_MARKS_ALL */
};

/* Room for one more: of a topic without partitions nothing is allocated afterwards. False: no memory. */
bool hulse_marks_reserve(struct hulse_marks *k);
void hulse_marks_set(struct hulse_marks *k, const struct hulse_ctl_mark *mark);
/* The reader was moved: in that partition of its only topic, or everywhere (NULL). */
void hulse_marks_forget(struct hulse_marks *k, const struct hulse_ctl_position *to);
/* MARKS of the daemon's. */
void hulse_marks_take(struct hulse_marks *k, const struct hulse_packet *p);
/* Sends them. False: the session is to begin anew. Requires: session lock. */
bool hulse_marks_offer(struct hulse_session *s, const struct hulse_marks *k, uint32_t handle);

#endif
