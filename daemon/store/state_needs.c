/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which segments are still needed.
 */
#include "daemon/core/assert.h"
#include "daemon/store/state_internal.h"

#include <stdlib.h>

/*
 * Without subscriptions the newest segment is kept. What was moved out of it goes with it: in front of the rest, in
 * a later segment.
 */
static bool is_newest(const struct state_topic *topic, const struct index_group *group)
{
    uint32_t first = topic->group_count - 1;

    while (first > 0 && topic->groups[first - 1]->segment > topic->groups[first]->segment) {
        first--;
    }
    return group->first_position >= topic->groups[first]->first_position;
}

bool hulse_index_needed(const struct index_group *group)
{
    const struct state_topic *topic = group->topic;
    const uint64_t first =
        group->first_position > topic->trimmed_to ? group->first_position : topic->trimmed_to;

    if (first > group->last_position) {
        return false;
    }
    if (topic->subscriptions == NULL) {
        return is_newest(topic, group);
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
        if (group->topic != NULL && hulse_index_needed(group)) {
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
