/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_internal - what the parts of the state share. Not for others.
 *
 *   state --id-------▶ state_topic ──▶ state_subscription (cursor)
 *         --name-----▶             ──▶ state_handle
 *         --segment--▶ state_segment ──▶ index_group ◀── state_topic
 *
 * An index_group is a run: messages of one topic that lie in one segment in their order, with nothing of the topic
 * elsewhere between them. Both lists of it lead to the same object. One of a topic that is gone, or of which all was
 * moved, stays in its segment's list without a topic until somebody walks by.
 */
#ifndef HULSE_STORE_STATE_INTERNAL_H
#define HULSE_STORE_STATE_INTERNAL_H

#include "daemon/store/checkpoint.h"
#include "daemon/store/id_map.h"
#include "daemon/store/record.h"
#include "daemon/store/state.h"

#define STATE_REGION_BYTES (1U << 20U)

/* One place to begin to read at. */
struct index_spot {
    uint32_t position; /* above the group's first one; UINT32_MAX: that or more */
    uint32_t offset;   /* in the segment */
};

/* A message and its place in the log. */
struct index_entry {
    uint64_t position;
    uint64_t lsn;
    uint32_t bytes; /* of its frame */
};

struct index_group {
    struct state_topic *topic; /* NULL: gone */
    struct index_group *next;  /* in its segment */
    uint64_t segment;
    uint64_t run; /* its first position when it was made: names it in the checkpoint */
    uint64_t first_position;
    uint64_t last_position;
    uint64_t bytes; /* of the frames that were ever put into it */
    struct index_spot
        *spots; /* one for each region with messages of the topic, the first included */
    uint32_t spot_count;
    uint32_t spot_room;
    uint32_t changed;
    bool alone; /* holds one message, and takes no more: see state_move.c */
};

struct state_segment {
    uint64_t number;
    uint64_t moved; /* behind the last message that was moved out of it; 0: none since the start */
    uint64_t stays_until_ns; /* the reader's, under the lock of the store */
    struct index_group *groups;
    struct index_group *blocking; /* of which a message was needed last time; NULL: begin anew */
};

struct state_handle {
    uint8_t handle[STORE_HANDLE_BYTES];
    uint64_t seq;
    uint64_t seq_from; /* all of [seq_from, seq] are stored */
    uint64_t seen_ms;  /* wall clock, for people */
    uint64_t seen_age; /* state.age_ms when it was last checkpointed */
    struct state_topic *topic;
    struct state_handle *same_hash;
    struct state_handle *next;  /* of the topic */
    struct state_handle **self; /* what points here in that list */
    uint32_t changed;
};

struct state_subscription {
    uint64_t id;
    struct state_topic *topic;
    struct state_subscription *next;
    struct ranges acknowledged;
    struct store_cursor_count *counts; /* by position, rising; none is acknowledged */
    uint32_t count_first; /* the live ones are [count_first, count_first + count_count) */
    uint32_t count_count;
    uint32_t count_room;
    uint32_t changed;
    uint64_t bytes; /* of all that, in state.bytes */
    bool transient;
    bool rebuilt; /* made by a frame from before state.covered */
    char name[];
};

struct state_topic {
    uint64_t id;
    uint64_t messages_end;  /* above each message in the index, also of forgotten segments */
    uint64_t next_position; /* above every position heard of */
    uint64_t trimmed_to;
    struct state_topic *same_hash; /* by name */
    struct state_subscription *subscriptions;
    struct state_handle *handles;
    struct ranges lost; /* positions, in this life of the process */
    struct index_group *
        *groups; /* by position, apart; by segment as well, but for what was moved */
    uint32_t group_count;
    uint32_t group_room;
    uint32_t subscription_count;
    uint32_t handle_count;
    uint32_t damage_seen; /* state.damages when its last message was applied */
    uint32_t move_seen;   /* the same, when its last message was moved */
    uint32_t changed;
    bool terminated;
    bool kept;
    bool rebuilt;
    char name[];
};

/* What has to go into the next checkpoint. An object knows its place + 1, 0 = not in the list. */
struct change_list {
    void **list;
    uint32_t count;
    uint32_t room;
};

struct state {
    uint32_t segment_bytes;
    uint32_t handle_ttl_ms;
    uint32_t epoch;
    uint64_t
        covered; /* frames below are in topics and cursors already: of them only the index may be missing */
    uint64_t known_below; /* a topic of a lower id that is not there was deleted */
    uint64_t topic_next;  /* ids to give, above each that was heard of */
    uint64_t subscription_next;

    struct id_map topics;
    struct id_map names; /* hash of a name -> the first topic of that hash */
    struct id_map subscriptions;
    struct id_map handles; /* hash of topic and handle -> the first of that hash */
    struct id_map segments;
    struct ranges gone; /* ids of topics that were deleted in front of us */
    uint32_t transient_count;
    uint32_t handle_count;
    uint32_t damages;
    bool
        exact; /* the index says of each message where it is; else it is made anew from what the log still has */
    bool live;        /* what is applied was judged by this state */
    uint64_t moving;  /* a segment; 0: none */
    uint64_t widened; /* counts when messages of that may have become needed again */
    uint64_t homeless;
    uint64_t damaged;
    uint64_t spots;
    uint64_t groups;
    uint64_t bytes; /* of topics, subscriptions with their cursors, and handles */

    bool all_changed;
    struct change_list changed_topics;
    struct change_list changed_subscriptions;
    struct change_list changed_handles;
    struct change_list changed_groups;
    struct value_list removed;

    /* How long the store has been open in all its life; only this ages handles. */
    uint64_t age_ms;
    uint64_t swept_age;
    uint64_t clock_ms; /* the caller's, of the last checkpoint; 0 = none yet */
};

/* state_changes.c. False: no memory. */
bool hulse_state_changed(struct change_list *list, void *object, uint32_t *place);
void hulse_state_unchanged(struct change_list *list, uint32_t *place);
/* Removals are forgotten when the next checkpoint has everything anyway. */
bool hulse_state_removed(struct state *s, const struct value_key *key, bool prefix);

/* state.c: nothing below is there any more. */
uint64_t hulse_state_first_position(const struct state_topic *topic);

/* state_topic.c */
struct state_topic *
hulse_state_topic_by_name(const struct state *s, const char *name, size_t bytes);
struct state_topic *
hulse_state_topic_add(struct state *s, uint64_t id, const char *name, size_t name_bytes);
bool hulse_state_topic_remove(struct state *s, struct state_topic *topic);
void hulse_state_topic_free(struct state_topic *topic);
bool hulse_state_topic_touch(struct state *s, struct state_topic *topic);

/* state_cursor.c */
struct state_subscription *
hulse_state_subscription_add(struct state *s, struct state_topic *topic, const struct record *r);
bool hulse_state_subscription_remove(struct state *s, struct state_subscription *sub);
/* It is in no list of its topic any more. */
void hulse_state_subscription_drop(struct state *s, struct state_subscription *sub);
/* Its cursor has changed: counts the memory of it. */
void hulse_state_subscription_measure(struct state *s, struct state_subscription *sub);
void hulse_state_subscription_free(struct state_subscription *sub);
bool hulse_state_subscription_touch(struct state *s, struct state_subscription *sub);
bool hulse_cursor_acknowledge(struct state_subscription *sub, struct range range);
bool hulse_cursor_redelivered(struct state_subscription *sub, struct store_count count);
/* All below is acknowledged and nothing else. */
bool hulse_cursor_seek(struct state_subscription *sub, uint64_t position);

/* state_handle.c */
bool hulse_state_handle_seen(struct state *s, struct state_topic *topic, const struct frame *f);
struct state_handle *
hulse_state_handle_add(struct state *s, struct state_topic *topic, const uint8_t *handle);
struct state_handle *hulse_state_handle_get(const struct state *s,
                                            const struct state_topic *topic,
                                            const uint8_t *handle);
/* `forget`: the checkpoint has to lose it as well. */
bool hulse_state_handle_remove(struct state *s, struct state_handle *handle, bool forget);
/* Drops those that are older than the limit. False: no memory. */
bool hulse_state_handles_sweep(struct state *s);

/* state_needs.c: somebody may yet ask for a message of it. */
bool hulse_index_needed(const struct index_group *group);

/* state_move.c: messages from `position` on may be waited for again. */
void hulse_index_widen(struct state *s, const struct state_topic *topic, uint64_t position);
/* A message that was moved. False: no memory. */
bool hulse_index_move(struct state *s, struct state_topic *topic, const struct index_entry *entry);

/* state_index.c */
bool hulse_index_add(struct state *s, struct state_topic *topic, const struct index_entry *entry);
/* The first group of the topic that ends at `position` or behind it: its number, or their count. */
uint32_t hulse_index_place(const struct state_topic *topic, uint64_t position);
/* The one that this position is in; NULL: none. */
struct index_group *hulse_index_with(const struct state_topic *topic, uint64_t position);
bool hulse_index_overlaps(const struct state_topic *topic, uint64_t first, uint64_t last);
/* A new one without spots that begins and ends at this position, which is in no other. NULL: no memory. */
struct index_group *
hulse_index_insert(struct state *s, struct state_topic *topic, uint64_t segment, uint64_t position);
/* Behind all that is in the group. False: no memory. */
bool hulse_index_extend(struct state *s,
                        struct index_group *group,
                        const struct index_entry *entry);
/* Its topic knows it no more. */
void hulse_index_leave_topic(struct index_group *group);
struct value_key hulse_index_key(const struct index_group *group);
bool hulse_index_spot_add(struct state *s, struct index_group *group, struct index_spot spot);
bool hulse_index_topic_gone(struct state *s, struct state_topic *topic);
void hulse_index_free(struct state *s);

#endif
