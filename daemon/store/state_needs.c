/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which segments are still needed, and what damage in one costs.
 */
#include "daemon/core/assert.h"
#include "daemon/store/state_internal.h"

#include <stdlib.h>

static bool needed(const struct index_group *group)
{
    const struct state_topic *topic = group->topic;
    const uint64_t first =
        group->first_position > topic->trimmed_to ? group->first_position : topic->trimmed_to;

    if (first > group->last_position) {
        return false;
    }
    if (topic->subscriptions == NULL) {
        return topic->groups[topic->group_count - 1] == group;
    }
    for (const struct state_subscription *sub = topic->subscriptions; sub != NULL;
         sub = sub->next) {
        if (hulse_ranges_next_gap(&sub->acknowledged, first) <= group->last_position) {
            return true;
        }
    }
    return false;
}

/* The first needed one from here to the end; frees those of deleted topics that stand behind `from`. */
static struct index_group *search(struct state *s, struct index_group *from)
{
    for (struct index_group *group = from; group != NULL; group = group->next) {
        while (group->next != NULL && group->next->topic == NULL) {
            struct index_group *dead = group->next;
            group->next = dead->next;
            s->spots -= dead->spot_count;
            s->groups--;
            free(dead->spots);
            free(dead);
        }
        if (group->topic != NULL && needed(group)) {
            return group;
        }
    }
    return NULL;
}

/*
 * The search goes on where it found one the last time: what was passed is looked at again only when nothing
 * behind it is needed. A cursor that went back since then makes no difference to that.
 */
bool hulse_state_needs(struct state *s, uint64_t number)
{
    struct state_segment *segment = hulse_id_map_get(&s->segments, number);

    if (segment == NULL) {
        return false;
    }
    struct index_group *found = NULL;
    if (segment->blocking != NULL) {
        found = search(s, segment->blocking);
    }
    if (found == NULL) {
        /* A blocking group that died may be freed by this. */
        segment->blocking = NULL;
        found = search(s, segment->groups);
    }
    segment->blocking = found;
    return found != NULL;
}

/* Positions that the index knows to begin in [from, to): between two places in it, or at one. */
static uint64_t lost_of(const struct index_group *group, uint32_t from, uint32_t to)
{
    uint32_t first = 0;

    while (first < group->spot_count && group->spots[first].offset < from) {
        first++;
    }
    if (first == group->spot_count || group->spots[first].offset >= to) {
        return 0;
    }
    uint32_t end = first;
    while (end < group->spot_count && group->spots[end].offset < to) {
        end++;
    }
    const struct index_spot *last = &group->spots[end - 1];
    const uint64_t begin = group->first_position + group->spots[first].position;
    uint64_t stop = end < group->spot_count ? group->first_position + group->spots[end].position
                                            : group->last_position + 1;
    if (to % STATE_REGION_BYTES != 0 &&
        last->offset / STATE_REGION_BYTES == to / STATE_REGION_BYTES) {
        /* Of a region that is damaged in part only the first message is known to be in that part. */
        stop = group->first_position + last->position + 1;
    }
    return stop > begin ? hulse_index_missed(group->topic, begin, stop) : 0;
}

uint64_t hulse_state_lost(struct state *s, uint64_t from, uint64_t to)
{
    const uint64_t number = from / s->segment_bytes;
    const struct state_segment *segment = hulse_id_map_get(&s->segments, number);
    const uint64_t base = number * s->segment_bytes;
    const uint64_t length = to - base < s->segment_bytes ? to - base : s->segment_bytes;
    uint64_t count = 0;

    s->damages++;
    for (const struct index_group *group = segment == NULL ? NULL : segment->groups; group != NULL;
         group = group->next) {
        if (group->topic != NULL) {
            count += lost_of(group, (uint32_t)(from - base), (uint32_t)length);
        }
    }
    s->lost += count;
    return count;
}
