/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy - moves what is needed of a segment that is mostly dead to the end of the log, so that the segment can be used again.
 *
 * When: more than half of what messages may use is in use, or messages wait. The oldest segment first of those of which at most
 * a quarter is needed (a half, when messages wait), by the bytes of each topic's run there and its cursors; never the last one.
 * Without need 8 MiB/s are read; when messages wait, as fast as it goes.
 *
 * Who: the reader reads in turns, with reads and checkpoints between them, and offers what it met. The writer puts that into
 * its groups behind all that others have asked it for, and before that when they have filled eight of them. A store with many files has
 * one for this (space.h): it goes on in a full store, takes nothing from control records, and makes more room than it takes.
 *
 * What: a frame with FRAME_COPY, the message as it was with epoch, handle, sequence and times. Of a run all that somebody waits
 * for goes, in its order, and its last message in any case. So the frame says: all before it in its run is moved as well, or
 * nobody waited for it; the run begins behind it then. That is one change of the index, the same when it is applied again, and
 * whoever is killed has moved a message or not. The writer judges again: what was acknowledged or deleted meanwhile is not
 * moved, and when a cursor went back, or one has come, that waits for something of the segment, it is read from its beginning. What
 * nobody waited for when it was passed is gone, for a cursor that goes back later, too. A topic without subscriptions keeps what is
 * in its newest segment: when that is moved into two, the later one.
 *
 * The segment is free when no run in it is needed and checkpoint and copy cover all that was moved out of it. It is not used again
 * while somebody reads in it.
 *
 * Damage: what is behind it stays in its place until it is acknowledged, so that who reads there is told.
 *
 * Cost: a byte that is moved makes three of room, or one when messages wait. So at most a third of what is written is moved, or as
 * much as is written by others.
 *
 * Threads: the reader, but for what is said otherwise. What is offered is the writer's until it is done with it.
 * Errors:  a lack of memory or descriptors is tried again after 1 s, a segment that the disk refuses after 10 s; one that is
 *          damaged stays until the next start. The last two are counted, and said.
 * Limits:  COPY_TURN_BYTES read, and as many stored, at once, or one message; COPY_ITEMS_MAX messages.
 */
#ifndef HULSE_STORE_COPY_H
#define HULSE_STORE_COPY_H

#include "daemon/store/group.h"

/* Does one part of the work. True: something was done. */
bool hulse_copy_turn(struct store *s);
/* How long until there may be something to do by itself; 0: no such time. */
uint64_t hulse_copy_patience_ns(const struct store *s);
/* Gives up what is under way. Main, when both threads have ended. */
void hulse_copy_end(struct store *s);

/* Writer: has what is offered waited for so many groups that its turn has come? */
bool hulse_copy_is_due(const struct store *s);
/* Writer: puts what is offered into its group, as far as there is room. */
enum group_rc hulse_copy_add(struct store *s);
/* Writer: the group is stored. */
void hulse_copy_stored(struct store *s);

#endif
