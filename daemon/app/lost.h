/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lost - records of an application that has gone which were not stored (ipc B8, item 8).
 *
 * Threads: the session's worker.
 */
#ifndef HULSE_APP_LOST_H
#define HULSE_APP_LOST_H

#include <stdint.h>

struct channel;
struct session;

/* What was not stored of the records of an app that has gone. */
struct lost {
    uint64_t records;
    uint32_t producers; /* that have some */
    char topic[192];    /* of the first of them, truncated */
};

/* Records of a producer, by its handle's number, whose app has gone were not stored. */
void hulse_lost_add(struct channel *ch, uint32_t number, uint64_t records);
/* The channel ends: everything that is left of an app that has gone. Its handles are there still. */
void hulse_lost_rest(struct channel *ch);
/* The session ends: one line, if anything was lost. */
void hulse_lost_tell(const struct session *s);

#endif
