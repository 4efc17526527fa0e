/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What damage of the log costs.
 */
#include "daemon/store/state_internal.h"

/* Positions that the index knows to begin in [from, to): between two places in it, or at one. False: no memory. */
static bool lose(const struct index_group *group, uint32_t from, uint32_t to)
{
    uint32_t first = 0;

    while (first < group->spot_count && group->spots[first].offset < from) {
        first++;
    }
    if (first == group->spot_count || group->spots[first].offset >= to) {
        return true;
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
    return stop <= begin || hulse_ranges_add(&group->topic->lost, begin, stop);
}

static bool
lose_in(const struct state *s, const struct state_segment *segment, uint64_t from, uint64_t to)
{
    const uint64_t base = segment->number * s->segment_bytes;
    const uint64_t begin = from > base ? from - base : 0;
    const uint64_t end = to - base < s->segment_bytes ? to - base : s->segment_bytes;
    bool kept = true;

    for (const struct index_group *group = segment->groups; kept && group != NULL;
         group = group->next) {
        kept = group->topic == NULL || lose(group, (uint32_t)begin, (uint32_t)end);
    }
    return kept;
}

bool hulse_state_lost(struct state *s, uint64_t from, uint64_t to)
{
    const struct state_segment *segment = NULL;
    size_t at = 0;
    bool kept = true;

    s->damages++;
    while (kept && (segment = hulse_id_map_next(&s->segments, &at)) != NULL) {
        const uint64_t base = segment->number * s->segment_bytes;
        if (base < to && from < base + s->segment_bytes) {
            kept = lose_in(s, segment, from, to);
        }
    }
    return kept;
}

bool hulse_state_lost_message(struct state *s, uint64_t topic, uint64_t position)
{
    struct state_topic *t = hulse_id_map_get(&s->topics, topic);

    return t == NULL || position >= STORE_POSITION_MAX ||
           hulse_ranges_add(&t->lost, position, position + 1);
}

uint64_t hulse_state_lost_in(const struct state *s, uint64_t topic, uint64_t from, uint64_t end)
{
    const struct state_topic *t = hulse_id_map_get(&s->topics, topic);

    return t == NULL ? 0 : hulse_ranges_count(&t->lost, from, end);
}

/* What this one has not acknowledged of what is lost; widens [first, end) by it. */
static uint64_t missed_by(const struct state_subscription *sub, struct state_loss *loss)
{
    const struct state_topic *topic = sub->topic;
    uint64_t missed = 0;

    for (uint32_t i = 0; i < topic->lost.count; i++) {
        const struct range *r = &topic->lost.list[i];
        const uint64_t first = r->first > topic->trimmed_to ? r->first : topic->trimmed_to;
        const uint64_t gap = hulse_ranges_next_gap(&sub->acknowledged, first);
        if (gap >= r->end) {
            continue;
        }
        missed += r->end - first - hulse_ranges_count(&sub->acknowledged, first, r->end);
        loss->first = gap < loss->first ? gap : loss->first;
        loss->end = r->end > loss->end ? r->end : loss->end;
    }
    return missed;
}

void hulse_state_each_loss(const struct state *s,
                           void (*each)(void *ctx, const struct state_loss *loss),
                           void *ctx)
{
    const struct state_topic *topic = NULL;
    size_t at = 0;

    while ((topic = hulse_id_map_next(&s->topics, &at)) != NULL) {
        struct state_loss loss = {.topic = topic->name, .first = UINT64_MAX};
        if (topic->lost.count == 0) {
            continue;
        }
        for (const struct state_subscription *sub = topic->subscriptions; sub != NULL;
             sub = sub->next) {
            const uint64_t missed = missed_by(sub, &loss);
            loss.messages = missed > loss.messages ? missed : loss.messages;
        }
        if (loss.messages != 0) {
            each(ctx, &loss);
        }
    }
}
