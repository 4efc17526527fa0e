/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/assert.h"
#include "daemon/store/state_internal.h"
#include "daemon/store/value.h"

#include <stdlib.h>
#include <string.h>

static void free_group(struct state *s, struct index_group *group)
{
    s->spots -= group->spot_count;
    s->groups--;
    hulse_state_unchanged(&s->changed_groups, &group->changed);
    free(group->spots);
    free(group);
}

/* The first group of the topic whose segment is not before this one. */
static uint32_t group_place(const struct state_topic *topic, uint64_t segment)
{
    uint32_t low = 0;
    uint32_t high = topic->group_count;

    /* Nearly always the newest. */
    if (high > 0 && topic->groups[high - 1]->segment <= segment) {
        return topic->groups[high - 1]->segment == segment ? high - 1 : high;
    }
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (topic->groups[middle]->segment >= segment) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static struct state_segment *segment_of(struct state *s, uint64_t number)
{
    struct state_segment *segment = hulse_id_map_get(&s->segments, number);

    if (segment != NULL) {
        return segment;
    }
    segment = calloc(1, sizeof(*segment));
    if (segment == NULL) {
        return NULL;
    }
    segment->number = number;
    if (!hulse_id_map_put(&s->segments, number, segment)) {
        free(segment);
        return NULL;
    }
    return segment;
}

static bool room_for_group(struct state_topic *topic)
{
    if (topic->group_count < topic->group_room) {
        return true;
    }
    const uint32_t room = topic->group_room == 0 ? 2 : topic->group_room * 2;
    struct index_group **larger = realloc(topic->groups, room * sizeof(struct index_group *));
    if (larger == NULL) {
        return false;
    }
    topic->groups = larger;
    topic->group_room = room;
    return true;
}

struct index_group *hulse_index_group(struct state *s,
                                      struct state_topic *topic,
                                      uint64_t segment,
                                      uint64_t first_position)
{
    const uint32_t at = group_place(topic, segment);

    if (at < topic->group_count && topic->groups[at]->segment == segment) {
        return topic->groups[at];
    }
    struct state_segment *in = segment_of(s, segment);
    struct index_group *group = calloc(1, sizeof(*group));
    if (in == NULL || group == NULL || !room_for_group(topic)) {
        free(group);
        return NULL;
    }
    *group = (struct index_group){.topic = topic,
                                  .segment = segment,
                                  .next = in->groups,
                                  .first_position = first_position,
                                  .last_position = first_position};
    in->groups = group;
    memmove(topic->groups + at + 1,
            topic->groups + at,
            (topic->group_count - at) * sizeof(struct index_group *));
    topic->groups[at] = group;
    topic->group_count++;
    s->groups++;
    return group;
}

bool hulse_index_spot_add(struct state *s, struct index_group *group, struct index_spot spot)
{
    if (group->spot_count == group->spot_room) {
        const uint32_t room = group->spot_room == 0 ? 1 : group->spot_room * 2;
        struct index_spot *larger = realloc(group->spots, room * sizeof(*larger));
        if (larger == NULL) {
            return false;
        }
        group->spots = larger;
        group->spot_room = room;
    }
    group->spots[group->spot_count++] = spot;
    s->spots++;
    return true;
}

bool hulse_index_add(struct state *s, struct state_topic *topic, uint64_t position, uint64_t lsn)
{
    struct index_group *group = hulse_index_group(s, topic, lsn / s->segment_bytes, position);

    if (group == NULL) {
        return false;
    }
    /* A state and a log that do not belong together may say anything. */
    const uint64_t above = position > group->first_position ? position - group->first_position : 0;
    const struct index_spot spot = {.position = above < UINT32_MAX ? (uint32_t)above : UINT32_MAX,
                                    .offset = (uint32_t)(lsn % s->segment_bytes)};
    if ((group->spot_count == 0 ||
         group->spots[group->spot_count - 1].offset / STATE_REGION_BYTES !=
             spot.offset / STATE_REGION_BYTES) &&
        !hulse_index_spot_add(s, group, spot)) {
        return false;
    }
    group->last_position = position > group->last_position ? position : group->last_position;
    return hulse_state_changed(&s->changed_groups, group, &group->changed);
}

/* Takes the group out of its topic's list alone. */
static void leave_topic(struct index_group *group)
{
    struct state_topic *topic = group->topic;
    const uint32_t at = group_place(topic, group->segment);

    HULSE_ASSERT(at < topic->group_count && topic->groups[at] == group);
    topic->group_count--;
    memmove(topic->groups + at,
            topic->groups + at + 1,
            (topic->group_count - at) * sizeof(struct index_group *));
    group->topic = NULL;
}

bool hulse_index_topic_gone(struct state *s, struct state_topic *topic)
{
    for (uint32_t i = 0; i < topic->group_count; i++) {
        struct index_group *group = topic->groups[i];
        const struct value_key key = hulse_value_key2(VALUE_INDEX, group->segment, topic->id);
        if (!hulse_state_removed(s, &key, false)) {
            return false;
        }
        hulse_state_unchanged(&s->changed_groups, &group->changed);
        group->topic = NULL;
    }
    topic->group_count = 0;
    return true;
}

void hulse_state_forget_segment(struct state *s, uint64_t number)
{
    const struct value_key key = hulse_value_key(VALUE_INDEX, number);
    struct state_segment *segment = hulse_id_map_get(&s->segments, number);

    if (segment == NULL) {
        return;
    }
    while (segment->groups != NULL) {
        struct index_group *group = segment->groups;
        segment->groups = group->next;
        if (group->topic != NULL) {
            leave_topic(group);
        }
        free_group(s, group);
    }
    hulse_id_map_remove(&s->segments, number);
    free(segment);
    if (!hulse_state_removed(s, &key, true)) {
        hulse_state_all_changed(s); /* Without memory for one key: then everything, later. */
    }
}

void hulse_index_free(struct state *s)
{
    size_t at = 0;
    struct state_segment *segment = NULL;

    while ((segment = hulse_id_map_next(&s->segments, &at)) != NULL) {
        while (segment->groups != NULL) {
            struct index_group *group = segment->groups;
            segment->groups = group->next;
            free_group(s, group);
        }
        free(segment);
    }
    hulse_id_map_clear(&s->segments);
}

void hulse_state_each_segment(const struct state *s,
                              bool (*each)(void *ctx, uint64_t segment),
                              void *ctx)
{
    size_t at = 0;
    const struct state_segment *segment = NULL;

    while ((segment = hulse_id_map_next(&s->segments, &at)) != NULL) {
        if (segment->groups != NULL && !each(ctx, segment->number)) {
            return;
        }
    }
}

bool hulse_state_find(const struct state *s,
                      uint64_t topic,
                      uint64_t position,
                      struct state_place *out)
{
    const struct state_topic *t = hulse_id_map_get(&s->topics, topic);
    uint32_t low = 0;
    uint32_t high = t == NULL ? 0 : t->group_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (t->groups[middle]->last_position >= position) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (t == NULL || low == t->group_count || t->groups[low]->spot_count == 0) {
        return false;
    }

    /* The last place that is not behind it; the first one when it is before them all. */
    const struct index_group *group = t->groups[low];
    const uint64_t above = position > group->first_position ? position - group->first_position : 0;
    uint32_t first = 0;
    uint32_t end = group->spot_count;
    while (end - first > 1) {
        const uint32_t middle = first + (end - first) / 2;
        const uint32_t at = group->spots[middle].position;
        if (at <= above && at != UINT32_MAX) {
            first = middle;
        } else {
            end = middle;
        }
    }
    *out = (struct state_place){
        .lsn = group->segment * s->segment_bytes + group->spots[first].offset,
        .last = group->last_position,
    };
    return true;
}
