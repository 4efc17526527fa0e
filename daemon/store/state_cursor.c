/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/assert.h"
#include "daemon/store/state_internal.h"
#include "daemon/store/value.h"

#include <stdlib.h>
#include <string.h>

enum { COUNT_ROOM_FIRST = 8 };

void hulse_state_subscription_measure(struct state *s, struct state_subscription *sub)
{
    const uint64_t bytes = sizeof(*sub) + strlen(sub->name) + 1 +
                           (uint64_t)sub->acknowledged.room * sizeof(struct range) +
                           (uint64_t)sub->count_room * sizeof(*sub->counts);

    s->bytes = s->bytes - sub->bytes + bytes;
    sub->bytes = bytes;
}

bool hulse_state_subscription_touch(struct state *s, struct state_subscription *sub)
{
    hulse_state_subscription_measure(s, sub);
    return sub->transient || hulse_state_changed(&s->changed_subscriptions, sub, &sub->changed);
}

struct state_subscription *
hulse_state_subscription_add(struct state *s, struct state_topic *topic, const struct record *r)
{
    struct state_subscription *sub = calloc(1, sizeof(*sub) + r->name_bytes + 1U);

    if (sub == NULL) {
        return NULL;
    }
    sub->id = r->subscription;
    sub->topic = topic;
    memcpy(sub->name, r->name, r->name_bytes);
    if (!hulse_id_map_put(&s->subscriptions, sub->id, sub)) {
        free(sub);
        return NULL;
    }
    sub->next = topic->subscriptions;
    topic->subscriptions = sub;
    topic->subscription_count++;
    hulse_state_subscription_measure(s, sub);
    return sub;
}

void hulse_state_subscription_drop(struct state *s, struct state_subscription *sub)
{
    s->transient_count -= sub->transient ? 1 : 0;
    hulse_state_unchanged(&s->changed_subscriptions, &sub->changed);
    hulse_id_map_remove(&s->subscriptions, sub->id);
    s->bytes -= sub->bytes;
    hulse_state_subscription_free(sub);
}

void hulse_state_subscription_free(struct state_subscription *sub)
{
    hulse_ranges_clear(&sub->acknowledged);
    free(sub->counts);
    free(sub);
}

bool hulse_state_subscription_remove(struct state *s, struct state_subscription *sub)
{
    const struct value_key key = hulse_value_key2(VALUE_SUBSCRIPTION, sub->topic->id, sub->id);
    struct state_subscription **at = &sub->topic->subscriptions;

    if (!sub->transient && !hulse_state_removed(s, &key, false)) {
        return false;
    }
    while (*at != sub) {
        at = &(*at)->next;
    }
    *at = sub->next;
    sub->topic->subscription_count--;
    hulse_state_subscription_drop(s, sub);
    return true;
}

/* The first live count at `position` or later. */
static uint32_t count_at(const struct state_subscription *sub, uint64_t position)
{
    uint32_t low = sub->count_first;
    uint32_t high = sub->count_first + sub->count_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (sub->counts[middle].position >= position) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* Closes the gap from the shorter side: acknowledgements come from the front as a rule. */
static void drop_counts(struct state_subscription *sub, struct range range)
{
    if (sub->count_count == 0) {
        return;
    }
    const uint32_t from = count_at(sub, range.first);
    const uint32_t to = count_at(sub, range.end);
    const uint32_t before = from - sub->count_first;
    const uint32_t behind = sub->count_first + sub->count_count - to;

    if (before < behind) {
        memmove(sub->counts + to - before,
                sub->counts + sub->count_first,
                before * sizeof(*sub->counts));
        sub->count_first += to - from;
    } else {
        memmove(sub->counts + from, sub->counts + to, behind * sizeof(*sub->counts));
    }
    sub->count_count -= to - from;
}

static bool room_for_count(struct state_subscription *sub)
{
    if (sub->count_first + sub->count_count < sub->count_room) {
        return true;
    }
    if (sub->count_first > sub->count_room / 2) {
        memmove(
            sub->counts, sub->counts + sub->count_first, sub->count_count * sizeof(*sub->counts));
        sub->count_first = 0;
        return true;
    }
    if (sub->count_room > UINT32_MAX / 2) {
        return false;
    }
    const uint32_t room = sub->count_room == 0 ? COUNT_ROOM_FIRST : sub->count_room * 2;
    struct store_cursor_count *larger = realloc(sub->counts, room * sizeof(*larger));
    if (larger == NULL) {
        return false;
    }
    sub->counts = larger;
    sub->count_room = room;
    return true;
}

bool hulse_cursor_redelivered(struct state_subscription *sub, struct store_count count)
{
    if (hulse_ranges_has(&sub->acknowledged, count.position)) {
        return true;
    }
    if (!room_for_count(sub)) {
        return false;
    }
    const uint32_t at = count_at(sub, count.position);
    const uint32_t end = sub->count_first + sub->count_count;
    if (at < end && sub->counts[at].position == count.position) {
        sub->counts[at].count = count.count;
        return true;
    }
    memmove(sub->counts + at + 1, sub->counts + at, (end - at) * sizeof(*sub->counts));
    sub->counts[at] = (struct store_cursor_count){.position = count.position, .count = count.count};
    sub->count_count++;
    return true;
}

bool hulse_cursor_acknowledge(struct state_subscription *sub, struct range range)
{
    if (!hulse_ranges_add(&sub->acknowledged, range.first, range.end)) {
        return false;
    }
    drop_counts(sub, range);
    return true;
}

bool hulse_cursor_seek(struct state_subscription *sub, uint64_t position)
{
    hulse_ranges_clear(&sub->acknowledged);
    sub->count_first = 0;
    sub->count_count = 0;
    return hulse_ranges_add(&sub->acknowledged, 0, position);
}
