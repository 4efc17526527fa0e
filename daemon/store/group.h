/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group - what the writer stores together: judged, encoded, synced, applied, answered.
 *
 * Threads: the writer.
 */
#ifndef HULSE_STORE_GROUP_H
#define HULSE_STORE_GROUP_H

#include "daemon/store/store_internal.h"

enum group_rc {
    GROUP_TAKEN,  /* it is in the group, or answered */
    GROUP_CLOSED, /* the group is to be ended first */
    GROUP_NO_ROOM /* not now: the next segment is missing, or the store is full */
};

/* How many bytes its frame takes; 0: none is written. Anything but OK: it is refused. */
hulse_status hulse_group_judge(struct store *s, const struct store_request *rq, uint32_t *length);
enum group_rc hulse_group_add(struct store *s, struct store_request *rq);
/* A message that is moved; its topic is there. */
enum group_rc hulse_group_copy(struct store *s, struct copy_item *item);
/*
 * Counts the state's memory. It is never refused here, for what it holds is stored: over the cap it is not counted, and
 * whoever opens a topic, a subscription or a handle is refused where that is opened.
 */
void hulse_group_charge(struct store *s);
/* Messages have no room: seen by whoever asks for figures. */
void hulse_group_note_full(struct store *s, bool full);
/* Ends the group: all in it are answered. */
void hulse_group_end(struct store *s);
/* One frame that no request asked for, as a group of its own. 0, or the error number. */
int hulse_group_own_record(struct store *s,
                           enum frame_kind kind,
                           const uint8_t *body,
                           size_t bytes);

#endif
