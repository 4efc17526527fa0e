/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that are moved out of a segment that is mostly dead.
 *
 * They move in their order, and what nobody waits for stays behind. So a message that was moved says of all before it in its
 * group that it is moved, too, or not needed: the group begins behind it, and a group in the later segment ends with it. A
 * second time, or of a group that is there already, it says nothing.
 *
 * While an index is made anew from the log, segments are missing that were used again, and with them the reason why messages
 * in one segment are neighbours: each that was moved is then a group of its own.
 */
#include "daemon/store/state_internal.h"

#include <string.h>

/* The group begins behind this position, which is in it. False: no memory. */
static bool cut(struct state *s, struct index_group *group, uint64_t position)
{
    const uint64_t by = position + 1 - group->first_position;
    const struct value_key key = hulse_index_key(group);
    uint32_t first = 0;

    if (position == group->last_position) {
        if (!hulse_state_removed(s, &key, false)) {
            return false;
        }
        hulse_state_unchanged(&s->changed_groups, &group->changed);
        hulse_index_leave_topic(group);
        return true;
    }
    /* The last place that is not behind its new beginning is where to look for that. */
    while (first + 1 < group->spot_count && group->spots[first + 1].position <= by &&
           group->spots[first + 1].position != UINT32_MAX) {
        first++;
    }
    group->spot_count -= first;
    s->spots -= first;
    memmove(group->spots, group->spots + first, group->spot_count * sizeof(*group->spots));
    for (uint32_t i = 0; i < group->spot_count; i++) {
        struct index_spot *spot = &group->spots[i];
        if (spot->position != UINT32_MAX) {
            spot->position = spot->position > by ? spot->position - (uint32_t)by : 0;
        }
    }
    group->first_position = position + 1;
    return hulse_state_changed(&s->changed_groups, group, &group->changed);
}

/* Of what is left behind something may be waited for whose copy was in what is damaged. */
static bool lose_before(struct state *s, struct index_group *group, uint64_t position)
{
    struct state_topic *topic = group->topic;
    const bool damaged = !s->live && topic->move_seen != s->damages;

    topic->move_seen = s->damages;
    return !damaged || hulse_ranges_add(&topic->lost, group->first_position, position);
}

static bool ends_before(const struct index_group *group, uint64_t segment, uint32_t offset)
{
    return group->segment == segment && group->spot_count > 0 &&
           group->spots[group->spot_count - 1].offset < offset;
}

bool hulse_index_move(struct state *s, struct state_topic *topic, const struct index_entry *entry)
{
    const uint64_t segment = entry->lsn / s->segment_bytes;
    const uint32_t offset = (uint32_t)(entry->lsn % s->segment_bytes);
    struct index_group *from = hulse_index_with(topic, entry->position);
    struct index_group *to = NULL;

    if (from != NULL && from->segment >= segment) {
        return true;
    }
    if (from != NULL) {
        struct state_segment *left = hulse_id_map_get(&s->segments, from->segment);
        left->moved = entry->lsn + 1;
        if (!lose_before(s, from, entry->position) || !cut(s, from, entry->position)) {
            return false;
        }
    }
    const uint32_t at = hulse_index_place(topic, entry->position);
    if (s->exact && at > 0 && ends_before(topic->groups[at - 1], segment, offset)) {
        to = topic->groups[at - 1];
    } else {
        to = hulse_index_insert(s, topic, segment, entry->position);
    }
    if (to == NULL) {
        return false;
    }
    to->alone = !s->exact;
    return hulse_index_extend(s, to, entry);
}

/* How many positions of the group somebody waits for, at most. */
static uint64_t count_needed(const struct index_group *group)
{
    const struct state_topic *topic = group->topic;
    const uint64_t end = group->last_position + 1;
    const uint64_t first =
        group->first_position > topic->trimmed_to ? group->first_position : topic->trimmed_to;
    uint64_t needed = 0;

    if (!hulse_index_needed(group)) {
        return 0;
    }
    if (topic->subscriptions == NULL) {
        return end - first;
    }
    for (const struct state_subscription *sub = topic->subscriptions; sub != NULL;
         sub = sub->next) {
        needed += end - first - hulse_ranges_count(&sub->acknowledged, first, end);
        if (needed >= end - first) {
            return end - first;
        }
    }
    return needed;
}

bool hulse_state_mostly_dead(const struct state *s,
                             uint64_t number,
                             uint32_t parts,
                             uint64_t now_ns)
{
    const struct state_segment *segment = hulse_id_map_get(&s->segments, number);
    const double most = (double)s->segment_bytes / parts;
    double alive = 0;

    if (segment == NULL || now_ns < segment->stays_until_ns) {
        return false;
    }
    for (const struct index_group *group = segment->groups; group != NULL && alive <= most;
         group = group->next) {
        if (group->topic != NULL) {
            const double positions = (double)(group->last_position - group->run + 1);
            alive += (double)group->bytes * ((double)count_needed(group) / positions);
        }
    }
    return alive > 0 && alive <= most;
}

bool hulse_state_moves(const struct state *s, uint64_t topic, uint64_t position, uint64_t number)
{
    const struct state_topic *t = hulse_id_map_get(&s->topics, topic);
    const struct index_group *group = t == NULL ? NULL : hulse_index_with(t, position);

    if (group == NULL || group->segment != number || !hulse_index_needed(group)) {
        return false;
    }
    if (position == group->last_position || t->subscriptions == NULL) {
        return true;
    }
    for (const struct state_subscription *sub = t->subscriptions; sub != NULL; sub = sub->next) {
        if (position >= t->trimmed_to && !hulse_ranges_has(&sub->acknowledged, position)) {
            return true;
        }
    }
    return false;
}

uint64_t hulse_state_moved(const struct state *s, uint64_t number)
{
    const struct state_segment *segment = hulse_id_map_get(&s->segments, number);

    return segment == NULL ? 0 : segment->moved;
}

uint64_t hulse_state_widened(const struct state *s)
{
    return s->widened;
}

uint64_t hulse_state_moving(struct state *s, uint64_t number)
{
    s->moving = number;
    return s->widened;
}

void hulse_index_widen(struct state *s, const struct state_topic *topic, uint64_t position)
{
    for (uint32_t i = hulse_index_place(topic, position); i < topic->group_count; i++) {
        if (topic->groups[i]->segment == s->moving) {
            s->widened++;
            return;
        }
    }
}

void hulse_state_stays(struct state *s, uint64_t number, uint64_t until_ns)
{
    struct state_segment *segment = hulse_id_map_get(&s->segments, number);

    if (segment != NULL) {
        segment->stays_until_ns = until_ns;
    }
}

void hulse_state_recovered(struct state *s)
{
    s->exact = true;
    s->live = true;
}
