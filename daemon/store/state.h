/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state - what the log says so far: topics, subscriptions with their cursors, handles, and where
 * messages are.
 *
 * It changes by state_apply() alone, which recovery and the writer call with every valid frame in the order
 * of the log. Applying a frame twice changes nothing. What has changed since the last checkpoint is
 * known, so that a checkpoint costs what has changed.
 *
 * Threads: one at a time: the opener, later the writer.
 * Errors:  only memory: `apply` returns false, and the store stops.
 */
#ifndef HULSE_STORE_STATE_H
#define HULSE_STORE_STATE_H

#include "daemon/store/frame.h"
#include "daemon/store/store.h"

struct state;
struct checkpoint;

struct state *hulse_state_create(uint32_t segment_bytes, uint32_t handle_ttl_ms);
void hulse_state_destroy(struct state **s);

/*
 * `lsn`: where the frame begins in the log. Frames of unknown topics are counted (homeless), frames whose body is
 * not what their kind wants count as damaged; neither is an error.
 */
bool hulse_state_apply(struct state *s, const struct frame *f, uint64_t lsn);
/* The same for what is written nowhere: subscriptions that go with the process. */
bool hulse_state_apply_transient(struct state *s, const struct frame *f);

/* Ids for what is created now; never given twice, also after a start (FRAME_EPOCH carries them). */
uint64_t hulse_state_new_topic_id(struct state *s);
uint64_t hulse_state_new_subscription_id(struct state *s);

/* ---- where messages are ---- */

/* The lsn at which to begin to look for the first message of `topic` at `position` or later; false: there is none. */
bool hulse_state_find(const struct state *s, uint64_t topic, uint64_t position, uint64_t *lsn);
/* Does any topic need a message in this segment? Counts a topic without subscriptions as needing only the newest segment. */
bool hulse_state_needs(struct state *s, uint64_t segment);
/* It is used again: what the index says of it is forgotten. */
void hulse_state_forget_segment(struct state *s, uint64_t segment);
/* Damage: what is known to have been in [from, to) of the log and not acknowledged counts as lost; returns how many. */
uint64_t hulse_state_lost(struct state *s, uint64_t from, uint64_t to);

/* ---- checkpoints ---- */

/*
 * Copies what has changed since the last one into a checkpoint that covers the log up to `lsn`;
 * NULL without memory. The writer makes it, the reader commits it (state_db.h), whoever ends it frees it.
 */
struct checkpoint *hulse_state_checkpoint(struct state *s, uint64_t lsn);
void hulse_checkpoint_free(struct checkpoint **cp);

#endif
