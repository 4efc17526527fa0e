/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state - what the log says so far: topics, subscriptions with their cursors, handles, and where
 * messages are.
 *
 * It changes by hulse_state_apply() alone, which recovery and the writer call with every valid frame in the
 * order of the log. Applying frames again from any of them on changes nothing. What has changed since the last
 * checkpoint is known, so that a checkpoint costs what has changed.
 *
 * Threads: one at a time: the opener, later the writer. Between, any number that only look.
 * Errors:  only memory: `apply` returns false, and the store stops.
 * Limits:  positions are below STORE_POSITION_MAX; a frame that says otherwise counts as damaged.
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

/* Ids for what is created now; never given twice, also after a start (FRAME_EPOCH carries what they return). */
uint64_t hulse_state_new_topic_id(struct state *s);
uint64_t hulse_state_new_subscription_id(struct state *s);
/* The next ones, for FRAME_EPOCH. */
uint64_t hulse_state_next_topic_id(const struct state *s);
uint64_t hulse_state_next_subscription_id(const struct state *s);

/* ---- what there is ---- */

bool hulse_state_has_topic(const struct state *s, uint64_t topic);
bool hulse_state_has_subscription(const struct state *s, uint64_t topic, uint64_t subscription);
/* 0: none of that name. */
uint64_t hulse_state_topic_named(const struct state *s, const char *name);
uint64_t hulse_state_subscription_named(const struct state *s, uint64_t topic, const char *name);
/* In no order; everything is valid during `each`. False: no memory, or `each` ended the walk. */
bool hulse_state_each_topic(const struct state *s,
                            bool (*each)(void *ctx, const struct store_topic_info *topic),
                            void *ctx);

struct state_figures {
    uint32_t topics;
    uint32_t subscriptions; /* without transient ones */
    uint32_t handles;
    uint32_t epoch; /* the greatest seen */
    uint64_t homeless_records;
    uint64_t damaged_records;
    uint64_t lost_messages; /* see hulse_state_lost() */
    uint64_t index_entries;
};

void hulse_state_figures(const struct state *s, struct state_figures *out);
/* Memory of it, nearly; costs nothing to ask. */
uint64_t hulse_state_bytes(const struct state *s);

/* ---- where messages are ---- */

/* Where to look for a message. */
struct state_place {
    uint64_t lsn;
    /* Last of the run that is there: what of the topic lies in that segment beside it is found elsewhere in the index. */
    uint64_t last;
};

/* For the first message of `topic` at `position` or later; false: there is none. */
bool hulse_state_find(const struct state *s,
                      uint64_t topic,
                      uint64_t position,
                      struct state_place *out);
/* Does any topic need a message in this segment? Counts a topic without subscriptions as needing only the newest segment. */
bool hulse_state_needs(struct state *s, uint64_t number);
/* Behind the last message that was moved out of it: only a start from there on knows where they are. 0: none was. */
uint64_t hulse_state_moved(const struct state *s, uint64_t number);
/* Is what is needed of it so little that to move it makes room? At most one of so many parts of a segment. */
bool hulse_state_mostly_dead(const struct state *s,
                             uint64_t number,
                             uint32_t parts,
                             uint64_t now_ns);
/*
 * Does this message, met in this segment, move when the rest of it does? All that somebody waits for, and of a group
 * that has such the last one: with it the whole group has moved.
 */
bool hulse_state_moves(const struct state *s, uint64_t topic, uint64_t position, uint64_t number);
/* Messages of this segment (0: of none) are about to be moved. Gives what `widened` is now. */
uint64_t hulse_state_moving(struct state *s, uint64_t number);
/* It differs when messages of that segment that nobody waited for may be waited for again. */
uint64_t hulse_state_widened(const struct state *s);
/* Not all of it can be moved: it does not count as mostly dead until then. */
void hulse_state_stays(struct state *s, uint64_t number, uint64_t until_ns);
/* The log is applied to its end: what comes now is new. */
void hulse_state_recovered(struct state *s);
/* It is used again: what the index says of it is forgotten. */
void hulse_state_forget_segment(struct state *s, uint64_t number);
/* Each segment that holds messages by the index, in no order. False from `each` ends the walk. */
void hulse_state_each_segment(const struct state *s,
                              bool (*each)(void *ctx, uint64_t segment),
                              void *ctx);
/*
 * Damage: what the index knows to be in [from, to) of the log is lost. Behind the index it is not known yet: when
 * the next message of a topic leaves positions out, those are lost, too. Of what is lost, what some subscription has
 * not acknowledged counts in lost_messages. False: no memory.
 */
bool hulse_state_lost(struct state *s, uint64_t from, uint64_t to);
/* One message, of which its position is known. */
bool hulse_state_lost_message(struct state *s, uint64_t topic, uint64_t position);
/* How many of [from, end) are known to be lost. */
uint64_t hulse_state_lost_in(const struct state *s, uint64_t topic, uint64_t from, uint64_t end);

/* What is lost of one topic and some subscription waits for. */
struct state_loss {
    const char *topic;
    uint64_t first; /* positions: all of them are in [first, end) */
    uint64_t end;
    uint64_t messages; /* the most that one subscription waits for */
};

/* Each topic that has lost something, in no order. */
void hulse_state_each_loss(const struct state *s,
                           void (*each)(void *ctx, const struct state_loss *loss),
                           void *ctx);

/* ---- checkpoints ---- */

/*
 * Copies what has changed since the last one into a checkpoint that covers the log up to `lsn`;
 * NULL without memory: the next one then has everything. The writer makes it, the reader commits it (state_db.h),
 * whoever ends it frees it. `now_ms` is a clock that never jumps: handles age by it.
 */
struct checkpoint *hulse_state_checkpoint(struct state *s, uint64_t lsn, uint64_t now_ms);
/* Handles age from now on, by the clock of the checkpoints; else from the first checkpoint on. */
void hulse_state_begin_clock(struct state *s, uint64_t now_ms);
/* Everything, for a copy elsewhere: no checkpoint knows of it. NULL without memory. */
struct checkpoint *hulse_state_snapshot(const struct state *s, uint64_t lsn);
/* The next checkpoint has everything: the last one was not committed, or there is none. */
void hulse_state_all_changed(struct state *s);
void hulse_checkpoint_free(struct checkpoint **cp);

#endif
