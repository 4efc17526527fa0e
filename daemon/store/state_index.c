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

uint32_t hulse_index_place(const struct state_topic *topic, uint64_t position)
{
    uint32_t low = 0;
    uint32_t high = topic->group_count;

    /* Nearly always behind the newest, or in it. */
    if (high > 0 && topic->groups[high - 1]->first_position <= position) {
        return topic->groups[high - 1]->last_position < position ? high : high - 1;
    }
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (topic->groups[middle]->last_position >= position) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

struct index_group *hulse_index_with(const struct state_topic *topic, uint64_t position)
{
    const uint32_t at = hulse_index_place(topic, position);

    return at < topic->group_count && topic->groups[at]->first_position <= position
               ? topic->groups[at]
               : NULL;
}

bool hulse_index_overlaps(const struct state_topic *topic, uint64_t first, uint64_t last)
{
    const uint32_t at = hulse_index_place(topic, first);

    return at < topic->group_count && topic->groups[at]->first_position <= last;
}

struct value_key hulse_index_key(const struct index_group *group)
{
    return hulse_value_key3(VALUE_INDEX, group->segment, group->topic->id, group->run);
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

struct index_group *
hulse_index_insert(struct state *s, struct state_topic *topic, uint64_t segment, uint64_t position)
{
    const uint32_t at = hulse_index_place(topic, position);
    struct state_segment *in = segment_of(s, segment);
    struct index_group *group = calloc(1, sizeof(*group));

    if (in == NULL || group == NULL || !room_for_group(topic)) {
        free(group);
        return NULL;
    }
    *group = (struct index_group){.topic = topic,
                                  .segment = segment,
                                  .run = position,
                                  .next = in->groups,
                                  .first_position = position,
                                  .last_position = position};
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

bool hulse_index_extend(struct state *s, struct index_group *group, const struct index_entry *entry)
{
    const uint64_t above = entry->position - group->first_position;
    const struct index_spot spot = {.position = above < UINT32_MAX ? (uint32_t)above : UINT32_MAX,
                                    .offset = (uint32_t)(entry->lsn % s->segment_bytes)};

    if ((group->spot_count == 0 ||
         group->spots[group->spot_count - 1].offset / STATE_REGION_BYTES !=
             spot.offset / STATE_REGION_BYTES) &&
        !hulse_index_spot_add(s, group, spot)) {
        return false;
    }
    group->last_position = entry->position;
    group->bytes += entry->bytes;
    return hulse_state_changed(&s->changed_groups, group, &group->changed);
}

/* Goes on in the newest group when it is of this segment. A state and a log that do not belong together may say anything. */
bool hulse_index_add(struct state *s, struct state_topic *topic, const struct index_entry *entry)
{
    const uint64_t segment = entry->lsn / s->segment_bytes;
    const uint32_t at = hulse_index_place(topic, entry->position);
    struct index_group *group = at > 0 ? topic->groups[at - 1] : NULL;

    if (at < topic->group_count && topic->groups[at]->first_position <= entry->position) {
        return true; /* It is known. */
    }
    if (group == NULL || group->segment != segment || group->alone) {
        group = hulse_index_insert(s, topic, segment, entry->position);
    }
    return group != NULL && hulse_index_extend(s, group, entry);
}

void hulse_index_leave_topic(struct index_group *group)
{
    struct state_topic *topic = group->topic;
    const uint32_t at = hulse_index_place(topic, group->last_position);

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
        const struct value_key key = hulse_index_key(group);
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
            hulse_index_leave_topic(group);
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
    const uint32_t found = t == NULL ? 0 : hulse_index_place(t, position);

    if (t == NULL || found == t->group_count || t->groups[found]->spot_count == 0) {
        return false;
    }

    /* The last place that is not behind it; the first one when it is before them all. */
    const struct index_group *group = t->groups[found];
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
